"""Rows for people: tables on wide and narrow terminals, and the lines of a demo."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from services.cli import demo_command
from services.cli.tables import layout
from services.reports.table import build
from services.runtime.demo import show
from services.runtime.demo.play import Moment
from services.runtime.methods import methodology

HEADS = ("case_id", "category", "removed_upper", "known_online_at", "deadline", "detail")
TIME = "2026-01-01 08:00:00Z"
ROWS = [
    ("ab" * 16, "csam", "-", TIME, TIME, "gone, and said so at length in many words"),
    ("cd" * 16, "csam", "-", TIME, TIME, "-"),
]


def test_where_nobody_looks_rows_are_whole():
    """A pipe gets one line for each row and every column, however wide."""
    lines = list(layout(HEADS, ROWS, None))
    assert len(lines) == 3
    assert "removed_upper" in lines[0]
    assert max(map(len, lines)) > 120


def test_columns_that_say_nothing_go_first():
    """A terminal that is a little too narrow loses what is empty, and nothing else."""
    whole = len(next(layout(HEADS, [(*r[:5], "-") for r in ROWS], None)))
    lines = list(layout(HEADS, [(*r[:5], "x") for r in ROWS], whole - 4))
    assert "removed_upper" not in lines[0]
    assert len(lines) == 3


def test_long_texts_are_folded():
    """A long text takes more lines; ids and instants stay whole."""
    lines = list(layout(("seq", "at", "detail"), [("1", TIME, "word " * 30)], 80))
    assert max(map(len, lines)) <= 80
    assert TIME in lines[1]
    assert " ".join(lines[1:]).split().count("word") == 30


def test_what_cannot_be_folded_becomes_blocks():
    """Eight columns of ids and instants are read as blocks at 80 columns, with every value."""
    lines = list(layout(HEADS, ROWS, 80))
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"case_id {'ab' * 16}"
    text = "\n".join(lines)
    assert text.count(f"deadline {TIME}") == 2
    assert "  category csam" in text


@pytest.fixture
def moment():
    """Give a moment of a demo with large numbers."""
    table = build([], methodology("demo"), datetime.now(UTC))
    for name in ("n", "within", "certain_breaches", "undecided", "still_online"):
        setattr(table.pooled, name, 400)
    table.pooled.looks, table.cases = 12_345, 400
    return Moment(table=table, elapsed=123.4, total=190.0)


def test_progress_of_a_demo_fits_a_line(moment):
    """Each line of progress is one line of 80 columns, and a pipe wraps nothing."""
    assert len(show.line(moment)) <= 80
    console = Console(file=io.StringIO(), width=20)
    demo_command.lines(console)(moment)
    assert console.file.getvalue() == show.line(moment) + "\n"


def test_the_live_table_fits_a_terminal(moment):
    """The table of a running demo is no wider than 80 columns."""
    moment.table.pooled.provider = "pixelnest-images-reseller"
    console = Console(file=io.StringIO(), width=80)
    console.print(show.live(moment))
    text = console.file.getvalue()
    assert all(head in text for head in show._LIVE)
    assert text.count("\n") <= 6
    assert "12345" in text
