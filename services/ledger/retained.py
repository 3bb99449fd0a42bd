"""What retention asks of the ledger: the cases that still have a URL and of which nothing was heard for long."""

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

from services.core.case import Case
from services.ledger import rows
from services.ledger.pool import streamed
from services.ledger.queries import query


async def quiet_cases(pool: asyncpg.Pool, since: datetime) -> AsyncIterator[Case]:
    """Give the cases with a sealed URL whose last event is older than `since`, in one snapshot."""
    async with (
        pool.acquire() as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        async for row in streamed(session, query("quiet_cases"), since, prefetch=500):
            yield rows.case_of(row["state"], row["sealed_url"])
