"""How a record is kept until its case is folded: as bytes, a few hundred each.

Decoded ones would take three times the memory. A look as this program writes it is decoded by a short way; whatever is
unusual in a record takes `Admission`, so that a replay accepts and refuses exactly what the live ledger does.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from consumers.record.admission import EARLIEST, LATEST, MAX_VALUE_BYTES, RecordAdmission
from consumers.record.source import RawRecord
from schemas.errors import UnusableEvent
from schemas.events import TYPE_OF, Event, LookMade
from services.ledger.shadow.writing import RefusedRecord

JSON = b"application/json"
LOOK_TYPE = TYPE_OF[LookMade].encode()
LOOK = b""
_ID_LENGTH = 36
_TIME_LENGTH = len("2026-01-01T00:00:00.000000Z")
_QUOTE, _BACKSLASH, _T, _Z = b'"\\TZ'
_ID_IN, _TIME_IN, _BODY_IN = slice(2, 38), slice(41, 68), slice(70, -1)
_decode = msgspec.json.Decoder(tuple[UUID, datetime, LookMade]).decode

Item = tuple[Any, ...]
"""(topic, partition, offset) and then: (type, id, time, source, value) of a record; or (LOOK, source, text) of a
usual look, its id, time and body in one JSON text; or (None, event).
"""


def place_of(item: Item) -> tuple[str, int, int]:
    """Say where a record stands."""
    return item[0], item[1], item[2]


def refusal(item: Item, error: UnusableEvent) -> RefusedRecord:
    """Give a row of `replay_refused`."""
    return RefusedRecord(*place_of(item), error.reason, str(error))


def admit(item: Item, case_id: str, admission: RecordAdmission) -> Event:
    """Give the event of a gathered record; raises `UnusableEvent` as `Admission` does."""
    if item[3] is None:
        event: Event = item[4]
        return event
    look = _look(case_id, item[4], item[5]) if item[3] is LOOK else None
    return look or admission.admit(record_of(item, case_id))


def join_text(name: bytes, time: bytes, value: bytes) -> bytes | None:
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


def record_of(item: Item, case_id: str) -> RawRecord:
    """Put a record together again."""
    topic, partition, offset, type_, *rest = item
    if type_ is LOOK:
        source, text = rest
        rest = [text[_ID_IN], text[_TIME_IN], source.encode(), text[_BODY_IN]]
        type_ = LOOK_TYPE
    name, time, source, value = rest
    headers = [
        ("ce_type", type_),
        ("ce_id", name),
        ("ce_time", time),
        ("ce_source", source),
        ("ce_subject", case_id.encode("latin-1")),
        ("content-type", JSON),
    ]
    return RawRecord(topic, partition, offset, 0, 0, None, value, headers)
