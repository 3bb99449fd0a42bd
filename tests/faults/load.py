"""The load: evidence that is sent through every outage, and noted once the broker has it."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from consumers.client.connection import KafkaConnection
from schemas import codec
from schemas.events import Event
from services.ledger.transient import TRANSIENT_DATABASE
from tests.integration.ledger_kit import TOPIC_OF, report, story

_LIVES_AT_ONCE = 6
_REPEATED, _DELAYED = 0.05, 0.05
_BATCH = 25
_AGAIN = 200
_HAS_EVENT = "SELECT EXISTS (SELECT FROM events WHERE case_id = $1 AND event_id = $2)"


class Sender:
    """A producer that is made anew until the broker has what it was given."""

    def __init__(self, kafka: Callable[[], KafkaConnection], acknowledged: set[str]) -> None:
        self.acknowledged = acknowledged
        self.sent = 0
        self._last: deque[Event] = deque(maxlen=_AGAIN)
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None

    def __repr__(self) -> str:
        return f"<Sender acknowledged={len(self.acknowledged)}>"

    async def send(self, events: list[Event]) -> None:
        """Return once the broker has acknowledged every event; some may be there twice."""
        while True:
            try:
                async with asyncio.timeout(8):
                    await self._send(events)
            except (KafkaError, OSError, TimeoutError):
                await self.close()
                await asyncio.sleep(0.2)
            else:
                self.acknowledged.update(str(event.id) for event in events)
                self._last.extend(events)
                return

    async def again(self) -> None:
        """Send the last events once more, in the reverse order."""
        other = Sender(self._kafka, self.acknowledged)
        try:
            await other.send([*reversed(self._last)])
        finally:
            await other.close()

    async def _send(self, events: list[Event]) -> None:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                **self._kafka().producer_options(), request_timeout_ms=4000
            )
            await self._producer.start()
        waiting = []
        for event in events:
            key, value, headers = codec.encode(event)
            topic = TOPIC_OF[type(event.data)].name
            waiting.append(await self._producer.send(topic, value, key=key, headers=headers))
        await asyncio.gather(*waiting)
        self.sent += len(events)

    async def close(self) -> None:
        """Give the producer up."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait({asyncio.ensure_future(producer.stop())}, timeout=2)


class Load:
    """Stories of cases, mixed, some events twice and some late, at a steady rate until stopped."""

    def __init__(self, sender: Sender, seed: int, per_second: float) -> None:
        self.sender = sender
        self._rng = random.Random(f"load|{seed}")
        self._pause = _BATCH / per_second
        self._numbers = count(1)
        self._late: list[Event] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, then what is late."""
        while not stop.is_set():
            for batch in self._batches():
                if stop.is_set():
                    break
                await self.sender.send(batch)
                await asyncio.sleep(self._pause)
        await self.sender.send(self._late)

    def _batches(self) -> list[list[Event]]:
        told = [event for _ in range(_LIVES_AT_ONCE) for event in story(next(self._numbers))]
        told += [event for event in told if self._rng.random() < _REPEATED] + self._late
        self._rng.shuffle(told)
        self._late = [event for event in told if self._rng.random() < _DELAYED]
        told = [event for event in told if event not in self._late]
        return [told[at : at + _BATCH] for at in range(0, len(told), _BATCH)]


class Marker:
    """Events that tell when evidence flows again: sent after a fault, looked for in the ledger."""

    def __init__(self, sender: Sender, dsn: Callable[[], str], numbers: Iterator[int]) -> None:
        self._sender = sender
        self._dsn = dsn
        self._numbers = numbers
        self.state = ""

    async def flows(self) -> None:
        """Return once an event that is sent now is in the ledger."""
        event = report(next(self._numbers))
        self.state = "no broker takes an event"
        await self._sender.send([event])
        self.state = f"event {event.id} of case {event.case_id} is not in the ledger"
        while not await self._has(event):
            await asyncio.sleep(0.1)

    async def _has(self, event: Event) -> bool:
        try:
            session = await asyncpg.connect(self._dsn(), timeout=3)
        except TRANSIENT_DATABASE:
            return False
        try:
            async with asyncio.timeout(3):
                return bool(await session.fetchval(_HAS_EVENT, event.case_id, event.id))
        except TRANSIENT_DATABASE:
            return False
        finally:
            session.terminate()
