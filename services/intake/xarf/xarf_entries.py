"""XARF documents as entries of an import."""

from collections.abc import Iterable, Iterator

from services.intake.entries import IntakeEntry
from services.intake.intake_statements import Statement
from services.intake.xarf.xarf_document import NotXarf, read_document
from services.intake.xarf.xarf_report import NoReport, report_of


def xarf_entries(
    documents: Iterable[tuple[int, bytes]], *, historic: bool = False
) -> Iterator[IntakeEntry]:
    """Give every document with its end; content in it is passed over unread, and counted."""
    for row, (line, raw) in enumerate(documents, start=1):
        try:
            read = report_of(read_document(raw), historic=historic)
        except (NotXarf, NoReport) as error:
            yield IntakeEntry(line=line, row=row, outcome="dead_letter", why=str(error))
            continue
        stated: list[Statement] = [read.statement, *([read.claim] if read.claim else [])]
        yield IntakeEntry(
            line=line,
            row=row,
            outcome="events",
            statements=tuple(stated),
            claims={"status": "content_removed"} if read.claim else None,
            left_out=read.left_out,
        )
