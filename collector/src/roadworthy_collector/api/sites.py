"""Sites: `roadworthy sites`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from roadworthy_collector.api.calls import PREFIX, Call, Limit, PlaceName, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import sites as queries

router = APIRouter(prefix=PREFIX, tags=["sites"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_SITES))]


class Site(BaseModel):
    """A site; `devices` counts those within the caller's units, retired ones included."""

    name: str
    kind: str
    restricted: bool
    devices: int


class Sites(BaseModel):
    """A page of sites, by name; `next` is null on the last one."""

    rows: list[Site]
    next: str | None


class Named(Sent):
    """A site by name."""

    name: PlaceName


@router.get("/sites", summary="Sites, page by page", responses=documented())
def list_sites(
    call: Looker,
    after: Annotated[
        str, Query(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$", description="`next` of the page before.")
    ] = "",
    limit: Limit = 100,
) -> Sites:
    """Sites by name; of some units only those where devices of theirs stand. Restricted ones for whoever manages sites."""
    with call.engine.connect() as connection:
        page = queries.read_page(
            connection, scope=call.scope, restricted=call.sees_restricted, after=after, limit=limit
        )
    return Sites.model_validate(page._asdict())


@router.post("/sites/restrict", summary="Restrict a site", status_code=204, responses=documented(408, 413))
def restrict_site(call: Keeper, sent: Named) -> Response:
    """Keep a site, made if new, and its devices out of every list, page and metric but totals."""
    with write_transaction(call.engine) as connection:
        queries.restrict(connection, sent.name, now=call.at, actor=call.actor)
    return Response(status_code=204)


@router.post(
    "/sites/release",
    summary="Show a restricted site again",
    status_code=204,
    responses=documented(404, 408, 413),
)
def release_site(call: Keeper, sent: Named) -> Response:
    """Show a restricted site and its devices again."""
    with write_transaction(call.engine) as connection:
        if not queries.release(connection, sent.name, now=call.at, actor=call.actor):
            raise NotFoundError(f"{sent.name}: no restricted site is called that")
    return Response(status_code=204)
