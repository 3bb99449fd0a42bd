"""Ledger throughput: events per second from Kafka into Postgres, through the real consumer in its own process.

The evidence of a catch-up, in two loads: 20 looks of each case in a row, so that they stand in one batch, and looks
spread out, so that a case has one look in a batch. Reports, notices and first looks are in the ledger before the clock
runs, which is from the first committed batch to the last. Beside it runs what bounds it (`ledger_limit`): a bare loop
that reads the same records and writes the same rows, by turns with it, and the turn counts whose ratio is the median;
what a look needs besides is measured too (`ledger_steps`), and the sum of both is the least CPU of any ledger on this
client, driver and fold. Servers, consumer and this process share the machine.

    python -m tests.benchmarks.bench_ledger

TAKEDOWN_BENCH_CASES makes both loads smaller: so many cases with 20 looks, and five times as many with four.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaProducer

from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from schemas import codec, ids, topics
from schemas import events as ev
from schemas.events import Event, Payload
from schemas.urls import canonical
from services.ledger import migrate
from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from tests.as_configured import kafka_at
from tests.benchmarks import ledger_steps
from tests.benchmarks.figures import Figure, figure, middle
from tests.benchmarks.ledger_side import KEYRING
from tests.benchmarks.server_cpu import cpu_below
from tests.benchmarks.side_by_side import together

ROOT = Path(__file__).parents[2]
CASES = int(os.environ.get("TAKEDOWN_BENCH_CASES", "5000"))
START = datetime(2026, 1, 1, tzinfo=UTC)
TARGET_RATE = 10_000
TARGET_MEGABYTES = 300
TARGET_OF_LIMIT = 0.5
# Each is over in some seconds, in which the machine may do something else.
ROUNDS = 3
_SIDE = (ROOT / "tests" / "benchmarks" / "ledger_side.py").read_text()

Sent = tuple[topics.Topic, Event]
Found = dict[str, float]


class Load(NamedTuple):
    """So many cases with the looks of these numbers; `spread`: in the order of time, else case by case."""

    name: str
    cases: int
    looks: range
    spread: bool


def loads(cases: int = CASES) -> tuple[Load, Load]:
    """Give both loads, of about as many looks."""
    return (
        Load("20 looks a case", cases, range(1, 21), spread=False),
        Load("looks spread out", 5 * cases, range(4, 8), spread=True),
    )


def opening(load: Load) -> Iterator[Sent]:
    """Give report, notice and first look of each case."""
    for index, (name, sealed) in enumerate(_cases(load)):
        report = ev.ReportFiled(reporter="hotline", sealed_url=sealed, provider="giant")
        yield topics.REPORTS, _event(name, START, report)
        notice = ev.NoticeSent(notice_id="n1", provider="giant")
        yield topics.REPORTS, _event(name, START + timedelta(minutes=1), notice)
        yield topics.OBSERVATIONS, _look(index, name, 0)


def looks(load: Load) -> Iterator[Sent]:
    """Give the looks that are measured."""
    names = [(index, name) for index, (name, _) in enumerate(_cases(load))]
    if load.spread:
        order = ((index, name, n) for n in load.looks for index, name in names)
    else:
        order = ((index, name, n) for index, name in names for n in load.looks)
    for index, name, number in order:
        yield topics.OBSERVATIONS, _look(index, name, number)


def _cases(load: Load) -> Iterator[tuple[str, str]]:
    for number in range(load.cases):
        url = canonical(f"http://host{number % 997}.example/material/{number}")
        yield KEYRING.case_id(url), KEYRING.seal(url)


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
    gone = number >= 5 + index % 20 and not (index % 10 == 0 and number == 20)
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


async def _fill(kafka: KafkaConnection, sent: Iterable[Sent]) -> None:
    producer = AIOKafkaProducer(**kafka.producer_options(), max_batch_size=262_144)
    await producer.start()
    try:
        waiting = []
        for topic, event in sent:
            key, value, headers = codec.encode(event)
            waiting.append(await producer.send(topic.name, value, key=key, headers=headers))
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()


class World:
    """Kafka with the evidence of one load, and databases in which its cases are open."""

    def __init__(self, folder: Path, load: Load) -> None:
        self._kafka = EmbeddedKafka(folder / "kafka", throughput=True)
        self._postgres = EmbeddedPostgres(folder / "postgres")
        self._folder = folder
        self._load = load

    async def __aenter__(self) -> "World":
        await self._kafka.start()
        await self._postgres.start()
        self._at = kafka_at(self._kafka.bootstrap_servers)
        await create_topics(self._at, partitions=topics.DEFAULT_PARTITIONS, replication=1)
        await _fill(self._at, opening(self._load))
        await self._create("opened")
        await self._consume("opened", 3 * self._load.cases)
        await _fill(self._at, looks(self._load))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._postgres.stop()
        await self._kafka.stop()

    async def ledger(self, root: Path = ROOT, **record: str) -> Found:
        """Let the ledger of a build take the looks, into a database of its own; give what it came to."""
        await self._copy("measured")
        count = self._load.cases * len(self._load.looks)
        before = await self._written("measured")
        found = await self._consume("measured", count, root, **record)
        after = await self._written("measured")
        stored = after["events"] - before["events"]
        if stored != count:
            raise RuntimeError(f"{stored} looks are in the ledger, {count} were sent")
        return found | {
            "log": (after["log"] - before["log"]) / count,
            "updates": (after["updates"] - before["updates"]) / count,
            "server": (after["server"] - before["server"]) / count * 1e6,
        }

    async def limit(self) -> Found:
        """Record the ledger, and let the bare loop do the same."""
        await self.record()
        return await self.bare()

    async def record(self) -> None:
        """Record what the ledger does with the looks."""
        await self.ledger(record=str(self._folder / "record"))

    async def bare(self) -> Found:
        """Let one bare loop do what was recorded."""
        return (await self.bare_loops(1))[0]

    async def bare_loops(self, count: int) -> list[Found]:
        """Let so many bare loops do at once what was recorded, each all of it in a database of its own."""
        recorded = {"topic": topics.OBSERVATIONS.name, "record": str(self._folder / "record")}
        given = []
        for number in range(count):
            await self._copy(f"bare{number}")
            given.append(self._given(f"bare{number}") | recorded)
        before = cpu_below(self._folder)
        found = await asyncio.to_thread(together, "tests.benchmarks.ledger_limit", given)
        spent = cpu_below(self._folder) - before
        for one in found:
            one["server"] = 1e6 * spent / sum(every["events"] for every in found)
        return found

    async def _consume(self, database: str, wanted: int, root: Path = ROOT, **record: str) -> Found:
        given = {"wanted": wanted, **record, **self._given(database)}
        return await asyncio.to_thread(_apart, ["-c", _SIDE], root, given)

    def _given(self, database: str) -> dict[str, Any]:
        return {"bootstrap": self._at.bootstrap_servers, "dsn": self._dsn(database)}

    def _dsn(self, database: str) -> str:
        return urlsplit(self._postgres.dsn)._replace(path=f"/{database}").geturl()

    async def _create(self, database: str, *, template: str = "template0") -> None:
        session = await asyncpg.connect(self._postgres.dsn)
        await session.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        await session.execute(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy")
        await session.execute("CHECKPOINT")
        await session.close()
        if template == "template0":
            session = await asyncpg.connect(self._dsn(database))
            await migrate.up(session)
            await session.close()

    async def _copy(self, database: str) -> None:
        """Make a database like the one in which the cases are open."""
        await self._create(database, template="opened")

    async def _written(self, database: str) -> Found:
        """Give what was written so far, and the server's CPU-seconds."""
        session = await asyncpg.connect(self._dsn(database))
        await session.execute("SELECT pg_stat_force_next_flush()")
        row = await session.fetchrow(
            "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS log, (SELECT count(*) FROM events) AS events, "
            "(SELECT sum(n_tup_upd) FROM pg_stat_user_tables WHERE relname IN ('cases', 'spells')) AS updates"
        )
        await session.close()
        return {name: float(value) for name, value in row.items()} | {
            "server": cpu_below(self._folder / "postgres")
        }


def _apart(command: list[str], root: Path, given: dict[str, Any]) -> Found:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the consumer failed: {done.stderr[-2000:]}")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def steps_of(load: Load) -> Found:
    """Measure the steps of a look of a load, in one batch."""
    sample = [event for _, event in islice(looks(load), ledger_steps.SAMPLE)]
    return ledger_steps.steps((event for _, event in opening(load)), sample)


async def _measure(load: Load) -> tuple[Found, Found, Found]:
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder:
        async with World(Path(folder), load) as world:
            await world.record()
            turns = [(await world.ledger(), await world.bare()) for _ in range(ROUNDS)]
    return *middle(turns, _of_the_limit), steps_of(load)


def _of_the_limit(turn: tuple[Found, Found]) -> float:
    found, limit = turn
    return found["rate"] / limit["rate"]


def least(limit: Found, steps: Found) -> float:
    """Give the least µs of CPU that any ledger needs for a look: the bare loop's, and the steps that it leaves out."""
    return 1e6 / limit["per_cpu"] + sum(steps.values())


async def beside(former: Path, load: Load, count: int) -> list[tuple[Found, Found]]:
    """Measure a former build and this one by turns, on the same records; the order changes from pair to pair.

    `bound` and `bound_per_cpu` are what bounds this build; of the former one they are its own figures, to compare with.
    """
    measured = []
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder:
        async with World(Path(folder), load) as world:
            for number in range(count):
                order = (ROOT, former) if number % 2 else (former, ROOT)
                found = {root: await world.ledger(root) for root in order}
                measured.append((found[former], found[ROOT]))
            limit = await world.limit()
    for before, now in measured:
        before |= {"bound": before["rate"], "bound_per_cpu": before["per_cpu"]}
        now |= {"bound": limit["rate"], "bound_per_cpu": 1e6 / least(limit, steps_of(load))}
    return measured


def figures(load: Load, found: Found, limit: Found, steps: Found) -> list[Figure]:
    """Judge what was measured of one load."""
    name = f"ledger, {load.name}"
    share = _of_the_limit((found, limit))
    return [
        figure(f"{name}: events", found["rate"], "events/s", at_least=TARGET_RATE),
        figure(f"{name}: bare loop", limit["rate"], "events/s"),
        figure(f"{name}: of the bare loop", share, "times", at_least=TARGET_OF_LIMIT),
        figure(f"{name}: peak memory", found["megabytes"], "MB RSS", at_most=TARGET_MEGABYTES),
        figure(f"{name}: CPU of the process", 1e6 / found["per_cpu"], "µs/event"),
        figure(f"{name}: CPU of the bare loop", 1e6 / limit["per_cpu"], "µs/event"),
        *(figure(f"{name}: {step}", cpu, "µs/event") for step, cpu in steps.items()),
        figure(f"{name}: least CPU of any ledger", least(limit, steps), "µs/event"),
        figure(f"{name}: CPU of the server", found["server"], "µs/event"),
        figure(f"{name}: rows updated", found["updates"], "rows/event"),
        figure(f"{name}: log", found["log"], "bytes/event"),
    ]


def run() -> list[Figure]:
    """Measure each load."""
    return [one for load in loads() for one in figures(load, *asyncio.run(_measure(load)))]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
