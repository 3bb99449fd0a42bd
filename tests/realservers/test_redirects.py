"""Redirects: from HTTP to HTTPS, to canonical addresses, and with a Location that only browsers read."""

from functools import partial

import pytest

from tests.realservers.daemons import PICTURE
from tests.realservers.pem import self_signed
from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage


@pytest.mark.parametrize("gone", [5.5, None])
async def test_from_http_to_https(stage: Stage, gone: float | None) -> None:
    """HTTP sends to HTTPS, which serves the file until it is removed: within; or for ever: a breach."""
    pem = self_signed(stage.folder, "pics.example")
    secure = stage.server(
        "nginx", f"ssl_certificate {pem}; ssl_certificate_key {pem};", listen="ssl"
    )
    plain = stage.server("nginx", f"return 301 https://pics.example:{secure.port}$request_uri;")
    acts = {} if gone is None else {gone: secure.remove}
    await stage.plays(plain, acts, gone=gone, outcome="breached" if gone is None else "within")


LOCATIONS = {
    "nginx space": 'location = /a.jpg { return 302 "/real photo.jpg"; }',
    "nginx utf-8": 'location = /a.jpg { return 302 "/synsprøve.jpg"; }',
    "nginx space in the host's own address": 'location = /a.jpg { return 302 "http://$http_host/real photo.jpg"; }',
    "nginx relative": 'location = /a.jpg { return 302 "sub/../real%20photo.jpg"; }',
    "nginx doubled": "absolute_redirect off; location = /a.jpg { return 302 //$http_host/real%20photo.jpg; }",
    "nginx fragment": "location = /a.jpg { return 302 /real%20photo.jpg#top; }",
    "apache2 space": 'Redirect 302 /a.jpg "/real photo.jpg"',
    "apache2 utf-8": 'Redirect 302 /a.jpg "/synsprøve.jpg"',
    "apache2 rewrite": 'RewriteEngine on\nRewriteRule ^/a\\.jpg$ "/real photo.jpg" [R=302]',
    "apache2 not escaped": 'RewriteEngine on\nRewriteRule ^/a\\.jpg$ "/real photo.jpg" [R=302,NE]',
    "lighttpd space": 'url.redirect = ( "^/a.jpg$" => "/real photo.jpg" )',
    "lighttpd utf-8": 'url.redirect = ( "^/a.jpg$" => "/synsprøve.jpg" )',
    "caddy space": 'redir /a.jpg "/real photo.jpg"\nfile_server',
    "caddy utf-8": "redir /a.jpg /synsprøve.jpg\nfile_server",
}


@pytest.mark.parametrize("gone", [5.5, None])
@by_rule(LOCATIONS)
async def test_a_location_that_browsers_read(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """The file is served at the end of a redirect that every browser follows: within, or a breach."""
    name = "synsprøve.jpg" if "syns" in rule else "real photo.jpg"
    origin = stage.server(kind, rule)
    origin.put(name)
    acts = {} if gone is None else {gone: partial(origin.remove, name)}
    await stage.plays(origin, acts, gone=gone, outcome="breached" if gone is None else "within")


async def test_a_location_in_latin_1(stage: Stage) -> None:
    """The Location holds a raw byte of Latin-1, which browsers take for what it is: a breach."""
    origin = stage.server("nginx")
    path = origin.folder / "nginx.conf"
    origin.stop()
    rule = b"server_name pics.example; location = /a.jpg { return 302 /synspr\xf8ve.jpg; }"
    path.write_bytes(path.read_bytes().replace(b"server_name pics.example;", rule))
    (origin.root / "synspr\udcf8ve.jpg").write_bytes(PICTURE)
    origin.start()
    await stage.plays(origin, outcome="breached")


CANONICAL = {
    "nginx to a number": "location = /s/Ab12 { return 301 /photos/404/holiday.jpg; }",
    "nginx to notfound": "location = /s/Ab12 { return 301 /notfound/holiday.jpg; }",
    "nginx to login": "location = /s/Ab12 { return 301 /login/holiday.jpg; }",
    "nginx to error": "location = /s/Ab12 { return 301 /error/404/holiday.jpg; }",
    "apache2 to a number": "Redirect 301 /s/Ab12 /photos/404/holiday.jpg",
    "apache2 to gone": "Redirect 301 /s/Ab12 /gone/holiday.jpg",
    "caddy to a number": "redir /s/Ab12 /photos/404/holiday.jpg 301\nfile_server",
}


@pytest.mark.parametrize("gone", [5.5, None])
@by_rule(CANONICAL)
async def test_a_target_whose_name_sounds_like_an_error(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """A short link leads to a picture in a folder whose name says 404, or login; it is served there: nothing false."""
    origin = stage.server(kind, rule)
    names = ("photos/404", "notfound", "login", "error/404", "gone")
    target = next(f"{name}/holiday.jpg" for name in names if f"/{name}/holiday.jpg" in rule)
    origin.put(target)
    acts = {} if gone is None else {gone: partial(origin.remove, target)}
    await stage.plays(origin, acts, gone=gone, path="/s/Ab12")


SLASHES = {
    "nginx": "",
    "nginx unmerged": "merge_slashes off;",
    "apache2": "",
    "lighttpd": "",
    "caddy": "",
}


@by_rule(SLASHES)
async def test_a_path_with_doubled_slashes(stage: Stage, kind: str, rule: str) -> None:
    """The path has two slashes in a row, as carelessly joined links have: served, then removed: within."""
    origin = stage.server(kind, rule)
    origin.put("u/7/a.jpg")
    acts = {5.5: partial(origin.remove, "u/7/a.jpg")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path="/u//7/a.jpg")


FOLDERS = {"nginx": "", "apache2": "", "lighttpd": "", "caddy": ""}


@by_rule(FOLDERS)
async def test_a_folder_without_its_slash(stage: Stage, kind: str, rule: str) -> None:
    """A gallery's address lacks its slash, and is sent to the one that has it: within once it is removed."""
    origin = stage.server(kind, rule)
    origin.put("gallery/index.html", b"<!doctype html><title>gallery</title>" + b"g" * 3000)
    acts = {5.5: partial(origin.remove, "gallery")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path="/gallery")


TRACKED = {
    "nginx": "location = /gallery/7 { if ($args) { return 301 /gallery/7; } "
    "default_type text/html; alias ROOT/7.html; }",
    "apache2": "RewriteEngine on\nRewriteCond %{QUERY_STRING} .\nRewriteRule ^/gallery/7$ /gallery/7? [R=301,L]\n"
    "RewriteRule ^/gallery/7$ /7.html",
}


@pytest.mark.parametrize("gone", [5.5, None])
@by_rule(TRACKED)
async def test_a_link_with_a_tracking_parameter(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """The link's parameter is dropped by a redirect to the page itself: within once it is removed, else a breach."""
    origin = stage.server(kind)
    origin.configure(rule.replace("ROOT", str(origin.root)))
    origin.put("7.html", b"<!doctype html><title>7</title>" + b"g" * 3000)
    acts = {} if gone is None else {gone: partial(origin.remove, "7.html")}
    outcome = "breached" if gone is None else "within"
    path = "/gallery/7?utm_source=mail"
    await stage.plays(origin, acts, gone=gone, outcome=outcome, path=path)


AWAY = {
    "nginx": "location = /a.jpg { return 301 http://elsewhere.test/a.jpg; }",
    "apache2": "Redirect 301 /a.jpg http://elsewhere.test/a.jpg",
    "caddy": "redir /a.jpg http://elsewhere.test/a.jpg\nfile_server",
}


@by_rule(AWAY)
async def test_sent_to_another_domain(stage: Stage, kind: str, rule: str) -> None:
    """From 5.5 on the URL is sent to a domain that is not followed to: nothing false, whatever lies there."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: partial(origin.configure, rule)})


RENAMED = {
    "nginx": "location = /a.jpg { return 301 /archive/2025/a.jpg; }",
    "apache2": "Redirect 301 /a.jpg /archive/2025/a.jpg",
    "lighttpd": 'url.redirect = ( "^/a.jpg$" => "/archive/2025/a.jpg" )',
    "caddy": "redir /a.jpg /archive/2025/a.jpg 301\nfile_server",
}


@pytest.mark.parametrize("gone", [15.5, None])
@by_rule(RENAMED)
async def test_a_picture_that_is_moved_within_its_site(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """At 5.5 the picture gets another address, to which the old one leads: within when it goes there, else a breach."""
    origin = stage.server(kind)
    target = "archive/2025/a.jpg"

    def move() -> None:
        origin.put(target)
        origin.remove()
        origin.configure(rule)

    acts = {5.5: move} if gone is None else {5.5: move, gone: partial(origin.remove, target)}
    await stage.plays(origin, acts, gone=gone, outcome="breached" if gone is None else "within")


@pytest.mark.parametrize("gone", [15.5, None])
async def test_a_site_that_moves_to_another_name(stage: Stage, gone: float | None) -> None:
    """At 5.5 every path is sent to the same path of the site's new name: within when it goes there, else a breach."""
    stage.names.names["www.pics.example"] = ["127.0.0.1"]
    origin = stage.server("nginx")
    other = "server { listen 127.0.0.1:PORT; server_name www.pics.example; root FOLDER/root; }"
    rule = "return 301 http://www.pics.example:$server_port$request_uri;"
    acts = {5.5: lambda: origin.configure(rule, http=other)}
    if gone is not None:
        acts[gone] = origin.remove
    await stage.plays(origin, acts, gone=gone, outcome="breached" if gone is None else "within")
