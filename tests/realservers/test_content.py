"""The content changes: emptied, re-encoded, replaced, or listed by a folder."""

from functools import partial

import pytest

from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

ALL = ("nginx", "apache2", "lighttpd", "caddy")


@pytest.mark.parametrize("kind", ALL)
async def test_a_file_that_is_emptied(stage: Stage, kind: str) -> None:
    """The file is truncated to nothing, and answered 200 with a length of 0 at most: within."""
    origin = stage.server(kind)
    acts = {5.5: partial(origin.put, "a.jpg", b"")}
    await stage.plays(origin, acts, gone=5.5, outcome="within")


@pytest.mark.parametrize("kind", ALL)
async def test_an_empty_file_at_the_first_look(stage: Stage, kind: str) -> None:
    """The file is empty at the first look already: no breach."""
    origin = stage.server(kind)
    origin.put("a.jpg", b"")
    await stage.plays(origin, gone=-1)


NOTHING = {
    "nginx": "location = /a.jpg { return 200; }",
    "nginx no type": "location = /a.jpg { types { } default_type ''; return 200 ''; }",
    "nginx 204": "location = /a.jpg { return 204; }",
    "caddy": "respond /a.jpg 200\nfile_server",
    "caddy 204": "respond /a.jpg 204\nfile_server",
    "apache2 204": "RewriteEngine on\nRewriteRule ^/a\\.jpg$ - [R=204]",
}


@by_rule(NOTHING)
async def test_an_empty_answer(stage: Stage, kind: str, rule: str) -> None:
    """From 5.5 on the URL alone is answered with nothing, 200 or 204: no breach."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: partial(origin.configure, rule)}, gone=5.5)


@by_rule(NOTHING)
async def test_an_empty_answer_at_the_first_look(stage: Stage, kind: str, rule: str) -> None:
    """The URL is answered with nothing from the first look on: no breach."""
    origin = stage.server(kind, rule)
    await stage.plays(origin, gone=-1)


@pytest.mark.parametrize("kind", ALL)
async def test_an_optimiser_that_encodes_every_picture_anew(stage: Stage, kind: str) -> None:
    """At 5.5 every picture of the host gets another length, and the same type; nobody removes it: no removal."""
    origin = stage.server(kind)

    def encode() -> None:
        origin.put("a.jpg", b"\xff\xd8" + bytes(31_337))
        origin.put("b.jpg", b"\xff\xd8" + bytes(30_111))

    await stage.plays(origin, {5.5: encode})


@pytest.mark.parametrize("kind", ALL)
async def test_an_optimiser_and_then_a_removal(stage: Stage, kind: str) -> None:
    """Encoded anew at 3.5 and removed at 15.5: no later than that, and in no other interval."""
    origin = stage.server(kind)
    acts = {3.5: partial(origin.put, "a.jpg", b"\xff\xd8" + bytes(31_337)), 15.5: origin.remove}
    await stage.plays(origin, acts, gone=15.5, outcome="within")


@pytest.mark.parametrize("kind", ALL)
async def test_a_page_that_changes_a_little_with_every_visit(stage: Stage, kind: str) -> None:
    """A page whose length changes with every hour: a breach."""
    origin = stage.server(kind)

    def change(hour: int) -> None:
        origin.put("p.html", b"<!doctype html><title>p</title>" + b"p" * (4000 + 37 * hour % 500))

    change(0)
    acts = {hour + 0.5: partial(change, hour) for hour in range(1, 50)}
    await stage.plays(origin, acts, outcome="breached", path="/p.html")


LISTINGS = {
    "nginx": "autoindex on;",
    "apache2": "<Directory />\nOptions +Indexes\n</Directory>",
    "lighttpd": 'dir-listing.activate = "enable"',
    "caddy": "file_server browse",
}


@by_rule(LISTINGS)
async def test_a_listing_of_a_folder(stage: Stage, kind: str, rule: str) -> None:
    """The URL is a folder's listing, and the folder is removed: within."""
    parts = {"modules": "mod_dirlisting"} if kind == "lighttpd" else {}
    origin = stage.server(kind, rule, **parts)
    if kind == "apache2":
        origin.configure(f"<Directory {origin.root}>\nOptions +Indexes\n</Directory>")
    origin.put("album/1.jpg")
    acts = {5.5: partial(origin.remove, "album")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path="/album/")


@pytest.mark.parametrize("kind", ["nginx", "apache2"])
async def test_a_listing_that_is_switched_off(stage: Stage, kind: str) -> None:
    """The folder can't be listed any more (403), and all its pictures are there: nothing false."""
    origin = stage.server(kind)
    on = {
        "nginx": "autoindex on;",
        "apache2": f"<Directory {origin.root}>\nOptions +Indexes\n</Directory>",
    }
    origin.configure(on[kind])
    origin.put("album/1.jpg")
    await stage.plays(origin, {5.5: origin.configure}, path="/album/")


COMPRESSED = {
    "nginx": "gzip on; gzip_types text/html; gzip_min_length 1; gzip_proxied any;",
    "apache2": "SetOutputFilter DEFLATE",
    "apache2 substitute": "AddOutputFilterByType SUBSTITUTE text/html\nSubstitute s/p/pp/n",
    "caddy": "encode gzip\nfile_server",
}


@pytest.mark.parametrize("gone", [5.5, None])
@by_rule(COMPRESSED)
async def test_a_page_that_is_filtered(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """A page without a length of its own, for it is compressed or rewritten on its way: within, or a breach."""
    origin = stage.server(kind, rule)
    origin.put("p.html", b"<!doctype html><title>p</title>" + b"p" * 4000)
    acts = {} if gone is None else {gone: partial(origin.remove, "p.html")}
    outcome = "breached" if gone is None else "within"
    await stage.plays(origin, acts, gone=gone, outcome=outcome, path="/p.html")


@pytest.mark.parametrize("kind", ["apache2"])
async def test_an_apache_that_serves_another_variant(stage: Stage, kind: str) -> None:
    """MultiViews serves `holiday` from holiday.jpg; once that is removed it is a 404: within."""
    origin = stage.server(kind)
    origin.configure(f"<Directory {origin.root}>\nOptions +MultiViews\n</Directory>")
    origin.put("holiday.jpg")
    acts = {5.5: partial(origin.remove, "holiday.jpg")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path="/holiday")


@pytest.mark.parametrize("kind", ALL)
async def test_the_front_page_itself(stage: Stage, kind: str) -> None:
    """The URL is the front page, which is removed: nothing but its interval."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: partial(origin.remove, "index.html")}, gone=5.5, path="/")
