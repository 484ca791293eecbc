"""One POST over an open connection: as much of HTTP/1.1 (RFC 9112) as an agent needs.

`http.client` does far more and brings the `email` package for it, 1.4 MB and 12 ms. What comes in is not trusted: a
head, an answer and the time they take are bounded, and what is no answer is told as that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from roadworthy_agent.errors import TransportError

TIMEOUT_SECONDS = 30.0  # without a byte
HEAD_BYTES = 65_536
LARGEST_ANSWER_BYTES = 1_048_576
MOST_INTERIM = 10  # 1xx answers before the real one
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?")
# Blanks around the value are stripped afterwards: as a part of the pattern they cost their number squared.
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)")
WITHOUT_BODY = frozenset({204, 304})


class Stream(Protocol):
    """A connected socket, or what looks like one."""

    def settimeout(self, seconds: float) -> None:
        """Set how long one operation may take."""

    def sendall(self, data: bytes) -> None:
        """Send all bytes."""

    def recv(self, most: int) -> bytes:
        """Return bytes, none at the end."""

    def close(self) -> None:
        """Close."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: names of headers in lower case, of several of one name the first.

    `content` is at most one byte longer than LARGEST_ANSWER_BYTES; `closes` says that nothing more can be asked on
    this connection.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    closes: bool


def post(
    stream: Stream, target: str, headers: Mapping[str, str], body: bytes, *, deadline: float
) -> Response:
    """Send a POST and return its answer by `deadline` (of time.monotonic).

    `target` and `headers` are sent as they are; what would end a line early is refused. Raises ConnectionError where the other
    side closed before an answer began, another OSError where the network fails or time runs out, TransportError
    where what comes is no answer.
    """
    for name, text in (("target", target), *headers.items()):
        if not (text.isascii() and text.isprintable()):
            raise TransportError(f"{name} holds letters that cannot be sent")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    lines = f"POST {target} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n"
    stream.settimeout(_left(deadline))
    stream.sendall(lines.encode("ascii") + body)
    return _Answer(stream, deadline).read()


def _left(deadline: float) -> float:
    """Return how long the next operation may take."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(left, TIMEOUT_SECONDS)


class _Answer:
    """Reads one answer off a stream."""

    def __init__(self, stream: Stream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._held = bytearray()
        self._head_bytes = 0

    def read(self) -> Response:
        for _ in range(MOST_INTERIM):
            minor, status = self._status()
            headers = self._headers()
            if status >= 200:
                break
        else:
            raise TransportError("only interim answers came")
        content, framed = self._content(status, headers)
        tokens = {token.strip() for token in headers.get("connection", "").casefold().split(",")}
        kept = "close" not in tokens and (minor == 1 or "keep-alive" in tokens)
        closes = not (framed and kept) or bool(self._held) or len(content) > LARGEST_ANSWER_BYTES
        return Response(status, headers, content, closes)

    def _status(self) -> tuple[int, int]:
        if not self._held and not self._more():
            raise ConnectionResetError("the connection was closed without an answer")
        found = STATUS_LINE.fullmatch(self._line())
        if found is None:
            raise TransportError("what answered does not speak HTTP/1.1")
        return int(found[1]), int(found[2])

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._line():
            found = FIELD.fullmatch(line)
            if found is None:
                raise TransportError("the answer's head is malformed")
            name, value = found[1].decode("ascii").lower(), found[2].strip(b" \t").decode("latin-1")
            # RFC 9112, 6.3: two lengths, or two ways to tell the end, are how answers are smuggled.
            if name in {"content-length", "transfer-encoding"} and headers.get(name, value) != value:
                raise TransportError(f"the answer has two different {name} headers")
            headers.setdefault(name, value)
        return headers

    def _content(self, status: int, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        """Return the body and whether its end was told rather than found by the connection's end."""
        if status in WITHOUT_BODY:
            return b"", True
        encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if encoding is not None:
            if encoding.casefold() != "chunked":
                raise TransportError("the answer comes in an encoding the agent does not know")
            return self._chunks(), length is None
        if length is None:
            return self._rest(), False
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise TransportError("the answer's length is no number")
        return self._exactly(min(int(length), LARGEST_ANSWER_BYTES + 1)), True

    def _chunks(self) -> bytes:
        content = bytearray()
        while True:
            size = self._line().partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
                raise TransportError("the answer's chunks are malformed")
            if (count := int(size, 16)) == 0:
                break
            content += self._exactly(min(count, LARGEST_ANSWER_BYTES + 1))
            if len(content) > LARGEST_ANSWER_BYTES:
                return bytes(content[: LARGEST_ANSWER_BYTES + 1])
            if self._line():
                raise TransportError("the answer's chunks are malformed")
        while self._line():
            pass  # trailers
        return bytes(content)

    def _rest(self) -> bytes:
        while len(self._held) <= LARGEST_ANSWER_BYTES and self._more():
            pass
        content, self._held = bytes(self._held[: LARGEST_ANSWER_BYTES + 1]), bytearray()
        return content

    def _exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more_or_broken()
        content = bytes(self._held[:count])
        del self._held[:count]
        return content

    def _line(self) -> bytes:
        """Return the next line without its end; all lines of an answer together are bounded."""
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) + self._head_bytes > HEAD_BYTES:
                raise TransportError("the answer's head is too long")
            self._more_or_broken()
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        self._head_bytes += len(line)
        if self._head_bytes > HEAD_BYTES:
            raise TransportError("the answer's head is too long")
        return line[:-1].removesuffix(b"\r")

    def _more_or_broken(self) -> None:
        if not self._more():
            raise TransportError("the answer broke off")

    def _more(self) -> bool:
        self._stream.settimeout(_left(self._deadline))
        data = self._stream.recv(65_536)
        self._held += data
        return bool(data)
