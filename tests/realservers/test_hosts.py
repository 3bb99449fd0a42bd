"""The host, not the file: virtual hosts that are deleted, routes and certificates that are gone, suspended accounts."""

from functools import partial

import pytest

from tests.realservers.daemons import Daemon
from tests.realservers.pem import self_signed
from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

SUSPENDED = b"<!doctype html><title>Account suspended</title>" + b"s" * 7453
WELCOME = b"<!doctype html><title>It works!</title>" + b"w" * 10_671


def welcoming(origin: Daemon) -> Daemon:
    """Give a server the page that it shows to whoever asks for a name that it doesn't have."""
    folder = origin.folder / "default"
    folder.mkdir()
    (folder / "index.html").write_bytes(WELCOME)
    return origin


FILES = {
    "nginx": "server { listen 127.0.0.1:PORT default_server; root FOLDER/default; }",
    "apache2": "<VirtualHost *:PORT>\nServerName default.example\nDocumentRoot FOLDER/default\n</VirtualHost>",
    "caddy": "http://:PORT {\nroot * FOLDER/default\nfile_server\n}",
}
PLACE = {"nginx": "http", "apache2": "before", "caddy": "others"}
RENAMED = {"nginx": "old.example", "apache2": "old.example", "caddy": "http://old.example"}


@pytest.mark.parametrize("kind", FILES)
async def test_a_default_site_that_has_other_files(stage: Stage, kind: str) -> None:
    """The virtual host is deleted, and the default site says 404 of the path: within."""
    origin = welcoming(stage.server(kind))
    default = {PLACE[kind]: FILES[kind]}
    origin.configure(**default)
    acts = {5.5: lambda: origin.configure(name=RENAMED[kind], **default)}
    await stage.plays(origin, acts, gone=5.5, outcome="within")


PAGES = {
    "nginx page": "server { listen 127.0.0.1:PORT default_server; root FOLDER/default; rewrite ^ /index.html break; }",
    "nginx text": 'server { listen 127.0.0.1:PORT default_server; return 200 "Welcome"; }',
    "nginx empty": "server { listen 127.0.0.1:PORT default_server; return 200; }",
    "nginx closes": "server { listen 127.0.0.1:PORT default_server; return 444; }",
    "nginx 421": "server { listen 127.0.0.1:PORT default_server; return 421; }",
    "nginx 403": "server { listen 127.0.0.1:PORT default_server; return 403; }",
    "nginx 503": "server { listen 127.0.0.1:PORT default_server; return 503; }",
    "nginx elsewhere": "server { listen 127.0.0.1:PORT default_server; return 302 http://hoster.test/; }",
    "apache2 page": "<VirtualHost *:PORT>\nServerName default.example\nDocumentRoot FOLDER/default\n"
    "FallbackResource /index.html\n</VirtualHost>",
    "caddy nothing": "",
    "caddy text": 'http://:PORT {\nrespond "Hello"\n}',
}


@by_rule(PAGES)
async def test_a_default_site_that_says_one_thing(stage: Stage, kind: str, rule: str) -> None:
    """The virtual host is deleted, and the default site says the same to every path: no breach."""
    origin = welcoming(stage.server(kind))
    default = {PLACE[kind]: rule}
    origin.configure(**default)
    acts = {5.5: lambda: origin.configure(name=RENAMED[kind], **default)}
    await stage.plays(origin, acts, gone=5.5)


@by_rule(PAGES)
async def test_a_default_site_at_the_first_look(stage: Stage, kind: str, rule: str) -> None:
    """The first looks meet the default site, until a mistake is mended at hour 3.5: a breach, and no removal."""
    origin = welcoming(stage.server(kind))
    default = {PLACE[kind]: rule}
    origin.configure(name=RENAMED[kind], **default)
    await stage.plays(origin, {3.5: lambda: origin.configure(**default)}, outcome="breached")


# -- a balancer without a route for the name -------------------------------------------------------

ROUTES = {
    "503": "use_backend o if { hdr_beg(host) -i NAME }\n",
    "404": "use_backend o if { hdr_beg(host) -i NAME }\nhttp-request return status 404 if !{ hdr_beg(host) NAME }\n",
    "default page": "use_backend o if { hdr_beg(host) -i NAME }\n"
    "http-request return status 200 content-type text/html string hello if !{ hdr_beg(host) NAME }\n",
}
ROUTED = {"503": None, "404": "within", "default page": None}


@pytest.mark.parametrize("without", ROUTES)
async def test_a_balancer_that_has_no_route_for_the_name(stage: Stage, without: str) -> None:
    """The name is taken from the balancer, which serves others on: within where it says 404, else no breach."""
    origin = stage.server("nginx")
    backend = f"backend o\nserver o 127.0.0.1:{origin.port}"
    routed = ROUTES[without].replace("NAME", "pics.example") + backend
    rerouted = ROUTES[without].replace("NAME", "other.example") + backend
    front = stage.server("haproxy", routed)
    acts = {5.5: partial(front.configure, rerouted)}
    await stage.plays(front, acts, gone=5.5, outcome=ROUTED[without])


async def test_a_balancer_whose_backend_is_down_for_a_while(stage: Stage) -> None:
    """503 for five hours, because no node answers its checks; the file stays: a breach."""
    origin = stage.server("nginx")
    rules = f"default_backend o\nbackend o\nserver o 127.0.0.1:{origin.port}"
    front = stage.server("haproxy", rules)
    acts = {3.5: origin.stop, 8.6: origin.start}
    await stage.plays(front, acts, outcome="breached")


# -- suspended -------------------------------------------------------------------------------------

SUSPENSIONS = {
    "nginx redirect": "location / { return 302 /cgi-sys/suspendedpage.cgi; } "
    "location /cgi-sys/ { rewrite ^ /suspended.html break; }",
    "nginx page": "location / { rewrite ^ /suspended.html break; }",
    "nginx page with 403": "error_page 403 /suspended.html; location / { return 403; } location = /suspended.html { }",
    "nginx page with 503": "error_page 503 /suspended.html; location / { return 503; } location = /suspended.html { }",
    "apache2 redirect": "RewriteEngine on\nRewriteCond %{REQUEST_URI} !suspended\n"
    "RewriteRule .* /suspended.html [R=302,L]",
    "apache2 elsewhere": "RewriteEngine on\nRewriteRule .* http://suspended.hoster.test/ [R=302,L]",
    "caddy page": "rewrite * /suspended.html\nfile_server",
}


@by_rule(SUSPENSIONS)
async def test_a_suspended_account(stage: Stage, kind: str, rule: str) -> None:
    """The hoster suspends the account: every path shows its page, for good: no breach."""
    origin = stage.server(kind)
    origin.put("suspended.html", SUSPENDED)
    await stage.plays(origin, {5.5: partial(origin.configure, rule)}, gone=5.5)


@by_rule(SUSPENSIONS)
async def test_an_account_that_is_suspended_for_some_hours(
    stage: Stage, kind: str, rule: str
) -> None:
    """Suspended for a bill at 5.5, paid at 15.5, and nobody removed anything: a breach."""
    origin = stage.server(kind)
    origin.put("suspended.html", SUSPENDED)
    acts = {5.5: partial(origin.configure, rule), 15.5: origin.configure}
    await stage.plays(origin, acts, stays=[(-1e9, 5.5), (15.5, 1e9)], outcome="breached")


# -- TLS -------------------------------------------------------------------------------------------


def secure(stage: Stage, name: str) -> str:
    """Write the lines by which nginx takes the certificate of a name."""
    pem = self_signed(stage.folder, name)
    return f"ssl_certificate {pem}; ssl_certificate_key {pem}; "


async def test_a_file_behind_tls_that_is_removed(stage: Stage) -> None:
    """Served under a certificate that nobody vouches for, and removed: within."""
    origin = stage.server("nginx", secure(stage, "pics.example"), listen="ssl")
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within", scheme="https")


async def test_a_certificate_that_is_replaced_by_a_wrong_one(stage: Stage) -> None:
    """The certificate is for another name from 5.5 on, and the file is served all the same: a breach."""
    origin = stage.server("nginx", secure(stage, "pics.example"), listen="ssl")
    acts = {5.5: lambda: origin.configure(secure(stage, "other.example"), listen="ssl")}
    await stage.plays(origin, acts, outcome="breached", scheme="https")


async def test_a_name_that_tls_no_longer_knows(stage: Stage) -> None:
    """The server refuses the handshake for the name (unrecognized_name), as of 5.5: no breach."""
    refusing = "server { listen 127.0.0.1:PORT ssl default_server; ssl_reject_handshake on; }"
    own = secure(stage, "pics.example")
    origin = stage.server("nginx", own, http=refusing, listen="ssl")
    acts = {5.5: lambda: origin.configure(own, http=refusing, listen="ssl", name="old.example")}
    await stage.plays(origin, acts, gone=5.5, scheme="https")


async def test_a_balancer_that_insists_on_known_names(stage: Stage) -> None:
    """HAProxy takes the certificate of the name away, and closes without an alert of its own: no breach."""
    origin = stage.server("nginx")
    rules = f"default_backend o\nbackend o\nserver o 127.0.0.1:{origin.port}"
    own = self_signed(stage.folder, "pics.example")
    other = self_signed(stage.folder, "other.example")
    front = stage.server("haproxy", rules, bind=f"ssl crt {own} strict-sni")
    acts = {5.5: lambda: front.configure(rules, bind=f"ssl crt {other} strict-sni")}
    await stage.plays(front, acts, gone=5.5, scheme="https")


async def test_tls_that_is_broken_for_some_hours(stage: Stage) -> None:
    """For five hours plain HTTP is spoken where TLS was; then all is as before: a breach."""
    own = secure(stage, "pics.example")
    origin = stage.server("nginx", own, listen="ssl")
    acts = {
        3.5: lambda: origin.configure(listen=""),
        8.6: lambda: origin.configure(own, listen="ssl"),
    }
    await stage.plays(origin, acts, outcome="breached", scheme="https")


async def test_the_default_site_of_tls(stage: Stage) -> None:
    """The virtual host goes, and the default one, under its own certificate, says 404: within."""
    default = (
        "server { listen 127.0.0.1:PORT ssl default_server; root FOLDER/default; "
        f"{secure(stage, 'default.example')} }}"
    )
    own = secure(stage, "pics.example")
    origin = welcoming(stage.server("nginx", own, http=default, listen="ssl"))
    acts = {5.5: lambda: origin.configure(own, http=default, listen="ssl", name="old.example")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", scheme="https")


# -- the whole server ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
async def test_a_server_that_is_switched_off(stage: Stage, kind: str) -> None:
    """The server is off from 5.5 on, to all: no breach; one vantage can't tell that from an outage."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: origin.stop}, gone=5.5)


@pytest.mark.parametrize("kind", ["nginx", "lighttpd"])
async def test_a_server_that_is_off_over_night(stage: Stage, kind: str) -> None:
    """The server is off for ten hours, and comes back with all that it had: a breach."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: origin.stop, 15.5: origin.start}, outcome="breached")


async def test_a_server_that_is_off_at_the_notice(stage: Stage) -> None:
    """The server is off for the first two days, and what it has then was there before: not gone before the notice."""
    origin = stage.server("nginx")
    origin.stop()
    await stage.plays(origin, {50.5: origin.start}, until=90)
