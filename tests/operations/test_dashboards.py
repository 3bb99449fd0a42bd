"""The dashboards' numbers: a monitor lives through a script, Prometheus watches, and every query is asked."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiokafka import AIOKafkaProducer

from deploy.grafana.queries import SUBSTITUTES, Asked, dashboard_queries
from schemas.codec import encode
from schemas.events import Event, LookMade
from schemas.topics import REPORTS
from scripts.tour import prometheus
from services.runtime.connections import kafka_connection
from services.runtime.embedded.server_process import free_port
from services.runtime.installation import Installation
from services.runtime.methods import methodology
from services.runtime.settings import ExporterSection, Http, Probe, Settings, Topics
from services.simulation import event_player
from tests.acceptance.dashboard import answers
from tests.operations.dashboard_script import EXPECTED, OF_GIANT, STORIES, Expected, Script, fits
from tests.operations.test_kills import agree_on_record, held
from tests.servers import eventually

CANARY = "/canary"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Watched:
    """The address of a Prometheus that has watched the script to its end."""

    prometheus: str
    cases: set[str]


async def _page(request: web.Request) -> web.Response:
    """Serve each page of the script with a content of its own, wall one off, and miss everything else."""
    pages = {f"/{story.page}/{number}": story.page for number, story in STORIES.items()}
    pages[CANARY] = "online"
    status = {"online": 200, "wall": 403}.get(pages.get(request.path, "gone"), 404)
    # No two of one length: what answers everything alike would be taken for a wall.
    body = b"x" * (100 + 10 * [*pages].index(request.path)) if status == 200 else b""
    return web.Response(status=status, body=body, content_type="image/png")


@contextlib.asynccontextmanager
async def _site() -> AsyncIterator[int]:
    """Serve the pages of the script on a free port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _settings(folder: Path, port: int) -> Settings:
    return Settings(
        data_dir=str(folder / "data"),
        topics=Topics(partitions=3),
        http=Http(port=0),
        stop_seconds=10.0,
        exporter=ExporterSection(interval_seconds=0.5, watch_providers=("giant", "small")),
        probe=Probe(
            mode="simulated",
            nameservers=(f"127.0.0.1:{free_port()}",),
            ports=(port,),
            canary_url=f"http://127.0.0.1:{port}{CANARY}",
            canary_interval_seconds=1.0,
            address_concurrency=8,
            address_per_second=50.0,
            network_per_second=50.0,
        ),
    )


async def _tell(monitor: Installation, events: list[Event]) -> None:
    """Send what was: first what hotlines said, and then the looks, which nobody makes at what was not reported.

    The ledger has all of it in the end, so that an exporter that waited gives no figure of a ledger that was half read.
    """
    method = methodology(monitor.settings.methodology)
    for looks in (False, True):
        await _send(monitor.settings, [e for e in events if isinstance(e.data, LookMade) is looks])
        await agree_on_record(monitor, method)


async def _send(settings: Settings, events: list[Event], *raw: bytes) -> None:
    producer = AIOKafkaProducer(**kafka_connection(settings, "test").producer_options())
    await producer.start()
    try:
        for event in events:
            key, value, headers = encode(event)
            topic = Script.topic_of(event)
            await producer.send(topic, value, key=key, headers=headers)
        for value in raw:
            await producer.send(REPORTS.name, value)
    finally:
        await producer.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(
    jars: Path, prometheus_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    """Play the script: what was, and then, while Prometheus looks on, two breaches and a record of no use.

    The exporter waits until the ledger has what was, which comes in more than one transaction, and the prober until
    Prometheus has seen the providers: the breaches are a step from what it knows.
    """
    folder = tmp_path_factory.mktemp("dashboards")
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(_site())
        settings = _settings(folder, port)
        monitor = await stack.enter_async_context(
            Installation(settings, durable=False, fetch=False)
        )
        await monitor.ready()
        address = await stack.enter_async_context(
            prometheus(prometheus_binary, folder / "prometheus", monitor.ports)
        )
        script = Script(monitor.keyring, port, datetime.now(UTC))
        await _shown(address, "sum(up)", len(monitor.ports))
        with held(monitor, "prober"):
            with held(monitor, "exporter"):
                await _tell(monitor, script.before())
            await _shown(address, "sum(takedown_spells)", script.spells)
        await _send(monitor.settings, [], event_player.POISON)
        await _shown(address, "sum(takedown_breaches_total)", script.breached)
        await _shown(address, "sum(takedown_dead_letters_total)", 1)
        # The prober has seen for itself what is online.
        await _shown(address, "sum(takedown_cases_online)", script.online)
        yield Watched(address, script.cases)


async def _shown(address: str, query: str, wanted: float) -> None:
    async def equal() -> bool:
        async with aiohttp.ClientSession() as session:
            found = await answers(session, address, query)
        return bool(found) and found[0][1] == wanted

    await eventually(f"{query} is {wanted}", equal, 60)


def _asked() -> Iterator[tuple[Asked, Expected]]:
    """Every query with what it has to give; one provider's are asked for `giant`."""
    for one in ("", "giant"):
        for asked in dashboard_queries(SUBSTITUTES | ({"$provider": one} if one else {})):
            if (asked.board == "takedown-provider") is bool(one):
                expected = (OF_GIANT if one else {}).get(asked.panel) or EXPECTED[asked.panel]
                yield asked, expected["ABCDEFGH".index(asked.letter)]


async def test_every_query_gives_the_expected_number(watched: Watched) -> None:
    """Every query of every panel of every dashboard is answered, with the number that the script fixes."""
    asked = list(_asked())
    wrong: list[str] = []

    async def right() -> bool:
        async with aiohttp.ClientSession() as session:
            told = [
                (one, expected, await answers(session, watched.prometheus, one.query))
                for one, expected in asked
            ]
        wrong[:] = [f"{o}: {_by_labels(f)}" for o, e, f in told if not fits(e, _by_labels(f))]
        return not wrong

    try:
        await eventually("every panel shows its number", right, 30)
    finally:
        assert not wrong, "\n".join(wrong)


def _by_labels(found: list[tuple[dict[str, str], float]] | None) -> dict[str, float]:
    """Name each line of an answer by its labels, those of the scrape left out."""
    apart = {"__name__", "role"}
    if len(found or ()) > 1 and all("instance" in labels for labels, _ in found or ()):
        apart -= {"role"}
    else:
        apart |= {"job", "instance"}
    return {
        " ".join(v for k, v in sorted(labels.items()) if k not in apart): value
        for labels, value in found or ()
    }


async def test_every_expectation_is_of_a_panel() -> None:
    """No expectation outlives its panel, and each has one for every query."""
    queries: dict[str, set[str]] = {}
    for asked in dashboard_queries():
        queries.setdefault(asked.panel, set()).add(asked.letter)
    assert set(OF_GIANT) <= set(EXPECTED) == set(queries)
    for panel, letters in queries.items():
        assert len(EXPECTED[panel]) == len(letters), panel


@pytest.mark.parametrize(
    "series", ["takedown_breaches_total", "takedown_look_lateness_seconds_bucket"]
)
async def test_cases_stand_beside_the_figures(watched: Watched, series: str) -> None:
    """Prometheus keeps exemplars of breaches and of looks, and they name cases of the script."""
    now = datetime.now(UTC)
    span = {"start": (now - timedelta(days=2)).timestamp(), "end": (now + timedelta(1)).timestamp()}
    query = {"query": series} | {name: str(value) for name, value in span.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{watched.prometheus}/api/v1/query_exemplars", params=query) as answer,
    ):
        body = json.loads(await answer.text())
    told = [one["labels"]["case_id"] for row in body["data"] for one in row["exemplars"]]
    assert told
    assert set(told) <= watched.cases
