"""The pages of legacy: systems by standing, and one system with its evidence, suggestions and the scores people sign."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import legacy_systems
from roadworthy_collector.books.legacy_told import NO_SOURCE, detail, in_words, result_of, system_row
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console import login
from roadworthy_collector.console.lifecycle import SAID as LIFECYCLE
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.legacy_scores import CHECK, IMPACT, LIKELIHOOD, framework
from roadworthy_inventory.planned_life import BANDS

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
_MOST_ID = 2**63 - 1
STANDINGS = {
    "legacy": "Legacy",
    "not_legacy": "Not legacy",
    "unknown": "Unknown",
    "no_devices": "No devices named",
}
LOOKS = {"legacy": "error", "not_legacy": "ok"}
ABOUT = {
    "legacy": "a device is out of support",
    "not_legacy": "every device is in support",
    "unknown": "none is known to be, and of one it is not known",
    "no_devices": "no register item names it",
}


@router.get("/legacy")
def show_systems(request: Request, reader: Who) -> HTMLResponse:
    """Show how many systems stand how, and the systems."""
    view = View(request, reader)
    query = request.query_params
    standing = query.get("standing", "") if query.get("standing", "") in STANDINGS else ""
    search = query.get("search", "")[: legacy_systems.SEARCH_LENGTH]
    unsigned, red = query.get("unsigned", "") == "yes", query.get("red", "") == "yes"
    after = _number(query.get("after", ""))
    with view.engine.connect() as connection:
        counts = legacy_systems.summarise(connection, view.scope)
        page = legacy_systems.list_systems(
            connection,
            standing=standing,
            search=search,
            unsigned=unsigned,
            red_rated=red,
            after=after,
            scope=view.scope,
        )
    told = {"standing": standing, "search": search, "unsigned": "yes" if unsigned else ""}
    told["red"] = "yes" if red else ""
    rows = [{"label": title, "count": counts.standings[word]} for word, title in STANDINGS.items()]
    context = {
        "counts": counts,
        "rows": [system_row(one) | {"result": result_of(one)} for one in page.rows],
        "told": told,
        "standings": STANDINGS,
        "looks": LOOKS,
        "about": ABOUT,
        "framework": framework(),
        "edition": legacy_systems.version(),
        "check": CHECK,
        "criteria": len(legacy_systems.CODES),
        "figure": view.board.add("bins", {"title": "systems", "rows": rows}) if counts.systems else None,
        "next": None if page.next is None else _address(told, after=page.next),
        "first": None if after == 0 else _address(told),
        "left": sum(counts.without_system.values()),
    }
    return view.html("legacy.html", context)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _address(told: dict[str, str], **more: Any) -> str:
    kept = {name: value for name, value in (told | more).items() if value}
    return f"/legacy?{urlencode(kept)}" if kept else "/legacy"


@router.get("/legacy/systems/{system}")
def show_system(system: int, request: Request, reader: Who) -> HTMLResponse:
    """Show one system."""
    return _page(View(request, reader), system)


def _page(view: View, system: int, error: str | None = None, status: int = HTTPStatus.OK) -> HTMLResponse:
    on = local_day(view.now, view.settings.reporting_timezone)
    try:
        with view.engine.connect() as connection:
            one = legacy_systems.get(connection, min(max(system, 0), _MOST_ID), view.scope)
            found = detail(connection, one, on)
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such system, or not in your units.") from None
    by_code: dict[str, list[dict[str, Any]]] = {}
    for row in found["evidence"]:
        by_code.setdefault(row["code"], []).append(row)
    context = {
        "found": found,
        "evidence": by_code,
        "in_words": in_words,
        "no_source": NO_SOURCE,
        "advised": {row["criterion"]: row for row in found["suggestions"]},
        "signed": {row["criterion"]: row for row in found["scores"]},
        "likelihood": LIKELIHOOD,
        "impact": IMPACT,
        "scales": dict.fromkeys(LIKELIHOOD, framework().likelihood_maximum)
        | dict.fromkeys(IMPACT, framework().impact_maximum),
        "standings": STANDINGS,
        "looks": LOOKS,
        "bands": {band: LIFECYCLE["band"][band] for band in BANDS},
        "edits": view.reader is not None and view.reader.may(Right.MANAGE_REGISTER),
        "length": legacy_systems.REMARK_LENGTH,
        "error": error,
    }
    return view.html("legacy_system.html", context, status)


@router.post("/legacy/systems/{system}/score")
def sign(
    system: int,
    request: Request,
    reader: Keeper,
    criterion: Annotated[str, Form(max_length=8)] = "",
    score: Annotated[str, Form(max_length=4)] = "",
    remark: Annotated[str, Form(max_length=4000)] = "",
    do: Annotated[str, Form(max_length=16)] = "sign",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Sign a criterion as the reader, today, or take the score back."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    number, now = min(max(system, 0), _MOST_ID), int(view.now)
    try:
        with write_transaction(view.engine) as connection:
            if do == "withdraw":
                legacy_systems.withdraw(
                    connection, number, criterion, now=now, actor=reader.name, scope=view.scope
                )
            else:
                legacy_systems.score(
                    connection,
                    number,
                    legacy_systems.Said(criterion, _number(score), remark),
                    today=local_day(view.now, view.settings.reporting_timezone),
                    now=now,
                    actor=reader.name,
                    scope=view.scope,
                )
    except RoadworthyError as error:
        return _page(view, number, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    return RedirectResponse(f"/legacy/systems/{number}#scores", HTTPStatus.SEE_OTHER)
