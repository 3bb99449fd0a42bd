#!/usr/bin/env bash
# Litestar 2.25.0 answers HEAD of a static file without a Content-Type; GET has one. Both have length, date and ETag.
#
# A comparison of the kind of content (is it still a picture?) has nothing to go by in HEAD; a page served in place of
# the picture is no difference to it. A Range is ignored, so GET is always the whole file.
#
# Seen on 2026-11-28 (Python 3.11, uvicorn 0.54.0):
#   HEAD 200 no content-type   48211
#   GET  200 image/jpeg        48211 (with Range: bytes=0-0)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check litestar==2.25.0 uvicorn==0.54.0
mkdir "$work/www"
head -c 48211 /dev/zero >"$work/www/a.jpg"
"$work/venv/bin/python" - "$work/www" <<'EOF'
import http.client, importlib.metadata, socket, sys, threading, time
import uvicorn
from litestar import Litestar
from litestar.static_files import create_static_files_router

app = Litestar(route_handlers=[create_static_files_router(path="/", directories=[sys.argv[1]])])
listening = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
while not server.started:
    time.sleep(0.01)

def ask(method):
    link = http.client.HTTPConnection(*listening.getsockname())
    link.request(method, "/a.jpg", headers={"Range": "bytes=0-0"})
    reply = link.getresponse()
    reply.read()
    return reply.status, reply.getheader("Content-Type"), reply.getheader("Content-Length")

print("litestar", importlib.metadata.version("litestar"))
seen = {method: ask(method) for method in ("HEAD", "GET")}
print(seen)
sys.exit(seen != {"HEAD": (200, None, "48211"), "GET": (200, "image/jpeg", "48211")})
EOF
