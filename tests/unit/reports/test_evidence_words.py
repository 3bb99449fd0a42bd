"""What the signed sentence of a spell says: what was seen, by whom and when, and no more."""

import pytest

from schemas.events import Event
from services.core.fold import fold
from services.reports.evidence_case import Scope, dossier
from services.reports.evidence_reasons import Reason, explain
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, gone, notice, online, report


def reason(*events: Event, hours: float = 100) -> Reason:
    case, _ = fold([report(), notice(1), *events], NL)
    return explain(case, case.spells[0], NL, at(hours))


def counted(*events: Event, provider: str = "giant") -> list[str]:
    """Give what each look of a provider's pack counted as."""
    scope = Scope(provider=provider, methodology=NL, cutoff=at(100))
    pack = dossier([report(), notice(1), *events], scope, str)
    assert pack is not None
    return [row.counted_as for row in pack.looks]


def test_gone_within_the_bound_is_told_as_that() -> None:
    """Nothing is said of what was there: never seen, first seen gone, and by how much at most after the start."""
    found = reason(*gone(1.1))
    assert found.word == "gone_before_notice"
    assert (
        "never seen online at this provider, first seen gone 2026-01-01T01:06:00" in found.sentence
    )
    assert "no more than the 15m that the methodology leaves for a first look" in found.sentence


def test_gone_before_the_clock_started_names_the_start() -> None:
    """Seen, then gone, then notified: the three instants."""
    case, _ = fold([report(), online(0.2), *gone(0.25), notice(4)], NL)
    sentence = explain(case, case.spell, NL, at(100)).sentence
    assert sentence == (
        "last seen online 2026-01-01T00:12:00.000000Z, first seen gone 2026-01-01T00:15:00.500000Z: "
        "not after the clock's start 2026-01-01T04:00:00.000000Z"
    )


def test_what_nobody_saw_is_not_said_to_have_been_removed() -> None:
    """Within the norm because it was gone in time, and the sentence says that nobody had seen it."""
    found = reason(*gone(5))
    assert found.word == "removed_in_time"
    assert found.sentence.startswith("never seen online at this provider, first seen gone")


def test_what_the_reporter_saw_is_told_as_the_reporters() -> None:
    """The last sighting names who had it."""
    filed = report(0.5, seen_online_at=at(0.25))
    case, _ = fold([filed, notice(1), *gone(5)], NL)
    assert "by the reporter" in explain(case, case.spell, NL, at(100)).sentence
    case, _ = fold([filed, notice(1), online(2), *gone(5)], NL)
    assert "by the reporter" not in explain(case, case.spell, NL, at(100)).sentence


def test_seen_for_the_first_time_after_the_deadline() -> None:
    """Gone at every look until then: the sentence says why it is neither."""
    found = reason(*gone(5), online(30))
    assert (found.standing, found.word) == ("undecided", "seen_first_late")
    assert "what was there at the deadline nobody can tell" in found.sentence


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (look(at(2), "online", provider="giant"), "online"),
        (look(at(2), "online", provider="giant", age=3600), "undetermined"),
        (look(at(2), "online", provider="small", others={"giant": "silent"}), "elsewhere"),
        (look(at(2), "removed", canary=False), "undetermined"),
        (look(at(2), "removed", reason="soft_404_control"), "undetermined"),
        (look(at(2), "removed"), "removed"),
    ],
)
def test_each_look_says_what_it_counted_as(told: Event, expected: str) -> None:
    """The row of a look agrees with what the fold made of it."""
    assert counted(told) == [expected]


def test_the_looks_of_a_move_stand_in_both_packs() -> None:
    """They end one spell and begin the next; the old provider is not told the address."""
    moving = [look(at(5 + n), "online", provider="small") for n in (0, 0.25, 0.75)]
    assert counted(online(2), *moving) == ["online", "elsewhere", "elsewhere", "elsewhere"]
    assert counted(online(2), *moving, provider="small") == ["online"] * 3
    scope = Scope(provider="giant", methodology=NL, cutoff=at(100))
    pack = dossier([report(), notice(1), online(2), *moving], scope, str)
    assert pack is not None
    assert [row.address for row in pack.attribution if row.provider == "small"] == [None]
