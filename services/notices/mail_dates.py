"""Instants in mails: of the mail itself, of a hop, of an attempt at delivery."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# What a broken clock says is no instant.
_YEARS = range(1990, 2100)
# Microseconds would make two events of one statement that two copies of a mail repeat.
_DAMAGED = (ValueError, TypeError, IndexError, OverflowError, AttributeError)


def instant_of(text: str) -> datetime | None:
    """Read one date, of a mail (RFC 5322) or of JSON (RFC 3339); a zone that is not stated is UTC."""
    for read in (_iso, parsedate_to_datetime):
        try:
            at = read(text.strip())
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except _DAMAGED:
            continue
        return at if at.year in _YEARS else None
    return None


def first_instant(texts: Iterable[str]) -> datetime | None:
    """Read the first text that is a date."""
    return next((at for text in texts if (at := instant_of(text)) is not None), None)


def _iso(text: str) -> datetime:
    if len(text) < 10 or text[4:5] != "-":
        raise ValueError(text)
    return datetime.fromisoformat(text.upper())
