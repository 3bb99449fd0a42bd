"""Where a replay reads from: partitions of Kafka without a group, or an archive; both give the same records."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from consumers.client.connection import KafkaConnection
from consumers.client.stopping import stop_client
from consumers.client.topic_admin import partition_counts
from consumers.record.places import Partition, Ranges
from schemas import topics
from schemas.errors import TakedownError

_FETCH_BYTES = 1024 * 1024
_POLL_MS = 1000
# The next partition waits for the last one's fetch, which at its end waits for this long.
_WAIT_MS = 20
_SILENT_POLLS = 60


class EvidenceGone(TakedownError):
    """The broker no longer has the record that comes next."""

    exit_code = 3


class SourceSilent(TakedownError):
    """The broker has records that it does not give."""

    exit_code = 3


class RawRecord(NamedTuple):
    """One record as it stands on its topic; has the attributes of Kafka's own that are asked for."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, Any]]


class Source(Protocol):
    """Gives the records of a partition from one offset up to another."""

    async def extents(self, names: Sequence[str]) -> Ranges:
        """Give the first offset and the one after the last, by topic and partition."""
        ...

    async def offsets_at(self, names: Sequence[str], at: datetime) -> dict[Partition, int | None]:
        """Give the first record that was put on the broker at or after an instant; None: there is none."""
        ...

    def read(self, place: Partition, begins: int, until: int) -> AsyncIterator[Sequence[Any]]:
        """Give the records in order, some at a time."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...


class KafkaSource:
    """Reads with an assigned consumer that has no group: it commits nothing and nobody is rebalanced."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka
        self._consumer: AIOKafkaConsumer | None = None

    async def _client(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **self._kafka.consumer_options(),
                group_id=None,
                auto_offset_reset="none",
                fetch_max_bytes=_FETCH_BYTES,
                fetch_max_wait_ms=_WAIT_MS,
                max_partition_fetch_bytes=_FETCH_BYTES,
            )
            await consumer.start()
            self._consumer = consumer
        return self._consumer

    async def extents(self, names: Sequence[str]) -> Ranges:
        """Ask the broker where its partitions begin and end now; what is in an open transaction lies after the end."""
        consumer = await self._client()
        partitions = await self._partitions(names)
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        return {(tp.topic, tp.partition): (begins[tp], ends[tp]) for tp in partitions}

    async def offsets_at(self, names: Sequence[str], at: datetime) -> dict[Partition, int | None]:
        """Give the first record that was put on the broker at or after an instant; None: there is none."""
        consumer = await self._client()
        milliseconds = int(at.timestamp() * 1000)
        instants = dict.fromkeys(await self._partitions(names), milliseconds)
        offsets = await consumer.offsets_for_times(instants)
        return {(tp.topic, tp.partition): o and o.offset for tp, o in offsets.items()}

    async def _partitions(self, names: Sequence[str]) -> list[TopicPartition]:
        counts = await partition_counts(self._kafka, names)
        missing = [name for name in names if not counts.get(name)]
        if missing:
            raise EvidenceGone(
                f"topic {missing[0]} is not on the broker; `takedown topics verify` looks closer"
            )
        return [TopicPartition(name, number) for name in names for number in range(counts[name])]

    async def read(self, place: Partition, begins: int, until: int) -> AsyncIterator[Sequence[Any]]:
        """Fetch one partition; raises `EvidenceGone`, `SourceSilent`."""
        if begins >= until:
            return
        consumer, tp, silent = await self._client(), TopicPartition(*place), 0
        consumer.assign([tp])
        consumer.seek(tp, begins)
        # The position tells the end also where the last offsets are markers, aborted, or compacted away.
        while (position := await consumer.position(tp)) < until:
            records = await self._fetch(consumer, tp)
            silent = 0 if await consumer.position(tp) > position else silent + 1
            if silent > _SILENT_POLLS:
                raise SourceSilent(
                    f"topic {tp.topic} partition {tp.partition} gives no more records at offset "
                    f"{position} of {until}; see that the broker is well, and that no producer's transaction "
                    "stays open"
                )
            if records and records[-1].offset >= until:
                records = [record for record in records if record.offset < until]
            if records:
                yield records

    async def _fetch(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> list[Any]:
        try:
            fetched = await consumer.getmany(tp, timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError:
            raise EvidenceGone(
                f"topic {tp.topic} partition {tp.partition}: the broker no longer has the record that "
                "comes next; if `takedown retention` has moved it, give its archives (--archive ... --and-kafka), "
                "else replay from an archive, or from where the records begin; under another --name"
            ) from None
        records: list[Any] = fetched.get(tp, [])
        return records

    async def close(self) -> None:
        """Stop the consumer."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_client(consumer)


EVIDENCE = tuple(topic.name for topic in topics.EVIDENCE)
