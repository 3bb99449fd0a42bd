"""Looks at scripted sites on loopback: every kind of answer ends in its verdict, in time, and without a body."""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from schemas.errors import ConfigError
from schemas.urls import canonical
from services.attribution.asn_database import AsnDatabase
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.probing.dns.resolver import Resolver
from services.probing.guard.guard import Guard
from services.probing.http import header_handler
from services.probing.http.exchange import Exchanger
from services.probing.http.head import HeaderBlock
from services.probing.look.identity import NEUTRAL_AGENT
from services.probing.look.looker import Deferred
from services.probing.look.selfcheck import SelfCheck
from tests.as_configured import look_limits, politeness_limits
from tests.integration.certificates import self_signed
from tests.integration.lab import FAST, Lab
from tests.integration.looksites import (
    Asked,
    NameServer,
    Site,
    answer,
    dribble,
    head_of,
    raw,
    repeat,
    reset,
    silent,
)
from tests.mmdb import write_mmdb

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


# -- status codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict", "reason", "methods"),
    [
        (200, "online", "served", ["HEAD"]),
        (404, "removed", "not_found", ["HEAD", "GET", "GET"]),
        (410, "removed", "gone", ["HEAD", "GET", "GET"]),
        (401, "undetermined", "blocked_unauthorized", ["HEAD", "GET"]),
        (403, "undetermined", "blocked_forbidden", ["HEAD", "GET"]),
        (421, "undetermined", "misdirected", ["HEAD", "GET"]),
        (429, "undetermined", "blocked_rate_limited", ["HEAD", "GET"]),
        (451, "undetermined", "blocked_legal", ["HEAD", "GET"]),
        (500, "undetermined", "server_error", ["HEAD", "GET"]),
        (502, "undetermined", "server_error", ["HEAD", "GET"]),
        (503, "undetermined", "blocked_unavailable", ["HEAD", "GET"]),
    ],
)
async def test_status(lab: Lab, status: int, verdict: str, reason: str, methods: list[str]) -> None:
    """Each status has its verdict; all but a plain 200 is asked for by GET, and what is gone by a second agent."""
    site = await lab.site(x=answer(status, content_type="image/jpeg"))
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (verdict, reason) == (made.verdict, made.reason)
    assert methods == site.methods("/x")
    assert made.fingerprint is not None
    assert status == made.fingerprint.status


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


async def test_a_404_for_our_agent_alone_is_no_removal(lab: Lab) -> None:
    """What the neutral agent is served counts as online, and the look says who was served."""

    async def hidden(asked: Asked, writer: asyncio.StreamWriter) -> None:
        ours = asked.headers["user-agent"] != NEUTRAL_AGENT
        await answer(404 if ours else 200, content_type="image/jpeg")(asked, writer)

    site = await lab.site(x=hidden)
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (made.verdict, made.agent, made.method) == ("online", "neutral", "GET")
    assert site.methods("/x") == ["HEAD", "GET", "GET"]
    agents = [asked.headers["user-agent"] for asked in site.asked if asked.target != "/x"]
    assert set(agents) == {NEUTRAL_AGENT}, "siblings are asked as the same agent"


async def test_path_and_query_go_out_as_they_are(lab: Lab) -> None:
    """No slash is merged, no query sorted, no escape rewritten."""
    site = await lab.site()
    site.missing = answer(200)
    await lab.look(f"http://a.example:{site.port}/a//b/%7Ec?b=2&a=1&&x=%20")
    assert site.asked[0].target == "/a//b/%7Ec?b=2&a=1&&x=%20"


async def test_fingerprint_keeps_the_allow_list(lab: Lab) -> None:
    """Of a header block only the allow-listed headers are kept (G2)."""
    site = await lab.site(
        x=answer(
            200,
            content_type="image/jpeg; charset=x",
            content_length="4321",
            etag='"secret"',
            server="nginx/1.2 (host7)",
            age="17",
            set_cookie="id=1",
            last_modified="Mon, 01 Jan 2024 00:00:00 GMT",
        )
    )
    print_ = (await lab.look(f"http://a.example:{site.port}/x")).fingerprint
    assert print_ is not None
    assert (print_.content_type, print_.content_length, print_.cache_age) == (
        "image/jpeg",
        4321,
        17,
    )
    assert print_.server_class == "nginx"
    assert re.fullmatch("[0-9a-f]{16}", print_.etag_digest or "")
    assert "secret" not in repr(print_)


async def test_head_not_supported(lab: Lab) -> None:
    """A host that refuses HEAD is asked by GET, and from then on at once (P5)."""
    site = await lab.site(x=answer(206, head=405, content_range="bytes 0-0/900"))
    for _ in range(2):
        made = await lab.look(f"http://a.example:{site.port}/x")
        assert (made.verdict, made.method) == ("online", "GET")
    assert site.methods("/x") == ["HEAD", "GET", "GET"]
    assert made.fingerprint is not None
    assert made.fingerprint.content_length == 900


@pytest.mark.parametrize("head", [404, 302])
async def test_head_that_lies(lab: Lab, head: int) -> None:
    """Whatever HEAD alone says is no verdict: the GET decides."""
    site = await lab.site(x=answer(200, head=head))
    assert (await lab.look(f"http://a.example:{site.port}/x")).verdict == "online"


async def test_what_head_is_worth_is_learnt_for_urls_of_one_shape(lab: Lab) -> None:
    """Where HEAD said little, GET is asked at once for every URL of that shape, and for no other."""
    site = await lab.site()
    ghost = answer(200, head=404)
    site.scripts |= {"/a/1.jpg": ghost, "/a/2.jpg": ghost, "/b": answer(200)}
    for path in ("/a/1.jpg", "/a/2.jpg", "/b"):
        assert (await lab.look(f"http://a.example:{site.port}{path}")).verdict == "online"
    assert site.methods("/a/1.jpg") == ["HEAD", "GET"]
    assert site.methods("/a/2.jpg") == ["GET"]
    assert site.methods("/b") == ["HEAD"]


async def test_nothing_is_no_content(lab: Lab) -> None:
    """A length of 0 is nothing: never online, and gone where bytes were seen while siblings are answered otherwise."""
    site = await lab.site(x=answer(200, content_type="image/jpeg", content_length="0"))
    url = f"http://a.example:{site.port}/x"
    made = await lab.look(url)
    assert (made.verdict, made.reason) == ("undetermined", "no_content")
    made = await lab.look(url, known_online=True)
    assert (made.verdict, made.reason) == ("removed", "emptied")
    site.missing = site.scripts["/x"]
    assert (await lab.look(url, lab.looker(), known_online=True)).reason == "no_content"


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


# -- redirects -------------------------------------------------------------------------------------


def _to(location: str) -> Callable:
    return answer(302, location=location)


@pytest.mark.parametrize(
    ("location", "verdict", "reason"),
    [
        ("/y/x", "online", "served"),
        ("y/x", "online", "served"),
        ("//a.example:{port}/y/x", "online", "served"),
        ("http://www.a.example:{port}/x", "online", "served"),
        ("/y", "undetermined", "redirect_unproven"),
        ("/404.html", "undetermined", "redirect_unproven"),
        ("/errors/notfound?from=x", "removed", "not_found"),
        ("/", "undetermined", "redirect_to_root"),
        ("http://other.example/", "undetermined", "redirect_other_domain"),
        ("http://127.0.0.1:{port}/y", "undetermined", "redirect_other_domain"),
        ("http://169.254.169.254/latest", "undetermined", "redirect_other_domain"),
        ("http://[::1]:{port}/y", "undetermined", "redirect_other_domain"),
        ("http://inner.a.example:{port}/y", "undetermined", "redirect_refused"),
        ("http://user:pass@a.example:{port}/y", "undetermined", "redirect_refused"),
        ("ftp://a.example/y", "undetermined", "redirect_refused"),
        ("http://nowhere.a.example/y", "undetermined", "redirect_broken"),
        ("http://", "undetermined", "redirect_broken"),
        ("/x", "undetermined", "redirect_loop"),
        ("/r1", "undetermined", "redirect_too_many"),
        ("/" + "y" * 9000, "undetermined", "redirect_broken"),
    ],
)
async def test_redirect(lab: Lab, location: str, verdict: str, reason: str) -> None:
    """A redirect is followed only where it may be, and says what its target says, however that is spelled."""
    lab.names.names |= {"www.a.example": ["127.0.0.1"], "inner.a.example": ["169.254.169.254"]}
    site = await lab.site(y=answer(200), r1=_to("/r2"), r2=_to("/r3"), r3=_to("/r4"), r4=_to("/y"))
    away = _to(location.replace("{port}", str(site.port)))

    async def unless_moved(asked: Asked, writer: asyncio.StreamWriter) -> None:
        script = answer(200) if asked.headers["host"].startswith("www.") else away
        await script(asked, writer)

    site.scripts |= {"/x": unless_moved, "/y/x": answer(200), "/404.html": answer(200)}
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (verdict, reason) == (made.verdict, made.reason)


async def test_redirect_loop_over_two_pages(lab: Lab) -> None:
    """A loop is noticed wherever it closes."""
    site = await lab.site(x=_to("/y"), y=_to("/x"))
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "redirect_loop"
    assert (site.methods("/x"), site.methods("/y")) == (["HEAD", "GET"], ["GET"])


async def test_redirect_without_location(lab: Lab) -> None:
    """A redirect to nowhere is undetermined."""
    site = await lab.site(x=answer(302))
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "redirect_broken"


async def test_redirect_to_root_by_everything(lab: Lab) -> None:
    """What is sent where every unknown path was sent while it was served is removed; else it may be a wall."""
    site = await lab.site(x=answer(200), y=_to("/"))
    site.missing = _to("/")
    url = f"http://a.example:{site.port}"
    assert (await lab.look(f"{url}/x")).verdict == "online"
    assert (await lab.look(f"{url}/y", case_id="d" * 32)).reason == "redirect_shared"
    site.scripts["/x"] = _to("/")
    made = await lab.look(f"{url}/x")
    assert (made.verdict, made.reason) == ("removed", "soft_404_root")
    assert (await lab.look(f"{url}/x", lab.looker(), known_online=True)).reason == "redirect_shared"


# -- soft 404 --------------------------------------------------------------------------------------


async def test_soft_404_host(lab: Lab) -> None:
    """What is answered as everything is was never seen: each look asks a sibling, by HEAD the first one alone."""
    site = await lab.site()
    site.missing = answer(200, content_type="text/html", content_length="512")
    url = f"http://a.example:{site.port}/folder/x.jpg"
    for _ in range(3):
        made = await lab.look(url)
        assert (made.verdict, made.reason) == ("undetermined", "never_seen_served")
    others = [asked for asked in site.asked if asked.target != "/folder/x.jpg"]
    assert [asked.method for asked in others] == ["HEAD", "GET", "GET", "GET"]
    for asked in others:
        assert re.fullmatch(r"/folder/[0-9a-f]{16}\.jpg", asked.target)


async def test_soft_404_host_without_telling_headers(lab: Lab) -> None:
    """Where no header tells two pages apart the verdict stays open, of what was seen served too."""
    site = await lab.site()
    site.missing = raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    made = await lab.look(f"http://a.example:{site.port}/x", known_online=True)
    assert (made.verdict, made.reason) == ("undetermined", "suspected_soft_404")


async def test_many_looks_share_one_control(lab: Lab) -> None:
    """Concurrent first looks at one host share siblings: those that were asked after their URL."""
    site = await lab.site(**{f"x{n}": answer(200) for n in range(10)})
    looks = [lab.look(f"http://a.example:{site.port}/x{n}") for n in range(10)]
    made = await asyncio.gather(*looks)
    assert {"online"} == {look.verdict for look in made}
    assert 11 <= len(site.asked) < 20


async def test_parked_name(lab: Lab) -> None:
    """A name that a parking service answers for is not online."""
    lab.names.name_servers["a.example"] = ["ns1.sedoparking.com"]
    site = await lab.site(x=answer(200))
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "parked"


async def test_parked_by_alias(lab: Lab) -> None:
    """A name that is an alias into a parking service is not online, whatever is served there."""
    lab.names.names |= {
        "gone.example": ("landing.sedoparking.com",),
        "landing.sedoparking.com": ["127.0.0.1"],
    }
    site = await lab.site(x=answer(200))
    assert (await lab.look(f"http://gone.example:{site.port}/x")).reason == "parked"


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


async def test_slow_loris(lab: Lab) -> None:
    """Headers that never end are cut at the timeout, as a block."""
    site = await lab.site(x=dribble(b"X-A: b\r\n", 0.05))
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "blocked_tarpit"


async def test_silence(lab: Lab) -> None:
    """A server that says nothing ends in a timeout."""
    site = await lab.site(x=silent)
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "response_timeout"


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


async def test_endless_interim_responses(lab: Lab) -> None:
    """Interim responses are counted: they can't hold the loop."""
    site = await lab.site()
    site.scripts["/x"] = repeat(site, b"HTTP/1.1 102 Processing\r\n\r\n")
    begun = time.process_time()
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "interim_flood"
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    "line", [b"X: y\r\n" * 500, b"X-Long: " + b"y" * 60_000 + b"\r\n", b"y" * 4096]
)
async def test_header_flood(lab: Lab, line: bytes) -> None:
    """A header block has a cap, in many lines or in one."""
    site = await lab.site()
    site.scripts["/x"] = repeat(site, line, first=b"HTTP/1.1 200 OK\r\nA: ")
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert made.reason in ("header_flood", "bad_response")
    assert made.verdict == "undetermined"


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
    ],
    ids=["reset", "empty", "ssh", "no_number", "half", "999", "upgrade"],
)
async def test_broken_answers(lab: Lab, script, reason: str) -> None:
    """Whatever is no answer is undetermined, with its reason."""
    site = await lab.site(x=script)
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (made.verdict, made.reason) == ("undetermined", reason)


async def test_nobody_listens(lab: Lab) -> None:
    """A refused connection is undetermined."""
    site = await lab.site()
    await site.stop()
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "connect_refused"


# -- TLS -------------------------------------------------------------------------------------------


async def test_tls_handshake_faults(lab: Lab) -> None:
    """A server that talks no TLS, stalls or resets in the handshake is undetermined."""

    async def talk(data: bytes | None, abort: bool) -> int:
        async def serve(reader, writer):
            await reader.read(65_536)
            if data is not None:
                writer.write(data)
            if abort:
                await reset(None, writer)
            await reader.read()
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        lab.sites.append(Site(servers=[server]))
        return server.sockets[0].getsockname()[1]

    for data, abort, reasons in (
        (b"HTTP/1.1 400 Bad\r\n\r\n", False, {"tls_failed"}),
        (None, False, {"tls_timeout"}),
        (None, True, {"blocked_reset"}),
    ):
        port = await talk(data, abort)
        made = await lab.look(f"https://a.example:{port}/x")
        assert made.reason in reasons


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


async def test_one_address_dead_one_alive(lab: Lab) -> None:
    """Online if any address serves it; the one that does not is on record."""
    lab.names.names["two.example"] = ["127.0.0.3", "127.0.0.1"]
    site = await lab.site("127.0.0.1", x=answer(200))
    made = await lab.look(f"http://two.example:{site.port}/x")
    assert made.verdict == "online"
    assert {s.address for s in made.served if s.online} == {"127.0.0.1"}
    assert all(s.address == "127.0.0.3" for s in made.served if not s.online)


async def test_gone_on_one_address_of_two(lab: Lab) -> None:
    """Gone on one address and dark on the other is undetermined; gone on both is gone (P10)."""
    lab.names.names["two.example"] = ["127.0.0.1", "127.0.0.3"]
    site = await lab.site("127.0.0.1", x=answer(404))
    url = f"http://two.example:{site.port}/x"
    assert (await lab.look(url)).reason == "connect_refused"
    other = await lab.site("127.0.0.3", port=site.port, x=answer(410))
    made = await lab.look(url)
    assert made.verdict == "removed"
    assert other.methods("/x") == ["HEAD", "GET", "GET"]


async def test_too_many_addresses(lab: Lab) -> None:
    """Gone on the addresses asked is not gone while others were left out."""
    addresses = [f"127.0.1.{n}" for n in range(1, 7)]
    lab.names.names["many.example"] = addresses
    site = await lab.site(*addresses, x=answer(404))
    looker = lab.looker(limits=look_limits(addresses_per_family=4))
    made = await lab.look(f"http://many.example:{site.port}/x", looker)
    assert (made.reason, len(made.served)) == ("gone_on_some", 4)


async def test_family_without_a_route_is_not_asked(lab: Lab) -> None:
    """A vantage without IPv6 can tell that a URL is gone; it asks IPv6 only where there is nothing else."""
    lab.names.names |= {"dual.example": ["127.0.0.1", "::1"], "six.example": ["::1"]}
    site = await lab.site("127.0.0.1", x=answer(404))
    looker = lab.looker(limits=look_limits(families=frozenset({4})))
    made = await lab.look(f"http://dual.example:{site.port}/x", looker)
    assert made.verdict == "removed"
    assert [s.address for s in made.served] == ["127.0.0.1"]
    assert (await lab.look(f"http://six.example:{site.port}/x", looker)).reason == "connect_refused"


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


async def test_an_address_that_the_map_lacks_is_attributed_by_its_as(
    lab: Lab, tmp_path: Path
) -> None:
    """A file of AS numbers behind the map names the provider that holds the number, and the method says so."""
    lab.names.names["two.example"] = ["127.0.0.2", "127.0.0.1"]
    site = await lab.site("127.0.0.1", "127.0.0.2", x=answer(404))
    numbers = {"127.0.0.2/32": {"autonomous_system_number": 64500}}
    book = ProviderBook(
        ProviderMap.parse(
            '[[provider]]\nid = "giant"\nname = "G"\nasn = [64500]\n'
            '[[provider.prefix]]\ncidr = "127.0.0.1/32"\n'
        ),
        AsnDatabase.open(write_mmdb(tmp_path / "as.mmdb", numbers)),
    )
    made = await lab.look(f"http://two.example:{site.port}/x", lab.looker(providers=book))
    assert {s.address: (s.provider, s.method) for s in made.served} == {
        "127.0.0.1": ("giant", "map"),
        "127.0.0.2": ("giant", "mmdb"),
    }


@pytest.mark.parametrize(
    ("said", "verdict", "reason"),
    [
        ("NXDOMAIN", "removed", "nxdomain"),
        ("SERVFAIL", "undetermined", "dns_servfail"),
        ("REFUSED", "undetermined", "dns_refused"),
        ("timeout", "undetermined", "dns_timeout"),
        ([], "undetermined", "dns_nodata"),
        (("loop.example",), "undetermined", "dns_broken"),
        (["10.0.0.1", "169.254.169.254"], "undetermined", "address_refused"),
        (["93.184.216.34"], "undetermined", "address_refused"),
    ],
)
async def test_names(lab: Lab, said, verdict: str, reason: str) -> None:
    """Each DNS outcome keeps its name, and a simulation leaves loopback for nobody."""
    lab.names.names |= {"n.example": said, "loop.example": ("loop.example",)}
    made = await lab.look("http://n.example/x")
    assert (made.verdict, made.reason, made.method) == (verdict, reason, "DNS")
    assert made.served == ()


async def test_refused_addresses_beside_good_ones(lab: Lab) -> None:
    """Bad records of a name are left out, the good ones are asked."""
    lab.names.names["mixed.example"] = ["10.0.0.1", "127.0.0.1"]
    site = await lab.site(x=answer(404))
    made = await lab.look(f"http://mixed.example:{site.port}/x")
    assert made.verdict == "removed"
    assert [s.address for s in made.served] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0x7f.1", "localhost"]
)
async def test_public_guard_never_connects_to_loopback(lab: Lab, host: str) -> None:
    """With the public guard no spelling of loopback, and no name for it, opens a socket."""
    lab.names.names["localhost"] = ["127.0.0.1", "::1"]
    site = await lab.site(x=answer(200))
    guard = Guard("public", {80, site.port})
    resolver = Resolver([("127.0.0.1", lab.names.port)], guard)
    made = await lab.look(
        f"http://{host}:{site.port}/x", lab.looker(guard=guard, resolver=resolver)
    )
    assert made.reason == "address_refused"
    assert site.connections == 0


async def test_own_listener_is_refused(lab: Lab) -> None:
    """A simulated URL can't reach the operator's own services."""
    site = await lab.site(x=answer(200))
    guard = Guard("simulated", None, own_listeners=[("127.0.0.1", site.port)])
    made = await lab.look(f"http://a.example:{site.port}/x", lab.looker(guard=guard))
    assert made.reason == "address_refused"
    assert site.connections == 0


async def test_the_socket_itself_is_guarded(lab: Lab) -> None:
    """If all else let an address through, the socket is still not made."""
    site = await lab.site(x=answer(200))
    exchanger = Exchanger(Guard("public", {site.port}), agent="x")
    reply = await exchanger.ask(
        "HEAD", canonical(f"http://a.example:{site.port}/x"), "127.0.0.1", 1
    )
    assert reply.fault == "address_refused"
    assert site.connections == 0
    await exchanger.close()


# -- resolver --------------------------------------------------------------------------------------


async def test_cname_chain_over_several_answers(lab: Lab) -> None:
    """A chain is followed, also where each answer brings one link."""
    lab.names.names |= {"c.example": ("d.example",), "d.example": ("a.example",)}
    found = await lab.resolver().resolve("c.example")
    assert found.addresses == ("127.0.0.1",)
    assert found.chain == ("d.example", "a.example")


async def test_truncated_answer_is_asked_again_over_tcp(lab: Lab) -> None:
    """What does not fit a datagram comes over TCP; records beyond the cap are counted."""
    lab.names.truncate = True
    lab.names.names["big.example"] = [f"127.0.2.{n}" for n in range(1, 100)]
    found = await lab.resolver().resolve("big.example")
    assert (len(found.addresses), found.left_out) == (16, 83)


async def test_forged_answers_are_ignored(lab: Lab) -> None:
    """An answer with another id does not end the query."""
    lab.names.forge = True
    assert (await lab.resolver().resolve("a.example")).status == "addresses"


async def test_concurrent_queries_share_a_flight_and_answers_are_remembered(lab: Lab) -> None:
    """A hundred looks at one name ask its server once per family."""
    resolver = lab.resolver()
    await asyncio.gather(*(resolver.resolve("a.example") for _ in range(100)))
    await resolver.resolve("a.example")
    assert sorted(lab.names.asked) == [("a.example", "A"), ("a.example", "AAAA")]


async def test_nxdomain_needs_both_families_and_both_servers(lab: Lab) -> None:
    """One name server that knows a name outweighs one that does not."""
    other = await NameServer({"x.example": []}).start()
    servers = [("127.0.0.1", lab.names.port), ("127.0.0.1", other.port)]
    resolver = Resolver(servers, lab.guard)
    found = await resolver.resolve("x.example")
    assert found.status == "disagree"
    await resolver.close()
    await other.stop()


async def test_a_simulation_asks_name_servers_on_loopback_only() -> None:
    """A public name server under a simulated guard is refused at the start."""
    with pytest.raises(ConfigError, match="loopback"):
        Resolver([("9.9.9.9", 53)], Guard("simulated", None))


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


@pytest.mark.parametrize("url", ["http://x.onion/", "ftp://a.example/x", "http://u:p@a.example/x"])
async def test_not_measurable_is_never_probed(lab: Lab, url: str) -> None:
    """Onion services, other schemes and credentials are counted and never asked (G17)."""
    made = await lab.look(url)
    assert made.reason == "not_measurable"
    assert lab.names.asked == []


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
        "e": _to("http://marker.example/MARKER"),
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
