#!/usr/bin/env bash
# pytricia 1.3.0 (Python, longest prefix match)
#
# A table of 128 bits takes IPv4 prefixes too, shows them as they were given and finds them, so that one table
# for both families seems to work. But an IPv4 prefix stands at the same place as the IPv6 prefix with the same
# leading bits: 32.1.13.0/24 has the bits of 2001:d00::/24, and answers for every IPv6 address in there that no
# longer prefix covers, and an IPv6 prefix answers for IPv4 addresses. No error, and the wrong provider.
#
# Seen with 1.3.0, Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install pytricia==1.3.0

seen=$("$work/venv/bin/python" - <<'PY'
import pytricia

one = pytricia.PyTricia(128)
one["32.1.13.0/24"] = "provider of IPv4"
print(list(one), one.get("32.1.13.7"), "|", one.get("2001:db8::7"), one.get_key("2001:db8::7"))
other = pytricia.PyTricia(128)
other["2001:db8::/32"] = "provider of IPv6"
print(list(other), other.get("2001:db8::7"), "|", other.get("32.1.13.184"), other.get_key("32.1.13.184"))
PY
)
wanted="['32.1.13.0/24'] provider of IPv4 | provider of IPv4 32.1.13.0/24
['2001:db8::/32'] provider of IPv6 | provider of IPv6 2001:db8::/32"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
