"""The simulated internet on loopback answers as planned, seen through aiohttp, dnspython and bare sockets."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import aiohttp
import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from schemas.urls import canonical
from services.attribution.providermap import ProviderMap
from services.probing.look.identity import identified_agent
from services.simulation.behaviours import BLOCKS, NATURE, Behaviour, Shows
from services.simulation.builder import build
from services.simulation.internet import SimulatedInternet, free_port
from services.simulation.plan import BEGINNING, Phase, UrlPlan
from services.simulation.scenarios import Story, demo
from services.simulation.world import CANARY_ADDRESS, CANARY_HOST, Host, SimulatedCase, World

START = datetime(2026, 1, 1, tzinfo=UTC)
HERE, THERE = "127.16.0.1", "127.18.0.1"
CHANGE = 10.0
SOFT = {b.value: b for b in (Behaviour.SOFT_SAME, Behaviour.SOFT_ROOT)}
QUICK = aiohttp.ClientTimeout(total=1.0)


class Net(SimpleNamespace):
    """A running internet with a clock that the test moves, and clients of it."""

    world: World
    internet: SimulatedInternet
    session: aiohttp.ClientSession
    offset: float

    async def ask(self, host: str, target: str = "/i/1.jpg", address: str = HERE, **more):
        """Make one request to an address, as a prober does that resolved the name itself."""
        method = more.pop("method", "HEAD")
        headers = {"Host": f"{host}:{self.world.port}", **more.pop("headers", {})}
        url = f"http://{address}:{self.world.port}{target}"
        return await self.session.request(
            method, url, headers=headers, allow_redirects=False, timeout=QUICK, **more
        )

    async def status(self, host: str, target: str = "/i/1.jpg", address: str = HERE) -> int:
        async with await self.ask(host, target, address) as answer:
            return answer.status

    async def query(self, name: str, kind: str = "A", **more) -> dns.message.Message:
        message = dns.message.make_query(name, kind)
        server, port = self.internet.nameserver
        ask = dns.asyncquery.tcp if more.pop("tcp", False) else dns.asyncquery.udp
        return await ask(message, server, port=port, timeout=more.pop("timeout", 2))


def made_case(index: int, plan: UrlPlan, host: str, port: int) -> SimulatedCase:
    return SimulatedCase(
        index=index,
        url=canonical(f"http://{host}:{port}/i/1.jpg"),
        target="/i/1.jpg",
        case_id="",
        sealed_url=None,
        provider="giant",
        story=Story.PROMPT,
        reporter="r",
        reported=1.0,
        notices=(),
        plan=plan,
    )


def made_world(port: int) -> World:
    """Give each behaviour a host of its own, which takes it up at `CHANGE`; one more moves then."""
    hosts = {CANARY_HOST: Host(name=CANARY_HOST, addresses=(CANARY_ADDRESS,), pages={})}
    cases = []
    for index, behaviour in enumerate(Behaviour):
        there = NATURE[behaviour].shows is not Shows.ABSENT
        own = "127.16.0.250" if behaviour is Behaviour.REFUSE else HERE
        first = Phase(BEGINNING, Behaviour.OK, "giant", (own,), there=True)
        then = Phase(CHANGE, behaviour, "giant", (own,), there=there)
        cases.append(_own(hosts, index, UrlPlan((first, then)), behaviour.value, port))
    moved = UrlPlan(
        (
            Phase(BEGINNING, Behaviour.OK, "giant", (HERE,), there=True),
            Phase(CHANGE, Behaviour.OK, "laagland", (THERE,), there=True),
        )
    )
    cases.append(_own(hosts, len(cases), moved, "moved", port))
    return World(demo(), 1, START, port, tuple(cases), hosts)


def _own(hosts: dict[str, Host], index: int, plan: UrlPlan, label: str, port: int) -> SimulatedCase:
    name = name_of(label)
    case = made_case(index, plan, name, port)
    hosts[name] = Host(
        name=name,
        addresses=plan.phases[0].addresses,
        pages={case.target: case},
        own=case,
        alias=f"edge.{name}" if label == "ok" else None,
        missing=SOFT.get(label, Behaviour.GONE_404),
    )
    return case


def name_of(behaviour: str) -> str:
    return f"{str(behaviour).replace('_', '-')}.example"


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    made = Net(offset=0.0, world=made_world(free_port(demo())))

    def clock() -> datetime:
        return START + timedelta(seconds=made.offset)

    async with (
        SimulatedInternet(made.world, clock) as internet,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        made.internet, made.session = internet, session
        yield made


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tcp", [False, True])
async def test_name_server_answers_over_udp_and_tcp(net, tcp):
    """A name resolves to the address in force, with a short TTL, over both transports."""
    answer = await net.query(name_of("gone_404"), tcp=tcp)
    (rrset,) = answer.answer
    assert ([record.address for record in rrset], rrset.ttl) == ([HERE], 1)
    assert answer.rcode() == dns.rcode.NOERROR


async def test_alias_stands_before_the_addresses(net):
    """A host behind an alias answers with the chain."""
    answer = await net.query(name_of("ok"))
    assert [rrset.rdtype for rrset in answer.answer] == [
        dns.rdatatype.CNAME,
        dns.rdatatype.A,
    ]
    assert answer.answer[1].name.to_text() == f"edge.{name_of('ok')}."


async def test_other_types_are_nodata_and_unknown_names_nxdomain(net):
    """No IPv6 here: AAAA is NODATA with an SOA; a name that nobody has does not exist."""
    answer = await net.query(name_of("gone_404"), "AAAA")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    assert answer.authority[0].rdtype == dns.rdatatype.SOA
    unknown = await net.query("nobody.example")
    assert unknown.rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    ("behaviour", "rcode"), [("nxdomain", "NXDOMAIN"), ("servfail", "SERVFAIL")]
)
async def test_names_fail_from_their_instant_on(net, behaviour, rcode):
    """A domain that is taken down resolves until then and not after."""
    before = await net.query(name_of(behaviour))
    net.offset = CHANGE
    after = await net.query(name_of(behaviour))
    assert [dns.rcode.to_text(m.rcode()) for m in (before, after)] == ["NOERROR", rcode]


async def test_silent_name_server_times_out(net):
    """A lame name server never answers."""
    net.offset = CHANGE
    with pytest.raises(dns.exception.Timeout):
        await net.query(name_of("dns_silent"), timeout=0.2)


async def test_nodata_has_no_address(net):
    """A name without addresses exists."""
    net.offset = CHANGE
    answer = await net.query(name_of("nodata"))
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


async def test_broken_queries_do_not_end_the_name_server(net):
    """Bytes that are no DNS message are ignored."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=net.internet.nameserver
    )
    transport.sendto(b"\x00\x01nonsense")
    answer = await net.query(name_of("ok"))
    transport.close()
    assert answer.rcode() == dns.rcode.NOERROR


# -- sites -----------------------------------------------------------------------------------------

STATUSES = {
    Behaviour.OK: 200,
    Behaviour.OK_CLOSE: 200,
    Behaviour.OK_SLOW: 200,
    Behaviour.OK_NO_HEAD: 405,
    Behaviour.OK_HEAD_501: 501,
    Behaviour.GONE_404: 404,
    Behaviour.GONE_410: 410,
    Behaviour.GONE_403: 403,
    Behaviour.GONE_EMPTIED: 200,
    Behaviour.SOFT_ROOT: 302,
    Behaviour.SOFT_PATH: 302,
    Behaviour.SOFT_SAME: 200,
    Behaviour.OK_HEAD_404: 404,
    Behaviour.OK_HEAD_401: 401,
    Behaviour.OK_HEAD_429: 429,
    Behaviour.OK_HEAD_451: 451,
    Behaviour.OK_HEAD_503: 503,
    Behaviour.OK_HEAD_REDIRECT: 302,
    Behaviour.OK_HEAD_EMPTY: 200,
    Behaviour.OK_HEAD_BARE: 200,
    Behaviour.OK_AGENT_404: 200,
    Behaviour.WALL_200: 200,
    Behaviour.WALL_ROOT: 302,
    Behaviour.WALL_EMPTY: 200,
    Behaviour.WALL_PAGE: 200,
    Behaviour.OK_SPELLED_404: 302,
    Behaviour.OK_REENCODED: 200,
    Behaviour.PLACEHOLDER_302: 302,
    Behaviour.SORRY_UNSEEN: 200,
    Behaviour.NODES: 404,
    Behaviour.OK_HINTS: 200,
    Behaviour.OK_REDIRECT: 302,
    Behaviour.OK_ONE_GONE: 404,
    Behaviour.OK_TLS: 200,
    Behaviour.PARKED_302: 302,
    Behaviour.PARKED_CNAME: 200,
    Behaviour.PLACEHOLDER: 200,
    Behaviour.GEO_404: 404,
    Behaviour.GEO_403: 403,
    Behaviour.WALLED_404: 451,
    Behaviour.OK_TLS_ASKS: 200,
    Behaviour.GEO_451: 451,
    Behaviour.LOGIN_302: 302,
    Behaviour.LOGIN_401: 401,
    Behaviour.BLOCK_403: 403,
    Behaviour.PROXY_407: 407,
    Behaviour.BLOCK_429: 429,
    Behaviour.LEGAL_451: 451,
    Behaviour.CHALLENGE_503: 503,
    Behaviour.BUSY_503: 503,
    Behaviour.ERROR_500: 500,
    Behaviour.GATEWAY_502: 502,
    Behaviour.GATEWAY_504: 504,
    Behaviour.REDIRECT_LOOP: 302,
    Behaviour.NXDOMAIN: 404,
    Behaviour.OK_RAW_LOCATION: 302,
    Behaviour.OK_LONG_CHAIN: 200,
    Behaviour.PLACEHOLDER_FILE: 302,
    Behaviour.WALL_BARE: 200,
    Behaviour.WALL_PICTURE: 200,
    Behaviour.BARE_200: 200,
    Behaviour.ROUTE_503: 503,
    Behaviour.PROXY_530: 530,
    Behaviour.MISDIRECTED_421: 421,
}
FAILURES = {
    Behaviour.OK_TWO_LENGTHS: aiohttp.ClientError,
    Behaviour.GARBAGE: aiohttp.ClientError,
    Behaviour.TRUNCATED: aiohttp.ServerDisconnectedError,
    Behaviour.EMPTY: aiohttp.ServerDisconnectedError,
    Behaviour.OK_HEAD_CLOSED: aiohttp.ServerDisconnectedError,
    Behaviour.RESET: aiohttp.ClientOSError,
    Behaviour.OK_ONE_RESET: aiohttp.ClientOSError,
    Behaviour.TARPIT: TimeoutError,
    Behaviour.DRIP: TimeoutError,
    Behaviour.FLOOD_100: TimeoutError,
}


def test_every_behaviour_is_tested():
    """Each behaviour has its line here, in the name tests, or in the test of refusals."""
    others = {b for b in Behaviour if NATURE[b].layer != "http"}
    assert set(STATUSES) | set(FAILURES) | others == set(Behaviour)
    assert len(Behaviour) >= 30


@pytest.mark.parametrize("behaviour", STATUSES, ids=str)
async def test_status_from_its_instant_on(net, behaviour):
    """Each host serves the material until its instant and shows its behaviour from then on."""
    before = await net.status(name_of(behaviour))
    net.offset = CHANGE
    after = await net.status(name_of(behaviour))
    assert (before, after) == (200, STATUSES[behaviour])


@pytest.mark.parametrize("behaviour", FAILURES, ids=str)
async def test_failure_from_its_instant_on(net, behaviour):
    """Each host that breaks a connection serves until its instant and breaks it from then on."""
    assert await net.status(name_of(behaviour)) == 200
    net.offset = CHANGE
    with pytest.raises(FAILURES[behaviour]):
        await net.status(name_of(behaviour))


async def test_material_is_synthetic(net):
    """HEAD states a length; a GET gets that many "x"; a ranged GET gets one."""
    async with await net.ask(name_of("ok")) as head:
        length, tag = int(head.headers["Content-Length"]), head.headers["ETag"]
        assert head.headers["Content-Type"] == "image/jpeg"
    async with await net.ask(name_of("ok"), method="GET") as whole:
        assert (await whole.read(), whole.headers["ETag"]) == (b"x" * length, tag)
    ranged = {"Range": "bytes=0-0"}
    async with await net.ask(name_of("ok"), method="GET", headers=ranged) as part:
        assert (part.status, await part.read()) == (206, b"x")


async def test_head_not_allowed_and_get_served(net):
    """A server without HEAD serves GET: 405 and 501 say nothing about the material."""
    net.offset = CHANGE
    for behaviour in (b for b in Behaviour if b.value.startswith(("ok_head", "ok_no_head"))):
        async with await net.ask(name_of(behaviour), method="GET") as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")


async def test_a_404_for_our_agent_alone(net):
    """The identified agent is told that there is nothing; every other one is served."""
    net.offset = CHANGE
    name = name_of(Behaviour.OK_AGENT_404)
    ours = {"User-Agent": identified_agent("Desk", None)}
    async with await net.ask(name, method="GET", headers=ours) as answer:
        assert answer.status == 404
    assert await net.status(name) == 200


@pytest.mark.parametrize("wall", ["wall_200", "wall_root", "wall_empty"])
async def test_a_wall_is_in_the_place_of_everything(net, wall):
    """The material, a path that never was and the front page get one page, the front page, or nothing."""
    net.offset = CHANGE
    seen = []
    for target in ("/i/1.jpg", "/i/never-was.jpg", "/"):
        async with await net.ask(name_of(wall), target, method="GET") as answer:
            seen.append((answer.status, answer.headers["Content-Length"]))
    assert seen[0] == seen[1]
    assert (seen[2] == seen[0]) is (wall != "wall_root")


@pytest.mark.parametrize(("behaviour", "where"), [("soft_root", "/"), ("soft_path", "/404.html")])
async def test_soft_404_leads_to_a_page_that_exists(net, behaviour, where):
    """A removal by redirect ends at 200 on the same host."""
    net.offset = CHANGE
    async with await net.ask(name_of(behaviour)) as answer:
        assert answer.headers["Location"] == (
            f"http://{name_of(behaviour)}:{net.world.port}{where}"
        )
    assert await net.status(name_of(behaviour), where) == 200


@pytest.mark.parametrize("behaviour", SOFT.values(), ids=str)
async def test_soft_404_host_answers_siblings_like_the_removed_page(net, behaviour):
    """A host that hides its 404 shows the same head for any sibling path, before and after."""

    async def head(target: str):
        async with await net.ask(name_of(behaviour), target) as answer:
            return answer.status, dict(answer.headers)

    before, sibling = await head("/i/1.jpg"), await head("/i/never-was.jpg")
    net.offset = CHANGE
    assert before != sibling
    assert await head("/i/1.jpg") == await head("/i/never-was.jpg") == sibling
    assert "ETag" not in sibling[1]


async def test_ordinary_host_denies_siblings(net):
    """An honest host answers 404 to what it never had."""
    assert await net.status(name_of("ok"), "/i/never-was.jpg") == 404


async def test_block_covers_the_whole_host(net):
    """A host that blocks us does so on every path, the root too."""
    net.offset = CHANGE
    assert await net.status(name_of("block_403"), "/") == 403


async def test_429_says_when_to_come_back(net):
    """Too Many Requests comes with Retry-After."""
    net.offset = CHANGE
    async with await net.ask(name_of("block_429")) as answer:
        assert int(answer.headers["Retry-After"]) > 0


async def test_move_leads_the_name_to_the_other_provider(net):
    """After a move the name has the new address; the old one knows it no more."""
    name = name_of("moved")
    net.offset = CHANGE
    answer = await net.query(name)
    assert [record.address for record in answer.answer[0]] == [THERE]
    assert [await net.status(name, address=a) for a in (HERE, THERE)] == [404, 200]


async def test_refusal_closes_the_address_and_opens_it_again(net):
    """Refused means that nothing listens: the kernel says no."""
    name, address = name_of("refuse"), "127.16.0.250"
    assert await net.status(name, address=address) == 200
    net.offset = CHANGE
    await net.internet.sites.refresh()
    with pytest.raises(aiohttp.ClientConnectionError):
        await net.status(name, address=address)
    net.offset = 0.0
    await net.internet.sites.refresh()
    assert await net.status(name, address=address) == 200


async def test_refusals_keep_their_own_time(net):
    """Nobody has to call: the address closes by itself once its instant has come."""
    name, address = name_of("refuse"), "127.16.0.250"
    net.offset = CHANGE
    with pytest.raises(aiohttp.ClientConnectionError):
        await asyncio.wait_for(until_it_fails(net, name, address), 5)


async def until_it_fails(net: Net, name: str, address: str) -> None:
    while await net.status(name, address=address):
        await asyncio.sleep(0.05)


async def test_one_connection_carries_many_looks(net):
    """Looks at one host share a kept-alive connection, pipelined or not."""
    reader, writer = await asyncio.open_connection(HERE, net.world.port)
    head = f"HEAD /i/1.jpg HTTP/1.1\r\nHost: {name_of('ok')}\r\n\r\n".encode()
    writer.write(head * 50)
    for _ in range(50):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await writer.wait_closed()


async def test_head_without_end_is_cut(net):
    """A visitor that sends no end of head is thrown out."""
    reader, writer = await asyncio.open_connection(HERE, net.world.port)
    writer.write(b"HEAD / HTTP/1.1\r\nX: " + b"y" * 100_000)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()


# -- the network -----------------------------------------------------------------------------------


async def test_canary_is_up_and_can_be_switched_off(net):
    """The canary answers, except while it is switched off."""
    net.internet.canary_down(START + timedelta(seconds=5), START + timedelta(seconds=8))
    ask = (CANARY_HOST, "/canary", CANARY_ADDRESS)
    assert net.internet.canary_url == f"http://{CANARY_HOST}:{net.world.port}/canary"
    assert await net.status(*ask) == 200
    net.offset = 5.0
    with pytest.raises(aiohttp.ClientError):
        await net.status(*ask)
    net.offset = 8.0
    assert await net.status(*ask) == 200


async def test_blackout_silences_everything(net):
    """In a blackout neither names nor sites answer; afterwards both do."""
    net.internet.blackout(START + timedelta(seconds=5), START + timedelta(seconds=8))
    net.offset = 5.0
    with pytest.raises(dns.exception.Timeout):
        await net.query(name_of("ok"), timeout=0.2)
    with pytest.raises(TimeoutError):
        await net.status(name_of("ok"))
    net.offset = 8.0
    assert await net.status(name_of("ok")) == 200


async def test_nothing_listens_outside_the_worlds_addresses(net):
    """Each address is bound by itself: a loopback address that no provider uses is closed."""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", net.world.port)


async def test_all_cases_answer_as_their_plan_says():
    """The demo's world, over the wire, in the middle of its time: status and plan agree for each case."""
    world = build(demo(cases=60), seed=1, start=START, port=free_port(demo()))
    offset = 45.0
    async with (
        SimulatedInternet(world, lambda: world.instant(offset)) as internet,
        aiohttp.ClientSession() as session,
    ):
        net = Net(offset=offset, world=world, internet=internet, session=session)
        for case in world.cases:
            phase = case.plan.at(offset)
            expected = STATUSES.get(phase.behaviour)
            if expected is not None:
                found = await net.status(case.url.host, case.target, phase.addresses[0])
                assert (case.index, found) == (case.index, expected)


async def test_own_process_serves_the_world_and_ends_with_its_parent(tmp_path):
    """As a process of its own it says where it serves and what, and ends when its input closes."""
    port = free_port(demo())
    urls, providers = tmp_path / "urls.txt", tmp_path / "providers.toml"
    command = ("-m", "services.simulation.internet", "--cases", "20", "--port", str(port))
    command += ("--urls", str(urls), "--provider-map", str(providers))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--until-eof",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        start = datetime.fromisoformat(ready["start"])
        world = build(demo(cases=20), seed=1, start=start, port=ready["port"])
        assert urls.read_text().split() == [c.url.href for c in world.cases]
        assert len(ProviderMap.load(providers).providers) == len(world.scenario.providers)
        case = next(c for c in world.cases if c.story is Story.NEVER or c.story is Story.PROMPT)
        async with aiohttp.ClientSession() as session:
            url = f"http://{case.plan.at(0).addresses[0]}:{port}{case.target}"
            async with session.head(url, headers={"Host": case.url.host}) as answer:
                assert answer.status == 200
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_blocks_hide_the_material():
    """No block tells whether the material is there."""
    assert {NATURE[b].shows for b in BLOCKS} == {Shows.HIDDEN}
