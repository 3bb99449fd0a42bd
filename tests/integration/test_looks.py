"""Looks at scripted sites on loopback: what the wire adds to the decisions of a look, in time and without a body.

The decisions are tested without a socket in tests/unit/probing/look.
"""

import asyncio
import logging
import ssl
import time

import pytest
import structlog

from schemas.urls import canonical
from services.attribution.providermap import ProviderMap
from services.probing.http import header_handler
from services.probing.http.head import HeaderBlock
from services.probing.http.header_handler import HEADER_BYTES, INTERIM_RESPONSES
from services.probing.look.identity import NEUTRAL_AGENT
from services.probing.look.looker import Deferred
from services.probing.look.selfcheck import SelfCheck
from tests.as_configured import politeness_limits
from tests.integration.certificates import self_signed
from tests.integration.lab import FAST, Lab
from tests.integration.looksites import (
    Asked,
    Script,
    answer,
    dribble,
    head_of,
    raw,
    reset,
    silent,
)

MAP = """
[[provider]]
id = "giant"
name = "Giant"
[[provider.prefix]]
cidr = "127.0.0.0/28"
[[provider]]
id = "shield"
name = "Shield"
role = "proxy"
[[provider.prefix]]
cidr = "127.0.0.2/32"
"""
START = b"HTTP/1.1 200 OK\r\n"


# -- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict", "methods"),
    [(200, "online", ["HEAD"]), (410, "removed", ["HEAD", "GET", "GET"])],
)
async def test_status(lab: Lab, status: int, verdict: str, methods: list[str]) -> None:
    """A status on the wire ends in its verdict, its requests and its fingerprint."""
    site = await lab.site(x=answer(status, content_type="image/jpeg"))
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (verdict, methods) == (made.verdict, site.methods("/x"))
    assert made.fingerprint is not None
    assert (made.fingerprint.status, made.fingerprint.content_type) == (status, "image/jpeg")


async def test_request_says_who_asks_and_nothing_else(lab: Lab) -> None:
    """Requests carry an agent, the range, and no cookie, referer or credential; the neutral agent names nobody."""
    site = await lab.site(x=answer(404, set_cookie="a=b"))
    looker = lab.looker(agent="takedown-monitor (+mailto:desk@hotline.example)")
    for _ in range(2):
        await lab.look(f"http://a.example:{site.port}/x", looker)
    head, get, neutral = site.asked[:3]
    assert head.headers == {
        "host": f"a.example:{site.port}",
        "user-agent": "takedown-monitor (+mailto:desk@hotline.example)",
        "accept": "*/*",
        "accept-encoding": "identity",
    }
    assert get.headers == head.headers | {"range": "bytes=0-0", "connection": "close"}
    assert neutral.headers == get.headers | {"user-agent": NEUTRAL_AGENT}
    assert all("cookie" not in asked.headers for asked in site.asked)


async def test_path_and_query_go_out_as_they_are(lab: Lab) -> None:
    """No slash is merged, no query sorted, no escape rewritten."""
    site = await lab.site()
    site.missing = answer(200)
    await lab.look(f"http://a.example:{site.port}/a//b/%7Ec?b=2&a=1&&x=%20")
    assert site.asked[0].target == "/a//b/%7Ec?b=2&a=1&&x=%20"


async def test_looks_at_one_host_share_a_connection(lab: Lab) -> None:
    """Looks due at one host go over one kept-alive connection; another name gets its own."""
    lab.names.names["b.example"] = ["127.0.0.1"]
    site = await lab.site(x=answer(200), y=answer(200))
    for path in ("x", "y", "x"):
        await lab.look(f"http://a.example:{site.port}/{path}")
    assert site.connections == 1
    await lab.look(f"http://b.example:{site.port}/x")
    assert site.connections == 2


async def test_a_kept_alive_connection_that_was_closed_is_no_fault(lab: Lab) -> None:
    """A connection that the server closed while idle is replaced without a word."""
    site = await lab.site(x=answer(200))
    url = f"http://a.example:{site.port}/x"
    assert (await lab.look(url)).verdict == "online"
    for task in tuple(site.tasks):
        task.cancel()
    assert (await lab.look(url)).verdict == "online"


# -- siblings and names ---------------------------------------------------------------------------


async def test_many_looks_share_one_control(lab: Lab) -> None:
    """Concurrent first looks at one host share siblings: those that were asked after their URL."""
    site = await lab.site(**{f"x{n}": answer(200) for n in range(10)})
    looks = [lab.look(f"http://a.example:{site.port}/x{n}") for n in range(10)]
    made = await asyncio.gather(*looks)
    assert {"online"} == {look.verdict for look in made}
    assert 11 <= len(site.asked) < 20


async def test_name_servers_that_stall_do_not_hold_up_a_look(lab: Lab) -> None:
    """Who answers for a name is asked beside the sibling, for as long as one exchange may take."""
    lab.names.names["a.example"] = ["127.0.0.1"]
    plain = lab.names.datagram_received

    def slow(data: bytes, addr: tuple) -> None:
        if data[12:].find(b"\x00\x00\x02\x00\x01") >= 0:
            return  # an NS question
        plain(data, addr)

    lab.names.datagram_received = slow
    site = await lab.site(x=answer(200))
    looker = lab.looker(resolver=lab.resolver(try_seconds=5.0))
    begun = time.monotonic()
    assert (await lab.look(f"http://a.example:{site.port}/x", looker)).verdict == "online"
    assert time.monotonic() - begun < FAST.total_seconds


# -- hostile servers -------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (200, "served")])
async def test_a_get_is_cut_after_its_header_block(lab: Lab, status: int, reason: str) -> None:
    """A body that goes on is not waited for: the look closes the connection, whatever it was told (G1)."""
    cut = asyncio.Event()
    chunk = b"1000\r\n" + b"\xff" * 4096 + b"\r\n"

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "HEAD":
            await answer(status, content_length="0")(asked, writer)
            return
        headers = {"content-type": "image/jpeg", "transfer-encoding": "chunked"}
        writer.write(head_of(status, headers) + chunk)
        while not writer.transport.is_closing():
            await asyncio.sleep(0.02)
            writer.write(b"1\r\n\xff\r\n")
        cut.set()

    site = await lab.site(x=script)
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (made.reason, made.method) == (reason, "GET")
    async with asyncio.timeout(2.0):
        await cut.wait()


async def test_no_byte_of_a_body_reaches_the_parser(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows the header block is dropped before anything parses it, whatever the framing."""
    fed: list[bytes] = []
    plain = header_handler.read_head

    def spy(block: bytes) -> HeaderBlock:
        fed.append(block)
        return plain(block)

    monkeypatch.setattr(header_handler, "read_head", spy)
    body = b"MARKER" * 500
    paths = {
        "length": b"HTTP/1.1 404 N\r\nContent-Length: 3000\r\n\r\n" + body,
        "close": b"HTTP/1.1 404 N\r\n\r\n" + body,
        "chunked": b"HTTP/1.1 404 N\r\nTransfer-Encoding: chunked\r\n\r\nbb8\r\n" + body,
        "gzip": b"HTTP/1.1 404 N\r\nContent-Encoding: gzip\r\nContent-Length: 3000\r\n\r\n" + body,
        "bare": b"HTTP/1.1 404 N\nContent-Length: 3000\n\n" + body,
        "interim": b"HTTP/1.1 103 E\r\nLink: a\r\n\r\nHTTP/1.1 404 N\r\n\r\n" + body,
    }
    site = await lab.site(**{name: raw(data) for name, data in paths.items()})
    for name in paths:
        made = await lab.look(f"http://a.example:{site.port}/{name}")
        assert made.reason == "not_found", name
    assert fed
    assert b"MARKER" not in b"".join(fed)


async def test_header_block_in_pieces(lab: Lab) -> None:
    """A header block that comes byte by byte is read to its end and no further."""
    block = b"HTTP/1.1 404 N\r\nContent-Length: 5\r\n\r\nMARKE"

    async def script(_, writer):
        for byte in block:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)
        writer.close()

    site = await lab.site(x=script)
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "not_found"


async def test_body_after_head_closes_the_connection(lab: Lab) -> None:
    """A body that comes where none may be ends the connection: the next look is not poisoned."""
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    site = await lab.site(x=raw(poison + head_of(404), close=False), y=answer(200))
    assert (await lab.look(f"http://a.example:{site.port}/x")).verdict == "online"
    assert (await lab.look(f"http://a.example:{site.port}/y")).verdict == "online"
    assert site.connections >= 2


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (reset, "blocked_reset"),
        (raw(b""), "disconnected"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "bad_response"),
        (raw(b"HTTP/1.1 abc\r\n\r\n"), "bad_response"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), "disconnected"),
        (raw(b"HTTP/1.1 999 Odd\r\n\r\n"), "odd_status"),
        (raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "odd_status"),
        (raw(b"HTTP/1.1 102 P\r\n\r\n" * (INTERIM_RESPONSES + 1)), "interim_flood"),
        (raw(START + b"A: b\r\n" * (HEADER_BYTES // 6)), "header_flood"),
        (raw(START + b"A: " + b"b" * HEADER_BYTES), "header_flood"),
        (silent, "response_timeout"),
        (dribble(b"A: b\r\n", 0.05), "blocked_tarpit"),
        (None, "connect_refused"),
    ],
    ids=[
        *("reset", "empty", "ssh", "no number", "half", "999", "upgrade"),
        *("interim", "many lines", "one line", "silent", "dribble", "nobody"),
    ],
)
async def test_broken_answers(lab: Lab, script: Script | None, reason: str) -> None:
    """Whatever is no answer is undetermined, in time and with its reason; every limit is met by a little more."""
    site = await lab.site(x=script)
    if script is None:
        await site.stop()
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (made.verdict, made.reason) == ("undetermined", reason)


# -- TLS -------------------------------------------------------------------------------------------


async def test_self_signed_certificate_is_no_removal(lab: Lab, certificate: ssl.SSLContext) -> None:
    """A certificate that nobody vouches for says nothing about the material."""
    site = await lab.site(x=answer(200), tls=certificate)
    made = await lab.look(f"https://a.example:{site.port}/x")
    assert made.verdict == "online"
    assert {"connect", "tls", "first_byte"} <= set(made.phases)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Make a self-signed certificate for another name, expired."""
    return self_signed(tmp_path_factory.mktemp("tls"))


# -- addresses and names ---------------------------------------------------------------------------


async def test_provider_of_each_address(lab: Lab) -> None:
    """Each address asked is attributed, with its role, as of the look."""
    lab.names.names["two.example"] = ["127.0.0.2", "127.0.0.1"]
    site = await lab.site("127.0.0.1", "127.0.0.2", x=answer(404))
    looker = lab.looker(providers=ProviderMap.parse(MAP))
    made = await lab.look(f"http://two.example:{site.port}/x", looker)
    assert {s.address: (s.provider, s.role) for s in made.served} == {
        "127.0.0.1": ("giant", "hosting"),
        "127.0.0.2": ("shield", "proxy"),
    }


async def test_a_removal_is_not_believed_of_a_stale_address(lab: Lab) -> None:
    """Before a removal counts, the name is resolved afresh: it may have moved."""
    lab.names.names["m.example"] = ["127.0.0.1"]
    site = await lab.site("127.0.0.1", x=answer(200))
    looker = lab.looker(resolver=lab.resolver(fresh_seconds=0.0))
    url = f"http://m.example:{site.port}/x"
    assert (await lab.look(url, looker)).verdict == "online"
    site.scripts["/x"] = answer(404)
    await lab.site("127.0.0.3", port=site.port, x=answer(200))
    lab.names.names["m.example"] = ["127.0.0.3"]
    made = await lab.look(url, looker)
    assert made.verdict == "online"
    assert [s.address for s in made.served] == ["127.0.0.3"]


# -- sight, politeness, silence --------------------------------------------------------------------


async def test_canary(lab: Lab) -> None:
    """A look carries the last sighting of the canary, and a blind vantage sees nothing gone."""
    site = await lab.site(x=answer(404), canary=answer(200))
    looker = lab.looker(
        canary=canonical(f"http://a.example:{site.port}/canary"), canary_interval_seconds=0.0
    )
    url = f"http://a.example:{site.port}/x"
    made = await lab.look(url, looker)
    assert made.verdict == "removed"
    assert made.canary_at is not None
    site.scripts["/canary"] = answer(500)
    blind = await lab.look(url, looker)
    assert (blind.verdict, blind.reason) == ("undetermined", "vantage_blind")
    assert blind.canary_at is not None
    assert blind.canary_at <= blind.started_at
    site.scripts["/canary"] = answer(200)
    assert (await lab.look(url, looker)).verdict == "removed"


async def test_mass_failure_blinds(lab: Lab) -> None:
    """Many unrelated hosts that fail at once void what seems to be gone."""
    site = await lab.site(x=answer(404))
    looker = lab.looker(selfcheck=SelfCheck())
    url = f"http://a.example:{site.port}/x"
    assert (await lab.look(url, looker)).verdict == "removed"
    lab.names.names |= {f"dead{n}.example": "SERVFAIL" for n in range(6)}
    for n in range(6):
        await lab.look(f"http://dead{n}.example/x", looker)
    assert (await lab.look(url, looker)).reason == "vantage_blind"


async def test_politeness_defers(lab: Lab) -> None:
    """A look that would have to wait too long is not made, and says so."""
    site = await lab.site(x=answer(429, retry_after="3600"))
    looker = lab.looker(politeness=politeness_limits(max_wait_seconds=0.05))
    assert (
        await lab.look(f"http://a.example:{site.port}/x", looker)
    ).reason == "blocked_rate_limited"
    with pytest.raises(Deferred) as deferred:
        await lab.look(f"http://a.example:{site.port}/x", looker)
    assert deferred.value.seconds > 3000
    assert len(site.asked) == 1


async def test_who_waits_in_line_hears_the_push_back_too(lab: Lab) -> None:
    """Of many looks at one host, none is sent any more once it has asked to be left alone; a neighbour's are."""
    lab.names.names["b.example"] = ["127.0.0.1"]
    site = await lab.site(x=answer(429, retry_after="3600"), y=answer(200))
    polite = politeness_limits(
        address_concurrency=2, address_per_second=50.0, network_per_second=50.0
    )
    looker = lab.looker(politeness=polite)
    many = (
        lab.look(f"http://a.example:{site.port}/x", looker, case_id=f"{n:032x}") for n in range(20)
    )
    found = await asyncio.gather(*many, return_exceptions=True)
    assert sum(isinstance(one, Deferred) for one in found) >= 16
    assert len(site.asked) <= 4
    assert (await lab.look(f"http://b.example:{site.port}/y", looker)).verdict == "online"


async def test_no_url_in_logs_or_errors(
    lab: Lab, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither host nor path of a URL gets out, whatever goes wrong (G4)."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    lab.names.names |= {"marker.example": ["127.0.0.1"], "bad.marker.example": ["10.0.0.1"]}
    scripts = {
        "a": answer(404),
        "b": reset,
        "c": silent,
        "d": raw(b"garbage\r\n\r\n"),
        "e": answer(302, location="http://marker.example/MARKER"),
        "f": dribble(b"MARKER: b\r\n", 0.05),
    }
    site = await lab.site()
    site.scripts |= {f"/MARKER-{name}": script for name, script in scripts.items()}
    with structlog.testing.capture_logs() as logged:
        for name in scripts:
            made = await lab.look(f"http://marker.example:{site.port}/MARKER-{name}")
            assert "marker" not in repr(made).lower()
        await lab.look("http://bad.marker.example/MARKER")
        await lab.look("http://nothing.marker.example/MARKER")
    out = capsys.readouterr()
    said = f"{caplog.text}{out.out}{out.err}{logged}{lab.lookers[0]!r}".lower()
    assert "marker" not in said
