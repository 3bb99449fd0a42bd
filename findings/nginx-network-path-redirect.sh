#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12) takes `return 302 //images.example/a.jpg` for a path of its own: Location becomes
# http://HOST//images.example/a.jpg, which is another place than the one that was written down.
#
# A network-path reference (RFC 3986, 4.2) begins with a slash as a path does, and names a host. With
# `absolute_redirect off` it is sent as it stands.
#
# Seen on 2026-11-28:
#   /on   Location: http://localhost:PORT//images.example/a.jpg
#   /off  Location: //images.example/a.jpg
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
# The package and what an installation of it would add, unpacked here.
mapfile -t packages < <({ echo nginx nginx-common; apt-get -s -q --no-install-recommends install nginx nginx-common |
  awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }'; } | tr ' ' '\n' | sort -u)
apt-get -q -o APT::Sandbox::User=root download "${packages[@]}" >/dev/null 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" tree; done
for folder in "$work"/tree/usr/lib/*-linux-gnu*; do export LD_LIBRARY_PATH=$folder; done
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
cat >nginx.conf <<CONF
daemon off; pid $work/pid; error_log $work/error.log;
events { }
http {
  access_log off;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server {
    listen 127.0.0.1:$port;
    location = /on { return 302 //images.example/a.jpg; }
    location = /off { absolute_redirect off; return 302 //images.example/a.jpg; }
  }
}
CONF
tree/usr/sbin/nginx -v
tree/usr/sbin/nginx -v 2>&1 | grep -q 'nginx/1\.22\.1$'
tree/usr/sbin/nginx -e error.log -p "$work" -c nginx.conf &
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
    "/on": "http://localhost:PORT//images.example/a.jpg",
    "/off": "//images.example/a.jpg",
}
changed = False
for path, answer in expected.items():
    seen = ask("HEAD", path).getheader("Location").replace(sys.argv[1], "PORT")
    print(path, "->", seen)
    changed = changed or seen != answer
sys.exit(changed)
EOF
