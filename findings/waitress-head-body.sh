#!/usr/bin/env bash
# waitress 3.0.2 sends the body of the application's answer after the header block of a HEAD, where the application
# gives one; and Django 5.2.19 gives one for a file (django.views.static.serve, any FileResponse) and for a 404.
#
# RFC 9110 (9.3.2): the answer to HEAD has no body. Who keeps the connection finds 48211 bytes of a picture where the
# next answer should begin.
#
# Seen on 2026-11-28 (Python 3.11):
#   HEAD /a.jpg     200 Content-Length: 48211, and 48211 bytes after the header block
#   HEAD /gone.jpg  404 Transfer-Encoding: chunked, and a body after the header block
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check waitress==3.0.2 django==5.2.19
mkdir "$work/www"
head -c 48211 /dev/zero >"$work/www/a.jpg"
cat >"$work/site_urls.py" <<'EOF'
import os
from django.urls import re_path
from django.views.static import serve

urlpatterns = [re_path("^(?P<path>.*)$", serve, {"document_root": os.environ["ROOT"]})]
EOF
cd "$work"
ROOT="$work/www" "$work/venv/bin/python" - <<'EOF'
import importlib.metadata, logging, socket, sys, threading
sys.path.insert(0, ".")
from django.conf import settings
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="site_urls", SECRET_KEY="x")
import django
django.setup()
logging.disable()
from django.core.wsgi import get_wsgi_application
from waitress.server import create_server

server = create_server(get_wsgi_application(), host="127.0.0.1", port=0)
threading.Thread(target=server.run, daemon=True).start()

def head(path):
    with socket.create_connection(("127.0.0.1", server.effective_port), timeout=10) as link:
        link.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        data = b"".join(iter(lambda: link.recv(65536), b""))
    block, _, after = data.partition(b"\r\n\r\n")
    return int(block.split()[1]), len(after)

print("waitress", importlib.metadata.version("waitress"), "django", importlib.metadata.version("django"))
there, gone = head("/a.jpg"), head("/gone.jpg")
print("HEAD /a.jpg", *there)
print("HEAD /gone.jpg", *gone)
sys.exit(there != (200, 48211) or gone[0] != 404 or gone[1] == 0)
EOF
