"""The pages of cost: three shares with what is behind them, the lines, and the form to correct one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import cost_review, cost_texts, shares
from roadworthy_collector.books.cost_lines import CostsError, in_force
from roadworthy_collector.console import login
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.cost_rules import POOLS
from roadworthy_inventory.costs import DEFINITIONS
from roadworthy_inventory.money import pounds as written

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_FINANCE))]
MOST_LINES = 5_000  # more are worked out by the jobs process, not while somebody waits
_PAGE = 100
_LONGEST = 64


def ensure_whole_estate(reader: Reader) -> None:
    """Raise 403 for a reader of some units only: ledger and plan are of the whole IT estate."""
    if reader.scope is not None:
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "This page is about the whole IT estate; your role holds for some units."
        )


def pounds(pence: int | None) -> str:
    """Return pence as people write them."""
    return "not known" if pence is None else written(pence)


@router.get("/costs")
def show_costs(request: Request, reader: Who, year: str = "", measure: str = "outturn") -> HTMLResponse:
    """Show the three shares of a year, the years beside each other, and payments apart."""
    ensure_whole_estate(reader)
    view = View(request, reader)
    shares.refresh(view.engine, view.now, most_lines=MOST_LINES)
    with view.engine.connect() as connection:
        found = shares.kept(connection)
        current = found is not None and shares.is_current(connection, found[0])
        files = in_force(connection, "ledger", "payments")
        editions = [cost_texts.current(connection, which) for which in ("cost_rules", "cost_method")]
    content: dict[str, Any] = found[0] if found else {}
    years = list(content.get("years", ()))
    # A year to come, into which prepaid reaches, is not what somebody opens the page for.
    booked = [one for one in years if content["years"][one]["measures"]] or years
    chosen = year if year in years else (booked[-1] if booked else None)
    of = content["years"][chosen] if chosen else None
    return view.html(
        "costs.html",
        {
            "content": content,
            "made_at": found[1] if found else None,
            "current": current,
            "files": files,
            "rules": editions[0],
            "method": editions[1],
            "years": years,
            "year": chosen,
            "of": of,
            "measure": measure if of and measure in {*of["measures"], *of["committed"]} else "outturn",
            "pounds": pounds,
            "year_name": lambda number: shares.year_name(int(number)),
            "lines_at": lines_at,
        },
    )


def lines_at(**query: Any) -> str:
    """Return the address of the lines behind a figure."""
    return "/costs/lines?" + urlencode({name: value for name, value in query.items() if value is not None})


@router.get("/costs/lines")
def show_lines(request: Request, reader: Who) -> HTMLResponse:
    """List lines with the rule and confidence that put each where it is."""
    ensure_whole_estate(reader)
    view = View(request, reader)
    asked = request.query_params
    wanted, page = _wanted(asked), _number(asked.get("page"), 1)
    with view.engine.connect() as connection:
        found = cost_review.read_lines(
            connection, wanted, offset=(page - 1) * _PAGE, limit=_PAGE, at_once=True
        )
    query = {name: value for name, value in asked.items() if name != "page" and value}
    return view.html(
        "cost_lines.html",
        {
            "found": found,
            "wanted": wanted,
            "page": page,
            "pages": max(1, -(-found.total // _PAGE)),
            "at": lambda number: "/costs/lines?" + urlencode({**query, "page": number}),
            "members": cost_review.MEMBER_WORDS,
            "pools": [(pool, pool.replace("_", " ")) for pool in POOLS],
            "pounds": pounds,
            "year_name": lambda number: shares.year_name(number) if number else "no date",
        },
    )


def _number(text: str | None, least: int) -> int:
    return max(least, int(text)) if text and text.isascii() and text.isdecimal() and len(text) < 7 else least


def _wanted(asked: Any) -> cost_review.Wanted:
    """Return what an address asks for; what is not a choice is not chosen."""
    year, share, member = asked.get("year", ""), asked.get("share", "B"), asked.get("member", "")
    measure = asked.get("measure", "outturn")
    centre, period = asked.get("centre"), asked.get("period", "")
    return cost_review.Wanted(
        kind="payments" if asked.get("kind") == "payments" else "ledger",
        year=_number(year, 0) if year else None,
        measure=measure if measure in {"budget", "forecast", "outturn"} else "outturn",
        definition=share if share in {"A", "B", "C"} else "B",
        member=member if member in cost_review.MEMBERS else None,
        centre=None if centre in (None, "") and "none" not in asked else (centre or "")[:_LONGEST],
        pool=asked["pool"] if asked.get("pool") in POOLS else None,
        text=asked.get("text", "")[:_LONGEST],
        period=_number(period, 0) if period else None,
    )


def _line_page(view: View, key: str, error: str | None = None, status: int = HTTPStatus.OK) -> HTMLResponse:
    with view.engine.connect() as connection:
        try:
            line = cost_review.find_line(connection, key)
        except NotFoundError as problem:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(problem)) from None
    context = {
        "line": line,
        "pools": POOLS,
        "members": cost_review.MEMBER_WORDS,
        "definitions": DEFINITIONS,
        "error": error,
        "pounds": pounds,
        "year_name": shares.year_name,
    }
    return view.html("cost_line.html", context, status)


@router.get("/costs/lines/{key}")
def show_line(key: str, request: Request, reader: Who) -> HTMLResponse:
    """Show one line as booked, with the form to correct what it pays for."""
    ensure_whole_estate(reader)
    return _line_page(View(request, reader), key)


@router.post("/costs/lines/{key}")
def correct_line(  # noqa: PLR0913, PLR0917 - one argument a field of the form
    key: str,
    request: Request,
    reader: Preparer,
    pool: Annotated[str, Form()] = "",
    intent: Annotated[str, Form()] = "",
    maintenance: Annotated[str, Form()] = "unknown",
    legacy: Annotated[str, Form()] = "unknown",
    reason: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Take a person's word on a line, put it on the record, and show the lines again."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    told = cost_review.Said(pool=pool, intent=intent, maintenance=maintenance, legacy=legacy, reason=reason)
    with view.engine.connect() as connection:
        try:
            line = cost_review.find_line(connection, key)
        except NotFoundError as problem:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(problem)) from None
    try:
        with write_transaction(view.engine) as connection:
            cost_review.correct(connection, key, told, actor=reader.name, now=int(view.now))
    except CostsError as problem:
        return _line_page(view, key, str(problem), HTTPStatus.UNPROCESSABLE_ENTITY)
    shares.refresh(view.engine, view.now, most_lines=MOST_LINES)
    return RedirectResponse(lines_at(year=line["year"]), HTTPStatus.SEE_OTHER)
