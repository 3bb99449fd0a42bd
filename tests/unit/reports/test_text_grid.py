"""A sheet as lines of text: aligned, folded where a terminal is narrow, every word as it is."""

from services.reports.answer_sheets import Sheet
from services.reports.text_grid import grid_lines, prose, width_of

SHEET = Sheet(
    ("provider", "n", "lower"), [("giant", "1,200", "75.00%"), ("few [red]", "3", "too few")]
)


def test_names_stand_left_and_figures_right() -> None:
    """Every column is as wide as its widest cell, and what looks like a markup is a name."""
    assert list(grid_lines(SHEET, None)) == [
        "",
        " provider        n     lower",
        " ───────────────────────────",
        " giant       1,200    75.00%",
        " few [red]       3   too few",
    ]


def test_a_gap_and_bold_lines_set_totals_apart() -> None:
    """An empty line stands before a break, and the lines from the given one on are bold."""
    lines = list(grid_lines(SHEET, None, {1}, bold_from=1))
    assert lines[4] == ""
    assert lines[5] == "\x1b[1m few [red]       3   too few\x1b[0m"


def test_what_does_not_fit_stands_below() -> None:
    """No column is lost: those that are too many for the terminal stand in a grid of their own, with the names."""
    lines = list(grid_lines(SHEET, 20))
    assert max(map(len, lines)) <= 20
    assert lines.count(" giant       1,200") == 1
    assert " giant       75.00%" in lines


def test_a_wide_character_takes_two_cells() -> None:
    """Ideographs are counted as a terminal shows them, and a combining accent takes no cell."""
    assert [width_of(text) for text in ("giant", "日本", "e\u0301")] == [5, 4, 1]
    lines = list(grid_lines(Sheet(("provider", "n"), [("日本", "1"), ("giant", "2")]), None))
    assert lines[3:] == [" 日本       1", " giant      2"]


def test_a_long_cell_is_folded() -> None:
    """A name, and a column that alone is wider than the terminal, take more lines and lose no word."""
    sheet = Sheet(
        ("provider", "reasons"), [("an organisation with a very long name", "word " * 12)]
    )
    lines = list(grid_lines(sheet, 60))
    assert max(map(len, lines)) <= 60
    assert " ".join(lines).split().count("word") == 12
    assert all(word in " ".join(lines) for word in sheet.lines[0][0].split())


def test_prose_is_broken_between_words() -> None:
    """A line of words ends where the terminal does; a long word stays whole."""
    assert list(prose(["one two three"], 8)) == ["one two", "three"]
    assert list(prose(["0123456789"], 4)) == ["0123456789"]
    assert list(prose(["one two three"], None)) == ["one two three"]
