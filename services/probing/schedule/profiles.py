"""What many cases share, and what earlier looks saw of one case: the narrow forms of the work list."""

from typing import NamedTuple

from schemas.events import Fingerprint
from services.core.verdict import kind_of_content


class Profile(NamedTuple):
    """What many cases share; a case holds its number only.

    `deadline_after` is microseconds from the base, or `OWN` where the case has a deadline unlike the others'.
    """

    category: str
    methodology: str
    second_vantage: bool
    removed: bool
    deadline_after: int | None
    seal: str | None
    known_online: bool = False
    host_dark: bool = False
    content: str | None = None


class History(NamedTuple):
    """What earlier looks saw of a URL; the baseline is kept as class of content and length."""

    known_online: bool
    host_dark: bool
    baseline: Fingerprint | None


NO_HISTORY = History(False, False, None)


def content_of(baseline: Fingerprint | None) -> str | None:
    """Give the class of a baseline's content; empty where there is a baseline without one."""
    return None if baseline is None else kind_of_content(baseline.content_type) or ""
