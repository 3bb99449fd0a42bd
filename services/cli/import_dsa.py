"""`takedown import dsa`: statements of reasons of platforms."""

import csv
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from schemas.errors import TakedownError
from schemas.json_refusals import NO_JSON
from services.cli.hoster_option import FILE
from services.cli.import_entries import Sending, run_import, sending_options
from services.cli.known_references import cases_of
from services.cli.reconcile_command import Zone
from services.intake.decision_subjects import read_subjects
from services.intake.documents import documents
from services.intake.statements_of_reasons import SubjectOfDecision, reasons_entries
from services.runtime.settings import Settings

SOURCE = "takedown:import:dsa"
_ASKED_AT_ONCE = 50_000

_LONGEST_HEADER = 20_000
# The first bytes of files that hold a dump, or are no CSV in UTF-8.
_OTHERWISE = {
    b"PK": "a zip archive, as the dumps are published; unpack it and import each CSV file in it",
    b"\x1f\x8b": "packed with gzip; unpack it first",
    b"PAR1": "Parquet; take the CSV form of the dump",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}


class NoDump(TakedownError):
    """A file that holds no statements of reasons."""

    exit_code = 4


Records = Callable[[], Iterator[tuple[int, dict[str, Any] | None]]]


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--cases",
    type=FILE,
    help="CSV with puid, case_id or reference, and notice_id: what the platforms' ids mean.",
)
@click.option(
    "--zone", type=Zone(), default="UTC", show_default=True, help="Time zone of the dates."
)
@click.option("--platform", help="Name of the platform where a statement does not say it.")
@sending_options
def dsa(
    file: Path,
    cases: Path | None,
    zone: ZoneInfo,
    platform: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Import statements of reasons (DSA, Article 17): JSON as sent to the transparency database, or its CSV dumps.

    A statement holds no URL. It counts for a case that --cases names for its `puid`, or that the ledger has a report
    of with that reference; all others are skipped and counted. That content was removed is a claim, and its date is
    a span of 24 hours; no removal follows from it.
    """
    sending = Sending(source=SOURCE, as_json=as_json, **options)
    settings = sending.settings(ledger=True)
    records = records_of(file)
    subjects = _listed(cases)
    references = sorted({s.reference for s in subjects.values() if s.reference})
    cases_by_id = {} if sending.dry_run else cases_of(settings, references, None)
    if not sending.dry_run:
        subjects = _reported(settings, records) | subjects
    return run_import(
        lambda: reasons_entries(records(), subjects, zone, platform),
        sending,
        settings,
        cases_by_id,
        {},
    )


def _listed(path: Path | None) -> dict[str, SubjectOfDecision]:
    if path is None:
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        return read_subjects(file)


def _reported(settings: Settings, records: Records) -> dict[str, SubjectOfDecision]:
    """Find the statements whose id is the reference of a report, so many at a time."""
    cases_by_id: dict[str, str] = {}
    batch: set[str] = set()
    for _, record in records():
        puid = (record or {}).get("puid") or (record or {}).get("platform_uid")
        if isinstance(puid, str):
            batch.add(puid)
        if len(batch) >= _ASKED_AT_ONCE:
            cases_by_id |= cases_of(settings, sorted(batch), None)
            batch.clear()
    cases_by_id |= cases_of(settings, sorted(batch), None)
    return {puid: SubjectOfDecision(case_id=case_id) for puid, case_id in cases_by_id.items()}


def records_of(path: Path) -> Records:
    """Give a reader of the records of a file; JSON or CSV, told by the first sign."""
    with path.open("rb") as file:
        first = file.read(64).removeprefix(BOM_UTF8).lstrip()[:1]
    if first in (b"{", b"["):
        return lambda: _of_json(documents(path.read_bytes()))
    separator = _separator(path)
    return lambda: _of_csv(path, separator)


def _separator(path: Path) -> str:
    """Give what stands between the columns of a dump; raises `NoDump` where its header is none of one."""
    with path.open("rb") as file:
        head = file.readline(_LONGEST_HEADER)
    packed = next((says for sign, says in _OTHERWISE.items() if head.startswith(sign)), None)
    if packed is not None:
        raise NoDump(f"{path}: {packed}")
    text = head.decode("utf-8-sig", "replace")
    separator = max(",;\t", key=text.count)
    names = {name.strip('" \r\n').lower() for name in text.split(separator)}
    if not names & {"puid", "platform_uid"}:
        raise NoDump(
            f"{path}: no statements of reasons: JSON, or CSV whose first line names `puid` or `platform_uid`"
        )
    return separator


def _of_json(
    listed: Iterable[tuple[int, bytes]],
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    for line, raw in listed:
        try:
            record = msgspec.json.decode(raw, type=dict[str, Any])
        except NO_JSON:
            yield line, None
            continue
        # Several that are sent to the database at once stand in one object.
        several = record.get("statements")
        for one in several if isinstance(several, list) else [record]:
            yield line, one if isinstance(one, dict) else None


def _of_csv(path: Path, separator: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file, delimiter=separator)
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        while True:
            try:
                row = next(reader, None)
            except csv.Error:  # a cell beyond the module's limit
                yield reader.line_num, None
                continue
            if row is None:
                return
            broken = None in row or None in row.values()
            yield reader.line_num, None if broken else row
