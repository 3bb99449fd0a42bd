"""Move the old records of the topic that takes URLs into archives without any, and delete them from the broker.

DIR/<when>/ is one archive: what was older than the retention then, and had been taken by the ledger. What a round
that was ended left undone is done by the next: an archive goes on, and what stands in one is deleted.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

import asyncpg
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumers.connection import KafkaConnection
from consumers.replay.archive import MANIFEST, PROGRESS, read_manifest, write_archive
from consumers.replay.source import KafkaSource
from consumers.retention.cutting import Cutter
from consumers.retention.proof import REPORTS, Proof
from schemas import topics
from schemas.errors import TakedownError
from services.ledger.shadow.schema import Partition, Ranges


class RetentionBusy(TakedownError):
    """Another process works on the same archives."""


Offsets = dict[Partition, int]

DEAD_LETTERS = tuple(topic.dlq for topic in topics.EVIDENCE)
_NAMED = "%Y%m%dT%H%M%S.%fZ"


class Mover:
    """Moves records of one broker into one folder."""

    def __init__(
        self,
        kafka: KafkaConnection,
        pool: asyncpg.Pool,
        folder: Path,
        cut: Cutter,
        alive: Callable[[], None],
    ) -> None:
        self._kafka = kafka
        self._pool = pool
        self._folder = folder
        self._cut = cut
        self._alive = alive

    async def move(self, now: datetime, before: datetime, taken: Offsets) -> int:
        """Move what was put on the broker earlier than `before` and lies below `taken`; return how many records.

        Deletes nothing where it raises `ArchiveDamaged` (an archive is not what was written), `RetentionRefused` (it
        can't be shown that the records stand elsewhere) or `RetentionBusy`.
        """
        with _alone(self._folder):
            return await self._move(now, before, taken)

    async def due(self, before: datetime, taken: Offsets) -> int:
        """Tell how many records would be moved."""
        async with _source(self._kafka) as source:
            return _count(await _due(source, before, taken))

    async def _move(self, now: datetime, before: datetime, taken: Offsets) -> int:
        async with _source(self._kafka) as source:
            moved = await self._finish(source, now)
            ranges = await _due(source, before, taken)
            if _count(ranges):
                moved += await self._write(source, self._folder / now.strftime(_NAMED), ranges, now)
            return moved

    async def forget_dead_letters(self, before: datetime) -> int:
        """Delete the dead letters that were put on the broker earlier than `before`; return how many."""
        due = await self._old_dead_letters(before)
        await self._delete({place: end for place, (_, end) in due.items()})
        return _count(due)

    async def dead_letters(self, before: datetime) -> int:
        """Tell how many dead letters would be deleted."""
        return _count(await self._old_dead_letters(before))

    async def _old_dead_letters(self, before: datetime) -> Ranges:
        async with _source(self._kafka) as source:
            extents = await source.extents(DEAD_LETTERS)
            ends = await _first_since(source, DEAD_LETTERS, before, extents)
        spans = {place: (begins, ends[place]) for place, (begins, _) in extents.items()}
        return {place: span for place, span in spans.items() if span[0] < span[1]}

    # -- archives ----------------------------------------------------------------------------------

    async def _finish(self, source: KafkaSource, now: datetime) -> int:
        """Go on with an archive that was stopped, and delete from the broker what stands in whole ones."""
        moved = 0
        for folder in stopped_in(self._folder):
            moved += await self._write(source, folder, {}, now)
        for folder in archives_in(self._folder):
            await self._delete_moved(source, folder)
        return moved

    async def _write(self, source: KafkaSource, folder: Path, ranges: Ranges, now: datetime) -> int:
        manifest = await write_archive(
            source, folder, ranges, now, lambda count: self._alive(), cut=self._cut
        )
        await self._delete_moved(source, folder)
        return manifest.records

    async def _delete_moved(self, source: KafkaSource, folder: Path) -> None:
        """Read an archive back beside the broker, and only then delete there what it holds."""
        proof = Proof(self._kafka, source, self._pool, self._cut, self._alive)
        await self._delete(await proof.deletable(folder, read_manifest(folder)))

    async def _delete(self, ends: Offsets) -> None:
        if not ends:
            return
        admin = AIOKafkaAdminClient(**self._kafka.client_options())
        try:
            await admin.start()
            await admin.delete_records(
                {TopicPartition(*place): RecordsToDelete(end) for place, end in ends.items()}
            )
        finally:
            await admin.close()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
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


def archives_in(folder: Path) -> list[Path]:
    """Give the finished archives in a folder, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))


def stopped_in(folder: Path) -> list[Path]:
    """Give the archives whose writing was stopped."""
    found = sorted(path.parent for path in folder.glob(f"*/{PROGRESS}"))
    return [path for path in found if not (path / MANIFEST).exists()]


def _count(ranges: Ranges) -> int:
    return sum(until - begins for begins, until in ranges.values())


async def _due(source: KafkaSource, before: datetime, taken: Offsets) -> Ranges:
    extents = await source.extents([REPORTS])
    ends = await _first_since(source, [REPORTS], before, extents)
    return {
        place: (begins, max(begins, min(ends[place], taken.get(place, 0))))
        for place, (begins, _) in extents.items()
    }


async def _first_since(
    source: KafkaSource, names: Iterable[str], at: datetime, extents: Ranges
) -> Offsets:
    """Give the first offset that was put on the broker at or after an instant, or the end."""
    found = await source.offsets_at(list(names), at)
    return {
        place: extents[place][1] if offset is None else offset for place, offset in found.items()
    }


@asynccontextmanager
async def _source(kafka: KafkaConnection) -> AsyncIterator[KafkaSource]:
    source = KafkaSource(kafka)
    try:
        yield source
    finally:
        await source.close()
