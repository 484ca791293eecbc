"""Ends the series of devices that have left: stale markers, once, at the instant they left.

    silent       its half-hours' series, three calls after its last, on the next half-hour: what a device that one
                 person uses shows of its hours is never finer than that
    no samples   a series that has missed three of its half-hours or days, after the third
    retired      when it was taken out of service
    restricted, erased   now: nobody wrote down when

One millisecond later than said here: half-hours that come late have their samples on the half-hour, and a receiver
takes one sample for an instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roadworthy_collector.remote_write import held, sink
from roadworthy_collector.remote_write.answer import Verdict
from roadworthy_collector.remote_write.held import Held
from roadworthy_collector.remote_write.protobuf import Sample, write_request
from roadworthy_collector.remote_write.series import Key, Labels, Live
from roadworthy_collector.remote_write.session import Session
from roadworthy_collector.store.queries.states import MISSING_INTERVALS
from roadworthy_collector.store.slots import PERIOD_SECONDS

_DEVICES_AT_ONCE = 500


def end_series(session: Session, labels: Labels) -> int:
    """End the series of all devices that have left; return of how many. Raises WaitError as `Session.post`."""
    done = 0
    while not session.work.stop.is_set():
        now = session.work.clock()
        with session.work.engine.connect() as connection:
            interval = session.work.settings.report_interval_seconds
            rows = held.list_leaving(connection, now, interval, _DEVICES_AT_ONCE)
        if not rows:
            break
        _end(session, labels, rows, now)
        done += len(rows)
    return done


def markers(row: Any, live: Live, now: float) -> dict[Key, int]:
    """Return {series: when it ends, milliseconds} of a row of `held.list_leaving`."""
    if row.erased or row.restricted:
        ends = dict.fromkeys(live, int(now))
    elif row.retired_at is not None:
        ends = dict.fromkeys(live, int(row.retired_at))
    else:
        ends = {}
        silent_at = -(-row.silent_at // PERIOD_SECONDS) * PERIOD_SECONDS
        for key, (end, length) in live.items():
            missed_at = end + MISSING_INTERVALS * length
            due = [missed_at] if missed_at < now else []
            if length == PERIOD_SECONDS and silent_at <= now:
                due.append(silent_at)
            if due:
                ends[key] = min(due)
    return {key: max(end * 1000, row.newest) + 1 for key, end in ends.items()}


def _end(session: Session, labels: Labels, rows: Sequence[Any], now: float) -> None:
    """Send the markers of some devices and note it; markers a receiver refuses are not sent again."""
    series: list[tuple[bytes, list[Sample]]] = []
    after: dict[str, Held] = {}
    for row in rows:
        ends = markers(row, row.series, now)
        series += [(labels.of(row.device_id, key), [(at, None)]) for key, at in ends.items()]
        left = {key: value for key, value in row.series.items() if key not in ends}
        after[row.device_id] = Held(max([row.newest, *ends.values()]), left)
    answer = session.post(write_request(series))
    taken = answer.verdict is Verdict.TAKEN
    counted = {(sink.MARKERS, ""): len(series)} if taken else {(sink.FAILED, answer.code): 1}
    with session.work.write() as connection:
        held.write_held(connection, after, int(now))
        held.forget_held(connection, [row.device_id for row in rows if row.erased])
        sink.count(connection, counted)
    if taken:
        session.works()
    elif answer.verdict is Verdict.FAULTY:
        session.pause(answer)
