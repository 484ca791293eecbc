"""The pages of the lifecycle: support, Windows 11 and ageing counted, the records behind each figure, and the dates."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from roadworthy_collector.books import (
    lifecycle_bought,
    lifecycle_dates,
    lifecycle_editions,
    lifecycle_lists,
    lifecycle_trying,
)
from roadworthy_collector.books.lifecycle_codes import BUCKETS, WORDS
from roadworthy_collector.books.lifecycle_lists import Wanted
from roadworthy_collector.books.lifecycle_read import Reader as Records
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console.text_forms import TextForm, on_devices
from roadworthy_collector.console.view import View
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.bounds import long_text
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.os_rows import products
from roadworthy_inventory.planned_life import AGE_BANDS, BANDS

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
_LONGEST_NAME = 256
_RELEASES_SHOWN = 60
# What each word means to a reader, in the order of the pages.
SAID: dict[str, dict[str, str]] = {
    "status": {
        "supported": "Supported",
        "ends_within": "Ends within a year",
        "extended": "Extended updates bought",
        "ended": "Ended",
        "unknown_end": "No last day named",
        "unknown": "Unknown",
        "not_applicable": "Has no operating system",
    },
    "extension": {
        "none": "None held",
        "bought": "Bought",
        "not_bought": "Not bought",
        "unknown": "Unknown whether bought",
        "over": "Over",
    },
    "bucket": {
        "ended": "Ended",
        "within_90_days": "Within 90 days",
        "within_1_year": "Within 1 year",
        "within_2_years": "Within 2 years",
        "within_3_years": "Within 3 years",
        "later": "Later",
        "no_date": "No last day named",
        "unknown": "Unknown",
        "not_applicable": "Has no operating system",
    },
    "windows11": {
        "runs": "Runs it",
        "meets": "Meets the requirements",
        "does_not": "Does not meet them",
        "unknown": "Unknown",
        "not_applicable": "Not asked",
    },
    "band": {
        "first_half": "First half of its planned life",
        "second_half": "Second half",
        "past": "Past its planned life",
        "long_past": "Past it by half again",
        "unknown_age": "Day bought not known",
        "no_planned_life": "No planned life held",
    },
    "age": {
        "under_1": "Under 1 year",
        "1_to_2": "1 to 2",
        "2_to_3": "2 to 3",
        "3_to_4": "3 to 4",
        "4_to_5": "4 to 5",
        "5_to_6": "5 to 6",
        "6_to_7": "6 to 7",
        "7_and_over": "7 and over",
        "unknown": "Unknown",
    },
    "kind": {"agent": "Agent", "register": "Register alone", "mdm": "MDM export alone"},
}
LOOKS = {
    "supported": "ok",
    "ends_within": "attention",
    "extended": "attention",
    "ended": "error",
    "runs": "ok",
    "meets": "ok",
    "does_not": "error",
}


@router.get("/lifecycle")
def show_lifecycle(request: Request, reader: Who) -> HTMLResponse:
    """Show the counts: until when there are updates, what can have Windows 11, and how far planned life has gone."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        found = lifecycle_lists.counts(connection, view.scope)
    content = found.content
    context: dict[str, Any] = {
        "at": found.made_at,
        "found": content,
        "said": SAID,
        "looks": LOOKS,
        "address": _address,
    }
    if found.made_at is not None:
        known = sum(
            count for word, count in content["status"].items() if word not in {"unknown", "not_applicable"}
        )
        asked = known + content["status"]["unknown"]
        context |= {
            "known": known,
            "asked": asked,
            "coverage": known / asked if asked else None,
            "releases": content["releases"][:_RELEASES_SHOWN],
            "more": len(content["releases"]) - _RELEASES_SHOWN,
            "ends_figure": _figure(view, "records", content["bucket"], "bucket", BUCKETS[:-1]),
            "age_figure": _figure(view, "records", content["age"], "age", AGE_BANDS),
            "buckets": BUCKETS[:-1],
            "ages": AGE_BANDS,
            "bands": BANDS,
        }
    return view.html("lifecycle.html", context)


def _figure(view: View, title: str, counts: dict[str, int], column: str, words: tuple[str, ...]) -> Any:
    rows = [{"label": SAID[column][word], "count": counts[word]} for word in words]
    return view.board.add("bins", {"title": title, "rows": rows})


def _wanted(request: Request) -> tuple[Wanted, int]:
    """Return the filter of an address; a word nothing has is no filter."""
    query = request.query_params
    told = {name: query.get(name, "")[:_LONGEST_NAME].replace("\0", "") for name in Wanted._fields}
    told |= {name: "" for name, words in WORDS.items() if not {*told[name].split(",")} <= {*words}}
    after = query.get("after", "")
    number = int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else 0
    return Wanted(**told), number


def _address(wanted: Wanted | None = None, **changed: Any) -> str:
    parts = ({} if wanted is None else wanted._asdict()) | {
        name: str(value) for name, value in changed.items()
    }
    kept = {name: value for name, value in parts.items() if value}
    return f"/lifecycle/records?{urlencode(kept)}" if kept else "/lifecycle/records"


@router.get("/lifecycle/records")
def show_records(request: Request, reader: Who) -> HTMLResponse:
    """Show the records behind a figure."""
    view = View(request, reader)
    wanted, after = _wanted(request)
    with view.engine.connect() as connection:
        records = Records(connection, local_day(view.now, view.settings.reporting_timezone))
        page = lifecycle_lists.list_page(connection, records, wanted, after=after, scope=view.scope)
    context = {
        "wanted": wanted,
        "page": page,
        "said": SAID,
        "looks": LOOKS,
        "next": None if page.next is None else _address(wanted, after=page.next),
        "first": None if after == 0 else _address(wanted),
        "filters": ("status", "bucket", "extension", "windows11", "band", "kind"),
    }
    return view.html("lifecycle_records.html", context)


# --- the dates, and what was bought -------------------------------------------------------------------------


@router.get("/lifecycle/dates")
def show_dates(request: Request, reader: Who, product: str = "") -> HTMLResponse:
    """Show the support dates in force with their sources, and who loaded or overrode them."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        dates = lifecycle_dates.in_force(connection)
        editions = lifecycle_editions.editions(connection)
    names = sorted(products(dates.rows))
    chosen = product if product in names else "windows-11"
    rows = lifecycle_dates.listed(dates, chosen)
    origins = {name: dates.origins.count(name) for name in ("shipped", "loaded", "override")}
    context = {
        "names": names,
        "chosen": chosen,
        "rows": rows,
        "total": len(dates.rows),
        "origins": origins,
        "editions": editions,
    }
    return view.html("lifecycle_dates.html", context)


def _held(connection: Connection) -> dict[str, Any]:
    held = lifecycle_editions.current(connection, lifecycle_editions.BOUGHT)
    return {
        "held": held,
        "text": held.content or lifecycle_bought.EXAMPLE,
        "editions": lifecycle_editions.editions(connection, lifecycle_editions.BOUGHT),
    }


def _undo(connection: Connection, **by: Any) -> None:
    lifecycle_editions.undo(connection, lifecycle_editions.BOUGHT, **by)


_BOUGHT = TextForm(
    "lifecycle_bought.html",
    "/lifecycle/bought",
    _held,
    on_devices(lifecycle_trying.try_bought),
    lifecycle_bought.save_bought,
    undo=_undo,
    all_read=True,
)
_BOUGHT.serve(
    router,
    "/lifecycle/bought",
    who=require_page(Right.READ_ESTATE),
    keeper=require_page(Right.MANAGE_REGISTER),
    openapi_extra=long_text(lifecycle_editions.LONGEST_CHARACTERS[lifecycle_editions.BOUGHT]),
)
