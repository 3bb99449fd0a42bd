"""Another encoding that stays becomes the baseline; anything else in its place does not."""

import msgspec
import pytest

from schemas.events import Event, Fingerprint, LookMade
from services.core.fold import fold
from services.core.watch_entry import entry_of
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, notice, online, report

FIRST = Fingerprint(status=200, content_type="image/jpeg", content_length=48_213, method="HEAD")
SMALLER = Fingerprint(status=200, content_type="image/webp", content_length=21_000, method="HEAD")


def seen(hours: float, fingerprint: Fingerprint, reason: str = "suspected_reencoded") -> Event:
    """Make a look that saw this file."""
    event = look(at(hours), "undetermined", reason=reason)
    assert isinstance(event.data, LookMade)
    data = msgspec.structs.replace(event.data, fingerprint=fingerprint)
    return msgspec.structs.replace(event, data=data)


def first(hours: float) -> Event:
    """Make the sighting that takes the baseline."""
    event = online(hours)
    data = msgspec.structs.replace(event.data, fingerprint=FIRST)
    return msgspec.structs.replace(event, data=data)


def baseline(*events: Event) -> Fingerprint | None:
    return fold([report(), notice(1), first(2), *events], NL)[0].spell.baseline


def test_another_encoding_that_stays_is_the_baseline() -> None:
    """As many looks as confirm a removal see the same file: later ones are compared with it, the prober's too."""
    events = [report(), notice(1), first(2), *(seen(hours, SMALLER) for hours in (4, 5, 6))]
    case = fold(events, NL)[0]
    assert case.spell.baseline == SMALLER
    entry = entry_of(msgspec.structs.replace(case, sealed_url="s1.k.x"), NL)
    assert entry is not None
    assert entry.baseline is not None
    assert entry.baseline.content_length == 21_000


@pytest.mark.parametrize(
    "events",
    [
        [seen(4, SMALLER), seen(5, SMALLER)],
        [seen(4, SMALLER), seen(4.01, SMALLER), seen(4.02, SMALLER)],
        [seen(4, SMALLER), seen(5, SMALLER, "suspected_replaced"), seen(6, SMALLER)],
        [seen(4, SMALLER), first(5), seen(6, SMALLER), seen(7, SMALLER)],
        [
            seen(hours, Fingerprint(status=200, content_type="image/webp", content_length=length))
            for hours, length in ((4, 21_000), (5, 21_001), (6, 21_002), (7, 21_003))
        ],
    ],
    ids=["too few", "too soon", "replaced", "seen as before", "another each time"],
)
def test_what_does_not_stay_is_no_baseline(events: list[Event]) -> None:
    """Too few looks, too short a span, a placeholder, or another file each time leave the first baseline."""
    assert baseline(*events) == FIRST


def test_a_look_at_another_encoding_moves_nothing() -> None:
    """Neither L nor R nor the clock: only what is compared with later."""
    before = fold([report(), notice(1), first(2)], NL)[0].spell
    after = fold([report(), notice(1), first(2), *(seen(h, SMALLER) for h in (4, 5, 6))], NL)[
        0
    ].spell
    assert (after.presence, after.clock, after.known_online_at, after.removals) == (
        *(before.presence, before.clock, before.known_online_at),
        before.removals,
    )


def sighting(hours: float, **fields: str | None) -> Event:
    """Make a sighting of the first file, with how siblings were answered beside it."""
    event = online(hours)
    data = msgspec.structs.replace(event.data, fingerprint=msgspec.structs.replace(FIRST, **fields))
    return msgspec.structs.replace(event, data=data)


@pytest.mark.parametrize(
    ("fields", "sibling"),
    [
        ([{"sibling": None}, {"sibling": "403"}], "403"),
        ([{"sibling": None}, {"sibling": None}, {"sibling": "403"}], "403"),
        ([{"sibling": "404"}, {"sibling": "403"}], "404"),
        ([{"sibling": None}, {"sibling": "403"}, {"sibling": "200:7a1"}], "403"),
        ([{"sibling": None}, {"sibling": "403", "method": "GET"}], None),
    ],
    ids=["lost once", "lost twice", "never lost", "later change", "another method"],
)
def test_a_sibling_that_was_lost_at_the_first_sighting_is_added(
    fields: list[dict[str, str | None]], sibling: str | None
) -> None:
    """How siblings are answered while it is served stands in the baseline from the first look that knows it (V)."""
    looks = [sighting(hours, **given) for hours, given in enumerate(fields, start=2)]
    case = fold([report(), notice(1), *looks], NL)[0]
    assert case.spell.baseline == msgspec.structs.replace(FIRST, sibling=sibling)
