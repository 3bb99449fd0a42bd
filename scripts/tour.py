"""Show a newcomer all that the monitor shows: the demo's world on a whole installation, with Prometheus beside it.

    python -m scripts.tour PROMETHEUS [--once] [--cases N]    `make tour` fetches what it needs first

Ends by itself with --once: status 0 if page, alert and table were all there. Otherwise it stays until Ctrl-C.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import click
import uvloop
from msgspec import Struct

from schemas.errors import TakedownError
from services.reports.figures import Table
from services.reports.sheet import sheet
from services.runtime import logging
from services.runtime.demo.play import staged
from services.runtime.demo.stage import settings_for, stage
from services.runtime.embedded.server_process import free_port
from services.runtime.installation import Installation, Interrupt
from services.runtime.settings import Log

ROOT = Path(__file__).parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules" / "takedown.rules.yml"
LEAGUE = ROOT / "build" / "tour" / "league.csv"
_CASES = 240
_READY_SECONDS = 30.0
_ALERT_SECONDS = 60.0


class TourError(TakedownError):
    """What the tour shows did not come; the message says which part."""


class Sights(Struct, frozen=True, kw_only=True):
    """Where to look: the status page, the alerts that fire by name, and the league table's file."""

    page: str
    judged: int
    alerts: dict[str, int]
    league: Path
    rows: int


# -- Prometheus ------------------------------------------------------------------------------------


async def fetch(url: str, **parameters: str) -> tuple[int, str]:
    """Get a text over HTTP: status and body."""
    async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as answer:
        return answer.status, await answer.text()


def configuration(targets: dict[str, int]) -> str:
    """Write a Prometheus configuration with our rules, which scrapes every role of this machine each second."""
    roles = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"role": name}}
        for name, port in targets.items()
    ]
    return json.dumps(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "takedown", "static_configs": roles}],
        }
    )


@contextlib.asynccontextmanager
async def prometheus(binary: Path, folder: Path, targets: dict[str, int]) -> AsyncIterator[str]:
    """Run Prometheus on our rules in a new folder; gives its address once it is ready."""
    file = _written(folder / "prometheus.yml", configuration(targets))
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        str(binary),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    )
    try:
        await _wait_for(f"http://{address}/-/ready")
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


def _written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


async def _wait_for(url: str) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(aiohttp.ClientError):
            if (await fetch(url))[0] == 200:
                return
        await asyncio.sleep(0.1)
    raise TourError(f"Prometheus is not ready after {_READY_SECONDS:.0f} s")


async def firing(address: str) -> dict[str, int]:
    """Count the alerts that fire at a Prometheus, by name."""
    _, body = await fetch(f"{address}/api/v1/alerts")
    names = [
        alert["labels"]["alertname"]
        for alert in json.loads(body)["data"]["alerts"]
        if alert["state"] == "firing"
    ]
    return {name: names.count(name) for name in sorted(set(names))}


# -- what there is to see --------------------------------------------------------------------------


async def sights(exporter: str, prometheus_address: str, table: Table, league: Path) -> Sights:
    """Wait for an alert, read the status page's numbers, and write the league table; raises `TourError`."""
    _written(league, sheet(table))
    _, body = await fetch(f"{exporter}/status.json")
    judged = json.loads(body)["total"]["n"]
    if not judged:
        raise TourError("the status page has judged nothing yet")
    alerts = await _alerts(prometheus_address)
    return Sights(
        page=f"{exporter}/", judged=judged, alerts=alerts, league=league, rows=len(table.providers)
    )


async def _alerts(address: str) -> dict[str, int]:
    end = time.monotonic() + _ALERT_SECONDS
    while not (alerts := await firing(address)):
        if time.monotonic() > end:
            raise TourError(f"no alert fires after {_ALERT_SECONDS:.0f} s")
        await asyncio.sleep(0.5)
    return alerts


async def tour(cases: int, binary: Path, *, once: bool) -> None:
    """Play a world, say where to look, and stay until a signal cancels it."""
    task = asyncio.current_task()
    assert task is not None
    Interrupt(task).install()
    chosen, began = stage(seed=1, cases=cases), datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="takedown-tour-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        installation = Installation(settings_for(chosen, began, folder), durable=False, say=_say)
        async with contextlib.AsyncExitStack() as stack:
            show, _ = await stack.enter_async_context(staged(chosen, installation, _say))
            watching = prometheus(binary, folder / "prometheus", installation.ports)
            address = await stack.enter_async_context(watching)
            lasts = show.world.end - show.world.start
            _say(f"playing {cases} cases: {lasts.total_seconds():.0f} s")
            await show.play(lambda _: None)
            table = (await show.compare(began)).table
            exporter = f"http://127.0.0.1:{installation.ports['exporter']}"
            _tell(await sights(exporter, address, table, LEAGUE), address, folder)
            if not once:
                await asyncio.Event().wait()


def _say(text: str) -> None:
    click.echo(text, err=True)


def _tell(seen: Sights, address: str, folder: Path) -> None:
    alerts = ", ".join(f"{name} ({count})" for name, count in seen.alerts.items())
    click.echo(
        f"status page    {seen.page}   {seen.judged} spells judged\n"
        f"alerts firing  {address}/alerts   {alerts}\n"
        f"league table   {seen.league.relative_to(ROOT)}   {seen.rows} providers\n\n"
        "In another terminal, with .venv active:\n"
        f"  export TAKEDOWN_DATA_DIR={folder} TAKEDOWN_METHODOLOGY=demo\n"
        "  takedown status; takedown case list --limit 5; takedown report --csv table.csv\n"
        "Ctrl-C stops everything."
    )


def main() -> int:
    """Give the tour; exit status 1 if something that it shows is missing."""
    parser = argparse.ArgumentParser(prog="python -m scripts.tour", description=__doc__)
    parser.add_argument("prometheus", type=Path, help="the program")
    parser.add_argument("--once", action="store_true", help="end when everything was seen")
    parser.add_argument("--cases", type=int, default=_CASES)
    given = parser.parse_args()
    logging.configure(Log(format="console", level="error"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(tour(given.cases, given.prometheus, once=given.once))
    except TourError as error:
        click.echo(f"error: {error}", err=True)
        return 1
    except asyncio.CancelledError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
