"""Resolvers that filter, that know no EDNS, and that are of several operators: what is believed of them together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import dns.edns
import dns.message
import dns.rcode
import dns.rrset
import pytest

from services.core.verdict import Dns
from services.probing.dns import resolver as resolving
from services.probing.dns import upstreams
from services.probing.dns.resolver import Resolver, ResolverLimits
from services.probing.guard.guard import Guard
from tests.integration.lab import Lab
from tests.integration.looksites import NameServer, answer, soa_of

GUARD = Guard("simulated", None)
LIMITS = ResolverLimits(try_seconds=0.2)
Said = Callable[[dns.message.Message], None]
Start = Callable[..., Awaitable[NameServer]]


class Scripted(NameServer):
    """A name server whose answers are changed before they leave."""

    change: Said | None = None

    def _answer(self, data: bytes) -> dns.message.Message | None:
        made = super()._answer(data)
        if made is not None and self.change is not None and self.asked[-1][1] != "NS":
            self.change(made)
        return made


def filtering(code: int | None, *, address: str | None = None, zone: bool = False) -> Said:
    """Say that a name does not exist, or give an address of one's own, with a word of why or without."""

    def change(message: dns.message.Message) -> None:
        message.answer.clear()
        message.authority.clear()
        question = message.question[0]
        message.set_rcode(dns.rcode.NXDOMAIN if address is None else dns.rcode.NOERROR)
        if address is not None and question.rdtype == 1:
            message.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", address))
        if zone:
            message.authority.append(soa_of(question.name))
        if code is not None:
            message.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.make(code), "x")])

    change.__name__ = f"filter-{code}-{address}-{zone}"
    return change


def missing(message: dns.message.Message) -> None:
    """Say, as the zone above would, that a name does not exist."""
    message.answer.clear()
    message.set_rcode(dns.rcode.NXDOMAIN)
    message.authority[:] = [soa_of(message.question[0].name.parent())]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start name servers that know `a.example`, each with a change of its own."""
    started: list[Scripted] = []

    async def one(change: Said | None = None, said: object = ("127.0.0.1",)) -> NameServer:
        server = Scripted({"a.example": list(said) if isinstance(said, tuple) else said})
        server.change = change
        started.append(server)
        await server.start()
        return server

    yield one
    for server in started:
        await server.stop()
    await asyncio.sleep(0)


def resolver_of(*servers: NameServer, named: bool = True) -> Resolver:
    """Make a resolver; each server is of an operator of its own, if they are named."""
    addresses = [("127.0.0.1", server.port) for server in servers]
    operators = [f"operator-{n}" for n in range(len(servers))] if named else []
    return Resolver(addresses, GUARD, LIMITS, operators=operators)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (filtering(15), "filtered"),
        (filtering(17, zone=True), "filtered"),
        (filtering(16, address="127.0.0.9"), "filtered"),
        (filtering(4, address="127.0.0.9"), "filtered"),
        (filtering(None), "unproven"),
        # What a filter writes so that caches hold its answer is no statement of a zone either.
        (filtering(None, zone=True), "unproven"),
        (missing, "nxdomain"),
    ],
)
async def test_what_one_resolver_keeps_from_us(start: Start, change: Said, status: Dns) -> None:
    """A name that our own resolver filters is not gone; what a zone says is."""
    made = resolver_of(await start(change))
    resolution = await made.resolve("a.example")
    assert (resolution.status, resolution.addresses) == (status, ())
    await made.close()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "change", [filtering(15), filtering(17, address="127.0.0.9"), filtering(None), missing]
)
async def test_another_resolver_that_has_addresses_wins(
    start: Start, change: Said, named: bool
) -> None:
    """Whoever of two is asked first: what one does not give, or denies, the other does."""
    for turn in (0, 1):
        servers = [await start(change), await start()]
        made = resolver_of(*(servers[::-1] if turn else servers), named=named)
        for _ in range(2):
            resolution = await made.resolve("a.example", fresh=True)
            assert (resolution.status, resolution.addresses) == ("addresses", ("127.0.0.1",))
        await made.close()


async def test_a_name_is_gone_when_two_operators_say_so(start: Start) -> None:
    """A second server of the same operator does not count as a second operator."""
    made = resolver_of(await start(missing), await start(missing))
    resolution = await made.resolve("a.example")
    assert (resolution.status, resolution.operators) == ("nxdomain", 2)
    await made.close()
    own = [await start(missing), await start(missing)]
    other = await start(said="timeout")
    addresses = [("127.0.0.1", server.port) for server in (*own, other)]
    made = Resolver(addresses, GUARD, LIMITS, operators=["own", "own", "other"])
    for _ in range(3):
        assert (await made.resolve("a.example", fresh=True)).status == "timeout"
    await made.close()


@pytest.mark.parametrize(
    ("said", "status"),
    [("timeout", "timeout"), ("servfail", "servfail"), ("refused", "refused"), ((), "disagree")],
)
async def test_what_the_other_operator_does_not_confirm_is_not_gone(
    start: Start, said: object, status: Dns
) -> None:
    """Silence, failure, refusal, or a name without an address leave it undecided, whoever is asked first."""
    made = resolver_of(await start(missing), await start(said=said))
    for _ in range(2):
        assert (await made.resolve("a.example", fresh=True)).status == status
    await made.close()


async def test_a_look_that_confirms_asks_every_operator(start: Start) -> None:
    """The page of a filter that says nothing of itself is one address beside the true ones, never alone."""
    honest, silent_filter = await start(), await start(filtering(None, address="127.0.0.9"))
    made = resolver_of(honest, silent_filter)
    resolution = await made.resolve("a.example", fresh=True)
    assert set(resolution.addresses) == {"127.0.0.1", "127.0.0.9"}
    assert resolution.operators == 2
    assert made.recall("a.example", fresh=True) == resolution
    await made.close()


async def test_an_answer_of_one_operator_does_not_serve_a_look_that_confirms(start: Start) -> None:
    """However young it is, it is of one operator; every day's looks are content with it."""
    first, second = await start(), await start()
    made = resolver_of(first, second)
    assert (await made.resolve("a.example")).operators == 1
    assert len(first.asked) + len(second.asked) == 2
    assert made.recall("a.example", fresh=True) is None
    assert (await made.resolve("a.example", fresh=True)).operators == 2
    await made.close()


async def test_an_operator_that_fails_takes_no_name_away(start: Start) -> None:
    """Where one is silent the other is asked, for the addresses and for those that confirm."""
    made = resolver_of(await start(said="timeout"), await start())
    for fresh in (False, True):
        resolution = await made.resolve("a.example", fresh=fresh)
        assert (resolution.status, resolution.unanswered_family) == ("addresses", 0)
    await made.close()


# -- EDNS ------------------------------------------------------------------------------------------


class OldServer(Scripted):
    """A name server from before EDNS; `bare`: it sends back the header alone."""

    def __init__(self, rcode: str, *, bare: bool) -> None:
        super().__init__({"a.example": ["127.0.0.1"]})
        self.rcode, self.bare, self.with_edns = rcode, bare, 0

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        query = dns.message.from_wire(data)
        if query.edns < 0:
            super().datagram_received(data, addr)
            return
        self.with_edns += 1
        refusal = dns.message.make_response(dns.message.make_query("a.example", "A"))
        refusal.id, refusal.question = query.id, [] if self.bare else query.question
        refusal.set_rcode(dns.rcode.from_text(self.rcode))
        self.transport.sendto(refusal.to_wire(), addr)


@pytest.mark.parametrize(
    ("rcode", "bare"), [("FORMERR", True), ("FORMERR", False), ("NOTIMP", False)]
)
async def test_a_server_that_knows_no_edns_is_asked_without(
    rcode: str, bare: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers then, and is asked so for a while; a quarter of an hour later EDNS is tried again."""
    now = [1000.0]
    for module in (resolving, upstreams):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    server = OldServer(rcode, bare=bare)
    await server.start()
    made = resolver_of(server)
    assert (await made.resolve("a.example")).addresses == ("127.0.0.1",)
    tried = server.with_edns
    assert tried == 2
    now[0] += 800
    assert (await made.resolve("a.example", fresh=True)).status == "addresses"
    assert server.with_edns == tried
    now[0] += 101
    assert (await made.resolve("a.example", fresh=True)).status == "addresses"
    assert server.with_edns > tried
    await made.close()
    await server.stop()
    await asyncio.sleep(0)


async def test_a_server_that_refuses_either_way_fails(start: Start) -> None:
    """What is wrong is not EDNS then, and the name is not gone."""

    def refuse(message: dns.message.Message) -> None:
        message.set_rcode(dns.rcode.FORMERR)
        message.answer.clear()

    made = resolver_of(await start(refuse))
    assert (await made.resolve("a.example")).status == "servfail"
    await made.close()


# -- age -------------------------------------------------------------------------------------------


async def test_the_age_of_an_answer_is_told_and_may_be_bounded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the name servers are silent an old answer serves whoever can use one, and nobody else."""
    now = [1000.0]
    for module in (resolving, upstreams):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
    server = await start()
    made = resolver_of(server)
    first = await made.resolve("a.example")
    assert (first.age(now[0]), first.operators, first.stale) == (0.0, 1, False)
    server.names["a.example"] = "timeout"
    now[0] += 1800
    old = await made.resolve("a.example")
    assert (old.status, old.stale, old.age(now[0])) == ("addresses", True, 1800.0)
    assert (await made.resolve("a.example", max_age_seconds=900.0)).status == "timeout"
    assert (await made.resolve("a.example", max_age_seconds=3000.0)).stale
    now[0] += 1801
    assert (await made.resolve("a.example")).status == "timeout"
    await made.close()


# -- looks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        (filtering(17), "undetermined", "dns_filtered"),
        (filtering(15, address="127.0.0.1"), "undetermined", "dns_filtered"),
        (filtering(None), "undetermined", "dns_unproven"),
        (filtering(None, zone=True), "undetermined", "dns_unproven"),
        (missing, "removed", "nxdomain"),
    ],
)
async def test_the_verdict_of_a_name(
    lab: Lab, start: Start, change: Said, verdict: str, reason: str
) -> None:
    """A look says of a filtered name that it is filtered; the filter's own page, if it gives one, is not asked."""
    site = await lab.site(x=answer(404))
    lab.resolvers.append(resolver_of(await start(change)))
    looker = lab.looker(resolver=lab.resolvers[-1])
    made = await lab.look(f"http://a.example:{site.port}/x", looker, confirming=True)
    assert (made.verdict, made.reason) == (verdict, reason)
    assert site.asked == []


@pytest.mark.parametrize(("links", "reason"), [(9, "served"), (16, "served"), (17, "dns_broken")])
async def test_long_chains_of_aliases(lab: Lab, links: int, reason: str) -> None:
    """As content networks have them, in one answer or in several, up to a bound."""
    names = {f"c{n}.example": (f"c{n + 1}.example",) for n in range(links)}
    lab.names.names |= names | {f"c{links}.example": ["127.0.0.1"]}
    site = await lab.site(x=answer(200))
    made = await lab.look(f"http://c0.example:{site.port}/x")
    assert made.reason == reason
