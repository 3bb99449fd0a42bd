"""Fill a ledger with the article's year, in the tree of whichever build this is run in.

Uses only what every build since the first release has, so that a former one can fill its own database with it.

    python -c "$(cat tests/benchmarks/fill_year.py)" DSN CASES
"""

import asyncio
import sys

import asyncpg

from schemas.methodology import shipped
from services.core.fold import fold
from services.ledger import migrate, rows
from tests.benchmarks import article_year as year

_NAMES = ("case_id", "event_id", "event_time", "type", "source", "body")
_CASES_AT_ONCE = 5000


async def fill(dsn: str, cases: int) -> int:
    """Write the events and the folded cases as the ledger would, but by COPY; return how many events."""
    method, written = shipped()["nl-24h"], 0
    session = await asyncpg.connect(dsn)
    await migrate.up(session)
    stories = list(year.stories(cases))
    for start in range(0, cases, _CASES_AT_ONCE):
        lives = [
            [event for _, event in year.events_of(story)]
            for story in stories[start : start + _CASES_AT_ONCE]
        ]
        # In the order of their times, as they arrive: a case's events lie apart, which is the harder way to read.
        arrived = sorted((event for life in lives for event in life), key=lambda event: event.time)
        events = [rows.event_row(event) for event in arrived]
        await session.copy_records_to_table("events", records=events, columns=_NAMES)
        folded = [rows.case_row(fold(life, method)[0], 0) for life in lives]
        await session.copy_records_to_table("cases", records=folded)
        written += len(events)
    await session.execute("ANALYZE")
    await session.close()
    return written


if __name__ == "__main__":
    print(asyncio.run(fill(sys.argv[1], int(sys.argv[2]))))
