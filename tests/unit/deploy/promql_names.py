"""Which metrics a PromQL expression names."""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql


def selectors_in(expression: Any, function: str = "") -> Iterator[tuple[str, str]]:
    """Give the metric of every selector with the innermost function around it; a bare label name is none."""
    if isinstance(expression, promql.VectorSelector):
        yield str(expression.name), function
        return
    if isinstance(expression, promql.Call):
        function = expression.func.name
    for child in _children(expression):
        yield from selectors_in(child, function)


def _children(expression: Any) -> Iterator[Any]:
    for attribute in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        child = getattr(expression, attribute, None)
        if child is not None and type(child).__module__.startswith("promql_parser"):
            yield child
    yield from getattr(expression, "args", ())


def names_in(expression: Any) -> set[str]:
    """Collect the metric names of every selector."""
    return {name for name, _ in selectors_in(expression)}


def takedown_names(text: str) -> set[str]:
    """Every word of a text that looks like one of our metrics or recording rules."""
    return set(re.findall(r"\b(?:[a-z_]+:)?takedown[_:][a-z_:0-9]+", text))
