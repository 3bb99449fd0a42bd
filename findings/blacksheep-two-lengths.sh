#!/usr/bin/env bash
# BlackSheep 2.6.4 answers HEAD of a static file with two Content-Length headers that contradict each other: the
# file's, and 0. GET has one.
#
# RFC 9112 (6.3) has a client treat such an answer as broken. Whoever asks by HEAD first finds a broken host where every
# browser shows the picture.
#
# Seen on 2026-11-28 (Python 3.11,
# uvicorn 0.54.0 with httptools 0.9.0; with h11 the server refuses to send it, and HEAD is a 500):
#   HEAD 200 content-length: 48211, content-length: 0
#   GET  200 content-length: 48211
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check blacksheep==2.6.4 uvicorn==0.54.0 httptools==0.9.0
mkdir "$work/www"
head -c 48211 /dev/zero >"$work/www/a.jpg"
"$work/venv/bin/python" - "$work/www" <<'EOF'
import importlib.metadata, socket, sys, threading, time
import uvicorn
from blacksheep import Application

app = Application()
app.serve_files(sys.argv[1], extensions={".jpg"})
listening = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, http="httptools", log_level="error"))
threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
while not server.started:
    time.sleep(0.01)

def lengths(method):
    with socket.create_connection(listening.getsockname()) as link:
        link.sendall(f"{method} /a.jpg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data and (more := link.recv(4096)):
            data += more
    first, *lines = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    pairs = [line.lower().partition(": ") for line in lines]
    return first.split()[1], [value for name, _, value in pairs if name == "content-length"]

print("blacksheep", importlib.metadata.version("blacksheep"))
seen = {method: lengths(method) for method in ("HEAD", "GET")}
print(seen)
sys.exit(seen != {"HEAD": ("200", ["48211", "0"]), "GET": ("200", ["48211"])})
EOF
