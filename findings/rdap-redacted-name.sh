#!/usr/bin/env bash
# rdap 1.7.0 (Python, command line and library for RDAP)
#
# RFC 9537 lets a server redact a field by an empty value, and a jCard must have `fn`, so that a redacted name is
# `fn` with an empty text. In the normalized form such a contact is dropped whole: the abuse mailbox, which was
# not redacted, goes with the name. The older `parsed` form of the same library still has the address.
# Of two addresses of one contact the normalized form keeps the last.
#
# Seen with 1.7.0, Python 3.11: what `wanted` says below. Nothing is asked over the network here.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install rdap==1.7.0

seen=$("$work/venv/bin/python" - <<'PY'
from rdap.context import RdapRequestContext
from rdap.normalize import normalize
from rdap.objects import RdapNetwork

def contacts(name, *addresses):
    card = [["version", {}, "text", "4.0"], ["fn", {}, "text", name]]
    card += [["email", {}, "text", address] for address in addresses]
    answer = {
        "objectClassName": "ip network", "handle": "NET-1", "name": "HOSTING", "ipVersion": "v4",
        "startAddress": "192.0.2.0", "endAddress": "192.0.2.255", "type": "ASSIGNED",
        "status": ["active"], "events": [], "links": [], "notices": [], "remarks": [],
        "cidr0_cidrs": [{"v4prefix": "192.0.2.0", "length": 24}],
        "entities": [{
            "objectClassName": "entity", "handle": "ABUSE-1", "roles": ["abuse"], "events": [],
            "links": [{"rel": "self", "href": "https://rdap.example/entity/ABUSE-1"}],
            "entities": [], "vcardArray": ["vcard", card],
        }],
    }
    with RdapRequestContext(url="https://rdap.example/ip/192.0.2.7"):
        found = [one["email"] for one in normalize(answer, "ripe", "ip")["contacts"]]
    print(repr(name), "normalized:", found, "parsed:", RdapNetwork(answer).emails)

contacts("Abuse Desk", "abuse@host.example")
contacts("", "abuse@host.example")
contacts("Abuse Desk", "abuse@host.example", "noc@host.example")
PY
)
wanted="'Abuse Desk' normalized: ['abuse@host.example'] parsed: ['abuse@host.example']
'' normalized: [] parsed: ['abuse@host.example']
'Abuse Desk' normalized: ['noc@host.example'] parsed: ['abuse@host.example', 'noc@host.example']"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
