"""Mails out of a Maildir, an mbox, a folder of files or a stream, one at a time and of bounded size."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from schemas.errors import ConfigError

# Of a longer mail the head is read: what a mail server says stands before what it returns.
MOST_BYTES = 1_048_576
# A mail up to this size can be kept whole: it fits into one record of the dead letters.
KEPT_BYTES = 1_900_000
_SEEN = "S"
# As nearly all programs write it; behind an empty line any time will do, or nothing but a name.
_DATED = re.compile(
    rb"From \S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b"
)
_DATED_SOMEHOW = re.compile(rb"From (?:\S*@|.*\d\d:\d\d|\S*\s*$)")


class Mail(Struct, frozen=True):
    """One mail and its place: a file's name, or its number and first line in a mailbox.

    `whole`: no byte is missing, so that it can be kept.
    """

    place: str
    raw: bytes
    file: Path | None = None
    whole: bool = True

    @property
    def head(self) -> bytes:
        """What is read of it."""
        return self.raw[:MOST_BYTES]


def mails_in(path: Path, *, unseen: bool) -> Iterator[Mail]:
    """Read a Maildir (with `unseen`, what has no flag S), a folder of files, an mbox, or a file with one mail."""
    if not path.is_dir():
        with path.open("rb") as stream:
            yield from mails_of(stream)
        return
    if is_maildir(path):
        files = [file for part in ("new", "cur") for file in sorted((path / part).glob("[!.]*"))]
        files = [file for file in files if not (unseen and _is_seen(file))]
    else:
        files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    for file in files:
        if file.is_file():
            yield _of_file(file)


def mails_of(file: BinaryIO) -> Iterator[Mail]:
    """Read a stream: an mbox, receipts in JSON one a line, or one mail."""
    lines = iter(file)
    above: list[bytes] = []
    first = next(lines, b"").removeprefix(BOM_UTF8)
    while first and not first.strip():
        above.append(first)
        first = next(lines, b"")
    whole, number = chain([first], lines), len(above) + 1
    if first.startswith(b"From "):
        yield from _of_mbox(whole, number)
    elif first.lstrip().startswith(b"{") and first.rstrip().endswith(b"}"):
        yield from _of_lines(whole, number)
    elif first:
        yield _one(chain(above, whole))


def is_maildir(path: Path) -> bool:
    """Tell whether a folder is a Maildir."""
    return (path / "cur").is_dir() and (path / "new").is_dir()


def mark_seen(file: Path) -> None:
    """Move a mail of a Maildir to `cur` with the flag S; raises `ConfigError` where it is not allowed."""
    base, _, flags = file.name.partition(":2,")
    marked = "".join(sorted({*flags, _SEEN}))
    try:
        file.rename(file.parent.parent / "cur" / f"{base}:2,{marked}")
    except OSError as error:
        raise ConfigError(f"a mail can't be marked as seen ({type(error).__name__})") from None


def _is_seen(file: Path) -> bool:
    return _SEEN in file.name.partition(":2,")[2]


def _of_file(file: Path) -> Mail:
    with file.open("rb") as opened:
        raw = opened.read(KEPT_BYTES + 1)
    return Mail(file.name, raw[:KEPT_BYTES], file, whole=len(raw) <= KEPT_BYTES)


class _Growing:
    """The lines of a mail that is read, as many as are kept."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, line: bytes) -> None:
        self._size += len(line)
        if self._size <= KEPT_BYTES:
            self._lines.append(line)

    def mail(self) -> Mail:
        return Mail(self._place, b"".join(self._lines), whole=self._size <= KEPT_BYTES)


def _of_mbox(lines: Iterable[bytes], start: int) -> Iterator[Mail]:
    """Cut an mbox at its `From ` lines: with a date, or one word alone behind an empty line. A sentence is none."""
    growing, number, blank = _Growing(f"mail 1, line {start}"), 1, True
    for place, line in enumerate(lines, start=start):
        if place > start and line.startswith(b"From ") and _begins_mail(line, behind_blank=blank):
            yield growing.mail()
            number += 1
            growing = _Growing(f"mail {number}, line {place}")
        blank = not line.strip()
        growing.add(line)
    yield growing.mail()


def _begins_mail(line: bytes, *, behind_blank: bool) -> bool:
    """Tell a line that begins a mail from one that a program left as it was in the body of one."""
    return bool(_DATED.match(line) or (behind_blank and _DATED_SOMEHOW.match(line)))


def _of_lines(lines: Iterable[bytes], start: int) -> Iterator[Mail]:
    for place, line in enumerate(lines, start=start):
        if line.strip():
            yield Mail(f"line {place}", line[:KEPT_BYTES], whole=len(line) <= KEPT_BYTES)


def _one(lines: Iterable[bytes]) -> Mail:
    growing = _Growing("mail 1, line 1")
    for line in lines:
        growing.add(line)
    return growing.mail()
