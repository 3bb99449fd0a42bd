"""Processes that help a report: forked before there is an event loop, with all that is loaded by then.

What is started anew loads for a third of a second what its parent has loaded already, so that a helper was worth its
start for a large ledger only. A helper runs one task after the other; between the processes go pickles.
"""

import os
import pickle
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

R = TypeVar("R")


class HelperPipe:
    """One end of what joins a helper to the process that forked it; it blocks."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._stream = end.makefile("rwb")

    def send(self, value: object) -> None:
        """Send a value."""
        pickle.dump(value, self._stream, pickle.HIGHEST_PROTOCOL)
        self._stream.flush()

    def receive(self) -> Any:
        """Wait for a value; raises it if it is an exception, and `EOFError` where the other process has gone."""
        value = pickle.load(self._stream)  # noqa: S301  # from the process that forked this one, or its fork
        if isinstance(value, Exception):
            raise value
        return value

    def hang_up(self) -> None:
        """End the waiting for a value, in whichever thread that is."""
        self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it."""
        self._stream.close()
        self._end.close()


@contextmanager
def helpers(number: int) -> Iterator[list[HelperPipe]]:
    """Fork helpers; they are ended with the block, whatever they do then."""
    forked: dict[int, HelperPipe] = {}
    try:
        for _ in range(number):
            pid, pipe = _forked()
            forked[pid] = pipe
        yield list(forked.values())
    finally:
        for pid, pipe in forked.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            pipe.close()


def begun(pipe: HelperPipe | None, work: Callable[..., R], *arguments: object) -> Callable[[], R]:
    """Have a helper begin a piece of work, and give what waits for the result; without one it is done by then."""
    if pipe is None:
        return partial(work, *arguments)
    pipe.send((_done, (work, *arguments)))
    return pipe.receive


def _done(_: HelperPipe, work: Callable[..., R], *arguments: object) -> R:
    return work(*arguments)


def _forked() -> tuple[int, HelperPipe]:
    mine, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        # Nothing of the parent's is to be ended twice, nor said twice: neither its exit handlers nor a traceback.
        try:
            mine.close()
            _run_tasks(HelperPipe(theirs))
        finally:
            os._exit(0)
    theirs.close()
    return pid, HelperPipe(mine)


def _run_tasks(pipe: HelperPipe) -> None:
    while True:
        task, arguments = pipe.receive()
        try:
            result = task(pipe, *arguments)
        except Exception as error:
            # Whatever it is, the parent has to know.
            result = error
        pipe.send(result)
