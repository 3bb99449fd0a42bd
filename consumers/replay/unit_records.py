"""The records of one unit of a replay, gathered by case."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiokafka.partitioner import murmur2

from consumers.record.admission import RecordAdmission
from consumers.record.look_text import JSON, LOOK_TYPE, Sources, join_text, usual_headers
from consumers.replay.compact_record import LOOK, Item, admit, place_of, refusal
from schemas import ids, topics
from schemas.errors import UnusableEvent
from schemas.events import TYPE_OF
from services.ledger import rows
from services.ledger.shadow.schema import Unit
from services.ledger.shadow.writing import RefusedRecord, StrayRecord

_CARRIED = {
    topic.name: frozenset(TYPE_OF[struct].encode() for struct in topic.carries)
    for topic in topics.EVIDENCE
}
_SKIP: list[Any] = []
_STRAY: list[Any] = []


def home_of(case_id: str, partitions: int) -> int:
    """Name the partition that a case's records stand in where their key is the case id."""
    return int(murmur2(case_id.encode()) & 0x7FFFFFFF) % partitions


def slice_of(case_id: str, slices: int) -> int:
    """Name the slice of a partition that a case is in."""
    return 0 if slices == 1 else int(case_id[-6:], 16) % slices


class UnitRecords:
    """The records of one unit, by case; `strays` are events whose case is at home in another partition."""

    def __init__(
        self,
        unit: Unit,
        admission: RecordAdmission,
        partitions: int,
        only: frozenset[str] | None = None,
    ) -> None:
        self._unit = unit
        self._admission = admission
        self._partitions = partitions
        self._only = only
        self._sources = Sources()
        self._places: dict[str, list[Item]] = {}
        self.strays: list[StrayRecord] = []
        self.refused: list[RefusedRecord] = []
        self.count = 0

    def take(self, records: Sequence[Any]) -> None:
        """Take records of one partition, in their order."""
        self.count += len(records)
        carried, places, sources = _CARRIED[records[0].topic], self._places, self._sources.text
        for record in records:
            name, source, type_, time, subject, content = usual_headers(record.headers)
            value = record.value
            if (
                type_ not in carried
                or content != JSON
                or subject is None
                or len(subject) != 32
                or name is None
                or time is None
                or source is None
                or value is None
            ):
                self._unusual(record)
                continue
            case_id = subject.decode("latin-1")
            place = places.get(case_id)
            if place is None:
                place = self._decide(case_id)
            if place is _SKIP:
                continue
            where = (record.topic, record.partition, record.offset)
            text = join_text(name, time, value) if type_ == LOOK_TYPE else None
            source_text = sources(source)
            if text is None or source_text is None:
                item: Item = (*where, type_, name, time, source, value)
            else:
                item = (*where, LOOK, source_text, text)
            self._put(place, case_id, item)

    def _unusual(self, record: Any) -> None:
        place = record.topic, record.partition, record.offset
        try:
            event = self._admission.admit(record)
        except UnusableEvent as error:
            self._refuse(place, error)
            return
        case_id = event.case_id
        self._put(
            self._places.get(case_id) or self._decide(case_id), case_id, (*place, None, event)
        )

    def _decide(self, case_id: str) -> list[Item]:
        """Decide at a case's first record where its records go."""
        place: list[Item] = []
        if not ids.is_case_id(case_id):
            # No case, but its records have to be refused, once.
            place = place if self._refuses else _SKIP
        elif slice_of(case_id, self._unit.slices) != self._unit.slice:
            place = _SKIP
        elif home_of(case_id, self._partitions) != self._unit.partition:
            place = _SKIP if self._unit.strays else _STRAY
        elif self._only is not None and case_id not in self._only:
            place = _SKIP
        return self._places.setdefault(case_id, place)

    def _put(self, place: list[Item], case_id: str, item: Item) -> None:
        if place is _STRAY:
            self._set_aside(case_id, item)
        elif place is not _SKIP:
            place.append(item)

    def _set_aside(self, case_id: str, item: Item) -> None:
        try:
            event = admit(item, case_id, self._admission)
        except UnusableEvent as error:
            self.refused.append(refusal(item, error))
            return
        home = home_of(event.case_id, self._partitions)
        self.strays.append(StrayRecord(home, *place_of(item), **rows.event_row(event)._asdict()))

    @property
    def _refuses(self) -> bool:
        """Tell whether this unit counts what belongs to no case."""
        return self._unit.slice == 0 and not self._unit.strays

    def _refuse(self, place: tuple[str, int, int], error: UnusableEvent) -> None:
        if self._refuses:
            self.refused.append(RefusedRecord(*place, error.reason, str(error)))

    def add(self, strays: Iterable[Any]) -> None:
        """Take stored strays of this partition's cases."""
        for row in strays:
            place = self._places.get(row["case_id"]) or self._decide(row["case_id"])
            item = (row["topic"], row["partition"], row["record_offset"], None, rows.event_of(row))
            self._put(place, row["case_id"], item)

    def cases(self) -> Iterator[tuple[str, list[Item]]]:
        """Give the cases of this unit; each is let go of once it is given."""
        while self._places:
            case_id, items = self._places.popitem()
            if items:
                yield case_id, items
