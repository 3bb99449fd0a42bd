"""Mailboxes as registries write them, and the ones that are none: placeholders, from a dated list.

A placeholder stands where a registry has no contact: its own help desk, an address that nobody reads. A notice sent
there reaches nobody, so that it is kept apart from a contact, and never taken for "publishes none" either.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import Struct

from schemas.errors import ConfigError

# Not the whole of RFC 5321: what a registry prints and a mail server may be handed.
_MAILBOX = re.compile(r"[^\s@<>(),;:\"\\]{1,64}@[^\s@<>(),;:\"\\]{1,253}")
_BETWEEN = re.compile(r"[\s,;]+")
_SHIPPED = "placeholder_mailboxes.toml"


class PlaceholderMailbox(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the list: a mailbox, or `@domain` for all of a domain, from a date on, and why it is none."""

    mailbox: str
    since: date
    why: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    placeholder: tuple[PlaceholderMailbox, ...] = ()


class Placeholders:
    """The list: tells placeholders from mailboxes that somebody reads, as of a day."""

    def __init__(self, entries: Iterable[PlaceholderMailbox] = ()) -> None:
        self._since: dict[str, date] = {}
        for entry in entries:
            name = entry.mailbox.casefold()
            self._since[name] = min(entry.since, self._since.get(name, entry.since))

    def __repr__(self) -> str:
        return f"<Placeholders {len(self._since)}>"

    @classmethod
    def parse(cls, text: str, where: str) -> "Placeholders":
        """Read the text of a list; raises `ConfigError` that names it."""
        try:
            return cls(msgspec.convert(tomllib.loads(text), _File).placeholder)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise ConfigError(f"{where}: {error}") from None

    @classmethod
    def load(cls, path: Path) -> "Placeholders":
        """Read a list of the operator's own, which takes the place of the shipped one."""
        try:
            return cls.parse(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{path}: can't be read; name a list of placeholders") from None

    def holds(self, mailbox: str, day: date) -> bool:
        """Tell whether a mailbox is a placeholder on a day."""
        name = mailbox.casefold()
        domain = name.rpartition("@")[2]
        since = [self._since[key] for key in (name, f"@{domain}") if key in self._since]
        return any(first <= day for first in since)


@cache
def shipped_placeholders() -> Placeholders:
    """Give the list that comes with the program."""
    text = resources.files("services.attribution").joinpath(_SHIPPED).read_text("utf-8")
    return Placeholders.parse(text, _SHIPPED)


def mailboxes_in(text: str) -> Iterator[str]:
    """Give the mailboxes that a text holds: several with commas between, `mailto:`, angle brackets."""
    for part in _BETWEEN.split(text):
        bare = part.strip("<>\"'").rstrip(".")
        if bare[:7].casefold() == "mailto:":
            bare = bare[7:].partition("?")[0]
        if _MAILBOX.fullmatch(bare):
            yield bare


def each_once(mailboxes: Iterable[str]) -> tuple[str, ...]:
    """Give every mailbox once, as first written; letters large and small are alike."""
    first: dict[str, str] = {}
    for mailbox in mailboxes:
        first.setdefault(mailbox.casefold(), mailbox)
    return tuple(first.values())
