"""The committed dashboards: generated, laid out, explained, and asking only for what exists."""

import copy
import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import promql_parser as promql
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import dashboard
from deploy.grafana.boards import BOARDS
from deploy.grafana.dashboard import models
from deploy.grafana.panels import LAG_SECONDS
from deploy.grafana.queries import Asked, boards, dashboard_queries, panels
from services.exporter.metrics import REGISTRY, catalogue
from tests.servers import REPOSITORY
from tests.unit.deploy.dashboard_linter import RULES, Rule
from tests.unit.deploy.promql_names import names_in

COMMITTED = boards()
PANELS = [
    (uid, panel)
    for uid, board in COMMITTED.items()
    for panel in panels(board)
    if panel["type"] != "row"
]
# Beside the catalogue: what Prometheus itself and the client library say of a process.
FOREIGN = {"up"} | {
    sample.name
    for family in REGISTRY.collect()
    for sample in family.samples
    if family.name.startswith("process_")
}
SERIES = {name for info in catalogue() for name in info.series} | FOREIGN
of_each_board = pytest.mark.parametrize("uid", COMMITTED)


def test_committed_is_what_the_generator_gives() -> None:
    """Nobody edits the JSON by hand; `python -m deploy.grafana.dashboard` writes it."""
    committed = {path: path.read_text("utf-8") for path in dashboard.FOLDER.glob("*.json")}
    assert committed == dashboard.files()


def test_everybody_has_a_dashboard() -> None:
    """Policy makers, whoever is on duty, whoever runs it: and one for a talk with a provider."""
    assert set(COMMITTED) == {board.uid for board in BOARDS}
    assert {uid.removeprefix("takedown-") for uid in COMMITTED} == {
        "norm", "duty", "operations", "prober", "pipeline", "provider",
    }  # fmt: skip


@of_each_board
def test_grafana_models_read_it_back(uid: str) -> None:
    """Decoded through the SDK's models and encoded again it is the same."""
    decoded = models.Dashboard.from_json(COMMITTED[uid])
    assert json.loads(JSONEncoder(sort_keys=True).encode(decoded)) == COMMITTED[uid]


@of_each_board
def test_ids_are_unique(uid: str) -> None:
    """Grafana drops a panel whose id another one has; a title names one panel for the tests and for people."""
    shown = list(panels(COMMITTED[uid]))
    for key in ("id", "title"):
        assert len(shown) == len({panel[key] for panel in shown})


@of_each_board
def test_panels_do_not_overlap_and_fit(uid: str) -> None:
    """Every panel lies on the grid of 24 columns and covers no other."""
    boxes = [panel["gridPos"] for panel in panels(COMMITTED[uid])]
    for box in boxes:
        assert box["x"] >= 0
        assert box["x"] + box["w"] <= 24
    for a, b in combinations(boxes, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)


def test_panels_explain_themselves() -> None:
    """A description is a sentence, and every query has a letter and a legend of its own."""
    for uid, panel in PANELS:
        assert panel["description"].endswith((".", "`.")), (uid, panel["title"])
        for key in ("refId", "legendFormat"):
            told = [target[key] for target in panel["targets"]]
            assert len(told) == len(set(told)) > 0, (uid, panel["title"])


@of_each_board
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_linter_finds_nothing(rule: Rule, uid: str) -> None:
    """Each of the 17 rules of Grafana's linter holds for each dashboard."""
    assert list(rule(COMMITTED[uid])) == []


def _variable(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    def change(board: dict[str, Any]) -> None:
        next(v for v in board["templating"]["list"] if v["name"] == name).update(values)

    return change


def _panel(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda board: board["panels"][1].update(values)


def _target(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda board: board["panels"][1]["targets"][0].update(values)


def _unit(board: dict[str, Any]) -> None:
    board["panels"][1]["fieldConfig"]["defaults"]["unit"] = "hours of grief"


OURS = '{job=~"$job",instance=~"$instance"}'
BREAKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "template_datasource": _variable("datasource", label="Source"),
    "template_job": _variable("job", multi=False),
    "template_instance": _variable("instance", allValue=".*"),
    "template_label_promql": _variable("job", query="label_values(up{, job)"),
    "template_on_time_change": _variable("instance", refresh=1),
    "panel_datasource": _panel(datasource={"type": "prometheus", "uid": "prometheus"}),
    "panel_title_description": _panel(description=""),
    "panel_units": _unit,
    "panel_no_targets": _panel(targets=[]),
    "target_logql": _target(datasource={"type": "loki", "uid": "${datasource}"}),
    "target_logql_auto": _target(expr=f"rate(up{OURS}[$__auto])"),
    "target_promql": _target(expr="sum(up"),
    "target_rate_interval": _target(expr=f"rate(takedown_looks_total{OURS}[5m])"),
    "target_job": _target(expr='up{instance=~"$instance"}'),
    "target_instance": _target(expr="up"),
    "target_counter_agg": _target(expr=f"sum(takedown_looks_total{OURS})"),
    "uneditable": lambda board: board.update(editable=True),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_linter_finds_what_is_broken(rule: Rule) -> None:
    """Each rule complains of a dashboard that breaks it."""
    board = copy.deepcopy(COMMITTED["takedown-duty"])
    BREAKS[rule.__name__](board)
    assert list(rule(board))


def test_queries_ask_for_what_is_exposed() -> None:
    """Every query is PromQL and names only metrics of the catalogue, or of the process."""
    for asked in dashboard_queries():
        assert "$" not in asked.query, asked
        assert names_in(promql.parse(asked.query)) <= SERIES, asked


@of_each_board
def test_what_can_be_chosen(uid: str) -> None:
    """Data source, job and instance everywhere; providers where a query tells them apart."""
    variables = {v["name"]: v for v in COMMITTED[uid]["templating"]["list"]}
    asks = any("$provider" in t["expr"] for u, p in PANELS if u == uid for t in p["targets"])
    assert set(variables) == {"datasource", "job", "instance"} | ({"provider"} if asks else set())
    if asks:
        assert variables["provider"]["multi"] is (uid != "takedown-provider")


@of_each_board
def test_dashboards_lead_to_each_other(uid: str) -> None:
    """A menu leads from each to the others, with the same time and the same choices."""
    (link,) = COMMITTED[uid]["links"]
    assert link["type"] == "dashboards"
    assert set(link["tags"]) <= set(COMMITTED[uid]["tags"])
    assert link["keepTime"]
    assert link["includeVars"]


def test_provisioning_names_the_same_source() -> None:
    """The dashboards' default data source is the provisioned one, and Grafana reads them where they are mounted."""
    folder = REPOSITORY / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    for board in COMMITTED.values():
        variable = board["templating"]["list"][0]
        assert source["uid"] == variable["current"]["value"] == "prometheus"
    (provider,) = yaml.safe_load((folder / "dashboards" / "takedown.yaml").read_text())["providers"]
    compose = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text())
    grafana = compose["services"]["grafana"]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/takedown-duty.json"


def test_every_metric_is_shown() -> None:
    """What the program tells has a place on a dashboard, but for the constant that the norm's panel holds."""
    shown = set().union(*(names_in(promql.parse(asked.query)) for asked in dashboard_queries()))
    hidden = {info.name for info in catalogue() if not set(info.series) & shown}
    assert hidden == set()


def test_lag_is_in_seconds_of_event_time() -> None:
    """Duty and Pipeline show one lag, and a topic on which nothing waits has none."""
    told = {asked.board for asked in dashboard_queries() if "> bool 0" in asked.query}
    assert told == {"takedown-duty", "takedown-pipeline"}
    assert "takedown_consumer_event_timestamp_seconds" in LAG_SECONDS


def test_a_query_says_where_it_stands() -> None:
    """A failing test names dashboard, panel and letter."""
    assert str(Asked("b", "Panel", "A", "up", "up")) == "b: Panel A"
