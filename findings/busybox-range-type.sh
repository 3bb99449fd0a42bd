#!/usr/bin/env bash
# BusyBox 1.35.0 (Debian 12): the httpd of cameras, routers and small boxes gives a picture another type in parts
#
# HEAD and GET of a picture say `image/jpeg`. Asked for a range, the same server says `text/html` of the same bytes:
# it looks the type up only for answers with status 200. Who compares the type with one seen earlier by another method
# finds a web page where a picture was, and takes it for a removal.
# Two more things of that server: HEAD is answered with the body, and `bytes=0-0` with the whole file.
#
# Seen on Debian 12: what `wanted` says below. Needs apt's lists (`apt-get update`).
# Status 0: still so; 1: it changed.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
apt-get -q -o APT::Sandbox::User=root download busybox=1:1.35.0-4+deb12u1+b1 >/dev/null 2>&1
dpkg-deb -x ./*.deb tree
mkdir www
head -c 48211 /dev/zero >www/a.jpg
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
tree/bin/busybox httpd -f -p "127.0.0.1:$port" -h www &
server=$!
cat >ask.py <<'EOF'
import socket, sys, time

def ask(method, wanted=""):
    for _ in range(100):
        try:
            link = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    else:
        sys.exit("the server did not start")
    with link, link.makefile("rb") as reply:
        range_ = f"Range: {wanted}\r\n" if wanted else ""
        link.sendall(f"{method} /a.jpg HTTP/1.1\r\nHost: localhost\r\n{range_}Connection: close\r\n\r\n".encode())
        head, _, body = reply.read().partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    span = fields.get("Content-Range", "")
    print(method, wanted, head.decode().split()[1], fields["Content-type"], span, f"body of {len(body)} bytes")

ask("HEAD")
ask("GET")
ask("GET", "bytes=0-1")
ask("GET", "bytes=0-0")
EOF
seen=$(python3 ask.py "$port" | tr -s ' ')
wanted="HEAD 200 image/jpeg body of 48211 bytes
GET 200 image/jpeg body of 48211 bytes
GET bytes=0-1 206 text/html bytes 0-1/48211 body of 2 bytes
GET bytes=0-0 206 text/html bytes 0-48210/48211 body of 48211 bytes"
diff <(echo "$wanted") <(echo "$seen") && echo "still so"
