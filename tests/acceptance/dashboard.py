"""Ask a Prometheus what the dashboard asks."""

import json
import math
from collections.abc import Iterable

import aiohttp

from deploy.grafana.queries import dashboard_queries


async def unanswered(
    prometheus: str, queries: Iterable[tuple[str, str]] | None = None
) -> list[str]:
    """Run (panel, query) pairs, by default all of the dashboard; name those without a number for an answer.

    Args:
        prometheus: Base URL, such as `http://127.0.0.1:9090`.
        queries: What to ask instead.

    """
    asked = dashboard_queries() if queries is None else queries
    async with aiohttp.ClientSession() as session:
        found = [
            (panel, query, await _numbers(session, prometheus, query)) for panel, query in asked
        ]
    return [
        f"refused {panel}: {query}" if numbers is None else f"{panel}: {query}"
        for panel, query, numbers in found
        if not numbers
    ]


async def _numbers(session: aiohttp.ClientSession, base: str, query: str) -> list[float] | None:
    """Give the finite values of an instant query; None where it is refused."""
    try:
        async with session.get(f"{base}/api/v1/query", params={"query": query}) as answer:
            if answer.status == 503:  # starting
                return []
            body = json.loads(await answer.text())
    except aiohttp.ClientConnectionError:
        return []
    if body["status"] != "success":
        return None
    values = (float(series["value"][1]) for series in body["data"]["result"])
    return [value for value in values if math.isfinite(value)]
