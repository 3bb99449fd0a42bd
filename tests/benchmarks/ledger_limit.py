"""What bounds the ledger: a bare loop that reads the same records and runs the same statements with asyncpg.

A run of the real ledger is recorded: each statement and COPY of each connection with its rows, from BEGIN to COMMIT.
The bare loop runs them again on another database, connection by connection, while it reads the records and does
nothing with them. It decodes, folds and makes nothing: no program on this client and this driver that writes these
rows by these statements is faster.
"""

import asyncio
import gc
import json
import pickle
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer

from services.ledger.pool import session_of
from tests.as_configured import database_at, kafka_at, loop_settings

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
_METHODS = ("execute", "fetch", "fetchrow", "fetchval", "copy_records_to_table")
_PLACES = "ctid AS place"


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """Write down what every connection of this process does, for good at the end."""
    streams: dict[int, list[Call]] = {}
    for name in _METHODS:
        setattr(asyncpg.Connection, name, _noting(getattr(asyncpg.Connection, name), streams))
    yield
    path.write_bytes(pickle.dumps([_whole(calls) for calls in streams.values()]))


def _noting(method: Any, streams: dict[int, list[Call]]) -> Any:
    @wraps(method)
    async def noting(self: Any, *args: Any, **options: Any) -> Any:
        proxied = getattr(self, "_con", self)
        streams.setdefault(id(proxied), []).append((method.__name__, args, options))
        return await method(self, *args, **options)

    return noting


def _whole(calls: list[Call]) -> list[list[Call]]:
    """Give the transactions that write events or offsets, and leave the rest out."""
    transactions, open_ = [], None
    for call in calls:
        word = str(call[1][0]) if call[0] == "execute" else ""
        if word.startswith("BEGIN"):
            open_ = []
        if open_ is not None:
            open_.append(call)
        if word.startswith("COMMIT") and open_ is not None:
            if any("consumer_offsets" in str(c[1][0]) for c in open_):
                transactions.append(open_)
            open_ = None
    return transactions


class _Stream:
    """Runs the transactions of one connection again."""

    def __init__(self, session: Any, transactions: list[list[Call]]) -> None:
        self._session = session
        self._transactions = transactions
        self._places: dict[str, Any] = {}
        self.events = 0

    async def run(self) -> None:
        for transaction in self._transactions:
            for name, args, options in transaction:
                await self._again(name, args, options)

    async def _again(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Do it again; rows stand elsewhere in this database, and are named by the case that was locked there."""
        if "= x.place" in str(args[0]):
            args = (args[0], list(self._places.values()), *args[2:])
        answer = await getattr(self._session, name)(*args, **options)
        if _PLACES in str(args[0]):
            self._places = {row["case_id"]: row["place"] for row in answer}
        if name == "copy_records_to_table" and args[0] == "events":
            self.events += len(options["records"])


async def _read(bootstrap: str, topic: str) -> int:
    """Read the records of a topic as the ledger's client does."""
    settings = loop_settings()
    consumer = AIOKafkaConsumer(
        topic,
        **kafka_at(bootstrap).consumer_options(),
        auto_offset_reset="earliest",
        fetch_max_bytes=settings.fetch_bytes,
        max_partition_fetch_bytes=settings.partition_fetch_bytes,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        count = 0
        while count < sum(ends.values()):
            polled = await consumer.getmany(timeout_ms=250, max_records=settings.batch_records)
            count += sum(map(len, polled.values()))
        return count
    finally:
        await consumer.stop()


async def _bare(bootstrap: str, dsn: str, topic: str, record: str) -> dict[str, float]:
    streams = pickle.loads(Path(record).read_bytes())
    gc.disable()
    database = database_at(dsn, role="takedown_ledger")
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(session_of(database)) for _ in streams]
        runs = [_Stream(session, calls) for session, calls in zip(sessions, streams, strict=True)]
        print("ready", flush=True)
        sys.stdin.readline()
        begun, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(_read(bootstrap, topic), *(run.run() for run in runs))
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    events = sum(run.events for run in runs)
    return {
        "events": events,
        "rate": events / seconds,
        "per_cpu": events / cpu,
        "load": cpu / seconds,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_bare(**json.loads(sys.stdin.readline())))))
