"""The pages of the two texts of cost, its rules and its method: shown, tried on the ledger, put in force."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import cost_review, cost_texts, shares
from roadworthy_collector.books.cost_lines import CostsError
from roadworthy_collector.console import login
from roadworthy_collector.console.costs import MOST_LINES, ensure_whole_estate, pounds
from roadworthy_collector.console.view import View
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.costs import DEFINITIONS

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_FINANCE))]
Which = Literal["rules", "method"]
_TEXTS: dict[str, cost_texts.Which] = {"rules": "cost_rules", "method": "cost_method"}


@router.get("/costs/texts/{which}")
def show_text(which: Which, request: Request, reader: Who) -> HTMLResponse:
    """Show the text in force, and a form to try and save another for whom that is."""
    ensure_whole_estate(reader)
    return _page(View(request, reader), which)


def _page(
    view: View,
    which: Which,
    text: str | None = None,
    *,
    error: str | None = None,
    tried: Any = None,
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    with view.engine.connect() as connection:
        held = cost_texts.current(connection, _TEXTS[which])
        context = {
            "which": which,
            "held": held,
            "text": held.content if text is None else text,
            "editions": cost_texts.editions(connection, _TEXTS[which]),
            "error": error,
            "tried": tried,
            "edits": view.reader is not None and view.reader.may(Right.PREPARE_FINANCE),
            "definitions": {letter: one.name for letter, one in DEFINITIONS.items()},
            "pounds": pounds,
        }
    return view.html("cost_text.html", context, status)


@router.post("/costs/texts/{which}")
def change_text(
    which: Which,
    request: Request,
    reader: Preparer,
    text: Annotated[str, Form()] = "",
    do: Annotated[str, Form()] = "try",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Try a text on the ledger, or put it in force."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    text = text.replace("\r\n", "\n").replace("\0", "")
    try:
        if do == "save":
            with write_transaction(view.engine) as connection:
                cost_texts.save(connection, _TEXTS[which], text, actor=reader.name, now=int(view.now))
            shares.refresh(view.engine, view.now, most_lines=MOST_LINES)
            return RedirectResponse(f"/costs/texts/{which}", HTTPStatus.SEE_OTHER)
        with view.engine.connect() as connection:
            tried = cost_review.try_text(connection, _TEXTS[which], text)
    except CostsError as error:
        return _page(view, which, text, error=str(error), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _page(view, which, text, tried=tried)
