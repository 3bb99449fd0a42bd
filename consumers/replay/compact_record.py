"""How a record is kept until its case is folded: as bytes, a few hundred each.

Decoded ones would take three times the memory. A look as this program writes it is decoded by a short way; whatever is
unusual in a record takes `Admission`, so that a replay accepts and refuses exactly what the live ledger does.
"""

from typing import Any

from consumers.record.admission import RecordAdmission
from consumers.record.look_text import JSON, LOOK_TYPE, decode_look, split_text
from consumers.record.source import RawRecord
from schemas.errors import UnusableEvent
from schemas.events import Event
from services.ledger.shadow.writing import RefusedRecord

LOOK = b""

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
    look = decode_look(case_id, item[4], item[5]) if item[3] is LOOK else None
    return look or admission.admit(record_of(item, case_id))


def record_of(item: Item, case_id: str) -> RawRecord:
    """Put a record together again."""
    topic, partition, offset, type_, *rest = item
    if type_ is LOOK:
        source, text = rest
        name, time, value = split_text(text)
        rest, type_ = [name, time, source.encode(), value], LOOK_TYPE
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
