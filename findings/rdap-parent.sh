#!/usr/bin/env bash
# rdap 1.7.0 (Python, command line and library for RDAP)
#
# The normalized form of a network has a field `parent`, a prefix. RDAP has none: it has `parentHandle`, a name.
# From a handle of ARIN's form (NET-198-18-0-0-1) rdap takes the address, and as the length of the prefix eight
# for each part that is not 0. A parent of /15 becomes /16, and may not hold its own child;
# a parent of /24 with a 0 in the middle becomes /16.
#
# Seen with 1.7.0, Python 3.11: what `wanted` says below. Nothing is asked over the network here.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install rdap==1.7.0

seen=$("$work/venv/bin/python" - <<'PY'
from ipaddress import ip_network
from rdap.context import RdapRequestContext
from rdap.normalize import normalize

def parent_of(prefix, length, parent_handle):
    network = ip_network(f"{prefix}/{length}")
    answer = {
        "objectClassName": "ip network", "handle": "NET-CHILD", "name": "CHILD", "ipVersion": "v4",
        "startAddress": str(network[0]), "endAddress": str(network[-1]), "parentHandle": parent_handle,
        "cidr0_cidrs": [{"v4prefix": prefix, "length": length}], "type": "REASSIGNMENT",
        "status": ["active"], "events": [], "entities": [], "links": [], "notices": [], "remarks": [],
    }
    with RdapRequestContext(url="https://rdap.example/ip/" + prefix):
        found = ip_network(normalize(answer, "arin", "ip")["parent"])
    print(network, "under", parent_handle, "-> parent", found, "holds it:", network.subnet_of(found))

parent_of("198.18.7.0", 24, "NET-198-18-0-0-1")  # 198.18.0.0/15, the lower half
parent_of("198.19.7.0", 24, "NET-198-18-0-0-1")  # 198.18.0.0/15, the upper half
parent_of("192.0.2.128", 25, "NET-192-0-2-0-1")  # 192.0.2.0/24
PY
)
wanted="198.18.7.0/24 under NET-198-18-0-0-1 -> parent 198.18.0.0/16 holds it: True
198.19.7.0/24 under NET-198-18-0-0-1 -> parent 198.18.0.0/16 holds it: False
192.0.2.128/25 under NET-192-0-2-0-1 -> parent 192.0.0.0/16 holds it: True"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
