"""What many cases share, and what earlier looks saw of one case: the narrow forms of the work list."""

from typing import Literal, NamedTuple

from schemas.events import Fingerprint
from services.core.fingerprints import kind_of_content


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
    """What earlier looks saw of a URL; the baseline is kept as far as verdicts need it."""

    known_online: bool
    host_dark: bool
    baseline: Fingerprint | None


NO_HISTORY = History(False, False, None)


def content_of(baseline: Fingerprint | None) -> str | None:
    """Write what many baselines share as one text: class of content, method, how siblings were answered."""
    if baseline is None:
        return None
    kind = kind_of_content(baseline.content_type)
    return "|".join((kind or "", baseline.method or "", baseline.sibling or ""))


def baseline_of(content: str | None, length: int | None) -> Fingerprint | None:
    """Make a baseline of what `content_of` wrote and of its length."""
    if content is None:
        return None
    kind, method, sibling = content.split("|")
    return Fingerprint(
        content_type=f"{kind}/*" if kind else None,
        content_length=length,
        method=_METHODS.get(method),
        sibling=sibling or None,
    )


_METHODS: dict[str, Literal["HEAD", "GET"]] = {"HEAD": "HEAD", "GET": "GET"}
