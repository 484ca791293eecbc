"""POST /api/v1/enrol: an enrolment key, or the token a copied machine holds, for a device id and a token.

1. Bound and read the request; 2. look whether its key or token is good, before anything is locked; 3. bound how
many join in a minute; 4. in one transaction spend the key, make the device, its token and the audit; 5. answer with
the token, the only time it is shown. A key is spent only if the device exists afterwards.

The bounds are per key and over all, never per address: a whole site comes from one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import joining
from roadworthy_collector.ingest.decode import explain, require_version, without_nul
from roadworthy_collector.ingest.http import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    UnfinishedBodyError,
    error_body,
    error_headers,
    read_body,
    send_json,
)
from roadworthy_collector.ingest.joining import EnrolRequest
from roadworthy_collector.ingest.limits import EnrolLimits
from roadworthy_collector.ingest.openapi import ERROR_SCHEMA
from roadworthy_collector.ingest.pace import next_call
from roadworthy_collector.ingest.writer import busy
from roadworthy_collector.security import tokens

ENROL_PATH = "/api/v1/enrol"
MAX_BODY_BYTES = 16_384


class EnrolAnswer(Struct, omit_defaults=True):
    """What an enrolled agent gets; the token is never shown again."""

    device_id: str
    token: str
    server_time: float
    next_call: int
    restricted: bool = False  # its site is restricted here: said to a relay that asked for it


_REQUEST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema_version", "platform", "agent_version"],
    "oneOf": [{"required": ["enrolment_key"]}, {"required": ["token"]}],
    "properties": {
        "schema_version": {"type": "string", "pattern": "^1\\.[0-9]{1,9}$"},
        "enrolment_key": {"type": "string", "maxLength": 256, "description": "rwe1_<id>_<secret>"},
        "token": {
            "type": "string",
            "maxLength": 256,
            "description": "rw1_<id>_<secret> of the device this machine is a copy of, after the answer cloned.",
        },
        "platform": {"type": "string", "maxLength": 64},
        "agent_version": {"type": "string", "maxLength": 64},
        "hostname": {"type": ["string", "null"], "maxLength": 256},
        "relay": {
            "type": "array",
            "maxItems": 6,
            "items": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
            "description": "Ids of the relays the device comes through, the first one first.",
        },
        "restricted": {"type": "boolean", "description": "A relay's device stands at a restricted site."},
        "fingerprint": {
            "type": ["object", "null"],
            "maxProperties": 16,
            "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    },
}
_ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["device_id", "token", "server_time", "next_call"],
    "properties": {
        "device_id": {"type": "string", "pattern": "^rwd_[0-9a-f]{32}$"},
        "token": {"type": "string"},
        "server_time": {"type": "number"},
        "next_call": {"type": "integer"},
        "restricted": {"type": "boolean", "description": "True where a relay asked for a restricted site."},
    },
}
_CODES = {
    400: "malformed_json or schema.",
    401: "unknown or re_enrol: the token to be traded is not good.",
    403: "key_unknown, key_expired, key_used_up, key_revoked, relay_loop, site_not_restricted or revoked.",
    408: "timeout.",
    409: "not_cloned: nothing shows that the machine is a copy; report with the token it has.",
    413: "too_large.",
    426: "upgrade_required.",
    429: "rate: too many enrolments, or refused attempts with this key; see Retry-After.",
    503: "busy; see Retry-After.",
}


def _responses() -> dict[int | str, dict[str, Any]]:
    """Return the answers for the OpenAPI document."""
    taken = {"description": "Enrolled.", "content": {"application/json": {"schema": _ANSWER_SCHEMA}}}
    refused: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
        for status, text in _CODES.items()
    }
    return {200: taken, **refused}


router = APIRouter(tags=["agents"])


@router.post(
    ENROL_PATH,
    summary="Enrol a device",
    response_class=Response,
    responses=_responses(),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST_SCHEMA}}}
    },
)
async def enrol(request: Request) -> Response:
    """Exchange an enrolment key, or a copied machine's token, for a device id and a token."""
    state = request.app.state
    clock: Callable[[], float] = state.clock
    try:
        answer = await _enrol(request)
    except EnvelopeError as error:
        state.stats.enrolments[error.code] += 1
        return _Refusal(error, clock())
    except ClientGoneError:
        state.stats.enrolments["client_gone"] += 1
        return Response(status_code=400)  # nobody reads it
    state.stats.enrolments["enrolled"] += 1
    return _json(answer, 200)


class _Refusal(Response):
    """A typed refusal; what the client is still sending is thrown away, so that it finds the answer."""

    def __init__(self, error: EnvelopeError, server_time: float) -> None:
        super().__init__(status_code=error.status)
        self._error = error
        self._said = error_body(error, server_time)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - its base class's shape
        """Send it."""
        unread = receive if isinstance(self._error, UnfinishedBodyError) else None
        headers = [*error_headers(self._error), (b"cache-control", b"no-store")]
        await send_json(send, self._error.status, self._said, headers, unread=unread)


async def _enrol(request: Request) -> EnrolAnswer:
    """Enrol within the limits."""
    state = request.app.state
    limits = _limits(state)
    now = int(state.clock())
    asked = _decode(await read_body(request.scope, request.receive, MAX_BODY_BYTES))
    try:
        holder = await run_in_threadpool(joining.check, state.engine, asked, now)
        limits.admit()
        if holder is None:
            joined = await run_in_threadpool(joining.enrol, state.engine, asked, now)
        else:
            joined = await run_in_threadpool(joining.trade, state.engine, asked, holder, now)
    except tokens.KeyRefused as error:
        raise limits.refused(error, asked.enrolment_key or "") from error
    except SQLAlchemyError as error:
        raise busy(f"the database cannot be written: {type(error).__name__}") from error
    seconds = next_call(joined.device_id, state.settings.report_interval_seconds)
    return EnrolAnswer(joined.device_id, joined.token, state.clock(), seconds, asked.restricted)


def _limits(state: Any) -> EnrolLimits:
    """Return this process's counts."""
    if not hasattr(state, "enrol_limits"):
        state.enrol_limits = EnrolLimits(state.settings.enrolments_per_minute)
    limits: EnrolLimits = state.enrol_limits
    return limits


def _decode(body: bytes) -> EnrolRequest:
    """Return the request in `body`; raise EnvelopeError malformed_json, upgrade_required or schema."""
    body = without_nul(body)
    try:
        require_version(body)
        asked = msgspec.json.decode(body, type=EnrolRequest)
    except msgspec.ValidationError as error:
        field, message = explain(error)
        where = f"{field}: " if field else ""
        raise EnvelopeError(400, "schema", f"{where}{message}", field=field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnvelopeError(400, "malformed_json", f"the body is not JSON: {error}", field="body") from error
    if (asked.enrolment_key is None) == (asked.token is None):
        message = "enrolment_key: an enrolment key is needed, or the token of the device this is a copy of"
        raise EnvelopeError(400, "schema", message, field="enrolment_key")
    return asked


def _json(value: Any, status: int) -> Response:
    """Return an answer that no cache keeps: it holds a token."""
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
