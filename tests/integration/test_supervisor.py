"""Supervised processes: restarted, given up, stopped, and never left behind."""

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from services.runtime.supervisor import Backoff, Child, ChildFailed
from tests.servers import eventually

ROOT = Path(__file__).parent.parent.parent
QUICK = Backoff(first_seconds=0.05, longest_seconds=0.1)


def child(tmp_path, code, **more):
    """A child that runs a few lines of Python."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    return Child("role", command, environment, tmp_path / "role.log", backoff=QUICK, **more)


SLEEPER = "import time; print('begun', flush=True); time.sleep(600)"


async def begun(child, times):
    """Wait until the child has said so many times that it began."""

    async def said():
        return child.log_path.exists() and child.log_path.read_text().count("begun") >= times

    await eventually(f"{times} lives of the child", said)


async def test_killed_child_is_restarted(tmp_path):
    """A process that is killed is started again, and people are told."""
    told = []
    one = child(tmp_path, SLEEPER, say=told.append)
    await one.start()
    await begun(one, 1)
    first = one.pid
    one.signal(signal.SIGKILL)
    await begun(one, 2)
    assert one.pid != first
    assert one.restarts == 1
    assert "ended with status -9" in told[0]
    await one.stop(5)
    assert one.pid is None


async def test_wrong_setting_is_not_tried_again(tmp_path):
    """A child that ends with the status of a wrong setting is given up, with its last words."""
    one = child(tmp_path, "import sys; print('error: TAKEDOWN_X is wrong'); sys.exit(2)")
    await one.start()
    with pytest.raises(ChildFailed, match="TAKEDOWN_X is wrong"):
        await asyncio.wait_for(one.failed, 20)
    assert one.restarts == 0
    await one.stop(5)


async def test_child_that_does_not_stop_is_killed(tmp_path):
    """The grace is the longest that a stop may take."""
    told = []
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("begun", flush=True)
        time.sleep(600)
    """
    one = child(tmp_path, code, say=told.append)
    await one.start()
    await begun(one, 1)
    await one.stop(0.3)
    assert one.pid is None
    assert "was killed" in told[-1]


async def test_stopped_child_may_start_again(tmp_path):
    """Stop and start is what `restart` does; both lives are in one log."""
    one = child(tmp_path, SLEEPER)
    await one.start()
    await begun(one, 1)
    await one.stop(5)
    await one.start()
    await begun(one, 2)
    await one.stop(5)


async def test_child_stops_while_it_waits_for_its_restart(tmp_path):
    """A stop does not wait for the back-off."""
    one = child(tmp_path, "raise SystemExit(1)")
    one._backoff = Backoff(first_seconds=600)
    await one.start()

    async def gone():
        return one.pid is None

    await eventually("the child has ended", gone)
    await asyncio.wait_for(one.stop(5), 5)


WORK = """
    import asyncio, sys
    from services.runtime.role_process import run_process

    async def work(stop):
        print("begun", flush=True)
        await stop.wait()
        {drain}

    sys.exit(run_process(work, stop_seconds={seconds}, with_parent={with_parent}))
"""


async def ended(process, seconds=20):
    """Give the exit status of a process that is about to end."""
    return await asyncio.wait_for(process.wait(), seconds)


@pytest.fixture
async def start():
    """Start Python with a pipe for standard input; leave nothing behind."""
    started = []

    async def starting(code):
        started.append(await python(code))
        return started[-1]

    yield starting
    for process in started:
        if process.returncode is None:
            process.kill()
        process.stdin.close()
        await process.communicate()


async def python(code):
    """Start Python; return it once it began."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(code),
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.stdout.readline() == b"begun\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_drains(start, number):
    """On SIGTERM and SIGINT what is in hand is finished, and the status is 0."""
    process = await start(WORK.format(drain="print('drained')", seconds=10, with_parent=False))
    process.send_signal(number)
    assert b"drained\n" in await process.stdout.read()
    assert await ended(process) == 0


async def test_drain_has_a_deadline(start):
    """What does not finish in time is cancelled, and the status says so."""
    process = await start(
        WORK.format(drain="await asyncio.sleep(600)", seconds=0.3, with_parent=False)
    )
    process.terminate()
    assert await ended(process) == 1


async def test_orphan_stops(start):
    """A process whose parent has gone drains and ends."""
    process = await start(WORK.format(drain="print('drained')", seconds=10, with_parent=True))
    process.stdin.close()
    assert b"drained\n" in await process.stdout.read()
    assert await ended(process) == 0


async def test_orphan_whose_loop_is_stuck_ends(start):
    """Even a loop that no longer turns can't keep an orphan alive."""
    code = """
        import asyncio, sys, time
        from services.runtime.role_process import run_process

        async def work(stop):
            print("begun", flush=True)
            time.sleep(600)

        sys.exit(run_process(work, stop_seconds=10, with_parent=True))
    """
    process = await start(code)
    process.stdin.close()
    assert await ended(process) == 1
