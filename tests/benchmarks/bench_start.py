"""What everybody waits for, and what lies idle: commands at the prompt, `takedown up` from nothing, its memory.

Wall time is that of this machine now; CPU beside it, because a busy machine lengthens the one and not the other.
Commands by turns with a bare interpreter, the median of seven; `up` on a new data directory, thrice, with a cache that
is filled (`make servers`). Memory is the kernel's PSS of all processes together, ten seconds after all were ready, so
that a shared page counts once.

    python -m tests.benchmarks.bench_start
"""

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from services.runtime.embedded.server_process import free_port
from tests.benchmarks.before import ROOT, neutral, watched
from tests.benchmarks.bench_pair import cpu_seconds
from tests.benchmarks.bench_replay import family
from tests.benchmarks.figures import Figure, figure

TRIES, STARTS = 7, 3
COMMAND_SECONDS, COMMAND_MB = 0.2, 36
READY_SECONDS, IDLE_MB = 5.0, 450
_IDLE_SECONDS = 10.0
_TOLD = """
import sys
from services.cli import main
status = main(sys.argv[1:])
sys.stderr.write(open("/proc/self/status").read())
sys.exit(status)
"""
_TAKEDOWN = (sys.executable, "-m", "services.cli")


class Start(Struct):
    """One start: seconds until all was ready, CPU-seconds until then, and MB of all its processes when idle."""

    ready: float
    cpu: float
    memory: float


def command(name: str, arguments: Sequence[str]) -> list[Figure]:
    """Measure a command beside an interpreter that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"TAKEDOWN_DATA_DIR": folder}
        watched([*_TAKEDOWN, "keys", "new"], ROOT, environment)
        bare, tries = [], []
        for _ in range(TRIES):
            bare.append(watched([sys.executable, "-c", "pass"], ROOT, environment))
            tries.append(watched([*_TAKEDOWN, *arguments], ROOT, environment))
        memory = peak(arguments, environment)
    wall, cpu = (statistics.median(one[n] for one in tries) for n in (1, 2))
    nothing, no_work = (statistics.median(one[n] for one in bare) for n in (1, 2))
    return [
        figure(f"takedown {name}, wall", wall, "s", baseline=nothing, at_most=COMMAND_SECONDS),
        figure(f"takedown {name}, CPU", cpu, "s", baseline=no_work),
        figure(f"takedown {name}, memory", memory, "MB RSS", at_most=COMMAND_MB),
    ]


def peak(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """Have a command tell its own high-water mark: that of `getrusage` begins with its parent's, before exec."""
    done = subprocess.run(
        [sys.executable, "-c", _TOLD, *arguments],
        cwd=ROOT,
        env=neutral() | environment,
        input="http://a.example/x\n",
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stderr.split("VmHWM:")[1].split()[0]) / 1024


def start(root: Path = ROOT) -> Start:
    """Start everything of a build on a new data directory, wait until it is ready and then idle, and stop it."""
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        own = {
            "TAKEDOWN_DATA_DIR": str(Path(folder) / "data"),
            "TAKEDOWN_HTTP_PORT": str(free_port()),
        }
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*_TAKEDOWN, "up", "--offline"],
            cwd=root,
            env=neutral() | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            if not any(line.startswith("ready") for line in process.stdout):
                raise RuntimeError("`takedown up` did not get ready")
            ready, cpu = time.perf_counter() - begun, cpu_seconds(list(family(process.pid)))
            time.sleep(_IDLE_SECONDS)
            return Start(ready, cpu, sum(map(megabytes, family(process.pid))))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def megabytes(pid: int) -> float:
    """Read the share of a process in the memory that it uses (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel tells no PSS")


def run() -> list[Figure]:
    """Measure commands, then starts."""
    commands = command("--help", ["--help"]) + command("case id", ["case", "id"])
    starts = [start() for _ in range(STARTS)]
    ready, cpu, memory = (
        statistics.median(getattr(one, name) for one in starts)
        for name in ("ready", "cpu", "memory")
    )
    return [
        *commands,
        figure("takedown up, from nothing to ready", ready, "s", at_most=READY_SECONDS),
        figure("takedown up, CPU until ready", cpu, "s"),
        figure("takedown up, idle, all processes", memory, "MB PSS", at_most=IDLE_MB),
    ]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
