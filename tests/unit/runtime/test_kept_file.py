"""Files that a server keeps between its starts."""

import pytest

from services.runtime.embedded import NeedsOperator
from services.runtime.embedded.kept_file import read_kept, write_kept


def test_what_is_written_is_read(tmp_path):
    """The values come back, for the owner alone; a write that was cut short has no effect."""
    path = tmp_path / "address.json"
    assert read_kept(path) == {}
    write_kept(path, {"port": 1})
    (tmp_path / ".address.json").write_text("{")
    assert read_kept(path) == {"port": 1}
    write_kept(path, {"port": 2})
    assert read_kept(path) == {"port": 2}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_names_itself(tmp_path):
    """Nothing is chosen anew in its place: the data beside it belong to what it said."""
    path = tmp_path / "address.json"
    path.write_text("")
    with pytest.raises(NeedsOperator, match=r"address\.json is damaged"):
        read_kept(path)
