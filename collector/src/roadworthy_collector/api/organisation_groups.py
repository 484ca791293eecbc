"""Figures by command, cost centre and site: `roadworthy organisation groups`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.organisation import DayAsked, Over, RowsPage, context_of
from roadworthy_collector.books import organisation_groups as books
from roadworthy_collector.security.roles import Right

router = APIRouter(prefix=PREFIX, tags=["organisation"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]


class Group(BaseModel):
    """Figures of one; `name` null where none is told, or of all restricted sites together. `kind` is a site's."""

    name: str | None
    kind: str | None
    restricted: bool
    figures: dict[str, int]


class Groups(BaseModel):
    """All groups by name; half-hours of the UTC days from `first` to `day`, all else as of today."""

    by: str
    day: str
    first: str
    rows: list[Group]


@router.get("/organisation/groups", summary="Figures by command, cost centre or site", responses=documented())
def show_groups(call: Looker, by: books.By, at: DayAsked = None, over: Over = 7) -> Groups:
    """Register items by state, items that are a device today, of sites devices and half-hours, within the caller's units.

    `/register/items` takes `command`, `cost_centre` and `site`, or `unknown` with one of them, and lists the items.
    """
    with call.engine.connect() as connection:
        context = context_of(call, connection, at, over)
        found = books.groups(context, by)
    return Groups(
        by=by,
        day=context.asked.day.isoformat(),
        first=context.asked.first.isoformat(),
        rows=[Group(**asdict(one)) for one in found],
    )


@router.get(
    "/organisation/groups/rows", summary="The devices behind a site's figure", responses=documented(404)
)
def list_site_rows(
    call: Looker,
    site: Annotated[str, Query(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")],
    kind: books.SiteKind = "devices",
    at: DayAsked = None,
    over: Over = 7,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> RowsPage:
    """Devices in service at a site today, or those with half-hours reported there; a restricted site is not there."""
    with call.engine.connect() as connection:
        context = context_of(call, connection, at, over)
        found: dict[str, Any] = books.site_rows(context, kind, site, after=after, limit=limit)._asdict()
    return RowsPage.model_validate(found)
