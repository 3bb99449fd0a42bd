"""Every query of the dashboards, ready to be run: Grafana's own variables put in."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"

# What Grafana would put in, for a server that scrapes every few seconds.
SUBSTITUTES: Mapping[str, str] = {
    "$__rate_interval": "1m",
    "$__interval": "15s",
    "$__range": "1h",
    "$job": ".+",
    "$instance": ".+",
    "$provider": ".*",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a panel of a dashboard; `letter` tells the queries of a panel apart."""

    board: str
    panel: str
    letter: str
    query: str
    legend: str

    def __str__(self) -> str:
        return f"{self.board}: {self.panel} {self.letter}"


def boards() -> dict[str, dict[str, Any]]:
    """Read the committed dashboards by their uid."""
    read = (json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json")))
    return {board["uid"]: board for board in read}


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those inside rows included."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels") or []


def dashboard_queries(substitutes: Mapping[str, str] = SUBSTITUTES) -> list[Asked]:
    """Give every target of the committed dashboards.

    Args:
        substitutes: What to put in for Grafana's variables.

    """
    return [
        Asked(
            uid,
            panel["title"],
            target["refId"],
            put_in(target["expr"], substitutes),
            target["legendFormat"],
        )
        for uid, board in boards().items()
        for panel in panels(board)
        for target in panel.get("targets") or []
    ]


def put_in(expr: str, substitutes: Mapping[str, str] = SUBSTITUTES) -> str:
    """Put values in for Grafana's variables, the longest names first."""
    for name in sorted(substitutes, key=len, reverse=True):
        expr = expr.replace(name, substitutes[name])
    return expr
