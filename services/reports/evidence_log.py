"""Read the evidence about one provider from the log, case by case, in one snapshot and without any sealed URL."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import groupby

import asyncpg

from schemas.events import Event
from schemas.sqlfiles import statements
from services.ledger import rows

_CHUNK = 200


def _statement(name: str) -> str:
    return statements("services.reports", "evidence.sql")[name]


async def concerns_any(session: asyncpg.Connection, provider: str) -> bool:
    """Tell whether any case concerns a provider."""
    return bool(await session.fetch(_statement("cases_of_provider"), provider))


async def evidence(
    session: asyncpg.Connection, provider: str, cutoff: datetime
) -> AsyncIterator[list[Event]]:
    """Give the events of each case that concerns a provider, up to a cut-off, in the order of the case ids."""
    async with session.transaction(isolation="repeatable_read", readonly=True):
        cases = await session.fetch(_statement("cases_of_provider"), provider)
        names = [row["case_id"] for row in cases]
        async for log in logs(session, names, cutoff):
            yield log


async def logs(
    session: asyncpg.Connection, case_ids: Sequence[str], cutoff: datetime
) -> AsyncIterator[list[Event]]:
    """Give the events of each of some cases, up to a cut-off, each case's in order of their time."""
    for start in range(0, len(case_ids), _CHUNK):
        chunk = case_ids[start : start + _CHUNK]
        logged = await session.fetch(_statement("log_until"), chunk, cutoff)
        for _, log in groupby(logged, key=lambda row: row["case_id"]):
            yield [rows.event_of(row) for row in log]
