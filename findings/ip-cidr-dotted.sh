#!/usr/bin/env bash
# ip-cidr 4.0.2 (npm)
#
# RFC 4291 lets the last 32 bits of an IPv6 address be written as a dotted quad. ip-cidr takes such a prefix for
# valid, and makes of it one IPv4 address: 64:ff9b::192.0.2.0/120, the same prefix as 64:ff9b::c000:200/120 with
# its 256 addresses (NAT64), has a size of 1, is 192.0.2.0, and holds none of its own.
#
# Seen with 4.0.2 and ip-address as npm resolves it, Node 20: what `wanted` says below.
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ip-cidr@4.0.2 >/dev/null

seen=$(node -e '
const module_ = require("ip-cidr");
const IPCIDR = module_.default || module_;
for (const text of ["64:ff9b::c000:200/120", "64:ff9b::192.0.2.0/120"]) {
  const found = new IPCIDR(text);
  const held = ["64:ff9b::c000:207", "192.0.2.0"].map((one) => `${one} ${found.contains(one)}`);
  console.log(text, "valid", IPCIDR.isValidCIDR(text), "size", String(found.size), "start", found.start(), held.join(", "));
}')
wanted="64:ff9b::c000:200/120 valid true size 256 start 0064:ff9b:0000:0000:0000:0000:c000:0200 64:ff9b::c000:207 true, 192.0.2.0 false
64:ff9b::192.0.2.0/120 valid true size 1 start 192.0.2.0 64:ff9b::c000:207 false, 192.0.2.0 true"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
