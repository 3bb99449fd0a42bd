#!/usr/bin/env bash
# iprange 1.0.4 (Debian 12; the tool that FireHOL's lists are made with)
#
# iprange 1.0 knows IPv4 alone. A line with an IPv6 prefix is not passed over: what stands before the first colon
# is taken for a host name or a number, and 2001 is the address 0.0.7.209. It ends up in the list, with a remark on
# standard error and status 0. A group of letters (fe80) is looked up in the DNS as a host name, which this
# script leaves out.
#
# Seen with 1.0.4+ds-2, Debian 12: what `wanted` says below. Needs apt's lists (`apt-get update`).
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq iprange=1.0.4+ds-2 2>/dev/null
dpkg -x ./*.deb root

seen=$(printf '198.51.100.0/24\n2001:db8::/32\n' | root/usr/bin/iprange 2>/dev/null; echo "status $?")
wanted="0.0.7.209
198.51.100.0/24
status 0"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
