"""The kinds of panel the boards are made of; each has a title, a description and a unit.

What a kind takes: words, queries, and a look. `say` and `target` are what further kinds are built with.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.links import TAG, Link, board_links
from roadworthy_dashboards.sdk import (
    PromQueryFormat,
    barchart,
    bargauge,
    common,
    dashboard,
    dashboard_model,
    gauge,
    heatmap,
    heatmap_model,
    prometheus,
    stat,
    table,
    text,
    timeseries,
)
from roadworthy_dashboards.sdk import common_model as model
from roadworthy_dashboards.thresholds import Levels
from roadworthy_dashboards.variables import SOURCE, Variable, bar

__all__ = [
    "NOT_KNOWN",
    "SOURCE",
    "About",
    "Look",
    "Panel",
    "Query",
    "Words",
    "bars",
    "board",
    "each",
    "heat",
    "legend",
    "lines",
    "note",
    "number",
    "override",
    "rows",
    "say",
    "step_colours",
    "target",
]
NOT_KNOWN = "not known"
_APRIL = 3  # Grafana counts months from 0
_FULL_WIDTH = 24
_LATEST = ["lastNotNull"]
_BY_NAME = dashboard_model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME

Dressed = (
    timeseries.Panel
    | stat.Panel
    | table.Panel
    | bargauge.Panel
    | barchart.Panel
    | heatmap.Panel
    | gauge.Panel
)
Panel = Dressed | text.Panel


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


@dataclass(frozen=True)
class About:
    """Whom a board is for (tags of links.AUDIENCES), and what stands in the bar at its top.

    `folded` names the rows that are closed until somebody opens them; `links` stand after those to the other boards; `job_family` is the family whose scrape jobs
    the choice of the job lists.
    """

    audience: Sequence[str] = ()
    variables: Sequence[Variable] = ()
    since: str = "now-24h"
    refresh: str = "1m"
    folded: Sequence[str] = ()
    links: Sequence[dashboard.DashboardLink] = ()
    job_family: str = "roadworthy_estate_info"


@dataclass(frozen=True)
class Look:
    """How a panel looks where that is not the usual: its height in rows of the grid, and its colours.

    `levels` come from thresholds.py; `colours` are those of single series by their legend; `nothing` stands where a
    query has no answer; `links` open from a value.
    """

    height: int = 8
    levels: Levels | None = None
    colours: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    decimals: int | None = None
    nothing: str = NOT_KNOWN
    links: Sequence[Link] = ()
    most: float | None = None


USUAL = Look()
NOBODY = About()


def lines(
    words: Words, *queries: Query, width: int = 12, stacked: bool = False, look: Look = USUAL
) -> timeseries.Panel:
    """Return a panel of lines over time; levels are dashed lines across it."""
    panel = (
        timeseries.Panel().min(0).fill_opacity(30 if stacked else 0).show_points(model.VisibilityMode.NEVER)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(model.StackingMode.NORMAL))
    if look.levels:
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(model.GraphThresholdsStyleMode.DASHED)
        )
    panel.legend(legend()).tooltip(common.VizTooltipOptions().mode(model.TooltipDisplayMode.MULTI))
    for position, query in enumerate(queries):
        panel.with_target(target(position, query).range())
    say(panel, words, width, look)
    return panel


def number(
    words: Words, *queries: Query, width: int = 6, text: bool = False, look: Look = USUAL
) -> stat.Panel:
    """Return a panel of single values now; with `text` it shows the legends instead of the values."""
    coloured = bool(look.levels or look.colours)
    panel = stat.Panel().graph_mode(model.BigValueGraphMode.NONE)
    panel.color_mode(model.BigValueColorMode.VALUE if coloured else model.BigValueColorMode.NONE)
    panel.reduce_options(common.ReduceDataOptions().calcs(_LATEST))
    if text:
        panel.text_mode(model.BigValueTextMode.NAME)
    elif len(queries) > 1 or any("{{" in query.legend for query in queries):
        panel.text_mode(model.BigValueTextMode.VALUE_AND_NAME)
    for position, query in enumerate(queries):
        panel.with_target(target(position, query).instant())
    say(panel, words, width, look)
    return panel


def bars(words: Words, *queries: Query, width: int = 12, look: Look = USUAL) -> bargauge.Panel:
    """Return a panel of horizontal bars, one a series, as they are now."""
    panel = bargauge.Panel().min(0).orientation(model.VizOrientation.HORIZONTAL)
    panel.reduce_options(common.ReduceDataOptions().calcs(_LATEST))
    panel.display_mode(model.BarGaugeDisplayMode.BASIC)
    for position, query in enumerate(queries):
        panel.with_target(target(position, query).instant())
    say(panel, words, width, look)
    return panel


def rows(words: Words, query: Query, *, width: int = 12, look: Look = USUAL) -> table.Panel:
    """Return a table of the labels and values of one query as they are now."""
    panel = table.Panel().with_target(target(0, query).instant().format(PromQueryFormat.TABLE))
    hidden = dashboard_model.DataTransformerConfig(
        id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": {"Value": "devices"}}
    )
    panel.with_transformation(hidden)
    say(panel, words, width, look)
    return panel


def heat(words: Words, query: Query, *, width: int = 24, look: Look = USUAL) -> heatmap.Panel:
    """Return a heatmap of the buckets of a histogram: `query` keeps `le`, its unit is the panel's.

    A step is at least an hour, for in a few minutes of the night nothing starts.
    """
    colours = heatmap.HeatmapColorOptions().mode(heatmap_model.HeatmapColorMode.SCHEME).scheme("Oranges")
    panel = (
        heatmap.Panel()
        .calculate(False)
        .interval("1h")
        .color(colours.steps(32).exponent(0.5))
        .y_axis(heatmap.YAxisConfig().unit(words.unit).axis_placement(model.AxisPlacement.LEFT))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .cell_gap(1)
        .exemplars_color(thresholds.LOOK)
        .show_legend()
    )
    panel.with_target(target(0, Query(query.expr, "{{le}}")).range().format(PromQueryFormat.HEATMAP))
    say(panel, words, width, look)
    return panel


def note(title: str, markdown: str, *, width: int = 24, height: int = 3) -> text.Panel:
    """Return a panel of words: what a reader has to know of the whole board, or where to go next."""
    panel = text.Panel().title(title).description("A note on this board.").content(markdown)
    return panel.span(min(width, _FULL_WIDTH)).height(height)


def board(
    uid: str,
    title: str,
    description: str,
    sections: Sequence[tuple[str, Sequence[Panel]]],
    about: About = NOBODY,
) -> dashboard.Dashboard:
    """Return a dashboard of rows of panels, left to right, with fixed ids so that a rendering never differs."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG, *about.audience])
        .readonly()
        .timezone("browser")
        .fiscal_year_start_month(_APRIL)
        .time(about.since, "now")
        .refresh(about.refresh)
        .tooltip(dashboard_model.DashboardCursorSync.CROSSHAIR)
    )
    for variable in bar(about.variables, about.job_family):
        made.with_variable(variable)
    for link in (*board_links(), *about.links):
        made.link(link)
    identity = itertools.count(1)
    for name, panels in sections:
        row = dashboard.Row(name).id(next(identity))
        for panel in panels:
            panel.id(next(identity))
        if name in about.folded:
            for panel in panels:
                row.with_panel(panel)
        made.with_row(row)
        if name not in about.folded:
            for panel in panels:
                made.with_panel(panel)
    return made


def each(expr: str, label: str, names: Mapping[str, str]) -> tuple[Query, ...]:
    """Return a query for each value of a label, in the order of `names` (its value: what it is called).

    `expr` has `{it}` where the matcher goes. Prometheus keeps no order; a reader of bands needs one.
    """
    return tuple(Query(expr.replace("{it}", f'{label}="{value}"'), legend) for value, legend in names.items())


def target(position: int, query: Query) -> prometheus.Dataquery:
    """Return the query at a position of a panel; say `.range()` or `.instant()` of it."""
    return (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend or "__auto")
        .ref_id(string.ascii_uppercase[position])
        .datasource(SOURCE)
    )


def say(panel: Dressed, words: Words, width: int, look: Look = USUAL) -> None:
    """Give a panel its words, its place, and its colours.

    Lines and upright bars are coloured by the name of their series, so that a site has one colour everywhere; all
    else by levels where it has some, plain where not.
    """
    panel.title(words.title).description(words.description).unit(words.unit).datasource(SOURCE)
    panel.span(min(width, _FULL_WIDTH)).height(look.height).no_value(look.nothing)
    neutral = thresholds.NONE if isinstance(panel, bargauge.Panel | barchart.Panel) else thresholds.TEXT
    panel.thresholds(
        dashboard.ThresholdsConfig()
        .mode(dashboard_model.ThresholdsMode.ABSOLUTE)
        .steps([dashboard_model.Threshold(at, colour) for at, colour in _steps(look.levels or neutral)])
    )
    several = isinstance(panel, timeseries.Panel | barchart.Panel)
    panel.color_scheme(_colouring(_BY_NAME if several else dashboard_model.FieldColorModeId.THRESHOLDS))
    for name, colour in look.colours.items():
        panel.override_by_name(name, [override("color", {"mode": "fixed", "fixedColor": colour})])
    if look.decimals is not None:
        panel.decimals(look.decimals)
    if look.most is not None:
        panel.max(look.most)
    if look.links:
        panel.override_by_regexp("/.*/", [override("links", list(look.links))])


def legend() -> common.VizLegendOptions:
    """Return the usual legend: a list below."""
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(model.LegendDisplayMode.LIST)
        .placement(model.LegendPlacement.BOTTOM)
    )


def override(identity: str, value: object) -> dashboard_model.DynamicConfigValue:
    """Return one property of a field override."""
    return dashboard_model.DynamicConfigValue(id_val=identity, value=value)


def step_colours(levels: Levels) -> dict[str, object]:
    """Return levels as the value of an override of `thresholds`."""
    return {
        "mode": "absolute",
        "steps": [{"value": at, "color": colour} for at, colour in _steps(levels)],
    }


def _steps(levels: Levels) -> Iterable[tuple[float | None, str]]:
    return [(None, levels.base), *levels.steps]


def _colouring(mode: dashboard_model.FieldColorModeId) -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(mode)
