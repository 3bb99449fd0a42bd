"""Serve from another process, so that what is measured here is the client alone."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Callable, Coroutine, Iterator
from multiprocessing.connection import Connection
from typing import Any

import uvloop

Serve = Callable[[Connection], Coroutine[Any, Any, None]]


def _process(serve: Serve, pipe: Connection) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(serve(pipe))


@contextlib.contextmanager
def apart(serve: Serve) -> Iterator[Any]:
    """Run `serve` in another process; yield what it sends through its pipe: where it listens."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_process, args=(serve, theirs), daemon=True
    )
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
