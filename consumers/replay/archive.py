"""An archive of the evidence topics: compressed files with checksums that give back identical records.

    DIR/manifest.json                                   what is in it, with SHA-256 of every file
    DIR/<topic>/<partition>/<first offset>.msgpack.zst  one zstd frame: an array of records, each
        [offset, timestamp, timestamp type, key, value, [[header, bytes], ...]]

Files are written beside their name and moved there; `progress.jsonl` says which are done, so that a stopped
archive goes on where it was. What reporters sent may hold unsealed URLs: only the owner may read the files.
An archive `without_urls` holds none, sealed or not: its records are those that `consumers.retention` made of them.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import cramjam
import msgspec
from msgspec import Struct

from consumers.replay.source import Raw, Source
from schemas.errors import TakedownError
from services.ledger.shadow.schema import Partition, Ranges

FORMAT = "takedown-archive"
VERSION = 1
MANIFEST = "manifest.json"
PROGRESS = "progress.jsonl"
FILE_RECORDS = 20_000
FILE_BYTES = 64 * 1024 * 1024
_LEVEL = 3

Told = Callable[[int], None]
Cut = Callable[[Any], Raw]
Body = tuple[int, int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Body]).decode


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


class Written(Struct, frozen=True, kw_only=True):
    """One file."""

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
    files: list[Written]
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


class _Plan(Struct, frozen=True, kw_only=True):
    """First line of `progress.jsonl`: the spans as asked for at the start, and whether URLs are cut out."""

    spans: list[Span]
    without_urls: bool = False


async def write_archive(
    source: Source,
    folder: Path,
    ranges: Ranges,
    now: datetime,
    told: Told,
    *,
    cut: Cut | None = None,
) -> Manifest:
    """Write an archive, or go on with one that was stopped, whose ranges hold; return its manifest.

    `told` hears how many more records are done. `cut` takes the URL out of a record; without it they stay.
    Raises `BadArchive` where something else is in the folder.
    """
    writer = _Writer(folder, ranges, cut)
    for span in writer.spans:
        await writer.write(source, span, told)
    return writer.finish(now)


class _Writer:
    def __init__(self, folder: Path, ranges: Ranges, cut: Cut | None) -> None:
        self._folder = folder
        self._cut = cut
        if (folder / MANIFEST).exists():
            raise BadArchive(f"{folder} is a finished archive already; name another folder")
        _made(folder)
        self.spans, self._files = self._resumed() or self._begun(ranges)

    def _begun(self, ranges: Ranges) -> tuple[list[Span], list[Written]]:
        if any(self._folder.iterdir()):
            raise BadArchive(f"{self._folder} is not empty; name a new folder")
        spans = [
            Span(topic=topic, partition=number, begins=begins, until=until)
            for (topic, number), (begins, until) in sorted(ranges.items())
        ]
        self._note(_Plan(spans=spans, without_urls=self._cut is not None))
        return spans, []

    def _resumed(self) -> tuple[list[Span], list[Written]] | None:
        """Read how far a stopped archive got; a line that a crash cut off counts for nothing."""
        path = self._folder / PROGRESS
        if not path.exists():
            return None
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        lines = whole.splitlines()
        if not lines:
            path.unlink()
            return None
        try:
            plan = msgspec.json.decode(lines[0], type=_Plan)
            files = [msgspec.json.decode(line, type=Written) for line in lines[1:]]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadArchive(
                f"{path} can't be read, so that nothing tells how far {self._folder} got; name a new folder"
            ) from None
        if plan.without_urls != (self._cut is not None):
            raise BadArchive(
                f"{self._folder} was begun {'without' if plan.without_urls else 'with'} URLs; name another folder"
            )
        _replace(path, whole + b"\n")
        return plan.spans, files

    async def write(self, source: Source, span: Span, told: Told) -> None:
        place = (span.topic, span.partition)
        done = [f for f in self._files if (f.topic, f.partition) == place]
        begins = done[-1].last_offset + 1 if done else span.begins
        told(begins - span.begins)
        held: list[Any] = []
        size = 0
        async for records in source.read(place, begins, span.until):
            for record in records:
                held.append(record)
                size += len(record.value or b"")
                if len(held) >= FILE_RECORDS or size >= FILE_BYTES:
                    self._write_file(span, held)
                    told(held[-1].offset + 1 - begins)
                    begins, held, size = held[-1].offset + 1, [], 0
        if held:
            self._write_file(span, held)
        told(span.until - begins)

    def _write_file(self, span: Span, records: Sequence[Any]) -> None:
        name = f"{span.topic}/{span.partition:03d}/{records[0].offset:020d}.msgpack.zst"
        kept = records if self._cut is None else [self._cut(record) for record in records]
        packed = _pack([_body(record) for record in kept])
        content = bytes(cramjam.zstd.compress(packed, level=_LEVEL))
        path = self._folder / name
        _made(path.parent)
        _replace(path, content)
        written = Written(
            name=name,
            topic=span.topic,
            partition=span.partition,
            first_offset=records[0].offset,
            last_offset=records[-1].offset,
            records=len(records),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        self._files.append(written)
        self._note(written)

    def _note(self, line: Struct) -> None:
        path = self._folder / PROGRESS
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def finish(self, now: datetime) -> Manifest:
        files = sorted(self._files, key=lambda f: (f.topic, f.partition, f.first_offset))
        manifest = Manifest(
            created_at=now,
            records=sum(f.records for f in files),
            spans=self.spans,
            files=files,
            without_urls=self._cut is not None,
        ).sealed()
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        _replace(self._folder / MANIFEST, text + b"\n")
        (self._folder / PROGRESS).unlink()
        return manifest


def _body(record: Any) -> Body:
    headers = [(name, value) for name, value in record.headers]
    return (
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        headers,
    )


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    scratch = path.with_name(f".{path.name}.part")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    _keep(path.parent)


def _made(folder: Path) -> None:
    """Make a folder and those above it, so that they are still there after a power cut."""
    if folder.is_dir():
        return
    _made(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _keep(folder.parent)


def _keep(folder: Path) -> None:
    """Have the disk keep what a folder lists."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def verify_archive(folder: Path, told: Told) -> Manifest:
    """Read everything back; return the manifest. Raises `ArchiveDamaged` that says every fault."""
    manifest = read_manifest(folder)
    faults = list(_faults(folder, manifest, told))
    if faults:
        shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if faults[20:] else "")
        raise ArchiveDamaged(f"the archive is damaged: {shown}")
    return manifest


def _faults(folder: Path, manifest: Manifest, told: Told) -> Iterator[str]:
    known = {written.name for written in manifest.files}
    there = {str(p.relative_to(folder)) for p in folder.glob("*/*/*") if p.is_file()}
    yield from (f"{name} is not in the manifest" for name in sorted(there - known))
    spans = manifest.ranges()
    reached: dict[Partition, int] = {}
    for written in manifest.files:
        place = (written.topic, written.partition)
        begins, until = spans.get(place, (0, 0))
        before = reached.get(place, begins)
        if not before <= written.first_offset <= written.last_offset < until:
            yield f"{written.name} has offsets out of its turn"
        reached[place] = written.last_offset + 1
        try:
            read_file(folder, written)
        except ArchiveDamaged as error:
            yield str(error)
        told(written.records)
    if manifest.records != sum(written.records for written in manifest.files):
        yield "the counts do not add up"


def read_file(folder: Path, written: Written) -> list[Raw]:
    """Read one file; raises `ArchiveDamaged` where it is not what the manifest says."""
    try:
        content = (folder / written.name).read_bytes()
    except OSError as error:
        raise ArchiveDamaged(f"{written.name} can't be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != written.sha256:
        raise ArchiveDamaged(f"{written.name} was changed: its SHA-256 is another")
    try:
        bodies = _unpack(bytes(cramjam.zstd.decompress(content)))
    except (cramjam.DecompressionError, msgspec.DecodeError):
        raise ArchiveDamaged(f"{written.name} can't be unpacked") from None
    offsets = [body[0] for body in bodies]
    expected = (written.records, written.first_offset, written.last_offset)
    if (len(offsets), *offsets[:1], *offsets[-1:]) != expected or offsets != sorted(set(offsets)):
        raise ArchiveDamaged(f"{written.name} holds other records than the manifest says")
    return [Raw(written.topic, written.partition, *body) for body in bodies]


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
        for written in self.manifest.files:
            if (written.topic, written.partition) != place:
                continue
            if written.last_offset < begins or written.first_offset >= until:
                continue
            records = read_file(self._folder, written)
            chosen = [record for record in records if begins <= record.offset < until]
            if chosen:
                yield chosen

    async def offsets_at(self, names: Sequence[str], at: datetime) -> dict[Partition, int | None]:
        """Give the first record that was put on the broker at or after an instant; None: there is none.

        Reads files until it is found in each partition; raises `ArchiveDamaged`.
        """
        since = int(at.timestamp() * 1000)
        found: dict[Partition, int | None] = dict.fromkeys(await self.extents(names))
        for written in self.manifest.files:
            place = (written.topic, written.partition)
            if place in found and found[place] is None:
                records = read_file(self._folder, written)
                found[place] = next((r.offset for r in records if r.timestamp >= since), None)
        return found

    async def close(self) -> None:
        """Nothing stays open."""
