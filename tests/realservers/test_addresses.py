"""Addresses and paths: several addresses of one name, moves to another one, and spellings of what is asked for."""

from functools import partial

import pytest

from tests.realservers.daemons import HOST, PICTURE, Daemon
from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

SHOWN = b"<!doctype html><title>picture</title>" + b"p" * 5263
NOPE = b"<!doctype html><title>picture</title>" + b"n" * 5083
ELSEWHERE = "server { listen 127.0.0.2:PORT; server_name pics.example; root FOLDER/other; RULE }"


def two_places(stage: Stage, rule: str = "") -> Daemon:
    """Start a server that has the site at one address, and another site of the same name at a second one."""
    origin = stage.server("nginx", http=ELSEWHERE.replace("RULE", rule))
    (origin.folder / "other").mkdir()
    return origin


def lead(stage: Stage, *addresses: str) -> None:
    """Have the name lead to these addresses."""
    stage.names.names[HOST] = list(addresses)


async def test_a_name_that_moves_with_its_file(stage: Stage) -> None:
    """At 5.5 the name leads to another address, where the file is as well: a breach."""
    origin = two_places(stage)
    (origin.folder / "other" / "a.jpg").write_bytes(PICTURE)
    await stage.plays(origin, {5.5: partial(lead, stage, "127.0.0.2")}, outcome="breached")


async def test_a_name_that_moves_without_its_file(stage: Stage) -> None:
    """At 5.5 the name leads to another address, where the file is not: within."""
    origin = two_places(stage)
    acts = {5.5: partial(lead, stage, "127.0.0.2")}
    await stage.plays(origin, acts, gone=5.5, outcome="within")


async def test_a_name_that_is_parked(stage: Stage) -> None:
    """At 5.5 the name leads to an address that shows one page for every path of every name: no breach."""
    origin = two_places(stage, "rewrite ^ /park.html break;")
    (origin.folder / "other" / "park.html").write_bytes(NOPE)
    await stage.plays(origin, {5.5: partial(lead, stage, "127.0.0.2")}, gone=5.5)


@pytest.mark.parametrize("order", [("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "127.0.0.1")])
async def test_one_of_two_addresses_never_had_it(stage: Stage, order: tuple[str, str]) -> None:
    """The name has two addresses, and only one of them serves the file: a breach."""
    origin = two_places(stage)
    lead(stage, *order)
    await stage.plays(origin, outcome="breached")


async def test_two_addresses_lose_it_one_after_the_other(stage: Stage) -> None:
    """Two addresses serve the file, one until 5.5, the other until 10.5: within, gone at 10.5."""
    origin = two_places(stage)
    (origin.folder / "other" / "a.jpg").write_bytes(PICTURE)
    lead(stage, "127.0.0.1", "127.0.0.2")
    acts = {5.5: origin.remove, 10.5: (origin.folder / "other" / "a.jpg").unlink}
    await stage.plays(origin, acts, gone=10.5, outcome="within")


async def test_a_dead_address_beside_one_that_serves(stage: Stage) -> None:
    """One of two addresses refuses connections all the time, the other serves the file: a breach."""
    origin = stage.server("nginx")
    lead(stage, "127.0.0.3", "127.0.0.1")
    await stage.plays(origin, outcome="breached")


async def test_an_address_that_is_taken_out_of_the_name(stage: Stage) -> None:
    """Of two addresses that serve the file one leaves the name at 5.5, and the other loses the file at 10.5: within."""
    origin = two_places(stage)
    (origin.folder / "other" / "a.jpg").write_bytes(PICTURE)
    lead(stage, "127.0.0.1", "127.0.0.2")
    acts = {5.5: partial(lead, stage, "127.0.0.1"), 10.5: origin.remove}
    await stage.plays(origin, acts, gone=10.5, outcome="within")


# -- walls that come down too late, and gaps -------------------------------------------------------

LATE = {
    "nginx 401": "return 401;",
    "nginx 503 for a day": "add_header Retry-After 86400 always; return 503;",
    "nginx 429 for a day": "add_header Retry-After 86400 always; return 429;",
    "nginx page": "rewrite ^ /soon.html break;",
    "nginx closes": "return 444;",
    "apache2 403": "RewriteEngine on\nRewriteRule .* - [F]",
    "caddy login": "@out not path /login\nredir @out /login\nfile_server",
}


@by_rule(LATE)
async def test_a_wall_that_hides_the_whole_norm(stage: Stage, kind: str, rule: str) -> None:
    """A wall stands from before the first look until hours after the deadline, and the file stays: a breach."""
    origin = stage.server(kind, rule)
    origin.put("soon.html", NOPE)
    await stage.plays(origin, {30.5: origin.configure}, outcome="breached")


@pytest.mark.parametrize("kind", ["nginx", "apache2", "caddy"])
async def test_a_gap_of_minutes(stage: Stage, kind: str) -> None:
    """The file is missing for ten minutes, at a look and at the next, because it is copied anew: a breach."""
    origin = stage.server(kind)
    acts = {6.0: origin.remove, 6.2: partial(origin.put, "a.jpg")}
    stays = [(-1e9, 6.0), (6.2, 1e9)]
    await stage.plays(origin, acts, stays=stays, outcome="breached")


# -- one page that is sent away --------------------------------------------------------------------

SENT = {
    "nginx": "location = /view/731.html { return 302 /removed.html; }",
    "apache2": "Redirect 302 /view/731.html /removed.html",
    "caddy": "redir /view/731.html /removed.html\nfile_server",
}


@by_rule(SENT)
async def test_a_page_that_is_sent_to_one_of_its_size(stage: Stage, kind: str, rule: str) -> None:
    """The page of a picture is sent to a page in the same dress that says "removed"; no breach may come of it."""
    origin = stage.server(kind)
    origin.put("view/731.html", SHOWN)
    origin.put("removed.html", NOPE)
    acts = {5.5: partial(origin.configure, rule)}
    await stage.plays(origin, acts, gone=5.5, path="/view/731.html")


# -- spellings -------------------------------------------------------------------------------------

SPELLINGS = {
    "/b%20c.jpg": "b c.jpg",
    "/%E2%9C%93.jpg": "✓.jpg",
    "/x+y(1).jpg": "x+y(1).jpg",
    "/A.JPG": "A.JPG",
    "/noextension": "noextension",
    "/.hidden/a.jpg": ".hidden/a.jpg",
    "/a.jpg.bak": "a.jpg.bak",
}


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("kind", ["nginx", "apache2", "lighttpd"])
async def test_a_path_as_people_write_it(stage: Stage, kind: str, path: str) -> None:
    """The path has escapes, capitals, dots or no extension; the file is removed: within."""
    origin = stage.server(kind)
    name = SPELLINGS[path]
    origin.put(name)
    acts = {5.5: partial(origin.remove, name)}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path=path)


HANDLERS = {
    "nginx key alone": (
        "location = /view { default_type text/html; try_files /pages/$query_string.html /nope.html; }"
    ),
    "nginx front page": "location = / { default_type text/html; try_files /pages/$arg_p.html /index.html; }",
    "nginx front says no": "location = / { default_type text/html; try_files /pages/$arg_p.html /nope.html; }",
    "apache2 key alone": "RewriteEngine on\nRewriteCond %{DOCUMENT_ROOT}/pages/%{QUERY_STRING}.html -f\n"
    "RewriteRule ^/view$ /pages/%{QUERY_STRING}.html? [L]\nRewriteRule ^/view$ /nope.html? [L]",
}


@pytest.mark.parametrize("gone", [5.5, -1.0, None])
@by_rule(HANDLERS)
async def test_an_id_where_few_look_for_it(
    stage: Stage, kind: str, rule: str, gone: float | None
) -> None:
    """The id is a key without a value, or a parameter of the front page: within, a breach, or nothing false."""
    origin = stage.server(kind, rule)
    origin.put("nope.html", NOPE)
    acts = {}
    if gone != -1.0:
        origin.put("pages/731.html", SHOWN)
        acts = {} if gone is None else {gone: partial(origin.remove, "pages/731.html")}
    outcome = {5.5: "within", -1.0: None, None: "breached"}[gone]
    path = "/?p=731" if "front" in rule or "location = / " in rule else "/view?731"
    await stage.plays(origin, acts, gone=gone, outcome=outcome, path=path)
