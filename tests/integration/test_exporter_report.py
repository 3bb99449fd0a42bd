"""One rule, one place: /metrics, the report and the core say the same of every history."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import Methodology, seconds
from services.core import stock
from services.core.bounds import standing
from services.core.case import Case, Spell
from services.core.exposure import exposure_bounds
from services.core.fold import fold
from services.exporter.ledger_reading import LedgerReading, NoticeReading, Reader
from services.exporter.metric_families import families
from services.ledger.store import Advance, LedgerStore
from services.reports.channels import waits
from services.reports.table import Builder
from tests import strategies
from tests.integration.ledger_kit import clock, migrated_pool

PLACE = ("takedown.reports.v1", 0)
MINUTE = timedelta(minutes=1)
NL = strategies.NL


@dataclass
class Ledger:
    """A ledger and the loop that its connections belong to."""

    runner: asyncio.Runner
    pool: asyncpg.Pool
    dsn: str

    async def hold(self, histories: list[list[Event]], methodology: Methodology) -> None:
        """Empty it, and write the histories, each as the events of a case of its own."""
        session = await asyncpg.connect(self.dsn)
        try:
            await session.execute(
                "TRUNCATE consumer_offsets, ledger_methodology, events, cases, spells, transitions, outcomes, outbox"
            )
        finally:
            await session.close()
        store = LedgerStore(self.pool, methodology, clock)
        claim = (await store.claim([PLACE]))[PLACE]
        events = [event for history in histories for event in history]
        if events:
            await store.write(events, [Advance(*PLACE, claim.epoch, 1)], _refuse)

    async def read(self, methodology: Methodology, cutoff: datetime) -> LedgerReading:
        """Read it as the exporter does."""
        return await Reader(self.pool, methodology, 20, (), 20.0).read(cutoff)


async def _refuse(indices: list[int]) -> None:
    raise AssertionError(f"refused {indices}")


@pytest.fixture
def ledger(postgres_dsn: str) -> Iterator[Ledger]:
    with asyncio.Runner() as runner:
        pool = runner.run(migrated_pool(postgres_dsn, role=None))
        yield Ledger(runner, pool, postgres_dsn)
        pool.terminate()


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """A case that goes and comes back: stretches online and gone, moves, holds, other vantages, a retraction."""
    at, events = strategies.START + draw(st.integers(0, 300)) * MINUTE, []
    providers = draw(st.sampled_from([("giant",), ("giant",), ("giant", "small")]))
    category = draw(st.sampled_from(["csam", "terrorist"]))

    def look(verdict: str, vantage: str = "v1") -> None:
        nonlocal at
        at += draw(st.sampled_from([30, 60, 300, 7, 1])) * MINUTE
        provider = draw(st.sampled_from(providers))
        events.append(strategies.look(at, verdict, provider=provider, vantage=vantage, took=0.0))

    report = ev.ReportFiled(
        reporter="hotline", sealed_url="s1.k.x", provider=providers[0], category=category
    )
    events.append(strategies.event(at, report))
    if draw(st.integers(0, 4)):
        notice = ev.NoticeSent(notice_id="n1", provider=providers[0])
        events.append(strategies.event(at + draw(st.integers(0, 90)) * MINUTE, notice))
    for _ in range(draw(st.integers(2, 5))):
        for _ in range(draw(st.sampled_from([1, 2, 0]))):
            look("online")
        for _ in range(draw(st.sampled_from([3, 4, 5, 1, 0]))):
            look("removed")
        if draw(st.integers(0, 5)) == 5:
            look(draw(st.sampled_from(["online", "removed", "undetermined"])), "v2")
        if draw(st.integers(0, 5)) == 5:
            hold = ev.HoldPlaced(
                actor="police", reason="case", expires_at=at + draw(st.integers(0, 900)) * MINUTE
            )
            events.append(strategies.event(at, hold))
    if draw(st.booleans()):
        look("online")
    if draw(st.integers(0, 7)) == 7:
        events.append(strategies.event(at, ev.ReportRetracted(actor="hotline", reason="legal")))
    return events


def histories() -> st.SearchStrategy[list[list[Event]]]:
    """Some cases with names of their own: most come and go, some are wild."""
    return st.lists(st.one_of(lives(), lives(), strategies.histories), min_size=1, max_size=6).map(
        lambda found: [
            [msgspec.structs.replace(one, case_id=f"{number:032x}") for one in history]
            for number, history in enumerate(found)
        ]
    )


@st.composite
def notice_lives(draw: st.DrawFn) -> list[Event]:
    """Notices, some with an id that was used before, and any words about them, early or late."""
    history = [draw(strategies.reports)]
    for name in draw(st.lists(strategies.notice_ids, max_size=4)):
        sent = ev.NoticeSent(notice_id=name, provider=draw(strategies.providers))
        history.append(strategies.event(draw(strategies.minutes), sent))
    words = st.one_of(strategies.delivered, strategies.failed, strategies.acknowledged)
    return history + draw(st.lists(words, max_size=6))


def folded(told: list[list[Event]], methodology: Methodology) -> list[Case]:
    return [fold(history, methodology)[0] for history in told]


_on_a_server = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_on_a_server
@given(told=histories(), methodology=strategies.methodologies, more=st.integers(0, 6000))
def test_the_metrics_are_those_of_the_report(
    ledger: Ledger, told: list[list[Event]], methodology: Methodology, more: int
) -> None:
    """Per provider: judged, standing, stock online and both sums of exposure, at one cut-off after the last event."""
    cutoff = max(event.time for history in told for event in history) + more * MINUTE
    builder = Builder(methodology, cutoff)
    for case in folded(told, methodology):
        event(f"returns: {max(len(spell.returned_at) for spell in case.spells)}")
        builder.add(case)

    async def read() -> LedgerReading:
        await ledger.hold(told, methodology)
        return await ledger.read(methodology, cutoff)

    found = _exposed(ledger.runner.run(read()), methodology)
    for row in builder.finish().providers:
        shown = {name: found[name, row.provider] for name in _OF_ROW}
        assert shown == pytest.approx({name: of(row) for name, of in _OF_ROW.items()}, abs=1e-3)


_OF_ROW: dict[str, Any] = {
    "takedown_norm_judged": lambda row: row.n,
    "takedown_cases_online": lambda row: row.still_online,
    "takedown_exposure_seconds_lower": lambda row: row.exposure_lower_hours * 3600,
    "takedown_exposure_seconds_upper": lambda row: row.exposure_upper_hours * 3600,
    "within": lambda row: row.within,
    "certain_breaches": lambda row: row.certain_breaches,
    "undecided": lambda row: row.undecided,
    "younger_than_norm": lambda row: row.younger_than_norm,
    "not_started": lambda row: row.not_started,
    "excluded": lambda row: sum(row.excluded.values()),
}


def _exposed(reading: LedgerReading, methodology: Methodology) -> dict[tuple[str, str], float]:
    """Add up the samples by metric, or standing, and provider."""
    total: dict[tuple[str, str], float] = defaultdict(float)
    for family in families(reading, methodology):
        for sample in family.samples:
            name = sample.labels.get("standing", sample.name)
            total[name, sample.labels.get("provider", "")] += sample.value
    return total


@_on_a_server
@given(told=histories(), methodology=strategies.methodologies, units=st.integers(0, 120))
def test_the_statements_decide_as_the_core(
    ledger: Ledger, told: list[list[Event]], methodology: Methodology, units: int
) -> None:
    """Standing, stock, deadlines and exposure of every group are the core's, at any cut-off, later events or not."""
    cutoff = strategies.START + timedelta(seconds=seconds(methodology.norm) / 24 * units)

    async def read() -> LedgerReading:
        await ledger.hold(told, methodology)
        return await ledger.read(methodology, cutoff)

    found: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in ledger.runner.run(read()).spells:
        group = row["provider"], row["category"]
        found[row["standing"]][group] += row["spells"]
        for name in _FIGURES:
            found[name][group] += row[name]
    expected: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for case in folded(told, methodology):
        for spell in case.spells:
            group = spell.provider or "unknown", case.category
            expected[standing(case, spell, methodology, cutoff).partition(":")[0]][group] += 1
            for name, value in _core_figures(case, spell, methodology, cutoff).items():
                expected[name][group] += value
    for name in expected.keys() | found.keys():
        assert dict(found[name]) == pytest.approx(dict(expected[name]), abs=1e-3), name


_FIGURES = (
    "online",
    "due_soon",
    "overdue_unverified",
    "without_notice",
    "waiting",
    "exposure_lower_seconds",
    "exposure_upper_seconds",
)


def _core_figures(
    case: Case, spell: Spell, methodology: Methodology, cutoff: datetime
) -> dict[str, float]:
    exposure = (0.0, 0.0) if case.retracted else exposure_bounds(spell, cutoff)
    values = (
        stock.still_online(case, spell),
        stock.due_soon(spell, methodology.norm_for(case.category), cutoff),
        stock.overdue_unverified(spell, cutoff),
        stock.without_notice(case, spell),
        waits(case, spell),
        *exposure,
    )
    return dict(zip(_FIGURES, values, strict=True))


@_on_a_server
@given(told=st.lists(notice_lives(), min_size=1, max_size=4))
def test_notices_stand_as_the_core_says(ledger: Ledger, told: list[list[Event]]) -> None:
    """Each notice that was sent is counted once, in the state that the core gives it; one in conflict is not."""
    named = [
        [msgspec.structs.replace(one, case_id=f"{number:032x}") for one in history]
        for number, history in enumerate(told)
    ]

    async def read() -> NoticeReading:
        await ledger.hold(named, NL)
        reader = Reader(ledger.pool, NL, 20, strategies.PROVIDERS, 20.0)
        return await reader.read_notices(strategies.START)

    rows = ledger.runner.run(read()).notices
    found = {(row["provider"], row["state"]): row["notices"] for row in rows}
    expected = Counter(
        (notice.provider, stock.notice_state(notice))
        for case in folded(named, NL)
        for notice in case.notices.values()
        if notice.sent_at is not None
    )
    assert found == expected


@_on_a_server
@given(
    told=histories(),
    hours=st.lists(st.integers(0, 80), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_what_is_kept_is_a_plain_recount(
    ledger: Ledger, told: list[list[Event]], hours: list[int], seed: int
) -> None:
    """A reader that reads only what changed says what one says that reads everything, at any cut-off."""
    events = [one for history in told for one in history]
    random.Random(seed).shuffle(events)

    async def compare() -> None:
        await ledger.hold([], NL)
        store, kept = LedgerStore(ledger.pool, NL, clock), Reader(ledger.pool, NL, 20, (), 20.0)
        claim = (await store.claim([PLACE]))[PLACE]
        for number, hour in enumerate(hours, 1):
            batch = events[number - 1 :: len(hours)]
            await store.write(batch, [Advance(*PLACE, claim.epoch, number)], _refuse)
            cutoff = strategies.START + timedelta(hours=hour)
            plain = Reader(ledger.pool, NL, 20, (), 20.0)
            # A name keeps its label while its reader lives.
            plain.providers, plain.categories = kept.providers, kept.categories
            assert _told(await kept.read(cutoff)) == _told(await plain.read(cutoff))
            sent = [await each.read_notices(cutoff) for each in (kept, plain)]
            assert _sorted(sent[0].notices) == _sorted(sent[1].notices)

    ledger.runner.run(compare())


def _told(reading: LedgerReading) -> list[list[str]]:
    parts = (reading.spells, reading.removals, reading.outcomes, reading.newest)
    return [_sorted(rows) for rows in parts]


def _sorted(rows: Any) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


def test_a_case_with_two_returns_is_exposed_from_the_last(ledger: Ledger) -> None:
    """Gone and back, twice: at most it was online all the time, and no hour of that counts twice."""
    # Long runs: what came back once is believed to be gone again only after many looks.
    story = (["online"] + ["removed"] * 24) * 2 + ["online"]
    looks = [
        strategies.look(
            strategies.START + timedelta(hours=hour), verdict, provider="giant", took=0.0
        )
        for hour, verdict in enumerate(story)
    ]
    cutoff = strategies.START + timedelta(hours=60)

    async def read() -> LedgerReading:
        await ledger.hold([looks], NL)
        return await ledger.read(NL, cutoff)

    (row,) = ledger.runner.run(read()).spells
    (spell,) = fold(looks, NL)[0].spells
    assert len(spell.returned_at) == 2
    # To the first removal, from there to the second, and from there to the cut-off.
    assert row["exposure_upper_seconds"] == (1 + (26 - 1) + (60 - 26)) * 3600.0
    assert row["exposure_upper_seconds"] == exposure_bounds(spell, cutoff)[1]


def test_returns_from_before_the_columns_are_filled_once(ledger: Ledger) -> None:
    """A ledger whose spells returned before their rows said when is completed at the ledger's next start."""
    story = ["online", "removed", "removed", "removed", "online"]
    looks = [
        strategies.look(
            strategies.START + timedelta(hours=hour), verdict, provider="giant", took=0.0
        )
        for hour, verdict in enumerate(story)
    ]

    async def fill() -> tuple[Any, Any]:
        await ledger.hold([looks], NL)
        names = "SELECT last_removed_upper, last_returned_at FROM spells"
        before = await ledger.pool.fetchrow(names)
        await ledger.pool.execute(
            "UPDATE spells SET last_removed_upper = NULL, last_returned_at = NULL"
        )
        await LedgerStore(ledger.pool, NL, clock).check_methodology()
        return before, await ledger.pool.fetchrow(names)

    before, after = ledger.runner.run(fill())
    assert before == after
    assert None not in tuple(after)
