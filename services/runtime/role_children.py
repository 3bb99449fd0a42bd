"""The processes of the roles: ports, start, readiness, stop in an order that loses nothing."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

import services
from schemas.errors import ConfigError, TakedownError
from services.runtime.embedded.data_dir_lock import DataDirLock, until
from services.runtime.embedded.server_process import free_port
from services.runtime.settings import PREFIX, Settings, environment_of
from services.runtime.supervisor import Backoff, Child

# What looks stops first, what publishes last.
_PORT_ORDER = ("exporter", "ledger", "relay", "prober", "retention", "intake", "attribution")
_STOP_ORDER = ("intake", "prober", "attribution", "retention", "ledger", "relay", "exporter")
_WITHOUT_DATABASE = frozenset({"prober", "intake", "attribution"})
_KILL_AFTER_SECONDS = 5.0
_TICK_SECONDS = 0.1
_PORT_SECONDS = 5.0


class NotReady(TakedownError):
    """Some roles did not get ready in time."""


class RoleChildren:
    """One supervised process a role; the second of a kind is named `prober-2`.

    All of them hold the lock, so that a start finds those of a monitor that was killed.
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[str],
        environments: Mapping[str, Mapping[str, str]],
        backoff: Backoff | None,
        say: Callable[[str], None],
        lock: DataDirLock,
    ) -> None:
        self._settings = settings
        self._roles = _names(roles)
        self.ports = _ports(settings, list(self._roles))
        self._children = {
            name: Child(
                name,
                command_of(role),
                self._environment(name, environments.get(name, {})),
                settings.data_path / "logs" / f"{name}.log",
                backoff=backoff,
                say=say,
                inherits=(lock.fileno(),),
            )
            for name, role in self._roles.items()
        }

    def __repr__(self) -> str:
        return f"<RoleChildren {list(self._children.values())}>"

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    async def start(self) -> None:
        """Start every process; raises `ConfigError` where a port is taken."""
        await self._have_ports()
        for child in self._children.values():
            await child.start()

    async def _have_ports(self) -> None:
        """Wait a moment for ports: the kernel may still have those of a process that has ended."""
        host = self._settings.http.host
        await until(lambda: not taken_ports(host, self.ports), _PORT_SECONDS)
        refuse_taken(host, self.ports)

    async def stop(self) -> None:
        """Stop every process, probers first, so that no look is left unpublished."""
        for role in _STOP_ORDER:
            names = [name for name, of in self._roles.items() if of == role]
            await asyncio.gather(*(self._children[name].stop(self._grace) for name in names))

    async def kill(self, name: str) -> None:
        """SIGKILL a process; it is started again by itself."""
        self._children[name].signal(signal.SIGKILL)

    async def restart(self, name: str) -> None:
        """Stop a process in order, and start it again."""
        await self._children[name].stop(self._grace)
        await self._children[name].start()

    async def failed(self) -> None:
        """Return never, or raise `ChildFailed` once a role can't run at all."""
        waiting = [child.failed for child in self._children.values() if child.failed is not None]
        if not waiting:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()

    async def ready(self, within_seconds: float) -> None:
        """Return when every role answers that it is ready; raises `NotReady`, `ChildFailed`."""
        failed = asyncio.ensure_future(self.failed())
        waiting = asyncio.ensure_future(self._all_ready(within_seconds))
        try:
            await asyncio.wait({failed, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                await failed
            await waiting
        finally:
            failed.cancel()
            waiting.cancel()

    async def _all_ready(self, within_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        while missing := await self.waiting():
            if loop.time() > deadline:
                raise NotReady(self._not_ready(list(missing), within_seconds))
            await asyncio.sleep(_TICK_SECONDS)

    async def waiting(self) -> dict[str, str]:
        """Return by process why it is not ready; empty once all are."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            causes = await asyncio.gather(*(self._cause(session, name) for name in self.ports))
        return {name: cause for name, cause in zip(self.ports, causes, strict=True) if cause}

    async def _cause(self, session: aiohttp.ClientSession, name: str) -> str:
        address = f"http://{self._settings.http.host}:{self.ports[name]}/readyz"
        try:
            async with session.get(address) as answer:
                return "" if answer.status == 200 else _failing(await answer.json())
        except (aiohttp.ClientError, OSError, ValueError):
            return "starting" if self._children[name].pid else "ended"

    def _not_ready(self, names: list[str], seconds: float) -> str:
        logs = ", ".join(str(self._children[name].log_path) for name in names)
        return f"{', '.join(names)} not ready within {seconds:g} s; see {logs}"

    @property
    def _grace(self) -> float:
        return self._settings.stop_seconds + _KILL_AFTER_SECONDS

    def _environment(self, name: str, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a child: exactly these settings, whatever our own environment has."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        root = str(Path(services.__file__).parent.parent)
        paths = [root, *filter(None, [inherited.get("PYTHONPATH")])]
        own = environment_of(self._settings) | {f"{PREFIX}HTTP_PORT": str(self.ports[name])}
        if self._roles[name] in _WITHOUT_DATABASE:
            # What talks to servers of others gets no credential of the database.
            own.pop(f"{PREFIX}DATABASE_URL", None)
        return inherited | {"PYTHONPATH": os.pathsep.join(paths)} | own | dict(more)


def command_of(role: str) -> list[str]:
    """Return the command that runs a role as a process of its own, which ends with its parent."""
    return [sys.executable, "-m", "services.cli", "run", "--with-parent", role]


def _failing(answer: Mapping[str, Any]) -> str:
    """Name the checks of a /readyz that say no."""
    checks: Mapping[str, Mapping[str, Any]] = answer.get("checks", {})
    return ", ".join(
        f"{name}: {check['said']}" for name, check in checks.items() if not check["ok"]
    )


def _names(roles: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for role in roles:
        count = sum(of == role for of in names.values())
        names[f"{role}-{count + 1}" if count else role] = role
    return names


def _ports(settings: Settings, names: list[str]) -> dict[str, int]:
    """Assign each process its port: the same one whatever else runs, because Prometheus is configured with it."""
    first = settings.http.port
    if first:
        more = iter(range(first + len(_PORT_ORDER), first + len(_PORT_ORDER) + len(names)))
        fixed = {role: first + n for n, role in enumerate(_PORT_ORDER)}
        return {name: fixed[name] if name in fixed else next(more) for name in names}
    taken: set[int] = set()
    for _ in names:
        taken.add(free_port(frozenset(taken)))
    return dict(zip(names, sorted(taken), strict=True))


def fixed_ports(settings: Settings, roles: Sequence[str]) -> dict[str, int]:
    """Return by process the port that is configured; empty where free ones are chosen."""
    return _ports(settings, list(_names(roles))) if settings.http.port else {}


def refuse_taken(host: str, ports: Mapping[str, int]) -> None:
    """Raise `ConfigError` where another program listens: it would answer in a role's place."""
    for name, reason in taken_ports(host, ports).items():
        raise ConfigError(
            f"{name} cannot listen on {host}:{ports[name]} ({reason}): "
            "set TAKEDOWN_HTTP_PORT to the first of a few free ports"
        )


def taken_ports(host: str, ports: Mapping[str, int]) -> dict[str, str]:
    """Return by process why it can't have its port."""
    taken: dict[str, str] = {}
    for name, port in ports.items():
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                taken[name] = str(error.strerror)
    return taken
