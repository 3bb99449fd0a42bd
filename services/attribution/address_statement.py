"""The event that states who answers for an address of a case."""

from datetime import datetime

from schemas.codec import stated
from schemas.events import AddressAttributed, Event
from services.attribution.attribution_fact import Attribution
from services.attribution.fact_memory import FactMemory, mark_of

SOURCE = "takedown:attribution"
_ON_THIS_MACHINE = frozenset({"map", "mmdb"})
_MOST_NUMBERS = 100


class StatementWriter:
    """States what changed of the addresses of cases, by a memory of what was stated last."""

    def __init__(self, memory: FactMemory) -> None:
        self._memory = memory

    def write(self, case_id: str, address: str, at: datetime, fact: Attribution) -> Event | None:
        """Make a statement of a fact; None where it was stated last, or where nobody ever spoke of the address."""
        mark, last = mark_of(fact), self._memory.last(case_id, address)
        if last == mark or (last is None and fact.unknown == "silent"):
            return None
        self._memory.remember(case_id, address, mark)
        return statement(case_id, address, at, fact)


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
