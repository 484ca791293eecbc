"""Forms larger than a password or a reason: read only once their sender is known, and bounded while they come."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile

from roadworthy_collector.console import login
from roadworthy_collector.errors import EnvelopeError, RoadworthyError
from roadworthy_collector.ingest.http import ClientGoneError, read_body
from roadworthy_collector.security.access import Reader, is_own_origin

NAME_LENGTH = 256
TEXT_BYTES = 256 * 1024


class FormRefusedError(RoadworthyError):
    """A form that is too large or too slow; `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def read_form(request: Request, reader: Reader, most_bytes: int, seconds: float) -> FormData:
    """Return a form of `reader`'s, `most_bytes` at most; close it.

    Raises FormRefusedError where it is too large or too slow, HTTPException 403 where it is not one of ours.
    """
    if not is_own_origin(request):
        raise HTTPException(HTTPStatus.FORBIDDEN, "This form is not one of ours.")
    try:
        body = await read_body(request.scope, request.receive, most_bytes, timeout_seconds=seconds)
    except EnvelopeError as error:
        kilobytes = most_bytes // 1024
        most = f"{kilobytes // 1024} MB" if kilobytes >= 1024 else f"{kilobytes} kB"
        raise FormRefusedError(f"{error}: at most {most} are taken here.", error.status) from None
    except ClientGoneError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The form ended before it was whole.") from None

    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    form = await Request(request.scope, again).form(max_files=2, max_fields=20)
    try:
        login.ensure_own_form(request, text(form, "csrf"), reader.csrf)
    except HTTPException:
        await form.close()
        raise
    return form


def text(form: FormData, name: str) -> str:
    """Return a field's text, nothing where there is none."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def day(said: str) -> dt.date | None:
    """Return the day a person wrote, None where none; raise RoadworthyError for what is no day."""
    try:
        return dt.date.fromisoformat(said) if said else None
    except ValueError:
        raise RoadworthyError("Give the day as 2026-04-01.") from None


def file(form: FormData, name: str) -> UploadFile | None:
    """Return a file somebody chose, None where nobody did."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None


async def text_file(form: FormData, name: str, what: str) -> str | None:
    """Return the text of a small file somebody chose; RoadworthyError where it is none."""
    found = file(form, name)
    if found is None:
        return None
    body = await found.read(TEXT_BYTES + 1)
    if len(body) > TEXT_BYTES:
        raise RoadworthyError(f"The {what} is larger than any {what}.")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RoadworthyError(f"The {what} is no UTF-8 text.") from None


def file_name(found: UploadFile) -> str:
    """Return what a file is called, without the way to it."""
    return (found.filename or "").replace("\\", "/").rsplit("/", 1)[-1][:NAME_LENGTH]
