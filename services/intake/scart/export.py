"""What the rows of an export state: reports, first notices, and claims that nobody here has seen.

1. A row with a URL is a report at `received_at`. In an export without URLs a row adds its first notice only, to the
   case of its file number.
2. `hoster_first_ntd_at` is a notice by e-mail. Empty, it says that none is known: SCART sets it for e-mail alone, so
   nothing follows for a provider that takes notices over an API.
3. Its status and its last-seen time are claims. Three misses of another checker are no removal.
4. A file number that comes again, in this file or in the ledger, is no second report. Its first notice counts if none
   was known, its claims are kept.
5. A row that was not graded illegal is no report, and is counted.
6. Times are those of a wall clock. The hour that comes twice in autumn is a span; a time that never was, or in another
   form, makes the row a dead letter, because whatever else it says hangs on it.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from services.intake.entries import IntakeEntry
from services.intake.hoster_names import HosterNames
from services.intake.intake_statements import Statement
from services.intake.scart.scart_columns import ExportColumns, columns_of
from services.intake.scart.scart_csv import ExportCells, ExportTable
from services.intake.scart.scart_row import (
    ScartRow,
    UnusableRow,
    checked_row,
    is_file_number,
)


class _Reader:
    """A pass over an export: what is known of each file number so far."""

    def __init__(self, columns: ExportColumns, reported: Mapping[str, str]) -> None:
        self.columns = columns
        self._reported = reported
        self._rows: dict[str, ScartRow] = {}
        self._noticed: set[str] = set()

    def end(self, number: int, cells: ExportCells, row: ScartRow) -> IntakeEntry:
        """Say to which end a row comes that can be used."""
        place: dict[str, Any] = {"line": cells.line, "row": number, "reference": row.reference}
        if not row.is_illegal:
            return IntakeEntry(**place, outcome="skipped", why=self._not_illegal(row))
        if self._rows.get(row.reference) == row:
            return IntakeEntry(**place, outcome="duplicate", why="the same row again: nothing new")
        return self._use(place, row)

    def _not_illegal(self, row: ScartRow) -> str:
        if row.reference in self._rows or row.reference in self._reported:
            return "not graded illegal, but reported before: see `takedown correct retract`"
        return "not graded illegal: no report, but counted"

    def _use(self, place: dict[str, Any], row: ScartRow) -> IntakeEntry:
        again = row.reference in self._rows
        statements = [*self._report(row), *self._notice(row), *row.claim()]
        self._rows[row.reference] = row
        return IntakeEntry(
            **place,
            outcome="update" if again else "events",
            why="the same file number again: no second report" if again else None,
            statements=tuple(statements),
            claims=row.claims.shown(),
            notice_known=row.noticed is not None,
            unlisted_hoster=row.unlisted_hoster,
        )

    def _report(self, row: ScartRow) -> list[Statement]:
        known_before = row.reference in self._rows or row.reference in self._reported
        return [] if known_before else row.report()

    def _notice(self, row: ScartRow) -> list[Statement]:
        if row.reference in self._noticed:
            return []
        notice = row.notice()
        if notice:
            self._noticed.add(row.reference)
        return notice


def read_export(
    table: ExportTable,
    zone: ZoneInfo,
    hosters: HosterNames,
    *,
    reported: Mapping[str, str] | None = None,
    historic: bool = False,
) -> Iterator[IntakeEntry]:
    """Give every row of an export with its end; raises `BadExport` where columns are missing.

    `reported`: the cases of the file numbers that the ledger has a report of.
    """
    reader = _Reader(columns_of(table), reported or {})
    for number, cells in enumerate(table.rows, start=1):
        try:
            row = checked_row(reader.columns, cells, zone, hosters, historic=historic)
        except UnusableRow as error:
            yield IntakeEntry(
                line=cells.line,
                row=number,
                outcome="dead_letter",
                reference=_shown_reference(reader.columns, cells),
                why=str(error),
            )
        else:
            yield reader.end(number, cells, row)


def file_numbers(table: ExportTable) -> list[str]:
    """Name the file numbers of an export, for the ledger to be asked which of them it has."""
    columns = columns_of(table)
    shown = (_shown_reference(columns, cells) for cells in table.rows)
    return sorted({reference for reference in shown if reference is not None})


def _shown_reference(columns: ExportColumns, cells: ExportCells) -> str | None:
    """Give the file number where the row has one at its place, shifted or not: nothing else may be shown."""
    place = columns.places["filenumber"]
    if cells.fields is None or place >= len(cells.fields):
        return None
    text = cells.fields[place].strip()
    return text if is_file_number(text) else None
