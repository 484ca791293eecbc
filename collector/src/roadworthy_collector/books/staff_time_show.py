"""Staff time as pages, the API and commands show it: by month or financial year, and by group, with what it is worth.

Hours first. Money and posts appear only where somebody stated a rate and productive hours, and are never cashable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books import staff_time_text
from roadworthy_collector.books.places import Places
from roadworthy_collector.books.staff_time import DIMENSIONS, kept, time_of
from roadworthy_collector.books.staff_time_text import Assumptions
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import systems
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import sites, units
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.money import pounds
from roadworthy_inventory.staff_time import StaffTime, total
from roadworthy_inventory.staff_value import (
    LOSS_FACTORS,
    MINIMUM_GROUP,
    OTHER,
    UNASSIGNED,
    full_time_equivalents,
    money,
)

NON_CASHABLE = "non-cashable: nobody's pay falls, and no budget can be cut by it"
_MONTHS, _FIRST_MONTH = 12, 4


def year_of(month: str) -> str:
    """Return the financial year of a month, `2026/27` of `2026-09`."""
    began = financial_year_of(dt.date.fromisoformat(f"{month}-01"))
    return f"{began}/{(began + 1) % 100:02}"


def _together(times: Sequence[StaffTime]) -> StaffTime:
    """Return the sum over months; `devices` of the month with most, for a device is one in every month."""
    return replace(total(times), devices=max((one.devices for one in times), default=0))


def _within(month: Mapping[str, Any], scope: Scope) -> StaffTime | None:
    """Return a month's lost time of what a reader may see; None where that is nothing or too small to show."""
    if month["suppressed"]:
        return None
    if scope is None:
        return time_of(month["total"])
    mine = [time_of(one) for group, one in month["groups"]["unit"].items() if _in(group, scope)]
    return total(mine) if mine else None


def _in(group: str, scope: Scope) -> bool:
    return scope is None or (group.isdecimal() and int(group) in scope)


def overview(connection: Connection, scope: Scope = EVERYTHING) -> dict[str, Any]:
    """Return {assumptions, periods, dimensions}: what every month and financial year lost, the newest first.

    Each period: {period, months, of_months, time, worth, references, made_at}; `time` None where it is too small to
    show; a financial year has had `of_months` so far and `months` of them are known.
    """
    assumptions, edition = staff_time_text.current(connection)
    months = kept(connection)
    years: dict[str, list[dict[str, Any]]] = {}
    for month in months:
        years.setdefault(year_of(month["month"]), []).append(month)
    newest = months[-1]["month"] if months else ""
    periods = [
        _period(year, of, assumptions, scope) | {"of_months": _months_gone(year, newest)}
        for year, of in reversed(years.items())
    ]
    periods += [
        _period(month["month"], [month], assumptions, scope) | {"of_months": 1} for month in reversed(months)
    ]
    return {
        "assumptions": {
            "rate_pence_per_hour": assumptions.rate_pence_per_hour,
            "loss_factor": assumptions.loss_factor,
            "productive_hours_per_year": assumptions.productive_hours_per_year,
            "digest": assumptions.digest,
            "made_at": edition.made_at,
            "made_by": edition.made_by,
        },
        "loss_factors": list(LOSS_FACTORS),
        "cashable": False,
        "minimum_group": MINIMUM_GROUP,
        "dimensions": list(DIMENSIONS) if scope is None else ["unit"],
        "periods": periods,
    }


def _months_gone(year: str, newest: str) -> int:
    """Return how many months a financial year has had by `newest`, the newest month there is anything of."""
    if year != year_of(newest):
        return _MONTHS
    return (int(newest[5:]) - _FIRST_MONTH) % _MONTHS + 1


def _period(
    name: str, months: Sequence[Mapping[str, Any]], assumptions: Assumptions, scope: Scope
) -> dict[str, Any]:
    times = [time for month in months if (time := _within(month, scope)) is not None]
    time = _together(times) if times else None
    return {
        "period": name,
        "months": len(times),
        "suppressed_months": len(months) - len(times),
        "time": None if time is None else said(time),
        "worth": None if time is None else worth(time, assumptions, len(times)),
        "references": months[-1]["references"],
        "other_assumptions": sum(month["assumptions"] != assumptions.digest for month in months),
        "made_at": max(month["made_at"] for month in months),
    }


def said(time: StaffTime) -> dict[str, Any]:
    """Return lost time for people: hours, counts, and what was left out and why."""
    return {
        "hours": round(time.hours, 2),
        "waits": time.waits,
        "slow_waits": time.slow_waits,
        "devices": time.devices,
        "raw_startups": time.raw_startups,
        "counted_startups": time.counted_startups,
        "excluded_startups": dict(time.excluded_startups),
        "raw_signins": time.raw_signins,
        "counted_signins": time.counted_signins,
        "excluded_signins": dict(time.excluded_signins),
        "unsure": dict(time.unsure),
    }


def worth(time: StaffTime, assumptions: Assumptions, months: int) -> dict[str, Any]:
    """Return {low_pence, high_pence, chosen_pence, full_time_equivalents}, each None where nobody stated what it takes."""
    found: dict[str, Any] = dict.fromkeys(
        ("low_pence", "high_pence", "chosen_pence", "full_time_equivalents")
    )
    if assumptions.rate_pence_per_hour is not None:
        amount = money(time, assumptions.rate_pence_per_hour, assumptions.loss_factor)
        found |= {name: getattr(amount, name) for name in ("low_pence", "high_pence", "chosen_pence")}
    if assumptions.productive_hours_per_year is not None:
        hours = assumptions.productive_hours_per_year * months / _MONTHS
        posts = full_time_equivalents(time, hours)
        found["full_time_equivalents"] = None if posts is None else round(posts, 2)
    return found


def groups(connection: Connection, period: str, by: str, scope: Scope = EVERYTHING) -> list[dict[str, Any]]:
    """Return a period's groups, the most hours first: {group, time, worth}; NotFoundError for no such period.

    They add up to the period where the reader sees the whole IT estate.
    """
    assumptions, _ = staff_time_text.current(connection)
    months = [one for one in kept(connection) if period in (one["month"], year_of(one["month"]))]
    if not months:
        raise NotFoundError(f"{period}: no staff time is worked out for this month or financial year")
    if by not in (DIMENSIONS if scope is None else ("unit",)):
        raise NotFoundError(f"{by}: staff time is not shown by this; use {', '.join(DIMENSIONS)}")
    times: dict[str, list[StaffTime]] = {}
    for month in months:
        for group, one in month["groups"].get(by, {}).items():
            if _in(group, scope):
                times.setdefault(group, []).append(time_of(one))
    names = _names(connection, by)
    rows = [
        {
            "key": group,
            "group": names.get(group, group),
            "time": said(time := _together(of)),
            "worth": worth(time, assumptions, len(months)),
        }
        for group, of in times.items()
    ]
    return sorted(rows, key=lambda row: (-row["time"]["hours"], row["group"]))


def _names(connection: Connection, by: str) -> dict[str, str]:
    words = {OTHER: "other: groups under five devices and restricted sites", UNASSIGNED: "none assigned"}
    if by == "site":
        return words | {str(row.id): row.name for row in connection.execute(select(sites.c.id, sites.c.name))}
    if by in {"unit", "system"}:
        places = Places(connection)
        name_of = places.unit_path if by == "unit" else places.system_name
        return words | dict(_all_names(connection, by, name_of))
    return words


def _all_names(connection: Connection, by: str, name_of: Any) -> list[tuple[str, str]]:
    table = units if by == "unit" else systems
    return [(str(id_), name_of(id_) or str(id_)) for id_ in connection.scalars(select(table.c.id))]


def flat(rows: Sequence[Mapping[str, Any]], first: str) -> list[dict[str, Any]]:
    """Return periods or groups as rows of a table: `first` is the key of what names them."""
    found = []
    for row in rows:
        time, amount = row["time"], row["worth"]
        if time is None:
            found.append({first: row[first], "hours": None, "note": "fewer than five devices: suppressed"})
            continue
        found.append(
            {
                first: row[first],
                "hours": time["hours"],
                "waits counted": time["waits"],
                "of them slow": time["slow_waits"],
                "devices": time["devices"],
                "start-ups": time["raw_startups"],
                "start-ups left out": sum(time["excluded_startups"].values()),
                "sign-ins": time["raw_signins"],
                "sign-ins left out": sum(time["excluded_signins"].values()),
                "from": _pounds(amount["low_pence"]),
                "to": _pounds(amount["high_pence"]),
                "at your factor": _pounds(amount["chosen_pence"]),
                "full-time equivalents": amount["full_time_equivalents"],
                "note": "; ".join(filter(None, (_part(row), "non-cashable"))),
            }
        )
    return found


def _part(row: Mapping[str, Any]) -> str | None:
    """Return how much of a financial year is known, where that is not all of it so far."""
    known, gone = row.get("months", 1), row.get("of_months", 1)
    return f"{known} of {gone} months known" if known < gone else None


def _pounds(pence: int | None) -> str | None:
    return None if pence is None else pounds(pence)


def try_text(connection: Connection, text: str) -> dict[str, Any]:
    """Return what assumptions would make of the newest months that are ready, changing nothing.

    Money and posts at once; `hours_change` says whether saving has the hours worked out again, by other good lengths.
    """
    held, _ = staff_time_text.current(connection)
    wanted = staff_time_text.parse(text)
    found = []
    for month in kept(connection)[-_MONTHS:]:
        if (time := _within(month, EVERYTHING)) is not None:
            amounts = {"now": worth(time, held, 1), "then": worth(time, wanted, 1)}
            found.append({"month": month["month"], "hours": round(time.hours, 2), **amounts})
    return {"digest": wanted.digest, "hours_change": wanted.good != held.good, "months": found}
