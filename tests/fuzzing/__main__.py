"""Fuzz the readers of foreign bytes, one after the other, and say for how long each ran and what came of it."""

import argparse
import importlib.util
import math
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzzing.targets import TARGETS

FOLDER = Path("build") / "fuzzing"
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
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
            command, capture_output=True, text=True, errors="replace", check=False
        )
        cpu += _cpu() - used
        said = done.stdout + done.stderr
        (place / "log").write_text(said)
        match = _RUNS.search(said)
        inputs += int(match[1]) if match else 0
        fault = None if done.returncode == 0 else said[-4000:]
    return Run(name, time.monotonic() - begun, cpu, inputs, fault)


def _cpu() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def main(arguments: list[str] | None = None) -> int:
    """Give every named reader its minutes of the processor; exit status 1 if one had a fault, 2 without atheris."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of the processor, for each")
    parser.add_argument("names", nargs="*", choices=[[], *TARGETS], metavar="name")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print(_MISSING, file=sys.stderr)
        return 2
    runs = []
    for name in given.names or TARGETS:
        runs.append(run(name, max(1, round(given.minutes * 60))))
        print(runs[-1], flush=True)
    for failed in (one for one in runs if one.fault):
        print(f"\n{failed.name}:\n{failed.fault}", file=sys.stderr)
    return int(any(one.fault for one in runs))


if __name__ == "__main__":
    sys.exit(main())
