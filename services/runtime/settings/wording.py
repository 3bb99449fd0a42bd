"""What is wrong with the kind of a value, in the words of an operator and not of the program's types."""

import re
from collections.abc import Callable

_LONGEST = 40
_BOUND = re.compile(r"Expected `(\w+)` (>=|<=|>|<) (\S+)")
_KIND = re.compile(r"Expected `([^`]+)`")
_LENGTH = re.compile(r"Expected `str` of length (>=|<=) (\d+)")
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "array": "a list; in a variable its parts stand between commas",
    "object": "a table",
}
_BOUNDS = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}


def in_words(message: str, raw: object, *, field: str, secret: bool) -> str:
    """Say what a value must be, and what it is unless it is secret; `message` is msgspec's."""
    requirement = next((text for read in _READERS if (text := read(message, field))), message)
    shown = str(raw)
    if secret or requirement == message or len(shown) > _LONGEST:
        return requirement
    return f"{requirement}; it is {shown!r}"


def _bound(message: str, field: str) -> str | None:
    match = _BOUND.match(message)
    if match is None:
        return None
    number = match[3].removesuffix(".0")
    return f"must be {_kind(match[1], field)} {_BOUNDS[match[2]]} {number}"


def _length(message: str, field: str) -> str | None:
    match = _LENGTH.match(message)
    if match is None:
        return None
    if match[1] == ">=" and match[2] == "1":
        return "must not be empty"
    return f"must have {'at least' if match[1] == '>=' else 'at most'} {match[2]} characters"


def _plain(message: str, field: str) -> str | None:
    match = _KIND.match(message)
    if match is None or "matching regex" in message:
        return None
    kinds = [kind.strip() for kind in match[1].split("|") if kind.strip() != "null"]
    words = [_kind(kind, field) for kind in kinds if kind in _KINDS]
    return f"must be {' or '.join(words)}" if words else None


def _kind(kind: str, field: str) -> str:
    if field.endswith("_seconds") and kind in ("int", "float"):
        return f"{_KINDS[kind]} of seconds"
    return _KINDS.get(kind, kind)


_READERS: tuple[Callable[[str, str], str | None], ...] = (_length, _bound, _plain)
