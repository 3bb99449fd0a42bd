"""Generate the dashboards: `python -m deploy.grafana.dashboard` writes the JSON files of the folder `dashboards`.

Classic JSON, built with grafana-foundation-sdk; a test regenerates and compares.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.grafana.boards import BOARDS
from deploy.grafana.panels import Board, Box, Query, S

with warnings.catch_warnings():
    # The SDK prefers the new schema; every Grafana in use reads the classic one.
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        common,
        dashboard,
        prometheus,
        stat,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as common_models
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models import prometheus as prometheus_models

FOLDER = Path(__file__).parent / "dashboards"
WIDTH = 24
LETTERS = "ABCDEFGH"
SOURCE = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")


def build(board: Board) -> models.Dashboard:
    """Build a dashboard."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags(["takedown"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time(board.since, "now")
        # Where people read, their own zone; every figure is stored in UTC.
        .timezone("browser")
        .link(_others())
    )
    for variable in _variables(board):
        built.with_variable(variable)
    for part in _placed(board):
        built.with_row(part) if isinstance(part, dashboard.Row) else built.with_panel(part)
    return built.build()


def _others() -> dashboard.DashboardLink:
    """Link to the other dashboards, keeping time and variables."""
    link = dashboard.DashboardLink("Takedown").type(models.DashboardLinkType.DASHBOARDS)
    return link.tags(["takedown"]).as_dropdown(True).keep_time(True).include_vars(True)


def _variables(board: Board) -> Iterator[Any]:
    yield _datasource()
    yield _label("job", "Job", 'up{job=~".*takedown.*"}')
    yield _label("instance", "Instance", 'up{job=~"$job"}')
    if board.providers:
        yield _label("provider", "Provider", f"takedown_spells{{{S}}}", everything=".*")
    if board.one_provider:
        query = f"label_values(takedown_spells{{{S}}}, provider)"
        yield _query("provider", "Provider", query).multi(False).include_all(False)


def _datasource() -> dashboard.DatasourceVariable:
    current = models.VariableOption(selected=True, text="Prometheus", value="prometheus")
    variable = dashboard.DatasourceVariable("datasource").label("Data source")
    return variable.type("prometheus").current(current)


def _label(name: str, label: str, series: str, everything: str = ".+") -> dashboard.QueryVariable:
    """Make a variable of several values of a label, by default all."""
    every = models.VariableOption(selected=True, text="All", value="$__all")
    variable = _query(name, label, f"label_values({series}, {name})")
    return variable.multi(True).include_all(True).all_value(everything).current(every)


def _query(name: str, label: str, query: str) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(query)
    return variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(
        models.VariableSort.ALPHABETICAL_ASC
    )


def _placed(board: Board) -> Iterator[Any]:
    """Lay the boxes out from left to right and top to bottom, a heading above each group; number everything."""
    number, y = 0, 0
    for title, boxes in board.rows:
        number += 1
        yield dashboard.Row(title).id(number).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=y))
        x, y, high = 0, y + 1, 0
        for box in boxes:
            if x + box.width > WIDTH:
                x, y, high = 0, y + high, 0
            number += 1
            place = models.GridPos(h=box.height, w=box.width, x=x, y=y)
            yield _panel(box).id(number).grid_pos(place)
            x, high = x + box.width, max(high, box.height)
        y += high


def _panel(box: Box) -> Any:
    panel = _KINDS[box.kind](box)
    panel.title(box.title).description(box.about).unit(box.unit).datasource(SOURCE).min(0)
    for letter, query in zip(LETTERS, box.queries, strict=False):
        target = _target(letter, query)
        if box.kind == "table":
            target.format(prometheus_models.PromQueryFormat.TABLE)
        panel.with_target(target)
    return panel


def _target(letter: str, query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(letter).datasource(SOURCE)
    target.expr(query.expr).legend_format(query.legend)
    if query.exemplar:
        target.exemplar(True)
    return target.instant() if query.instant else target.range()


def _stat_panel(box: Box) -> Any:
    panel = stat.Panel().graph_mode(common_models.BigValueGraphMode.NONE).no_value("none yet")
    return panel.reduce_options(_last()).thresholds(_thresholds(box.bad))


def _name_panel(box: Box) -> Any:
    return _stat_panel(box).text_mode(common_models.BigValueTextMode.NAME)


def _bar_panel(box: Box) -> Any:
    panel = (
        bargauge.Panel().orientation(common_models.VizOrientation.HORIZONTAL).no_value("none yet")
    )
    return panel.reduce_options(_last()).display_mode(common_models.BarGaugeDisplayMode.BASIC)


def _line_panel(box: Box) -> Any:
    legend = common.VizLegendOptions().show_legend(True)
    legend.display_mode(common_models.LegendDisplayMode.LIST)
    legend.placement(common_models.LegendPlacement.BOTTOM)
    panel = timeseries.Panel().legend(legend).fill_opacity(40 if box.stacked else 5).line_width(1)
    if box.stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    return panel


def _table_panel(box: Box) -> Any:
    """Make a table of one line for each value of a label, and a column for each query."""
    panel = table.Panel().show_header(True).no_value("none yet")
    columns = dict(zip(LETTERS, box.queries, strict=False))
    names = {f"Value #{letter}": query.legend for letter, query in columns.items()}
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    tidy = {
        "excludeByName": {"Time": True},
        "indexByName": _order(box, names),
        "renameByName": names,
    }
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=tidy))
    for query in box.queries:
        unit = models.DynamicConfigValue(id_val="unit", value=query.unit)
        panel.override_by_name(query.legend, [unit])
    return panel


def _order(box: Box, names: dict[str, str]) -> dict[str, int]:
    return {name: place for place, name in enumerate((box.by, *names))}


_KINDS = {
    "stat": _stat_panel,
    "name": _name_panel,
    "bars": _bar_panel,
    "lines": _line_panel,
    "table": _table_panel,
}


def _last() -> Any:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _thresholds(bad: float | None) -> Any:
    steps = [models.Threshold(color="text" if bad is None else "green", value=None)]
    if bad is not None:
        steps.append(models.Threshold(color="red", value=bad))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def files() -> dict[Path, str]:
    """Give every dashboard's file with the JSON that Grafana reads."""
    return {FOLDER / f"{board.uid}.json": _text(build(board)) for board in BOARDS}


def _text(built: models.Dashboard) -> str:
    plain = json.loads(JSONEncoder(sort_keys=True).encode(built))
    return json.dumps(plain, indent=2, sort_keys=True) + "\n"


def write() -> None:
    """Write every file, and drop those of dashboards that are no more."""
    FOLDER.mkdir(exist_ok=True)
    made = files()
    for old in set(FOLDER.glob("*.json")) - set(made):
        old.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
