"""What is gone is answered with a page, a picture or a redirect in place of 404."""

import pytest

from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

PAGE = b"<!doctype html><title>not found</title>" + b"n" * 461
PLACEHOLDER = b"\x89PNG" + bytes(499)

# Of Apache: what follows is for what is no file.
MISSING = "RewriteEngine on\nRewriteCond %{DOCUMENT_ROOT}%{REQUEST_URI} !-f\n"
PAGES = {
    "nginx error page": "error_page 404 =200 /gone.html;",
    "nginx try files": "location / { try_files $uri $uri/ /gone.html; }",
    "apache2 rewrite": MISSING + "RewriteRule .+ /gone.html",
    "apache2 fallback": "FallbackResource /gone.html",
    "lighttpd rewrite": 'url.rewrite-if-not-file = ( "." => "/gone.html" )',
    "lighttpd error handler": 'server.error-handler-404 = "/gone.html"',
    "caddy try files": "try_files {path} /gone.html\nfile_server",
}


@by_rule(PAGES)
async def test_a_page_with_200(stage: Stage, kind: str, rule: str) -> None:
    """Whatever the site doesn't have is answered with one page and 200: within, told from the sibling."""
    origin = stage.server(kind, rule)
    origin.put("gone.html", PAGE)
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


APPS = {
    "nginx try files": "location / { try_files $uri /index.html; }",
    "apache2 fallback": "FallbackResource /index.html",
    "lighttpd rewrite": 'url.rewrite-if-not-file = ( "." => "/index.html" )',
    "caddy try files": "try_files {path} /index.html\nfile_server",
}


@by_rule(APPS)
async def test_a_single_page_application(stage: Stage, kind: str, rule: str) -> None:
    """Whatever the site doesn't have is its front page: within, since the URL was told apart before."""
    origin = stage.server(kind, rule)
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


@by_rule(APPS)
async def test_an_application_that_serves_pictures_to_its_own_pages(
    stage: Stage, kind: str, rule: str
) -> None:
    """Every path is the front page, from the beginning and for ever: nothing can be said, least that it is gone."""
    origin = stage.server(kind, rule)
    await stage.plays(origin, path="/view/8731")


PICTURES = {
    "nginx try files": r"location ~ \.jpg$ { try_files $uri /removed.png; }",
    "apache2 rewrite": MISSING + "RewriteRule \\.jpg$ /removed.png",
    "lighttpd rewrite": 'url.rewrite-if-not-file = ( "\\.jpg$" => "/removed.png" )',
    "caddy rewrite": "@gone {\npath *.jpg\nnot file\n}\nrewrite @gone /removed.png\nfile_server",
}


@by_rule(PICTURES)
async def test_a_placeholder_picture(stage: Stage, kind: str, rule: str) -> None:
    """In place of every picture that is gone a placeholder is served, in place: within."""
    origin = stage.server(kind, rule)
    origin.put("removed.png", PLACEHOLDER)
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


@by_rule(PICTURES)
async def test_a_placeholder_picture_before_the_notice(stage: Stage, kind: str, rule: str) -> None:
    """The placeholder is all that was ever seen: nothing may be said that is not so."""
    origin = stage.server(kind, rule)
    origin.put("removed.png", PLACEHOLDER)
    origin.remove()
    await stage.plays(origin, gone=-1)


REMOVED_PNG = {
    "nginx return 302": "location = /a.jpg { return 302 /removed.png; }",
    "apache2 redirect": "Redirect 302 /a.jpg /removed.png",
    "lighttpd redirect": 'url.redirect = ( "^/a.jpg$" => "/removed.png" )',
    "caddy redir": "redir /a.jpg /removed.png\nfile_server",
}


@by_rule(REMOVED_PNG)
async def test_a_redirect_to_a_placeholder(stage: Stage, kind: str, rule: str) -> None:
    """The picture alone is sent to a placeholder; what never existed is a 404: no breach may come of it."""
    origin = stage.server(kind)
    origin.put("removed.png", PLACEHOLDER)
    await stage.plays(origin, {5.5: lambda: origin.configure(rule)}, gone=5.5)


@by_rule(REMOVED_PNG)
async def test_a_redirect_to_a_placeholder_before_the_notice(
    stage: Stage, kind: str, rule: str
) -> None:
    """The first look meets the redirect to the placeholder already: no breach may come of it."""
    origin = stage.server(kind, rule)
    origin.put("removed.png", PLACEHOLDER)
    await stage.plays(origin, gone=-1)


async def test_a_placeholder_file_in_place_of_the_picture(stage: Stage) -> None:
    """Somebody overwrites the one file with a small placeholder of the same type: no breach may come of it."""
    origin = stage.server("nginx")
    acts = {5.5: lambda: origin.put("a.jpg", b"\xff\xd8" + bytes(610))}
    await stage.plays(origin, acts, gone=5.5)


FRONT_PAGES = {
    "nginx return 302": "error_page 404 = @front; location @front { return 302 /; }",
    "nginx error page 301": "error_page 404 =301 http://$http_host/;",
    "apache2 error document": "ErrorDocument 404 http://pics.example/",
    "apache2 rewrite 302": MISSING + "RewriteRule .+\\..+ / [R=302,L]",
    "caddy redir": "@missing {\nnot path /\nnot file\n}\nredir @missing / 302\nfile_server",
}


@by_rule(FRONT_PAGES)
async def test_all_that_is_missing_is_sent_to_the_front_page(
    stage: Stage, kind: str, rule: str
) -> None:
    """What the site doesn't have is sent to its front page, and was all the time: within."""
    origin = stage.server(kind)
    origin.configure(rule.replace("http://pics.example/", f"http://pics.example:{origin.port}/"))
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


@by_rule(FRONT_PAGES)
async def test_sent_to_the_front_page_before_the_notice(stage: Stage, kind: str, rule: str) -> None:
    """The first look is sent to the front page, as a sibling is; nobody ever saw it served: nothing false."""
    origin = stage.server(kind)
    origin.configure(rule.replace("http://pics.example/", f"http://pics.example:{origin.port}/"))
    origin.remove()
    await stage.plays(origin, gone=-1)


QUERIES = {
    "nginx try files": "location = /view.php { try_files /pages/$arg_id.html /nope.html =404; }",
    "apache2 rewrite": "RewriteEngine on\nRewriteCond %{QUERY_STRING} ^id=(\\w+)$\n"
    "RewriteCond %{DOCUMENT_ROOT}/pages/%1.html -f\nRewriteRule ^/view\\.php$ /pages/%1.html? [L]\n"
    "RewriteRule ^/view\\.php$ /nope.html? [L]",
    "caddy try files": "@view path /view.php\nhandle @view {\ntry_files /pages/{query.id}.html /nope.html\n"
    "file_server\n}\nfile_server",
}
SHOWN = b"<!doctype html><title>picture</title>" + b"p" * 5263
NOPE = b"<!doctype html><title>picture</title>" + b"n" * 5083


@by_rule(QUERIES)
async def test_an_id_in_the_query(stage: Stage, kind: str, rule: str) -> None:
    """A handler of ids says 200 and "no such picture" in the same dress; a random path is a 404: within."""
    origin = stage.server(kind, rule)
    origin.put("pages/731.html", SHOWN)
    origin.put("pages/732.html", SHOWN)
    origin.put("nope.html", NOPE)
    acts = {5.5: lambda: origin.remove("pages/731.html")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path="/view.php?id=731")


@by_rule(QUERIES)
async def test_an_id_in_the_query_before_the_notice(stage: Stage, kind: str, rule: str) -> None:
    """The handler says "no such picture" at the first look: no breach may come of it."""
    origin = stage.server(kind, rule)
    origin.put("pages/732.html", SHOWN)
    origin.put("nope.html", NOPE)
    await stage.plays(origin, gone=-1, path="/view.php?id=731")


@by_rule(QUERIES)
async def test_an_id_in_the_query_that_stays(stage: Stage, kind: str, rule: str) -> None:
    """The handler serves the picture's page all the time: a breach."""
    origin = stage.server(kind, rule)
    origin.put("pages/731.html", SHOWN)
    origin.put("nope.html", NOPE)
    await stage.plays(origin, outcome="breached", path="/view.php?id=731")


SEGMENTS = {
    "nginx try files": "location ~ ^/i/(\\w+)/full.jpg$ { try_files /store/$1.jpg /nope.html; }",
    "apache2 rewrite": "RewriteEngine on\nRewriteCond %{DOCUMENT_ROOT}/store/$1.jpg -f\n"
    "RewriteRule ^/i/(\\w+)/full\\.jpg$ /store/$1.jpg [L]\nRewriteRule ^/i/\\w+/full\\.jpg$ /nope.html [L]",
}


@by_rule(SEGMENTS)
async def test_an_id_in_the_middle_of_the_path(stage: Stage, kind: str, rule: str) -> None:
    """The folder names the picture, and what is gone is a page with 200; a random file name is a 404: within."""
    origin = stage.server(kind, rule)
    origin.put("store/Ab12.jpg")
    origin.put("nope.html", NOPE)
    acts = {5.5: lambda: origin.remove("store/Ab12.jpg")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path="/i/Ab12/full.jpg")


FORBIDDEN = {
    "nginx error page 403": "error_page 404 =403 /no.html;",
    "nginx try files 403": "location / { try_files $uri $uri/ =403; }",
    "apache2 rewrite 403": MISSING + "RewriteCond %{REQUEST_URI} !^/$\nRewriteRule .+ - [F]",
    "caddy respond 403": "@missing {\nnot path /\nnot file\n}\nrespond @missing 403\nfile_server",
}


@by_rule(FORBIDDEN)
async def test_a_store_that_forbids_what_it_does_not_have(
    stage: Stage, kind: str, rule: str
) -> None:
    """403 is what a store says of all that it doesn't have, as object stores do: within."""
    origin = stage.server(kind, rule)
    origin.put("no.html", PAGE)
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


@by_rule(QUERIES)
async def test_an_id_among_other_parameters(stage: Stage, kind: str, rule: str) -> None:
    """The id stands beside a parameter that decides nothing; the picture's page is removed: within."""
    origin = stage.server(kind, rule.replace("^id=(\\w+)$", "^id=(\\w+)&"))
    origin.put("pages/731.html", SHOWN)
    origin.put("nope.html", NOPE)
    acts = {5.5: lambda: origin.remove("pages/731.html")}
    path = "/view.php?id=731&size=full"
    await stage.plays(origin, acts, gone=5.5, outcome="within", path=path)


@pytest.mark.parametrize("gone", [5.5, None])
@pytest.mark.parametrize("path", ["/a.jpg?v=3", "/p.html?ref=mail&x=1"])
@pytest.mark.parametrize("kind", ["nginx", "apache2", "lighttpd", "caddy"])
async def test_a_parameter_that_decides_nothing(
    stage: Stage, kind: str, path: str, gone: float | None
) -> None:
    """Whatever the query says, the same file is served, which is content and no soft 404: within, or a breach."""
    origin = stage.server(kind)
    origin.put("p.html", SHOWN)
    name = path[1:].partition("?")[0]
    acts = {} if gone is None else {gone: lambda: origin.remove(name)}
    outcome = "breached" if gone is None else "within"
    await stage.plays(origin, acts, gone=gone, outcome=outcome, path=path)


LAST = {
    "nginx": r"location ~ ^/view/(\w+)$ { default_type text/html; try_files /pages/$1.html /nope.html; }",
    "apache2": "RewriteEngine on\nRewriteCond %{DOCUMENT_ROOT}/pages/$1.html -f\n"
    "RewriteRule ^/view/(\\w+)$ /pages/$1.html [L]\nRewriteRule ^/view/\\w+$ /nope.html [L]",
}


@pytest.mark.parametrize("gone", [5.5, None])
@by_rule(LAST)
async def test_an_id_at_the_end_of_the_path(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """The last segment is the id, and "no such picture" is said with 200: within, or a breach."""
    origin = stage.server(kind, rule)
    origin.put("pages/731.html", SHOWN)
    origin.put("nope.html", NOPE)
    acts = {} if gone is None else {gone: lambda: origin.remove("pages/731.html")}
    outcome = "breached" if gone is None else "within"
    await stage.plays(origin, acts, gone=gone, outcome=outcome, path="/view/731")


ONE_AWAY = {
    "nginx": "location = /a.jpg { return 302 /; }",
    "apache2": "RewriteEngine on\nRewriteRule ^/a\\.jpg$ / [R=302]",
    "caddy": "redir /a.jpg /\nfile_server",
}


@by_rule(ONE_AWAY)
async def test_one_url_is_sent_to_the_front_page(stage: Stage, kind: str, rule: str) -> None:
    """The URL alone is sent to the front page, a random path is a 404 as before: within."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: lambda: origin.configure(rule)}, gone=5.5, outcome="within")


@by_rule(ONE_AWAY)
async def test_one_url_was_sent_to_the_front_page_before(
    stage: Stage, kind: str, rule: str
) -> None:
    """The URL alone is sent to the front page at the first look: no breach."""
    await stage.plays(stage.server(kind, rule), gone=-1)
