"""Sites with odd habits: echoes of the path, a picture for every id, circles for cookies, walls at the deadline."""

from functools import partial

import pytest

from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

SHOWN = b"<!doctype html><title>picture</title>" + b"p" * 5263
SEARCH = b"<!doctype html><title>search</title>" + b"s" * 2944

# Of Apache: what follows is for what is no file.
MISSING = "RewriteEngine on\nRewriteCond %{DOCUMENT_ROOT}%{REQUEST_URI} !-f\n"

ECHOES = {
    "nginx": 'error_page 404 = @soft; location @soft { default_type text/html; return 200 "<p>$uri was not found"; }',
    "nginx padded": "error_page 404 = @soft; "
    'location @soft { default_type text/html; return 200 "<p>$uri was not found ($request_id)"; }',
    "caddy": "@missing {\nnot path /\nnot file\n}\nheader @missing Content-Type text/html\n"
    'respond @missing "<p>{path} was not found" 200\nfile_server',
}


@pytest.mark.parametrize("path", ["/a.jpg", "/p.html", "/u/7/p.html"])
@by_rule(ECHOES)
async def test_a_page_that_echoes_the_path(stage: Stage, kind: str, rule: str, path: str) -> None:
    """What is gone is a page with 200 that holds the path, so that no two are of one length: no breach."""
    origin = stage.server(kind, rule)
    origin.put(path[1:], SHOWN)
    await stage.plays(origin, {5.5: partial(origin.remove, path[1:])}, gone=5.5, path=path)


@pytest.mark.parametrize("path", ["/gone.jpg", "/gone.html", "/u/7/gone"])
@by_rule(ECHOES)
async def test_a_page_that_echoes_the_path_before_the_notice(
    stage: Stage, kind: str, rule: str, path: str
) -> None:
    """The page that holds the path is all that was ever seen: no breach."""
    await stage.plays(stage.server(kind, rule), gone=-1, path=path)


SEARCHES = {
    "nginx": "error_page 404 = @s; location @s { return 302 /search?q=$uri; } "
    "location = /search { default_type text/html; alias FILE; }",
    "nginx by path": "error_page 404 = @s; location @s { return 302 /search$uri; } "
    "location /search/ { default_type text/html; rewrite ^ /search.html break; }",
    "apache2": MISSING + "RewriteCond %{REQUEST_URI} !^/(search)?$\n"
    "RewriteRule ^/(.*)$ /search?q=$1 [R=302,L]\nRewriteRule ^/search$ /search.html",
}


@by_rule(SEARCHES)
async def test_a_search_for_what_is_missing(stage: Stage, kind: str, rule: str) -> None:
    """What is gone is sent to a search for its own name, which is served: no breach."""
    origin = stage.server(kind)
    origin.configure(rule.replace("FILE", f"{origin.root}/search.html"))
    origin.put("search.html", SEARCH)
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5)


@by_rule(SEARCHES)
async def test_a_search_for_what_was_missing_before(stage: Stage, kind: str, rule: str) -> None:
    """The first look is sent to the search: no breach."""
    origin = stage.server(kind)
    origin.configure(rule.replace("FILE", f"{origin.root}/search.html"))
    origin.put("search.html", SEARCH)
    origin.remove()
    await stage.plays(origin, gone=-1)


FOLDERS = {
    "nginx": "autoindex on; error_page 404 = @up; location @up { rewrite ^(.*/)[^/]*$ $1 redirect; }",
    "apache2": MISSING + "RewriteRule ^(/.*/)[^/]+$ $1 [R=302,L]",
}


@pytest.mark.parametrize("gone", [5.5, -1.0])
@by_rule(FOLDERS)
async def test_sent_to_the_folder_of_what_is_missing(
    stage: Stage, kind: str, rule: str, gone: float
) -> None:
    """What is gone is sent to the gallery that it was in, which is served: no breach."""
    origin = stage.server(kind, rule)
    origin.put("u/7/index.html", SHOWN)
    acts = {}
    if gone > 0:
        origin.put("u/7/a.jpg")
        acts = {gone: partial(origin.remove, "u/7/a.jpg")}
    await stage.plays(origin, acts, gone=gone, path="/u/7/a.jpg")


EVERY = {
    "nginx": "location ~ ^/i/[0-9a-f]+$ { default_type image/jpeg; rewrite ^ /a.jpg break; }",
    "apache2": "RewriteEngine on\nRewriteRule ^/i/[0-9a-f]+$ /a.jpg",
    "caddy": "@id path_regexp ^/i/[0-9a-f]+$\nrewrite @id /a.jpg\nfile_server",
}


@by_rule(EVERY)
async def test_a_picture_for_every_id(stage: Stage, kind: str, rule: str) -> None:
    """Every id has a picture of one length, as generated portraits have: nothing may be said to be gone."""
    await stage.plays(stage.server(kind, rule), path="/i/731")


ONE_GONE = {
    "nginx": "location = /i/731 { return 404; } ",
    "apache2": "RewriteEngine on\nRewriteRule ^/i/731$ - [R=404,L]\n",
    # Caddy rewrites first, whatever stands first.
    "caddy": "rewrite /i/731 /none\n",
}


@by_rule(EVERY)
async def test_a_picture_for_every_id_but_one(stage: Stage, kind: str, rule: str) -> None:
    """Every id has a picture, and at 5.5 one is a 404: nothing false."""
    origin = stage.server(kind, rule)
    acts = {5.5: partial(origin.configure, ONE_GONE[kind] + rule)}
    await stage.plays(origin, acts, gone=5.5, path="/i/731")


COOKIES = {
    "nginx": 'location / { if ($cookie_seen = "") { add_header Set-Cookie seen=1; return 302 $request_uri; } }',
    "nginx by a page": 'location / { if ($cookie_seen = "") { return 302 /c?to=$request_uri; } } '
    "location = /c { add_header Set-Cookie seen=1; return 302 $arg_to; }",
    "apache2": "RewriteEngine on\nRewriteCond %{HTTP_COOKIE} !seen=\n"
    "RewriteRule ^(.*)$ $1 [R=302,L,CO=seen:1:.pics.example]",
    "caddy": "@new not header Cookie *seen=*\nheader @new Set-Cookie seen=1\nredir @new {uri} 302\nfile_server",
}


@pytest.mark.parametrize("start", [3.5, -1.0])
@by_rule(COOKIES)
async def test_a_cookie_that_is_set_by_a_redirect(
    stage: Stage, kind: str, rule: str, start: float
) -> None:
    """Who brings no cookie is sent round in a circle, from hour 3.5 or from the beginning: nothing false."""
    origin = stage.server(kind, rule if start < 0 else "")
    acts = {} if start < 0 else {start: partial(origin.configure, rule)}
    await stage.plays(origin, acts)


ABROAD = {
    "nginx": "return 302 http://other.test$request_uri;",
    "apache2": "Redirect 302 / http://other.test/",
    "caddy": "redir http://other.test{uri}",
}


@pytest.mark.parametrize("start", [3.5, -1.0])
@by_rule(ABROAD)
async def test_a_site_that_sends_us_abroad(
    stage: Stage, kind: str, rule: str, start: float
) -> None:
    """Visitors of our country are sent to another domain, from hour 3.5 or all the time: nothing false."""
    origin = stage.server(kind, rule if start < 0 else "")
    acts = {} if start < 0 else {start: partial(origin.configure, rule)}
    await stage.plays(origin, acts)


WALLS = {
    "nginx 503": "return 503;",
    "nginx page": "rewrite ^ /soon.html break;",
    "nginx front": 'location / { if ($cookie_age = "") { return 302 /; } } location = / { }',
    "apache2 403": "RewriteEngine on\nRewriteRule .* - [F]",
    "caddy 429": "respond 429",
}


@by_rule(WALLS)
async def test_a_wall_around_the_deadline(stage: Stage, kind: str, rule: str) -> None:
    """A wall stands from an hour before the deadline to three hours after it, and the file stays: a breach."""
    origin = stage.server(kind)
    origin.put("soon.html", SEARCH)
    acts = {22.5: partial(origin.configure, rule), 27.5: origin.configure}
    await stage.plays(origin, acts, outcome="breached")


@by_rule(WALLS)
async def test_a_removal_behind_a_wall_around_the_deadline(
    stage: Stage, kind: str, rule: str
) -> None:
    """The file goes while the wall hides whether that was in time: nothing false."""
    origin = stage.server(kind)
    origin.put("soon.html", SEARCH)
    acts = {22.5: partial(origin.configure, rule), 24.5: origin.remove, 27.5: origin.configure}
    await stage.plays(origin, acts, gone=24.5)


SOFT = {
    "nginx page": "error_page 404 =200 /nope.html;",
    "nginx application": "location / { try_files $uri /index.html; }",
    "apache2 page": "FallbackResource /nope.html",
    "caddy page": "try_files {path} /nope.html\nfile_server",
}


@by_rule(SOFT)
async def test_a_soft_404_that_comes_back(stage: Stage, kind: str, rule: str) -> None:
    """Gone with a page and 200, and served again after the deadline: within, and returned."""
    origin = stage.server(kind, rule)
    origin.put("nope.html", SEARCH)
    acts = {5.5: origin.remove, 50.5: partial(origin.put, "a.jpg")}
    stays = [(-1e9, 5.5), (50.5, 1e9)]
    await stage.plays(origin, acts, stays=stays, outcome="within", until=80)


@by_rule(SOFT)
async def test_a_soft_404_on_one_of_two_nodes(stage: Stage, kind: str, rule: str) -> None:
    """One of two nodes loses the file and says so with 200; the other serves it in turn: nothing false."""
    one, other = stage.server(kind, rule), stage.server(kind, rule)
    for node in (one, other):
        node.put("nope.html", SEARCH)
    nodes = f"server n1 127.0.0.1:{one.port}\nserver n2 127.0.0.1:{other.port}"
    front = stage.server("haproxy", f"default_backend n\nbackend n\nbalance roundrobin\n{nodes}")
    await stage.plays(front, {5.5: one.remove}, quiet=True)


@pytest.mark.parametrize("gone", [15.5, None])
async def test_a_site_that_changes_its_server(stage: Stage, gone: float | None) -> None:
    """At 5.5 the balancer sends the name to another server software with the same files: within, or a breach."""
    old, new = stage.server("nginx"), stage.server("apache2")
    rules = "default_backend o\nbackend o\nserver o 127.0.0.1:"
    front = stage.server("haproxy", f"{rules}{old.port}")
    acts = {5.5: partial(front.configure, f"{rules}{new.port}")}
    if gone is not None:
        acts[gone] = new.remove
    await stage.plays(front, acts, gone=gone, outcome="breached" if gone is None else "within")


async def test_a_host_without_a_front_page(stage: Stage) -> None:
    """The host of pictures has no front page, ever; the picture is removed: within."""
    origin = stage.server("nginx", "location = / { return 404; }")
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


async def test_a_balancer_whose_head_hides_an_outage(stage: Stage) -> None:
    """The balancer answers HEAD with 200, GET is a 503 for five hours, and the file stays: a breach."""
    origin = stage.server("nginx")
    backend = f"default_backend o\nbackend o\nserver o 127.0.0.1:{origin.port}"
    rules = f"http-request return status 200 if METH_HEAD\n{backend}"
    front = stage.server("haproxy", rules)
    acts = {3.5: origin.stop, 8.6: origin.start}
    await stage.plays(front, acts, outcome="breached")


CHAIN = {
    "nginx": "location = /s { return 301 /t; } location = /t { return 302 /u/7; }",
    "apache2": "RedirectMatch 301 ^/s$ /t\nRedirectMatch 302 ^/t$ /u/7",
}


@pytest.mark.parametrize("gone", [5.5, None])
@by_rule(CHAIN)
async def test_a_chain_of_three_redirects(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """A short link leads over another one to a folder, and to its slash: within once that is removed."""
    origin = stage.server(kind, rule)
    origin.put("u/7/index.html", SHOWN)
    acts = {} if gone is None else {gone: partial(origin.remove, "u/7")}
    outcome = None if gone is None else "within"
    await stage.plays(origin, acts, gone=gone, outcome=outcome, path="/s")
