"""The returns in one shape for commands, API and console: a year, its factor set, rows, and what a reader must know."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from sqlalchemy import Connection

from roadworthy_collector.carbon import ict_return, returns
from roadworthy_collector.store.queries.console import is_simulated

Kind = Literal["ggc", "scotland", "secr"]
TITLES: dict[Kind, str] = {
    "ggc": "ICT return in the style of Greening Government",
    "scotland": "Scotland's public bodies return, emissions",
    "secr": "Energy and carbon in the shape of SECR",
}


def read(connection: Connection, kind: Kind, began: int, *, today: dt.date, zone: str) -> dict[str, Any]:
    """Return a return as JSON says it; raises as `returns.secr`."""
    made = _read(connection, kind, began, today=today, zone=zone)
    return {**made, "simulated": is_simulated(connection)}


def _read(connection: Connection, kind: Kind, began: int, *, today: dt.date, zone: str) -> dict[str, Any]:
    if kind == "ggc":
        return _ggc(ict_return.ggc(connection, began, today=today, zone=zone))
    if kind == "scotland":
        found, rows = ict_return.scotland(connection, began, today=today, zone=zone)
        return _frame(kind, found) | {
            "rows": [
                {
                    "source": row.source,
                    "scope": row.scope,
                    "consumption": float(row.consumption),
                    "unit": row.consumption_unit,
                    "factor": float(row.factor),
                    "factor_unit": row.factor_unit,
                    "tco2e": float(row.tco2e),
                    "comment": row.comment,
                }
                for row in rows
            ]
        }
    found = returns.secr(connection, began, today=today, zone=zone)
    return _frame(kind, found) | {"rows": list(returns.rows_told(found.table, found.prior))}


def _ggc(found: ict_return.GgcReturn) -> dict[str, Any]:
    said = ict_return.told(found)
    return {
        "kind": "ggc",
        "title": TITLES["ggc"],
        "year": said["year"],
        "factor_set": said["factor_set"],
        "basis": "number x annual energy x official factor, by asset group",
        "rows": said["groups"],
        "known_kwh": said["known_kwh"],
        "known_tco2e": said["known_tco2e"],
        "e_waste_kg": said["e_waste_kg"],
        "e_waste": said["e_waste"],
        "home": said["home"],
        "may_be_issued": found.may_be_issued,
        "provisional": list(found.provisional),
        "targets": [],
        "boundary": found.boundary,
        "settings_digest": found.settings_digest,
        "notes": _ggc_notes(found, said),
    }


def _ggc_notes(found: ict_return.GgcReturn, said: dict[str, Any]) -> list[str]:
    notes = [*found.notes]
    if found.e_waste_items:
        notes.append(
            f"{found.e_waste_items:,} items left in the year, {found.not_weighed:,} of them not weighed: no typical "
            "weight stands for them"
        )
        untold = found.left["unknown"]["items"]
        if untold:
            notes.append(
                f"{untold:,} of them have no record of what became of the material, so nought to landfill cannot be said of them"
            )
    else:
        notes.append("no item is recorded as having left in the year")
    if found.left_undated:
        notes.append(f"{found.left_undated:,} disposed items have no day they left and are in no year")
    if (home := said["home"]) is not None:
        by_agents = (
            "no device reports from home"
            if home["agents_kwh"] is None
            else f"devices that report from home drew {home['agents_kwh']:,.0f} kWh, {home['agents_watts'] or 0:,.0f} W for each of these hours"
        )
        notes.append(
            f"{home['hours']:,.0f} staff hours at home are {home['published_kwh']:,.0f} kWh at the {home['published_watts']} W "
            f"of the published method; {by_agents}"
        )
    else:
        notes.append("hours worked at home: not told in the carbon settings")
    return notes


def _frame(kind: Kind, found: returns.SecrReturn) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": TITLES[kind],
        "year": found.table.year,
        "factor_set": found.table.factor_set,
        "basis": returns.BASIS_WORDS[found.basis],
        "known_kwh": None,
        "known_tco2e": None,
        "e_waste_kg": None,
        "e_waste": None,
        "home": None,
        "may_be_issued": found.table.may_be_issued,
        "provisional": list(found.table.provisional),
        "targets": [_target(one) for one in found.targets],
        "boundary": found.boundary,
        "settings_digest": found.settings_digest,
        "notes": [found.prior_says, *found.notes],
    }


def _target(one: returns.TargetStanding) -> dict[str, Any]:
    return {
        "by": one.target.by_began,
        "reduction_ratio": float(one.target.reduction_ratio),
        "source": one.target.source,
        "allowed_tco2e": float(one.progress.allowed.tonnes),
        "actual_tco2e": float(one.progress.actual.tonnes),
        "reduced_ratio": float(one.progress.reduced_ratio),
        "on_line": one.progress.on_line,
    }
