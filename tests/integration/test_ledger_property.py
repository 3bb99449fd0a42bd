"""Law 1 in Postgres: any order of arrival, any duplicates, any split into batches give the same ledger."""

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import CaseErased, Event, ReportFiled
from services.core.fold import fold, order
from services.ledger.ledger_digest import ledger_digest
from services.ledger.store import Advance, LedgerStore
from tests import strategies
from tests.integration.ledger_kit import METHOD, clock, migrated_pool, pure_digest, pure_outcomes

CASES = ("a" * 32, "b" * 32)
PLACE = ("takedown.reports.v1", 0)


@dataclass
class Ledger:
    """A ledger and the loop that its connections belong to."""

    runner: asyncio.Runner
    pool: asyncpg.Pool
    dsn: str

    async def empty(self) -> None:
        session = await asyncpg.connect(self.dsn)
        try:
            await session.execute(
                "TRUNCATE consumer_offsets, events, cases, spells, transitions, outcomes, outbox"
            )
        finally:
            await session.close()

    async def fill(self, batches: list[list[Event]]) -> None:
        store = LedgerStore(self.pool, METHOD, clock)
        claim = (await store.claim([PLACE]))[PLACE]
        for number, batch in enumerate(batches, 1):
            await store.write(batch, [Advance(*PLACE, claim.epoch, number)], _refuse)


async def _refuse(indices: list[int]) -> None:
    raise AssertionError(f"refused {indices}")


@pytest.fixture
def ledger(postgres_dsn: str) -> Iterator[Ledger]:
    with asyncio.Runner() as runner:
        pool = runner.run(migrated_pool(postgres_dsn))
        yield Ledger(runner, pool, postgres_dsn)
        pool.terminate()


def of_case(event: Event, case: str) -> Event:
    return msgspec.structs.replace(event, case_id=case)


@st.composite
def arrivals(
    draw: st.DrawFn,
    stories: st.SearchStrategy[list[Event]] = strategies.histories | strategies.unnoticed_histories,
) -> tuple[list[Event], list[list[Event]]]:
    """Give a set of events of two cases, and batches in which they arrive, some of them more than once."""
    told = [of_case(event, case) for case in CASES for event in draw(stories)]
    doubled = told + draw(st.lists(st.sampled_from(told), max_size=10))
    shuffled = draw(st.permutations(doubled))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=6)))
    edges = [0, *cuts, len(shuffled)]
    return told, [shuffled[a:b] for a, b in itertools.pairwise(edges)]


_on_a_server = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_on_a_server
@given(arrived=arrivals())
def test_any_arrival_gives_the_ledger_of_the_fold(
    ledger: Ledger, arrived: tuple[list[Event], list[list[Event]]]
) -> None:
    """Digest, standing outcomes and the published sequence are those of one fold of the set."""
    told, batches = arrived

    async def check() -> None:
        await ledger.empty()
        await ledger.fill(batches)
        assert pure_digest(told) == await ledger_digest(ledger.pool)
        rows = await ledger.pool.fetch("SELECT outcome_id, provider, voided_at FROM outcomes")
        standing = {
            (row["outcome_id"], row["provider"]) for row in rows if row["voided_at"] is None
        }
        expected = {
            (one.id, one.data.provider)  # type: ignore[attr-defined]
            for one in pure_outcomes(told)
        }
        assert expected == standing
        assert expected == await _left_standing(ledger.pool)

    ledger.runner.run(check())


@_on_a_server
@given(arrived=arrivals(strategies.claims))
def test_any_arrival_keeps_the_urls_that_no_erasure_destroyed(
    ledger: Ledger, arrived: tuple[list[Event], list[list[Event]]]
) -> None:
    """The log keeps the URLs of reports after the last erasure and no others; each case has that of its fold."""
    told, batches = arrived

    async def check() -> None:
        await ledger.empty()
        await ledger.fill(batches)
        assert pure_digest(told) == await ledger_digest(ledger.pool)
        rows = await ledger.pool.fetch("SELECT case_id, sealed_url FROM cases")
        folded = {e.case_id: [o for o in told if o.case_id == e.case_id] for e in told}
        expected = {case: fold(events, METHOD)[0].sealed_url for case, events in folded.items()}
        assert expected == {row["case_id"]: row["sealed_url"] for row in rows}
        kept = await ledger.pool.fetch("SELECT event_id FROM events WHERE body ? 'sealed_url'")
        assert {row["event_id"] for row in kept} == {
            event.id
            for events in folded.values()
            for event in events
            if isinstance(event.data, ReportFiled) and not _erased_after(event, events)
        }

    ledger.runner.run(check())


def _erased_after(report: Event, events: list[Event]) -> bool:
    return any(isinstance(e.data, CaseErased) and order(e) > order(report) for e in events)


async def _left_standing(pool: asyncpg.Pool) -> set[tuple[object, object]]:
    """Read the outbox as a subscriber would: outcomes stand until they are voided."""
    standing: dict[str, tuple[object, object]] = {}
    for row in await pool.fetch(
        "SELECT value, headers::text AS headers FROM outbox WHERE topic = 'takedown.outcomes.v1' ORDER BY id"
    ):
        headers = dict(msgspec.json.decode(row["headers"]))
        data = msgspec.json.decode(row["value"])
        if headers["ce_type"] == "takedown.outcome.voided.v1":
            del standing[data["outcome_id"]]
        else:
            standing[headers["ce_id"]] = (uuid.UUID(headers["ce_id"]), data["provider"])
    return set(standing.values())
