"""The newest evidence behind a table: a cut-off of today says nothing where the data end in March."""

from datetime import datetime, timedelta

import msgspec

from schemas.methodology import Methodology, seconds
from schemas.sqlfiles import statements
from services.ledger.pool import DatabaseConnection, session_of
from services.reports.figures import Table

_WEEK = timedelta(days=7)


async def newest_evidence(connection: DatabaseConnection) -> datetime | None:
    """Give the time of the newest event that a case of the ledger has; None: it has none."""
    async with session_of(connection) as session:
        text = statements("services.reports", "newest.sql")["newest_evidence"]
        newest: datetime | None = await session.fetchval(text)
        return newest


def with_newest(table: Table, newest: datetime | None, method: Methodology) -> Table:
    """Say in a table up to when there is evidence, and whether what is online was seen lately enough.

    Where the ledger reaches beyond the cut-off the data did not end before it, and there is nothing to say of that.
    Reports go on coming where nobody looks any more, so it is the sightings that make a stock stale.
    """
    seen = table.newest_sighting
    return msgspec.structs.replace(
        table,
        newest_evidence=None if newest is None or newest > table.cutoff else newest,
        stale=seen is not None and table.cutoff - seen > longest_pause(method),
    )


def longest_pause(method: Methodology) -> timedelta:
    """Give the longest time that the cadence leaves between two looks at a case, of those that it looks at weekly."""
    pauses = (timedelta(seconds=seconds(step.every)) for step in method.cadence.steps)
    return min(max(pauses), _WEEK)
