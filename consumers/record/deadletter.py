"""Dead letters: records that could not be used, on `<topic>.dlq`, with their bytes untouched."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from consumers.client.connection import KafkaConnection, Record
from consumers.client.producing import open_producer, start_producer
from consumers.client.stopping import stop_client
from consumers.client.topic_admin import require_partitions
from consumers.record.source import KafkaSource
from schemas import codec, ids, topics
from schemas.errors import TakedownError, UnusableEvent
from services.exporter.metrics import DEAD_LETTERS

log = structlog.get_logger(__name__)

# Where a mail came from: no topic, so that its bytes are never sent to one as a record.
MAIL = "mail"
_MARK = "dlq_retried"
_ACK_SECONDS = 30.0


class NoSuchDeadLetter(TakedownError):
    """There is no such dead letter."""


class DeadLetterSender:
    """Sends records to their dead-letter topic and returns when the broker has them.

    `clock` says when a record was refused.
    """

    def __init__(self, kafka: KafkaConnection, clock: Callable[[], datetime]) -> None:
        self._kafka = kafka
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._sending = asyncio.Lock()

    async def send(self, refused: Sequence[tuple[Record, UnusableEvent]]) -> None:
        """Send; raises the client's error where the broker does not take them (they may be there twice then)."""
        if refused:
            async with self._sending:
                await self._send(refused)

    async def _send(self, refused: Sequence[tuple[Record, UnusableEvent]]) -> None:
        try:
            producer = await self._open_producer()
            async with asyncio.timeout(_ACK_SECONDS):
                sending = [await self._send_one(producer, *letter) for letter in refused]
                await asyncio.gather(*sending)
        except BaseException:
            await self.close()
            raise
        for record, error in refused:
            DEAD_LETTERS.labels(record.topic, error.reason).inc()
            log.warning(
                "deadletter.sent",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason=error.reason,
            )

    async def _send_one(
        self, producer: AIOKafkaProducer, record: Record, error: UnusableEvent
    ) -> "asyncio.Future[Any]":
        headers = codec.dead_letter_headers(
            record.headers,
            reason=error.reason,
            message=str(error),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            at=self._clock(),
        )
        # The client can't send a record that has neither key nor value: it gets an empty key.
        empty = record.key is None and record.value is None
        future: asyncio.Future[Any] = await producer.send(
            record.topic + topics.DLQ_SUFFIX,
            value=record.value,
            key=b"" if empty else record.key,
            partition=record.partition,
            timestamp_ms=record.timestamp,
            headers=headers,
        )
        return future

    async def _open_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await start_producer(self._kafka.producer_options())
        return self._producer

    async def close(self) -> None:
        """Let the producer go."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_client(producer)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter; `id` is what people call it. Its bytes stay out of `repr`: they may hold a URL."""

    topic: str
    partition: int
    offset: int
    reason: str
    message: str
    at: str
    source_topic: str
    source_partition: int
    source_offset: int
    retried: bool
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes], ...] = field(repr=False)

    @property
    def id(self) -> str:
        """`topic/partition/offset` of the dead letter itself."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def is_mail(self) -> bool:
        """Tell a mail from a record."""
        return self.source_topic == MAIL

    @property
    def source(self) -> str:
        """`topic/partition/offset` of the record that could not be used; of a mail, that it is one."""
        place = f"{self.source_topic}/{self.source_partition}/{self.source_offset}"
        return MAIL if self.is_mail else place


async def read_dead_letters(
    kafka: KafkaConnection, *, source_topic: str | None = None, retried: bool = False
) -> list[DeadLetter]:
    """Give the dead letters of one topic or all, in the order of arrival per partition.

    Reads without a group from the start to the end as it is now. `retried` includes those sent back already.
    """
    names = [t.dlq for t in topics.EVIDENCE if source_topic in (None, t.name)]
    if not names:
        evidence = ", ".join(t.name for t in topics.EVIDENCE)
        raise NoSuchDeadLetter(
            f"topic {source_topic} has no dead letters; those that have: {evidence}"
        )
    records = [record async for record in _read(kafka, names)]
    marks = {mark for record in records if (mark := _mark_in(record)) is not None}
    letters = [_letter(record, marks) for record in records if _mark_in(record) is None]
    return [letter for letter in letters if retried or not letter.retried]


async def find_dead_letter(kafka: KafkaConnection, letter_id: str) -> DeadLetter:
    """Give one dead letter by its id; raises `NoSuchDeadLetter`."""
    for letter in await read_dead_letters(kafka, retried=True):
        if letter.id == letter_id:
            return letter
    raise NoSuchDeadLetter(f"there is no dead letter {letter_id}; see `takedown dead-letters list`")


Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""


async def retry_dead_letters(
    kafka: KafkaConnection, letters: Iterable[DeadLetter], clock: Callable[[], datetime]
) -> list[Place]:
    """Send the original bytes of records back to their topic; return where they stand now.

    A mark beside the dead letter says that it was sent back; what fails again is a new dead letter. A mail has no
    topic, and is passed over.
    """
    again = [letter for letter in letters if not (letter.retried or letter.is_mail)]
    places: list[Place] = []
    async with open_producer(kafka.producer_options()) as producer:
        for letter in again:
            sent = await producer.send_and_wait(
                letter.source_topic,
                value=letter.value,
                key=letter.key,
                partition=letter.source_partition,
                headers=list(letter.headers),
            )
            places.append((sent.topic, sent.partition, sent.offset))
            await producer.send_and_wait(
                letter.topic,
                value=b"",
                key=letter.key,
                partition=letter.partition,
                headers=mark_of(letter, clock()),
            )
    return places


async def refused_again(kafka: KafkaConnection, places: Iterable[Place]) -> list[DeadLetter]:
    """Give the dead letters that came of these records."""
    sent = set(places)
    letters = await read_dead_letters(kafka, retried=True)
    return [
        letter
        for letter in letters
        if (letter.source_topic, letter.source_partition, letter.source_offset) in sent
    ]


def mark_of(letter: DeadLetter, at: datetime) -> list[tuple[str, bytes]]:
    """Give the headers of the mark that says that a dead letter was sent back, or used after all."""
    return [(_MARK, str(letter.offset).encode()), ("dlq_at", ids.instant(at).encode())]


async def _read(kafka: KafkaConnection, names: Sequence[str]) -> AsyncIterator[Record]:
    await require_partitions(kafka, names)
    source = KafkaSource(kafka)
    try:
        for place, (begins, ends) in (await source.extents(names)).items():
            async for records in source.read(place, begins, ends):
                for record in records:
                    yield record
    finally:
        await source.close()


def _mark_in(record: Record) -> tuple[str, int, int] | None:
    offset = dict(record.headers).get(_MARK)
    return None if offset is None else (record.topic, record.partition, int(offset))


def _letter(record: Record, marks: set[tuple[str, int, int]]) -> DeadLetter:
    # The last ones count: a record that came from a dead letter may bring older ones.
    headers = {name: (text or b"").decode(errors="replace") for name, text in record.headers}
    source = record.topic.removesuffix(topics.DLQ_SUFFIX)
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=headers.get("dlq_reason", ""),
        message=headers.get("dlq_exception", ""),
        at=headers.get("dlq_at", ""),
        source_topic=headers.get("dlq_topic", source),
        source_partition=int(headers.get("dlq_partition", record.partition)),
        source_offset=int(headers.get("dlq_offset", -1)),
        retried=(record.topic, record.partition, record.offset) in marks,
        key=record.key,
        value=record.value,
        headers=tuple((name, text) for name, text in record.headers if not name.startswith("dlq_")),
    )
