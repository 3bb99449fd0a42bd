#!/usr/bin/env bash
# Apache httpd 2.4.71 (Debian 12) leaves Content-Length out of its answer to HEAD where the file is empty, and only
# there; GET says Content-Length: 0. The ETag is that of the file in both.
#
# A picture that was truncated to nothing looks by HEAD like one whose length the server never tells. nginx, lighttpd
# and Caddy say 0.
#
# Seen on 2026-11-28:
#   HEAD /a.jpg      200 Content-Length: 48211
#   HEAD /empty.jpg  200 no Content-Length
#   GET  /empty.jpg  200 Content-Length: 0
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
# The package and what an installation of it would add, unpacked here.
mapfile -t packages < <({ echo apache2-bin; apt-get -s -q --no-install-recommends install apache2-bin |
  awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }'; } | tr ' ' '\n' | sort -u)
apt-get -q -o APT::Sandbox::User=root download "${packages[@]}" >/dev/null 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" tree; done
for folder in "$work"/tree/usr/lib/*-linux-gnu*; do export LD_LIBRARY_PATH=$folder; done
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
mkdir www
head -c 48211 /dev/zero >www/a.jpg
: >www/empty.jpg
chmod 755 "$work"
modules=$work/tree/usr/lib/apache2/modules
cat >apache.conf <<CONF
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule alias_module $modules/mod_alias.so
LoadModule rewrite_module $modules/mod_rewrite.so
ServerRoot $work
DefaultRuntimeDir $work
PidFile $work/pid
ErrorLog $work/error.log
ServerName localhost
Listen 127.0.0.1:$port
User nobody
Group nogroup
DocumentRoot $work/www
CONF
tree/usr/sbin/apache2 -v | sed -n 1p
tree/usr/sbin/apache2 -v | grep -q 'Apache/2\.4\.71 '
tree/usr/sbin/apache2 -f "$work/apache.conf" -DFOREGROUND &
server=$!
python3 - "$port" <<'EOF'
import http.client, sys, time

def ask(method, path):
    for _ in range(100):
        try:
            link = http.client.HTTPConnection("localhost", int(sys.argv[1]), timeout=5)
            link.request(method, path)
            reply = link.getresponse()
            reply.read()
            return reply
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("the server did not start")

expected = {
    ("HEAD", "/a.jpg"): (200, "48211", True),
    ("HEAD", "/empty.jpg"): (200, None, True),
    ("GET", "/empty.jpg"): (200, "0", True),
}
changed = False
for request, answer in expected.items():
    reply = ask(*request)
    seen = reply.status, reply.getheader("Content-Length"), reply.getheader("ETag") is not None
    print(*request, *seen)
    changed = changed or seen != answer
sys.exit(changed)
EOF
