"""The dashboard against a Prometheus that scraped a whole run."""

import json

import pytest

from deploy.grafana.queries import dashboard_queries
from tests.acceptance.conftest import Played, fetch
from tests.acceptance.dashboard import unanswered
from tests.servers import eventually

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_every_panel_shows_something(played: Played) -> None:
    """Every query of every panel is answered with a number."""

    async def all_answered() -> bool:
        return await unanswered(played.prometheus) == []

    try:
        await eventually("every panel shows something", all_answered, seconds=5.0)
    finally:
        assert await unanswered(played.prometheus) == []


async def test_the_first_panel_counts_the_breaches(played: Played) -> None:
    """The panel's number is the ledger's: breaches ever recorded, those taken back later included."""
    query = dict(dashboard_queries())["Certain breaches"]

    async def value(asked: str) -> float:
        _, body = await fetch(f"{played.prometheus}/api/v1/query", query=asked)
        return float(json.loads(body)["data"]["result"][0]["value"][1])

    voided = await value("sum(takedown_breaches_voided_total)")
    assert await value(query) == played.result.breaches_ledger + voided
