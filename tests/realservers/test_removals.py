"""Plain removals by a status code, in time, late, never, before the notice, and for a while."""

import pytest

from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

ALL = ("nginx", "apache2", "lighttpd", "caddy")


@pytest.mark.parametrize("kind", ALL)
async def test_a_file_that_is_removed(stage: Stage, kind: str) -> None:
    """The file is removed, and 404 is what its server says of it: within, in its interval."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


@pytest.mark.parametrize("kind", ALL)
async def test_a_file_that_is_removed_too_late(stage: Stage, kind: str) -> None:
    """The file is removed half a day after the deadline: a breach, and a removal in its interval."""
    origin = stage.server(kind)
    await stage.plays(origin, {36.5: origin.remove}, gone=36.5, outcome="breached")


@pytest.mark.parametrize("kind", ALL)
async def test_a_file_that_stays(stage: Stage, kind: str) -> None:
    """Nobody removes the file: a breach, and no removal."""
    await stage.plays(stage.server(kind), outcome="breached")


@pytest.mark.parametrize("kind", ALL)
async def test_a_file_that_was_gone_before_the_notice(stage: Stage, kind: str) -> None:
    """The file was removed an hour before the notice: gone before it."""
    origin = stage.server(kind)
    origin.remove()
    await stage.plays(origin, gone=-1, outcome="gone_before_notice")


@pytest.mark.parametrize("kind", ["nginx", "apache2"])
async def test_a_file_that_comes_back_and_goes_again(stage: Stage, kind: str) -> None:
    """Removed, put back under the deadline, removed again in time: within, with both removals."""
    origin = stage.server(kind)
    acts = {3.5: origin.remove, 9.5: lambda: origin.put("a.jpg"), 15.5: origin.remove}
    stays = [(-1e9, 3.5), (9.5, 15.5)]
    await stage.plays(origin, acts, stays=stays, outcome="within")


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
async def test_a_file_that_comes_back_after_the_deadline(stage: Stage, kind: str) -> None:
    """Removed in time, and served again two days later: within, and returned."""
    origin = stage.server(kind)
    acts = {5.5: origin.remove, 50.5: lambda: origin.put("a.jpg")}
    await stage.plays(origin, acts, stays=[(-1e9, 5.5), (50.5, 1e9)], outcome="within", until=80)


GONE = {
    "nginx return 410": "location = /a.jpg { return 410; }",
    "apache2 redirect gone": "Redirect gone /a.jpg",
    "caddy respond 410": "respond /a.jpg 410\nfile_server",
    "nginx return 404": "location = /a.jpg { return 404; }",
    "lighttpd rewrite to nothing": 'url.rewrite-once = ( "^/a.jpg$" => "/none" )',
}


@by_rule(GONE)
async def test_a_rule_that_says_gone(stage: Stage, kind: str, rule: str) -> None:
    """The file stays on disk, and a rule of the server says of it alone that it is gone: within."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: lambda: origin.configure(rule)}, gone=5.5, outcome="within")


@pytest.mark.parametrize("kind", ["nginx", "apache2", "lighttpd"])
async def test_a_folder_that_is_removed(stage: Stage, kind: str) -> None:
    """The whole folder of an uploader is removed: within."""
    origin = stage.server(kind)
    origin.put("u/7/a.jpg")
    acts = {5.5: lambda: origin.remove("u")}
    await stage.plays(origin, acts, gone=5.5, outcome="within", path="/u/7/a.jpg")


@pytest.mark.parametrize("kind", ALL)
async def test_a_site_that_is_emptied(stage: Stage, kind: str) -> None:
    """Everything is removed, the front page as well: within."""
    origin = stage.server(kind)

    def empty() -> None:
        for name in ("index.html", "a.jpg", "b.jpg"):
            origin.remove(name)

    await stage.plays(origin, {5.5: empty}, gone=5.5, outcome="within")


async def test_a_proxy_in_trouble(stage: Stage) -> None:
    """For five hours the server behind the proxy is down (502); the file was there all the time: a breach."""
    behind = stage.server("apache2")
    proxy = (
        f"location / {{ proxy_pass http://127.0.0.1:{behind.port}; proxy_set_header Host $host; }}"
    )
    front = stage.server("nginx", proxy)
    acts = {3.5: behind.stop, 8.6: behind.start}
    await stage.plays(front, acts, outcome="breached")
