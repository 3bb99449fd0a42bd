"""The fold of one unit of a replay, case by case."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from consumers.record.admission import RecordAdmission
from consumers.record.refusal import (
    id_conflict,
    is_fault_of_event,
    notice_conflict,
    unfoldable,
)
from consumers.replay.compact_record import Item, admit, record_of, refusal
from schemas import ids
from schemas.errors import UnusableEvent
from schemas.events import Event
from schemas.methodology import Methodology
from services.attribution.history import reattributed
from services.attribution.providermap import ProviderMap
from services.core.case import Case, Transition
from services.core.fold import fold_unique
from services.core.notice_conflicts import conflicting_arrivals
from services.core.outcomes import outcomes
from services.ledger import changes
from services.ledger.shadow.writing import Folded, RefusedRecord


class Rules(Struct, frozen=True, kw_only=True):
    """What a replay folds and how; `partitions` is how many every topic has."""

    methodology: Methodology
    partitions: int
    providers: ProviderMap | None = None
    event_from: datetime | None = None
    event_to: datetime | None = None

    def outside(self, at: datetime) -> bool:
        """Tell whether an event's time is beyond what was asked for."""
        early = self.event_from is not None and at < self.event_from
        return early or (self.event_to is not None and at >= self.event_to)


class UnitFold:
    """Folds gathered cases one after the other; counts, and notes what can't be used."""

    def __init__(self, rules: Rules, admission: RecordAdmission) -> None:
        self._rules = rules
        self._admission = admission
        self._bounded = rules.event_from is not None or rules.event_to is not None
        self.outside = 0
        self.refused: list[RefusedRecord] = []

    def fold(self, case_id: str, items: Sequence[Item]) -> Folded | None:
        """Fold one case; None where none of its records can be used, or none is within the asked times."""
        unique, sources, duplicates = self._unique(case_id, items)
        events = list(unique.values())
        if self._bounded:
            events = [event for event in events if not self._rules.outside(event.time)]
            self.outside += len(unique) - len(events)
        if self._rules.providers is not None:
            events = [reattributed(event, self._rules.providers) for event in events]
        if not events:
            return None
        try:
            case, moved = fold_unique(events, self._rules.methodology)
        except Exception as error:
            if not is_fault_of_event(error):
                raise
            item_of = dict(zip(unique, sources, strict=True))
            events, case, moved = self._isolate(events, lambda event: item_of[event.id.int])
        if case.notice_conflicts:
            self._note_conflicts(events, dict(zip(unique, sources, strict=True)))
        concluded = outcomes(case, moved, self._rules.methodology)
        return Folded(case, moved, concluded, events, duplicates)

    def _unique(
        self, case_id: str, items: Sequence[Item]
    ) -> tuple[dict[int, Event], list[Item], int]:
        """Admit records; the first of an id holds, an equal one is a duplicate, another a contradiction.

        Gives events by id, the record of each, and how many duplicates there were.
        """
        unique: dict[int, Event] = {}
        sources: list[Item] = []
        duplicates, usual = 0, ids.is_case_id(case_id)
        for item in items:
            try:
                if usual:
                    event = admit(item, case_id, self._admission)
                else:
                    event = self._admission.admit(record_of(item, case_id))
            except UnusableEvent as error:
                self.refused.append(refusal(item, error))
                continue
            first = unique.setdefault(event.id.int, event)
            if first is event:
                sources.append(item)
            elif changes.same_fact(first, event):
                duplicates += 1
            else:
                self.refused.append(refusal(item, id_conflict()))
        return unique, sources, duplicates

    def _note_conflicts(self, events: Sequence[Event], item_of: dict[int, Item]) -> None:
        """Note the notices that the live ledger puts on the dead-letter topic and takes all the same."""
        wrong = conflicting_arrivals(events, events)
        named = (item_of[event.id.int] for event in events if event.id in wrong)
        self.refused += [refusal(item, notice_conflict()) for item in named]

    def _isolate(
        self, events: Sequence[Event], item_of: Callable[[Event], Item]
    ) -> tuple[list[Event], Case, list[Transition]]:
        """Leave out the events that nothing can be made of, as the live ledger does."""
        usable: list[Event] = []
        for event in events:
            try:
                fold_unique([*usable, event], self._rules.methodology)
            except Exception as error:
                if not is_fault_of_event(error):
                    raise
                self.refused.append(refusal(item_of(event), unfoldable(error)))
            else:
                usable.append(event)
        return usable, *fold_unique(usable, self._rules.methodology)
