"""Move the old records of the topic that takes URLs into archives without any, and delete them from the broker.

DIR/<when>/ is one archive: what was older than the retention then, and had been taken by the ledger. What a round
that was ended left undone is done by the next: an archive goes on, and what stands in one is deleted.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

import asyncpg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumers.client.connection import KafkaConnection
from consumers.record.archive_reader import archives_in, read_manifest, stopped_in
from consumers.record.archive_writer import write_archive
from consumers.record.places import Offsets, Partition, Ranges
from consumers.record.ranges import count_records, first_since, offsets_in
from consumers.record.source import KafkaSource
from consumers.retention.proof import REPORTS, Proof, RetentionRefused
from consumers.retention.redactor import Redactor
from consumers.retention.round_lock import RetentionBusy
from schemas import topics

DEAD_LETTERS = tuple(topic.dlq for topic in topics.EVIDENCE)
_NAMED = "%Y%m%dT%H%M%S.%fZ"


class Mover:
    """Moves records of one broker into one folder.

    `count` hears how many more were written, or read back; `require` raises where another retention may be at work.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        pool: asyncpg.Pool,
        folder: Path,
        redact: Redactor,
        count: Callable[[int], None],
        require: Callable[[], Awaitable[None]],
    ) -> None:
        self._kafka = kafka
        self._pool = pool
        self._folder = folder
        self._redact = redact
        self._count = count
        self._require = require

    async def move(self, now: datetime, before: datetime, taken: Offsets) -> int:
        """Move what was put on the broker earlier than `before` and lies below `taken`; return how many records.

        Deletes nothing where it raises `ArchiveDamaged` (an archive is not what was written), `RetentionRefused` (it
        can't be shown that the records stand elsewhere) or `RetentionBusy`.
        """
        with _lock(self._folder):
            return await self._move(now, before, taken)

    async def due(self, before: datetime, taken: Offsets) -> int:
        """Tell how many records would be moved."""
        async with _open_source(self._kafka) as source:
            return await count_records(source, await _due(source, before, taken))

    async def _move(self, now: datetime, before: datetime, taken: Offsets) -> int:
        async with _open_source(self._kafka) as source:
            moved = await self._finish(source, now)
            ranges = await _due(source, before, taken)
            if offsets_in(ranges):
                self._alone(await source.extents([REPORTS]))
                moved += await self._write(source, self._folder / now.strftime(_NAMED), ranges, now)
            return moved

    async def delete_dead_letters(self, before: datetime) -> int:
        """Delete the dead letters that were put on the broker earlier than `before`; return how many."""
        async with _open_source(self._kafka) as source:
            due = await _old_dead_letters(source, before)
            count = await count_records(source, due)
        await self._delete({place: end for place, (_, end) in due.items()})
        return count

    async def dead_letters(self, before: datetime) -> int:
        """Tell how many dead letters would be deleted."""
        async with _open_source(self._kafka) as source:
            return await count_records(source, await _old_dead_letters(source, before))

    # -- archives ----------------------------------------------------------------------------------

    async def _finish(self, source: KafkaSource, now: datetime) -> int:
        """Go on with an archive that was stopped, and delete from the broker what stands in whole ones."""
        moved = 0
        for folder in stopped_in(self._folder):
            moved += await self._write(source, folder, {}, now)
        extents = await source.extents([REPORTS])
        for folder in archives_in(self._folder):
            if await self._delete_moved(source, folder, extents):
                extents = await source.extents([REPORTS])
        return moved

    def _alone(self, extents: Ranges) -> None:
        """See that what the broker no longer has went into this folder; raises `RetentionRefused`.

        Two retentions on two machines would each keep a part of the record, and no replay could read both.
        """
        reached: dict[Partition, int] = {}
        for folder in archives_in(self._folder):
            for span in read_manifest(folder).spans:
                place = (span.topic, span.partition)
                reached[place] = max(reached.get(place, 0), span.until)
        for place, (begins, _) in extents.items():
            if begins > reached.get(place, 0):
                raise RetentionRefused(
                    f"records of {place[0]}/{place[1]} before offset {begins} have left the broker, and no archive in "
                    f"{self._folder} reaches that far: another retention moves records elsewhere. Run one alone, on "
                    "the folder that has all of its archives"
                )

    async def _write(self, source: KafkaSource, folder: Path, ranges: Ranges, now: datetime) -> int:
        manifest = await write_archive(
            source, folder, ranges, now, self._count, redact=self._redact
        )
        await self._delete_moved(source, folder, await source.extents([REPORTS]))
        return manifest.records

    async def _delete_moved(self, source: KafkaSource, folder: Path, extents: Ranges) -> bool:
        """Read an archive back beside the broker, and only then delete there what it holds; tell whether it had any."""
        proof = Proof(self._kafka, source, self._pool, self._redact, self._count)
        ends = await proof.deletable(folder, read_manifest(folder), extents)
        await self._delete(ends)
        return bool(ends)

    async def _delete(self, ends: Offsets) -> None:
        if not ends:
            return
        admin = AIOKafkaAdminClient(**self._kafka.client_options())
        try:
            await admin.start()
            await self._require()
            await admin.delete_records(
                {TopicPartition(*place): RecordsToDelete(end) for place, end in ends.items()}
            )
        finally:
            await admin.close()


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder for as long as the block lasts; the lock goes with the process."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RetentionBusy(f"another process moves records to {folder}; wait for it") from None
    finally:
        os.close(descriptor)


async def _due(source: KafkaSource, before: datetime, taken: Offsets) -> Ranges:
    extents = await source.extents([REPORTS])
    ends = await first_since(source, extents, before)
    return {
        place: (begins, max(begins, min(ends[place], taken.get(place, 0))))
        for place, (begins, _) in extents.items()
    }


async def _old_dead_letters(source: KafkaSource, before: datetime) -> Ranges:
    extents = await source.extents(DEAD_LETTERS)
    ends = await first_since(source, extents, before)
    spans = {place: (begins, ends[place]) for place, (begins, _) in extents.items()}
    return {place: span for place, span in spans.items() if span[0] < span[1]}


@asynccontextmanager
async def _open_source(kafka: KafkaConnection) -> AsyncIterator[KafkaSource]:
    source = KafkaSource(kafka)
    try:
        yield source
    finally:
        await source.close()
