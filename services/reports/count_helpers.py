"""Processes that help to count: forked before there is an event loop, with all that is loaded by then.

What is started anew loads for a third of a second what its parent has loaded already, so that a helper was worth its
start for a large ledger only. Between the processes go pickles, each after its length.
"""

import asyncio
import os
import pickle
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

_LENGTH_BYTES = 8

Asked = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class HelperPipe:
    """A helper's own end: blocking, because a helper has nothing else to do while it waits."""

    def __init__(self, end: socket.socket) -> None:
        self._stream = end.makefile("rwb")

    def send(self, value: object) -> None:
        """Send a value."""
        self._stream.write(_framed(value))
        self._stream.flush()

    def receive(self) -> Any:
        """Wait for a value; raises `EOFError` where the other process has gone."""
        self._stream.read(_LENGTH_BYTES)
        return pickle.load(self._stream)  # noqa: S301  # from the process that forked this one


@contextmanager
def helpers(number: int, work: Callable[[HelperPipe], None]) -> Iterator[list[socket.socket]]:
    """Fork processes that work at the other ends of sockets; they are ended with the block, whatever they do then."""
    ends: dict[int, socket.socket] = {}
    try:
        for _ in range(number):
            pid, end = _forked(work)
            ends[pid] = end
        yield list(ends.values())
    finally:
        for pid, end in ends.items():
            end.close()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _forked(work: Callable[[HelperPipe], None]) -> tuple[int, socket.socket]:
    mine, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        # Nothing of the parent's is to be ended twice, nor said twice: neither its exit handlers nor a traceback.
        try:
            mine.close()
            work(HelperPipe(theirs))
        finally:
            os._exit(0)
    theirs.close()
    return pid, mine


@asynccontextmanager
async def opened(end: socket.socket) -> AsyncIterator[Asked]:
    """Open the parent's end in its event loop, and close it."""
    asked = await asyncio.open_unix_connection(sock=end)
    try:
        yield asked
    finally:
        asked[1].close()
        await asked[1].wait_closed()


def send(asked: Asked, value: object) -> None:
    """Send a helper a value."""
    asked[1].write(_framed(value))


async def receive(asked: Asked) -> Any:
    """Wait for a value of a helper; raises what the helper sent if that is an exception."""
    size = int.from_bytes(await asked[0].readexactly(_LENGTH_BYTES))
    value = pickle.loads(await asked[0].readexactly(size))  # noqa: S301  # from a process that this one forked
    if isinstance(value, Exception):
        raise value
    return value


def _framed(value: object) -> bytes:
    text = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(text).to_bytes(_LENGTH_BYTES) + text
