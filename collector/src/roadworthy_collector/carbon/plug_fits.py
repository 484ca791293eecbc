"""Lines of models, fitted to what smart plugs metered beside what the ledger estimates: for their siblings without one.

Of a month: from the days plugs metered in the 366 days up to its end. A line is of one model and one way of estimating
(by states, or by the processor's own counter), since these are off in different ways. Devices of restricted sites teach none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import absences, energy_facts, plug_store, power
from roadworthy_collector.carbon.power import STATES, Machine, Told
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.schema import devices, erasures, sites
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon import plug_fit
from roadworthy_inventory.carbon.calibration import MeterLine, RestOfMachine
from roadworthy_inventory.carbon.ledger import Entry
from roadworthy_inventory.carbon.plug_fit import Fit, Pair

EVIDENCE_DAYS = 366
# Of a day whose state is not known for longer than a twentieth there is no estimate to hold beside the plug.
_KNOWN_RATIO = 0.95
_WAYS = {"": "states", "cpu": "processor"}
FIGURE = "plug_fits"


def make(
    work: Work, month: str, rests: Mapping[str, RestOfMachine], last: dt.date, zone: str
) -> dict[str, Fit]:
    """Return the lines of the month whose last day so far is `last`, and leave them for who shows them."""
    found = fitted(work, rests, last, zone)
    if not work.stop.is_set():
        with work.write() as connection:
            figures.write(connection, f"{FIGURE}.{month}", _told(found), work.clock(), 0.0)
    return found


def fitted(work: Work, rests: Mapping[str, RestOfMachine], last: dt.date, zone: str) -> dict[str, Fit]:
    """Return {way and model: its line} from the days up to `last`."""
    first = last - dt.timedelta(days=EVIDENCE_DAYS - 1)
    pairs: list[tuple[str, Pair]] = []
    with work.reading() as connection:
        mine = _teachers(connection)
    for device in mine:
        if work.stop.is_set():
            break
        with work.reading() as connection:
            held = plug_store.read(connection, (device, device)).get(device, {})
            some = {date: joules for date, joules in held.items() if first <= date <= last}
            for machine in energy_facts.machines_of(connection, [device], zone) if some else ():
                if machine.model:
                    pairs += _pairs(connection, machine, some, rests.get(machine.model), zone)
    return plug_fit.fits(plug_fit.by_model(pairs))


def lines_json(lines: Mapping[str, Mapping[str, Fit]]) -> dict[str, Any]:
    """Return the lines in use, {month: {way and model: line}}, as JSON for an evidence pack."""
    return {
        month: {key: asdict(fit) for key, fit in some.items() if fit.used} for month, some in lines.items()
    }


def lines_of(told: Mapping[str, Any]) -> dict[str, dict[str, Fit]]:
    """Return the lines from JSON; ValueError, TypeError or KeyError where they are none."""
    return {
        month: {key: Fit(**one | {"line": MeterLine(**one["line"])}) for key, one in some.items()}
        for month, some in told.items()
    }


def _teachers(connection: Connection) -> list[int]:
    """Return the devices with metered days that may teach a line: none of a restricted site, none that is leaving."""
    query = (
        select(devices.c.id)
        .join(sites, sites.c.id == devices.c.site)
        .outerjoin(erasures, erasures.c.device == devices.c.id)
        .where(
            devices.c.id.in_(list(plug_store.read(connection))),
            sites.c.restricted.is_(False),
            erasures.c.device.is_(None),
        )
    )
    return list(connection.scalars(query.order_by(devices.c.id)))


def corrected(entry: Entry, machine: Machine, told: Told, fits: Mapping[str, Fit]) -> Entry:
    """Return what a device drew as the line of its model corrects it; as it is where there is none."""
    fit = line_of(machine, told, fits)
    return entry if fit is None else fit.corrected(entry, _known_seconds(told), machine.model)


def line_of(machine: Machine, told: Told, fits: Mapping[str, Fit]) -> Fit | None:
    """Return the line of a device's model for what it was measured by, None where there is none."""
    return fits.get(_key(machine, power.measured_by(told.joules)))


def _told(fits: Mapping[str, Fit]) -> list[dict[str, Any]]:
    rows = []
    for key, fit in fits.items():
        way, model = key.split(":", 1)
        line = fit.line
        rows.append(
            {
                "model": model,
                "estimated_by": way,
                "devices": fit.devices,
                "days": fit.days,
                "slope": None if line is None else line.slope,
                "intercept_watts": None if line is None else line.intercept_watts,
                "residual_watts": None if line is None else line.residual_watts,
                "low_watts": fit.low_watts,
                "high_watts": fit.high_watts,
                "used": fit.used,
                "why": fit.why,
            }
        )
    return rows


def held(connection: Connection) -> tuple[str, int, list[dict[str, Any]]] | None:
    """Return (month, when it was made, its lines) of the newest month of the ledger that has any, None without."""
    name = book_figures.c.name
    query = select(name, book_figures.c.made_at, book_figures.c.content)
    query = query.where(name.startswith(f"{FIGURE}.", autoescape=True)).order_by(name.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.name.removeprefix(f"{FIGURE}."), row.made_at, row.content)


def _pairs(
    connection: Connection, machine: Machine, some: plug_store.Days, rest: RestOfMachine | None, zone: str
) -> list[tuple[str, Pair]]:
    found = []
    between = min(some), max(some)
    totals = local_totals.read(connection, *between, zone, energy_facts.COLUMNS, machine.id)
    for total in absences.over(connection, totals, machine.id, between, zone):
        if total.date not in some:
            continue
        day = Told()
        day.add(total.values)
        measured = power.measured_by(day.joules)
        known, whole = _known_seconds(day), local_day(total.date, zone).seconds
        if measured not in _WAYS or known < whole * _KNOWN_RATIO:
            continue
        estimate = power.entry(machine, day, rest).wall_joules / known
        found.append((_key(machine, measured), Pair(machine.id, estimate, some[total.date] / whole)))
    return found


def _key(machine: Machine, measured: str) -> str:
    """Return what a line is known by; one no line has where a meter or the whole machine was read."""
    return f"{_WAYS[measured]}:{machine.model}" if measured in _WAYS else ""


def _known_seconds(told: Told) -> float:
    on = sum(told.seconds[name] for name in ("in_use", "idle", "locked"))
    return sum(told.seconds[name] for name in STATES) + max(told.observed_seconds - on, 0.0)
