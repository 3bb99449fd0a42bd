"""Play a world through a running monitor, and compare what the ledger says in the end with the truth."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from schemas.codec import encode
from schemas.events import Event
from schemas.methodology import Methodology
from schemas.topics import REPORTS
from services.core.case import Case
from services.core.machines import Clock
from services.ledger.ledger_digest import cases as ledger_cases
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import open_pool
from services.reports import evidence_log
from services.reports.table import Choice, Table, build
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.demo.closing import ArticleClosing, closing, in_scaled_hours
from services.runtime.demo.stage import Stage, Traffic, capacities_of, serving, settings_for
from services.runtime.installation import Installation
from services.runtime.methods import methodology
from services.simulation import event_player, truth
from services.simulation.article import NAME as ARTICLE
from services.simulation.facts import Failure, Verification

_LEAD = timedelta(seconds=4)
_REFRESH_SECONDS = 1.0
BREACHES, VOIDED = "takedown_breaches_total", "takedown_breaches_voided_total"


class DemoResult(Struct, kw_only=True):
    """The result of a demo: the league table beside the truth, the metric beside the ledger.

    `logs` tells, of each case that contradicts the truth, what the ledger has heard of it: a line per event.
    `requests` are those that reached the hosts of the world, the canary left out; None: nobody counted them.
    `article` is the closing of the article's scenario.
    """

    table: Table
    verification: Verification
    breaches_metric: float
    breaches_ledger: int
    digest: str
    seconds: float
    logs: dict[str, list[str]]
    requests: int | None = None
    article: ArticleClosing | None = None

    @property
    def requests_per_look(self) -> float | None:
        """How many requests a look took, siblings and front pages among them; None: nobody counted them."""
        looks = self.table.pooled.looks
        return None if self.requests is None or not looks else self.requests / looks

    @property
    def ok(self) -> bool:
        """True removals lie in their intervals, no breach is false, and the metric agrees with the ledger."""
        contradicted = self.article is not None and bool(self.article.contradictions)
        agrees = self.breaches_metric == self.breaches_ledger
        return self.verification.ok and agrees and not contradicted


class Moment(Struct, frozen=True, kw_only=True):
    """The state of a demo while it runs: the table as of now, and how much of the watch is over."""

    table: Table
    elapsed: float
    total: float


Watcher = Callable[[Moment], None]


async def run(
    chosen: Stage, watcher: Watcher, say: Callable[[str], None], keep: Path | None
) -> DemoResult:
    """Start a monitor on real servers, play the world, and compare.

    `keep` is a folder for the data (logs, databases); without it a temporary one is used and removed.
    """
    began = _now()
    with _folder(keep) as folder:
        settings = settings_for(chosen, began, folder)
        installation = Installation(settings, durable=False, say=say)
        async with staged(chosen, installation, say) as (show, traffic):
            await show.play(watcher)
            result = await show.compare(began)
        return msgspec.structs.replace(result, requests=traffic.requests)


@contextlib.asynccontextmanager
async def staged(
    chosen: Stage, installation: Installation, say: Callable[[str], None]
) -> AsyncIterator[tuple["Show", Traffic]]:
    """Run an installation and the world that it watches for as long as the block lasts, from when all is ready."""
    async with installation:
        start = _now() + _LEAD
        async with serving(chosen, start) as traffic:
            say("the simulated internet is running; waiting for the roles")
            await installation.ready()
            yield Show(chosen, installation, start), traffic


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="takedown-demo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


class Show:
    """One world on one installation, from its first report to the comparison."""

    def __init__(self, chosen: Stage, installation: Installation, start: datetime) -> None:
        self.installation = installation
        self.world = chosen.world(start, installation.keyring)
        self.method: Methodology = methodology(installation.settings.methodology)

    async def play(self, watcher: Watcher) -> None:
        """Play reporters and hotline to the end of the watch."""
        async with self._sending() as (send, send_raw), self._pool() as pool:
            playing = event_player.play(
                self.world, send=send, send_raw=send_raw, clock=_now, sleep=asyncio.sleep
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(playing)
                group.create_task(self._watch(pool, watcher))

    async def _watch(self, pool: asyncpg.Pool, watcher: Watcher) -> None:
        begun, end = self.world.start, self.world.end
        while (now := _now()) < end:
            table = build(await _cases(pool), self.method, now)
            total = (end - begun).total_seconds()
            watcher(Moment(table=table, elapsed=(now - begun).total_seconds(), total=total))
            await asyncio.sleep(_REFRESH_SECONDS)

    async def compare(self, began: datetime) -> DemoResult:
        """Read the ledger and the metrics once more, and hold both against the truth."""
        until = self.world.end
        async with self._pool() as pool:
            cases = await _cases(pool)
            digest = await ledger_digest(pool)
            measured = [spell for case in cases for spell in truth.measured(case)]
            verification = truth.check(
                self.world.truths(), measured, until=until, settle=self.world.settle
            )
            logs = await _logs_of(pool, verification.failures)
        breaches = sum(spell.clock is Clock.BREACHED for case in cases for spell in case.spells)
        table = in_scaled_hours(build(cases, self.method, until, self._choice()), self.world)
        of_article = self.world.scenario.name == ARTICLE
        return DemoResult(
            table=table,
            article=closing(table, self.world, verification) if of_article else None,
            verification=verification,
            breaches_metric=await self._breaches_metric(breaches),
            breaches_ledger=breaches,
            digest=digest,
            seconds=(_now() - began).total_seconds(),
            logs=logs,
        )

    def _choice(self) -> Choice:
        """Choose what the table shows of channels, moves and who rents from whom, as `takedown report` does."""
        scenario = self.world.scenario
        return Choice(
            countries={script.id: script.country for script in scenario.providers},
            capacities=capacities_of(scenario),
        )

    async def _breaches_metric(self, expected: int) -> float:
        """Read the exporter's own answer; it may be one interval behind the ledger."""
        settings = self.installation.settings
        port = self.installation.ports["exporter"]
        address = f"http://{settings.http.host}:{port}/metrics"
        value = -1.0
        for _ in range(10):
            async with aiohttp.ClientSession() as session, session.get(address) as answer:
                value = _total(await answer.text())
            if value == expected:
                break
            await asyncio.sleep(settings.exporter.interval_seconds / 2)
        return value

    @contextlib.asynccontextmanager
    async def _pool(self) -> AsyncIterator[asyncpg.Pool]:
        pool = await open_pool(database_connection(self.installation.settings, max_size=2))
        try:
            yield pool
        finally:
            await pool.close()

    @contextlib.asynccontextmanager
    async def _sending(
        self,
    ) -> AsyncIterator[tuple[event_player.Send, event_player.SendRaw]]:
        connection = kafka_connection(self.installation.settings, "takedown-demo")
        producer = AIOKafkaProducer(**connection.producer_options())

        async def send_raw(
            key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]
        ) -> None:
            await producer.send(REPORTS.name, value, key=key, headers=headers)

        async def send(event: Event) -> None:
            key, value, headers = encode(event)
            await send_raw(key, value, headers)

        await producer.start()
        try:
            yield send, send_raw
        finally:
            await producer.stop()


async def _cases(pool: asyncpg.Pool) -> list[Case]:
    return [case async for case, _ in ledger_cases(pool)]


async def _logs_of(pool: asyncpg.Pool, failures: Iterable[Failure]) -> dict[str, list[str]]:
    """Write down what the ledger has heard of the cases that contradict the truth."""
    case_ids = sorted({failure.case_id for failure in failures})
    async with pool.acquire() as session:
        logs = [log async for log in evidence_log.logs(session, case_ids, _now())]
    return {log[0].case_id: [_line(event) for event in log] for log in logs}


def _line(event: Event) -> str:
    data = msgspec.json.encode(event.data).decode()
    return f"{event.time:%H:%M:%S.%f} {event.type} {event.source} {data}"


def _total(exposition: str) -> float:
    families = text_string_to_metric_families(exposition)
    totals = {BREACHES: 0.0, VOIDED: 0.0}
    for sample in (sample for family in families for sample in family.samples):
        if sample.name in totals:
            totals[sample.name] += sample.value
    return totals[BREACHES] - totals[VOIDED]


def _now() -> datetime:
    return datetime.now(UTC)
