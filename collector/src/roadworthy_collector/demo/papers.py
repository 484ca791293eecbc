"""The files the invented organisation would export: written to a folder for people, or imported as people would.

In the demo they go the way of real imports: recognised, checked, bad rows set aside, one batch each. Then the jobs of
the collector work out what its pages show.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, update

from roadworthy_collector.books import (
    benefits,
    cost_import,
    cost_texts,
    disposal_import,
    excepting,
    organisation_files,
    plan_example,
    planning,
    rules,
)
from roadworthy_collector.books.importing import Wishes, import_file
from roadworthy_collector.books.plan_text import Budget
from roadworthy_collector.carbon import meter_import, plug_import, supply_list, tariff_store
from roadworthy_collector.demo import assets, leaving, meters, money, plugs
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs import books, costs
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.benefits import Role
from roadworthy_inventory.calendar import utc_date

if TYPE_CHECKING:
    from roadworthy_collector.demo.build import Plan

ACTOR = "simulated"
_ORGANISATION = ("cost-centres.csv", "systems.csv")
_REGISTER = ("register.csv", "intune.csv", "warranties.csv")
_MONEY: dict[str, cost_import.Kind] = {
    "ledger.csv": "ledger",
    "payments.csv": "payments",
    "contracts.csv": "contracts",
}
_DISPOSALS = "disposals.csv"
_SUPPLIES, _TARIFFS = "supplies.csv", "tariffs.csv"
_PLUGS = "plugs.csv"
_METERS = ("half-hours.csv", "half-hours-data-centre.csv", "gas-readings.csv")
METHOD_FILE, PLAN_FILE = "method.toml", "plan.toml"


def tables(planned: Plan) -> dict[str, tuple[assets.Row, Iterable[assets.Row]]]:
    """Return {file name: (header, rows)}."""
    devices, now = planned.compose(), planned.timeline.now
    count, seed, today = len(devices), planned.seed, utc_date(now)
    register = [*assets.register(devices, now), *assets.polled(planned.compose_units(devices), today)]
    zone = planned.timeline.zone
    first = meters.begins(today, utc_date(planned.timeline.first_day))
    wide, long, gas = _METERS
    return {
        "units.csv": (leaving.UNITS_HEADER, leaving.units()),
        "cost-centres.csv": (leaving.CENTRES_HEADER, leaving.cost_centres()),
        "systems.csv": (leaving.SYSTEMS_HEADER, leaving.systems()),
        "register.csv": (assets.REGISTER_HEADER, register),
        "intune.csv": (assets.INTUNE_HEADER, assets.intune(devices, now)),
        "warranties.csv": (assets.WARRANTY_HEADER, assets.warranties(devices, now)),
        "ledger.csv": (money.LEDGER_HEADER, money.ledger(count, seed, today)),
        "payments.csv": (money.PAYMENTS_HEADER, money.payments(count, seed, today)),
        "contracts.csv": (money.CONTRACTS_HEADER, money.contracts(count, seed, today)),
        _DISPOSALS: (leaving.DISPOSALS_HEADER, leaving.disposals(register, seed, today)),
        _SUPPLIES: (meters.SUPPLIES_HEADER, meters.supplies(first)),
        _TARIFFS: (meters.TARIFFS_HEADER, meters.tariffs(first, today)),
        wide: (meters.WIDE_HEADER, meters.half_hours(count, seed, first, today, zone)),
        long: (meters.LONG_HEADER, meters.long_half_hours(count, seed, first, today, zone)),
        gas: (meters.GAS_HEADER, meters.gas(count, seed, first, today)),
        _PLUGS: (plugs.HEADER, plugs.readings(devices, planned.timeline)),
    }


def texts(planned: Plan) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of every file, CSV as spreadsheets write it, the cost method, and a plan."""
    for name, (header, rows) in tables(planned).items():
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(header)
        writer.writerows(rows)
        yield name, text.getvalue()
    today = utc_date(planned.timeline.now)
    yield METHOD_FILE, money.method(planned.devices, planned.seed, today)
    yield PLAN_FILE, plan_text(today, agents=False)


def plan_text(today: date, *, agents: bool) -> str:
    """Return the example of a plan from this financial year on.

    Without agents nobody knows how long people wait, so an hour is worth nothing there: else no net could be told.
    """
    year = today.year if today >= date(today.year, 4, 1) else today.year - 1
    text = re.sub(r"first_year = [0-9]{4}", f"first_year = {year}", plan_example.EXAMPLE)
    if not agents:
        text = text.replace(
            "pounds_per_hour = 25                  # loaded rate of a staff hour",
            "pounds_per_hour = 0                   # nobody knows the hours before agents report; 25 then",
        )
    # Before the example's own entries, for of those that fit the first counts.
    return text.replace("[[support]]", _OLD_COST_MORE + "[[support]]", 1) + _NEW_DESKTOP


_OLD_COST_MORE = """[[support]]                           # out of warranty, and updates that are paid for
kinds = ["laptop", "desktop"]
at_least_years = 7
pounds_per_year = [120, 180, 260]
"""
_NEW_DESKTOP = """
[[option]]
name = "New desktop"
kind = "replace"
fits = { kinds = ["desktop"], at_least_years = 5 }
capital_pounds = [390, 440, 520]
revenue_pounds = [40, 60, 90]
support_pounds_per_year = { becomes = [10, 15, 30] }
hours = { times = [0.15, 0.25, 0.5] }
kwh = { becomes = [50, 75, 110] }
embodied_kgco2e = "desktop"
life_years = 6
"""


def write_files(planned: Plan, folder: Path) -> list[Path]:
    """Write the files to `folder`, made if it is not there; RoadworthyError where one is there already."""
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts(planned):
            with (folder / name).open("x", encoding="utf-8", newline="") as stream:
                stream.write(text)
            written.append(folder / name)
    except FileExistsError as error:
        raise RoadworthyError(f"{error.filename}: is there already; name an empty folder") from None
    except OSError as error:
        raise RoadworthyError(f"{folder}: cannot be written: {error.strerror}") from None
    return written


def fill(engine: Engine, settings: Settings, planned: Plan) -> Iterator[tuple[int, int]]:
    """Bring the files into the books and work out the figures; yields (steps done, steps there are)."""
    now = planned.timeline.now
    today = utc_date(now)
    total = len(_ORGANISATION) + len(_REGISTER) + len(_MONEY) + len(_METERS) + 6
    done = 0
    zone = settings.reporting_timezone
    with tempfile.TemporaryDirectory(prefix="roadworthy-demo-") as name:
        folder = Path(name)
        write_files(planned, folder)
        for file in _ORGANISATION:  # before anything names a cost centre or a system without its unit
            with (folder / file).open("rb") as stream:
                organisation_files.import_file(engine, stream, file, actor=ACTOR, now=now, zone=zone)
            done += 1
            yield done, total
        for file in _REGISTER:
            with (folder / file).open("rb") as stream:
                import_file(engine, stream, file, Wishes(), actor=ACTOR, now=now)
            done += 1
            yield done, total
        for file, kind in _MONEY.items():
            choices = cost_import.Choices(kind=kind)
            cost_import.import_file(engine, folder / file, choices, actor=ACTOR, now=now, on=today)
            done += 1
            yield done, total
        _dispose(engine, folder / _DISPOSALS, today, now)
        _decide(engine, (folder / METHOD_FILE).read_text("utf-8"), today, now)
        done += 1
        yield done, total
        for _ in _meter(engine, folder, today, now):
            done += 1
            yield done, total
    work = Work(engine, settings, clock=lambda: float(now), rests=False)
    _except_some(engine, planned, today, now)
    yield done + 1, total
    books.compute(work)
    yield done + 2, total
    costs.compute(work)
    yield done + 3, total
    asked = planning.Asked(text=plan_text(today, agents=True), budget=Budget(), actor=ACTOR)
    planning.run(engine, asked, now=now, on=today)
    with write_transaction(engine) as connection:
        # How long this machine took says nothing of the estate, and differs from build to build.
        connection.execute(update(book_figures).values(seconds=0.0))
    yield total, total


def _meter(engine: Engine, folder: Path, today: date, now: int) -> Iterator[str]:
    """Load the supplies and tariffs and import the meter files; yields each that is in."""
    with write_transaction(engine) as connection:
        text = (folder / _SUPPLIES).read_text("utf-8")
        supply_list.load(connection, text, _SUPPLIES, restricted=True, actor=ACTOR, now=now)
        text = (folder / _TARIFFS).read_text("utf-8")
        tariff_store.load(connection, text, _TARIFFS, actor=ACTOR, now=now)
    for file in _METERS:
        with (folder / file).open("rb") as stream:
            choices = meter_import.Choices()
            meter_import.import_file(engine, stream, file, choices, actor=ACTOR, now=now, on=today)
        yield file
    if len((folder / _PLUGS).read_bytes().splitlines()) > 1:  # a small estate has no desktop of that model
        with (folder / _PLUGS).open("rb") as stream:
            # A moment before, for the ledger's months are made anew that were made up to then.
            plug_import.import_file(
                engine, stream, _PLUGS, plug_import.Choices(), actor=ACTOR, now=now - 60, on=today
            )
    yield _PLUGS


def _dispose(engine: Engine, file: Path, today: date, now: int) -> None:
    """Import the list of disposals, if the register had anything to get rid of."""
    if len(file.read_bytes().splitlines()) > 1:
        with file.open("rb") as stream:
            wishes = disposal_import.Wishes()
            disposal_import.import_file(engine, stream, file.name, wishes, actor=ACTOR, now=now, on=today)


def _decide(engine: Engine, method: str, today: date, now: int) -> None:
    """Save the cost method, and put two benefits on the register: one agreed to, one that finance has taken out."""
    year = today.year if today >= date(today.year, 4, 1) else today.year - 1
    claims = (
        benefits.Claim(
            "BN-1", leaving.BENEFIT_SYSTEM, cashable=True, cost_centre="IT100",
            years=[(year, 1_200_000, 400_000), (year + 1, 4_800_000, 0)],
        ),
        benefits.Claim(
            "BN-2", leaving.SWITCHED_OFF, cashable=True, cost_centre="IT200", decommissioned=today - timedelta(days=150),
            years=[(year - 1, 600_000, 900_000), (year, 3_100_000, 0)],
        ),
    )  # fmt: skip
    service, finance = "Head of service (simulated)", "Head of finance (simulated)"
    steps: tuple[tuple[tuple[str, str, Role, int], ...], ...] = (
        (("agree", service, "service", 12),),
        (
            ("agree", service, "service", 200),
            ("deliver", service, "service", 120),
            ("remove", finance, "finance", 40),
        ),
    )
    with write_transaction(engine) as connection:
        cost_texts.save(connection, "cost_method", method, actor=ACTOR, now=now)
        for claim, taken in zip(claims, steps, strict=True):
            claimed = today - timedelta(days=taken[0][3] + 18)
            number = benefits.add(connection, claim, actor="Head of IT (simulated)", on=claimed, now=now)
            for step, person, role, ago in taken:
                on = today - timedelta(days=ago)
                benefits.advance_one(connection, number, step, actor=person, role=role, on=on, now=now)


def _except_some(engine: Engine, planned: Plan, today: date, now: int) -> None:
    """Put two exceptions on the register: one agreed to, for terminals that wait for their system; one that waits."""
    devices = [device for device in planned.compose() if device.retired_at is None]
    terminals = [device for device in devices if device.group.model == "terminal_2013"]
    notebooks = [device for device in devices if device.group.model == "laptop_2017"]
    with write_transaction(engine) as connection:
        known = {rule.rule_id for rule in rules.current(connection)[0].rules}
        for device, reason, approver in (
            (terminals[:4], "waits for the new custody system (simulated)", "Head of custody (simulated)"),
            (notebooks[:1], "its user moves to another site next month (simulated)", None),
        ):
            for one in device:
                excepting.add(
                    connection,
                    excepting.Asked(
                        one.device_id, ["startup-severe", "startup-slow", "hard-disk"], reason, "Service desk (simulated)", approver,
                        today - timedelta(days=20), today + timedelta(days=70),
                    ),
                    known_rules=known, now=now, actor=ACTOR,
                )  # fmt: skip
