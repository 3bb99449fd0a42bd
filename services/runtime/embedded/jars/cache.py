"""Kafka's jars on this machine: cached or fetched once, and verified every time."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from schemas.errors import TakedownError
from services.runtime.embedded.jars.lock import LOCK_FILE, Jar, read_lock, sha256_of, verify

_PARALLEL = 4
_WAYS = (
    "Ways that remain: set TAKEDOWN_KAFKA_JARS_DIR to a folder that holds these jars (copy it from a "
    "machine with a network: `python -m services.runtime.embedded.jars fetch` prints it); "
    "set TAKEDOWN_KAFKA_HOME to an installed Kafka; "
    "or set TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS to a broker's address."
)


class JarsUnavailable(TakedownError):
    """Kafka's jars can't be had here; the message names the ways that remain."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem} {_WAYS}")


@dataclass(frozen=True, slots=True)
class JarSources:
    """Sources of jars: a configured directory, an installed Kafka, or the cache (filled once)."""

    cache: Path
    folder: Path | None = None
    kafka_home: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "JarSources":
        """Read TAKEDOWN_KAFKA_JARS_DIR, TAKEDOWN_KAFKA_HOME and where the cache is."""
        folder = environment.get("TAKEDOWN_KAFKA_JARS_DIR")
        home = environment.get("TAKEDOWN_KAFKA_HOME")
        return cls(
            cache=cache_dir(environment),
            folder=Path(folder) if folder else None,
            kafka_home=Path(home) if home else None,
        )


def cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's cache for what is fetched once."""
    if own := environment.get("TAKEDOWN_CACHE_DIR"):
        return Path(own)
    if shared := environment.get("XDG_CACHE_HOME"):
        return Path(shared) / "takedown-monitor"
    return Path.home() / ".cache" / "takedown-monitor"


def have_jars(sources: JarSources, *, fetch: bool = True, lock_file: Path = LOCK_FILE) -> Path:
    """Return a folder with Kafka's jars, verified now; fetch them into the cache if allowed.

    The jars of an installed Kafka are the operator's own, and no lock of ours knows them.
    Raises JarsTampered where a folder holds something else than the lock says, and JarsUnavailable
    where there are none and none can be fetched.
    """
    if sources.kafka_home is not None:
        return _installed(sources.kafka_home)
    jars = read_lock(lock_file)
    folder = sources.folder or cached_folder(sources.cache, lock_file)
    if sources.folder is not None and not folder.is_dir():
        raise JarsUnavailable(f"TAKEDOWN_KAFKA_JARS_DIR: {folder} is not a directory.")
    if not folder.exists():
        if not fetch:
            raise JarsUnavailable("Kafka's jars are not in the cache.")
        _fetch_once(folder, jars)
    verify(folder, jars)
    return folder


def _installed(home: Path) -> Path:
    libs = home / "libs"
    if not any(libs.glob("kafka_*.jar")):
        raise JarsUnavailable(f"TAKEDOWN_KAFKA_HOME: {home} has no libs/kafka_*.jar.")
    return libs


def cached_folder(cache: Path, lock_file: Path = LOCK_FILE) -> Path:
    """Return the folder of the cache that holds, or will hold, the jars of a lock."""
    # Another lock, another folder: an older program beside this one keeps its own.
    return cache / f"kafka-{sha256_of(lock_file)[:12]}"


def _fetch_once(folder: Path, jars: tuple[Jar, ...]) -> None:
    """Fill `folder` at one stroke; of two processes the second waits and finds it done."""
    with _one_at_a_time(folder.parent):
        if folder.exists():
            return
        for interrupted in folder.parent.glob("fetching-*"):
            shutil.rmtree(interrupted, ignore_errors=True)
        # A second Ctrl-C leaves threads behind that still write: the next fetch clears up.
        with tempfile.TemporaryDirectory(
            prefix="fetching-", dir=folder.parent, ignore_cleanup_errors=True
        ) as scratch:
            complete = Path(scratch) / "jars"
            complete.mkdir(mode=0o755)
            _download_all(jars, Path(scratch) / "repository", complete)
            verify(complete, jars)
            complete.rename(folder)


@contextlib.contextmanager
def _one_at_a_time(cache: Path) -> Iterator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        file = (cache / "fetch.lock").open("w")
    except OSError as error:
        raise JarsUnavailable(f"The cache {cache} can't be written: {error.strerror}.") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download_all(jars: tuple[Jar, ...], repository: Path, destination: Path) -> None:
    # Imported late: only a fetch needs Maven, and most starts need no fetch.
    from services.runtime.embedded.jars import maven  # noqa: PLC0415

    context = maven.open_maven(repository)

    def download(jar: Jar) -> None:
        try:
            path = maven.download(context, jar)
        except maven.DownloadFailed as error:
            raise JarsUnavailable(str(error)) from None
        shutil.move(path, destination / jar.filename)

    with _progress(len(jars)) as advance, ThreadPoolExecutor(_PARALLEL) as pool:
        for _ in pool.map(download, jars):
            advance()


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Draw a bar on a terminal, say one plain line elsewhere. Standard error: output is the folder."""
    console = Console(stderr=True)
    if not console.is_terminal:
        click.echo(f"Fetching {total} jars of Apache Kafka, once.", err=True)
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Fetching Apache Kafka, once", total=total)
        yield lambda: progress.advance(task)
