"""JSON documents of one input: a single one, an array of them, or one a line."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from schemas.errors import TakedownError
from schemas.json_refusals import NO_JSON, without_values

T = TypeVar("T")


class NoDocuments(TakedownError):
    """An input that holds no JSON document."""

    exit_code = 4


class UnfitDocument(TakedownError):
    """A document that is no JSON, or not of its kind; the message never repeats what stood there."""


def decoded(raw: bytes, kind: type[T]) -> T:
    """Read a document as one of a kind; raises `UnfitDocument`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise UnfitDocument(without_values(error)) from None
    except NO_JSON:
        raise UnfitDocument("not JSON in UTF-8") from None


def documents(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each document with its line; of an array, with its number. Raises `NoDocuments`."""
    text = raw.removeprefix(BOM_UTF8).strip()
    if not text:
        raise NoDocuments("the input is empty")
    if text.startswith(b"["):
        yield from _array(text)
    elif b"\n" in text and _is_whole(text.partition(b"\n")[0]):
        yield from _lines(raw.removeprefix(BOM_UTF8))
    else:
        yield 1, text


def _array(text: bytes) -> Iterator[tuple[int, bytes]]:
    try:
        members = msgspec.json.decode(text, type=list[msgspec.Raw])
    except NO_JSON:
        raise NoDocuments("the input is no JSON") from None
    for number, member in enumerate(members, start=1):
        yield number, bytes(member)


def _lines(raw: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            yield number, line.strip()


def _is_whole(line: bytes) -> bool:
    """Tell whether a line is a JSON object by itself."""
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except NO_JSON:
        return False
    return True
