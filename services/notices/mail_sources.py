"""Mails out of a Maildir, an mbox, a folder of files or a stream, one at a time and never more than its head."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from schemas.errors import ConfigError

# Of a longer mail the head is read: what a mail server says stands before what it returns.
MOST_BYTES = 1_048_576
_SEEN = "S"


class Mail(Struct, frozen=True):
    """One mail and its place: a file's name, or its number and first line in a mailbox."""

    place: str
    raw: bytes
    file: Path | None = None


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
            yield Mail(file.name, _head(file), file)


def mails_of(file: BinaryIO) -> Iterator[Mail]:
    """Read a stream: an mbox, receipts in JSON one a line, or one mail."""
    lines = iter(file)
    first = next(lines, b"")
    if first.startswith(b"From "):
        yield from _of_mbox(first, lines)
    elif first.lstrip().startswith(b"{") and first.rstrip().endswith(b"}"):
        yield from _of_lines(first, lines)
    elif first:
        yield Mail("mail 1, line 1", _bounded(first, lines))


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


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES)


def _of_mbox(first: bytes, lines: Iterable[bytes]) -> Iterator[Mail]:
    """Cut an mbox at its `From ` lines, each of which follows an empty line."""
    lines_read, size, began, number, blank = [first], 0, 1, 1, False
    for place, line in enumerate(lines, start=2):
        if blank and line.startswith(b"From "):
            yield Mail(f"mail {number}, line {began}", b"".join(lines_read))
            lines_read, size, began, number = [], 0, place, number + 1
        blank = not line.strip()
        size += len(line)
        if size <= MOST_BYTES:
            lines_read.append(line)
    yield Mail(f"mail {number}, line {began}", b"".join(lines_read))


def _of_lines(first: bytes, lines: Iterable[bytes]) -> Iterator[Mail]:
    for place, line in enumerate([first], start=1):
        yield Mail(f"line {place}", line)
    for place, line in enumerate(lines, start=2):
        if line.strip():
            yield Mail(f"line {place}", line[:MOST_BYTES])


def _bounded(first: bytes, lines: Iterable[bytes]) -> bytes:
    lines_read, size = [first], len(first)
    for line in lines:
        size += len(line)
        if size > MOST_BYTES:
            break
        lines_read.append(line)
    return b"".join(lines_read)
