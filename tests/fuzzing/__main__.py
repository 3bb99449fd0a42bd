"""Fuzz the readers of foreign bytes, one after the other, and say for how long each ran and what came of it."""

import argparse
import importlib.util
import math
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.runtime.embedded import PostgresMissing
from services.runtime.embedded.postgres import installed
from tests.fuzzing.targets import TARGETS
from tests.fuzzing.with_postgres import WITH_POSTGRES, postgres

_NAMES = (*TARGETS, *WITH_POSTGRES)
FOLDER = Path("build") / "fuzzing"
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_EXCEPTION = "=== Uncaught Python exception"
_MISSING = (
    "atheris is missing: there is no wheel of it for this Python or machine; x86-64 Linux has one"
)


@dataclass(frozen=True)
class Run:
    """One reader's run: its length and the processor's time in seconds, its inputs, the fault's own words if any."""

    name: str
    seconds: float
    cpu: float
    inputs: int
    fault: str | None

    def __str__(self) -> str:
        end = "no fault" if self.fault is None else f"FAULT, see {FOLDER / self.name}"
        return f"{self.name:12} {self.seconds:7.0f} s {self.cpu:7.0f} cpu-s {self.inputs:11,} inputs  {end}"


def run(name: str, seconds: int, folder: Path = FOLDER) -> Run:
    """Fuzz one reader until it has had so many seconds of the processor, or to its first fault.

    A server that it needs is started before and stopped after it, and has its time beside.
    """
    if name not in WITH_POSTGRES:
        return _run(name, seconds, folder, {})
    with postgres() as environment:
        return _run(name, seconds, folder, environment)


def _run(name: str, seconds: int, folder: Path, environment: Mapping[str, str]) -> Run:
    """Run the engine again and again.

    libFuzzer ends by the clock, which beside other work gives a reader less: it is begun again for what is left.
    """
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    begun, cpu, inputs = time.monotonic(), 0.0, 0
    fault = None
    while fault is None and (left := math.ceil(seconds - cpu)) > 0:
        used = _cpu()
        command = [sys.executable, "-m", "tests.fuzzing.engine", name, str(left), str(place)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=os.environ | environment,
        )
        cpu += _cpu() - used
        said = done.stdout + done.stderr
        (place / "log").write_text(said)
        match = _RUNS.search(said)
        inputs += int(match[1]) if match else 0
        fault = None if done.returncode == 0 else _words(said)
    return Run(name, time.monotonic() - begun, cpu, inputs, fault)


def _words(said: str) -> str:
    """Take what says most of a fault: the exception where there is one, which stands before the engine's own lines."""
    at = said.find(_EXCEPTION)
    return said[at:][:4000] if at >= 0 else said[-4000:]


def _cpu() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def main(arguments: list[str] | None = None) -> int:
    """Give every named reader its minutes of the processor; status 1 if one had a fault, 2 if a tool is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of the processor, for each")
    parser.add_argument("names", nargs="*", choices=[[], *_NAMES], metavar="name")
    given = parser.parse_args(arguments)
    names = given.names or _NAMES
    if missing := _missing(names):
        print(missing, file=sys.stderr)
        return 2
    runs = []
    for name in names:
        runs.append(run(name, max(1, round(given.minutes * 60))))
        print(runs[-1], flush=True)
    for failed in (one for one in runs if one.fault):
        print(f"\n{failed.name}:\n{failed.fault}", file=sys.stderr)
    return int(any(one.fault for one in runs))


def _missing(names: Sequence[str]) -> str | None:
    """Say what these readers need and this machine lacks."""
    if importlib.util.find_spec("atheris") is None:
        return _MISSING
    if WITH_POSTGRES.keys() & set(names):
        try:
            installed()
        except PostgresMissing as error:
            return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
