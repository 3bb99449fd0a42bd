"""The committed lock of Kafka's jars, and the check against it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import TakedownError

LOCK_FILE = Path(__file__).parent.with_name("kafka-jars.lock")


class JarsTampered(TakedownError):
    """A folder doesn't hold exactly the jars that the lock names."""


class JarsMissing(JarsTampered):
    """A folder lacks jars; what it holds is right."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    sha256: str
    filename: str
    coordinate: str


def read_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Read the lock: one jar a line, `#` begins a remark."""
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return tuple(Jar(*fields) for fields in lines if fields and not fields[0].startswith("#"))


def verify(folder: Path, jars: tuple[Jar, ...]) -> None:
    """Hash every jar of `folder`; raise JarsTampered if one is missing, different or not locked."""
    digests = {jar.filename: jar.sha256 for jar in jars}
    present = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    wrong = sorted(name for name, path in present.items() if digests.get(name) != sha256_of(path))
    missing = sorted(digests.keys() - present.keys())
    if wrong:
        raise JarsTampered(
            f"{folder} doesn't hold exactly Kafka's jars as {LOCK_FILE.name} names them: wrong or "
            f"unknown: {_first(wrong)}. Nothing of it was run. Find out who changed it, remove the "
            "folder, and fetch again."
        )
    if missing:
        raise JarsMissing(
            f"{folder} lacks {len(missing)} of Kafka's {len(digests)} jars: {_first(missing)}. "
            "Remove it and start with a network, or copy the whole folder that `python -m "
            "services.runtime.embedded.jars fetch` prints on a machine with one."
        )


def _first(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def sha256_of(path: Path) -> str:
    """Hash a file; what is no file has no hash and matches none."""
    if not path.is_file():
        return "no file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
