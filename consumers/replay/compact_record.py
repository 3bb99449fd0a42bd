"""How a record is kept until its case is folded: as bytes, a few hundred each.

Decoded ones would take three times the memory. A look as this program writes it is decoded by a short way; whatever is
unusual in a record takes `Admission`, so that a replay accepts and refuses exactly what the live ledger does.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from consumers.record.admission import RecordAdmission
from consumers.record.look_text import JSON, LOOK_TYPE, event_of, fits_text
from consumers.record.source import RawRecord
from schemas import topics
from schemas.errors import UnusableEvent
from schemas.events import Event, LookMade
from schemas.json_refusals import NO_JSON
from services.ledger.shadow.writing import RefusedRecord

_decode = msgspec.json.Decoder(tuple[int, int, str, UUID, datetime, LookMade]).decode
_ID_IN, _TIME_IN, _BODY_IN = slice(36), slice(39, 66), slice(68, -1)

Item = bytes | tuple[Any, ...]
"""The text of a usual look, with its place and source; or (topic, partition, offset) and then (type, id, time, source,
value) of another record, or (None, event).
"""


def pack_look(
    partition: int, offset: int, source: str, name: bytes, time: bytes, value: bytes
) -> bytes | None:
    """Put all of a look into one JSON text: an object of its own for each part would take a fifth more.

    None where one is out of the ordinary; `source` is one of `SourceTexts`.
    """
    if not fits_text(name, time, value):
        return None
    return b'[%d,%d,"%b","%b","%b",%b]' % (partition, offset, source.encode(), name, time, value)


def _unpack_look(text: bytes) -> tuple[Any, ...]:
    """Give all parts of a look again, whatever its body is; a source holds no quote."""
    head, _, rest = text.partition(b'","')
    partition, offset, source = head[1:].split(b",", 2)
    place = topics.OBSERVATIONS.name, int(partition), int(offset)
    return *place, LOOK_TYPE, rest[_ID_IN], rest[_TIME_IN], source[1:], rest[_BODY_IN]


def place_of(item: Item) -> tuple[str, int, int]:
    """Say where a record stands."""
    parts = _unpack_look(item) if isinstance(item, bytes) else item
    return parts[0], parts[1], parts[2]


def refusal(item: Item, error: UnusableEvent) -> RefusedRecord:
    """Give a row of `replay_refused`."""
    return RefusedRecord(*place_of(item), error.reason, str(error))


def admit(item: Item, case_id: str, admission: RecordAdmission) -> Event:
    """Give the event of a gathered record; raises `UnusableEvent` as `Admission` does."""
    if isinstance(item, bytes):
        return _look(case_id, item) or admission.admit(record_of(item, case_id))
    if item[3] is None:
        event: Event = item[4]
        return event
    return admission.admit(record_of(item, case_id))


def _look(case_id: str, text: bytes) -> Event | None:
    try:
        _, _, source, event_id, at, look = _decode(text)
    except NO_JSON:
        return None
    return event_of(case_id, source, event_id, at, look)


def record_of(item: Item, case_id: str) -> RawRecord:
    """Put a record together again."""
    parts = _unpack_look(item) if isinstance(item, bytes) else item
    topic, partition, offset, type_, name, time, source, value = parts
    headers = [
        ("ce_type", type_),
        ("ce_id", name),
        ("ce_time", time),
        ("ce_source", source),
        ("ce_subject", case_id.encode("latin-1")),
        ("content-type", JSON),
    ]
    return RawRecord(topic, partition, offset, 0, 0, None, value, headers)
