"""Remedies for errors of the servers' clients; never an address, never a secret.

The message of a client's error may hold a host or what a server repeats, so that only its kind is read.
"""

import ssl
from collections.abc import Iterator

import asyncpg
from aiokafka import errors as kafka

Kinds = tuple[type[BaseException], ...]

_ADVICE: tuple[tuple[Kinds, str], ...] = (
    (
        (kafka.UnsupportedSaslMechanismError,),
        "Kafka does not offer this SASL mechanism; set TAKEDOWN_KAFKA_SASL_MECHANISM to one of its "
        "listener",
    ),
    (
        (kafka.SaslAuthenticationFailed, kafka.AuthenticationFailedError),
        "Kafka refuses the login; check that TAKEDOWN_KAFKA_SASL_USERNAME and TAKEDOWN_KAFKA_SASL_PASSWORD "
        "(or the file of TAKEDOWN_KAFKA_SASL_PASSWORD_FILE) are right, and that this user exists for "
        "TAKEDOWN_KAFKA_SASL_MECHANISM",
    ),
    (
        (
            kafka.ClusterAuthorizationFailedError,
            kafka.GroupAuthorizationFailedError,
            kafka.TopicAuthorizationFailedError,
        ),
        "Kafka does not authorise this login; grant it the topics and groups that deploy/README.md names",
    ),
    (
        (kafka.KafkaConnectionError,),
        "no broker of Kafka can be reached; check TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS, that "
        "TAKEDOWN_KAFKA_SECURITY_PROTOCOL is the protocol of that port, and, with TLS, that "
        "TAKEDOWN_KAFKA_SSL_CAFILE contains the CA that signed the brokers' certificates and "
        "TAKEDOWN_KAFKA_SSL_CERTFILE is a certificate that they accept, where they ask for one",
    ),
    (
        (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError),
        "Postgres refuses the login; check that user and password in TAKEDOWN_DATABASE_URL (or in the file "
        "of TAKEDOWN_DATABASE_URL_FILE) are right, and that the server accepts this user from this host",
    ),
    (
        (asyncpg.InvalidCatalogNameError,),
        "Postgres has no database of that name; create it, or correct the name in TAKEDOWN_DATABASE_URL",
    ),
    (
        (asyncpg.InsufficientPrivilegeError,),
        "Postgres does not authorise this login; run `takedown migrate up` as the owner, and grant the "
        "login the role that it switches to",
    ),
    (
        (asyncpg.ReadOnlySQLTransactionError,),
        "this server of Postgres takes no writes; name the primary in TAKEDOWN_DATABASE_URL, or all servers "
        "with target_session_attrs=read-write",
    ),
    (
        (ssl.SSLCertVerificationError,),
        "the server's certificate is not signed by a trusted CA, or not for this "
        "name; set TAKEDOWN_KAFKA_SSL_CAFILE, or sslrootcert in TAKEDOWN_DATABASE_URL",
    ),
)


def advice(error: BaseException) -> str | None:
    """Return the remedy for an error, judged by its kind; None if there is none."""
    for inner in _leaves(error):
        for kinds, text in _ADVICE:
            if isinstance(inner, kinds):
                return text
    return None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
