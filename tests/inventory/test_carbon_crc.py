"""CRC: the published worked examples, the order of uplift, sum, rounding and price, and what stood around a report."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory import tables
from roadworthy_inventory.carbon import crc_evidence, crc_rates
from roadworthy_inventory.carbon.carbon_price import InternalPrice, InternalPriceSeries
from roadworthy_inventory.carbon.crc import Supply, ict_share, report
from roadworthy_inventory.carbon.factors import factor_book
from roadworthy_inventory.carbon.quantities import (
    CarbonError,
    Co2,
    Co2e,
    MissingFactorError,
    QuantityError,
    YearError,
    half_up,
)
from roadworthy_inventory.carbon.years import year_days

GRID = "electricity_grid"


def grid(kwh: int | Fraction, *, estimated: bool = False) -> Supply:
    return Supply(fuel=GRID, kwh=Fraction(kwh), estimated=estimated)


def supplies() -> st.SearchStrategy[list[Supply]]:
    one = st.builds(
        Supply,
        fuel=st.sampled_from(crc_rates.FUELS),
        kwh=st.fractions(0, 10**9, max_denominator=1000),
        estimated=st.booleans(),
    )
    return st.lists(one, min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("began", "tonnes", "cost"), [(2015, 2978, Decimal("50328.20")), (2016, 2680, Decimal("46096.00"))]
)
def test_the_published_worked_example(began: int, tonnes: int, cost: Decimal) -> None:
    """6,000,000 kWh at buy-to-comply prices, https://www.valpak.co.uk/blog/ (7 July 2016)."""
    found = report(began, [grid(6_000_000)])
    assert (found.tonnes, found.allowances, found.cost_gbp) == (tonnes, tonnes, cost)


def test_the_published_cost_a_megawatt_hour() -> None:
    """6.75 GBP/MWh in 2017/18 and a factor 14.6 % below the year before's."""
    factor, before = (crc_rates.require_factor(year, GRID) for year in (2017, 2016))
    price = crc_rates.price(2017, "compliance").value
    assert price is not None
    assert half_up(factor * Fraction(price), 2) == Decimal("6.75")
    assert half_up((1 - factor / before) * 100, 1) == Decimal("14.6")


def test_the_published_difference_of_the_sales() -> None:
    dear, cheap = (crc_rates.price(2016, sale).value for sale in ("compliance", "forecast"))
    assert dear is not None
    assert cheap is not None
    assert dear - cheap == Decimal("1.10")


def test_phase_two_factors_are_the_sets_own() -> None:
    """Grid = generation + losses, on-site = generation, CO2 only, of the set of the year it begins in."""
    book = factor_book()
    for began in range(2014, 2019):
        made = book.of(began, "generation", "kgCO2/kWh").exact
        lost = book.of(began, "transmission_distribution", "kgCO2/kWh").exact
        assert crc_rates.require_factor(began, GRID) == made + lost
        assert crc_rates.require_factor(began, "electricity_onsite") == made


def test_the_uplift_comes_before_the_one_rounding() -> None:
    rows = [grid(1000), grid(1000, estimated=True), Supply(fuel="gas", kwh=Fraction(1000))]
    found = report(2016, rows)
    exact = Fraction("0.44662") * Fraction("2.1") + Fraction("0.18365")
    assert found.exact.tonnes == exact
    assert found.tonnes == 1
    assert [one.uplift.tonnes for one in found.rows] == [0, Fraction("0.044662"), 0]


def test_half_a_tonne_is_a_tonne() -> None:
    factor = crc_rates.require_factor(2016, GRID)
    assert report(2016, [grid(Fraction(5, 2) * 1000 / factor)]).tonnes == 3
    assert report(2016, [grid((Fraction(5, 2) - Fraction(1, 10**6)) * 1000 / factor)]).tonnes == 2


@given(rows=supplies(), began=st.sampled_from([2016, 2017, 2018]))
def test_supplies_subtotals_and_total_close(rows: list[Supply], began: int) -> None:
    found = report(began, rows)
    by_row = sum((one.emissions.kilograms for one in found.rows), Fraction(0))
    by_part = sum((one.emissions.kilograms for one in found.subtotals), Fraction(0))
    assert by_row == by_part == found.exact.kilograms
    assert sum(one.supplies for one in found.subtotals) == len(rows)
    assert abs(found.tonnes - found.exact.tonnes) <= Fraction(1, 2)
    assert found.price.value is not None
    assert found.cost_gbp == found.tonnes * found.price.value


@given(kwh=st.fractions(0, 10**9, max_denominator=100), parts=st.integers(1, 6))
def test_a_supply_cut_in_parts_emits_the_same(kwh: Fraction, parts: int) -> None:
    assert report(2016, [grid(kwh / parts)] * parts).tonnes == report(2016, [grid(kwh)]).tonnes


def test_the_conflict_is_shown_and_not_decided() -> None:
    found = report(2015, [grid(6_000_000)], sale="forecast")
    assert found.price.value is None
    assert found.cost_gbp is None
    assert [one.value for one in found.price.candidates] == [Decimal("15.60"), Decimal("16.10")]
    assert found.cost_range_gbp == (2978 * Decimal("15.60"), 2978 * Decimal("16.10"))
    assert "15.60 or £16.10" in (found.price.reason or "")
    assert report(2015, [grid(1)], sale="forecast", sale_required=True).cost_gbp is None


def test_the_first_year_was_report_only() -> None:
    found = report(2010, [grid(10**6)])
    assert (found.tonnes, found.allowances, found.cost_gbp, found.cost_range_gbp) == (541, None, None, None)
    assert found.price.reason == "report only: no allowances that year"
    for began, sale in ((2010, "compliance"), (2010, "forecast"), (2012, "forecast")):
        with pytest.raises(MissingFactorError, match="no price in the"):
            report(began, [grid(1)], sale=sale, sale_required=True)
    # Nor has it a cost where somebody's table has a price of it.
    priced = replace(crc_rates.rate_book().of(2011, "price_compliance")[0], began=2010)
    found = report(2010, [grid(10**6)], rates=crc_rates.rate_book().with_rows([priced]))
    assert (found.tonnes, found.cost_gbp, found.cost_range_gbp) == (541, None, None)


@pytest.mark.parametrize(
    ("began", "fuel"),
    [(2014, "gas"), (2015, "gas"), (2010, "electricity_onsite"), (2013, "electricity_onsite")],
)
def test_a_factor_nobody_found_is_an_error(began: int, fuel: crc_rates.Fuel) -> None:
    with pytest.raises(MissingFactorError, match="tonnes of that year cannot be given for it"):
        report(began, [Supply(fuel=fuel, kwh=Fraction(1))])


def test_de_minimis_is_flagged_and_applied_only_when_asked() -> None:
    rows = [grid(100_000), Supply(fuel="gas", kwh=Fraction(1999))]
    assert report(2016, rows).gas_below_de_minimis
    assert report(2016, rows).exact.tonnes > Fraction("44.662")
    left = report(2016, rows, apply_de_minimis=True)
    assert left.exact.tonnes == Fraction("44.662")
    assert left.rows[1].left_out
    # Gas that is left out needs no factor: nobody has found that of 2014/15.
    assert report(2014, rows, apply_de_minimis=True).exact.tonnes == Fraction("53.31")
    at_limit = [grid(100_000), Supply(fuel="gas", kwh=Fraction(2000))]
    assert not report(2016, at_limit).gas_below_de_minimis
    with pytest.raises(CarbonError, match="de minimis does not apply"):
        report(2016, at_limit, apply_de_minimis=True)


def test_the_nine_years_stand_side_by_side() -> None:
    found = crc_rates.columns()
    assert [one.began for one in found] == list(range(2010, 2019))
    assert [one.began for one in found if one.report_only] == [2010]
    assert [one.compliance.value for one in found] == [
        None,
        *[Decimal("12.00")] * 3,
        *map(Decimal, ("16.40", "16.90", "17.20", "17.70", "18.30")),
    ]
    assert [one.forecast.value for one in found if one.phase == 2] == [
        Decimal("15.60"),
        None,
        *map(Decimal, ("16.10", "16.60", "17.20")),
    ]
    assert [one.began for one in found if one.factors[2].value is None] == [2014, 2015]


def test_years_outside_the_scheme_and_no_supply_are_refused() -> None:
    for began in (2009, 2019, 2030):
        with pytest.raises(YearError, match="ran from 2010/11 to 2018/19"):
            report(began, [grid(1)])
    with pytest.raises(CarbonError, match="at least one supply"):
        report(2016, [])
    with pytest.raises(QuantityError, match="negative"):
        grid(-1)


def test_ict_is_a_share_of_the_billed_supply_and_no_line() -> None:
    found = ict_share(2016, Fraction(1000), Fraction(100), Fraction(80), Fraction(130))
    assert [one.tonnes for one in found.emissions] == [
        Fraction("0.44662") * part / 1000 for part in (80, 100, 130)
    ]
    assert found.ratio == (Fraction(8, 100), Fraction(1, 10), Fraction(13, 100))
    assert not found.above_bill
    assert ict_share(2016, Fraction(10), Fraction(100), Fraction(80), Fraction(130)).above_bill
    with pytest.raises(QuantityError):
        ict_share(2016, Fraction(10), Fraction(5), Fraction(6), Fraction(7))
    with pytest.raises(QuantityError):
        ict_share(2016, Fraction(0), Fraction(0), Fraction(0), Fraction(0))


def test_actual_needs_two_readings_half_a_year_apart() -> None:
    first, last = year_days(2016)
    assert crc_evidence.days_apart_needed(first, last) == 183
    assert crc_evidence.days_apart_needed(date(2016, 4, 1), date(2016, 6, 30)) == 46  # 91 days
    assert crc_evidence.days_apart_needed(*year_days(2015)) == 183  # a leap year: 366 days
    start = date(2016, 4, 10)
    assert not crc_evidence.is_estimated(2016, [start, start + timedelta(days=183)])
    assert crc_evidence.is_estimated(2016, [start, start + timedelta(days=182)])
    assert crc_evidence.is_estimated(2016, [start])
    assert crc_evidence.is_estimated(2016, [first - timedelta(days=1), first + timedelta(days=182)])
    part = (date(2016, 4, 1), date(2016, 6, 30))
    assert not crc_evidence.is_estimated(2016, [date(2016, 4, 1), date(2016, 5, 17)], *part)
    assert crc_evidence.is_estimated(2016, [date(2016, 4, 1), date(2016, 5, 16)], *part)


def test_a_report_is_due_on_the_last_working_day_of_july() -> None:
    assert crc_evidence.report_due(2018) == date(2019, 7, 31)
    assert crc_evidence.report_due(2010) == date(2011, 7, 29)  # the 31st was a Sunday


def test_a_late_report_costs_what_the_order_says() -> None:
    assert crc_evidence.late_penalty(0) is None
    first, last = crc_evidence.late_penalty(1), crc_evidence.late_penalty(40)
    assert first is not None
    assert last is not None
    assert (first.total_gbp, last.total_gbp) == (5_500, 25_000)
    never = crc_evidence.late_penalty(41, 1_000)
    assert never is not None
    assert never.fixed_gbp + never.never_gbp == 45_000  # as fined in a published case
    assert (never.set_tonnes, never.per_tonne_gbp) == (2_000, 80_000)
    with pytest.raises(QuantityError, match="year before"):
        crc_evidence.late_penalty(41)


def test_the_league_table_gives_scale() -> None:
    """100,000 PCs at 57 kWh are 3,084 t, 2.6 % of the largest force; left on at 60 W 28,435 t, 24 %."""
    assert crc_evidence.league().participants == 2_103
    tec = report(2010, [grid(100_000 * 57)])
    on = report(2010, [grid(Fraction(100_000 * 60 * 8760, 1000))])
    assert (tec.tonnes, on.tonnes) == (3_084, 28_435)
    first = crc_evidence.beside_league(tec.exact.tonnes)[0]
    assert first.participant == "Metropolitan Police Service"
    assert half_up(first.ratio * 100, 1) == Decimal("2.6")
    assert half_up(crc_evidence.beside_league(on.exact.tonnes)[0].ratio * 100) == 24
    assert half_up(Fraction(119_495 * 12, 10**6), 2) == Decimal("1.43")


def test_the_evidence_pack_says_what_is_missing() -> None:
    index = crc_evidence.evidence_index({"supplies": "supplies.csv"})
    assert len(index) == 7
    assert [one.name for one in index if one.file] == ["supplies"]
    with pytest.raises(QuantityError, match="no part 'selfie'"):
        crc_evidence.evidence_index({"selfie": "x"})


def test_an_internal_price_is_dated_and_for_co2e_only() -> None:
    series = InternalPriceSeries(
        [
            InternalPrice(date(2025, 4, 1), Decimal("90.50"), "board paper 12"),
            InternalPrice(date(2024, 4, 1), Decimal(60), "board paper 3"),
        ]
    )
    assert series.on(date(2025, 3, 31)).gbp_per_tco2e == 60
    assert series.cost(Co2e(Fraction(1500)), date(2025, 4, 1)) == Decimal("135.75")
    with pytest.raises(MissingFactorError, match="no internal carbon price"):
        series.on(date(2024, 3, 31))
    with pytest.raises(CarbonError, match="two internal"):
        InternalPriceSeries([series.prices[0], series.prices[0]])
    for wrong in (Decimal("NaN"), Decimal(-1)):
        with pytest.raises(CarbonError):
            InternalPrice(date(2024, 4, 1), wrong, "x")
    with pytest.raises(CarbonError, match="source"):
        InternalPrice(date(2024, 4, 1), Decimal(1), " ")
    assert Co2(Fraction(1)) != Co2e(Fraction(1))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            "2015/16,price_forecast,CONFLICT 15.60/16.10,GBP/tCO2,conflict,,https://x.org,2026-11-22",
            "no number",
        ),
        ("2015/16,gas,,kgCO2/kWh,missing,,https://x.org,2026-11-22", "a reason"),
        ("2015/16,coal,0.3,kgCO2/kWh,published,,https://x.org,2026-11-22", "is none of"),
        ("2015/16,gas,0.18,kgCO2e/kWh,published,,https://x.org,2026-11-22", "is none of"),
    ],
)
def test_a_wrong_row_of_the_rates_is_named(row: str, says: str) -> None:
    header = tables.read_text("crc_rates.csv").splitlines()[0]
    with pytest.raises(tables.TableError, match=says):
        crc_rates.parse_rates(f"{header}\n{row}\n")
