#!/usr/bin/env bash
# xarf 1.0.0 (Python, for XARF v4 abuse reports)
#
# The schema that the package carries says of `confidence`: a number from 0 to 1. Its model says: an integer.
# `parse` of a report with 0.92 gives no report and no error, and its documentation takes an empty list of errors
# for "valid". Only 0 and 1 pass. The schema's own example of a spam report is lost in this way.
#
# Seen with 1.0.0 and pydantic 2.14, Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install xarf==1.0.0

seen=$("$work/venv/bin/python" - <<'PY'
import json
from importlib.resources import files
import xarf

contact = {"org": "Hotline", "contact": "notices@hotline.example", "domain": "hotline.example"}
report = {
    "xarf_version": "4.2.0", "report_id": "123e4567-e89b-42d3-a456-426614174000",
    "timestamp": "2026-11-28T03:00:00Z", "reporter": contact, "sender": contact,
    "source_identifier": "192.0.2.7", "category": "content", "type": "phishing",
    "url": "https://host.example/page",
}
core = json.loads((files("xarf") / "schemas" / "xarf-core.json").read_text())
field = core["properties"]["confidence"]
print("schema:", field["type"], field["minimum"], field["maximum"])
for confidence in (0, 0.5, 0.92, 1):
    done = xarf.parse({**report, "confidence": confidence})
    print(confidence, "report" if done.report else "no report", "errors:", len(done.errors), "warnings:", len(done.warnings))
PY
)
wanted="schema: number 0.0 1.0
0 report errors: 0 warnings: 0
0.5 no report errors: 0 warnings: 0
0.92 no report errors: 0 warnings: 0
1 report errors: 0 warnings: 0"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
