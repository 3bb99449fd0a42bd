"""What the tests of reports in share: keys, admission, samples, and a door on loopback."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from consumers.record.admission import Admission
from schemas.events import Event
from schemas.sealing import Keyring
from services.intake.door.door_limits import DoorLimits
from services.intake.door.http_door import HttpDoor
from services.intake.door.intake_server import IntakeServer, serve_intake
from services.intake.reporter_tokens import ReporterTokens, hashed, new_token, write_tokens
from services.runtime.settings import Settings

DATA = Path(__file__).parents[2] / "data"
KEYRING = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = "2026-03-01T11:00:00Z"
URL = "https://marker.example/a?b=1"
CASE = "a" * 32
admit = Admission(KEYRING).name


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def limits(**changes: Any) -> DoorLimits:
    """The limits as the settings have them, but for what a test changes."""
    section = Settings().intake
    given = {name: getattr(section, name) for name in DoorLimits.__struct_fields__}
    return DoorLimits(**given | changes)


class Kafka:
    """Stands for the recorder: keeps what it was given, or fails as it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.waits: Callable[[], Any] | None = None

    async def record(self, event: Event) -> None:
        if self.waits is not None:
            await self.waits()
        self.events.append(event)


class Door:
    """A door on loopback, its one reporter, and what was recorded."""

    def __init__(self, port: int, token: str, kafka: Kafka, session: aiohttp.ClientSession) -> None:
        self.port = port
        self.token = token
        self.kafka = kafka
        self.url = f"http://127.0.0.1:{port}"
        self._session = session

    async def post(
        self, path: str, body: Any, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[int, dict[str, Any], Any]:
        """Send a body as JSON with the token; give status, document and headers."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        known = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        async with self._session.post(
            self.url + path, data=raw, headers=known | (headers or {}), **more
        ) as answer:
            return answer.status, msgspec.json.decode(await answer.read()), answer.headers


@asynccontextmanager
async def door(
    tmp_path: Path,
    *,
    header_seconds: float = 5.0,
    connections: int = 100,
    tls: ssl.SSLContext | None = None,
    **changes: Any,
) -> AsyncIterator[Door]:
    """Open a door with one reporter, `hotline-nl`."""
    token, path = new_token(), tmp_path / "tokens.toml"
    write_tokens(path, {hashed(token): "hotline-nl"})
    kafka, stop = Kafka(), asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    one = HttpDoor(ReporterTokens(path), admit, kafka.record, limits(**changes), lambda: NOW)
    server = IntakeServer(one.answer, header_seconds=header_seconds, most_connections=connections)
    serving = asyncio.create_task(
        serve_intake(
            server, "127.0.0.1", 0, stop, drain_seconds=1.0, tls=tls, ready=port.set_result
        )
    )
    try:
        async with aiohttp.ClientSession() as session:
            yield Door(await port, token, kafka, session)
    finally:
        stop.set()
        await serving
