"""A million open cases without Kafka: how fast the wheel turns, what the work list weighs, how long it takes to fill.

Run it by itself (`python -m tests.benchmarks.bench_schedule`) or through `run`; memory is measured in a fresh process.
What a prober's process holds and how late it is with all that, `bench_scale` measures.
"""

import json
import secrets
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heapify, heapreplace
from typing import Any
from uuid import uuid4

from consumers.client import heap
from schemas.codec import encode, payload
from schemas.events import Event, WatchEntry
from schemas.methodology import shipped
from schemas.sealing import Keyring
from schemas.topics import WATCHLIST
from schemas.urls import canonical
from services.probing.schedule.scheduler import Schedule
from services.probing.schedule.wheel import Wheel
from services.probing.schedule.works import Progress

CASES = 1_000_000
PARTITIONS = 12
NOW = datetime(2026, 1, 10, tzinfo=UTC)
# 45 characters, the mean of the study that engineering 3.4 measured with.
_URL = "http://images.host-of-many.example/i/{:010d}"


def run() -> list[dict[str, Any]]:
    """Measure; each figure stands beside its target, rates also beside a binary heap in the same run."""
    rate, heap = wheel_reschedules(), heap_reschedules()
    command = [sys.executable, "-m", "tests.benchmarks.bench_schedule", "--child"]
    child = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [
        figure("wheel reschedules", rate, "1/s", 500_000, rate >= 500_000, baseline=heap),
        figure("work list and wheel per entry", child["each"], "bytes", 150, child["each"] <= 150),
        figure(
            "load of 1,000,000 entries, decoded and planned",
            child["load"],
            "CPU-s",
            20,
            child["load"] <= 20,
        ),
    ]


def figure(
    name: str, value: float, unit: str, target: float, met: bool, baseline: float | None = None
) -> dict[str, Any]:
    """Write one figure."""
    return {
        "name": name,
        "figure": round(value, 1),
        "unit": unit,
        "baseline": baseline if baseline is None else round(baseline, 1),
        "target": target,
        "met": met,
    }


def wheel_reschedules(items: int = 300_000) -> float:
    """Let every item come due and be planned again an hour later."""
    due = array("i", [0]) * items
    wheel = Wheel(due.__getitem__)
    wheel.reserve(items)
    for item in range(items):
        due[item] = 1 + item % 3600
        wheel.schedule(item, due[item])
    begun = time.perf_counter()
    count = 0
    for now in range(1, 7201):
        for item in wheel.advance(now):
            due[item] = now + 3600 + item % 60
            wheel.schedule(item, due[item])
            count += 1
    return count / (time.perf_counter() - begun)


def heap_reschedules(items: int = 300_000) -> float:
    """Do the same with a heap of tuples."""
    heap = [(1 + item % 3600, item) for item in range(items)]
    heapify(heap)
    begun = time.perf_counter()
    for _ in range(items):
        now, item = heap[0]
        heapreplace(heap, (now + 3600 + item % 60, item))
    return items / (time.perf_counter() - begun)


def resident() -> float:
    """Give the memory that this process holds now, in MB."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def child() -> dict[str, float]:
    """Fill twelve schedules as twelve partitions would be read, and weigh them."""
    keys = Keyring(
        naming=secrets.token_bytes(32), sealing={"k1": secrets.token_bytes(32)}, active="k1"
    )
    schedules = [
        Schedule(shipped(), now=NOW, progress=Progress(NOW, NOW - timedelta(minutes=1), CASES))
        for _ in range(PARTITIONS)
    ]
    before, spent = resident(), 0.0
    for batch in range(0, CASES, 500):
        records = [record(keys, number) for number in range(batch, batch + 500)]
        spent += timed(lambda records=records, batch=batch: fill(schedules, records, batch))
    spent += timed(lambda: [start(schedule) for schedule in schedules])
    heap.trim()
    held = resident()
    return {"each": (held - before) * 2**20 / CASES, "load": spent}


def record(keys: Keyring, number: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Make what Kafka would hand over for one case of the last nine days."""
    url = canonical(_URL.format(number))
    case_id = keys.case_id(url)
    began = NOW - timedelta(seconds=number * 777_600 / CASES)
    entry = WatchEntry(
        sealed_url=keys.seal(url),
        category="csam",
        methodology="nl-24h",
        watch_from=began,
        clock_started_at=began,
        deadline=began + timedelta(hours=24),
        removed_at=began + timedelta(hours=9) if number % 2 else None,
    )
    return encode(Event(id=uuid4(), time=began, source="bench", case_id=case_id, data=entry))


def fill(
    schedules: list[Schedule],
    records: list[tuple[bytes, bytes, list[tuple[str, bytes]]]],
    start_at: int,
) -> None:
    """Decode and put, as `consumers.prober.partition` does."""
    listed = NOW - timedelta(days=1)
    for offset, (key, value, headers) in enumerate(records, start_at):
        entry = payload(value, headers, WATCHLIST)
        assert isinstance(entry, WatchEntry)
        schedules[offset % PARTITIONS].put(
            key.decode(), entry, offset=offset, listed_at=listed, now=NOW
        )


def start(schedule: Schedule) -> None:
    """Plan every case."""
    while not schedule.start(NOW):
        pass


def timed(action: Callable[[], object]) -> float:
    """Run and give the processor's seconds: others on the machine must not count."""
    begun = time.process_time()
    action()
    return time.process_time() - begun


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        print(json.dumps(child()))
    else:
        print(json.dumps(run(), indent=2))
