"""TLS of the intake: certificate and key from files, read again when they change, as they do with every renewal."""

import asyncio
import ssl
from pathlib import Path

import structlog

from schemas.errors import ConfigError
from services.runtime.file_stamps import Stamp, stamp_of
from services.runtime.settings.intake_section import IntakeSection

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 60.0


class DoorCertificate:
    """A server's TLS context, and the files that it is made of."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._stamps = self._current()
        self._load()

    def __repr__(self) -> str:
        return f"<DoorCertificate {self._certificate.name}>"

    def refresh(self) -> None:
        """Take renewed files over for new connections; where they don't fit together, the old ones go on."""
        stamps = self._current()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._load()
        except ConfigError as error:
            log.warning("intake.certificate_unusable", error=str(error))
            return
        log.info("intake.certificate_reloaded")

    async def follow(self) -> None:
        """Refresh until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.refresh()

    def _load(self) -> None:
        # Tried on a context that serves nobody: what does not fit must leave the one in use as it is.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            try:
                # A key with a passphrase would ask for it on the terminal, and wait there.
                context.load_cert_chain(self._certificate, self._key, password=_no_passphrase)
            except (OSError, ValueError) as error:
                raise ConfigError(
                    "the intake's certificate and key can't be used "
                    f"({type(error).__name__}): give PEM files, the chain in the first, the key without a "
                    "passphrase in the second (TAKEDOWN_INTAKE_CERTIFICATE_FILE, _KEY_FILE)"
                ) from None

    def _current(self) -> tuple[Stamp, Stamp]:
        return stamp_of(self._certificate), stamp_of(self._key)


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def door_certificate(section: IntakeSection) -> DoorCertificate | None:
    """Open the certificate that is set; None where the intake speaks plain HTTP. Raises `ConfigError`."""
    if section.certificate_file is None or section.key_file is None:
        return None
    return DoorCertificate(Path(section.certificate_file), Path(section.key_file))
