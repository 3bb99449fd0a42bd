"""Send the events of an import to Kafka, and wait until the ledger has them."""

from collections.abc import Callable, Iterator
from itertools import islice

from consumers.client.groups import LEDGER_GROUP
from consumers.client.producing import produce
from schemas.events import Event
from services.cli.arriving import absent, wait_for_ledger
from services.cli.support import Refused, counted
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.settings import Settings

# Events looked for in the ledger at once: what bounds the memory of a large file.
_LOOKED_FOR = 20_000

Events = Callable[[], Iterator[Event]]
"""Gives the events of an import anew, from the first."""


async def send_events(
    settings: Settings, events: Events, count: Callable[[int], None], wait_seconds: float | None
) -> None:
    """Send events; with `wait_seconds`, return once the ledger took them all."""
    options = kafka_connection(settings, "takedown-import").producer_options()
    places = await produce(options, events(), count)
    if wait_seconds is None:
        return
    database = database_connection(settings)
    await wait_for_ledger(database, LEDGER_GROUP, places, wait_seconds)
    missing = 0
    names = ((event.case_id, event.id) for event in events())
    while batch := list(islice(names, _LOOKED_FOR)):
        missing += len(await absent(database, batch))
    if missing:
        raise Refused(
            f"the ledger refused {counted(missing, 'event')}; `takedown dead-letters list` says why"
        )
