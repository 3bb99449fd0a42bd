"""Send events to Kafka from a command, and wait until the ledger has them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from schemas.codec import encode
from schemas.errors import TakedownError
from schemas.events import Event
from services.cli.lines import topic_of
from services.cli.support import UNREACHABLE, wait_until
from services.ledger.pool import DatabaseConnection, session_of
from services.ledger.queries import query

# As many in flight as the producer's own batches can use; bounds what a large file takes of memory.
_IN_FLIGHT = 2_000

Places = dict[tuple[str, int], int]
"""The next offset by topic and partition: how far the ledger must have read."""


class LedgerBehind(TakedownError):
    """The ledger did not read everything in time; what was sent is in Kafka and is not lost."""

    exit_code = UNREACHABLE


async def produce(
    options: dict[str, object], events: Iterable[Event], count: Callable[[int], None]
) -> Places:
    """Send events in their order; return how far each partition has to be read to have them all."""
    places: Places = {}
    producer = AIOKafkaProducer(**options)
    try:
        await producer.start()
        batch: list[asyncio.Future[RecordMetadata]] = []
        for event in events:
            key, value, headers = encode(event)
            topic = topic_of(event).name
            batch.append(await producer.send(topic, value, key=key, headers=headers))
            if len(batch) >= _IN_FLIGHT:
                await _settle(batch, places, count)
        await _settle(batch, places, count)
    finally:
        await producer.stop()
    return places


async def _settle(
    batch: "list[asyncio.Future[RecordMetadata]]", places: Places, count: Callable[[int], None]
) -> None:
    for sent in await asyncio.gather(*batch):
        place = (sent.topic, sent.partition)
        places[place] = max(places.get(place, 0), sent.offset + 1)
    count(len(batch))
    batch.clear()


async def wait_for_ledger(
    connection: DatabaseConnection, group: str, places: Places, timeout_seconds: float
) -> None:
    """Return once the ledger's stored offsets have passed every place; raises `LedgerBehind`."""
    async with session_of(connection) as session:

        async def has_all() -> bool:
            rows = await session.fetch(query("stored_offsets"), group)
            stored = {(r["topic"], r["partition"]): r["next_offset"] for r in rows}
            return all(stored.get(place, 0) >= offset for place, offset in places.items())

        if not await wait_until(has_all, timeout_seconds=timeout_seconds):
            raise LedgerBehind(
                f"the ledger has not read everything within {timeout_seconds:g} s; it is in Kafka and "
                "not lost: see that the ledger runs (`takedown doctor`)"
            )


async def absent(
    connection: DatabaseConnection, events: Sequence[tuple[str, UUID]]
) -> set[tuple[str, UUID]]:
    """Say which (case id, event id) the ledger read but did not take."""
    asked = [c for c, _ in events], [i for _, i in events]
    async with session_of(connection) as session:
        rows = await session.fetch(query("taken_events"), *asked)
    return set(events) - {(row["case_id"], row["event_id"]) for row in rows}
