"""Readings of a small ledger for the tests of the status: three providers and what became of their spells."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.methodology import shipped
from schemas.topics import OBSERVATIONS
from services.exporter.ledger_reading import LedgerReading, NoticeReading
from tests.unit.exporter.test_exporter_figures import spells

NL = shipped()["nl-24h"]
AT = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)


def rows() -> list[dict[str, Any]]:
    """Give the rows of a ledger: one provider with most, one that refuses, and the small ones together."""
    return [
        spells("within", 300, looks=4000, undetermined=40),
        spells("certain_breaches", 48, clock="BREACHED", breaches_day=7),
        spells("undecided", 2, clock="UNDECIDED"),
        spells("younger_than_norm", 40, clock="RUNNING", online=33, due_soon=6, left_under_2h=9, left_later=31),
        spells("within", 2, provider="refuser", looks=90, undetermined=60, missed=5),
        spells("certain_breaches", 38, provider="refuser", clock="BREACHED", breaches_day=3),
        spells("within", 3, provider="other"),
        spells("not_started", 4, provider="other", without_notice=4, clock="STOPPED"),
    ]  # fmt: skip


def reading(at: datetime = AT, **parts: Any) -> LedgerReading:
    """Give a reading whose last look is two minutes old."""
    looked = {
        "topic": OBSERVATIONS.name,
        "event_time": AT - timedelta(minutes=2),
        "committed_at": AT,
    }
    defaults: dict[str, Any] = {
        "at": at,
        "providers": ["giant", "refuser", "ipvol"],
        "categories": ["csam"],
        "spells": rows(),
        "removals": (),
        "outcomes": (),
        "progress": [looked],
        "watched": ["refuser", "ipvol"],
    }
    return LedgerReading(**defaults | parts)


def notices() -> NoticeReading:
    """Give the notices: most arrived, but for those to the provider that refuses them."""
    states = [("giant", "delivered", 380), ("giant", "failed", 1), ("refuser", "failed", 30)]
    told = [{"provider": p, "state": state, "notices": n} for p, state, n in states]
    return NoticeReading(at=AT, providers=["giant", "refuser"], notices=told)
