"""Fill a ledger with the article's year or with real cases, in the tree of whichever build this is run in.

Uses only what every build since the first release has, so that a former one can fill its own database with it.

    python -c "$(cat tests/benchmarks/fill_ledger.py)" DSN CASES|real
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import asyncpg

from schemas.events import Event
from schemas.methodology import shipped
from services.core.fold import fold
from services.ledger import migrate, rows
from services.reports import urlhaus
from tests.benchmarks import article_year as year

_DUMP = Path("tests/data/urlhaus-2026-03-09T0928.csv.gz")
_NAMES = ("case_id", "event_id", "event_time", "type", "source", "body")
_NOTED = "INSERT INTO ledger_methodology (id, version, digest) VALUES ($1, $2, $3)"
_CASES_AT_ONCE = 5000


def lives_of(cases: str) -> Iterator[list[Event]]:
    """Give the events of each case."""
    if cases != "real":
        for story in year.stories(int(cases)):
            yield [event for _, event in year.events_of(story)]
        return
    logs: defaultdict[str, list[Event]] = defaultdict(list)
    for event in urlhaus.events(_DUMP, year.KEYRING):
        logs[event.case_id].append(event)
    yield from logs.values()


async def fill(dsn: str, cases: str) -> None:
    """Write the events and the folded cases as the ledger would, but by COPY."""
    method = shipped()["urlhaus-report-clock" if cases == "real" else "nl-24h"]
    session = await asyncpg.connect(dsn)
    await migrate.up(session)
    lives = lives_of(cases)
    while some := list(islice(lives, _CASES_AT_ONCE)):
        # In the order of their times, as they arrive: a case's events lie apart, which is the harder way to read.
        arrived = sorted((event for life in some for event in life), key=lambda event: event.time)
        events = [rows.event_row(event) for event in arrived]
        await session.copy_records_to_table("events", records=events, columns=_NAMES)
        folded = [rows.case_row(fold(life, method)[0], 0) for life in some]
        await session.copy_records_to_table("cases", records=folded)
    await session.execute(_NOTED, method.id, method.version, method.digest)
    await session.execute("ANALYZE")
    await session.close()


if __name__ == "__main__":
    asyncio.run(fill(sys.argv[1], sys.argv[2]))
