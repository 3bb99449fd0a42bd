"""The role, and the parts that every role is built from."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiokafka.errors import KafkaConnectionError

from consumers.client.login import check_login
from services.exporter.health import Health
from services.runtime.kafka_check import KafkaCheck
from services.runtime.kafka_login import kafka_connection
from services.runtime.settings import Settings

Clock = Callable[[], datetime]


class Role(Protocol):
    """A long-running part of the program."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, drain, return; raises what it can't mend."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that every role is built from."""

    settings: Settings
    health: Health
    clock: Clock
    started: Callable[[str], None] = lambda role: None


Build = Callable[[Parts], AbstractAsyncContextManager[Role]]


@asynccontextmanager
async def answering_kafka(parts: Parts) -> AsyncIterator[None]:
    """Check Kafka in /readyz; a refused login ends the role, an unreachable broker is waited for."""
    kafka = kafka_connection(parts.settings, "takedown-readyz")
    with suppress(KafkaConnectionError):
        await check_login(kafka)
    check = KafkaCheck(kafka)
    parts.health.add_check("kafka", check)
    try:
        yield
    finally:
        await check.close()
