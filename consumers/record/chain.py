"""Several sources in a row: the first archive that has an offset gives it, then the next, then the broker.

`takedown retention` moves old records from the broker into archives: together they are the whole record still.
"""

import hashlib
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from consumers.client.connection import KafkaConnection
from consumers.record.admission import Admission
from consumers.record.archive_reader import (
    MANIFEST,
    PROGRESS,
    ArchiveSource,
    BadArchive,
    archives_in,
)
from consumers.record.places import Partition, Ranges
from consumers.record.source import KafkaSource, Source
from schemas.events import Event
from schemas.sealing import Keyring

KAFKA = "kafka"
# A name that a person can still compare; of more archives the name is one digest over theirs.
_NAMED = 8
_GAPS_SHOWN = 5


class _Piece(NamedTuple):
    """Offsets of one partition that one archive gives, and no other."""

    begins: int
    until: int
    archive: ArchiveSource


class Chain:
    """Reads archives in a row and then the broker, as one source; one archive or the broker alone is a chain too."""

    def __init__(self, archives: Sequence[ArchiveSource], broker: Source | None) -> None:
        self._archives = archives
        self.broker = broker
        spans: dict[Partition, list[_Piece]] = {}
        for archive in archives:
            for place, (begins, until) in archive.manifest.ranges().items():
                spans.setdefault(place, []).append(_Piece(begins, until, archive))
        self._pieces = {place: _overlay(pieces) for place, pieces in spans.items()}

    @property
    def name(self) -> str:
        """Name what is read, as it stands in a replay's identity."""
        digests = [archive.manifest.digest for archive in self._archives]
        if not digests:
            return KAFKA
        if len(digests) > _NAMED:
            digests = [f"{len(digests)}:{hashlib.sha256(','.join(digests).encode()).hexdigest()}"]
        return f"archive:{','.join(digests)}" + ("" if self.broker is None else f"+{KAFKA}")

    def erased(self, place: Partition, offset: int) -> bool:
        """Tell whether a record comes from an archive that URLs were cut out of."""
        pieces = self._pieces.get(place, [])
        index = _ending_after(pieces, offset)
        if index == len(pieces) or pieces[index].begins > offset:
            return False
        return pieces[index].archive.manifest.without_urls

    async def extents(self, names: Sequence[str]) -> Ranges:
        """Give the first offset and the one after the last of all together; raises `BadArchive` for a gap."""
        by_archive = [await archive.extents(names) for archive in self._archives]
        there = {} if self.broker is None else await self.broker.extents(names)
        places = dict.fromkeys(place for extents in (*by_archive, there) for place in extents)
        whole, gaps = {}, []
        for place in places:
            spans = [extents[place] for extents in by_archive if place in extents]
            whole[place], missing = _join(place, spans, there.get(place))
            gaps += missing
        if gaps:
            raise BadArchive(_gap_words(gaps, on_broker=self.broker is not None))
        return whole

    async def offsets_at(self, names: Sequence[str], at: datetime) -> dict[Partition, int | None]:
        """Give the first record that was put on the broker at or after an instant; None: there is none."""
        first: dict[Partition, int | None] = {}
        for source in self._sources():
            for place, offset in (await source.offsets_at(names, at)).items():
                offsets = [one for one in (first.get(place), offset) if one is not None]
                first[place] = min(offsets, default=None)
        return first

    async def read(self, place: Partition, begins: int, until: int) -> AsyncIterator[Sequence[Any]]:
        """Give the records in order, each once; raises what the sources raise, and `BadArchive` for a gap."""
        for source, first, end in self._parts(place, begins, until):
            if source is None:
                raise BadArchive(_gap_words([(place, first, end)], on_broker=False))
            async for records in source.read(place, first, end):
                yield records

    def _parts(
        self, place: Partition, begins: int, until: int
    ) -> Iterator[tuple[Source | None, int, int]]:
        """Say who gives which offsets; what is in no archive the broker has to have."""
        pieces = self._pieces.get(place, [])
        at = begins
        for piece in pieces[_ending_after(pieces, begins) :]:
            if max(at, piece.begins) >= until:
                break
            if at < piece.begins:
                yield self.broker, at, piece.begins
            at = max(at, piece.begins)
            end = min(piece.until, until)
            yield piece.archive, at, end
            at = end
        if at < until:
            yield self.broker, at, until

    def _sources(self) -> list[Source]:
        return [*self._archives, *([] if self.broker is None else [self.broker])]

    async def close(self) -> None:
        """Let go of every source, also where one can't be."""
        async with AsyncExitStack() as stack:
            for source in self._sources():
                stack.push_async_callback(source.close)


class PlacedAdmission:
    """RecordAdmission records as the place that they come from has them: without URLs only where these were cut out."""

    def __init__(self, keyring: Keyring, source: Chain) -> None:
        self._source = source
        self._usual = Admission(keyring)
        self._erased = Admission(keyring, erased=True)

    def admit(self, record: Any) -> Event:
        """Give the event of a record; raises `UnusableEvent`, never anything else."""
        place = record.topic, record.partition
        erased = self._source.erased(place, record.offset)
        return (self._erased if erased else self._usual).admit(record)


def open_chain(archives: Sequence[str], kafka: KafkaConnection | None) -> Chain:
    """Open archives by their folders, and the broker after them where there is a connection to it."""
    return Chain(
        [ArchiveSource(Path(folder)) for folder in archives],
        None if kafka is None else KafkaSource(kafka),
    )


def archives_under(folders: Iterable[Path]) -> tuple[str, ...]:
    """Give the archives' folders; one that holds archives, as retention's does, stands for these in their order.

    An archive whose writing was stopped counts for nothing there: its records are on the broker still.
    """
    archives: list[Path] = []
    for folder in folders:
        inner = archives_in(folder)
        whole = any((folder / name).exists() for name in (MANIFEST, PROGRESS))
        archives += inner if inner and not whole else [folder]
    return tuple(map(str, archives))


def _ending_after(pieces: Sequence[_Piece], offset: int) -> int:
    """Give the index of the first piece that ends after an offset."""
    return bisect_right(pieces, offset, key=lambda piece: piece.until)


def _overlay(spans: Iterable[_Piece]) -> list[_Piece]:
    """Lay spans over each other, the first on top: pieces that don't overlap, in the order of offsets."""
    laid: list[_Piece] = []
    for begins, until, archive in spans:
        index, at = _ending_after(laid, begins), begins
        while at < until:
            under = laid[index] if index < len(laid) else None
            end = until if under is None else min(until, under.begins)
            if at < end:
                laid.insert(index, _Piece(at, end, archive))
                index += 1
            at = until if under is None else under.until
            index += 1
    return laid


_Gap = tuple[Partition, int, int]


def _join(
    place: Partition, spans: Sequence[tuple[int, int]], broker: tuple[int, int] | None
) -> tuple[tuple[int, int], list[_Gap]]:
    """Give the span of all together, and what is missing in between.

    An archive's empty span says nothing; the broker's says how far the partition has been written.
    """
    filled = sorted(span for span in spans if span[0] < span[1])
    if not filled:
        return broker or spans[0], []
    ordered = sorted([*filled, *([] if broker is None else [broker])])
    begins, reached, gaps = ordered[0][0], ordered[0][0], []
    for first, until in ordered:
        if first > reached:
            gaps.append((place, reached, first))
        reached = max(reached, until)
    if broker is not None and broker[1] < reached:
        raise BadArchive(
            f"an archive has {place[0]}/{place[1]} up to offset {reached}, the broker only up to {broker[1]}: "
            "it is an archive of other topics than these; leave out --and-kafka, or name the right broker"
        )
    return (begins, reached), gaps


def _gap_words(gaps: Sequence[_Gap], *, on_broker: bool) -> str:
    shown = [
        f"offset {begins}{f' to {until - 1}' if until - begins > 1 else ''} of {topic}/{number}"
        for (topic, number), begins, until in gaps[:_GAPS_SHOWN]
    ]
    more = f" and in {len(gaps) - _GAPS_SHOWN} more places" if gaps[_GAPS_SHOWN:] else ""
    hint = "" if on_broker else ", or --and-kafka where the broker still has them"
    return (
        f"records are missing between what is given: {', '.join(shown)}{more}; "
        f"give the archive that holds them with --archive too{hint}"
    )
