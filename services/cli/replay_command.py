"""`takedown replay`: fold the streams again, compare, and promote the result."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from consumers.record.chain import archives_under
from consumers.record.ranges import BadRange, Bounds, check_times, parse_offsets
from consumers.replay.replay_run import (
    ReplayProgress,
    ReplayRequest,
    ReplayResult,
    identity,
    replay,
    workers_here,
)
from schemas.errors import ConfigError
from schemas.methodology import Methodology
from services.attribution.providermap import ProviderMap
from services.cli.gauge import Gauge, gauge
from services.cli.instant_options import Instant
from services.cli.replay_compare import compare_and_show
from services.cli.replay_exchange import back, promote
from services.cli.replay_shadows import COMMANDS, in_session, require_replay
from services.cli.support import (
    client_settings,
    json_option,
    print_json,
    run_async,
)
from services.ledger.pool import DatabaseConnection, connect
from services.ledger.shadow import schema
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.keyfile import load_keyring
from services.runtime.methods import methodology

_REFUSED_SHOWN = 20


class GaugeProgress(ReplayProgress):
    """A replay's progress on a gauge."""

    def __init__(self, shown: Gauge) -> None:
        self._shown = shown

    def planned(self, records: int, done: int = 0) -> None:
        """Set the total."""
        self._shown.planned(records)
        self._shown.skipped(done)

    def read(self, records: int) -> None:
        """Count."""
        self._shown.read(records)

    def stage(self, name: str) -> None:
        """Show the present stage."""
        self._shown.stage(name)


@click.group(invoke_without_command=True)
@click.option("--name", help="Name of the replay. Default: id of the methodology.")
@click.option(
    "--methodology",
    "method",
    help="Id of a shipped methodology, or TOML file. Default: TAKEDOWN_METHODOLOGY.",
)
@click.option(
    "--provider-map",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Attribute all looks again by this provider map, as of the time of the look.",
)
@click.option(
    "--archive",
    "archives",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read from an archive, or from all archives in a directory, instead of Kafka; repeatable.",
)
@click.option(
    "--and-kafka",
    is_flag=True,
    help="With --archive: read from Kafka what the archives do not contain.",
)
@click.option(
    "--from", "event_from", type=Instant(), help="Only events at or after this event time."
)
@click.option("--to", "event_to", type=Instant(), help="Only events before this event time.")
@click.option("--recorded-from", type=Instant(), help="Broker time of records, not event time.")
@click.option("--recorded-to", type=Instant(), help="Broker time of records, not event time.")
@click.option("--from-offsets", multiple=True, metavar="TOPIC/PARTITION=OFFSET")
@click.option("--until-offsets", multiple=True, metavar="TOPIC/PARTITION=OFFSET")
@click.option(
    "--with-events", is_flag=True, help="Store the events too; slower, and needs more disk."
)
@click.option(
    "--workers", type=click.IntRange(1), help="Number of processes. Default: one per core."
)
@click.option("--compare", help="Compare the result with `live` or with another replay.")
@click.option(
    "--details", is_flag=True, help="Show all differences of all cases, with their causes."
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    name: str | None,
    method: str | None,
    provider_map: Path | None,
    archives: tuple[Path, ...],
    and_kafka: bool,
    event_from: datetime | None,
    event_to: datetime | None,
    recorded_from: datetime | None,
    recorded_to: datetime | None,
    from_offsets: tuple[str, ...],
    until_offsets: tuple[str, ...],
    with_events: bool,
    workers: int | None,
    compare: str | None,
    details: bool,
    as_json: bool,
) -> int:
    """Fold all evidence, or a range of it, into a shadow ledger beside the live one.

    Publishes nothing and changes no offset of the live ledger, which may run meanwhile. An interrupted replay
    continues when the same command is run again. --from and --to refer to the events' own times,
    --recorded-from and --recorded-to to the times at which records were written to the broker.

    With --compare the exit status is 0 if both sides are equal, and 5 if they differ.
    """
    if context.invoked_subcommand is not None:
        return 0
    if and_kafka and not archives:
        raise BadRange("--and-kafka needs --archive; without both everything is read from Kafka")
    with_kafka = and_kafka or not archives
    settings = client_settings(database=True, kafka=with_kafka)
    chosen = methodology(method or settings.methodology)
    check_times(event_from, event_to, "--from and --to")
    identity_ = identity(
        chosen,
        map_text=_map_text(provider_map),
        event_from=event_from,
        event_to=event_to,
        with_events=with_events,
    )
    bounds = Bounds(
        from_offsets=parse_offsets(from_offsets),
        until_offsets=parse_offsets(until_offsets),
        recorded_from=recorded_from,
        recorded_to=recorded_to,
    )
    request = ReplayRequest(
        name=name or _default_name(chosen, identity_.map_digest),
        identity=identity_,
        bounds=bounds,
        database=database_connection(settings),
        kafka=kafka_connection(settings) if with_kafka else None,
        archive=archives_under(archives),
        keyring=load_keyring(settings),
        workers=workers or workers_here(),
    )
    if compare not in (None, "live", request.name):
        run_async(lambda: in_session(partial(require_replay, schema.schema_of(compare)), settings))
    with gauge(f"replay {request.name}") as shown:
        result = run_async(lambda: replay(request, GaugeProgress(shown)))
    if compare is None:
        _print_result(request.database, result, as_json)
        return 0
    return compare_and_show(settings, chosen, result, compare, details, as_json)


def _map_text(path: Path | None) -> str | None:
    """Read and check a provider map before anything is created."""
    if path is None:
        return None
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path} cannot be read; give a provider map (TOML)") from None
    ProviderMap.parse(text, where=str(path)).require_readable(str(path))
    return text


def _default_name(method: Methodology, map_digest: str | None) -> str:
    return method.id[:30] + (f"-{map_digest[:8]}" if map_digest else "")


def _print_result(database: DatabaseConnection, result: ReplayResult, as_json: bool) -> None:
    refused = run_async(lambda: _refused(database, result))
    if as_json:
        print_json({"result": result, "refused": refused})
        return
    totals = result.totals
    click.echo(f"replay        {result.name} (schema {result.schema})")
    click.echo(f"methodology   {result.methodology}")
    click.echo(f"records       {totals.records:,}")
    click.echo(
        f"events        {totals.events:,}, {totals.duplicates:,} duplicates, "
        f"{totals.outside:,} outside the requested times"
    )
    click.echo(f"cases         {totals.cases:,}")
    click.echo(f"refused       {totals.refused:,} records that the ledger would dead-letter")
    for row in refused:
        place = f"{row['topic']}/{row['partition']}/{row['record_offset']}"
        click.echo(f"              {place} {row['reason']}: {row['message']}")
    click.echo(f"digest        {result.digest}")


async def _refused(database: DatabaseConnection, result: ReplayResult) -> list[dict[str, Any]]:
    session = await connect(database)
    try:
        rows = await schema.refused_of(session, result.schema, _REFUSED_SHOWN)
    finally:
        await session.close()
    return [dict(row) for row in rows]


for subcommand in (*COMMANDS, promote, back):
    command.add_command(subcommand)
