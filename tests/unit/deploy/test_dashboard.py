"""The committed dashboard: generated, laid out, explained, and asking only for what exists."""

import json
from itertools import combinations
from typing import Any

import promql_parser as promql
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import dashboard
from deploy.grafana.dashboard import models
from deploy.grafana.queries import dashboard_queries, panels
from services.exporter.metrics import catalogue
from tests.servers import REPOSITORY
from tests.unit.deploy.promql_names import names_in

BOARD: dict[str, Any] = json.loads(dashboard.PATH.read_text("utf-8"))
PANELS = [panel for panel in panels(BOARD) if panel["type"] != "row"]
UNITS = {"none", "s", "percentunit", "cps"}
SERIES = {name for info in catalogue() for name in info.series}


def test_committed_is_what_the_generator_gives() -> None:
    """Nobody edits the JSON by hand; `python -m deploy.grafana.dashboard` writes it."""
    assert dashboard.PATH.read_text("utf-8") == dashboard.text()


def test_grafana_models_read_it_back() -> None:
    """Decoded through the SDK's models and encoded again it is the same."""
    decoded = models.Dashboard.from_json(BOARD)
    assert json.loads(JSONEncoder(sort_keys=True).encode(decoded)) == BOARD


def test_ids_are_unique() -> None:
    """Grafana drops a panel whose id another one has."""
    ids = [panel["id"] for panel in panels(BOARD)]
    assert len(ids) == len(set(ids))


def test_panels_do_not_overlap_and_fit() -> None:
    """Every panel lies on the grid of 24 columns and covers no other."""
    boxes = [panel["gridPos"] for panel in panels(BOARD)]
    for box in boxes:
        assert box["x"] >= 0
        assert box["x"] + box["w"] <= 24
    for a, b in combinations(boxes, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_explains_itself(panel: dict[str, Any]) -> None:
    """Title, description, unit, data source and legend are set on every panel."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    refs = [target["refId"] for target in panel["targets"]]
    assert len(refs) == len(set(refs)) > 0
    assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize(("title", "query"), dashboard_queries())
def test_query_asks_for_what_is_exposed(title: str, query: str) -> None:
    """Every query is PromQL and names only metrics of the catalogue."""
    parsed = promql.parse(query)
    assert "$" not in query
    assert names_in(parsed) <= SERIES, title


def test_rates_use_the_scrape_interval() -> None:
    """A fixed window would show nothing where Prometheus scrapes less often."""
    for panel in PANELS:
        for target in panel["targets"]:
            if "rate(" in target["expr"]:
                assert "[$__rate_interval]" in target["expr"], panel["title"]


def test_provider_can_be_chosen() -> None:
    """The two variables are the data source and the provider."""
    found = {v["name"]: v["type"] for v in BOARD["templating"]["list"]}
    assert found == {"datasource": "datasource", "provider": "query"}
    assert BOARD["editable"] is False
    assert BOARD["uid"] == "takedown"


def test_provisioning_names_the_same_source() -> None:
    """The dashboard's default data source is the provisioned one."""
    folder = REPOSITORY / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    variable = BOARD["templating"]["list"][0]
    assert source["uid"] == variable["current"]["value"] == "prometheus"
    (provider,) = yaml.safe_load((folder / "dashboards" / "takedown.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


def test_every_ledger_figure_is_shown() -> None:
    """What the exporter tells about cases and providers has a place on the dashboard."""
    shown = set().union(*(names_in(promql.parse(query)) for _, query in dashboard_queries()))
    hidden = {
        info.name
        for info in catalogue()
        if info.source == "exporter" and not set(info.series) & shown
    }
    assert hidden == {
        "takedown_breaches_voided_total",
        "takedown_norm_seconds",
        "takedown_collector_seconds",
        "takedown_collector_failures_total",
    }
