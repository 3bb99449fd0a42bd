"""`takedown demo`: the whole main job on real servers and a simulated internet, checked against its truth."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.live import Live

from services.cli.support import CHECK_FAILED, json_option, print_json
from services.runtime import logging
from services.runtime.demo import show
from services.runtime.demo.play import DemoResult, Moment, Watcher, run
from services.runtime.demo.stage import HOUR_SECONDS, Stage, stage
from services.runtime.settings import Log
from services.simulation import article

CASES = {"demo": 400, article.NAME: article.CASES}
"""The scenarios that are shown, each with its usual number of cases."""
_LINE_SECONDS = 10.0
_WIDTH = 240


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulated world.")
@click.option(
    "--scenario",
    type=click.Choice(sorted(CASES)),
    default="demo",
    show_default=True,
    help="`article`: the newspaper article's four providers, 185,000 reports scaled down.",
)
@click.option(
    "--cases", type=click.IntRange(min=40), help="Default: 400; in the article's scenario 500."
)
@click.option(
    "--hour",
    type=click.FloatRange(min=0.5),
    default=HOUR_SECONDS,
    show_default=True,
    help="Seconds that an hour takes; more of them for a busy machine.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep logs and databases in this directory.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    seed: int,
    scenario: str,
    cases: int | None,
    hour: float,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Run the whole monitor on a simulated internet, and compare the result with the truth.

    Real Kafka, real Postgres, the real roles; only the internet is simulated, on loopback.
    Exit status 0 only if every true removal lies inside its interval and no breach is false. The article's scenario
    ends with its ranking, and with who refuses notices; that has to agree with the truth too.
    """
    logging.configure(Log(format="console", level="error"))
    chosen = stage(seed, cases or CASES[scenario], hour, scenario)
    result = play(chosen, keep, Console(stderr=True))
    if as_json:
        print_json(result)
    else:
        console = Console()
        show.final(result, console if console.is_terminal else Console(width=_WIDTH))
    context.exit(0 if result.ok else CHECK_FAILED)


def play(chosen: Stage, keep: Path | None, console: Console) -> DemoResult:
    """Run a demo, with a live table on a terminal and a line every ten seconds elsewhere."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not console.is_terminal:
            return runner.run(run(chosen, lines(console), _say(console), keep))
        with Live(console=console, transient=True, auto_refresh=False) as view:

            def watch(moment: Moment) -> None:
                view.update(show.live(moment), refresh=True)

            return runner.run(run(chosen, watch, _say(console), keep))


def _say(console: Console) -> Callable[[str], None]:
    """Print lines as they are: what is no terminal has no width to wrap at."""
    return lambda text: console.print(text, soft_wrap=True, highlight=False)


def lines(console: Console) -> Watcher:
    """Print a line when ten more seconds are over."""
    due = 0.0
    say = _say(console)

    def watch(moment: Moment) -> None:
        nonlocal due
        if moment.elapsed >= due:
            due = moment.elapsed + _LINE_SECONDS
            say(show.line(moment))

    return watch
