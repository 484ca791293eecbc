"""Tables as files: `roadworthy export`, and the links on the console's pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from roadworthy_collector.api.calls import PREFIX, Call, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.books import tables
from roadworthy_collector.books.sheets import MEDIA_TYPES
from roadworthy_collector.books.tables import FilterError, NotForYouError
from roadworthy_collector.security.access import AccessRefusedError
from roadworthy_collector.security.roles import Reader, Right
from roadworthy_inventory.importing.problems import shortened

router = APIRouter(prefix=PREFIX, tags=["exports"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
As = Literal["csv", "xlsx"]


@router.get(
    "/export/{table}",
    summary="A table as a file",
    responses={**documented(404), 200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}},
    response_class=Response,
    openapi_extra={
        "parameters": [
            {
                "name": name,
                "in": "query",
                "schema": {"type": "string", "maxLength": tables.FILTER_LENGTH},
                "description": f"Filter of {', '.join(one for one, of in tables.TABLES.items() if name in of.filters)}.",
            }
            for name in sorted({name for of in tables.TABLES.values() for name in of.filters})
        ]
    },
)
def export_table(
    call: Looker,
    request: Request,
    table: Annotated[
        str, Path(pattern=r"^[a-z_-]{1,32}$", description=f"One of {', '.join(tables.TABLES)}.")
    ],
    as_: Annotated[As, Query(alias="as")] = "csv",
) -> Response:
    """Return the table with filter, as-at time, coverage and protective marking; filters are those of its page, others are refused."""
    try:
        return answer(call, request, table, as_)
    except NotForYouError as error:
        raise AccessRefusedError(403, "not_allowed", str(error)) from None
    except FilterError as error:
        raise AccessRefusedError(422, "schema", str(error), shortened(error.name)) from None


def answer(call: Any, request: Request, name: str, as_: As) -> Response:
    """Return a table as `as_`, for a call or a page's view; NotForYouError or RoadworthyError where it cannot be."""
    reader: Reader = call.reader
    tables.ensure_may(reader, name)
    asked = tables.Asked(
        name,
        tables.filters_of(name, {one: said for one, said in request.query_params.items() if one != "as"}),
        call.now,
        reader.name,
        reader.scope,
        people=reader.sees_small_groups,
    )
    headers = {"Content-Disposition": f'attachment; filename="{name}.{as_}"'}
    make = tables.csv_pieces if as_ == "csv" else tables.xlsx_pieces
    pieces = make(call.engine, call.settings, asked)
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[as_], headers=headers)
