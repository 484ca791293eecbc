"""What the collector's processes log: lines for people or JSON, no secrets, a failure once at each end."""

from __future__ import annotations

import io
import json
import logging
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import wait_until
from support.running import call, running

from roadworthy_collector.logs import AGAIN_SECONDS, Failing, JsonFormatter, Seldom, TextFormatter

TOKEN = f"rw1_{'a' * 16}_{'b' * 64}"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def logger(formatter: logging.Formatter) -> tuple[logging.Logger, io.StringIO]:
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(formatter)
    found = logging.getLogger("roadworthy_collector.tests")
    found.handlers[:] = [handler]
    found.propagate = False
    return found, sink


def test_a_line_of_json_has_its_parts() -> None:
    log, sink = logger(JsonFormatter())
    log.warning("the disk of %s", "the store", extra={"fields": {"free_bytes": 12, "path": None}})
    line = json.loads(sink.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning", "logger": "roadworthy_collector.tests", "message": "the disk of the store",
        "fields": {"free_bytes": 12, "path": None},
    }  # fmt: skip


def test_a_line_for_people_has_the_fields_too() -> None:
    log, sink = logger(TextFormatter())
    log.error("no room", extra={"fields": {"free_bytes": 12}})
    assert sink.getvalue().endswith("ERROR roadworthy_collector.tests: no room free_bytes=12\n")


@given(st.text())
def test_whatever_is_logged_is_one_line_of_json(text: str) -> None:
    log, sink = logger(JsonFormatter())
    log.error("%s", text, extra={"fields": {"said": text, "more": {"deep": text}}})
    (line,) = sink.getvalue().splitlines()
    assert set(json.loads(line)) == {"time", "level", "logger", "message", "fields"}


@given(st.text())
def test_whatever_is_logged_is_one_line_for_people(text: str) -> None:
    log, sink = logger(TextFormatter())
    log.error("%s", text, extra={"fields": {"said": text}})
    assert len(sink.getvalue().splitlines()) == 1
    assert "\x1b" not in sink.getvalue()


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_no_secret_is_in_a_line(formatter: logging.Formatter) -> None:
    log, sink = logger(formatter)
    try:
        raise ValueError(f"Authorization: Bearer {TOKEN}")  # noqa: TRY301 - to have a traceback
    except ValueError:
        fields = {
            "password": "hunter2-hunter2",
            "url": "https://ada:hunter2@host/x",
            "deep": {"token": TOKEN},
        }
        log.exception("with %s", TOKEN, extra={"fields": fields})
    said = sink.getvalue()
    assert "ValueError" in said
    assert "b" * 64 not in said
    assert "hunter2" not in said


def test_a_failure_is_said_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    failing = Failing(logging.getLogger("x"), "reports cannot be written", "they are again", monotonic=clock)
    assert not failing.heal()
    assert failing.begin("the disk is full\nwith the statement and its values", store="sqlite")
    assert failing.active
    for _ in range(1000):
        assert not failing.begin("still full")
    clock.now += 90
    assert failing.heal()
    assert not failing.heal()
    assert [record.getMessage() for record in caplog.records] == [
        "reports cannot be written: the disk is full", "they are again",
    ]  # fmt: skip
    assert [record.fields for record in caplog.records] == [
        {"failure": "begins", "store": "sqlite"}, {"failure": "ends", "failed_seconds": 90.0},
    ]  # fmt: skip
    assert failing.begin("again")  # what comes back is another failure


def test_what_nobody_tells_the_end_of_is_said_seldom(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    seldom = Seldom(logging.getLogger("x"), monotonic=clock)
    for _ in range(50):
        seldom.warn("the database is locked")
    clock.now += AGAIN_SECONDS
    seldom.warn("the database is locked")
    assert [record.fields["unsaid"] for record in caplog.records] == [0, 49]


def test_every_line_of_a_running_collector_is_json(tmp_path: Path) -> None:
    """The server's own too: it is told something that is no HTTP."""
    with running(
        "up", folder=tmp_path, ROADWORTHY_LOG_FORMAT="json", ROADWORTHY_LOG_LEVEL="debug"
    ) as started:
        started.wait_ready()
        wait_until(lambda: "Roadworthy is at" in started.said(), what="the word that it is ready")
        with socket.create_connection(("127.0.0.1", started.port)) as raw:
            raw.sendall(b"this is no HTTP\r\n\r\n")
            raw.settimeout(10)
            while raw.recv(4096):
                pass
    lines = [json.loads(line) for line in started.said().splitlines()]
    assert any("Roadworthy is at" in line["message"] for line in lines)
    assert any(line["logger"].startswith("uvicorn") for line in lines)
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)


def test_why_a_process_ends_is_json_too(tmp_path: Path) -> None:
    done = call("serve", "--host", "192.0.2.1", folder=tmp_path, ROADWORTHY_LOG_FORMAT="json")
    assert done.returncode == 2
    line = json.loads(done.stderr.splitlines()[-1])
    assert line["level"] == "critical"
    assert line["message"].startswith("192.0.2.1: plain http is for loopback only")


def test_what_is_below_the_level_is_not_said() -> None:
    code = (
        "import logging; from roadworthy_collector import logs; logs.configure('text', 'warning');"
        "logging.getLogger('roadworthy_collector.x').info('quiet'); logging.getLogger('x').warning('loud')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loud" in done.stderr
    assert "quiet" not in done.stderr
