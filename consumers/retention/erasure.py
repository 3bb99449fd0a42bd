"""The erasures that are due: of every case whose watch ended long enough ago, the URL is to be destroyed.

The ledger does it, as after `takedown correct erase`. An erasure is dated by the end of the watch, so it is a
function of the evidence: sent twice, by two processes or after a crash, it is one event.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg

from schemas.codec import stated
from schemas.events import CaseErased, Event
from schemas.methodology import Methodology
from services.core.watch_entry import ended_at
from services.ledger import retained

ACTOR = "retention"
SOURCE = "takedown:retention"
# Any report after the end is a new claim, also one that the ledger has still to read.
_AFTER = timedelta(microseconds=1)


async def erasures(
    pool: asyncpg.Pool, methodology: Methodology, now: datetime, period: timedelta
) -> AsyncIterator[Event]:
    """Give the erasure of every case whose watch ended at least `period` ago and whose URL is still there."""
    reason = f"{period.days} days after the end of the watch"
    async for case in retained.quiet_cases(pool, now - period):
        ended = ended_at(case, methodology)
        if ended is not None and ended + period <= now:
            erasure = CaseErased(actor=ACTOR, reason=reason)
            yield stated(case.case_id, erasure, ended + _AFTER, SOURCE)
