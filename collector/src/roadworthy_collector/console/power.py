"""The page of power and printers: devices that are polled, those that do not answer, and what hangs on what."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.console import login, words
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.snmp import feeding, overlaps, shown
from roadworthy_collector.snmp.targets import NOTHING_KNOWN
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_date

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
_BAD = 422
MOST_ROWS = 100  # of each table
OUTCOMES = {
    "ok": "answers",
    "never": "not asked yet",
    "no_answer": "does not answer",
    "denied": "refuses the credentials",
    "too_slow": "too slow",
    "bad_answer": "answers nonsense",
    "no_profile": "answers, but no profile fits",
    "duplicate": "is counted already",
    "misconfigured": "cannot be asked as configured",
}


@router.get("/power")
def show_power(request: Request, reader: Who) -> HTMLResponse:
    """Show every polled device with what it told last."""
    return _page(View(request, reader))


def _page(view: View, error: str | None = None, status: int = HTTPStatus.OK, **sent: str) -> HTMLResponse:
    # What stands at a restricted site is in no list, whoever looks: it is counted, and has no page either.
    seen: dict[str, Any] = {"scope": view.scope, "restricted": False}
    with view.engine.connect() as connection:
        counts = shown.count_units(connection, **seen)
        every = shown.count_units(connection, scope=view.scope)
        power, printers = (
            shown.list_units(
                connection,
                now=view.now,
                zone=view.settings.reporting_timezone,
                interval_seconds=view.settings.report_interval_seconds,
                classes=classes,
                most=MOST_ROWS,
                **seen,
            )
            for classes in (feeding.FEEDER_CLASSES, ("printer",))
        )
        targets = shown.list_targets(connection, failing=False, **seen)
        feeds = feeding.list_feeds(connection, most=MOST_ROWS + 1, **seen)
        left_out = overlaps.read(connection, None, **seen)
    failing = [one for one in targets if one["outcome"] != "ok"]
    context = {
        "power": power,
        "printers": printers,
        "counts": counts,
        "hidden": sum(every.values()) - sum(counts.values()),
        "power_count": sum(number for name, number in counts.items() if name != "printer"),
        "failing": failing[:MOST_ROWS],
        "failing_count": len(failing),
        "targets": targets,
        "most": MOST_ROWS,
        "feeds": feeds,
        "left_out": left_out,
        "whys": overlaps.WHYS,
        "outcomes": OUTCOMES,
        "classes": words.CLASSES,
        "nothing_known": NOTHING_KNOWN,
        "error": error,
        "sent": dict.fromkeys(("feeder", "outlet", "fed", "since"), "") | sent,
        "today": local_date(view.now, view.settings.reporting_timezone).isoformat(),
    }
    return view.html("power.html", context, status)


@router.post("/power/feeds")
def state_feed(
    request: Request,
    reader: Keeper,
    csrf: Annotated[str, Form()] = "",
    feeder: Annotated[str, Form(max_length=256)] = "",
    outlet: Annotated[str, Form(max_length=64)] = "",
    fed: Annotated[str, Form(max_length=256)] = "",
    since: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """State what hangs on an outlet."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    sent = {"feeder": feeder, "outlet": outlet, "fed": fed, "since": since}
    try:
        day = local_date(view.now, view.settings.reporting_timezone) if not since else _date(since)
        with write_transaction(view.engine) as connection:
            feeding.state(
                connection,
                feeder.strip(),
                outlet.strip(),
                fed.strip() or None,
                day,
                now=int(view.now),
                actor=reader.name,
                scope=view.scope,
                restricted=False,
            )
    except RoadworthyError as refused:
        return _page(view, str(refused), _BAD, **sent)
    return RedirectResponse("/power#feeds", HTTPStatus.SEE_OTHER)


@router.post("/power/feeds/{number}/end")
def end_feed(request: Request, reader: Keeper, number: int, csrf: Annotated[str, Form()] = "") -> Response:
    """End a statement today."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    day = local_date(view.now, view.settings.reporting_timezone)
    try:
        with write_transaction(view.engine) as connection:
            feeding.end(
                connection,
                number,
                day,
                now=int(view.now),
                actor=reader.name,
                scope=view.scope,
                restricted=False,
            )
    except RoadworthyError as refused:
        return _page(view, str(refused), HTTPStatus.NOT_FOUND)
    return RedirectResponse("/power#feeds", HTTPStatus.SEE_OTHER)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RoadworthyError(f"{text!r} is no date; write it as 2026-04-01") from None
