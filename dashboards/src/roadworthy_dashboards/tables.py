"""Tables of several columns: instant queries put together by the labels they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roadworthy_dashboards.links import Link
from roadworthy_dashboards.panels import USUAL, Look, Query, Words, override, say, step_colours, target
from roadworthy_dashboards.sdk import PromQueryFormat, barchart, common, dashboard_model, table
from roadworthy_dashboards.sdk import common_model as model
from roadworthy_dashboards.thresholds import Levels


@dataclass(frozen=True)
class Key:
    """A label that names a row, and what a click on it opens."""

    label: str
    title: str
    links: Sequence[Link] = ()


@dataclass(frozen=True)
class Column:
    """A value of a row: the query that gives it (by exactly the labels of the keys), its unit, its levels."""

    title: str
    expr: str
    unit: str = "short"
    levels: Levels | None = None
    decimals: int | None = None


def columns(
    words: Words,
    keys: Sequence[Key],
    *values: Column,
    width: int = 24,
    look: Look = USUAL,
    sort: str | None = None,
    rising: bool = False,
) -> table.Panel:
    """Return a table with a row for each combination of the keys' labels; `sort` is the title of a column.

    A cell is empty where its query has no answer for the row.
    """
    panel = table.Panel().filterable(True).cell_height(model.TableCellHeight.SM)
    ask(panel, values)
    names = {key.label: key.title for key in keys}
    panel.with_transformation(organised(names, values))
    say(panel, words, width, look)
    for key in keys:
        if key.links:
            panel.override_by_name(key.title, [override("links", list(key.links))])
    for value in values:
        panel.override_by_name(value.title, _properties(value))
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(not rising)])
    return panel


def facts(
    words: Words, expr: str, keys: Sequence[Key], *, width: int = 24, look: Look = USUAL
) -> table.Panel:
    """Return a table of the labels of what `expr` answers, without its value: what a series says by being there."""
    panel = table.Panel().cell_height(model.TableCellHeight.SM)
    panel.with_target(target(0, Query(expr)).instant().format(PromQueryFormat.TABLE))
    panel.with_transformation(
        transformation(
            "organize",
            {
                "excludeByName": {"Time": True, "Value": True},
                "indexByName": {key.label: place for place, key in enumerate(keys)},
                "renameByName": {key.label: key.title for key in keys},
            },
        )
    )
    say(panel, words, width, look)
    return panel


def ask(panel: table.Panel | barchart.Panel, values: Sequence[Column]) -> None:
    """Add the queries and make one frame of their answers: rows with the same labels become one."""
    for position, value in enumerate(values):
        panel.with_target(
            target(position, Query(value.expr, value.title)).instant().format(PromQueryFormat.TABLE)
        )
    if len(values) > 1:
        # Outer join by the labels; `merge` needs equal times too, which instant queries of one request have.
        panel.with_transformation(transformation("merge", {}))


def organised(names: Mapping[str, str], values: Sequence[Column]) -> dashboard_model.DataTransformerConfig:
    """Hide the time, give the columns their titles and their order.

    Grafana calls the value of the one query of a panel `Value`, those of several `Value #A` and so on.
    """
    titles = dict(names)
    for position, value in enumerate(values):
        titles["Value" if len(values) == 1 else f"Value #{chr(ord('A') + position)}"] = value.title
    return transformation(
        "organize",
        {
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate(titles)},
            "renameByName": titles,
        },
    )


def _properties(value: Column) -> list[dashboard_model.DynamicConfigValue]:
    found = [override("unit", value.unit)]
    if value.decimals is not None:
        found.append(override("decimals", value.decimals))
    if value.levels:
        found += [
            override("thresholds", step_colours(value.levels)),
            override("color", {"mode": "thresholds"}),
            override("custom.cellOptions", {"type": "color-text"}),
        ]
    return found


def transformation(identity: str, options: Mapping[str, object]) -> dashboard_model.DataTransformerConfig:
    """Return a step between the answers of the queries and the panel, by Grafana's name of it."""
    return dashboard_model.DataTransformerConfig(id_val=identity, options=dict(options))
