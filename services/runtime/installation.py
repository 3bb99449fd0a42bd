"""Everything on one machine: servers that are not configured, keys, topics, schema, and the roles.

`Installation` is what `takedown up`, the demo and the tests use. Its roles are child processes, so
that one that dies takes nothing with it. They end with this process, however it ends.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import msgspec
import structlog

from schemas.sealing import Keyring
from services.runtime import datadir
from services.runtime.busy_ports import refuse_busy
from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres, JarSources
from services.runtime.embedded.data_dir_lock import DataDirLock
from services.runtime.embedded.kafka_rehearsal import have_start_files
from services.runtime.endpoints import (
    LOCK_NAME,
    Endpoints,
    remove_endpoints,
    with_addresses,
    write_endpoints,
)
from services.runtime.keeper import Keeper
from services.runtime.keyfile import ensure_keys, load_keyring
from services.runtime.patience import patiently
from services.runtime.preparation import prepare_database, prepare_topics
from services.runtime.role_children import RoleChildren
from services.runtime.roles import default_roles, refuse_to_start
from services.runtime.settings import Settings
from services.runtime.stop_signals import stop_signals
from services.runtime.supervisor import Backoff

log = structlog.get_logger(__name__)

Say = Callable[[str], None]

# A server that reads a large log again after a crash is not to be ended in the middle of it.
_START_SECONDS = 1800.0
_ROLES_LOCK = "roles.lock"


class Installation:
    """One running monitor on a data directory: `async with Installation(settings) as installation`.

    Args:
        settings: addresses that are set are used; what is not set is started here.
        roles: which roles to run, one process each, in this order; a role may stand twice.
        environments: more variables for the process of that name (`prober-2`), such as its vantage.
        durable: False where losing data in a power cut is no loss (tests, the demo).
        fetch: may Kafka's jars be fetched when the cache is empty?
        backoff: how soon a role that ended is started again.
        say: takes lines for people.
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[str] | None = None,
        *,
        environments: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        durable: bool = True,
        fetch: bool = True,
        backoff: Backoff | None = None,
        say: Say = lambda _: None,
    ) -> None:
        self.settings = settings
        self.roles = tuple(default_roles(settings) if roles is None else roles)
        self.kafka: EmbeddedKafka | None = None
        self.postgres: EmbeddedPostgres | None = None
        self.keys_file: Path | None = None
        self._environments = environments
        self._durable = durable
        self._fetch = fetch
        self._backoff = backoff
        self._say = say
        self._children: RoleChildren | None = None
        self._keepers: list[Keeper] = []
        self._stack = contextlib.AsyncExitStack()

    def __repr__(self) -> str:
        return f"<Installation {self.settings.data_path} roles={','.join(self.roles)}>"

    @property
    def bootstrap_servers(self) -> str:
        """The address of Kafka."""
        assert self.settings.kafka.bootstrap_servers is not None
        return self.settings.kafka.bootstrap_servers

    @property
    def dsn(self) -> str:
        """The address of Postgres, password included: never log it."""
        assert self.settings.database.url is not None
        return self.settings.database.url

    @property
    def keyring(self) -> Keyring:
        """The keys in use."""
        return load_keyring(self.settings)

    @property
    def children(self) -> RoleChildren:
        """The processes of the roles: their ports, and how to kill and restart them."""
        assert self._children is not None, "the installation is not running"
        return self._children

    @property
    def ports(self) -> dict[str, int]:
        """The port of /metrics, /healthz and /readyz by process."""
        return self.children.ports

    async def __aenter__(self) -> Self:
        for role in self.roles:
            refuse_to_start(self.settings, role)
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def kill(self, name: str) -> None:
        """SIGKILL the process of a role; it is started again by itself."""
        await self.children.kill(name)

    async def restart(self, name: str) -> None:
        """Stop the process of a role in order, and start it again."""
        await self.children.restart(name)

    async def ready(self, within_seconds: float = 60.0) -> None:
        """Return when every role is ready; raises if one can't run."""
        await self.children.ready(within_seconds)

    async def failed(self) -> None:
        """Return never, or raise once a role or a server can't run at all."""
        await self.unless_failed(_never())

    async def unless_failed(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a piece of work, or raise once a role or a server can't run at all."""
        await self._unless_lost(first_of(work, self.children.failed()))

    async def _unless_lost(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a piece of work; raises what keeps a server from running for good."""
        await first_of(work, *(_result_of(keeper.lost) for keeper in self._keepers))

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        data = self.settings.data_path
        datadir.prepare(data)
        await _hold(DataDirLock(data / LOCK_NAME), stack)
        refuse_busy(self.settings, self.roles)
        # The roles that a killed monitor left behind end while the servers start.
        ending = asyncio.ensure_future(_hold(DataDirLock(data / _ROLES_LOCK), stack))
        stack.callback(ending.cancel)
        self._have_keys()
        await self._start_servers(stack)
        await self._unless_lost(self._prepare())
        lock = await ending
        self._children = RoleChildren(
            self.settings, self.roles, self._environments, self._backoff, self._say, lock
        )
        self._publish(stack)
        stack.push_async_callback(self._children.stop)
        await self._children.start()

    async def _prepare(self) -> None:
        """Bring both servers to this version's contracts, however often they go away meanwhile."""
        works = [
            asyncio.ensure_future(patiently(partial(work, self.settings), self._say))
            for work in (prepare_topics, prepare_database)
        ]
        try:
            await asyncio.gather(*works)
        finally:
            for work in works:
                work.cancel()

    def _have_keys(self) -> None:
        self.keys_file, created = ensure_keys(self.settings)
        self.settings = msgspec.structs.replace(self.settings, keys_file=str(self.keys_file))
        if created:
            self._say(
                f"created new keys in {self.keys_file}: BACK THIS FILE UP, apart from the data. Without "
                "it no case can be named and no sealed URL opened again."
            )

    async def _start_servers(self, stack: contextlib.AsyncExitStack) -> None:
        """Start the servers that are not configured; both at once, because a JVM starts slowly."""
        missing = []
        if self.settings.database.url is None:
            missing.append("database")
        if self.settings.kafka.bootstrap_servers is None:
            missing.append("kafka")
            if self._fetch:
                await have_start_files(jar_sources(self.settings), self._say)
        for name in missing:
            self._keep(name, stack)
        await self._unless_lost(self._all_running())
        endpoints = Endpoints(
            bootstrap_servers=self.kafka.bootstrap_servers if self.kafka else "",
            database_url=self.postgres.dsn if self.postgres else "",
        )
        self.settings = with_addresses(self.settings, endpoints, missing)

    async def _all_running(self) -> None:
        for keeper in self._keepers:
            await keeper.running.wait()

    def _keep(self, name: str, stack: contextlib.AsyncExitStack) -> None:
        """Have a server started, and started again, until the stop."""
        data = self.settings.data_path
        if name == "kafka":
            self.kafka = EmbeddedKafka(
                data / "kafka",
                jars=jar_sources(self.settings),
                fetch=self._fetch,
                ready_seconds=_START_SECONDS,
            )
            keeper = Keeper("Kafka", self.kafka, self._say, self._backoff)
        else:
            self.postgres = EmbeddedPostgres(
                data / "postgres", durable=self._durable, ready_seconds=_START_SECONDS
            )
            keeper = Keeper("PostgreSQL", self.postgres, self._say, self._backoff)
        self._keepers.append(keeper)
        stack.push_async_callback(keeper.stop)

    def _publish(self, stack: contextlib.AsyncExitStack) -> None:
        host = self.settings.http.host
        http = {name: f"{host}:{port}" for name, port in self.ports.items()}
        endpoints = Endpoints(
            bootstrap_servers=self.bootstrap_servers, database_url=self.dsn, http=http
        )
        data = self.settings.data_path
        write_endpoints(data, endpoints)
        stack.callback(remove_endpoints, data)


async def _hold(lock: DataDirLock, stack: contextlib.AsyncExitStack) -> DataDirLock:
    """Take a lock until the stop."""
    await lock.acquire()
    stack.callback(lock.release)
    return lock


async def first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Return, or raise, with the first of several pieces of work; the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()


async def _result_of(future: "asyncio.Future[None]") -> None:
    await asyncio.shield(future)


async def _never() -> None:
    await asyncio.Event().wait()


def jar_sources(settings: Settings) -> JarSources:
    """Return the sources of Kafka's jars."""
    kafka = settings.kafka
    return JarSources(
        cache=settings.cache_path,
        folder=Path(kafka.jars_dir) if kafka.jars_dir else None,
        kafka_home=Path(kafka.home) if kafka.home else None,
    )


class Interrupt:
    """Turn the first SIGTERM, SIGINT or SIGHUP into the cancellation of a task; later ones change nothing.

    A second Ctrl-C must not cut the stop short in the middle: what runs would be left to its guardians.
    """

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.requested = False
        self._task = task

    def install(self) -> None:
        """Take over the signals."""
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._ask)

    def _ask(self) -> None:
        if not self.requested:
            self.requested = True
            self._task.cancel()
