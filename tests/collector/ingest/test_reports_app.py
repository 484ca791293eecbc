"""POST /api/v1/reports as an agent sees it: over HTTP, against a real server."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import zlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn
from collector.ingest.samples import (
    NOW,
    START,
    Device,
    add_device,
    encoded,
    period,
    recorded,
    report,
    rows,
)
from sqlalchemy import Connection, Engine, delete, select
from support import free_port, wait_until
from support.serving import serving

from roadworthy_collector.connections import BoundedHead
from roadworthy_collector.ingest import direct
from roadworthy_collector.ingest.access import Access
from roadworthy_collector.ingest.asgi import REPORTS_PATH, ReportsApp, openapi_paths
from roadworthy_collector.ingest.direct import protocol_for
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.ingest.writer import Writer
from roadworthy_collector.security import tokens
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import devices, quarantine

MAX_BODY = 20_000
MAX_REPORT = 200_000


class Clock:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, str, str | None]:
        """Return status, code and field."""
        return self.status, self.body["error"]["code"], self.body["error"]["field"]


class Server:
    """Ingest on a real port, and what it counts."""

    def __init__(
        self, engine: Engine, folder: Path, clock: Clock, *, way: str = "application", **more: Any
    ) -> None:
        settings = Settings(data=folder, max_body_bytes=MAX_BODY, max_report_bytes=MAX_REPORT, **more)
        self.port = free_port()
        self.stats = Stats()
        access = Access(engine)
        self.writer = Writer(engine, settings, lambda: NOW, self.stats, access)
        self.app = ReportsApp(self.writer, access, settings, lambda: NOW, monotonic=clock)
        self.protocol = BoundedHead if way == "application" else protocol_for(self.app)
        if way == "direct":
            access.load()

    def send(
        self,
        body: bytes,
        token: str | None,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        chunked: bool = False,
    ) -> Answer:
        """Send one request on its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = ({} if token is None else {"Authorization": f"Bearer {token}"}) | (headers or {})
        with closing(connection):
            payload: Any = (body[at : at + 5000] for at in range(0, len(body), 5000)) if chunked else body
            connection.request(method, REPORTS_PATH, payload, sent, encode_chunked=chunked)
            response = connection.getresponse()
            found = json.loads(response.read())
            return Answer(
                response.status, found, {name.lower(): value for name, value in response.getheaders()}
            )

    def report(self, device: Device, **parts: Any) -> Answer:
        """Send a report of a device, compressed."""
        body = gzip.compress(encoded(report(device, **parts)))
        return self.send(body, device.token, headers={"Content-Encoding": "gzip"})


@contextmanager
def running(server: Server, *, write: bool = True) -> Iterator[Server]:
    """Serve from a thread of this process; without `write` nothing is taken from the queue."""
    config = uvicorn.Config(
        server.app,
        port=server.port,
        loop="asyncio",
        http=server.protocol,
        log_level="warning",
        access_log=False,
        lifespan="off",
    )

    async def with_writer(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if write:
            await server.writer.start()
        await serve()
        await server.writer.stop()

    with serving(config, around=with_writer):
        yield server


@contextmanager
def nobody_else_writes(engine: Engine) -> Iterator[Connection]:
    """Hold what every report needs: on SQLite the file, on PostgreSQL the devices."""
    with write_transaction(engine) as connection:
        connection.execute(select(devices.c.id).with_for_update())
        yield connection


@pytest.fixture
def clock() -> Clock:
    """Return the server's monotonic clock."""
    return Clock()


@pytest.fixture(params=["application", "direct", "direct at the second time"])
def server(
    engine: Engine, device: Device, tmp_path: Path, clock: Clock, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """Yield a running server that knows the device; nobody can tell which way a report goes in it."""
    with running(Server(engine, tmp_path, clock, way=request.param)) as server:
        yield server


def test_a_report_is_taken_and_its_replay_is_answered_the_same(server: Server, device: Device) -> None:
    parts = {"periods": [period(), period(START - 1800, samples=-1)]}
    first = server.report(device, **parts)
    again = server.report(device, **parts)
    assert first.status == 200
    assert first.body == {
        "received": 2,
        "accepted": 1,
        "rejected": [
            {
                "item": "period",
                "key": START - 1800,
                "code": "out_of_range",
                "field": "samples",
                "message": "must lie between 0 and 1800",
            }
        ],
        "next_call": first.body["next_call"],
        "server_time": NOW,
    }
    assert 810 <= first.body["next_call"] <= 900
    assert again.body == first.body
    assert server.stats.reports == {"accepted": 2}
    assert server.stats.items == {("period", "accepted"): 2, ("period", "rejected"): 2}
    # The answer is on its way before its duration is noted.
    wait_until(lambda: sum(server.stats.request_seconds.counts) == 2, what="both durations")
    assert sum(server.stats.commit_seconds.counts) == server.stats.committed_reports == 2
    assert server.stats.queued == 0


def test_every_recorded_field_travels(server: Server, engine: Engine, device: Device) -> None:
    body = encoded(recorded("full") | {"device_id": device.device_id})
    answer = server.send(body, device.token)
    assert (answer.status, answer.body["received"], answer.body["accepted"]) == (200, 6, 6)
    assert server.stats.items == {
        (item, "accepted"): count
        for item, count in {
            "period": 2,
            "day": 1,
            "startup": 1,
            "signin": 1,
            "gap": 1,
            "probe": 2,
            "now": 1,
            "facts": 1,
        }.items()
    }


def test_next_call_is_the_devices_own_and_spread(server: Server, engine: Engine) -> None:
    fleet = [add_device(engine, digit) for digit in "123456789bcdef"]
    calls = {each.device_id: server.report(each).body["next_call"] for each in fleet}
    assert calls == {each.device_id: server.report(each, seq=2).body["next_call"] for each in fleet}
    assert all(810 <= seconds <= 900 for seconds in calls.values())
    assert len(set(calls.values())) > len(fleet) // 2


def test_nothing_of_a_body_is_read_before_its_sender_is_known(server: Server) -> None:
    """The head alone, with a body announced that never comes, gets its answer."""
    for authorization, error in (
        ("", (401, "missing_token", "authorization")),
        ("Authorization: Bearer hello\r\n", (401, "unknown", "authorization")),
        ("Authorization: Basic eDp5\r\n", (401, "unknown", "authorization")),
        (f"Authorization: Bearer {tokens.issue('rw1').text}\r\n", (401, "unknown", "authorization")),
        (f"Authorization: Bearer {tokens.issue('rws1').text}\r\n", (401, "unknown", "authorization")),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            head = f"POST {REPORTS_PATH} HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: 5000\r\n\r\n"
            connection.sendall(head.encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            answer = Answer(response.status, json.loads(response.read()), dict(response.getheaders()))
        assert answer.error == error
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_wrong_secret_is_unknown(server: Server, device: Device) -> None:
    wrong = device.token[:-64] + "0" * 64
    error = (401, "unknown", "authorization")
    assert server.send(b"{}", wrong).error == error
    assert server.report(device).status == 200
    assert server.send(b"{}", wrong).error == error  # also while the right one is remembered


@pytest.mark.parametrize(
    ("reason", "error"),
    [("revoked", (403, "revoked", "authorization")), ("re_enrol", (401, "re_enrol", "authorization"))],
)
def test_a_revocation_holds_at_once(
    server: Server, engine: Engine, device: Device, reason: str, error: tuple[int, str, str]
) -> None:
    assert server.report(device).status == 200
    with write_transaction(engine) as connection:
        tokens.revoke_device(connection, device.device_id, reason=reason, now=int(NOW))
    answer = server.report(device, periods=[period()])
    assert answer.error == error
    assert rows(engine, "periods") == []


def test_a_rotated_token_ends_the_old_one_when_it_is_first_used(
    server: Server, engine: Engine, device: Device, clock: Clock
) -> None:
    assert server.report(device).status == 200
    with write_transaction(engine) as connection:
        newer = tokens.create_device_token(connection, device.row, now=int(NOW))
    clock.seconds += 5
    assert server.report(device).status == 200
    assert server.report(device._replace(token=newer.text)).status == 200
    clock.seconds += 5
    assert server.report(device).error == (401, "re_enrol", "authorization")
    assert server.report(device._replace(token=newer.text)).status == 200


def test_a_report_for_another_device_is_refused(server: Server, engine: Engine, device: Device) -> None:
    other = add_device(engine, "b")
    answer = server.report(device, device_id=other.device_id, periods=[period()])
    assert answer.error == (403, "wrong_device", "device_id")
    assert rows(engine, "periods") == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", (400, "malformed_json", "body")),
        (b"", (400, "malformed_json", "body")),
        (encoded({"schema_version": "1.0"}), (400, "schema", "device_id")),
        (encoded({"schema_version": "2.0"}), (426, "upgrade_required", "schema_version")),
        (encoded(recorded("wrong-major")), (426, "upgrade_required", "schema_version")),
    ],
)
def test_each_fault_of_the_envelope_has_its_typed_error(
    server: Server, device: Device, body: bytes, error: tuple[int, str, str | None]
) -> None:
    answer = server.send(body, device.token)
    assert answer.error == error
    assert set(answer.body) == {"error", "server_time"}
    assert set(answer.body["error"]) == {"code", "field", "message"}
    assert answer.headers["content-type"] == "application/json"
    assert ("upgrade" in answer.headers) == (error[0] == 426)
    assert server.stats.reports == {error[1]: 1}


def test_a_body_past_the_bound_is_refused_whatever_it_says_about_itself(
    server: Server, device: Device
) -> None:
    error = (413, "too_large", "body")
    assert server.send(b"x" * (MAX_BODY + 1), device.token).error == error
    assert server.send(b"x" * (MAX_BODY * 3), device.token, chunked=True).error == error
    head = f"POST {REPORTS_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {device.token}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"{head}Content-Length: {10**12}\r\n\r\n".encode())  # a terabyte, it says
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert Answer(response.status, json.loads(response.read()), {}).error == error
        assert response.getheader("connection") == "close"
    assert server.report(device).status == 200


def test_bodies_up_to_the_bounds_are_taken(server: Server, engine: Engine, device: Device) -> None:
    many = [period(START - 1800 * n) for n in range(300)]
    assert server.report(device, periods=many).body["accepted"] == 300  # large: decoded outside the loop
    body = encoded(report(device, padding="x" * 5000))
    body = body[:-1] + b" " * (MAX_BODY - len(body)) + body[-1:]
    assert len(body) == MAX_BODY
    assert server.send(body, device.token, chunked=True).status == 200


def test_a_zip_bomb_is_refused(server: Server, device: Device) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(15)) + packer.flush()
    assert len(bomb) < MAX_BODY
    answer = server.send(bomb, device.token, headers={"Content-Encoding": "gzip"})
    assert answer.error == (413, "decompressed_too_large", "body")


@pytest.mark.parametrize(
    ("encoding", "error"),
    [
        ("br", (415, "unsupported_encoding", "content-encoding")),
        ("gzip, gzip", (415, "unsupported_encoding", "content-encoding")),
        ("gzip", (400, "bad_gzip", "body")),
    ],
)
def test_only_gzip_or_nothing(
    server: Server, device: Device, encoding: str, error: tuple[int, str, str | None]
) -> None:
    body = encoded(report(device))
    assert server.send(body, device.token, headers={"Content-Encoding": encoding}).error == error
    assert server.send(body, device.token, headers={"Content-Encoding": "identity"}).status == 200
    packed = gzip.compress(body)
    assert server.send(packed, device.token, headers={"Content-Encoding": "GZIP"}).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post(server: Server, device: Device, method: str) -> None:
    answer = server.send(b"", device.token, method=method)
    assert answer.error == (405, "method_not_allowed", None)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("clock_seconds", [0.0, 4_070_908_800.0], ids=["1970", "2099"])
def test_a_wrong_clock_loses_only_what_it_dates(
    server: Server, engine: Engine, device: Device, clock_seconds: float
) -> None:
    start = int(clock_seconds) // 1800 * 1800
    answer = server.report(device, sent_at=clock_seconds, periods=[period(start), period()])
    assert (answer.status, answer.body["accepted"], answer.body["server_time"]) == (200, 1, NOW)
    (refused,) = answer.body["rejected"]
    assert (refused["key"], refused["code"]) == (start, "too_old" if start == 0 else "in_future")
    assert [row["key"] for row in rows(engine, quarantine)] == [str(start)]


def test_one_device_cannot_take_all_the_room(
    server: Server, engine: Engine, device: Device, clock: Clock
) -> None:
    codes = [server.report(device).status for _ in range(245)]
    assert codes == [200] * 240 + [429] * 5
    answer = server.report(device)
    assert answer.error == (429, "rate", None)
    waits = {int(server.report(device).headers["retry-after"]) for _ in range(20)}
    assert all(1 <= wait <= 121 for wait in waits)
    assert len(waits) > 1  # else all who wait would come back at once
    assert server.report(add_device(engine, "b")).status == 200
    clock.seconds += 60
    assert server.report(device).status == 200


def test_a_device_past_its_limit_is_refused_before_anything_is_unpacked(
    server: Server, device: Device, clock: Clock
) -> None:
    unreadable = {"Content-Encoding": "gzip"}
    codes = [server.send(b"not gzip", device.token, headers=unreadable).status for _ in range(240)]
    assert codes == [400] * 240
    # Unpacked it would be a 400 again, and a bomb 8 MB of work.
    assert server.send(b"not gzip", device.token, headers=unreadable).status == 429
    clock.seconds += 60
    assert server.report(device).status == 200


def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    server: Server, engine: Engine, device: Device
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = f"POST {REPORTS_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {device.token}\r\n"
        connection.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
    wait_until(lambda: server.stats.reports["client_gone"] == 1, what="the server to notice")
    assert rows(engine, "periods") == []
    assert server.report(device).status == 200


def test_requests_sent_at_once_are_answered_one_after_another(
    server: Server, engine: Engine, device: Device
) -> None:
    """HTTP lets a client send the next request before it has the answer to the last one."""
    bodies = [encoded(report(device, seq=n + 1, periods=[period(START - 1800 * n)])) for n in range(3)]
    head = f"POST {REPORTS_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {device.token}\r\n"
    sent = b"".join(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as answers:  # one for all: it may have read into the next answer
            for _ in bodies:
                assert answers.readline().startswith(b"HTTP/1.1 200 ")
                length = int(http.client.parse_headers(answers)["content-length"])
                assert json.loads(answers.read(length))["accepted"] == 1
    assert len(rows(engine, "periods")) == 3
    assert server.stats.committed_reports == server.stats.reports["accepted"] == 3


def test_a_body_that_does_not_come_is_given_up(
    engine: Engine, device: Device, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "BODY_TIMEOUT_SECONDS", 0.2)
    with running(Server(engine, tmp_path, clock, way="direct")) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            head = f"POST {REPORTS_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {device.token}\r\n"
            connection.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            found = json.loads(response.read())
        assert (response.status, found["error"]["code"], found["server_time"]) == (408, "timeout", NOW)
        assert response.getheader("connection") == "close"
        assert server.stats.reports["timeout"] == 1
        assert server.report(device).status == 200


def test_a_full_queue_turns_reports_away_and_later_takes_them(
    engine: Engine, tmp_path: Path, clock: Clock, device: Device
) -> None:
    """While somebody holds the database's write lock, the queue fills up."""
    answers: list[Answer] = []
    with running(Server(engine, tmp_path, clock, queue_reports=2)) as server:
        senders = [
            threading.Thread(
                target=lambda n=n: answers.append(server.report(device, periods=[period(START - 1800 * n)]))
            )
            for n in range(12)
        ]
        with nobody_else_writes(engine):
            for sender in senders:
                sender.start()
            wait_until(lambda: len(answers) >= 1, what="a report turned away")
            turned_away = list(answers)
        for sender in senders:
            sender.join(30)
    assert {answer.error for answer in turned_away} == {(503, "busy", None)}
    assert all(5 <= int(answer.headers["retry-after"]) <= 60 for answer in turned_away)
    taken = [answer for answer in answers if answer.status == 200]
    assert len(taken) >= 2
    assert len(rows(engine, "periods")) == len(taken)
    assert server.stats.reports["accepted"] == len(taken)


def test_waiting_reports_are_written_in_one_commit(
    engine: Engine, tmp_path: Path, clock: Clock, device: Device
) -> None:
    with running(Server(engine, tmp_path, clock)) as server:
        senders = [
            threading.Thread(
                target=server.report, args=(device,), kwargs={"periods": [period(START - 1800 * n)]}
            )
            for n in range(10)
        ]
        with nobody_else_writes(engine):
            for sender in senders:
                sender.start()
            wait_until(lambda: server.stats.queued == 10, what="a queue")
        for sender in senders:
            sender.join(30)
    assert server.stats.committed_reports == 10
    assert sum(server.stats.commit_seconds.counts) <= 3
    assert len(rows(engine, "periods")) == 10


def test_a_report_of_a_deleted_device_fails_alone(
    engine: Engine, tmp_path: Path, clock: Clock, device: Device
) -> None:
    doomed = add_device(engine, "d")
    answers: dict[str, Answer] = {}
    with running(Server(engine, tmp_path, clock)) as server:
        senders = [
            threading.Thread(
                target=lambda each=each: answers.update(
                    {each.device_id: server.report(each, periods=[period()])}
                )
            )
            for each in (device, doomed)
        ]
        with nobody_else_writes(engine) as connection:
            for sender in senders:
                sender.start()
            wait_until(lambda: server.stats.queued == 2, what="both to be admitted")
            connection.execute(delete(devices).where(devices.c.id == doomed.row))
        for sender in senders:
            sender.join(30)
    assert answers[device.device_id].status == 200
    assert answers[doomed.device_id].error == (401, "unknown", "authorization")


def test_without_a_writer_nothing_is_acknowledged(
    engine: Engine, tmp_path: Path, clock: Clock, device: Device
) -> None:
    with running(Server(engine, tmp_path, clock), write=False) as server:
        assert not server.writer.alive
        assert server.report(device, periods=[period()]).error == (503, "busy", None)
    assert rows(engine, "periods") == []


def test_the_route_is_documented_with_every_code(server: Server) -> None:
    operation = openapi_paths()[REPORTS_PATH]["post"]
    assert set(operation["responses"]) == {
        *("200", "400", "401", "403", "405", "408", "409", "413", "415", "426", "429", "503")
    }
