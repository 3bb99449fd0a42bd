"""What the fields of events are made of, and the base of the data of all events."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True, description="UTC instant.")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
# Python's `$` lets a line end pass.
SLUG = r"^[a-z0-9][a-z0-9_.:/-]{0,119}$(?!\n)"
SLUG_IN_WORDS = "small letters, digits and - _ . : / alone, such as giant-hosting"
Slug = Annotated[str, Meta(pattern=SLUG)]


def in_words(message: str) -> str:
    """Write the complaint of a decoder about a slug so that people can read it."""
    return message.replace(f"Expected `str` matching regex {SLUG!r}", f"Expected {SLUG_IN_WORDS}")


class Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the data of every event."""
