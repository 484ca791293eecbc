"""The page of the audit: who did what, newest first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from roadworthy_collector.console.view import View
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.queries import audit

router = APIRouter(include_in_schema=False)
_SHOWN = 200


@router.get("/audit")
def show_audit(
    request: Request, reader: Annotated[Reader, Depends(require_page(Right.READ_AUDIT))]
) -> HTMLResponse:
    """Show the latest rows; the whole is for `roadworthy audit export`."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        rows = list(audit.read(connection, limit=_SHOWN, newest_first=True))
    listed = [row | {"about": describe(row["detail"])} for row in rows]
    return view.html("audit.html", {"rows": listed, "shown": _SHOWN})


def describe(detail: object) -> str:
    """Return the details of a row in one line."""
    if not isinstance(detail, dict):
        return ""
    return "; ".join(
        f"{name.replace('_', ' ')}: {_said(value)}"
        for name, value in sorted(detail.items())
        if value is not None
    )


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
