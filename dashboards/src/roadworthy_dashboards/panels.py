"""The few kinds of panel the boards are made of; each has a title, a description and a unit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy_dashboards.sdk import (
    PromQueryFormat,
    bargauge,
    common,
    dashboard,
    dashboard_model,
    prometheus,
    stat,
    table,
    timeseries,
)
from roadworthy_dashboards.sdk import common_model as model

# A variable of every board, so that a board works with whatever its Grafana calls the data source.
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_FULL_WIDTH = 24
_HEIGHT = 8
_LATEST = ["lastNotNull"]

Panel = timeseries.Panel | stat.Panel | table.Panel | bargauge.Panel


@dataclass(frozen=True)
class Query:
    """A PromQL expression and what its series are called in the legend."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Words:
    """What a panel says about itself. `unit` is one of Grafana's unit ids."""

    title: str
    description: str
    unit: str


def lines(words: Words, *queries: Query, width: int = 12, stacked: bool = False) -> timeseries.Panel:
    """Return a panel of lines over time."""
    panel = (
        timeseries.Panel().min(0).fill_opacity(30 if stacked else 0).show_points(model.VisibilityMode.NEVER)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(model.StackingMode.NORMAL))
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(model.LegendDisplayMode.LIST)
        .placement(model.LegendPlacement.BOTTOM)
    )
    for number, query in enumerate(queries):
        panel.with_target(_target(number, query).range())
    _say(panel, words, width)
    return panel


def number(words: Words, *queries: Query, width: int = 6, text: bool = False) -> stat.Panel:
    """Return a panel of single values now; with `text` it shows the legends instead of the values."""
    panel = stat.Panel().color_mode(model.BigValueColorMode.NONE).graph_mode(model.BigValueGraphMode.NONE)
    panel.reduce_options(common.ReduceDataOptions().calcs(_LATEST))
    if text:
        panel.text_mode(model.BigValueTextMode.NAME)
    for position, query in enumerate(queries):
        panel.with_target(_target(position, query).instant())
    _say(panel, words, width)
    return panel


def bars(words: Words, *queries: Query, width: int = 12) -> bargauge.Panel:
    """Return a panel of horizontal bars, one a series, as they are now."""
    panel = bargauge.Panel().min(0).orientation(model.VizOrientation.HORIZONTAL)
    panel.reduce_options(common.ReduceDataOptions().calcs(_LATEST))
    panel.display_mode(model.BarGaugeDisplayMode.BASIC)
    for position, query in enumerate(queries):
        panel.with_target(_target(position, query).instant())
    _say(panel, words, width)
    return panel


def rows(words: Words, query: Query, *, width: int = 12) -> table.Panel:
    """Return a table of the labels and values of one query as they are now."""
    panel = table.Panel().with_target(_target(0, query).instant().format(PromQueryFormat.TABLE))
    hidden = dashboard_model.DataTransformerConfig(
        id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": {"Value": "devices"}}
    )
    panel.with_transformation(hidden)
    _say(panel, words, width)
    return panel


def board(
    uid: str, title: str, description: str, sections: Sequence[tuple[str, Sequence[Panel]]]
) -> dashboard.Dashboard:
    """Return a dashboard of rows of panels, left to right, with fixed ids so that a rendering never differs."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["roadworthy"])
        .readonly()
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(dashboard_model.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    identity = itertools.count(1)
    for name, panels in sections:
        made.with_row(dashboard.Row(name).id(next(identity)))
        for panel in panels:
            made.with_panel(panel.id(next(identity)))
    return made


def _target(position: int, query: Query) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend or "__auto")
        .ref_id(chr(ord("A") + position))
        .datasource(SOURCE)
    )


def _say(panel: Panel, words: Words, width: int) -> None:
    panel.title(words.title).description(words.description).unit(words.unit).datasource(SOURCE)
    panel.span(min(width, _FULL_WIDTH)).height(_HEIGHT)
