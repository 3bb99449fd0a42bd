"""Commands whose output nobody reads any more, with real pipes."""

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from services.cli.support import unreachable

COMMAND = (sys.executable, "-m", "services.cli")


def _without_reader(arguments: Sequence[str], *, errors_too: bool = False) -> tuple[int, bytes]:
    """Run a command whose reader has gone before it writes; return its status and what else it said."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TAKEDOWN_")}
    done = subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer if errors_too else subprocess.PIPE,
        env=environment,
        check=False,
    )
    os.close(writer)
    return done.returncode, done.stderr or b""


@pytest.mark.parametrize(
    "arguments",
    [
        ("check-config",),
        ("check-config", "--json"),
        ("method", "list"),
        ("--help",),
        ("--version",),
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_fault(arguments: Sequence[str]) -> None:
    """Output, help and version end as other programs of a pipe do: with status 141, and nothing on standard error."""
    assert _without_reader(arguments) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("--help",), ("method", "list")], ids=" ".join)
def test_an_output_that_takes_no_more_is_said_in_one_line(
    arguments: Sequence[str], unbuffered: str
) -> None:
    """A full disk below standard output is no defect: a line says so, and the status is 1."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


def test_a_refusal_that_nobody_reads_ends_the_same() -> None:
    """Where standard error goes into the same pipe, an error is no defect either."""
    assert _without_reader(("no-such-command",), errors_too=True)[0] == 141


def test_a_pipe_of_a_server_is_a_server_s() -> None:
    """A connection that breaks while our output has its reader is said as one."""
    assert "a server cannot be reached" in str(unreachable(BrokenPipeError()))


def test_an_output_that_was_never_open_is_no_fault() -> None:
    """Where whoever starts the command has closed standard output, it does its work and says nothing there."""
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "method", "list"]
    done = subprocess.run(shell, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
