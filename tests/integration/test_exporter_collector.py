"""The exporter's SQL against real Postgres: it must say what the core says, and never count twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import Methodology, seconds, shipped
from services.core import bounds
from services.core.case import Case, Spell
from services.core.fold import UNKNOWN_CATEGORY, fold
from services.exporter import figure_metrics, metrics
from services.exporter.collector import Exporter
from services.exporter.health import Health
from services.exporter.ledger_reading import LedgerReading, Reader, buckets
from services.exporter.metric_families import JUDGED, families
from services.ledger.pool import open_pool
from tests import strategies
from tests.as_configured import database_at
from tests.integration import exporter_ledger as ledger

NL = shipped()["nl-24h"]
START = datetime(2026, 1, 1, tzinfo=UTC)
BREACHED = "takedown.spell.breached.v1"


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """A migrated, empty ledger, seen with the rights of the exporter."""
    await ledger.make(postgres_dsn)

    pool = await open_pool(database_at(postgres_dsn, max_size=2, role="takedown_exporter"))
    yield pool
    await pool.close()


@pytest.fixture
async def owner(postgres_dsn: str, pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection, which may write."""
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


def reader(pool: asyncpg.Pool, methodology: Methodology = NL, **options: Any) -> Reader:
    defaults = {"top_providers": 20, "watch_providers": (), "timeout_seconds": 20.0}
    return Reader(pool, methodology, **(defaults | options))


def exporter(pool: asyncpg.Pool, registry: CollectorRegistry, **options: Any) -> Exporter:
    now = options.pop("now", START)
    chosen = {
        "top_providers": 20,
        "watch_providers": (),
        "interval_seconds": 15.0,
        "public_status": False,
    } | options
    return Exporter(pool, NL, Health(), lambda: now, registry=registry, **chosen)


def folded(histories: list[list[Event]], methodology: Methodology) -> list[tuple[Case, Spell]]:
    """Fold each history as a case of its own."""
    pairs = []
    for number, history in enumerate(histories):
        case, _ = fold(history, methodology)
        case.case_id = f"{number:032x}"
        pairs += [(case, spell) for spell in case.spells]
    return pairs


async def fill(owner: asyncpg.Connection, pairs: Iterable[tuple[Case, Spell]]) -> None:
    await owner.execute("TRUNCATE spells")
    await ledger.insert(owner, "spells", (ledger.row_of(*pair) for pair in pairs))


def standings(reading: LedgerReading) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for row in reading.spells:
        found[row["provider"], row["category"], row["standing"]] += row["spells"]
    return found


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """The values of one series, by label values."""
    return {
        tuple(sample.labels.values()): sample.value
        for found in registry.collect()
        for sample in found.samples
        if sample.name == name
    }


@st.composite
def told(draw: st.DrawFn, methodology: Methodology) -> list[Event]:
    """A case that goes its usual way, in units of a 24th of the norm: notice, looks, removal, return.

    Every instant is a multiple of the unit, so that sightings, removals and cut-offs meet deadlines exactly.
    """
    unit = timedelta(seconds=seconds(methodology.norm) / 24)
    began = draw(st.integers(0, 12))
    last, gap = (
        draw(st.sampled_from([0, 1, 12, 22, 23, 24, 25, 40])),
        draw(st.sampled_from([1, 2, 30])),
    )
    category, provider = draw(st.sampled_from(["csam", "terrorist"])), draw(strategies.providers)

    def at(units: int) -> datetime:
        return START + unit * (began + units)

    def look(units: int, verdict: str) -> Event:
        return strategies.look(at(units), verdict, took=0.0)

    report = ev.ReportFiled(
        reporter="hotline", sealed_url="s1.k.x", provider=provider, category=category
    )
    notice = ev.NoticeSent(notice_id="n1", provider=provider)
    history = [strategies.event(at(0), report), strategies.event(at(0), notice)]
    history += [look(units, "online") for units in {last // 2, last}]
    history += [
        look(last + gap + more, "removed") for more in range(draw(st.sampled_from([0, 1, 3, 4])))
    ]
    if draw(st.integers(0, 3)) == 0:
        history.append(look(last + gap + draw(st.integers(5, 30)), "online"))
    if draw(st.integers(0, 7)) == 0:
        history.append(
            strategies.event(at(last), ev.ReportRetracted(actor="hotline", reason="legal"))
        )
    return history


def ledgers(methodology: Methodology) -> st.SearchStrategy[tuple[Methodology, list[list[Event]]]]:
    """A methodology and the histories of some cases: most go their usual way, some are wild."""
    one = st.one_of(told(methodology), told(methodology), told(methodology), strategies.histories)
    return st.tuples(st.just(methodology), st.lists(one, min_size=1, max_size=8))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ledger_of=strategies.methodologies.flatmap(ledgers),
    units=st.one_of(st.integers(24, 36), st.integers(0, 120)),
)
async def test_sql_agrees_with_the_core(
    pool: asyncpg.Pool,
    owner: asyncpg.Connection,
    ledger_of: tuple[Methodology, list[list[Event]]],
    units: int,
) -> None:
    """The SQL puts every spell where services.core.bounds puts it, and law 5 holds in every group."""
    methodology, histories = ledger_of
    cutoff = START + timedelta(seconds=seconds(methodology.norm) / 24 * units)
    pairs = folded(histories, methodology)
    await fill(owner, pairs)

    reading = await reader(pool, methodology).read(cutoff)

    expected: Counter[tuple[str, str, str]] = Counter()
    for case, spell in pairs:
        standing = bounds.standing(case, spell, methodology, cutoff).partition(":")[0]
        expected[spell.provider or "unknown", case.category, standing] += 1
    assert standings(reading) == expected
    _law_5(reading, pairs, methodology, cutoff)


def _law_5(
    reading: LedgerReading,
    pairs: list[tuple[Case, Spell]],
    methodology: Methodology,
    cutoff: datetime,
) -> None:
    total = bounds.count(pairs, methodology, cutoff)
    exposed = {
        (sample.name, sample.labels.get("provider")): sample.value
        for family in families(reading, methodology)
        for sample in family.samples
    }
    per_provider = [
        v for (name, _), v in exposed.items() if name == figure_metrics.NORM_JUDGED.name
    ]
    assert sum(per_provider) == total.n
    found = standings(reading)
    assert sum(n for (_, _, s), n in found.items() if s in JUDGED) == total.n
    assert exposed.get((figure_metrics.NORM_SHARE_LOWER.name, "all")) == total.lower
    assert exposed.get((figure_metrics.NORM_SHARE_UPPER.name, "all")) == total.upper


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ledger_of=strategies.methodologies.flatmap(ledgers))
async def test_removal_buckets_agree_with_the_core(
    pool: asyncpg.Pool,
    owner: asyncpg.Connection,
    ledger_of: tuple[Methodology, list[list[Event]]],
) -> None:
    """Each bucket counts the first removals with seconds <= its end, lower and upper, as Python counts them."""
    methodology, histories = ledger_of
    cutoff = START + timedelta(days=400)
    pairs = folded(histories, methodology)
    await fill(owner, pairs)

    reading = await reader(pool, methodology).read(cutoff)

    ends = (*buckets(methodology), float("inf"))
    expected: Counter[tuple[str, float]] = Counter()
    for case, spell in pairs:
        for side, value in _removal_seconds(case, spell, methodology, cutoff):
            expected[side, next(end for end in ends if value <= end)] += 1
    found: Counter[tuple[str, float]] = Counter()
    for row in reading.removals:
        found[row["side"], ends[row["bucket"]]] += row["removals"]
    assert found == expected


def _removal_seconds(
    case: Case, spell: Spell, methodology: Methodology, cutoff: datetime
) -> list[tuple[str, float]]:
    first = spell.removals[0] if spell.removals else None
    if first is None or first.lower is None or spell.clock_started_at is None:
        return []
    standing = bounds.standing(case, spell, methodology, cutoff)
    started_from = spell.clock_started_from or spell.clock_started_at
    if standing.startswith("excluded") or first.upper <= started_from:
        return []
    assert spell.deadline is not None
    held = spell.deadline - spell.clock_started_at - methodology.norm_for(case.category)
    start = spell.clock_started_at + held
    return [
        ("lower", max((first.lower - start).total_seconds(), 0.0)),
        (
            "upper",
            max((first.upper - start + spell.clock_started_at - started_from).total_seconds(), 0.0),
        ),
    ]


def spell_row(number: int, **extra: Any) -> dict[str, Any]:
    """A spell at provider `giant` whose clock started at START."""
    case = Case(case_id=f"{number:032x}", category="csam", spells=[])
    spell = Spell(number=1, opened_at=START, provider="giant")
    started = {
        "clock_started_at": START,
        "deadline": START + timedelta(hours=24),
        "clock": "RUNNING",
        "procedure": "NOTIFIED",
    }
    return ledger.row_of(case, spell) | started | extra


async def test_deadlines_and_stock(pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    """Due soon is the last twelfth of the norm while online; past the deadline it is overdue, unverified."""
    seen = {"presence": "ONLINE", "first_online_at": START, "known_online_at": START}
    rows = [
        spell_row(1, **seen),
        spell_row(2, **seen | {"presence": "REMOVED"}),
        spell_row(3, **seen | {"presence": "SUSPECTED"}),
        spell_row(
            4, **seen | {"closed_reason": "moved", "procedure": "CLOSED", "clock": "STOPPED"}
        ),
        spell_row(5, clock="STOPPED", clock_started_at=None, deadline=None, procedure="REPORTED"),
    ]
    await ledger.insert(owner, "spells", rows)

    async def at(hours: float) -> dict[str, int]:
        reading = await reader(pool).read(START + timedelta(hours=hours))
        names = ("due_soon", "overdue_unverified", "online", "without_notice")
        return {name: sum(row[name] for row in reading.spells) for name in names}

    stock = {"online": 2, "without_notice": 1}
    assert await at(22) == {"due_soon": 0, "overdue_unverified": 0} | stock
    assert await at(22.01) == {"due_soon": 1, "overdue_unverified": 0} | stock
    assert await at(24) == {"due_soon": 0, "overdue_unverified": 3} | stock


async def test_exposure_grows_only_between_its_bounds(
    pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """An open stretch counts from first to last sighting below, and from opening to now above."""
    seen = {"presence": "ONLINE", "first_online_at": START + timedelta(hours=1)}
    known = START + timedelta(hours=5)
    await ledger.insert(owner, "spells", [spell_row(1, **seen, known_online_at=known)])

    (row,) = (await reader(pool).read(START + timedelta(hours=6))).spells

    assert row["exposure_lower_seconds"] == 4 * 3600
    assert row["exposure_upper_seconds"] == 6 * 3600


async def test_breaches_come_from_outcomes(pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    """A second process shows the same totals at once; a voided breach stays counted and is told apart."""
    await ledger.insert(owner, "spells", [spell_row(1)])
    await ledger.insert(
        owner,
        "outcomes",
        [
            ledger.outcome(1, BREACHED, "giant", START),
            ledger.outcome(2, BREACHED, "giant", START, voided_at=START),
            ledger.outcome(3, "takedown.spell.removed.v1", "giant", START),
        ],
    )
    for _ in range(2):
        registry = CollectorRegistry()
        one = exporter(pool, registry)
        registry.register(one._snapshot)
        await one.read_once()
        await one.read_once()
        # The methodology's own category is a series before its first case.
        rest = {("giant", "terrorist"): 0.0}
        own = {"breaches": 2.0, "breaches_voided": 1.0, "removals": 1.0, "returns": 0.0}
        for name, value in own.items():
            shown = samples(registry, f"takedown_{name}_total")
            assert shown == {("giant", "csam"): value} | rest


async def test_labels_are_bounded_and_sticky(pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    """The watch list and the largest are named, the rest is `other`, and a named provider stays named."""
    providers = ["giant"] * 3 + ["small"] * 2 + ["tiny", "all", None, "watched"]
    rows = [spell_row(i, provider=name) for i, name in enumerate(providers)]
    await ledger.insert(owner, "spells", rows)
    one = reader(pool, top_providers=1, watch_providers=("watched", "absent"))

    first = await one.read(START)
    await owner.execute("UPDATE spells SET provider = 'tiny' WHERE provider = 'giant'")
    # As the ledger does it: no change of a case without an event of it.
    await ledger.insert(owner, "events", [_event_row("takedown.case.attributed.v1", "{}", 1)])
    second = await one.read(START)

    def named(reading: LedgerReading) -> dict[str, int]:
        found: Counter[str] = Counter()
        for row in reading.spells:
            found[row["provider"]] += row["spells"]
        return dict(found)

    assert named(first) == {"giant": 3, "watched": 1, "unknown": 1, "other": 4}
    assert named(second) == {"watched": 1, "unknown": 1, "other": 7}
    assert list(second.providers) == ["watched", "absent", "giant"]


async def test_a_look_before_its_report_leaves_no_series(
    pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """What a case was while its report was still to be written is gone from the series once it is."""
    unreported = {"provider": None, "category": UNKNOWN_CATEGORY, "clock": "STOPPED"}
    await ledger.insert(owner, "spells", [spell_row(1), spell_row(2) | unreported])
    one = reader(pool)

    def series(reading: LedgerReading) -> set[tuple[str, str]]:
        spells = next(each for each in families(reading, NL) if each.name == "takedown_spells")
        return {(s.labels["provider"], s.labels["category"]) for s in spells.samples}

    assert ("unknown", UNKNOWN_CATEGORY) in series(await one.read(START))
    await owner.execute("UPDATE spells SET provider = 'giant', category = 'csam'")
    await ledger.insert(owner, "events", [_event_row("takedown.report.filed.v1", "{}", 1)])
    assert series(await one.read(START)) == {("giant", name) for name in NL.norms | {"csam": ""}}


async def test_notices_partition_by_state(pool: asyncpg.Pool, owner: asyncpg.Connection) -> None:
    """Every notice is in exactly one state, the one that proves most."""
    kinds = {"n1": "", "n2": "delivered", "n3": "failed", "n4": "delivered acknowledged"}
    rows = []
    for notice, states in kinds.items():
        for state in ["sent", *states.split()]:
            body = f'{{"notice_id": "{notice}", "provider": "giant", "reason": "blocked"}}'
            rows.append(_event_row(f"takedown.notice.{state}.v1", body, len(rows)))
    await ledger.insert(owner, "events", rows)

    reading = await reader(pool, watch_providers=("giant",)).read_notices(START)

    found = {(row["provider"], row["state"]): row["notices"] for row in reading.notices}
    states = ("sent", "delivered", "failed", "acknowledged")
    assert found == {("giant", state): 1 for state in states}


async def test_a_notice_in_conflict_is_not_counted(
    pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """An id that was used again, for another provider or at another time, counts once: for the first that had it."""
    told = (("n1", "giant"), ("n1", "other-host"), ("n1", "giant"), ("n2", "giant"))
    rows = [
        _event_row(
            "takedown.notice.sent.v1", f'{{"notice_id": "{notice}", "provider": "{provider}"}}', n
        )
        for n, (notice, provider) in enumerate(told)
    ]
    await ledger.insert(owner, "events", [*rows[:1], rows[1] | {"event_time": START}, *rows[2:]])

    reading = await reader(pool, watch_providers=("giant", "other-host")).read_notices(START)

    found = {(row["provider"], row["state"]): row["notices"] for row in reading.notices}
    assert found == {("giant", "sent"): 2}


def _event_row(kind: str, body: str, number: int) -> dict[str, Any]:
    return {
        "event_id": f"00000000-0000-5000-8000-{number:012x}",
        "case_id": "0" * 32,
        "event_time": START + timedelta(minutes=number),
        "type": kind,
        "source": "test",
        "body": body,
    }


async def test_failed_reading_keeps_the_old_figures(
    pool: asyncpg.Pool, owner: asyncpg.Connection
) -> None:
    """A reading that Postgres cuts off is counted, and the older figures stay with their age."""
    await ledger.insert(owner, "spells", [spell_row(1)])
    registry = CollectorRegistry()
    one = exporter(pool, registry, statement_timeout_seconds=2.0)
    registry.register(one._snapshot)
    await one.read_once()
    before = _failures()
    async with owner.transaction():
        await owner.execute("LOCK TABLE consumer_offsets IN ACCESS EXCLUSIVE MODE")
        await one.read_once()
    assert _failures() == before + 1
    ages = samples(registry, "takedown_snapshot_timestamp_seconds")
    assert ages == {("figures",): START.timestamp(), ("notices",): START.timestamp()}
    assert sum(samples(registry, "takedown_spells").values()) == 1


def _failures() -> float:
    value = metrics.REGISTRY.get_sample_value(
        "takedown_collector_failures_total", {"part": "figures"}
    )
    assert value is not None
    return value


async def test_run_publishes_and_stops(pool: asyncpg.Pool) -> None:
    """The loop publishes at once, reports itself, and leaves the registry as it found it."""
    registry, stop, health = CollectorRegistry(), asyncio.Event(), Health()
    one = Exporter(
        pool,
        NL,
        health,
        lambda: START,
        top_providers=20,
        watch_providers=(),
        interval_seconds=3600.0,
        public_status=False,
        registry=registry,
    )
    running = asyncio.create_task(one.run(stop))
    while len(samples(registry, "takedown_snapshot_timestamp_seconds")) < 2:
        assert not running.done()
        await asyncio.sleep(0)
    ready, said = await health.ready()
    assert ready, said
    assert health.live()[0]
    assert set(health.live()[1]["loops"]) == {"exporter_figures", "exporter_notices"}
    stop.set()
    await running
    assert list(registry.collect()) == []
    assert health.live() == (True, {"loops": {}})


def test_buckets_hold_every_norm_exactly() -> None:
    """A share within the norm can be read off a bucket for every shipped methodology."""
    for methodology in shipped().values():
        ends = buckets(methodology)
        assert seconds(methodology.norm) in ends
        assert {seconds(text) for text in methodology.norms.values()} <= set(ends)
        assert list(ends) == sorted(set(ends))
    assert [end / 3600 for end in buckets(NL)] == [
        1,
        2,
        4,
        8,
        12,
        18,
        24,
        36,
        48,
        72,
        168,
        336,
        720,
    ]
