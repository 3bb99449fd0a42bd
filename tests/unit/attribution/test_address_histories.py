"""Histories of addresses, attributed by map and .mmdb and folded: what is a move, and what is none."""

from datetime import timedelta
from typing import NamedTuple

import pytest

from schemas import events as ev
from schemas.events import Event
from services.attribution.provider_book import ProviderBook
from services.core.fold import fold
from tests.attribution_kit import book_of
from tests.strategies import NL, START, event

HOUR = timedelta(hours=1)
SOLD = (START + 20 * HOUR).isoformat()
MAP = f"""
[[provider]]
id = "giant"
name = "Giant"
asn = [64500, 64501]
[[provider.prefix]]
cidr = "192.0.2.0/26"
[[provider.prefix]]
cidr = "192.0.2.64/26"
[[provider.prefix]]
cidr = "192.0.2.128/28"
valid_to = {SOLD}
[[provider.reseller]]
id = "tenant"
cidr = ["192.0.2.16/28"]
valid_from = {SOLD}
[[provider.network]]
asn = 64502
valid_to = {SOLD}

[[provider]]
id = "small"
name = "Small"
[[provider.network]]
asn = 64502
valid_from = {SOLD}
[[provider.prefix]]
cidr = "192.0.2.128/28"
valid_from = {SOLD}
[[provider.prefix]]
cidr = "203.0.113.0/28"

[[provider]]
id = "lessee"
name = "Lessee"
parent = "giant"
[[provider.prefix]]
cidr = "192.0.2.32/28"
valid_from = {SOLD}

[[provider]]
id = "shield"
name = "Shield"
role = "proxy"
[[provider.prefix]]
cidr = "203.0.113.64/26"
[[provider.prefix]]
cidr = "203.0.113.128/26"
role = "origin"

[[provider]]
id = "twice"
name = "Twice"
[[provider.prefix]]
cidr = "203.0.113.32/28"
[[provider]]
id = "again"
name = "Again"
[[provider.prefix]]
cidr = "203.0.113.32/28"
"""
NUMBERS = {
    "198.51.100.0/26": {"autonomous_system_number": 64500},
    "198.51.100.64/26": {"autonomous_system_number": 64501},
    "198.51.100.128/26": {"autonomous_system_number": 64502},
    "198.51.100.192/26": {"autonomous_system_number": 64510},
    "2001:db8::/32": {"autonomous_system_number": 64500},
}
GIANT, OTHER_RANGE, SOLD_RANGE = "192.0.2.1", "192.0.2.65", "192.0.2.129"
TENANT, LESSEE, SMALL = "192.0.2.17", "192.0.2.33", "203.0.113.1"
EDGE, EDGE_2, ORIGIN, CONFLICT = "203.0.113.65", "203.0.113.66", "203.0.113.129", "203.0.113.33"
AS_1, AS_2, AS_SOLD, AS_NOBODY = (f"198.51.100.{n}" for n in (1, 65, 129, 193))
BEFORE, AFTER = (4, 10, 16), (21, 21.5, 22, 23)


class History(NamedTuple):
    """What served before an hour and after it, and the providers of the spells that come of it."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    providers: list[str]


HISTORIES = {
    "it stays": History((GIANT,), (GIANT,), ["giant"]),
    "another hoster": History((GIANT,), (SMALL,), ["giant", "small"]),
    "another range of the same": History((GIANT,), (OTHER_RANGE,), ["giant"]),
    "IPv4 to IPv6 of the same": History((GIANT,), ("2001:db8::1",), ["giant"]),
    "mapped into IPv6": History((GIANT,), (f"::ffff:{GIANT}",), ["giant"]),
    "behind NAT64": History((AS_1,), (f"64:ff9b::{AS_1}",), ["giant"]),
    "a sibling AS": History((AS_1,), (AS_2,), ["giant"]),
    "from the map to the file": History((GIANT,), (AS_2,), ["giant"]),
    "an AS that was sold": History((AS_SOLD,), (AS_SOLD,), ["giant", "small"]),
    "a range that was sold": History((SOLD_RANGE,), (SOLD_RANGE,), ["giant", "small"]),
    "sold to whom it moved": History((AS_SOLD,), (SMALL,), ["giant", "small"]),
    "re-let within the provider": History((TENANT,), (TENANT,), ["giant"]),
    "re-let to a provider of its own": History((LESSEE,), (LESSEE,), ["giant", "lessee"]),
    "behind a proxy all along": History((EDGE,), (EDGE,), ["shield"]),
    "rotating edges": History((EDGE,), (EDGE_2,), ["shield"]),
    "a proxy put in front": History((GIANT,), (EDGE,), ["giant"]),
    "edge and origin at once": History((GIANT, EDGE), (GIANT, EDGE), ["giant"]),
    "the origin of a proxy's operator": History((ORIGIN,), (EDGE,), ["shield"]),
    "two hosters at once": History((GIANT, SMALL), (GIANT, SMALL), ["giant"]),
    "one of two hosters left": History((GIANT, SMALL), (GIANT,), ["giant"]),
    "the charged one of two left": History((GIANT, SMALL), (SMALL,), ["giant", "small"]),
    "to whom nobody knows": History((GIANT,), (AS_NOBODY,), ["giant"]),
    "to whom the map disputes": History((GIANT,), (CONFLICT,), ["giant"]),
    "to where no source speaks": History((GIANT,), ("203.0.113.250",), ["giant"]),
}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> ProviderBook:
    """A map with a file of AS numbers behind it."""
    return book_of(MAP, tmp_path_factory.mktemp("as") / "as.mmdb", NUMBERS)


def look(book: ProviderBook, hour: float, addresses: tuple[str, ...]) -> Event:
    at = START + hour * HOUR
    data = ev.LookMade(
        vantage="v1",
        tick=at,
        started_at=at,
        finished_at=at + timedelta(seconds=1),
        verdict="online",
        reason="test",
        served=tuple(served(book, address, at) for address in addresses),
        providers_left_out=(),
    )
    return event(at + timedelta(seconds=1), data)


def served(book: ProviderBook, address: str, at) -> ev.Served:
    fact = book.provider_at(address, at)
    if fact is None:
        return ev.Served(address=address, online=True)
    return ev.Served(
        address=address, provider=fact.provider, role=fact.role, method=fact.method, online=True
    )


def providers(book: ProviderBook, *seen: tuple[float, tuple[str, ...]]) -> list[str | None]:
    report = event(START, ev.ReportFiled(reporter="h", sealed_url="s1.k.x"))
    looks = [look(book, hour, addresses) for hour, addresses in seen]
    first = next(one.provider for one in looks[0].data.served)  # type: ignore[attr-defined]
    sent = ev.NoticeSent(notice_id="n", provider=first)
    case, _ = fold([report, *looks, event(START + 5 * HOUR, sent)], NL)
    return [spell.provider for spell in case.spells]


@pytest.mark.parametrize("name", HISTORIES)
def test_only_another_provider_is_a_move(book: ProviderBook, name: str) -> None:
    """Numbers, ranges, families, tenants and edges change and nothing moves; another provider is a move."""
    history = HISTORIES[name]
    seen = [(hour, history.before) for hour in BEFORE] + [(hour, history.after) for hour in AFTER]
    assert providers(book, *seen) == history.providers


def test_a_flapping_route_is_no_move(book: ProviderBook) -> None:
    """What alternates between two providers is not gone from the charged one."""
    seen = [(4 + n / 2, ((GIANT,), (SMALL,))[n % 2]) for n in range(40)]
    assert providers(book, *seen) == ["giant"]


def test_a_tenant_is_named_beside_the_provider(book: ProviderBook) -> None:
    """From the day of the lease the reseller stands in the fact, and the provider stays."""
    facts = [book.attribute(TENANT, START + hour * HOUR) for hour in (10, 30)]
    assert [(fact.provider, fact.reseller) for fact in facts] == [
        ("giant", None),
        ("giant", "tenant"),
    ]
