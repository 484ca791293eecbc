"""The pages of ratings: counts, lists with reasons, and the rules behind them."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from roadworthy_collector.books import excepting, figures, lists, rating, rating_trying, rules
from roadworthy_collector.books.lists import Wanted
from roadworthy_collector.books.rating_reasons import ASKING
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.standing import by_reason
from roadworthy_collector.console.text_forms import TextForm, on_devices
from roadworthy_collector.console.view import View
from roadworthy_collector.console.words import LOOKS
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.rating import UNMEASURED
from roadworthy_inventory.rating_measures import RATINGS

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
_LONGEST_NAME = 512  # a unit's path is several names
_GROUPS_SHOWN = 50
_CHANGES_SHOWN = 50
ABOUT = {
    "meets": "no rule is met",
    "needs attention": "at least one rule asks for a look",
    "action required": "at least one rule demands action",
    "observing": "in its first weeks: demands nothing yet",
    "no data": "nothing current is known",
}


@router.get("/ratings")
def show_ratings(request: Request, reader: Who) -> HTMLResponse:
    """Show how many devices are rated what, and the devices with their reasons."""
    view = View(request, reader)
    wanted, after = _wanted(request)
    with view.engine.connect() as connection:
        held = figures.read(connection, rating.FIGURE)
        groups = {name: figures.read(connection, f"{rating.FIGURE}.{name}") for name in rating.GROUPS}
        counts = lists.rating_counts(connection, wanted, view.scope)
        excepted = lists.count_excepted(connection, wanted, view.scope)
        standing = excepting.count(
            connection, local_day(view.now, view.settings.reporting_timezone), view.scope
        )
        imported = lists.rating_counts(connection, Wanted(imported=True), view.scope)
        page = lists.list_ratings(
            connection, wanted, after=after, scope=view.scope, people=reader.sees_small_groups
        )
    devices = sum(counts.values())
    rated = sum(counts.get(word, 0) for word in rating.RATED)
    context = {
        "at": None if held is None else held[1],
        "found": {} if held is None else held[0],
        "wanted": wanted,
        "counts": {word: counts.get(word, 0) for word in RATINGS},
        "devices": devices,
        "rated": rated,
        "excepted": excepted,
        "standing": standing,
        "coverage": rated / devices if devices else None,
        "imported": sum(imported.values()),
        "groups": {
            name: [] if one is None or view.scope is not None else _largest(one[0])
            for name, one in groups.items()
        },
        "page": page,
        "next": _address(wanted, after=str(page.next)) if page.next is not None else None,
        "first": after == 0,
        "beginning": _address(wanted),
        "address": lambda **changed: _address(wanted, **changed),
        "looks": LOOKS,
        "about": ABOUT,
        "by_reason": by_reason,
        "unmeasured": UNMEASURED,
        "filters": _filters(wanted),
        "met": [] if held is None or view.scope is not None else _met(held[0]["estate"]),
    }
    return view.html("ratings.html", context)


def _wanted(request: Request) -> tuple[Wanted, int]:
    query = request.query_params
    site, unit, rule, model, left = (
        query.get(name, "")[:_LONGEST_NAME].replace("\0", "").strip()
        for name in ("site", "unit", "rule", "model", "not_judged")
    )
    verdict, after = query.get("rating", ""), query.get("after", "")
    number = int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else 0
    imported = query.get("imported", "") == "yes"
    excepted, asks = query.get("excepted", ""), query.get("asks", "")
    wanted = Wanted(
        verdict if verdict in RATINGS else "",
        site,
        unit,
        rule,
        imported,
        model,
        left,
        excepted if excepted in {"yes", "no"} else "",
        asks if asks in ASKING else "",
    )
    return wanted, number


def _filters(wanted: Wanted) -> dict[str, str]:
    """Return what narrows the list, as an address says it: of the page and of its export."""
    told = {
        name: str(value) for name, value in wanted._asdict().items() if name not in {"verdict", "imported"}
    }
    return told | {"rating": wanted.verdict, "imported": "yes" if wanted.imported else ""}


def _address(wanted: Wanted, **changed: str) -> str:
    kept = {name: value for name, value in (_filters(wanted) | changed).items() if value}
    return f"/ratings?{urlencode(kept)}" if kept else "/ratings"


def _met(estate: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rules met: what each asks for of how many, and of how many an exception takes its reason out."""
    covered = dict(estate.get("excepted_reasons", {}))
    rows = [
        {"rule": rule, "asks": asks, "count": count, "excepted": covered.pop(rule, 0)}
        for rule, asks, count in estate["reasons"]
    ]
    return rows + [
        {"rule": rule, "asks": "", "count": 0, "excepted": number} for rule, number in covered.items()
    ]


def _largest(groups: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(groups.items(), key=lambda item: (-item[1]["devices"], item[0]))[:_GROUPS_SHOWN]


# --- the rules ----------------------------------------------------------------------------------------------


def _held(connection: Connection) -> dict[str, Any]:
    found, text, about = rules.current(connection)
    return {
        "rules": found,
        "text": text,
        "about": about,
        "editions": rules.editions(connection),
        "changes_shown": _CHANGES_SHOWN,
    }


_RULES = TextForm(
    "rating_rules.html",
    "/ratings/rules",
    _held,
    on_devices(rating_trying.try_text),
    rules.save,
    all_read=True,
)
_RULES.serve(
    router,
    "/ratings/rules",
    who=require_page(Right.READ_ESTATE),
    keeper=require_page(Right.MANAGE_REGISTER),
)
