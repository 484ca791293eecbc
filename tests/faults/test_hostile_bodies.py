"""Bodies no agent should send: each is taken alike by both stores or refused in words, and never asked for again.

A report that is answered 503 comes again for ever, and behind it all its agent has; so none of these may be.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from collector.ingest.samples import fresh_database, recorded
from faults.collector import sized
from faults.values import ALL, TOKENS, Place, paths, replaced
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load.fleet import Member, enrol_in_store
from load.plan import Plan
from sqlalchemy import Engine, Table, insert, select
from sqlalchemy.exc import DataError
from support import postgres
from support.facts import KINDS

from roadworthy_collector.ingest.access import Access
from roadworthy_collector.ingest.asgi import ReportsApp
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.ingest.writer import Writer
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.faults import is_database_fault, is_refused_value

REPORT = recorded("full")
NOW = REPORT["sent_at"] + 1.0
TAKEN_OR_REFUSED = {200, 400, 403, 413, 426}
# Of all pairs of a place and a value one in so many is tried: no place and no value is left out.
EVERY = sized(40, 1)
LOOKED_AT = sized(1, 10)  # of the devices, one in so many has its half-hours compared
AT_ONCE = 64
PLAN = Plan("0badcafe", int(NOW) // 1800 * 1800 - 1800)
# What is told of devices and what follows from it. Not `histograms`: how large a group was when a sign-in was counted
# depends on which reports were written together.
TABLES: tuple[Table, ...] = (
    schema.startups,
    schema.signins,
    schema.gaps,
    schema.device_now,
    schema.probe_status,
    schema.batteries,
    schema.disks,
    schema.counters,
    schema.quarantine,
    schema.state_days,
    schema.energy_days,
    schema.battery_days,
)
FACTS = ("boot_id", "agent_version", "platform", "hostname", "serial", "model", "os_name", "facts", "agent")
Said = tuple[int, Any]


class Case(NamedTuple):
    """A value in a place."""

    place: Place
    text: str

    def body(self, member: Member) -> bytes:
        """Return the report of a device with it."""
        return replaced({**REPORT, "device_id": member.device_id}, self.place, self.text)


def cases() -> list[Case]:
    """Return what is tried: each value in each place, or a share of that which leaves out neither."""
    return [
        Case(place, text)
        for row, place in enumerate(paths(REPORT))
        for column, text in enumerate((*ALL, *TOKENS))
        if (row + column) % EVERY == 0
    ]


def send_all(
    engine: Engine, folder: Path, bodies: Sequence[tuple[Member, bytes]], **headers: str
) -> list[Said]:
    """Send each body as its device's, many at once, to reports as `serve` takes them; return the answers."""

    async def send() -> list[Said]:
        stats, told = Stats(), Settings(data=folder)
        access = Access(engine)
        writer = Writer(engine, told, lambda: NOW, stats, access)
        app = ReportsApp(writer, access, told, lambda: NOW, reports_per_minute=10**9)
        await writer.start()
        answers: list[Said] = []
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1"
        ) as client:

            async def one(member: Member, body: bytes) -> Said:
                named = {"Authorization": f"Bearer {member.token}", **headers}
                answer = await client.post("/api/v1/reports", content=body, headers=named)
                said = json.loads(answer.text.replace(member.device_id, "the device"))
                return answer.status_code, {**said, "server_time": 0, "next_call": 0}

            for begin in range(0, len(bodies), AT_ONCE):
                answers += await asyncio.gather(*(one(*body) for body in bodies[begin : begin + AT_ONCE]))
        assert writer.alive
        await writer.stop()
        return answers

    return asyncio.run(send())


@contextmanager
def both_stores(folder: Path) -> Iterator[dict[str, Engine]]:
    """Yield an engine on a new database of each kind."""
    url = postgres.fresh_database()
    server = open_engine(url)
    with fresh_database(folder) as file:
        yield {"sqlite": file, "postgresql": server}
    server.dispose()
    postgres.give_back(url)


def contents(engine: Engine) -> dict[str, Any]:
    """Return everything the reports have left, as far as it is the same however they were grouped."""
    found: dict[str, Any] = {}
    with engine.connect() as connection:
        ids = connection.scalars(select(schema.devices.c.id).order_by(schema.devices.c.id)).all()[::LOOKED_AT]
        for kind, read in KINDS.items():
            found[kind] = [row for device in ids for row in read(connection, device)]
        for table in TABLES:
            columns = [
                column for column in table.columns if not (table is schema.quarantine and column.name == "id")
            ]
            rows = [row._asdict() for row in connection.execute(select(*columns))]
            found[table.name] = sorted((_plain(row) for row in rows), key=repr)
        columns = [schema.devices.c[name] for name in FACTS]
        rows = [row._asdict() for row in connection.execute(select(*columns).order_by(schema.devices.c.id))]
        found["devices"] = [_plain(row) for row in rows]
    return found


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its whole numbers as such: PostgreSQL rounds `at`, SQLite keeps what it is given."""
    return {
        name: round(value) if name == "at" else bytes(value) if isinstance(value, memoryview) else value
        for name, value in row.items()
    }


@pytest.mark.needs("postgresql")
def test_any_value_in_any_place_is_taken_alike_by_both_stores_or_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tried = cases()
    answers, left = {}, {}
    with both_stores(tmp_path) as engines, caplog.at_level(logging.WARNING):
        for name, engine in engines.items():
            database = engine.url if name == "postgresql" else tmp_path / "roadworthy.db"
            fleet = enrol_in_store(database, len(tried), PLAN, now=int(NOW) - 3600)
            bodies = [(member, case.body(member)) for member, case in zip(fleet, tried, strict=True)]
            answers[name], left[name] = send_all(engine, tmp_path, bodies), contents(engine)
    assert {case.place for case in tried} == set(paths(REPORT))
    assert {case.text for case in tried} == {*ALL, *TOKENS}
    for case, one, other in zip(tried, answers["sqlite"], answers["postgresql"], strict=True):
        assert one == other, case
        assert one[0] in TAKEN_OR_REFUSED, (case, one)
    for what, rows in left["sqlite"].items():
        assert rows == left["postgresql"][what], what
    assert [record.message for record in caplog.records] == []


@pytest.mark.needs("postgresql")
def test_texts_that_postgresql_would_refuse_are_kept_with_a_mark_or_cut_on_both(tmp_path: Path) -> None:
    told = {**REPORT, "facts": {**REPORT["facts"], "hostname": "desk\0"}, "boot_id": "\\\0u0000"}
    told["agent"] = {**REPORT["agent"], "version": "v" * 256}
    with both_stores(tmp_path) as engines:
        for name, engine in engines.items():
            database = engine.url if name == "postgresql" else tmp_path / "roadworthy.db"
            member = enrol_in_store(database, 1, PLAN, now=int(NOW) - 3600)[0]
            body = json.dumps({**told, "device_id": member.device_id}).encode()
            assert [status for status, _ in send_all(engine, tmp_path, [(member, body)])] == [200]
            columns = (schema.devices.c.hostname, schema.devices.c.boot_id, schema.devices.c.agent_version)
            with engine.connect() as connection:
                kept = tuple(connection.execute(select(*columns)).one())
            assert kept == ("desk\ufffd", "\\\ufffdu0000", "v" * 64)


@pytest.mark.needs("postgresql")
def test_a_value_a_database_cannot_hold_is_told_from_a_database_that_fails(tmp_path: Path) -> None:
    row = {"name": "n", "label": "l", "value": 1}
    with both_stores(tmp_path) as engines:
        for engine, values in (
            (engines["postgresql"], {"label": "\0"}),
            (engines["sqlite"], {"value": 2**64}),
        ):
            with pytest.raises((DataError, OverflowError)) as caught, write_transaction(engine) as connection:
                connection.execute(insert(schema.counters), row | values)
            assert is_refused_value(caught.value)
            assert not is_database_fault(caught.value)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Path, Member]]:
    folder = tmp_path_factory.mktemp("bodies")
    with fresh_database(folder) as engine:
        yield engine, folder, enrol_in_store(folder / "roadworthy.db", 1, PLAN, now=int(NOW) - 3600)[0]


def gzipped(*members: bytes) -> bytes:
    return b"".join(gzip.compress(member, 9) for member in members)


def test_bombs_and_broken_compression_are_refused_before_they_cost_anything(
    device: tuple[Engine, Path, Member],
) -> None:
    engine, folder, member = device
    good = json.dumps({**REPORT, "device_id": member.device_id}).encode()
    bomb = gzipped(bytes(64 * 1024 * 1024))
    wrong_length = gzipped(good)[:-4] + (2**32 - 1).to_bytes(4, "little")
    wrong_sum = bytearray(gzipped(good))
    wrong_sum[-5] ^= 1
    expected = {
        gzipped(good): 200,
        bomb: 413,
        gzipped(bomb): 400,  # unpacked once it is no JSON, and it is unpacked once
        gzipped(gzipped(good)): 400,
        gzipped(good[:100], good[100:]): 400,
        gzipped(good, bytes(64 * 1024 * 1024)): 400,
        gzipped(good) + b"trailing": 400,
        gzipped(good)[:-9]: 400,
        gzipped(good)[: len(gzipped(good)) // 2]: 400,
        wrong_length: 400,
        bytes(wrong_sum): 400,
        zlib.compress(good): 400,
        b"": 400,
        b"\x1f\x8b": 400,
    }
    answers = send_all(engine, folder, [(member, body) for body in expected], **{"Content-Encoding": "gzip"})
    assert [status for status, _ in answers] == list(expected.values())
    assert {said["error"]["code"] for status, said in answers if status != 200} == {
        "bad_gzip",
        "decompressed_too_large",
        "malformed_json",
    }


@given(
    st.lists(
        st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)), min_size=20, max_size=20
    )
)
@settings(
    max_examples=sized(15, 500),
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_bytes_are_refused_in_words(device: tuple[Engine, Path, Member], bodies: list[bytes]) -> None:
    engine, folder, member = device
    for headers in ({}, {"Content-Encoding": "gzip"}):
        for status, said in send_all(engine, folder, [(member, body) for body in bodies], **headers):
            assert (status, set(said["error"])) == (400, {"code", "field", "message"})


@given(st.data())
@settings(
    max_examples=sized(40, 2000),
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
def test_a_report_with_bytes_changed_is_taken_or_refused(
    device: tuple[Engine, Path, Member], data: st.DataObject
) -> None:
    engine, folder, member = device
    good = json.dumps({**REPORT, "device_id": member.device_id}).encode()
    changed = []
    for _ in range(20):
        body = bytearray(good)
        for at in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=4)):
            body[at] = data.draw(st.integers(0, 255))
        changed.append((member, bytes(body)))
    assert {status for status, _ in send_all(engine, folder, changed)} <= TAKEN_OR_REFUSED
