"""The two ends of a raw ASGI exchange: reading a bounded body, sending JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from roadworthy_collector.errors import EnvelopeError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

BODY_TIMEOUT_SECONDS = 60.0
DISCARD_FACTOR = 4
# What a refused client may still send until it reads why: more than any agent has, less than would keep us busy.
DISCARD_BYTES = 32 * 1024 * 1024
DISCARD_SECONDS = 2.0


class UnfinishedBodyError(EnvelopeError):
    """A body is refused while more of it is still on its way."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was whole; nobody is there to be answered."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request header, None if absent; ASGI gives the names in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text.strip()
    return None


async def read_body(
    scope: Scope, receive: Receive, limit: int, *, timeout_seconds: float = BODY_TIMEOUT_SECONDS
) -> bytes:
    """Return the request's body of at most `limit` bytes.

    What the client says about its length may be a lie or missing, so the bytes are counted as they come. Raises
    EnvelopeError too_large (UnfinishedBodyError before its end was seen) or timeout, ClientGoneError if the client
    leaves.
    """
    said = header(scope, b"content-length")
    if said is not None and said.isdigit() and int(said) > limit * DISCARD_FACTOR:
        raise UnfinishedBodyError(*_too_large(limit), field="body")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                part: bytes = message.get("body", b"")
                size += len(part)
                if size <= limit:
                    parts.append(part)
                # A client that is cut off while sending may never see why, so a little more is thrown away first.
                ended = not message.get("more_body", False)
                if size > limit * DISCARD_FACTOR and not ended:
                    raise UnfinishedBodyError(*_too_large(limit), field="body")
                if size > limit and ended:
                    raise EnvelopeError(*_too_large(limit), field="body")
                if ended:
                    return b"".join(parts)
    except TimeoutError:
        raise body_too_slow(timeout_seconds) from None


def body_too_slow(timeout_seconds: float) -> EnvelopeError:
    """Return the answer to a body that does not come."""
    return EnvelopeError(408, "timeout", f"the body took longer than {timeout_seconds:g} s", field="body")


async def send_json(
    send: Send, status: int, value: Any, headers: Headers = (), *, unread: Receive | None = None
) -> None:
    """Send `value` as the whole answer.

    With `unread`, what still comes of the request is thrown away before the answer is ended: closing a connection
    that has unread bytes resets it, and a client that is still sending would then never read its answer.
    """
    body = msgspec.json.encode(value)
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", b"application/json"),
            (
                b"content-length",
                str(len(body)).encode(),
            ),  # no cache keeps the answer to a POST unless told to
            *headers,
        ],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": unread is not None})
    if unread is not None:
        await _discard(unread)
        await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    """Throw away what comes until the request ends, the client leaves or a bound is reached."""
    left = DISCARD_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):  # its end, or http.disconnect
                    return


def error_body(error: EnvelopeError, server_time: float) -> dict[str, Any]:
    """Return what every refused request is answered; the time lets a device with a wrong clock mend it."""
    return {
        "error": {"code": error.code, "field": error.field, "message": str(error)},
        "server_time": server_time,
    }


def error_headers(error: EnvelopeError) -> list[tuple[bytes, bytes]]:
    """Return the headers its status asks for (RFC 9110)."""
    headers = []
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="roadworthy"'))
    if error.status == 426:
        headers += [(b"upgrade", b"roadworthy-report/1"), (b"connection", b"upgrade")]
    if error.status in {408, 413}:  # what is still on its way is not waited for
        headers.append((b"connection", b"close"))
    if error.status == 405:
        headers.append((b"allow", b"POST"))
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", str(error.retry_after_seconds).encode()))
    return headers


def _too_large(limit: int) -> tuple[int, str, str]:
    return 413, "too_large", f"the body is larger than {limit} bytes; send it in parts"
