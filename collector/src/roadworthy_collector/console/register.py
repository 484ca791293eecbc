"""The pages of the register: the list, one item, bringing a file in, and the batches.

A file is sent once: it is tried first (a dry run), kept for an hour, and applied from there if somebody says so.
"""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData, UploadFile

from roadworthy_collector.books import batches, uploads
from roadworthy_collector.books import register as queries
from roadworthy_collector.books.importing import (
    FileRefusedError,
    Outcome,
    Wishes,
    import_file,
    starter_mapping,
)
from roadworthy_collector.books.register_wanted import TELLABLE, Wanted, covered_words
from roadworthy_collector.console import corrections as kept_corrections
from roadworthy_collector.console import forms, login, register_standing
from roadworthy_collector.console.forms import FormRefusedError
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.bounds import FILE_FORM
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.importing.formats import FORMATS
from roadworthy_inventory.importing.plain import PLAIN
from roadworthy_inventory.register import ITEM_KINDS, LIFECYCLE_STATES

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
_FILTERS = ("unit", "site", "command", "cost_centre", "system", "state", "kind", "search")
_BATCHES = ("made_by", "changed_by")
_MATCHED = {"yes": True, "no": False}
_LENGTH = 256
_MOST_ID = 2**63 - 1


def _filter(request: Request) -> dict[str, str]:
    found = {
        name: request.query_params.get(name, "").replace("\0", "").strip()[:_LENGTH] for name in _FILTERS
    }
    params = request.query_params
    for name in ("known", "unknown"):
        found[name] = params[name] if params.get(name) in TELLABLE else ""
    found["matched"] = params["matched"] if params.get("matched") in _MATCHED else ""
    found |= {name: str(_id(params.get(name, "")) or "") for name in _BATCHES}
    return {name: value for name, value in found.items() if value}


def _id(text: str) -> int | None:
    """Return a row id an address names, None for anything else."""
    fits = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if fits and 0 < int(text) <= _MOST_ID else None


def _address(path: str, **values: object) -> str:
    kept = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


@router.get("/register")
def show_register(request: Request, reader: Who) -> HTMLResponse:
    """Show the items a filter finds, counted by state, and how much is known of them."""
    view = View(request, reader)
    asked = _filter(request)
    told: dict[str, Any] = {name: value for name, value in asked.items() if name != "matched"}
    told |= {name: int(asked[name]) for name in _BATCHES if name in asked}
    wanted = Wanted(**told, matched=_MATCHED.get(asked.get("matched", "")), scope=reader.scope)
    after = _id(request.query_params.get("after", "")) or 0
    with view.engine.connect() as connection:
        page = queries.read_page(connection, wanted, after=after)
        counts = queries.summarise(connection, wanted)
    everything = {name: value for name, value in asked.items() if name != "state"}
    context = {
        "asked": asked,
        "rows": page.rows,
        "counts": counts,
        "coverage": _coverage(counts, asked),
        "narrowed": wanted.in_words(),
        "states": [
            (state, count, _address("/register", **(everything | {"state": state})))
            for state, count in counts.states.items()
        ],
        "all_states": (*LIFECYCLE_STATES, "unknown"),
        "all_kinds": ITEM_KINDS,
        "next": None if page.next is None else _address("/register", **asked, after=page.next),
        "first": _address("/register", **asked) if after else None,
        "exports": [
            (kind, _address("/api/v1/register/export", **asked, **{"as": kind})) for kind in ("csv", "xlsx")
        ],
    }
    return view.html("register.html", context)


def _coverage(counts: queries.Summary, asked: dict[str, str]) -> list[dict[str, Any]]:
    """Return of how many items each thing is known and of how many not, with the lists of both."""
    rest = {name: value for name, value in asked.items() if name not in {"known", "unknown"}}
    return [
        {
            "name": covered_words(name) if name != "device" else "linked to a device",
            "known": count,
            "unknown": counts.total - count,
            "known_at": _address("/register", **(rest | {"known": name})),
            "unknown_at": _address("/register", **(rest | {"unknown": name})),
        }
        for name, count in (*counts.known.items(), ("device", counts.linked))
    ]


@router.get("/register/item/{item}")
def show_item(item: str, request: Request, reader: Who) -> HTMLResponse:
    """Show one item with what was changed and the devices it is or was."""
    view = View(request, reader)
    id_ = _id(item) or 0
    restricted = reader.may(Right.MANAGE_SITES)
    try:
        with view.engine.connect() as connection:
            row = queries.read_one(connection, id_, scope=reader.scope, restricted=restricted)
            context = {
                "row": row,
                "events": queries.history(connection, id_),
                "devices": queries.linked_devices(connection, id_, scope=reader.scope, restricted=restricted),
                **register_standing.of_item(connection, view, id_, row.item.tag),
            }
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no item of that number here.") from None
    return view.html("register_item.html", context)


@router.get("/register/import")
def show_import(request: Request, reader: Keeper) -> HTMLResponse:
    """Show the form that takes a file."""
    return _form(request, reader)


def _form(
    request: Request,
    reader: Reader,
    error: str | None = None,
    status: int = HTTPStatus.OK,
    mapping: str | None = None,
) -> HTMLResponse:
    context = {
        "error": error,
        "starter": mapping,
        "formats": [
            (one.name, one.title)
            for one in (*FORMATS, PLAIN)
            if one.yields not in ("book value", "maintenance")
        ],
        "most": uploads.UPLOAD_BYTES // (1024 * 1024),
    }
    return View(request, reader).html("register_import.html", context, status)


@router.post("/register/import", openapi_extra=FILE_FORM)
async def try_file(request: Request, reader: Keeper) -> Response:
    """Take a file and show what it would change; nothing is written. The body is read only now: its sender is known."""
    try:
        form = await forms.read_form(request, reader, uploads.UPLOAD_BYTES, uploads.UPLOAD_SECONDS)
    except FormRefusedError as error:
        return await anyio.to_thread.run_sync(_form, request, reader, str(error), error.status)
    try:
        file = forms.file(form, "file")
        if file is None:
            said = "Choose a file first."
            return await anyio.to_thread.run_sync(
                _form, request, reader, said, HTTPStatus.UNPROCESSABLE_ENTITY
            )
        mapping = await forms.text_file(form, "mapping", "mapping file")
        mapping = mapping or forms.text(form, "mapping_text").strip() or None
        return await anyio.to_thread.run_sync(_tried, request, reader, file, form, mapping)
    except RoadworthyError as error:
        return await anyio.to_thread.run_sync(
            _form, request, reader, str(error), HTTPStatus.UNPROCESSABLE_ENTITY
        )
    finally:
        await form.close()


def _tried(
    request: Request, reader: Reader, file: UploadFile, form: FormData, mapping: str | None
) -> HTMLResponse:
    view = View(request, reader)
    name = forms.file_name(file)
    format_ = forms.text(form, "format") or None
    strict = forms.text(form, "strict") == "yes"
    body = file.file
    try:
        found = _import(view, reader, body, name, format_, mapping, strict=strict, dry_run=True)
    except FileRefusedError as error:
        text = mapping
        if mapping is None and error.wants_mapping:
            body.seek(0)
            text = starter_mapping(body, name)
        return _form(request, reader, str(error), HTTPStatus.UNPROCESSABLE_ENTITY, text)
    kept = None
    if found.same_as is None and (found.new or found.changed):
        kept = uploads.keep(
            view.settings, body, actor=reader.name, now=view.now, name=name, format_=format_, mapping=mapping,
            strict=strict,
        )  # fmt: skip
    return _result(view, found, kept.token if kept else None)


def _import(
    view: View,
    reader: Reader,
    body: BinaryIO,
    name: str,
    format_: str | None,
    mapping: str | None,
    *,
    strict: bool,
    dry_run: bool,
) -> Outcome:
    wishes = Wishes(
        format=format_, mapping=mapping, strict=strict, dry_run=dry_run, scope=reader.scope,
        restricted=reader.may(Right.MANAGE_SITES),
    )  # fmt: skip
    return import_file(view.engine, body, name, wishes, actor=reader.name, now=view.now)


def _result(view: View, found: Outcome, token: str | None) -> HTMLResponse:
    text = None if found.corrections is None else found.corrections.getvalue()
    actor = "" if view.reader is None else view.reader.name
    corrections = kept_corrections.keep(view, text, found.file, actor)
    context = {"found": found, "report": found.report, "token": token, "corrections": corrections}
    return view.html("register_result.html", context)


@router.post("/register/import/apply")
def apply_file(
    request: Request, reader: Keeper, token: Annotated[str, Form()] = "", csrf: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """Import a file that was tried."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    try:
        kept = uploads.find(view.settings, token, actor=reader.name, now=view.now)
        body = io.BytesIO(kept.path.read_bytes())
        found = _import(
            view, reader, body, kept.name, kept.format, kept.mapping, strict=kept.strict, dry_run=False
        )
    except FileNotFoundError:
        return _form(request, reader, "The file is no longer kept; send it again.", HTTPStatus.NOT_FOUND)
    except RoadworthyError as error:
        return _form(request, reader, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    uploads.drop(kept)
    return _result(view, found, None)


@router.get("/register/batches")
def show_batches(request: Request, reader: Who, before: str = "", undone: str = "") -> HTMLResponse:
    """Show imports and changes by hand, newest first; whoever's role holds for some units sees their own."""
    view = View(request, reader)
    made_by = None if reader.scope is None else reader.name
    with view.engine.connect() as connection:
        page = queries.read_batches(connection, before=_id(before), made_by=made_by)
    next_ = None if page.next is None else _address("/register/batches", before=page.next)
    return view.html(
        "register_batches.html", {"rows": page.rows, "next": next_, "undone": _id(undone), "result": None}
    )


@router.post("/register/batches/{batch}/undo")
def undo_batch(batch: str, request: Request, reader: Keeper, csrf: Annotated[str, Form()] = "") -> Response:
    """Put every item of a batch back as it was, and say what stays."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    id_ = _id(batch) or 0
    try:
        with view.engine.connect() as connection:
            batches.require(connection, id_, made_by=None if reader.scope is None else reader.name)
        found = batches.undo(view.engine, id_, actor=reader.name, now=view.now)
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no batch of that number here.") from None
    except batches.BatchRunningError as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
    if found.left_count == 0:
        return RedirectResponse(_address("/register/batches", undone=id_), HTTPStatus.SEE_OTHER)
    return view.html("register_batches.html", {"rows": [], "next": None, "undone": id_, "result": found})
