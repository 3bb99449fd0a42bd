"""The cadence: a grid that the entry fixes, dense where a look is worth most."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import WatchEntry
from schemas.methodology import Methodology, seconds, shipped
from services.core.cadence import next_look, plan_of, ticks_between
from tests.strategies import METHODOLOGIES, START

HOUR = timedelta(hours=1)
NL = shipped()["nl-24h"]
STEADY = "00000000" + "a" * 24  # a case without jitter


def entry(**changes: datetime | None) -> WatchEntry:
    base = {"watch_from": START, "clock_started_at": START, "deadline": START + 24 * HOUR}
    return WatchEntry(sealed_url="s", category="csam", methodology="nl-24h", **(base | changes))  # type: ignore[arg-type]


def hours(watch: WatchEntry, after: float, until: float) -> list[float]:
    found = ticks_between(watch, STEADY, NL, START + after * HOUR, START + until * HOUR)
    return [round((tick - START) / HOUR, 4) for tick in found]


def test_dense_early_and_around_the_deadline() -> None:
    """The Dutch cadence is the design's: hourly, every two hours, and around the deadline."""
    expected = [0, 1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 23, 23.75, 24, 24.25, 26, 29, 32]
    assert hours(entry(), -1, 32) == expected


def test_a_look_follows_the_deadline_at_once() -> None:
    """With any jitter there is a tick at or after the deadline and within the jitter of it."""
    for name in ("0" * 32, "f" * 32, "8" * 32):
        tick = next_look(entry(), name, NL, START + 24 * HOUR - timedelta(seconds=1))
        assert tick is not None
        assert timedelta(0) <= tick - (START + 24 * HOUR) <= timedelta(minutes=3)


def test_a_suspicion_is_looked_at_soon() -> None:
    """After the first removal-class look the next ones come at +5, +15 and +45 minutes, then hourly."""
    suspected = entry(suspected_at=START + 10 * HOUR)
    assert hours(suspected, 10, 10.9) == [10.0833, 10.25, 10.75]
    assert hours(suspected, 10.9, 13.1) == [11, 12, 13]


def test_a_removal_gets_a_tail() -> None:
    """After a removal only the decaying tail remains, from the removal itself on, and then the watch ends."""
    gone = entry(removed_at=START + 10 * HOUR)
    assert hours(gone, 9, 100) == [10, 11, 13, 16, 22, 34, 58]
    assert next_look(gone, STEADY, NL, START + 10 * HOUR + timedelta(days=31)) is None


def test_an_online_case_is_never_let_go() -> None:
    """A case that stays online is looked at for ever, at last every 30 days."""
    tick = next_look(entry(), STEADY, NL, START + timedelta(days=1000))
    assert tick is not None
    assert tick <= START + timedelta(days=1030)


names = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(names, st.floats(0, 3000), st.floats(0.001, 100))
def test_a_restart_resumes_the_same_ticks(name: str, at: float, pause: float) -> None:
    """Asking later than the last tick gives ticks of the same grid: none is moved by the asking."""
    watch = entry()
    first = next_look(watch, name, NL, START + at * HOUR)
    assert first is not None
    again = next_look(watch, name, NL, first - timedelta(seconds=pause))
    assert again is not None
    assert again <= first
    assert next_look(watch, name, NL, first - timedelta(microseconds=1)) == first


@given(names)
def test_jitter_is_a_share(name: str) -> None:
    """A case's ticks are put off by its share of the jitter, in [0, 3 minutes), by its name alone."""
    first = next_look(entry(), name, NL, START - timedelta(seconds=1))
    assert first is not None
    assert timedelta(0) <= first - START < timedelta(minutes=3)
    assert abs((first - START) / timedelta(minutes=3) - int(name[:8], 16) / 2**32) < 1e-6


# -- the same ticks as a naive walk ----------------------------------------------------------------

seconds_of = st.integers(-400_000, 4_000_000).map(lambda s: START + timedelta(seconds=s))
micros_of = st.integers(-(10**12), 10**13).map(lambda us: START + timedelta(microseconds=us))
instants = seconds_of | micros_of


def walked(watch: WatchEntry, name: str, method: Methodology, after: datetime) -> datetime | None:
    """List ticks in datetimes as the methodology is written, and take the first one later than `after`."""
    cadence, jitter = method.cadence, next_jitter(name, method)

    def at(base: datetime, texts: Iterable[str]) -> list[datetime]:
        return [base + timedelta(seconds=seconds(text)) + jitter for text in texts]

    if watch.removed_at is not None:
        ticks = at(watch.removed_at, ("0s", *cadence.tail))
    else:
        ticks = [tick + jitter for tick in grid(watch.watch_from, method, after)]
        ticks += at(watch.deadline, cadence.deadline) if watch.deadline else []
        if watch.suspected_at is not None:
            later = [tick for tick in at(watch.suspected_at, cadence.confirm) if tick > after]
            every = timedelta(seconds=seconds(cadence.confirm_every))
            last = watch.suspected_at + timedelta(
                seconds=seconds(cadence.confirm[-1]) if cadence.confirm else 0
            )
            spaced = timedelta(seconds=seconds(cadence.confirm_further))
            ticks += later or [
                first_multiple(watch.suspected_at + jitter, every, after),
                *(last + n * spaced + jitter for n in range(1, watch.further_looks + 1)),
            ]
    return min((tick for tick in ticks if tick > after), default=None)


def next_jitter(name: str, method: Methodology) -> timedelta:
    whole = timedelta(seconds=seconds(method.cadence.jitter)) // timedelta(microseconds=1)
    return timedelta(microseconds=whole * int(name[:8], 16) // 2**32)


def first_multiple(base: datetime, every: timedelta, after: datetime) -> datetime:
    return base + max((after - base) // every + 1, 1) * every


def grid(base: datetime, method: Methodology, after: datetime) -> list[datetime]:
    """Walk the steps one by one, skipping whole days of ticks that are long past."""
    found, offset = [base], timedelta()
    for step in method.cadence.steps:
        every = timedelta(seconds=seconds(step.every))
        until = timedelta.max if step.until is None else timedelta(seconds=seconds(step.until))
        past = min(after - base - timedelta(days=60), until) - offset
        offset += max(past // every - 1, 0) * every
        while offset < until and base + offset <= after + timedelta(days=1):
            offset = min(offset + every, until)
            found.append(base + offset)
        if offset < until:
            return found
    return found


@given(
    names,
    st.sampled_from(METHODOLOGIES),
    instants,
    st.none() | instants,
    st.none() | instants,
    st.none() | instants,
    instants,
    st.integers(0, 4),
)
def test_integers_give_the_ticks_of_the_text(
    name: str,
    method: Methodology,
    since: datetime,
    deadline: datetime | None,
    suspected: datetime | None,
    removed: datetime | None,
    after: datetime,
    further: int,
) -> None:
    """The prepared plan in microseconds gives, to the microsecond, what a walk over the methodology's text gives."""
    watch = entry(
        watch_from=since,
        deadline=deadline,
        suspected_at=suspected,
        removed_at=removed,
        further_looks=further,
    )
    assert walked(watch, name, method, after) == next_look(watch, name, method, after)
    assert plan_of(method) is plan_of(method)
