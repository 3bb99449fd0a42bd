"""Generate the dashboard: `python -m deploy.grafana.dashboard` writes takedown.json beside this file.

Classic JSON, built with grafana-foundation-sdk; a test regenerates and compares.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.grafana.panels import ROWS, Box, Query

with warnings.catch_warnings():
    # The SDK prefers the new schema; every Grafana in use reads the classic one.
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        common,
        dashboard,
        prometheus,
        stat,
        timeseries,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as common_models
    from grafana_foundation_sdk.models import dashboard as models

PATH = Path(__file__).parent / "takedown.json"
UID = "takedown"
WIDTH = 24
SOURCE = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")


def build() -> models.Dashboard:
    """Build the dashboard."""
    board = (
        dashboard.Dashboard("Takedown monitor")
        .uid(UID)
        .description(
            "Who removed what in time, as bounds; and whether the monitor itself can be trusted."
        )
        .tags(["takedown"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-24h", "now")
        .timezone("utc")
        .with_variable(_datasource())
        .with_variable(_provider())
    )
    for row in _placed():
        board.with_panel(row) if not isinstance(row, dashboard.Row) else board.with_row(row)
    return board.build()


def _datasource() -> dashboard.DatasourceVariable:
    current = models.VariableOption(selected=True, text="Prometheus", value="prometheus")
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .current(current)
    )


def _provider() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("provider")
        .label("Provider")
        .datasource(SOURCE)
        .query("label_values(takedown_spells, provider)")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def _placed() -> Iterator[Any]:
    """Lay the boxes out from left to right and top to bottom, a heading above each group; number everything."""
    number, y = 0, 0
    for title, boxes in ROWS:
        number += 1
        yield dashboard.Row(title).id(number).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=y))
        x, y, high = 0, y + 1, 0
        for box in boxes:
            if x + box.width > WIDTH:
                x, y, high = 0, y + high, 0
            number += 1
            yield (
                _panel(box).id(number).grid_pos(models.GridPos(h=box.height, w=box.width, x=x, y=y))
            )
            x, high = x + box.width, max(high, box.height)
        y += high


def _panel(box: Box) -> Any:
    panel = _KINDS[box.kind](box)
    panel.title(box.title).description(box.about).unit(box.unit).datasource(SOURCE).min(0)
    for letter, query in zip("ABCDEFGH", box.queries, strict=False):
        panel.with_target(_target(letter, query))
    return panel


def _target(letter: str, query: Query) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .ref_id(letter)
        .datasource(SOURCE)
        .expr(query.expr)
        .legend_format(query.legend)
    )
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


_KINDS = {"stat": _stat_panel, "name": _name_panel, "bars": _bar_panel, "lines": _line_panel}


def _last() -> Any:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _thresholds(bad: float | None) -> Any:
    steps = [models.Threshold(color="text" if bad is None else "green", value=None)]
    if bad is not None:
        steps.append(models.Threshold(color="red", value=bad))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def text() -> str:
    """Give the JSON that Grafana reads."""
    return (
        json.dumps(
            json.loads(JSONEncoder(sort_keys=True).encode(build())), indent=2, sort_keys=True
        )
        + "\n"
    )


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
