"""The energy ledger: months made from daily totals, sums that close, the same however often and in whatever order."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from support.estates import Estate

from roadworthy_collector.carbon import (
    emitted,
    energy,
    energy_due,
    energy_facts,
    energy_kept,
    report_newest,
    report_render,
)
from roadworthy_collector.carbon import estate as ledger
from roadworthy_collector.carbon.estate import financial_year, parse_period
from roadworthy_collector.carbon.sums import Sum, together
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import erasure
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.ledger import QUALITIES

ZONE = "Europe/London"
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
KWH = 3_600_000
DAY = {
    "in_use": 8 * 3600,
    "idle": 3600,
    "locked": 3600,
    "asleep": 4 * 3600,
    "off": 10 * 3600,
    "unobserved": 0,
}


def work_of(held: Estate, now: float = NOW) -> Work:
    return Work(held.engine, held.settings(), clock=lambda: now, rests=False)


def device(held: Estate, **values: Any) -> int:
    enrolled = dt.datetime(2026, 4, 1, tzinfo=dt.UTC).timestamp()
    return held.device(enrolled_at=int(enrolled), **{"device_class": "desktop", "model": "OptiPlex"} | values)


def told(
    held: Estate,
    device: int,
    day: str,
    *,
    seconds: dict[str, int] | None = None,
    joules: dict[str, dict[str, int]] | None = None,
    site: str = "HQ",
    unit: str = "IT",
    cpu: float | None = None,
) -> None:
    """Put one local day of a device, in the table it belongs in."""
    date = dt.date.fromisoformat(day)
    span = local_day(date, ZONE)
    states = {f"{name}_seconds": spent for name, spent in (seconds or DAY).items()}
    row = {
        "device": device, "site": held.site(site), "unit": held.unit(unit), "periods": span.periods, "startups": 0,
        "observed_seconds": sum(spent for name, spent in (seconds or DAY).items() if name in {"in_use", "idle", "locked"}),
        "cpu_mean_ratio": cpu, "joules": joules, **states,
    }  # fmt: skip
    if span.start % 86_400 == 0 and span.periods == 48:
        held.put(schema.days, day=span.start, **row)
    else:
        held.put(schema.local_days, date=day, start=span.start, half_hours=span.periods, **row)


def made(held: Estate, now: float = NOW) -> int:
    count = 0
    while energy.refresh(work_of(held, now)):
        count += 1
    return count


def read(held: Estate, period: str = "2026/27", **asked: Any) -> ledger.Estate:
    with held.engine.connect() as connection:
        return ledger.read(connection, parse_period(period), **asked)


def rows(held: Estate, table: Any) -> list[tuple[Any, ...]]:
    with held.engine.connect() as connection:
        query = select(table).order_by(*table.primary_key.columns)
        return [tuple(row) for row in connection.execute(query)]


def test_a_metered_day_is_its_joules_and_states_are_modelled(estate: Estate) -> None:
    one, other = device(estate), device(estate)
    told(estate, one, "2026-04-01", joules={"wall": {"metered": 2 * KWH}, "cpu": {"sensor": KWH}})
    told(estate, other, "2026-04-01")
    made(estate)
    found = read(estate)
    whole = found.total
    assert whole.kwh_of("metered") == 2
    # Off and asleep are in what the meter saw; the other desktop is modelled by its seconds in each state.
    assert whole.kwh_of("modelled") == Fraction(8 * 3600 * 33 + 7200 * 12 + 4 * 3600 * 2 + 10 * 3600, KWH)
    assert whole.low_joules < whole.whole_joules < whole.high_joules
    assert (whole.devices, whole.days) == (2, 2)


def test_every_reading_sums_to_the_same_total(estate: Estate) -> None:
    for number, (site, unit, kind) in enumerate(
        itertools.product(("HQ", "North"), ("IT", "Patrol"), ("desktop", "laptop"))
    ):
        one = device(estate, site=site, unit=unit, device_class=kind, model=f"M{number % 3}")
        for day in ("2026-04-01", "2026-04-30", "2026-05-01"):
            told(estate, one, day, site=site, unit=unit)
    made(estate)
    found = read(estate)
    assert found.total.whole_joules > 0
    for by in ledger.DIMENSIONS:
        assert sum(row.energy.whole_joules for row in found.rows(by)) == found.total.whole_joules
    with estate.engine.connect() as connection:
        for name in QUALITIES:
            sums = [
                connection.scalar(select(func.sum(table.c[f"{name}_joules"])))
                for table in (energy_devices, energy_groups)
            ]
            assert sums[0] == sums[1]
    april = read(estate, "2026-04").total.whole_joules
    assert april + read(estate, "2026-05").total.whole_joules == found.total.whole_joules


DAYS = st.lists(
    st.tuples(
        st.integers(0, 3),  # device
        st.sampled_from(["2026-03-28", "2026-03-29", "2026-03-31", "2026-04-01", "2026-05-15", "2026-06-09"]),
        st.sampled_from(["HQ", "North"]),
        st.sampled_from([None, {"cpu": {"sensor": KWH // 10}}, {"machine": {"sensor": KWH // 5}}, {"wall": {"metered": KWH}}]),
        st.sampled_from([DAY, {**DAY, "unobserved": 3600, "off": 9 * 3600}, {**DAY, "in_use": 0, "unobserved": 8 * 3600}]),
    ),
    max_size=14,
    unique_by=lambda one: one[:2],
)  # fmt: skip


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(days=DAYS, order=st.randoms(use_true_random=False))
def test_any_order_and_twice_is_the_same(estate: Estate, days: list[Any], order: Any) -> None:
    estate.clear()
    kinds = ("desktop", "laptop", "server", "virtual")
    devices = [device(estate, device_class=kind, model=kind) for kind in kinds]
    for number, day, site, joules, seconds in days:
        told(estate, devices[number], day, site=site, joules=joules, seconds=seconds, cpu=0.1)
    told(estate, devices[0], "2026-03-27")
    made(estate)
    first = rows(estate, energy_devices), rows(estate, energy_groups)
    whole = read(estate).total.whole_joules
    months = [
        energy_due.month_of(dt.date(2026, number, 1), dt.date(2026, 6, 10), ZONE) for number in (3, 4, 5, 6)
    ] * 2
    order.shuffle(months)
    for month in months:
        energy.make(work_of(estate), month)
    assert (rows(estate, energy_devices), rows(estate, energy_groups)) == first
    assert read(estate).total.whole_joules == whole
    by_device = sum(row[5 + place] for row in first[0] for place in range(4))
    assert by_device == sum(row[7 + place] for row in first[1] for place in range(4))


def test_a_day_nothing_was_told_on_is_unknown_and_not_nought(estate: Estate) -> None:
    one = device(estate)
    device(estate)  # tells nothing at all
    told(estate, one, "2026-04-01")
    made(estate)
    april = read(estate, "2026-04")
    assert april.total.silent_seconds == (29 + 30) * 86_400
    assert april.total.devices == 1
    assert april.total.coverage_ratio == pytest.approx(1 / 60)
    assert {row.key for row in april.rows("model")} == {"OptiPlex", "(nothing told)"}


def test_a_virtual_machine_has_no_energy_and_counts_as_unknown(estate: Estate) -> None:
    told(estate, device(estate, device_class="virtual"), "2026-04-01")
    made(estate)
    total = read(estate, "2026-04").total
    assert total.whole_joules == 0
    assert total.unknown_seconds == 86_400


def test_a_server_by_its_make_up(estate: Estate) -> None:
    hardware = {
        "bios_date": "2018-05-01",
        "cpu": {"sockets": 2, "cores": 32},
        "memory": {"total_bytes": 128 * 2**30},
    }
    plain = device(estate, device_class="server", model="R640")
    known = device(estate, device_class="server", model="R640", facts={"hardware": hardware})
    seconds = dict.fromkeys(DAY, 0) | {"in_use": 86_400}
    for one in (plain, known):
        told(estate, one, "2026-04-01", seconds=seconds, cpu=0.2)
    made(estate)
    held = {row.device: row for row in _devices(estate, "2026-04-01")}
    assert held[plain].modelled_joules == 107 * 86_400
    assert held[known].modelled_joules not in {0, held[plain].modelled_joules}
    assert held[known].low_joules < held[known].modelled_joules < held[known].high_joules


def _devices(held: Estate, month: str) -> list[Any]:
    with held.engine.connect() as connection:
        return list(connection.execute(select(energy_devices).where(energy_devices.c.month == month)))


def test_siblings_on_battery_teach_the_rest_of_the_machine(estate: Estate) -> None:
    some = [device(estate, device_class="laptop", model="E14") for _ in range(4)]
    midnight = local_day(dt.date(2026, 4, 2), "UTC").start
    for number, one in enumerate(some[:3]):
        estate.put(
            schema.battery_days, device=one, day=midnight, discharge_seconds=7200, source="battery",
            discharge_joules=7200 * (9 + number), cpu_joules=7200 * 4,
        )  # fmt: skip
    told(estate, some[3], "2026-04-01", joules={"cpu": {"sensor": 100_000}})
    made(estate)
    (row,) = [one for one in _devices(estate, "2026-04-01") if one.device == some[3]]
    on, asleep, off = 10 * 3600, 4 * 3600, 10 * 3600
    rest = round(6.0 * on)
    conversion = round((100_000 + rest) * (1 / 0.88 - 1))
    assert row.sensor_joules == 100_000
    assert row.modelled_joules == rest + conversion + round(asleep * 1 + off * 0.5)


def test_when_a_machine_was_bought_decides_its_watts(estate: Estate) -> None:
    old, new = device(estate), device(estate, facts={"hardware": {"bios_date": "2019-01-01"}})
    estate.put(
        register_items, id=1, kind="desktop", lifecycle_state="in_use", usage_profile="office",
        purchased="2008-01-01", updated_at=0,
    )  # fmt: skip
    estate.put(register_devices, item=1, device=old, valid_from="2026-01-01", matched_on=[])
    for one in (old, new):
        told(estate, one, "2026-04-01")
    made(estate)
    held = {row.device: row.modelled_joules for row in _devices(estate, "2026-04-01")}
    assert held[old] > 1.5 * held[new]


def test_late_data_makes_a_closed_month_anew_and_nothing_else_does(estate: Estate) -> None:
    one = device(estate)
    told(estate, one, "2026-04-01")
    assert made(estate) == 3
    later = NOW + 7 * 3600
    assert made(estate, later) == 1  # the running month alone
    told(estate, one, "2026-04-02")
    day = local_day(dt.date(2026, 4, 2), "UTC").start
    estate.put(schema.site_dirty, day=day, marks=1, rolled_at=None)
    before = read(estate, "2026-04").total.whole_joules
    assert made(estate, later) == 1
    assert read(estate, "2026-04").total.whole_joules == 2 * before


def test_a_run_of_the_job_makes_the_months_there_is_time_for(estate: Estate) -> None:
    told(estate, device(estate), "2026-04-01")
    slow = itertools.count(0, 10)
    work = work_of(estate)
    work.monotonic = lambda: float(next(slow))
    assert energy.refresh_some(work) == 1
    assert energy.refresh_some(work_of(estate)) == 2
    assert energy.refresh_some(work_of(estate)) == 0


def test_other_models_make_all_anew(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    told(estate, device(estate), "2026-04-01")
    assert made(estate) == 3
    monkeypatch.setattr(energy.power, "digest", lambda: "another")
    assert made(estate) == 3
    assert {one.digest for one in read(estate, "2026-04").months} == {"another"}


def test_what_an_erased_device_drew_stays_in_the_sums(estate: Estate) -> None:
    one, other = device(estate), device(estate)
    for each in (one, other):
        told(estate, each, "2026-04-01")
    made(estate)
    before = read(estate, "2026-04")
    with write_transaction(estate.engine) as connection:
        for table in (energy_devices, schema.days, schema.local_days):
            connection.execute(table.delete().where(table.c.device == one))
        connection.execute(schema.devices.delete().where(schema.devices.c.id == one))
    for _ in range(2):
        energy.make(work_of(estate), energy_due.month_of(dt.date(2026, 4, 1), dt.date(2026, 6, 10), ZONE))
        after = read(estate, "2026-04")
        assert after.total.joules == before.total.joules
        assert after.total.devices == 2
        assert {row.key for row in after.rows("class")} == {"desktop", "erased"}


APRIL = energy_due.month_of(dt.date(2026, 4, 1), dt.date(2026, 6, 10), ZONE)


def ask_to_erase(estate: Estate, device: int) -> None:
    estate.put(schema.erasures, device=device, asked_by="sam", asked_at=1, reason="asked for")


def remove(estate: Estate, device: int) -> None:
    with write_transaction(estate.engine) as connection:
        assert erasure.remove(connection, device, now=work_of(estate).clock())


@pytest.mark.parametrize("when", ["before its piece", "after its piece", "while its piece is read"])
def test_an_erasure_in_the_midst_of_a_build_loses_nothing(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Its part of the month stays in the sums, and no row of it is left or comes back."""
    monkeypatch.setattr(energy_facts, "AT_ONCE", 1)
    some = [device(estate) for _ in range(3)]
    for each in some:
        told(estate, each, "2026-04-01")
    made(estate)
    before = read(estate, "2026-04")
    gone, at = {
        "before its piece": (some[2], some[0]),
        "after its piece": (some[0], some[1]),
        "while its piece is read": (some[1], some[1]),
    }[when]
    ask_to_erase(estate, gone)
    read_leaving, leaving = energy_facts.read_leaving, []

    def then(connection: Any, first: dt.date, between: tuple[int, int]) -> Any:
        found = read_leaving(connection, first, between)
        leaving.append(found)
        if between[1] == at:
            connection.rollback()  # the erasure has its own connection, and SQLite one who writes
            remove(estate, gone)
        return found

    monkeypatch.setattr(energy_facts, "read_leaving", then)
    assert energy.make(work_of(estate), APRIL)
    monkeypatch.undo()
    for _ in range(2):
        after = read(estate, "2026-04")
        assert after.total.joules == before.total.joules
        assert after.total.devices == 3
        with estate.engine.connect() as connection:
            mine = energy_devices.c.device == gone
            assert connection.scalar(select(func.count()).select_from(energy_devices).where(mine)) == 0
        energy.make(work_of(estate), APRIL)


def test_a_build_that_is_cut_off_goes_on_without_what_was_erased_since(estate: Estate) -> None:
    one, other = device(estate), device(estate)
    for each in (one, other):
        told(estate, each, "2026-04-01")
    made(estate)
    before = read(estate, "2026-04")
    energy_kept.begin(work_of(estate), "2026-04")
    ask_to_erase(estate, one)
    remove(estate, one)
    assert energy.make(work_of(estate), APRIL)
    assert read(estate, "2026-04").total.joules == before.total.joules


def test_a_device_whose_days_are_going_counts_as_it_was_made_last(estate: Estate) -> None:
    one, other = device(estate), device(estate)
    for each in (one, other):
        told(estate, each, "2026-04-01")
    made(estate)
    before = read(estate, "2026-04")
    ask_to_erase(estate, one)
    with write_transaction(estate.engine) as connection:
        for table in (schema.days, schema.local_days):
            connection.execute(table.delete().where(table.c.device == one))
    assert energy.make(work_of(estate), APRIL)
    assert read(estate, "2026-04").total.joules == before.total.joules
    remove(estate, one)
    assert energy.make(work_of(estate), APRIL)
    assert read(estate, "2026-04").total.joules == before.total.joules


def test_a_part_of_the_organisation_and_restricted_sites(estate: Estate) -> None:
    for site, unit, restricted in (
        ("HQ", "IT", False),
        ("Safe house", "Covert", True),
        ("HQ", "Patrol", False),
    ):
        one = device(estate, site=site, unit=unit, restricted=restricted)
        told(estate, one, "2026-04-01", site=site, unit=unit)
    above = estate.unit("IT")
    with write_transaction(estate.engine) as connection:
        below = update(schema.units).where(schema.units.c.name == "Patrol")
        connection.execute(below.values(parent=above))
    made(estate)
    found = read(estate)
    assert "Safe house" not in str([row.title for row in found.rows("site")])
    assert "Covert" not in str([row.title for row in found.rows("unit")])
    (others,) = found.rows("site")
    assert (others.title, others.energy.whole_joules) == ("other sites", found.total.whole_joules)
    part = read(estate, unit="IT")
    assert {row.title for row in part.rows("unit")} == {"IT", "Patrol"}
    assert part.total.whole_joules * 3 == found.total.whole_joules * 2
    scoped = read(estate, scope=frozenset({estate.unit("Patrol")}))
    assert scoped.total.whole_joules * 3 == found.total.whole_joules
    with pytest.raises(NotFoundError):
        read(estate, unit="Covert", scope=frozenset({estate.unit("Patrol")}))


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 10**9)), st.integers(1, 10**9))
def test_no_row_and_no_difference_of_two_is_a_restricted_sites_own(
    named: dict[str, int], hidden: int
) -> None:
    sums = {key: Sum([joules, 0, 0, 0]) for key, joules in named.items()}
    sums[ledger.RESTRICTED] = Sum([0, hidden, 0, 0])
    whole = together(sums.values()).energy()
    none: dict[Any, Any] = {name: {} for name in ledger.DIMENSIONS}
    found = ledger.Estate(ledger.financial_year(2025), whole, (), none | {"site": sums}, {})
    rows = found.rows("site")
    assert sum(row.energy.whole_joules for row in rows) == whole.whole_joules
    assert ledger.RESTRICTED not in {row.key for row in rows}
    (others,) = [row for row in rows if row.key == ledger.OTHERS]
    beside = [key for key in others.of if key != ledger.RESTRICTED]
    assert len(beside) == min(2, sum(joules > 0 for joules in named.values()))


def test_tonnes_by_place_and_scope(estate: Estate) -> None:
    for site, kind in (("HQ", "force"), ("Home", "home"), ("Van", "vehicle")):
        one = device(estate, site=site)
        told(estate, one, "2025-10-01", site=site, joules={"wall": {"metered": 10 * KWH}})
        with write_transaction(estate.engine) as connection:
            connection.execute(update(schema.sites).where(schema.sites.c.name == site).values(kind=kind))
    made(estate)
    found = emitted.emissions(read(estate, "2025/26"))
    generation = found.factors["generation"].require()
    lines = {name: line.co2e for name, line in found.lines.items()}
    assert lines["scope2_location"] is not None
    assert lines["scope2_location"].kilograms == 10 * generation
    assert lines["scope3_home"] is not None
    losses = found.factors["transmission_distribution"].require()
    assert lines["scope3_home"].kilograms == 10 * (generation + losses)
    # What a vehicle's fuel makes is in scope 1 already.
    assert found.lines["scope3_wtt"].energy.kwh == 20
    assert found.factor_set.startswith("2025")


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_five_thousand_devices_sum_to_the_same(estate: Estate) -> None:
    """The twin of bench/energy.py, which measures 100,000: every sum closes, no transaction writes them all at once."""
    ids = [estate.site(name) for name in ("HQ", "North")], estate.unit("IT")
    rows = [
        {
            "id": number, "device_id": f"rwd_{number:032x}", "site": ids[0][number % 2], "unit": ids[1], "enrolled_at": 1_780_300_000,
            "device_class": "laptop" if number % 3 else "desktop", "model": f"M{number % 40}",
        }
        for number in range(1, 5001)
    ]  # fmt: skip
    span = local_day(dt.date(2026, 6, 3), ZONE)
    totals = [
        {
            "device": row["id"], "site": row["site"], "unit": row["unit"], "date": "2026-06-03", "start": span.start,
            "half_hours": 48, "periods": 48, "startups": 0, "observed_seconds": 43_200,
            "joules": {"wall": {"metered": 1000 + row["id"]}}, **{f"{name}_seconds": spent for name, spent in DAY.items()},
        }
        for row in rows
    ]  # fmt: skip
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.devices.insert(), rows)
        connection.execute(schema.local_days.insert(), totals)
    assert made(estate) == 1
    found = read(estate, "2026-06")
    assert found.total.whole_joules == sum(1000 + number for number in range(1, 5001))
    assert found.total.devices == 5000
    for by in ledger.DIMENSIONS:
        assert sum(row.energy.whole_joules for row in found.rows(by)) == found.total.whole_joules
    assert len(_devices(estate, "2026-06-01")) == 5000
    # The annual report of as many, in every form (bench/energy_report.py measures it at 100,000).
    with estate.engine.connect() as connection:
        told_of, frame = report_newest.newest(
            connection, estate.settings(), "carbon", "2026/27", now=NOW, live=True
        )
    assert {one["name"]: one["value"] for one in told_of["figures"]}["devices"] == 5000
    bodies = {form: report_render.rendered(told_of, frame, form) for form in report_render.FORMS}
    assert all(len(body) > 1000 for body in bodies.values())
    assert len(json.loads(bodies["json"])["tables"]) == len(told_of["tables"])


@pytest.mark.parametrize("said", ["2025", "2025-13", "2025/27", "soon", ""])
def test_no_period(said: str) -> None:
    with pytest.raises(RoadworthyError):
        parse_period(said)


def test_a_year_and_a_month() -> None:
    assert financial_year(2025).months[0] == "2025-04"
    assert financial_year(2025).months[-1] == "2026-03"
    assert parse_period("2025/26").days == (dt.date(2025, 4, 1), dt.date(2026, 3, 31))
    assert parse_period("2028-02").days[1] == dt.date(2028, 2, 29)
