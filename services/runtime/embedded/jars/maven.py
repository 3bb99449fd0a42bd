"""Maven Central through the library jgo, which knows it, and the user's own settings for mirrors."""

import tempfile
from dataclasses import replace
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import Artifact, MavenContext
from jgo.parse import Coordinate

from services.runtime.embedded.jars.lock import LOCK_FILE, Jar, sha256_of

KAFKA_VERSION = "4.3.1"
# Kafka speaks slf4j 1.7; a 2.x binding would silence its log.
ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 20


class DownloadFailed(Exception):
    """A jar that no attempt could bring; the message holds no address."""


def open_maven(repository: Path) -> MavenContext:
    """Prepare jgo to download into `repository`, from Maven Central or where the user says."""
    context = MavenContext(repo_cache=repository, timeout=_TIMEOUT_SECONDS)
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context


def download(context: MavenContext, jar: Jar) -> Path:
    """Download one jar by its exact coordinate; retry what a network may do once in a while."""
    problem = "nothing was tried"
    for _ in range(_ATTEMPTS):
        try:
            path = context.create_dependency(jar.coordinate).artifact.resolve()
        except Exception as error:  # jgo maps nothing: RuntimeError, OSError, urllib3's own
            # The name alone: the text holds addresses.
            problem = type(error).__name__
            continue
        if sha256_of(path) == jar.sha256:
            return path
        problem = "its SHA-256 is not the one in the lock"
        path.unlink()
    raise DownloadFailed(
        f"{jar.filename} couldn't be fetched through jgo ({problem}, {_ATTEMPTS} attempts)."
    ) from None


def write_lock(path: Path = LOCK_FILE) -> int:
    """Resolve ROOTS, download what they need, write the lock; return how many jars it names."""
    with tempfile.TemporaryDirectory() as scratch:
        context = open_maven(Path(scratch))
        coordinates = [replace(Coordinate.parse(root), scope="compile") for root in ROOTS]
        roots = [context.create_dependency(coordinate) for coordinate in coordinates]
        inputs, transitive = context.resolver.resolve(roots)
        dependencies = [*inputs, *(d for d in transitive if d.scope in ("compile", "runtime"))]
        jars = sorted((_locked(d.artifact) for d in dependencies), key=lambda jar: jar.filename)
    path.write_text(
        "# Apache Kafka and what it needs. Written by: python -m services.runtime.embedded.jars lock\n"
        + "".join(f"{jar.sha256}  {jar.filename}  {jar.coordinate}\n" for jar in jars),
        encoding="ascii",
    )
    return len(jars)


def _locked(artifact: Artifact) -> Jar:
    coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
    return Jar(sha256_of(artifact.resolve()), artifact.filename, coordinate)
