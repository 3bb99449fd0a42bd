"""One client of the attribution role: reads looks, states who answers for what served, commits what is dealt with.

What this machine knows, and what sources said before, is stated with the batch. An address that a source has to be
asked for waits beside; the commit does not pass its look, so that whoever takes the partition over asks again.
Statements are named by their content, so that what is read twice is stated once.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import RecordMetadata

from consumers.attribution.open_addresses import OpenAddresses, WaitingLook
from consumers.client.connection import Record
from schemas.codec import decode, encode, payload
from schemas.errors import UnusableEvent
from schemas.events import Event, LookMade
from schemas.ids import is_case_id
from schemas.topics import OBSERVATIONS, topic_of
from services.attribution.address_statement import StatementWriter
from services.attribution.attribution_fact import Attribution
from services.attribution.attributor import AddressAttributor
from services.attribution.lookup import NoAnswer
from services.exporter import metrics

_FETCH_MILLISECONDS = 500
_BATCH_RECORDS = 2_000
_COMMIT_SECONDS = 2.0
Sending = list["asyncio.Future[RecordMetadata]"]


class AttributionSession(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Works with one consumer and one producer; whatever breaks either ends it."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        attributor: AddressAttributor,
        writer: StatementWriter,
        *,
        askers: int,
        turned: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._producer = producer
        self._attributor = attributor
        self._writer = writer
        self._askers = askers
        self._turned = turned
        self._owned: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._on_the_way: tuple[Sending, dict[TopicPartition, int]] = [], {}
        self._open = OpenAddresses()
        self._committed_at = 0.0

    def __repr__(self) -> str:
        return f"<AttributionSession {len(self._positions)} partitions, {self._open!r}>"

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """Where the next record of each partition is."""
        return self._positions

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then commit; raises what breaks the clients."""
        asking = [asyncio.create_task(self._ask()) for _ in range(self._askers)]
        try:
            while not stop.is_set():
                self._turned()
                await self._turn()
                for task in asking:
                    if task.done():
                        task.result()
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            self._open.close()
        await self._settle()
        await self._commit()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin where the group left off: the client does."""
        self._owned = set(assigned)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget where we are: the next owner begins at the last commit."""
        self._owned = set()
        self._positions.clear()

    # -- a batch -----------------------------------------------------------------------------

    async def _turn(self) -> None:
        batches = await self._consumer.getmany(
            timeout_ms=_FETCH_MILLISECONDS, max_records=_BATCH_RECORDS
        )
        events: list[Event] = []
        for place, records in batches.items():
            for record in records:
                self._take(record, place, events)
        sent = await self._send(events)
        # The broker takes one batch while the next one is read.
        await self._settle()
        self._on_the_way = sent, {place: rs[-1].offset + 1 for place, rs in batches.items()}
        if not batches:
            await self._settle()
        metrics.ATTRIBUTION_OPEN_ADDRESSES.set(len(self._open))
        now = asyncio.get_running_loop().time()
        if now - self._committed_at >= _COMMIT_SECONDS:
            self._committed_at = now
            await self._commit()

    def _take(self, record: Record, place: TopicPartition, events: list[Event]) -> None:
        """Take one record; what is no look, or unusable, is the ledger's to deal with."""
        try:
            look = payload(record.value or b"", record.headers, OBSERVATIONS)
            if not isinstance(look, LookMade):
                return
            case_id = _case_of(record)
        except UnusableEvent:
            return
        metrics.ATTRIBUTION_LOOKS.inc()
        for one in look.served:
            if one.online and one.address:
                waiting = WaitingLook(case_id, look.started_at, place, record.offset)
                self._attribute(one.address, waiting, events)

    def _attribute(self, address: str, look: WaitingLook, events: list[Event]) -> None:
        fact = self._attributor.at_once(address, look.at)
        if fact is not None:
            self._state(address, look, fact, events)
        elif not self._open.add(address, look):
            metrics.ATTRIBUTION_OPEN_DROPPED.inc()

    def _state(
        self, address: str, look: WaitingLook, fact: Attribution, events: list[Event]
    ) -> None:
        """State a fact, if it says anything new."""
        event = self._writer.write(look.case_id, address, look.at, fact)
        if event is None:
            return
        events.append(event)
        source = fact.method if fact.provider is not None else "unknown"
        metrics.ATTRIBUTIONS.labels(source).inc()

    # -- sources -----------------------------------------------------------------------------

    async def _ask(self) -> None:
        """Ask for one address after another; raises what breaks the producer."""
        while True:
            address, at = await self._open.next()
            answer = await self._attributor.attribute(address, at)
            if isinstance(answer, NoAnswer):
                self._open.postpone(address)
                continue
            events: list[Event] = []
            for look in self._open.settle(address):
                # Each look as of its own start; the answer is remembered by now.
                fact = self._attributor.at_once(address, look.at) or answer
                self._state(address, look, fact, events)
            await asyncio.gather(*await self._send(events))

    # -- Kafka -------------------------------------------------------------------------------

    async def _send(self, events: list[Event]) -> Sending:
        """Send statements; each future is done once the broker has one."""
        sent: Sending = []
        for event in events:
            key, value, headers = encode(event)
            topic = topic_of(event.data).name
            sent.append(await self._producer.send(topic, value, key=key, headers=headers))
        return sent

    async def _settle(self) -> None:
        """Wait until the broker has the batch that is on its way; from there on it is dealt with."""
        sent, positions = self._on_the_way
        self._on_the_way = [], {}
        await asyncio.gather(*sent)
        for place in self._owned & positions.keys():
            self._positions[place] = positions[place]

    async def _commit(self) -> None:
        first = self._open.first_offsets()
        held = {place: min(at, first.get(place, at)) for place, at in self._positions.items()}
        if not held:
            return
        try:
            await self._consumer.commit(held)
        except (CommitFailedError, IllegalStateError):
            # The group was rebalanced meanwhile: the next owner begins at the last commit.
            return


def _case_of(record: Record) -> str:
    """Name the case that a record says it is of; raises `UnusableEvent`."""
    for name, subject in record.headers:
        if name == "ce_subject":
            text = (subject or b"").decode("ascii", "replace")
            break
    else:
        text = decode(record.value, record.headers, OBSERVATIONS).subject or ""
    if not is_case_id(text):
        raise UnusableEvent("no_case", "`subject` is no case id")
    return text
