"""Progress of long commands: a bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
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

_EVERY_SECONDS = 5.0


class _Rate(ProgressColumn):
    """Records per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Gauge:
    """Counts towards a total that may come later; this one writes a plain line every few seconds."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._total = 0
        self._done = self._skipped = 0
        self._begun = self._shown_at = time.monotonic()

    def planned(self, records: int) -> None:
        """Set the total."""
        self._total = records

    def skipped(self, records: int) -> None:
        """Count records of an earlier run, which do not enter the rate."""
        self._skipped += records
        self.read(records)

    def read(self, records: int) -> None:
        """Count."""
        self._done += records
        now = time.monotonic()
        if now - self._shown_at >= _EVERY_SECONDS:
            self._shown_at = now
            click.echo(self._line(now), err=True)

    def stage(self, name: str) -> None:
        """Show the present stage."""
        click.echo(f"{self._label}: {name}", err=True)

    def _line(self, now: float) -> str:
        rate = (self._done - self._skipped) / max(now - self._begun, 1e-9)
        line = f"{self._label}: {self._done:,} of {self._total:,}, {rate:,.0f}/s"
        left = (self._total - self._done) / rate if rate else 0
        return line + (f", {left:,.0f} s left" if self._total > self._done else "")


class _Bar(Gauge):
    """The same as a bar."""

    def __init__(self, label: str, bars: Progress) -> None:
        super().__init__(label)
        self._bars = bars
        self._task = bars.add_task(label, total=None)

    def planned(self, records: int) -> None:
        self._bars.update(self._task, total=records)

    def read(self, records: int) -> None:
        self._bars.advance(self._task, records)

    def stage(self, name: str) -> None:
        self._bars.update(self._task, description=f"{self._label}: {name}")


@contextmanager
def gauge(label: str) -> Iterator[Gauge]:
    """Show progress on standard error."""
    if not sys.stderr.isatty():
        yield Gauge(label)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _Bar(label, bars)
