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
from schemas.events import TYPE_OF, Event, LookMade

JSON = b"application/json"
LOOK_TYPE = TYPE_OF[LookMade].encode()
# Far above any honest event; a body is kept for ever.
MAX_VALUE_BYTES = 262_144
MAX_SOURCE_LENGTH = 500
# Every sum of an event's instant and a norm must stay a date.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_WRITTEN = codec.HEADERS
_ID_LENGTH = 36
_TIME_LENGTH = len("2026-01-01T00:00:00.000000Z")
_QUOTE, _BACKSLASH, _T, _Z = b'"\\TZ'
_ID_IN, _TIME_IN, _BODY_IN = slice(2, 38), slice(41, 68), slice(70, -1)
_MANY_SOURCES = 10_000
_decode = msgspec.json.Decoder(tuple[UUID, datetime, LookMade]).decode


class Sources:
    """One copy of the text of each usual source."""

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}

    def text(self, source: bytes) -> str | None:
        """Give the text of a source; None where it is out of the ordinary."""
        return self._texts.get(source) or self._keep(source)

    def _keep(self, source: bytes) -> str | None:
        if not 0 < len(source) <= MAX_SOURCE_LENGTH or not source.isascii() or b"\x00" in source:
            return None
        text = source.decode()
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


def split_text(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Give id, time and body again."""
    return text[_ID_IN], text[_TIME_IN], text[_BODY_IN]


def decode_look(case_id: str, source: str, text: bytes) -> Event | None:
    """Decode a look from its text; None where anything in it is out of the ordinary."""
    try:
        event_id, at, data = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if data.finished_at != at or data.started_at > at or not EARLIEST <= at < LATEST:
        return None
    if at.tzinfo is not UTC:
        return None
    return Event(id=event_id, time=at, source=source, case_id=case_id, data=data)
