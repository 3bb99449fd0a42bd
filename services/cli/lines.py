"""Events as lines of JSON, checked more strictly than a consumer does.

A line is a CloudEvent in structured mode. Unlike a consumer, which ignores fields that a later version
may have added, this refuses a field that it does not know: here it is a typing error.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from consumers.record.admission import Admission
from schemas.codec import Incoming, Structured, decode_structured
from schemas.errors import UnusableEvent
from schemas.events import TYPE_OF, TYPES, Event
from schemas.near_names import nearest
from schemas.sealing import Keyring
from schemas.topics import EVIDENCE, topic_of

SPECVERSION = "1.0"
# A clock may be wrong by a zone; no event of evidence is of next week.
MOST_AHEAD = timedelta(days=1)
_SUBMITTED = tuple(TYPE_OF[struct] for topic in EVIDENCE for struct in topic.carries)


class Refusal(Struct, frozen=True):
    """A line that can't be used; the message never repeats what stood there."""

    line: int
    reason: str
    message: str


def read_lines(
    lines: Iterable[bytes], keyring: Keyring, now: datetime
) -> Iterator[Event | Refusal]:
    """Read events, one a line, their URLs sealed; an empty line is passed over."""
    return (item for _, item in read_numbered(lines, keyring, now))


def read_numbered(
    lines: Iterable[bytes], keyring: Keyring, now: datetime
) -> Iterator[tuple[int, Event | Refusal]]:
    """Read events with the numbers of their lines; what is no text at all is refused once and not line by line."""
    admission = Admission(keyring)
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(BOM_UTF8) if number == 1 else line
        if number == 1 and (message := no_text(text)):
            yield number, Refusal(number, "not_text", message)
            return
        if not text.strip():
            continue
        try:
            yield number, read_line(text, admission, now)
        except UnusableEvent as error:
            yield number, Refusal(number, error.reason, f"{error}{_form(text)}")


def no_text(head: bytes) -> str | None:
    """Name a file that is no UTF-8 text by its first bytes, and say how it becomes one."""
    for mark, message in _FORMS.items():
        if head.startswith(mark):
            return message
    return _FORMS[BOM_UTF16_LE] if b"\0" in head else None


_FORMS = {
    b"\x1f\x8b": "the file is compressed: gzip -dc FILE | takedown submit -",
    b"\x28\xb5\x2f\xfd": "the file is compressed: zstd -dc FILE | takedown submit -",
    b"PK\x03\x04": "the file is a ZIP archive or a workbook: give the text file in it",
    BOM_UTF16_LE: "the file is UTF-16: iconv -f UTF-16 -t UTF-8 FILE | takedown submit -",
    BOM_UTF16_BE: "the file is UTF-16: iconv -f UTF-16 -t UTF-8 FILE | takedown submit -",
}


def _form(line: bytes) -> str:
    """Say what is wrong with a line that would be an event but for what stands around it."""
    text = line.strip()
    if text.startswith(b"["):
        return "; the file is a JSON array: write one object a line, for example with jq -c '.[]'"
    if text.startswith(b"{") and text.endswith((b"},", b"}, ")):
        return "; the line ends with a comma: leave it out, there is one object a line"
    if re.search(rb",\s*[}\]]", text):
        return "; a comma stands before a closing bracket: leave it out"
    return ""


def read_line(line: bytes, admission: Admission, now: datetime) -> Event:
    """Read one event as the ledger would, and more strictly; raises `UnusableEvent`."""
    try:
        incoming = decode_structured(line)
    except OverflowError:
        raise UnusableEvent("bad_time", "`time` is beyond the calendar in UTC") from None
    except UnusableEvent as error:
        raise UnusableEvent(error.reason, f"{error}{_hint(line, error.reason)}") from None
    raw = msgspec.json.decode(line)
    if raw.get("specversion", SPECVERSION) != SPECVERSION:
        raise UnusableEvent("not_cloudevent", f'`specversion` must be "{SPECVERSION}"')
    _refuse_unknown(raw, incoming)
    if incoming.time > now + MOST_AHEAD:
        raise UnusableEvent("bad_time", "`time` lies more than a day in the future")
    topic_of(incoming.data)
    return admission.name(incoming)


def _hint(line: bytes, reason: str) -> str:
    """Suggest the nearest name where a type or a field of the data is misspelt."""
    if reason not in ("unknown_type", "bad_data"):
        return ""
    raw = msgspec.json.decode(line)
    if reason == "unknown_type":
        return _nearest(_core(raw["type"]), {_core(name): name for name in _SUBMITTED})
    body, names = raw["data"], TYPES[raw["type"]].__struct_encode_fields__
    unknown = [name for name in body if name not in names] if isinstance(body, dict) else []
    return "".join(
        f"; unknown field {_called(name, f'data.{name}', names)}" for name in unknown[:5]
    )


def _core(type_: str) -> str:
    return re.sub(r"^takedown\.|\.v\d+$", "", type_)


def _called(name: str, path: str, names: Iterable[str]) -> str:
    return f"`{_name(path)}`{_nearest(name, {valid: f'`{valid}`' for valid in names})}"


def _nearest(name: str, names: Mapping[str, str]) -> str:
    near = nearest(name, names)
    return "" if near is None else f" (did you mean {names[near]}?)"


def _refuse_unknown(raw: Any, incoming: Incoming) -> None:
    valid = Structured.__struct_fields__
    unknown = [_called(name, name, valid) for name in raw if name not in valid]
    unknown += [
        _called(path.rpartition(".")[2], f"data.{path}", names)
        for path, names in _unknown(raw["data"], incoming.data)
    ]
    if unknown:
        fields = ", ".join(sorted(unknown)[:5])
        raise UnusableEvent("bad_data", f"unknown field {fields}; see the event's JSON Schema")


def _name(path: str) -> str:
    """Repeat a field's name only if it is one: a URL may have slipped into its place."""
    return path if path.replace("_", "").replace(".", "").isalnum() and len(path) < 60 else "?"


def _unknown(raw: Any, decoded: object) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the path of each unknown field, with the names that are valid there."""
    if isinstance(decoded, Struct) and isinstance(raw, dict):
        names = {f.encode_name: f.name for f in msgspec.structs.fields(decoded)}
        for name, value in raw.items():
            if name not in names:
                yield name, names
                continue
            for path, valid in _unknown(value, getattr(decoded, names[name])):
                yield f"{name}.{path}", valid
    elif isinstance(decoded, tuple) and isinstance(raw, list):
        for number, pair in enumerate(zip(raw, decoded, strict=True)):
            yield from ((f"{number}.{path}", valid) for path, valid in _unknown(*pair))
