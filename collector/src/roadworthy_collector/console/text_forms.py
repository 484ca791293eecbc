"""A page where a text in force is shown, tried and saved: assumptions, calendars. Each names what is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection

from roadworthy_collector.console import login
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader
from roadworthy_collector.store.engine import write_transaction


@dataclass(frozen=True, slots=True)
class TextForm:
    """What such a page shows and does.

    `current` gives what is in force (with its `digest`) and its edition, `try_text` what a text would change, `save`
    puts it in force; the last two raise RoadworthyError for a text that cannot be. `after`: where saving leads.
    """

    template: str
    after: str
    current: Callable[[Connection], tuple[Any, Any]]
    try_text: Callable[[Connection, str], Any]
    save: Callable[..., Any]
    context: Mapping[str, Any] = field(default_factory=dict)

    def show(self, request: Request, reader: Reader) -> HTMLResponse:
        """Show the text in force; readers of the whole IT estate only."""
        ensure_whole_estate(reader)
        return self._page(View(request, reader))

    def edit(self, request: Request, reader: Reader, *, content: str, what: str, csrf: str) -> Response:
        """Try the text, or with `what` save put it in force."""
        login.ensure_own_form(request, csrf, reader.csrf)
        ensure_whole_estate(reader)
        view = View(request, reader)
        text = content.replace("\r\n", "\n")
        try:
            if what != "save":
                with view.engine.connect() as connection:
                    return self._page(view, text, self.try_text(connection, text))
            with write_transaction(view.engine) as connection:
                self.save(connection, text, now=int(view.now), actor=reader.name)
        except RoadworthyError as error:
            return self._page(view, text, error=str(error))
        return RedirectResponse(self.after, HTTPStatus.SEE_OTHER)

    def _page(
        self, view: View, text: str | None = None, tried: Any = None, error: str | None = None
    ) -> HTMLResponse:
        with view.engine.connect() as connection:
            found, edition = self.current(connection)
        context = {
            "text": edition.content if text is None else text,
            "edition": edition,
            "digest": found.digest,
            "tried": tried,
            "error": error,
        }
        status = HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
        return view.html(self.template, context | dict(self.context), status)
