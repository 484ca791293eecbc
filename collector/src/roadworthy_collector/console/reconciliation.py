"""The pages of reconciliation: the waterfall, the rows behind each gap, and the queue people decide."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import figures, lists, reconciled_at, reviewing
from roadworthy_collector.books.reconciling import FIGURE, count_reporting
from roadworthy_collector.books.waterfall import STATES, waterfall, with_agent
from roadworthy_collector.console import login
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
_MOST_ID = 2**63 - 1

PLACES = {
    "not_in_mdm": ("Not in the MDM export", "register items the newest MDM export does not know"),
    "no_agent": ("Without an agent", "known to the MDM where there is an export of it, and no agent reports"),
    "silent": ("Silent for a week", "an agent is there and has not reported for seven days"),
    "reporting": ("Reporting", "register items whose agent reported within seven days"),
    "ghost": ("Ghosts", "devices and MDM records without a register item"),
}
# What a list is of: a place, or a sum of several.
_LISTS = PLACES | {
    "register": ("Register items that could report", "all that reconciliation looked for"),
    "in_mdm": ("In the MDM export", "register items the newest MDM export knows"),
    "with_both": ("In the MDM export and with an agent", "register items known to both"),
    "with_agent": ("With an agent", "register items with an agent, whether an MDM knows them or not"),
    "reporting_this_week": (
        "Reporting this week",
        "register items whose agent reported within seven days, whether an MDM knows them or not",
    ),
    "mdm": ("MDM records", "what the newest MDM export holds, wherever it stands"),
    "agents": ("Agents", "devices in service, with a register item or without"),
    "former": ("Former selves", "devices whose hardware was set up anew since: part of their item's history"),
}
ITEM_STATES = {
    "matched": "matched",
    "undecided": "waits in the review queue",
    "orphan": "shares nothing with any device",
}
_OF_ITEMS = {*PLACES, "register", "in_mdm", "with_both", "with_agent", "reporting_this_week"} - {"ghost"}
GHOST_STATES = {"agent": "an agent alone", "mdm": "the MDM export alone", "both": "agent and MDM export"}
REASONS = {
    "one_key": "one key alone agrees",
    "already_matched": "one of the two is matched already",
    "one_to_many": "several compete for the same place",
    "chain": "they hang together only through others",
    "refused_elsewhere": "somebody refused a part of it",
    "decisions_contradict": "decisions contradict each other",
}
KEYS = {"serial": "serial number", "uuid": "UUID", "tag": "asset tag", "mac": "network address"}
SIDES = {"register": "register", "mdm": "MDM", "agent": "agent"}


@router.get("/reconciliation")
def show_reconciliation(request: Request, reader: Who) -> HTMLResponse:
    """Show the waterfall from the register to what reported this week."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        held = figures.read(connection, FIGURE)
        counts = lists.counts(connection, view.scope)
        reporting = count_reporting(connection, counts, view.scope)
    found: dict[str, Any] = {} if held is None else held[0]
    context = {
        "at": None if held is None else held[1],
        "found": found,
        "with_mdm": found.get("mdm_batch") is not None,
        "steps": waterfall(counts, with_mdm=found.get("mdm_batch") is not None),
        "with_agent": with_agent(counts),
        "beside": counts.get(("not_in_mdm", "matched"), 0),
        "reporting": reporting,
        "states": {state: _sum(counts, PLACES, state) for state in STATES},
        "ghosts": {state: counts.get(("ghost", state), 0) for state in GHOST_STATES},
        "waiting": sum(count for (place, _), count in counts.items() if place == "review"),
        "ghost_states": GHOST_STATES,
        "keys": KEYS,
        "sides": SIDES,
    }
    return view.html("reconciliation.html", context)


def _sum(counts: dict[tuple[str, str], int], places: Any, state: str) -> int:
    return sum(count for (place, of), count in counts.items() if of == state and place in places)


@router.get("/reconciliation/review")
def show_review(request: Request, reader: Who, after: str = "") -> HTMLResponse:
    """Show the pairs for a person to decide."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        page = lists.gap(connection, "review", after=_number(after), scope=view.scope)
        waiting = sum(
            count for (place, _), count in lists.counts(connection, view.scope).items() if place == "review"
        )
    context = {"page": page, "waiting": waiting, "reasons": REASONS, "keys": KEYS, "sides": SIDES}
    return view.html("review.html", context)


@router.post("/reconciliation/review/{pair}")
def decide(
    pair: int,
    request: Request,
    reader: Keeper,
    answer: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Note whether two records are one machine, and go back to the queue."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    if answer not in {"same", "different"}:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "Say whether the two are one machine or not.")
    try:
        with write_transaction(view.engine) as connection:
            reviewing.decide(
                connection,
                min(max(pair, 0), _MOST_ID),
                same=answer == "same",
                now=int(view.now),
                actor=reader.name,
                scope=view.scope,
            )
    except NotFoundError:
        said = "This pair is not in the queue any more: somebody decided it, or it was worked out anew."
        raise HTTPException(HTTPStatus.NOT_FOUND, said) from None
    return RedirectResponse("/reconciliation/review", HTTPStatus.SEE_OTHER)


@router.get("/reconciliation/{place}")
def show_gap(place: str, request: Request, reader: Who, state: str = "", after: str = "") -> HTMLResponse:
    """Show the records that stand at a place, or behind a sum of the waterfall."""
    if place not in _LISTS:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such list.")
    view = View(request, reader)
    told = ITEM_STATES | {name: f"no register item: {said}" for name, said in GHOST_STATES.items()}
    told["former"] = "set up anew since"
    states = GHOST_STATES if place == "ghost" else ITEM_STATES if place in _OF_ITEMS else told
    state = state if state in states else ""
    with view.engine.connect() as connection:
        page = lists.gap(connection, place, state=state, after=_number(after), scope=view.scope)
        total = reconciled_at.count(connection, place, state, view.scope)
    context = {
        "place": place,
        "title": _LISTS[place][0],
        "about": _LISTS[place][1],
        "page": page,
        "state": state,
        "states": states,
        "total": total,
        "first": not _number(after),
        "keys": KEYS,
    }
    return view.html("gap.html", context)


def _number(text: str) -> int:
    """Return the row id an address names; anything else is the beginning."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
