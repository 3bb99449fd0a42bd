"""Which servers an address names, and which errors say that a server is left."""

import asyncpg
import pytest

from schemas.errors import ConfigError
from services.ledger.failover import DatabaseReadOnly, Server, address_of, server_goes


@pytest.mark.parametrize(
    ("dsn", "servers"),
    [
        ("postgresql://a/db", ()),
        ("postgresql:///db?host=/run/one", ()),
        ("postgresql://u:p@a:1,b:2/db", (("a", 1), ("b", 2))),
        ("postgresql://a,b/db", (("a", 5432), ("b", 5432))),
        ("postgresql://u:p@a,b/db?port=7", (("a", 7), ("b", 7))),
        (
            "postgresql://[2001:db8::1]:1,[2001:db8::2]/db",
            (("2001:db8::1", 1), ("2001:db8::2", 5432)),
        ),
        ("postgresql:///db?host=/run/one,/run/two&port=1,2", (("/run/one", 1), ("/run/two", 2))),
        ("postgresql://u:p%40@a%2Db:1,c/db", (("a-b", 1), ("c", 5432))),
    ],
)
def test_an_address_names_its_servers(dsn: str, servers: tuple[tuple[str, int], ...]) -> None:
    """Several servers stand in the form of libpq; one alone is left to the client."""
    assert address_of(dsn).servers == tuple(Server(*one) for one in servers)


@pytest.mark.parametrize(
    ("dsn", "needed", "wanted"),
    [
        ("postgresql://a/db", False, False),
        ("postgresql://a/db", True, True),
        ("postgresql://a,b/db", False, True),
        ("postgresql://a,b/db?target_session_attrs=any", True, False),
        ("postgresql://a,b/db?target_session_attrs=standby", True, False),
        ("postgresql://a/db?target_session_attrs=read-write", False, True),
        ("postgresql://a,b/db?target_session_attrs=primary", False, True),
    ],
)
def test_the_address_decides_who_is_wanted(dsn: str, needed: bool, wanted: bool) -> None:
    """What it asks for holds; else several servers, or a role that writes, want the one that takes writes."""
    assert address_of(dsn).wants_writes(needed) is wanted


@pytest.mark.parametrize(
    ("error", "goes"),
    [
        (asyncpg.ReadOnlySQLTransactionError("x"), True),
        (asyncpg.AdminShutdownError("x"), True),
        (asyncpg.CrashShutdownError("x"), True),
        (asyncpg.CannotConnectNowError("x"), True),
        (asyncpg.DatabaseDroppedError("x"), True),
        (asyncpg.IdleSessionTimeoutError("x"), True),
        (asyncpg.ConnectionDoesNotExistError("x"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (DatabaseReadOnly("x"), True),
        (TimeoutError(), True),
        (asyncpg.UniqueViolationError("x"), False),
        (asyncpg.QueryCanceledError("x"), False),
        (asyncpg.DeadlockDetectedError("x"), False),
        (ValueError("x"), False),
    ],
)
def test_errors_say_whether_a_server_is_left(error: Exception, goes: bool) -> None:
    """Refused writes, shutdowns and lost connections do; what a statement did wrong does not."""
    assert server_goes(error) is goes


def test_a_port_is_a_number() -> None:
    """An address that can't be read is a fault of the configuration, and is not repeated in the message."""
    with pytest.raises(ConfigError) as caught:
        address_of("postgresql://u:secret@a:x,b:1/db")
    assert "secret" not in str(caught.value)


def test_no_host_is_printed() -> None:
    """An address may stand in a log: its hosts don't."""
    assert "a.example" not in repr(address_of("postgresql://u:p@a.example,b.example/db"))
