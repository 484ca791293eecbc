"""Talking to the main collector: the two POSTs of the contract, over one kept connection.

An answer that is not one of the documented ones (a sign-in page, a proxy, another program) is UnreachableError:
nothing is taken as held because something answered 200.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from roadworthy_collector import __version__
from roadworthy_collector.relay.errors import RefusalError, SecretError, UnreachableError

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_TOKEN = re.compile(r"rw1_[0-9a-f]{16}_[0-9a-f]{64}", re.ASCII)
_DEVICE = re.compile(r"rwd_[0-9a-f]{32}", re.ASCII)
_CODE = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_GZIP_LEVEL = 1
_MAX_ANSWER_BYTES = 4 * 1024 * 1024


class Enrolled(NamedTuple):
    """What the main collector answered an enrolment."""

    device_id: str
    token: str
    restricted: bool


class Taken(NamedTuple):
    """What it answered a report; `rejected` are (item, key, code) in its words."""

    received: int
    rejected: tuple[tuple[str, str, str], ...]
    next_call_seconds: float
    token: str | None
    policy: str | None


class Upstream:
    """The main collector at one address. Not for several threads at once; `close` it."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        secure = urlsplit(url).scheme == "https"
        self._where = url
        try:
            verify = ssl.create_default_context(cafile=ca_file) if secure else True
        except (OSError, ssl.SSLError) as error:
            raise SecretError(
                f"upstream_ca: {ca_file}: cannot be read as PEM certificates: {error}"
            ) from None
        self._client = httpx.Client(
            base_url=url,
            verify=verify,
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=secure,  # a proxy is for what leaves this machine
            headers={"user-agent": f"roadworthy-relay/{__version__}", "content-type": "application/json"},
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def enrol(self, body: bytes) -> Enrolled:
        """Enrol a device; raises RefusalError or UnreachableError."""
        answer = self._post("/api/v1/enrol", body, {})
        device_id, token = answer.get("device_id"), answer.get("token")
        if not (_is(device_id, _DEVICE) and _is(token, _TOKEN)):
            raise UnreachableError(f"{self._where}: its answer to an enrolment holds no device_id or token")
        return Enrolled(str(device_id), str(token), answer.get("restricted") is True)

    def report(self, token: str, body: bytes) -> Taken:
        """Send a report (JSON); raises RefusalError or UnreachableError."""
        headers = {"authorization": f"Bearer {token}", "content-encoding": "gzip"}
        answer = self._post("/api/v1/reports", gzip.compress(body, _GZIP_LEVEL, mtime=0), headers)
        received, rejected = answer.get("received"), answer.get("rejected")
        if not isinstance(received, int) or not isinstance(rejected, list):
            raise UnreachableError(f"{self._where}: its answer to a report is not a collector's")
        token_, policy = answer.get("token"), answer.get("collection_policy")
        return Taken(
            received,
            tuple(_rejected(item) for item in rejected if isinstance(item, dict)),
            _seconds(answer.get("next_call")),
            str(token_) if _is(token_, _TOKEN) else None,
            str(policy)[:32] if isinstance(policy, str) else None,
        )

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the JSON object of a 200 answer."""
        try:
            with self._client.stream("POST", path, content=body, headers=dict(headers)) as response:
                content = _bounded(response)
        except httpx.InvalidURL as error:
            raise UnreachableError(f"{self._where}: {error}") from error
        except httpx.HTTPError as error:
            raise UnreachableError(f"{self._where}: {type(error).__name__}: {error}") from error
        answer = _decoded(content)
        if response.status_code == httpx.codes.OK and isinstance(answer, dict):
            return answer
        raise self._refusal(response, answer)

    def _refusal(self, response: httpx.Response, answer: Any) -> RefusalError | UnreachableError:
        status = response.status_code
        wait = retry_after(response.headers.get("retry-after"), response.headers.get("date"))
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict) and _is(error.get("code"), _CODE):
            return RefusalError(status, error["code"], str(error.get("message") or error["code"])[:300], wait)
        if status in {413, 429} or status >= 500:  # also from a proxy on the way, in words of its own
            code = "too_large" if status == 413 else f"http_{status}"
            return RefusalError(status, code, f"{self._where} answered {status}", wait)
        return UnreachableError(
            f"{self._where} answered {status} and not as a Roadworthy collector does; "
            "check upstream_url, and whether a proxy stands between"
        )


def retry_after(value: str | None, date: str | None) -> float | None:
    """Return Retry-After in seconds: a number, or an HTTP date against the answer's own Date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if number := re.fullmatch(r"\s*(\d{1,9})\s*", value, re.ASCII):
        return float(number[1])
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(date or "")).total_seconds())
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, a year of twenty digits
        return None


def _bounded(response: httpx.Response) -> bytes:
    """Return the body, at most _MAX_ANSWER_BYTES of it: more is no answer of a collector."""
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > _MAX_ANSWER_BYTES:
            return b""
    return b"".join(parts)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _is(value: object, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _rejected(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(item.get("item", ""))[:16], str(item.get("key", ""))[:128], str(item.get("code", "other"))[:32]


def _seconds(value: object) -> float:
    """Return next_call as seconds, 0 where it is no number a person would have meant."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    number = float(value) if abs(value) < 1e12 else math.nan
    return number if 0 <= number <= 86_400 else 0.0
