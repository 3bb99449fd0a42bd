"""A drawing as text: elements, axes and scales, and nothing that a page would have to fetch."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

Scale = Callable[[float], float]


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Write an element; `_` in a name stands for `-`, a trailing one is dropped (`class_`)."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def label(words: object, x: float, y: float, **attributes: object) -> str:
    """Write a text."""
    return tag("text", escape(str(words)), x=x, y=y, **attributes)


def drawing(parts: Iterable[str], width: float, height: float, title: str, description: str) -> str:
    """Join elements into a drawing that says, for those who don't see it, what it shows."""
    head = tag("title", escape(title)) + tag("desc", escape(description))
    return tag(
        "svg",
        head + "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_label=f"{title}. {description}",
        viewBox=f"0 0 {_plain(width)} {_plain(height)}",
        width=width,
        height=height,
    )


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Map [low, high] to [start, end]."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def vertical_grid(
    ticks: Sequence[tuple[float, str]], x: Scale, top: float, bottom: float
) -> list[str]:
    """Draw grid lines and their labels below."""
    parts = []
    for value, words in ticks:
        at = x(value)
        parts.append(tag("line", x1=at, x2=at, y1=top, y2=bottom, class_="grid"))
        parts.append(label(words, at, bottom + 16, class_="tick", text_anchor="middle"))
    return parts


def horizontal_grid(
    ticks: Sequence[tuple[float, str]], y: Scale, left: float, right: float
) -> list[str]:
    """Draw grid lines and their labels on the left."""
    parts = []
    for value, words in ticks:
        at = y(value)
        parts.append(tag("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
        parts.append(label(words, left - 8, at + 4, class_="tick", text_anchor="end"))
    return parts


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
