"""One unit of a replay: gather the records of its cases, then fold case by case.

Records are kept as bytes, a few hundred each, until their case is folded: decoded ones would take three times
the memory. A look as this program writes it is decoded by a short way; whatever is unusual in a record takes
`Admission`, so that a replay accepts and refuses exactly what the live ledger does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from aiokafka.partitioner import murmur2
from msgspec import Struct

from consumers.record.admission import (
    EARLIEST,
    LATEST,
    MAX_SOURCE_LENGTH,
    MAX_VALUE_BYTES,
    RecordAdmission,
)
from consumers.record.refusal import id_conflict, is_fault_of_event, unfoldable
from consumers.record.source import RawRecord
from schemas import codec, ids, topics
from schemas.errors import UnusableEvent
from schemas.events import TYPE_OF, Event, LookMade
from schemas.methodology import Methodology
from services.attribution.history import reattributed
from services.attribution.providermap import ProviderMap
from services.core.case import Case, Transition
from services.core.fold import fold_unique
from services.core.outcomes import outcomes
from services.ledger import changes, rows
from services.ledger.shadow.schema import Unit
from services.ledger.shadow.writing import Folded, RefusedRecord, StrayRecord

_CARRIED = {
    topic.name: frozenset(TYPE_OF[struct].encode() for struct in topic.carries)
    for topic in topics.EVIDENCE
}
_LOOK_HEADER = TYPE_OF[LookMade].encode()
_JSON = b"application/json"
_MANY_SOURCES = 10_000
_ID_LENGTH = 36
_TIME_LENGTH = len("2026-01-01T00:00:00.000000Z")
_QUOTE, _BACKSLASH, _T, _Z = b'"\\TZ'
_ID_IN, _TIME_IN, _BODY_IN = slice(2, 38), slice(41, 68), slice(70, -1)
_decode = msgspec.json.Decoder(tuple[UUID, datetime, LookMade]).decode
_LOOK = b""
_WRITTEN = codec.HEADERS
_SKIP: list[Any] = []
_STRAY: list[Any] = []

Item = tuple[Any, ...]
"""(topic, partition, offset) and then: (type, id, time, source, value) of a record; or (_LOOK, source, text) of a
usual look, its id, time and body in one JSON text; or (None, event).
"""


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


def home_of(case_id: str, partitions: int) -> int:
    """Name the partition that a case's records stand in where their key is the case id."""
    return int(murmur2(case_id.encode()) & 0x7FFFFFFF) % partitions


def slice_of(case_id: str, slices: int) -> int:
    """Name the slice of a partition that a case is in."""
    return 0 if slices == 1 else int(case_id[-6:], 16) % slices


def place_of(item: Item) -> tuple[str, int, int]:
    """Say where a record stands."""
    return item[0], item[1], item[2]


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
        self._sources: dict[bytes, str] = {}
        self._places: dict[str, list[Item]] = {}
        self.strays: list[StrayRecord] = []
        self.refused: list[RefusedRecord] = []
        self.count = 0

    def take(self, records: Sequence[Any]) -> None:
        """Take records of one partition, in their order."""
        self.count += len(records)
        carried, places, sources = _CARRIED[records[0].topic], self._places, self._sources
        for record in records:
            name, source, type_, time, subject, content = _usual_headers(record.headers)
            value = record.value
            if (
                type_ not in carried
                or content != _JSON
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
            text = _join_text(name, time, value) if type_ == _LOOK_HEADER else None
            source_text = sources.get(source) or self._keep(source)
            if text is None or source_text is None:
                item: Item = (*where, type_, name, time, source, value)
            else:
                item = (*where, _LOOK, source_text, text)
            self._put(place, case_id, item)

    def _keep(self, source: bytes) -> str | None:
        """Keep one copy of each usual source; None where it is out of the ordinary."""
        if not 0 < len(source) <= MAX_SOURCE_LENGTH or not source.isascii() or b"\x00" in source:
            return None
        text = source.decode()
        if len(self._sources) < _MANY_SOURCES:
            self._sources[source] = text
        return text

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


def _usual_headers(headers: Sequence[tuple[str, Any]]) -> Sequence[Any]:
    """Pick the headers all but the first, in the order of `_WRITTEN`, in which this program's own stand anyway."""
    if len(headers) == len(_WRITTEN):
        (a, _), (b, name), (c, source), (d, type_), (e, time), (f, subject), (g, content) = headers
        if (a, b, c, d, e, f, g) == _WRITTEN:
            return name, source, type_, time, subject, content
    by_name = dict(headers)
    return [by_name.get(name) for name in _WRITTEN[1:]]


def refusal(item: Item, error: UnusableEvent) -> RefusedRecord:
    """Give a row of `replay_refused`."""
    return RefusedRecord(*place_of(item), error.reason, str(error))


def admit(item: Item, case_id: str, admission: RecordAdmission) -> Event:
    """Give the event of a gathered record; raises `UnusableEvent` as `Admission` does."""
    if item[3] is None:
        event: Event = item[4]
        return event
    look = _look(case_id, item[4], item[5]) if item[3] is _LOOK else None
    return look or admission.admit(_record(item, case_id))


def _join_text(name: bytes, time: bytes, value: bytes) -> bytes | None:
    """Put id and time before the body as JSON, to be decoded in one call; None where one is out of the ordinary.

    Texts of just these lengths without quotes can't reach beyond their place; an escape may hide a NUL.
    """
    if len(name) != _ID_LENGTH or len(time) != _TIME_LENGTH or len(value) > MAX_VALUE_BYTES:
        return None
    if time[10] != _T or time[-1] != _Z or name.find(_QUOTE) >= 0 or time.find(_QUOTE) >= 0:
        return None
    text = b'["%b","%b",%b]' % (name, time, value)
    return None if text.find(_BACKSLASH) >= 0 else text


def _look(case_id: str, source: str, text: bytes) -> Event | None:
    """Decode a look by the short way; None where anything in it is out of the ordinary."""
    try:
        event_id, at, data = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if data.finished_at != at or data.started_at > at or not EARLIEST <= at < LATEST:
        return None
    if at.tzinfo is not UTC:
        return None
    return Event(id=event_id, time=at, source=source, case_id=case_id, data=data)


def _record(item: Item, case_id: str) -> RawRecord:
    """Put a record together again."""
    topic, partition, offset, type_, *rest = item
    if type_ is _LOOK:
        source, text = rest
        rest = [text[_ID_IN], text[_TIME_IN], source.encode(), text[_BODY_IN]]
        type_ = _LOOK_HEADER
    name, time, source, value = rest
    headers = [
        ("ce_type", type_),
        ("ce_id", name),
        ("ce_time", time),
        ("ce_source", source),
        ("ce_subject", case_id.encode("latin-1")),
        ("content-type", _JSON),
    ]
    return RawRecord(topic, partition, offset, 0, 0, None, value, headers)


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
                    event = self._admission.admit(_record(item, case_id))
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
