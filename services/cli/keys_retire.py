"""`takedown keys retire`: a sealing key goes once nothing is sealed with it any more.

Nothing is sealed anew: what the topics hold can't be changed, and a replay has to open it (decision 90).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import click
from msgspec import Struct

from consumers.record.source import KafkaSource
from schemas.errors import TakedownError
from schemas.ids import instant
from schemas.methodology import Methodology
from schemas.sqlfiles import statements
from schemas.topics import EVIDENCE, REPORTS
from services.cli.live_method import settings_of_ledger
from services.cli.support import client_settings, counted, run_async
from services.core.case import Case
from services.core.watch_entry import ended_at
from services.ledger import rows
from services.ledger.pool import session_of, streamed
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.keyfile import keys_path, read_keys, retired, write_keys
from services.runtime.methods import methodology
from services.runtime.settings import Settings

# Where the broker holds seals beside the watch list, whose entries are those of the ledger's cases.
_TOPICS = (REPORTS.name, *(topic.dlq for topic in EVIDENCE))


class KeyInUse(TakedownError):
    """Something is sealed with the key still, and could not be opened without it."""

    exit_code = 5


class Needs(Struct):
    """What is sealed with a key: counts by place, when the last of it ends, and how many cases have no end yet.

    A case ends with its watch, a record on a topic when it was put there; retention takes both a period later.
    """

    counts: dict[str, int]
    last: datetime | None = None
    endless: int = 0

    def add(self, end: datetime | None) -> None:
        """Take the end of something; None: it has none yet."""
        if end is None:
            self.endless += 1
        elif self.last is None or end > self.last:
            self.last = end

    def sentence(self, period: timedelta) -> str:
        """Say what needs the key, and until when if nothing more is seen or reported."""
        places = ", ".join(f"{name}: {count:,}" for name, count in self.counts.items() if count)
        if not period:
            return f"({places}), and URLs are kept for ever: TAKEDOWN_RETENTION_URL_DAYS is 0"
        open_ = counted(self.endless, "case")
        endless = f"; {open_} without an end of the watch yet" if self.endless else ""
        until = f"; the rest until {instant(self.last + period)}" if self.last else ""
        return f"({places}){endless}{until}; `takedown retention` destroys what is over"


@click.command()
@click.argument("key_id")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="Key file. Default: the one that is configured.",
)
def retire(key_id: str, path: Path | None) -> None:
    """Remove a sealing key with which nothing is sealed any more (exit status 5 while something is).

    Ledger and topics are read. What the key sealed goes with the retention of its URL; archives and backups that were
    written before need the key for as long as they are kept: keep a copy of it with them.
    """
    settings = client_settings(kafka=True, database=True)
    path = path or keys_path(settings)
    keys = retired(read_keys(path), key_id)
    needs = run_async(lambda: sealed_with(settings, key_id))
    if any(needs.counts.values()):
        period = timedelta(days=settings.retention.url_days)
        raise KeyInUse(f"{key_id} is needed still {needs.sentence(period)}")
    write_keys(path, keys, replace=True)
    click.echo(
        f"removed {key_id} from {path}, which has {counted(len(keys.sealing), 'sealing key')}; back the file up, bring "
        "it to every machine and restart the roles"
    )


async def sealed_with(settings: Settings, key_id: str) -> Needs:
    """Find what is sealed with a key in the ledger and on the topics."""
    connection = database_connection(settings, "takedown_ledger")
    method = methodology((await settings_of_ledger(settings, connection)).methodology)
    async with session_of(connection) as session:
        needs = await _in_ledger(session, key_id, method)
    source = KafkaSource(kafka_connection(settings))
    try:
        for topic in _TOPICS:
            await _on_topic(source, topic, key_id, needs)
    finally:
        await source.close()
    return needs


async def _in_ledger(session: asyncpg.Connection, key_id: str, method: Methodology) -> Needs:
    queries = statements("services.cli", "keys.sql")
    needs = Needs(dict(await session.fetchrow(queries["sealed_with"], key_id)))
    async with session.transaction(readonly=True):
        async for row in streamed(session, queries["cases_sealed_with"], key_id, prefetch=500):
            take_ends(needs, [rows.case_of(row["state"], row["sealed_url"])], method)
    return needs


def take_ends(needs: Needs, cases: Iterable[Case], method: Methodology) -> None:
    """Take the end of each case's watch."""
    for case in cases:
        needs.add(ended_at(case, method))


async def _on_topic(source: KafkaSource, topic: str, key_id: str, needs: Needs) -> None:
    """Count records with a seal in them, whether or not they are events."""
    seal, count = f"s1.{key_id}.".encode(), 0
    for place, (begins, until) in (await source.extents([topic])).items():
        async for records in source.read(place, begins, until):
            for record in records:
                if seal in (record.value or b""):
                    count += 1
                    needs.add(datetime.fromtimestamp(record.timestamp / 1000, UTC))
    needs.counts[topic] = count
