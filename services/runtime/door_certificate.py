"""TLS of the intake: certificate and key from files, read again when they change, as they do with every renewal."""

import ssl
from pathlib import Path

import structlog

from schemas.errors import ConfigError
from services.runtime.file_watch import FileWatch
from services.runtime.settings.intake_section import IntakeSection

log = structlog.get_logger(__name__)


class DoorCertificate(FileWatch):
    """A server's TLS context, and the files that it is made of; renewed ones hold for new connections."""

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__(certificate, key, read=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load()

    async def _take_over(self) -> None:
        self._load()
        log.info("intake.certificate_reloaded")

    def _keep(self, error: str) -> None:
        log.warning("intake.certificate_unusable", error=error)

    def _load(self) -> None:
        # Tried on a context that serves nobody: what does not fit must leave the one in use as it is.
        certificate, key = self._paths
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            try:
                # A key with a passphrase would ask for it on the terminal, and wait there.
                context.load_cert_chain(certificate, key, password=_no_passphrase)
            except (OSError, ValueError) as error:
                raise ConfigError(
                    "the intake's certificate and key can't be used "
                    f"({type(error).__name__}): give PEM files, the chain in the first, the key without a "
                    "passphrase in the second (TAKEDOWN_INTAKE_CERTIFICATE_FILE, _KEY_FILE)"
                ) from None


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def door_certificate(section: IntakeSection) -> DoorCertificate | None:
    """Open the certificate that is set; None where the intake speaks plain HTTP. Raises `ConfigError`."""
    if section.certificate_file is None or section.key_file is None:
        return None
    return DoorCertificate(Path(section.certificate_file), Path(section.key_file))
