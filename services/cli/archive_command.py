"""`takedown archive`: the evidence topics as compressed files with checksums, and back."""

from pathlib import Path
from typing import Any

import click

from consumers.record.archive_reader import Manifest, verify_archive
from consumers.record.archive_reader import read_manifest as manifest_of
from consumers.record.archive_writer import write_archive
from consumers.record.ranges import Bounds, offsets_in, parse_offsets, resolve
from consumers.record.source import KafkaSource
from services.cli.gauge import Gauge, gauge
from services.cli.instant_options import Instant
from services.cli.support import client_settings, counted, json_option, now, print_json, run_async
from services.runtime.connections import kafka_connection


@click.group()
def command() -> None:
    """Write the evidence to compressed files with checksums, and verify them.

    Reports may contain unsealed URLs: an archive is readable by its owner only. Keep it so.
    """


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--from-offsets", multiple=True, metavar="TOPIC/PARTITION=OFFSET")
@click.option("--until-offsets", multiple=True, metavar="TOPIC/PARTITION=OFFSET")
@click.option("--recorded-from", type=Instant(), help="Broker time of records, not event time.")
@click.option("--recorded-to", type=Instant(), help="Broker time of records, not event time.")
@json_option
def write(
    folder: Path,
    from_offsets: tuple[str, ...],
    until_offsets: tuple[str, ...],
    recorded_from: Any,
    recorded_to: Any,
    as_json: bool,
) -> None:
    """Write the evidence topics, or a range of them, to FOLDER.

    An interrupted archive continues, with its original range, when the same command is run again.
    """
    kafka = kafka_connection(client_settings(kafka=True))
    bounds = Bounds(
        from_offsets=parse_offsets(from_offsets),
        until_offsets=parse_offsets(until_offsets),
        recorded_from=recorded_from,
        recorded_to=recorded_to,
    )
    with gauge("archiving") as shown:
        manifest = run_async(lambda: _write(KafkaSource(kafka), folder, bounds, shown))
    _print(manifest, as_json)


async def _write(source: KafkaSource, folder: Path, bounds: Bounds, shown: Gauge) -> Manifest:
    try:
        ranges = await resolve(source, bounds)
        shown.planned(offsets_in(ranges))
        return await write_archive(source, folder, ranges, now(), shown.read)
    finally:
        await source.close()


@command.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Read an archive and compare it with its manifest; exit status 5 if anything was changed."""
    with gauge("verifying") as shown:
        shown.planned(manifest_of(folder).records)
        manifest = verify_archive(folder, shown.read)
    _print(manifest, as_json)


def _print(manifest: Manifest, as_json: bool) -> None:
    size = sum(written.bytes for written in manifest.files)
    if as_json:
        print_json(
            {
                "records": manifest.records,
                "files": len(manifest.files),
                "bytes": size,
                "digest": manifest.digest,
                "spans": manifest.spans,
            }
        )
        return
    click.echo(
        f"{counted(manifest.records, 'record')} in {counted(len(manifest.files), 'file')}, {size:,} bytes"
    )
    click.echo(f"digest {manifest.digest}")
