"""Talking to the collector: two POSTs over one kept connection. HTTP is spoken here, TLS beside the agent.

A reply that is not one of the documented ones (a captive portal, a proxy's page, another program) is a
TransportError: nothing is ever taken as held because something answered 200.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from roadworthy_agent import apart, tunnel
from roadworthy_agent.clock import LATEST
from roadworthy_agent.errors import AgentError, AnswerError, KeyFileError, TransportError
from roadworthy_agent.exchange import TIMEOUT_SECONDS, Response, Stream, post
from roadworthy_agent.report import TEXT_LENGTH
from roadworthy_agent.settings import is_loopback
from roadworthy_agent.timeline import EARLIEST

if TYPE_CHECKING:
    from roadworthy_agent.client_certificate import ClientCertificate

REPORTS = "/api/v1/reports"
ANSWER_SECONDS = 120.0  # for a whole exchange: a byte now and then must not hold the agent for ever
TOKEN = re.compile(r"rw1_[0-9a-f]{16}_[0-9a-f]{64}")
DEVICE = re.compile(r"rwd_[0-9a-f]{32}")


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
    collection_policy: str | None = (
        None  # what the collector asks for; it can only be stricter than the device's
    )
    resend_facts: bool = False  # whether it wants the facts although they did not change


class Collector:
    """The collector at one address. Not for several threads at once."""

    def __init__(
        self,
        server: str,
        ca_file: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        answer_seconds: float = ANSWER_SECONDS,
        *,
        proxy: str | None = None,
        client: ClientCertificate | None = None,
        own_process: bool | None = None,
    ) -> None:
        """Take what is known of the way; `own_process` says whether TLS gets one, None: where that can be."""
        self._answer_seconds = answer_seconds
        self._parts = urlsplit(server)
        self._path = quote(self._parts.path.rstrip("/"), safe="/%~!$&'()*+,;=:@")
        self._ca_file = ca_file
        self._proxy = proxy
        self._client = client
        self._environment = environment
        self._own_process = apart.possible() if own_process is None else own_process
        self._connection: Stream | None = None
        if self._parts.scheme == "http" and not is_loopback(self._parts.hostname or ""):
            raise TransportError(f"{server}: plain http goes only to this machine; use https")

    def enrol(self, request: Mapping[str, Any]) -> Enrolled:
        """Enrol with a key, or with the token of the device this is a copy of; raises AnswerError or TransportError."""
        body = json.dumps(request, ensure_ascii=False).encode()
        return parse_enrolled(self._post("/api/v1/enrol", body, {}))

    def report(self, token: str, body: bytes) -> Accepted:
        """Send a gzipped report; raises AnswerError or TransportError."""
        return parse_accepted(
            self._post(
                "/api/v1/reports", body, {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
            )
        )

    def check(self) -> None:
        """Raise what would keep a call from being made at all: certificates, key or proxy; sends nothing."""
        if self._parts.scheme == "https":
            try:
                tunnel.tls_context(self._way())
            except tunnel.FaultError as fault:
                raise _told(fault) from fault

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """Return the JSON object of a 200 answer."""
        kept = self._connection is not None
        try:
            response = self._exchange(path, body, headers)
        except ConnectionError as error:
            self.close()
            if not kept or path != REPORTS:
                raise TransportError(f"{self._where}: {tunnel.words(error)}") from error
            # The other side had closed a kept connection; a report is safe to repeat.
            return self._post(path, body, headers)
        except (OSError, TransportError) as error:
            self.close()
            raise TransportError(f"{self._where}: {tunnel.words(error)}") from error
        return self._answer(response.status, response.headers, response.content)

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> Response:
        deadline = time.monotonic() + self._answer_seconds
        if self._connection is None:
            self._connection = self._connect()
        headers = {
            "Host": self._host(),
            "Content-Type": "application/json",
        } | headers
        response = post(self._connection, self._path + path, headers, body, deadline=deadline)
        if response.closes:
            self.close()
        return response

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
        answer = _decoded(content)
        if status == 200 and isinstance(answer, dict):
            return answer
        retry_after = parse_retry_after(headers.get("retry-after"), headers.get("date"))
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

    def _host(self) -> str:
        """Return what the Host header holds."""
        usual = {"http": 80, "https": 443}[self._parts.scheme]
        host, port = self._name(), self._parts.port or usual
        host = f"[{host}]" if ":" in host else host
        return host if port == usual else f"{host}:{port}"

    def _name(self) -> str:
        """Return the collector's host name in ASCII."""
        name = self._parts.hostname or ""
        try:
            return name if name.isascii() else name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise TransportError(f"{name!r} is no name a host can have") from error

    def _connect(self) -> Stream:
        if self._parts.scheme == "http":
            plain = socket.create_connection((self._name(), self._parts.port or 80), TIMEOUT_SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return plain
        way = self._way()
        if self._own_process:
            return apart.Apart(way, self._answer_seconds)
        try:
            return tunnel.open_tls(way)
        except tunnel.FaultError as fault:
            raise _told(fault) from fault

    def _way(self) -> dict[str, str]:
        """Return `tunnel.FIELDS`: where to connect, through what, and which files say who is who."""
        host = self._name()
        way = dict.fromkeys(tunnel.FIELDS, "") | {"host": host, "port": str(self._parts.port or 443)}
        way["ca_file"] = str(self._ca_file or "")
        if self._client is not None:
            from roadworthy_agent.client_certificate import check_private

            check_private(self._client.secret)
            way |= {"certificate": str(self._client.certificate), "key": str(self._client.key or "")}
        from roadworthy_agent.proxy import DEFAULT_PORT, proxy_for, proxy_headers

        if (proxy := proxy_for(host, self._environment, self._proxy)) is not None:
            way |= {"proxy_host": proxy.hostname or "", "proxy_port": str(proxy.port or DEFAULT_PORT)}
            way["proxy_sign_in"] = proxy_headers(proxy).get("Proxy-Authorization", "")
        if wrong := [name for name, value in way.items() if not value.isprintable()]:
            raise TransportError(f"{wrong[0]} holds letters that cannot be written in one line")
        return way


def _told(fault: tunnel.FaultError) -> AgentError:
    return KeyFileError(str(fault)) if fault.kind == tunnel.KEY else TransportError(str(fault))


def parse_retry_after(value: str | None, date: str | None) -> float | None:
    """Return Retry-After in seconds: a number, or an HTTP date against the answer's own Date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if number := re.fullmatch(r"\s*(\d{1,9})\s*", value):
        return float(number[1])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(date or "")).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, a year of twenty digits
        return None


def parse_enrolled(answer: Mapping[str, Any]) -> Enrolled:
    """Return the answer to an enrolment; raises TransportError where it is not one."""
    device_id, token = answer.get("device_id"), answer.get("token")
    if not (
        isinstance(device_id, str)
        and DEVICE.fullmatch(device_id)
        and isinstance(token, str)
        and TOKEN.fullmatch(token)
    ):
        raise TransportError("the collector's answer to the enrolment holds no device_id or token")
    return Enrolled(device_id, token, _server_time(answer), _number(answer, "next_call"))


def parse_accepted(answer: Mapping[str, Any]) -> Accepted:
    """Return the answer to a report; raises TransportError where it is not one."""
    rejected = answer.get("rejected")
    if not isinstance(rejected, list) or not all(isinstance(item, dict) for item in rejected):
        raise TransportError("the collector's answer does not say which items it rejected")
    token, policy, again = (answer.get(name) for name in ("token", "collection_policy", "resend"))
    return Accepted(
        rejected=tuple(_rejected(item) for item in rejected),
        server_time=_server_time(answer),
        next_call_seconds=_number(answer, "next_call"),
        token=token if isinstance(token, str) and TOKEN.fullmatch(token) else None,
        collection_policy=policy if isinstance(policy, str) else None,
        resend_facts=isinstance(again, list) and "facts" in again,
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
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)
    except OverflowError:  # JSON's whole numbers have no end
        number = math.nan
    if not math.isfinite(number):
        raise TransportError(f"the collector's answer holds no {name}")
    return number


def _decoded(content: bytes) -> Any:
    """Return what JSON holds, None where it is none, or holds half a letter (a lone surrogate) that no file takes."""
    try:
        answer = json.loads(content)
        json.dumps(answer, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return answer
