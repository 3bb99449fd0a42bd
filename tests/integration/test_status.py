"""One ledger, one look: /metrics, /status.json and `takedown status` show the same numbers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from services.cli import app, status_command
from services.exporter.collector import Exporter
from services.exporter.health import Health
from services.exporter.http import application
from services.ledger.pool import open_pool
from services.runtime import logging
from tests.as_configured import database_at
from tests.integration.ledger_kit import METHOD, stories
from tests.integration.test_case_list import NOW, evidence
from tests.integration.test_report_ledger import fill

Samples = list[tuple[dict[str, str], float]]


async def served(dsn: str) -> tuple[dict[str, Samples], dict[str, Any]]:
    """Read the ledger once as the exporter does; give its metrics and its status as they are served."""
    pool = await open_pool(database_at(dsn, max_size=2, role="takedown_exporter"))
    registry, health = CollectorRegistry(), Health()
    exporter = Exporter(
        pool, METHOD, health, lambda: NOW, top_providers=20, watch_providers=("small", "absent"),
        interval_seconds=15.0, public_status=False, registry=registry,
    )  # fmt: skip
    await exporter.read_once()
    registry.register(exporter._snapshot)
    exporter.board.serve(health)
    async with TestClient(TestServer(application(health, registry))) as client:
        text = await (await client.get("/metrics")).text()
        status = await (await client.get("/status.json")).json()
        page = await client.get("/")
        assert (page.status, page.content_type) == (200, "text/html")
    await pool.close()
    return samples(text), status


def samples(text: str) -> dict[str, Samples]:
    made: dict[str, Samples] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            made.setdefault(sample.name, []).append((sample.labels, sample.value))
    return made


def by_provider(values: Samples, **labels: str) -> dict[str, float]:
    """Sum the samples of each provider that have these labels."""
    total: dict[str, float] = {}
    for own, value in values:
        if labels.items() <= own.items():
            total[own["provider"]] = total.get(own["provider"], 0.0) + value
    return total


@pytest.fixture
async def dsn(postgres_dsn: str) -> str:
    """A ledger with every kind of spell: of the past, and of today."""
    await fill(postgres_dsn, [*stories(60), *evidence(first=100)])
    return postgres_dsn


async def test_metrics_page_and_terminal_show_the_same_numbers(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every count of the status is a sample of /metrics, provider by provider, and what the terminal shows."""
    metrics, status = await served(dsn)
    lines = {line["provider"]: line for line in status["providers"]}
    assert {"giant", "small", "absent"} <= set(lines)
    singles = {
        "takedown_norm_judged": "n",
        "takedown_breaches_day": "breaches_day",
        "takedown_spells_due_soon": "due_soon",
        "takedown_cases_online": "online",
        "takedown_notice_backlog": "without_notice",
    }
    for name, field in singles.items():
        for provider, value in by_provider(metrics[name]).items():
            assert lines[provider][field] == value, (name, provider)
    groups = {
        "takedown_clocks_running": ("left", "left"),
        "takedown_notices": ("notices", "state"),
        "takedown_looks_stored": ("looks", "result"),
    }
    for name, (group, label) in groups.items():
        for own, value in metrics[name]:
            assert lines[own["provider"]][group][own[label]] == value, (name, own)
    for standing in ("within", "certain_breaches", "undecided"):
        judged = by_provider(metrics["takedown_standing"], standing=standing)
        for provider, value in judged.items():
            assert lines[provider][standing] == value
    for bound in ("lower", "upper"):
        shares = by_provider(metrics[f"takedown_norm_share_{bound}"])
        assert shares.pop("all") == status["total"][bound]
        assert {name: line[bound] for name, line in lines.items() if line["n"]} == shares
    for bound in ("lower", "upper"):
        for provider, value in by_provider(metrics[f"takedown_exposure_seconds_{bound}"]).items():
            assert lines[provider][f"exposure_{bound}_hours"] == pytest.approx(value / 3600)
    assert lines["giant"]["breaches_day"] == 1
    assert lines["giant"]["left"]["under_2h"] == 1
    terminal = await asyncio.to_thread(_terminal, dsn, tmp_path, monkeypatch)
    assert terminal == {**status, "monitor": terminal["monitor"]}


def _terminal(dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(logging, "configure", lambda *_, **__: None)
    monkeypatch.setattr(status_command, "now", lambda: NOW)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(folder))
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", dsn)
    monkeypatch.setenv("TAKEDOWN_WATCH_PROVIDERS", "small,absent")
    result = CliRunner().invoke(app.cli, ["status", "--json"])
    assert result.exit_code == 0, result.output
    watched = CliRunner().invoke(app.cli, ["status", "--watch", "--every", "0.1", "--times", "2"])
    assert watched.output.count("\nnorm ") == 2
    return json.loads(result.stdout)
