"""Draws charts as SVG with Altair and vl-convert. Only the jobs process imports this: it costs 135 MB.

Charts are drawn in the light scheme's colours; a style in the SVG turns them into the dark scheme's where the
reader prefers that. They bring their own background, so they stay legible where that style is not honoured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

from roadworthy_collector.console.chart_style import (
    AMBER,
    BLUE,
    CARD,
    GRID,
    MUTED,
    PALE,
    PURPLE,
    ROSE,
    STYLE,
    TEAL,
    TEXT,
)

Layered = alt.LayerChart | alt.FacetChart

# Stands for the hatched pattern until the SVG is finished: Vega-Lite has no patterns.
_HATCH = "#0badca"
PHASE_COLOURS = {
    "Firmware": PURPLE,
    "Boot loader": ROSE,
    "Kernel": BLUE,
    "Initial disk": TEAL,
    "System services": AMBER,
}
NOT_COUNTED = "Not counted (suspect)"
_FONT = "Arial, Liberation Sans, Helvetica, DejaVu Sans, sans-serif"
# Texts are laid out this much larger than they are drawn: a reader's font may be wider than the one measured
# with here, and a label must neither be cut off nor run into the next.
_ROOM = 1.14
_FONT_SIZE = re.compile(r'font-size="([0-9.]+)px"')
_VEGALITE = "6.4"
# A row with its label above it: the height of the row and of the bar, and how far the label stands above.
_ROW, _BAR, _LABEL_RISE = 42, 15, 13


def draw(spec: Mapping[str, Any]) -> str:
    """Return the SVG of a chart `console.charts` asked for; raises KeyError for an unknown kind."""
    chart = KINDS[spec["kind"]](spec["data"], int(spec["width"]))
    size = _size(spec["width"])
    chart = chart.configure(
        background=CARD,
        font=_FONT,
        padding={"left": 2, "right": 6, "top": 4, "bottom": 4},
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )
    chart = chart.configure_view(stroke=None)
    chart = chart.configure_axis(
        labelColor=MUTED, titleColor=MUTED, gridColor=GRID, domainColor=GRID, tickColor=GRID,
        labelFontSize=size, titleFontSize=size, titleFontWeight="normal", titlePadding=8,
    )  # fmt: skip
    chart = chart.configure_legend(
        labelColor=TEXT, titleColor=MUTED, labelFontSize=size, symbolSize=110, symbolStrokeWidth=0,
        orient="top", direction="horizontal", columns=_legend_columns(spec["kind"], spec["width"]), title=None,
        offset=8,
        labelLimit=300, columnPadding=14,
    )  # fmt: skip
    # Nothing is fetched: an empty list refuses every address.
    svg = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=_VEGALITE, allowed_base_urls=[])
    return finish(svg)


def _legend_columns(kind: str, width: int) -> int:
    """Return how many entries of a legend stand beside each other."""
    if kind in {"half_hours", "spread"}:
        return 4 if width > 900 else 2 if width >= 500 else 1
    return 6 if width >= 500 else 2


def _size(width: float) -> float:
    """Return the size of text to lay out with, in pixels."""
    return (12 if width < 500 else 13) * _ROOM


def finish(svg: str) -> str:
    """Return an SVG with the hatched pattern and the dark scheme put in after its opening tag."""
    head = (
        f"<style>{STYLE}</style>"
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" fill="{GRID}"/><rect width="2" height="6" fill="{MUTED}"/></pattern></defs>'
    )
    opening, bracket, rest = svg.partition(">")
    rest = rest.replace(f'"{_HATCH}"', '"url(#hatch)"')
    rest = _FONT_SIZE.sub(lambda found: f'font-size="{float(found[1]) / _ROOM:.1f}px"', rest)
    return opening + bracket + head + rest


def _data(values: list[dict[str, Any]]) -> alt.InlineData:
    return alt.InlineData(values=values)


def _unit(longest_seconds: float) -> tuple[float, str]:
    """Return by what to divide seconds and what to call the result, so that an axis has small numbers."""
    if longest_seconds < 180:
        return 1.0, "seconds"
    return (60.0, "minutes") if longest_seconds < 7200 else (3600.0, "hours")


def _colour(names: Sequence[str], colours: Sequence[str], field: str) -> alt.Color:
    return alt.Color(
        f"{field}:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=alt.Legend()
    )


def _rows(number: int) -> alt.Step:
    return alt.Step(_ROW) if number else alt.Step(1)


def _row_labels(rows: Sequence[Mapping[str, Any]], width: int) -> list[alt.Chart]:
    """Return the two texts above each bar: what it is on the left, its total on the right."""
    data = _data(
        [{"row": index, "label": row["label"], "total": row["total"]} for index, row in enumerate(rows)]
    )
    place = alt.Y("row:O", axis=None)
    size = _size(width)
    texts = alt.Chart(data).mark_text(
        align="left", baseline="middle", dy=-_LABEL_RISE, color=TEXT, fontSize=size, limit=width - 130
    )
    totals = alt.Chart(data).mark_text(
        align="right", baseline="middle", dy=-_LABEL_RISE, color=TEXT, fontSize=size, fontWeight="bold"
    )
    return [
        texts.encode(y=place, x=alt.value(0), text="label:N"),
        totals.encode(y=place, x=alt.value("width"), text="total:N"),
    ]


def _bars(values: list[dict[str, Any]]) -> alt.Chart:
    chart: alt.Chart = alt.Chart(_data(values)).mark_bar(
        height=_BAR, yOffset=5, clip=True, stroke=CARD, strokeWidth=1
    )
    return chart


def phases(data: Mapping[str, Any], width: int) -> Layered:
    """Draw one stacked bar a start-up: phases in their order, what is not counted hatched at the end.

    The scale follows what is counted: a firmware time of 23 minutes that nobody believes runs off the edge
    instead of flattening the rest.
    """
    rows = data["rows"]
    counted = [sum(item["seconds"] for item in row["segments"] if item["counted"]) for row in rows]
    longest = max(counted, default=0.0) or max(
        (item["seconds"] for row in rows for item in row["segments"]), default=1.0
    )
    divisor, unit = _unit(longest)
    values = [segment for index, row in enumerate(rows) for segment in _segments(index, row, divisor)]
    used = {value["phase"] for value in values}
    names = [
        name
        for name in (*PHASE_COLOURS, *sorted(used - {*PHASE_COLOURS, NOT_COUNTED}), NOT_COUNTED)
        if name in used
    ]
    colours = [_HATCH if name == NOT_COUNTED else PHASE_COLOURS.get(name, MUTED) for name in names]
    bars = _bars(values).encode(
        x=alt.X(
            "from:Q",
            title=unit,
            scale=alt.Scale(domain=[0, longest / divisor * 1.12], nice=False),
            axis=alt.Axis(tickCount=6 if width < 900 else 10),
        ),
        x2="to:Q",
        y=alt.Y("row:O", axis=None),
        color=_colour(names, colours, "phase"),
    )
    return alt.layer(bars, *_row_labels(rows, width)).properties(width=width, height=_rows(len(rows)))


def _segments(index: int, row: Mapping[str, Any], divisor: float) -> list[dict[str, Any]]:
    values, reached = [], 0.0
    for item in sorted(row["segments"], key=lambda item: not item["counted"]):
        end = reached + item["seconds"] / divisor
        name = item["phase"] if item["counted"] else NOT_COUNTED
        values.append({"row": index, "phase": name, "from": reached, "to": end})
        reached = end
    return values


def bins(data: Mapping[str, Any], width: int) -> Layered:
    """Draw how many there are per bin, as horizontal bars with their numbers."""
    values = [{"row": index, **row} for index, row in enumerate(data["rows"])]
    most = max((row["count"] for row in values), default=0) or 1
    base = alt.Chart(_data(values)).encode(
        y=alt.Y("label:N", sort=[row["label"] for row in values], title=None,
                axis=alt.Axis(ticks=False, domain=False, labelColor=TEXT, labelPadding=8, labelLimit=180)),
        x=alt.X("count:Q", title=data["title"], scale=alt.Scale(domain=[0, most * (1.3 if width < 500 else 1.14)], nice=False),
                axis=alt.Axis(tickMinStep=1, format=",d", tickCount=4, labelOverlap=True)),
    )  # fmt: skip
    bars = base.mark_bar(color=BLUE, height=17, cornerRadiusEnd=2)
    numbers = base.mark_text(align="left", dx=5, color=TEXT, fontWeight="bold", fontSize=12 * _ROOM).encode(
        text=alt.Text("count:Q", format=",d")
    )
    return alt.layer(bars, numbers).properties(width=width, height=alt.Step(27))


def bands(data: Mapping[str, Any], width: int) -> Layered:
    """Draw how many devices are how busy: two columns per tenth of capacity."""
    names = [series["name"] for series in data["series"]]
    most = max((number for series in data["series"] for number in series["counts"]), default=0) or 1
    values = [
        {"band": f"{10 * index}\N{EN DASH}{10 * index + 10}", "series": series["name"], "count": number}
        for series in data["series"]
        for index, number in enumerate(series["counts"])
    ]
    columns = alt.Chart(_data(values)).mark_bar(cornerRadiusEnd=1).encode(
        x=alt.X("band:N", sort=None, title="per cent of capacity in use",
                axis=alt.Axis(labelAngle=-45 if width < 500 else 0, ticks=False, labelFontSize=11 * _ROOM)),
        xOffset=alt.XOffset("series:N", sort=names),
        y=alt.Y("count:Q", title="devices", axis=alt.Axis(tickMinStep=1, format=",d", tickCount=min(4, most), domain=False)),
        color=_colour(names, (BLUE, AMBER), "series"),
    )  # fmt: skip
    return alt.layer(columns).properties(width=width, height=215)


def half_hours(data: Mapping[str, Any], width: int) -> Layered:
    """Draw a device's half-hours: processor as bars, its 95th percentile and memory as marks, the open one hatched."""
    rows = data["rows"]
    names = [
        "Processor, mean",
        "Processor, 95th percentile",
        "Memory, mean",
        "Processor, half-hour not closed",
    ]
    colours = [BLUE, ROSE, AMBER, _HATCH]
    if not any(row["open"] for row in rows):
        names, colours = names[:3], colours[:3]
    ticks = {int(epoch): text for epoch, text in data["ticks"]}
    axis = alt.Axis(
        values=list(ticks), labelExpr=_looked_up(ticks), title=data["title"], grid=True, labelOverlap=True
    )
    x = alt.X("start:Q", scale=alt.Scale(domain=[data["since"], data["until"]], nice=False), axis=axis)
    y_axis = alt.Axis(format="%", tickCount=5, domain=False)
    y = alt.Y("value:Q", scale=alt.Scale(domain=[0, 1]), title="share of capacity in use", axis=y_axis)

    colour = _colour(names, colours, "series")
    layers = [
        alt.Chart(_half_hour_data(rows, "cpu", names[0], of_open=False))
        .mark_bar()
        .encode(x=x, x2="end:Q", y=y, y2="zero:Q", color=colour)
    ]
    if len(names) > 3:
        hatched = alt.Chart(_half_hour_data(rows, "cpu", names[3], of_open=True)).mark_bar(
            stroke=MUTED, strokeWidth=1
        )
        layers.append(hatched.encode(x=x, x2="end:Q", y=y, y2="zero:Q", color=colour))
    for field, name in (("cpu_p95", names[1]), ("memory", names[2])):
        for of_open in (False, True):
            rules = alt.Chart(_half_hour_data(rows, field, name, of_open=of_open)).mark_rule(strokeWidth=2.5)
            layers.append(rules.encode(x=x, x2="end:Q", y=y, color=colour))
    return alt.layer(*layers).properties(width=width, height=220 if width < 900 else 260)


def _half_hour_data(
    rows: Sequence[Mapping[str, Any]], field: str, name: str, *, of_open: bool
) -> alt.InlineData:
    """Return where `field` stands in each half-hour that has it, a little narrower than the half-hour."""
    return _data(
        [
            {
                "start": row["start"] + 90,
                "end": row["start"] + 1710,
                "value": row[field],
                "zero": 0,
                "series": name,
            }
            for row in rows
            if row["open"] is of_open and row[field] is not None
        ]
    )


def _looked_up(ticks: Mapping[int, str]) -> str:
    """Return a Vega expression from tick to label; the labels are ours, digits and month names."""
    pairs = ",".join(f"'{epoch}':'{text}'" for epoch, text in ticks.items())
    return f"({{{pairs}}})[toString(datum.value)]"


def spread(data: Mapping[str, Any], width: int) -> Layered:
    """Draw a bar to the median and a paler one on to the ninth tenth, per group."""
    rows = data["rows"]
    divisor, unit = _unit(max((row["p90"] for row in rows), default=0.0))
    names = ["Median", "Nine in ten are faster than this"]
    values = []
    for index, row in enumerate(rows):
        median, ninth = row["p50"] / divisor, row["p90"] / divisor
        values.append({"row": index, "part": names[0], "from": 0.0, "to": median})
        values.append({"row": index, "part": names[1], "from": median, "to": ninth})
    bars = _bars(values).encode(
        x=alt.X("from:Q", title=unit, axis=alt.Axis(tickCount=5)),
        x2="to:Q",
        y=alt.Y("row:O", axis=None),
        color=_colour(names, (BLUE, PALE), "part"),
    )
    return alt.layer(bars, *_row_labels(rows, width)).properties(width=width, height=_rows(len(rows)))


def energy_months(data: Mapping[str, Any], width: int) -> Layered:
    """Draw a column a month of kWh, stacked by how they are known, the best known at the bottom."""
    names = ["Metered", "Sensor", "Modelled", "Assumed"]
    values = [
        {"month": row["label"], "quality": name, "order": place, "kwh": row["kwh"][place]}
        for row in data["rows"]
        for place, name in enumerate(names)
    ]
    columns = alt.Chart(_data(values)).mark_bar(stroke=CARD, strokeWidth=1).encode(
        x=alt.X("month:N", sort=None, title=None, axis=alt.Axis(labelAngle=-45 if width < 500 else 0, ticks=False)),
        y=alt.Y("kwh:Q", title="kWh", axis=alt.Axis(format=",.0f", tickCount=5, domain=False)),
        color=_colour(names, (TEAL, BLUE, AMBER, _HATCH), "quality"),
        order=alt.Order("order:Q"),
    )  # fmt: skip
    return alt.layer(columns).properties(width=width, height=220)


KINDS: dict[str, Callable[[Mapping[str, Any], int], Layered]] = {
    "phases": phases,
    "bins": bins,
    "bands": bands,
    "half_hours": half_hours,
    "spread": spread,
    "energy_months": energy_months,
}
