#!/usr/bin/env bash
# Unbound 1.17.1 (Debian 12) with `ede: yes` gives no Extended DNS Error (RFC 8914) with the NXDOMAIN by which its own
# local zone or policy zone denies a name. What marks the denial is another thing: AA set together with RA, and no SOA.
#
# A client that takes "no error 15 to 18" for "not filtered" believes that the name does not exist.
#
# Seen on 2026-11-28 (query pics.example A with EDNS):
#   local-zone always_nxdomain  NXDOMAIN aa ra, no SOA, no error code
#   local-zone static           NXDOMAIN aa ra, no SOA, no error code
#   rpz CNAME .                 NXDOMAIN aa ra, no SOA, no error code
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
# The package and what an installation of it would add, unpacked here.
mapfile -t packages < <({ echo unbound; apt-get -s -q --no-install-recommends install unbound |
  awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }'; } | tr ' ' '\n' | sort -u)
apt-get -q -o APT::Sandbox::User=root download "${packages[@]}" >/dev/null 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" tree; done
for folder in "$work"/tree/usr/lib/*-linux-gnu*; do export LD_LIBRARY_PATH=$folder; done
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
version=$(tree/usr/sbin/unbound -V | sed -n 's/^Version //p')
echo "unbound $version"
[ "$version" = 1.17.1 ]
printf '%s\n' '$ORIGIN rpz.local.' '@ 0 SOA a b 1 1 1 1 1' '@ 0 NS a' 'pics.example 0 CNAME .' >policy
cat >ask.py <<'EOF'
import socket, struct, sys, time

name = b"".join(bytes([len(label)]) + label for label in b"pics.example".split(b".")) + b"\0"
option = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 1) + name + struct.pack("!HH", 1, 1) + option
for _ in range(100):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1)
        link.connect(("127.0.0.1", int(sys.argv[1])))
        try:
            link.send(query)
            answer = link.recv(4096)
            break
        except OSError:
            time.sleep(0.1)
else:
    sys.exit("the resolver did not start")
flags, _, answers, authority, additional = struct.unpack("!5H", answer[2:12])
seen = {
    "rcode": flags & 15,
    "aa": bool(flags & 0x0400),
    "ra": bool(flags & 0x0080),
    "records": (answers, authority, additional),
    # An OPT record without options has 11 bytes.
    "options": len(answer) - 12 - len(name) - 4 - 11,
}
print(sys.argv[2], seen)
sys.exit(seen != {"rcode": 3, "aa": True, "ra": True, "records": (0, 0, 1), "options": 0})
EOF
changed=0
for filter in always_nxdomain static rpz; do
  {
    printf 'server:\n  interface: 127.0.0.1\n  port: %s\n  username: ""\n  chroot: ""\n' "$port"
    printf '  directory: "%s"\n  pidfile: "%s/pid"\n  use-syslog: no\n' "$work" "$work"
    printf '  logfile: "%s/log"\n  ede: yes\n  module-config: "respip iterator"\n' "$work"
    if [ "$filter" != rpz ]; then printf '  local-zone: "pics.example." %s\n' "$filter"; fi
    printf 'remote-control:\n  control-enable: no\n'
    if [ "$filter" = rpz ]; then printf 'rpz:\n  name: rpz.local\n  zonefile: "%s/policy"\n' "$work"; fi
  } >unbound.conf
  tree/usr/sbin/unbound -d -p -c "$work/unbound.conf" &
  server=$!
  python3 ask.py "$port" "$filter" || changed=1
  kill "$server"
  wait "$server" 2>/dev/null || true
done
exit "$changed"
