"""`make faults`: play the schedule of a seed, and print what came of it.

    TAKEDOWN_FAULTS_SEED   the seed, or several with commas between them (default 1)
    TAKEDOWN_FAULTS        the number of faults of each seed (default 200)
    TAKEDOWN_FAULTS_FOLDER where the data are left of a seed that fails (default: below /tmp)

Three of five faults meet a monitor that has started its servers itself, the others one on servers elsewhere.
"""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.faults.arrangements import Own, movable_clock, small_disk, wired
from tests.faults.judgement import Lost
from tests.faults.monitor import GaveUp
from tests.faults.run import Recovery, Run, fault_run
from tests.faults.schedule import OWN, WIRED, first_kills, schedule


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


async def play(seed: int, count: int, folder: Path) -> None:
    """Play one seed."""
    begun = time.monotonic()
    part = count * 3 // 5
    runs = [await own(seed, part, folder / "own")]
    if count > part:
        runs.append(await elsewhere(seed, count - part, folder / "elsewhere"))
    recoveries(runs)
    say(f"seed {seed}: {count} faults in {time.monotonic() - begun:.0f} s, every promise held")


def main() -> int:
    """Play every seed; give the exit status."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    seeds = [int(text) for text in os.environ.get("TAKEDOWN_FAULTS_SEED", "1").split(",")]
    count = int(os.environ.get("TAKEDOWN_FAULTS", "200"))
    root = os.environ.get("TAKEDOWN_FAULTS_FOLDER")
    for seed in seeds:
        folder = Path(root or tempfile.mkdtemp(prefix="takedown-faults-")) / f"seed-{seed}"
        try:
            asyncio.run(play(seed, count, folder))
        except (Lost, GaveUp) as error:
            say(f"seed {seed} with {count} faults: {error}\nthe data are left in {folder}")
            return 1
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
