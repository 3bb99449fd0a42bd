"""How old the evidence behind a look may be, and what counts without a sighting."""

import pytest
from msgspec.structs import replace

from schemas.events import Event
from schemas.methodology import Methodology
from services.core.bounds import standing
from services.core.fold import fold
from services.core.freshness import NEEDS_SIGHTING
from services.core.machines import Clock, Presence
from services.core.reasons import REASONS
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, gone, notice, online, report


def remembered(hours: float, age: float | None) -> Event:
    """Make a look that saw it online through a resolution of some age."""
    return look(at(hours), "online", provider="giant", age=age, length=7)


def folded(*events: Event, method: Methodology = NL):
    return fold([report(), notice(1), online(2), *events], method)[0]


@pytest.mark.parametrize(
    ("age", "clock"),
    [(None, Clock.BREACHED), (0, Clock.BREACHED), (900, Clock.BREACHED), (901, Clock.RUNNING)],
)
def test_a_sighting_at_the_deadline_needs_a_fresh_resolution(
    age: float | None, clock: Clock
) -> None:
    """Through a resolution of more than 15 minutes nobody can say where the name leads now: no certain breach."""
    case = folded(remembered(25, age))
    assert case.spell.clock is clock
    assert standing(case, case.spell, NL, at(48)) == (
        "certain_breaches" if clock is Clock.BREACHED else "undecided"
    )


def test_an_old_resolution_moves_nothing() -> None:
    """It is no sighting before the deadline either: L stays, and a run of removal-class looks goes on."""
    first, second, last = gone(5)
    found = folded(first, remembered(5.1, 3600), second, last).spell
    assert (found.presence, found.known_online_at) == (Presence.REMOVED, at(2))
    assert (found.looks, found.undetermined) == (5, 1)


def test_the_methodology_names_the_age() -> None:
    """A definition may take an hour, or not ask at all; each has its own digest."""
    hour, never = (replace(NL, resolution_max_age=age) for age in ("1h", "none"))
    for method in (hour, never):
        assert folded(remembered(25, 3600), method=method).spell.clock is Clock.BREACHED
    assert len({NL.digest, hour.digest, never.digest}) == 3


def test_an_answer_through_an_old_resolution_ends_a_dark_run() -> None:
    """The address answered, so the host that the name once had is not dark."""
    dark = look(at(5), "removed", layer="host")
    served = look(at(6), "online", age=3600, length=7, reason="served")
    assert folded(dark).spell.dark is not None
    assert folded(dark, served).spell.dark is None


def test_removals_that_need_a_sighting_are_comparisons() -> None:
    """What speaks for itself (404, 410, no such name) needs none; soft 404s and parking pages do."""
    alone = {
        reason
        for reason, judgement in REASONS.items()
        if judgement.verdict == "removed" and reason not in NEEDS_SIGHTING
    }
    assert {"not_found", "gone", "nxdomain", "host_dark"} <= alone
    assert not any(reason.startswith("soft_404") for reason in alone)
    assert not any("seen served" in REASONS[reason].about.lower() for reason in alone)


def test_a_sighting_elsewhere_is_one_by_somebody() -> None:
    """Seen at another provider, a URL is known to have been there: a soft 404 after it counts."""
    away = look(at(1.2), "online", provider="small")
    soft = [look(at(5 + n), "removed", reason="soft_404_control") for n in (0, 0.25, 0.75)]
    case = fold([report(), notice(1), away, *soft], NL)[0]
    assert (case.known_online, case.spell.known_online_at) == (True, None)
    assert case.spell.presence is Presence.REMOVED
