"""`takedown keys retire`: a sealing key goes once nothing is sealed with it any more."""

from pathlib import Path

import click

from consumers.record.source import KafkaSource
from schemas.errors import TakedownError
from schemas.sqlfiles import statements
from schemas.topics import EVIDENCE, REPORTS
from services.cli.support import client_settings, counted, run_async
from services.ledger.pool import session_of
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.keyfile import keys_path, read_keys, retired, write_keys
from services.runtime.settings import Settings

# Where the broker holds seals beside the watch list, whose entries are those of the ledger's cases.
_TOPICS = (REPORTS.name, *(topic.dlq for topic in EVIDENCE))


class KeyInUse(TakedownError):
    """Something is sealed with the key still, and could not be opened without it."""

    exit_code = 5


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
    counts = run_async(lambda: sealed_with(settings, key_id))
    if left := [f"{name}: {count:,}" for name, count in counts.items() if count]:
        raise KeyInUse(
            f"{key_id} is needed still ({', '.join(left)}); `takedown retention` destroys URLs whose time is over"
        )
    write_keys(path, keys, replace=True)
    click.echo(
        f"removed {key_id} from {path}, which has {counted(len(keys.sealing), 'sealing key')}; back the file up, bring "
        "it to every machine and restart the roles"
    )


async def sealed_with(settings: Settings, key_id: str) -> dict[str, int]:
    """Count what is sealed with a key in the ledger and on the topics, by place."""
    query = statements("services.cli", "keys.sql")["sealed_with"]
    async with session_of(database_connection(settings, "takedown_ledger")) as session:
        counts: dict[str, int] = dict(await session.fetchrow(query, key_id))
    source = KafkaSource(kafka_connection(settings))
    try:
        for topic in _TOPICS:
            counts[topic] = await _records_with(source, topic, f"s1.{key_id}.".encode())
    finally:
        await source.close()
    return counts


async def _records_with(source: KafkaSource, topic: str, seal: bytes) -> int:
    """Count records with a seal in them, whether or not they are events."""
    extents = await source.extents([topic])
    return sum(
        [
            seal in (record.value or b"")
            for place, (begins, until) in extents.items()
            async for records in source.read(place, begins, until)
            for record in records
        ]
    )
