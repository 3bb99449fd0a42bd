"""One fault run: load, faults by the schedule, then quiet, then the ledger against a clean fold."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec

from consumers.client.connection import KafkaConnection
from schemas.events import Event
from services.runtime.demo.stage import HOUR_SECONDS, Stage, serving, settings_for, stage
from services.runtime.embedded.server_process import free_port, port_is_free
from services.runtime.endpoints import Endpoints
from services.runtime.keyfile import KeyFile, write_keys
from services.runtime.methods import methodology
from services.runtime.settings import Settings
from services.runtime.settings.inventory import environment_of
from services.simulation import event_player
from services.simulation.world import World
from tests.as_configured import kafka_at
from tests.faults.actions import ACTIONS
from tests.faults.arrangements import Arrangement
from tests.faults.judgement import Lost, judge
from tests.faults.load import Load, Marker, Sender
from tests.faults.monitor import Monitor
from tests.faults.schedule import ROLES, Fault
from tests.faults.step_requests import StepRequests
from tests.integration.ledger_kit import KEYRING

_PORTS = 12
_READY_SECONDS = 20.0
_BUSY_PER_CORE = 2.0
# So long only on a machine that does much else.
_START_SECONDS = 240.0
_WORKS_SECONDS = 240.0
_PER_SECOND = 40.0
_CASES = 40
Recovery = tuple[float | None, float]


@dataclass
class Run:
    """One monitor under load.

    `took` has by kind of fault the seconds until `up` was ready, where it was started again, and until everything
    worked.
    """

    monitor: Monitor
    arrangement: Arrangement
    settings: Settings
    world: World
    say: Callable[[str], None]
    steps: StepRequests
    seed: int
    roles: Sequence[str] = ROLES
    small_disk: bool = False
    clock: Path | None = None
    took: dict[str, list[Recovery]] = field(default_factory=lambda: defaultdict(list))
    left_out: dict[str, str] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(10_000_000))
    struck_at: float = 0.0
    late_starts: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sent = self.sender()

    @property
    def options(self) -> list[str]:
        """The options of `takedown up`."""
        return [word for role in self.roles for word in ("--role", role.partition("-")[0])]

    def places(self) -> Endpoints:
        """Give the addresses of the servers."""
        return self.arrangement.places(self.monitor.data)

    def kafka(self) -> KafkaConnection:
        """Give the connection to the broker."""
        return kafka_at(self.places().bootstrap_servers)

    def sender(self) -> Sender:
        """Make a sender of evidence."""
        return Sender(self.kafka, self.acknowledged)

    def leave_out(self, kind: str, reason: str) -> None:
        """Note a kind of fault that this machine does not allow."""
        self.left_out[kind] = reason

    async def begin(self, firsts: Sequence[float]) -> None:
        """Start on an empty folder; each of some starts is killed after so many seconds."""
        for seconds in firsts:
            self.say(f"  first start, killed after {seconds} s")
            await self.monitor.start(*self.options)
            await asyncio.sleep(seconds)
            self.monitor.require_running()
            await self.monitor.kill()
        await self.monitor.start(*self.options)
        await self.monitor.ready(_START_SECONDS)
        if firsts:
            ready = time.monotonic() - self.monitor.started_at
            self.took["kill up in its first start"].append((ready, ready))

    async def suffer(self, faults: Sequence[Fault]) -> None:
        """Let the faults happen, one after the other."""
        begun = time.monotonic()
        for number, fault in enumerate(faults, 1):
            self.monitor.require_running()
            self.say(f"{time.monotonic() - begun:7.1f}  {number:>3}  {fault}")
            at = time.monotonic()
            await ACTIONS[fault.kind](self, fault)
            if fault.measured and fault.kind not in self.left_out:
                await self._measure(fault, max(at + fault.lasts, self.struck_at))
            else:
                await asyncio.sleep(fault.after)

    async def _measure(self, fault: Fault, over: float) -> None:
        """Note how long recovery takes from the end of a fault, or from the start of `up` that follows it."""
        restarted = self.monitor.started_at > over
        begun = max(over, self.monitor.started_at)
        await self.monitor.ready(_START_SECONDS)
        ready = time.monotonic() - begun if restarted else None
        await self.works()
        works = time.monotonic() - begun
        self.took[fault.kind].append((ready, works))
        if ready is not None and ready > _READY_SECONDS:
            self._note_late(fault, ready)
        starting = "" if ready is None else f"ready after {ready:.1f} s, "
        self.say(f"              {starting}all works after {works:.1f} s")

    def _note_late(self, fault: Fault, ready: float) -> None:
        """Note a start that took too long, with the load of the machine; on an idle one it is a promise that broke."""
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
        self.late_starts.append((ready, load))
        if load <= _BUSY_PER_CORE * cores:
            raise Lost(
                f"{fault}: ready after {ready:.1f} s, at a load of {load:.1f} on {cores} cores"
            )

    async def works(self) -> None:
        """Return once `up` is ready, and so is every role, and an event that is sent now is in the ledger."""
        await self.monitor.ready(_START_SECONDS)
        sender = self.sender()
        marker = Marker(sender, lambda: self.places().database_url, self.numbers)
        try:
            async with asyncio.timeout(_WORKS_SECONDS):
                await marker.flows()
                await self._roles_ready(marker)
        except TimeoutError:
            raise Lost(f"after {_WORKS_SECONDS:g} s: {marker.state}") from None
        finally:
            await sender.close()

    async def _roles_ready(self, marker: Marker) -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            http = self.places().http
            while missing := [name for name, at in http.items() if not await _yes(session, at)]:
                marker.state = f"not ready: {missing}"
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def played(self) -> AsyncIterator[None]:
        """Hold the reporters and the hotline of the simulated world at work."""
        sender = self.sender()

        async def send(event: Event) -> None:
            await sender.send([event])

        async def send_raw(*_: Any) -> None:
            """Leave the unreadable records out: they are other tests' matter."""

        playing = asyncio.create_task(
            event_player.play(
                self.world, send=send, send_raw=send_raw, clock=_now, sleep=asyncio.sleep
            )
        )
        try:
            yield
        finally:
            playing.cancel()
            await asyncio.wait({playing}, timeout=60)
            await sender.close()

    @asynccontextmanager
    async def loaded(self) -> AsyncIterator[None]:
        """Hold other probers at work, whose cases the simulated world does not know."""
        stop = asyncio.Event()
        loading = asyncio.create_task(Load(self.sent, self.seed, _PER_SECOND).run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait({loading}, timeout=60)
            loading.cancel()
            await self.sent.close()

    async def compare(self) -> None:
        """Stop everything that makes evidence, then hold the ledger against a clean fold; raises `Lost`."""
        await self.monitor.stop()
        await self.monitor.start("--role", "ledger", "--role", "relay")
        await self.monitor.ready(_START_SECONDS)
        method = methodology(self.settings.methodology)
        await judge(self.places(), method, self.acknowledged, self.say)


def _now() -> datetime:
    return datetime.now(UTC)


async def _yes(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with session.get(f"http://{address}/readyz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def fault_run(
    folder: Path,
    arrangement: Arrangement,
    seed: int,
    faults: Sequence[Fault],
    say: Callable[[str], None],
    *,
    small_disk: bool = False,
    roles: Sequence[str] = ROLES,
    firsts: Sequence[float] = (),
    clock: Path | None = None,
) -> Run:
    """Play a schedule against a monitor with its simulated internet and its reporters; raises `Lost`, `GaveUp`."""
    async with standing(folder, arrangement, seed, say, roles=roles, firsts=firsts) as run:
        run.small_disk, run.clock = small_disk, clock
        async with run.played(), run.loaded():
            await run.suffer(faults)
            await run.works()
        await run.compare()
    return run


@asynccontextmanager
async def standing(
    folder: Path,
    arrangement: Arrangement,
    seed: int,
    say: Callable[[str], None],
    *,
    roles: Sequence[str] = ROLES,
    firsts: Sequence[float] = (),
    cases: int = _CASES,
    hour_seconds: float = HOUR_SECONDS,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Run]:
    """Hold a monitor that is ready, with its simulated internet; prints what it said last where the block fails."""
    chosen = stage(seed=seed, cases=cases, hour_seconds=hour_seconds)
    start = datetime.now(UTC) + timedelta(seconds=15)
    settings = _settings(chosen, start, folder)
    write_keys(folder / "data" / "keys.toml", _keys())
    steps = StepRequests(folder / "steps")
    environment = environment_of(settings) | arrangement.environment | steps.environment
    environment |= variables
    monitor = Monitor(environment, folder / "data")
    run = Run(monitor, arrangement, settings, chosen.world(start, KEYRING), say, steps, seed, roles)
    try:
        async with serving(chosen, start):
            await run.begin(firsts)
            yield run
        await monitor.stop()
    except BaseException:
        say(monitor.last_words(80))
        raise
    finally:
        await run.sent.close()
        await monitor.kill()


def _settings(chosen: Stage, start: datetime, folder: Path) -> Settings:
    settings = settings_for(chosen, start, folder)
    return msgspec.structs.replace(
        settings,
        data_dir=str(folder / "data"),
        http=msgspec.structs.replace(settings.http, port=_free_base()),
        # It runs, and nothing is so old yet: else the topics would no longer hold everything.
        retention=msgspec.structs.replace(settings.retention, url_days=3650),
    )


def _free_base() -> int:
    while True:
        base = free_port()
        if all(port_is_free(base + more) for more in range(_PORTS)):
            return base


def _keys() -> KeyFile:
    sealing = {name: key.hex() for name, key in KEYRING.sealing.items()}
    return KeyFile(naming=KEYRING.naming.hex(), active=KEYRING.active, sealing=sealing)
