"""The simulated internet: name server and sites of a world, in this process or as one of its own.

`python -m services.simulation.internet --seed 1 --start 2026-01-01T00:00:00Z --port 18080` prints one line of JSON
when it serves, and ends on SIGTERM, on SIGINT or when its standard input closes under `--until-eof`. Its last line,
of JSON too, says how many requests it had.
"""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Self

import click

from schemas.errors import ConfigError
from services.simulation.builder import IPV6, build, pool
from services.simulation.catalogue import SCENARIOS
from services.simulation.dns import ADDRESS, NameServer
from services.simulation.scenarios import IPV6_NETWORK, Scenario, Story
from services.simulation.sites import Sites
from services.simulation.weather import ABROAD, HOME, Block, Loss, Weather, Window
from services.simulation.world import CANARY_ADDRESS, World

PORT_TRIES = 50
_NEW_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


def free_port(scenario: Scenario) -> int:
    """Find a port that is free on the scenario's addresses, and the next one for TLS; either may still get lost."""
    addresses = [address for script in scenario.providers for address in pool(script)]
    if any(IPV6_NETWORK in script.prefixes for script in scenario.providers):
        addresses.append(_ipv6())
    for _ in range(PORT_TRIES):
        with socket.socket() as first:
            first.bind((CANARY_ADDRESS, 0))
            port: int = first.getsockname()[1]
            if all(_can_bind(address, at) for address in addresses for at in (port, port + 1)):
                return port
    raise ConfigError("no port is free on all addresses of the simulation; name one with --port")


def _ipv6() -> str:
    """Give the loopback address of IPv6; a machine that has none can't play what happens there."""
    if not _can_bind(IPV6, 0):
        raise ConfigError(
            "this scenario needs the IPv6 loopback address ::1; allow it (sysctl -w "
            "net.ipv6.conf.lo.disable_ipv6=0), or leave out the stories ipv6 and dual"
        )
    return IPV6


def _can_bind(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


class SimulatedInternet:
    """Serves a world while it is entered.

    Attributes:
        nameserver: (address, port) of the name server, UDP and TCP.
        port: of every web server.
        canary_url: a URL that is up unless `canary_down` or `blackout` say otherwise.

    """

    def __init__(self, world: World, clock: Callable[[], datetime], dns_port: int = 0) -> None:
        self.world = world
        self.port, self.canary_url = world.port, world.canary_url
        scenario = world.scenario
        self._weather = Weather(
            list(scenario.blackouts),
            list(scenario.canary_downs),
            list(scenario.losses),
            list(scenario.blocks),
            Random(world.seed),  # noqa: S311
        )
        self._dns_port = dns_port

        def now() -> float:
            return world.offset(clock())

        self.names = NameServer(world, self._weather, now)
        self.sites = Sites(world, self._weather, now)
        self._stack = AsyncExitStack()

    @property
    def nameserver(self) -> tuple[str, int]:
        """Where the name server answers; valid while entered."""
        return ADDRESS, self.names.port

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self.names.start(self._dns_port)
            stack.push_async_callback(self.names.stop)
            await self.sites.start()
            stack.push_async_callback(self.sites.stop)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def ready(self) -> dict[str, object]:
        """Say where it serves, as `python -m services.simulation.internet` prints it."""
        return {
            "nameserver": self.nameserver,
            "port": self.port,
            "canary_url": self.canary_url,
            "start": self.world.start.isoformat(),
        }

    def canary_down(self, since: datetime, until: datetime) -> None:
        """Let the canary fail in [since, until)."""
        self._weather.canary_downs.append((self.world.offset(since), self.world.offset(until)))

    def blackout(self, since: datetime, until: datetime) -> None:
        """Let every host and the name server stay silent in [since, until)."""
        self._weather.blackouts.append((self.world.offset(since), self.world.offset(until)))


def _window(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[Window, ...]:
    """Read `FROM:TO` in seconds after the start."""
    try:
        pairs = [text.split(":") for text in texts]
        return tuple((float(since), float(until)) for since, until in pairs)
    except ValueError:
        raise click.BadParameter(
            "write FROM:TO in seconds after the start, such as 20:30"
        ) from None


def _loss(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[Loss, ...]:
    """Read `FROM:TO:SHARE`."""
    try:
        parts = [text.split(":") for text in texts]
        return tuple((float(since), float(until), float(share)) for since, until, share in parts)
    except ValueError:
        raise click.BadParameter(
            "write FROM:TO:SHARE, such as 20:30:0.05 for one packet in twenty"
        ) from None


def _block(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[Block, ...]:
    """Read `FROM:TO:VANTAGE`."""
    try:
        parts = [text.split(":") for text in texts]
        blocks = tuple((float(since), float(until), who) for since, until, who in parts)
    except ValueError:
        blocks = ((0.0, 0.0, ""),)
    if any(who not in (HOME, ABROAD) for _, _, who in blocks):
        raise click.BadParameter(f"write FROM:TO:{HOME} or FROM:TO:{ABROAD}, such as 20:30:{HOME}")
    return blocks


def _instant(context: click.Context, option: click.Parameter, text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise click.BadParameter("write an instant with its zone, such as 2026-01-01T00:00:00Z")
    return instant.astimezone(UTC)


@click.command(
    help="Serve a simulated internet on loopback; prints one line of JSON when it serves."
)
@click.option("--scenario", type=click.Choice(sorted(SCENARIOS)), default="demo", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--cases", type=click.IntRange(min=1), default=400, show_default=True)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice([s.value for s in Story]),
    help="Leave out a story.",
)
@click.option("--hour-seconds", type=float, default=2.0, show_default=True)
@click.option("--start", callback=_instant, help="Offset 0 of the world; the present if left out.")
@click.option("--port", type=int, default=18080, show_default=True, help="Of every web server.")
@click.option("--dns-port", type=int, default=0, help="0 picks a free one.")
@click.option("--blackout", multiple=True, callback=_window, help="FROM:TO, nothing answers.")
@click.option("--canary-down", multiple=True, callback=_window, help="FROM:TO, the canary fails.")
@click.option("--loss", multiple=True, callback=_loss, help="FROM:TO:SHARE of packets is lost.")
@click.option("--block", multiple=True, callback=_block, help="FROM:TO:VANTAGE is kept out.")
@click.option("--urls", type=_NEW_FILE, help="Write the made-up URLs here, one a line.")
@click.option("--provider-map", type=_NEW_FILE, help="Write who answers for which addresses here.")
@click.option("--until-eof", is_flag=True, help="End when standard input closes.")
def main(
    *,
    scenario: str,
    cases: int,
    hour_seconds: float,
    without: tuple[str, ...],
    blackout: tuple[Window, ...],
    canary_down: tuple[Window, ...],
    loss: tuple[Loss, ...],
    block: tuple[Block, ...],
    until_eof: bool,
    **serving: Any,
) -> None:
    """Serve until told to stop."""
    left_out = frozenset(Story(name) for name in without)
    scenario_of = SCENARIOS[scenario](cases=cases, hour_seconds=hour_seconds, without=left_out)
    scenario_of = replace(
        scenario_of, blackouts=blackout, canary_downs=canary_down, losses=loss, blocks=block
    )
    asyncio.run(_serve(scenario_of, Serving(**serving), until_eof))


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is served, and where."""

    seed: int
    start: datetime
    port: int
    dns_port: int
    urls: Path | None
    provider_map: Path | None


async def _serve(scenario: Scenario, serving: Serving, until_eof: bool) -> None:
    world = build(scenario, seed=serving.seed, start=serving.start, port=serving.port)
    if serving.urls is not None:
        # Of reserved names: what is made up may stand in a file.
        serving.urls.write_text("".join(f"{case.url.href}\n" for case in world.cases), "utf-8")
    if serving.provider_map is not None:
        serving.provider_map.write_text(world.provider_map_toml(), "utf-8")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    async with SimulatedInternet(world, lambda: datetime.now(UTC), serving.dns_port) as internet:
        click.echo(json.dumps(internet.ready()))
        sys.stdout.flush()
        await stop.wait()
    click.echo(json.dumps({"requests": internet.sites.requests}))


if __name__ == "__main__":
    main()
