"""Ranges of accounts at a provider, as resellers rent them."""

import re
from collections.abc import Iterable

_NUMBERED = re.compile(r"(.*?)(\d+)")


def holds_account(ranges: Iterable[str], account: str) -> bool:
    """Tell whether an account is one of some names, or in a range of them such as `c1000-c1999`."""
    return any(_holds(text, account) for text in ranges)


def _holds(text: str, account: str) -> bool:
    if text == account:
        return True
    first, _, last = text.partition("-")
    parts = [_NUMBERED.fullmatch(one) for one in (first, last, account)]
    if any(part is None for part in parts):
        return False
    (begin, low), (end, high), (name, number) = (part.groups() for part in parts if part)
    return begin == end == name and int(low) <= int(number) <= int(high)
