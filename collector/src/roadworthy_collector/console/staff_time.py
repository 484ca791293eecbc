"""The page of staff time: hours lost by month and group, what was left out, and the form for the assumptions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from roadworthy_collector.books import staff_time_show, staff_time_text
from roadworthy_collector.console.costs import pounds
from roadworthy_collector.console.text_forms import TextForm, plainly
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_FINANCE))]
_ROWS = 200


@router.get("/staff-time")
def show_staff_time(request: Request, reader: Who, period: str = "", by: str = "unit") -> HTMLResponse:
    """Show hours first; money and posts where somebody stated a rate and productive hours."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        found = staff_time_show.overview(connection, view.scope)
        names = [one["period"] for one in found["periods"]]
        chosen = period if period in names else (names[0] if names else "")
        by = by if by in found["dimensions"] else found["dimensions"][0]
        try:
            rows = staff_time_show.groups(connection, chosen, by, view.scope) if chosen else []
        except NotFoundError:
            rows = []
    of = next((one for one in found["periods"] if one["period"] == chosen), None)
    context = {"found": found, "of": of, "period": chosen, "by": by, "rows": rows[:_ROWS], "total": len(rows)}
    return view.html("staff_time.html", context | {"pounds": pounds})


def _held(connection: Connection) -> dict[str, Any]:
    found, edition = staff_time_text.current(connection)
    return {"text": edition.content, "edition": edition, "digest": found.digest, "pounds": pounds}


_ASSUMPTIONS = TextForm(
    "staff_time_assumptions.html",
    "/staff-time",
    _held,
    plainly(staff_time_show.try_text),
    staff_time_text.save,
)


@router.get("/staff-time/assumptions")
def show_assumptions(request: Request, reader: Who) -> HTMLResponse:
    """Show the assumptions in force, with the form to try and save others for who prepares finance."""
    return _ASSUMPTIONS.show(request, reader)


@router.post("/staff-time/assumptions")
def edit_assumptions(
    request: Request,
    reader: Preparer,
    content: Annotated[str, Form()] = "",
    what: Annotated[str, Form()] = "try",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Try assumptions, or put them in force."""
    return _ASSUMPTIONS.edit(request, reader, text=content, do=what, csrf=csrf)
