"""The page of planned lives: what is in force by class, tried on the devices, put in force."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from roadworthy_collector.books import lifecycle_trying, planned_text
from roadworthy_collector.console.text_forms import TextForm
from roadworthy_collector.console.view import View
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
MOST_TRIED = 5000  # devices at most while somebody waits; the command tries all


def _held(connection: Connection) -> dict[str, Any]:
    found, edition = planned_text.current(connection)
    return {"text": edition.content, "edition": edition, "lines": planned_text.listed(found.lives)}


def _form(request: Request, reader: Reader) -> TextForm:
    view = View(request, reader)
    zone = view.settings.reporting_timezone
    return TextForm(
        "planned_life.html",
        "/lifecycle/planned",
        _held,
        lambda connection, text: lifecycle_trying.try_lives(
            connection.engine, text, view.now, zone, most=MOST_TRIED
        ),
        planned_text.save,
        all_read=True,
    )


@router.get("/lifecycle/planned")
def show_planned(request: Request, reader: Who) -> HTMLResponse:
    """Show the planned life of each class and who says so, with a form to state others for whom that is."""
    return _form(request, reader).show(request, reader)


@router.post("/lifecycle/planned")
def change_planned(
    request: Request,
    reader: Keeper,
    text: Annotated[str, Form()] = "",
    do: Annotated[str, Form()] = "try",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Try planned lives on the devices, or put them in force."""
    return _form(request, reader).edit(request, reader, text=text, do=do, csrf=csrf)
