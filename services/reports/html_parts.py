"""The parts that the page of a report is made of: sections, and tables whose cells carry their heads."""

import re
from collections.abc import Iterable, Sequence
from html import escape

_CELL = re.compile(r"<td(?=[ >])")
WITHOUT_SHARE = ("too few", "not by notice")


def section(title: str, content: str, words: str = "") -> str:
    """Write a section with its heading."""
    paragraph = f"<p>{escape(words)}</p>" if words else ""
    return f"<section><h2>{escape(title)}</h2>{paragraph}{content}</section>"


def grid_of(first: str, heads: Sequence[str], rows: Iterable[str], caption: str) -> str:
    """Write a table of rows made by `row_of`."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in (first, *heads))
    rows = [_labelled(row, heads) for row in rows]
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _labelled(row: str, heads: Sequence[str]) -> str:
    """Give each cell its head: on a phone a row is a block of pairs, and no column is lost."""
    labels = iter(heads)
    return _CELL.sub(lambda cell: f'{cell[0]} data-label="{escape(next(labels))}"', row)


def row_of(head: str, texts: Iterable[str], kind: str = "") -> str:
    """Write a row."""
    written = "".join(
        f'<td class="few">{escape(text)}</td>'
        if text in WITHOUT_SHARE
        else f"<td>{escape(text)}</td>"
        for text in texts
    )
    style = f' class="{kind}"' if kind else ""
    return f'<tr{style}><th scope="row">{escape(head)}</th>{written}</tr>'
