"""Build the role `prober`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.parts import Build, Parts, Role, answering_kafka
from services.runtime.prober_assembly import open_prober
from services.runtime.roles import refuse_to_start


@asynccontextmanager
async def _prober(parts: Parts) -> AsyncIterator[Role]:
    refuse_to_start(parts.settings, "prober")
    async with (
        answering_kafka(parts),
        open_prober(parts.settings, parts.health, parts.clock) as prober,
    ):
        yield prober


BUILD: dict[str, Build] = {"prober": _prober}
