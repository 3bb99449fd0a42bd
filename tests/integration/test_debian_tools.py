"""The programs of Debian that tests and the demo use are there and run."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

NAMES = ("prometheus", "promtool", "alertmanager", "amtool", "blackbox_exporter", "pgbouncer")
SCRIPT = REPOSITORY / "scripts" / "debian-tools"


@pytest.mark.parametrize(
    "program",
    [
        "prometheus_binary",
        "promtool",
        "alertmanager_binary",
        "amtool",
        "blackbox_binary",
        "pgbouncer_binary",
    ],
)
def test_program_runs(program: str, request: pytest.FixtureRequest) -> None:
    """Each program answers with its version: it is unpacked, executable, and finds its libraries."""
    path: Path = request.getfixturevalue(program)
    result = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    assert re.search(r"version|PgBouncer \d", result.stdout + result.stderr)


def test_programs_on_path_are_used(tmp_path: Path) -> None:
    """What the machine has already is used as it is; nothing is fetched."""
    for name in NAMES:
        (tmp_path / name).touch(mode=0o755)
    result = _run(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (result.returncode, result.stdout.strip()) == (0, str(tmp_path))


def test_missing_program_names_the_ways_that_remain(tmp_path: Path) -> None:
    """Where a program is neither on PATH nor in the cache, the error says what to do."""
    result = _run(tmp_path, "--cached", "no-such-program")
    assert result.returncode == 1
    assert result.stdout == ""
    packages = "prometheus prometheus-alertmanager prometheus-blackbox-exporter pgbouncer"
    assert f"install the packages {packages}" in result.stderr


def test_machine_without_apt_is_told(tmp_path: Path) -> None:
    """A machine that is no Debian gets an error with the ways that remain, not a shell's."""
    for name in ("bash", "env", "dirname", "mkdir"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    result = _run(tmp_path, PATH=str(tmp_path))
    assert result.returncode == 1
    assert "no apt-get" in result.stderr
    assert f"put {' '.join(NAMES)} on PATH" in result.stderr


def _run(cache: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [SCRIPT, *arguments],
        env=os.environ | {"TAKEDOWN_CACHE_DIR": str(cache)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
