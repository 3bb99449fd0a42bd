"""Looks that politeness forbids are made later, or missed: law 6 of `services.probing.schedule.scheduler`."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import UnusableEvent
from schemas.events import WatchEntry
from schemas.methodology import shipped
from services.probing.schedule.scheduler import PATIENCE, Schedule
from services.probing.schedule.works import Work
from tests.unit.probing.schedule.test_scheduler import turn

METHODS = shipped()
START = datetime(2026, 1, 1, tzinfo=UTC)
CASE, OTHER = "0" * 32, "0" * 31 + "1"  # no jitter
HOUR, MINUTE, SECOND = (timedelta(**{unit: 1}) for unit in ("hours", "minutes", "seconds"))


def entry(**fields: object) -> WatchEntry:
    """Make a watch entry; the seal is nobody's."""
    basic = {"sealed_url": "s1.k.AAAA", "category": "csam", "methodology": "nl-24h"}
    return WatchEntry(**(basic | {"watch_from": START} | fields))  # type: ignore[arg-type]


def schedule() -> Schedule:
    """Make a schedule at work with one case, whose first look is due."""
    made = Schedule(METHODS, now=START)
    assert made.start(START)
    put(made, entry())
    return made


def put(to: Schedule, watched: WatchEntry, at: datetime = START, case_id: str = CASE) -> None:
    """Put an entry at the instant at which Kafka got it."""
    to.put(case_id, watched, offset=0, listed_at=at, now=at)


def missed(work: Work) -> list[tuple[datetime, str]]:
    """List what was missed."""
    return [(miss.tick, miss.reason) for miss in work.missed]


def test_a_look_is_made_once_politeness_allows_it() -> None:
    """It is the look of the same tick, not before its time, and nothing is missed."""
    plan = schedule()
    (work,) = turn(plan, START)
    assert plan.put_off(work, 40.0, START)
    assert (plan.put_off_count, plan.waiting) == (1, 0)
    assert turn(plan, START + 39 * SECOND) == []
    (again,) = turn(plan, START + 41 * SECOND)
    assert (again.tick, again.missed, plan.put_off_count) == (START, (), 0)
    plan.settle(again, START + 41 * SECOND)
    (later,) = turn(plan, START + HOUR)
    assert (later.tick, later.missed) == (START + HOUR, ())


def test_it_may_be_put_off_again_but_not_for_ever() -> None:
    """After `PATIENCE` its tick is missed, and the case goes on with the next one."""
    plan, now, times = schedule(), START, 0
    (work,) = turn(plan, now)
    while plan.put_off(work, 60.0, now):
        now, times = now + 61 * SECOND, times + 1
        (work,) = turn(plan, now)
    assert times == PATIENCE // (61 * SECOND)
    assert (work.tick, plan.put_off_count) == (START, 0)
    plan.settle(work, now)
    (later,) = turn(plan, START + HOUR)
    assert (later.tick, later.missed) == (START + HOUR, ())


@pytest.mark.parametrize("seconds", [301.0, 86_400.0])
def test_a_wait_that_is_too_long_is_a_missed_tick(seconds: float) -> None:
    """So is a URL that has had its looks of the day."""
    plan = schedule()
    (work,) = turn(plan, START)
    assert not plan.put_off(work, seconds, START)
    plan.settle(work, START)
    assert plan.progress(1).watermark == START


def test_the_next_tick_comes_first() -> None:
    """Where the next tick is nearer than politeness, that one is looked at, and nothing is made up for."""
    plan = schedule()
    (work,) = turn(plan, START)
    plan.settle(work, START)
    put(plan, entry(suspected_at=START + 57 * MINUTE), START + 58 * MINUTE)
    (work,) = turn(plan, START + HOUR)
    assert not plan.put_off(work, 120.0, START + HOUR), "two minutes on it is confirmed anyway"
    assert plan.put_off(work, 119.0, START + HOUR)
    (again,) = turn(plan, START + HOUR + 119 * SECOND)
    assert (again.tick, again.missed) == (START + HOUR, ())


def test_a_new_entry_has_ticks_of_its_own() -> None:
    """What was put off under the old one would be no tick of the new one: it is missed."""
    plan = schedule()
    (work,) = turn(plan, START)
    put(plan, entry(removed_at=START - 2 * HOUR), START)
    assert not plan.put_off(work, 30.0, START)
    plan.settle(work, START)
    assert plan.progress(1).watermark == START


def test_a_tick_that_passes_meanwhile_makes_the_older_one_missed() -> None:
    """When the prober comes back to it late, the newer tick is due; the older one was politeness' fault."""
    plan = schedule()
    (work,) = turn(plan, START)
    assert plan.put_off(work, 60.0, START)
    (late,) = turn(plan, START + 2 * HOUR)
    assert late.tick == START + 2 * HOUR
    assert missed(late) == [(START, "politeness"), (START + HOUR, "overload")]


def test_a_look_that_is_put_off_holds_the_watermark() -> None:
    """A crash loses no tick: whoever comes next owes it still."""
    plan = schedule()
    (work,) = turn(plan, START)
    assert plan.put_off(work, 60.0, START)
    plan.advance(START + 30 * SECOND)
    progress = plan.progress(1)
    assert progress.watermark < START
    heir = Schedule(METHODS, now=START + 30 * SECOND, progress=progress)
    put(heir, entry())
    heir.start(START + 30 * SECOND)
    assert turn(heir, START + 30 * SECOND)[0].tick == START
    (again,) = turn(plan, START + 61 * SECOND)
    plan.settle(again, START + 61 * SECOND)
    assert plan.progress(1).watermark == START + 61 * SECOND


@pytest.mark.parametrize("queued", [False, True])
def test_a_tombstone_or_a_new_entry_frees_the_watermark(queued: bool) -> None:
    """A case that goes while its look is put off, or waits again, leaves nothing behind."""
    plan = schedule()
    put(plan, entry(), START, OTHER)
    now = START + (61 if queued else 30) * SECOND
    for work in turn(plan, START):
        assert plan.put_off(work, 60.0, START)
    plan.advance(now)
    assert plan.waiting == (2 if queued else 0)
    plan.drop(OTHER)
    put(plan, entry(removed_at=START - 2 * HOUR), now)
    assert plan.put_off_count == 0
    owed, *looks = sorted(turn(plan, now), key=lambda work: work.tick is not None)
    assert missed(owed) == [(START, "politeness")]
    for work in (owed, *looks):
        plan.settle(work, now)
    assert plan.progress(1).watermark == now


def test_a_look_that_is_put_off_far_ahead_survives_the_coarse_ring() -> None:
    """The wheel asks for which slot it is planned: not for its tick, which has passed."""
    plan = Schedule(METHODS, now=START, resolution=0.05)
    plan.start(START)
    put(plan, entry())
    (work,) = turn(plan, START)
    assert plan.put_off(work, 290.0, START)
    assert turn(plan, START + 289 * SECOND) == []
    (again,) = turn(plan, START + 291 * SECOND)
    assert again.tick == START


def test_a_case_that_was_listed_after_its_tick_is_put_off_too() -> None:
    """Its patience begins when it was listed: many reports of one host at once are looked at, not missed."""
    plan = Schedule(METHODS, now=START)
    assert plan.start(START)
    listed = START + 37 * MINUTE
    put(plan, entry(), listed)
    (work,) = turn(plan, listed + SECOND)
    assert work.tick == START
    assert plan.put_off(work, 40.0, listed + SECOND)
    plan.advance(listed + 20 * SECOND)
    assert START < plan.progress(1).watermark < listed + SECOND
    (again,) = turn(plan, listed + 50 * SECOND)
    assert (again.tick, again.missed) == (START, ())
    plan.settle(again, listed + 50 * SECOND)
    assert plan.progress(1).watermark == listed + 50 * SECOND


def test_an_entry_that_cannot_be_used_ends_no_watch() -> None:
    """The entry of before holds: its looks go on."""
    plan = schedule()
    (work,) = turn(plan, START)
    plan.settle(work, START)
    with pytest.raises(UnusableEvent):
        put(plan, entry(watch_from=datetime(1970, 1, 1, tzinfo=UTC)), START + MINUTE)
    (later,) = turn(plan, START + HOUR)
    assert (later.tick, later.missed) == (START + HOUR, ())
