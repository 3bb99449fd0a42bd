"""Hosts that give nothing for the name any more, seen from two vantages: gone, once that has lasted for two days."""

from functools import partial

import pytest

from tests.realservers.daemons import HOST
from tests.realservers.pem import self_signed
from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

# Two days of darkness, and the looks of a weekend to confirm it.
LONG = 130.0


@pytest.mark.parametrize("kind", ["nginx", "apache2", "lighttpd", "caddy"])
async def test_a_server_that_is_switched_off_for_good(stage: Stage, kind: str) -> None:
    """The server refuses connections from 5.5 on, to both vantages: gone in time."""
    origin = stage.server(kind)
    acts = {5.5: origin.stop}
    await stage.plays(origin, acts, gone=5.5, outcome="within", until=LONG, abroad=True)


@pytest.mark.parametrize("kind", ["nginx", "caddy"])
async def test_a_server_that_is_off_for_a_day_and_a_half(stage: Stage, kind: str) -> None:
    """The server is off from 5.5 to 41.5, and comes back with the file: a breach, and no removal."""
    origin = stage.server(kind)
    acts = {5.5: origin.stop, 41.5: origin.start}
    await stage.plays(origin, acts, outcome="breached", until=LONG, abroad=True)


NOTHING = {
    "nginx closes": "server { listen 127.0.0.1:PORT default_server; return 444; }",
    "nginx 502": "server { listen 127.0.0.1:PORT default_server; return 502; }",
    "nginx 530": "server { listen 127.0.0.1:PORT default_server; return 530; }",
}


@by_rule(NOTHING)
async def test_a_virtual_host_that_is_deleted(stage: Stage, kind: str, rule: str) -> None:
    """The default host gives nothing for the name, for good, to both vantages: no breach."""
    origin = stage.server(kind, http=rule)
    acts = {5.5: partial(origin.configure, http=rule, name="old.example")}
    await stage.plays(origin, acts, gone=5.5, until=LONG, abroad=True)


@by_rule(NOTHING)
async def test_a_virtual_host_that_is_mended(stage: Stage, kind: str, rule: str) -> None:
    """The virtual host is missing for a day and a half by mistake, and the file stays: a breach, and no removal."""
    origin = stage.server(kind, http=rule)
    acts = {
        5.5: partial(origin.configure, http=rule, name="old.example"),
        41.5: partial(origin.configure, http=rule),
    }
    await stage.plays(origin, acts, outcome="breached", until=LONG, abroad=True)


@pytest.mark.parametrize("back", [None, 41.5])
async def test_a_name_that_tls_refuses(stage: Stage, back: float | None) -> None:
    """The server has no certificate for the name from 5.5 on, for good or for a day and a half: nothing false."""
    pem = self_signed(stage.folder, HOST)
    own = f"ssl_certificate {pem}; ssl_certificate_key {pem}; "
    refusing = "server { listen 127.0.0.1:PORT ssl default_server; ssl_reject_handshake on; }"
    origin = stage.server("nginx", own, http=refusing, listen="ssl")
    acts = {
        5.5: partial(origin.configure, own, http=refusing, listen="ssl", name="old.example"),
    }
    if back is not None:
        acts[back] = partial(origin.configure, own, http=refusing, listen="ssl")
    await stage.plays(
        origin,
        acts,
        gone=5.5 if back is None else None,
        outcome=None if back is None else "breached",
        scheme="https",
        until=LONG,
        abroad=True,
    )


WALLS = {
    "nginx 403": "return 403;",
    "nginx 503": "return 503;",
    "apache2 401": "RewriteEngine on\nRewriteRule .* - [R=401]",
    "caddy page": 'respond "soon"',
}


@by_rule(WALLS)
async def test_a_wall_of_two_weeks(stage: Stage, kind: str, rule: str) -> None:
    """A wall keeps both vantages out for two weeks, and the file stays behind it: nothing false."""
    origin = stage.server(kind)
    acts = {5.5: partial(origin.configure, rule)}
    await stage.plays(origin, acts, until=340.0, abroad=True)


async def test_a_site_that_goes_in_steps(stage: Stage) -> None:
    """503 for a day, then refused, then a 404: gone at 5.5, and no statement that is false."""
    origin = stage.server("nginx")

    def away() -> None:
        origin.remove()
        origin.configure("return 503;")

    acts = {5.5: away, 29.5: origin.stop, 53.5: origin.configure}
    await stage.plays(origin, acts, gone=5.5, until=LONG, abroad=True)
