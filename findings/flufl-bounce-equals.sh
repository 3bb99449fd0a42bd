#!/usr/bin/env bash
# flufl.bounce 6.0.0 (Python; the detectors of GNU Mailman)
#
# A delivery status notification by RFC 3464 names who failed as `Final-Recipient: rfc822; ADDRESS`.
# flufl.bounce reads that field as if it were a list of MIME parameters, so that an `=` in the local part ends it:
# of an address that SRS rewrote, or one with VERP, only what stands before the first `=` is left,
# in lower case and without its domain.
# Nobody finds out which notice failed.
#
# Seen with 6.0.0, Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install flufl.bounce==6.0.0

seen=$("$work/venv/bin/python" - <<'PY'
from email import message_from_string
from flufl.bounce import all_failures

MAIL = """\
From: MAILER-DAEMON@mx.example
To: notices@hotline.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

A notice was not delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {}
Action: failed
Status: 5.1.1

--b--
"""
for address in (
    "abuse@host.example",
    "SRS0=Ab12=XY=host.example=abuse@forward.example",
    "abuse+case=77@host.example",
):
    delayed, failed = all_failures(message_from_string(MAIL.format(address)))
    print(address, "->", *sorted(one.decode() for one in failed))
PY
)
wanted="abuse@host.example -> abuse@host.example
SRS0=Ab12=XY=host.example=abuse@forward.example -> srs0
abuse+case=77@host.example -> abuse+case"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
