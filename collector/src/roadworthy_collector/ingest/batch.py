"""Writes a group of reports in one transaction: the one way facts get into the tables.

The server, the demo and the tests all come through `write_reports`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from roadworthy_collector.ingest import validate
from roadworthy_collector.ingest.decode import Refused, bounded
from roadworthy_collector.ingest.history import write_days, write_gaps, write_periods
from roadworthy_collector.ingest.latest import Latest
from roadworthy_collector.ingest.records import Histograms, write_signins, write_startups
from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.wire import Day, Gap, Period, Rejected, Report, Signin, Startup
from roadworthy_collector.security.tokens import first_use

# Kinds whose items are counted in an answer; the others (now, facts, probe) are overwritten by the next report.
HISTORY = frozenset({"period", "day", "startup", "signin", "gap"})
SPREAD_RATIO = 0.1
MIN_INTERVAL_SECONDS = 60


class Incoming(NamedTuple):
    """A report on its way in.

    `device` is the row id in `devices`; `refused` are the items that could not be read; `first_token` is the id of
    the token it came with if that was never used before.
    """

    device: int
    report: Report
    refused: Sequence[Refused] = ()
    first_token: str | None = None


class Outcome(NamedTuple):
    """What became of a report.

    Of the items of history `received` came, `accepted` are held now (newly or already), the others are in
    `rejected`, which also names a refused `now`, `facts` or `probe`.
    """

    received: int
    accepted: int
    rejected: list[Rejected]


class _Group:
    """The good items of a group, by kind, as (device row id, item)."""

    def __init__(self) -> None:
        self.periods: list[tuple[int, Period]] = []
        self.days: list[tuple[int, Day]] = []
        self.startups: list[tuple[int, Startup]] = []
        self.signins: list[tuple[int, Signin]] = []
        self.gaps: list[tuple[int, Gap]] = []


def write_reports(
    connection: Connection,
    items: Iterable[Incoming],
    now: float,
    *,
    retention_days: int = 30,
    interval_seconds: int = 900,
) -> list[Outcome]:
    """Check and write reports, and return one Outcome each, in order.

    `connection` is inside a write transaction (`store.engine.write_transaction`) that the caller commits; only
    then may anything be acknowledged. `now` is the server's time in epoch seconds; half-hours older than
    `retention_days` are refused. Bigger groups are cheaper: give some thousand items at a time.
    """
    incoming = list(items)
    bounds = validate.Bounds.at(now, retention_days)
    tally = Tally(bounds.oldest_period)
    latest = Latest(connection, (one.device for one in incoming), now, tally.vocabulary)
    group = _Group()
    outcomes = []
    for one in incoming:
        outcomes.append(_take(one, bounds, group, latest, tally, interval_seconds))
        if one.first_token is not None:
            first_use(connection, one.first_token, one.device, now=int(now))
    _write(connection, group, latest, tally)
    tally.write(connection, int(now))
    return outcomes


def next_call(device_id: str, interval_seconds: int) -> int:
    """Return in how many seconds a device should call again.

    The interval, spread over a tenth of it by the device's id: always the same for a device, so that machines
    switched on together drift apart and stay apart.
    """
    share = int.from_bytes(blake2b(device_id.encode(), digest_size=4).digest(), "big") / 2**32
    return max(MIN_INTERVAL_SECONDS, round(interval_seconds * (1 - SPREAD_RATIO * share)))


def _take(
    one: Incoming, bounds: validate.Bounds, group: _Group, latest: Latest, tally: Tally, interval_seconds: int
) -> Outcome:
    """Sort the items of one report into good ones and refused ones."""
    report, device = one.report, one.device
    refused = list(one.refused)
    unread = sum(1 for answer, _ in refused if answer.item in HISTORY)
    received = unread + sum(
        len(kind) for kind in (report.periods, report.days, report.startups, report.signins, report.gaps)
    )
    accepted = 0
    for item, key, found, good, check in (
        ("period", "start", report.periods, group.periods, validate.check_period),
        ("day", "day", report.days, group.days, validate.check_day),
        ("startup", "start_id", report.startups, group.startups, validate.check_startup),
        ("signin", "signin_id", report.signins, group.signins, validate.check_signin),
        ("gap", "begin", report.gaps, group.gaps, validate.check_gap),
    ):
        accepted += _sort(item, key, device, found, good, check, bounds, refused)
    if report.now is not None and (fault := validate.check_now(report.now, bounds)) is not None:
        refused.append(_refuse("now", None, report.now, fault))
        report = msgspec.structs.replace(report, now=None)
    latest.take(device, report, next_call(report.device_id, interval_seconds))
    for each in refused:
        tally.refuse(device, each)
    return Outcome(received, accepted, [answer for answer, _ in refused])


def _sort(
    item: str,
    key: str,
    device: int,
    found: Sequence[Any],
    good: list[Any],
    check: Callable[[Any, validate.Bounds], validate.Fault | None],
    bounds: validate.Bounds,
    refused: list[Refused],
) -> int:
    """Add the good ones of `found` to `good` and the others to `refused`; return how many are good."""
    count = 0
    for one in found:
        if (fault := check(one, bounds)) is None:
            good.append((device, one))
            count += 1
        else:
            refused.append(_refuse(item, getattr(one, key), one, fault))
    return count


def _refuse(item: str, key: int | str | None, content: msgspec.Struct, fault: validate.Fault) -> Refused:
    """Return what is answered and kept about a refused item."""
    answer = Rejected(item, key, fault.code, fault.field, fault.message)
    return Refused(answer, bounded(msgspec.to_builtins(content)))


def _write(connection: Connection, group: _Group, latest: Latest, tally: Tally) -> None:
    """Write the good items, and count first final records under what each device is now known to be."""
    histograms = Histograms()
    latest.write()
    if group.periods:
        write_periods(connection, group.periods, tally)
    if group.days:
        write_days(connection, group.days, tally)
    if group.gaps:
        write_gaps(connection, group.gaps, tally)
    if group.startups:
        write_startups(connection, group.startups, latest.members(), tally, histograms)
    if group.signins:
        members = latest.members_of_people(device for device, _ in group.signins)
        write_signins(connection, group.signins, members, tally, histograms)
    histograms.write(connection)
