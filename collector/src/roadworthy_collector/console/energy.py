"""The pages of energy and carbon: a year's kWh with what they emit, the devices behind, avoidable electricity, shifts."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from roadworthy_collector.carbon import avoidable_show, shifts, shifts_try
from roadworthy_collector.carbon.avoidable import PEOPLE
from roadworthy_collector.carbon.behind import LIMIT, devices_behind
from roadworthy_collector.carbon.estate import DIMENSIONS, OTHERS, Dimension, Row, periods, unknown_because
from roadworthy_collector.carbon.show import Asked, Shown, chosen_period, coverage, shown, tonnes
from roadworthy_collector.console.charts import Figure
from roadworthy_collector.console.text_forms import TextForm, plainly
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_CARBON))]
_ROWS = 200
_DEVICES = 200
_GROUPED: tuple[Dimension, ...] = ("site", "unit", "class", "model", "place")
_LONGEST = 256


@router.get("/carbon")
def show_carbon(request: Request, reader: Who, year: str = "", by: str = "site") -> HTMLResponse:
    """Show kWh first, with their interval and how they are known; tonnes follow from them."""
    view = View(request, reader)
    zone = view.settings.reporting_timezone
    chosen: Dimension = next((one for one in _GROUPED if one == by), "site")
    error = None
    with view.engine.connect() as connection:
        asked = Asked(year[:_LONGEST] or None, scope=view.scope)
        try:
            found = shown(connection, asked, now=view.now, zone=zone)
        except RoadworthyError as refused:
            error, found = (
                str(refused),
                shown(connection, asked._replace(period=None), now=view.now, zone=zone),
            )
        years = periods(connection)
    rows = found.estate.rows(chosen)
    label = found.estate.period.label
    context = {
        "told": found.told(),
        "said": coverage(found),
        "years": years if label in years else [label, *years],
        "year": label,
        "by": chosen,
        "dimensions": _GROUPED,
        "rows": rows[:_ROWS],
        "unknown": lambda row: unknown_because(chosen, row),
        "reasons": sorted({why for row in rows[:_ROWS] if (why := unknown_because(chosen, row))}),
        "total": len(rows),
        "months": found.estate.rows("month"),
        "qualities": QUALITIES,
        "figure": _figure(view, found),
        "behind": lambda row: _behind(label, chosen, row),
        "month_behind": lambda row: _behind(label, "month", row),
        "kwh": kwh,
        "tonnes": tonnes,
        "error": error,
    }
    status = HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return view.html("carbon.html", context, status)


def kwh(joules: int, places: int = 0) -> str:
    """Return joules as kWh for people."""
    return f"{joules / JOULES_PER_KWH:,.{places}f}"


def _figure(view: View, found: Shown) -> Figure | None:
    rows = [
        {"label": row.key, "kwh": [round(one / JOULES_PER_KWH, 3) for one in row.energy.joules]}
        for row in found.estate.rows("month")
    ]
    return view.board.add("energy_months", {"rows": rows}) if found.estate.total.whole_joules else None


def _behind(year: str, by: Dimension, row: Row) -> str | None:
    """Return the address of the devices behind a row; None where there are none to show."""
    if row.key == OTHERS:
        return None
    return "/carbon/devices?" + urlencode({"year": year, "by": by, "key": row.key})


@router.get("/carbon/devices")
def show_devices(
    request: Request, reader: Who, year: str = "", by: str = "", key: str = "", page: int = 1
) -> HTMLResponse:
    """Show the devices behind a figure, the most kWh first."""
    view = View(request, reader)
    chosen: Dimension | None = next((one for one in DIMENSIONS if one == by), None)
    place = max(page, 1)
    with view.engine.connect() as connection:
        period = chosen_period(
            connection, year[:_LONGEST] or None, now=view.now, zone=view.settings.reporting_timezone
        )
        found = devices_behind(
            connection,
            period,
            chosen,
            key[:_LONGEST],
            scope=view.scope,
            limit=LIMIT,
            offset=(place - 1) * LIMIT,
        )
        asked = Asked(period.label, scope=view.scope)
        groups = [] if chosen is None else shown(
            connection, asked, now=view.now, zone=view.settings.reporting_timezone
        ).estate.rows(chosen)  # fmt: skip
    title = next((row.title for row in groups if row.key == key), key)
    query = {"year": period.label, "by": chosen or "", "key": key}
    return view.html(
        "carbon_devices.html",
        {
            "found": found,
            "year": period.label,
            "by": chosen,
            "key": key,
            "title": title,
            "qualities": QUALITIES,
            "page": place,
            "pages": max(1, -(-found.devices // LIMIT)),
            "at": lambda number: "/carbon/devices?" + urlencode({**query, "page": number}),
        },
    )


@router.get("/avoidable")
def show_avoidable(request: Request, reader: Who, kind: str = "", site: str = "") -> HTMLResponse:
    """Show avoidable electricity by site, kWh first, and the devices behind it."""
    view = View(request, reader)
    small = reader.sees_small_groups
    with view.engine.connect() as connection:
        found = avoidable_show.overview(connection, scope=view.scope, small_groups=small)
        chosen = kind if kind in avoidable_show.TITLES else None
        hidden = chosen in PEOPLE and not small
        rows: list[dict[str, Any]] = []
        if chosen and not hidden:
            rows = avoidable_show.device_rows(
                connection,
                chosen,
                site if site.isascii() and site.isdigit() else None,
                scope=view.scope,
                small_groups=small,
            )
    context = {
        "found": found,
        "said": coverage_of(found),
        "titles": avoidable_show.TITLES,
        "kind": chosen,
        "site": site,
        "hidden": hidden,
        "people": PEOPLE,
        "small": small,
        "devices": rows[:_DEVICES],
        "total": len(rows),
        "tonnes": tonnes,
        "at": lambda name, key="": (
            "/avoidable?" + urlencode({"kind": name} | ({"site": key} if key else {})) + "#devices"
        ),
    }
    return view.html("avoidable.html", context)


def coverage_of(found: dict[str, Any] | None) -> str:
    """Return what is counted, in a sentence; nothing where nothing is worked out."""
    return "" if found is None else avoidable_show.coverage(found)


def _shifts_held(connection: Connection) -> dict[str, Any]:
    found, edition = shifts.current(connection)
    return {"text": edition.content, "edition": edition, "digest": found.digest}


_SHIFTS = TextForm(
    "carbon_shifts.html", "/avoidable", _shifts_held, plainly(shifts_try.try_text), shifts.save
)


@router.get("/avoidable/shifts")
def show_shifts(request: Request, reader: Who) -> HTMLResponse:
    """Show the shift calendars in force, with the form for who prepares carbon figures."""
    return _SHIFTS.show(request, reader)


@router.post("/avoidable/shifts")
def edit_shifts(
    request: Request,
    reader: Preparer,
    content: Annotated[str, Form()] = "",
    what: Annotated[str, Form()] = "try",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Try shift calendars, or put them in force."""
    return _SHIFTS.edit(request, reader, text=content, do=what, csrf=csrf)
