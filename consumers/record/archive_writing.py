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

from consumers.record.archive import (
    MANIFEST,
    PROGRESS,
    BadArchive,
    Body,
    Manifest,
    Span,
    Told,
    Written,
)
from consumers.record.source import Raw, Source
from services.ledger.shadow.schema import Ranges

FILE_RECORDS = 20_000
FILE_BYTES = 64 * 1024 * 1024
_LEVEL = 3
Cut = Callable[[Any], Raw]
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
