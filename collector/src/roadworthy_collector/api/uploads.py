"""Files as the bodies of requests: how they are described, read once their sender is known, and worked on in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import anyio.to_thread
from fastapi import HTTPException, Query, Request

from roadworthy_collector.books.uploads import UPLOAD_BYTES, UPLOAD_SECONDS
from roadworthy_collector.ingest.http import ClientGoneError, read_body

Made = TypeVar("Made")
BINARY: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
FileName = Annotated[str, Query(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .()-]{0,99}$")]
MappingText = Annotated[
    str | None, Query(max_length=16_000, description="The text of a mapping file (TOML).")
]


def file_body(said: str) -> dict[str, Any]:
    """Return the `openapi_extra` of a route whose body is a file; `said` describes it."""
    return {"requestBody": {"required": True, "description": said, "content": BINARY}}


def bounded(what: str) -> str:
    """Return the description of a file that `read_upload` reads."""
    return f"{what}, {UPLOAD_BYTES:,} bytes at most."


TABLE_BODY = file_body(bounded("The file itself: CSV or XLSX"))


async def read_upload(request: Request) -> bytes:
    """Return the body of an upload, once its sender is known; EnvelopeError 413 or 408 beyond its bounds."""
    try:
        return await read_body(request.scope, request.receive, UPLOAD_BYTES, timeout_seconds=UPLOAD_SECONDS)
    except ClientGoneError:
        raise HTTPException(400, "the body ended before it was whole") from None


async def work_on(request: Request, run: Callable[[bytes], Made]) -> Made:
    """Return what `run` makes, in a thread, of the body of an upload."""
    return await anyio.to_thread.run_sync(run, await read_upload(request))
