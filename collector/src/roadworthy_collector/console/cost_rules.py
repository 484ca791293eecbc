"""The pages of the two texts of cost, its rules and its method: shown, tried on the ledger, put in force."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from roadworthy_collector.books import cost_review, cost_texts, shares
from roadworthy_collector.console.costs import MOST_LINES, pounds
from roadworthy_collector.console.text_forms import TextForm
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.costs import DEFINITIONS

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_FINANCE))]
Which = Literal["rules", "method"]
_TEXTS: dict[str, cost_texts.Which] = {"rules": "cost_rules", "method": "cost_method"}


def _form(which: Which) -> TextForm:
    name = _TEXTS[which]

    def held(connection: Connection) -> dict[str, Any]:
        found = cost_texts.current(connection, name)
        return {
            "which": which,
            "held": found,
            "text": found.content,
            "editions": cost_texts.editions(connection, name),
            "definitions": {letter: one.name for letter, one in DEFINITIONS.items()},
            "pounds": pounds,
        }

    return TextForm(
        "cost_text.html",
        f"/costs/texts/{which}",
        held,
        lambda _, connection, text: cost_review.try_text(connection, name, text),
        lambda connection, text, **by: cost_texts.save(connection, name, text, **by),
        lambda view: shares.refresh(view.engine, view.now, most_lines=MOST_LINES),
    )


@router.get("/costs/texts/{which}")
def show_text(which: Which, request: Request, reader: Who) -> HTMLResponse:
    """Show the text in force, and a form to try and save another for whom that is."""
    return _form(which).show(request, reader)


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
    return _form(which).edit(request, reader, text=text, do=do, csrf=csrf)
