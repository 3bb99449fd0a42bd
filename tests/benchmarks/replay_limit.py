"""What bounds a replay: processes that only read the year, or read and decode it, and fold and write nothing.

As many as a replay has workers, each with its share of the partitions, by the replay's own reader. Decoding is one call
of the decoder for each look, the least that a fold needs of it.
"""

import asyncio
import gc
import multiprocessing
import time
from typing import Any

import msgspec
import uvloop

from consumers.record.look_text import LOOK_TYPE, usual_headers
from consumers.record.source import EVIDENCE, KafkaSource
from consumers.replay.replay_run import workers_here
from schemas.events import LookMade
from tests.as_configured import kafka_at

Share = tuple[str, int, int, bool]
_decode = msgspec.json.Decoder(tuple[str, str, LookMade]).decode


async def _read(bootstrap: str, first: int, step: int, decoding: bool) -> tuple[int, float]:
    source, count = KafkaSource(kafka_at(bootstrap)), 0
    begun = time.process_time()
    for place, (begins, until) in (await source.extents(EVIDENCE)).items():
        if place[1] % step == first:
            async for records in source.read(place, begins, until):
                count += len(records)
                if decoding:
                    _decode_looks(records)
    await source.close()
    return count, time.process_time() - begun


def _decode_looks(records: Any) -> None:
    for record in records:
        name, _, type_, time_, _, _ = usual_headers(record.headers)
        if type_ == LOOK_TYPE:
            _decode(b'["%b","%b",%b]' % (name, time_, record.value))


def _share(share: Share) -> tuple[int, float]:
    gc.disable()
    return uvloop.run(_read(*share))


def limit(bootstrap: str, *, decoding: bool) -> tuple[float, float]:
    """Give events a second of all processes together, and the microseconds of CPU of an event."""
    workers = workers_here()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(abs, range(workers))
        begun = time.perf_counter()
        parts = pool.map(_share, [(bootstrap, n, workers, decoding) for n in range(workers)], 1)
        seconds = time.perf_counter() - begun
    events = sum(count for count, _ in parts)
    return events / seconds, sum(cpu for _, cpu in parts) / events * 1e6


async def limits(bootstrap: str) -> dict[str, tuple[float, float]]:
    """Measure both."""
    return {
        "reading alone": await asyncio.to_thread(limit, bootstrap, decoding=False),
        "reading and decoding alone": await asyncio.to_thread(limit, bootstrap, decoding=True),
    }
