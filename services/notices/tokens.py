"""A token of ours in the return path and in the Message-ID of a notice: by it a mail that comes back is known again.

    notices+n1k3v2u7q...@hotline.example

The token is keyed, so that nobody else makes one, and says nothing about the notice. It survives servers that write
local parts in capitals. Model: variable envelope return paths (VERP), with a keyed digest in place of the recipient.
"""

import base64
import hmac
import re
from collections.abc import Iterator

from schemas.errors import ConfigError

_MARK = "n1"
# 96 bits: nobody guesses one, and a local part has 64 characters.
_BYTES = 12
# Return paths in return paths write the plus sign as =2B, links as %2B.
_TOKEN = re.compile(r"(?:(?<![a-z0-9])|(?<=[=%]2b))n1[a-z2-7]{20}(?![a-z0-9])")
_ADDRESS = re.compile(r"[^\s<>@+]{1,40}@[^\s<>@]{1,255}")


def token(key: bytes, notice_id: str) -> str:
    """Name a notice by a keyed digest; `key` is the naming key."""
    digest = hmac.digest(key, f"notice token|{notice_id}".encode(), "sha256")[:_BYTES]
    return _MARK + base64.b32encode(digest).decode().lower().rstrip("=")


def tokens_in(text: str) -> Iterator[str]:
    """Yield what has the form of a token."""
    return iter(_TOKEN.findall(text.lower()))


def is_sender(address: str) -> bool:
    """Tell whether an address can take a token: one without `+`."""
    return _ADDRESS.fullmatch(address) is not None


def return_path(address: str, token: str) -> str:
    """Put a token into the address that notices are sent from; raises `ConfigError` where it is none."""
    if not is_sender(address):
        raise ConfigError(
            "give the address that notices are sent from, such as notices@hotline.example"
        )
    local, _, domain = address.partition("@")
    return f"{local}+{token}@{domain}"


def message_id(address: str, token: str) -> str:
    """Make the Message-ID of a notice from its token."""
    return f"<{token}@{address.partition('@')[2]}>"
