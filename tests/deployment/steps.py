"""What every part of `make deployment` uses: run a program, claim something, say what was done."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
DEPLOY = REPOSITORY / "deploy"


class DeploymentFault(Exception):
    """The deployment does not do what its files say."""


def say(text: str) -> None:
    """Print one line of progress."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def claim(what: str, holds: bool, shown: object = "") -> None:
    """Say that something holds, or end with it; `shown` is what was seen instead."""
    if not holds:
        raise DeploymentFault(f"{what}: {shown}" if shown != "" else what)
    say(f"  ok  {what}")


def run(
    command: Iterable[object], *, text: str | None = None, seconds: float = 900
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; its status is the caller's to judge."""
    words = [str(word) for word in command]
    return subprocess.run(
        words, input=text, capture_output=True, text=True, check=False, timeout=seconds
    )


def output(command: Iterable[object], *, text: str | None = None, seconds: float = 900) -> str:
    """Run a program that has to succeed, and give what it wrote to standard output."""
    words = list(command)
    done = run(words, text=text, seconds=seconds)
    if done.returncode != 0:
        shown = (done.stdout + done.stderr)[-2000:]
        raise DeploymentFault(f"{words[0]} ended with {done.returncode}: {shown}")
    return done.stdout
