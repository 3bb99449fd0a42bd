"""What a long run watches: memory and descriptors of every process of a monitor, and how far the ledger is behind."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import aiohttp
import asyncpg
from msgspec import Struct

from tests.as_configured import kafka_at
from tests.faults.processes import Process, family, running
from tests.faults.run import Run
from tests.integration.transaction_kit import offsets_of

_MEGABYTE_KB = 1024


class Use(Struct, frozen=True):
    """What one process, or one server with all of its processes, has: MB (2**20) of its own share, open files."""

    memory: float
    files: int


class Sample(Struct, frozen=True):
    """One look at a monitor, so many seconds after the begin; `behind` is None where nobody could tell."""

    at: float
    uses: dict[str, Use]
    behind: int | None


class Watch:
    """Samples a run until it is left, and prints a line now and then."""

    def __init__(
        self, run: Run, say: Callable[[str], None], every: float, talk: float = 60.0
    ) -> None:
        self.samples: list[Sample] = []
        self._run = run
        self._say = say
        self._every = every
        self._talk = talk
        self._begun = time.monotonic()

    def __repr__(self) -> str:
        return f"<Watch samples={len(self.samples)}>"

    @property
    def behind(self) -> int | None:
        """How far the ledger was behind when it was looked at last."""
        return self.samples[-1].behind if self.samples else None

    async def follow(self) -> None:
        """Sample for ever."""
        said = 0.0
        while True:
            self._run.monitor.require_running()
            one = Sample(time.monotonic() - self._begun, _uses(self._run), await behind(self._run))
            self.samples.append(one)
            if one.at >= said:
                said = one.at + self._talk
                self._say(_line(one))
            await asyncio.sleep(self._every)

    def between(self, begin: float, end: float) -> list[Sample]:
        """Give the samples of a span, in seconds after the begin."""
        return [one for one in self.samples if begin <= one.at < end]


def _line(sample: Sample) -> str:
    uses = ", ".join(f"{name} {use.memory:.0f}/{use.files}" for name, use in sample.uses.items())
    return f"{sample.at:7.0f} s  behind {sample.behind}  MB/files: {uses}"


def _uses(run: Run) -> dict[str, Use]:
    """Look at every process of a monitor; a server is the sum of its processes."""
    pid = run.monitor.pid
    if pid is None:
        return {}
    relatives, every = family(pid), list(running())
    named = {"up": [pid], **{name: [one] for name, one in relatives.roles.items()}}
    named |= {name: list(_descent(one, every)) for name, one in relatives.servers.items()}
    return {name: _sum(pids) for name, pids in named.items()}


def _descent(pid: int, every: Sequence[Process]) -> Iterable[int]:
    yield pid
    for one in every:
        if one.parent == pid:
            yield from _descent(one.pid, every)


def _sum(pids: Iterable[int]) -> Use:
    memory, files = 0.0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            folder = Path("/proc") / str(pid)
            rollup = (folder / "smaps_rollup").read_text()
            share = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
            memory += int(share.split()[1]) / _MEGABYTE_KB
            files += len(list((folder / "fd").iterdir()))
    return Use(memory, files)


async def behind(run: Run) -> int | None:
    """Count the records that the ledger has not read yet; None where a server does not answer in time."""
    try:
        async with asyncio.timeout(10):
            session = await asyncpg.connect(run.places().database_url, timeout=5)
            try:
                rows = await session.fetch(
                    "SELECT topic, partition, next_offset FROM consumer_offsets"
                )
            finally:
                session.terminate()
            ends = await offsets_of(kafka_at(run.places().bootstrap_servers), "read_committed")
    except Exception:  # whatever it was: a look that fails is no sample
        return None
    at: dict[tuple[str, int], int] = {
        (row["topic"], row["partition"]): row["next_offset"] for row in rows
    }
    return sum(end - at.get((tp.topic, tp.partition), 0) for tp, end in ends.items())


def median(samples: Sequence[Sample], name: str) -> Use:
    """Give the median of what a process had."""
    uses = [one.uses[name] for one in samples if name in one.uses]
    return Use(
        statistics.median(use.memory for use in uses),
        int(statistics.median(use.files for use in uses)),
    )


def most(samples: Sequence[Sample], name: str) -> Use:
    """Give the most that a process had."""
    uses = [one.uses[name] for one in samples if name in one.uses]
    return Use(max(use.memory for use in uses), max(use.files for use in uses))


async def metric(address: str, name: str) -> float:
    """Add up the values of a metric at one role; 0 where it has none, or does not answer."""
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{address}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0.0
    mine = (line for line in lines if line.startswith((f"{name}{{", f"{name} ")))
    return sum(float(line.rsplit(" ", 1)[1]) for line in mine)
