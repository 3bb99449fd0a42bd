"""What a role's process asks of its system."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from services.runtime.role_process import raise_open_files
soft, hard = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
raise_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "after"), [(256, 2048, "2048 2048"), (1024, 1024, "1024 1024")]
)
def test_a_role_takes_the_open_files_that_it_may(soft: int, hard: int, after: str) -> None:
    """A shell's soft limit is raised to the hard one: without files every look would fail by our own fault."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(soft), str(hard)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == after


NO_DUMP = """
import ctypes, resource
from services.runtime.role_process import run_process
async def work(stop):
    print(*resource.getrlimit(resource.RLIMIT_CORE)[:1], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))
run_process(work, stop_seconds=1)
"""


def test_a_role_leaves_no_core_dump() -> None:
    """A crash of a role writes none of its memory, to no file (limit 0) and to no collector (not dumpable)."""
    done = subprocess.run(
        [sys.executable, "-c", NO_DUMP], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == "0 0"


COMMAND = """
import ctypes, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))
from services.cli import app
@app.cli.command("look-at-me")
def look():
    print(*resource.getrlimit(resource.RLIMIT_CORE)[:1], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
    print(open("/dev/stdin").read())
app.COMMANDS["look-at-me"] = (__name__ + ":look", "")
app.main(["look-at-me"])
"""


def test_no_command_leaves_a_core_dump() -> None:
    """`takedown up` and what an operator runs leave none either, and still read what comes by /dev/stdin."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], capture_output=True, text=True, check=True, input="a line"
    )
    assert done.stdout.splitlines() == ["0 0", "a line"]


HANGUP = """
import asyncio, fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from services.cli.up_command import _say
from services.runtime.installation import Interrupt
# Whoever runs the tests may ignore it, and children inherit that.
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL)
out = os.fdopen(int(sys.argv[2]), "w")

async def work():
    interrupt = Interrupt(asyncio.current_task())
    interrupt.install()
    print("begun", file=out, flush=True)
    try:
        await asyncio.sleep(5 if sys.argv[1] == "up" else 0.3)
        print("went on", file=out)
    except asyncio.CancelledError:
        _say("stopping")
        print("stopped in order", interrupt.requested, file=out)

asyncio.run(work())
"""


@pytest.mark.parametrize(("how", "after"), [("up", "stopped in order True"), ("nohup", "went on")])
def test_the_end_of_its_terminal_stops_a_monitor_in_order(how: str, after: str) -> None:
    """A terminal that is lost stops it like Ctrl-C, though nothing can be said any more; `nohup` is respected."""
    master, terminal = os.openpty()
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", HANGUP, how, str(writer)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        pass_fds=(writer,),
        start_new_session=True,
    )
    os.close(terminal)
    os.close(writer)
    with os.fdopen(reader) as out:
        assert out.readline() == "begun\n"
        os.close(master)
        assert out.readline().strip() == after
    assert process.wait(10) == 0
