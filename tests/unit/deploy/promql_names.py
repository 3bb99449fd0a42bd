"""Which metrics a PromQL expression names."""

import re
from typing import Any

import promql_parser as promql


def names_in(expression: Any) -> set[str]:
    """Collect the metric names of every selector; a bare label name is none."""
    if isinstance(expression, promql.VectorSelector):
        return {str(expression.name)}
    found: set[str] = set()
    for attribute in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        child = getattr(expression, attribute, None)
        if child is not None and type(child).__module__.startswith("promql_parser"):
            found |= names_in(child)
    for argument in getattr(expression, "args", ()):
        found |= names_in(argument)
    return found


def takedown_names(text: str) -> set[str]:
    """Every word of a text that looks like one of our metrics or recording rules."""
    return set(re.findall(r"\b(?:[a-z_]+:)?takedown[_:][a-z_:0-9]+", text))
