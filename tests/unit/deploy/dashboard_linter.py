"""The 17 rules by which Grafana's own linter judges a dashboard, each as a function from a board to complaints."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import promql_parser as promql

from deploy.grafana.queries import panels, put_in
from tests.unit.deploy.promql_names import selectors_in

Board = dict[str, Any]
Rule = Callable[[Board], Iterator[str]]

# Grafana's names of units, of those that the boards may use.
UNITS = {"none", "s", "percentunit", "cps", "bytes"}
_NEED_TARGETS = {"stat", "table", "timeseries", "bargauge", "gauge"}
_ON_TIME_CHANGE = 2
_GROWING = re.compile(r"_total$|_bucket$|_count$|_sum$")
_GROWTH = {"rate", "irate", "increase"}


def _variables(board: Board) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def _shown(board: Board) -> Iterator[dict[str, Any]]:
    return (panel for panel in panels(board) if panel["type"] != "row")


def _targets(board: Board) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in _shown(board):
        for target in panel.get("targets") or []:
            yield f"{panel['title']} {target['refId']}", target


def _parsed(expr: str) -> Any:
    return promql.parse(put_in(expr))


def template_datasource(board: Board) -> Iterator[str]:
    """The data source is a variable of that name, for people called "Data source"."""
    variable = _variables(board).get("datasource")
    if variable is None or variable["type"] != "datasource" or variable["query"] != "prometheus":
        yield "no variable for the data source"
    elif variable["label"] != "Data source":
        yield f"the data source is called {variable['label']}"


def _chosen_label(board: Board, name: str, label: str) -> Iterator[str]:
    variable = _variables(board).get(name)
    if variable is None:
        yield f"no variable {name}"
        return
    wanted = {"type": "query", "label": label, "multi": True, "includeAll": True, "allValue": ".+"}
    for key, value in wanted.items():
        if variable.get(key) != value:
            yield f"{name}: {key} is {variable.get(key)!r}"
    if variable["datasource"]["uid"] != "${datasource}":
        yield f"{name} asks a fixed data source"


def template_job(board: Board) -> Iterator[str]:
    """The job can be chosen, several or all."""
    yield from _chosen_label(board, "job", "Job")


def template_instance(board: Board) -> Iterator[str]:
    """The instance can be chosen, several or all."""
    yield from _chosen_label(board, "instance", "Instance")


def template_label_promql(board: Board) -> Iterator[str]:
    """What a variable asks for is PromQL."""
    for name, variable in _variables(board).items():
        if variable["type"] != "query":
            continue
        inner = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        try:
            _parsed(inner[1] if inner else "")
        except ValueError as error:
            yield f"{name}: {error}"


def template_on_time_change(board: Board) -> Iterator[str]:
    """Variables are asked anew when the time range changes."""
    for name, variable in _variables(board).items():
        if variable["type"] == "query" and variable.get("refresh") != _ON_TIME_CHANGE:
            yield name


def panel_datasource(board: Board) -> Iterator[str]:
    """Every panel asks the data source of the variable."""
    for panel in _shown(board):
        if (panel.get("datasource") or {}).get("uid") != "${datasource}":
            yield panel["title"]


def panel_title_description(board: Board) -> Iterator[str]:
    """Every panel has a title and a description."""
    for panel in _shown(board):
        if not panel.get("title") or not panel.get("description"):
            yield f"panel {panel['id']}"


def panel_units(board: Board) -> Iterator[str]:
    """Every panel, and every column of a table, has a unit that Grafana knows."""
    for panel in _shown(board):
        units = [panel["fieldConfig"]["defaults"].get("unit")]
        for override in panel["fieldConfig"].get("overrides") or []:
            units += [one["value"] for one in override["properties"] if one["id"] == "unit"]
        for unit in units:
            if unit not in UNITS:
                yield f"{panel['title']}: {unit}"


def panel_no_targets(board: Board) -> Iterator[str]:
    """Every panel that shows figures asks for some."""
    for panel in _shown(board):
        if panel["type"] in _NEED_TARGETS and not panel.get("targets"):
            yield panel["title"]


def _is_loki(target: Mapping[str, Any]) -> bool:
    return bool((target.get("datasource") or {}).get("type") == "loki")


def target_logql(board: Board) -> Iterator[str]:
    """No panel asks for logs: they hold what no viewer of figures need see, so there is no LogQL to be wrong."""
    yield from (name for name, target in _targets(board) if _is_loki(target))


def target_logql_auto(board: Board) -> Iterator[str]:
    """No range of LogQL is chosen by hand: `$__auto` stands nowhere, for nothing asks for logs."""
    yield from (name for name, target in _targets(board) if "$__auto" in target["expr"])


def target_promql(board: Board) -> Iterator[str]:
    """Every query is PromQL."""
    for name, target in _targets(board):
        try:
            _parsed(target["expr"])
        except ValueError as error:
            yield f"{name}: {error}"


def target_rate_interval(board: Board) -> Iterator[str]:
    """A rate is over the interval that Grafana derives from the scrape's."""
    for name, target in _targets(board):
        for ranged in re.findall(r"\b(?:rate|irate)\([^\[]*\[([^\]]*)\]", target["expr"]):
            if ranged != "$__rate_interval":
                yield f"{name}: {ranged}"


def _every_selector(board: Board, label: str) -> Iterator[str]:
    for name, target in _targets(board):
        selectors = re.findall(r"\{([^{}]*)\}", target["expr"])
        if len(selectors) != len(list(selectors_in(_parsed(target["expr"])))):
            yield f"{name}: a selector without matchers"
        yield from (name for one in selectors if f'{label}=~"${label}"' not in one.split(","))


def target_job(board: Board) -> Iterator[str]:
    """Every selector is bound to the chosen job."""
    yield from _every_selector(board, "job")


def target_instance(board: Board) -> Iterator[str]:
    """Every selector is bound to the chosen instance."""
    yield from _every_selector(board, "instance")


def target_counter_agg(board: Board) -> Iterator[str]:
    """A counter's growth is shown, never its height: that says how long ago the process was started."""
    for name, target in _targets(board):
        for selector, function in selectors_in(_parsed(target["expr"])):
            # The removal histograms come from the ledger: their height is the whole history.
            ledgers = selector.startswith("takedown_removal_seconds_")
            if _GROWING.search(selector) and function not in _GROWTH and not ledgers:
                yield f"{name}: {selector}"


def uneditable(board: Board) -> Iterator[str]:
    """Nobody edits a dashboard in place: a change would be lost with the next version."""
    if board["editable"] is not False:
        yield "editable"


RULES: tuple[Rule, ...] = (
    template_datasource,
    template_job,
    template_instance,
    template_label_promql,
    template_on_time_change,
    panel_datasource,
    panel_title_description,
    panel_units,
    panel_no_targets,
    target_logql,
    target_logql_auto,
    target_promql,
    target_rate_interval,
    target_job,
    target_instance,
    target_counter_agg,
    uneditable,
)
