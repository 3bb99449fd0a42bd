"""Files that only their owner may read."""

from pathlib import Path

import pytest

from schemas.private_file import write_private


def test_a_file_is_its_owner_s_and_whole(tmp_path: Path) -> None:
    """It has one reader, takes the place of an earlier one, and nothing else is left beside it."""
    path = tmp_path / "secret"
    write_private(path, b"first")
    write_private(path, b"second")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"second", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    """Where it must not be, the one that is there stays as it was."""
    path = tmp_path / "secret"
    write_private(path, b"first", replace=False)
    with pytest.raises(FileExistsError):
        write_private(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
