"""What a server says by `Retry-After` (RFC 9110, 10.2.3): for how long it wants to be left alone."""

from datetime import datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(text: str | None, now: datetime) -> float | None:
    """Read the field: seconds, or an HTTP date, which may have passed; None where it says neither."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
