"""Draws a report's charts as SVG. Costs the drawing library: a serving process never imports this, it asks a child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert

from roadworthy_collector.carbon.report_model import in_short
from roadworthy_collector.console.chart_style import BLUE, GRID, MUTED, ROSE, TEXT
from roadworthy_collector.console.charts import label

WIDTH = 660
# The font of the PDF, which brings its own; a reader without it sees another serif.
FONT = "Libertinus Serif, Linux Libertine, Georgia, serif"
_VEGALITE = "6.4"
_ROW = 26
_SIZE = 14
_STYLE: Mapping[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "padding": {"left": 2, "right": 6, "top": 4, "bottom": 4},
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "axis": {
        "labelColor": TEXT,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "labelFontSize": _SIZE,
        "titleFontSize": _SIZE,
        "titleFontWeight": "normal",
    },
}


def draw(chart: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Return the SVG of a chart of `table`'s rows: a bar a row, what is below nought in another colour.

    A row that says it is not `drawn` is of another unit, or a sum of the others.
    """
    value = chart["values"][0]
    rows = [
        {"label": _short(str(row[chart["label"]])), "value": row[value], "text": in_short(row[value])}
        for row in table["rows"]
        if row.get(value) is not None and row.get("drawn", True)
    ]
    low, high = (pick([0.0, *(row["value"] for row in rows)]) for pick in (min, max))
    room = (high - low or 1.0) * 0.16
    ends = [low - 1.5 * room if low < 0 else 0.0, high + room if high >= 0 else 0.0]
    return vl_convert.vegalite_to_svg(
        # Nothing is fetched: an empty list refuses every address.
        _specification(rows, ends, chart["unit"]),
        vl_version=_VEGALITE,
        allowed_base_urls=[],
    )


def _specification(rows: Sequence[Mapping[str, Any]], ends: Sequence[float], unit: str) -> dict[str, Any]:
    """Return the chart in Vega-Lite's own words: a library that writes them costs half a second to load."""
    along = {
        "x": {
            "field": "value",
            "type": "quantitative",
            "title": unit,
            "scale": {"domain": list(ends), "nice": False},
            "axis": {"tickCount": 6},
        },
        "y": {
            "field": "label",
            "type": "nominal",
            "title": None,
            "sort": [row["label"] for row in rows],
            "axis": {"domain": False, "labelLimit": 340, "labelPadding": 8, "ticks": False},
        },
    }
    below = {"condition": {"test": "datum.value < 0", "value": ROSE}, "value": BLUE}
    return {
        "config": _STYLE,
        "data": {"values": list(rows)},
        "width": WIDTH,
        "height": {"step": _ROW},
        "layer": [
            {"mark": {"type": "bar", "height": 15}, "encoding": {**along, "color": below}},
            _texts(along, "left", 4, "datum.value >= 0"),
            _texts(along, "right", -4, "datum.value < 0"),
        ],
    }


def _texts(along: Mapping[str, Any], align: str, shift: int, where: str) -> dict[str, Any]:
    """Return the values beside the bars that `where` holds of."""
    return {
        "transform": [{"filter": where}],
        "mark": {"type": "text", "align": align, "dx": shift, "fontSize": _SIZE - 1, "color": TEXT},
        "encoding": {**along, "text": {"field": "text", "type": "nominal"}},
    }


def _short(text: str) -> str:
    return label(text.split(":", 1)[0])


def all_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return {name: SVG} of every chart of a content."""
    tables = {one["name"]: one for one in content["tables"]}
    return {one["name"]: draw(one, tables[one["table"]]) for one in content["charts"]}
