#!/usr/bin/env bash
# WhiteNoise 6.12.0 says 416 Range Not Satisfiable of a file that it serves, where one byte is asked for.
#
# `Range: bytes=0-0` is the smallest request that shows whether a GET is answered, and what `curl -r 0-0` sends. Any
# range of one byte is refused so, in the middle of the file too; a range of two bytes is served. Content-Range of the
# refusal names the true length, so 416 with `*/N` says that the file is there.
#
# Seen on 2026-11-28 (Python 3.11, wsgiref):
#   no range        200 48211
#   bytes=0-0       416 bytes */48211
#   bytes=100-100   416 bytes */48211
#   bytes=0-1       206 bytes 0-1/48211
#   HEAD bytes=0-0  416 bytes */48211
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check whitenoise==6.12.0
mkdir "$work/www"
head -c 48211 /dev/zero >"$work/www/a.jpg"
"$work/venv/bin/python" - "$work/www" <<'EOF'
import http.client, importlib.metadata, sys, threading
from wsgiref.simple_server import WSGIRequestHandler, make_server
from whitenoise import WhiteNoise

def missing(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return [b""]

class Quiet(WSGIRequestHandler):
    def log_message(self, *_): pass

server = make_server("127.0.0.1", 0, WhiteNoise(missing, root=sys.argv[1]), handler_class=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()

def ask(method, wanted):
    link = http.client.HTTPConnection("127.0.0.1", server.server_port)
    link.request(method, "/a.jpg", headers={"Range": wanted} if wanted else {})
    reply = link.getresponse()
    reply.read()
    return reply.status, reply.getheader("Content-Range") or reply.getheader("Content-Length")

print("whitenoise", importlib.metadata.version("whitenoise"))
expected = {
    ("GET", ""): (200, "48211"),
    ("GET", "bytes=0-0"): (416, "bytes */48211"),
    ("GET", "bytes=100-100"): (416, "bytes */48211"),
    ("GET", "bytes=0-1"): (206, "bytes 0-1/48211"),
    ("HEAD", "bytes=0-0"): (416, "bytes */48211"),
}
seen = {request: ask(*request) for request in expected}
for request, answer in seen.items():
    print(*request, *answer)
server.shutdown()
sys.exit(seen != expected)
EOF
