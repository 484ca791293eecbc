"""Group commit when things go wrong: nobody waits for ever, nothing is acknowledged that is not held."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from collector.ingest.samples import (
    DECODER,
    NOW,
    START,
    Device,
    database_of,
    encoded,
    period,
    report,
    rows,
)
from sqlalchemy import Connection, Engine, select

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import writer as module
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.ingest.tripping import MOST, PROVEN_SECONDS, Tripping
from roadworthy_collector.ingest.writer import Incoming, Outcome, Writer, write_reports
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import postgresql, sqlite
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import devices


class EndOfThreadError(BaseException):
    """What no fault of a report can be."""


def incoming(device: Device, slot: int = 0, seq: int = 1) -> Incoming:
    decoded = DECODER.decode(encoded(report(device, seq=seq, periods=[period(START - 1800 * slot)])))
    return Incoming(device.row, decoded.report)


def tripping_over(start: int) -> Callable[..., list[Outcome]]:
    """Return a `write_reports` with a fault that one half-hour brings out."""

    def faulty(connection: Connection, group: Sequence[Incoming], *more: Any, **named: Any) -> list[Outcome]:
        if any(each.start == start for one in group for each in one.report.periods):
            raise KeyError("a fault")
        return write_reports(connection, group, *more, **named)

    return faulty


def with_writer(engine: Engine, folder: Path, work: Callable[[Writer], Awaitable[None]]) -> Writer:
    """Run `work` with a started writer, then stop it."""
    writer = Writer(engine, Settings(data=folder), lambda: NOW, Stats())

    async def run() -> None:
        await writer.start()
        try:
            await work(writer)
        finally:
            await writer.stop()

    asyncio.run(run())
    return writer


def test_stopping_writes_what_waits_and_takes_nothing_more(
    engine: Engine, device: Device, tmp_path: Path
) -> None:
    outcomes: list[Outcome] = []

    async def work(writer: Writer) -> None:
        waiting = [asyncio.ensure_future(writer.submit(incoming(device, slot))) for slot in range(50)]
        await asyncio.sleep(0)  # lets them into the queue
        await writer.stop()
        outcomes.extend(await asyncio.gather(*waiting))
        with pytest.raises(EnvelopeError, match="stopping"):
            await writer.submit(incoming(device, 99))

    with_writer(engine, tmp_path, work)
    assert [outcome[:3] for outcome in outcomes] == [(1, 1, [])] * 50
    assert len(rows(engine, "periods")) == 50


def test_how_late_half_hours_came_is_counted_once_they_are_held(
    engine: Engine, device: Device, tmp_path: Path
) -> None:
    refused = period(START - 1800 * 3, observed_seconds=1801)
    body = report(device, periods=[period(START), period(START - 86_400), refused, period(START + 1800 * 9)])
    decoded = DECODER.decode(encoded(body))

    async def work(writer: Writer) -> None:
        outcome = await writer.submit(Incoming(device.row, decoded.report, decoded.refused))
        assert outcome.accepted == 2
        assert {one.item for one in outcome.rejected} == {"period"}

    lags = with_writer(engine, tmp_path, work).stats.half_hour_lag_seconds
    counted = {bound: count for bound, count in zip(lags.bounds, lags.counts, strict=True) if count}
    assert counted == {300: 1, 259_200: 1}  # 100 s, and a day more
    assert lags.sum == 100 + 86_500


def test_a_database_that_cannot_be_written_is_said_once_and_acknowledges_nothing(
    engine: Engine, device: Device, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = open_engine(database_of(engine, tmp_path), read_only=True)
    refusals: list[EnvelopeError] = []

    async def work(writer: Writer) -> None:
        for slot in range(3):
            with pytest.raises(EnvelopeError, match="cannot be written") as caught:
                await writer.submit(incoming(device, slot))
            refusals.append(caught.value)
        assert writer.alive

    with caplog.at_level(logging.WARNING):
        with_writer(reader, tmp_path, work)
    reader.dispose()
    assert {(error.status, error.code) for error in refusals} == {(503, "busy")}
    assert all(5 <= (error.retry_after_seconds or 0) <= 60 for error in refusals)
    assert len(caplog.records) == 1
    assert rows(engine, "periods") == []


def test_a_locked_database_is_waited_for_once_a_group(
    engine: Engine, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(postgresql, "LOCK_TIMEOUT_SECONDS", 1)
    rows(engine, "periods")  # its connections are made with the usual patience
    impatient = open_engine(database_of(engine, tmp_path))
    took = 0.0

    async def work(writer: Writer) -> None:
        nonlocal took
        with write_transaction(engine) as other:
            other.execute(select(devices.c.id).with_for_update())
            waiting = [asyncio.ensure_future(writer.submit(incoming(device, slot))) for slot in range(50)]
            began = time.monotonic()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            took = time.monotonic() - began
            assert {getattr(answer, "code", None) for answer in answers} == {"busy"}
        assert (await writer.submit(incoming(device, 0)))[:3] == (1, 1, [])

    with_writer(impatient, tmp_path, work)
    impatient.dispose()
    assert took < 4  # two groups at most, not fifty waits


def test_a_report_the_program_trips_over_fails_alone(
    engine: Engine,
    device: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "write_reports", tripping_over(START - 1800 * 7))

    async def work(writer: Writer) -> None:
        waiting = [asyncio.ensure_future(writer.submit(incoming(device, slot))) for slot in range(10)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        refused = answers.pop(7)
        assert isinstance(refused, EnvelopeError)
        assert (refused.status, refused.code) == (503, "busy")
        assert [answer[:3] for answer in answers] == [(1, 1, [])] * 9  # type: ignore[index] # all outcomes
        assert writer.alive

    with_writer(engine, tmp_path, work)
    assert len(rows(engine, "periods")) == 9
    assert "KeyError: 'a fault'" in caplog.text


def test_a_report_the_program_trips_over_each_time_is_to_be_sent_in_parts(
    engine: Engine,
    device: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "write_reports", tripping_over(START))

    async def work(writer: Writer) -> None:
        said = []
        for seq in (1, 1, 1, 1, 2):  # 2: a part of it that holds the offender still
            with pytest.raises(EnvelopeError) as caught:
                await writer.submit(incoming(device, seq=seq))
            said.append((caught.value.status, caught.value.code, caught.value.field))
            await writer.submit(incoming(device, 1, seq=100))  # good ones between say nothing of it
        assert said == [(503, "busy", None)] * 3 + [(400, "schema", "body")] * 2

    with_writer(engine, tmp_path, work)
    assert caplog.text.count("Traceback") == 2  # once for each report


def test_a_report_that_is_written_after_all_starts_from_nothing(
    engine: Engine, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(writer: Writer) -> None:
        for _ in range(2):
            monkeypatch.setattr(module, "write_reports", tripping_over(START))
            for _ in range(3):
                with pytest.raises(EnvelopeError) as caught:
                    await writer.submit(incoming(device))
                assert (caught.value.status, caught.value.code) == (503, "busy")
            monkeypatch.setattr(module, "write_reports", write_reports)
            assert (await writer.submit(incoming(device)))[:2] == (1, 1)

    with_writer(engine, tmp_path, work)


def test_what_failed_is_remembered_within_bounds_and_for_an_hour(device: Device) -> None:
    now = NOW
    held = Tripping(lambda: now)
    for seq in range(1, 3 * MOST):
        assert held.failed(incoming(device, seq=seq)) == (True, False)
    assert held.failed(incoming(device, seq=1)) == (True, False)  # forgotten meanwhile
    assert len(held._failed) == MOST
    assert [held.failed(incoming(device, seq=1))[1] for _ in range(3)] == [False, False, True]
    assert held.failed(incoming(device, seq=5000)) == (True, True)
    assert held.failed(incoming(device._replace(row=device.row + 1), seq=5000)) == (True, False)
    now += PROVEN_SECONDS
    assert held.failed(incoming(device, seq=5001)) == (True, False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_the_program_ends_the_writer_and_leaves_nobody_waiting(
    engine: Engine, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object, **__: object) -> list[Outcome]:
        raise EndOfThreadError

    monkeypatch.setattr(module, "write_reports", faulty)

    async def work(writer: Writer) -> None:
        for said in ("the writer has ended", "cannot write"):
            with pytest.raises(EnvelopeError, match=said) as caught:
                await asyncio.wait_for(writer.submit(incoming(device)), 30)
            assert (caught.value.status, caught.value.code) == (503, "busy")
            await asyncio.to_thread(writer._thread.join, 30)  # type: ignore[union-attr] # started above
        assert not writer.alive

    with_writer(engine, tmp_path, work)
