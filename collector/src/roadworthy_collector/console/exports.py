"""The tables of the console as files, for the links on its pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from roadworthy_collector.api import exports
from roadworthy_collector.books.sheets import MEDIA_TYPES
from roadworthy_collector.books.tables import NotForYouError
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_reader

router = APIRouter(include_in_schema=False)


@router.get("/export/{table}")
def export_table(
    table: str, request: Request, reader: Annotated[Reader, Depends(require_reader)]
) -> Response:
    """Send a table with the filter of its page."""
    wanted = request.query_params.get("as", "csv")
    if wanted not in MEDIA_TYPES:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, f"as is one of {', '.join(MEDIA_TYPES)}")
    try:
        return exports.answer(View(request, reader), request, table, "xlsx" if wanted == "xlsx" else "csv")
    except NotForYouError as error:
        raise HTTPException(HTTPStatus.FORBIDDEN, str(error)) from None
    except NotFoundError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
    except RoadworthyError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
