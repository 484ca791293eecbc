"""Servers, power units and controllers in the energy ledger: measured twice, counted once; and what is listed instead."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select
from support.estates import Estate

from roadworthy_collector.carbon import energy, energy_due, fed_read
from roadworthy_collector.carbon import estate as ledger
from roadworthy_collector.carbon.estate import parse_period
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import erasure
from roadworthy_collector.snmp import feeding, overlaps
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.snmp_schema import energy_overlaps, outlet_days
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.ledger import QUALITIES

ZONE = "Europe/London"
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
KWH = 3_600_000
FIRST = dt.date(2026, 5, 1)
DAYS = [f"2026-05-{number:02}" for number in range(1, 32)]
WHOLE_DAY = {"in_use": 0, "idle": 0, "locked": 0, "asleep": 0, "off": 0, "unobserved": 86_400}
ON = WHOLE_DAY | {"in_use": 86_400, "unobserved": 0}


class Rack:
    """A UPS that feeds a PDU, whose outlet 3 feeds a server with an agent; another server with a controller."""

    def __init__(self, held: Estate) -> None:
        self.held = held
        enrolled = int(dt.datetime(2026, 5, 1, tzinfo=dt.UTC).timestamp())
        self.ids = {
            name: held.device(
                hostname=name, device_class=kind, enrolled_at=enrolled, model=kind, serial=f"SN-{name}"
            )
            for name, kind in (
                ("ups-1", "ups"),
                ("pdu-a", "pdu"),
                ("srv-1", "server"),
                ("srv-2", "server"),
                ("bmc-2", "controller"),
            )
        }
        for day in DAYS:
            self.told("ups-1", day, {"wall": {"metered": 12 * KWH}})
            self.told("pdu-a", day, {"wall": {"metered": 11 * KWH}})
            self.told("srv-1", day, {"cpu": {"sensor": KWH}}, ON, 86_400)
            self.told("srv-2", day, {"cpu": {"sensor": KWH}}, ON, 86_400)
            self.told("bmc-2", day, {"wall": {"sensor": 4 * KWH}})
            self.outlet("pdu-a", "3", day, 5 * KWH)

    def told(
        self,
        name: str,
        day: str,
        joules: dict[str, dict[str, int]],
        seconds: dict[str, int] = WHOLE_DAY,
        observed: int = 86_400,
    ) -> None:
        span = local_day(dt.date.fromisoformat(day), ZONE)
        self.held.put(
            schema.local_days,
            device=self.ids[name],
            date=day,
            start=span.start,
            half_hours=span.periods,
            site=self.held.site("HQ"),
            unit=self.held.unit("IT"),
            periods=span.periods,
            startups=0,
            observed_seconds=observed,
            cpu_mean_ratio=0.5 if seconds is ON else None,
            joules=joules,
            **{f"{state}_seconds": spent for state, spent in seconds.items()},
        )

    def outlet(self, name: str, outlet: str, day: str, joules: int, covered: int = 86_400) -> None:
        told = {"joules": joules, "covered_seconds": covered, "quality": "metered"}
        self.held.put(outlet_days, device=self.ids[name], outlet=outlet, date=day, **told)

    def state(
        self, feeder: str, outlet: str, fed: str | None, since: dt.date = FIRST, now: float = NOW - 60
    ) -> int:
        with write_transaction(self.held.engine) as connection:
            return feeding.state(connection, feeder, outlet, fed, since, now=int(now), actor="ann")

    def work(self, now: float = NOW) -> Work:
        return Work(self.held.engine, self.held.settings(), clock=lambda: now, rests=False)

    def make(self, now: float = NOW) -> int:
        count = 0
        while count < 12 and energy.refresh(self.work(now)):
            count += 1
        return count

    def kwh(self) -> dict[str, float]:
        """Return the kWh each device has in the ledger of May."""
        with self.held.engine.connect() as connection:
            rows = connection.execute(select(energy_devices)).all()
            names = {row.id: row.hostname for row in connection.execute(select(schema.devices))}
        found: dict[str, float] = {}
        for row in rows:
            if row.month == "2026-05-01":
                joules = sum(getattr(row, f"{name}_joules") for name in QUALITIES)
                found[names[row.device]] = round(joules / KWH, 3)
        return found

    def total(self) -> ledger.Estate:
        with self.held.engine.connect() as connection:
            return ledger.read(connection, parse_period("2026-05"))

    def left_out(self) -> dict[tuple[str | None, str, str | None, str], tuple[int, float]]:
        with self.held.engine.connect() as connection:
            found = overlaps.read(connection, "2026-05")
        assert found is not None
        return {
            (row["feeder_name"], row["outlet"], row["fed_name"], row["why"]): (row["days"], row["kwh"])
            for row in found.rows
        }


@pytest.fixture
def rack(estate: Estate) -> Rack:
    return Rack(estate)


def hang(rack: Rack) -> None:
    rack.state("ups-1", "", "pdu-a")
    rack.state("pdu-a", "3", "srv-1")
    with write_transaction(rack.held.engine) as connection:
        feeding.state(connection, "bmc-2", "", "srv-2", FIRST, now=int(NOW) - 60, actor="ann")


def test_each_joule_is_in_the_ledger_once(rack: Rack) -> None:
    hang(rack)
    rack.make()
    # 12 kWh a day came out of the wall through the UPS: 1 is lost in it, 6 go to what nobody named on the PDU.
    assert rack.kwh() == {"ups-1": 31.0, "pdu-a": 6 * 31.0, "srv-1": 5 * 31.0, "srv-2": 4 * 31.0}
    left_out = rack.left_out()
    own = left_out.pop(("pdu-a", "3", "srv-1", "outlet"))
    assert own[0] == 31
    assert own[1] > 31.0  # what its processor counted and the rest of the machine
    assert left_out.pop(("bmc-2", "", "srv-2", "controller")) == own  # the same server, as it told
    assert left_out == {
        ("ups-1", "", "pdu-a", "feeder"): (31, 11 * 31.0),
        ("pdu-a", "3", "srv-1", "feeder"): (31, 5 * 31.0),
    }
    whole = rack.total().total
    assert float(whole.kwh) == 16 * 31
    assert (whole.unknown_seconds, whole.silent_seconds) == (0, 0)


def test_what_nobody_spoke_of_is_listed_and_in_no_sum(rack: Rack) -> None:
    rack.make()
    found = rack.kwh()
    # A controller of no server that is known here is all there is of that server.
    assert set(found) == {"srv-1", "srv-2", "bmc-2"}
    assert found["bmc-2"] == 4 * 31.0
    assert rack.left_out() == {
        (name, "", None, "undeclared"): (31, kwh * 31.0) for name, kwh in (("ups-1", 12), ("pdu-a", 11))
    }
    # A statement makes the months it touches anew at once; "nothing known hangs there" counts in full.
    assert rack.make() == 0
    rack.state("ups-1", "", None, dt.date(2026, 5, 31), now=NOW + 30)
    assert rack.make(NOW + 60) == 2  # May and June
    assert rack.kwh() == found | {"ups-1": 12.0}


def test_seconds_a_meter_missed_are_unknown_and_nobody_is_modelled_for_them(rack: Rack) -> None:
    hang(rack)
    day = {"date": "2026-05-02"}
    with write_transaction(rack.held.engine) as connection:
        connection.execute(
            outlet_days.update().where(outlet_days.c.date == day["date"]).values(covered_seconds=84_000)
        )
        mine = schema.local_days.c
        connection.execute(
            schema.local_days.update()
            .where(mine.device == rack.ids["pdu-a"], mine.date == day["date"])
            .values(observed_seconds=80_000)
        )
        # A day its agent said nothing is known from its outlet.
        connection.execute(
            schema.local_days.delete().where(mine.device == rack.ids["srv-1"], mine.date == "2026-05-03")
        )
    rack.make()
    assert rack.kwh()["srv-1"] == 5 * 31.0
    whole = rack.total().total
    assert whole.unknown_seconds + whole.silent_seconds == 2400 + 6400


def test_the_evidence_of_a_year_has_the_same_days_as_the_ledger(rack: Rack) -> None:
    hang(rack)
    rack.make()
    months = fed_read.of_months(rack.work(), ["2026-04", "2026-05"], {})
    assert {one for days in months[0].days.values() for one in days.values()} == {
        None
    }  # nobody said anything yet
    walls = [
        sum(one.joules["wall"].values())
        for days in months[1].days.values()
        for one in days.values()
        if one is not None and one.joules is not None
    ]
    assert sum(walls) == 16 * 31 * KWH


def test_an_erased_device_is_not_counted_again_by_what_it_hung_on(rack: Rack) -> None:
    hang(rack)
    rack.make()
    before = rack.total().total.whole_joules
    device_id = rack.held.device_id(rack.ids["srv-1"])
    with write_transaction(rack.held.engine) as connection:
        erasure.begin(connection, device_id, reason="asked for it", now=int(NOW))
    later = NOW + 60
    with write_transaction(rack.held.engine) as connection:
        for table in (schema.days, schema.local_days):
            connection.execute(table.delete().where(table.c.device == rack.ids["srv-1"]))
        erasure.remove(connection, rack.ids["srv-1"], now=later)
        rows = connection.execute(select(energy_overlaps)).all()
    assert rack.ids["srv-1"] not in {row.fed for row in rows} | {row.feeder for row in rows}
    with write_transaction(rack.held.engine) as connection:
        energy_due.ask(connection, None, now=int(later), actor="ann")
    assert rack.make(later + 60) == 2
    assert rack.total().total.whole_joules == before
    assert rack.left_out()["pdu-a", "3", None, "feeder"] == (31, 5 * 31.0)


def made_of(rack: Rack, some: Any) -> list[tuple[Any, ...]]:
    with rack.held.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(some).order_by(*some.primary_key.columns))]


def test_made_again_a_month_is_the_same(rack: Rack) -> None:
    hang(rack)
    rack.make()
    tables = (energy_devices, energy_groups, energy_overlaps)
    before = [made_of(rack, table) for table in tables]
    with write_transaction(rack.held.engine) as connection:
        energy_due.ask(connection, "2026-05", now=int(NOW) + 60, actor="ann")
    assert rack.make(NOW + 120) == 1
    assert [made_of(rack, table) for table in tables] == before
