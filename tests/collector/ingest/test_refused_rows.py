"""A report the database itself refuses: told apart from a database that fails, final in the end, never for all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from collector.ingest.samples import (
    DECODER,
    NOW,
    START,
    Device,
    add_device,
    encoded,
    period,
    report,
    rows,
    startup,
)
from collector.ingest.test_reports_app import Clock, Server, running
from sqlalchemy import Connection, Engine, delete, insert, text

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import writer as module
from roadworthy_collector.ingest.batch import Incoming, Outcome
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.ingest.tripping import ALONE, PATIENT_SECONDS
from roadworthy_collector.ingest.writer import Writer
from roadworthy_collector.security import erasure
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

LATER, REFUSED = (503, "busy", None), (400, "schema", "body")


@contextmanager
def one_host_a_name(engine: Engine) -> Iterator[None]:
    """Have the database refuse a second device of the same host name, for as long as the block lasts."""
    with write_transaction(engine) as connection:
        connection.execute(text("CREATE UNIQUE INDEX one_hostname ON devices (hostname)"))
    try:
        yield
    finally:
        with write_transaction(engine) as connection:
            connection.execute(text("DROP INDEX one_hostname"))


def named(hostname: str = "DESK-SECRET", seq: int = 1) -> dict[str, Any]:
    return {"facts": {"hostname": hostname}, "seq": seq}


def test_a_report_the_database_refuses_is_final_once_others_are_taken(
    engine: Engine, device: Device, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = add_device(engine, "b")
    with one_host_a_name(engine), running(Server(engine, tmp_path, Clock())) as server:
        assert server.report(device, **named()).status == 200
        said = []
        for number in range(ALONE + 2):
            said.append(server.report(other, **named()).error)
            good = server.report(device, seq=number + 2, periods=[period(START - 1800 * number)])
            assert good.body["accepted"] == 1  # nobody else is held up
        assert said == [LATER] * ALONE + [REFUSED] * 2
        # A part of it that holds the offender still is refused at once, the rest is taken.
        assert server.report(other, **named(seq=2)).error == REFUSED
        assert server.report(other, seq=3, startups=[startup()]).body["accepted"] == 1
        assert server.report(other, **named("DESK-2", seq=4)).status == 200
    told = [one.getMessage() for one in caplog.records if "refused by the database" in one.getMessage()]
    assert len(told) == 2  # once for each report
    assert other.device_id in told[0]
    assert "one_hostname" in told[0] or "devices.hostname" in told[0]
    assert "DESK-SECRET" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_group_is_tried_one_by_one(engine: Engine, device: Device, tmp_path: Path) -> None:
    others = [add_device(engine, digits) for digits in "bcd"]
    writer = Writer(engine, Settings(data=tmp_path), lambda: NOW, Stats())
    with one_host_a_name(engine):
        results = submitted(writer, [incoming(one, **named()) for one in (device, *others)])
    assert [isinstance(one, Outcome) for one in results] == [True, False, False, False]
    assert {one.status for one in results if isinstance(one, EnvelopeError)} == {503}


def test_where_nothing_is_written_the_database_may_be_at_fault_for_a_day(
    engine: Engine, device: Device, tmp_path: Path
) -> None:
    now = NOW
    other = add_device(engine, "b")
    writer = Writer(engine, Settings(data=tmp_path), lambda: now, Stats())
    with one_host_a_name(engine):
        with write_transaction(engine) as connection:
            connection.execute(
                schema.devices.update().where(schema.devices.c.id == device.row).values(hostname="PC")
            )

        async def work() -> list[int]:
            nonlocal now
            await writer.start()
            said = [await status(writer, incoming(other, **named("PC"))) for _ in range(ALONE + 5)]
            now += PATIENT_SECONDS
            said.append(await status(writer, incoming(other, **named("PC"))))
            await writer.stop()
            return said

        assert asyncio.run(work()) == [503] * (ALONE + 5) + [400]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.needs("postgresql")
def test_a_number_the_database_gives_out_twice_is_no_reports_fault(
    engine: Engine, device: Device, tmp_path: Path
) -> None:
    """As after a restore that left a sequence behind: reports wait until somebody has mended it."""
    now = NOW
    row = {"device": device.row, "received_at": int(NOW), "bytes": 1, "passing": False, "body": b"x"}
    with write_transaction(engine) as connection:
        connection.execute(insert(schema.relay_outbox), [{"id": id_, **row} for id_ in range(1, 60)])
    settings = Settings(data=tmp_path, relay_file_drop=True)
    writer = Writer(engine, settings, lambda: now, Stats())

    async def work() -> None:
        nonlocal now
        await writer.start()
        for _ in range(2):
            for _ in range(ALONE + 1):
                assert await status(writer, incoming(device, periods=[period()])) == 503
            now += PATIENT_SECONDS + 1
        with write_transaction(engine) as connection:
            connection.execute(delete(schema.relay_outbox))
        assert await status(writer, incoming(device, periods=[period()])) == 200
        await writer.stop()

    asyncio.run(work())
    assert len(rows(engine, "periods")) == 1


@pytest.mark.parametrize("way", ["application", "direct"])
def test_a_report_after_its_devices_erasure_is_of_a_device_nobody_knows(
    engine: Engine, device: Device, tmp_path: Path, way: str
) -> None:
    with running(Server(engine, tmp_path, Clock(), way=way)) as server:
        assert server.report(device, periods=[period()]).body["accepted"] == 1
        with write_transaction(engine) as connection:
            erasure.begin(connection, device.device_id, reason="request 114", now=int(NOW))
        gone = [server.report(device, seq=2, periods=[period(START - 1800)]) for _ in "ab"]
        with write_transaction(engine) as connection:
            due = NOW + erasure.WAIT_SECONDS
            assert erasure.finish(connection, device.row, now=due, zone="Europe/London")
        gone += [server.report(device, seq=3, periods=[period(START - 3600)]) for _ in "ab"]
    assert {answer.error for answer in gone} == {(401, "unknown", "authorization")}
    for kept in (schema.devices, schema.use_slots, schema.relay_outbox, schema.tokens):
        assert rows(engine, kept) == []


@pytest.mark.parametrize("gone", [True, False])
def test_a_device_deleted_while_its_report_is_written_is_unknown(
    engine: Engine,
    device: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gone: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Whatever finds out: the look at the device, or the foreign key of a row about it."""
    if gone:
        with write_transaction(engine) as connection:
            connection.execute(delete(schema.devices).where(schema.devices.c.id == device.row))
        (found,) = submitted(
            Writer(engine, Settings(data=tmp_path), lambda: NOW, Stats()), [incoming(device)]
        )
        assert isinstance(found, EnvelopeError)
        assert (found.status, found.code, found.field) == (401, "unknown", "authorization")

    def late(connection: Connection, group: Sequence[Incoming], *_: Any, **__: Any) -> list[Outcome]:
        row = {"device": device.row + (0 if gone else 1000), "day": START // 86_400 * 86_400}
        connection.execute(insert(schema.dirty), [row for _ in group])
        return []

    monkeypatch.setattr(module, "write_reports", late)
    (found,) = submitted(Writer(engine, Settings(data=tmp_path), lambda: NOW, Stats()), [incoming(device)])
    assert isinstance(found, EnvelopeError)
    # A reference to something else that is missing is no word about the device.
    assert (found.status, found.code) == ((401, "unknown") if gone else (503, "busy"))


@pytest.mark.parametrize("statement", ["SELECT nothing FROM nowhere", "SELECT FROM WHERE"])
def test_a_table_that_is_missing_is_the_databases_fault_however_often(
    engine: Engine,
    device: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    statement: str,
) -> None:
    def unfit(connection: Connection, *_: Any, **__: Any) -> list[Outcome]:
        connection.execute(text(statement))
        return []

    monkeypatch.setattr(module, "write_reports", unfit)
    writer = Writer(engine, Settings(data=tmp_path), lambda: NOW, Stats())

    async def work() -> list[int]:
        await writer.start()
        said = [await status(writer, incoming(device)) for _ in range(ALONE + 5)]
        await writer.stop()
        return said

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(work()) == [503] * (ALONE + 5)
    assert len(caplog.records) == 1


def incoming(device: Device, **parts: Any) -> Incoming:
    return Incoming(device.row, DECODER.decode(encoded(report(device, **parts))).report)


async def status(writer: Writer, one: Incoming) -> int:
    """Return what the sender of a report is answered."""
    try:
        await writer.submit(one)
    except EnvelopeError as error:
        return error.status
    return 200


def submitted(writer: Writer, group: Sequence[Incoming]) -> list[Outcome | BaseException]:
    """Return what became of reports that come at the same moment."""

    async def work() -> list[Outcome | BaseException]:
        await writer.start()
        try:
            return await asyncio.gather(*map(writer.submit, group), return_exceptions=True)
        finally:
            await writer.stop()

    return asyncio.run(work())
