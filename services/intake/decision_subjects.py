"""The operator's table of what platforms' own ids mean: a CSV with `puid` and `case_id` or `reference`."""

import csv
from collections.abc import Iterable

from schemas.errors import TakedownError
from schemas.ids import is_case_id
from services.intake.statements_of_reasons import SubjectOfDecision


class BadSubjects(TakedownError):
    """A table that says of no id what it means."""

    exit_code = 2


def read_subjects(lines: Iterable[str]) -> dict[str, SubjectOfDecision]:
    """Read the table; raises `BadSubjects` with the line that is wrong."""
    reader = csv.DictReader(lines)
    names = set(reader.fieldnames or ())
    if "puid" not in names or not names & {"case_id", "reference"}:
        raise BadSubjects("the table needs a header with puid, case_id or reference, and notice_id")
    subjects: dict[str, SubjectOfDecision] = {}
    for row in reader:
        cell = {name: (text or "").strip() or None for name, text in row.items() if name in names}
        case_id, reference = cell.get("case_id"), cell.get("reference")
        if case_id is not None and not is_case_id(case_id):
            raise BadSubjects(f"line {reader.line_num}: case_id is not 32 hexadecimal digits")
        if cell.get("puid") is None or not (case_id or reference):
            raise BadSubjects(f"line {reader.line_num}: puid, or the case that it means, is empty")
        subjects[cell["puid"] or ""] = SubjectOfDecision(
            case_id=case_id, reference=reference, notice_id=cell.get("notice_id")
        )
    return subjects
