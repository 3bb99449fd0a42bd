"""Run every benchmark, each in a process of its own, print the figures and write build/bench.json.

python -m tests.benchmarks [NAME ...]
python -m tests.benchmarks before COMMIT [PART ...]

Without a name the build of before stands beside this one at the end; TAKEDOWN_BENCH_BEFORE names its commit, or is
empty for none.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.before import FORMER, compare
from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
# Those with ratios of short rounds first and `scale` last: right after its ten minutes all was slower, twice of twice.
NAMES = (
    "blackbox",
    "looks",
    "skew",
    "fold",
    "schedule",
    "dns",
    "attribution",
    "notices",
    "statements",
    "ledger",
    "report",
    "replay",
    "size",
    "pair",
    "start",
    "exporter",
    "scale",
)
_RUN = (
    "import importlib, json, sys; "
    "made = importlib.import_module('tests.benchmarks.bench_' + sys.argv[1]).run(); "
    "open(sys.argv[2], 'w').write(json.dumps(made))"
)


def measure(name: str) -> list[Figure]:
    """Run one benchmark in a fresh process, so that none warms or fattens another.

    What the one before wrote is on the disk by then.
    """
    os.sync()
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [sys.executable, "-c", _RUN, name, out.name]
        subprocess.run(command, cwd=ROOT, check=True, timeout=3600)
        made: list[Figure] = json.loads(Path(out.name).read_text())
    return made


def line(made: Figure) -> str:
    """Write a figure for people."""
    text = f"{made['name']:<44} {made['figure']:>12,.4g} {made['unit']:<18}"
    if made["baseline"] is not None:
        text += f" baseline {made['baseline']:,.4g}"
    if made["target"] is not None:
        text += f" target {made['target']:,.4g} {'met' if made['met'] else 'NOT MET'}"
    return text.rstrip()


def main(names: list[str]) -> int:
    """Measure the named benchmarks, or all; what was measured is written even where one fails."""
    if names[:1] == ["before"] and names[1:]:
        return beside(names[1], names[2:])
    if unknown := [name for name in names if name not in NAMES]:
        # The usage, where that was asked for.
        print(f"{__doc__}\nNAME is one of {', '.join(NAMES)}.", file=sys.stderr)
        return 0 if unknown[0] in ("-h", "--help") else 2
    # How it was built moves every figure: one without profiles, as pyenv makes it, is slower (docs/measurements.md).
    print(f"Python {platform.python_version()}, {platform.python_compiler()}", flush=True)
    figures: list[Figure] = []
    failed: list[str] = []
    for name in names or NAMES:
        try:
            measured = measure(name)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"{name}: NOT MEASURED ({type(error).__name__})", flush=True)
            failed.append(name)
            continue
        figures += measured
        for made in measured:
            print(line(made), flush=True)
        write(figures)
    print(f"written: build/bench.json ({len(figures)} figures)")
    former = os.environ.get("TAKEDOWN_BENCH_BEFORE", FORMER)
    if former and not names:
        print(f"beside {former}:")
        return beside(former, []) or bool(failed)
    return 1 if failed else 0


def beside(commit: str, parts: list[str]) -> int:
    """Print this build's figures beside those of a commit; a clone without it has nothing to compare with."""
    if subprocess.run(["git", "cat-file", "-e", commit], cwd=ROOT, check=False).returncode:
        print(f"{commit}: NOT MEASURED (not in this clone)")
        return 1
    for made in compare(commit, parts):
        print(line(made), flush=True)
    return 0


def write(figures: list[Figure]) -> None:
    """Write what was measured so far."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
