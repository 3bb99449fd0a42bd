"""Open a dump as it was downloaded: plain, gzip or a zip with one member, told apart by their first bytes."""

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from schemas.errors import TakedownError

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What reading a compressed file raises where it is cut short or damaged."""


class BadDump(TakedownError):
    """A file that is no URLhaus dump; says what is expected there and never repeats what it holds."""

    exit_code = 2


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a dump as text with its line ends as they are; bytes that are no UTF-8 become surrogates.

    Raises `BadDump` where there is nothing to open.
    """
    if not path.is_file():
        raise BadDump(f"{path.name} is read more than once: give a file, not a pipe")
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        plain = stack.enter_context(_unpacked(raw, path.name))
        yield io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="\n")


@contextmanager
def _unpacked(raw: BinaryIO, name: str) -> Iterator[BinaryIO]:
    first = raw.read(4)
    raw.seek(0)
    if first.startswith(_GZIP):
        with gzip.open(raw) as plain:
            yield cast(BinaryIO, plain)
    elif first in _ZIP:
        with _member(raw, name) as inside:
            yield inside
    else:
        yield raw


@contextmanager
def _member(raw: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Open the one file of a zip."""
    with ExitStack() as stack:
        try:
            packed = stack.enter_context(zipfile.ZipFile(raw))
            members = [one for one in packed.infolist() if not one.is_dir()]
            if len(members) != 1:
                raise BadDump(
                    f"{name} holds {len(members)} files; give a zip with one dump in it, as published"
                )
            inside = stack.enter_context(packed.open(members[0]))
        except (*DAMAGE, NotImplementedError, ValueError, struct.error):
            raise BadDump(f"{name} is a damaged or unusual zip; download it again") from None
        except RuntimeError:
            raise BadDump(f"{name} is encrypted; unpack it first") from None
        yield cast(BinaryIO, inside)
