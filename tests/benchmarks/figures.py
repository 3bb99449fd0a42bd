"""One figure of a benchmark, in the form of build/bench.json."""

from collections.abc import Callable, Iterable
from typing import TypedDict, TypeVar

T = TypeVar("T")


class Figure(TypedDict):
    """A measured figure; `baseline` was measured in the same run, `target` and `met` may be absent (None)."""

    name: str
    figure: float
    unit: str
    baseline: float | None
    target: float | None
    met: bool | None


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    baseline: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """Make a figure and judge it against its target."""
    target = at_least if at_least is not None else at_most
    met = None
    if at_least is not None:
        met = value >= at_least
    elif at_most is not None:
        met = value <= at_most
    rounded = float(f"{value:.4g}")
    return Figure(name=name, figure=rounded, unit=unit, baseline=baseline, target=target, met=met)


def middle(rounds: Iterable[T], ratio: Callable[[T], float]) -> T:
    """Give the round whose ratio is the median, of an odd number of rounds: all figures of a run are from one round."""
    ordered = sorted(rounds, key=ratio)
    return ordered[len(ordered) // 2]
