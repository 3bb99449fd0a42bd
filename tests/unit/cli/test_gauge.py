"""Progress of long commands: nothing for what is short, a bar on a terminal, and lines only where they are wanted."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from services.cli.gauge import BarGauge, LineGauge, gauge, progress


class Terminal(io.StringIO):
    """Text that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """Give a clock."""
    return Seconds()


@contextmanager
def drawn(seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[BarGauge, Terminal]]:
    """Give a gauge and the terminal that it draws on; within a test, for the runner sets streams between its phases."""
    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with redirect_stderr(shown):
        bar = BarGauge("counting", seconds)
        yield bar, shown
        bar.close()


def test_short_work_shows_nothing(seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done within a second draws no bar, however often it counts."""
    with drawn(seconds, monkeypatch) as (bar, terminal):
        bar.planned(100)
        for _ in range(10):
            bar.read(10)
            seconds.now += 0.09
    assert terminal.getvalue() == ""


def test_long_work_shows_a_bar(seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second stands how much of all is done, what went before the bar included."""
    with drawn(seconds, monkeypatch) as (bar, terminal):
        bar.planned(100)
        bar.read(30)
        seconds.now += 1.1
        bar.read(20)
    assert "counting" in terminal.getvalue()
    assert "50/100" in terminal.getvalue()


def test_the_total_may_come_late(seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar without a total shows the count, and the total from when it is there."""
    with drawn(seconds, monkeypatch) as (bar, terminal):
        seconds.now += 2
        bar.read(7)
        bar.planned(9)
        bar.read(1)
    assert "8/9" in terminal.getvalue()


def test_a_stage_is_shown_at_once(seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a stage has long work before it."""
    with drawn(seconds, monkeypatch) as (bar, terminal):
        bar.stage("indexing")
    assert "counting: indexing" in terminal.getvalue()


def test_a_pipe_hears_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is no progress but for commands that write lines."""
    with progress("counting", 10) as count:
        count(10)
    with gauge("counting", lines=False) as shown:
        shown.read(3)
    assert capsys.readouterr().err == ""
    assert repr(shown) == "<Gauge counting: 3 of 0>"


def test_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str], seconds: Seconds) -> None:
    """A line has the count, the rate and the time left at that rate; records of an earlier run are no rate."""
    with gauge("replay") as shown:
        assert isinstance(shown, LineGauge)
    lines = LineGauge("replay", seconds)
    lines.planned(1000)
    lines.skipped(500)
    seconds.now += 4
    lines.read(50)
    assert capsys.readouterr().err == ""
    seconds.now += 1
    lines.read(50)
    assert capsys.readouterr().err == "replay: 600 of 1,000, 20/s, 20 s left\n"
