"""Stands before everything: which host names are answered, which headers are refused, which are added.

Pure ASGI and, for reports, nothing but a comparison of the path: that route authenticates every request by a
token a browser does not have, so there is nothing for a foreign page to borrow.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import anyio.to_thread
from sqlalchemy import Engine

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest.http import ClientGoneError, Headers, error_headers, read_body
from roadworthy_collector.security.access import is_open
from roadworthy_collector.security.bounds import Bounds
from roadworthy_collector.settings import LOOPBACK, Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: browsers then send `Origin: null` with our own forms, which the origin check refuses.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
_HSTS = "max-age=31536000"
# Agents and load balancers reach these by any name; each needs a secret or tells nothing.
_ENROL = "/api/v1/enrol"
_ANY_HOST = frozenset({_ENROL, "/healthz", "/readyz"})
_REPORTS = "/api/v1/reports"
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
# Forms are a password or a reason long. A form library keeps parts of any size, in memory or on the disk, before
# the route it belongs to has asked who sends it.
FORM_BYTES, FORM_SECONDS = 65_536, 20.0
LONG_TEXT_SECONDS = 60.0
_UNKNOWN_HOST = "this collector does not go by that name; add it to the setting allowed_hosts if it should"
_FORWARDED = "this collector is open to everybody on its own machine and takes nothing from a proxy; create a user first"


class Guard:
    """Wraps an ASGI application.

    Answers 421 for a host name this collector does not go by, 400 for a missing one, and 400 for X-Forwarded-*
    while it is open to everybody on this machine: a proxy would then open it to everybody else. A form larger
    than FORM_BYTES is 413, one slower than FORM_SECONDS 408; reports and enrolments have bounds of their own, and so
    has what `bounds` says: files are bounded by their routes, long texts are read if `is_known` knows who sends them.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        engine: Engine,
        bounds: Bounds | None = None,
        is_known: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._settings = settings
        self._engine = engine
        self._bounds = bounds or Bounds()
        self._is_known = is_known
        self._hosts = _own_names(settings)
        headers = dict(_HEADERS)
        if settings.tls_certificate is not None or settings.behind_tls_proxy:
            headers["strict-transport-security"] = _HSTS
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass the request on and complete its answer."""
        if scope["type"] != "http" or scope["path"] == _REPORTS:
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._completed(message.get("headers") or [])
            await send(message)

        if refusal := await self._refusal(scope):
            await _answer(send_guarded, *refusal)
            return
        method, path = scope["method"], scope["path"]
        if method in _BODILESS or path == _ENROL or self._bounds.reads_itself(method, path):
            await self._app(scope, receive, send_guarded)
            return
        most, seconds = self._bounds.most_bytes(method, path, FORM_BYTES), LONG_TEXT_SECONDS
        if most == FORM_BYTES or not await anyio.to_thread.run_sync(self._is_known, scope):
            most, seconds = FORM_BYTES, FORM_SECONDS
        try:
            body = await read_body(scope, receive, most, timeout_seconds=seconds)
        except EnvelopeError as error:
            await _answer(send_guarded, error.status, error.code, str(error), "body", error_headers(error))
        except ClientGoneError:
            return
        else:
            await self._app(scope, _replayed(body, receive), send_guarded)

    def _completed(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return `headers` and what is missing from ours; a route's own word wins."""
        given = list(headers)
        names = {name.lower() for name, _ in given}
        return given + [pair for pair in self._headers if pair[0] not in names]

    async def _refusal(self, scope: Scope) -> tuple[int, str, str, str] | None:
        """Return (status, code, message, field) where a request is refused, None where it may pass."""
        headers = scope["headers"]
        if scope["path"] not in _ANY_HOST:
            hosts = [value for name, value in headers if name == b"host"]
            if len(hosts) != 1:
                return 400, "host_missing", "name exactly one host in the Host header", "host"
            if not self._answers_to(hosts[0].decode("latin-1"), scope.get("server")):
                return 421, "unknown_host", _UNKNOWN_HOST, "host"
        forwarded = next(
            (name for name, _ in headers if name.startswith(b"x-forwarded-") or name == b"forwarded"), None
        )
        if forwarded is None or not await anyio.to_thread.run_sync(is_open, self._settings, self._engine):
            return None
        return 400, "forwarded_while_open", _FORWARDED, forwarded.decode("latin-1")

    def _answers_to(self, header: str, server: tuple[str, int | None] | None) -> bool:
        name = host_name(header)
        if name in self._hosts:
            return True
        # A numeric address cannot be rebound: it must be the very one the connection came in on.
        return server is not None and _is_address(name) and name == server[0].lower()


def host_name(header: str) -> str:
    """Return the name or address of a Host header, without port and brackets, in lower case."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower().rstrip(".")


def _own_names(settings: Settings) -> frozenset[str]:
    return LOOPBACK | {settings.host.lower()} | {host_name(name) for name in settings.allowed_hosts}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives out `body` once, then whatever comes after it: the client's leaving."""
    waiting = [body]

    async def again() -> Message:
        return (
            {"type": "http.request", "body": waiting.pop(), "more_body": False}
            if waiting
            else await receive()
        )

    return again


async def _answer(
    send: Send, status: int, code: str, message: str, field: str, headers: Headers = ()
) -> None:
    body = json.dumps({"error": {"code": code, "message": message, "field": field}}).encode()
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
