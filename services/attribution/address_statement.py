"""The event that states who answers for an address of a case."""

from datetime import datetime

from schemas.codec import stated
from schemas.events import AddressAttributed, Event
from services.attribution.attribution_fact import Attribution

SOURCE = "takedown:attribution"
_ON_THIS_MACHINE = frozenset({"map", "mmdb"})
_MOST_NUMBERS = 100


def statement(case_id: str, address: str, at: datetime, fact: Attribution) -> Event:
    """Make the event: equal facts about one address of one case at one instant are one event."""
    data = AddressAttributed(
        method=fact.method,
        provider=fact.provider,
        address=address,
        role=fact.role,
        confidence=fact.confidence,
        prefix=fact.prefix,
        as_numbers=fact.as_numbers[:_MOST_NUMBERS],
        country=fact.country,
        reseller=fact.reseller,
        unknown=fact.unknown,
        answered_at=None if fact.method in _ON_THIS_MACHINE else fact.since,
    )
    return stated(case_id, data, at, SOURCE)
