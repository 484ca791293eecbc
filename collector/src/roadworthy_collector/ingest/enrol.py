"""POST /api/v1/enrol: an enrolment key for a device id and a token.

1. Bound and read the request; 2. in one transaction spend the key, make the device at the key's site and unit, make
its token and write the audit; 3. answer with the token, the only time it is shown. A key is spent only if the
device exists afterwards.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from msgspec import Meta, Struct
from sqlalchemy import Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest.batch import next_call
from roadworthy_collector.ingest.decode import explain, require_version
from roadworthy_collector.ingest.http import ClientGoneError, error_body, error_headers, read_body
from roadworthy_collector.ingest.limits import RateLimit
from roadworthy_collector.ingest.openapi import ERROR_SCHEMA
from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.ingest.wire_parts import Hash, Text, Word
from roadworthy_collector.ingest.writer import busy
from roadworthy_collector.security import tokens
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import devices

ENROL_PATH = "/api/v1/enrol"
MAX_BODY_BYTES = 16_384
FAILURES_PER_MINUTE = 30  # from one address; a site that enrols with a good key is not slowed


class EnrolRequest(Struct):
    """What an agent sends to enrol; unknown fields are ignored."""

    schema_version: Annotated[str, Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}$")]
    enrolment_key: Annotated[str, Meta(max_length=256)]
    platform: Word
    agent_version: Annotated[str, Meta(max_length=64)]
    hostname: Text | None = None
    fingerprint: Annotated[dict[Word, Hash], Meta(max_length=16)] | None = None


class EnrolAnswer(Struct):
    """What an enrolled agent gets; the token is never shown again."""

    device_id: str
    token: str
    server_time: float
    next_call: int


_REQUEST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema_version", "enrolment_key", "platform", "agent_version"],
    "properties": {
        "schema_version": {"type": "string", "pattern": "^1\\.[0-9]{1,9}$"},
        "enrolment_key": {"type": "string", "maxLength": 256, "description": "rwe1_<id>_<secret>"},
        "platform": {"type": "string", "maxLength": 64},
        "agent_version": {"type": "string", "maxLength": 64},
        "hostname": {"type": ["string", "null"], "maxLength": 256},
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
    },
}
_CODES = {
    400: "malformed_json or schema.",
    403: "key_unknown, key_expired, key_used_up or key_revoked.",
    408: "timeout.",
    413: "too_large.",
    426: "upgrade_required.",
    429: "rate: too many refused attempts; see Retry-After.",
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
    """Exchange an enrolment key for a device id and a token."""
    state = request.app.state
    clock: Callable[[], float] = state.clock
    try:
        answer = await _enrol(request)
    except EnvelopeError as error:
        state.stats.enrolments[error.code] += 1
        headers = {name.decode(): value.decode() for name, value in error_headers(error)}
        return _json(error_body(error, clock()), error.status, headers)
    except ClientGoneError:
        state.stats.enrolments["client_gone"] += 1
        return Response(status_code=400)  # nobody reads it
    state.stats.enrolments["enrolled"] += 1
    return _json(answer, 200)


async def _enrol(request: Request) -> EnrolAnswer:
    """Enrol within the limits."""
    state = request.app.state
    address = request.client.host if request.client else ""
    failures = _failures(state)
    if wait := failures.wait_seconds(address):
        message = f"too many refused attempts; try again in {wait} s"
        raise EnvelopeError(429, "rate", message, retry_after_seconds=wait)
    body = await read_body(request.scope, request.receive, MAX_BODY_BYTES)
    asked = _decode(body)
    try:
        return await run_in_threadpool(_write, state.engine, state.settings, state.clock(), asked)
    except tokens.KeyRefused as error:
        failures.count(address)
        raise EnvelopeError(403, error.code, str(error), field="enrolment_key") from error
    except SQLAlchemyError as error:
        raise busy(f"the database cannot be written: {type(error).__name__}") from error


def _failures(state: Any) -> RateLimit:
    """Return this process's count of refused attempts."""
    if not hasattr(state, "enrol_failures"):
        state.enrol_failures = RateLimit(FAILURES_PER_MINUTE)
    failures: RateLimit = state.enrol_failures
    return failures


def _decode(body: bytes) -> EnrolRequest:
    """Return the request in `body`; raise EnvelopeError malformed_json, upgrade_required or schema."""
    try:
        require_version(body)
        return msgspec.json.decode(body, type=EnrolRequest)
    except msgspec.ValidationError as error:
        field, message = explain(error)
        where = f"{field}: " if field else ""
        raise EnvelopeError(400, "schema", f"{where}{message}", field=field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnvelopeError(400, "malformed_json", f"the body is not JSON: {error}", field="body") from error


def _write(engine: Engine, settings: Settings, now: float, asked: EnrolRequest) -> EnrolAnswer:
    """Spend the key, make the device and its token, and write the audit, all or nothing."""
    device_id = f"rwd_{secrets.token_hex(16)}"
    at = int(now)
    platform = Vocabulary().read("agent.platform", asked.platform)
    with write_transaction(engine) as connection:
        place = tokens.spend_enrol_key(connection, asked.enrolment_key, now=at)
        row = {
            "device_id": device_id,
            "site": place.site,
            "unit": place.unit,
            "enrol_key": place.key,
            "enrolled_at": at,
            "platform": platform,
            "agent_version": asked.agent_version,
            "hostname": asked.hostname,
            "fingerprint": asked.fingerprint,
        }
        device = connection.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
        token = tokens.create_device_token(connection, device, now=at)
        detail = {"enrol_key": place.key, "platform": platform, "agent_version": asked.agent_version}
        tokens.record(connection, at, "agent", "device.enrol", device_id, detail)
    return EnrolAnswer(device_id, token.text, now, next_call(device_id, settings.report_interval_seconds))


def _json(value: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    """Return an answer that no cache keeps: it may hold a token."""
    return Response(
        msgspec.json.encode(value),
        status,
        {"cache-control": "no-store", **(headers or {})},
        media_type="application/json",
    )
