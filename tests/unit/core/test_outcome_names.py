"""The ids of outcomes: consumers know an outcome by its id, whichever version concluded it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from schemas import events as ev
from services.core.outcomes import _name

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
AT = START + timedelta(hours=31)
CASE = "0" * 32
BREACHED = ev.SpellBreached(
    spell=2,
    provider="giant",
    category="csam",
    methodology="nl-24h",
    methodology_digest="d",
    caused_by=UUID(int=7),
    clock_started_at=START,
    deadline=START + timedelta(days=1),
    known_online_at=START + timedelta(hours=30),
    first_gone_at=AT,
)
MOVED = ev.SpellMoved(
    spell=2,
    provider=None,
    category="csam",
    methodology="nl-24h",
    methodology_digest="d",
    caused_by=UUID(int=7),
)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (BREACHED, "7a1c1abd-1948-542a-b1e0-9f14b4cd3810"),
        (MOVED, "812685ce-1abd-5609-ad15-2a9a1f2afe1c"),
    ],
)
def test_an_outcome_keeps_its_id(body: ev.Outcome, name: str) -> None:
    """The ids that were published stay: one with all instants, one without provider and instants."""
    assert str(_name(CASE, AT, body)) == name


def test_a_methodology_names_no_other_outcome() -> None:
    """The same conclusion under another definition has the same id; another instant has another."""
    other = msgspec.structs.replace(BREACHED, methodology="x", methodology_digest="e")
    later = msgspec.structs.replace(BREACHED, deadline=AT)
    assert _name(CASE, AT, other) == _name(CASE, AT, BREACHED) != _name(CASE, AT, later)
