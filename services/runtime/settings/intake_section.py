"""The settings of the HTTP intake."""

from typing import Annotated

from services.runtime.settings.section_base import Bytes, Count, Port, Seconds, Section, about


class IntakeSection(Section, frozen=True, kw_only=True):
    """The HTTP intake of reports and notices; the role `intake`."""

    tokens_file: Annotated[
        str | None,
        about(
            "File with the hashed tokens of the reporters (`takedown intake token`); without it the role does not run."
        ),
    ] = None
    host: Annotated[
        str,
        about(
            "Address to listen on; for others set a certificate, or put a proxy with TLS before it."
        ),
    ] = "127.0.0.1"
    port: Annotated[Port, about("Port to listen on; 0: any free one.")] = 9480
    certificate_file: Annotated[
        str | None,
        about("PEM file with the certificate chain of the intake; with it, it speaks HTTPS alone."),
    ] = None
    key_file: Annotated[
        str | None,
        about("PEM file with the key of that certificate, without a passphrase."),
    ] = None
    body_bytes: Annotated[Bytes, about("Maximum size of a request's body.")] = 65_536
    header_seconds: Annotated[
        Seconds,
        about(
            "Time in which the head of a request has to arrive, and limit of an idle connection."
        ),
    ] = 15.0
    body_seconds: Annotated[Seconds, about("Time in which a request's body has to arrive.")] = 10.0
    acknowledge_seconds: Annotated[
        Seconds, about("Maximum time to wait for Kafka before a request is answered with 503.")
    ] = 10.0
    requests_per_second: Annotated[
        Seconds, about("Maximum requests per second of one reporter.")
    ] = 50.0
    burst: Annotated[Count, about("Burst size per reporter, in requests.")] = 200
    concurrency: Annotated[Count, about("Maximum requests in hand at once.")] = 200
    connections: Annotated[Count, about("Maximum open connections.")] = 1000
    remembered_keys: Annotated[
        Count, about("Number of idempotency keys that are remembered; the oldest are forgotten.")
    ] = 10_000
