"""The figures of money as rows for a spreadsheet, and the same in words for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from roadworthy_collector.books.cost_ready import MEMBER_WORDS, Shown
from roadworthy_collector.books.shares import year_name
from roadworthy_collector.books.sheets import About, Ratio, as_at, pounds_of, ratio, write_table
from roadworthy_inventory.money import pounds


def _percent(ratio: float | None) -> str:
    return "no figure" if ratio is None else f"{ratio * 100:.1f} %"


def _share(letter: str, name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "share": f"{letter} {name}",
        "value": ratio(one["value"]),
        "low": ratio(one["low"]),
        "high": ratio(one["high"]),
        "pounds": pounds_of(one["numerator_pence"]),
        "of": pounds_of(one["denominator_pence"]),
        "unclassified": pounds_of(one["unclassified_pence"]),
        "of it charges": pounds_of(one["open_charges_pence"]),
        "of it credits": pounds_of(one["open_credits_pence"]),
        "lines": one["lines"],
        "why no figure": one["reason"] or "",
    }


def worded(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows for people at a terminal: `£1,234.50` and `53.2 %` for the numbers a spreadsheet gets."""
    return [{name: _worded(value) for name, value in row.items()} for row in rows]


def _worded(value: Any) -> Any:
    if isinstance(value, Decimal):
        return pounds(int(value.scaleb(2)))
    return f"{value * 100:.1f} %" if isinstance(value, Ratio) else value


def _prepaid(head: Mapping[str, Any], pence: int, why: str) -> dict[str, Any]:
    """Return the row of a year or periods of which nothing is booked: prepaid of others reaches into it, and no share."""
    return {
        **head,
        "share": "none",
        **dict.fromkeys(("value", "low", "high", "pounds")),
        "of": pounds_of(pence),
        **dict.fromkeys(("unclassified", "of it charges", "of it credits", "lines")),
        "why no figure": why,
    }


def share_rows(content: Mapping[str, Any], by: str, year: int | None) -> list[dict[str, Any]]:
    """Return the shares as rows, by year or by cost centre or accounting period of the outturn."""
    rows: list[dict[str, Any]] = []
    names = {letter: one["name"] for letter, one in content["definitions"].items()}
    for key, found in content["years"].items():
        if year is not None and key != str(year):
            continue
        rows += _of_year(found, names) if by == "year" else _of_places(found, names, by)
    if by == "year":
        for key, found in (content["payments"] or {}).items():
            if year is None or key == str(year):
                head = {"year": found["name"], "measure": found["title"], "booked": ""}
                rows += [head | _share(letter, names[letter], one) for letter, one in found["shares"].items()]
    return rows


def _of_year(found: Mapping[str, Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for measure, letters in found["measures"].items():
        head = {"year": found["name"], "measure": measure, "booked": found["periods"][measure]}
        rows += [head | _share(letter, names[letter], one) for letter, one in letters.items()]
    for measure, one in found["committed"].items():
        part = f"nothing of {one['periods']}" if measure in found["measures"] else "nothing"
        head = {"year": found["name"], "measure": measure, "booked": part}
        rows.append(_prepaid(head, one["pence"], "committed, prepaid only"))
    return rows


def _of_places(found: Mapping[str, Any], names: Mapping[str, str], by: str) -> list[dict[str, Any]]:
    rows = []
    for place in found[f"by_{by}"]:
        head = {"year": found["name"], by: "not told" if place["place"] is None else place["place"]}
        rows += [head | _share(letter, names[letter], one) for letter, one in place["shares"].items()]
        if not place["shares"]:
            rows.append(_prepaid(head, place["prepaid_pence"], "nothing booked, prepaid only"))
    return rows


def bridge_rows(cells: Sequence[Mapping[str, Any]], year: int | None) -> list[dict[str, Any]]:
    """Return the bridge from ledger to counted cost of every cell, in pounds."""
    rows = []
    for cell in cells:
        if year is None or cell["year"] == year:
            row = dict(cell)
            row["year"] = year_name(cell["year"])
            for name in [name for name in cell if name.endswith("_pence")]:
                row[name.removesuffix("_pence").replace("_", " ")] = pounds_of(row.pop(name))
            rows.append(row)
    return rows


def line_row(one: Shown, letter: str) -> dict[str, Any]:
    """Return a line as a row."""
    return {
        "key": one.key,
        "year": year_name(one.year) if one.year else "no date",
        "period": one.period,
        "pounds": pounds_of(one.pence),
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
        found.append(
            f"{year['title']} ({year['name']}): {year['out_of_scope_lines']:,} payments, "
            f"{pounds(year['out_of_scope_pence'])}, are not IT by the rules and in no share: "
            "`roadworthy costs lines --kind payments --member not_it`"
        )
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
        + _gap_note(point)
        for point in target["points"]
    ]


def _gap_note(point: Mapping[str, Any]) -> str:
    if point["gap_pence"] is None:
        return f"; no gap: {point['no_gap']}" if point["no_gap"] else ""
    return f"; the year is {pounds(point['gap_pence'])} above it"


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
