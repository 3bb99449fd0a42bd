"""The name that was probably meant by a mistyped one."""

from collections.abc import Iterable
from difflib import get_close_matches

_LIKENESS = 0.6


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Give the nearest of some names; None where none is near."""
    matches = get_close_matches(name, list(names), n=1, cutoff=_LIKENESS)
    return matches[0] if matches else None
