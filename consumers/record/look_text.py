"""A usual look, read by a short way: id, time and body by one call of the decoder.

Nearly all evidence is looks as this program writes them. Whatever is unusual in a record takes the long way of
`Admission`, so that exactly the same is accepted and refused.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from schemas import codec
from schemas.event_words import EARLIEST, LATEST
from schemas.events import TYPE_OF, Event, LookMade
from schemas.ids import is_case_id
from schemas.json_refusals import NO_JSON

JSON = b"application/json"
LOOK_TYPE = TYPE_OF[LookMade].encode()
# Far above any honest event; a body is kept for ever.
MAX_VALUE_BYTES = 262_144
MAX_SOURCE_LENGTH = 500

_WRITTEN = codec.HEADERS
_ID_LENGTH = 36
_TIME_LENGTH = len("2026-01-01T00:00:00.000000Z")
_QUOTE, _BACKSLASH, _T, _Z = b'"\\TZ'
_MANY_SOURCES = 10_000
_MANY_CASES = 10_000
_decode = msgspec.json.Decoder(tuple[UUID, datetime, LookMade]).decode


class SourceTexts:
    """One copy of the text of each usual source."""

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}

    def text(self, source: bytes) -> str | None:
        """Give the text of a source; None where it is out of the ordinary."""
        return self._texts.get(source) or self._keep(source)

    def _keep(self, source: bytes) -> str | None:
        if not 0 < len(source) <= MAX_SOURCE_LENGTH or not source.isascii():
            return None
        text = source.decode()
        if not text.isprintable() or '"' in text or "\\" in text:
            return None
        if len(self._texts) < _MANY_SOURCES:
            self._texts[source] = text
        return text


def usual_headers(headers: Sequence[tuple[str, Any]]) -> Sequence[Any]:
    """Pick id, source, type, time, subject and content type; this program's own stand in this order anyway."""
    if len(headers) == len(_WRITTEN):
        (a, _), (b, name), (c, source), (d, type_), (e, time), (f, subject), (g, content) = headers
        if (a, b, c, d, e, f, g) == _WRITTEN:
            return name, source, type_, time, subject, content
    by_name = dict(headers)
    return [by_name.get(name) for name in _WRITTEN[1:]]


def fits_text(name: bytes, time: bytes, value: bytes) -> bool:
    """Tell whether id, time and body may stand in a JSON text as they are.

    Texts of just these lengths without quotes can't reach beyond their place; an escape may hide a NUL.
    """
    if len(name) != _ID_LENGTH or len(time) != _TIME_LENGTH or len(value) > MAX_VALUE_BYTES:
        return False
    if time[10] != _T or time[-1] != _Z or _BACKSLASH in value:
        return False
    both = name + time
    return not (_QUOTE in both or _BACKSLASH in both)


class UsualLooks:
    """Reads usual looks; a source or a case that comes again has one text."""

    def __init__(self) -> None:
        self._sources = SourceTexts()
        self._cases: dict[bytes, str] = {}

    def event(self, headers: Sequence[tuple[str, Any]], value: bytes | None) -> Event | None:
        """Give the event of a look by the short way; None where anything in it is out of the ordinary."""
        name, source, type_, time, subject, content = usual_headers(headers)
        if type_ != LOOK_TYPE or content != JSON or value is None:
            return None
        if name is None or source is None or time is None or subject is None:
            return None
        case_id = self._cases.get(subject) or self._name(subject)
        sender = self._sources.text(source)
        if case_id is None or sender is None or not fits_text(name, time, value):
            return None
        try:
            event_id, at, look = _decode(b'["%b","%b",%b]' % (name, time, value))
        except NO_JSON:
            return None
        return event_of(case_id, sender, event_id, at, look)

    def _name(self, subject: bytes) -> str | None:
        text = subject.decode("latin-1")
        if not is_case_id(text):
            return None
        if len(self._cases) >= _MANY_CASES:
            self._cases.clear()
        self._cases[subject] = text
        return text


def _is_usual(moment: datetime) -> bool:
    return moment.tzinfo is UTC and EARLIEST <= moment < LATEST


def event_of(
    case_id: str, source: str, event_id: UUID, at: datetime, look: LookMade
) -> Event | None:
    """Put a look's event together; None where an instant in it is out of the ordinary."""
    begun, tick, canary_at = look.started_at, look.tick, look.canary_at
    if look.finished_at != at or not EARLIEST <= begun <= at < LATEST:
        return None
    if at.tzinfo is not UTC or begun.tzinfo is not UTC or tick.tzinfo is not UTC:
        return None
    if not EARLIEST <= tick < LATEST or (canary_at and not _is_usual(canary_at)):
        return None
    return Event(id=event_id, time=at, source=source, case_id=case_id, data=look)
