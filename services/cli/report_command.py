"""`takedown report`: the league table of the ledger, as bounds, in every form."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
import msgspec

from schemas.errors import ConfigError
from schemas.methodology import Methodology
from services.attribution.map_entries import Provider
from services.cli.gauge import gauge
from services.cli.instant_options import Instant, dated
from services.cli.support import client_settings, json_option, now, print_json, run_async
from services.cli.tables import terminal_width
from services.ledger.pool import DatabaseConnection
from services.notices.channel_capacity import capacity
from services.reports import html, public, sheet
from services.reports.case_ranges import (
    UNWATCHED,
    CountJob,
    CountWatcher,
    count_ledger,
)
from services.reports.cohorts import Segment
from services.reports.count_helpers import HelperPipe, helpers
from services.reports.figures import Table, Warning
from services.reports.local_times import in_zone
from services.reports.newest import newest_evidence, with_newest
from services.reports.reading import Selection, Source, definition
from services.reports.table import Builder, Choice
from services.reports.text import written
from services.reports.warned import DEFAULT_GRACE, load_warnings, tagged_warnings, warning
from services.runtime.database_login import database_connection
from services.runtime.methods import methodology
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from services.attribution.providermap import ProviderMap

_SHOWN = 30
# Of what is no terminal: wide enough for every column.
_WIDTH = 240
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.option(
    "--cutoff",
    type=Instant(),
    help="Use evidence up to this instant. Default: now. At the newest evidence the times are those of now; spells "
    "whose norm was not over by then stand outside n.",
)
@click.option(
    "--corrected",
    is_flag=True,
    help="With --cutoff: also apply later retractions and attributions that concern the time before it.",
)
@click.option(
    "--methodology",
    "methods",
    multiple=True,
    help="Fold the evidence under this id or file. Repeatable as NAME@INSTANT: each is in force from its instant on, "
    "the last one makes the table, and the months break between them.",
)
@click.option(
    "--by",
    type=click.Choice(["provider", "reporter", "category", "country"]),
    default="provider",
    show_default=True,
    help="Grouping of the rows.",
)
@click.option(
    "--warning", "warned", multiple=True, help="PROVIDER=DATE: compare before and after a warning."
)
@click.option("--warnings", "warnings_file", type=_FILE, help="TOML file of warnings.")
@click.option(
    "--grace", default=DEFAULT_GRACE, show_default=True, help="Grace period after a --warning."
)
@click.option(
    "--watch",
    multiple=True,
    help="Always show this group, in addition to TAKEDOWN_WATCH_PROVIDERS.",
)
@click.option(
    "--provider-map",
    type=_FILE,
    help="Provider map: countries, watch list and warnings. Default: TAKEDOWN_PROVIDER_MAP.",
)
@click.option("--public", "publish", is_flag=True, help="Hide counts from 1 to 4.")
@click.option("--csv", "csv_file", type=_NEW_FILE, help="Write the table as CSV to this file.")
@click.option(
    "--html", "html_file", type=_NEW_FILE, help="Write one HTML page with plots to this file."
)
@click.option("--all", "show_all", is_flag=True, help="Show all groups.")
@click.option(
    "--workers", type=click.IntRange(1), help="Number of processes. Default: one per core."
)
@json_option
def command(
    cutoff: datetime | None,
    corrected: bool,
    methods: tuple[str, ...],
    publish: bool,
    csv_file: Path | None,
    html_file: Path | None,
    show_all: bool,
    workers: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Print the league table: counts, and shares removed in time as lower and upper bounds.

    Every figure is a function of the evidence, the methodology and the cut-off, and names both. The cases of the
    ledger are counted as they stand. With --cutoff, those with an event after it are folded again from their
    evidence up to it; with --methodology, or if the ledger is folded under another methodology than the one that
    is set, all are.
    """
    if corrected and cutoff is None:
        raise ConfigError("--corrected needs --cutoff: without one every correction counts")
    settings = client_settings(database=True)
    segments = _segments(methods or (settings.methodology,))
    # To the second, so that the cut-off as it is printed gives the same table.
    at = cutoff or now().replace(microsecond=0)
    choice = _choice(settings, segments, options | {"at": at}, curves=html_file is not None)
    connection = database_connection(settings)
    others = (workers or len(os.sched_getaffinity(0))) - 1
    with helpers(others) as forked, gauge("counting", lines=False) as shown:
        table = run_async(
            lambda: _count(
                connection,
                segments,
                at,
                choice,
                dated=cutoff is not None,
                defined=bool(methods),
                corrected=corrected,
                helped_by=forked,
                watcher=shown,
            )
        )
    if publish:
        table = public.publish(table)
    if csv_file is not None:
        csv_file.write_text(sheet.sheet(table), "utf-8")
    zone = ZoneInfo(settings.time_zone or table.time_zone)
    if html_file is not None:
        html_file.write_text(html.page(in_zone(table, zone), everything=show_all), "utf-8")
    if as_json:
        print_json(table)
    else:
        _print(in_zone(table, zone), None if show_all else _SHOWN)


def _print(table: Table, most: int | None) -> None:
    # Styles are left out where standard output is no terminal.
    click.echo(written(table, most, terminal_width() or _WIDTH), nl=False)


async def _count(
    connection: DatabaseConnection,
    segments: Sequence[Segment],
    cutoff: datetime,
    choice: Choice,
    *,
    dated: bool,
    defined: bool,
    **options: Any,
) -> Table:
    """Count under the last methodology; a table never names another one than that of its cases."""
    method = segments[-1].methodology
    stored = await definition(connection)
    folded_so = stored == method.digest or (stored is None and not dated)
    if not folded_so and not (dated or defined):
        click.echo(
            f"the ledger is folded under another methodology than {method.id}; folding its evidence again",
            err=True,
        )
    source: Source = "stored_by" if dated else "stored"
    if defined or not folded_so:
        source = "evidence"
    # The server looks for the newest while this process counts.
    newest = asyncio.create_task(newest_evidence(connection))
    try:
        table = await count(connection, method, cutoff, choice, source=source, **options)
        return with_newest(table, await newest, method)
    finally:
        newest.cancel()


async def count(
    connection: DatabaseConnection,
    method: Methodology,
    cutoff: datetime,
    choice: Choice | None = None,
    *,
    source: Source = "stored",
    corrected: bool = False,
    helped_by: Sequence[HelperPipe] = (),
    watcher: CountWatcher = UNWATCHED,
) -> Table:
    """Count the cases of the ledger, as they stand or folded anew from the evidence up to the cut-off.

    `corrected` folds with what was said since about the time before; `helped_by` are helpers that count too.
    """
    builder = Builder(method, cutoff, choice)
    former = [segment.methodology for segment in builder.choice.before]
    selection = Selection(
        source=source, methodologies=[*former, method], cutoff=cutoff, corrected=corrected
    )
    job = CountJob(connection=connection, selection=selection, choice=builder.choice)
    await count_ledger(job, builder, helped_by, watcher)
    return msgspec.structs.replace(builder.finish(*helped_by[:1]), corrected=corrected)


def _segments(methods: Sequence[str]) -> list[Segment]:
    segments = []
    for text in methods:
        name, at, since = text.rpartition("@")
        method = methodology(name if at else text)
        segments.append(Segment(method, dated(since, f"--methodology {text}") if at else None))
    segments.sort(key=lambda segment: (segment.since is not None, segment.since))
    undated = sum(segment.since is None for segment in segments)
    if undated > 1 or len({segment.since for segment in segments}) < len(segments):
        raise ConfigError(
            "of several --methodology all but one need an instant of their own: NAME@2026-01-31T00:00:00Z"
        )
    return segments


def _choice(
    settings: Settings, segments: Sequence[Segment], options: dict[str, Any], *, curves: bool
) -> Choice:
    marked = _marked(settings, options["provider_map"])
    providers = {} if marked is None else marked.providers
    warnings, watch = _warned(options, providers), dict.fromkeys(options["watch"])
    if options["by"] == "provider":
        listed = () if marked is None else marked.watch_list(options["at"])
        named = (*settings.exporter.watch_providers, *(w.provider for w in warnings), *listed)
        watch |= dict.fromkeys(named)
    return Choice(
        by=options["by"],
        countries=_countries(providers, needed=options["by"] == "country"),
        parents={p.id: p.parent for p in providers.values() if p.parent is not None},
        capacities=tuple(capacity(text) for text in settings.notices.capacities),
        watch=tuple(watch),
        warnings=tuple(warnings),
        before=tuple(segments[:-1]),
        since=segments[-1].since,
        curves=curves,
    )


def _warned(options: dict[str, Any], providers: Mapping[str, Provider]) -> list[Warning]:
    """Give the warnings of the command line and the file, and of the map where neither names the provider."""
    warnings = [warning(text, options["grace"]) for text in options["warned"]]
    if options["warnings_file"] is not None:
        warnings += load_warnings(options["warnings_file"])
    if options["by"] == "provider":
        named = {one.provider for one in warnings}
        tagged = tagged_warnings(providers.values(), options["at"])
        warnings += [one for one in tagged if one.provider not in named]
    return warnings


def _map_file(settings: Settings, path: Path | None) -> Path | None:
    return path or (Path(settings.provider_map) if settings.provider_map else None)


def _marked(settings: Settings, path: Path | None) -> "ProviderMap | None":
    """Read the provider map for the marks on providers; None where there is none."""
    file = _map_file(settings, path)
    if file is None:
        return None
    # Who has no map is not to wait for how one is checked.
    from services.attribution.providermap import ProviderMap  # noqa: PLC0415

    return ProviderMap.load(file)


def _countries(providers: Mapping[str, Provider], *, needed: bool) -> dict[str, str]:
    if needed and not providers:
        raise ConfigError(
            "--by country needs a provider map: --provider-map or TAKEDOWN_PROVIDER_MAP"
        )
    return {
        name: provider.country
        for name, provider in providers.items()
        if provider.country is not None
    }
