"""Start-ups and sign-ins of devices as inventory's `staff_time` takes them, read a piece of devices at a time.

A sign-in belongs to the span its start-up began in, so that spans that follow each other count every record once.
Windows times a start-up up to the desktop, sign-in included; Linux up to the login screen; of others nothing is known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from roadworthy_collector.store.schema import devices, signins, startups
from roadworthy_inventory.staff_time import Signin, Startup

_DAY_SECONDS = 86_400
_INCLUDES_SIGNIN = {"windows": True, "linux": False}
_EPOCH = dt.date(1970, 1, 1)


class Span(NamedTuple):
    """Days of UTC, both included."""

    first: dt.date
    last: dt.date

    def holds(self, day: dt.date) -> bool:
        """Return whether `day` is one of them."""
        return self.first <= day <= self.last


class Records(NamedTuple):
    """The records of some devices in a span; devices are named by their row id as text."""

    startups: list[Startup]
    signins: list[Signin]


def epoch(day: dt.date) -> int:
    """Return midnight UTC of a day in epoch seconds."""
    return (day - _EPOCH).days * _DAY_SECONDS


def between(first: int, last: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of start-ups and of sign-ins of devices with these row ids, both included."""
    return startups.c.device.between(first, last), signins.c.device.between(first, last)


def among(ids: Sequence[int]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of start-ups and of sign-ins of these devices; a few hundred at most."""
    return startups.c.device.in_(ids), signins.c.device.in_(ids)


def read(
    connection: Connection, which: tuple[ColumnElement[bool], ColumnElement[bool]], span: Span
) -> Records:
    """Return the records of the devices `which` names that belong to `span`."""
    a_day = dt.timedelta(days=1)
    around = list(_startups(connection, which[0], span.first - a_day, span.last))
    began = {(one.device, one.start_id): one.day for one in around}
    signed = [
        one
        for one in _signins(connection, which[1], span.first, span.last + a_day)
        if span.holds(_belongs_to(one, began.get((one.device, one.start_id or ""))))
    ]
    return Records([one for one in around if span.holds(one.day)], signed)


def _belongs_to(one: Signin, began: dt.date | None) -> dt.date:
    """Return the day a sign-in counts on: that of its start-up, where that was on the same day or the one before."""
    return one.day if began is None or not 0 <= (one.day - began).days <= 1 else began


def _startups(
    connection: Connection, which: ColumnElement[bool], first: dt.date, last: dt.date
) -> Iterable[Startup]:
    names = (
        "device",
        "start_id",
        "started_at",
        "kind",
        "usable_seconds",
        "total_seconds",
        "attended",
        "quality",
    )
    query = (
        select(*(startups.c[name] for name in names), devices.c.platform)
        .join(devices, devices.c.id == startups.c.device)
        .where(
            which,
            startups.c.started_at >= epoch(first),
            startups.c.started_at < epoch(last) + _DAY_SECONDS,
            startups.c.final.is_(True),
        )
    )
    for row in connection.execute(query):
        yield Startup(
            device=str(row.device),
            start_id=row.start_id,
            day=_day(row.started_at),
            kind=row.kind,
            seconds=row.total_seconds if row.usable_seconds is None else row.usable_seconds,
            attended=row.attended,
            quality=row.quality,
            includes_signin=_INCLUDES_SIGNIN.get(row.platform or ""),
        )


def _signins(
    connection: Connection, which: ColumnElement[bool], first: dt.date, last: dt.date
) -> Iterable[Signin]:
    names = ("device", "signin_id", "day", "usable_seconds", "total_seconds", "quality")
    query = select(
        *(signins.c[name] for name in names),
        signins.c.record["start_id"].as_string().label("start_id"),
        signins.c.record["first_on_device"].as_boolean().label("newcomer"),
    ).where(
        which,
        signins.c.day >= epoch(first),
        signins.c.day <= epoch(last),
        signins.c.final.is_(True),
    )
    for row in connection.execute(query):
        yield Signin(
            device=str(row.device),
            signin_id=row.signin_id,
            day=_day(row.day),
            seconds=row.total_seconds if row.usable_seconds is None else row.usable_seconds,
            start_id=row.start_id,
            first_on_device=_truth(row.newcomer),
            quality=row.quality,
        )


def _truth(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _day(seconds: float) -> dt.date:
    return _EPOCH + dt.timedelta(days=int(seconds // _DAY_SECONDS))
