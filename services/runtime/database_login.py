"""Turn settings into the connection to Postgres; a command that needs no Kafka waits for no client of it."""

from schemas.errors import ConfigError
from services.ledger.pool import DatabaseConnection
from services.runtime.settings import Settings

_WRITING_ROLES = ("takedown_ledger",)


def database_connection(
    settings: Settings, role: str | None = None, max_size: int | None = None
) -> DatabaseConnection:
    """Return the connection to Postgres and the role to switch to; behind PgBouncer the login decides the role."""
    database = settings.database
    if database.url is None:
        raise ConfigError("TAKEDOWN_DATABASE_URL is not set, and no `takedown up` runs")
    return DatabaseConnection(
        dsn=database.url,
        statement_cache=not database.pgbouncer,
        max_size=max_size or database.pool_max_size,
        role=role if database.set_roles and not database.pgbouncer else None,
        writes=role in _WRITING_ROLES,
    )
