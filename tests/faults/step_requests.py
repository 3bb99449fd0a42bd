"""Ask for a fault at a named step of the product, and hear which process it struck."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

from tests.faults import steps
from tests.servers import REPOSITORY

_LOOK_SECONDS = 0.02


class StepRequests:
    """The folder of a run by which its processes hear at which step one of them is to die.

    `struck` counts the faults by step, `unreached` the requests that no process came to in time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.struck: Counter[str] = Counter()
        self.unreached: Counter[str] = Counter()
        folder.mkdir()
        stepping = REPOSITORY / "tests" / "faults" / "stepping"
        self.environment = {steps.FOLDER: str(folder), "PYTHONPATH": str(stepping)}

    def __repr__(self) -> str:
        return f"<StepRequests struck={self.struck.total()} unreached={self.unreached.total()}>"

    def ask(self, name: str, signal: str = "SIGKILL") -> None:
        """Have the next process that passes a step send itself a signal there."""
        scratch = self.folder / "scratch"
        scratch.write_text(signal)
        scratch.rename(steps.file_of(self.folder, name))

    async def taken(self, name: str, seconds: float) -> int | None:
        """Return the process that the fault struck; none where nobody passed the step in time."""
        wanted = steps.file_of(self.folder, name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while wanted.exists():
                    await asyncio.sleep(_LOOK_SECONDS)
        wanted.unlink(missing_ok=True)
        pid = self._claimed(wanted)
        (self.unreached if pid is None else self.struck)[name] += 1
        return pid

    def _claimed(self, wanted: Path) -> int | None:
        """Give the process that took a request away."""
        for path in self.folder.glob(f"{wanted.name}.*"):
            path.unlink()
            return int(path.suffix[1:])
        return None
