"""Progress of long commands on standard error: a bar with rate and time left on a terminal, plain lines elsewhere.

What takes less than a second shows nothing: a bar comes once the work has lasted that long.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from services.cli.gauge_bar import Bar

_EVERY_SECONDS = 5.0
_AFTER_SECONDS = 1.0

Clock = Callable[[], float]


class Gauge:
    """Counts towards a total that may come later; this one shows nothing."""

    def __init__(self, label: str, clock: Clock = time.monotonic) -> None:
        self._label = label
        self._clock = clock
        self._total = 0
        self._done = self._skipped = 0
        self._begun = self._shown_at = clock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._label}: {self._done} of {self._total}>"

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

    def stage(self, name: str) -> None:
        """Show the present stage."""


class LineGauge(Gauge):
    """Writes a plain line every few seconds."""

    def read(self, records: int) -> None:
        """Count, and write a line if it is time for one."""
        super().read(records)
        now = self._clock()
        if now - self._shown_at >= _EVERY_SECONDS:
            self._shown_at = now
            click.echo(self._line(now), err=True)

    def stage(self, name: str) -> None:
        """Write the present stage."""
        click.echo(f"{self._label}: {name}", err=True)

    def _line(self, now: float) -> str:
        rate = (self._done - self._skipped) / max(now - self._begun, 1e-9)
        line = f"{self._label}: {self._done:,} of {self._total:,}, {rate:,.0f}/s"
        left = (self._total - self._done) / rate if rate else 0
        return line + (f", {left:,.0f} s left" if self._total > self._done else "")


class BarGauge(Gauge):
    """Draws a bar once the work has taken a second."""

    _bar: "Bar | None" = None

    def planned(self, records: int) -> None:
        """Set the total."""
        super().planned(records)
        if self._bar is not None:
            self._bar.plan(records)

    def read(self, records: int) -> None:
        """Count, and draw."""
        super().read(records)
        if self._bar is not None:
            self._bar.show(self._done)
        elif self._clock() - self._begun >= _AFTER_SECONDS:
            self._start()

    def stage(self, name: str) -> None:
        """Show the present stage."""
        self._start().name(f"{self._label}: {name}")

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.close()

    def _start(self) -> "Bar":
        if self._bar is None:
            # Short work is not to wait for what draws bars.
            from services.cli.gauge_bar import Bar  # noqa: PLC0415

            self._bar = Bar(self._label, self._total or None, self._done)
        return self._bar


@contextmanager
def gauge(label: str, *, lines: bool = True) -> Iterator[Gauge]:
    """Show progress; `lines`: as lines too, where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield LineGauge(label) if lines else Gauge(label)
        return
    shown = BarGauge(label)
    try:
        yield shown
    finally:
        shown.close()


@contextmanager
def progress(label: str, length: int | None) -> Iterator[Callable[[int], None]]:
    """Show progress on a terminal only; yields what counts the steps."""
    with gauge(label, lines=False) as shown:
        shown.planned(length or 0)
        yield shown.read
