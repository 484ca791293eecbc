"""Many register items changed at once, from pasted tags: tried first, then applied as one batch that can be undone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from roadworthy_collector.books import changes
from roadworthy_collector.console import forms
from roadworthy_collector.console.forms import FormRefusedError
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.bounds import FILE_FORM
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.register import ITEM_KINDS, LIFECYCLE_STATES, USAGE_PROFILES

router = APIRouter(include_in_schema=False)
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
FORM_BYTES, FORM_SECONDS = 4 * 1024 * 1024, 60.0
_FIELDS = ("tags", "unit", "site", "state", "profile", "kind", "enrol", "retire")
_SHOWN = 200


@router.get("/register/change")
def show_form(request: Request, reader: Keeper) -> HTMLResponse:
    """Show the form that takes tags and what is to become of them."""
    return _page(View(request, reader), dict.fromkeys(_FIELDS, ""))


def _page(
    view: View,
    given: dict[str, str],
    error: str | None = None,
    status: int = HTTPStatus.OK,
    found: Any = None,
) -> HTMLResponse:
    context = {
        "given": given,
        "error": error,
        "found": found,
        "shown": _SHOWN,
        "states": LIFECYCLE_STATES,
        "profiles": USAGE_PROFILES,
        "kinds": ITEM_KINDS,
        "retiring": changes.RETIRING,
        "most": changes.MOST_TAGS,
    }
    return view.html("register_change.html", context, status)


@router.post("/register/change", openapi_extra=FILE_FORM)
async def change(request: Request, reader: Keeper) -> Response:
    """Say what would change, or change it. The body is read only now: its sender is known."""
    try:
        form = await forms.read_form(request, reader, FORM_BYTES, FORM_SECONDS)
    except FormRefusedError as error:
        empty = dict.fromkeys(_FIELDS, "")
        return await anyio.to_thread.run_sync(_refused, request, reader, empty, str(error), error.status)
    given = {name: forms.text(form, name) for name in _FIELDS}
    apply = forms.text(form, "do") == "apply"
    await form.close()
    return await anyio.to_thread.run_sync(_changed, request, reader, given, apply)


def _refused(
    request: Request, reader: Reader, given: dict[str, str], error: str, status: int
) -> HTMLResponse:
    return _page(View(request, reader), given, error, status)


def _changed(request: Request, reader: Reader, given: dict[str, str], apply: bool) -> HTMLResponse:  # noqa: FBT001 - run in a thread, by place
    view = View(request, reader)
    retire = given["retire"] == "yes"
    if retire and not reader.may(Right.MANAGE_DEVICES):
        raise HTTPException(HTTPStatus.FORBIDDEN, "Retiring devices is not in your role.")
    told = {name: given[name].strip() or None for name in ("unit", "site", "state", "profile", "kind")}
    asked = changes.Asked(**told, enrol=given["enrol"] == "yes", retire_devices=retire)
    try:
        pasted = changes.parse_pasted(given["tags"])
        found = changes.change_items(
            view.engine,
            pasted,
            asked,
            actor=reader.name,
            now=view.now,
            dry_run=not apply,
            scope=reader.scope,
            restricted=reader.may(Right.MANAGE_SITES),
        )
    except RoadworthyError as error:
        return _page(view, given, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    return _page(view, given | {"tags": "\n".join(pasted.tags)}, found=found)
