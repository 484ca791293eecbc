"""The drawn parts of a panel: lines, upright bars and heatmaps as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert

from support.gallery.units import written

# Grafana's names of colours, as its light theme shows them.
COLOURS = {
    "text": "#24292E", "gray": "#8E8E8E",
    "dark-red": "#C4162A", "semi-dark-red": "#E02F44", "red": "#E02F44", "light-red": "#F2495C", "super-light-red": "#FFA6B0",
    "dark-orange": "#FA6400", "semi-dark-orange": "#FF780A", "orange": "#FF780A", "light-orange": "#FF9830", "super-light-orange": "#FFCB7D",
    "dark-yellow": "#E0B400", "semi-dark-yellow": "#F2CC0C", "yellow": "#F2CC0C", "light-yellow": "#FADE2A", "super-light-yellow": "#FFF899",
    "dark-green": "#37872D", "semi-dark-green": "#56A64B", "green": "#56A64B", "light-green": "#73BF69", "super-light-green": "#C8F2C2",
    "dark-blue": "#1F60C4", "semi-dark-blue": "#3274D9", "blue": "#3274D9", "light-blue": "#5794F2", "super-light-blue": "#C0D8FF",
    "dark-purple": "#8F3BB8", "semi-dark-purple": "#A352CC", "purple": "#A352CC", "light-purple": "#B877D9", "super-light-purple": "#DEB6F2",
}  # fmt: skip
_PALETTE = ("#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300",
            "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62", "#584477")  # fmt: skip


@dataclass(frozen=True)
class Canvas:
    """How large a drawing is, in which unit its values are, and the colours of series that have one of their own."""

    width: int
    height: int
    unit: str | None
    colours: Mapping[str, str]


def lines(points: Sequence[Mapping[str, Any]], canvas: Canvas, *, stacked: bool) -> str:
    """Return lines over time, or areas on one another: points {t: seconds, v, s: series}."""
    mark: dict[str, Any] = {"type": "area", "opacity": 0.5, "line": True} if stacked else {"type": "line"}
    mark["strokeWidth"] = 1.2
    values = [point | {"t": point["t"] * 1000} for point in points]
    encoding = {
        "x": {
            "field": "t",
            "type": "temporal",
            "title": None,
            "axis": {"tickCount": 6, "format": "%d %b %H:%M"},
        },
        "y": {"field": "v", "type": "quantitative", "title": None, "stack": "zero" if stacked else None},
    }
    return _svg(values, mark, encoding, canvas)


def bars(rows: Sequence[Mapping[str, Any]], canvas: Canvas, *, stacked: bool) -> str:
    """Return upright bars: rows {x, v, s: series}."""
    encoding: dict[str, Any] = {
        "x": {"field": "x", "type": "nominal", "title": None, "sort": None,
              "axis": {"labelAngle": -35, "labelLimit": 110, "labelOverlap": "greedy"}},
        "y": {"field": "v", "type": "quantitative", "title": None, "stack": "zero" if stacked else None},
    }  # fmt: skip
    if not stacked:
        encoding["xOffset"] = {"field": "s", "sort": None}
    return _svg(rows, {"type": "bar"}, encoding, canvas)


def heat(cells: Sequence[Mapping[str, Any]], canvas: Canvas) -> str:
    """Return a heatmap: cells {t: seconds, b: bucket, v}."""
    values = [cell | {"t": cell["t"] * 1000} for cell in cells]
    order = sorted({cell["b"] for cell in cells}, key=float, reverse=True)
    labels = {bucket: written(float(bucket), "s") for bucket in order if bucket != "+Inf"}
    spec = {
        "mark": "rect",
        "encoding": {
            "x": {"field": "t", "type": "ordinal", "title": None,
                  "axis": {"format": "%d %b %H:%M", "formatType": "time", "labelAngle": 0, "labelOverlap": "greedy"}},
            "y": {"field": "b", "type": "nominal", "sort": order, "title": None,
                  "axis": {"labelExpr": f"({json.dumps(labels)})[datum.value] || datum.value"}},
            "color": {"field": "v", "type": "quantitative", "scale": {"scheme": "oranges"}, "legend": None},
        },
    }  # fmt: skip
    return _drawn(values, spec, canvas)


def _svg(
    values: Sequence[Mapping[str, Any]], mark: dict[str, Any], encoding: dict[str, Any], canvas: Canvas
) -> str:
    names = sorted({str(value["s"]) for value in values})
    scale = {"domain": names, "range": [colour_of(name, place, canvas) for place, name in enumerate(names)]}
    shown = "bottom" if len(names) <= 12 else None
    legend = (
        {"orient": shown, "title": None, "columns": 5, "labelLimit": 150, "symbolLimit": 20}
        if shown
        else None
    )
    most = max((abs(float(value["v"])) for value in values), default=0.0)
    encoding["y"]["axis"] = {"tickCount": 4, "labelExpr": _ticks(canvas.unit, most)}
    encoding["color"] = {"field": "s", "type": "nominal", "scale": scale, "legend": legend}
    return _drawn(values, {"mark": mark, "encoding": encoding}, canvas)


def colour_of(name: str, place: int, canvas: Canvas) -> str:
    """Return the colour of a series: its own, or one of the palette."""
    own = canvas.colours.get(name)
    return COLOURS.get(own, own) if own else _PALETTE[place % len(_PALETTE)]


def _ticks(unit: str | None, most: float) -> str:
    """Return how Vega writes the values of an axis: one step of the unit for all of them."""
    if unit == "percentunit":
        return "format(datum.value * 100, '.3~g') + '%'"
    if unit == "currencyGBP":
        return "'\N{POUND SIGN}' + format(datum.value, '.3~s')"
    if unit == "bool_yes_no":
        return "datum.value ? 'Yes' : 'No'"
    for size, name in ((604_800, "weeks"), (86_400, "days"), (3600, "hours"), (60, "mins")):
        if unit == "s" and most >= 2 * size:
            return f"format(datum.value / {size}, '.3~g') + ' {name}'"
    words = {"s": " s", "h": " h", "watt": "W", "joule": "J", "kwatth": " kWh", "masskg": " kg", "masst": " t", "bytes": "B",
             "ops": "/s", "reqps": "/s", "cps": "/s"}  # fmt: skip
    return f"format(datum.value, '.3~s') + '{words.get(unit or '', '')}'"


def _drawn(values: Sequence[Mapping[str, Any]], spec: dict[str, Any], canvas: Canvas) -> str:
    whole = spec | {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": list(values)},
        "width": canvas.width,
        "height": canvas.height,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": "transparent",
        "config": {
            "view": {"stroke": None},
            "axis": {
                "gridColor": "#e4e7eb",
                "domain": False,
                "ticks": False,
                "labelColor": "#5b6470",
                "labelFontSize": 11,
            },
            "legend": {"labelColor": "#5b6470", "labelFontSize": 11},
        },
    }
    return str(vl_convert.vegalite_to_svg(whole))
