"""Histories of addresses in a scripted world of DNS and registries: what sources say of them, and the spells of it."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import events as ev
from schemas.events import Event
from services.attribution.address_statement import StatementWriter
from services.attribution.attribution_fact import Attribution
from services.attribution.attributor import AddressAttributor
from services.attribution.contacts import contact_of
from services.attribution.dns_sources import AbusixSource, CymruSource, TextResolver
from services.attribution.fact_memory import FactMemory
from services.attribution.history import reattributed
from services.attribution.lookup import AddressSource
from services.attribution.mailboxes import PlaceholderMailbox, Placeholders
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.attribution.rdap.bootstrap import RdapBootstrap
from services.attribution.rdap_source import RdapSource, rdap_session
from services.attribution.source_guard import GuardedSource
from services.core.fold import fold
from tests.attribution_kit import guarded
from tests.networkworld import CONTACT_ZONE, ORIGIN_ZONE, NetworkWorld
from tests.strategies import CASE, NL, START, event

HOUR = timedelta(hours=1)
SOLD = (START + 20 * HOUR).isoformat()
MAP = f"""
[[provider]]
id = "giant"
name = "Giant"
asn = [64500, 64501]
[[provider.network]]
asn = 64505
valid_to = {SOLD}
[[provider.prefix]]
cidr = "192.0.2.0/26"
[[provider.reseller]]
id = "tenant"
cidr = ["192.0.2.16/28"]
valid_from = {SOLD}

[[provider]]
id = "small"
name = "Small"
asn = [64510]
[[provider.network]]
asn = 64505
valid_from = {SOLD}

[[provider]]
id = "lessee"
name = "Lessee"
parent = "giant"
[[provider.prefix]]
cidr = "192.0.2.32/28"
valid_from = {SOLD}

[[provider]]
id = "quiet"
name = "Quiet Hosting"

[[provider]]
id = "shield"
name = "Shield"
role = "proxy"
[[provider.prefix]]
cidr = "203.0.113.0/26"

[[provider]]
id = "veil"
name = "Veil"
role = "proxy"
[[provider.prefix]]
cidr = "203.0.113.64/26"
"""
MAPPED, TENANT, LESSEE = "192.0.2.1", "192.0.2.17", "192.0.2.33"
EDGE, EDGE_2, VEIL = "203.0.113.1", "203.0.113.2", "203.0.113.65"
ONE, TWO, THREE = "198.51.100.1", "198.51.100.65", "198.51.100.129"
SIX_ONE, SIX_TWO = "2001:db8:1::1", "2001:db8:2::1"
PREFIXES = {
    ONE: "198.51.100.0/26", TWO: "198.51.100.64/26", THREE: "198.51.100.128/26",
    SIX_ONE: "2001:db8:1::/48", SIX_TWO: "2001:db8:2::/48",
}  # fmt: skip
FIRST, LATER = (1, 10, 19), (21, 22, 23, 23.5)
Spells = list[tuple[str | None, str | None]]


def origin(address: str, *numbers: int) -> list[str]:
    """Give what Team Cymru says of an address: one record, all numbers."""
    return [f"{' '.join(map(str, numbers))} | {PREFIXES[address]} | NL | test | 2020-01-01"]


def registered(first: str, last: str, name: str, **more: Any) -> dict[str, Any]:
    """Give what a registry says of a range and its holder."""
    holder = {"roles": ["registrant"], "vcardArray": ["vcard", [["fn", {}, "text", name]]]}
    return {
        "objectClassName": "ip network",
        "startAddress": first,
        "endAddress": last,
        "entities": [holder],
        **more,
    }


@dataclass
class Scene:
    """What one or more looks find: addresses that serve, and that answer gone; what the world says meanwhile."""

    hours: Sequence[float]
    online: Sequence[str]
    gone: Sequence[str] = ()
    origins: dict[str, Any] = field(default_factory=dict)
    rdap: dict[str, Any] = field(default_factory=dict)


@dataclass
class History:
    """Scenes in their order, what a proxy replied meanwhile, and the spells that come of it."""

    scenes: list[Scene]
    spells: Spells
    replies: dict[float, tuple[str, str]] = field(default_factory=dict)


def stays(*names: str | None) -> Spells:
    """Give spells of which each but the last one ended in a move."""
    return [(name, None if n == len(names) - 1 else "moved") for n, name in enumerate(names)]


def then(before: Scene | str, after: Scene | str, *names: str | None, **more: Any) -> History:
    """Make a history of two scenes; a text is an address that serves alone."""
    scenes = [
        Scene(hours, [one]) if isinstance(one, str) else one
        for hours, one in ((FIRST, before), (LATER, after))
    ]
    return History(scenes, stays(*names), **more)


def at(hours: Sequence[float], address: str, *numbers: int, **more: Any) -> Scene:
    """Make a scene of an address that serves and is originated by numbers."""
    return Scene(hours, [address], origins={address: origin(address, *numbers)}, **more)


def alternating(*numbers: int, hours: Sequence[float]) -> list[Scene]:
    """Make scenes of one address whose origin changes with each look."""
    return [at([hour], ONE, numbers[n % len(numbers)]) for n, hour in enumerate(hours)]


TWICE = {ONE: origin(ONE, 64500), TWO: origin(TWO, 64510)}
HISTORIES: dict[str, History] = {
    "it stays": then(at(FIRST, ONE, 64500), at(LATER, ONE, 64500), "giant"),
    "to another network": then(at(FIRST, ONE, 64500), at(LATER, TWO, 64510), "giant", "small"),
    "from the map to a source": then(MAPPED, at(LATER, TWO, 64510), "giant", "small"),
    "to IPv6 of another network": then(MAPPED, at(LATER, SIX_ONE, 64510), "giant", "small"),
    "to IPv6 of the same": then(at(FIRST, ONE, 64500), at(LATER, SIX_ONE, 64501), "giant"),
    "to a sibling number": then(at(FIRST, ONE, 64500), at(LATER, TWO, 64501), "giant"),
    "two numbers of one provider": then(at(FIRST, ONE, 64500), at(LATER, TWO, 64500, 64501), "giant"),
    "two numbers of two providers": then(at(FIRST, ONE, 64500), at(LATER, TWO, 64500, 64510), "giant"),
    "two numbers, then one": History(
        [at(FIRST, ONE, 64500), at([21, 22], TWO, 64500, 64510), at([24, 25, 26], TWO, 64510)], stays("giant", "small")
    ),
    "a number that was sold": then(at(FIRST, ONE, 64505), at(LATER, ONE, 64505), "giant", "small"),
    "a range let to a company": then(LESSEE, LESSEE, "giant", "lessee"),
    "a range let to a tenant": then(TENANT, TENANT, "giant"),
    "a proxy put before the host": then(MAPPED, EDGE, "giant"),
    "a proxy that names the same host": then(MAPPED, EDGE, "giant", replies={21.5: ("shield", "giant")}),
    "a proxy that names another host": then(MAPPED, EDGE, "giant", "small", replies={20: ("shield", "small")}),
    "behind a proxy all along": then(EDGE, EDGE, "shield"),
    "edges that rotate": then(EDGE, EDGE_2, "shield"),
    "a proxy that passes on": History(
        [Scene(FIRST, [EDGE]), Scene(LATER, [EDGE])],
        [("shield", "passed_on"), ("small", None)],
        replies={20: ("shield", "small")},
    ),
    "a proxy that was taken away": then(EDGE, MAPPED, "shield", "giant"),
    "another proxy": then(EDGE, VEIL, "shield", "veil"),
    "anycast": History(
        [at([hour], (ONE, TWO, THREE)[n % 3], 64500) for n, hour in enumerate((*FIRST, *LATER))], stays("giant")
    ),
    "two hosters at once": History([Scene((*FIRST, *LATER), [ONE, TWO], origins=TWICE)], stays("giant")),
    "one of two hosters left": then(
        Scene(FIRST, [ONE, TWO], origins=TWICE), Scene(LATER, [ONE], gone=[TWO], origins=TWICE), "giant"
    ),
    "the charged one of two left": then(
        Scene(FIRST, [ONE, TWO], origins=TWICE), Scene(LATER, [TWO], gone=[ONE], origins=TWICE), "giant", "small"
    ),
    "the charged one of two silent": then(
        Scene(FIRST, [ONE, TWO], origins=TWICE), Scene(LATER, [TWO, "?" + ONE], origins=TWICE), "giant"
    ),
    "a route that flaps": History(
        [*alternating(64500, 64510, hours=[1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21])], stays("giant")
    ),
    "a route that flaps and settles": History(
        [*alternating(64500, 64510, hours=[1, 3, 5]), at(range(7, 20), ONE, 64510)],
        stays("giant", "small"),
    ),
    "there and back": History(
        [at(FIRST, ONE, 64500), at([21], TWO, 64510), at([22, 23, 24], ONE, 64500)], stays("giant")
    ),
    "a source that is down while it moves": then(
        at(FIRST, ONE, 64500),
        Scene(
            LATER, [TWO], origins={TWO: "servfail"},
            rdap={TWO: registered("198.51.100.64", "198.51.100.127", "Quiet Hosting")},
        ),
        "giant",
    ),
    "a source that comes back": History(
        [
            at(FIRST, ONE, 64500),
            Scene([21, 22], [TWO], origins={TWO: "servfail"}),
            at([23, 24, 25], TWO, 64510),
        ],
        stays("giant", "small"),
    ),
    "an answer about somebody else": then(
        at(FIRST, ONE, 64500), Scene(LATER, [TWO], origins={TWO: ["64510 | 192.0.2.0/24 | NL"]}), "giant"
    ),
    "a holder that only the registry names": then(
        at(FIRST, ONE, 64500),
        Scene(
            LATER, [THREE], origins={THREE: origin(THREE, 64509)},
            rdap={THREE: registered("198.51.100.128", "198.51.101.63", "quiet hosting")},
        ),
        "giant", "quiet",
    ),
    "a registry's answer that is none": then(
        at(FIRST, ONE, 64500), Scene(LATER, [THREE], rdap={THREE: b'{"startAddress": '}), "giant"
    ),
    "a holder of a name like another": then(
        at(FIRST, ONE, 64500),
        Scene(LATER, [THREE], rdap={THREE: registered("198.51.100.128", "198.51.100.191", "Quiet Hosting Ltd")}),
        "giant",
    ),
    "mapped into IPv6": then(
        at(FIRST, ONE, 64500), Scene(LATER, ["::ffff:" + ONE], origins={ONE: origin(ONE, 64500)}), "giant"
    ),
    "nobody speaks of it": then(TWO, TWO, None),
}  # fmt: skip


class Theatre:
    """Plays a history: looks as the prober writes them, statements as the role makes them."""

    def __init__(
        self, world: NetworkWorld, sources: Callable[[Callable[[], datetime]], list[GuardedSource]]
    ) -> None:
        self._world = world
        self._now = START
        self._map = ProviderMap.parse(MAP)
        self._attributor = AddressAttributor(
            ProviderBook(self._map), sources(lambda: self._now), clock=lambda: self._now
        )
        self._writer = StatementWriter(FactMemory())

    async def play(self, history: History) -> list[Event]:
        events = [event(START, ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x"))]
        for scene in history.scenes:
            self._world.origins, self._world.rdap = dict(scene.origins), dict(scene.rdap)
            for hour in scene.hours:
                self._now = START + hour * HOUR
                events += [self._look(scene), *[e async for e in self._statements(scene.online)]]
        for hour, (proxy, host) in history.replies.items():
            data = ev.AddressAttributed(provider=host, via=proxy, method="edge_reply", actor="desk")
            events.append(event(START + hour * HOUR, data))
        first = history.spells[0][0]
        if first is None:
            return events
        notice = ev.NoticeSent(notice_id="n", provider=first)
        return [*events, event(START + 2 * HOUR, notice)]

    def _look(self, scene: Scene) -> Event:
        served = [self._served(one, online="?" not in one) for one in scene.online]
        served += [self._served(one, gone=True) for one in scene.gone]
        data = ev.LookMade(
            vantage="v1", tick=self._now, started_at=self._now, finished_at=self._now, verdict="online", reason="test",
            served=tuple(served), providers_left_out=(),
        )  # fmt: skip
        return event(self._now, data)

    def _served(self, address: str, **what: bool) -> ev.Served:
        bare = address.strip("?")
        fact = self._map.provider_at(bare, self._now) or Attribution(None)
        return ev.Served(address=bare, provider=fact.provider, role=fact.role, **what)

    async def _statements(self, addresses: Sequence[str]) -> AsyncIterator[Event]:
        for address in (one for one in addresses if "?" not in one):
            fact = await self._attributor.attribute(address, self._now)
            if isinstance(fact, Attribution):
                stated = self._writer.write(CASE, address, self._now, fact)
                if stated is not None:
                    yield stated


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Callable[[], Theatre]]:
    """Make theatres in one world: each begins with nothing remembered."""
    async with NetworkWorld() as world, rdap_session(2) as session:
        bootstrap = RdapBootstrap.load(world.bootstrap(tmp_path))

        def sources(clock: Callable[[], datetime]) -> list[GuardedSource]:
            resolver = TextResolver([world.nameserver], timeout_seconds=2)
            asked: list[AddressSource] = [
                CymruSource(resolver, ORIGIN_ZONE, clock),
                RdapSource(session, bootstrap, Placeholders(), clock, timeout_seconds=2),
            ]
            return guarded(asked, clock, keep=timedelta(minutes=30))

        yield lambda: Theatre(world, sources)


def spells_of(events: Sequence[Event]) -> Spells:
    case, _ = fold(events, NL)
    return [(spell.provider, spell.closed_reason) for spell in case.spells]


@pytest.mark.parametrize("name", HISTORIES)
async def test_history(stage: Callable[[], Theatre], name: str) -> None:
    """Only another provider that looks have confirmed is a move; unknown stays unknown, and an edge hides the host."""
    history = HISTORIES[name]
    events = await stage().play(history)
    assert spells_of(events) == history.spells
    assert spells_of(events[::-1]) == history.spells


async def test_corrected_map_changes_what_it_should(stage: Callable[[], Theatre]) -> None:
    """Under a map that gives a number to another provider, the histories with that number come out otherwise."""
    assert len(HISTORIES) >= 30
    corrected = ProviderMap.parse(MAP.replace("asn = [64510]", "asn = [64511]") + HEIR)
    changed = set()
    for name, history in HISTORIES.items():
        events = await stage().play(history)
        again = [reattributed(one, corrected) for one in events]
        before, after = spells_of(events), spells_of(again)
        if before != after:
            changed.add(name)
            assert after == [("heir" if p == "small" else p, reason) for p, reason in before]
    by_number = {name for name, one in HISTORIES.items() if ("small", None) in one.spells}
    by_statement = {
        "a proxy that passes on",
        "a proxy that names another host",
        "a number that was sold",
    }
    assert changed == by_number - by_statement


HEIR = """
[[provider]]
id = "heir"
name = "Heir"
asn = [64510]
"""


async def test_contacts(tmp_path: Path) -> None:
    """A stale contact, a placeholder, a redaction and a silence are told apart, and a source that is down from all."""
    abuse = {
        "roles": ["abuse"],
        "vcardArray": ["vcard", [["email", {}, "text", "abuse@host.example"]]],
    }
    desk = {
        "roles": ["abuse"],
        "vcardArray": ["vcard", [["email", {}, "text", "desk@registry.example"]]],
    }
    redacted = [
        {
            "name": {"description": "Abuse Contact Email"},
            "prePath": "$.entities[*]",
            "method": "removal",
        }
    ]
    ranges = dict.fromkeys(range(6), ("198.51.100.0", "198.51.100.255"))
    answers = [
        {"entities": [abuse]}, {"entities": [abuse | {"status": ["removed"]}]}, {"entities": [desk]},
        {"redacted": redacted}, {}, b"<html>",
    ]  # fmt: skip
    addresses = [f"198.51.100.{n}" for n in range(6)]
    placeholders = Placeholders(
        [PlaceholderMailbox(mailbox="@registry.example", since=START.date(), why="desk")]
    )
    async with NetworkWorld() as world, rdap_session(2) as session:
        for address, (first, last), more in zip(addresses, ranges.values(), answers, strict=True):
            world.rdap[address] = (
                more
                if isinstance(more, bytes)
                else {"startAddress": first, "endAddress": last, **more}
            )
        world.contacts = {addresses[4]: ["desk@registry.example"]}
        bootstrap = RdapBootstrap.load(world.bootstrap(tmp_path))
        told = []
        for address in addresses:
            resolver = TextResolver([world.nameserver], timeout_seconds=2)
            sources = (
                AbusixSource(resolver, CONTACT_ZONE, placeholders, lambda: START),
                RdapSource(session, bootstrap, placeholders, lambda: START, timeout_seconds=2),
            )
            given = await contact_of(address, guarded(sources, lambda: START))
            told.append((given.contact.publication, given.source, given.failure))
    assert told == [
        ("published", "rdap", None), ("none", "rdap", None), ("placeholder", "rdap", None), ("redacted", "rdap", None),
        ("placeholder", "abusix", None), ("none", "rdap", "unreadable"),
    ]  # fmt: skip
