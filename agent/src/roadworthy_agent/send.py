"""Talking to the collector: two POSTs over one kept connection, HTTP(S) by the standard library.

A reply that is not one of the documented ones (a captive portal, a proxy's page, another program) is a
TransportError: nothing is ever taken as held because something answered 200.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from roadworthy_agent import __version__
from roadworthy_agent.clock import LATEST
from roadworthy_agent.errors import AnswerError, TransportError
from roadworthy_agent.report import TEXT_LENGTH
from roadworthy_agent.settings import is_loopback
from roadworthy_agent.timeline import EARLIEST

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPConnection, HTTPResponse

REPORTS = "/api/v1/reports"
TIMEOUT_SECONDS = 30.0  # without a byte
ANSWER_SECONDS = 120.0  # for a whole exchange: a byte now and then must not hold the agent for ever
LARGEST_ANSWER_BYTES = 1_048_576
TOKEN = re.compile(r"^rw1_[0-9a-f]{16}_[0-9a-f]{64}$")
DEVICE = re.compile(r"^rwd_[0-9a-f]{32}$")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What enrolment answers."""

    device_id: str
    token: str
    server_time: float
    next_call_seconds: float


@dataclass(frozen=True, slots=True)
class Rejected:
    """One item the collector would not take."""

    item: str
    key: str
    code: str
    field: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a report is answered with."""

    rejected: tuple[Rejected, ...]
    server_time: float
    next_call_seconds: float
    token: str | None


class Collector:
    """The collector at one address. Not for several threads at once."""

    def __init__(
        self,
        server: str,
        ca_file: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._answer_seconds = answer_seconds
        self._parts = urlsplit(server)
        self._ca_file = ca_file
        self._environment = environment
        self._connection: HTTPConnection | None = None
        if self._parts.scheme == "http" and not is_loopback(self._parts.hostname or ""):
            raise TransportError(f"{server}: plain http goes only to this machine; use https")

    def enrol(self, request: Mapping[str, Any]) -> Enrolled:
        """Enrol with a key; raises AnswerError or TransportError."""
        body = json.dumps(request, ensure_ascii=False).encode()
        return parse_enrolled(self._post("/api/v1/enrol", body, {}))

    def report(self, token: str, body: bytes) -> Accepted:
        """Send a gzipped report; raises AnswerError or TransportError."""
        return parse_accepted(
            self._post(
                "/api/v1/reports", body, {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
            )
        )

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """Return the JSON object of a 200 answer."""
        import http.client

        headers = headers | {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"roadworthy-agent/{__version__}",
        }
        kept = self._connection is not None
        try:
            response = self._exchange(path, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if not kept or path != REPORTS:
                raise TransportError(f"{self._where}: {_words(error)}") from error
            # The other side had closed a kept connection; a report is safe to repeat.
            return self._post(path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TransportError(f"{self._where}: {_words(error)}") from error
        return self._answer(*response)

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        began = time.monotonic()
        limit = threading.Timer(self._answer_seconds, _hang_up, (self._connection,))
        limit.daemon = True
        limit.start()
        try:
            self._connection.request("POST", self._parts.path.rstrip("/") + path, body=body, headers=headers)
            response: HTTPResponse = self._connection.getresponse()
            content = response.read(LARGEST_ANSWER_BYTES + 1)
        finally:
            limit.cancel()
            if time.monotonic() - began >= self._answer_seconds:
                raise TimeoutError
        if len(content) > LARGEST_ANSWER_BYTES or response.will_close:
            self.close()
        return response.status, response.headers, content

    def _answer(self, status: int, headers: Any, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if status == 200 and isinstance(answer, dict):
            return answer
        retry_after = parse_retry_after(headers.get("Retry-After"), headers.get("Date"))
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict) and isinstance(error.get("code"), str):
            raise AnswerError(
                status,
                error["code"],
                str(error.get("message") or error["code"])[:500],
                field=error["field"] if isinstance(error.get("field"), str) else None,
                retry_after_seconds=retry_after,
            )
        if status in {413, 429} or status >= 500:  # also from a proxy on the way, in words of its own
            code = "too_large" if status == 413 else f"http_{status}"
            message = f"{self._where} answered {status}"
            raise AnswerError(status, code, message, retry_after_seconds=retry_after)
        raise TransportError(
            f"{self._where} answered {status} and not as a Roadworthy collector does; "
            "check the address, and whether a network sign-in page or proxy stands between"
        )

    @property
    def _where(self) -> str:
        return f"{self._parts.scheme}://{self._parts.netloc}"

    def _connect(self) -> HTTPConnection:
        import http.client

        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        context = tls_context(self._ca_file)
        proxy = proxy_for(host, self._environment)
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
        connection = http.client.HTTPSConnection(
            proxy.hostname or "", proxy.port or 8080, timeout=TIMEOUT_SECONDS, context=context
        )
        connection.set_tunnel(host, port or 443, headers=_proxy_headers(proxy))
        return connection


def _hang_up(connection: HTTPConnection) -> None:
    """End an exchange from another thread: whoever reads finds the connection closed."""
    import socket

    if connection.sock is not None:
        with contextlib.suppress(OSError):  # closed by the other side meanwhile
            connection.sock.shutdown(socket.SHUT_RDWR)


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts `ca_file`, else the system's authorities; TLS 1.2 at least."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise TransportError(f"{ca_file}: cannot read the certificates: {error.strerror or error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def proxy_for(host: str, environment: Mapping[str, str]) -> SplitResult | None:
    """Return the proxy that HTTPS_PROXY names for `host`, or None; NO_PROXY lists hosts and domains."""
    address = environment.get("HTTPS_PROXY") or environment.get("https_proxy")
    if not address:
        return None
    for entry in (environment.get("NO_PROXY") or environment.get("no_proxy") or "").split(","):
        domain = entry.strip().lstrip(".").casefold()
        if domain and (domain == "*" or host.casefold() == domain or host.casefold().endswith(f".{domain}")):
            return None
    proxy = urlsplit(address if "//" in address else f"http://{address}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise TransportError("HTTPS_PROXY must be an address such as http://proxy.example.org:3128")
    return proxy


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    import base64

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def parse_retry_after(value: str | None, date: str | None) -> float | None:
    """Return Retry-After in seconds: a number, or an HTTP date against the answer's own Date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if number := re.fullmatch(r"\s*(\d{1,9})\s*", value):
        return float(number[1])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(date or "")).total_seconds())
    except (ValueError, TypeError):
        return None


def parse_enrolled(answer: Mapping[str, Any]) -> Enrolled:
    """Return the answer to an enrolment; raises TransportError where it is not one."""
    device_id, token = answer.get("device_id"), answer.get("token")
    if not (
        isinstance(device_id, str)
        and DEVICE.match(device_id)
        and isinstance(token, str)
        and TOKEN.match(token)
    ):
        raise TransportError("the collector's answer to the enrolment holds no device_id or token")
    return Enrolled(device_id, token, _server_time(answer), _number(answer, "next_call"))


def parse_accepted(answer: Mapping[str, Any]) -> Accepted:
    """Return the answer to a report; raises TransportError where it is not one."""
    rejected = answer.get("rejected")
    if not isinstance(rejected, list) or not all(isinstance(item, dict) for item in rejected):
        raise TransportError("the collector's answer does not say which items it rejected")
    token = answer.get("token")
    return Accepted(
        rejected=tuple(_rejected(item) for item in rejected),
        server_time=_server_time(answer),
        next_call_seconds=_number(answer, "next_call"),
        token=token if isinstance(token, str) and TOKEN.match(token) else None,
    )


def _rejected(item: Mapping[str, Any]) -> Rejected:
    field, message = item.get("field"), item.get("message")
    return Rejected(
        item=str(item.get("item", ""))[:TEXT_LENGTH],
        key=str(item.get("key", ""))[:TEXT_LENGTH],
        code=str(item.get("code", "other"))[:TEXT_LENGTH],
        field=None if field is None else str(field)[:TEXT_LENGTH],
        message=None if message is None else str(message)[:TEXT_LENGTH],
    )


def _server_time(answer: Mapping[str, Any]) -> float:
    """Return the collector's time; one that cannot be right would place the device's history there for good."""
    at = _number(answer, "server_time")
    if not EARLIEST <= at < LATEST:
        raise TransportError(f"the collector's clock is wrong: its server_time is {at:.0f}")
    return at


def _number(answer: Mapping[str, Any], name: str) -> float:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TransportError(f"the collector's answer holds no {name}")
    return float(value)


def _words(error: Exception) -> str:
    """Return what went wrong with a connection in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    verify = getattr(error, "verify_message", "")
    if verify:
        return f"its certificate cannot be trusted: {verify}; set ca_file if your authority is a private one"
    strerror = getattr(error, "strerror", None)
    return str(strerror or error or type(error).__name__)
