"""Turn settings into the connections that the layers below take."""

from consumers.connection import KafkaConnection
from schemas.errors import ConfigError
from services.ledger.pool import DatabaseConnection
from services.runtime.settings import Settings


def kafka_connection(settings: Settings, client_id: str = "takedown-monitor") -> KafkaConnection:
    """Say how to reach Kafka; the address must be known by now (`endpoints.connected`)."""
    kafka = settings.kafka
    if kafka.bootstrap_servers is None:
        raise ConfigError("TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS is not set, and no `takedown up` runs")
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism or "PLAIN",
        sasl_username=kafka.sasl_username,
        sasl_password=kafka.sasl_password,
        ssl_cafile=kafka.ssl_cafile,
        client_id=client_id,
    )


def database_connection(
    settings: Settings, role: str | None = None, max_size: int | None = None
) -> DatabaseConnection:
    """Say how to reach Postgres, and as which role to act there; behind PgBouncer the login decides that."""
    database = settings.database
    if database.url is None:
        raise ConfigError("TAKEDOWN_DATABASE_URL is not set, and no `takedown up` runs")
    return DatabaseConnection(
        dsn=database.url,
        statement_cache=not database.pgbouncer,
        max_size=max_size or database.pool_max_size,
        role=role if database.set_roles and not database.pgbouncer else None,
    )
