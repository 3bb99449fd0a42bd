"""Prove of an archive that what it holds may be deleted from the broker.

Offsets alone prove nothing: a topic that was made anew counts from 0 again. So each record that would be deleted is
read once more, and must come out as it stands in the archive; and the ledger must have taken it, or refused it.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from consumers.client.connection import KafkaConnection
from consumers.record.archive_reader import Manifest, Span, read_file
from consumers.record.deadletter import read_dead_letters
from consumers.record.places import Partition, Ranges
from consumers.record.source import KafkaSource
from consumers.retention.redactor import Redactor
from schemas import topics
from schemas.errors import TakedownError
from services.ledger.queries import query

REPORTS = topics.REPORTS.name


class RetentionRefused(TakedownError):
    """Records may not be deleted: it can't be shown that they stand elsewhere."""


class Proof:
    """Compares archives with one broker and one ledger."""

    def __init__(
        self,
        kafka: KafkaConnection,
        source: KafkaSource,
        pool: asyncpg.Pool,
        redact: Redactor,
        count: Callable[[int], None],
    ) -> None:
        self._kafka = kafka
        self._source = source
        self._pool = pool
        self._redact = redact
        self._count = count
        self._dead: frozenset[tuple[int, int]] | None = None

    async def deletable(
        self, folder: Path, manifest: Manifest, extents: Ranges
    ) -> dict[Partition, int]:
        """Give the offsets before which everything may be deleted; partitions that are clean already are left out.

        `extents` is what the broker has. Raises `RetentionRefused`, `ArchiveDamaged`.
        """
        if not manifest.without_urls or {span.topic for span in manifest.spans} - {REPORTS}:
            raise RetentionRefused(
                f"{folder} was not written by retention; keep archives of your own elsewhere"
            )
        ends: dict[Partition, int] = {}
        for span in manifest.spans:
            place = (span.topic, span.partition)
            begins, until = extents.get(place, (0, 0))
            if span.until <= max(begins, span.begins):
                continue
            if span.until > until:
                raise RetentionRefused(_other(folder, place))
            await self._compare_span(folder, manifest, span, begins)
            ends[place] = span.until
        return ends

    async def _compare_span(
        self, folder: Path, manifest: Manifest, span: Span, begins: int
    ) -> None:
        """Compare every offset of a span: what is in no file must be no record on the broker either.

        Such offsets are markers and aborted records of transactions. They go too, for an aborted report has a URL.
        """
        place, at = (span.topic, span.partition), max(begins, span.begins)
        for file in manifest.files:
            if (file.topic, file.partition) == place and file.last_offset >= at:
                copies = await asyncio.to_thread(read_file, folder, file)
                await self._compare(folder, place, (at, file.last_offset + 1), copies)
                at = file.last_offset + 1
        await self._compare(folder, place, (at, span.until), [])

    async def _compare(
        self, folder: Path, place: Partition, offsets: tuple[int, int], records: Sequence[Any]
    ) -> None:
        copies = {record.offset: record for record in records}
        async for batch in self._source.read(place, *offsets):
            read = [self._redact.read(record) for record in batch]
            if any(copies.get(cut.offset) != cut for cut, _ in read):
                raise RetentionRefused(_other(folder, place))
            await self._check_taken(place, read)
            self._count(len(batch))

    async def _check_taken(self, place: Partition, read: Sequence[tuple[Any, Any]]) -> None:
        """See that the ledger has taken every event, and refused whatever is none."""
        events = [(event.case_id, event.id) for _, event in read if event is not None]
        rows = await self._pool.fetch(
            query("taken_events"), [case for case, _ in events], [name for _, name in events]
        )
        taken = {(row["case_id"], row["event_id"]) for row in rows}
        for cut, event in read:
            if event is not None and (event.case_id, event.id) in taken:
                continue
            if (cut.partition, cut.offset) not in await self._refused():
                raise RetentionRefused(
                    f"the ledger has neither taken nor refused record {cut.offset} of {place[0]}/{place[1]} as it "
                    "reads here: give retention the ledger's keys.toml and its version of the program"
                )

    async def _refused(self) -> frozenset[tuple[int, int]]:
        """Name the places of all dead letters of the topic."""
        if self._dead is None:
            letters = await read_dead_letters(self._kafka, source_topic=REPORTS, retried=True)
            self._dead = frozenset((one.source_partition, one.source_offset) for one in letters)
        return self._dead


def _other(folder: Path, place: Partition) -> str:
    return (
        f"{place[0]}/{place[1]} holds other records than {folder}: if the topic was made anew, move that archive to "
        "another folder"
    )
