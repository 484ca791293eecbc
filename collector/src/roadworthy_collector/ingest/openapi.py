"""The raw report route, as OpenAPI; FastAPI cannot see it by itself."""

from __future__ import annotations

from typing import Any

REPORTS_PATH = "/api/v1/reports"
_CODES = {
    400: "malformed_json, schema or bad_gzip: the report as a whole cannot be read.",
    401: "missing_token, unknown or re_enrol: enrol (again). cloned: trade the token for one of its own.",
    403: "revoked or wrong_device.",
    405: "method_not_allowed.",
    408: "timeout: the body took too long.",
    409: "identity_unclear: other hardware than was enrolled; nothing was stored; see Retry-After.",
    413: "too_large or decompressed_too_large: send it in parts.",
    415: "unsupported_encoding: identity or gzip.",
    426: "upgrade_required: another major version of the contract.",
    429: "rate: too many reports of this device; see Retry-After.",
    503: "busy: nothing was stored; see Retry-After.",
}
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error", "server_time"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "field", "message"],
            "properties": {
                "code": {"type": "string"},
                "field": {"type": ["string", "null"]},
                "message": {"type": "string"},
            },
        },
        "server_time": {"type": "number"},
    },
}
_REJECTED: dict[str, Any] = {
    "type": "object",
    "required": ["item", "key", "code", "field", "message"],
    "properties": {
        "item": {
            "type": "string",
            "enum": ["period", "day", "startup", "signin", "gap", "now", "facts", "probe"],
        },
        "key": {"type": ["integer", "string", "null"]},
        "code": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "message": {"type": "string"},
    },
}
_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["received", "accepted", "rejected", "next_call", "server_time"],
    "properties": {
        "received": {"type": "integer", "description": "Items of history that came."},
        "accepted": {"type": "integer", "description": "Of these, how many are held now, newly or already."},
        "rejected": {"type": "array", "items": _REJECTED},
        "next_call": {"type": "integer", "description": "Seconds until the next report is expected."},
        "server_time": {"type": "number", "description": "UTC epoch seconds."},
        "collection_policy": {
            "type": "string",
            "description": "off or daily: asked of the device, which obeys where it is the stricter.",
        },
        "token": {
            "type": "string",
            "description": "A new token, to be used from the next call on; the old one holds until it was.",
        },
        "resend": {
            "type": "array",
            "items": {"type": "string", "enum": ["facts"]},
            "description": "What is to be told again although it did not change.",
        },
    },
}
_REPORT: dict[str, Any] = {
    "type": "object",
    "title": "Roadworthy report, version 1",
    "description": "docs/wire/report-v1.schema.json (urn:roadworthy:report:v1) says it in full.",
    "required": ["schema_version", "device_id", "instance", "seq", "boot_id", "sent_at", "agent"],
    "properties": {
        "schema_version": {"type": "string", "pattern": "^1\\.[0-9]{1,9}$"},
        "device_id": {"type": "string", "pattern": "^rwd_[0-9a-f]{32}$"},
        "instance": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "seq": {"type": "integer", "minimum": 1},
        "boot_id": {"type": "string", "minLength": 1, "maxLength": 64},
        "sent_at": {"type": "number"},
        "agent": {"type": "object"},
        **{name: {"type": "array"} for name in ("probes", "periods", "days", "startups", "signins", "gaps")},
        **{name: {"type": "object"} for name in ("facts", "now")},
    },
}


def openapi_paths() -> dict[str, Any]:
    """Return the `paths` entry of POST /api/v1/reports."""
    operation = {
        "summary": "Take a report in",
        "description": "Acknowledged once durable. The same report again changes nothing and is answered the same.",
        "operationId": "post_report",
        "tags": ["agents"],
        "parameters": [
            {
                "name": "Authorization",
                "in": "header",
                "required": True,
                "description": "Bearer rw1_<id>_<secret>, as issued at enrolment.",
                "schema": {"type": "string"},
            },
            {
                "name": "Content-Encoding",
                "in": "header",
                "schema": {"type": "string", "enum": ["identity", "gzip"]},
            },
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REPORT}}},
        "responses": {
            "200": {
                "description": "Held; single items may have been refused.",
                "content": {"application/json": {"schema": _ANSWER}},
            },
            **{
                str(status): {"description": text, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
                for status, text in _CODES.items()
            },
        },
    }
    return {REPORTS_PATH: {"post": operation}}
