"""The window of a process: /metrics, /healthz, /readyz and /about, and what its role adds.

The exposition is rendered at most once a second, however many scrape; its size is bounded by its labels.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from services.exporter import metrics
from services.exporter.health import Health

CACHE_SECONDS = 1.0
_HEALTH = web.AppKey("health", Health)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    health: Health,
    registry: CollectorRegistry = metrics.REGISTRY,
    monotonic: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Build the application; it reads and changes nothing."""
    app = web.Application(client_max_size=0)
    app[_HEALTH] = health
    handler = make_aiohttp_handler(registry, disable_compression=True)
    app.router.add_get("/metrics", _cached(handler, monotonic))
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/about", _about)
    app.router.add_get("/{path:.*}", _page)
    return app


async def serve(
    health: Health,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    registry: CollectorRegistry = metrics.REGISTRY,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until `stop` is set; port 0 takes a free one, and `ready` is told which.

    Raises:
        OSError: The address is taken or not ours.

    """
    runner = web.AppRunner(application(health, registry), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        if ready is not None:
            ready(runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()


def _cached(handler: Handler, monotonic: Callable[[], float]) -> Handler:
    """Keep each form of the exposition for a moment: two Prometheus servers cost what one does."""
    copies: dict[tuple[str, ...], tuple[float, web.Response]] = {}

    async def cached(request: web.Request) -> web.Response:
        form = (request.headers.get("Accept", ""), *request.query.getall("name[]", ()))
        now = monotonic()
        for old in [f for f, (at, _) in copies.items() if now - at >= CACHE_SECONDS]:
            del copies[old]
        if form not in copies:
            copies[form] = (now, _plain(await handler(request)))
        return _copy(copies[form][1])

    return cached


def _plain(response: web.StreamResponse) -> web.Response:
    assert isinstance(response, web.Response)
    return response


def _copy(response: web.Response) -> web.Response:
    copy = web.Response(status=response.status, headers=response.headers, body=response.body)
    copy.enable_compression()
    return copy


async def _healthz(request: web.Request) -> web.Response:
    return _answer(*request.app[_HEALTH].live())


async def _readyz(request: web.Request) -> web.Response:
    return _answer(*await request.app[_HEALTH].ready())


async def _page(request: web.Request) -> web.Response:
    page = request.app[_HEALTH].page(request.path)
    if page is None:
        raise web.HTTPNotFound
    return web.Response(
        status=page.status,
        body=page.body,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        content_type=page.content_type,
        charset="utf-8",
    )


async def _about(request: web.Request) -> web.Response:
    body = msgspec.json.encode(request.app[_HEALTH].about)
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _answer(ok: bool, details: dict[str, Any]) -> web.Response:
    body = msgspec.json.encode({"ok": ok} | details)
    return web.Response(
        status=200 if ok else 503, body=body, content_type="application/json", charset="utf-8"
    )
