"""AS numbers as sources write them in words."""

import re

LARGEST = 4_294_967_295
_WRITTEN = re.compile(r"(?:AS)?([0-9]{1,10})", re.I)


def read_as_number(text: str) -> int | None:
    """Read `64500` or `AS64500`; None where a text is in another form, or beyond 32 bits."""
    match = _WRITTEN.fullmatch(text)
    number = int(match[1]) if match else None
    return None if number is None or number > LARGEST else number
