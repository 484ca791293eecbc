"""What Grafana makes of the answers of instant queries before a table or bars show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Cell = str | float | None


@dataclass
class Frame:
    """A table: the names of its columns in order, and its rows."""

    columns: list[str]
    rows: list[dict[str, Cell]]


def frame_of(answers: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> list[Frame]:
    """Return a frame a query of [(ref id, vector)]: its labels, then its value."""
    found = []
    for ref, vector in answers:
        name = "Value" if len(answers) == 1 else f"Value #{ref}"
        labels = sorted({label for one in vector for label in one["metric"] if label != "__name__"})
        rows = [
            {label: one["metric"].get(label, "") for label in labels} | {name: float(one["value"][1])}
            for one in vector
        ]
        found.append(Frame(["Time", *labels, name], rows))
    return found


def transformed(frames: Sequence[Frame], steps: Sequence[Mapping[str, Any]]) -> Frame:
    """Return one frame: the steps of a panel done one after the other. KeyError for a step that is not known here."""
    current = list(frames)
    for step in steps:
        if step["id"] == "merge":
            current = [_merged(current)]
        else:
            current = [_STEPS[step["id"]](one, step["options"]) for one in current]
    return current[0] if current else Frame([], [])


def _merged(frames: Sequence[Frame]) -> Frame:
    columns = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    values = {name for name in columns if name.startswith("Value")}
    columns = [name for name in columns if name not in values] + sorted(values)
    rows: dict[tuple[tuple[str, Cell], ...], dict[str, Cell]] = {}
    for frame in frames:
        for row in frame.rows:
            key = tuple(sorted((name, cell) for name, cell in row.items() if name not in values))
            rows.setdefault(key, {}).update(row)
    return Frame(columns, list(rows.values()))


def _organised(frame: Frame, options: Mapping[str, Any]) -> Frame:
    hidden = {name for name, hide in options.get("excludeByName", {}).items() if hide}
    place = options.get("indexByName", {})
    kept = [name for name in frame.columns if name not in hidden]
    kept.sort(key=lambda name: place.get(name, len(place) + frame.columns.index(name)))
    names = options.get("renameByName", {})
    titles = {name: names.get(name) or name for name in kept}
    rows = [{titles[name]: row.get(name) for name in kept} for row in frame.rows]
    return Frame([titles[name] for name in kept], rows)


def _sorted(frame: Frame, options: Mapping[str, Any]) -> Frame:
    rows = list(frame.rows)
    for rule in reversed(options["sort"]):
        name = rule["field"]
        rows.sort(key=lambda row, name=name: _order(row.get(name)), reverse=bool(rule.get("desc")))  # type: ignore[misc] # bound
    return Frame(frame.columns, rows)


def _order(cell: Cell) -> tuple[int, float, str]:
    return (0, 0.0, "") if cell is None else (1, cell, "") if isinstance(cell, float) else (2, 0.0, cell)


def _matrix(frame: Frame, options: Mapping[str, Any]) -> Frame:
    row_field, column_field = options["rowField"], options["columnField"]
    corner = f"{row_field}\\{column_field}"
    columns = list(dict.fromkeys(str(row[column_field]) for row in frame.rows))
    rows: dict[Cell, dict[str, Cell]] = {}
    for row in frame.rows:
        held = rows.setdefault(row[row_field], {corner: row[row_field]} | dict.fromkeys(columns))
        held[str(row[column_field])] = row[options["valueField"]]
    return Frame([corner, *columns], list(rows.values()))


_STEPS: Mapping[str, Callable[[Frame, Mapping[str, Any]], Frame]] = {
    "organize": _organised,
    "sortBy": _sorted,
    "groupingToMatrix": _matrix,
}
