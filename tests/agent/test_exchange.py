"""As much of HTTP as the agent speaks, against whatever may answer."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.errors import TransportError
from roadworthy_agent.exchange import LARGEST_ANSWER_BYTES, Response, post


class Said:
    """A stream on which everything has been said already, in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self.sent = b""

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def recv(self, most: int) -> bytes:
        if not self.pieces:
            return b""
        piece, self.pieces[:1] = (
            self.pieces[0][:most],
            [self.pieces[0][most:]] if self.pieces[0][most:] else [],
        )
        return piece

    def close(self) -> None:
        pass


def answered(*pieces: bytes) -> Response:
    return post(Said([piece for piece in pieces if piece]), "/", {}, b"", deadline=time.monotonic() + 60)


HEAD = b"HTTP/1.1 200 OK\r\n"


@given(
    st.lists(st.binary(max_size=40)), st.sampled_from([b"", b"HTTP/1.1 ", HEAD, HEAD + b"Content-Length: "])
)
def test_any_bytes_are_an_answer_or_none_and_nothing_else(pieces: list[bytes], begin: bytes) -> None:
    with contextlib.suppress(TransportError, ConnectionResetError):
        assert 100 <= answered(begin, *pieces).status < 600


@given(
    st.binary(max_size=3000),
    st.lists(st.integers(1, 900), max_size=6),
    st.sampled_from(["length", "chunks", "end"]),
)
def test_a_body_arrives_whole_however_it_is_cut(body: bytes, cuts: list[int], framing: str) -> None:
    if framing == "chunks":
        middle = len(body) // 2
        chunks = [part for part in (body[:middle], body[middle:]) if part]
        coded = (
            b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in chunks)
            + b"0\r\nTrailer: x\r\n\r\n"
        )
        whole = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + coded
    elif framing == "length":
        whole = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    else:
        whole = HEAD + b"\r\n" + body
    pieces, rest = [], whole
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    response = answered(*pieces, rest)
    assert response.content == body
    assert response.closes == (framing == "end")


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b" folded: line\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 10\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"X: " + b"x" * 70_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    ],
)
def test_a_malformed_answer_is_told_as_one(said: bytes) -> None:
    with pytest.raises(TransportError):
        answered(said)


def test_an_interim_answer_comes_before_the_real_one_and_an_old_server_closes() -> None:
    assert (
        answered(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n").status
        == 200
    )
    assert answered(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").closes
    assert answered(HEAD + b"Connection: Close\r\nContent-Length: 0\r\n\r\n").closes
    assert answered(HEAD + b"Content-Length: 0\r\n\r\nmore").closes  # nobody asked for more


def test_an_answer_without_an_end_is_cut() -> None:
    response = answered(HEAD + b"\r\n", *[b"x" * 65_536] * 40)
    assert (len(response.content), response.closes) == (LARGEST_ANSWER_BYTES + 1, True)


@pytest.mark.parametrize(("name", "text"), [("Authorization", "Bearer a\r\nX: y"), ("Host", "m\u00fcnchen")])
def test_no_header_can_smuggle_another(name: str, text: str) -> None:
    stream = Said([])
    with pytest.raises(TransportError, match=f"{name} holds letters"):
        post(stream, "/", {name: text}, b"", deadline=time.monotonic() + 60)
    assert stream.sent == b""


def test_a_header_of_blanks_costs_no_more_than_its_length() -> None:
    began = time.monotonic()
    answer = answered(HEAD + b"X-Wide: x" + b" " * 60_000 + b"y \t\r\nContent-Length: 0\r\n\r\n")
    assert answer.headers["x-wide"] == "x" + " " * 60_000 + "y"
    assert time.monotonic() - began < 5  # as a pattern it took seven seconds on a fast machine
