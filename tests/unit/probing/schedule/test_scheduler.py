"""Which looks are due, which are missed: the laws of `services.probing.schedule.scheduler`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import WatchEntry
from schemas.methodology import shipped
from services.core.cadence import next_look, plan_of, ticks_between, watched
from services.core.instants import micros, moment
from services.probing.priority import OVERDUE, REST
from services.probing.schedule.scheduler import Schedule
from services.probing.schedule.works import Progress, Work

METHODS = shipped()
METHOD = METHODS["nl-24h"]
START = datetime(2026, 1, 1, tzinfo=UTC)
CASE = "0" * 32  # no jitter
OTHER = "0" * 31 + "1"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def entry(watch_from: datetime = START, **fields: object) -> WatchEntry:
    """Make a watch entry; the seal is nobody's."""
    basic = {"sealed_url": "s1.k.AAAA", "category": "csam", "methodology": "nl-24h"}
    return WatchEntry(**(basic | {"watch_from": watch_from} | fields))  # type: ignore[arg-type]


def schedule(now: datetime = START, **options: object) -> Schedule:
    """Make an empty schedule that is at work."""
    made = Schedule({"nl-24h": METHOD} | METHODS, now=now, **options)  # type: ignore[arg-type]
    assert made.start(now)
    return made


def put(
    to: Schedule, at: datetime, watched: WatchEntry, case_id: str = CASE, offset: int = 0
) -> None:
    """Put an entry at the instant at which Kafka got it."""
    to.put(case_id, watched, offset=offset, listed_at=at, now=at)


def turn(of: Schedule, now: datetime) -> list[Work]:
    """Take everything that is due."""
    of.advance(now)
    return list(iter(lambda: of.take(now), None))


def settle(of: Schedule, works: Iterable[Work], now: datetime) -> None:
    """Say that the broker has the records."""
    for work in works:
        of.settle(work, now)


def missed(works: Iterable[Work]) -> list[tuple[datetime, str]]:
    """List what was missed."""
    return [(miss.tick, miss.reason) for work in works for miss in work.missed]


def test_a_look_is_due_at_its_tick_and_not_before() -> None:
    """A case that is new is looked at once, then at each tick, at most a slot late."""
    plan = schedule()
    put(plan, START, entry())
    (first,) = turn(plan, START)
    assert (first.case_id, first.tick) == (CASE, START)
    settle(plan, [first], START + SECOND)
    assert turn(plan, START + HOUR - SECOND) == []
    (second,) = turn(plan, START + HOUR)
    assert second.tick == START + HOUR
    assert second.missed == ()


def test_a_case_has_one_look_at_a_time() -> None:
    """A slow look holds back the next one of its case; the ticks that pass meanwhile are missed."""
    plan = schedule()
    put(plan, START, entry())
    (slow,) = turn(plan, START)
    assert turn(plan, START + 3 * HOUR) == []
    settle(plan, [slow], START + 3 * HOUR)
    (late,) = turn(plan, START + 3 * HOUR)
    assert late.tick == START + 3 * HOUR
    assert missed([late]) == [(START + HOUR, "overload"), (START + 2 * HOUR, "overload")]


def test_what_passed_while_no_prober_ran_is_missed_and_not_made_up_for() -> None:
    """After a restart there is one look per case; the older ticks are missed as `prober_down`."""
    known = Progress(born=START, watermark=START + HOUR, offset=1)
    plan = Schedule(METHODS, now=START + 5 * HOUR, progress=known)
    put(plan, START, entry())
    assert plan.start(START + 5 * HOUR)
    (work,) = turn(plan, START + 5 * HOUR)
    assert work.tick == START + 4 * HOUR
    expected = [(START + n * HOUR, "prober_down") for n in (2, 3)]
    assert expected == missed([work])


def test_a_restart_repeats_nothing_that_was_dealt_with() -> None:
    """Ticks at or before the watermark are never looked at again."""
    known = Progress(born=START, watermark=START + HOUR, offset=1)
    plan = Schedule(METHODS, now=START + HOUR + MINUTE, progress=known)
    put(plan, START, entry())
    plan.start(START + HOUR + MINUTE)
    assert turn(plan, START + HOUR + MINUTE) == []
    (work,) = turn(plan, START + 2 * HOUR)
    assert work.tick == START + 2 * HOUR


@pytest.mark.parametrize(("offset", "listed"), [(5, 0), (0, 90)])
def test_a_case_from_after_the_watermark_is_new(offset: int, listed: int) -> None:
    """By its offset or by its time: nobody has looked yet, so it is looked at once."""
    known = Progress(born=START, watermark=START + HOUR, offset=5)
    plan = Schedule(METHODS, now=START + 2 * HOUR, progress=known)
    plan.put(
        CASE,
        entry(),
        offset=offset,
        listed_at=START + listed * MINUTE,
        now=START + 2 * HOUR,
    )
    plan.start(START + 2 * HOUR)
    (work,) = turn(plan, START + 2 * HOUR)
    assert work.tick == START + 2 * HOUR


def test_an_import_of_old_reports_misses_nothing() -> None:
    """A case that has been online for a year comes on the list: one look, no missed ones."""
    plan = schedule()
    put(plan, START, entry(START - timedelta(days=30)))
    (work,) = turn(plan, START)
    assert START - 2 * timedelta(days=1) <= work.tick <= START
    assert work.missed == ()


def test_a_new_vantage_owes_nothing_from_before_it_was_there() -> None:
    """Its first start is no outage, however long the case has been on the list; nor is the second."""
    late = START + 10 * HOUR
    plan = Schedule(METHODS, now=late)
    plan.put(CASE, entry(), offset=0, listed_at=START, now=late)
    plan.start(late)
    (work,) = turn(plan, late)
    assert (work.tick, work.missed) == (START + 10 * HOUR, ())
    progress = plan.progress(1)
    assert progress.watermark < START, "it waits for the first look"
    again = Schedule(METHODS, now=late + 5 * MINUTE, progress=progress)
    again.put(CASE, entry(), offset=0, listed_at=START, now=late + 5 * MINUTE)
    again.start(late + 5 * MINUTE)
    (repeated,) = turn(again, late + 5 * MINUTE)
    assert (work.tick, ()) == (repeated.tick, repeated.missed)


def test_the_watermark_waits_for_every_record() -> None:
    """It never passes a look that is due, under way, or not yet acknowledged."""
    plan = schedule()
    put(plan, START, entry())
    put(plan, START + 10 * SECOND, entry(START + 10 * SECOND), OTHER, 1)
    works = turn(plan, START + MINUTE)
    assert len(works) == 2
    assert plan.progress(2).watermark < START
    settle(plan, [w for w in works if w.case_id == CASE], START + MINUTE)
    assert START <= plan.progress(2).watermark < START + 10 * SECOND
    settle(plan, [w for w in works if w.case_id == OTHER], START + MINUTE)
    assert plan.progress(2).watermark == START + MINUTE


def test_progress_means_nothing_before_the_list_is_read() -> None:
    """Until `start` is done, what the last owner stored stays."""
    known = Progress(born=START, watermark=START + HOUR, offset=9)
    plan = Schedule(METHODS, now=START + 2 * HOUR, progress=known)
    put(plan, START, entry())
    put(plan, START, entry(), OTHER)
    assert not plan.start(START + 2 * HOUR, limit=1)
    assert known == plan.progress(20)
    assert plan.start(START + 2 * HOUR, limit=1)


def test_an_update_reschedules_at_once() -> None:
    """A suspicion brings the confirming looks without waiting for the old next tick."""
    plan = schedule()
    put(plan, START, entry())
    settle(plan, turn(plan, START), START)
    put(plan, START + MINUTE, entry(suspected_at=START + MINUTE))
    (work,) = turn(plan, START + 6 * MINUTE)
    assert (work.tick, work.confirming) == (START + 6 * MINUTE, True)


def test_an_update_during_a_look_counts_from_its_end() -> None:
    """What comes back over the watch list while a look is under way is planned when it lands."""
    plan = schedule()
    put(plan, START, entry())
    (flying,) = turn(plan, START)
    put(plan, START + SECOND, entry(suspected_at=START))
    assert turn(plan, START + 2 * SECOND) == []
    settle(plan, [flying], START + 2 * SECOND)
    (work,) = turn(plan, START + 5 * MINUTE)
    assert work.tick == START + 5 * MINUTE


def test_a_late_update_owes_no_ticks_of_the_past() -> None:
    """Ticks that a new entry puts before now were nobody's duty: the latest is due, none is missed."""
    plan = schedule()
    put(plan, START, entry())
    settle(plan, turn(plan, START), START)
    now = START + 50 * MINUTE
    put(plan, now, entry(suspected_at=START))
    (work,) = turn(plan, now)
    assert (work.tick, work.missed) == (START + 45 * MINUTE, ())


def test_an_update_loses_no_tick_that_was_owed() -> None:
    """What an overloaded prober owed under the old entry is missed when the new one takes its place."""
    plan = schedule()
    put(plan, START, entry())
    settle(plan, turn(plan, START), START)
    now = START + 2 * HOUR + MINUTE
    plan.advance(now)
    put(plan, now, entry(removed_at=START + MINUTE))
    works = turn(plan, now)
    owed, look = sorted(works, key=lambda work: work.tick is not None)
    assert missed([owed]) == [(START + HOUR, "overload"), (START + 2 * HOUR, "overload")]
    assert look.tick == START + HOUR + MINUTE
    assert plan.progress(1).watermark < START + HOUR
    settle(plan, works, now)
    assert now == plan.progress(1).watermark


def test_a_tombstone_ends_the_looks() -> None:
    """Nothing is due any more, waiting or not, and the watermark is free."""
    plan = schedule()
    put(plan, START, entry())
    plan.advance(START)
    plan.drop(CASE)
    assert turn(plan, START + 12 * HOUR) == []
    assert len(plan) == 0
    assert plan.progress(1).watermark == START + 12 * HOUR


def test_a_case_that_comes_back_during_its_own_look_is_looked_at() -> None:
    """A tombstone and a new entry under a look that is under way leave a case that is planned."""
    plan = schedule()
    put(plan, START, entry())
    (flying,) = turn(plan, START)
    plan.drop(CASE)
    put(plan, START + SECOND, entry(START + SECOND))
    settle(plan, [flying], START + 2 * SECOND)
    (work,) = turn(plan, START + 2 * SECOND)
    assert work.tick == START + SECOND


def test_a_second_vantage_looks_only_when_asked() -> None:
    """An entry without the question is no entry for it; the question brings a look at once."""
    plan = schedule(role="second")
    put(plan, START, entry())
    assert turn(plan, START + HOUR) == []
    asked = START + 90 * MINUTE
    put(plan, asked, entry(suspected_at=START + 80 * MINUTE, second_vantage=True))
    (work,) = turn(plan, asked)
    assert (work.tick, work.missed) == (START + 85 * MINUTE, ())
    settle(plan, [work], asked)
    put(plan, asked + SECOND, entry(removed_at=START + 80 * MINUTE))
    assert turn(plan, asked + 24 * HOUR) == []


def test_the_most_urgent_goes_first() -> None:
    """A near deadline goes before a confirmation, a confirmation before the rest."""
    plan = schedule()
    now = START + HOUR
    names = [f"{n:032x}" for n in (1, 2, 3)]
    put(plan, START, entry(), names[0])
    put(plan, START, entry(suspected_at=START + 30 * MINUTE), names[1])
    put(plan, START, entry(START - 22 * HOUR, deadline=START + 2 * HOUR), names[2])
    settle(plan, turn(plan, START), START)
    assert [names[2], names[1], names[0]] == [work.case_id for work in turn(plan, now)]


def test_a_deadline_that_comes_near_while_waiting_moves_to_the_front() -> None:
    """Under overload the order is not frozen at the moment of queueing."""
    plan = schedule()
    names = [f"{n:032x}" for n in (1, 2)]
    put(plan, START, entry(), names[0])
    put(plan, START, entry(deadline=START + 6 * HOUR), names[1])
    plan.advance(START)
    plan.advance(START + 5 * HOUR)
    first = plan.take(START + 5 * HOUR)
    assert first is not None
    assert names[1] == first.case_id


def test_the_first_look_after_a_deadline_is_as_urgent_however_late_it_comes() -> None:
    """A prober that was away at the deadline goes there first, and what it sees is taken for what a breach rests on."""
    names = [f"{n:032x}" for n in (1, 2)]
    plan = schedule()
    put(plan, START, entry(), names[0])
    put(plan, START, entry(deadline=START + 24 * HOUR), names[1])
    settle(plan, turn(plan, START), START)
    back = START + 40 * HOUR
    works = turn(plan, back)
    assert [(w.case_id, w.priority) for w in works] == [(names[1], OVERDUE), (names[0], REST)]
    settle(plan, works, back)
    for _ in range(3):
        plan.advance(back + 3 * HOUR)
    assert [w.priority for w in turn(plan, back + 3 * HOUR)] == [REST, REST]


def test_a_clock_that_is_set_back_makes_no_early_look() -> None:
    """What waits goes on waiting until its tick has come again."""
    plan = schedule()
    put(plan, START, entry())
    settle(plan, turn(plan, START), START)
    plan.advance(START + HOUR)
    assert plan.take(START + 30 * MINUTE) is None
    (work,) = turn(plan, START + HOUR)
    assert work.tick == START + HOUR


def test_a_long_pause_is_caught_up_with_in_parts() -> None:
    """A turn of the loop stays short, however long the machine slept."""
    plan = schedule()
    put(plan, START, entry())
    settle(plan, turn(plan, START), START)
    woken = START + 30 * timedelta(days=1)
    turns = 0
    while plan.progress(1).watermark < woken - HOUR and turns < 100:
        settle(plan, turn(plan, woken), woken)
        turns += 1
    assert 50 < turns < 100


def test_an_unknown_methodology_is_watched_all_the_same() -> None:
    """A prober that is older than the ledger does not drop cases."""
    plan = schedule()
    put(plan, START, entry(methodology="of-tomorrow"))
    assert len(turn(plan, START)) == 1


@given(days=st.integers(0, 200), seconds=st.integers(0, 86_400), removed=st.booleans())
def test_the_latest_tick_is_the_last_of_them_all(days: int, seconds: int, removed: bool) -> None:
    """The short way from behind finds what a walk over the whole past finds."""
    now = START + timedelta(days=days, seconds=seconds)
    case = entry(removed_at=START + HOUR if removed else None, deadline=START + 24 * HOUR)
    walked = list(ticks_between(case, CASE, METHOD, START - HOUR, now))
    plan = plan_of(METHOD)
    found = plan.latest_tick(watched(case, CASE, plan), micros(now))
    assert (walked[-1] if walked else None) == (None if found is None else moment(found))


class World:
    """Kafka and a prober that may be killed: what was recorded, what was stored."""

    def __init__(self, watched: WatchEntry) -> None:
        self.watched = watched
        self.now = START
        self.stored: Progress | None = None
        self.made: list[datetime] = []
        self.missed: list[datetime] = []
        self.crash_window: list[datetime] = []
        self.unstored: list[datetime] = []
        self.plan = schedule()
        put(self.plan, START, watched)

    def look(self) -> None:
        """Take what is due and record it."""
        works = turn(self.plan, self.now)
        for work in works:
            self.missed += [miss.tick for miss in work.missed]
            self.made += [work.tick] if work.tick else []
            self.unstored += [work.tick] if work.tick else []
        settle(self.plan, works, self.now)

    def defer(self) -> None:
        """Take what is due; politeness forbids it for two minutes."""
        for work in turn(self.plan, self.now):
            self.missed += [miss.tick for miss in work.missed]
            if not self.plan.put_off(work, 120.0, self.now):
                self.missed += [work.tick] if work.tick else []
                self.unstored += [work.tick] if work.tick else []
                self.plan.settle(work, self.now)

    def store(self) -> None:
        """Store the progress."""
        self.stored = self.plan.progress(1)
        self.unstored = []

    def kill(self) -> None:
        """Lose what is not stored and not recorded, be away a while, start again."""
        self.crash_window += self.unstored
        self.unstored = []
        self.plan = Schedule(METHODS, now=self.now, progress=self.stored)
        self.plan.put(CASE, self.watched, offset=0, listed_at=START, now=self.now)
        assert self.plan.start(self.now)


@settings(deadline=None, max_examples=150)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["look", "look", "defer", "store", "kill", "fly", "fly and store"]),
            st.integers(1, 8 * 3600) | st.integers(1, 300),
        ),
        min_size=1,
        max_size=40,
    ),
    suspected=st.none() | st.integers(0, 72),
)
def test_every_tick_is_made_or_missed_whatever_happens(
    steps: list[tuple[str, int]], suspected: int | None
) -> None:
    """Through crashes at any point no tick is lost, and none is repeated outside the crash window."""
    at = None if suspected is None else START + suspected * HOUR
    world = World(entry(deadline=START + 24 * HOUR, suspected_at=at))
    world.look()
    world.store()
    for what, seconds in steps:
        world.now += timedelta(seconds=seconds)
        if what.startswith("fly"):
            # A look that is under way when the process is killed.
            world.plan.advance(world.now)
            world.plan.take(world.now)
            if what == "fly and store":
                world.store()
            world.kill()
        else:
            getattr(world, what)()
    # What politeness put off comes back within this.
    world.now += 5 * MINUTE
    world.look()
    ticks = set(ticks_between(world.watched, CASE, METHOD, START - SECOND, world.now))
    assert ticks == {*world.made, *world.missed}
    repeated = {tick for tick in world.made if world.made.count(tick) > 1}
    assert repeated <= set(world.crash_window)
    assert not ({*world.made} & {*world.missed}) - {*world.crash_window}
    assert next_look(world.watched, CASE, METHOD, world.now) not in ticks
