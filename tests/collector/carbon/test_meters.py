"""Meters in the store: files in and back out, supplies and sites, gaps, the bill, CRC rows, the devices' share."""

from __future__ import annotations

import datetime as dt
import io
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from support.estates import NOW, Estate

from roadworthy_collector.books import figures
from roadworthy_collector.books.batches import BatchError
from roadworthy_collector.carbon import (
    bill,
    meter_coverage,
    meter_figures,
    meter_import,
    meter_share,
    meter_undo,
    supplies,
    supplies_shown,
    tariff_store,
)
from roadworthy_collector.carbon import meter_days as packing
from roadworthy_collector.carbon.meter_import import Choices, MetersError, Outcome
from roadworthy_collector.carbon.supply_places import SupplyError
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.carbon_schema import energy_groups, meter_days
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import site_half_hours, sites
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.meter_numbers import mpan_check_digit
from roadworthy_inventory.carbon.meters import How

HERE = "Europe/London"
TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
MPAN = "1312345678907"
OTHER = "100000000001" + str(mpan_check_digit("100000000001"))
GAS = "3938424403"
COLUMNS = "MPAN,Date," + ",".join(f"HH{number:02d}" for number in range(1, 51))
ACTUAL = Choices(how=How(status="A"))


def row(day: dt.date, value: Any = 1, number: str = MPAN) -> str:
    length = local_day(day, HERE).periods
    values = value if isinstance(value, list) else [value] * length
    return f"{number},{day}," + ",".join(map(str, [*values, *[""] * (50 - length)]))


def days(first: dt.date, count: int) -> list[dt.date]:
    return [first + dt.timedelta(days=at) for at in range(count)]


def come_in(estate: Estate, *lines: str, choices: Choices = ACTUAL, header: str = COLUMNS) -> Outcome:
    body = io.BytesIO("\n".join([header, *lines]).encode())
    return meter_import.import_file(
        estate.engine, body, "hh.csv", choices, actor="sam", now=int(NOW), on=TODAY
    )


def held(estate: Estate) -> list[Any]:
    with estate.engine.connect() as connection:
        order = (meter_days.c.supply, meter_days.c.day, meter_days.c.channel)
        return [tuple(one) for one in connection.execute(select(meter_days).order_by(*order))]


def undo(estate: Estate, batch: int | None) -> meter_undo.Undone:
    assert batch is not None
    return meter_undo.undo(estate.engine, batch, actor="sam", now=int(NOW))


def site(estate: Estate, name: str, kind: str = "force", *, restricted: bool = False) -> int:
    with write_transaction(estate.engine) as connection:
        made = connection.execute(
            sites.insert().values(name=name, kind=kind, restricted=restricted).returning(sites.c.id)
        )
        return int(made.scalar_one())


def place(estate: Estate, number: str, name: str, first: str = "2015-04-01", **values: Any) -> None:
    with write_transaction(estate.engine) as connection:
        supplies.place(
            connection,
            number,
            name,
            valid_from=dt.date.fromisoformat(first),
            actor="sam",
            now=int(NOW),
            **values,
        )


def tariffs(estate: Estate, text: str, name: str = "t.csv") -> tuple[int, int]:
    with write_transaction(estate.engine) as connection:
        return tariff_store.load(connection, text, name, actor="sam", now=int(NOW))


FIRST = dt.date(2026, 3, 27)


def test_the_same_file_again_and_the_same_figures_again_change_nothing(estate: Estate) -> None:
    lines = [row(day) for day in days(FIRST, 5)]
    first = come_in(estate, *lines)
    assert (first.new, first.supplies_made, first.kwh_thousandths) == (5, [MPAN], (5 * 48 - 2) * 1000)
    before = held(estate)
    assert come_in(estate, *lines).already == first.batch
    again = come_in(estate, *reversed(lines))
    assert (again.batch, again.unchanged) == (None, 5)
    assert held(estate) == before


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_undoing_is_the_identity_whatever_was_filled_or_replaced(estate: Estate, data: Any) -> None:
    figure = st.one_of(st.just(""), st.integers(0, 9))
    day_of = st.lists(figure, min_size=48, max_size=48)
    choices = Choices(
        how=How(status=data.draw(st.sampled_from(["A", "E", None]))),
        overlap=data.draw(st.sampled_from(["keep", "replace"])),
    )
    base = [row(day, data.draw(day_of)) for day in days(dt.date(2026, 5, 1), 3)]
    come_in(estate, *base, choices=Choices(how=How(status="E")))
    before = held(estate)
    done = come_in(
        estate, *(row(day, data.draw(day_of)) for day in days(dt.date(2026, 5, 2), 3)), choices=choices
    )
    for _, _, _, packed, statuses, kwh, _ in held(estate):
        values = [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
        assert sum(value for value, status in zip(values, statuses, strict=True) if status != "-") == kwh
    if done.batch is not None:
        undo(estate, done.batch)
    assert held(estate) == before


def test_estimates_give_way_and_actual_figures_stay_unless_told(estate: Estate) -> None:
    day = dt.date(2026, 5, 1)
    come_in(estate, row(day, 1), choices=Choices(how=How(status="E")))
    better = come_in(estate, row(day, 2))
    assert (better.changed, better.overlapping) == (1, 0)
    other = come_in(estate, row(day, 3))
    assert (other.batch, other.overlapping) == (None, 1)
    assert other.overlaps[0] == (MPAN, day, "import", better.batch, 1)
    replaced = come_in(estate, row(day, 3), choices=Choices(how=How(status="A"), overlap="replace"))
    assert (replaced.changed, held(estate)[0][5]) == (1, 144_000)


def test_an_earlier_import_undone_first_does_not_come_back_with_the_later(estate: Estate) -> None:
    day = dt.date(2026, 5, 1)
    first = come_in(estate, row(day, [1, "", *[1] * 46]), choices=Choices(how=How(status="E")))
    second = come_in(estate, row(day, 2))
    assert undo(estate, first.batch).left == 1
    undo(estate, second.batch)
    assert held(estate) == []
    with pytest.raises(BatchError, match="undone by sam"):
        undo(estate, second.batch)
    with pytest.raises(NotFoundError):
        undo(estate, 4711)


def test_a_dry_run_and_a_file_that_is_none_leave_nothing(estate: Estate) -> None:
    done = come_in(estate, row(FIRST), row(TODAY + dt.timedelta(days=9)), choices=Choices(dry_run=True))
    assert (done.new, done.batch) == (1, None)
    assert done.corrections is not None
    assert "is after today" in done.corrections
    with pytest.raises(MetersError, match="line 1"):
        come_in(estate, "x,y", header="Name,Postcode")
    assert held(estate) == []
    with estate.engine.connect() as connection:
        assert supplies.read(connection) == []


def test_a_file_in_utc_fills_its_days_from_one_file_to_the_next(estate: Estate) -> None:
    utc = Choices(how=How(status="A", time="utc"))
    header = COLUMNS.removesuffix(",HH49,HH50")
    line = [f"{MPAN},{day}," + ",".join(["1"] * 48) for day in days(dt.date(2026, 6, 1), 2)]
    come_in(estate, line[0], choices=utc, header=header)
    second = come_in(estate, line[1], choices=utc, header=header)
    assert (second.new, second.changed) == (1, 2 - 1)
    assert [one[4].count("-") for one in held(estate)] == [2, 0, 46]
    undo(estate, second.batch)
    assert [one[4].count("-") for one in held(estate)] == [2, 46]


def test_supplies_places_and_shares_are_checked(estate: Estate) -> None:
    site(estate, "HQ")
    site(estate, "Annex")
    with write_transaction(estate.engine) as connection:
        supplies.save(connection, "S 00 801 100 " + MPAN, name="Main", actor="sam", now=1)
        with pytest.raises(SupplyError, match="does not check"):
            supplies.save(connection, "1312345678908", actor="sam", now=1)
        supplies.save(connection, "roof pv", "onsite", actor="sam", now=1)
        supplies.save(connection, GAS, "gas", actor="sam", now=1)
    place(estate, MPAN, "HQ", share=Fraction(3, 4), tenure="tenant")
    with pytest.raises(SupplyError, match=r"add up to 1\.25"):
        place(estate, MPAN, "Annex", share=Fraction(1, 2))
    with pytest.raises(SupplyError, match="already"):
        place(estate, MPAN, "HQ", "2020-04-01")
    with pytest.raises(NotFoundError, match="no such site"):
        place(estate, MPAN, "Nowhere")
    place(estate, MPAN, "Annex", share=Fraction(1, 4))
    with estate.engine.connect() as connection:
        rows = supplies_shown.site_rows(supplies.read(connection))
        found = supplies.find(connection, MPAN)
    assert [(one["site"], one["share"]) for one in rows] == [("Annex", 0.25), ("HQ", 0.75)]
    assert sum((found.shares(TODAY) or {}).values()) == 1
    with write_transaction(estate.engine) as connection:
        supplies.unplace(connection, MPAN, "HQ", dt.date(2015, 4, 1), actor="sam", now=1)
        assert [one.name for one in supplies.find(connection, MPAN).places] == ["Annex"]


@pytest.mark.parametrize(
    ("text", "share"), [("0.25", Fraction(1, 4)), ("25 %", Fraction(1, 4)), ("1/3", Fraction(1, 3))]
)
def test_a_share_is_read_exactly(text: str, share: Fraction) -> None:
    assert supplies_shown.parse_share(text) == share
    with pytest.raises(RoadworthyError):
        supplies_shown.parse_share("a quarter")


def test_the_gap_chaser_names_days_and_half_hours_of_both_clock_changes(estate: Estate) -> None:
    lines = [
        row(day)
        for day in days(dt.date(2025, 4, 1), 365)
        if day not in {dt.date(2025, 10, 25), dt.date(2025, 10, 26)}
    ]
    come_in(estate, *lines)
    come_in(
        estate,
        row(dt.date(2026, 3, 29), [*[2] * 40, *[""] * 6]),
        choices=Choices(how=How(status="A"), overlap="replace"),
    )
    with estate.engine.connect() as connection:
        (one,) = meter_coverage.year(connection, 2025, zone=HERE, today=TODAY)
    assert (one.expected, one.missing) == (365 * 48, 48 + 50)
    assert [(str(gap.first), str(gap.last), gap.half_hours) for gap in one.gaps] == [
        ("2025-10-25", "2025-10-26", 98)
    ]
    assert one.months[6].ratio == pytest.approx(1 - 98 / (31 * 48 + 2))
    assert not one.estimated
    assert one.shown()["counts_as"] == "actual"


def test_crc_rows_say_actual_or_estimated_by_183_days_and_keep_uplift_and_restricted_apart(
    estate: Estate,
) -> None:
    year = days(dt.date(2017, 4, 1), 365)
    lines = [row(day, 10) for day in year] + [row(day, 1, OTHER) for day in year[:100]]
    come_in(estate, *lines)
    come_in(
        estate,
        f"{GAS},2017-04-01,1000,kWh,A",
        f"{GAS},2018-03-31,9000,kWh,A",
        header="MPRN,Date,Meter reading,Unit,Type",
    )
    site(estate, "HQ")
    site(estate, "Hidden", restricted=True)
    place(estate, MPAN, "HQ", tenure="owner")
    place(estate, OTHER, "Hidden")
    with estate.engine.connect() as connection:
        rows = {one.number: one for one in supplies.crc_supplies(connection, 2017, zone=HERE, today=TODAY)}
        named = supplies.crc_supplies(connection, 2017, zone=HERE, today=TODAY, restricted=True)
    main, gas, hidden = rows[MPAN], rows[GAS], rows[""]
    assert (main.kwh, main.uplift_kwh) == (Fraction(365 * 480), Fraction(0))
    assert (main.estimated, main.missing_half_hours) == (False, 0)
    assert (main.sites, main.tenures) == (("HQ",), ("owner",))
    assert gas.kwh == 8000
    assert gas.fuel == "gas"
    assert not gas.estimated
    assert hidden.name == supplies.RESTRICTED
    assert hidden.kwh == 4800
    assert hidden.estimated
    assert hidden.uplift_kwh == 480
    assert hidden.supply().reference == supplies.RESTRICTED
    assert sum(one.kwh for one in named) == sum(one.kwh for one in rows.values())
    assert {one.number for one in named} == {MPAN, OTHER, GAS}


TARIFFS = """supply,fuel,valid_from,valid_to,unit_pence,day_pence,night_pence,night_from,night_to,standing_pence_per_day,levies,source
,electricity,2025-04-01,,20,,,,,100,CCL=0.8,Contract A
{mpan},electricity,2025-10-01,2025-11-01,,30,10,00:00,07:00,0,,Contract B
"""


def test_the_bill_prices_day_and_night_standing_charge_and_levies_and_adds_up_by_site(estate: Estate) -> None:
    site(estate, "HQ")
    site(estate, "Annex")
    come_in(
        estate,
        *(row(day) for day in days(dt.date(2025, 9, 1), 61)),
        *(row(day, 1, OTHER) for day in days(dt.date(2025, 3, 1), 32)),
    )
    place(estate, MPAN, "HQ", "2025-09-01", valid_to=dt.date(2025, 11, 1), share=Fraction(1, 3))
    place(estate, MPAN, "Annex", "2025-09-01", valid_to=dt.date(2025, 11, 1), share=Fraction(1, 3))
    assert tariffs(estate, TARIFFS.format(mpan=MPAN)) == (2, 0)
    assert tariffs(estate, TARIFFS.format(mpan=MPAN)) == (0, 2)
    with estate.engine.connect() as connection:
        found = bill.year(connection, 2025, zone_name=HERE, today=TODAY)
    mine = next(one for one in found.rows if one.number == MPAN)
    september = 30 * 48 * (20 + Fraction("0.8")) + 30 * 100
    october = 31 * 14 * 10 + 2 * 10 + (31 * 34) * 30  # the night of the 26th is two half-hours longer
    assert mine.pence == round(september + october)
    assert mine.energy_pence + mine.standing_pence + mine.levies_pence == mine.pence
    assert sum(mine.by_site.values()) == mine.pence
    assert set(mine.by_site) == {"HQ", "Annex", bill.NOT_SHARED}
    assert mine.sources == ["Contract A", "Contract B"]
    assert found.pence == sum(found.by_site.values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("valid_from,unit_pence,source\n2025-04-01,x,a", "line 2: unit_pence: 'x' is no number"),
        ("valid_from,unit_pence\n2025-04-01,3", "line 2: source"),
        (
            "valid_from,valid_to,unit_pence,source\n2025-04-01,2025-04-01,3,a",
            "valid_to: 2025-04-01 is not after",
        ),
        (
            "valid_from,unit_pence,source\n2025-04-01,3,a\n2025-05-01,4,b",
            "two tariffs of all supplies of electricity",
        ),
        ("valid_from,day_pence,source\n2025-04-01,3,a", "give it, or day_pence"),
        ("from,unit_pence\n2025-04-01,3", "column 'from' is unknown"),
        ("supply,valid_from,unit_pence,source\n1312345678907,2025-04-01,3,a", "no supply held here"),
        ("valid_from,unit_pence,levies,source\n2025-04-01,3,CCL,a", "line 2: levies"),
        (
            "valid_from,day_pence,night_pence,night_from,night_to,source\n2025-04-01,3,2,1am,07:00,a",
            "night_from",
        ),
    ],
)
def test_a_wrong_tariff_is_refused_with_its_line_and_column_and_none_is_kept(
    estate: Estate, text: str, says: str
) -> None:
    with pytest.raises(RoadworthyError, match=says.replace("(", r"\(")):
        tariffs(estate, text)
    with estate.engine.connect() as connection:
        assert tariff_store.read(connection) == []


def test_tariffs_come_as_toml_too(estate: Estate) -> None:
    text = '[[tariff]]\nvalid_from = 2025-04-01\nunit_pence = 21.5\nsource = "Contract"\n[tariff.levies]\nCCL = 0.775\n'
    assert tariffs(estate, text, "t.toml") == (1, 0)
    with pytest.raises(RoadworthyError, match="line 4: 'price' is unknown"):
        tariffs(estate, "[[tariff]]\nvalid_from = 2025-04-01\nunit_pence = 1\nprice = 3\n", "t.toml")
    with estate.engine.connect() as connection:
        ((number, one),) = tariff_store.read(connection)
    assert one.levies == {"CCL": Fraction("0.775")}
    with write_transaction(estate.engine) as connection:
        tariff_store.drop(connection, number, actor="sam", now=1)
        assert tariff_store.listed(connection) == []


MONTH = dt.date(2026, 8, 1)


def ledger(estate: Estate, number: int, kwh: float, off: float = 0.1) -> None:
    joules = round(kwh * 3_600_000)
    with write_transaction(estate.engine) as connection:
        connection.execute(
            energy_groups.insert().values(
                month=str(MONTH), site=number, unit=1, item_class="desktop", model="", devices=1, days=31,
                metered_joules=0, sensor_joules=0, modelled_joules=joules, assumed_joules=0, own_down_squared=0.0,
                own_up_squared=0.0, shared={"states of desktop": [joules * off, joules * off]}, unknown_seconds=0,
            )
        )  # fmt: skip
        span = local_day(MONTH, HERE)
        for day in days(MONTH, 31):
            span = local_day(day, HERE)
            connection.execute(
                site_half_hours.insert(),
                [
                    {
                        "start": start, "site": number, "devices": 1, "observed_seconds": 1800,
                        "in_use_seconds": 1800 if at in range(18, 34) else 0, "idle_seconds": 0,
                        "locked_seconds": 0, "asleep_seconds": 0,
                        "off_seconds": 0 if at in range(18, 34) else 1800, "unobserved_seconds": 0,
                        "joules": None,
                    }
                    for at, start in enumerate(span.starts())
                ],
            )  # fmt: skip


def share(estate: Estate) -> list[dict[str, Any]]:
    with estate.engine.connect() as connection:
        return meter_share.of_month(connection, MONTH, zone_name=HERE)


def test_devices_are_held_beside_the_meter_and_an_impossible_claim_is_an_alarm(estate: Estate) -> None:
    number = site(estate, "HQ")
    site(estate, "Home", "home")
    ledger(estate, number, 100)
    come_in(estate, *(row(day, 1) for day in days(MONTH, 31)))
    place(estate, MPAN, "HQ", "2026-04-01")
    (found,) = share(estate)
    periods = 31 * 48
    assert (found["compared_half_hours"], found["missing_half_hours"], found["above_half_hours"]) == (
        periods,
        0,
        0,
    )
    assert found["claimed_kwh"] == pytest.approx(100)
    assert found["ratio"] == pytest.approx([90 / periods, 100 / periods, 110 / periods])
    assert (
        sum(one[0] for one in found["profile"][18:33])
        > 50 * sum(one[0] for one in found["profile"][:16]) / 100
    )
    with write_transaction(estate.engine) as connection:
        connection.execute(meter_days.update().where(meter_days.c.day == "2026-08-05").values(
            half_hours=packing.pack([1] * 48), kwh_thousandths=48))  # fmt: skip
    (alarm,) = share(estate)
    assert alarm["above_half_hours"] == 48
    assert alarm["above"][0]["meter_kwh"] == pytest.approx(0.001)


def test_the_job_keeps_the_last_closed_month_and_does_nothing_while_nothing_changes(estate: Estate) -> None:
    number = site(estate, "HQ")
    ledger(estate, number, 100)
    come_in(estate, row(MONTH))
    place(estate, MPAN, "HQ", "2026-04-01")
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    assert meter_figures.refresh(work) == 1
    assert meter_figures.refresh(work) == 0
    with estate.engine.connect() as connection:
        held_figure = figures.read(connection, meter_figures.FIGURE)
    assert held_figure is not None
    (one,) = held_figure[0]["sites"]
    assert (one["metered_kwh"], one["missing_half_hours"]) == (48.0, 30 * 48)


def test_a_supply_of_several_sites_without_shares_says_nothing_of_either(estate: Estate) -> None:
    for name in ("HQ", "Annex"):
        ledger(estate, site(estate, name), 10)
    come_in(estate, *(row(day, 1) for day in days(MONTH, 31)))
    place(estate, MPAN, "HQ", "2026-04-01")
    place(estate, MPAN, "Annex", "2026-04-01")
    assert all("shares are not told" in one["why"] for one in share(estate))


@pytest.mark.parametrize(("text", "says"), [("2030/31", "has not begun"), ("2025", "2025"), ("x", "x")])
def test_a_year_not_begun_is_refused(text: str, says: str) -> None:
    with pytest.raises(RoadworthyError, match=says):
        meter_figures.year_of(text, TODAY)
