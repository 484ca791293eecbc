"""The runbooks: what each alert means and what to do, on the pages that alerts link to.

They come with whatever distribution offers them under `roadworthy.runbooks`, as roadworthy-dashboards does; the
collector imports none. An entry point there names a function that returns a list of mappings with the texts `alert`,
`severity`, `audience`, `summary` and `text` (Markdown), one for each alert at each severity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import entry_points
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse

from roadworthy_collector.console.view import View
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right

router = APIRouter(include_in_schema=False)
GROUP = "roadworthy.runbooks"
# Worst first, with a look of the console and what it asks for.
SEVERITIES = {
    "critical": ("error", "act today"),
    "warning": ("attention", "act this week"),
    "info": ("blank", "for planning"),
}
_ABSENT = "Runbooks come with roadworthy-dashboards, which is not installed beside this collector."
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Runbook = Mapping[str, str]


@router.get("/runbooks")
def show_runbooks(request: Request, reader: Who) -> HTMLResponse:
    """Show every alert there is a runbook for, by audience and severity."""
    rows = sorted(offered(GROUP), key=_place)
    audiences = [(name, list(group)) for name, group in groupby(rows, lambda row: row["audience"])]
    context = {"audiences": audiences, "severities": SEVERITIES, "absent": _ABSENT}
    return View(request, reader).html("runbooks.html", context)


@router.get("/runbooks/{name}")
def show_runbook(name: str, request: Request, reader: Who) -> HTMLResponse:
    """Show the runbook of one alert; alerts link to the name of its file, with `.md`."""
    from roadworthy_collector.console.markdown import sections  # few processes ever need the parser

    known = sorted(offered(GROUP), key=_place)
    name = name.removesuffix(".md")
    rows = [row for row in known if row["alert"] == name]
    if not rows:
        detail = "There is no runbook of that name. /runbooks lists all of them." if known else _ABSENT
        raise HTTPException(HTTPStatus.NOT_FOUND, detail)
    text = rows[0]["text"]
    named = set(re.findall(r"\w+", text)) & {row["alert"] for row in known} - {name}
    head, *pieces = sections(text)
    context = {"name": name, "rows": rows, "severities": SEVERITIES, "named": sorted(named)}
    return View(request, reader).html("runbook.html", context | {"head": head, "pieces": pieces})


@cache
def offered(group: str) -> tuple[Runbook, ...]:
    """Return what the installed distributions offer; they change with an installation, so they are asked once."""
    return tuple(row for point in entry_points(group=group) for row in point.load()())


def _place(row: Runbook) -> tuple[str, int, str]:
    known = list(SEVERITIES)
    severity = row["severity"]
    return row["audience"], known.index(severity) if severity in known else len(known), row["alert"]
