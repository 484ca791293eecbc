"""The page of the replacement plan: what is done with which item and why, what could not be told, ready lists."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from roadworthy_collector.books import plan_chosen, plan_lists, plan_queue, planning, standing
from roadworthy_collector.console.costs import ensure_whole_estate, pounds
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.replacement_inputs import Range

router = APIRouter(include_in_schema=False)
_PAGE = 50
_MODELS = 30
_TICKETS = 100
_LONGEST = 128


@router.get("/replacement")
def show_replacement(
    request: Request, reader: Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
) -> HTMLResponse:
    """Show the last plan, a page of its items with their reasons, and the ready lists."""
    from roadworthy_inventory.replacement_reasons import money_range, plain_range  # with numpy

    ensure_whole_estate(reader)
    view = View(request, reader)
    asked = request.query_params
    wanted = _wanted(asked)
    number = asked.get("page", "1")
    page = max(1, int(number)) if number.isascii() and number.isdecimal() and len(number) < 7 else 1
    tag = asked.get("tag", "").strip()[:64]
    context: dict[str, Any] = {
        "plan": None,
        "made_at": None,
        "rows": [],
        "total": 0,
        "used": None,
        "missed": False,
    }
    with view.engine.connect() as connection:
        held = planning.last(connection)
        if held is not None:
            summary, made_at = held
            context |= {"plan": summary, "made_at": made_at}
            if tag:
                try:
                    context |= {"rows": [planning.item(connection, summary, tag)], "total": 1}
                except NotFoundError:
                    context["missed"] = True
            else:
                context |= plan_chosen.page(connection, summary, wanted, (page - 1) * _PAGE, _PAGE)._asdict()
        lists = plan_lists.kept(connection)
        queued = plan_queue.read(connection)
        shown = [_list(one, reader) for one in lists]
        tags = [one["tag"] for of in (context["rows"], *(one["tickets"] for one in shown)) for one in of]
        items = standing.items_of_tags(connection, tags)
    return view.html(
        "replacement.html",
        context
        | {
            "queued": queued,
            "lists": shown,
            "items": items,
            "tickets_shown": _TICKETS,
            "models_shown": _MODELS,
            "action": wanted.action or None,
            "wanted": wanted,
            "filters": {"tag": tag} if tag else wanted._asdict(),
            "actions": {**planning.ACTION_WORDS, **plan_chosen.GROUP_WORDS},
            "items_at": items_at,
            "tag": tag,
            "page": page,
            "pages": max(1, -(-context["total"] // _PAGE)),
            "at": lambda number: items_at(**wanted._asdict(), page=number),
            "pounds": pounds,
            "money": lambda found: money_range(_range(found)),
            "amount": lambda found, unit: plain_range(_range(found), unit),
        },
    )


def _wanted(asked: Any) -> plan_chosen.Wanted:
    """Return what an address asks for; what is no action is not chosen."""
    told = {name: asked.get(name, "")[:_LONGEST].replace("\0", "") for name in plan_chosen.Wanted._fields}
    if told["action"] not in {*planning.ACTIONS, *plan_chosen.GROUPS}:
        told["action"] = ""
    return plan_chosen.Wanted(**told)


def items_at(**query: Any) -> str:
    """Return the address of the items behind a figure of the plan."""
    kept = {name: value for name, value in query.items() if value not in (None, "")}
    return "/replacement?" + urlencode(kept)


def _range(found: list[float] | None) -> Range | None:
    return None if found is None else Range(*found)


def _list(one: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """Return a list for a page; how little one device is used may be about one person, so not everybody sees whose."""
    hidden = one["name"] == "collect_unused" and not reader.sees_small_groups
    unknown = {why: count for why, count in one["unknown"].items() if why != plan_lists.EXCEPTED}
    told = {"hidden": hidden, "excepted": one["unknown"].get(plan_lists.EXCEPTED, 0), "unknown": unknown}
    return one | told | {"tickets": [] if hidden else one["tickets"][:_TICKETS]}
