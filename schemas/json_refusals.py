"""What the JSON decoder raises for foreign bytes, and its words without what was sent."""

import re

import msgspec

NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What bytes that are no JSON raise: lists within lists end the decoder's patience, and must not end the reader."""
_QUOTED = re.compile(r"^(Invalid [a-z ]*value) .*(?= - at `)", re.DOTALL)
_UNKNOWN = "unknown field"


def without_values(error: msgspec.ValidationError) -> str:
    """Keep the path and the expectation: of a wrong choice msgspec quotes the value, of an unknown field the name."""
    text = str(error)
    return f"it has an {_UNKNOWN}" if _UNKNOWN in text else _QUOTED.sub(r"\1", text)[:300]
