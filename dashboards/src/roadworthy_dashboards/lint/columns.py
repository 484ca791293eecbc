"""Which columns the answer of a panel has, through its transformations: the names a board may speak of.

What a query answers as a table has `Time`, its labels and `Value`, or `Value #A` and so on where the panel has several
such queries. What it answers as series is called by its legend. After a transformation this does not know, nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from roadworthy_dashboards.labels import labels_of
from roadworthy_dashboards.lint.board import Panel, Target
from roadworthy_dashboards.lint.shapes import mapping, objects
from roadworthy_dashboards.promql import Known

TIME = "Time"
RAW = re.compile(r"Value(?: #[A-Z])?")
_WORD = re.compile(r"\{\{.*?\}\}")


@dataclass(frozen=True)
class Frame:
    """The columns of one table: `names`, and those that fit `patterns` but not the ones in `gone`, for values of labels."""

    names: frozenset[str]
    patterns: tuple[str, ...] = ()
    gone: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Return whether there is, or may be, a column of this name."""
        return name in self.names or (
            name not in self.gone and any(re.fullmatch(pattern, name) for pattern in self.patterns)
        )


@dataclass
class Columns:
    """The tables of a panel, None once nobody knows; `faults` grows with what its transformations get wrong."""

    frames: list[Frame] | None
    named: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Return whether a column of this name is in any table, or nobody knows."""
        return self.frames is None or any(frame.has(name) for frame in self.frames)

    def need(self, names: Sequence[str], words: str) -> None:
        """Note which of the names no table has."""
        for name in names:
            if not self.has(name):
                self.named.append(f"{words} names the column {name}, which there is not")


def columns_of(panel: Panel, known: Known) -> Columns:
    """Return the columns a panel shows, and the faults on the way to them."""
    asked = [target for target in panel.targets if not target.document.get("hide")]
    tables = sum(target.document.get("format") == "table" for target in asked)
    frames = [_frame(target, several=tables > 1, known=known) for target in asked]
    found = Columns(None if None in frames else [frame for frame in frames if frame is not None])
    for step in objects(panel.document.get("transformations")):
        if found.frames is None:
            break
        if not step.get("disabled"):
            _STEPS.get(str(step.get("id")), _unknown)(found, mapping(step.get("options")))
    return found


def _frame(target: Target, *, several: bool, known: Known) -> Frame | None:
    """Return the columns of a query's answer; None where its labels are not known."""
    if target.document.get("format") != "table":
        return _series(str(target.document.get("legendFormat") or "__auto"))
    labels = None if target.tree is None else labels_of(target.tree, known)[0]
    if labels is None:
        return None
    return Frame(labels | {TIME, f"Value #{target.letter}" if several else "Value"})


def _series(legend: str) -> Frame:
    """Return what series are called: by the words of the legend, with anything in the place of its labels."""
    if legend == "__auto":
        return Frame(frozenset({TIME}), (".*",))
    parts = [re.escape(part) for part in _WORD.split(legend)]
    return Frame(frozenset({TIME}), (".*".join(parts),))


def _unknown(found: Columns, _: Mapping[str, Any]) -> None:
    found.frames = None


def _merge(found: Columns, _: Mapping[str, Any]) -> None:
    """Rows become one where all columns they share are equal, so what is put together has the same labels."""
    frames = found.frames or []
    labels = [frozenset(name for name in frame.names if not RAW.fullmatch(name)) for frame in frames]
    for other in labels[1:]:
        if other != labels[0]:
            differing = ", ".join(sorted(other ^ labels[0]))
            found.joined.append(f"it merges answers of which not all have {differing}")
    found.frames = [_union(frames)] if frames else []


def _join(found: Columns, options: Mapping[str, Any]) -> None:
    """Join by a column every table needs; the others stay beside each other."""
    by = str(options.get("byField") or TIME)
    frames = found.frames or []
    if not all(frame.has(by) for frame in frames):
        found.joined.append(f"it joins by {by}, which not every answer has")
    found.frames = [_union(frames)] if frames else []


def _sort(found: Columns, options: Mapping[str, Any]) -> None:
    found.need([str(one.get("field")) for one in objects(options.get("sort"))], "sortBy")


def _matrix(found: Columns, options: Mapping[str, Any]) -> None:
    """Open one label out: a column for each of its values, and one for the rows, called by both."""
    row, column, value = (
        str(options.get(f"{name}Field") or plain)
        for name, plain in (("row", TIME), ("column", TIME), ("value", "Value"))
    )
    found.need([row, column, value], "groupingToMatrix")
    gone = frozenset(name for frame in found.frames or () for name in frame.names)
    found.frames = [Frame(frozenset({f"{row}\\{column}"}), (".*",), gone)]


def _organize(found: Columns, options: Mapping[str, Any]) -> None:
    """Hide, order and rename; each by the name a column had before."""
    titles = {old: str(new) for old, new in mapping(options.get("renameByName")).items() if new}
    hidden = {name for name, is_so in mapping(options.get("excludeByName")).items() if is_so}
    for words, names in (
        ("renameByName", titles),
        ("excludeByName", hidden),
        ("indexByName", mapping(options.get("indexByName"))),
    ):
        found.need(sorted(names), words)
    found.frames = [_renamed(found, frame, titles, hidden) for frame in found.frames or ()]


def _renamed(found: Columns, frame: Frame, titles: Mapping[str, str], hidden: set[str]) -> Frame:
    kept = [name for name in sorted(frame.names | set(titles)) if frame.has(name) and name not in hidden]
    shown = [titles.get(name, name) for name in kept]
    found.named += [f"two columns are called {name}" for name in sorted(set(shown)) if shown.count(name) > 1]
    was = frame.names | hidden | set(titles)
    return Frame(frozenset(shown), frame.patterns, (frame.gone | was) - set(shown))


def _union(frames: Sequence[Frame]) -> Frame:
    return Frame(
        frozenset[str]().union(*(frame.names for frame in frames)),
        tuple(pattern for frame in frames for pattern in frame.patterns),
        frozenset[str]().union(*(frame.gone for frame in frames)),
    )


_STEPS: Mapping[str, Callable[[Columns, Mapping[str, Any]], None]] = {
    "merge": _merge,
    "joinByField": _join,
    "seriesToColumns": _join,
    "sortBy": _sort,
    "groupingToMatrix": _matrix,
    "organize": _organize,
}
