"""Writes the simulated IT estate: places and devices by bulk insert, half-hours by ingest, older days by import."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from roadworthy_collector.demo import telling
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.fleet import SITES, UNITS
from roadworthy_collector.demo.history import DayFacts
from roadworthy_collector.demo.patterns import DAY
from roadworthy_collector.errors import StoreError
from roadworthy_collector.store import schema
from roadworthy_collector.store.columns import pack_date, pack_joules, pack_midnight, pack_ratio
from roadworthy_collector.store.queries import away
from roadworthy_collector.store.statements import Bulk
from roadworthy_inventory.calendar import Span, local_day, utc_date

PERIODS_PER_DAY = 48
PERIOD_SECONDS = 1800
_STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")
_TOTALS = (
    *("site", "unit", "periods", "observed_seconds", "cpu_mean_ratio", "memory_mean_ratio"),
    *(f"{state}_seconds" for state in _STATES),
    *("startups", "startup_seconds_sum", "startup_seconds_max", "joules"),
)
_DAYS = Bulk(schema.days, ("device", "day", *_TOTALS))
_AWAY = Bulk(schema.away_months)
_LOCAL_DAYS = Bulk(schema.local_days, ("device", "date", "start", "half_hours", *_TOTALS))


class AwayDay(NamedTuple):
    """Where a local day's half-hours in gaps are kept: month, place in its bytes; and how many half-hours it has."""

    day: int  # midnight UTC of its date
    month: int
    place: int
    half_hours: int


class DayError(ValueError):
    """A row of daily facts is not possible; the text names the field."""


@dataclass(frozen=True, slots=True)
class Places:
    """The ids of sites and units, by name."""

    sites: Mapping[str, int]
    units: Mapping[str, int]


def insert_places(connection: Connection, valid_from: int) -> Places:
    """Insert the sites and the tree of units; `valid_from` is when the tree begins."""
    connection.execute(
        insert(schema.sites),
        [{"name": site.name, "kind": site.kind, "restricted": site.restricted} for site in SITES],
    )
    for name, parent in UNITS.items():  # parents come first in the table
        above = None if parent is None else select(schema.units.c.id).where(schema.units.c.name == parent)
        connection.execute(
            insert(schema.units).values(
                name=name, parent=None if above is None else above.scalar_subquery(), valid_from=valid_from
            )
        )
    sites = {row.name: row.id for row in connection.execute(select(schema.sites.c.name, schema.sites.c.id))}
    units = {row.name: row.id for row in connection.execute(select(schema.units.c.name, schema.units.c.id))}
    return Places(sites, units)


def insert_devices(connection: Connection, devices: Sequence[Device], places: Places, seed: int) -> None:
    """Insert the devices as enrolled with one key, each with a token.

    Nobody holds the secrets: what stands where their hashes would is random, so no report can be sent in a
    simulated device's name.
    """
    rng = random.Random(f"{seed}:secrets")  # noqa: S311 - hashes of nothing; nothing is protected by them
    began = min(device.enrolled_at for device in devices)
    key = {
        "id": f"{rng.getrandbits(64):016x}",
        "secret_sha256": f"{rng.getrandbits(256):064x}",
        "site": places.sites["unassigned"],
        "unit": places.units["unassigned"],
        "note": "simulated",
        "created_at": began,
        "expires_at": began,
        "uses": len(devices),
    }
    connection.execute(insert(schema.enrol_keys), key)
    connection.execute(insert(schema.devices), [_device_row(device, places, key["id"]) for device in devices])
    connection.execute(insert(schema.tokens), [_token_row(device, rng) for device in devices])


def _device_row(device: Device, places: Places, enrol_key: object) -> dict[str, Any]:
    return {
        "id": device.row,
        "device_id": device.device_id,
        "site": places.sites[device.group.site],
        "unit": places.units[device.group.unit],
        "enrol_key": enrol_key,
        "enrolled_at": device.enrolled_at,
        "retired_at": device.retired_at,
        "platform": device.platform,
        "fingerprint": telling.identity(device) or None,
    }


def _token_row(device: Device, rng: random.Random) -> dict[str, Any]:
    return {
        "id": f"{rng.getrandbits(64):016x}",
        "device": device.row,
        "secret_sha256": f"{rng.getrandbits(256):064x}",
        "created_at": device.enrolled_at,
        "first_used_at": device.enrolled_at,
        "revoked_at": device.retired_at,
        "revoked_as": None if device.retired_at is None else "revoked",
    }


def check_day(facts: DayFacts) -> DayFacts:
    """Return `facts` if such a day is possible; DayError otherwise.

    The same rules daily totals rolled up from half-hours obey: the states add up to 1,800 s per half-hour, nobody
    observes more than there was, ratios lie in 0-1, and no single start-up is longer than all of them together.
    """
    if facts.day % DAY:
        raise DayError(f"day: {facts.day} is no midnight UTC")
    if not 0 <= facts.periods <= PERIODS_PER_DAY:
        raise DayError(f"periods: {facts.periods} is not within 0-{PERIODS_PER_DAY}")
    if min(facts.state) < 0 or sum(facts.state) != facts.periods * PERIOD_SECONDS:
        raise DayError(f"state: {facts.state} does not add up to {facts.periods} half-hours")
    if not 0 <= facts.observed <= facts.periods * PERIOD_SECONDS:
        raise DayError(f"observed_seconds: {facts.observed} in {facts.periods} half-hours")
    if not (0 <= facts.cpu <= 1 and 0 <= facts.memory <= 1):
        raise DayError(f"ratios: {facts.cpu}, {facts.memory} are not within 0-1")
    if (facts.startups == 0) != (facts.startup_sum is None) or (facts.startup_max or 0) > (
        facts.startup_sum or 0
    ):
        raise DayError(f"startups: {facts.startups}, sum {facts.startup_sum}, longest {facts.startup_max}")
    if min(facts.joules.values(), default=0) < 0:
        raise DayError(f"joules: {dict(facts.joules)} are less than nothing")
    return facts


def day_row(device: int, site: int, unit: int, facts: DayFacts) -> tuple[Any, ...]:
    """Return the row of `days` in the order of _DAYS, as it is stored: the driver takes it as it is."""
    joules = {scope: {"sensor": value} for scope, value in facts.joules.items()} if facts.joules else None
    return (
        device,
        pack_midnight(facts.day),
        site,
        unit,
        facts.periods,
        facts.observed,
        pack_ratio(facts.cpu),
        pack_ratio(facts.memory),
        *facts.state,
        facts.startups,
        facts.startup_sum,
        facts.startup_max,
        pack_joules(joules),
    )


def insert_days(connection: Connection, rows: Sequence[tuple[Any, ...]], zone: str = "Europe/London") -> None:
    """Insert rows of `days` (from `day_row`); StoreError where one is there already.

    Where the local day of a date is not its UTC day it has a row of its own (`queries.local_totals`), with the same.
    """
    if _DAYS.insert(connection, rows) < len(rows):
        raise StoreError("daily facts are imported once; some of these days are there already")
    own_days = _own_days(frozenset(row[1] for row in rows), zone)
    own = [(row[0], row[1], *own_days[row[1]], *row[2:]) for row in rows if row[1] in own_days]
    _LOCAL_DAYS.insert(connection, own)


def _own_days(days: frozenset[int], zone: str) -> dict[int, tuple[int, int]]:
    """Return {day: (start, half-hours) as stored} of the local days that are no UTC days, by days since 1970."""
    spans = {day: local_day(utc_date(day * DAY), zone) for day in days}
    return {
        day: (span.start // PERIOD_SECONDS, span.periods)
        for day, span in spans.items()
        if span != Span(day * DAY, day * DAY + DAY)
    }


def away_days(days: Sequence[int], zone: str) -> list[AwayDay]:
    """Return where the half-hours in gaps of the local days of these dates (midnights UTC) are kept."""
    found = []
    for day in days:
        date = utc_date(day)
        month = pack_date(date.replace(day=1).isoformat())
        found.append(AwayDay(day, month, away.place_of(date.day), local_day(date, zone).periods))
    return found


def away_rows(device: int, told: Mapping[int, DayFacts], days: Sequence[AwayDay]) -> list[tuple[Any, ...]]:
    """Return rows of `away_months`: the half-hours of these days a device has no facts of, asleep or else off.

    From the first to the last day it told anything of: what came after nobody has told yet.
    """
    if not told:
        return []
    first, last = min(told), max(told)
    months: dict[int, bytearray] = {}
    for day, month, place, half_hours in days:
        if not first <= day <= last:
            continue
        facts = told.get(day)
        asleep, periods = (0, 0) if facts is None else (facts.asleep_half_hours, facts.periods)
        if (left := half_hours - periods) > 0:
            row = months.get(month) or months.setdefault(month, away.empty())
            row[place] = min(asleep, left)
            row[place + 1] = left - row[place]
    return [(month, device, bytes(row)) for month, row in months.items()]


def insert_away(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of `away_months` (from `away_rows`), as pruning leaves them when gaps are past their retention."""
    _AWAY.insert(connection, rows)
