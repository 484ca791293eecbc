"""A form with a file, taken once its sender is known: the file is worked on in a thread, or the page says what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import anyio.to_thread
from fastapi import Request, Response
from starlette.datastructures import FormData, UploadFile

from roadworthy_collector.books import uploads
from roadworthy_collector.console import forms
from roadworthy_collector.console.forms import FormRefusedError
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader

_BAD = 422
Use = Callable[[Request, Reader, UploadFile, FormData], Response]
Refuse = Callable[[Request, Reader, str, int], Response]


async def take(request: Request, reader: Reader, use: Use, refuse: Refuse) -> Response:
    """Return what `use` makes of the field `file`, or what `refuse` says: (what is wrong, status)."""
    try:
        form = await forms.read_form(request, reader, uploads.UPLOAD_BYTES, uploads.UPLOAD_SECONDS)
    except FormRefusedError as error:
        return await anyio.to_thread.run_sync(refuse, request, reader, str(error), error.status)
    try:
        file = forms.file(form, "file")
        if file is None:
            return await anyio.to_thread.run_sync(refuse, request, reader, "Choose a file first.", _BAD)
        return await anyio.to_thread.run_sync(use, request, reader, file, form)
    except RoadworthyError as problem:
        return await anyio.to_thread.run_sync(refuse, request, reader, str(problem), _BAD)
    finally:
        await form.close()
