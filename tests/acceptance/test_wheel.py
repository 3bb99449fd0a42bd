"""The artefact itself: a wheel built from these sources, installed where the sources are not."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

PACKAGES = ("services", "consumers", "schemas")
# Bytecode and caches are the machine's, not the sources'.
_NO_DATA = (".pyc",)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with what is installed here: no index is asked."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", folder], cwd=REPOSITORY, check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment that has our dependencies, but not our sources."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    packages = _packages_of(folder / "venv")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Dependencies only: a .pth line is not followed to the .pth files of the folder that it names,
    # so that the editable install of the sources stays behind.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def _packages_of(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", vars={"base": str(environment)}))


def takedown(home: Path, *arguments: str, status: int = 0) -> str:
    """Run the installed program from outside the repository."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TAKEDOWN_")}
    kept.pop("PYTHONPATH", None)
    start = "import sys; from services.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [home / "venv" / "bin" / "python", "-P", "-c", start, *arguments],
        cwd=home,
        env=kept | {"TAKEDOWN_DATA_DIR": str(home / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def test_the_program_is_the_wheels(home: Path) -> None:
    """What runs is the installed copy: the sources are not on its path."""
    where = "import services, consumers, schemas; print(*(m.__file__ for m in (services, consumers, schemas)))"
    python = home / "venv" / "bin" / "python"
    said = subprocess.run(
        [python, "-P", "-c", where], cwd=home, capture_output=True, text=True, check=True
    )
    for path in said.stdout.split():
        assert Path(path).is_relative_to(home)


def test_the_installed_program_works(home: Path) -> None:
    """Commands that read every kind of data file run without the repository."""
    assert takedown(home, "--version").startswith("takedown, version ")
    methods = takedown(home, "method", "list")
    for path in (REPOSITORY / "schemas" / "methodologies").glob("*.toml"):
        assert path.stem in methods
    takedown(home, "keys", "new")
    takedown(home, "check-config")
    checks = {finding["check"]: finding for finding in json.loads(_doctor(home))}
    assert checks["embedded PostgreSQL"]["state"] == "ok"
    assert checks["methodology"]["state"] == "ok"


def _doctor(home: Path) -> str:
    return takedown(home, "doctor", "--json")


READS = """
from services.ledger import migrate, queries
from services.runtime.embedded.jars.lock import read_lock
from schemas.sqlfiles import statements
print(len(migrate.shipped()), len(queries.names()), len(read_lock()))
for package, file in {files}:
    assert statements(package, file), file
"""


def test_the_installed_program_finds_its_data(home: Path) -> None:
    """Migrations, queries and the lock of Kafka's jars are read from the installed packages."""
    files = [
        (".".join(path.relative_to(REPOSITORY).parent.parts), path.name)
        for name in PACKAGES
        for path in (REPOSITORY / name).rglob("*.sql")
        if path.parent.name != "migrations"
    ]
    python = home / "venv" / "bin" / "python"
    code = READS.format(files=files)
    said = subprocess.run(
        [python, "-P", "-c", code], cwd=home, capture_output=True, text=True, check=True
    )
    counts = [int(number) for number in said.stdout.split()]
    assert counts[0] == len(list((REPOSITORY / "schemas" / "migrations").glob("*.sql")))
    assert min(counts) > 0


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Every file of the three packages is in it; tests, deploy and scripts are not."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = {
        name
        for name in tracked.stdout.splitlines()
        if not name.endswith(_NO_DATA) and (REPOSITORY / name).exists()
    }
    assert held == wanted
    assert {Path(name).suffix for name in held} >= {".py", ".sql", ".toml", ".json", ".lock"}
    assert {name.partition("/")[0] for name in held} == set(PACKAGES)


def test_the_wheel_refuses_a_public_index(wheel: Path) -> None:
    """Its metadata keep it out of an index, name its licence, and declare one command."""
    with zipfile.ZipFile(wheel) as archive:
        info = {n.rpartition("/")[2]: n for n in archive.namelist() if ".dist-info/" in n}
        metadata = archive.read(info["METADATA"]).decode()
        commands = archive.read(info["entry_points.txt"]).decode()
    assert "Classifier: Private :: Do Not Upload" in metadata
    assert "License-Expression: Apache-2.0" in metadata
    assert "takedown = services.cli:main" in commands
    assert "LICENSE" in info
