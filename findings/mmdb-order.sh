#!/usr/bin/env bash
# mmdb_writer 0.2.7 (Python, writes MaxMind DB files): a wide network wipes out the narrow ones that were there
#
# A route table is a set, and the longest prefix wins; a file that is made from one depends on the order. A /16 that is
# inserted after a /24 inside it takes its place, without a word: the reseller's network is then charged to the carrier.
# In the order of a list that is sorted by provider that is chance. Neither README nor docstring speaks of an order.
# With the widest first, all is as in the table. (MaxMind's own writer for Go replaces too, and says so.)
#
# Seen with 0.2.7, read by maxminddb 3.2.0, Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install mmdb_writer==0.2.7 maxminddb==3.2.0 netaddr==1.3.0

seen=$(cd "$work" && venv/bin/python - <<'PY'
from itertools import permutations

import maxminddb
from mmdb_writer import MMDBWriter
from netaddr import IPSet

routes = {"198.51.0.0/16": "carrier", "198.51.100.0/24": "reseller", "198.51.100.7/32": "customer"}
for order in permutations(routes):
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True)
    for route in order:
        writer.insert_network(IPSet([route]), {"provider": routes[route]})
    writer.to_db_file("providers.mmdb")
    with maxminddb.open_database("providers.mmdb") as database:
        found = [database.get(address)["provider"] for address in ("198.51.1.1", "198.51.100.1", "198.51.100.7")]
    print(*(routes[route] for route in order), "->", *found)
PY
)
wanted="carrier reseller customer -> carrier reseller customer
carrier customer reseller -> carrier reseller reseller
reseller carrier customer -> carrier carrier customer
reseller customer carrier -> carrier carrier carrier
customer carrier reseller -> carrier reseller reseller
customer reseller carrier -> carrier carrier carrier"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
