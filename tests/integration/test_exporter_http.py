"""The HTTP window over a real socket."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from services.exporter.health import Health
from services.exporter.http import CACHE_SECONDS, application, serve


@dataclass
class Window:
    base: str
    health: Health
    registry: CollectorRegistry
    session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(self.base + path) as response:
            return response.status, await response.text()


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    health, registry, stop = Health(), CollectorRegistry(), asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(health, "127.0.0.1", 0, stop, registry=registry, ready=port.set_result)
    )
    async with aiohttp.ClientSession() as session:
        yield Window(f"http://127.0.0.1:{await port}", health, registry, session)
    stop.set()
    await serving


async def test_metrics_are_prometheus_text(window: Window) -> None:
    """/metrics parses, compressed or not, and holds what the registry holds."""
    Counter("takedown_events_total", "Events.", registry=window.registry).inc(3)
    status, text = await window.get("/metrics")
    assert status == 200
    (family,) = text_string_to_metric_families(text)
    assert [sample.value for sample in family.samples if sample.name.endswith("_total")] == [3.0]


async def test_exposition_is_kept_for_a_moment() -> None:
    """Scrapes within a second are rendered once, one after it anew; another form is rendered on its own."""
    renderings, now, registry = 0, 100.0, CollectorRegistry()

    class Counting:
        def collect(self) -> list[object]:
            nonlocal renderings
            renderings += 1
            return []

    registry.register(Counting())  # type: ignore[arg-type]
    renderings = 0
    async with TestClient(TestServer(application(Health(), registry, lambda: now))) as client:
        for later, made in ((0.0, 1), (0.5, 1), (0.9, 1), (CACHE_SECONDS, 2)):
            now = 100.0 + later
            assert (await client.get("/metrics")).status == 200
            assert renderings == made
        assert (await client.get("/metrics?name[]=takedown_events_total")).status == 200


async def test_a_long_exposition_holds_up_nobody(window: Window) -> None:
    """While a first scrape is written the window answers, and who scrapes meanwhile gets the same copy."""
    written, renderings = threading.Event(), 0

    class Slow:
        def describe(self) -> list[Metric]:
            return []

        def collect(self) -> list[Metric]:
            nonlocal renderings
            renderings += 1
            assert written.wait(10)
            return []

    window.registry.register(Slow())
    scrapes = [asyncio.create_task(window.get("/metrics")) for _ in range(2)]
    try:
        assert (await window.get("/healthz"))[0] == 200
        assert not any(scrape.done() for scrape in scrapes)
    finally:
        written.set()
    assert [status for status, _ in await asyncio.gather(*scrapes)] == [200, 200]
    assert renderings == 1


async def test_health_answers(window: Window) -> None:
    """/healthz and /readyz answer 200 or 503 with a body that names what is wrong."""
    assert await window.get("/healthz") == (200, '{"ok":true,"loops":{}}')
    window.health.register("ledger", -1.0)
    status, text = await window.get("/healthz")
    assert status == 503
    assert '"ledger":{"ok":false' in text

    async def broken() -> str:
        raise ConnectionError("postgres at 10.0.0.1")

    window.health.add_check("postgres", broken)
    status, text = await window.get("/readyz")
    assert status == 503
    assert text == '{"ok":false,"checks":{"postgres":{"ok":false,"said":"ConnectionError"}}}'


async def test_nothing_else_is_served(window: Window) -> None:
    """The window is read-only and has no other page."""
    assert (await window.get("/"))[0] == 404
    async with window.session.post(window.base + "/metrics", data=b"x") as response:
        assert response.status == 405


async def test_a_taken_port_is_an_error(window: Window) -> None:
    """Starting on a port that is in use fails at once."""
    port = int(window.base.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await serve(window.health, "127.0.0.1", port, asyncio.Event())
