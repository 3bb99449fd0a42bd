"""Events as lines of JSON, checked as strictly as a person's typing deserves.

A line is a CloudEvent in structured mode. Unlike a consumer, which ignores fields that a later version
may have added, this refuses a field that it does not know: here it is a typing error.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from consumers.admission import Admission
from schemas.codec import Incoming, Structured, decode_structured
from schemas.errors import UnusableEvent
from schemas.events import TYPE_OF, Event
from schemas.sealing import Keyring
from schemas.topics import EVIDENCE, Topic


class Refusal(Struct, frozen=True):
    """A line that can't be used; the message never repeats what stood there."""

    line: int
    reason: str
    message: str


def read_lines(lines: Iterable[bytes], keyring: Keyring) -> Iterator[Event | Refusal]:
    """Read events, one a line, their URLs sealed; an empty line is passed over."""
    admission = Admission(keyring)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield read_line(line, admission)
        except UnusableEvent as error:
            yield Refusal(number, error.reason, str(error))


def read_line(line: bytes, admission: Admission) -> Event:
    """Read one event as the ledger would, and more strictly; raises `UnusableEvent`."""
    try:
        incoming = decode_structured(line)
    except OverflowError:
        raise UnusableEvent("bad_time", "`time` is beyond the calendar in UTC") from None
    _refuse_unknown(msgspec.json.decode(line), incoming)
    topic_of(incoming)
    return admission.name(incoming)


def topic_of(event: Incoming | Event) -> Topic:
    """Say on which topic an event belongs; only evidence may be submitted."""
    for topic in EVIDENCE:
        if type(event.data) in topic.carries:
            return topic
    raise UnusableEvent("wrong_topic", f"{TYPE_OF[type(event.data)]} is ours to say, not to submit")


def _refuse_unknown(raw: Any, incoming: Incoming) -> None:
    known = set(Structured.__struct_fields__)
    unknown = [name for name in raw if name not in known]
    unknown += [f"data.{path}" for path in _unknown(raw["data"], incoming.data)]
    if unknown:
        names = ", ".join(f"`{_name(path)}`" for path in sorted(unknown)[:5])
        raise UnusableEvent("bad_data", f"unknown field {names}; see the event's JSON Schema")


def _name(path: str) -> str:
    """Repeat a field's name only if it is one: a URL may have slipped into its place."""
    return path if path.replace("_", "").replace(".", "").isalnum() and len(path) < 60 else "?"


def _unknown(raw: Any, decoded: object) -> Iterator[str]:
    if isinstance(decoded, Struct) and isinstance(raw, dict):
        names = {f.encode_name: f.name for f in msgspec.structs.fields(decoded)}
        for name, value in raw.items():
            if name not in names:
                yield name
                continue
            for path in _unknown(value, getattr(decoded, names[name])):
                yield f"{name}.{path}"
    elif isinstance(decoded, tuple) and isinstance(raw, list):
        for number, pair in enumerate(zip(raw, decoded, strict=True)):
            yield from (f"{number}.{path}" for path in _unknown(*pair))
