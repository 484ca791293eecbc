"""A page that takes a file: sent once, tried, kept for an hour and applied. Lists of disposals, the organisation, dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

import anyio.to_thread
from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData

from roadworthy_collector.books import uploads
from roadworthy_collector.console import corrections, forms, login
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.forms import FormRefusedError
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader
from roadworthy_collector.security.bounds import FILE_FORM
from roadworthy_inventory.importing.problems import Report

Field = Annotated[str, Form()]
_SHOWN = 200


class Done(NamedTuple):
    """What a file did, or would do: `lines` in words, of which `changes` at all; `corrections` the text of rows set aside."""

    lines: Sequence[str]
    changes: bool
    report: Report | None = None
    corrections: str | None = None


Run = Callable[[View, Reader, uploads.Kept, bool], Done]


@dataclass(frozen=True, slots=True)
class FileForm:
    """What such a page says and does.

    `run` imports a kept file, or with True tries it; it raises RoadworthyError for one that cannot be. `kinds`: what
    a file may hold, by the word a person chooses, or none to choose from. `whole`: for readers of the whole IT estate.
    """

    address: str
    title: str
    about: str
    crumb: tuple[str, str]
    run: Run
    accept: str = ".csv,.txt,.tsv,.xlsx"
    kinds: Mapping[str, str] = field(default_factory=dict)
    mapped: bool = False
    strict: bool = False
    whole: bool = True
    may: Callable[[Reader, str], bool] = lambda _reader, _kind: True

    def serve(self, router: APIRouter, who: Any) -> None:
        """Add the form, the trial of a file, and the page that imports what was tried; `who` is the dependency."""
        bringing = Depends(who)

        @router.get(self.address)
        def show(request: Request, reader: Reader = bringing) -> HTMLResponse:
            return self.show(request, reader)

        @router.post(self.address, openapi_extra=FILE_FORM)
        async def try_file(request: Request, reader: Reader = bringing) -> Response:
            return await self.try_file(request, reader)

        @router.post(f"{self.address}/apply")
        def apply(
            request: Request, reader: Reader = bringing, token: Field = "", csrf: Field = ""
        ) -> HTMLResponse:
            return self.apply(request, reader, token=token, csrf=csrf)

    def show(self, request: Request, reader: Reader) -> HTMLResponse:
        """Show the form that takes a file."""
        self._ensure(reader)
        return self._page(View(request, reader))

    def _ensure(self, reader: Reader) -> None:
        if self.whole:
            ensure_whole_estate(reader)

    def _page(
        self, view: View, error: str | None = None, status: int = HTTPStatus.OK, **told: Any
    ) -> HTMLResponse:
        reader = view.reader
        kinds = {
            kind: title for kind, title in self.kinds.items() if reader is not None and self.may(reader, kind)
        }
        context = {
            "page": self, "kinds": kinds, "error": error, "done": None, "token": None, "corrections": None, "file": "",
            "tried": False, "shown": _SHOWN, "most": uploads.UPLOAD_BYTES // (1024 * 1024),
        }  # fmt: skip
        return view.html("file_form.html", context | told, status)

    async def try_file(self, request: Request, reader: Reader) -> Response:
        """Take a file and say what it would do; nothing is written. The body is read only now: its sender is known."""
        self._ensure(reader)
        try:
            form = await forms.read_form(request, reader, uploads.UPLOAD_BYTES, uploads.UPLOAD_SECONDS)
        except FormRefusedError as error:
            view, said = View(request, reader), str(error)
            status = error.status
            return await anyio.to_thread.run_sync(lambda: self._page(view, said, status))
        try:
            mapping = await forms.text_file(form, "mapping", "mapping file") if self.mapped else None
            return await anyio.to_thread.run_sync(self._tried, request, reader, form, mapping)
        except RoadworthyError as error:
            view, said = View(request, reader), str(error)
            return await anyio.to_thread.run_sync(
                lambda: self._page(view, said, HTTPStatus.UNPROCESSABLE_ENTITY)
            )
        finally:
            await form.close()

    def _tried(self, request: Request, reader: Reader, form: FormData, mapping: str | None) -> HTMLResponse:
        view, kind, file = View(request, reader), forms.text(form, "kind"), forms.file(form, "file")
        if file is None:
            raise RoadworthyError("Choose a file first.")
        self._check(reader, kind)
        name = forms.file_name(file)
        kept = uploads.keep(
            view.settings, file.file, actor=reader.name, now=view.now, name=name, format_=self._format(kind),
            mapping=mapping, strict=forms.text(form, "strict") == "yes",
        )  # fmt: skip
        try:
            done = self.run(view, reader, kept, True)
        except RoadworthyError:
            uploads.drop(kept)
            raise
        if not done.changes:
            uploads.drop(kept)
        at = corrections.keep(view, done.corrections, name, reader.name)
        token = kept.token if done.changes else None
        return self._page(view, done=done, token=token, corrections=at, file=name, tried=True)

    def _check(self, reader: Reader, kind: str) -> None:
        if self.kinds and (kind not in self.kinds or not self.may(reader, kind)):
            raise RoadworthyError("Choose what the file holds; your role may not import everything.")

    def _format(self, kind: str) -> str:
        return f"{self.address}:{kind}"

    def apply(self, request: Request, reader: Reader, *, token: str, csrf: str) -> HTMLResponse:
        """Import a file that was tried."""
        login.ensure_own_form(request, csrf, reader.csrf)
        self._ensure(reader)
        view = View(request, reader)
        gone = "The file is no longer kept; send it again."
        try:
            kept = uploads.find(view.settings, token, actor=reader.name, now=view.now)
        except NotFoundError:
            return self._page(view, gone, HTTPStatus.NOT_FOUND)
        address, _, kind = (kept.format or "").partition(":")
        if address != self.address or not kept.path.exists():
            return self._page(view, gone, HTTPStatus.NOT_FOUND)
        try:
            self._check(reader, kind)
            done = self.run(view, reader, kept, False)
        except (
            RoadworthyError
        ) as error:  # what it was tried on has changed since, or another batch is being written
            return self._page(view, str(error), HTTPStatus.CONFLICT)
        uploads.drop(kept)
        at = corrections.keep(view, done.corrections, kept.name, reader.name)
        return self._page(view, done=done, corrections=at, file=kept.name)


def kind_of(kept: uploads.Kept) -> str:
    """Return what somebody said a kept file holds."""
    return (kept.format or "").partition(":")[2]
