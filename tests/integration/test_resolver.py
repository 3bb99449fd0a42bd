"""The resolver against scripted name servers: shared sockets, forged answers, old answers, failing servers."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import dns.message
import dns.rrset
import pytest

from schemas.errors import ConfigError
from services.probing.dns import resolver as resolving
from services.probing.dns import upstreams
from services.probing.dns.messages import question_of
from services.probing.dns.resolver import Resolution, Resolver, ResolverLimits
from services.probing.dns.sockets import DnsSockets
from services.probing.guard.guard import Guard
from tests.integration.looksites import NameServer

GUARD = Guard("simulated", None)


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    server = await NameServer({"a.example": ["127.0.0.1"]}, ttl=60).start()
    yield server
    await server.stop()
    await asyncio.sleep(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (resolving, upstreams):
        monkeypatch.setattr(module, "monotonic", made)
    return made


@pytest.fixture
async def resolver(names: NameServer) -> AsyncIterator[Resolver]:
    limits = ResolverLimits(try_seconds=0.2)
    made = Resolver([("127.0.0.1", names.port)], GUARD, limits)
    yield made
    await made.close()


async def settled(resolver: Resolver) -> None:
    """Wait for what the resolver does in the background."""
    while resolver._pending:
        await asyncio.sleep(0)


async def test_queries_share_a_few_sockets(names: NameServer, resolver: Resolver) -> None:
    """Hundreds of queries leave from a handful of ports, with ids that do not count up."""
    ports: set[int] = set()
    ids: list[int] = []
    plain = names.datagram_received

    def spy(data: bytes, addr: tuple) -> None:
        ports.add(addr[1])
        ids.append(int.from_bytes(data[:2], "big"))
        plain(data, addr)

    names.datagram_received = spy
    names.names |= {f"n{n}.example": ["127.0.0.1"] for n in range(200)}
    for start in range(0, 200, 50):
        hosts = [f"n{n}.example" for n in range(start, start + 50)]
        found = await asyncio.gather(*(resolver.resolve(host) for host in hosts))
        assert {one.status for one in found} == {"addresses"}
    assert 1 < len(ports) <= 4
    steps = {second - first for first, second in pairwise(ids)}
    assert len(steps) > 100


async def test_a_socket_is_replaced_after_its_queries(names: NameServer) -> None:
    """No port serves for ever; what is in flight on a retired socket still gets its answer."""
    sockets = DnsSockets(("127.0.0.1", names.port), sockets=1, queries=10)
    ports: set[int] = set()
    plain = names.datagram_received

    def spy(data: bytes, addr: tuple) -> None:
        ports.add(addr[1])
        plain(data, addr)

    names.datagram_received = spy
    question = question_of("a.example", "A")
    for _ in range(5):
        await asyncio.gather(*(sockets.ask(question, 1.0) for _ in range(10)))
    sockets.close()
    await asyncio.sleep(0)
    assert len(ports) == 5


class Forger(asyncio.DatagramProtocol):
    """Answers every query with what `forge` makes of it, and then honestly or not at all."""

    def __init__(self, honest: bool) -> None:
        self.honest = honest

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        query = dns.message.from_wire(data)
        for forged in self._forged(query):
            self.transport.sendto(forged, addr)
        if self.honest:
            self.transport.sendto(_answer(query, "127.0.0.7"), addr)

    def _forged(self, query: dns.message.Message) -> list[bytes]:
        lie = _answer(query, "127.0.0.66")
        other = dns.message.make_query("evil.example", query.question[0].rdtype)
        other.id = query.id
        return [
            b"",
            b"\x00",
            bytes([lie[0] ^ 1]) + lie[1:],
            _answer(other, "127.0.0.66"),
            query.to_wire(),
            lie[: len(lie) // 2][:12],
        ]


def _answer(query: dns.message.Message, address: str) -> bytes:
    answer = dns.message.make_response(query)
    if query.question[0].rdtype == 1:
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return answer.to_wire()


@pytest.mark.parametrize(("honest", "status"), [(True, "addresses"), (False, "timeout")])
async def test_forged_answers_end_no_query(honest: bool, status: str) -> None:
    """Empty, short, wrong id, wrong question, an echo: ignored until the honest answer or the timeout."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Forger(honest), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    made = Resolver([("127.0.0.1", port)], GUARD, ResolverLimits(try_seconds=0.1))
    found = await made.resolve("a.example")
    assert found.status == status
    assert found.addresses == (("127.0.0.7",) if honest else ())
    await made.close()
    transport.close()
    await asyncio.sleep(0)


async def test_an_answer_from_another_source_is_never_seen(names: NameServer) -> None:
    """The sockets are connected: a datagram from another port, with everything else right, is the kernel's to drop."""
    loop = asyncio.get_running_loop()
    seen: list[tuple[bytes, tuple]] = []

    class Listener(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr) -> None:
            seen.append((data, addr))

    server, _ = await loop.create_datagram_endpoint(Listener, local_addr=("127.0.0.1", 0))
    liar, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    port = server.get_extra_info("sockname")[1]
    sockets = DnsSockets(("127.0.0.1", port), sockets=1)
    question = question_of("a.example", "A")
    asking = asyncio.create_task(sockets.ask(question, 0.2))
    while not seen:
        await asyncio.sleep(0.001)
    data, addr = seen[0]
    liar.sendto(_answer(dns.message.from_wire(data), "127.0.0.66"), addr)
    with pytest.raises(TimeoutError):
        await asking
    for transport in (server, liar):
        transport.close()
    sockets.close()
    await asyncio.sleep(0)


async def test_a_silent_and_a_dead_server_are_told_apart(resolver: Resolver) -> None:
    """Nobody listening is a failure at once, silence a timeout."""
    gone = await NameServer().start()
    port = gone.port
    await gone.stop()
    await asyncio.sleep(0)
    dead = Resolver([("127.0.0.1", port)], GUARD, ResolverLimits(try_seconds=1.0))
    assert (await dead.resolve("a.example")).status == "servfail"
    await dead.close()


async def test_an_answer_is_renewed_before_it_grows_old(
    names: NameServer, resolver: Resolver, clock: Clock
) -> None:
    """Near the end of its time an answer is still given at once, and fetched anew in the background."""
    await resolver.resolve("a.example")
    clock.now += 40
    assert resolver.recall("a.example") is not None
    await settled(resolver)
    assert len(names.asked) == 2
    names.names["a.example"] = ["127.0.0.9"]
    clock.now += 10
    assert resolver.recall("a.example").addresses == ("127.0.0.1",)
    await settled(resolver)
    assert resolver.recall("a.example").addresses == ("127.0.0.9",)


async def test_a_little_too_old_is_given_while_it_is_fetched(
    names: NameServer, resolver: Resolver, clock: Clock
) -> None:
    """For half a minute after its time an answer serves, but for no look that confirms a removal."""
    await resolver.resolve("a.example")
    clock.now += 75
    assert resolver.recall("a.example", fresh=True) is None
    assert resolver.recall("a.example").addresses == ("127.0.0.1",)
    await settled(resolver)
    clock.now += 95
    assert resolver.recall("a.example") is None


async def test_old_answers_serve_while_the_name_servers_fail(
    names: NameServer, resolver: Resolver, clock: Clock
) -> None:
    """A failure does not push a known answer out; whoever needs the truth is told of the failure."""
    await resolver.resolve("a.example")
    names.names["a.example"] = "SERVFAIL"
    clock.now += 1000
    found = await resolver.resolve("a.example")
    assert (found.status, found.stale, found.addresses) == ("addresses", True, ("127.0.0.1",))
    assert resolver.recall("a.example").stale
    assert (await resolver.resolve("a.example", fresh=True)).status == "servfail"
    clock.now += 3600
    assert (await resolver.resolve("a.example")).status == "servfail"


async def test_a_name_that_is_gone_is_not_served_from_memory(
    names: NameServer, resolver: Resolver, clock: Clock
) -> None:
    """NXDOMAIN is an answer, no failure: it replaces what was known."""
    await resolver.resolve("a.example")
    names.names["a.example"] = "NXDOMAIN"
    clock.now += 1000
    found: Resolution = await resolver.resolve("a.example")
    assert (found.status, found.stale) == ("nxdomain", False)


async def test_caches_have_bounds_and_negative_answers_are_apart(names: NameServer) -> None:
    """A flood of names that do not exist pushes out none that do, and neither cache outgrows its bound."""
    limits = ResolverLimits(positive_entries=10, negative_entries=5, try_seconds=0.5)
    made = Resolver([("127.0.0.1", names.port)], GUARD, limits)
    names.names |= {f"n{n}.example": ["127.0.0.1"] for n in range(30)}
    await made.resolve("a.example")
    for n in range(50):
        await made.resolve(f"nothing{n}.example")
    assert repr(made) == "<Resolver 1 servers, 1 positive, 5 negative>"
    for n in range(30):
        await made.resolve(f"n{n}.example")
    assert repr(made) == "<Resolver 1 servers, 10 positive, 5 negative>"
    await made.close()


@pytest.mark.parametrize(("ttl", "held"), [(0, 1.0), (1, 1.0), (60, 60.0), (2**31 - 1, 300.0)])
async def test_a_ttl_has_bounds(
    names: NameServer, resolver: Resolver, clock: Clock, ttl: int, held: float
) -> None:
    """TTL 0 does not make every look a query, and no TTL holds a name to an address for longer than minutes."""
    names.ttl = ttl
    assert (await resolver.resolve("a.example")).ttl == held
    clock.now += 2 * held + 1
    assert resolver.recall("a.example") is None
    await settled(resolver)


@pytest.mark.parametrize("said", ["NXDOMAIN", []])
async def test_a_negative_answer_holds_for_seconds(
    names: NameServer, resolver: Resolver, clock: Clock, said: object
) -> None:
    """What does not exist now may exist in half a minute, whatever its zone says."""
    names.names["n.example"] = said
    found = await resolver.resolve("n.example")
    assert 1.0 <= found.ttl <= 30.0
    assert resolver.recall("n.example") is not None
    clock.now += 31
    assert resolver.recall("n.example") is None


async def test_a_failure_is_remembered_for_a_moment(
    names: NameServer, resolver: Resolver, clock: Clock
) -> None:
    """A name server that fails is not asked anew by each of a thousand looks, and is soon."""
    names.names["n.example"] = "SERVFAIL"
    await resolver.resolve("n.example")
    count = len(names.asked)
    assert (await resolver.resolve("n.example")).status == "servfail"
    assert len(names.asked) == count
    clock.now += 3
    await resolver.resolve("n.example")
    assert len(names.asked) > count


# -- half an answer --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "family"), [("A", 4), ("AAAA", 6)])
async def test_a_family_without_an_answer_is_told(
    names: NameServer, resolver: Resolver, clock: Clock, kind: str, family: int
) -> None:
    """What the other family says holds, and a look that confirms asks for both again at once."""
    names.names["a.example"] = ["127.0.0.1", "::1"]
    names.failing["a.example", kind] = "refused"
    found = await resolver.resolve("a.example")
    assert (len(found.addresses), found.unanswered_family) == (1, family)
    assert resolver.recall("a.example") == found
    names.failing.clear()
    both = await resolver.resolve("a.example", fresh=True)
    assert (len(both.addresses), both.unanswered_family) == (2, 0)
    assert resolver.recall("a.example", fresh=True) == both


async def test_a_family_that_fails_for_minutes_is_none(
    names: NameServer, resolver: Resolver, clock: Clock
) -> None:
    """From one resolution to another; an answer in between begins the waiting anew."""
    seen = []
    for seconds, outcome in ((0, 1), (299, 1), (1, 1), (300, 0), (300, 1), (300, 1)):
        clock.now += seconds
        names.failing = {("a.example", "AAAA"): "servfail"} if outcome else {}
        seen.append((await resolver.resolve("a.example", fresh=True)).unanswered_family)
    assert seen == [6, 6, 0, 0, 6, 0]


# -- the wire --------------------------------------------------------------------------------------


async def test_a_chain_over_several_answers(names: NameServer, resolver: Resolver) -> None:
    """A chain is followed, also where each answer brings one link."""
    names.names |= {"c.example": ("d.example",), "d.example": ("a.example",)}
    resolution = await resolver.resolve("c.example")
    assert resolution.addresses == ("127.0.0.1",)
    assert resolution.chain == ("d.example", "a.example")


async def test_a_truncated_answer_is_asked_again_over_tcp(
    names: NameServer, resolver: Resolver
) -> None:
    """What does not fit a datagram comes over TCP; records beyond the cap are counted."""
    names.truncate = True
    names.names["big.example"] = [f"127.0.2.{n}" for n in range(1, 100)]
    resolution = await resolver.resolve("big.example")
    assert (len(resolution.addresses), resolution.left_out) == (16, 83)


async def test_concurrent_queries_share_a_flight(names: NameServer, resolver: Resolver) -> None:
    """A hundred looks at one name ask its server once per family, and later ones remember."""
    await asyncio.gather(*(resolver.resolve("a.example") for _ in range(100)))
    await resolver.resolve("a.example")
    assert sorted(names.asked) == [("a.example", "A"), ("a.example", "AAAA")]


async def test_a_simulation_asks_name_servers_on_loopback_only() -> None:
    """A public name server under a simulated guard is refused at the start."""
    with pytest.raises(ConfigError, match="loopback"):
        Resolver([("192.0.2.53", 53)], GUARD)
