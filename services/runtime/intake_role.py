"""Build the role `intake`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from consumers.prober.recorder import Recorder
from consumers.record.admission import Admission
from schemas.errors import ConfigError
from schemas.events import Event
from schemas.topics import REPORTS
from services.intake.door.door_limits import DoorLimits
from services.intake.door.http_door import HttpDoor
from services.intake.door.intake_server import IntakeServer, serve_intake
from services.intake.reporter_tokens import ReporterTokens
from services.runtime.door_certificate import DoorCertificate, door_certificate
from services.runtime.file_watch import following
from services.runtime.kafka_login import kafka_connection
from services.runtime.keyfile import load_keyring
from services.runtime.parts import Build, Parts, Role, answering_kafka
from services.runtime.reporter_files import tokens_path
from services.runtime.roles import refuse_to_start
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)


class IntakeRole:
    """Serves the HTTP intake until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        door: HttpDoor,
        recorder: Recorder,
        certificate: DoorCertificate | None,
    ) -> None:
        self._settings = settings
        self._certificate = certificate
        self._door = door
        self._recorder = recorder

    def __repr__(self) -> str:
        return f"<IntakeRole {self._door}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Serve; what is in hand at the stop is finished first."""
        section = self._settings.intake
        server = IntakeServer(
            self._door.answer,
            header_seconds=section.header_seconds,
            most_connections=section.connections,
        )
        certificate = self._certificate
        tls = None if certificate is None else certificate.context
        try:
            async with following([] if certificate is None else [certificate]):
                await serve_intake(
                    server,
                    section.host,
                    section.port,
                    stop,
                    drain_seconds=self._settings.stop_seconds,
                    tls=tls,
                    ready=lambda port: log.info("intake.listening", port=port, tls=tls is not None),
                )
        except OSError as error:
            raise ConfigError(
                f"the intake cannot listen on {section.host}:{section.port} ({error.strerror}): "
                "set TAKEDOWN_INTAKE_HOST and TAKEDOWN_INTAKE_PORT"
            ) from None
        finally:
            await self._recorder.stop()


@asynccontextmanager
async def _intake(parts: Parts) -> AsyncIterator[Role]:
    refuse_to_start(parts.settings, "intake")
    settings, section = parts.settings, parts.settings.intake
    recorder = Recorder(kafka_connection(settings, "takedown-intake"), REPORTS)

    async def record(event: Event) -> None:
        await recorder.record([event])

    limits = DoorLimits(
        body_bytes=section.body_bytes,
        body_seconds=section.body_seconds,
        acknowledge_seconds=section.acknowledge_seconds,
        requests_per_second=section.requests_per_second,
        burst=section.burst,
        concurrency=section.concurrency,
        remembered_keys=section.remembered_keys,
    )
    tokens = ReporterTokens(tokens_path(settings))
    admit = Admission(load_keyring(settings)).name
    certificate = door_certificate(section)
    async with answering_kafka(parts):
        door = HttpDoor(tokens, admit, record, limits, parts.clock)
        yield IntakeRole(settings, door, recorder, certificate)


BUILD: dict[str, Build] = {"intake": _intake}
