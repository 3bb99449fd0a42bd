"""An archive of the evidence topics: compressed files with checksums that give back identical records.

    DIR/manifest.json                                   what is in it, with SHA-256 of every file
    DIR/<topic>/<partition>/<first offset>.msgpack.zst  one zstd frame: an array of records, each
        [offset, timestamp, timestamp type, key, value, [[header, bytes], ...]]

`archive_writer` writes it, and goes on with one that was stopped. What reporters sent may hold unsealed URLs: only the
owner may read the files.
An archive `without_urls` holds none, sealed or not: its records are those that `consumers.retention` made of them.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import cramjam
import msgspec
from msgspec import Struct

from consumers.record.places import Partition, Ranges
from consumers.record.source import RawRecord
from schemas.errors import TakedownError

FORMAT = "takedown-archive"
VERSION = 1
MANIFEST = "manifest.json"
PROGRESS = "progress.jsonl"

CountCallback = Callable[[int], None]
PackedRecord = tuple[int, int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

_unpack = msgspec.msgpack.Decoder(list[PackedRecord]).decode


class ArchiveDamaged(TakedownError):
    """An archive is not what its manifest says."""

    exit_code = 5


class BadArchive(TakedownError):
    """An archive can't be written or read as asked."""

    exit_code = 2


class Span(Struct, frozen=True, kw_only=True):
    """What of one partition is in an archive: offsets from `begins` up to and not with `until`."""

    topic: str
    partition: int
    begins: int
    until: int


class ArchiveFile(Struct, frozen=True, kw_only=True):
    """One file of an archive."""

    name: str
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    records: int
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What is in an archive; `digest` is SHA-256 over everything else here.

    `without_urls`: every URL was cut out of its records.
    """

    format: str = FORMAT
    version: int = VERSION
    created_at: datetime
    records: int
    spans: list[Span]
    files: list[ArchiveFile]
    without_urls: bool = False
    digest: str = ""

    def sealed(self) -> "Manifest":
        """Give the manifest with its digest."""
        return msgspec.structs.replace(self, digest=self.computed())

    def computed(self) -> str:
        """Digest everything but the digest."""
        bare = msgspec.to_builtins(msgspec.structs.replace(self, digest=""))
        if not self.without_urls:
            # Archives of before know nothing of it.
            del bare["without_urls"]
        return hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()

    def ranges(self) -> Ranges:
        """Give the spans by place."""
        return {(s.topic, s.partition): (s.begins, s.until) for s in self.spans}


def archives_in(folder: Path) -> list[Path]:
    """Give the finished archives in a folder, in the order of their names."""
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))


def stopped_in(folder: Path) -> list[Path]:
    """Give the archives in a folder whose writing was stopped."""
    begun = sorted(path.parent for path in folder.glob(f"*/{PROGRESS}"))
    return [path for path in begun if not (path / MANIFEST).exists()]


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest; raises `BadArchive`, `ArchiveDamaged`."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        hint = "its writing was stopped: give the same command again to go on"
        unfinished = (folder / PROGRESS).exists()
        raise BadArchive(
            f"{folder} is no finished archive; {hint if unfinished else 'name its folder'}"
        ) from None
    except OSError as error:
        raise BadArchive(f"{folder} can't be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ArchiveDamaged(f"the manifest of {folder} can't be read; get another copy") from None
    if manifest.format != FORMAT or manifest.version != VERSION:
        raise BadArchive(f"{folder} is of another format or a later version; upgrade the program")
    if manifest.computed() != manifest.digest:
        raise ArchiveDamaged(f"the manifest of {folder} was changed: its digest is another")
    return manifest


def verify_archive(folder: Path, count: CountCallback) -> Manifest:
    """Read everything back; return the manifest. Raises `ArchiveDamaged` that says every fault."""
    manifest = read_manifest(folder)
    faults = list(_faults(folder, manifest, count))
    if faults:
        shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if faults[20:] else "")
        raise ArchiveDamaged(f"the archive is damaged: {shown}")
    return manifest


def _faults(folder: Path, manifest: Manifest, count: CountCallback) -> Iterator[str]:
    listed = {file.name for file in manifest.files}
    there = {str(p.relative_to(folder)) for p in folder.glob("*/*/*") if p.is_file()}
    yield from (f"{name} is not in the manifest" for name in sorted(there - listed))
    spans = manifest.ranges()
    reached: dict[Partition, int] = {}
    for file in manifest.files:
        place = (file.topic, file.partition)
        begins, until = spans.get(place, (0, 0))
        before = reached.get(place, begins)
        if not before <= file.first_offset <= file.last_offset < until:
            yield f"{file.name} has offsets out of its turn"
        reached[place] = file.last_offset + 1
        try:
            read_file(folder, file)
        except ArchiveDamaged as error:
            yield str(error)
        count(file.records)
    if manifest.records != sum(file.records for file in manifest.files):
        yield "the counts do not add up"


def read_file(folder: Path, file: ArchiveFile) -> list[RawRecord]:
    """Read one file; raises `ArchiveDamaged` where it is not what the manifest says."""
    try:
        content = (folder / file.name).read_bytes()
    except OSError as error:
        raise ArchiveDamaged(f"{file.name} can't be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ArchiveDamaged(f"{file.name} was changed: its SHA-256 is another")
    try:
        bodies = _unpack(bytes(cramjam.zstd.decompress(content)))
    except (cramjam.DecompressionError, msgspec.DecodeError):
        raise ArchiveDamaged(f"{file.name} can't be unpacked") from None
    offsets = [body[0] for body in bodies]
    expected = (file.records, file.first_offset, file.last_offset)
    if (len(offsets), *offsets[:1], *offsets[-1:]) != expected or offsets != sorted(set(offsets)):
        raise ArchiveDamaged(f"{file.name} holds other records than the manifest says")
    return [RawRecord(file.topic, file.partition, *body) for body in bodies]


class ArchiveSource:
    """Reads an archive; every file is checked against the manifest before it is used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.manifest = read_manifest(folder)

    async def extents(self, names: Sequence[str]) -> Ranges:
        """Give what the archive holds of some topics."""
        return {place: span for place, span in self.manifest.ranges().items() if place[0] in names}

    async def read(self, place: Partition, begins: int, until: int) -> AsyncIterator[Sequence[Any]]:
        """Read one partition, a file at a time; raises `ArchiveDamaged`."""
        for file in self.manifest.files:
            if (file.topic, file.partition) != place:
                continue
            if file.last_offset < begins or file.first_offset >= until:
                continue
            records = read_file(self._folder, file)
            chosen = [record for record in records if begins <= record.offset < until]
            if chosen:
                yield chosen

    async def offsets_at(self, names: Sequence[str], at: datetime) -> dict[Partition, int | None]:
        """Give the first record that was put on the broker at or after an instant; None: there is none.

        Reads files until it is found in each partition; raises `ArchiveDamaged`.
        """
        since = int(at.timestamp() * 1000)
        first: dict[Partition, int | None] = dict.fromkeys(await self.extents(names))
        for file in self.manifest.files:
            place = (file.topic, file.partition)
            if place in first and first[place] is None:
                records = read_file(self._folder, file)
                first[place] = next((r.offset for r in records if r.timestamp >= since), None)
        return first

    async def close(self) -> None:
        """Nothing stays open."""
