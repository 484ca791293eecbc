"""The way to the collector, against real sockets and real TLS."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from agent.devices import TEN, TOKEN, Answer, Asked, ScriptedCollector, refusal
from hypothesis import example, given
from hypothesis import strategies as st
from support import free_port

from roadworthy_agent import send
from roadworthy_agent.errors import AnswerError, TransportError
from roadworthy_agent.send import Collector

BODY = gzip.compress(b"{}")


@pytest.fixture
def line(collector: ScriptedCollector) -> Iterator[Collector]:
    made = Collector(collector.url, environment={})
    yield made
    made.close()


def test_reports_go_over_one_kept_connection(line: Collector, collector: ScriptedCollector) -> None:
    for _ in range(3):
        line.report(TOKEN, BODY)
    assert collector.connections == 1
    line.close()
    line.report(TOKEN, BODY)
    assert collector.connections == 2


def test_a_kept_connection_the_other_side_closed_is_opened_again(collector: ScriptedCollector) -> None:
    collector.decide = lambda asked: Answer(200, collector.usual(asked).body, {"X-Once": "1"})
    line = Collector(collector.url, environment={})
    line.report(TOKEN, BODY)
    break_off(line)
    line.report(TOKEN, BODY)
    assert len(collector.reports()) == 2
    line.close()


def break_off(line: Collector) -> None:
    """End a kept connection under the agent, as an idle time-out on the way does."""
    assert isinstance(line._connection, socket.socket)
    line._connection.shutdown(socket.SHUT_RDWR)


def test_what_is_sent_says_what_it_is(line: Collector, collector: ScriptedCollector) -> None:
    line.report(TOKEN, BODY)
    headers = collector.asked[0].headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Encoding"] == "gzip"
    assert "User-Agent" not in headers  # a hundred times a day; what is sent says who sends it


def test_an_error_answer_keeps_its_code_field_and_retry_after(
    line: Collector, collector: ScriptedCollector
) -> None:
    body = {"error": {"code": "rate", "field": "periods", "message": "slow down"}}
    collector.decide = lambda _asked: Answer(429, body, {"Retry-After": "17"})
    with pytest.raises(AnswerError, match="slow down") as caught:
        line.report(TOKEN, BODY)
    error = caught.value
    assert (error.status, error.code, error.field, error.retry_after_seconds) == (
        429,
        "rate",
        "periods",
        17.0,
    )


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>Sign in to the network</html>"),
        Answer(200, b"[]"),
        Answer(200, {"ok": True}),
        Answer(200, {"rejected": [], "server_time": "now", "next_call": 900}),
        Answer(200, {"rejected": [], "server_time": 1.0, "next_call": None}),
        Answer(200, b'{"rejected": [], "server_time": NaN, "next_call": 900}'),
        Answer(200, {"rejected": "none", "server_time": 1.0, "next_call": 900}),
        Answer(200, {"rejected": [], "server_time": 12.0, "next_call": 900}),
        Answer(200, {"rejected": [], "server_time": 1e18, "next_call": 900}),
        Answer(302, b"", {"Location": "http://portal.example.org"}),
        Answer(404, b"not here"),
        Answer(403, b"proxy says no"),
        Answer(200, b"[" * 100_000),
        # a whole number that is none to a float
        Answer(200, b'{"rejected": [], "server_time": ' + b"9" * 400 + b', "next_call": 900}'),
        Answer(200, b'{"rejected": [], "server_time": 1778580000, "next_call": ' + b"9" * 400 + b"}"),
        # half a letter, which no file and no database takes
        Answer(
            200,
            b'{"rejected": [{"item": "period", "key": "1", "code": "x", "message": "\\ud800"}],'
            b' "server_time": 1778580000, "next_call": 900}',
        ),
    ],
    ids=lambda answer: f"{answer.status} {str(answer.body)[:30]}",
)
def test_what_is_no_collector_s_answer_is_never_taken_for_one(
    line: Collector, collector: ScriptedCollector, answer: Answer
) -> None:
    collector.decide = lambda _asked: answer
    with pytest.raises(TransportError):
        line.report(TOKEN, BODY)


def test_a_server_error_in_any_words_can_be_tried_again(
    line: Collector, collector: ScriptedCollector
) -> None:
    collector.decide = lambda _asked: Answer(
        502, b"Bad Gateway", {"Retry-After": "Tue, 12 May 2026 10:00:30 GMT"}
    )
    with pytest.raises(AnswerError) as caught:
        line.report(TOKEN, BODY)
    assert caught.value.code == "http_502"


def test_nobody_there_is_said_plainly() -> None:
    port = free_port()
    with pytest.raises(TransportError, match=rf"^http://127.0.0.1:{port}: Connection refused$"):
        Collector(f"http://127.0.0.1:{port}", environment={}).report(TOKEN, BODY)


def test_plain_http_goes_nowhere_else() -> None:
    with pytest.raises(TransportError, match="plain http goes only to this machine"):
        Collector("http://roadworthy.example.org")


def test_an_enrolment_answer_without_a_token_is_none(line: Collector, collector: ScriptedCollector) -> None:
    collector.decide = lambda _asked: Answer(
        200, {"device_id": "rwd_1", "token": "x", "server_time": 1, "next_call": 1}
    )
    with pytest.raises(TransportError, match="holds no device_id or token"):
        line.enrol({})


def test_a_token_with_a_line_s_end_is_none() -> None:
    """It could be sent in no header, and there would be no way back."""
    answer = {"rejected": [], "server_time": float(TEN), "next_call": 900, "token": f"{TOKEN}\n"}
    assert send.parse_accepted(answer).token is None


def test_an_enrolment_is_never_repeated_by_itself(line: Collector, collector: ScriptedCollector) -> None:
    line.report(TOKEN, BODY)
    break_off(line)
    with pytest.raises(TransportError):
        line.enrol({})
    assert [asked.path for asked in collector.asked] == ["/api/v1/reports"]


def test_a_base_path_comes_before_the_address(collector: ScriptedCollector) -> None:
    collector.decide = lambda _asked: collector.took(0)
    line = Collector(f"{collector.url}/base", environment={})
    line.report(TOKEN, BODY)
    line.close()
    assert collector.asked[0].path == "/base/api/v1/reports"


@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None)
@example("Mon, 01 Jan 2020 00:00:00 +99999999999999", "Mon, 01 Jan 2020 00:00:00 GMT")
@example("0\x1f", None)  # a blank to a pattern, none to float()
@given(st.text(max_size=40), st.one_of(st.none(), st.text(max_size=40)))
def test_any_retry_after_gives_seconds_or_nothing(value: str, date: str | None) -> None:
    found = send.parse_retry_after(value, date)
    assert found is None or found >= 0


def test_retry_after_may_be_a_date() -> None:
    now, later = "Tue, 12 May 2026 10:00:00 GMT", "Tue, 12 May 2026 10:02:00 GMT"
    assert send.parse_retry_after(later, now) == 120.0
    assert send.parse_retry_after(now, later) == 0.0
    assert send.parse_retry_after("5", None) == 5.0
    assert send.parse_retry_after(None, now) is None


def test_a_too_large_report_is_one_whoever_says_so(line: Collector, collector: ScriptedCollector) -> None:
    def decide(_asked: Asked) -> Answer:
        return Answer(413, b"<html>Request Entity Too Large</html>")

    collector.decide = decide
    with pytest.raises(AnswerError) as caught:
        line.report(TOKEN, BODY)
    assert caught.value.code == "too_large"
    collector.decide = lambda _asked: refusal(413, "decompressed_too_large")
    with pytest.raises(AnswerError) as again:
        line.report(TOKEN, BODY)
    assert again.value.code == "decompressed_too_large"


def test_an_answer_that_trickles_in_does_not_hold_the_agent() -> None:
    """Each byte is in time, the whole never is: a proxy that keeps the line warm, or somebody who means it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = Collector(f"http://127.0.0.1:{server.getsockname()[1]}", answer_seconds=0.5)
        ended = threading.Event()

        def trickle() -> None:
            peer, _address = server.accept()
            with peer, contextlib.suppress(OSError):
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not ended.wait(0.05):
                    peer.sendall(b" ")

        thread = threading.Thread(target=trickle)
        thread.start()
        began = time.monotonic()
        with pytest.raises(TransportError, match="no answer in time"):
            line.report(TOKEN, BODY)
        assert time.monotonic() - began < 20
        ended.set()
        thread.join()


def test_an_address_is_sent_as_it_may_be(collector: ScriptedCollector) -> None:
    line = Collector(f"{collector.url}/a b\u00fc%20c", environment={})
    collector.decide = lambda _asked: collector.took(0)
    line.report(TOKEN, BODY)
    line.close()
    assert collector.asked[0].path == "/a%20b%C3%BC%20c/api/v1/reports"
    assert collector.asked[0].headers["Host"] == collector.url.removeprefix("http://")


def test_a_rejection_s_texts_are_cut(line: Collector, collector: ScriptedCollector) -> None:
    item = {"item": "period", "key": "1778580000", "code": "schema", "field": "f", "message": "x" * 100_000}
    collector.decide = lambda _asked: collector.took(1, rejected=[item])
    (rejected,) = line.report(TOKEN, BODY).rejected
    assert rejected.message == "x" * 256
