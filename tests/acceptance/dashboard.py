"""Ask a Prometheus what the dashboards ask."""

import json
import math
from collections.abc import Iterable

import aiohttp

from deploy.grafana.queries import dashboard_queries


async def unanswered(
    prometheus: str, queries: Iterable[tuple[str, str]] | None = None
) -> list[str]:
    """Run (panel, query) pairs, by default all of the dashboards; name those without a number for an answer.

    Args:
        prometheus: Base URL, such as `http://127.0.0.1:9090`.
        queries: What to ask instead.

    """
    asked = queries or [(str(one), one.query) for one in dashboard_queries()]
    async with aiohttp.ClientSession() as session:
        found = [
            (panel, query, await answers(session, prometheus, query)) for panel, query in asked
        ]
    return [
        f"refused {panel}: {query}" if values is None else f"{panel}: {query}"
        for panel, query, values in found
        if not values
    ]


async def answers(
    session: aiohttp.ClientSession, base: str, query: str
) -> list[tuple[dict[str, str], float]] | None:
    """Give labels and value of every finite answer to an instant query; None where it is refused."""
    try:
        async with session.get(f"{base}/api/v1/query", params={"query": query}) as answer:
            if answer.status == 503:  # starting
                return []
            body = json.loads(await answer.text())
    except aiohttp.ClientConnectionError:
        return []
    if body["status"] != "success":
        return None
    found = ((series["metric"], float(series["value"][1])) for series in body["data"]["result"])
    return [(labels, value) for labels, value in found if math.isfinite(value)]
