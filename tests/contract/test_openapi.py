"""The OpenAPI document of the intake: valid, committed, and kept by the service under random requests."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import schemathesis
import yaml

from services.intake.door.door_operations import OPERATIONS, XARF_PATH
from tests.contract.intake_fuzz import Fuzz
from tests.servers import REPOSITORY
from tests.unit.intake.intake_kit import Door, door

REQUESTS = 240


def test_the_document_is_valid() -> None:
    """The committed document is one of OpenAPI 3.1."""
    document = yaml.safe_load((REPOSITORY / "schemas" / "openapi.yaml").read_text())
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


@contextmanager
def open_door(tmp_path: Path) -> Iterator[Door]:
    """Serve on a loop of its own: schemathesis asks from this thread, and waits."""
    ready, doors, ends = threading.Event(), [], []

    async def serve() -> None:
        async with door(tmp_path, requests_per_second=1e6, burst=1_000_000) as one:
            stop = asyncio.Event()
            ends.append((asyncio.get_running_loop(), stop))
            doors.append(one)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="door")
    thread.start()
    assert ready.wait(20)
    try:
        yield doors[0]
    finally:
        loop, stop = ends[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def test_the_service_keeps_its_contract(tmp_path: Path) -> None:
    """Some hundred random requests, good and bad: documented statuses and bodies, bad data refused, good taken."""
    with open_door(tmp_path) as one:
        fuzz = Fuzz(one.url, one.token)
        fuzz.run(REQUESTS)
        fuzz.close()
    statuses = {status for _, _, status in fuzz.answers}
    taken = {path for path, _, status in fuzz.answers if status == 201}
    assert fuzz.sent >= REQUESTS
    assert 500 not in statuses
    assert taken == set(OPERATIONS) - {XARF_PATH}
