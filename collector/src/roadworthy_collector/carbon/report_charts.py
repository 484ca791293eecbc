"""Draws a report's charts as SVG. Costs the drawing library: a serving process never imports this, it asks a child."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import vl_convert

from roadworthy_collector.console.chart_style import BLUE, GRID, MUTED, ROSE, TEXT
from roadworthy_collector.console.charts import label

WIDTH = 660
# The font of the PDF, which brings its own; a reader without it sees another serif.
FONT = "Libertinus Serif, Linux Libertine, Georgia, serif"
_VEGALITE = "6.4"
_ROW = 26
_SIZE = 14
# Values above this many need no decimals beside a bar.
_PLAIN = 100


def draw(chart: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Return the SVG of a chart of `table`'s rows: a bar a row, what is below nought in another colour.

    A row that says it is not `drawn` is of another unit, or a sum of the others.
    """
    value = chart["values"][0]
    rows = [
        {"label": _short(str(row[chart["label"]])), "value": row[value], "text": _told(row[value])}
        for row in table["rows"]
        if row.get(value) is not None and row.get("drawn", True)
    ]
    order = [row["label"] for row in rows]
    low, high = (pick([0.0, *(row["value"] for row in rows)]) for pick in (min, max))
    room = (high - low or 1.0) * 0.16
    ends = [low - 1.5 * room if low < 0 else 0.0, high + room if high >= 0 else 0.0]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=340, ticks=False, domain=False)),
        x=alt.X(
            "value:Q",
            title=chart["unit"],
            scale=alt.Scale(domain=ends, nice=False),
            axis=alt.Axis(tickCount=6),
        ),
    )
    bars = base.mark_bar(height=15).encode(
        color=alt.condition("datum.value < 0", alt.value(ROSE), alt.value(BLUE))
    )
    right = base.transform_filter("datum.value >= 0").mark_text(
        align="left", dx=4, fontSize=_SIZE - 1, color=TEXT
    )
    left = base.transform_filter("datum.value < 0").mark_text(
        align="right", dx=-4, fontSize=_SIZE - 1, color=TEXT
    )
    texts = [one.encode(text="text:N") for one in (right, left)]
    whole = _styled(alt.layer(bars, *texts).properties(width=WIDTH, height=alt.Step(_ROW)))
    # Nothing is fetched: an empty list refuses every address.
    return vl_convert.vegalite_to_svg(whole.to_dict(), vl_version=_VEGALITE, allowed_base_urls=[])


def _styled(whole: Any) -> Any:
    whole = whole.configure(
        background="transparent",
        font=FONT,
        padding={"left": 2, "right": 6, "top": 4, "bottom": 4},
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )
    whole = whole.configure_view(stroke=None)
    return whole.configure_axis(
        labelColor=TEXT, titleColor=MUTED, gridColor=GRID, domainColor=GRID, tickColor=GRID,
        labelFontSize=_SIZE, titleFontSize=_SIZE, titleFontWeight="normal",
    )  # fmt: skip


def _short(text: str) -> str:
    return label(text.split(":", 1)[0])


def _told(value: float) -> str:
    return f"{value:,.{0 if abs(value) >= _PLAIN else 1}f}".replace("-", "\N{MINUS SIGN}")


def all_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return {name: SVG} of every chart of a content."""
    tables = {one["name"]: one for one in content["tables"]}
    return {one["name"]: draw(one, tables[one["table"]]) for one in content["charts"]}
