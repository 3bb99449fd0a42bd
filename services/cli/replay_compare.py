"""Output of `takedown replay --compare`: how two ledgers differ, and why."""

from collections.abc import Callable

import click

from consumers.replay.replay_run import ReplayResult
from schemas.methodology import Methodology, shipped
from services.cli.gauge import Gauge, gauge
from services.cli.support import CHECK_FAILED, cell, print_json, run_async
from services.ledger.pool import DatabaseConnection, connect
from services.ledger.shadow import schema
from services.ledger.shadow.ledger_comparison import (
    CaseReport,
    LedgerComparison,
    Summary,
    log_for,
    side_of,
)
from services.runtime.connections import database_connection
from services.runtime.methods import methodology
from services.runtime.settings import Settings


def compare_and_show(
    settings: Settings,
    method: Methodology,
    result: ReplayResult,
    other: str,
    details: bool,
    as_json: bool,
) -> int:
    """Compare a replay with another ledger; give the exit status."""
    methods = methods_here(settings, method)

    def tell(report: CaseReport) -> None:
        if details:
            _print_case(report, as_json)

    with gauge(f"comparing {result.name} with {other}") as shown:
        shown.planned(result.totals.cases)
        summary = run_async(
            lambda: compare_with(
                database_connection(settings), result.name, other, methods, tell, shown
            )
        )
    if as_json:
        print_json({"result": result, "comparison": summary})
    else:
        _print_summary(summary)
    return 0 if summary.same else CHECK_FAILED


def methods_here(settings: Settings, *others: Methodology) -> list[Methodology]:
    """Return every methodology known here that the live ledger may be folded under."""
    return [methodology(settings.methodology), *others, *shipped().values()]


async def compare_with(
    database: DatabaseConnection,
    name: str,
    other: str,
    methods: list[Methodology],
    tell: Callable[[CaseReport], None],
    shown: Gauge,
) -> Summary:
    """Compare two ledgers; `tell` hears of every case that differs."""
    session = await connect(database)
    try:
        of_replays = [entry.identity.methodology for entry in await schema.entries(session)]
        here = await side_of(session, name, [*methods, *of_replays])
        there = await side_of(session, other, [*methods, *of_replays])
        log = await log_for(session, here, there)
        comparison = LedgerComparison(session, here, there, log)
        async for report in comparison.run(shown.read):
            tell(report)
    finally:
        await session.close()
    return comparison.summary


def _print_case(report: CaseReport, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    click.echo(f"{report.case_id}  {report.where}")
    for one in report.differences:
        where = f" of spell {one.spell}" if one.spell else ""
        causes = ", ".join(one.causes)
        click.echo(
            f"  {one.kind}{where}: {_short(one.here)} / {_short(one.there)}  because of {causes}"
        )


def _short(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_short(part) for part in value) + "]"
    text = cell(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _print_summary(summary: Summary) -> None:
    click.echo(f"{summary.here} / {summary.there}")
    click.echo(f"equal         {summary.equal:,}")
    click.echo(f"differing     {summary.differing:,}")
    click.echo(f"only here     {summary.only_here:,}")
    click.echo(f"only there    {summary.only_there:,}")
    for title, counts in (("cases by kind", summary.by_kind), ("causes", summary.by_cause)):
        for name, count in sorted(counts.items(), key=lambda pair: -pair[1]):
            click.echo(f"{title:<14}{name}: {count:,}")
    click.echo(f"digest here   {summary.here_digest}")
    click.echo(f"digest there  {summary.there_digest}")
