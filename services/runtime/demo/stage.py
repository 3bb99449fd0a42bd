"""The stage of a demo: settings for compressed time, and the simulated internet as a process of its own."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec
from msgspec import Struct

from schemas.errors import TakedownError
from schemas.sealing import Keyring
from services.notices.channel_capacity import Capacity
from services.runtime.embedded.server_process import free_port
from services.runtime.settings import ExporterSection, Http, Log, NoticesSection, Probe, Settings
from services.simulation import builder, internet
from services.simulation.catalogue import SCENARIOS
from services.simulation.scenarios import Scenario
from services.simulation.world import World

HOUR_SECONDS = 2.0
"""How long an hour of the article takes, unless said otherwise: what the methodologies of compressed time count by."""

_METHODOLOGY = resources.files("schemas.methodologies") / "demo.toml"
_DURATION = re.compile(r'"(-?\d+(?:\.\d+)?)([smhd])"')
_START_SECONDS = 20.0


class StageError(TakedownError):
    """The simulated internet didn't start."""


class Stage(Struct, frozen=True, kw_only=True):
    """The world of a demo as a function of (scenario, seed, start), and where it is served."""

    scenario: Scenario
    seed: int
    port: int
    dns_port: int

    def world(self, start: datetime, keyring: Keyring | None = None) -> World:
        """Build the world; with a keyring its cases have names."""
        return builder.build(
            self.scenario, seed=self.seed, start=start, port=self.port, keyring=keyring
        )


def stage(
    seed: int, cases: int, hour_seconds: float = HOUR_SECONDS, scenario: str = "demo"
) -> Stage:
    """Choose free ports for a demo of so many cases."""
    return stage_of(SCENARIOS[scenario](cases=cases, hour_seconds=hour_seconds), seed)


def stage_of(scenario: Scenario, seed: int) -> Stage:
    """Choose free ports for a scenario."""
    port = internet.free_port(scenario)
    return Stage(scenario=scenario, seed=seed, port=port, dns_port=free_port())


def stretched(text: str, factor: float) -> str:
    """Write a methodology with every duration so many times as long."""
    return _DURATION.sub(lambda m: f'"{float(m[1]) * factor:.10g}{m[2]}"', text)


def settings_for(
    chosen: Stage, start: datetime, folder: Path, methodology: Traversable = _METHODOLOGY
) -> Settings:
    """Return the settings of a monitor that watches a world: the defaults, except for time and place.

    Time is scaled: an hour of the article takes two seconds, or as long as the scenario says. Timeouts and rates are
    not, so that a longer hour bears a busier machine.

    Args:
        chosen: the world and where it is served.
        start: the instant from which the world is built.
        folder: for the data and the files that the settings name.
        methodology: a file whose durations count an hour as `HOUR_SECONDS`.

    """
    longer = chosen.scenario.hour_seconds / HOUR_SECONDS
    definition = folder / methodology.name
    definition.write_text(stretched(methodology.read_text("utf-8"), longer), encoding="utf-8")
    world = chosen.world(start)
    provider_map = folder / "providers.toml"
    provider_map.write_text(world.provider_map_toml(), encoding="utf-8")
    return Settings(
        data_dir=str(folder),
        methodology=str(definition),
        provider_map=str(provider_map),
        notices=NoticesSection(
            capacities=tuple(
                f"{c.provider}/{c.channel}={c.per_hour:.10g}"
                for c in capacities_of(chosen.scenario)
            )
        ),
        stop_seconds=10.0,
        probe=Probe(
            mode="simulated",
            nameservers=(f"127.0.0.1:{chosen.dns_port}",),
            ports=(chosen.port, world.tls_port),
            timeout_seconds=2.0,
            resolution_seconds=0.1 * longer,
            address_concurrency=8,
            address_per_second=30.0,
            network_concurrency=32,
            network_per_second=90.0,
            backoff_ceiling_seconds=2.0 * longer,
            canary_url=world.canary_url,
            canary_interval_seconds=1.0 * longer,
        ),
        http=Http(port=0),
        exporter=ExporterSection(interval_seconds=1.0),
        log=Log(format="json", level="info"),
    )


def capacities_of(scenario: Scenario) -> tuple[Capacity, ...]:
    """Say what the forms of a scenario take in an hour of the clock."""
    window = scenario.seconds(scenario.form_window_hours)
    per_hour = scenario.form_addresses * 3600.0 / window
    return tuple(
        Capacity(script.id, "form", per_hour)
        for script in scenario.providers
        if script.refuses_mail
    )


class Traffic(Struct, kw_only=True):
    """What reached the servers of a world; `requests` is None until they have stopped."""

    requests: int | None = None


@contextlib.asynccontextmanager
async def serving(chosen: Stage, start: datetime) -> AsyncIterator[Traffic]:
    """Serve the world from another process for as long as the block lasts; the requests are counted after it."""
    traffic = Traffic()
    words = [str(word) for pair in _arguments(chosen, start) for word in pair]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.simulation.internet",
        "--until-eof",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        await _until_served(process)
        yield traffic
    finally:
        if process.stdin is not None:
            process.stdin.close()
        assert process.stdout is not None
        last = await process.stdout.read()
        await process.wait()
    with contextlib.suppress(msgspec.DecodeError):
        traffic.requests = msgspec.json.decode(last, type=Traffic).requests


def _arguments(chosen: Stage, start: datetime) -> Iterator[tuple[str, object]]:
    scenario = chosen.scenario
    yield from (("--scenario", scenario.name), ("--seed", chosen.seed))
    yield from (("--cases", scenario.cases), ("--hour-seconds", scenario.hour_seconds))
    yield from (("--start", start.isoformat()), ("--port", chosen.port))
    yield "--dns-port", chosen.dns_port
    windows = {
        "--blackout": scenario.blackouts,
        "--canary-down": scenario.canary_downs,
        "--loss": scenario.losses,
        "--block": scenario.blocks,
    }
    for option, periods in windows.items():
        yield from ((option, ":".join(map(str, window))) for window in periods)


async def _until_served(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
    except TimeoutError:
        line = b""
    if not line:
        raise StageError("the simulated internet did not start; its message stands above")
