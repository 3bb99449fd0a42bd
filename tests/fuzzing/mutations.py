"""Changes of records that stay records: byte by byte, a fuzzer makes hardly anything that admission accepts."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from tests.fuzzing.records import BETWEEN, MOST_PIECES, pieces
from tests.fuzzing.stories import START, stories

Value = Any
# Where texts, numbers and instants end: of JSON, of Python, of PostgreSQL.
_TEXTS = (
    "",
    "\x00",
    "a\x00b",
    "\\u0000",
    "\ud800",
    "\ufffe",
    "\U0010ffff",
    "x" * 200,
    "\u00e9" * 200,
    "NaN",
    "infinity",
    "-infinity",
    "null",
    '"\\',
    "a" * 120,
    "0" * 32,
    "www.host.example",
)
_NUMBERS = (
    0,
    -1,
    2**15,
    2**31,
    2**32,
    2**63,
    2**64,
    -(2**63) - 1,
    10**40,
    1e308,
    5e-324,
    -0.0,
    0.1,
)
_INSTANTS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-02T00:00:00Z",
    "1969-12-31T23:59:59.9999999Z",
    "1990-01-01T00:00:00Z",
    "2199-12-31T23:59:59.999999Z",
    "2026-03-01T01:00:00+23:59",
    "2026-03-01T01:00:00-16:00",
    "2026-03-01T01:00:00.123456789+05:30",
    "2026-02-28T23:59:60Z",
    "2026-03-01t01:00:00z",
)
_LONGEST_TURN = 400


def mutated(raw: bytes, most: int, seed: int) -> bytes:
    """Change one record of an input, or which records it has; at most so many bytes come out."""
    draw = random.Random(seed)
    records = pieces(raw)
    for _ in range(draw.choice((1, 1, 2, 4))):
        draw.choice(_CHANGES)(records, draw)
    while len(records) > 1 and sum(map(len, records)) + len(BETWEEN) * len(records) > most:
        del records[draw.randrange(len(records))]
    return BETWEEN.join(records)[:most]


def _field(records: list[bytes], draw: random.Random) -> None:
    """Change one value of a record, or of its envelope."""
    at = draw.randrange(len(records))
    head, between, body = _parts(records[at])
    if between and draw.random() < 0.3:
        records[at] = _line(head, draw) + between + body
        return
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return
    places = _places(data)
    if places:
        holder, key = draw.choice(places)
        holder[key] = _other(holder[key], draw)
        records[at] = (
            head
            + between
            + json.dumps(data, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
        )


def _parts(record: bytes) -> tuple[bytes, bytes, bytes]:
    if record[:1] == b"{":
        return b"", b"", record
    return record.partition(b"\n\n")


def _line(head: bytes, draw: random.Random) -> bytes:
    lines = head.split(b"\n")
    at = draw.randrange(len(lines))
    name, colon, text = lines[at].partition(b": ")
    other = str(_other(text.decode("utf-8", "replace"), draw))
    lines[at] = name + colon + other.encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _places(data: Value) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    pending = [data]
    while pending and len(found) < _LONGEST_TURN:
        holder = pending.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        if isinstance(holder, dict | list):
            found += [(holder, key) for key in keys]
            pending += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return found


def _other(value: Value, draw: random.Random) -> Value:
    if draw.random() < 0.1:
        return draw.choice((None, [], {}, True, *_TEXTS, *_NUMBERS, *_INSTANTS))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return draw.choice(_NUMBERS)
    if isinstance(value, str):
        return _text(value, draw)
    if isinstance(value, list):
        return value * draw.choice((0, 2, 3)) or ["x"]
    return {draw.choice(_TEXTS): draw.choice(_NUMBERS)}


def _text(value: str, draw: random.Random) -> str:
    if value[4:5] == "-" and value[:4].isdigit():
        if draw.random() < 0.5:
            return draw.choice(_INSTANTS)
        hours = draw.choice((0, 0.1, 1, 3, 23.9, 24, 25, 72, 2400, 10**5, -1, -24))
        return (START + timedelta(hours=hours)).isoformat()
    if draw.random() < 0.5:
        return draw.choice(_TEXTS)
    at = draw.randrange(len(value) + 1)
    return value[:at] + draw.choice(_TEXTS) + value[at:]


def _again(records: list[bytes], draw: random.Random) -> None:
    records.insert(draw.randrange(len(records) + 1), draw.choice(records))


def _less(records: list[bytes], draw: random.Random) -> None:
    if len(records) > 1:
        del records[draw.randrange(len(records))]


def _order(records: list[bytes], draw: random.Random) -> None:
    draw.shuffle(records)


def _another(records: list[bytes], draw: random.Random) -> None:
    if len(records) < MOST_PIECES:
        records.insert(draw.randrange(len(records) + 1), draw.choice(_known()))


@cache
def _known() -> tuple[bytes, ...]:
    return tuple({record: None for told in stories() for record in pieces(told)})


_CHANGES: tuple[Callable[[list[bytes], random.Random], None], ...] = (
    *(_field,) * 6, _again, _less, _order, _another, _another,
)  # fmt: skip
