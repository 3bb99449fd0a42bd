#!/usr/bin/env bash
# lifelines 0.30.3 (Python): durations from times are cut to whole units, and a date for those still there may be lost
#
# `datetimes_to_durations` gives "floats representing the durations with time units given by freq". They are whole:
# 24 h 59 min is 24.0 hours, and 47 h 59 min is 1.0 day. "Gone within 24 hours" asked of it counts up to an hour, or a
# day, too much. Only a unit that is finer than the answer has to be (freq="s") helps.
# For who is still there, `fill_date` is put in as text among the other ends. Where it is written less precisely than
# they are (a date among date-times) it cannot be read with them any more, and the duration is -9.2e18 of whatever unit.
# A warning speaks of starts that are after their ends. Given as a datetime, or as precisely as the rest, it is right.
#
# Seen with 0.30.3 and pandas 2.3.3, Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install lifelines==0.30.3 pandas==2.3.3

seen=$("$work/venv/bin/python" -W ignore - <<'PY'
from lifelines.utils import datetimes_to_durations

notices = ["2026-11-01T10:00:00"] * 3
gone = ["2026-11-02T10:59:00", "2026-11-03T09:59:00", None]
for unit in ("h", "D", "s"):
    durations, removed = datetimes_to_durations(notices, gone, fill_date="2026-11-04T10:00:00", freq=unit)
    print(unit, *durations, *removed)
print("a date", *datetimes_to_durations(notices, gone, fill_date="2026-11-04", freq="h")[0])
PY
)
wanted="h 24.0 47.0 72.0 True True False
D 1.0 1.0 3.0 True True False
s 89940.0 172740.0 259200.0 True True False
a date 24.0 47.0 -9.223372036854776e+18"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
