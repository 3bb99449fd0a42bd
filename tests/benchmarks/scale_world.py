"""The surroundings of `bench_scale`: a real Kafka with a million watch entries, loopback sites, the prober's process.

Everything is on loopback. The sites and the filling run as processes of their own (`python -m` this module).
"""

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from consumers.prober.progress import to_metadata
from schemas.codec import encode
from schemas.events import Event, WatchEntry
from schemas.sealing import Keyring
from schemas.topics import DEFAULT_PARTITIONS, WATCHLIST
from schemas.urls import canonical
from services.probing.schedule.works import Progress
from services.runtime.embedded import EmbeddedKafka
from services.runtime.embedded.server_process import free_port
from services.runtime.keyfile import new_keys, read_keys, write_keys
from tests.as_configured import kafka_at
from tests.benchmarks.before import neutral

ROOT = Path(__file__).parents[2]
ADDRESSES = [f"127.0.1.{number}" for number in range(1, 33)]
# The watch of each case began in the hour before the fill, evenly spread, so that any cadence is.
SPREAD = timedelta(hours=1)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22\r\nContent-Type: image/jpeg\r\nContent-Length: 48213\r\n"
    b'ETag: "5e-abc"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n'
)
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_BATCH_BYTES = 256 * 1024
_CAUGHT_UP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class World:
    """What a prober is started on."""

    folder: Path
    bootstrap: str
    cases: int

    @property
    def kafka(self) -> KafkaConnection:
        """How to reach the broker."""
        return kafka_at(self.bootstrap)

    def methodology(self, rate: float) -> Path:
        """Write a cadence under which the cases make this many looks a second, with the Dutch jitter."""
        path = self.folder / f"scale-{rate:g}.toml"
        path.write_text(
            'id = "scale"\nversion = 1\ntitle = "An even load"\n[confirmation]\ncanary_max_age = "none"\n'
            f'[cadence]\nsteps = [{{every = "{self.cases / rate:.6f}s"}}]\njitter = "3m"\n'
        )
        return path


@contextlib.asynccontextmanager
async def world(folder: Path, cases: int) -> AsyncIterator[World]:
    """Start Kafka and the sites, and fill the watch list."""
    folder.mkdir(parents=True, exist_ok=True)
    write_keys(folder / "keys.toml", new_keys())
    broker, port = EmbeddedKafka(folder / "kafka", throughput=True), free_port()
    await broker.start()
    try:
        made = World(folder, broker.bootstrap_servers, cases)
        await create_topics(made.kafka, partitions=DEFAULT_PARTITIONS, replication=1)
        with running("sites", str(port)):
            await fill(made, port)
            yield made
    finally:
        await broker.stop()


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of this module as a process of its own for a block."""
    process = subprocess.Popen([sys.executable, "-m", __spec__.name, *arguments], cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


async def fill(made: World, port: int, processes: int = 2) -> None:
    """Put the entries on the watch list, in shares."""
    shares = [made.cases * n // processes for n in range(processes + 1)]
    begun = datetime.now(UTC).isoformat()
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                running(
                    "fill",
                    made.bootstrap,
                    str(made.folder / "keys.toml"),
                    str(port),
                    begun,
                    str(made.cases),
                    str(first),
                    str(last),
                )
            )
            for first, last in itertools.pairwise(shares)
        ]
        for process in started:
            if await asyncio.to_thread(process.wait, 600) != 0:
                raise RuntimeError("the watch list could not be filled")


async def put_share(
    bootstrap: str, keys_file: str, port: str, begun: str, cases: str, first: str, last: str
) -> None:
    """Seal and produce a share of the entries, in batches."""
    keys, end = read_keys(Path(keys_file)).keyring(), datetime.fromisoformat(begun)
    options = kafka_at(bootstrap).client_options()
    producer = AIOKafkaProducer(**options, max_batch_size=_BATCH_BYTES, max_request_size=2_000_000)
    await producer.start()
    batches: dict[int, Any] = {}
    try:
        for number in range(int(first), int(last)):
            since = end - SPREAD * ((number + 0.5) / int(cases))
            record = entry(keys, number, int(port), since)
            # Any even spread over the partitions will do; the producers' own hash costs seconds here.
            await append(producer, batches, number % DEFAULT_PARTITIONS, record)
        for partition, batch in batches.items():
            await producer.send_batch(batch, WATCHLIST.name, partition=partition)
    finally:
        await producer.stop()


async def append(
    producer: AIOKafkaProducer, batches: dict[int, Any], partition: int, record: Any
) -> None:
    """Add a record to its partition's batch; a full one is sent."""
    key, value, headers = record
    for _ in range(2):
        batch = batches.get(partition) or batches.setdefault(partition, producer.create_batch())
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is not None:
            return
        await producer.send_batch(batches.pop(partition), WATCHLIST.name, partition=partition)
    raise ValueError("a record does not fit an empty batch")


def entry(
    keys: Keyring, number: int, port: int, since: datetime
) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Make the entry of a case whose URL has 45 characters, the mean of the study in engineering 3.4."""
    address = ADDRESSES[number % len(ADDRESSES)]
    url = canonical(f"http://{address}:{port}/case/known-{number:010d}")
    case_id = keys.case_id(url)
    data = WatchEntry(
        sealed_url=keys.seal(url),
        category="csam",
        methodology="scale",
        watch_from=since,
        clock_started_at=since,
        deadline=since + timedelta(hours=24),
    )
    name = UUID(int=number)
    return encode(Event(id=name, time=since, source="bench", case_id=case_id, data=data))


async def commit_progress(made: World, vantage: str) -> None:
    """Say that a prober of this vantage was at work until now: what is measured is a restart."""
    tps = [TopicPartition(WATCHLIST.name, number) for number in range(DEFAULT_PARTITIONS)]
    consumer = AIOKafkaConsumer(
        **made.kafka.consumer_options(), group_id=f"takedown-prober.{vantage}"
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        ends, now = await consumer.end_offsets(tps), datetime.now(UTC)
        await consumer.commit({tp: to_metadata(Progress(now, now, ends[tp])) for tp in tps})
    finally:
        await consumer.stop()


class Role:
    """A prober's process: `takedown run prober` with the settings that an operator would give."""

    def __init__(
        self, made: World, vantage: str, rate: float, name: str = "prober", watches: str = "first"
    ) -> None:
        self._log = made.folder / f"{vantage}-{name}.log"
        self._environment = neutral() | {
            "TAKEDOWN_DATA_DIR": str(made.folder / "data"),
            "TAKEDOWN_KEYS_FILE": str(made.folder / "keys.toml"),
            "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": made.bootstrap,
            "TAKEDOWN_METHODOLOGY": str(made.methodology(rate)),
            "TAKEDOWN_VANTAGE": vantage,
            "TAKEDOWN_VANTAGE_ROLE": watches,
            "TAKEDOWN_HTTP_PORT": str(free_port()),
            "TAKEDOWN_LOG_FORMAT": "json",
            "TAKEDOWN_PROBE_MODE": "simulated",
            # The sites have addresses for names: nobody is asked here.
            "TAKEDOWN_PROBE_NAMESERVERS": f"127.0.0.1:{free_port()}",
            "TAKEDOWN_PROBE_LOOKS_PER_SECOND": "100000",
            # Else its default of a thousand is where the table ends.
            "TAKEDOWN_PROBE_REQUESTS_PER_SECOND": "100000",
        }
        # All sites are one machine's here; politeness is measured elsewhere.
        for who in ("ADDRESS", "NETWORK"):
            self._environment[f"TAKEDOWN_PROBE_{who}_PER_SECOND"] = "100000"
            self._environment[f"TAKEDOWN_PROBE_{who}_BURST"] = "100000"
            self._environment[f"TAKEDOWN_PROBE_{who}_CONCURRENCY"] = "1000"
        self.begun = 0.0

    def __repr__(self) -> str:
        return f"<Role {self._log.stem}>"

    def start(self) -> None:
        """Start it."""
        self.begun = time.time()
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "run", "prober"],
                cwd=ROOT,
                env=self._environment,
                stdout=out,
                stderr=out,
            )

    async def at_work(self, within: float = 180.0) -> float:
        """Wait until every partition is read and planned; gives the seconds since the start."""
        while b"prober.at_work" not in self._log.read_bytes():
            if self._process.poll() is not None or time.time() - self.begun > within:
                raise RuntimeError(f"the prober did not get to work:\n{self._log.read_text()}")
            await asyncio.sleep(0.05)
        return time.time() - self.begun

    async def caught_up(self, within: float = 180.0) -> float:
        """Wait until what came due during the start is looked at; gives the seconds since the start."""
        while time.time() - self.begun < within:
            if self._process.poll() is not None:
                raise RuntimeError(f"the prober ended:\n{self._log.read_text()[-3000:]}")
            if time.time() - await asyncio.to_thread(self._watermark) <= _CAUGHT_UP_SECONDS:
                break
            await asyncio.sleep(0.5)
        return time.time() - self.begun

    def _watermark(self) -> float:
        address = f"http://127.0.0.1:{self._environment['TAKEDOWN_HTTP_PORT']}/metrics"
        with urllib.request.urlopen(address, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        name = "takedown_prober_watermark_timestamp_seconds{"
        return float(next((line.split()[-1] for line in lines if line.startswith(name)), 0))

    async def stop(self) -> None:
        """Stop it in order."""
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 60)

    def memory(self, what: str = "VmRSS") -> float:
        """Give the memory that it holds now, or held at most (`VmHWM`), in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith(what))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Give the processor time that it has used."""
        fields = (
            Path(f"/proc/{self._process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Site(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(_ANSWER if b" /case/known-" in data else _MISSING)


async def serve(port: str) -> None:
    """Be the sites."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Site, ADDRESSES, int(port), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    work = {"sites": serve, "fill": put_share}[sys.argv[1]]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(*sys.argv[2:]))
