"""A later look is written to the place where its case was locked."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from schemas.events import Event
from services.core.digest import fold_digest
from services.ledger import migrate, rows
from services.ledger.ledger_digest import LedgerInconsistent, ledger_digest
from services.ledger.pool import open_pool
from services.ledger.queries import query
from services.ledger.store import Advance, LedgerStore
from tests.as_configured import database_at
from tests.integration.ledger_kit import METHOD, case_of, clock, look, report
from tests.strategies import START

CASES = 2000
PLACE = ("takedown.observations.v1", 0)


class Writer:
    """Writes batches without Kafka."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.told: list[Event] = []
        self._store = LedgerStore(pool, METHOD, clock)

    async def write(self, events: list[Event]) -> None:
        """Write a batch and remember it."""
        claim = (await self._store.claim([PLACE]))[PLACE]
        advance = Advance(*PLACE, claim.epoch, claim.next_offset + len(events))
        await self._store.write(events, [advance], self._refuse)
        self.told += events

    async def equal(self) -> bool:
        """Tell whether the ledger is the fold of what was told."""
        groups: dict[str, list[Event]] = {}
        for event in self.told:
            groups.setdefault(event.case_id, []).append(event)
        return await ledger_digest(self.pool) == fold_digest(groups, METHOD)

    async def _refuse(self, indices: list[int]) -> None:
        raise AssertionError(indices)


@pytest.fixture
async def writer(postgres_dsn: str) -> AsyncIterator[Writer]:
    session = await asyncpg.connect(postgres_dsn)
    await migrate.up(session)
    await session.close()
    pool = await open_pool(database_at(postgres_dsn, role="takedown_ledger"))
    yield Writer(pool)
    await pool.close()


def looks(numbers: range, hours: float) -> list[Event]:
    return [look(number, START + timedelta(hours=hours), "online") for number in numbers]


async def test_later_looks_ask_no_index_and_read_no_table(
    writer: Writer, postgres_dsn: str
) -> None:
    """However many cases there are, the update goes to each row's place and nowhere else."""
    await writer.write([report(number) for number in range(CASES)])
    session = await asyncpg.connect(postgres_dsn)
    await session.execute("ANALYZE cases")
    await session.execute("SET plan_cache_mode = force_generic_plan")
    await session.execute(f"PREPARE later AS {query('extend_cases')}")
    nothing = "ARRAY[]::tid[], ARRAY[]::text[], ARRAY[]::bytea[], ARRAY[]::integer[], NULL, NULL"
    plan = "\n".join(row[0] for row in await session.fetch(f"EXPLAIN EXECUTE later ({nothing})"))
    await session.close()
    assert "Tid Scan on cases" in plan
    assert "Seq Scan" not in plan
    assert "Index Scan" not in plan


async def test_rows_that_moved_between_batches_are_found(writer: Writer, postgres_dsn: str) -> None:
    """A place is good for one transaction: the next batch finds rows that updates and a rewrite have moved."""
    await writer.write([report(number) for number in range(50)])
    await writer.write(looks(range(50), 1))
    session = await asyncpg.connect(postgres_dsn)
    await session.execute("VACUUM FULL cases")
    await session.close()
    await writer.write(looks(range(0, 50, 2), 2))
    await writer.write(looks(range(50), 3))
    assert await writer.equal()


@pytest.mark.parametrize("number", [2, None], ids=["another case", "nothing"])
async def test_a_place_without_its_case_stops_the_batch(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """A case that is not where it was locked is an error, whatever stands there, and nothing of the batch stays."""
    await writer.write([report(1), report(2), *looks(range(1, 2), 1)])
    other = "SELECT ctid FROM cases WHERE case_id = $1"
    there = (1000, 1) if number is None else await writer.pool.fetchval(other, case_of(number))
    row_of = rows.later_case_row

    def astray(place: Any, *others: Any) -> rows.LaterCase:
        return row_of(place, *others)._replace(place=there)

    monkeypatch.setattr(rows, "later_case_row", astray)
    before = await ledger_digest(writer.pool)
    with pytest.raises(LedgerInconsistent, match="not where it was locked"):
        await writer.write(looks(range(1, 2), 2))
    assert await ledger_digest(writer.pool) == before
    found = await writer.pool.fetchval("SELECT count(*) FROM events WHERE case_id = $1", case_of(1))
    assert found == 2
