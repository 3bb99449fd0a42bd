"""Names that are functions of the facts: case ids and event ids."""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from uuid import UUID, uuid5

NAMESPACE = UUID("6e0cbbd4-52d8-5d5c-9d1a-1f0d2b7f1c11")
_CASE_ID = re.compile(r"[0-9a-f]{32}")


def case_id(key: bytes, canonical_href: str) -> str:
    """Name a canonical URL: the first 128 bits of HMAC-SHA256, as 32 hex digits."""
    return hmac.digest(key, canonical_href.encode(), "sha256").hex()[:32]


def is_case_id(text: str) -> bool:
    """Tell whether a text has the form of a case id."""
    return _CASE_ID.fullmatch(text) is not None


def instant(moment: datetime) -> str:
    """Write an instant in the one form that ids and digests are made from: UTC, microseconds."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def look_id(case: str, vantage: str, tick: datetime, started_at: datetime) -> UUID:
    """Name a look.

    The start is part of the name: a look that is made again after a crash is another fact than the first,
    and one id must name one body, or the fold would depend on the order of arrival.
    """
    return uuid5(NAMESPACE, f"look|{case}|{vantage}|{instant(tick)}|{instant(started_at)}")


def missed_id(case: str, vantage: str, tick: datetime, reason: str) -> UUID:
    """Name a look that could not be made.

    The reason is part of the name: a prober that is killed before it stored its progress says it again,
    perhaps with another reason, and one id must name one body.
    """
    return uuid5(NAMESPACE, f"missed|{case}|{vantage}|{instant(tick)}|{reason}")


def outcome_id(case: str, spell: int, kind: str, cause: UUID, *statement: str | None) -> UUID:
    """Name an outcome by the event that caused it and by all that it says of whom.

    A late event may leave an outcome and change who is charged with it, or since when: that is another outcome.
    """
    words = "|".join(word or "" for word in statement)
    return uuid5(NAMESPACE, f"outcome|{case}|{spell}|{kind}|{cause}|{words}")


def content_id(type_: str, case: str, time: datetime, data: bytes) -> UUID:
    """Name an event whose sender gave no id: equal content, equal name."""
    digest = hashlib.sha256(data).hexdigest()
    return uuid5(NAMESPACE, f"event|{type_}|{case}|{instant(time)}|{digest}")


def foreign_id(source: str, text: str) -> UUID:
    """Name an event by a sender's own id, which CloudEvents makes unique within its source only."""
    return uuid5(NAMESPACE, f"foreign|{source}|{text}")
