"""A report's content as people read it: every number a text, ready for PDF and HTML, with marking, state and sign-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from roadworthy_collector.books.sheets import NO_MARKING

UNKNOWN = "not known"
_NARROW = 16  # characters
STATE_WORDS: Mapping[str, str] = {
    "live": "live figures, not a report anybody prepared",
    "open": "open: being prepared",
    "provisional": "provisional: reviewed, not closed",
    "closed": "closed, not approved",
    "approved": "approved, not published",
    "published": "published",
    "restated": "restated: another report stands in its place",
}
STEP_WORDS: Mapping[str, str] = {
    "open": "prepared",
    "provisional": "reviewed",
    "closed": "closed",
    "approved": "approved",
    "published": "published",
    "restated": "restated",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a content: protective marking, the report's state and number, its steps oldest first."""

    marking: str = ""
    state: str = "live"
    number: int | None = None
    steps: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    restates: Mapping[str, Any] | None = None


def written(value: Any, places: int = 0) -> str:
    """Return a number with separators and so many decimals, a text as it is, and what is not known in words."""
    if value is None:
        return UNKNOWN
    if isinstance(value, (int, float)):
        return f"{value:,.{places}f}".replace("-", "\N{MINUS SIGN}")
    return str(value)


def watermark(content: Mapping[str, Any], frame: Frame) -> str:
    """Return what is written across every page: simulated whatever the state, draft until it is published."""
    if content["simulated"]:
        return "SIMULATED"
    return {"published": "", "restated": "RESTATED"}.get(frame.state, "DRAFT")


def stamp(at: float) -> str:
    """Return a time as reports say it."""
    return f"{datetime.fromtimestamp(at, UTC):%-d %B %Y, %H:%M} UTC"


def shown(content: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    """Return what a template needs and nothing it has to work out."""
    return {
        "title": content["title"],
        "year": content["year"],
        "marking": frame.marking or NO_MARKING,
        "watermark": watermark(content, frame),
        "state": STATE_WORDS[frame.state],
        "number": "" if frame.number is None else f"Report {frame.number}",
        "made": stamp(content["made_at"]),
        "code": content["code_version"],
        "figures": [_figure(one) for one in content["figures"]],
        "sentences": content["sentences"],
        "charts": [
            {"name": one["name"], "title": one["title"], "alt": one["alt"], "table": one["table"]}
            for one in content["charts"]
        ],
        "tables": [_table(one) for one in content["tables"]],
        "method": content["method"],
        "rules": [[name, str(value)] for name, value in content["rules"].items()],
        "factors": _factors(content),
        "exclusions": [
            [one["what"], "" if one["count"] is None else written(one["count"]), one["unit"], one["why"]]
            for one in content["exclusions"]
        ],
        "provisional": content["provisional"],
        "steps": [
            [
                STEP_WORDS.get(one["state"], one["state"]),
                one["person"],
                stamp(one["at"]),
                one.get("remark", ""),
            ]
            for one in frame.steps
        ],
        "restates": _restates(frame.restates),
    }


def _figure(one: Mapping[str, Any]) -> dict[str, str]:
    places = one["places"]
    between = ""
    if one["low"] is not None:
        between = f"{written(one['low'], places)} to {written(one['high'], places)} (range; how sure it is: see Method)"
    return {
        "title": one["title"],
        "value": written(one["value"], places),
        "unit": one["unit"],
        "between": between,
        "note": one["note"],
    }


def _table(one: Mapping[str, Any]) -> dict[str, Any]:
    columns = one["columns"]
    return {
        "name": one["name"],
        "title": one["title"],
        "note": one["note"],
        "columns": [
            {
                "title": column["title"],
                "num": column["kind"] == "number",
                "narrow": place > 0 and _is_narrow(column, one["rows"]),
            }
            for place, column in enumerate(columns)
        ],
        "rows": [_cells(columns, row) for row in one["rows"]],
        "total": _cells(columns, one["total"], unknown="") if one["total"] else [],
    }


def _is_narrow(column: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all texts of a column are short, so that it takes no more room than they do."""
    longest = max((len(str(row.get(column["name"]) or "")) for row in rows), default=0)
    return max(longest, len(column["title"])) <= _NARROW


def _cells(columns: Sequence[Mapping[str, Any]], row: Mapping[str, Any], unknown: str = UNKNOWN) -> list[str]:
    found = []
    for column in columns:
        value = row.get(column["name"])
        if value is None:
            found.append(unknown if column["kind"] == "number" else "")
        else:
            found.append(written(value, row.get("places", column["places"])))
    return found


def _factors(content: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each part of each factor: what, set, days, value, unit, status, source."""
    rows = []
    for factor in content["factors"]:
        if not factor["parts"]:
            rows.append([factor["title"], "", "", UNKNOWN, factor["unit"], "missing", factor["reason"] or ""])
        for part in factor["parts"]:
            told = "; ".join(one for one in (part["note"], part["source"]) if one)
            value = part["value"] if part["value"] is not None else UNKNOWN
            days = str(part["days"]) if part["days"] else ""
            rows.append(
                [factor["title"], part["set_name"], days, value, factor["unit"], part["status"], told]
            )
    return rows


def _restates(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    rows = [[one["what"], written(one["before"], 3), written(one["after"], 3)] for one in found["changes"]]
    return {"number": str(found["number"]), "because": found["because"], "rows": rows}
