"""What the energy ledger reads: devices with what they are, their daily totals of a month, and what batteries taught."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, select

from roadworthy_collector.carbon import absences, plug_store
from roadworthy_collector.carbon.fed import Fed, Some
from roadworthy_collector.carbon.power import Machine, Told, measured_by, server_of
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.schema import battery_days, days, devices, erasures, local_days
from roadworthy_inventory.calendar import local_date
from roadworthy_inventory.carbon.calibration import Evidence

AT_ONCE = 100
_EVIDENCE_AT_ONCE = 2000
MODEL_LENGTH = 128
_DAY_SECONDS = 86_400
EVIDENCE_DAYS = 92  # on battery, up to the end of a month
COLUMNS = (
    "site",
    "unit",
    "observed_seconds",
    "in_use_seconds",
    "idle_seconds",
    "locked_seconds",
    "asleep_seconds",
    "off_seconds",
    "unobserved_seconds",
    "cpu_mean_ratio",
    "joules",
)
_EPOCH = dt.date(1970, 1, 1)
_QUERY = select(
    *(
        devices.c[name]
        for name in ("id", "device_class", "model", "site", "unit", "enrolled_at", "retired_at")
    ),
    devices.c.facts["hardware"].label("hardware"),
)
Key = tuple[int, int, str]  # site and unit it stood at, and what measured it


def pieces(work: Work, zone: str) -> Iterator[tuple[int, list[Machine]]]:
    """Yield (row id after which a piece begins, its devices by row id), until all are through or the collector stops."""
    after = 0
    while not work.stop.is_set():
        with work.reading() as connection:
            machines = read_machines(connection, after, zone)
        if not machines:
            return
        yield after, machines
        after = machines[-1].id


def read_machines(connection: Connection, after: int, zone: str) -> list[Machine]:
    """Return the next devices by row id, with the day each was bought, or else its BIOS made."""
    return _machines(connection, _QUERY.where(devices.c.id > after).limit(AT_ONCE), zone)


def machines_of(connection: Connection, some: Collection[int], zone: str) -> list[Machine]:
    """Return these devices by row id, as far as they are there."""
    return _machines(connection, _QUERY.where(devices.c.id.in_(sorted(some))), zone)


def _machines(connection: Connection, query: Select[Any], zone: str) -> list[Machine]:
    rows = connection.execute(query.order_by(devices.c.id)).all()
    if not rows:
        return []
    bought = _bought(connection, rows[0].id, rows[-1].id)
    found = []
    for row in rows:
        hardware: Mapping[str, Any] = row.hardware or {}
        made = _day(bought.get(row.id) or hardware.get("bios_date"))
        found.append(
            Machine(
                id=row.id,
                item_class=row.device_class,
                model=(row.model or "")[:MODEL_LENGTH],
                site=row.site,
                unit=row.unit,
                enrolled=local_date(row.enrolled_at, zone),
                retired=None if row.retired_at is None else local_date(row.retired_at, zone),
                made=made,
                server=server_of(hardware, made) if row.device_class == "server" else None,
            )
        )
    return found


def read_told(
    connection: Connection,
    first: dt.date,
    last: dt.date,
    zone: str,
    some: Some,
    fed: Fed,
    *,
    now: float | None = None,
) -> tuple[dict[int, dict[Key, Told]], dict[int, set[dt.date]]]:
    """Return {device: {place and measure: what it counts}} of some devices, and the days known of.

    Days that are not in the ledger, told or not, are known of and count nothing. Gaps of a day that is not over `now`
    count nothing yet.
    """
    told: dict[int, dict[Key, Told]] = defaultdict(dict)
    dates: dict[int, set[dt.date]] = defaultdict(set)
    totals = local_totals.read(connection, first, last, zone, COLUMNS, some)
    totals = absences.over(connection, totals, some, (first, last), zone, now=now)
    rows = plug_store.over(connection, totals, some, (first, last), zone)
    for date, device, _, row in fed.totals(rows, some):
        key = row.site, row.unit, measured_by(row.joules)
        mine = told[device]
        if (one := mine.get(key)) is None:
            one = mine[key] = Told()
        one.add(row)
        dates[device].add(date)
    for device, outside in fed.outside(some):
        dates[device] |= outside
    return told, dates


def read_leaving(connection: Connection, first: dt.date, between: tuple[int, int]) -> dict[int, list[Any]]:
    """Return {device: its rows of the month as last made} of devices that are being erased and have any."""
    table = energy_devices
    query = (
        select(table)
        .join(erasures, erasures.c.device == table.c.device)
        .where(table.c.month == first.isoformat(), table.c.device.between(*between))
    )
    found: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.device].append(row)
    return dict(found)


def read_evidence(work: Work, last: dt.date) -> dict[str, list[Evidence]]:
    """Return {model: what its machines drew on battery, and their processors with it} up to the day `last`."""
    table = battery_days
    end = (last - _EPOCH).days * _DAY_SECONDS
    sums = [
        func.sum(table.c[name]).label(name)
        for name in ("discharge_seconds", "discharge_joules", "cpu_joules")
    ]
    query = (
        select(table.c.device, devices.c.model, *sums)
        .join(devices, devices.c.id == table.c.device)
        .where(
            table.c.cpu_joules.is_not(None),
            table.c.day > end - EVIDENCE_DAYS * _DAY_SECONDS,
            table.c.day <= end,
        )
        .group_by(table.c.device, devices.c.model)
    )
    found: dict[str, list[Evidence]] = defaultdict(list)
    after, most = 0, 0
    with work.reading() as connection:
        most = connection.scalar(select(func.max(table.c.device))) or 0
    while after < most and not work.stop.is_set():
        with work.reading() as connection:
            some = table.c.device.between(after + 1, after + _EVIDENCE_AT_ONCE)
            for row in connection.execute(query.where(some)):
                if row.model:
                    # Sums are decimals on PostgreSQL.
                    told = (float(getattr(row, one.name)) for one in sums)
                    found[row.model[:MODEL_LENGTH]].append(Evidence(str(row.device), *told))
        after += _EVIDENCE_AT_ONCE
    return found


def first_fact(connection: Connection) -> dt.date | None:
    """Return the first local or UTC day there is a daily total of, None while there is none."""
    day = connection.scalar(select(days.c.day).order_by(days.c.day).limit(1))
    date = connection.scalar(select(local_days.c.date).order_by(local_days.c.date).limit(1))
    known = [] if day is None else [_EPOCH + dt.timedelta(days=day // _DAY_SECONDS)]
    if date is not None:
        known.append(dt.date.fromisoformat(date))
    return min(known, default=None)


def _bought(connection: Connection, first: int, last: int) -> dict[int, str]:
    query = (
        select(register_devices.c.device, register_items.c.purchased)
        .join(register_items, register_items.c.id == register_devices.c.item)
        .where(
            register_devices.c.device.between(first, last),
            register_devices.c.valid_to.is_(None),
            register_items.c.purchased.is_not(None),
        )
        .order_by(register_items.c.id)
    )
    return {row.device: row.purchased for row in connection.execute(query)}


def _day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:  # 2019-02-31 in a BIOS
        return None
