"""The page of one day's electricity by half-hour, site or class."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from roadworthy_collector.carbon import energy_day_shown
from roadworthy_collector.carbon.energy_day_shown import Asked, By, date_of
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.carbon.ledger import QUALITIES

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
_WAYS: tuple[By, ...] = ("half-hour", "site", "unit", "class", "model", "place")
_LONGEST = 512


@router.get("/carbon/day")
def show_day(
    request: Request,
    reader: Who,
    date: str = "",
    site: str = "",
    by: str = "half-hour",
    reason: str = "",
) -> HTMLResponse:
    """Show a local day; what may be about one person takes a right and a reason."""
    view = View(request, reader)
    chosen: By = next((one for one in _WAYS if one == by), "half-hour")
    wanted, told, error = date_of(date), None, None
    query = select(sites.c.name).where(sites.c.restricted.is_(False)).order_by(sites.c.name)
    with view.engine.connect() as connection:
        names = list(connection.scalars(query))
    if date and wanted is None:
        error = "Give a day such as 2026-10-25."
    elif wanted is not None:
        asked = Asked(wanted, chosen, site[:_LONGEST] or None, None, reason[:_LONGEST], view.scope)
        who = energy_day_shown.Who(reader.name, reader.may(Right.READ_DEVICE_HISTORY), waits=True)
        work = Work(view.engine, view.settings, clock=lambda: view.now, rests=False)
        try:
            told = energy_day_shown.day(work, asked, who)
        except RoadworthyError as refused:
            error = str(refused)
    context: dict[str, Any] = {
        "told": told,
        "error": error,
        "date": date if wanted is not None else "",
        "sites": names,
        "site": site,
        "by": chosen,
        "ways": _WAYS,
        "qualities": QUALITIES,
    }
    return view.html(
        "energy_day.html", context, HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
    )
