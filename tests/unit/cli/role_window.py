"""A process that runs, as a command sees it: its window, served by a thread."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from services.exporter.health import Health
from services.exporter.http import serve
from services.runtime.role_facts import RoleFacts


@contextmanager
def window_of(facts: RoleFacts) -> Iterator[str]:
    """Serve what a process says of itself; yield its address."""
    port: Future[int] = Future()
    over: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def work() -> None:
        stop = asyncio.Event()
        over.set_result((asyncio.get_running_loop(), stop))
        await serve(Health(about=facts), "127.0.0.1", 0, stop, ready=port.set_result)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        yield f"127.0.0.1:{port.result(10)}"
    finally:
        loop, stop = over.result(10)
        loop.call_soon_threadsafe(stop.set)
        thread.join()
