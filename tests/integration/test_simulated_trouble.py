"""What the gauntlet adds to the simulated internet: two vantages, lost packets, TLS, parking, half a host gone."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random

import aiohttp
import dns.asyncquery
import dns.edns
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from services.probing.guard.guard import Guard
from services.probing.http.exchange import Exchanger
from services.simulation.behaviours import Behaviour, HeadManner
from services.simulation.builder import build
from services.simulation.internet import SimulatedInternet, free_port
from services.simulation.scenarios import Story, gauntlet
from services.simulation.weather import ABROAD, HOME, Weather
from services.simulation.world import (
    CANARY_ADDRESS,
    CANARY_HOST,
    PARKING_ALIAS,
    SimulatedCase,
    World,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = aiohttp.ClientTimeout(total=2)


class Hard:
    """The gauntlet's world, served, with a clock that the test moves."""

    def __init__(self, world: World) -> None:
        self.world, self.offset = world, 0.0
        self.internet = SimulatedInternet(world, lambda: START + timedelta(seconds=self.offset))

    def met(self, behaviour: Behaviour, story: Story | None = None) -> SimulatedCase:
        """Find a case (of a story) that meets a behaviour, and move the clock there."""
        for case in (c for c in self.world.cases if story in (None, c.story)):
            for phase in case.plan.phases:
                if phase.behaviour is behaviour:
                    self.offset = max(phase.offset, 0.0) + 0.001
                    return case
        raise AssertionError(f"nobody meets {behaviour}")

    async def status(self, case: SimulatedCase, agent: str = "test", which: int = 0) -> int:
        """Ask for a case's URL at one of its addresses."""
        address = case.plan.at(self.offset).addresses[which]
        return await self.ask(address, case.url.host, case.target, agent)

    async def heads(
        self, case: SimulatedCase, target: str, method: str = "HEAD"
    ) -> tuple[int, str | None]:
        """Ask a case's host for a target: the status, and the length that it states."""
        address = case.plan.at(self.offset).addresses[0]
        url = f"http://{address}:{self.world.port}{target}"
        headers = {"Host": f"{case.url.host}:{self.world.port}"}
        async with (
            aiohttp.ClientSession(timeout=QUICK) as session,
            session.request(method, url, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, answer.headers.get("Content-Length")

    async def ask(self, address: str, host: str, target: str, agent: str = "test") -> int:
        place = f"[{address}]" if ":" in address else address
        url = f"http://{place}:{self.world.port}{target}"
        headers = {"Host": f"{host}:{self.world.port}", "User-Agent": agent}
        async with aiohttp.ClientSession(timeout=QUICK) as session:
            answer = await session.head(url, headers=headers, allow_redirects=False)
            return answer.status


@pytest.fixture
async def hard() -> AsyncIterator[Hard]:
    scenario = gauntlet(cases=400)
    made = Hard(build(scenario, seed=1, start=START, port=free_port(scenario)))
    async with made.internet:
        yield made


@pytest.mark.parametrize(
    ("behaviour", "home"),
    [(Behaviour.GEO_404, 404), (Behaviour.GEO_403, 403), (Behaviour.GEO_451, 451)],
)
async def test_what_is_hidden_at_home_is_served_abroad(
    hard: Hard, behaviour: Behaviour, home: int
) -> None:
    """Who looks from abroad says so in the User-Agent, and sees what is hidden at home."""
    case = hard.met(behaviour)
    assert (await hard.status(case), await hard.status(case, "x (abroad)")) == (home, 200)


async def test_what_is_gone_behind_a_wall_shows_abroad_alone(hard: Hard) -> None:
    """At home it is blocked as before, abroad it is gone."""
    case = hard.met(Behaviour.WALLED_404)
    assert (await hard.status(case), await hard.status(case, "x (abroad)")) == (451, 404)


@pytest.mark.parametrize(("vantage", "other"), [(HOME, ABROAD), (ABROAD, HOME)])
async def test_a_blocked_vantage_is_kept_out_everywhere(
    hard: Hard, vantage: str, other: str
) -> None:
    """Every host but the canary keeps one vantage out, and lets the other in."""
    case = hard.met(Behaviour.OK_HINTS)
    hard.internet.sites.weather.blocks.append((0.0, 1e9, vantage))
    with pytest.raises((TimeoutError, AssertionError)):
        assert await hard.status(case, vantage) == 200
    assert await hard.status(case, other) == 200
    assert await hard.ask(CANARY_ADDRESS, CANARY_HOST, "/canary", vantage) == 200


@pytest.mark.parametrize("story", [Story.ODD, Story.DUAL])
async def test_half_a_host_may_be_gone(hard: Hard, story: Story) -> None:
    """Of two addresses, of one family or of both, one answers 404 or resets, the other still serves."""
    assert await hard.status(hard.met(Behaviour.OK_ONE_GONE, story)) == 404
    assert await hard.status(hard.met(Behaviour.OK_ONE_GONE, story), which=1) == 200
    with pytest.raises(aiohttp.ClientOSError):
        await hard.status(hard.met(Behaviour.OK_ONE_RESET, story))
    assert await hard.status(hard.met(Behaviour.OK_ONE_RESET, story), which=1) == 200


async def test_a_host_may_have_ipv6_alone_or_both_families(hard: Hard) -> None:
    """The name server says so by what it answers to A and to AAAA; either family of two may be the one that fails."""
    alone = next(case for case in hard.world.cases if case.story is Story.IPV6)
    assert await _addresses(hard, alone.url.host) == ["::1"]
    both = [case for case in hard.world.cases if case.story is Story.DUAL]
    found = await _addresses(hard, both[0].url.host)
    assert [":" in address for address in found] == [False, True]
    assert {":" in case.plan.phases[0].addresses[0] for case in both} == {False, True}


async def _addresses(hard: Hard, name: str) -> list[str]:
    """Ask for both families, IPv4 first."""
    answers = [await _query(hard, name, kind) for kind in ("A", "AAAA")]
    return [record.address for answer in answers for rrset in answer.answer for record in rrset]


async def test_a_parked_name_leads_to_a_parking_service(hard: Hard) -> None:
    """The name server answers by an alias that is known to park."""
    case = hard.met(Behaviour.PARKED_CNAME)
    answer = await _query(hard, case.url.host)
    links = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.CNAME]
    assert links[0][0].target.to_text() == f"{PARKING_ALIAS}."


async def test_a_filter_says_that_the_name_does_not_exist_and_that_it_filters(hard: Hard) -> None:
    """Without the word of a zone, and with an Extended DNS Error; the zone's own NXDOMAIN has an SOA."""
    case = hard.met(Behaviour.DNS_FILTERED)
    answer = await _query(hard, case.url.host)
    codes = [o.code for o in answer.options if isinstance(o, dns.edns.EDEOption)]
    assert (answer.rcode(), answer.authority, codes) == (dns.rcode.NXDOMAIN, [], [17])
    answer = await _query(hard, hard.met(Behaviour.DNS_UNPROVEN).url.host)
    assert (answer.rcode(), answer.authority, answer.options) == (dns.rcode.NXDOMAIN, [], ())
    answer = await _query(hard, hard.met(Behaviour.NXDOMAIN).url.host)
    assert (answer.rcode(), len(answer.authority)) == (dns.rcode.NXDOMAIN, 1)


async def test_a_name_may_stand_behind_a_dozen_aliases(hard: Hard) -> None:
    """The last link has the address."""
    case = hard.met(Behaviour.OK_LONG_CHAIN)
    answer = await _query(hard, case.url.host)
    links = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.CNAME]
    assert len(links) == 12
    last = [record.address for rrset in answer.answer[12:] for record in rrset]
    assert sorted(last) == sorted(case.plan.phases[0].addresses)


async def test_a_length_may_be_stated_twice(hard: Hard) -> None:
    """Both statements agree, which clients bear."""
    case = hard.met(Behaviour.OK_TWO_LENGTHS)
    address = case.plan.at(hard.offset).addresses[0]
    reader, writer = await asyncio.open_connection(address, hard.world.port)
    writer.write(f"GET {case.target} HTTP/1.1\r\nHost: {case.url.host}\r\n\r\n".encode())
    async with asyncio.timeout(2):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    assert len(lengths) == 2 == lengths.count(lengths[0])


HEADS = {
    HeadManner.LENGTH_0: (200, "0"),
    HeadManner.NO_LENGTH: (200, None),
    HeadManner.ALWAYS_200: (200, "4096"),
    HeadManner.TO_FRONT: (302, "0"),
    HeadManner.STATUS_204: (204, None),
    HeadManner.STATUS_304: (304, None),
    HeadManner.STATUS_401: (401, "0"),
    HeadManner.STATUS_421: (421, "0"),
    HeadManner.STATUS_429: (429, "0"),
    HeadManner.STATUS_451: (451, "0"),
    HeadManner.STATUS_503: (503, "0"),
    HeadManner.CLOSED: None,
}


@pytest.mark.parametrize("manner", HeadManner)
async def test_head_says_one_thing_of_everything(hard: Hard, manner: HeadManner) -> None:
    """Of the material and of what never was there HEAD says the same; GET tells them apart."""
    case = next(case for case in hard.world.cases if case.head is manner)
    hard.offset = case.reported
    for target, status in ((case.target, 200), ("/i/0123456789.jpg", 404)):
        if HEADS[manner] is None:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await hard.heads(case, target)
        else:
            assert await hard.heads(case, target) == HEADS[manner]
        assert (await hard.heads(case, target, "GET"))[0] == status


@pytest.mark.parametrize(
    ("behaviour", "got", "front"),
    [
        (Behaviour.GONE_EMPTIED, (200, "0"), (200, "512")),
        (Behaviour.GONE_403, (403, "200"), (200, "512")),
        (Behaviour.PLACEHOLDER_302, (302, "0"), (200, "512")),
        (Behaviour.OK_SPELLED_404, (302, "0"), (200, "512")),
        (Behaviour.SORRY_UNSEEN, (200, "731"), (200, "512")),
        (Behaviour.WALL_PAGE, (200, "2200"), (200, "512")),
        (Behaviour.WALL_200, (200, "2200"), (200, "2200")),
        (Behaviour.WALL_PICTURE, (200, "4321"), (200, "512")),
        (Behaviour.WALL_BARE, (200, None), (200, None)),
        (Behaviour.BARE_200, (200, None), (200, "512")),
        (Behaviour.PLACEHOLDER_FILE, (302, "0"), (200, "512")),
        (Behaviour.OK_RAW_LOCATION, (302, "0"), (200, "512")),
        (Behaviour.ROUTE_503, (503, "200"), (503, "200")),
        (Behaviour.PROXY_530, (530, "200"), (530, "200")),
        (Behaviour.MISDIRECTED_421, (421, "200"), (421, "200")),
    ],
)
async def test_what_stands_in_the_place_of_the_material(
    hard: Hard, behaviour: Behaviour, got: tuple[int, str | None], front: tuple[int, str | None]
) -> None:
    """Nothing, a 403, a redirect, a page; the front page is spared, or it is the same page."""
    case = hard.met(behaviour)
    assert await hard.heads(case, case.target, "GET") == got
    assert await hard.heads(case, "/", "GET") == front


async def test_a_picture_is_encoded_anew(hard: Hard) -> None:
    """It is of another length, and not as short as a placeholder."""
    case = hard.met(Behaviour.OK_REENCODED, Story.REENCODED)
    _, now = await hard.heads(case, case.target)
    hard.offset = case.reported
    _, before = await hard.heads(case, case.target)
    assert before is not None
    assert now is not None
    assert 4096 < int(now) < int(before)


async def test_lost_datagrams_are_lost_and_streams_are_not(hard: Hard) -> None:
    """With every packet lost a query over UDP ends in silence; over TCP it is only a matter of time."""
    case = hard.met(Behaviour.OK_HINTS)
    hard.internet.sites.weather.losses.append((0.0, 1e9, 1.0))
    with pytest.raises(dns.exception.Timeout):
        await _query(hard, case.url.host)


async def test_tls_with_a_careless_certificate(hard: Hard) -> None:
    """A host behind TLS serves under a certificate of another name, and cuts handshakes in its outage."""
    case = hard.met(Behaviour.TLS_CUT)
    address = case.plan.phases[0].addresses[0]
    await hard.internet.sites.refresh()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await _handshake(hard, address, case.url.host)
    case = hard.met(Behaviour.OK_TLS)
    await hard.internet.sites.refresh()
    address = case.plan.phases[0].addresses[0]
    assert await _handshake(hard, address, case.url.host) == "TLSv1.3"


@pytest.mark.parametrize(
    ("behaviour", "fault", "status"),
    [
        (Behaviour.TLS_STALL, "tls_timeout", None),
        (Behaviour.TLS_RENEGOTIATE, "response_timeout", None),
        (Behaviour.TLS_UNKNOWN, "tls_unrecognized_name", None),
        (Behaviour.OK_TLS_ASKS, None, 200),
    ],
)
async def test_a_handshake_that_leads_nowhere_ends_in_a_reason(
    hard: Hard, behaviour: Behaviour, fault: str | None, status: int | None
) -> None:
    """A server that is silent, one that asks to begin anew without end, and one that takes no for an answer."""
    case = hard.met(behaviour)
    await hard.internet.sites.refresh()
    asked = Exchanger(Guard("simulated", None), agent="test")
    try:
        reply = await asked.ask("HEAD", case.url, case.plan.phases[0].addresses[0], 0.5)
    finally:
        await asked.close()
    assert (reply.fault, reply.status) == (fault, status)


async def test_a_server_that_asks_cuts_whoever_speaks_no_tls(hard: Hard) -> None:
    """Bytes that are no handshake end the connection, and no error comes of them."""
    case = hard.met(Behaviour.OK_TLS_ASKS)
    await hard.internet.sites.refresh()
    address = case.plan.phases[0].addresses[0]
    reader, writer = await asyncio.open_connection(address, hard.world.tls_port)
    writer.write(b"\x16\x03\x01\x00\x06\x10\x00\x00\x02\x01\x00")
    async with asyncio.timeout(2):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def _handshake(hard: Hard, address: str, host: str) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(
        address, hard.world.tls_port, ssl=context, server_hostname=host
    )
    version: str | None = writer.get_extra_info("ssl_object").version()
    writer.close()
    await writer.wait_closed()
    return version


async def _query(hard: Hard, name: str, kind: str = "A") -> dns.message.Message:
    server, port = hard.internet.nameserver
    query = dns.message.make_query(name, kind)
    return await dns.asyncquery.udp(query, server, port=port, timeout=1)


def test_loss_is_a_share_of_the_packets_in_its_window() -> None:
    """One packet in twenty, and none outside the window."""
    weather = Weather(losses=[(10.0, 20.0, 0.05)], dice=Random(1))
    lost = sum(weather.loses(15.0) for _ in range(20_000))
    assert 900 < lost < 1100
    assert not any(weather.loses(25.0) for _ in range(1000))


def test_lost_segments_cost_what_linux_waits() -> None:
    """A lost SYN costs a second, a lost segment a fifth, each twice as much the next time; without loss, nothing."""
    always = Weather(losses=[(0.0, 9.0, 1.0)], dice=Random(1))
    assert always.stall(1.0, fresh=False) == pytest.approx(2 * 0.2 * 63)
    assert always.stall(1.0, fresh=True) == pytest.approx(2 * 0.2 * 63 + 2 * 63)
    assert Weather().stall(1.0, fresh=True) == 0.0
