#!/usr/bin/env bash
# Sanic 25.12.1 says of a static file that it is empty: HEAD has Content-Length: 0, GET the true length.
#
# RFC 9110 (9.3.2, 8.6) lets HEAD leave the length out, and forbids another one than GET's. A monitor that takes the
# fingerprint from HEAD one day and from GET another day sees a file that was replaced.
#
# Seen on 2026-11-28 (Python 3.11):
#   HEAD 200 content-length: 0
#   GET  200 content-length: 48211
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check sanic==25.12.1
mkdir "$work/www"
head -c 48211 /dev/zero >"$work/www/a.jpg"
cat >"$work/site.py" <<'EOF'
import socket, sys
from sanic import Sanic

app = Sanic("site")
app.static("/", sys.argv[1])
listening = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[2], "w") as port:
    port.write(str(listening.getsockname()[1]))
app.run(sock=listening, single_process=True, access_log=False, motd=False)
EOF
"$work/venv/bin/python" "$work/site.py" "$work/www" "$work/port" >"$work/log" 2>&1 &
server=$!
"$work/venv/bin/python" - "$work/port" <<'EOF'
import http.client, importlib.metadata, pathlib, sys, time

def ask(method):
    for _ in range(200):
        try:
            link = http.client.HTTPConnection("127.0.0.1", int(pathlib.Path(sys.argv[1]).read_text()), timeout=5)
            link.request(method, "/a.jpg")
            reply = link.getresponse()
            reply.read()
            return reply.status, reply.getheader("Content-Length")
        except (OSError, ValueError):
            time.sleep(0.1)
    sys.exit("the site did not start")

print("sanic", importlib.metadata.version("sanic"))
seen = {method: ask(method) for method in ("HEAD", "GET")}
print(seen)
sys.exit(seen != {"HEAD": (200, "0"), "GET": (200, "48211")})
EOF
