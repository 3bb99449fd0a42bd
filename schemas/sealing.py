"""Sealed fields: AES-256-GCM with a key id in the envelope, and the key of the case ids.

The nonce is derived from key, case and content (as in SIV modes), so that sealing is a function of its input:
a ledger that is dropped and replayed holds the same bytes again.
With 96-bit nonces of HMAC-SHA256 the risk that two different contents share one is below 2^-48 at 10^7 cases.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas import ids
from schemas.errors import BadSeal, ConfigError
from schemas.urls import CanonicalUrl, canonical

_VERSION = "s1"
Opening = Literal["look", "admission", "reveal"]
"""For what a sealed URL may be opened; docs/operating/secure.md says who does, and what records it."""
_OPENINGS = frozenset(get_args(Opening))


@lru_cache(maxsize=64)
def _box(key: bytes) -> AESGCM:
    """Make a key ready once: that takes longer than to open a URL."""
    return AESGCM(key)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The secrets of one operator: one key for case ids, sealing keys by id, the active one first in use.

    `sealing` maps key id to 32 bytes. Rotation adds a key and makes it active; old ones still open.
    """

    naming: bytes = field(repr=False)
    sealing: Mapping[str, bytes] = field(repr=False)
    active: str

    def __post_init__(self) -> None:
        """Refuse keys of the wrong size before anything is sealed with them."""
        if len(self.naming) < 32:
            raise ConfigError(
                "the naming key needs at least 32 bytes; make one with `takedown keys new`"
            )
        if self.active not in self.sealing:
            raise ConfigError(
                f"sealing key {self.active!r} is active but absent; add it to the key file"
            )
        for name, key in self.sealing.items():
            if len(key) != 32 or "." in name:
                raise ConfigError(f"sealing key {name!r} needs 32 bytes and a name without dots")

    def case_id(self, url: CanonicalUrl) -> str:
        """Name the case of a URL."""
        return ids.case_id(self.naming, url.href)

    def seal(self, url: CanonicalUrl) -> str:
        """Seal a URL under the active key, bound to its case id."""
        case = self.case_id(url)
        key = self.sealing[self.active]
        nonce = hmac.digest(key, f"nonce|{case}|{url.href}".encode(), "sha256")[:12]
        box = _box(key).encrypt(nonce, url.href.encode(), case.encode())
        return f"{_VERSION}.{self.active}.{base64.urlsafe_b64encode(nonce + box).decode()}"

    def open(self, sealed: str, case: str, *, purpose: Opening) -> CanonicalUrl:
        """Open a sealed URL; raises `BadSeal` where it is damaged, of another case or of an unknown key."""
        if purpose not in _OPENINGS:
            raise ValueError(f"{purpose!r} is no purpose to open a URL for")
        version, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if version != _VERSION or key_id not in self.sealing:
            raise BadSeal(
                f"sealed with version {version[:8]!r}, key {key_id[:32]!r}, which is not configured here"
            )
        try:
            raw = base64.urlsafe_b64decode(body)
            plain = _box(self.sealing[key_id]).decrypt(raw[:12], raw[12:], case.encode())
        except (ValueError, InvalidTag):
            raise BadSeal("a sealed URL is damaged or belongs to another case") from None
        return canonical(plain.decode())
