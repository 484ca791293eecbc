"""Writes the simulated IT estate: places and devices by bulk insert, half-hours by ingest, older days by import."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from roadworthy_collector.demo import telling
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.fleet import SITES, UNITS
from roadworthy_collector.demo.history import DayFacts
from roadworthy_collector.demo.patterns import DAY
from roadworthy_collector.errors import StoreError
from roadworthy_collector.store import schema
from roadworthy_collector.store.columns import pack_joules, pack_midnight, pack_ratio
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
_LOCAL_DAYS = Bulk(schema.local_days, ("device", "date", "start", "half_hours", *_TOTALS))


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
    if any(joules < 0 for joules in facts.joules.values()):
        raise DayError(f"joules: {dict(facts.joules)} are less than nothing")
    return facts


def day_row(device: int, site: int, unit: int, facts: DayFacts) -> tuple[Any, ...]:
    """Return the row of `days` in the order of _DAYS, as it is stored: the driver takes it as it is."""
    joules = {scope: {"sensor": value} for scope, value in facts.joules.items()} or None
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
    spans = {row[1]: local_day(utc_date(row[1] * DAY), zone) for row in rows}
    own = [
        (row[0], row[1], spans[row[1]].start // PERIOD_SECONDS, spans[row[1]].periods, *row[2:])
        for row in rows
        if spans[row[1]] != Span(row[1] * DAY, row[1] * DAY + DAY)
    ]
    _LOCAL_DAYS.insert(connection, own)
