"""`make faults`: play the schedule of a seed, and print what came of it.

    python -m tests.faults                                      what the variables say
    python -m tests.faults soak --minutes 60 --rate 200         a steady load: memory and descriptors stay as they are
    python -m tests.faults overload --minutes 10 --factor 10    more than can be done, then recovery

    TAKEDOWN_FAULTS_SEED   the seed, or several with commas between them (default 1)
    TAKEDOWN_FAULTS        the number of faults of each seed (default 200)
    TAKEDOWN_FAULTS_FOLDER where the data are left of a seed that fails (default: below /tmp)

Three of five faults meet a monitor that has started its servers itself, the others one on servers elsewhere.
"""

import argparse
import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.arrangements import Own, small_disk, wired
from tests.faults.clocks import forget_clocks, movable_clock
from tests.faults.judgement import Lost
from tests.faults.monitor import GaveUp
from tests.faults.overload import Overload, overload
from tests.faults.run import Recovery, Run, fault_run
from tests.faults.schedule import OWN, WIRED, first_kills, schedule
from tests.faults.soak import soak


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


async def own(seed: int, count: int, folder: Path) -> Run:
    """Play faults of a monitor with servers of its own, on a small disk if one can be mounted."""
    (folder / "data").mkdir(parents=True)
    async with small_disk(folder / "data") as mounted:
        faults = schedule(seed, count, OWN)
        firsts = first_kills(seed, min(5, count // 10))
        clock = movable_clock(folder)
        return await fault_run(
            folder, Own(clock), seed, faults, say, small_disk=mounted, firsts=firsts, clock=clock
        )


async def elsewhere(seed: int, count: int, folder: Path) -> Run:
    """Play faults of a monitor on servers elsewhere."""
    (folder / "data").mkdir(parents=True)
    async with wired(folder) as arrangement:
        return await fault_run(folder, arrangement, seed, schedule(seed, count, WIRED), say)


def recoveries(runs: list[Run]) -> None:
    """Print for each kind of fault how long recovery took at most."""
    took: dict[str, list[Recovery]] = defaultdict(list)
    for run in runs:
        for kind, times in run.took.items():
            took[kind] += times
        for kind, reason in run.left_out.items():
            say(f"not done: {kind}: {reason}")
    say(f"{'fault':<28}{'times':>6}{'ready':>9}{'all works':>11}   (seconds at most)")
    for kind, times in sorted(took.items()):
        starts = [ready for ready, _ in times if ready is not None]
        ready = f"{max(starts):.1f}" if starts else "-"
        say(f"{kind:<28}{len(times):>6}{ready:>9}{max(works for _, works in times):>11.1f}")


def late_starts(runs: list[Run]) -> None:
    """Print how many of the starts that were measured took more than 20 s, and how busy the machine was then."""
    starts = [ready for run in runs for times in run.took.values() for ready, _ in times if ready]
    late = [f"{ready:.0f} s at load {load:.0f}" for run in runs for ready, load in run.late_starts]
    say(f"ready within 20 s: {len(starts) - len(late)} of {len(starts)} starts {', '.join(late)}")


def by_step(runs: list[Run]) -> None:
    """Print at how many steps a process was struck, and which steps nobody passed."""
    struck = sum((run.steps.struck for run in runs), Counter[str]())
    unreached = sum((run.steps.unreached for run in runs), Counter[str]())
    say(f"struck at a step: {struck.total()} times at {len(struck)} steps")
    for name, times in sorted(unreached.items()):
        say(f"nobody passed in time: {name} ({times} of {times + struck[name]})")


async def play(seed: int, count: int, folder: Path) -> None:
    """Play one seed."""
    begun = time.monotonic()
    part = count * 3 // 5
    runs = [await own(seed, part, folder / "own")]
    if count > part:
        runs.append(await elsewhere(seed, count - part, folder / "elsewhere"))
    recoveries(runs)
    late_starts(runs)
    by_step(runs)
    say(f"seed {seed}: {count} faults in {time.monotonic() - begun:.0f} s, every promise held")


def main() -> int:
    """Do what the command line says; give the exit status."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    verbs = parser.add_subparsers(dest="verb")
    soaking = verbs.add_parser("soak", help="a steady load")
    soaking.add_argument("--minutes", type=float, default=60.0)
    soaking.add_argument("--rate", type=float, default=200.0, help="events a second")
    loading = verbs.add_parser("overload", help="more than can be done")
    loading.add_argument("--minutes", type=float, default=10.0)
    loading.add_argument("--rate", type=float, default=278.0, help="the sustained events a second")
    loading.add_argument("--factor", type=float, default=10.0)
    loading.add_argument("--looks", type=float, default=6.0, help="looks a second that are allowed")
    options = parser.parse_args()
    if options.verb == "overload":
        what = Overload(options.minutes, options.rate, options.factor, options.looks)
        return attempt(lambda folder: overload(folder, 1, what, say), "overload")
    if options.verb == "soak":
        return attempt(lambda folder: soak(folder, 1, options.minutes, options.rate, say), "soak")
    return every_seed()


def every_seed() -> int:
    """Play every seed; give the exit status."""
    seeds = [int(text) for text in os.environ.get("TAKEDOWN_FAULTS_SEED", "1").split(",")]
    count = int(os.environ.get("TAKEDOWN_FAULTS", "200"))
    for seed in seeds:
        if attempt(partial(play, seed, count), f"seed-{seed}"):
            return 1
    return 0


def attempt(work: Callable[[Path], Coroutine[Any, Any, None]], name: str) -> int:
    """Work in a folder, which stays where a promise did not hold; give the exit status."""
    root = os.environ.get("TAKEDOWN_FAULTS_FOLDER")
    folder = Path(tempfile.mkdtemp(prefix=f"takedown-faults-{name}-", dir=root))
    try:
        asyncio.run(work(folder))
    except (Lost, GaveUp) as error:
        say(f"{name}: {error}\nthe data are left in {folder}")
        return 1
    finally:
        forget_clocks()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
