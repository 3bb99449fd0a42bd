"""Ledger throughput: events per second from Kafka into Postgres, through the real consumer in its own process.

The evidence of a catch-up: every case has a report, a notice and 20 looks, in the order of their times.
Servers, consumer and this process share the machine. The clock runs from the first committed batch to the last.

    python -m tests.benchmarks.bench_ledger
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from consumers.ledger.ledger_consumer import LedgerConsumer
from schemas import codec, ids, topics
from schemas import events as ev
from schemas.events import Event, Payload
from schemas.methodology import shipped
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.exporter import metrics
from services.exporter.health import Health
from services.ledger import migrate
from services.ledger.pool import open_pool
from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from tests.as_configured import database_at, kafka_at, ledger_options
from tests.benchmarks.figures import Figure, figure

CASES = int(os.environ.get("TAKEDOWN_BENCH_CASES", "5000"))
LOOKS = 20
START = datetime(2026, 1, 1, tzinfo=UTC)
METHOD = shipped()["nl-24h"]
KEYRING = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
TARGET_RATE = 10_000
TARGET_MEGABYTES = 300


def evidence(cases: int) -> Iterator[tuple[topics.Topic, Event]]:
    """Give all events in the order of their times."""
    urls = [canonical(f"http://host{i % 997}.example/material/{i}") for i in range(cases)]
    names = [KEYRING.case_id(url) for url in urls]
    for name, url in zip(names, urls, strict=True):
        report = ev.ReportFiled(reporter="hotline", sealed_url=KEYRING.seal(url), provider="giant")
        yield topics.REPORTS, _event(name, START, report)
    for name in names:
        notice = ev.NoticeSent(notice_id="n1", provider="giant")
        yield topics.REPORTS, _event(name, START + timedelta(minutes=1), notice)
    for number in range(LOOKS):
        for index, name in enumerate(names):
            yield topics.OBSERVATIONS, _look(index, name, number)


def _event(case_id: str, time: datetime, data: Payload) -> Event:
    body = codec.encode_data(data)
    return Event(
        id=ids.content_id(ev.TYPE_OF[type(data)], case_id, time, body),
        time=time,
        source="bench",
        case_id=case_id,
        data=data,
    )


def _look(index: int, case_id: str, number: int) -> Event:
    """Online until a look that depends on the case, then gone; a case in ten returns."""
    tick = START + timedelta(hours=1 + number, seconds=index % 3600)
    gone = number >= 5 + index % 20 and not (index % 10 == 0 and number == LOOKS - 1)
    finished = tick + timedelta(seconds=0.35)
    served = ev.Served(address="192.0.2.1", provider="giant", online=not gone)
    phases = {"resolve": 0.0021, "connect": 0.0312, "tls": 0.0645, "first_byte": 0.1207}
    data = ev.LookMade(
        vantage="nl",
        tick=tick,
        started_at=tick,
        finished_at=finished,
        verdict="removed" if gone else "online",
        layer="content" if gone else None,
        reason="http_404" if gone else "http_200",
        served=(served,),
        fingerprint=ev.Fingerprint(
            status=404 if gone else 200, content_type="image/jpeg", content_length=183_204
        ),
        canary_at=finished,
        phases=phases,
    )
    look_id = ids.look_id(case_id, "nl", tick, tick)
    return Event(id=look_id, time=finished, source="bench", case_id=case_id, data=data)


async def _fill(kafka: KafkaConnection, cases: int) -> int:
    producer = AIOKafkaProducer(**kafka.producer_options(), max_batch_size=262_144)
    await producer.start()
    sent = []
    try:
        for topic, event in evidence(cases):
            key, value, headers = codec.encode(event)
            sent.append(await producer.send(topic.name, value, key=key, headers=headers))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return len(sent)


async def _measure(folder: Path, cases: int) -> dict[str, Any]:
    kafka_server = EmbeddedKafka(folder / "kafka", throughput=True)
    postgres = EmbeddedPostgres(folder / "postgres")
    await kafka_server.start()
    await postgres.start()
    try:
        kafka = kafka_at(kafka_server.bootstrap_servers)
        await create_topics(kafka, partitions=topics.DEFAULT_PARTITIONS, replication=1)
        pool = await open_pool(database_at(postgres.dsn, max_size=1))
        async with pool.acquire() as session:
            await migrate.up(session)
        await pool.close()
        total = await _fill(kafka, cases)
        return await asyncio.to_thread(_consume_apart, kafka.bootstrap_servers, postgres.dsn, total)
    finally:
        await postgres.stop()
        await kafka_server.stop()


def _consume_apart(bootstrap: str, dsn: str, total: int) -> dict[str, Any]:
    settings = json.dumps({"bootstrap": bootstrap, "dsn": dsn, "total": total})
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_ledger", "consume"],
        input=settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the consumer failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


async def _consume(bootstrap: str, dsn: str, total: int) -> dict[str, Any]:
    pool = await open_pool(database_at(dsn, role="takedown_ledger"))
    consumer = LedgerConsumer(
        kafka_at(bootstrap),
        pool,
        KEYRING,
        METHOD,
        Health(),
        lambda: datetime.now(UTC),
        **ledger_options(),
    )
    stop = asyncio.Event()
    role = asyncio.create_task(consumer.run(stop))
    first, begun = 0, 0.0
    while (taken := _taken()) < total and not role.done():
        if taken and not first:
            first, begun = taken, time.perf_counter()
            cpu = time.process_time()
        await asyncio.sleep(0.02)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    stop.set()
    await role
    stored = await pool.fetchval("SELECT count(*) FROM events")
    await pool.close()
    if stored != total:
        raise RuntimeError(f"{stored} events are in the ledger, {total} were sent")
    return {
        "rate": (total - first) / seconds,
        "cpu_share": cpu / seconds,
        "megabytes": _peak_megabytes(),
    }


def _peak_megabytes() -> float:
    """Read the kernel's high-water mark of this program; getrusage's begins with the parent's before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel tells no VmHWM")


def _taken() -> int:
    return int(sum(metrics.EVENTS.labels(t.name)._value.get() for t in topics.EVIDENCE))


def run(cases: int = CASES) -> list[Figure]:
    """Measure once."""
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder:
        found = asyncio.run(_measure(Path(folder), cases))
    return [
        figure("ledger events", found["rate"], "events/s", at_least=TARGET_RATE),
        figure("ledger peak memory", found["megabytes"], "MB RSS", at_most=TARGET_MEGABYTES),
        figure("ledger process load", found["cpu_share"], "cores"),
    ]


def main(arguments: list[str]) -> int:
    """Measure and print; `consume` is the measured process itself."""
    if arguments == ["consume"]:
        print(json.dumps(uvloop.run(_consume(**json.load(sys.stdin)))))
    else:
        print(json.dumps(run(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
