"""The real data through the real pipeline, and again after a replay: the reference to the last digit."""

import asyncio
import json
import random
from pathlib import Path

import asyncpg
import pytest

from consumers.ledger.ledger_consumer import LedgerConsumer
from schemas.events import Event
from schemas.methodology import shipped
from services.core.case import Case
from services.exporter.health import Health
from services.ledger import rows
from services.reports import table, urlhaus
from services.reports.table import Row
from tests.as_configured import ledger_options
from tests.integration.ledger_kit import KEYRING, Lab, clock, pure_digest
from tests.integration.replay_kit import compared, replayed

DATA = Path(__file__).parents[1] / "data"
DUMP = DATA / "urlhaus-2026-03-09T0928.csv.gz"
REFERENCE = json.loads((DATA / "urlhaus-2026-03-09T0928.reference.json").read_text())
METHOD = shipped()["urlhaus-report-clock"]
REPLAYS = 10


def arrivals(seed: int) -> list[Event]:
    """Give the dump's events shuffled, 5 % twice, 10 % after all others."""
    rng = random.Random(seed)
    events = list(urlhaus.events(DUMP, KEYRING))
    rng.shuffle(events)
    late = len(events) // 10
    first, last = events[late:], events[:late]
    doubled = first + rng.sample(events, len(events) // 20)
    rng.shuffle(doubled)
    return doubled + last


def as_reference(row: Row) -> dict[str, object]:
    assert row.lower is not None
    assert row.upper is not None
    return {
        "n": row.n,
        "within": row.within,
        "not_certainly_outside": row.not_certainly_outside,
        "certain_breaches": row.certain_breaches,
        "lower": round(row.lower, 4),
        "upper": round(row.upper, 4),
    }


async def cases_in(dsn: str, schema: str) -> list[Case]:
    session = await asyncpg.connect(dsn)
    try:
        found = await session.fetch(f'SELECT state, sealed_url FROM "{schema}".cases')
    finally:
        await session.close()
    return [rows.case_of(row["state"], row["sealed_url"]) for row in found]


def check(cases: list[Case]) -> None:
    """Compare a ledger with the reference, number by number."""
    made = table.build(cases, METHOD, urlhaus.cutoff(DUMP))
    by_name = {row.provider: row for row in made.providers if not row.too_few}
    assert made.reports == REFERENCE["rows"]
    assert made.pooled.excluded["gone_before_notice"] == REFERENCE["never_seen_online"]
    assert as_reference(made.pooled) == REFERENCE["pooled"]
    assert len(by_name) == REFERENCE["groups_n30"]
    for name, expected in REFERENCE["groups"].items():
        assert as_reference(by_name[name]) == expected


@pytest.mark.timeout(900)
async def test_the_reference_holds_live_and_after_every_replay(
    ledger: Lab, postgres_dsn: str
) -> None:
    """Shuffled, with 5 % duplicates and 10 % late events: the reference live, and one digest ten times out of ten."""
    told = arrivals(11)
    await ledger.produce(told)
    await live_under(ledger)
    expected = pure_digest(told, METHOD)
    assert await ledger.digest() == expected
    check(await cases_in(postgres_dsn, "public"))
    digests = []
    for number in range(REPLAYS):
        found = await replayed(
            ledger, postgres_dsn, f"run{number}", method=METHOD, unit_records=4000 * (number + 2)
        )
        digests.append(found.digest)
    assert digests == [expected] * REPLAYS
    check(await cases_in(postgres_dsn, "replay_run9"))
    summary, _ = await compared(postgres_dsn, "run9", "live", [METHOD])
    assert summary.same


async def live_under(ledger: Lab) -> None:
    """Fold live under the reference's methodology."""
    consumer = LedgerConsumer(
        ledger.kafka, ledger.pool, KEYRING, METHOD, Health(), clock, **ledger_options()
    )
    stop = asyncio.Event()
    ledger.running.append((stop, asyncio.create_task(consumer.run(stop))))
    await ledger.drained(300)
    await ledger.stop()
