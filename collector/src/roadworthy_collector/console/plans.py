"""The form that asks for a replacement plan: made at once of a small register, else by the jobs process."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import plan_queue, planning
from roadworthy_collector.books.plan_example import EXAMPLE
from roadworthy_collector.books.plan_text import Budget
from roadworthy_collector.console import login
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(include_in_schema=False)
Planner = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
MOST_POUNDS, MOST_YEARS, MOST_INSTALLATIONS, MOST_TEXT = 10**9, 40, 10**6, 60_000
_FIELDS = ("capital", "revenue", "horizon", "installations", "lots")


@router.get("/replacement/plan")
def show_form(request: Request, reader: Planner) -> HTMLResponse:
    """Show the form, filled with the last plan's file or with the example."""
    ensure_whole_estate(reader)
    view = View(request, reader)
    with view.engine.connect() as connection:
        held = planning.last(connection)
    given = dict.fromkeys(_FIELDS, "") | {"text": EXAMPLE if held is None else held[0]["text"]}
    if held is not None:
        budget = held[0]["budget"]
        names = ("capital_pounds", "revenue_pounds", "horizon_years", "installations_per_week")
        for field, name in zip(_FIELDS, names, strict=False):
            given[field] = "" if budget.get(name) is None else str(budget[name])
        given["lots"] = {True: "yes", False: "no"}.get(budget.get("lots"), "")
    return _page(view, given, example=held is None)


def _page(
    view: View,
    given: dict[str, str],
    error: str | None = None,
    status: int = HTTPStatus.OK,
    *,
    example: bool = False,
) -> HTMLResponse:
    with view.engine.connect() as connection:
        queued = plan_queue.read(connection)
        small = plan_queue.is_small(connection)
    context = {
        "given": given,
        "error": error,
        "queued": queued,
        "small": small,
        "example": example,
        "most": plan_queue.MOST_AT_ONCE,
    }
    return view.html("replacement_plan.html", context, status)


@router.post("/replacement/plan")
def make_plan(  # noqa: PLR0913, PLR0917 - one argument a field of the form
    request: Request,
    reader: Planner,
    text: Annotated[str, Form()] = "",
    capital: Annotated[str, Form()] = "",
    revenue: Annotated[str, Form()] = "",
    horizon: Annotated[str, Form()] = "",
    installations: Annotated[str, Form()] = "",
    lots: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Make a plan, or note it for the jobs process."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    text = text.replace("\r\n", "\n").replace("\0", "")
    given = {"text": text, "capital": capital, "revenue": revenue, "horizon": horizon}
    given |= {"installations": installations, "lots": lots}
    zone = view.settings.reporting_timezone
    try:
        asked = planning.Asked(text=_text(text), budget=_budget(given), actor=reader.name)
        with view.engine.connect() as connection:
            small = plan_queue.is_small(connection)
        if small:
            on = datetime.fromtimestamp(view.now, ZoneInfo(zone)).date()
            asked = planning.Asked(
                text=asked.text, budget=asked.budget, runs=plan_queue.RUNS_AT_ONCE, actor=reader.name
            )
            planning.run(view.engine, asked, now=view.now, on=on, most_items=plan_queue.MOST_AT_ONCE)
        else:
            with write_transaction(view.engine) as connection:
                plan_queue.ask(connection, asked, now=view.now, zone=zone)
    except RoadworthyError as error:
        return _page(view, given, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    return RedirectResponse("/replacement", HTTPStatus.SEE_OTHER)


def _text(text: str) -> str:
    if not text.strip() or len(text) > MOST_TEXT:
        raise RoadworthyError(f"the plan's file: 1 to {MOST_TEXT:,} characters of TOML are wanted")
    return text


def _budget(given: dict[str, str]) -> Budget:
    lots = given["lots"]
    return Budget(
        capital_pounds=_number("capital", given["capital"], 0, MOST_POUNDS),
        revenue_pounds=_number("revenue", given["revenue"], 0, MOST_POUNDS),
        horizon_years=_number("horizon", given["horizon"], 1, MOST_YEARS),
        installations_per_week=_number("installations", given["installations"], 0, MOST_INSTALLATIONS),
        lots={"yes": True, "no": False}.get(lots),
    )


def _number(name: str, text: str, least: int, most: int) -> int | None:
    """Return a whole number somebody typed, also as £250,000; None for nothing."""
    plain = text.strip().removeprefix("£").replace(",", "").replace(" ", "")
    if not plain:
        return None
    if not (plain.isascii() and plain.isdecimal() and len(plain) < 12 and least <= int(plain) <= most):
        raise RoadworthyError(
            f"{name}: a whole number from {least:,} to {most:,} is wanted, not {text.strip()!r}"
        )
    return int(plain)
