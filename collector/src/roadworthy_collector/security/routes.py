"""What the API tells of people: who is asking, and the audit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine

from roadworthy_collector.api.errors import documented
from roadworthy_collector.security.audit_files import csv_lines, json_lines
from roadworthy_collector.security.roles import Reader, Right, require
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.scope import names_of

router = APIRouter(prefix="/api/v1", tags=["people"], responses=documented())
_TYPES = {"json": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
Since = Annotated[datetime | None, Query(description="From this instant on; UTC if it names no zone.")]
Until = Annotated[datetime | None, Query(description="Before this instant.")]


@router.get("/me", summary="Who am I, and what may I do?")
def me(request: Request, reader: Annotated[Reader, Depends(require(Right.READ_ESTATE))]) -> dict[str, Any]:
    """Name, role, rights and units (null: every unit) of whoever asks, and the token a change by session carries."""
    with request.app.state.engine.connect() as connection:
        units = None if reader.scope is None else names_of(connection, reader.scope)
    return {
        "name": reader.name,
        "role": reader.role if reader.signed_in else None,
        "rights": sorted(reader.rights),
        "units": units,
        "csrf": reader.csrf or None,
    }


@router.get("/audit", summary="The audit, page by page")
def read_audit(
    request: Request,
    _: Annotated[Reader, Depends(require(Right.READ_AUDIT))],
    since: Since = None,
    until: Until = None,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows a page.")] = 100,
) -> dict[str, Any]:
    """Rows oldest first: {rows, next}; `next` is null on the last page."""
    with request.app.state.engine.connect() as connection:
        found = audit.read(
            connection, since=_epoch(since), until=_epoch(until), after_id=after, limit=limit + 1
        )
        rows = list(found)
    return {"rows": rows[:limit], "next": rows[limit - 1]["id"] if len(rows) > limit else None}


@router.get("/audit/export", summary="The audit as a file", response_class=StreamingResponse)
def export_audit(
    request: Request,
    reader: Annotated[Reader, Depends(require(Right.EXPORT_AUDIT))],
    since: Since = None,
    until: Until = None,
    format: Annotated[Literal["json", "csv"], Query(description="JSON lines or CSV.")] = "json",  # noqa: A002 - its name in the address
) -> StreamingResponse:
    """All rows, oldest first. That it was exported is a row itself."""
    state = request.app.state
    first, last = _epoch(since), _epoch(until)
    detail = {"format": format, "since": first, "until": last}
    with write_transaction(state.engine) as connection:
        audit.record(connection, int(state.clock()), reader.name, "audit.export", None, detail)
    lines = _lines(state.engine, format, first, last)
    headers = {"Content-Disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(lines, media_type=_TYPES[format], headers=headers)


def _lines(engine: Engine, output: str, since: int | None, until: int | None) -> Iterator[str]:
    """Yield the file while the database is read."""
    with engine.connect() as connection:
        rows = audit.read(connection, since=since, until=until)
        yield from (csv_lines if output == "csv" else json_lines)(rows)


def _epoch(at: datetime | None) -> int | None:
    if at is None:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
