"""Cut every URL out of a record, and leave the event that it is: the same case, id, time and words."""

from typing import Any

from msgspec import structs

from consumers.record.admission import Admission
from consumers.record.source import RawRecord
from schemas.codec import encode
from schemas.errors import UnusableEvent
from schemas.events import Event, unsealed
from schemas.sealing import Keyring


class Redactor:
    """Writes a record anew from its event, so that nothing of what was sent is left but what the event says.

    What can't be read as an event may hold anything, so nothing of it stays but its place: a replay refuses it then,
    as the ledger did.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._admission = Admission(keyring)

    def __call__(self, record: Any) -> RawRecord:
        """Give the record without any URL."""
        return self.read(record)[0]

    def read(self, record: Any) -> tuple[RawRecord, Event | None]:
        """Give the record without any URL, and the event that it is; None where it is none."""
        try:
            event = self._admission.admit(record)
        except UnusableEvent:
            return _placed(record, None, b"", []), None
        event = structs.replace(event, data=unsealed(event.data))
        return _placed(record, *encode(event)), event


def _placed(
    record: Any, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]
) -> RawRecord:
    return RawRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        key,
        value,
        headers,
    )
