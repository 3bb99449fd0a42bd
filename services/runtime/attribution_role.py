"""Build the role `attribution`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.attribution.attribution_consumer import AttributionConsumer
from services.runtime.address_sources import open_attribution
from services.runtime.book_watch import following_files
from services.runtime.kafka_login import kafka_connection
from services.runtime.parts import Build, Parts, Role, answering_kafka
from services.runtime.roles import refuse_to_start


@asynccontextmanager
async def _attribution(parts: Parts) -> AsyncIterator[Role]:
    refuse_to_start(parts.settings, "attribution")
    async with (
        answering_kafka(parts),
        open_attribution(parts.settings, parts.clock) as attributing,
        following_files(parts.settings, attributing.book, parts.health),
    ):
        kafka = kafka_connection(parts.settings, "takedown-attribution")
        yield AttributionConsumer(kafka, attributing.attributor, parts.health)


BUILD: dict[str, Build] = {"attribution": _attribution}
