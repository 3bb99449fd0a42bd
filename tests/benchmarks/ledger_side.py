"""The measured ledger: the real consumer, from what is stored to so many more events.

`bench_ledger` runs this text in the folder of one build or another; the former one has its parts elsewhere.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from schemas import topics
from schemas.methodology import shipped
from schemas.sealing import Keyring
from services.exporter import metrics
from services.exporter.health import Health
from services.ledger.pool import open_pool

KEYRING = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
METHOD = shipped()["nl-24h"]


async def _consumer(bootstrap: str, dsn: str) -> tuple[Any, Any]:
    """Give the consumer and its pool, as the settings' defaults make them."""
    role = "takedown_ledger"
    try:
        from consumers.ledger.ledger_consumer import LedgerConsumer  # noqa: PLC0415
        from tests.as_configured import database_at, kafka_at, ledger_options  # noqa: PLC0415
    except ImportError:
        from consumers.connection import KafkaConnection  # noqa: PLC0415

        from consumers.ledger import LedgerConsumer  # noqa: PLC0415
        from services.ledger.pool import DatabaseConnection  # noqa: PLC0415

        pool = await open_pool(DatabaseConnection(dsn, role=role))
        kafka, options = KafkaConnection(bootstrap), {}
    else:
        pool = await open_pool(database_at(dsn, role=role))
        kafka, options = kafka_at(bootstrap), ledger_options()
    given = (kafka, pool, KEYRING, METHOD, Health(), lambda: datetime.now(UTC))
    return LedgerConsumer(*given, **options), pool


async def _consume(bootstrap: str, dsn: str, wanted: int) -> dict[str, float]:
    consumer, pool = await _consumer(bootstrap, dsn)
    stop = asyncio.Event()
    role = asyncio.create_task(consumer.run(stop))
    first, begun, cpu = 0, 0.0, 0.0
    while (taken := _taken()) < wanted and not role.done():
        if taken and not first:
            first, begun, cpu = taken, time.perf_counter(), time.process_time()
        await asyncio.sleep(0.01)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    stop.set()
    await role
    await pool.close()
    return {
        "rate": (wanted - first) / seconds,
        "per_cpu": (wanted - first) / cpu,
        "load": cpu / seconds,
        "megabytes": _peak_megabytes(),
    }


def _taken() -> int:
    return int(sum(metrics.EVENTS.labels(t.name)._value.get() for t in topics.EVIDENCE))


def _peak_megabytes() -> float:
    """Read the kernel's high-water mark of this program; getrusage's begins with the parent's before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel tells no VmHWM")


if __name__ == "__main__":
    given = json.load(sys.stdin)
    record = given.pop("record", None)
    if record is None:
        print(json.dumps(uvloop.run(_consume(**given))))
    else:
        from tests.benchmarks.ledger_limit import recorded

        with recorded(Path(record)):
            taken = uvloop.run(_consume(**given))
        print(json.dumps(taken))
