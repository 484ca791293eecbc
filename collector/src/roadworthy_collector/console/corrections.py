"""Correction files of imports, for whoever sent the file: kept for an hour, downloaded whole."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from roadworthy_collector.books import uploads
from roadworthy_collector.books.sheets import MEDIA_TYPES
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.access import Reader, require_reader
from roadworthy_collector.security.roles import Right

router = APIRouter(include_in_schema=False)
_PIECE = 256 * 1024


def keep(view: View, text: str | None, name: str, actor: str) -> str | None:
    """Keep a correction file and return the address of its download; None where there is none."""
    if not text:
        return None
    kept = uploads.keep_text(
        view.settings, text, actor=actor, now=view.now, name=uploads.corrections_name(name)
    )
    return f"/imports/{kept.token}/corrections"


@router.get("/imports/{token}/corrections")
def download(token: str, request: Request, reader: Annotated[Reader, Depends(require_reader)]) -> Response:
    """Send a correction file to whoever sent the file it is of, while they may still import."""
    view = View(request, reader)
    if not any(map(reader.may, (Right.MANAGE_REGISTER, Right.PREPARE_FINANCE, Right.PREPARE_CARBON))):
        raise HTTPException(HTTPStatus.FORBIDDEN, "Your role does not include importing.")
    try:
        kept = uploads.find(view.settings, token, actor=reader.name, now=view.now)
    except NotFoundError:
        raise HTTPException(
            HTTPStatus.NOT_FOUND, "This correction file is no longer kept; send the file again."
        ) from None
    if kept.format != uploads.CORRECTIONS or not kept.path.exists():
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such correction file.")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(kept.name, safe='')}"}
    return StreamingResponse(_pieces(kept.path), media_type=MEDIA_TYPES["csv"], headers=headers)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
