"""Tables for people: full width in a pipe, folded on a narrow terminal."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

_GAP = "  "
# No column is folded below the width of an instant.
_LEAST = 20
_EMPTY = "-"


def terminal_width() -> int | None:
    """Return the width of the terminal; None if standard output is not a terminal."""
    if sys.stdout is None or not sys.stdout.isatty():  # None: closed by who started the process
        return None
    return shutil.get_terminal_size().columns


def layout(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Write a table of lines no wider than `width`.

    Columns that say nothing go first, then long texts are folded; where that is not enough, each row becomes a
    block: its first cell, and the others with their names below it.
    """
    widths = _widths(heads, rows)
    if width is not None and _total(widths) > width and rows:
        numbers = [n for n in range(len(heads)) if n == 0 or any(row[n] != _EMPTY for row in rows)]
        heads, rows = [heads[n] for n in numbers], [[row[n] for n in numbers] for row in rows]
        folded = _folded(heads, rows, width)
        if folded is None:
            yield from _blocks(heads, rows, width)
            return
        widths = folded
    for line in (heads, *rows):
        yield from _line(line, widths)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(heads, *rows, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _folded(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Narrow the widest columns until all fit, but none below its longest word; None where they can't."""
    widths = _widths(heads, rows)
    least = [
        max(_LEAST, *(len(word) for cell in column for word in cell.split()))
        for column in zip(heads, *rows, strict=True)
    ]
    while (over := _total(widths) - width) > 0:
        spare, widest = max(
            (w - low, n) for n, (w, low) in enumerate(zip(widths, least, strict=True))
        )
        if spare <= 0:
            return None
        widths[widest] -= min(over, max(1, spare // 2))
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    parts = [
        textwrap.wrap(cell, width) or [""] if len(cell) > width else [cell]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for number in range(max(map(len, parts))):
        shown = [part[number] if number < len(part) else "" for part in parts]
        yield _GAP.join(text.ljust(w) for text, w in zip(shown, widths, strict=True)).rstrip()


def _blocks(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    for row in rows:
        yield f"{heads[0]} {row[0]}"
        line = ""
        for head, cell in zip(heads[1:], row[1:], strict=True):
            pair = f"{_GAP}{head} {cell}"
            if line and len(line) + len(pair) > width:
                yield line
                line = ""
            line += pair
        if line:
            yield line
