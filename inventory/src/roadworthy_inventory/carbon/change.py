"""Why did it change: a year's difference split exactly into devices, energy each, factor, coverage, boundary, method.

Tonnes = kWh x factor. The factor's part is its change over the mean of both years' kWh, the energy's part the change of
kWh over the mean of both years' factors; the two add up exactly and neither depends on which is taken first. What a
changed method, boundary or coverage did to the energy is given in kWh, and what is then left between two like years
is split in the same way into the number of devices and the energy of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from roadworthy_inventory.carbon.quantities import CarbonError, half_up

PARTS = ("devices", "energy_each", "factor", "coverage", "boundary", "method")
PART_WORDS = {
    "devices": "number of devices",
    "energy_each": "energy of each device",
    "factor": "the electricity factor",
    "coverage": "how much of the devices' time is known",
    "boundary": "units and sites that joined or left",
    "method": "a changed method",
}


@dataclass(frozen=True, slots=True)
class YearOfEnergy:
    """A year as reported: devices or device-years, their kWh, the factor in kgCO2e/kWh and the set it is from."""

    label: str
    devices: int | Fraction
    kwh: Fraction
    kgco2e_per_kwh: Fraction
    factor_set: str

    def __post_init__(self) -> None:
        if self.devices < 0 or self.kwh < 0 or self.kgco2e_per_kwh < 0:
            raise CarbonError(f"{self.label}: devices, kWh and factor are nought or more")
        if not self.devices and self.kwh:
            raise CarbonError(f"{self.label}: {float(self.kwh):,.0f} kWh of no devices; give their number")

    @property
    def tonnes(self) -> Fraction:
        """Emissions in tCO2e, exact."""
        return self.kwh * self.kgco2e_per_kwh / 1000


@dataclass(frozen=True, slots=True)
class Shift:
    """What a change of what is counted did to the year before: devices and kWh added to it, negative for taken away."""

    devices: int | Fraction = 0
    kwh: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Change:
    """The difference of two years in tCO2e, its parts (they sum to it exactly) and the factor's part as a sentence.

    `kwh`: of each part but the factor's. `footing`: (devices, kWh) of the year before as this year would have counted it.
    """

    before: YearOfEnergy
    after: YearOfEnergy
    tonnes: Fraction
    parts: dict[str, Fraction]
    sentence: str
    kwh: dict[str, Fraction]
    footing: tuple[Fraction, Fraction]


def _energy_parts(
    before: YearOfEnergy, after: YearOfEnergy, joined: Shift, seen: Shift, method_kwh: Fraction
) -> dict[str, Fraction]:
    """Return kWh by part; they sum to the difference of kWh."""
    devices = before.devices + joined.devices + seen.devices
    used = before.kwh + joined.kwh + seen.kwh + method_kwh
    if devices < 0 or used < 0:
        raise CarbonError(
            f"{before.label} on the footing of {after.label} has {float(devices):,.0f} devices and {float(used):,.0f} kWh: "
            "more was taken away than there was"
        )
    if devices and after.devices:
        each = used / devices, after.kwh / after.devices
        by_count = (after.devices - devices) * (each[0] + each[1]) / 2
        by_each = (each[1] - each[0]) * (devices + after.devices) / 2
    else:  # energy each of no devices is nothing to compare with
        by_count, by_each = after.kwh - used, Fraction(0)
    return {
        "devices": by_count,
        "energy_each": by_each,
        "coverage": seen.kwh,
        "boundary": joined.kwh,
        "method": method_kwh,
    }


def explain(
    before: YearOfEnergy,
    after: YearOfEnergy,
    *,
    boundary: Shift = Shift(),
    coverage: Shift = Shift(),
    method_kwh: Fraction = Fraction(0),
    note: str = "",
) -> Change:
    """Return why `after` differs from `before`.

    `boundary`, `coverage`: what joined less what left, and what is seen now and was not, as the year before would have
    counted them (`carbon.boundary` works them out). `method_kwh`: the year before on this year's method, less as it was reported. `note` is put after the sentence
    (`factors.SET_NOTES` holds what the sets themselves changed). Raises CarbonError where more is taken away than was.
    """
    mean_factor = (before.kgco2e_per_kwh + after.kgco2e_per_kwh) / 2
    energy = _energy_parts(before, after, boundary, coverage, method_kwh)
    factor = (after.kgco2e_per_kwh - before.kgco2e_per_kwh) * (before.kwh + after.kwh) / 2
    tonnes = {name: used * mean_factor / 1000 for name, used in energy.items()} | {"factor": factor / 1000}
    parts = {name: tonnes[name] for name in PARTS}
    sentence = factor_sentence(before, after, parts["factor"], note)
    footing = (
        Fraction(before.devices + boundary.devices + coverage.devices),
        before.kwh + boundary.kwh + coverage.kwh + method_kwh,
    )
    return Change(before, after, after.tonnes - before.tonnes, parts, sentence, energy, footing)


def _told(tonnes: Decimal) -> str:
    return f"{abs(tonnes):,} t"


def factor_sentence(before: YearOfEnergy, after: YearOfEnergy, part: Fraction, note: str = "") -> str:
    """Return the factor's part for page one: what it did, and that nobody here did it.

    What is printed adds up as printed: the rest is the rounded whole less the rounded part.
    """
    whole, shown = half_up(after.tonnes - before.tonnes, 1), half_up(part, 1)
    moved = f"{'fell' if whole < 0 else 'rose'} by {_told(whole)}" if whole else "hardly changed"
    start = f"Emissions {moved} from {before.label} to {after.label}."
    old, new = before.kgco2e_per_kwh, after.kgco2e_per_kwh
    if old == new:
        return f"{start} The electricity factor did not change ({before.factor_set} and {after.factor_set})."
    by = f" {half_up(abs(new / old - 1) * 100, 1)} %" if old else ""
    rest = whole - shown
    others = f"{'take away' if rest < 0 else 'add'} {_told(rest)}" if rest else "come to nothing"
    return (
        f"{start} The electricity factor alone {'fell' if new < old else 'rose'}{by}, from {float(old):.5f} to "
        f"{float(new):.5f} kgCO2e/kWh (factor sets {before.factor_set} and {after.factor_set}): that "
        f"{'takes away' if part < 0 else 'adds'} {_told(shown)}, and is nothing this organisation did. All other "
        f"changes together {others}.{' ' if note else ''}{note}"
    )
