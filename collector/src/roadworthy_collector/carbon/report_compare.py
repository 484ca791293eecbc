"""What a restated report changed: two contents compared line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

EVIDENCE = "rows behind it, SHA-256"  # the rule by which a report names the rows of its pack
_RULE = "Rule "
_NOT_OF_THE_YEAR = {
    "evidence",
    "league",
    "years",
}  # tables for reference: what they say is no figure of the report
_WORDS = {"basis", "rule"}  # columns of words that decide a figure


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return [{what, before, after}] of every line, sum, factor and row that differs; None where one has none of it.

    Numbers are as printed. A table's row is known by its first column; of one that came or went only
    numbers are told. Words that decide no figure are left out.
    """
    old, new = dict(said(before)), dict(said(after))
    return [
        {"what": what, "before": old.get(what), "after": new.get(what)}
        for what in dict.fromkeys((*old, *new))
        if old.get(what) != new.get(what)
        and (what.startswith(_RULE) or not _is_text_of_one(old.get(what), new.get(what)))
    ]


def _is_text_of_one(before: float | str | None, after: float | str | None) -> bool:
    return (before is None and isinstance(after, str)) or (after is None and isinstance(before, str))


def said(content: Mapping[str, Any]) -> Iterator[tuple[str, float | str | None]]:
    """Yield (what, as it is printed) of each line, sum, factor, rule and number of a report."""
    for one in content["figures"]:
        yield f"{one['title']}, {one['unit']}", one["value"]
    for one in content["lines"]:
        yield f"Line {one['title']}, kWh", _number(one["kwh"])
        yield f"Line {one['title']}, adjustments, kWh", _number(one["journals_kwh"])
    for one in content["sums"]:
        yield f"{one['title']}, {one['unit']}", _number(one["tonnes"])
    for one in content["factors"]:
        yield (
            f"Factor {one['title']}, {one['unit']}",
            None if one["value"] is None else _number(one["value"], 6),
        )
    for name, value in content["rules"].items():
        if name == EVIDENCE:  # other rows behind the same figures are no change of a figure
            continue
        yield f"{_RULE}{name}", str(value)
    for table in content["tables"]:
        if table["name"] not in _NOT_OF_THE_YEAR:
            yield from _of_table(table)


def _of_table(table: Mapping[str, Any]) -> Iterator[tuple[str, float | str | None]]:
    columns = table["columns"]
    seen: dict[str, int] = {}
    for row in table["rows"]:
        label = str(row.get(columns[0]["name"], ""))
        seen[label] = seen.get(label, 0) + 1
        again = f" ({seen[label]})" if seen[label] > 1 else ""
        for column in columns[1:]:
            if column["kind"] != "number" and column["name"] not in _WORDS:
                continue
            yield f"{table['title']}: {label}{again}, {column['title']}", row.get(column["name"])


def _number(text: str, places: int = 3) -> float:
    return round(float(Fraction(text)), places)
