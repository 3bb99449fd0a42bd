"""The bar of a gauge: how much is done, at what rate, and how long the rest will take at the rate of late."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Records per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Bar:
    """A bar on standard error; without a total it shows the count alone."""

    def __init__(self, label: str, total: int | None, done: int) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bars.start()
        self._task = self._bars.add_task(label, total=total, completed=done)

    def __repr__(self) -> str:
        return f"<Bar {self._bars.tasks[0].completed}>"

    def plan(self, total: int) -> None:
        """Set the total."""
        self._bars.update(self._task, total=total)

    def show(self, done: int) -> None:
        """Show how much is done."""
        self._bars.update(self._task, completed=done)

    def name(self, label: str) -> None:
        """Say what is being done."""
        self._bars.update(self._task, description=label)

    def close(self) -> None:
        """Stop drawing."""
        self._bars.stop()
