"""A sheet as lines of text: names on the left, figures on the right, and no column lost on a narrow terminal.

Written plainly and not by a library of layouts: of a report on some thousand providers that one took a third.
"""

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from unicodedata import combining, east_asian_width

from services.reports.answer_sheets import Sheet

_NAME_WIDTH = 28
_GAP = "   "
_EDGE = " "
_RULE = "─"
_BOLD = "\x1b[1m{}\x1b[0m"


def grid_lines(
    sheet: Sheet,
    width: int | None,
    breaks: Collection[int] = (),
    bold_from: int | None = None,
) -> Iterator[str]:
    """Lay a sheet out after an empty line, with a gap before the lines `breaks`, bold from a line on.

    Where `width` is too narrow for all columns, those that don't fit stand in another grid below, each with the names.
    """
    for columns in _fitting(sheet, width):
        rows = [[line[column] for column in (0, *columns)] for line in (sheet.heads, *sheet.lines)]
        yield ""
        yield from _grid(rows, width, breaks, bold_from)


def prose(lines: Iterable[str], width: int | None) -> Iterator[str]:
    """Break lines of words where the terminal ends."""
    for line in lines:
        yield from [line] if width is None else textwrap.wrap(line, width, break_long_words=False)


def _fitting(sheet: Sheet, width: int | None) -> list[list[int]]:
    """Share the columns but the first out among as few grids as fit; a long name is folded."""
    widths = _widths((sheet.heads, *sheet.lines))
    first = min(widths[0], _NAME_WIDTH) + 2 * len(_EDGE)
    groups: list[list[int]] = [[]]
    used = first
    for column, needs in enumerate(widths[1:], start=1):
        if width is not None and groups[-1] and used + needs + len(_GAP) > width:
            groups.append([])
            used = first
        groups[-1].append(column)
        used += needs + len(_GAP)
    return groups


def _grid(
    rows: Sequence[Sequence[str]],
    width: int | None,
    breaks: Collection[int],
    bold_from: int | None,
) -> Iterator[str]:
    widths = _narrowed(_widths(rows), width)
    yield from _line(rows[0], widths)
    yield _EDGE + _RULE * (sum(widths) + len(_GAP) * (len(widths) - 1))
    for number, row in enumerate(rows[1:]):
        if number in breaks:
            yield ""
        for text in _line(row, widths):
            yield _BOLD.format(text) if bold_from is not None and number >= bold_from else text


def _narrowed(widths: Sequence[int], width: int | None) -> list[int]:
    """Fold the names as far as they have to be, and a single column that is wider than the terminal."""
    if width is None:
        return list(widths)
    first, *others = widths
    taken = 2 * len(_EDGE) + len(_GAP) * len(others)
    first = min(first, max(_NAME_WIDTH, width - taken - sum(others)))
    if len(others) == 1:
        others = [min(others[0], max(1, width - taken - first))]
    return [first, *others]


def _line(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    folded = [_fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, folded))):
        texts = [part[number] if number < len(part) else "" for part in folded]
        spaces = [" " * (width - width_of(t)) for t, width in zip(texts, widths, strict=True)]
        figures = map(str.__add__, spaces[1:], texts[1:])
        yield (_EDGE + _GAP.join((texts[0] + spaces[0], *figures))).rstrip()


def _fold(cell: str, width: int) -> list[str]:
    return [cell] if width_of(cell) <= width else textwrap.wrap(cell, max(width, 1)) or [cell]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(width_of, column)) for column in zip(*rows, strict=True)]


def width_of(text: str) -> int:
    """Tell how many cells of a terminal a text takes: ideographs take two."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)
