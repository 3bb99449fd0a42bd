"""A URL that is reported again after its removal is looked at again, and when the looks at a case end."""

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from schemas import events as ev
from schemas.events import Event, WatchEntry
from schemas.methodology import CadenceStep, Methodology, seconds
from services.core.cadence import last_look, next_look, ticks_between
from services.core.case import Case
from services.core.fold import fold
from services.core.machines import Presence
from services.core.watch_entry import ended_at, entry_of
from services.probing.schedule.scheduler import Schedule
from services.probing.schedule.works import Progress
from tests.strategies import METHODOLOGIES, NL, START, event, histories, look
from tests.unit.probing.schedule.test_scheduler import put, settle, turn

CASE = "0" * 32  # no jitter
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def at(hour: float) -> datetime:
    return START + hour * HOUR


def report(hour: float, **fields: object) -> Event:
    basic: dict[str, object] = {"reporter": "h", "sealed_url": "s1.k.x", "provider": "giant"}
    return event(at(hour), ev.ReportFiled(**(basic | fields)), CASE)  # type: ignore[arg-type]


def gone(hour: float, further: int = 0) -> list[Event]:
    """Three looks that confirm a removal whose upper end is `hour`, and further ones."""
    looks = (hour, hour + 0.25, *(hour + 1 + 0.25 * number for number in range(further + 1)))
    return [look(at(h), "removed", case=CASE, took=0.0) for h in looks]


def folded(*told: Event, method: Methodology = NL) -> Case:
    return fold(told, method)[0]


def entry(*told: Event) -> WatchEntry:
    found = entry_of(folded(*told), NL)
    assert found is not None
    return found


REMOVED = [report(0), look(at(1), "online", case=CASE), *gone(5)]


# -- the fold --------------------------------------------------------------------------------------


def test_looks_count_from_the_last_report_after_the_removal() -> None:
    """Weeks after the tail has ended a report brings a look at once, and a tail of its own."""
    assert entry(*REMOVED).removed_at == at(5)
    assert next_look(entry(*REMOVED), CASE, NL, at(40 * 24)) is None
    again = entry(*REMOVED, report(40 * 24))
    assert again.removed_at == at(40 * 24)
    found = ticks_between(again, CASE, NL, at(40 * 24) - MINUTE, at(40 * 24 + 7))
    assert [at(40 * 24 + h) for h in (0, 1, 3, 6)] == list(found)


@pytest.mark.parametrize("told", [[2], [5], [100, 50], [100, 100]])
def test_an_older_report_or_a_double_moves_nothing_back(told: list[float]) -> None:
    """Only a report after the removal counts, the last of them, in whatever order they come."""
    expected = max([5.0, *(h for h in told if h > 5)])
    for some in (told, told[::-1]):
        assert entry(*REMOVED, *(report(h) for h in some)).removed_at == at(expected)


def test_a_report_while_a_removal_is_confirmed_counts_too() -> None:
    """Reported after the first look that found it gone, before the last: the looks count from the report."""
    assert entry(*REMOVED, report(5.5)).removed_at == at(5.5)
    suspected = entry(*REMOVED[:4], report(5.2))
    assert (suspected.suspected_at, suspected.removed_at) == (at(5), None)
    seen = look(at(5.6), "online", case=CASE)
    later = [*REMOVED[:3], report(5.2), seen, *gone(8, further=6)]
    assert entry(*later).removed_at == at(8), "it was seen after that report"


def test_a_historic_report_asks_for_no_look() -> None:
    """What is taken over from another system's records is counted and never looked at."""
    assert entry(*REMOVED, report(100, historic=True)).removed_at == at(5)


def test_a_look_that_finds_it_again_is_a_return_and_settles_the_report() -> None:
    """It returned as ever; its next removal counts from itself."""
    back = [*REMOVED, report(100), look(at(101), "online", case=CASE)]
    case = folded(*back)
    assert case.spell.presence is Presence.RETURNED
    assert case.spell.reported_again_at is None
    assert entry(*back).removed_at is None
    assert entry(*back, *gone(110, further=6)).removed_at == at(110)


def test_a_look_that_finds_it_gone_changes_nothing() -> None:
    """The removal stands as it was dated, and the tail goes on."""
    before, after = folded(*REMOVED, report(100)), [report(100), *gone(100.1)]
    case = folded(*REMOVED, *after)
    assert case.spell.removals == before.spell.removals
    assert entry(*REMOVED, *after).removed_at == at(100)


@given(histories, st.sampled_from(METHODOLOGIES))
def test_the_entry_counts_from_what_was_said_last(
    events: list[Event], methodology: Methodology
) -> None:
    """A removed case counts from its removal or a later report, whichever is the later, by plain search."""
    case, _ = fold(events, methodology)
    found = entry_of(case, methodology)
    if found is None or found.removed_at is None:
        return
    upper = case.spell.removals[-1].upper
    reports = [e.time for e in events if isinstance(e.data, ev.ReportFiled)]
    since = [t for t in reports if t >= max(case.spell.opened_at, upper)]
    assert found.removed_at == max([upper, *since])


# -- the schedule ----------------------------------------------------------------------------------

METHODS = {NL.id: NL}


def watch(removed: float, **fields: object) -> WatchEntry:
    basic = {"sealed_url": "s1.k.AAAA", "category": "csam", "methodology": NL.id}
    return WatchEntry(**(basic | {"watch_from": START, "removed_at": at(removed)} | fields))  # type: ignore[arg-type]


def at_work(now: datetime, entry: WatchEntry, **options: object) -> Schedule:
    made = Schedule(METHODS, now=now, **options)  # type: ignore[arg-type]
    put(made, START, entry)
    assert made.start(now)
    settle(made, turn(made, now), now)
    return made


@pytest.mark.parametrize("lateness", [timedelta(seconds=2), 3 * HOUR, 50 * DAY])
def test_the_look_is_made_however_late_the_report_came(lateness: timedelta) -> None:
    """A prober that restarted meanwhile owes it as it owes a new case's first look, at the latest tick."""
    reported = 40 * 24.0
    now = at(reported) + lateness
    restarted = now - timedelta(seconds=1)
    dealt_with = Progress(born=START, watermark=restarted, offset=1)
    plan = at_work(restarted, watch(5), progress=dealt_with)
    put(plan, now, watch(reported), offset=1)
    (work,) = turn(plan, now)
    assert at(reported) <= work.tick <= now  # type: ignore[operator]
    assert work.missed == ()
    settle(plan, [work], now)
    assert turn(plan, now) == []
    after = next_look(watch(reported), CASE, NL, now)
    assert after is None or [after] == [w.tick for w in turn(plan, after)]


def test_a_report_during_a_look_brings_one_more() -> None:
    """The look under way may have begun before the report: another follows when it lands."""
    plan = at_work(at(5) + 2 * MINUTE, watch(5))
    (flying,) = turn(plan, at(6))
    put(plan, at(6) + MINUTE, watch(5.9), offset=1)
    assert turn(plan, at(6) + MINUTE) == []
    settle(plan, [flying], at(6) + 2 * MINUTE)
    (work,) = turn(plan, at(6) + 2 * MINUTE)
    assert work.tick == at(5.9)


def test_a_look_that_politeness_forbids_is_missed_for_the_one_that_was_asked_for() -> None:
    """A tick that the new entry does not name is recorded; the look of the report waits in its turn."""
    plan = at_work(at(5) + 2 * MINUTE, watch(5))
    (flying,) = turn(plan, at(6))
    put(plan, at(6) + MINUTE, watch(5.9), offset=1)
    assert not plan.put_off(flying, 60.0, at(6) + 2 * MINUTE)
    plan.settle(flying, at(6) + 2 * MINUTE)
    (work,) = turn(plan, at(6) + 2 * MINUTE)
    assert work.tick == at(5.9)
    assert plan.put_off(work, 60.0, at(6) + 2 * MINUTE)
    (again,) = turn(plan, at(6) + 3 * MINUTE)
    assert again.tick == at(5.9)


def test_an_ordinary_removal_owes_no_look_at_once() -> None:
    """R is past when it is confirmed by looks after it: the tail's first look is an hour after it."""
    plan = at_work(at(1), watch(5, removed_at=None))
    put(plan, at(5), watch(5, removed_at=None, suspected_at=at(5)), offset=1)
    settle(plan, turn(plan, at(5) + 45 * MINUTE), at(5) + 46 * MINUTE)
    put(plan, at(5) + 47 * MINUTE, watch(5), offset=2)
    assert turn(plan, at(6) - MINUTE) == []
    assert [at(6)] == [w.tick for w in turn(plan, at(6))]


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("settled", [False, True])
def test_a_restart_owes_the_look_until_it_was_made(compacted: bool, settled: bool) -> None:
    """Listed while no prober ran, or under way as it died: with the record of before or without, and once only."""
    reported = at(100)
    plan = at_work(at(99), watch(5))
    plan.advance(reported + MINUTE)
    if settled:
        put(plan, reported + MINUTE, watch(100), offset=1)
        settle(plan, turn(plan, reported + MINUTE), reported + MINUTE)
    stored = plan.progress(2 if settled else 1)
    assert reported < stored.watermark
    plan = Schedule(METHODS, now=reported + 5 * MINUTE, progress=stored)
    for offset, known in enumerate([watch(5), watch(100)]):
        if offset == 1 or not compacted:
            listed = START if offset == 0 else reported + MINUTE
            plan.put(CASE, known, offset=offset, listed_at=listed, now=reported + 5 * MINUTE)
    assert plan.start(reported + 5 * MINUTE)
    expected = [] if settled else [reported]
    works = turn(plan, reported + 5 * MINUTE)
    assert expected == [w.tick for w in works]
    assert [w.missed for w in works if w.missed] == []


class Probed:
    """Kafka and a prober of one removed case that is reported again and again, killed at any point."""

    def __init__(self) -> None:
        self.now = at(6)
        self.records: list[tuple[datetime, WatchEntry]] = [(self.now, watch(5))]
        self.stored: Progress | None = None
        self.looks: list[datetime] = []
        self.plan = self._started()

    def _started(self) -> Schedule:
        plan = Schedule(METHODS, now=self.now, progress=self.stored, resolution=60)
        for offset, (listed, known) in enumerate(self.records):
            plan.put(CASE, known, offset=offset, listed_at=listed, now=self.now)
        assert plan.start(self.now)
        return plan

    def look(self, _: int) -> None:
        for _ in range(2):
            # A long pause is caught up with in parts.
            self.plan.advance(self.now)
        works = turn(self.plan, self.now)
        self.looks += [self.now for work in works if work.tick is not None]
        settle(self.plan, works, self.now)
        for (_, before), (listed, known) in itertools.pairwise(self.records):
            if before.removed_at != known.removed_at and listed <= self.now - 2 * MINUTE:
                assert any(listed <= made for made in self.looks)

    def die(self, _: int) -> None:
        """Take what is due, record nothing, start again."""
        turn(self.plan, self.now)
        self.plan = self._started()

    def store(self, _: int) -> None:
        self.stored = self.plan.progress(len(self.records))

    def report(self, late: int) -> None:
        reported = max(self.now - timedelta(minutes=late), self.records[-1][1].removed_at)  # type: ignore[type-var]
        self.records.append((self.now, structs.replace(self.records[-1][1], removed_at=reported)))
        put(self.plan, self.now, self.records[-1][1], offset=len(self.records) - 1)

    def report_unheard(self, late: int) -> None:
        """Reported while no prober runs."""
        plan, self.plan = self.plan, Schedule(METHODS, now=self.now)
        self.report(late)
        self.plan = plan
        self.die(0)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["look", "look", "store", "die", "report", "report_unheard"]),
            st.integers(0, 3000),
            st.integers(1, 60) | st.integers(1, 4000),
        ),
        max_size=25,
    )
)
def test_no_report_goes_without_a_look(steps: list[tuple[str, int, int]]) -> None:
    """Through crashes at any point a look is begun after every report was listed, as soon as there is a prober."""
    world = Probed()
    for what, late, minutes in steps:
        world.now += timedelta(minutes=minutes)
        getattr(world, what)(late)
    world.now += 2 * MINUTE
    world.look(0)
    assert turn(world.plan, world.now) == []


# -- the end ---------------------------------------------------------------------------------------

FINITE: Methodology = structs.replace(
    NL,
    id="finite",
    cadence=structs.replace(
        NL.cadence,
        steps=(CadenceStep(every="1h", until="4h"), CadenceStep(every="6h", until="30h")),
    ),
)
NO_TAIL: Methodology = structs.replace(FINITE, cadence=structs.replace(FINITE.cadence, tail=()))


@pytest.mark.parametrize(
    ("told", "method", "ends"),
    [
        (REMOVED, NL, at(5) + 30 * DAY),
        ([*REMOVED, report(100)], NL, at(100) + 30 * DAY),
        (REMOVED, NO_TAIL, at(6)),
        (REMOVED[:2], NL, None),
        (REMOVED[:2], FINITE, at(30)),
        (REMOVED[:3], FINITE, None),
        ([report(0), report(60)], FINITE, at(60)),
        ([report(0, historic=True)], NL, at(0)),
        ([report(0, not_measurable="onion")], NL, at(0)),
        ([report(0, sealed_url=None)], NL, None),
    ],
)
def test_the_end_of_each_kind_of_case(
    told: list[Event], method: Methodology, ends: datetime | None
) -> None:
    """The last tick, or the last event where there is nothing to look at; none while the watch goes on."""
    assert ended_at(folded(*told, method=method), method) == ends


def test_what_is_said_about_a_case_moves_its_end() -> None:
    """A retraction ends it then, a hold lasts until it expires or is lifted, an erasure leaves nothing to end."""
    wrong = event(at(8), ev.ReportRetracted(actor="h", reason="legal"), CASE)
    placed = ev.HoldPlaced(actor="police", reason="case", expires_at=at(2000))
    hold, lifted = event(at(7), placed, CASE), event(at(9), ev.HoldLifted(actor="police"), CASE)
    erased = event(at(10), ev.CaseErased(actor="officer", reason="term"), CASE)
    fixed = ev.CaseAttributed(
        provider="small", method="manual", actor="analyst", effective_from=at(0)
    )
    assert ended_at(folded(*REMOVED, wrong), NL) == at(8)
    assert ended_at(folded(*REMOVED, hold), NL) == at(2000)
    assert ended_at(folded(*REMOVED, hold, wrong), NL) == at(2000)
    assert ended_at(folded(*REMOVED, hold, lifted), NL) == at(5) + 30 * DAY
    assert ended_at(folded(*REMOVED, erased), NL) is None
    assert ended_at(folded(*REMOVED, erased, report(11)), NL) == at(11) + 30 * DAY
    late = event(at(50), fixed, CASE)
    assert ended_at(folded(*REMOVED, wrong, late), NL) == at(50), "the last event, not its effect"


ends = st.sampled_from([*METHODOLOGIES, FINITE, NO_TAIL])


@given(histories, ends)
def test_nothing_is_looked_at_after_the_end_and_something_up_to_it(
    events: list[Event], methodology: Methodology
) -> None:
    """The end is the last tick or later, and later only where an event or a hold is."""
    case, _ = fold(events, methodology)
    found, end = entry_of(case, methodology), ended_at(case, methodology)
    if found is None:
        assert (end is None) == (case.sealed_url is None)
        assert end is None or end >= max(e.time for e in events)
        return
    if end is None:
        forever = START + 10_000 * DAY
        assert next_look(found, case.case_id, methodology, forever) is not None
        return
    assert next_look(found, case.case_id, methodology, end) is None
    last = last_look(found, case.case_id, methodology)
    assert last is not None
    just_before = last - timedelta(microseconds=1)
    assert next_look(found, case.case_id, methodology, just_before) == last
    waits = [e.time for e in events] + ([case.hold.expires_at] if case.hold else [])
    assert end == max([last, *waits])
    if end == last:
        widest = max(seconds(step.every) for step in methodology.cadence.steps)
        before = end - timedelta(seconds=widest)
        assert next_look(found, case.case_id, methodology, before) is not None
