"""The pages of benefits, contracts and warranties, with the forms that claim a benefit and take it further."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select

from roadworthy_collector.books import benefits, contracts, warranties
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console import login
from roadworthy_collector.console.costs import ensure_whole_estate, pounds
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.books_schema import benefits as table
from roadworthy_collector.store.books_schema import systems
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.benefits import STATES

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_FINANCE))]
_STEPPERS = (Right.PREPARE_FINANCE, Right.APPROVE)
_MOST_ID = 2**63 - 1
_FIELDS = ("reference", "system", "year", "saving", "double", "centre", "decommissioned")
_WARRANTIES = 200
STEP_WORDS = {"agree": "Agree", "deliver": "It is delivered", "remove": "Remove from budget"}


@router.get("/benefits")
def show_benefits(
    request: Request, reader: Who, state: str = "", year: str = "", cashable: str = "", net: str = ""
) -> HTMLResponse:
    """Show the sums by state and year, every benefit (or those behind a sum), and the form to claim one."""
    ensure_whole_estate(reader)
    wanted = benefits.Wanted(
        state if state in STATES else "",
        year[:8],
        cashable if cashable in {"yes", "no"} else "",
        net if net == "unknown" else "",
    )
    return _page(View(request, reader), wanted=wanted)


def _page(
    view: View,
    given: dict[str, str] | None = None,
    error: str | None = None,
    status: int = HTTPStatus.OK,
    wanted: benefits.Wanted | None = None,
) -> HTMLResponse:
    wanted = wanted or benefits.Wanted()
    with view.engine.connect() as connection:
        found = benefits.overview(connection)
    every = len(found["rows"])
    found["rows"] = benefits.choose(found["rows"], wanted)
    with view.engine.connect() as connection:
        names = list(connection.scalars(select(systems.c.name).order_by(systems.c.name)))
    reader = view.reader
    for row in found["rows"]:
        following = row["next"]
        row["mine"] = (
            reader is not None
            and following is not None
            and benefits.may_step(reader, following, row["claimant"])
        )
    context: dict[str, Any] = {
        "rows": found["rows"],
        "every": every,
        "wanted": wanted,
        "filters": wanted._asdict(),
        "sums": found["sums"],
        "systems": names,
        "given": dict.fromkeys(_FIELDS, "") | (given or {}),
        "error": error,
        "pounds": pounds,
        "step_words": STEP_WORDS,
    }
    return view.html("benefits.html", context, status)


@router.post("/benefits")
def add_benefit(  # noqa: PLR0913, PLR0917 - one argument a field of the form
    request: Request,
    reader: Preparer,
    reference: Annotated[str, Form()] = "",
    system: Annotated[str, Form()] = "",
    year: Annotated[str, Form()] = "",
    saving: Annotated[str, Form()] = "",
    double: Annotated[str, Form()] = "",
    cashable: Annotated[str, Form()] = "",
    centre: Annotated[str, Form()] = "",
    decommissioned: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Claim a benefit for one financial year; further years are for the command line and the API."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    given = {
        "reference": reference, "system": system, "year": year, "saving": saving, "double": double, "centre": centre,
        "decommissioned": decommissioned,
    }  # fmt: skip
    today = local_day(view.now, view.settings.reporting_timezone)
    try:
        told = benefits.parse_year(f"{year}={saving}" + (f"-{double}" if double.strip() else ""))
        off = benefits.parse_day(decommissioned)
        claim = benefits.Claim(
            reference, system.strip(), cashable == "yes", [told], centre.strip() or None, off
        )
        with write_transaction(view.engine) as connection:
            benefits.add(connection, claim, actor=reader.name, on=today, now=int(view.now))
    except RoadworthyError as error:
        return _page(view, given, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    return RedirectResponse("/benefits", HTTPStatus.SEE_OTHER)


def _stepper(request: Request) -> Reader:
    """Return somebody who prepares finance or approves."""
    reader = require_page(Right.READ_ESTATE)(request)
    if not any(reader.may(right) for right in _STEPPERS):
        raise HTTPException(HTTPStatus.FORBIDDEN, "Your role takes no benefit further.")
    return reader


@router.post("/benefits/{number}/{step}")
def advance_benefit(
    number: int,
    step: Literal["agree", "deliver", "remove"],
    request: Request,
    reader: Annotated[Reader, Depends(_stepper)],
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Take a benefit one step further."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    wanted = min(max(number, 0), _MOST_ID)
    today = local_day(view.now, view.settings.reporting_timezone)
    with view.engine.connect() as connection:
        claimant = connection.scalar(select(table.c.claimant).where(table.c.id == wanted))
    if claimant is not None and not benefits.may_step(reader, step, claimant):
        raise HTTPException(
            HTTPStatus.FORBIDDEN,
            "This step is another person's than the claimant's, and the last an approver's.",
        )
    try:
        with write_transaction(view.engine) as connection:
            benefits.advance_one(
                connection,
                wanted,
                step,
                actor=reader.name,
                role=benefits.role_of(reader),
                on=today,
                now=int(view.now),
            )
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no benefit of this number.") from None
    except RoadworthyError as error:
        return _page(view, None, str(error), HTTPStatus.CONFLICT)
    return RedirectResponse("/benefits", HTTPStatus.SEE_OTHER)


@router.get("/contracts")
def show_contracts(
    request: Request, reader: Who, ends: str = "", stands: str = "", lacks: str = ""
) -> HTMLResponse:
    """Show what ends when and must be given notice, and every contract, or those behind a figure."""
    ensure_whole_estate(reader)
    view = View(request, reader)
    today = local_day(view.now, view.settings.reporting_timezone)
    with view.engine.connect() as connection:
        found = contracts.overview(connection, today)
    wanted = contracts.Wanted(
        ends if ends in contracts.endings(found) else "",
        stands if stands in contracts.STANDS else "",
        lacks if lacks in contracts.LACKS else "",
    )
    rows = contracts.choose(found, wanted)
    context = {
        "found": found,
        "rows": rows,
        "wanted": wanted,
        "pence": sum(row["value_pence_per_year"] or 0 for row in rows),
        "pounds": pounds,
    }
    return view.html("contracts.html", context)


@router.get("/contracts/warranties")
def show_warranties(request: Request, reader: Who, month: str = "") -> HTMLResponse:
    """Show how many items' warranties end in which month, and whose do in one."""
    view = View(request, reader)
    today = local_day(view.now, view.settings.reporting_timezone)
    words = {"ended", *warranties.coming_months(today), "later", "unknown"}
    chosen = month if month in words else None
    with view.engine.connect() as connection:
        found = warranties.ends(connection, today, month=chosen, scope=view.scope, limit=_WARRANTIES)
    return view.html("warranties.html", {"found": found, "month": chosen, "soon": warranties.SOON_DAYS})
