"""Replays of a lab: asked for, run here or in a process of their own, and what they left."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.client.connection import KafkaConnection
from consumers.record.ranges import Bounds
from consumers.replay.replay_run import ReplayRequest, ReplayResult, identity, replay
from schemas import topics
from schemas.methodology import Methodology
from schemas.topics import EVIDENCE
from services.ledger.ledger_digest import ledger_digest
from services.ledger.shadow.ledger_comparison import (
    CaseReport,
    LedgerComparison,
    Summary,
    log_for,
    side_of,
)
from tests.as_configured import database_at, kafka_at
from tests.integration.ledger_kit import KEYRING, METHOD, Lab


def asked(
    kafka: KafkaConnection | None,
    dsn: str,
    name: str = "again",
    method: Methodology = METHOD,
    *,
    bounds: Bounds | None = None,
    unit_records: int = 350_000,
    workers: int = 2,
    archive: tuple[str, ...] = (),
    **identified: Any,
) -> ReplayRequest:
    """Ask for a replay."""
    return ReplayRequest(
        name=name,
        identity=identity(method, **identified),
        bounds=bounds or Bounds(),
        database=database_at(dsn),
        kafka=kafka,
        archive=archive,
        keyring=KEYRING,
        workers=workers,
        unit_records=unit_records,
    )


async def replayed(lab: Lab, dsn: str, name: str = "again", **options: Any) -> ReplayResult:
    """Replay a lab's evidence."""
    return await replay(asked(lab.kafka, dsn, name, **options))


async def tables_digest(dsn: str, schema: str) -> str:
    """Digest the rows of a shadow as those of a ledger."""
    pool = await asyncpg.create_pool(dsn, server_settings={"search_path": f'"{schema}"'})
    try:
        return await ledger_digest(pool)
    finally:
        pool.terminate()


async def ends(kafka: KafkaConnection, partitions: int) -> dict[tuple[str, int], int]:
    """Give the end of every partition of every topic, dead letters included."""
    consumer = AIOKafkaConsumer(**kafka.consumer_options())
    await consumer.start()
    try:
        asked_of = [
            TopicPartition(n, p) for n in sorted(topics.all_names()) for p in range(partitions)
        ]
        found = await consumer.end_offsets(asked_of)
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}
    finally:
        await consumer.stop()


def evidence_only(found: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """Leave the evidence topics."""
    names = {topic.name for topic in EVIDENCE}
    return {place: offset for place, offset in found.items() if place[0] in names}


async def compared(
    dsn: str, here: str, there: str, methods: Iterable[Methodology] = (METHOD,)
) -> tuple[Summary, dict[str, CaseReport]]:
    """Compare two ledgers."""
    session = await asyncpg.connect(dsn)
    try:
        sides = [await side_of(session, name, list(methods)) for name in (here, there)]
        comparison = LedgerComparison(session, *sides, await log_for(session, *sides))
        found = {report.case_id: report async for report in comparison.run(lambda count: None)}
    finally:
        await session.close()
    return comparison.summary, found


def spawn(bootstrap: str, dsn: str, name: str, unit_records: int) -> "subprocess.Popen[bytes]":
    """Start a replay in a process of its own."""
    text = json.dumps(
        {"bootstrap": bootstrap, "dsn": dsn, "name": name, "unit_records": unit_records}
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.replay_kit"], stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.close()
    return process


def main() -> None:
    """Be that process."""
    wanted = json.loads(sys.stdin.read())
    kafka = kafka_at(wanted.pop("bootstrap"))
    dsn = wanted.pop("dsn")
    asyncio.run(replay(asked(kafka, dsn, wanted.pop("name"), **wanted)))


if __name__ == "__main__":
    main()
