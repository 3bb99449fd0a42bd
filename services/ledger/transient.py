"""Whose fault it is: what a second attempt may mend, and what it can't."""

import asyncpg

# Foreign errors are told apart here, once. The server is away, busy, or took its word back.
TRANSIENT_DATABASE: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DatabaseDroppedError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover is under way
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,  # "connection is closed"
)


def is_transient(error: BaseException) -> bool:
    """Tell whether to wait and try again; wrong arguments share a class with a lost connection."""
    if isinstance(error, asyncpg.DataError | asyncpg.InterfaceWarning):
        return False
    if isinstance(error, ValueError) and isinstance(error, asyncpg.InterfaceError):
        return False
    return isinstance(error, TRANSIENT_DATABASE)
