#!/usr/bin/env bash
# misp-stix 2026.10.12 (Python, MISP events as STIX): what was seen once counts as seen until somebody edits it
#
# MISP says of a URL when it was first and last seen, and when the entry was last changed (`timestamp`); each may be
# left out but the last. STIX needs both ends of an observation. Where only the first is there, misp-stix takes the
# change for the last sighting: a URL that was seen on 1 November and tagged on the 20th was online for 19 days, and
# a later correction makes it longer. Where only the last is there, it does not do so: both ends are that one.
# Nothing in the observation tells such an end from one that was seen.
#
# Seen with 2026.10.12, pymisp 2.5.34.4 and stix2 3.0.2, Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install misp-stix==2026.10.12 pymisp==2.5.34.4 stix2==3.0.2

seen=$("$work/venv/bin/python" -W ignore - <<'PY'
from datetime import datetime

from misp_stix_converter import MISPtoSTIX21Parser

def epoch(text):
    return str(int(datetime.fromisoformat(text).timestamp()))

first, last = "2026-11-01T10:00:00+00:00", "2026-11-01T12:00:00+00:00"
for name, seen in (
    ("both", {"first_seen": first, "last_seen": last}),
    ("first", {"first_seen": first}),
    ("last", {"last_seen": last}),
):
    for edited in ("2026-11-02T09:00:00+00:00", "2026-11-20T09:00:00+00:00"):
        url = {
            "uuid": "33333333-3333-4333-8333-333333333333", "type": "url", "category": "Network activity",
            "to_ids": False, "value": "http://host.example/a.jpg", "timestamp": epoch(edited), **seen,
        }
        event = {
            "uuid": "11111111-1111-4111-8111-111111111111", "info": "Notice", "date": "2026-11-01", "analysis": "2",
            "timestamp": epoch(edited), "published": True, "distribution": "0", "threat_level_id": "4",
            "Orgc": {"name": "Desk", "uuid": "22222222-2222-4222-8222-222222222222"}, "Attribute": [url],
        }
        parser = MISPtoSTIX21Parser()
        parser.parse_misp_event(event)
        (one,) = (each for each in parser.stix_objects if each["type"] == "observed-data")
        print(name, "edited", edited[:10], "->", f"{one.first_observed:%d %H:%M} to {one.last_observed:%d %H:%M}")
PY
)
wanted="both edited 2026-11-02 -> 01 10:00 to 01 12:00
both edited 2026-11-20 -> 01 10:00 to 01 12:00
first edited 2026-11-02 -> 01 10:00 to 02 09:00
first edited 2026-11-20 -> 01 10:00 to 20 09:00
last edited 2026-11-02 -> 01 12:00 to 01 12:00
last edited 2026-11-20 -> 01 12:00 to 01 12:00"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
