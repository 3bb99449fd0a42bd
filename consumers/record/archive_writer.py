"""Write an archive: files whole or not at all, and on with one that was stopped.

Files are written beside their name and moved there; `progress.jsonl` says which are done.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import cramjam
import msgspec
from msgspec import Struct

from consumers.record.archive_reader import (
    MANIFEST,
    PROGRESS,
    ArchiveFile,
    BadArchive,
    CountCallback,
    Manifest,
    PackedRecord,
    Span,
)
from consumers.record.places import Ranges
from consumers.record.source import RawRecord, Source

FILE_RECORDS = 20_000
FILE_BYTES = 64 * 1024 * 1024
_LEVEL = 3
Redaction = Callable[[Any], RawRecord]
_pack = msgspec.msgpack.Encoder().encode


class _Plan(Struct, frozen=True, kw_only=True):
    """First line of `progress.jsonl`: the spans as asked for at the start, and whether URLs are cut out."""

    spans: list[Span]
    without_urls: bool = False


async def write_archive(
    source: Source,
    folder: Path,
    ranges: Ranges,
    now: datetime,
    count: CountCallback,
    *,
    redact: Redaction | None = None,
) -> Manifest:
    """Write an archive, or go on with one that was stopped, whose ranges hold; return its manifest.

    `count` hears how many more records are done. `redact` takes the URL out of a record; without it they stay.
    Raises `BadArchive` where something else is in the folder.
    """
    writer = _Writer(folder, ranges, redact)
    for span in writer.spans:
        await writer.write(source, span, count)
    return writer.finish(now)


class _Writer:
    def __init__(self, folder: Path, ranges: Ranges, redact: Redaction | None) -> None:
        self._folder = folder
        self._redact = redact
        if (folder / MANIFEST).exists():
            raise BadArchive(f"{folder} is a finished archive already; name another folder")
        _make_folder(folder)
        self.spans, self._files = self._resume() or self._begin(ranges)

    def _begin(self, ranges: Ranges) -> tuple[list[Span], list[ArchiveFile]]:
        if any(self._folder.iterdir()):
            raise BadArchive(f"{self._folder} is not empty; name a new folder")
        spans = [
            Span(topic=topic, partition=number, begins=begins, until=until)
            for (topic, number), (begins, until) in sorted(ranges.items())
        ]
        self._note(_Plan(spans=spans, without_urls=self._redact is not None))
        return spans, []

    def _resume(self) -> tuple[list[Span], list[ArchiveFile]] | None:
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
            files = [msgspec.json.decode(line, type=ArchiveFile) for line in lines[1:]]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadArchive(
                f"{path} can't be read, so that nothing tells how far {self._folder} got; name a new folder"
            ) from None
        if plan.without_urls != (self._redact is not None):
            raise BadArchive(
                f"{self._folder} was begun {'without' if plan.without_urls else 'with'} URLs; name another folder"
            )
        _replace(path, whole + b"\n")
        return plan.spans, files

    async def write(self, source: Source, span: Span, count: CountCallback) -> None:
        place = (span.topic, span.partition)
        done = [f for f in self._files if (f.topic, f.partition) == place]
        begins = done[-1].last_offset + 1 if done else span.begins
        count(begins - span.begins)
        batch: list[Any] = []
        size = 0
        async for records in source.read(place, begins, span.until):
            for record in records:
                batch.append(record)
                size += len(record.value or b"")
                if len(batch) >= FILE_RECORDS or size >= FILE_BYTES:
                    self._write_file(span, batch)
                    count(batch[-1].offset + 1 - begins)
                    begins, batch, size = batch[-1].offset + 1, [], 0
        if batch:
            self._write_file(span, batch)
        count(span.until - begins)

    def _write_file(self, span: Span, records: Sequence[Any]) -> None:
        name = f"{span.topic}/{span.partition:03d}/{records[0].offset:020d}.msgpack.zst"
        copies = records if self._redact is None else [self._redact(record) for record in records]
        packed = _pack([_packed(record) for record in copies])
        content = bytes(cramjam.zstd.compress(packed, level=_LEVEL))
        path = self._folder / name
        _make_folder(path.parent)
        _replace(path, content)
        file = ArchiveFile(
            name=name,
            topic=span.topic,
            partition=span.partition,
            first_offset=records[0].offset,
            last_offset=records[-1].offset,
            records=len(records),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        self._files.append(file)
        self._note(file)

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
            without_urls=self._redact is not None,
        ).sealed()
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        _replace(self._folder / MANIFEST, text + b"\n")
        (self._folder / PROGRESS).unlink()
        return manifest


def _packed(record: Any) -> PackedRecord:
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
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they are still there after a power cut."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Have the disk keep what a folder lists."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
