"""Who answers for an address by several sources in their order, and what is remembered of it."""

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest

from schemas.codec import decode, encode
from schemas.events import AddressAttributed
from services.attribution.address_statement import statement
from services.attribution.attribution_fact import Attribution
from services.attribution.attributor import AddressAttributor
from services.attribution.fact_memory import FactMemory, mark_of
from services.attribution.history import reattributed
from services.attribution.lookup import Lookup, NoAnswer, SourceAnswer, SourceSilence
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from tests.attribution_kit import guarded

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
CASE = "0" * 32
ADDRESS, MAPPED = "192.0.2.1", "198.51.100.1"
MAP = """
[[provider]]
id = "giant"
name = "Giant Hosting"
country = "NL"
asn = [64500, 64501]
[[provider.prefix]]
cidr = "198.51.100.0/24"
[[provider]]
id = "small"
name = "Small B.V."
aliases = ["SMALL-NET"]
[[provider.network]]
asn = 64510
valid_to = 2026-11-01T00:00:00Z
[[provider]]
id = "heir"
name = "Heir"
[[provider.network]]
asn = 64510
valid_from = 2026-11-01T00:00:00Z
[[provider]]
id = "twin-a"
name = "Twin"
[[provider]]
id = "twin-b"
name = "Twin"
"""


def answer(*numbers: int, prefix: str = "192.0.2.0/24", holder: str | None = None) -> SourceAnswer:
    return SourceAnswer(
        prefix=prefix, as_numbers=numbers, holder=holder, country="DE", answered_at=NOW
    )


class Scripted:
    """A source that says what it was given, and counts how often it was asked."""

    def __init__(self, name: str, said: Lookup) -> None:
        self.name = name
        self.said = said
        self.times = 0

    async def look_up(self, address: str) -> Lookup:
        self.times += 1
        assert ipaddress.ip_address(address)
        return self.said


def attributor(*sources: Scripted, now: datetime = NOW) -> AddressAttributor:
    book = ProviderBook(ProviderMap.parse(MAP))
    return AddressAttributor(book, guarded(sources, lambda: now), clock=lambda: now)


async def ask(*said: Lookup, at: datetime = NOW, address: str = ADDRESS) -> Attribution | NoAnswer:
    sources = [Scripted(n, s) for n, s in zip(("cymru", "rdap"), said, strict=False)]
    return await attributor(*sources).attribute(address, at)


async def test_map_comes_first() -> None:
    """What the map knows is asked of nobody."""
    source = Scripted("cymru", answer(64510))
    fact = await attributor(source).attribute(MAPPED, NOW)
    assert isinstance(fact, Attribution)
    assert (fact.provider, fact.method, source.times) == ("giant", "map", 0)
    assert attributor(source).at_once(MAPPED, NOW) == fact


async def test_sibling_numbers() -> None:
    """Two numbers of one provider are that provider, with the prefix and the numbers as evidence."""
    fact = await ask(answer(64500, 64501))
    assert isinstance(fact, Attribution)
    assert (fact.provider, fact.method, fact.confidence) == ("giant", "cymru", "medium")
    assert (fact.prefix, fact.as_numbers, fact.country) == ("192.0.2.0/24", (64500, 64501), "NL")


@pytest.mark.parametrize("numbers", [(64500, 64510), (64500, 64999)])
async def test_two_providers_are_nobody(numbers: tuple[int, ...]) -> None:
    """Numbers of two providers, or of one and of nobody listed, name none; the next source does not settle it."""
    fact = await ask(answer(*numbers), answer(64500))
    assert isinstance(fact, Attribution)
    assert (fact.provider, fact.as_numbers, fact.method) == (None, numbers, "cymru")


async def test_dated_numbers() -> None:
    """A number belongs to whom it belonged to as of the look."""
    before, after = NOW - timedelta(hours=13), NOW
    facts = [await ask(answer(64510), at=at) for at in (before, after)]
    assert [fact.provider for fact in facts if isinstance(fact, Attribution)] == ["small", "heir"]


async def test_next_source() -> None:
    """A source that has nothing, or numbers of nobody listed, leaves it to the next; its numbers stay as evidence."""
    fact = await ask(SourceSilence(answered_at=NOW), answer(64500))
    assert isinstance(fact, Attribution)
    assert (fact.provider, fact.method, fact.confidence) == ("giant", "rdap", "low")
    fact = await ask(answer(64999), answer(holder="small-net"))
    assert isinstance(fact, Attribution)
    assert (fact.provider, fact.method) == ("small", "rdap")
    fact = await ask(answer(64999), SourceSilence(answered_at=NOW))
    assert isinstance(fact, Attribution)
    assert (fact.provider, fact.as_numbers, fact.unknown) == (None, (64999,), "unlisted_as")


async def test_name_of_two_providers() -> None:
    """A holder's name that two providers have names none."""
    fact = await ask(answer(holder="Twin"))
    assert isinstance(fact, Attribution)
    assert fact.provider is None


async def test_no_answer_is_not_passed_over() -> None:
    """While a source does not answer, a weaker one is not asked in its place."""
    weaker = Scripted("rdap", answer(64500))
    guarded = attributor(Scripted("cymru", NoAnswer(failure="timeout")), weaker)
    assert await guarded.attribute(ADDRESS, NOW) == NoAnswer(failure="timeout")
    assert weaker.times == 0
    assert guarded.at_once(ADDRESS, NOW) is None


async def test_old_look() -> None:
    """Of a look of long ago sources say nothing: they are not asked, nor is what they said used."""
    source = Scripted("cymru", answer(64500))
    guarded = attributor(source)
    old = NOW - timedelta(days=2)
    fact = await guarded.attribute(ADDRESS, old)
    assert isinstance(fact, Attribution)
    assert (fact.unknown, source.times) == ("silent", 0)
    await guarded.attribute(ADDRESS, NOW)
    fact = guarded.at_once(ADDRESS, old)
    assert fact is not None
    assert fact.provider is None


async def test_remembered_answer() -> None:
    """What a source said of a prefix attributes its other addresses at once."""
    guarded = attributor(Scripted("cymru", answer(64500)))
    assert guarded.at_once("192.0.2.9", NOW) is None
    await guarded.attribute(ADDRESS, NOW)
    fact = guarded.at_once("192.0.2.9", NOW)
    assert fact is not None
    assert fact.provider == "giant"


@pytest.mark.parametrize("address", ["::ffff:192.0.2.1", "64:ff9b::c000:201"])
async def test_address_within_an_address(address: str) -> None:
    """An IPv4 address that stands in an IPv6 one is asked for as itself."""
    fact = await ask(answer(64500), address=address)
    assert isinstance(fact, Attribution)
    assert fact.provider == "giant"


async def test_no_address() -> None:
    """What is no address is asked of nobody, and stays unknown."""
    fact = await ask(answer(64500), address="nowhere")
    assert isinstance(fact, Attribution)
    assert fact.provider is None


def test_statement() -> None:
    """A statement holds all of a fact, survives the wire, and has one name for one content."""
    fact = Attribution(
        "giant", prefix="192.0.2.0/24", as_numbers=(64500,), method="cymru", since=NOW
    )
    event = statement(CASE, ADDRESS, NOW, fact)
    assert event == statement(CASE, ADDRESS, NOW, fact)
    assert isinstance(event.data, AddressAttributed)
    assert event.data.answered_at == NOW
    _, value, headers = encode(event)
    assert decode(value, headers).data == event.data
    dated = fact._replace(method="map")
    stated = statement(CASE, ADDRESS, NOW, dated).data
    assert isinstance(stated, AddressAttributed)
    assert stated.answered_at is None


def test_memory() -> None:
    """The last statement about each address of a case is remembered, another in its place when it changes."""
    memory = FactMemory(rows=4)
    giant, small = Attribution("giant"), Attribution("small")
    assert memory.last(CASE, ADDRESS) is None
    for fact in (giant, small, giant):
        memory.remember(CASE, ADDRESS, mark_of(fact))
        assert memory.last(CASE, ADDRESS) == mark_of(fact)
    assert memory.last(CASE, MAPPED) is None


def test_memory_is_bounded() -> None:
    """More addresses than there is room for push older ones out, and never give another's statement."""
    memory = FactMemory(rows=8)
    for n in range(100):
        memory.remember(CASE, f"192.0.2.{n}", n)
    left = [n for n in range(100) if memory.last(CASE, f"192.0.2.{n}") is not None]
    assert 0 < len(left) <= 16
    assert all(memory.last(CASE, f"192.0.2.{n}") == n for n in left)


def test_mark_of_an_answer_given_again() -> None:
    """When a source was asked is no change; what a map says since another day is."""
    fact = Attribution("giant", method="cymru", since=NOW)
    assert mark_of(fact) == mark_of(fact._replace(since=NOW + timedelta(hours=1)))
    mapped = fact._replace(method="map")
    assert mark_of(mapped) != mark_of(mapped._replace(since=NOW + timedelta(hours=1)))


def test_statement_under_another_map() -> None:
    """Statements are judged again: a map's by the new map, numbers by whose they are there, others as they are."""
    other = ProviderMap.parse(
        '[[provider]]\nid = "heir"\nname = "Heir"\nrole = "proxy"\nasn = [64500]\n'
        '[[provider.prefix]]\ncidr = "198.51.100.0/24"\n'
    )
    numbered = Attribution(
        "giant", prefix="192.0.2.0/24", as_numbers=(64500,), method="cymru", since=NOW
    )
    cases = [
        (ADDRESS, numbered, "heir", "proxy"),
        (ADDRESS, numbered._replace(as_numbers=(64999,)), None, "hosting"),
        (MAPPED, numbered, "heir", "proxy"),
        (ADDRESS, Attribution("giant", prefix="192.0.2.0/24"), None, "hosting"),
        (ADDRESS, Attribution("giant", prefix="192.0.2.0/24", method="rdap"), "giant", "hosting"),
    ]
    for address, fact, provider, role in cases:
        again = reattributed(statement(CASE, address, NOW, fact), other).data
        assert isinstance(again, AddressAttributed)
        assert (again.provider, again.role) == (provider, role)
    same = statement(CASE, ADDRESS, NOW, numbered._replace(country="NL"))
    assert reattributed(same, ProviderMap.parse(MAP)) is same
