"""A million open cases in one prober's process: memory, first look after a start, lateness, and where it breaks.

`python -m tests.benchmarks.bench_scale --seconds 600` holds the design load for ten minutes, as the target says;
`make bench` holds it for one. The table of lateness by rate is printed and written to build/bench_scale.md.
"""

import argparse
import asyncio
import base64
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.prober.progress import read_progress
from schemas.codec import decode, payload
from schemas.events import LookMade, LookMissed, WatchEntry
from schemas.topics import DEFAULT_PARTITIONS, OBSERVATIONS, WATCHLIST
from services.probing.limits.daily_cap import DailyCap
from services.probing.schedule.works import Progress
from services.runtime.keyfile import new_keys
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.scale_world import ROOT, Role, World, commit_progress, entry, world

CASES = 1_000_000
RATE = 278.0
STEPS = (556.0, 1111.0, 1667.0, 2222.0, 2778.0, 3333.0, 4444.0)
# A simulated prober has no cap on looks at one URL, a public one has: its counters are added to what is measured.
CAP_MB = DailyCap(200).size / 2**20
_BEHIND = 10.0
_SAMPLE = 10_000
TABLE = ROOT / "build" / "bench_scale.md"


class Measured(NamedTuple):
    """One run of the prober at one rate; seconds, MB (2**20), cores.

    `made` counts the looks that began in the window, `missed` its ticks that none was made for; `behind` is how far
    the watermark trailed its end when the prober was stopped: what lies between was neither made nor missed yet.
    `idle` is what the machine had to spare.
    """

    processes: int
    rate: float
    seconds: float
    loaded: float
    load_cpu: float
    caught_up: float
    first_look: float
    memory: float
    anonymous: float
    peak: float
    cpu: float
    idle: float
    made: int
    missed: int
    behind: float
    p50: float
    p99: float
    worst: float
    tenths: list[float]

    @property
    def holds(self) -> bool:
        """Tell whether every look was made and none waits."""
        return self.missed == 0 and self.behind <= _BEHIND


class Empty(NamedTuple):
    """A prober's memory without a case, in MB, and the part of it that no file of a library backs."""

    memory: float
    anonymous: float


def run(
    seconds: float = 60.0,
    cases: int = CASES,
    steps: Sequence[float] = STEPS,
    step_seconds: float = 20.0,
) -> list[Figure]:
    """Measure, write the table, give the figures."""
    folder = Path(tempfile.mkdtemp(prefix="takedown-scale-"))
    try:
        empty, measured = asyncio.run(measure(folder, seconds, cases, steps, step_seconds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = table(measured, cases)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(text)
    print(text, file=sys.stderr)
    return figures(measured) + bound(empty, measured[0], cases)


async def measure(
    folder: Path, seconds: float, cases: int, steps: Sequence[float], step_seconds: float
) -> tuple[Empty, list[Measured]]:
    """Run the design load, then one rate after another until looks that are owed are not made.

    First comes what a prober holds that read the same list and watches none of its cases.
    """
    async with world(folder, cases) as made:
        empty = await without_cases(made)
        found = [await at_rate(made, RATE, seconds)]
        for rate in steps:
            found.append(await at_rate(made, rate, step_seconds))
            if not found[-1].holds:
                break
        if len(found) > 1:
            found.append(await at_rate(made, found[-1].rate, step_seconds, processes=2))
        return empty, found


async def without_cases(made: World) -> Empty:
    """Start a second vantage, which no entry of the list asks for: what its memory holds is the process."""
    role = Role(made, "bench-second", RATE, watches="second")
    await commit_progress(made, "bench-second")
    role.start()
    try:
        await role.at_work()
        return Empty(role.memory(), role.memory("RssAnon"))
    finally:
        await role.stop()


async def at_rate(made: World, rate: float, seconds: float, processes: int = 1) -> Measured:
    """Start the prober as after a restart, let it catch up, and watch it for so many seconds."""
    vantage = f"bench-{rate:g}-{processes}"
    await commit_progress(made, vantage)
    since = await ends(made)
    roles = [Role(made, vantage, rate, f"prober-{n}") for n in range(1, processes + 1)]
    for role in roles:
        role.start()
    try:
        loaded = max([await role.at_work() for role in roles])
        load_cpu = sum(role.cpu_seconds() for role in roles)
        caught_up = max([await role.caught_up() for role in roles])
        used, idled = sum(role.cpu_seconds() for role in roles), idle_seconds()
        begun = datetime.now(UTC)
        await asyncio.sleep(seconds)
        ended, idled = datetime.now(UTC), idle_seconds() - idled
        used = sum(role.cpu_seconds() for role in roles) - used
        memory, anonymous, peak = (
            max(role.memory(what) for role in roles) for what in ("VmRSS", "RssAnon", "VmHWM")
        )
    finally:
        for role in roles:
            await role.stop()
    looks, missed = await observed(made, since)
    if not looks:
        raise RuntimeError(f"no look was made; {len(missed)} were missed, see the prober's log")
    watermark = min(done.watermark for done in (await stored(made, vantage)))
    window, took = (begun, ended), (ended - begun).total_seconds()
    late = lateness(looks, window)
    return Measured(
        processes=processes,
        rate=rate,
        seconds=took,
        loaded=loaded,
        load_cpu=load_cpu,
        caught_up=caught_up,
        first_look=min(look.started_at for look in looks).timestamp() - roles[0].begun,
        memory=memory,
        anonymous=anonymous,
        peak=peak,
        cpu=used / took,
        idle=idled / took,
        made=len(late),
        missed=sum(window[0] <= miss.tick < window[1] for miss in missed),
        behind=max((ended - watermark).total_seconds(), 0.0),
        p50=quantile(late, 0.5),
        p99=quantile(late, 0.99),
        worst=quantile(late, 1.0),
        tenths=tenths(looks, window),
    )


def tenths(looks: Sequence[LookMade], window: tuple[datetime, datetime]) -> list[float]:
    """Give the p99 of each tenth of a window: one bad minute must be told from many."""
    step = (window[1] - window[0]) / 10
    parts = [(window[0] + n * step, window[0] + (n + 1) * step) for n in range(10)]
    return [quantile(lateness(looks, part), 0.99) for part in parts]


async def stored(made: World, vantage: str) -> list[Progress]:
    """Read the progress that the prober left."""
    found = await read_progress(
        made.kafka, f"takedown-prober.{vantage}", WATCHLIST.name, range(DEFAULT_PARTITIONS)
    )
    return [progress for progress in found.values() if progress is not None]


def lateness(looks: Sequence[LookMade], window: tuple[datetime, datetime]) -> list[float]:
    """Give how late each look began that began in a window, sorted."""
    made = (look for look in looks if window[0] <= look.started_at < window[1])
    return sorted(max((look.started_at - look.tick).total_seconds(), 0.0) for look in made)


def idle_seconds() -> float:
    """Give the processor time that nobody has used since the machine started."""
    fields = Path("/proc/stat").read_text("ascii").split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def quantile(late: Sequence[float], share: float) -> float:
    """Take a quantile of sorted figures; infinity where no look was made."""
    return late[min(int(share * len(late)), len(late) - 1)] if late else float("inf")


async def ends(made: World) -> dict[TopicPartition, int]:
    """Say where the observations end now."""
    tps = [TopicPartition(OBSERVATIONS.name, number) for number in range(DEFAULT_PARTITIONS)]
    consumer = AIOKafkaConsumer(**made.kafka.consumer_options())
    await consumer.start()
    try:
        return dict(await consumer.end_offsets(tps))
    finally:
        await consumer.stop()


async def observed(
    made: World, since: dict[TopicPartition, int]
) -> tuple[list[LookMade], list[LookMissed]]:
    """Read what was observed since, when all is over, so that the reading slows nothing down."""
    until = await ends(made)
    looks: list[LookMade] = []
    missed: list[LookMissed] = []
    consumer = AIOKafkaConsumer(**made.kafka.consumer_options(), auto_offset_reset="none")
    await consumer.start()
    try:
        consumer.assign(list(since))
        for tp, offset in since.items():
            consumer.seek(tp, offset)
        while any([await consumer.position(tp) < until[tp] for tp in since]):
            for records in (await consumer.getmany(timeout_ms=500, max_records=5000)).values():
                for record in records:
                    data = decode(record.value, record.headers, OBSERVATIONS).data
                    (looks if isinstance(data, LookMade) else missed).append(data)  # type: ignore[arg-type]
    finally:
        await consumer.stop()
    return looks, missed


def table(measured: Sequence[Measured], cases: int) -> str:
    """Write the runs for people."""
    lines = [
        f"{cases:,} open cases; {os.cpu_count()} cores shared by the prober, the sites and Kafka;"
        f" load average at the end {os.getloadavg()[0]:.1f}."
        f" The {CAP_MB:.0f} MB of the daily cap of a public prober are in no row.",
        "",
        "| processes | looks/s wanted | made | missed | watermark behind | p50 late | p99 late "
        "| worst"
        " | CPU (idle), cores | RSS (peak), MB | first look | all read (CPU) | caught up |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {m.processes} | {m.rate:,.0f} | {m.made / m.seconds:,.0f} | {m.missed:,} | {m.behind:.1f} s | {m.p50:.2f} s"
        f" | {m.p99:.2f} s | {m.worst:.2f} s | {m.cpu:.2f} ({m.idle:.2f}) | {m.memory:.0f} ({m.peak:.0f})"
        f" | {m.first_look:.1f} s | {m.loaded:.1f} s ({m.load_cpu:.1f} s) | {m.caught_up:.1f} s |"
        for m in measured
    ]
    lines += ["", "p99 lateness by tenths of the window, in seconds:", ""]
    lines += [
        f"- {m.processes} x {m.rate:,.0f}: {', '.join(f'{late:.2f}' for late in m.tenths)}"
        for m in measured
    ]
    return "\n".join(lines) + "\n"


def figures(measured: Sequence[Measured]) -> list[Figure]:
    """Name the figures of the target, and the last rate that held."""
    base = measured[0]
    held = max((m.rate for m in measured if m.holds and m.p99 <= 5 and m.processes == 1), default=0)
    minutes = f"{base.seconds / 60:.0f} min"
    return [
        figure(
            "prober memory, 1M cases, daily cap included", base.memory + CAP_MB, "MB", at_most=200
        ),
        figure("prober memory, 1M cases", base.memory, "MB", at_most=150),
        figure("prober memory at its peak, 1M cases", base.peak + CAP_MB, "MB", at_most=200),
        figure(
            "prober memory at its peak, at any rate",
            max(m.peak for m in measured) + CAP_MB,
            "MB",
            at_most=200,
        ),
        figure("first look after a start, 1M cases", base.first_look, "s", at_most=15),
        figure("1M cases read and planned", base.loaded, "s"),
        figure("1M cases read and planned, CPU", base.load_cpu, "CPU-s"),
        figure("caught up with after a start, 1M cases", base.caught_up, "s"),
        figure(f"p50 lateness, 278 looks/s, {minutes}", base.p50, "s"),
        figure(f"p99 lateness, 278 looks/s, {minutes}", base.p99, "s", at_most=5),
        figure("looks missed at 278 looks/s", base.missed, "looks", at_most=0),
        figure("CPU at 278 looks/s", base.cpu, "cores"),
        figure("highest rate with p99 <= 5 s", held, "1/s", at_least=RATE),
    ]


def bound(empty: Empty, base: Measured, cases: int) -> list[Figure]:
    """Say what bounds the memory: the process, and ids and sealed URLs, which to whoever has no key are noise.

    Times, wheel, index and shape of a case would have to do with what these leave of the target.
    """
    each, packed = noise(_SAMPLE)
    unit = cases / 2**20
    return [
        figure("prober memory, no case", empty.memory, "MB"),
        figure("prober memory, no case, anonymous", empty.anonymous, "MB"),
        figure("prober memory, 1M cases, anonymous", base.anonymous, "MB"),
        figure("id and sealed URL, before and after zlib", packed, "bytes", baseline=each),
        figure("process, ids and sealed URLs", empty.memory + each * unit, "MB"),
        figure(
            "the rest of a case, and what 150 MB leave for it",
            (base.memory - empty.memory) / unit - each,
            "bytes",
            baseline=(150 - empty.memory) / unit - each,
        ),
    ]


def noise(sample: int) -> tuple[float, float]:
    """Give the bytes of an id and a sealed URL as the work list holds them, and packed with many others."""
    keys, now = new_keys().keyring(), datetime.now(UTC)
    held = bytearray()
    for number in range(sample):
        key, value, headers = entry(keys, number, 8080, now)
        data = payload(value, headers, WATCHLIST)
        assert isinstance(data, WatchEntry)
        held += bytes.fromhex(key.decode())
        held += base64.urlsafe_b64decode(data.sealed_url.rpartition(".")[2])
    return len(held) / sample, len(zlib.compress(held, 9)) / sample


def main() -> None:
    """Run by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--steps", default=",".join(f"{step:g}" for step in STEPS))
    parser.add_argument("--step-seconds", type=float, default=20)
    asked = parser.parse_args()
    steps = [float(step) for step in asked.steps.split(",") if step]
    print(json.dumps(run(asked.seconds, asked.cases, steps, asked.step_seconds), indent=1))


if __name__ == "__main__":
    main()
