"""The one error of this room, and JSON that never raises another."""

from codecs import BOM_UTF8
from typing import Any

import msgspec

from schemas.errors import TakedownError

# The largest answers of registries, entities with all their networks, are about 300 kB.
MAX_ANSWER_BYTES = 4_194_304


class RdapFault(TakedownError):
    """An answer that can't be used; says what is wrong with it, and repeats nothing of it."""


def decoded(body: bytes) -> Any:
    """Decode JSON; raises `RdapFault`."""
    if len(body) > MAX_ANSWER_BYTES:
        raise RdapFault(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    try:
        return msgspec.json.decode(body.removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RdapFault("the answer is not JSON, or was cut off") from None
    except RecursionError:
        raise RdapFault("the answer nests too deep to be read") from None
