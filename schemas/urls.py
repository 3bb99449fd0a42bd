"""The one parse of a URL: refang, check, canonicalise.

Everything behind this module uses the same string, so that no two parsers can disagree about it.
"""

import re
from dataclasses import dataclass
from typing import Literal

import can_ada

from schemas.errors import BadUrl
from schemas.fragments import is_part_of_address

MAX_URL_LENGTH = 8192
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_DEFANGED = (
    (re.compile(r"^hxxp(s?)(?=[:\[])", re.I), r"http\1"),
    (re.compile(r"\[:\]"), ":"),
    (re.compile(r"\[://\]"), "://"),
    (re.compile(r"\[\.\]|\(\.\)|\[dot\]", re.I), "."),
)

# Scheme and authority, defanged or not.
_HEAD = re.compile(r"[a-z][a-z0-9+.-]*(?:\[:\]//|\[://\]|:[/\\]*)[^/?#\\]*", re.I)

NotMeasurable = Literal["onion", "scheme", "credentials", "fragment"]


@dataclass(frozen=True, slots=True)
class CanonicalUrl:
    """A URL in the one form that case ids, seals and looks are made from.

    `href` has no credentials, and a fragment only where that is part of the address (`schemas.fragments`).
    `not_measurable` says why it is never probed (G17).
    """

    href: str
    host: str
    port: int
    scheme: str
    not_measurable: NotMeasurable | None

    def __repr__(self) -> str:
        """Keep the URL out of logs and exceptions."""
        return "<CanonicalUrl sealed>"


def refang(text: str) -> str:
    """Undo the usual ways of writing a URL so that it can't be clicked (`hxxp`, `[.]`).

    Only where scheme or host are written so: a path that holds `(.)` by itself is another path without it.
    """
    head = _HEAD.match(text)
    if head is not None and not any(pattern.search(head[0]) for pattern, _ in _DEFANGED):
        return text
    if "[" not in text and "(" not in text and text[:4].lower() != "hxxp":
        return text
    for pattern, replacement in _DEFANGED:
        text = pattern.sub(replacement, text)
    return text


def canonical(text: str) -> CanonicalUrl:
    """Parse once, with the WHATWG rules (Ada), and keep order, slashes and query as they are.

    Raises `BadUrl` for what no browser would open; two different URLs never become one.
    """
    text = refang(text.strip())
    if not text or len(text) > MAX_URL_LENGTH:
        raise BadUrl(
            f"a URL needs 1 to {MAX_URL_LENGTH} characters; send the whole URL as reported"
        )
    if _CONTROL.search(text):
        raise BadUrl("a URL with white space or control characters; send it percent-encoded")
    try:
        parsed = can_ada.parse(text)
    except (ValueError, TypeError):  # TypeError: bytes that were no UTF-8, carried as surrogates
        raise BadUrl(
            "not an absolute URL by the WHATWG rules; send scheme, host and path"
        ) from None
    return _checked(parsed)


def _checked(parsed: "can_ada.URL") -> CanonicalUrl:
    scheme = parsed.protocol.rstrip(":")
    if not parsed.hostname:
        raise BadUrl("a URL without a host can't be watched; send an http or https URL")
    reason: NotMeasurable | None = None
    if scheme not in ("http", "https"):
        reason = "scheme"
    elif parsed.username or parsed.password:
        reason = "credentials"
    elif parsed.hostname.rstrip(".").endswith(".onion"):
        reason = "onion"
    if not is_part_of_address(parsed.hash.removeprefix("#")):
        parsed.hash = ""
    elif reason is None:
        reason = "fragment"
    parsed.username = ""
    parsed.password = ""
    port = int(parsed.port) if parsed.port else {"http": 80, "https": 443}.get(scheme, 0)
    # An empty fragment is none; the end of one that is kept may be a `#` of its own.
    href = parsed.href if parsed.hash else parsed.href.removesuffix("#")
    return CanonicalUrl(href, parsed.hostname, port, scheme, reason)
