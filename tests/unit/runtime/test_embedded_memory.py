"""How much memory the embedded PostgreSQL takes for its pages."""

from pathlib import Path

import pytest

from services.runtime.embedded.postgres_memory import (
    need_of,
    share_of,
    shared_buffers_mb,
    usable_bytes,
)

GB = 2**30


@pytest.mark.parametrize(
    ("usable", "megabytes"), [(GB // 2, 128), (8 * GB, 1024), (24 * GB, 3072), (512 * GB, 4096)]
)
def test_an_eighth_within_bounds(usable: int, megabytes: int) -> None:
    """The share is an eighth, never below what PostgreSQL takes by itself nor above 4 GB."""
    assert share_of(usable) == megabytes


@pytest.mark.parametrize(
    ("limit", "usable"),
    [(f"{2 * GB}\n", 2 * GB), ("max\n", 16 * GB), (f"{2**63 - 4096}\n", 16 * GB)],
)
def test_a_container_has_what_it_may_use(tmp_path: Path, limit: str, usable: int) -> None:
    """A container's limit counts where it is below the machine's memory, and none is no limit."""
    told = tmp_path / "memory.max"
    told.write_text(limit)
    assert usable_bytes(16 * GB, (told, tmp_path / "missing")) == usable


@pytest.mark.parametrize(
    ("held", "megabytes"), [(0, 256), (40 * 2**20, 256), (GB, 2048), (5 * GB, 10_240)]
)
def test_a_server_gets_what_its_ledger_can_use(held: int, megabytes: int) -> None:
    """Twice what it holds, and never so little that a first day would feel it."""
    assert need_of(held) == megabytes


def test_a_new_server_on_this_machine(tmp_path: Path) -> None:
    """The running kernel is understood, and files count at every depth."""
    (tmp_path / "base" / "1").mkdir(parents=True)
    (tmp_path / "base" / "1" / "2619").write_bytes(b"x")
    assert 128 <= shared_buffers_mb(tmp_path) <= 256
    assert shared_buffers_mb(tmp_path / "missing") == shared_buffers_mb(tmp_path)
