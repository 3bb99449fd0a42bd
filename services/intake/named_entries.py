"""Entries as events: each statement named by its URL, or by the case that its reference has."""

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from schemas.errors import UnusableEvent
from schemas.events import Event, ReportFiled
from services.intake.entries import IntakeEntry
from services.intake.intake_statements import Admit, Statement, incoming

NO_CASE = "no report with this number is known: import the export with URLs first, with --wait"


class NamedEntry(Struct, frozen=True):
    """An entry with its events; `without_case`: statements whose case is not known here."""

    entry: IntakeEntry
    events: tuple[Event, ...] = ()
    without_case: tuple[Statement, ...] = ()


class Naming:
    """Names the cases of entries in their order.

    `cases`: what references are known to mean; a report adds its own. `strict`: what has no case is a dead letter.
    """

    def __init__(
        self, admit: Admit, source: str, cases: dict[str, str], *, strict: bool = True
    ) -> None:
        self._admit = admit
        self._source = source
        self._cases = dict(cases)
        self._strict = strict

    def named(self, entries: Iterable[IntakeEntry]) -> Iterator[NamedEntry]:
        """Give each entry with its events; one that admission refuses is a dead letter."""
        for entry in entries:
            try:
                yield self._one(entry)
            except UnusableEvent as error:
                yield NamedEntry(_dead(entry, str(error)))

    def _one(self, entry: IntakeEntry) -> NamedEntry:
        events, without = [], []
        own: str | None = None
        for statement in entry.statements:
            event = self._event(statement, own)
            if event is None:
                without.append(statement)
                continue
            own = event.case_id
            events.append(event)
            if isinstance(statement.data, ReportFiled) and statement.reference is not None:
                self._cases.setdefault(statement.reference, own)
        if without and self._strict:
            return NamedEntry(_dead(entry, NO_CASE))
        return NamedEntry(entry, tuple(events), tuple(without))

    def _event(self, statement: Statement, own: str | None) -> Event | None:
        if isinstance(statement.data, ReportFiled):
            return self._admit(incoming(statement, self._source))
        case_id = statement.case_id or own or self._cases.get(statement.reference or "")
        if case_id is None:
            return None
        return self._admit(incoming(statement, self._source, case_id))


def _dead(entry: IntakeEntry, why: str) -> IntakeEntry:
    return structs.replace(entry, outcome="dead_letter", why=why, statements=(), claims=None)
