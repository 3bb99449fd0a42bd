"""Fixtures that every kind of test may use: real servers, tools, and the guard around the run."""

import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from services.runtime.embedded import (
    EmbeddedKafka,
    EmbeddedPostgres,
    JarSources,
    JarsUnavailable,
    PostgresMissing,
    server_process,
)
from services.runtime.embedded.jars import have_jars
from tests import socketguard
from tests.servers import debian_tool, fresh_database, running, unavailable
from tests.turns import PlaysInOneRow, turn, yield_to_plays

S = TypeVar("S", EmbeddedKafka, EmbeddedPostgres)

socketguard.install()


def own_ports(ports: range) -> range:
    """Give the share of these ports that this worker of pytest-xdist may choose from.

    A chosen port stays unbound until its server is up: another worker could choose it too.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return ports[int(worker) :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


server_process._PORTS = own_ports(server_process._PORTS)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> PlaysInOneRow | None:
    """Have the plays in one row, where workers are given whole files."""
    return PlaysInOneRow(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order is otherwise as asked."""
    items.sort(key=lambda item: turn(item.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let plays go first at the processor."""
    yield_to_plays(item.nodeid)


@pytest.fixture(autouse=True)
def outside_attempts() -> Iterator[list[str]]:
    """Fail a test that tried to leave this machine, even if its code took no notice."""
    socketguard.attempts.clear()
    yield socketguard.attempts
    if tried := list(socketguard.attempts):
        socketguard.attempts.clear()
        pytest.fail(f"tried to reach {', '.join(tried)}", pytrace=False)


@pytest.fixture(scope="session")
def jars() -> Path:
    """Locate the cached jars of Kafka, verified. `make` fetches them: here no fetch is allowed."""
    try:
        return have_jars(JarSources.from_environment(), fetch=False)
    except JarsUnavailable as error:
        unavailable("Kafka", error)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Run one broker for the whole session. Tests share it: use topics and groups of your own."""
    server = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), fetch=False)
    with running(server, "Kafka"):
        yield server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Run one PostgreSQL for the whole session, without fsync."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False, tcp=True)
    with running(server, "PostgreSQL"):
        yield server


@pytest.fixture
def kafka_bootstrap(kafka: EmbeddedKafka) -> str:
    return kafka.bootstrap_servers


@pytest.fixture
def postgres_database(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """Make an empty database for one test; yield its name."""
    with fresh_database(postgres_server) as name:
        yield name


@pytest.fixture
def postgres_dsn(postgres_server: EmbeddedPostgres, postgres_database: str) -> str:
    """Give one test an empty database, over the unix socket."""
    return postgres_server.dsn_of(postgres_database)


@pytest.fixture
def postgres_tcp_dsn(postgres_server: EmbeddedPostgres, postgres_database: str) -> str:
    """Give the same database over TCP, for a fault proxy to stand before."""
    return postgres_server.tcp_dsn_of(postgres_database)


class OwnKafka(Protocol):
    """Start a broker that the test may restart and kill; the same `name` is the same data."""

    def __call__(self, name: str = "kafka", **options: Any) -> Awaitable[EmbeddedKafka]: ...


class OwnPostgres(Protocol):
    """Start a PostgreSQL that the test may restart and kill; the same `name` is the same data."""

    def __call__(self, name: str = "postgres", **options: Any) -> Awaitable[EmbeddedPostgres]: ...


@pytest.fixture
async def own_kafka(tmp_path: Path) -> AsyncIterator[OwnKafka]:
    started: list[EmbeddedKafka] = []

    async def start(name: str = "kafka", **options: Any) -> EmbeddedKafka:
        return await _start(EmbeddedKafka(tmp_path / name, fetch=False, **options), started)

    yield start
    for server in started:
        await server.stop()


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[OwnPostgres]:
    started: list[EmbeddedPostgres] = []

    async def start(name: str = "postgres", **options: Any) -> EmbeddedPostgres:
        server = EmbeddedPostgres(tmp_path / name, **{"durable": False, "tcp": True} | options)
        return await _start(server, started)

    yield start
    for server in started:
        await server.stop()


async def _start(server: S, started: list[S]) -> S:
    started.append(server)
    try:
        await server.start()
    except (JarsUnavailable, PostgresMissing) as error:
        unavailable(type(server).__name__, error)
    return server


@pytest.fixture(scope="session")
def prometheus_binary() -> Path:
    return debian_tool("prometheus")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Locate the promtool that judges: Debian's, or the one that `make promtool` names."""
    named = os.environ.get("PROMTOOL")
    return Path(named) if named else debian_tool("promtool")


@pytest.fixture(scope="session")
def amtool() -> Path:
    return debian_tool("amtool")


@pytest.fixture(scope="session")
def alertmanager_binary() -> Path:
    return debian_tool("alertmanager")


@pytest.fixture(scope="session")
def blackbox_binary() -> Path:
    return debian_tool("blackbox_exporter")


@pytest.fixture(scope="session")
def pgbouncer_binary() -> Path:
    return debian_tool("pgbouncer")
