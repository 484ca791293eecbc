"""Polls of the simulated estate's devices that run no agent: their months, their last days, and each five minutes.

Nothing is asked over any network. What a poll would find (`polled_units`) becomes reports by the code that makes them of
real polls, and they are written by the one way every report takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
from sqlalchemy import Connection, Engine, insert, select, update

from roadworthy_collector.demo import assets, load
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.generate import Timeline
from roadworthy_collector.demo.polled_units import Unit, answer, compose_units, hang
from roadworthy_collector.demo.reporting import Told
from roadworthy_collector.demo.telling import AGENT_VERSION
from roadworthy_collector.ingest import wire
from roadworthy_collector.ingest.batch import Incoming
from roadworthy_collector.settings import Settings
from roadworthy_collector.snmp import feeding, keeping
from roadworthy_collector.snmp.memory import Memory
from roadworthy_collector.snmp.registers import MICRO, PERIOD_SECONDS
from roadworthy_collector.snmp.targets import Login, Polled
from roadworthy_collector.snmp.telling import tell
from roadworthy_collector.store import schema
from roadworthy_collector.store.columns import pack_joules, pack_midnight
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.snmp_schema import outlet_days, snmp_targets
from roadworthy_inventory.calendar import DAY_SECONDS, local_date, local_day, utc_date

EVERY_SECONDS = 300
_FAILING_EVERY = 8 * EVERY_SECONDS  # as seldom as the poller asks one that never answers
_POLL_SECONDS = 0.14
_GAP_SECONDS = 2.0 * PERIOD_SECONDS
_LONG_SECONDS = 4 * PERIOD_SECONDS  # after a longer pause it is asked at each half-hour only
_ACTOR = "simulated"
_LOGIN = Login(version="2c", community_env="SIMULATED")
_SILENT = Polled(
    name="HB-UPS-1",
    host="192.0.2.9",
    protocol="snmp",
    port=161,
    login=_LOGIN,
    login_name="simulated",
    site="Harbour Station",
    unit="Infrastructure Operations",
)
_NO_ANSWER = (
    "HB-UPS-1: no answer from 192.0.2.9 port 161 in 2 tries of 2 s: switched off, not reachable from here, or a "
    "wrong community"
)


def units_of(devices: Sequence[Device], seed: int, timeline: Timeline) -> list[Unit]:
    """Return the polled devices beside `devices`."""
    return compose_units(devices, seed=seed, since=timeline.first_day)


def insert_units(connection: Connection, units: Sequence[Unit], places: load.Places) -> None:
    """Insert the devices, and the targets that they and one more are."""
    rows = [
        {
            "id": one.row,
            "device_id": one.device_id,
            "site": places.sites[one.site],
            "unit": places.units[one.unit],
            "enrolled_at": one.since,
            "platform": "other",
            "hostname": one.name,
        }
        for one in units
    ]
    connection.execute(insert(schema.devices), rows)
    keeping.sync(connection, [_SILENT, *map(_polled, units)])


def insert_months(connection: Connection, unit: Unit, places: load.Places, timeline: Timeline) -> int:
    """Insert a unit's daily facts up to where its half-hours begin, and its outlets' days; return how many days."""
    if not unit.measures:
        return 0
    site, number = places.sites[unit.site], places.units[unit.unit]
    days = range(timeline.first_day, timeline.half_hours_from, DAY_SECONDS)
    load.insert_days(connection, [_day_row(unit, site, number, day) for day in days], timeline.zone)
    rows = []
    for day in days:
        span = local_day(utc_date(day), timeline.zone)
        for place in range(len(unit.labels)):
            joules = int(unit.loads[place].joules(span.start, span.end))
            row = {"device": unit.row, "outlet": str(place + 1), "date": utc_date(day).isoformat()}
            rows.append(
                row | {"joules": joules, "covered_seconds": span.end - span.start, "quality": unit.quality}
            )
    if rows:
        connection.execute(insert(outlet_days), rows)
    return len(days)


def _day_row(unit: Unit, site: int, number: int, day: int) -> tuple[object, ...]:
    """Return a row of `days` as `load.day_row` does; nobody can say in which state of use a PDU was."""
    joules: dict[str, dict[str, int]] = {"wall": {unit.quality: unit.joules(day, day + DAY_SECONDS)}}
    states = (0, 0, 0, 0, 0, DAY_SECONDS)
    whole = (DAY_SECONDS // PERIOD_SECONDS, DAY_SECONDS, None, None)
    return (unit.row, pack_midnight(day), site, number, *whole, *states, 0, None, None, pack_joules(joules))


def last_days(connection: Connection, unit: Unit, timeline: Timeline) -> Told:
    """Return the report of the last days, polled at each half-hour, and remember it for the next poll."""
    outlets = frozenset(str(place + 1) for place in range(len(unit.labels)))
    begin = timeline.half_hours_from
    until = timeline.now // PERIOD_SECONDS * PERIOD_SECONDS - PERIOD_SECONDS
    polled = _polled(unit)
    memory = Memory(unit.device_id[4:20])
    first = None
    periods: list[wire.Period] = []
    for at in range(begin, until + 1, PERIOD_SECONDS):
        told = tell(
            keeping.tagged(polled, answer(unit, at)),
            memory,
            device_id=unit.device_id,
            at=at,
            name=polled.name,
            version=AGENT_VERSION,
            outlets=outlets,
            longest_gap_seconds=_GAP_SECONDS,
        )
        memory = told.memory if first is not None else _run_on(told.memory, unit, timeline)
        first = first or told.report
        periods += told.report.periods
    if first is None:
        raise ValueError("the demo has no whole half-hour: it is built with days of them")
    report = msgspec.structs.replace(told.report, facts=first.facts, periods=tuple(periods))
    values = {
        "device": unit.row,
        "kind": unit.kind,
        "outcome": "ok",
        "polled_at": until,
        "succeeded_at": until,
        "polls": memory.seq,
        "successes": memory.seq,
        "state": memory.as_json(),
    }
    connection.execute(update(snmp_targets).where(snmp_targets.c.name == unit.name).values(values))
    return Told(Incoming(unit.row, report), until, half_hours=len(periods), on=True)


def _run_on(memory: Memory, unit: Unit, timeline: Timeline) -> Memory:
    """Let the counter go on from where the months before left it."""
    days = range(timeline.first_day, timeline.half_hours_from, DAY_SECONDS)
    before = sum(unit.joules(day, day + DAY_SECONDS) for day in days) * MICRO
    return replace(
        memory,
        counters={
            name: counter
            if name.startswith("outlet:")
            else replace(counter, microjoules=before, anchored=before, period=before)
            for name, counter in memory.counters.items()
        },
    )


def state_feeds(connection: Connection, units: Sequence[Unit], timeline: Timeline) -> None:
    """State what hangs on what, from the first day on."""
    since = local_date(timeline.first_day, timeline.zone)
    for feeder, outlet, fed in hang(units):
        feeding.state(connection, feeder, outlet, fed, since, now=timeline.first_day, actor=_ACTOR)
    feeding.take_controllers(connection, now=timeline.first_day, today=since)


def poll(engine: Engine, settings: Settings, units: Sequence[Unit], now: int) -> tuple[int, int]:
    """Poll at each whole five minutes since the last poll; return how many reports and half-hours that gave."""
    with engine.connect() as connection:
        query = select(snmp_targets.c.name, snmp_targets.c.polled_at).where(
            snmp_targets.c.name.in_((units[0].name, _SILENT.name))
        )
        asked: dict[str, int | None] = {row.name: row.polled_at for row in connection.execute(query)}
    last = asked[units[0].name] or now
    never_asked = asked[_SILENT.name] is None
    reports = half_hours = 0
    every = EVERY_SECONDS if now - last <= _LONG_SECONDS else PERIOD_SECONDS
    for at in range((last // every + 1) * every, now + 1, every):
        outcomes = [keeping.Outcome(_polled(one), float(at), _POLL_SECONDS, answer(one, at)) for one in units]
        if never_asked or at % _FAILING_EVERY == 0:
            never_asked = False
            outcomes.append(keeping.Outcome(_SILENT, float(at), 4.0, code="no_answer", reason=_NO_ANSWER))
        with write_transaction(engine) as connection:
            reports += keeping.write_outcomes(connection, outcomes, settings, version=AGENT_VERSION)
        if at % PERIOD_SECONDS == 0:
            half_hours += sum(one.measures for one in units)
    return reports, half_hours


def _polled(unit: Unit) -> Polled:
    return Polled(
        name=unit.name,
        host=unit.host,
        protocol="snmp",
        port=161,
        login=_LOGIN,
        login_name="simulated",
        site=unit.site,
        unit=unit.unit,
        asset_tag=None if unit.kind == "management_controller" else assets.polled_tag(unit),
        every_seconds=_GAP_SECONDS
        / 3,  # how long a pause of the simulation is bridged, not how often it is asked
    )
