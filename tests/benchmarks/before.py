"""Measure this build beside a former one: in one run, by turns, on the same machine.

The former build is a commit, unpacked into a folder of its own and run by the same interpreter with the same packages.
Both do the same work in pairs, and the order changes from pair to pair; a figure is the median of the pairs' ratios,
this build's beside the former one's. CPU-seconds count where others share the machine: they are those of the measured
processes with their children, not of Kafka and Postgres. A ratio above 1 is better, but for seconds and memory.

    python -m tests.benchmarks before COMMIT [looks] [skew] [blackbox] [ledger] [replay] [report] [real] [shell] [start]

`make bench` compares with FORMER, of which GOALS says how many times better this build is to be; MOST and LEAST say
what its own figures may be.
TAKEDOWN_BENCH_PAIRS and TAKEDOWN_BENCH_YEAR_CASES say how many pairs, and how much of the article's year.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from services.runtime.embedded import EmbeddedPostgres
from tests.benchmarks import article_year, bench_ledger
from tests.benchmarks.bench_replay import MOST as MOST_OF_REPLAY
from tests.benchmarks.bench_replay import family, megabytes
from tests.benchmarks.figures import Figure, figure

ROOT = Path(__file__).parents[2]
PAIRS = int(os.environ.get("TAKEDOWN_BENCH_PAIRS", "3"))
YEAR_CASES = int(os.environ.get("TAKEDOWN_BENCH_YEAR_CASES", "10000"))
LEDGER_CASES = 2000
CUTOFFS = {
    "report in mid-year": "2024-07-01",
    "report after the year": "2025-06-01",
    "report as of now": "",
}
REAL_CUTOFFS = {
    "real cases": "2026-03-20",
    "real cases, earlier": "2026-02-20",
    "real cases as of now": "",
}
FORMER = "5aa4257"
# Those of reports are of the whole year, where the start of Python weighs little; `report` judges them by itself.
_OF_THE_YEAR = {
    "report in mid-year, per second": 5.0,
    "report after the year, per second": 5.0,
    "report as of now, per second": 2.0,
}
GOALS = (_OF_THE_YEAR if YEAR_CASES >= article_year.CASES else {}) | {
    "ledger, 20 looks a case, per second": 2.5,
    "ledger, looks spread out, per second": 2.5,
    "replay events, per second": 2.0,
}
# What a figure of this build itself may come to, whatever the build before took.
MOST = {
    **{f"{name}, MB": 500.0 for name in (*CUTOFFS, *REAL_CUTOFFS)},
    **{f"ledger, {load}, MB": 300.0 for load in ("20 looks a case", "looks spread out")},
    "replay memory, MB": 600.0,
    "takedown up, idle, MB": 450.0,
}
LEAST = {
    "real cases, per second": 1.0,
    "real cases as of now, per second": 1.0,
    "takedown --help, per second": 5.0,
    "takedown case id, per second": 5.0,
    "takedown up, ready, per second": 0.2,
}
WORST = 0.95
# What real servers say took requests more at each confirming look.
WORST_OF_SKEW = 0.9
_RUN = (
    "import importlib, json, sys; "
    "made = importlib.import_module('tests.benchmarks.bench_' + sys.argv[1]).run(); "
    "open(sys.argv[2], 'w').write(json.dumps(made))"
)
_WATCH_SECONDS = 0.05

Measured = Mapping[str, float]
Side = Callable[[], Measured]


@contextlib.contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """Unpack a commit."""
    with tempfile.TemporaryDirectory(prefix="bench-before-") as folder:
        packed = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
        yield Path(folder)


def pairs(before: Side, now: Side, count: int = PAIRS) -> list[tuple[Measured, Measured]]:
    """Measure by turns; the order changes from pair to pair."""
    measured = []
    for number in range(count):
        if number % 2:
            later = now()
            measured.append((before(), later))
        else:
            measured.append((before(), now()))
    return measured


def figures_of(root: Path, name: str, **environment: str) -> dict[str, float]:
    """Run a benchmark of one build; give its figures by name."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [sys.executable, "-c", _RUN, name, out.name]
        subprocess.run(
            command, cwd=root, check=True, timeout=3600, env=os.environ | environment, stderr=2
        )
        return {made["name"]: made["figure"] for made in json.loads(Path(out.name).read_text())}


# -- what is measured ------------------------------------------------------------------------------


def looks(root: Path) -> Measured:
    """Looks per CPU-second, beside a bare client's in the same process."""
    value = figures_of(root, "looks")["kept-alive looks, beside aiohttp HEAD"]
    return {"kept-alive looks, per CPU-second": value}


def skew(root: Path) -> Measured:
    """Looks per CPU-second on the article's skew, and the requests that one takes; a former build has no such file."""
    file = Path("tests", "benchmarks", "bench_skew.py")
    if root != ROOT:
        shutil.copy(ROOT / file, root / file)
    rate, requests = figures_of(root, "skew").values()
    return {"looks on the skew, per CPU-second": rate, "requests a look on the skew": requests}


def blackbox(root: Path) -> Measured:
    """Looks over new connections, kept alive and by TLS, by this build's benchmark in both."""
    if root != ROOT:
        for name in ("bench_blackbox.py", "websites.py", "apart.py", "one_request.py"):
            shutil.copy(ROOT / "tests" / "benchmarks" / name, root / "tests" / "benchmarks" / name)
    figures = figures_of(root, "blackbox")
    return {f"{name}, per CPU-second": rate for name, rate in figures.items() if "looks," in name}


def start(root: Path) -> Measured:
    """`takedown up` from nothing until all is ready, and what lies idle then."""
    # It stands on this module.
    from tests.benchmarks.bench_start import start as begin  # noqa: PLC0415

    made = begin(root)
    return {
        "takedown up, ready, per CPU-second": 1 / made.cpu,
        "takedown up, ready, per second": 1 / made.ready,
        "takedown up, idle, MB": made.memory,
    }


def ledgers(former: Path) -> list[tuple[Measured, Measured]]:
    """Looks from Kafka into Postgres, in both loads; both builds read the same records."""
    merged: list[tuple[dict[str, float], dict[str, float]]] = [({}, {}) for _ in range(PAIRS)]
    for load in bench_ledger.loads(LEDGER_CASES):
        measured = asyncio.run(bench_ledger.beside(former, load, PAIRS))
        for pair, figures in zip(merged, measured, strict=True):
            for side, one in zip(pair, figures, strict=True):
                side.update(_of_ledger(load.name, one))
    return merged


def _of_ledger(load: str, found: Measured) -> dict[str, float]:
    return {
        f"ledger, {load}, per CPU-second": found["per_cpu"],
        f"ledger, {load}, per second": found["rate"],
        f"ledger, {load}, MB": found["megabytes"],
        f"ledger, {load}, server's µs": found["server"],
        f"ledger, {load}, rows updated": found["updates"],
        f"ledger, {load}, bytes of log": found["log"],
        f"ledger, {load}, the bare loop, events/s": found["bound"],
        f"ledger, {load}, the most by a CPU-second": found["bound_per_cpu"],
    }


def replay(root: Path) -> Measured:
    """The year from Kafka into a shadow."""
    figures = figures_of(root, "replay", TAKEDOWN_BENCH_YEAR_CASES=str(YEAR_CASES))
    rate = figures["replay events"]
    seconds = next(value for name, value in figures.items() if name.startswith("replay of "))
    return {
        "replay events, per CPU-second": rate * seconds / figures["replay processes' own time"],
        "replay events, per second": rate,
        "replay memory, MB": figures["replay peak memory"],
        # A former build has no such figure: its own rate stands there, to compare with.
        "replay, the most of its steps, events/s": figures.get(MOST_OF_REPLAY, rate),
    }


def watched(
    command: Sequence[str], root: Path, environment: Mapping[str, str], *, memory: bool = False
) -> tuple[str, float, float, float]:
    """Run a command; give what it printed, and its seconds, CPU-seconds and peak memory in MB, children included.

    `memory` watches the sum of all its processes, which costs what it measures; else it is that of the largest.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=root,
        env=neutral() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("http://a.example/x\n" if command[3:] == ["case", "id"] else "")
    process.stdin.close()
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_SECONDS):
            peak[0] = max(peak[0], sum(megabytes(pid) for pid in family(process.pid)))

    watcher = threading.Thread(target=watch)
    if memory:
        watcher.start()
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    over.set()
    if status:
        raise RuntimeError(f"{command[2:]} failed with {status}")
    # The kernel's own figure begins with what this process had when it forked.
    most = peak[0] or used.ru_maxrss / 1024
    return text, seconds, used.ru_utime + used.ru_stime, most


def neutral() -> dict[str, str]:
    """Give the environment without settings, this benchmark's own among them: the program refuses unknown ones."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAKEDOWN_")}


class Reports:
    """The reports of one build on a database that it has filled itself; `cutoffs` by what they are called."""

    def __init__(self, root: Path, dsn: str, cases: str, cutoffs: Mapping[str, str]) -> None:
        self._root = root
        self._cutoffs = cutoffs
        method = "urlhaus-report-clock" if cases == "real" else "nl-24h"
        self._environment = {"TAKEDOWN_DATABASE_URL": dsn, "TAKEDOWN_METHODOLOGY": method}
        self.tables: dict[str, str] = {}
        source = (ROOT / "tests" / "benchmarks" / "fill_ledger.py").read_text()
        command = [sys.executable, "-c", source, dsn, cases]
        subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)

    def measure(self) -> Measured:
        """Print the table as of each cut-off, with a page of HTML."""
        measured: dict[str, float] = {}
        for name, date in self._cutoffs.items():
            measured |= self._one(name, *(["--cutoff", f"{date}T00:00:00Z"] if date else []))
        return measured

    def _one(self, name: str, *options: str) -> Measured:
        with tempfile.NamedTemporaryFile(suffix=".html") as page:
            command = [sys.executable, "-m", "services.cli", "report", "--html", page.name]
            self.tables[name], seconds, cpu, most = watched(
                [*command, *options],
                self._root,
                self._environment,
                memory=True,
            )
        return {
            f"{name}, per CPU-second": 1 / cpu,
            f"{name}, per second": 1 / seconds,
            f"{name}, MB": most,
        }


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[tuple[str, str]]:
    """Hold two empty databases of one server."""
    server = EmbeddedPostgres(folder, durable=False)
    asyncio.run(server.start())
    try:
        asyncio.run(_create(server.dsn, "former"))
        yield urlsplit(server.dsn)._replace(path="/former").geturl(), server.dsn
    finally:
        asyncio.run(server.stop())


async def _create(dsn: str, name: str) -> None:
    import asyncpg  # noqa: PLC0415

    session = await asyncpg.connect(dsn)
    await session.execute(f"CREATE DATABASE {name}")
    await session.close()


def reports(
    former: Path, cases: str, cutoffs: Mapping[str, str]
) -> list[tuple[Measured, Measured]]:
    """Measure reports of both builds; what a former build says otherwise is said."""
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as (theirs, ours):
        before = Reports(former, theirs, cases, cutoffs)
        now = Reports(ROOT, ours, cases, cutoffs)
        measured = pairs(before.measure, now.measure)
        for name, date in cutoffs.items():
            # As of now is another instant in each.
            if date and before.tables[name] != now.tables[name]:
                print(f"{name}: the builds print different tables")
        return measured


def shell(root: Path) -> Measured:
    """The commands that everybody waits for at the prompt."""
    found: dict[str, float] = {}
    for name, arguments in {"--help": ["--help"], "case id": ["case", "id"]}.items():
        command = [sys.executable, "-m", "services.cli", *arguments]
        with tempfile.TemporaryDirectory() as folder:
            environment = {"TAKEDOWN_DATA_DIR": folder}
            watched([*command[:3], "keys", "new"], root, environment)
            tries = [watched(command, root, environment) for _ in range(7)]
        found[f"takedown {name}, per CPU-second"] = 1 / statistics.median(t[2] for t in tries)
        found[f"takedown {name}, per second"] = 1 / statistics.median(t[1] for t in tries)
    return found


PARTS: dict[str, Callable[[Path], Measured]] = {
    "looks": looks,
    "skew": skew,
    "blackbox": blackbox,
    "replay": replay,
    "start": start,
}


def measure(part: str, former: Path) -> list[tuple[Measured, Measured]]:
    """Measure one part of both builds, pair by pair."""
    if part == "report":
        return reports(former, str(YEAR_CASES), CUTOFFS)
    if part == "ledger":
        return ledgers(former)
    if part == "real":
        return reports(former, "real", REAL_CUTOFFS)
    work = PARTS.get(part, shell)
    return pairs(lambda: work(former), lambda: work(ROOT))


def judged(
    measured: Sequence[tuple[Measured, Measured]],
    goals: Mapping[str, float] = MappingProxyType({}),
    *,
    bounded: bool = False,
) -> list[Figure]:
    """Give the medians of this build beside those of the former one, and the median of the ratios.

    `bounded`: beside what this build's own figures may come to.
    """
    figures = []
    for name in measured[0][0]:
        ratios = [now[name] / before[name] for before, now in measured]
        value = statistics.median(now[name] for _, now in measured)
        baseline = statistics.median(before[name] for before, _ in measured)
        figures.append(
            figure(
                name,
                value,
                "",
                baseline=baseline,
                at_least=LEAST.get(name) if bounded else None,
                at_most=MOST.get(name) if bounded else None,
            )
        )
        counted = name.endswith("per CPU-second")
        least = WORST_OF_SKEW if "skew" in name else WORST
        figures.append(
            figure(
                f"{name}: ratio",
                statistics.median(ratios),
                "times",
                at_least=goals.get(name, least if counted else None),
            )
        )
    return figures


def compare(commit: str, parts: Sequence[str]) -> Iterator[Figure]:
    """Measure the parts, or all, of this build and a former one; give the figures of each part once it is over."""
    with tree_of(commit) as former:
        for part in parts or (*PARTS, "ledger", "report", "real", "shell"):
            apart = commit == FORMER
            goals = GOALS if apart else {}
            yield from judged(measure(part, former), goals, bounded=apart)
