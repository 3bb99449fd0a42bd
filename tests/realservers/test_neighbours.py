"""Several URLs of one host under watch: what happens to one of them must say nothing false of the others."""

from functools import partial

import pytest

from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

ALL = ("nginx", "apache2", "lighttpd", "caddy")
SMALL = b"\xff\xd8" + bytes(610)
SHOWN = b"<!doctype html><title>picture</title>" + b"p" * 5263
NOPE = b"<!doctype html><title>picture</title>" + b"n" * 5083


@pytest.mark.parametrize("kind", ALL)
async def test_one_of_two_pictures_is_removed(stage: Stage, kind: str) -> None:
    """One is removed, the other stays: within, and a breach."""
    origin = stage.server(kind)
    beside = {"/b.jpg": (None, "breached")}
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within", beside=beside)


@pytest.mark.parametrize("kind", ALL)
async def test_an_optimiser_that_encodes_all_that_is_watched_anew(stage: Stage, kind: str) -> None:
    """At 5.5 all pictures get other lengths, and one of them is removed at 15.5: within; the others: no removal."""
    origin = stage.server(kind)
    names = ("c.jpg", "d.jpg", "e.jpg")
    for number, name in enumerate(names):
        origin.put(name, b"\xff\xd8" + bytes(40_000 + 999 * number))

    def encode() -> None:
        for number, name in enumerate(("a.jpg", *names)):
            origin.put(name, b"\xff\xd8" + bytes(30_000 + 777 * number))

    acts = {5.5: encode, 15.5: origin.remove}
    beside = {f"/{name}": (None, None) for name in names}
    await stage.plays(origin, acts, gone=15.5, outcome="within", beside=beside)


@pytest.mark.parametrize("kind", ["nginx", "apache2"])
async def test_two_pictures_are_overwritten_with_one_placeholder(stage: Stage, kind: str) -> None:
    """Two are overwritten with the same small picture, one after the other, the third stays: no breach of the two."""
    origin = stage.server(kind)
    origin.put("c.jpg")
    acts = {5.5: partial(origin.put, "a.jpg", SMALL), 7.5: partial(origin.put, "b.jpg", SMALL)}
    beside = {"/b.jpg": (7.5, None), "/c.jpg": (None, "breached")}
    await stage.plays(origin, acts, gone=5.5, beside=beside)


SENT = {
    "nginx": (
        "location = /a.jpg { return 302 /removed.png; } ",
        "location = /b.jpg { return 302 /removed.png; }",
    ),
    "apache2": ("Redirect 302 /a.jpg /removed.png\n", "Redirect 302 /b.jpg /removed.png"),
}


@pytest.mark.parametrize("kind", SENT)
async def test_two_pictures_are_sent_to_one_placeholder(stage: Stage, kind: str) -> None:
    """Two are sent to a placeholder, one after the other, and the third stays: no breach of the two."""
    origin = stage.server(kind)
    origin.put("removed.png", bytes(503))
    origin.put("c.jpg")
    first, second = SENT[kind]
    acts = {
        5.5: partial(origin.configure, first),
        7.5: partial(origin.configure, first + second),
    }
    beside = {"/b.jpg": (7.5, None), "/c.jpg": (None, "breached")}
    await stage.plays(origin, acts, gone=5.5, beside=beside)


PAGES = {
    "nginx": "location /gallery/ { if ($args) { return 301 $uri; } }",
    "apache2": "RewriteEngine on\nRewriteCond %{QUERY_STRING} .\nRewriteRule ^/gallery/(.*)$ /gallery/$1? [R=301,L]",
}


@by_rule(PAGES)
async def test_three_links_to_one_page(stage: Stage, kind: str, rule: str) -> None:
    """Three links, told apart by a parameter that a redirect drops, lead to one page, which is served: breaches."""
    origin = stage.server(kind, rule)
    origin.put("gallery/7.html", SHOWN)
    beside = {f"/gallery/7.html?from=s{n}": (None, "breached") for n in (1, 2, 3)}
    await stage.plays(origin, path="/gallery/7.html?from=s0", outcome="breached", beside=beside)


@by_rule(PAGES)
async def test_three_links_to_one_page_that_is_removed(stage: Stage, kind: str, rule: str) -> None:
    """The page that the three links lead to is removed: within, each of them."""
    origin = stage.server(kind, rule)
    origin.put("gallery/7.html", SHOWN)
    acts = {5.5: partial(origin.remove, "gallery/7.html")}
    beside = {f"/gallery/7.html?from=s{n}": (5.5, "within") for n in (1, 2, 3)}
    path = "/gallery/7.html?from=s0"
    await stage.plays(origin, acts, gone=5.5, outcome="within", path=path, beside=beside)


QUERIES = {
    "nginx": "location = /view.php { try_files /pages/$arg_id.html /nope.html =404; }",
    "caddy": "@view path /view.php\nhandle @view {\ntry_files /pages/{query.id}.html /nope.html\nfile_server\n}\n"
    "file_server",
}


@by_rule(QUERIES)
async def test_two_ids_of_one_handler(stage: Stage, kind: str, rule: str) -> None:
    """One id is removed and said so with 200, the other stays, the third was gone before: no statement is false."""
    origin = stage.server(kind, rule)
    for number in ("731", "732"):
        origin.put(f"pages/{number}.html", SHOWN)
    origin.put("nope.html", NOPE)
    acts = {5.5: partial(origin.remove, "pages/731.html")}
    beside = {"/view.php?id=732": (None, "breached"), "/view.php?id=733": (-1.0, None)}
    path = "/view.php?id=731"
    await stage.plays(origin, acts, gone=5.5, outcome="within", path=path, beside=beside)


HEADS = {
    "nginx empty": 'if ($request_method = HEAD) { return 200 ""; }',
    "nginx 403": "if ($request_method = HEAD) { return 403; }",
    "nginx front": "if ($request_method = HEAD) { return 302 /; }",
    "caddy 503": "@head method HEAD\nrespond @head 503\nfile_server",
}


@by_rule(HEADS)
async def test_a_host_whose_head_says_nothing(stage: Stage, kind: str, rule: str) -> None:
    """HEAD says the same of what is there and of what is not: one within, one breach, one gone before the notice."""
    origin = stage.server(kind, rule)
    beside = {"/b.jpg": (None, "breached"), "/c.jpg": (-1.0, "gone_before_notice")}
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within", beside=beside)


WALLS = {
    "nginx front": 'location / { if ($cookie_age = "") { return 302 /; } } location = / { }',
    "nginx picture": r"location ~ \.jpg$ { rewrite ^ /hotlink.png break; }",
    "apache2 page": "RewriteEngine on\nRewriteRule .* /soon.html",
    "caddy 403": "respond 403",
    "lighttpd front": '$HTTP["url"] != "/" { url.redirect = ( "" => "/" ) }',
}


@by_rule(WALLS)
async def test_a_wall_before_all_that_is_watched(stage: Stage, kind: str, rule: str) -> None:
    """A wall goes up before all pictures at once, and all of them stay: nothing false of any."""
    origin = stage.server(kind)
    origin.put("hotlink.png", bytes(777))
    origin.put("soon.html", b"<!doctype html>" + b"s" * 1485)
    origin.put("c.jpg")
    beside = {"/b.jpg": (None, None), "/c.jpg": (None, None)}
    await stage.plays(origin, {5.5: partial(origin.configure, rule)}, beside=beside)


@by_rule(WALLS)
async def test_a_wall_that_was_there_first(stage: Stage, kind: str, rule: str) -> None:
    """The wall stands from the first look on, and comes down at 8.6: breaches, and no removal."""
    origin = stage.server(kind, rule)
    origin.put("hotlink.png", bytes(777))
    origin.put("soon.html", b"<!doctype html>" + b"s" * 1485)
    beside = {"/b.jpg": (None, "breached")}
    await stage.plays(origin, {8.6: origin.configure}, outcome="breached", beside=beside)


SHOP = {
    "nginx": "location / { try_files $uri /index.html; }",
    "apache2": "FallbackResource /index.html",
}


@by_rule(SHOP)
async def test_an_application_beside_its_pictures(stage: Stage, kind: str, rule: str) -> None:
    """A page of the application can't be told from any other path, its pictures can: nothing false of either."""
    origin = stage.server(kind, rule)
    beside = {"/view/8731": (None, None), "/view/8732": (None, None), "/b.jpg": (None, "breached")}
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within", beside=beside)
