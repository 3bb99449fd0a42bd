"""An archive gives back the records of a real broker byte for byte, or says that it was changed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumers.record import archive_reader, archive_writer
from consumers.record.archive_reader import (
    ArchiveDamaged,
    ArchiveSource,
    BadArchive,
    Manifest,
    verify_archive,
)
from consumers.record.archive_writer import write_archive
from consumers.record.ranges import Bounds, resolve
from consumers.record.source import EVIDENCE, KafkaSource
from consumers.replay.replay_run import replay
from schemas import topics
from services.ledger.shadow.schema import BadReplay
from tests.integration.ledger_kit import PARTITIONS, START, Lab, pure_digest, stories
from tests.integration.replay_kit import asked, replayed


def count(records: int) -> None:
    """Take note of nothing."""


async def archived(ledger: Lab, folder: Path, source: Any = None) -> Manifest:
    reader = source or KafkaSource(ledger.kafka)
    try:
        return await write_archive(reader, folder, await resolve(reader, Bounds()), START, count)
    finally:
        await reader.close()


async def everything(source: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for place, (begins, until) in sorted((await source.extents(EVIDENCE)).items()):
        async for records in source.read(place, begins, until):
            found += [
                (
                    r.topic, r.partition, r.offset, r.timestamp, r.timestamp_type, r.key, r.value,
                    [tuple(header) for header in r.headers],
                )
                for r in records
            ]  # fmt: skip
    await source.close()
    return found


async def test_records_come_back_byte_for_byte(
    ledger: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key, value, headers, time, partition and offset, also of what is no event at all."""
    monkeypatch.setattr(archive_writer, "FILE_RECORDS", 50)
    await ledger.produce(stories(12))
    odd = [("x", b"\x00\xff"), ("x", b""), ("ce_type", b"\xfe")]
    await ledger.produce_raw(
        [
            (topics.REPORTS.name, None, b"\x00", []),
            (topics.REPORTS.name, b"\xff", None, odd),
            (topics.OBSERVATIONS.name, b"", b"", odd),
        ]
    )
    manifest = await archived(ledger, tmp_path / "a")
    assert manifest.records == ledger.sent
    assert len(manifest.files) > 2 * PARTITIONS
    kafka = await everything(KafkaSource(ledger.kafka))
    assert kafka == await everything(ArchiveSource(tmp_path / "a"))
    assert verify_archive(tmp_path / "a", count) == manifest
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*") if path.is_file()}
    assert modes == {0o600}


async def test_a_replay_of_an_archive_is_a_replay_of_the_streams(
    ledger: Lab, tmp_path: Path, postgres_dsn: str
) -> None:
    """The digest of the archive's replay is that of Kafka's, and its name says which archive it was."""
    told = stories(10, shuffled=4)
    await ledger.produce(told)
    manifest = await archived(ledger, tmp_path / "a")
    from_kafka = await replayed(ledger, postgres_dsn, "kafka")
    from_archive = await replay(asked(None, postgres_dsn, "files", archive=(str(tmp_path / "a"),)))
    assert from_archive.digest == from_kafka.digest == pure_digest(told)
    with pytest.raises(BadReplay, match="source"):
        await replayed(ledger, postgres_dsn, "files")
    assert manifest.digest == ArchiveSource(tmp_path / "a").manifest.digest


async def test_times_on_the_broker_bound_an_archive_as_they_bound_the_streams(
    ledger: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds by the records' own times give the offsets that the broker would give, file ends included."""
    monkeypatch.setattr(archive_writer, "FILE_RECORDS", 20)
    await ledger.produce(stories(8))
    await asyncio.sleep(0.05)
    between = datetime.now(UTC)
    await asyncio.sleep(0.05)
    await ledger.produce(stories(3))
    await archived(ledger, tmp_path / "a")
    kafka, kept = KafkaSource(ledger.kafka), ArchiveSource(tmp_path / "a")
    try:
        for bounds in (
            Bounds(recorded_from=between),
            Bounds(recorded_to=between),
            Bounds(recorded_from=between + timedelta(days=1)),
        ):
            assert await resolve(kept, bounds) == await resolve(kafka, bounds)
    finally:
        await kafka.close()
    early = await resolve(kept, Bounds(recorded_to=between))
    assert 0 < sum(until - begins for begins, until in early.values()) < ledger.sent


class Stopping(KafkaSource):
    """Stops in the middle, as a killed process would."""

    def __init__(self, kafka: Any, after: int) -> None:
        super().__init__(kafka)
        self._left = after

    async def read(self, place: Any, begins: int, until: int) -> AsyncIterator[Any]:
        async for records in super().read(place, begins, until):
            for record in records:
                self._left -= 1
                if self._left < 0:
                    raise ConnectionResetError
                yield [record]


async def test_a_stopped_archive_goes_on(
    ledger: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written stays, the rest follows, up to where the archive was begun; until then it is none."""
    monkeypatch.setattr(archive_writer, "FILE_RECORDS", 20)
    await ledger.produce(stories(8))
    with pytest.raises(ConnectionResetError):
        await archived(ledger, tmp_path / "a", Stopping(ledger.kafka, 170))
    assert (tmp_path / "a" / archive_reader.PROGRESS).exists()
    with pytest.raises(BadArchive, match="go on"):
        ArchiveSource(tmp_path / "a")
    with (tmp_path / "a" / archive_reader.PROGRESS).open("ab") as file:
        file.write(b'{"name":"cut off')
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*.zst")}
    sent = ledger.sent
    await ledger.produce(stories(1))
    manifest = await archived(ledger, tmp_path / "a")
    assert before
    assert before == {p: p.stat().st_mtime_ns for p in before}
    assert manifest.records == sent
    whole = await everything(KafkaSource(ledger.kafka))
    spans = manifest.ranges()
    expected = [r for r in whole if r[2] < spans[r[0], r[1]][1]]
    assert expected == await everything(ArchiveSource(tmp_path / "a"))
    verify_archive(tmp_path / "a", count)


async def test_a_finished_or_foreign_folder_is_left_alone(ledger: Lab, tmp_path: Path) -> None:
    """Nothing is ever written over."""
    await ledger.produce(stories(1))
    await archived(ledger, tmp_path / "a")
    with pytest.raises(BadArchive, match="finished"):
        await archived(ledger, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "letter").write_text("keep me")
    with pytest.raises(BadArchive, match="not empty"):
        await archived(ledger, tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / archive_reader.PROGRESS).write_text("no plan\n")
    with pytest.raises(BadArchive, match="can't be read"):
        await archived(ledger, tmp_path / "c")


async def test_a_tampered_archive_is_refused(
    ledger: Lab, tmp_path: Path, postgres_dsn: str
) -> None:
    """A changed byte, a missing or an added file, a changed manifest: each is found, none is replayed."""
    await ledger.produce(stories(6))
    folder = tmp_path / "a"
    manifest = await archived(ledger, folder)
    path = folder / manifest.files[0].name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ArchiveDamaged, match="SHA-256"):
        verify_archive(folder, count)
    with pytest.raises(Exception, match="SHA-256"):
        await replay(asked(None, postgres_dsn, "bad", archive=(str(folder),)))
    path.unlink()
    with pytest.raises(ArchiveDamaged, match="can't be read"):
        verify_archive(folder, count)
    path.write_bytes(whole)
    (path.parent / "extra.msgpack.zst").write_bytes(whole)
    with pytest.raises(ArchiveDamaged, match="not in the manifest"):
        verify_archive(folder, count)
    (path.parent / "extra.msgpack.zst").unlink()
    verify_archive(folder, count)
    text = msgspec.json.decode((folder / archive_reader.MANIFEST).read_bytes())
    text["records"] += 1
    (folder / archive_reader.MANIFEST).write_bytes(msgspec.json.encode(text))
    with pytest.raises(ArchiveDamaged, match="digest"):
        verify_archive(folder, count)
    await asyncio.sleep(0)
