"""Errors as the API answers them: always `{"error": {"code", "message", "field"}}`, whatever went wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from roadworthy_collector.books.approving import ApprovalError
from roadworthy_collector.books.batches import BatchRunningError
from roadworthy_collector.errors import EnvelopeError, NotFoundError, RoadworthyError, StoreError
from roadworthy_collector.relay.errors import RelayError
from roadworthy_collector.security.erasure import ErasureError
from roadworthy_collector.security.holds import HoldError
from roadworthy_collector.security.users import UserError
from roadworthy_collector.store.backup_folder import BackupRunningError
from roadworthy_collector.store.queries.scope import UnknownUnitError


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="Stable; programs go by it.")
    message: str = Field(description="For people: what is wrong and what to do.")
    field: str | None = Field(description="The part of the request that is meant, if one is.")


class Error(BaseModel):
    """The answer to everything that is refused."""

    error: ErrorBody


# What a status means where nothing more is known.
_CODES = {
    400: "bad_request",
    401: "sign_in_required",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    421: "unknown_host",
    422: "schema",
    429: "rate",
    500: "fault",
    503: "busy",
}
_PLAIN = {
    404: "nothing answers at this address; /openapi.json lists what does",
    405: "this address does not take that method; the header Allow names one it takes",
}
# The first that fits: a request refused for a rule of the thing it is about.
_REFUSALS: tuple[tuple[type[RoadworthyError], int, str], ...] = (
    (NotFoundError, 404, "not_found"),
    (UnknownUnitError, 422, "unknown_unit"),
    (UserError, 409, "user_refused"),
    (HoldError, 409, "hold_refused"),
    (ApprovalError, 409, "approval_refused"),
    (ErasureError, 409, "erasure_refused"),
    (RelayError, 422, "relay_refused"),
    (BackupRunningError, 409, "backup_running"),
    (BatchRunningError, 409, "batch_running"),
    (StoreError, 503, "store"),
    (RoadworthyError, 422, "refused"),
)
_WORDS = {
    400: "bad_request, malformed_json, host_missing or forwarded_while_open.",
    401: "sign_in_required or user_token_refused: sign in, or send a user token.",
    403: "not_allowed: the role does not include this. csrf: the session's token is missing.",
    404: "not_found: there is none, or not within the caller's units.",
    408: "timeout: the body took too long.",
    409: "It cannot be done as things are; `code` says which rule holds it up.",
    413: "too_large: the body has more than 65,536 bytes, or a file more than 67,108,864.",
    421: "unknown_host: the collector does not go by that name; see the setting allowed_hosts.",
    422: "schema, or a rule of the thing asked for; `field` names the part that is meant.",
    503: "busy or store: the database cannot be read or written just now; try again.",
}
_RETRY_AFTER_SECONDS = (30, 90)
_ALWAYS = (400, 401, 403, 421, 422, 503)
_REFERENCE = "#/components/schemas/{model}"


def documented(*more: int) -> dict[int | str, dict[str, Any]]:
    """Return the refusals of an operation for OpenAPI: those any may give, and `more` statuses."""
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=Error.__name__)}}}
    return {
        status: {"description": _WORDS[status], "content": content} for status in sorted({*_ALWAYS, *more})
    }


def schemas() -> dict[str, Any]:
    """Return what `documented` refers to, by name, for the document's components.

    Named as a model of each refusal, FastAPI would make a validator for each: over a thousand, all of them alike.
    """
    found = Error.model_json_schema(ref_template=_REFERENCE)
    return {**found.pop("$defs"), Error.__name__: found}


def refusal(
    status: int,
    code: str,
    message: str,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the one form of every refusal."""
    content = {"error": {"code": code, "message": message, "field": field}}
    return JSONResponse(content, status, headers=None if headers is None else dict(headers))


def http_error(error: HTTPException) -> JSONResponse:
    """Return an HTTP error in that form; what FastAPI and Starlette raise has no code of its own, and no words."""
    status = error.status_code
    code = _CODES.get(status, HTTPStatus(status).name.lower())
    said = str(error.detail)
    message = _PLAIN.get(status, said) if said == HTTPStatus(status).phrase else said
    return refusal(status, code, message, headers=error.headers)


def install(api: FastAPI) -> None:
    """Have `api` answer what its routes raise in that form; HTTP errors are answered by the console, which knows pages."""
    api.add_exception_handler(RoadworthyError, _refused)
    api.add_exception_handler(Exception, _fault)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """Answer what a function of ours refuses."""
    if isinstance(error, EnvelopeError):
        return refusal(error.status, error.code, str(error), error.field)
    status, code = next(row[1:] for row in _REFUSALS if isinstance(error, row[0]))
    headers = {"Retry-After": later()} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return refusal(status, code, str(error), headers=headers)


def later() -> str:
    """Return Retry-After of a 503: seconds, spread so that all who were refused do not come back at once."""
    return str(random.randint(*_RETRY_AFTER_SECONDS))  # noqa: S311 - spreads load, hides nothing


async def _fault(_: Request, __: Exception) -> JSONResponse:
    """Answer a fault of this program; the server logs it with its traceback."""
    return refusal(500, "fault", "the collector could not do this; its log says why")
