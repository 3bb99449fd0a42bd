"""Every query of the dashboard, ready to be run: Grafana's own variables put in."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "takedown.json"

# What Grafana would put in, for a server that scrapes every few seconds.
SUBSTITUTES: Mapping[str, str] = {
    "$__rate_interval": "1m",
    "$__interval": "15s",
    "$__range": "1h",
    "$provider": ".*",
}


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those inside rows included."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels") or []


def dashboard_queries(substitutes: Mapping[str, str] = SUBSTITUTES) -> list[tuple[str, str]]:
    """Give (panel title, query) of every target of the committed dashboard.

    Args:
        substitutes: What to put in for Grafana's variables.

    """
    board = json.loads(PATH.read_text("utf-8"))
    return [
        (panel["title"], _put_in(target["expr"], substitutes))
        for panel in panels(board)
        for target in panel.get("targets") or []
    ]


def _put_in(expr: str, substitutes: Mapping[str, str]) -> str:
    for name in sorted(substitutes, key=len, reverse=True):
        expr = expr.replace(name, substitutes[name])
    return expr
