"""What the fields of events are made of, and the base of the data of all events."""

import re
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True, description="UTC instant.")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
# JSON has longer ones, which neither the ledger's state nor its views can hold.
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""No event is before the one, or at or after the other: every sum of its instant and a norm is a date."""
# Python's `$` lets a line end pass.
SLUG = r"^[a-z0-9][a-z0-9_.:/-]{0,119}$(?!\n)"
SLUG_IN_WORDS = "small letters, digits and - _ . : / alone, such as giant-hosting"
_NO_TIME = re.compile(
    r"(?:Expected `datetime\b.*?|Invalid RFC3339 encoded datetime)(?= - at `|$)", re.S
)
CASE_ID = "^[0-9a-f]{32}$"
Slug = Annotated[str, Meta(pattern=SLUG)]


def in_words(message: str) -> str:
    """Write the complaint of a decoder about a slug, a time or a case id so that people can read it."""
    words = message.replace(f"Expected `str` matching regex {SLUG!r}", f"Expected {SLUG_IN_WORDS}")
    words = _NO_TIME.sub("Expected a time with its timezone, such as 2026-03-01T12:00:00Z", words)
    return words.replace(
        f"Expected `str` matching regex {CASE_ID!r}",
        "Expected a case id: 32 digits and letters from a to f, all small",
    )


class Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the data of every event."""
