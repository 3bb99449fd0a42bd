#!/usr/bin/env bash
# py-radix 1.1.0 (Python), cidr-js 2.3.1 (npm), netmask 2.4.4 and iprange 1.0.4 (Debian 12)
#
# People who write routes leave out the zeros at the end: 198.51/16 is 198.51.0.0/16, 192.0.2/24 is 192.0.2.0/24.
# Four readers of such lists take the text instead as an address in the old class form, where the last number fills
# what is left (198.51 is 198.0.0.51), and cut that to the prefix: 198.51/16 becomes 198.0.0.0/16, another network
# of the same size, without a word. Python's ipaddress, grepcidr and npm's ip-cidr refuse the short form.
#
# Seen on Debian 12 with Python 3.11 and Node 20: what `wanted` says below. Needs apt's lists (`apt-get update`).
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install py-radix==1.1.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cidr-js@2.3.1 >/dev/null
apt-get download -qq netmask=2.4.4-3 iprange=1.0.4+ds-2 2>/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done

seen=$(for prefix in 198.51/16 192.0.2/24; do
  echo "py-radix $prefix: $(venv/bin/python -c 'import radix, sys; print(radix.Radix().add(sys.argv[1]).prefix)' "$prefix")"
  echo "cidr-js $prefix: $(node -e 'const CIDR = require("cidr-js"); const r = new CIDR().range(process.argv[1]); console.log(r.start + " - " + r.end)' "$prefix")"
  echo "netmask $prefix: $(root/usr/bin/netmask "$prefix" | tr -d ' ')"
  echo "iprange $prefix: $(echo "$prefix" | root/usr/bin/iprange)"
done)
wanted="py-radix 198.51/16: 198.0.0.0/16
cidr-js 198.51/16: 198.0.0.0 - 198.0.255.255
netmask 198.51/16: 198.0.0.0/16
iprange 198.51/16: 198.0.0.0/16
py-radix 192.0.2/24: 192.0.0.0/24
cidr-js 192.0.2/24: 192.0.0.0 - 192.0.0.255
netmask 192.0.2/24: 192.0.0.0/24
iprange 192.0.2/24: 192.0.0.0/24"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
