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
from prometheus_client.exposition import choose_encoder

from services.exporter import metrics
from services.exporter.exposition import exposition_of
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
    app.router.add_get("/metrics", _metrics(registry, monotonic))
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


def _metrics(registry: CollectorRegistry, monotonic: Callable[[], float]) -> Handler:
    """Keep each form of the exposition for a moment: two Prometheus servers cost what one does."""
    copies: dict[tuple[str, ...], tuple[float, web.Response]] = {}
    some, exposition = make_aiohttp_handler(registry), exposition_of(registry)
    lock = asyncio.Lock()

    async def metrics_handler(request: web.Request) -> web.StreamResponse:
        if "name[]" in request.query:
            return await some(request)
        accept, packed = request.headers.get("Accept", ""), _takes_gzip(request)
        form = (accept, str(packed))
        # Who asks while it is written waits for the same copy.
        async with lock:
            now = monotonic()
            for old in [f for f, (at, _) in copies.items() if now - at >= CACHE_SECONDS]:
                del copies[old]
            if form not in copies:
                copies[form] = (now, await write(accept, packed))
            copy = copies[form][1]
        return web.Response(status=copy.status, headers=copy.headers, body=copy.body)

    async def write(accept: str, packed: bool) -> web.Response:
        encoder, content_type = choose_encoder(accept)
        # The first scrape in a form writes the whole ledger's part, half a second at 500 providers.
        body = await asyncio.to_thread(
            exposition.write, registry, encoder, content_type, packed=packed
        )
        return _response(body, content_type, packed)

    return metrics_handler


def _takes_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


def _response(body: bytes, content_type: str, packed: bool) -> web.Response:
    headers = {"Content-Type": content_type, "Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


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
