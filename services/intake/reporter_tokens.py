"""The reporters that may use the intake: a file of names with the hashes of their tokens.

A token is 256 random bits, so that a plain SHA-256 of it tells nobody anything. A reporter may have several tokens, for
a change without a gap. The file is read again when it has changed.
"""

import hashlib
import re
import secrets
import tomllib
from pathlib import Path

from schemas.errors import ConfigError
from schemas.events import is_slug
from schemas.file_stamps import Stamp, stamp_of
from schemas.private_file import write_private

_PREFIX = "tkd_"
_HASH = re.compile(r"[0-9a-f]{64}")
_HEAD = "# Reporters and the SHA-256 of their tokens; `takedown intake token NAME` adds one.\n"


def new_token() -> str:
    """Make a token."""
    return _PREFIX + secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """Give the hash under which a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_tokens(path: Path) -> dict[str, str]:
    """Give the reporter of each hash; raises `ConfigError`."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"the tokens file can't be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigError(
            "the tokens file is not TOML; `takedown intake token` writes one"
        ) from None
    reporters: dict[str, str] = {}
    for name, hashes in table.items():
        if not is_slug(name) or not isinstance(hashes, list):
            raise ConfigError('a line of the tokens file is not of the form name = ["hash"]')
        for text in hashes:
            if not isinstance(text, str) or _HASH.fullmatch(text) is None:
                raise ConfigError(f"a hash of {name} in the tokens file is no SHA-256")
            reporters[text] = name
    return reporters


def write_tokens(path: Path, reporters: dict[str, str]) -> None:
    """Write the file so that only its owner can read it, and never half of it."""
    by_name: dict[str, list[str]] = {}
    for text, name in reporters.items():
        by_name.setdefault(name, []).append(text)
    lines = [f'"{name}" = {_listed(hashes)}\n' for name, hashes in sorted(by_name.items())]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, (_HEAD + "".join(lines)).encode())


def _listed(hashes: list[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in hashes) + "]"


class ReporterTokens:
    """Knows the reporter of a token, by a file that may change while it is in use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: Stamp = None
        self._reporters: dict[str, str] = {}
        self.refresh()

    def __repr__(self) -> str:
        return f"<ReporterTokens {len(self._reporters)} tokens>"

    def refresh(self) -> None:
        """Read the file if it has changed; raises `ConfigError`."""
        stamp = stamp_of(self._path)
        if stamp is None or stamp != self._stamp:
            self._reporters = read_tokens(self._path)
            self._stamp = stamp

    def reporter(self, token: str) -> str | None:
        """Name the reporter of a token; the look-up is by hash, so that its time tells nothing of a token."""
        return self._reporters.get(hashed(token))
