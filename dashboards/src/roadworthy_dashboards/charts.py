"""Bars and tables by labels that are no time: months and years of gauges, units by year, kinds by outcome."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from roadworthy_dashboards.panels import USUAL, Look, Query, Words, legend, override, say, target
from roadworthy_dashboards.sdk import PromQueryFormat, barchart, common, table
from roadworthy_dashboards.sdk import common_model as model
from roadworthy_dashboards.tables import Column, Key, ask, organised, transformation

__all__ = ["Column", "Key", "banded", "matrix", "upright"]
# Left alone the kit writes 0, and Grafana then shortens every label to nothing.
_LABEL_LETTERS = 30
_ANY: Mapping[str, str] = MappingProxyType({})


def upright(
    words: Words,
    by: str,
    *values: Column,
    width: int = 12,
    stacked: bool = False,
    look: Look = USUAL,
) -> barchart.Panel:
    """Return upright bars for each value of the label `by` in alphabetical order, one a column, as they are now.

    The queries leave no label but `by`; all have the unit of the panel. A month or
    year of which a column has no figure gets no bar of it; figures may be below nought.
    """
    panel = _bars(by, stacked=stacked)
    ask(panel, values)
    panel.with_transformation(organised({by: by}, values))
    panel.with_transformation(transformation("sortBy", {"sort": [{"field": by, "desc": False}]}))
    say(panel, words, width, look)
    return panel


def banded(
    words: Words,
    by: str,
    expr: str,
    label: str,
    names: Mapping[str, str] = _ANY,
    *,
    width: int = 12,
    stacked: bool = True,
    look: Look = USUAL,
) -> barchart.Panel:
    """Return upright bars of one query for each value of `by`, stacked of bands or a bar of each beside the others.

    The query leaves no label but `by` and `label`, whose values are the bands: `names` ({value: what it is called}) in
    its order, then the others. What has no figure has no band; figures may be below nought.
    """
    panel = _bars(by, stacked=stacked)
    _open_out(panel, expr, Key(by, by), label, names)
    say(panel, words, width, look)
    return panel


def matrix(
    words: Words,
    expr: str,
    row: Key,
    label: str,
    names: Mapping[str, str] = _ANY,
    *,
    width: int = 12,
    look: Look = USUAL,
) -> table.Panel:
    """Return a table of one query with a row for each value of the label of `row` and a column for each of `label`.

    The query leaves no other labels. Rows and columns are in alphabetical order, but columns that are in `names`
    ({value: title}) come first, in its order. A cell nothing is told of says what `look` has for nothing.
    """
    panel = table.Panel().filterable(True).cell_height(model.TableCellHeight.SM)
    _open_out(panel, expr, row, label, names)
    say(panel, words, width, look)
    if row.links:
        panel.override_by_name(row.title, [override("links", list(row.links))])
    return panel


def _bars(by: str, *, stacked: bool) -> barchart.Panel:
    panel = barchart.Panel().orientation(model.VizOrientation.VERTICAL).fill_opacity(80).line_width(1)
    panel.stacking(model.StackingMode.NORMAL if stacked else model.StackingMode.NONE)
    panel.show_value(model.VisibilityMode.NEVER).x_field(by).x_tick_label_spacing(40)
    panel.x_tick_label_max_length(_LABEL_LETTERS)
    panel.legend(legend()).tooltip(common.VizTooltipOptions().mode(model.TooltipDisplayMode.MULTI))
    # Bars begin at nought, and go below it where figures do.
    return panel.axis_soft_min(0).axis_soft_max(0)


def _open_out(
    panel: barchart.Panel | table.Panel, expr: str, row: Key, label: str, names: Mapping[str, str]
) -> None:
    """Ask for a table of (row, label, value) and make each value of the label a column."""
    named = f"{{{{{row.label}}}}}, {{{{{label}}}}}"
    panel.with_target(target(0, Query(expr, named)).instant().format(PromQueryFormat.TABLE))
    heading = f"{row.label}\\{label}"  # what Grafana calls the corner of the table
    titles = {heading: row.title, **names}
    # Columns come in the order in which they are first met, so they are put in order before there are any.
    steps = (
        ("sortBy", {"sort": [{"field": label, "desc": False}]}),
        (
            "groupingToMatrix",
            {"rowField": row.label, "columnField": label, "valueField": "Value", "emptyValue": "null"},
        ),
        ("sortBy", {"sort": [{"field": heading, "desc": False}]}),
        (
            "organize",
            {
                "indexByName": {name: place for place, name in enumerate(titles)},
                "renameByName": titles,
            },
        ),
    )
    for name, options in steps:
        panel.with_transformation(transformation(name, options))
