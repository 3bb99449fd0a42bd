"""Programs that begin at the same moment, and what two cores make of the plainest of them.

A program takes one line of JSON, prints a line when it is prepared, begins at the next line of its input, and prints
what it measured as JSON.

    python -m tests.benchmarks.side_by_side
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_SECONDS = 3.0
_ROUNDS = 100_000


def together(module: str, given: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Run a module once for each input, all at the same time; give what each measured."""
    command = [sys.executable, "-m", module]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in given
    ]
    try:
        for program, one in zip(running, given, strict=True):
            _say(program, json.dumps(one))
        for program in running:
            _hear(program)
        for program in running:
            _say(program, "")
        return [json.loads(_hear(program)) for program in running]
    finally:
        for program in running:
            program.communicate(timeout=60)


def _say(program: "subprocess.Popen[str]", text: str) -> None:
    if program.stdin is not None:
        program.stdin.write(text + "\n")
        program.stdin.flush()


def _hear(program: "subprocess.Popen[str]") -> str:
    line = program.stdout.readline() if program.stdout is not None else ""
    if not line:
        raise RuntimeError("a program of the benchmark ended before its time")
    return line


def plain_loops(count: int) -> tuple[float, float]:
    """Run so many CPU loops; give their rounds a second, and the µs of CPU of a round."""
    made = together("tests.benchmarks.side_by_side", [{}] * count)
    rounds = sum(one["rounds"] for one in made)
    return sum(one["rate"] for one in made), 1e6 * sum(one["cpu"] for one in made) / rounds


def _loop() -> dict[str, float]:
    begun, cpu, rounds = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < _SECONDS:
        total = 0
        for number in range(_ROUNDS):
            total += number * number
        rounds += _ROUNDS
    seconds = time.perf_counter() - begun
    return {"rounds": rounds, "rate": rounds / seconds, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    sys.stdin.readline()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(_loop()))
