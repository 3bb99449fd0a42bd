"""A dump of URLhaus that can't be read; the real data are read in tests/acceptance."""

import gzip
from pathlib import Path

import pytest

from schemas.sealing import Keyring
from services.reports import urlhaus

KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('"1","2026-01-01 00:00:00"', "2 columns instead of 8"),
        ('"1","yesterday","http://a.example/","online","","x","y","z"', "row 1"),
        (
            '"1","2026-01-01 00:00:00","http://a.example/","maybe","2026-01-01 00:00:00","x","y","z"',
            "url_status",
        ),
    ],
)
def test_a_broken_dump_names_the_row(tmp_path: Path, row: str, says: str) -> None:
    """A file that is no dump is refused with the row and what is wrong, and repeats no URL."""
    broken = tmp_path / "dump.csv.gz"
    broken.write_bytes(
        gzip.compress(f"# Last updated: 2026-01-02 00:00:00 (UTC)\n{row}\n".encode())
    )
    with pytest.raises(urlhaus.BadDump, match=says) as caught:
        list(urlhaus.events(broken, KEYS))
    assert "a.example" not in str(caught.value)


def test_a_dump_without_its_cutoff_is_refused(tmp_path: Path) -> None:
    """The cut-off comes from the file itself."""
    plain = tmp_path / "dump.csv"
    plain.write_text("# nothing\n")
    with pytest.raises(urlhaus.BadDump, match="Last updated"):
        urlhaus.cutoff(plain)
