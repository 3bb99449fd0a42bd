"""How to reach Postgres: pool, roles and limits on time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from schemas.errors import ConfigError
from services.ledger import failover
from services.ledger.queries import query

# Milliseconds; ALTER ROLE says the same (0002), but its settings apply at login only, not at SET ROLE.
_LIMITS = {
    "takedown_ledger": {"statement_timeout": "60000", "lock_timeout": "30000"},
    "takedown_exporter": {"statement_timeout": "15000", "lock_timeout": "5000"},
    "takedown_reader": {"statement_timeout": "30000", "lock_timeout": "5000"},
}
# asyncpg's own defaults, which its class of pools does not have.
_MOST_QUERIES, _IDLE_SECONDS = 50_000, 300.0
_IDLE = {"idle_in_transaction_session_timeout": "60000"}


@dataclass(frozen=True, slots=True)
class DatabaseConnection:
    """The database's address; `repr` never shows it, because it may hold a password.

    `statement_cache` is False behind PgBouncer in transaction mode: prepared statements, start-up parameters
    and SET ROLE don't survive there. Limits and role then come from the login.
    `role` is taken with SET ROLE after login.
    `writes`: a server that takes no writes is of no use; so it is too where the address asks for one that does, or
    names several servers (`failover`).
    """

    dsn: str = field(repr=False)
    statement_cache: bool
    max_size: int
    role: str | None = None
    writes: bool = False

    def __post_init__(self) -> None:
        """Refuse a role that the migrations don't create."""
        if self.role is not None and self.role not in _LIMITS:
            raise ConfigError(f"database role must be one of {', '.join(sorted(_LIMITS))}, or none")
        if self.role is not None and self.pooled:
            # The role would stay on the pooler's connection, for whoever is given that one next.
            raise ConfigError(
                f"the role {self.role} can't be taken behind a pooler in transaction mode; "
                "log in as a user that is a member of it"
            )

    @property
    def pooled(self) -> bool:
        """Tell whether a pooler in transaction mode lies between: nothing may outlive a transaction."""
        return not self.statement_cache

    def options(self) -> dict[str, Any]:
        """Give the options of `asyncpg.connect`."""
        options: dict[str, Any] = {"dsn": self.dsn}
        if self.pooled:
            return options | {"statement_cache_size": 0}
        limits = _IDLE | _LIMITS.get(self.role or "", {})
        return options | {"server_settings": {"application_name": "takedown-monitor", **limits}}


async def take_role(session: asyncpg.Connection, role: str | None) -> None:
    """Act in a role from now on; None: as the login."""
    if role is not None:
        await session.execute(query("take_role"), role)


async def streamed(
    session: asyncpg.Connection, statement: str, *arguments: object, prefetch: int = 2000
) -> AsyncIterator[Any]:
    """Read a large answer in parts, inside a transaction.

    Without a name: on a pooler's connection another process may have given the name already.
    """
    prepared = await session.prepare(statement, name="")
    async for row in prepared.cursor(*arguments, prefetch=prefetch):
        yield row


async def in_parts(
    session: asyncpg.Connection, statement: str, *arguments: object, size: int = 2000
) -> AsyncIterator[list[Any]]:
    """Read a large answer as `streamed` does, and give it part by part: a turn of the loop per row costs more."""
    prepared = await session.prepare(statement, name="")
    cursor = await prepared.cursor(*arguments)
    while part := await cursor.fetch(size):
        yield part


async def connect(connection: DatabaseConnection, **options: Any) -> asyncpg.Connection:
    """Open one connection, as its login; whoever opens it closes it. `options` are asyncpg's own."""
    address = failover.address_of(connection.dsn)
    return await failover.connect(
        address, writes=connection.writes, **(connection.options() | options)
    )


@asynccontextmanager
async def session_of(connection: DatabaseConnection) -> AsyncIterator[asyncpg.Connection]:
    """Open one connection, act in its role, close it."""
    session = await connect(connection)
    try:
        await take_role(session, connection.role)
        yield session
    finally:
        await session.close()


async def open_pool(connection: DatabaseConnection) -> asyncpg.Pool:
    """Open a pool whose every connection acts in the configured role, and follows the server that takes writes."""
    address = failover.address_of(connection.dsn)
    writing = address.wants_writes(connection.writes)

    async def reach(*_: Any, **options: Any) -> asyncpg.Connection:
        return await failover.connect(address, writes=connection.writes, **options)

    return await failover.LedgerPool(
        # Connections are made when they are wanted: asyncpg logs each failure to keep a number of them, with the
        # traceback and the host in it.
        min_size=0,
        max_size=connection.max_size,
        max_queries=_MOST_QUERIES,
        max_inactive_connection_lifetime=_IDLE_SECONDS,
        connect=reach,
        setup=failover.require_writable if writing else None,
        init=lambda session: take_role(session, connection.role),
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        command_timeout=120,
        **connection.options(),
    )
