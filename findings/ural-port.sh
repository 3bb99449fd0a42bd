#!/usr/bin/env bash
# ural 1.6.2 (Python, canonical and normal forms of URLs)
#
# `canonicalize_url` leaves out ports 80 and 443 without a look at the scheme: https on port 80 becomes https on
# 443, http on 443 becomes http on 80. That is another server, and two URLs become one.
# It also undoes one level of percent-encoding: %252F (a per cent sign and `2F`) becomes %2F.
#
# Seen with 1.6.2, Python 3.11: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install ural==1.6.2

seen=$("$work/venv/bin/python" -W ignore - <<'PY'
from ural import canonicalize_url

for url in (
    "http://host.example:80/a", "https://host.example:443/a",
    "https://host.example:80/a", "http://host.example:443/a", "http://host.example:8080/a",
    "http://host.example/a%252Fb",
):
    print(url, "->", canonicalize_url(url))
PY
)
wanted="http://host.example:80/a -> http://host.example/a
https://host.example:443/a -> https://host.example/a
https://host.example:80/a -> https://host.example/a
http://host.example:443/a -> http://host.example/a
http://host.example:8080/a -> http://host.example:8080/a
http://host.example/a%252Fb -> http://host.example/a%2Fb"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
