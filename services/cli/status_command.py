"""`takedown status`: the norm, who breaks it, what is due, and whether to trust it, in ten lines."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import aiohttp
import click
import msgspec

from services.cli.live_method import settings_of_ledger
from services.cli.support import client_settings, json_option, now, print_json, run_async
from services.exporter.ledger_reading import Reader
from services.exporter.not_by_notice import NotByNotice
from services.exporter.status import ProviderLine, StatusView, status_of
from services.exporter.status_words import (
    LEFT_WORDS,
    count,
    interval,
    local,
    provider_words,
    refusal_words,
    share,
)
from services.ledger.pool import open_pool
from services.notices.channel_capacity import capacity
from services.runtime.connections import database_connection
from services.runtime.methods import methodology
from services.runtime.role_facts import addresses
from services.runtime.settings import Settings

_TIMEOUT_SECONDS = 15.0
_WORST = 4

Readiness = dict[str, str]
"""By process: `ready`, or what it says instead."""

# The words of one, and of several.
_BREACHES = ("certain breach", "certain breaches")
_CLOCKS = ("clock runs out", "clocks run out")
_CASES = ("case", "cases")
_NOTICES = ("notice did not arrive", "notices did not arrive")
_WAITING = ("case waits", "cases wait")


@click.command()
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="With --watch: seconds from one look to the next.",
)
@click.option("--times", type=click.IntRange(min=1), help="With --watch: end after so many looks.")
@json_option
def command(watch: bool, every: float, times: int | None, as_json: bool) -> None:
    """Say in ten lines whether the norm holds, who breaks it, what is due, and whether to trust the monitor.

    The same numbers as /metrics and the status page. With --json: the form of /status.json, an object a look.
    """
    settings = client_settings(database=True)
    looks = (times or None) if watch else 1
    while True:
        status, roles = run_async(lambda: look(settings))
        if watch and not as_json:
            click.clear()
        _print(status, roles, as_json)
        looks = looks - 1 if looks is not None else None
        if looks == 0:
            return
        time.sleep(every)


def _print(status: StatusView, roles: Readiness, as_json: bool) -> None:
    if as_json:
        print_json(status)
        return
    for line in lines(status, roles):
        click.echo(line)


async def look(settings: Settings) -> tuple[StatusView, Readiness]:
    """Read the ledger as the exporter does, and ask the roles that run here whether they are ready."""
    connection = database_connection(settings, "takedown_exporter")
    settings = await settings_of_ledger(settings, connection)
    method, section = methodology(settings.methodology), settings.exporter
    pool = await open_pool(connection)
    try:
        reader = Reader(
            pool, method, section.top_providers, section.watch_providers, _TIMEOUT_SECONDS
        )
        at = now()
        reading, notices = await reader.read(at), await reader.read_notices(at)
    finally:
        await pool.close()
    capacities = [capacity(text) for text in settings.notices.capacities]
    status = status_of(reading, notices, method, at, capacities)
    zone = settings.time_zone or status.time_zone
    return msgspec.structs.replace(status, time_zone=zone), await _ready(settings)


async def _ready(settings: Settings) -> Readiness:
    answers: Readiness = {}
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for name, address in addresses(settings).items():
            try:
                async with session.get(f"http://{address}/readyz") as answer:
                    answers[name] = "ready" if answer.status == 200 else "not ready"
            except (aiohttp.ClientError, OSError, TimeoutError):
                answers[name] = "no answer"
    return answers


def lines(status: StatusView, roles: Readiness) -> Iterator[str]:
    """Write a status for a terminal: ten lines, the doubts at the top, and one more on who refuses notices."""
    zone = ZoneInfo(status.time_zone)
    total = status.total
    yield f"{local(status.at, zone)}, {status.methodology} version {status.methodology_version}"
    yield _row("trust", _trust(status, roles))
    yield _row(
        "norm",
        f"{interval(total)} within {status.norm}, of {count(total.n)} judged: "
        f"{_numbered(total.certain_breaches, _BREACHES)}, {count(total.undecided)} undecided",
    )
    yield _row("today", _ranked(status, lambda line: line.breaches_day, _BREACHES, " in 24 h"))
    yield _row("due", _ranked(status, lambda line: line.left["under_2h"], _CLOCKS, " within 2 h"))
    left = ", ".join(f"{count(total.left[name])} {words}" for name, words in LEFT_WORDS.items())
    yield _row("clocks", left)
    exposure = f"{total.exposure_lower_hours:,.0f} to {total.exposure_upper_hours:,.0f}"
    yield _row(
        "online", f"{_numbered(total.online, _CASES)} now; {exposure} hours of exposure in all"
    )
    failed = _ranked(status, lambda line: line.notices["failed"], _NOTICES)
    yield _row("notices", f"{failed}; {_numbered(total.without_notice, _WAITING)} for one")
    if status.not_by_notice:
        yield _row("refused", f"not measurable by notice: {_refusing(status.not_by_notice)}")
    yield _row("unseen", _unseen(status, zone))
    yield _row("roles", ", ".join(f"{name} {word}" for name, word in roles.items()) or "none here")


def _refusing(refusing: Sequence[NotByNotice]) -> str:
    shown = [f"{one.provider} ({one.reason}: {refusal_words(one)})" for one in refusing[:_WORST]]
    more = [f"{len(refusing) - _WORST} more"] if len(refusing) > _WORST else []
    return "; ".join([*shown, *more])


def _row(name: str, text: str) -> str:
    return f"{name:<8} {text}"


def _trust(status: StatusView, roles: Readiness) -> str:
    doubts = [*status.monitor.doubts]
    doubts += [f"{name}: {word}" for name, word in roles.items() if word != "ready"]
    return f"NO: {'; '.join(doubts)}" if doubts else "yes"


def _numbered(number: int | None, words: tuple[str, str]) -> str:
    """Write a number with its words: those of one, or those of several."""
    return f"{count(number)} {words[0] if number == 1 else words[1]}"


def _ranked(
    status: StatusView,
    number: Callable[[ProviderLine], int | None],
    words: tuple[str, str],
    end: str = "",
) -> str:
    """Write the total and the providers with most of it."""
    lines_ = sorted(status.providers, key=lambda line: -(number(line) or 0))
    worst = [line for line in lines_ if number(line)]
    shown = [f"{provider_words(line.provider)} {count(number(line))}" for line in worst[:_WORST]]
    more = [f"{len(worst) - _WORST} more"] if len(worst) > _WORST else []
    names = f": {', '.join([*shown, *more])}" if shown else ""
    return f"{_numbered(number(status.total), words)}{end}{names}"


def _unseen(status: StatusView, zone: ZoneInfo) -> str:
    looks = {name: number or 0 for name, number in status.total.looks.items()}
    total = looks.get("decided", 0) + looks.get("undetermined", 0)
    blind = share(looks["undetermined"] / total) if total else "-"
    last: datetime | None = status.monitor.last_look_at
    when = local(last, zone) if last else "never"
    return f"{blind} of {total:,} looks could not tell, {looks.get('missed', 0):,} missed; last look {when}"
