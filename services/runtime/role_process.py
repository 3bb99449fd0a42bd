"""One role process: signals, the event loop, a drain with a deadline, an exit status.

SIGTERM, SIGINT and SIGHUP stop the intake; what is in hand is finished; after `stop_seconds` the rest is
cancelled. SIGUSR1 writes the stack of every task to the log.
"""

import asyncio
import contextlib
import io
import os
import resource
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from schemas.errors import TakedownError
from services.runtime.core_dumps import leave_no_dump
from services.runtime.stop_signals import stop_signals

log = structlog.get_logger(__name__)

Work = Callable[[asyncio.Event], Awaitable[None]]
_ORPHAN_SECONDS = 5.0
LEFTOVERS = 1
"""Exit status where something had to be cancelled."""
OPEN_FILES = 65_536
"""As in deploy/systemd; more would only cost those who walk through all of them."""
UNREACHABLE = 3
"""Exit status where a server can't be used; the log has the remedy."""


def run_process(work: Work, *, stop_seconds: float, with_parent: bool = False) -> int:
    """Run `work(stop)` until it returns or a signal stops it; return the exit status."""
    raise_open_files()
    leave_no_dump()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_guarded(work, stop_seconds, with_parent))


def raise_open_files() -> None:
    """Allow thousands of kept-alive connections, as far as the system does: a shell gives 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


async def _guarded(work: Work, stop_seconds: float, with_parent: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, dump_tasks)
    if with_parent:
        follow_parent(stop, loop)
    task = asyncio.ensure_future(work(stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    status = await _drained(task, stop_seconds)
    stopping.cancel()
    return status


async def _drained(task: "asyncio.Future[None]", stop_seconds: float) -> int:
    """Wait for the drain; at the deadline log what is still running, and cancel it."""
    done, _ = await asyncio.wait({task}, timeout=stop_seconds)
    if not done:
        running = sorted(t.get_name() for t in asyncio.all_tasks() - {asyncio.current_task()})
        log.error("process.drain_timed_out", seconds=stop_seconds, running=running)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return LEFTOVERS
    return _status(task)


def _status(task: "asyncio.Future[None]") -> int:
    error = task.exception()
    if error is None:
        log.info("process.stopped")
        return 0
    inner = first_takedown_error(error)
    if inner is not None:
        log.error("process.failed", error=str(inner))
        return inner.exit_code
    if (remedy := _advice(error)) is not None:
        log.error("process.failed", error=remedy, kind=type(error).__name__)
        return UNREACHABLE
    log.error("process.failed", error=type(error).__name__, exc_info=error)
    return 1


def _advice(error: BaseException) -> str | None:
    # It knows the database's client, for which a prober's process has no use.
    from services.runtime.advice import advice  # noqa: PLC0415

    return advice(error)


def first_takedown_error(error: BaseException) -> TakedownError | None:
    """Find the error for people inside an exception or group."""
    if isinstance(error, TakedownError):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((first for e in inner if (first := first_takedown_error(e))), None)


def follow_parent(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Stop when standard input ends, that is, when the parent has ended.

    A thread, so that a loop that is stuck can't keep an orphan alive: it soon exits hard. The servers
    that the parent ran have gone with it, so that there is often nothing left to drain into.
    """

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        threading.Event().wait(_ORPHAN_SECONDS)
        os._exit(LEFTOVERS)

    threading.Thread(target=watch, name="follow-parent", daemon=True).start()


def dump_tasks() -> None:
    """Write the stack of every task to the log."""
    for task in asyncio.all_tasks():
        text = io.StringIO()
        task.print_stack(file=text)
        log.warning("process.task_stack", task=task.get_name(), stack=text.getvalue())
    sys.stderr.flush()
