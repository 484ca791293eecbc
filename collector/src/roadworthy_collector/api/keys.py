"""Enrolment keys and scrape tokens: `roadworthy enrol-key`, `roadworthy scrape-token`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from roadworthy_collector.api.calls import PREFIX, Call, Days, Limit, Note, PlaceName, Sent, TokenId, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security import tokens
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import UNASSIGNED, write_transaction
from roadworthy_collector.store.queries import enrolment
from roadworthy_collector.store.queries.device_identity import UsageProfile

DAY_SECONDS = 86_400
router = APIRouter(prefix=PREFIX, tags=["keys"])
Enroller = Annotated[Call, Depends(caller(Right.MANAGE_ENROLMENT))]
Scraping = Annotated[Call, Depends(caller(Right.MANAGE_SCRAPE_TOKENS))]


class Issued(BaseModel):
    """A new secret: `token` is shown this once, only its hash is kept."""

    id: str
    token: str


class EnrolKey(BaseModel):
    """An enrolment key without its secret; times in UTC epoch seconds."""

    id: str
    site: str
    unit: str
    usage_profile: str
    note: str | None
    created_at: int
    expires_at: int | None
    max_uses: int | None
    uses: int
    revoked_at: int | None


class EnrolKeys(BaseModel):
    """A page of keys; `next` is null on the last one."""

    rows: list[EnrolKey]
    next: str | None


class NewEnrolKey(Sent):
    """Where the devices of a key stand, and how long it lets them in."""

    site: PlaceName = UNASSIGNED
    unit: PlaceName = UNASSIGNED
    days: Days = 7
    uses: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    note: Note | None = None
    profile: UsageProfile = UsageProfile.UNKNOWN


class ScrapeToken(BaseModel):
    """A scrape token without its secret; `units` null for every unit."""

    id: str
    created_at: int
    revoked_at: int | None
    units: list[str] | None


class ScrapeTokens(BaseModel):
    """All scrape tokens, newest first."""

    rows: list[ScrapeToken]


class NewScrapeToken(Sent):
    """What a token may read: everything, or some units and those below them."""

    units: Annotated[list[PlaceName], Field(min_length=1, max_length=100)] | None = None


@router.get("/enrol-keys", summary="Enrolment keys, page by page", responses=documented())
def list_enrol_keys(
    call: Enroller,
    after: Annotated[str, Query(pattern=r"^([0-9a-f]{16})?$", description="`next` of the page before.")] = "",
    limit: Limit = 100,
) -> EnrolKeys:
    """Keys whose devices join units of the caller, by id."""
    with call.engine.connect() as connection:
        page = enrolment.read_keys(connection, scope=call.scope, after=after, limit=limit)
    return EnrolKeys.model_validate(page._asdict())


@router.post(
    "/enrol-keys", summary="Make an enrolment key", status_code=201, responses=documented(404, 408, 413)
)
def create_enrol_key(call: Enroller, sent: NewEnrolKey) -> Issued:
    """Make a key and tell it once. Whoever manages some units only names a unit of theirs and a site that is there."""
    with write_transaction(call.engine) as connection:
        enrolment.ensure_place(connection, sent.site, sent.unit, call.scope)
        issued = tokens.create_enrol_key(
            connection,
            now=call.at,
            site=sent.site,
            unit=sent.unit,
            note=sent.note,
            max_uses=sent.uses,
            expires_in_seconds=sent.days * DAY_SECONDS,
            usage_profile=str(sent.profile),
            actor=call.actor,
        )
    return Issued(id=issued.id, token=issued.text)


@router.post(
    "/enrol-keys/{key_id}/revoke",
    summary="Revoke an enrolment key",
    status_code=204,
    responses=documented(404),
)
def revoke_enrol_key(call: Enroller, key_id: TokenId) -> Response:
    """Let nobody enrol with this key any more; devices stay enrolled. 404 for one that is revoked already."""
    with write_transaction(call.engine) as connection:
        enrolment.require_key(connection, key_id, call.scope)
        if not tokens.revoke_enrol_key(connection, key_id, now=call.at, actor=call.actor):
            raise NotFoundError(f"{key_id}: no enrolment key of that id is in force")
    return Response(status_code=204)


@router.get("/scrape-tokens", summary="Scrape tokens", responses=documented())
def list_scrape_tokens(call: Scraping) -> ScrapeTokens:
    """All tokens Prometheus reads with, newest first."""
    with call.engine.connect() as connection:
        return ScrapeTokens.model_validate({"rows": tokens.list_scrape_tokens(connection)})


@router.post("/scrape-tokens", summary="Make a scrape token", status_code=201, responses=documented(408, 413))
def create_scrape_token(call: Scraping, sent: NewScrapeToken) -> Issued:
    """Make a token for Prometheus and tell it once."""
    with write_transaction(call.engine) as connection:
        issued = tokens.create_scrape_token(
            connection, now=call.at, actor=call.actor, only_units=sent.units or None
        )
    return Issued(id=issued.id, token=issued.text)


@router.post(
    "/scrape-tokens/{token_id}/revoke",
    summary="Revoke a scrape token",
    status_code=204,
    responses=documented(404),
)
def revoke_scrape_token(call: Scraping, token_id: TokenId) -> Response:
    """Stop this token from reading, on every process within five seconds."""
    with write_transaction(call.engine) as connection:
        if not tokens.revoke_scrape_token(connection, token_id, now=call.at, actor=call.actor):
            raise NotFoundError(f"{token_id}: no scrape token of that id is in force")
    return Response(status_code=204)
