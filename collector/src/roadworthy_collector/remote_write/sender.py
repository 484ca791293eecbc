"""One request to the receiver over HTTP; what its answer means is in `answer`."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import cramjam
import httpx

from roadworthy_collector import __version__
from roadworthy_collector.errors import SettingsError
from roadworthy_collector.remote_write.answer import Answer, Verdict, retry_after_seconds, verdict_of
from roadworthy_collector.remote_write.target import Target

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": f"roadworthy-collector/{__version__}",
}
_TEXT_BYTES = 4096
_SAID_LENGTH = 160


class Sender:
    """Sends to one receiver over one kept connection, opened with the first message; a context manager."""

    def __init__(self, target: Target, *, clock: Callable[[], float] = time.time) -> None:
        self._target = target
        self._clock = clock
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    def send(self, message: bytes) -> Answer:
        """Send one encoded WriteRequest.

        Raises SettingsError if the file of who signs the receiver's certificate cannot be used.
        """
        client = self._client = self._client or self._open()
        body = bytes(cramjam.snappy.compress_raw(message))
        try:
            with client.stream("POST", self._target.url, content=body) as answer:
                text = _first_bytes(answer)
        except httpx.TimeoutException as error:
            return Answer(Verdict.LATER, "timeout", type(error).__name__)
        except httpx.TransportError as error:
            return Answer(Verdict.LATER, "connection", _one_line(str(error)))
        return self._answer(answer.status_code, text, answer.headers)

    def _open(self) -> httpx.Client:
        # It would log every request; what fails is said once, in words, by the session.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        # Answers as they are: what unpacks them could be made to unpack far too much.
        headers = {**HEADERS, "Accept-Encoding": "identity"}
        if self._target.authorization is not None:
            headers["Authorization"] = self._target.authorization
        return httpx.Client(
            headers=headers,
            timeout=self._target.timeout_seconds,
            verify=_context(self._target),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1),
        )

    def _answer(self, status: int, text: str, headers: httpx.Headers) -> Answer:
        verdict = verdict_of(status, text, headers.get("Content-Type"))
        later = verdict is Verdict.LATER
        wait = retry_after_seconds(headers.get("Retry-After"), self._clock()) if later else None
        return Answer(verdict, str(status), _one_line(text), wait)


def _first_bytes(answer: httpx.Response) -> str:
    """Return the beginning of the answer's text: a receiver is not trusted to be brief."""
    held = b""
    for piece in answer.iter_raw(_TEXT_BYTES):
        held += piece
        if len(held) >= _TEXT_BYTES:
            break
    return held[:_TEXT_BYTES].decode("utf-8", "replace")


def _one_line(text: str) -> str:
    """Return text as it may stand in a log: one line, printable, not long."""
    words = " ".join(text.split())
    return "".join(letter for letter in words if letter.isprintable())[:_SAID_LENGTH]


def _context(target: Target) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=target.ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"remote_write_ca: {target.ca}: no certificates can be read: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
