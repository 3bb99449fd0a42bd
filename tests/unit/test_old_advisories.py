"""The old copy of advisories that an audit falls back on: what it names, how old it is, and that it passes nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts.old_advisories import AFFECTED, NOT_AUDITED, affected, locked, main

COPY = {
    "$meta": {"timestamp": 1625097600},
    "Some_Package": [
        {"id": "a-1", "specs": ["<2.0", ">=3.0,<3.1"]},
        {"id": "a-2", "specs": ["<0.1"]},
    ],
}
HASH = "    --hash=sha256:00\n"


@pytest.mark.parametrize(
    ("version", "ids"),
    [("1.9", ["a-1"]), ("3.0.5", ["a-1"]), ("2.0", []), ("0.0.1", ["a-1", "a-2"])],
)
def test_a_version_that_a_copy_names_is_affected(version: str, ids: list[str]) -> None:
    """Names are compared as the index compares them, and extras belong to no name."""
    packages = locked(f"some-package[extra]=={version} \\\n{HASH}other==1 ; python_version > '3'\n")
    assert packages == [("some-package", version), ("other", "1")]
    assert [one.id for one in affected(COPY, packages)] == ids


def test_what_a_copy_does_not_say_plainly_counts() -> None:
    """A range that can't be read is no proof that a version is sound."""
    odd = {"some-package": [{"id": "a-3", "specs": ["newer than 3"]}]}
    assert [one.id for one in affected(odd, [("some-package", "1.0")])] == ["a-3"]


@pytest.mark.parametrize(("version", "status"), [("1.9", AFFECTED), ("2.0", NOT_AUDITED)])
def test_an_old_copy_passes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, status: int
) -> None:
    """Its age comes first, and where it names nothing the audit has not been done."""
    lock, copy = tmp_path / "lock", tmp_path / "copy.json"
    lock.write_text(f"some-package=={version} \\\n{HASH}")
    copy.write_text(json.dumps(COPY))
    assert main(str(lock), str(copy), datetime(2026, 7, 1, tzinfo=UTC)) == status
    said = capsys.readouterr().out
    assert said.startswith("OLD COPY of 2021-07-01, 1,826 days old")
    assert "advisories of 1 of 1 locked packages" in said
    assert ("NOT AUDITED" in said) == (status == NOT_AUDITED)
