"""From CRC tonnes to SECR tonnes for the same electricity, step by step, so that nobody thinks one of them wrong.

CRC counts CO2 of generation and losses, rounds to whole tonnes and adds 10 % to estimates; SECR's scope 2 counts CO2e
of generation, of the factor set its own rule picks. Each step is an exact number of tonnes and they add up exactly.
The steps pass from tonnes of CO2 to tonnes of CO2e, so they are plain tonnes and not of either type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.crc import CrcReport
from roadworthy_inventory.carbon.factor_rules import Rule, resolve, set_name
from roadworthy_inventory.carbon.factors import FactorBook, Item, Unit
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.years import year_days


@dataclass(frozen=True, slots=True)
class Step:
    """What one difference of method adds, in tonnes; negative where it takes away."""

    name: str
    title: str
    tonnes: Fraction


@dataclass(frozen=True, slots=True)
class Bridge:
    """`crc_tonnes` + all steps = `secr_scope2_tonnes`, exactly; the losses the last step takes out are scope 3 there.

    `kwh`: the grid electricity, `factors` those of the steps by name, kg per kWh: `crc`, `target`, and within the same
    year `set_co2`, `losses_co2` and `set_co2e`.
    """

    year: str
    crc_tonnes: int
    steps: tuple[Step, ...]
    secr_scope2_tonnes: Fraction
    secr_scope3_losses_tonnes: Fraction | None
    factor_set: str
    kwh: Fraction
    factors: Mapping[str, Fraction]


def bridge(report: CrcReport, book: FactorBook, rule: Rule, began: int | None = None) -> Bridge:
    """Return the bridge for the grid electricity of a CRC report; what is not grid electricity is taken out first.

    `began`: the financial year the kWh are of, where it is later than the scheme's last, whose rates were taken. What
    lies between that factor and the year's own set is one step then.

    Raises MissingFactorError where the factor set of the year is not held whole, CarbonError without grid
    electricity.
    """
    grid = [one for one in report.rows if one.supply.fuel == "electricity_grid"]
    if not grid:
        raise CarbonError("there is no grid electricity in the report, so there is nothing to compare")
    used = sum((one.supply.kwh for one in grid), Fraction(0)) / 1000  # MWh: times kg per kWh is tonnes
    uplift = sum((one.uplift.tonnes for one in grid), Fraction(0))
    plain = sum((one.before_uplift.tonnes for one in grid), Fraction(0))
    others = report.exact.tonnes - uplift - plain
    opening = (
        Step("rounding", "Whole tonnes made exact again", report.exact.tonnes - report.tonnes),
        Step("other_supplies", "Gas and on-site electricity, which are other rows of SECR", -others),
        Step("uplift", "10 % on estimated supplies, which SECR does not add", -uplift),
    )
    first, last = year_days(report.began if began is None else began)
    target = resolve(book, "generation", first, last, rule)
    end = target.require() * used
    td = resolve(book, "transmission_distribution", first, last, rule).value
    label = financial_year_label(report.began if began is None else began)
    factors = {"crc": grid[0].factor_kgco2_per_kwh or Fraction(0), "target": target.require()}
    if label == report.year:
        factors |= _own_factors(book, report.began)
        steps = (*opening, *_own_steps(factors, used, plain, end))
    else:
        words = f"CRC's last factor, of {report.year}, to the set of {label}: CO2 with losses to CO2e without"
        steps = (*opening, Step("set", words, end - plain))
    lost = None if td is None else td * used
    return Bridge(label, report.tonnes, steps, end, lost, set_name(target), used * 1000, factors)


def _own_factors(book: FactorBook, began: int) -> dict[str, Fraction]:
    first, last = year_days(began)
    wanted: tuple[tuple[str, Item, Unit], ...] = (
        ("set_co2", "generation", "kgCO2/kWh"),
        ("losses_co2", "transmission_distribution", "kgCO2/kWh"),
        ("set_co2e", "generation", "kgCO2e/kWh"),
    )
    return {name: resolve(book, item, first, last, "majority", unit).require() for name, item, unit in wanted}


def _own_steps(
    factors: Mapping[str, Fraction], used: Fraction, plain: Fraction, end: Fraction
) -> tuple[Step, ...]:
    """Return the steps from CRC's factor to the set or sets of the same year; `used` in MWh."""
    co2, losses, co2e = (factors[name] * used for name in ("set_co2", "losses_co2", "set_co2e"))
    return (
        Step("set", "CRC's factor against the same year's factor set", co2 + losses - plain),
        Step("losses", "Losses of transmission and distribution, which SECR counts in scope 3", -losses),
        Step(
            "gases",
            "Methane and nitrous oxide, which CRC does not count",
            co2e - co2,
        ),
        Step("rule", "The factor set or sets SECR's rule picks", end - co2e),
    )
