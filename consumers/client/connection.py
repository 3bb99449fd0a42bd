"""How to reach Kafka: the one place that knows the client's option names."""

import ssl
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiokafka import ConsumerRecord

from schemas.errors import ConfigError

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
# A dead letter is a record of the broker's default limit (1 MiB) with headers added.
MAX_REQUEST_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """The broker's address and credentials; `repr` keeps the passwords to itself."""

    bootstrap_servers: str
    security_protocol: str
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_key_file: str | None = None
    ssl_key_password: str | None = field(default=None, repr=False)
    client_id: str = "takedown-monitor"

    def __post_init__(self) -> None:
        """Refuse combinations that the client would only refuse at its first request."""
        if self.security_protocol not in _PROTOCOLS:
            raise ConfigError(f"Kafka security protocol must be one of {', '.join(_PROTOCOLS)}")
        sasl = self.security_protocol.startswith("SASL")
        if sasl and not (self.sasl_username and self.sasl_password):
            raise ConfigError("SASL needs a user name and a password; set both")
        if not sasl and self.sasl_password is not None:
            raise ConfigError("a SASL password is set, but the security protocol does not send it")

    def client_options(self) -> dict[str, Any]:
        """Give the options that every aiokafka client takes."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism or "PLAIN",
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self._ssl_context()
        return options

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the CA file for Kafka can't be read ({type(error).__name__}); give a PEM file"
            ) from None
        if self.ssl_certfile is not None:
            self._present(context, self.ssl_certfile)
        return context

    def _present(self, context: ssl.SSLContext, certificate: str) -> None:
        """Have the client show its certificate to brokers that ask for one."""
        # A function: OpenSSL would ask for the password on the terminal where none is given.
        password = self.ssl_key_password or ""
        try:
            context.load_cert_chain(certificate, self.ssl_key_file, lambda: password)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the client certificate for Kafka or its key can't be used ({type(error).__name__}); "
                "give PEM files that belong together, and the password of an encrypted key"
            ) from None

    def consumer_options(self) -> dict[str, Any]:
        """Give a consumer's options: no deserializers, no commits of its own, no record that was taken back.

        A deserializer that raises wedges its partition for ever, so records are decoded by hand. Whoever may write
        to a topic may do so in a transaction, and what was aborted was never said.
        """
        return self.client_options() | {
            "enable_auto_commit": False,
            "isolation_level": "read_committed",
        }

    def producer_options(self) -> dict[str, Any]:
        """Give a producer's options: every record acknowledged by all replicas, once and in order."""
        return self.client_options() | {
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 5,
            "max_request_size": MAX_REQUEST_BYTES,
        }
