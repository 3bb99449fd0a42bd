"""Where Kafka's start files lie, whom they are believed, and how a directory is formatted by them."""

from pathlib import Path

import pytest

from services.runtime.embedded import JarSources
from services.runtime.embedded.kafka_rehearsal import have_start_files
from services.runtime.embedded.kafka_start_files import (
    StartFiles,
    format_directory,
    kafka_id,
    start_files,
)


@pytest.fixture
def files(tmp_path: Path) -> StartFiles:
    (tmp_path / "archive").write_bytes(b"classes")
    (tmp_path / "metadata").write_bytes(b"records")
    kept = StartFiles(tmp_path / "cache" / "kafka")
    assert not kept.complete
    kept.keep(tmp_path / "archive", tmp_path / "metadata")
    return kept


def test_files_are_kept(files: StartFiles) -> None:
    """Both are there after they were kept, and nothing else."""
    assert files.complete
    assert files.archive is not None
    assert files.archive.read_bytes() == b"classes"
    assert len(list(files.folder.iterdir())) == 2


@pytest.mark.parametrize("which", ["file", "folder", "link"])
def test_what_others_can_write_is_not_used(files: StartFiles, which: str) -> None:
    """An archive is code: one that another user may change, or exchange, is left alone."""
    assert files.archive is not None
    if which == "link":
        files.archive.rename(files.folder / "other")
        files.folder.joinpath("classes.aot").symlink_to(files.folder / "other")
    else:
        (files.archive if which == "file" else files.folder).chmod(0o777)
    assert files.archive is None


def test_jars_of_the_operator_have_none(tmp_path: Path) -> None:
    """Only cached jars have start files: of others nobody knows what they will be at the next start."""
    assert start_files(JarSources(tmp_path, folder=tmp_path)) is None
    assert start_files(JarSources(tmp_path, kafka_home=tmp_path)) is None
    assert start_files(JarSources(tmp_path)) is not None


def test_a_directory_is_formatted(files: StartFiles, tmp_path: Path) -> None:
    """A directory gets the first metadata, and ids that no other one has."""
    assert files.metadata is not None
    texts = []
    for name in ("one", "two"):
        format_directory(tmp_path / name, files.metadata, node=1)
        assert (tmp_path / name / "bootstrap.checkpoint").read_bytes() == b"records"
        texts.append((tmp_path / name / "meta.properties").read_text())
    lines = [dict(line.split("=") for line in text.split()) for text in texts]
    assert all(set(one) == {"version", "node.id", "cluster.id", "directory.id"} for one in lines)
    assert len({one[key] for one in lines for key in ("cluster.id", "directory.id")}) == 4


def test_ids_are_as_kafka_makes_them() -> None:
    """An id has 22 characters and begins with none that a command would take for an option."""
    ids = {kafka_id() for _ in range(300)}
    assert len(ids) == 300
    assert {len(one) for one in ids} == {22}
    assert not any(one.startswith("-") for one in ids)


async def test_nothing_is_rehearsed_for_the_operators_jars(tmp_path: Path) -> None:
    """Jars that are not cached are left alone: nothing is said, run or written."""
    lines: list[str] = []
    await have_start_files(JarSources(tmp_path / "cache", folder=tmp_path), lines.append)
    assert (lines, list(tmp_path.iterdir())) == ([], [])
