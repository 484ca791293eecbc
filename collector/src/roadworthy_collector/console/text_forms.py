"""A page where a text in force is shown, tried and saved: rules, assumptions, calendars, settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection

from roadworthy_collector.console import login
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader
from roadworthy_collector.store.engine import write_transaction

Field = Annotated[str, Form()]
_MOST_TRIED = 5000


@dataclass(frozen=True, slots=True)
class TextForm:
    """What such a page shows and does; it is for readers of the whole IT estate, `all_read`: others may look at it.

    `held` gives what the template is told of the text in force, at least its `text`. `try_text` says what a text
    would change, `save` puts it in force, `undo` the edition before; they raise RoadworthyError for what cannot be.
    `after`: where saving leads, once `saved` was done.
    """

    template: str
    after: str
    held: Callable[[Connection], dict[str, Any]]
    try_text: Callable[[View, Connection, str], Any]
    save: Callable[..., Any]
    saved: Callable[[View], Any] = lambda _: None
    undo: Callable[..., Any] | None = None
    all_read: bool = False

    def serve(
        self,
        router: APIRouter,
        path: str,
        *,
        who: Any,
        keeper: Any,
        openapi_extra: dict[str, Any] | None = None,
    ) -> None:
        """Add the page at `path`: shown to `who` may look, tried and put in force by `keeper`; both are dependencies."""
        looking, keeping = Depends(who), Depends(keeper)

        @router.get(path)
        def show(request: Request, reader: Reader = looking) -> HTMLResponse:
            return self.show(request, reader)

        @router.post(path, openapi_extra=openapi_extra)
        def edit(
            request: Request, reader: Reader = keeping, text: Field = "", do: Field = "try", csrf: Field = ""
        ) -> Response:
            return self.edit(request, reader, text=text, do=do, csrf=csrf)

    def show(self, request: Request, reader: Reader) -> HTMLResponse:
        """Show the text in force."""
        if not self.all_read:
            ensure_whole_estate(reader)
        return self._page(View(request, reader))

    def edit(self, request: Request, reader: Reader, *, text: str, do: str, csrf: str) -> Response:
        """Try the text; put it in force where `do` says save, the edition before where it says undo."""
        login.ensure_own_form(request, csrf, reader.csrf)
        ensure_whole_estate(reader)
        view = View(request, reader)
        # Browsers send the ends of lines of other systems; no database keeps a NUL.
        text = text.replace("\r\n", "\n").replace("\0", "")
        try:
            if do == "undo" and self.undo is not None:
                with write_transaction(view.engine) as connection:
                    self.undo(connection, actor=reader.name, now=int(view.now))
            elif do == "save":
                with write_transaction(view.engine) as connection:
                    self.save(connection, text, actor=reader.name, now=int(view.now))
            else:
                with view.engine.connect() as connection:
                    tried = self.try_text(view, connection, text)
                return self._page(view, text, tried=tried)
        except RoadworthyError as error:
            return self._page(view, text, error=str(error))
        self.saved(view)
        return RedirectResponse(self.after, HTTPStatus.SEE_OTHER)

    def _page(
        self, view: View, text: str | None = None, *, tried: Any = None, error: str | None = None
    ) -> HTMLResponse:
        with view.engine.connect() as connection:
            context = self.held(connection)
        if text is not None:
            context["text"] = text
        status = HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
        return view.html(self.template, context | {"tried": tried, "error": error}, status)


def plainly(try_text: Callable[[Connection, str], Any]) -> Callable[[View, Connection, str], Any]:
    """Return a trial that needs nothing of who looks and when."""
    return lambda _view, connection, text: try_text(connection, text)


def on_devices(try_text: Callable[..., Any]) -> Callable[[View, Connection, str], Any]:
    """Return a trial on the devices there are now, not on all of many, for somebody waits; the commands try all."""
    return lambda view, connection, text: try_text(
        connection.engine, text, view.now, view.settings.reporting_timezone, most=_MOST_TRIED
    )
