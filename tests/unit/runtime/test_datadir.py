"""The data directory: made once, and refused in words for people."""

import stat
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from services.runtime import datadir


def test_it_is_made_for_its_owner_alone(tmp_path):
    """Made with its parents, readable by nobody else, and left as it is the second time."""
    path = tmp_path / "a" / "data"
    datadir.prepare(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    (path / "kept").touch()
    datadir.prepare(path)
    assert (path / "kept").exists()


@pytest.mark.parametrize("below", ["", "data"])
def test_a_file_in_its_place_is_named(tmp_path, below):
    """A file where the folder or a parent should be is no traceback, but what to set."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file is no folder; set TAKEDOWN_DATA_DIR"):
        datadir.prepare(tmp_path / "file" / below)


def test_a_folder_that_is_not_ours_is_named(tmp_path, monkeypatch):
    """A folder that can't be written is told as the doctor tells it."""
    monkeypatch.setattr(datadir.os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="can't be written; set TAKEDOWN_DATA_DIR to a folder"):
        datadir.prepare(tmp_path / "data")


def test_what_the_system_refuses_is_told():
    """Where the system refuses to make a folder its reason is in the error."""
    with pytest.raises(ConfigError, match="can't be created"):
        datadir.prepare(Path("/proc/takedown-monitor"))
