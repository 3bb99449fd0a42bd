"""Kafka's jars: found, fetched once from a mirror on loopback, verified, refused."""

import contextlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.embedded import EmbeddedKafka, JarSources, JarsTampered
from services.runtime.embedded.jars import have_jars, read_lock
from tests.conftest import OwnKafka
from tests.servers import REPOSITORY

WAYS = ("TAKEDOWN_KAFKA_JARS_DIR", "TAKEDOWN_KAFKA_HOME", "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS")


class Mirror:
    """A Maven repository on loopback that serves the locked jars, and can be told to misbehave."""

    def __init__(self, jars: Path) -> None:
        self.jars = jars
        self.served: Counter[str] = Counter()
        self.cut_once: set[str] = set()
        self.replaced: dict[str, bytes] = {}

    def body(self, filename: str) -> bytes:
        return self.replaced.get(filename) or (self.jars / filename).read_bytes()

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        """Serve for as long as the block lasts; yield the address."""
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                filename = self.path.rpartition("/")[2]
                if not (mirror.jars / filename).exists():
                    self.send_error(404)
                    return
                mirror.served[filename] += 1
                body = mirror.body(filename)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                cut = filename in mirror.cut_once and mirror.served[filename] == 1
                self.wfile.write(body[: len(body) // 2] if cut else body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/maven"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def mirror(jars: Path) -> Mirror:
    return Mirror(jars)


def test_given_folder_is_verified_by_the_lock(jars: Path, tmp_path: Path) -> None:
    """A folder that holds exactly the locked jars is used as it is."""
    folder = shutil.copytree(jars, tmp_path / "jars")
    assert have_jars(JarSources(cache=tmp_path / "none", folder=folder)) == folder


@pytest.mark.parametrize("which", ["changed", "extra", "missing"])
async def test_tampered_folder_runs_nothing(jars: Path, tmp_path: Path, which: str) -> None:
    """One jar changed, added or missing: the start is refused, naming it, and nothing has run."""
    folder = shutil.copytree(jars, tmp_path / "jars")
    victim = folder / "slf4j-api-1.7.36.jar"
    if which == "changed":
        victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    elif which == "extra":
        victim = folder / "zzz.jar"
        victim.write_bytes(b"PK")
    else:
        victim.unlink()
    kafka = EmbeddedKafka(tmp_path / "data", jars=JarSources(tmp_path / "none", folder=folder))
    with pytest.raises(JarsTampered, match=victim.name):
        await kafka.start()
    assert not (tmp_path / "data").exists()


def test_an_empty_folder_is_told_shortly(tmp_path: Path) -> None:
    """Where jars are just missing the error counts them, names the first, and suspects nobody."""
    (tmp_path / "jars").mkdir()
    with pytest.raises(
        JarsTampered, match=r"lacks (\d+) of Kafka's \1 jars: .* and \d+ more"
    ) as told:
        have_jars(JarSources(cache=tmp_path, folder=tmp_path / "jars"))
    assert "who changed it" not in str(told.value)
    assert len(str(told.value).replace(str(tmp_path), "")) < 400


def test_tampered_cache_is_refused(jars: Path, tmp_path: Path) -> None:
    """The cache is hashed at each start, like any folder."""
    cached = shutil.copytree(jars, tmp_path / jars.name)
    (cached / "re2j-1.8.jar").write_bytes(b"PK")
    with pytest.raises(JarsTampered, match=r"re2j-1\.8\.jar"):
        have_jars(JarSources(cache=tmp_path))


async def test_installed_kafka_is_used(jars: Path, tmp_path: Path, own_kafka: OwnKafka) -> None:
    """A Kafka that the operator installed is run from its libs folder."""
    shutil.copytree(jars, tmp_path / "home" / "libs")
    sources = JarSources(cache=tmp_path / "none", kafka_home=tmp_path / "home")
    kafka = await own_kafka(jars=sources)
    assert kafka.running
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"TAKEDOWN_KAFKA_HOME": "/nowhere"},
        {"TAKEDOWN_KAFKA_JARS_DIR": "/nowhere"},
    ],
)
def test_no_jars_names_the_ways_that_remain(tmp_path: Path, variables: dict[str, str]) -> None:
    """Where no jars can be had, the command fails and names the three ways that remain."""
    result = _fetch(tmp_path, NOBODY, variables)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "://" not in result.stderr
    for way in (
        "TAKEDOWN_KAFKA_JARS_DIR",
        "TAKEDOWN_KAFKA_HOME",
        "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS",
    ):
        assert way in result.stderr
    assert [path.name for path in (tmp_path / "cache").glob("*")] in ([], ["fetch.lock"])


async def test_fetched_once_by_two_processes(mirror: Mirror, tmp_path: Path) -> None:
    """Of two processes that need the jars at once, one fetches each jar once; both have them."""
    with mirror.listening() as address:
        both = [_start_fetch(tmp_path, address) for _ in range(2)]
        results = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    folders = {Path(out.strip()) for out, _ in results}
    assert len(folders) == 1
    assert {jar.name for jar in folders.pop().iterdir()} == set(mirror.served)
    assert set(mirror.served.values()) == {1}
    # Not on a terminal: one plain line, from the one that fetched.
    assert sorted(err.count("\n") for _, err in results) == [0, 1]


def test_cut_download_is_tried_again(mirror: Mirror, tmp_path: Path) -> None:
    """A download that is cut short is noticed and repeated."""
    mirror.cut_once = {"kafka-clients-4.3.1.jar", "jspecify-1.0.0.jar"}
    with mirror.listening() as address:
        result = _fetch(tmp_path, address, {})
    assert result.returncode == 0, result.stderr
    assert {name for name, times in mirror.served.items() if times == 2} == mirror.cut_once


def test_mirror_with_another_jar_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    """A mirror that serves something else than the lock names leaves nothing in the cache."""
    mirror.replaced = {"snakeyaml-2.5.jar": b"PK other"}
    with mirror.listening() as address:
        result = _fetch(tmp_path, address, {})
    assert result.returncode == 1
    assert "snakeyaml-2.5.jar" in result.stderr
    assert "SHA-256 is not the one in the lock" in result.stderr
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["fetch.lock"]


def test_lock_names_the_pinned_kafka_and_no_address() -> None:
    """The lock holds full hashes and exact coordinates, and no address of a repository."""
    jars = read_lock()
    assert "org.apache.kafka:kafka_2.13:4.3.1" in {jar.coordinate for jar in jars}
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
    assert not any("/" in jar.coordinate + jar.filename for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars) == 46


NOBODY = "http://127.0.0.1:9"  # the discard port: refused, as on a machine without a network


def _start_fetch(
    tmp_path: Path, repository: str, variables: dict[str, str] | None = None
) -> "subprocess.Popen[str]":
    """Run the fetch as `make` does, with `repository` for Maven Central in the user's settings."""
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = {repository}\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TAKEDOWN_CACHE_DIR": str(tmp_path / "cache"),
        "JGO_CONFIG_FILE": str(config),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "services.runtime.embedded.jars", "fetch"],
        cwd=REPOSITORY,
        env=environment | (variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _fetch(
    tmp_path: Path, repository: str, variables: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    process = _start_fetch(tmp_path, repository, variables)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
