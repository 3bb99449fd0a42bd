"""Which provider a hoster's name or mailbox means: a CSV that the operator keeps."""

import csv
from collections.abc import Iterable

from msgspec import Struct

from schemas.errors import TakedownError
from schemas.events import is_slug

_COLUMNS = ("hoster_owner", "hoster_contact", "provider")


class BadHosterNames(TakedownError):
    """A file that maps no hoster to a provider."""

    exit_code = 2


class HosterNames(Struct, frozen=True):
    """Provider ids by name, and by mailbox."""

    by_owner: dict[str, str] = {}
    by_contact: dict[str, str] = {}

    def provider(self, owner: str, contact: str) -> str | None:
        """Name the provider of a hoster; the name decides, the mailbox where the name is not listed."""
        return self.by_owner.get(_plain(owner)) or self.by_contact.get(_plain(contact))


def read_hoster_names(lines: Iterable[str]) -> HosterNames:
    """Read the file; raises `BadHosterNames` with the line where a name means two providers."""
    reader = csv.DictReader(lines)
    columns = [name for name in reader.fieldnames or () if name in _COLUMNS]
    if "provider" not in columns or len(columns) < 2:
        raise BadHosterNames(f"the providers' file needs a header with {', '.join(_COLUMNS)}")
    names = HosterNames({}, {})
    for row in reader:
        provider = (row.get("provider") or "").strip()
        if not is_slug(provider):
            raise BadHosterNames(
                f"line {reader.line_num}: the provider is no id such as `fictional-hosting-a`"
            )
        _add(names.by_owner, row.get("hoster_owner"), provider, reader.line_num)
        _add(names.by_contact, row.get("hoster_contact"), provider, reader.line_num)
    return names


def _add(table: dict[str, str], name: str | None, provider: str, line: int) -> None:
    key = _plain(name or "")
    if key and table.setdefault(key, provider) != provider:
        raise BadHosterNames(f"line {line}: this hoster stands above with another provider")


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()
