"""A panel as HTML: what Prometheus answers to its queries, shown as its kind of panel shows it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from support.gallery import charts
from support.gallery.charts import COLOURS, Canvas
from support.gallery.frames import Frame, frame_of, transformed
from support.gallery.units import written
from support.scraped_demo import Prometheus

COLUMN_PIXELS, ROW_PIXELS, GAP = 62, 38, 8
_MOST_ROWS = 60
Panel = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A Prometheus, how variables are put into a query, and the time lines are drawn over."""

    prometheus: Prometheus
    filled: Callable[[str], str]
    since: float
    until: float
    step_seconds: int

    def now(self, target: Panel) -> list[dict[str, Any]]:
        """Return the answer of an instant query, values that are no number left out."""
        found = self.prometheus.vector(self.filled(target["expr"]))
        return [one for one in found if not math.isnan(float(one["value"][1]))]

    def over_time(self, target: Panel) -> list[dict[str, Any]]:
        """Return the answer of a range query."""
        found: list[dict[str, Any]] = self.prometheus.ask(
            "query_range", query=self.filled(target["expr"]), start=f"{self.since:.0f}", end=f"{self.until:.0f}",
            step=str(self.step_seconds),
        )["result"]  # fmt: skip
        return found


def drawn(panel: Panel, asked: Asked) -> str:
    """Return what stands in the panel below its title."""
    return _KINDS[panel["type"]](panel, asked)


def named(target: Panel, labels: Mapping[str, str]) -> str:
    """Return what the legend calls a series."""
    form = target.get("legendFormat") or "__auto"
    if form == "__auto":
        return ", ".join(value for name, value in labels.items() if name != "__name__") or target["expr"][:40]
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda name: labels.get(name[1], ""), form)


def _defaults(panel: Panel) -> Mapping[str, Any]:
    found: Mapping[str, Any] = panel["fieldConfig"]["defaults"]
    return found


def _of_field(panel: Panel, name: str) -> dict[str, Any]:
    """Return {property: value} of what a panel says of one field."""
    found = {key: _defaults(panel).get(key) for key in ("unit", "decimals", "thresholds", "color")}
    for rule in panel["fieldConfig"].get("overrides") or ():
        matcher = rule["matcher"]
        fits = matcher["options"] == name if matcher["id"] == "byName" else False
        if matcher["id"] == "byRegexp":
            fits = re.fullmatch(str(matcher["options"]).strip("/"), name) is not None
        if fits:
            found |= {one["id"]: one["value"] for one in rule["properties"]}
    return found


def _level(thresholds: Mapping[str, Any] | None, value: float) -> str:
    colour = "text"
    for step in (thresholds or {}).get("steps", ()):
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return COLOURS.get(colour, colour)


def _canvas(panel: Panel, names: Sequence[str] = ()) -> Canvas:
    place = panel["gridPos"]
    own = {name: (_of_field(panel, name)["color"] or {}).get("fixedColor") for name in names}
    return Canvas(
        place["w"] * COLUMN_PIXELS - GAP - 20,
        place["h"] * ROW_PIXELS - GAP - 46,
        _defaults(panel).get("unit"),
        {name: colour for name, colour in own.items() if colour},
    )


def _nothing(panel: Panel) -> str:
    return f'<p class="nothing">{escape(str(_defaults(panel).get("noValue") or "No data"))}</p>'


def _stat(panel: Panel, asked: Asked) -> str:
    found = [(named(target, one["metric"]), float(one["value"][1]))
             for target in panel["targets"] for one in asked.now(target)]  # fmt: skip
    if not found:
        return _nothing(panel)
    mode = panel["options"].get("textMode", "auto")
    cells = []
    for name, value in found:
        field = _of_field(panel, name)
        text = escape(name if mode == "name" else written(value, field["unit"], field["decimals"]))
        colour = (
            _level(field["thresholds"], value)
            if panel["options"].get("colorMode") != "none"
            else COLOURS["text"]
        )
        label = f"<small>{escape(name)}</small>" if mode != "name" and len(found) > 1 else ""
        cells.append(f'<div>{label}<b style="color:{colour}">{text}</b></div>')
    many = " many" if len(cells) > 2 else ""
    return f'<div class="stat{many}">{"".join(cells)}</div>'


def _bars(panel: Panel, asked: Asked) -> str:
    found = [(named(target, one["metric"]), float(one["value"][1]))
             for target in panel["targets"] for one in asked.now(target)]  # fmt: skip
    if not found:
        return _nothing(panel)
    most = _defaults(panel).get("max") or max((value for _, value in found), default=0) or 1
    lines = []
    for name, value in found[:_MOST_ROWS]:
        field = _of_field(panel, name)
        colour = _level(field["thresholds"], value)
        own = (field["color"] or {}).get("fixedColor")
        colour = COLOURS.get(own, own) if own else colour
        width = max(0.0, min(100.0, 100 * value / most))
        text = escape(written(value, field["unit"], field["decimals"]))
        lines.append(
            f'<span>{escape(name)}</span><i><u style="width:{width:.1f}%;background:{colour}"></u></i><b style="color:{colour}">{text}</b>'
        )
    return f'<div class="bars">{"".join(lines)}</div>'


def _frame(panel: Panel, asked: Asked) -> Frame:
    answers = [(target["refId"], asked.now(target)) for target in panel["targets"]]
    frame = transformed(frame_of(answers), panel.get("transformations") or ())
    for rule in panel["options"].get("sortBy") or ():
        name = rule["displayName"]
        told = [row for row in frame.rows if isinstance(row.get(name), float)]
        rest = [row for row in frame.rows if not isinstance(row.get(name), float)]
        told.sort(key=lambda row, name=name: row[name], reverse=bool(rule.get("desc")))  # type: ignore[arg-type, misc] # floats
        frame = Frame(frame.columns, told + rest)
    return frame


def _table(panel: Panel, asked: Asked) -> str:
    frame = _frame(panel, asked)
    if not frame.rows:
        return _nothing(panel)
    columns = [name for name in frame.columns if name != "Time"]
    numbers = {name for row in frame.rows for name in columns if isinstance(row.get(name), float)}
    head = "".join(f"<th{' class=n' if name in numbers else ''}>{escape(name)}</th>" for name in columns)
    body = []
    for row in frame.rows[:_MOST_ROWS]:
        cells = []
        for name in columns:
            value, field = row.get(name), _of_field(panel, name)
            if isinstance(value, float):
                coloured = (field.get("color") or {}).get("mode") == "thresholds" and field.get(
                    "custom.cellOptions"
                )
                colour = f' style="color:{_level(field["thresholds"], value)}"' if coloured else ""
                text = written(value, field["unit"], field["decimals"])
                cells.append(f"<td class=n{colour}>{escape(text)}</td>")
            else:
                link = " class=link" if field.get("links") else ""
                cells.append(f"<td{link}>{escape(value or '')}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _upright(panel: Panel, asked: Asked) -> str:
    frame = _frame(panel, asked)
    key = panel["options"]["xField"]
    titles = [name for name in frame.columns if name not in {key, "Time"}]
    if key not in frame.columns and frame.columns:
        key, *titles = [name for name in frame.columns if name != "Time"]
    rows = [{"x": str(row.get(key)), "v": row[name], "s": name}
            for row in frame.rows for name in titles if isinstance(row.get(name), float)]  # fmt: skip
    if not rows:
        return _nothing(panel)
    return charts.bars(rows, _canvas(panel, titles), stacked=panel["options"].get("stacking") == "normal")


def _lines(panel: Panel, asked: Asked) -> str:
    points = [
        {"t": float(at), "v": float(value), "s": named(target, one["metric"])}
        for target in panel["targets"]
        for one in asked.over_time(target)
        for at, value in one["values"]
        if math.isfinite(float(value))
    ]
    if not points:
        return _nothing(panel)
    custom = _defaults(panel).get("custom", {})
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    return charts.lines(points, _canvas(panel, sorted({str(one["s"]) for one in points})), stacked=stacked)


def _heat(panel: Panel, asked: Asked) -> str:
    """Return the heatmap; the buckets of Prometheus hold all below them, those drawn only what is between."""
    held: dict[float, dict[str, float]] = {}
    for target in panel["targets"]:
        for one in asked.over_time(target):
            for at, value in one["values"]:
                held.setdefault(float(at), {})[one["metric"]["le"]] = float(value)
    cells = []
    for at, buckets in held.items():
        before = 0.0
        for bucket in sorted(buckets, key=float):
            part = buckets[bucket] - before
            before = buckets[bucket]
            if part > 0 and math.isfinite(part):
                cells.append({"t": at, "b": bucket, "v": part})
    return charts.heat(cells, _canvas(panel)) if cells else _nothing(panel)


def _text(panel: Panel, _: Asked) -> str:
    words = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"<a>\1</a>", escape(panel["options"]["content"]))
    words = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", words)
    return "".join(f"<p>{part}</p>" for part in words.split("\n\n"))


_KINDS: Mapping[str, Callable[[Panel, Asked], str]] = {
    "stat": _stat,
    "bargauge": _bars,
    "table": _table,
    "barchart": _upright,
    "timeseries": _lines,
    "heatmap": _heat,
    "text": _text,
}
