"""The figures of money as rows for a terminal and for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roadworthy_collector.books.cost_review import MEMBER_WORDS, Shown
from roadworthy_collector.books.shares import year_name
from roadworthy_collector.books.sheets import About, as_at, write_table
from roadworthy_inventory.money import pounds


def _percent(ratio: float | None) -> str:
    return "no figure" if ratio is None else f"{ratio * 100:.1f} %"


def _share(letter: str, name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    total = one["denominator_pence"]
    return {
        "share": f"{letter} {name}",
        "value": _percent(one["value"]),
        "low": _percent(one["low"]),
        "high": _percent(one["high"]),
        "pounds": pounds(one["numerator_pence"]),
        "of": "not known" if total is None else pounds(total),
        "unclassified": pounds(one["unclassified_pence"]),
        "lines": one["lines"],
        "why no figure": one["reason"] or "",
    }


def share_rows(content: Mapping[str, Any], by: str, year: int | None) -> list[dict[str, Any]]:
    """Return the shares as rows, by year or by cost centre or accounting period of the outturn."""
    rows = []
    names = {letter: one["name"] for letter, one in content["definitions"].items()}
    for key, found in content["years"].items():
        if year is not None and key != str(year):
            continue
        if by == "year":
            for measure, letters in found["measures"].items():
                head = {"year": found["name"], "measure": measure}
                rows += [head | _share(letter, names[letter], one) for letter, one in letters.items()]
            continue
        for place in found[f"by_{by}"]:
            head = {"year": found["name"], by: "not told" if place["place"] is None else place["place"]}
            rows += [head | _share(letter, names[letter], one) for letter, one in place["shares"].items()]
    if by == "year":
        for key, found in (content["payments"] or {}).items():
            if year is None or key == str(year):
                head = {"year": found["name"], "measure": found["title"]}
                rows += [head | _share(letter, names[letter], one) for letter, one in found["shares"].items()]
    return rows


def bridge_rows(cells: Sequence[Mapping[str, Any]], year: int | None) -> list[dict[str, Any]]:
    """Return the bridge from ledger to counted cost of every cell, in pounds."""
    rows = []
    for cell in cells:
        if year is None or cell["year"] == year:
            row = dict(cell)
            row["year"] = year_name(cell["year"])
            for name in [name for name in cell if name.endswith("_pence")]:
                pence = row.pop(name)
                row[name.removesuffix("_pence").replace("_", " ")] = None if pence is None else pounds(pence)
            rows.append(row)
    return rows


def line_row(one: Shown, letter: str) -> dict[str, Any]:
    """Return a line as a row."""
    return {
        "key": one.key,
        "year": year_name(one.year) if one.year else "no date",
        "period": one.period,
        "pounds": pounds(one.pence),
        "cost centre": one.cost_centre,
        "code": one.code,
        "description": one.description,
        "supplier": one.supplier,
        f"share {letter}": MEMBER_WORDS[one.members[letter]],
        "pool": one.pool,
        "intent": one.intent,
        "maintenance": one.maintenance,
        "legacy": one.legacy,
        "confidence": one.confidence,
        "by": f"corrected by {one.corrected_by}" if one.corrected_by else one.rule or "no rule",
        "conflicts": ", ".join(one.conflicts),
        "source": f"{one.source}:{one.source_line}",
    }


def notes(content: Mapping[str, Any]) -> list[str]:
    """Return what has to stand beside the shares: how they were counted, the target, what is left out."""
    method = content["method"]
    found = [
        (
            f"{method['basis']} basis, recharges {method['recharges']}, prepaid "
            f"{'spread' if method['spread_prepaid'] else 'not spread'}, rules {method['rules']}, "
            f"least confidence {method['minimum_confidence']:g}, {content['corrections']:,} lines corrected by people"
        )
    ]
    found += [
        f"left out: {one['lines']:,} lines, {pounds(one['pence'])}: {reason}"
        for reason, one in content["left_out"].items()
    ]
    target = content["target"]
    if target is not None:
        found += _target_notes(target)
    for letter, one in content["definitions"].items():
        found.append(f"{letter} {one['name']}: {one['numerator']}; of {one['denominator']}")
    for year in (content["payments"] or {}).values():
        found.append(f"{year['title']} ({year['name']}) holds no: {'; '.join(year['missing'])}")
    return found


def _target_notes(target: Mapping[str, Any]) -> list[str]:
    head = (
        f"target: {target['cut_ratio'] * 100:g} % off share {target['definition']}, {target['terms']} terms"
    )
    if target["reason"]:
        return [f"{head}: none can be drawn: {target['reason']}"]
    return [head] + [
        f"  {year_name(point['year'])}: {pounds(point['ongoing_pence'])}, {_percent(point['share'])}"
        + ("" if point["gap_pence"] is None else f"; the year is {pounds(point['gap_pence'])} above it")
        for point in target["points"]
    ]


def export(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    content: Mapping[str, Any],
    now: float,
    chosen: str,
    marking: str,
) -> None:
    """Write rows with what they are; RoadworthyError where the file cannot be written."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    counted = f"{content.get('counted', 0):,} lines counted of {content.get('lines', 0):,} of the ledger"
    about = About("Cost of Roadworthy", as_at(now), chosen, counted, marking)
    write_table(path, columns or ["nothing"], rows, about)
