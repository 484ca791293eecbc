"""The page of the exceptions register: what is excepted, and the forms to ask for, agree to and end an exception."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import approving, excepting, rules
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console import login
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right, may_approve
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.exceptions import LONGEST_DAYS

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
Approver = Annotated[Reader, Depends(require_page(Right.APPROVE))]
_MOST_ID = 2**63 - 1
_REASON = (5, 512)
_PERSON_LENGTH = 128
_FIELDS = ("what", "reason", "owner", "begins", "expires")


@router.get("/ratings/exceptions")
def show_exceptions(
    request: Request, reader: Who, what: str = "", rule: str = "", state: str = ""
) -> HTMLResponse:
    """Show what somebody agreed to leave as it is, and what waits, of one state if said; `what` and `rule` begin a form."""
    given = {"what": what[:64], "rules": [rule[:64]] if rule else []}
    return _page(View(request, reader), given, state=state if state in excepting.SHOWN else "")


def _page(
    view: View,
    given: dict[str, Any],
    error: str | None = None,
    status: int = HTTPStatus.OK,
    state: str = "",
) -> HTMLResponse:
    today = local_day(view.now, view.settings.reporting_timezone)
    with view.engine.connect() as connection:
        rows = excepting.list_entries(connection, today, view.scope)
        rows = [row for row in rows if not state or row["state"] in excepting.SHOWN[state]]
        counts = excepting.count(connection, today, view.scope)
        known = [one.rule_id for one in rules.current(connection)[0].rules]
    reader = view.reader
    for row in rows:
        mine = reader is not None and may_approve(reader, row["asked_by"] or "")
        row["mine_to_approve"] = mine and row["state"] == "waiting"
    context = {
        "rows": rows,
        "counts": counts,
        "state": state,
        "known": known,
        "given": dict.fromkeys(_FIELDS, "") | {"rules": []} | given,
        "error": error,
        "today": today.isoformat(),
        "longest": LONGEST_DAYS,
        "lengths": _REASON,
    }
    return view.html("exceptions.html", context, status)


@router.post("/ratings/exceptions")
def ask(  # noqa: PLR0913, PLR0917 - one argument a field of the form
    request: Request,
    reader: Keeper,
    what: Annotated[str, Form()] = "",
    rule: Annotated[list[str] | None, Form()] = None,
    reason: Annotated[str, Form()] = "",
    owner: Annotated[str, Form()] = "",
    begins: Annotated[str, Form()] = "",
    expires: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Put an exception on the register that waits for an approver."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    given: dict[str, Any] = {
        "what": what, "rules": rule or [], "reason": reason, "owner": owner, "begins": begins, "expires": expires,
    }  # fmt: skip
    today = local_day(view.now, view.settings.reporting_timezone)
    try:
        asked = _asked(given, today)
        with write_transaction(view.engine) as connection:
            known = {one.rule_id for one in rules.current(connection)[0].rules}
            excepting.add(
                connection, asked, known_rules=known, now=int(view.now), actor=reader.name, scope=view.scope
            )
    except RoadworthyError as error:
        return _page(view, given, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    return RedirectResponse("/ratings/exceptions", HTTPStatus.SEE_OTHER)


def _asked(given: dict[str, Any], today: dt.date) -> excepting.Asked:
    """Return what a form asks for; RoadworthyError naming the field that is wrong."""
    reason, owner = (" ".join(given[name].split()) for name in ("reason", "owner"))
    if not _REASON[0] <= len(reason) <= _REASON[1] or not reason.isprintable():
        raise RoadworthyError(f"reason: give one of {_REASON[0]} to {_REASON[1]} characters")
    if not 1 <= len(owner) <= _PERSON_LENGTH or not owner.isprintable():
        raise RoadworthyError(f"owner: say who answers for it, in at most {_PERSON_LENGTH} characters")
    chosen = [one for one in given["rules"] if one] or None
    begins = _day("first day", given["begins"]) if given["begins"] else today
    expires = _day("last day", given["expires"])
    if expires < today:
        raise RoadworthyError(f"last day: {expires} is over; it is {today} today")
    return excepting.Asked(given["what"].strip()[:64], chosen, reason, owner, None, begins, expires)


def _day(name: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise RoadworthyError(f"{name}: write a day as 2026-03-31") from None


# Before the address below, whose last part it would be.
@router.post("/ratings/exceptions/{number}/end")
def end_exception(
    number: int, request: Request, reader: Keeper, csrf: Annotated[str, Form()] = ""
) -> Response:
    """End an exception from today on, or take back one that waits."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    today = local_day(view.now, view.settings.reporting_timezone)
    try:
        with write_transaction(view.engine) as connection:
            excepting.end(
                connection,
                _bounded(number),
                today=today,
                now=int(view.now),
                actor=reader.name,
                scope=view.scope,
            )
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No exception of this number is in force.") from None
    return RedirectResponse("/ratings/exceptions", HTTPStatus.SEE_OTHER)


@router.post("/ratings/exceptions/{number}/{what}")
def decide(
    number: int,
    what: Literal["approve", "refuse"],
    request: Request,
    reader: Approver,
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Agree to an exception somebody else asked for, or refuse it."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    today = local_day(view.now, view.settings.reporting_timezone)
    act = approving.approve if what == "approve" else approving.refuse
    try:
        with write_transaction(view.engine) as connection:
            act(connection, _bounded(number), reader, today=today, now=int(view.now))
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No exception of this number waits for approval.") from None
    except RoadworthyError as error:
        return _page(view, {}, str(error), HTTPStatus.CONFLICT)
    return RedirectResponse("/ratings/exceptions", HTTPStatus.SEE_OTHER)


def _bounded(number: int) -> int:
    return min(max(number, 0), _MOST_ID)
