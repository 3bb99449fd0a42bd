"""`takedown moves`: from which providers and countries cases went to which."""

from datetime import datetime
from pathlib import Path

import click
import msgspec

from schemas.methodology import Methodology
from services.attribution.providermap import ProviderMap
from services.cli.instant_options import Instant
from services.cli.provider_options import map_option
from services.cli.support import client_settings, json_option, now, print_rows, run_async
from services.ledger.pool import DatabaseConnection, session_of
from services.reports.flows import FlowTable
from services.reports.reading import Selection, read_cases, whole_range
from services.runtime.connections import database_connection
from services.runtime.methods import methodology, reading_zone
from services.runtime.settings import Settings

_BY_PROVIDER = (
    "origin", "origin_country", "target", "target_country", "moved", "passed_on", "first_at", "last_at",
)  # fmt: skip
_BY_COUNTRY = ("origin_country", "target_country", "moved", "passed_on", "first_at", "last_at")


@click.command()
@click.option("--cutoff", type=Instant(), help="Use evidence up to this instant. Default: all.")
@click.option(
    "--by",
    type=click.Choice(["provider", "country"]),
    default="provider",
    show_default=True,
    help="Grouping of the rows.",
)
@map_option
@json_option
def command(cutoff: datetime | None, by: str, map_file: Path | None, as_json: bool) -> None:
    """Print from which providers and countries cases went to which, and how often.

    `moved`: looks confirmed that another provider serves it and the old one does not. `passed_on`: a proxy's operator
    named the host behind it. Countries are those of the provider map. Retracted cases are left out.
    """
    settings = client_settings(database=True)
    table = FlowTable(_countries(settings, map_file), by_country=by == "country")
    connection = database_connection(settings)
    run_async(lambda: _read(connection, methodology(settings.methodology), cutoff, table))
    rows = [msgspec.structs.asdict(flow) for flow in table.flows()]
    columns = _BY_COUNTRY if by == "country" else _BY_PROVIDER
    print_rows(rows, columns, as_json=as_json, zone=reading_zone(settings))


def _countries(settings: Settings, map_file: Path | None) -> dict[str, str | None]:
    path = map_file or settings.provider_map
    providers = {} if path is None else ProviderMap.load(Path(path)).providers
    return {name: provider.country for name, provider in providers.items()}


async def _read(
    connection: DatabaseConnection,
    method: Methodology,
    cutoff: datetime | None,
    table: FlowTable,
) -> None:
    selection = Selection(
        source="stored" if cutoff is None else "evidence",
        methodologies=[method],
        cutoff=cutoff or now(),
    )
    async with (
        session_of(connection) as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        async for part in read_cases(session, selection, whole_range(selection)):
            for cases in part:
                table.add(cases[0])
