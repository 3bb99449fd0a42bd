"""Bytes of a fuzzer as Kafka records: one, or several with two empty lines between them."""

from types import SimpleNamespace
from typing import Any

from schemas.sealing import Keyring

KEYRING = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
BETWEEN = b"\n\n\n"
MOST_PIECES = 40
_STRUCTURED = [("content-type", b"application/cloudevents+json")]


def pieces(raw: bytes) -> list[bytes]:
    """Cut an input into the bytes of its records."""
    return raw.split(BETWEEN, MOST_PIECES)[:MOST_PIECES]


def record_of(raw: bytes, topic: str) -> Any:
    """Take bytes as a record: lines `name: value` to an empty line are its headers, a `{` at once its whole event."""
    if raw[:1] == b"{":
        return SimpleNamespace(value=raw, headers=list(_STRUCTURED), topic=topic)
    head, _, value = raw.partition(b"\n\n")
    lines = [line.partition(b": ") for line in head.split(b"\n")]
    headers = [(name.decode("latin-1"), content) for name, _, content in lines]
    return SimpleNamespace(value=value, headers=headers, topic=topic)
