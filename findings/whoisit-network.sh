#!/usr/bin/env bash
# whoisit 4.1.0 (Python, RDAP)
#
# An RDAP answer about an address gives the network as its first and last address; `cidr0_cidrs` beside it is an
# extension that a registry may leave out. Where the range is no single prefix, whoisit's `network` is then the
# first prefix of the range, whatever was asked: it does not hold the address of the question.
# With the extension it is the block that does. `cidrs` holds all of them in both cases.
#
# Seen with 4.1.0, Python 3.11: what `wanted` says below. Nothing is asked over the network here.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install whoisit==4.1.0

seen=$("$work/venv/bin/python" - <<'PY'
from ipaddress import ip_address, summarize_address_range
from types import SimpleNamespace
from whoisit.parser import parse

asked = "192.0.2.200"
answer = {
    "objectClassName": "ip network", "handle": "NET-1", "name": "HOSTING", "ipVersion": "v4",
    "startAddress": "192.0.2.16", "endAddress": "192.0.2.255",
}
blocks = summarize_address_range(ip_address("192.0.2.16"), ip_address("192.0.2.255"))
extension = [{"v4prefix": str(b.network_address), "length": b.prefixlen} for b in blocks]
bootstrap = SimpleNamespace(is_using_overrides=lambda: False)
for name, body in (("range", answer), ("cidr0", {**answer, "cidr0_cidrs": extension})):
    found = parse(bootstrap, "ip", asked, body)
    held = any(ip_address(asked) in one for one in found["cidrs"])
    print(name, found["network"], "holds it:", ip_address(asked) in found["network"], "cidrs hold it:", held)
PY
)
wanted="range 192.0.2.16/28 holds it: False cidrs hold it: True
cidr0 192.0.2.128/25 holds it: True cidrs hold it: True"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
