"""A database that changes hands: reach the server that takes writes, and leave the one that no longer does.

After a failover the old primary may answer again, as a standby or set to read only: it refuses every write, and what
it gives to read may be old. Three things keep the program away from it:

- of an address with several servers each is tried in turn, within a time of its own, until one takes writes.
  (asyncpg tries them too, but within one time for all: a server that swallows packets would use it up.)
- a connection of a pool is asked, each time that it is taken, whether its server still takes writes: behind a pooler,
  or after a reload, the server changes without the connection's notice, and whoever only reads would never see it.
- an error that says that the server goes, or takes no writes, makes the pool give up all its connections.

What was being written is rolled back, and whoever wrote it tries again: offsets, fence and effects are one transaction.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from msgspec import Struct

from schemas.errors import ConfigError, TakedownError
from services.ledger.queries import query

# Long enough for a login on a busy server; a failover waits for each server that swallows packets.
_SERVER_SECONDS = 10.0
_WRITING = ("read-write", "primary")
_PORT = 5432
# The states that say: this server is no place to write any more. 25006 is a refused write; of class 57P the server
# shuts down, has crashed, starts up, lost its database or ended an idle session.
_READ_ONLY = "25006"
_GOES, _UNREACHABLE = "57P0", "08"


class DatabaseReadOnly(TakedownError, ConnectionError):
    """No server of the database's address takes writes: all are standbys, or set to read only.

    A connection's error by kind, for it passes like one: with the end of the failover.
    """

    exit_code = 3


class Server(Struct, frozen=True):
    """One server of an address."""

    host: str
    port: int

    def __repr__(self) -> str:
        return "<Server>"


class Address(Struct, frozen=True):
    """What of an address decides where to connect; `servers` is empty where there is but one."""

    servers: tuple[Server, ...]
    attributes: str | None

    def wants_writes(self, needed: bool) -> bool:
        """Tell whether only a server that takes writes will do.

        So it is where the address asks for one, or names several servers and asks for nothing else.
        """
        if self.attributes is not None:
            return self.attributes in _WRITING
        return needed or bool(self.servers)


def address_of(dsn: str) -> Address:
    """Read servers and `target_session_attrs` off an address, in libpq's form."""
    parts = urlsplit(dsn)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    named = parts.netloc.rpartition("@")[2] or options.get("host", "")
    servers = _servers(named.split(","), options.get("port", "").split(","))
    attributes = options.get("target_session_attrs")
    return Address(servers if len(servers) > 1 else (), attributes)


def _servers(named: Sequence[str], ports: Sequence[str]) -> tuple[Server, ...]:
    """Pair hosts with ports: each its own, the one of the same place in the list, or the only one."""
    listed = list(ports) if len(ports) == len(named) else [ports[0]] * len(named)
    return tuple(_server(host, port) for host, port in zip(named, listed, strict=True))


def _server(text: str, listed: str) -> Server:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.startswith("/"):
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    number = unquote(port) or listed or str(_PORT)
    if not (number.isascii() and number.isdigit()):
        raise ConfigError("TAKEDOWN_DATABASE_URL has a port that is no number")
    return Server(unquote(host), int(number))


async def connect(address: Address, *, writes: bool, **options: Any) -> asyncpg.Connection:
    """Connect to a server of an address, to one that takes writes where that is wanted.

    Raises `DatabaseReadOnly` where servers answer but none takes writes, else what the last one raised.
    """
    if not address.wants_writes(writes):
        return await asyncpg.connect(**options)
    options["target_session_attrs"] = "any"
    if not address.servers:
        return await _writable(options)
    return await _first_writable(address.servers, options)


async def _first_writable(servers: Sequence[Server], options: dict[str, Any]) -> asyncpg.Connection:
    failure: Exception | None = None
    for server in servers:
        here = {"host": server.host, "port": server.port, "timeout": _SERVER_SECONDS}
        try:
            return await _writable(options | here)
        except Exception as error:
            if not _another_may_do(error):
                raise
            # That one answers, but is no primary, says more than that another one is down.
            failure = failure if isinstance(failure, DatabaseReadOnly) else error
    assert failure is not None
    raise failure


async def _writable(options: dict[str, Any]) -> asyncpg.Connection:
    session = await asyncpg.connect(**options)
    try:
        await require_writable(session)
    except BaseException:
        session.terminate()
        raise
    return session


async def require_writable(session: asyncpg.Connection) -> None:
    """Ask a server whether it takes writes; raises `DatabaseReadOnly`."""
    if not await session.fetchval(query("takes_writes"), timeout=_SERVER_SECONDS):
        raise DatabaseReadOnly(
            "the database takes no writes: the server that answers is a standby, or set to read only. During a "
            "failover this passes; else name the primary in TAKEDOWN_DATABASE_URL, or all servers"
        )


def _another_may_do(error: Exception) -> bool:
    return server_goes(error) or isinstance(error, asyncpg.TooManyConnectionsError)


def server_goes(error: BaseException) -> bool:
    """Tell whether an error says that its server can't be reached, goes, or takes no writes."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state == _READ_ONLY or state.startswith((_GOES, _UNREACHABLE))
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(
            error, ValueError
        )  # "connection is closed"; wrong arguments are values
    return isinstance(error, OSError | TimeoutError)


class LedgerPool(asyncpg.Pool):  # type: ignore[misc]
    """A pool that gives up its connections when one of them finds its server gone or read only.

    asyncpg replaces a connection that is closed, but not one whose server refuses to write.
    """

    def acquire(self, *, timeout: float | None = None) -> "_Lease":
        """Take a connection for the time of an `async with`."""
        return _Lease(self, super().acquire(timeout=timeout))


class _Lease:
    """The time for which a connection is taken; sees what went wrong in it."""

    def __init__(self, pool: LedgerPool, context: Any) -> None:
        self._pool = pool
        self._context = context

    async def __aenter__(self) -> asyncpg.Connection:
        try:
            return await self._context.__aenter__()
        except Exception as error:
            await self._judge(error)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Before it is released: then this connection is closed too, and not lent again.
        await self._judge(error)
        await self._context.__aexit__(kind, error, trace)

    async def _judge(self, error: BaseException | None) -> None:
        if error is not None and server_goes(error):
            await self._pool.expire_connections()
