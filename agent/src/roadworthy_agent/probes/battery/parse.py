"""From what a battery says to how worn it is; pure, for every operating system.

Energy (watt hours) and charge (ampere hours) are two quantities: a battery is told in one of them, and its health
is the ratio of two figures of the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from roadworthy_agent.facts import Battery
from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probe import Missing, Status

MICRO = 1_000_000
MOST_HOURS = 1_000  # watt hours or ampere hours: ten times the largest laptop battery
MOST_RATIO = 2.0  # of full to design: above it one of the two is wrong
MOST_CYCLES = 100_000
UNKNOWN_TECHNOLOGY = frozenset({"unknown", ""})


@dataclass(frozen=True, slots=True)
class BatteryTexts:
    """What a battery says, in micro-units; None where it says nothing, `faults` why where reading failed."""

    name: str
    vendor: str | None = None
    model: str | None = None
    technology: str | None = None
    energy_full: int | None = None
    energy_full_design: int | None = None
    charge_full: int | None = None
    charge_full_design: int | None = None
    cycles: int | None = None
    faults: dict[str, Missing] = field(default_factory=dict)


def battery(texts: BatteryTexts, source: str) -> tuple[Battery, tuple[Missing, ...]]:
    """Return the battery and what is missing of it.

    Energy wins where it gives both figures, else charge if that does, else whichever gives any. A new battery
    holds more than its design says: that is no fault.
    """
    energy = (_amount(texts.energy_full_design), _amount(texts.energy_full))
    charge = (_amount(texts.charge_full_design), _amount(texts.charge_full))
    by_charge = None in energy and (None not in charge or energy == (None, None))
    design, full = charge if by_charge else energy
    kind = "charge" if by_charge else "energy"
    missing = _missing_amounts(texts, kind, design, full)
    ratio = None
    if design is not None and full is not None:
        ratio = round(full / design, 4)
        if ratio > MOST_RATIO:
            reason = f"{full:g} of {design:g} {UNITS[kind]}: one of the two is wrong"
            missing.append(Missing(f"battery.{texts.name}.health_ratio", Status.ERROR, reason))
            ratio = None
    cycles, uncounted = _cycles(texts, ratio)
    found = Battery(
        name=texts.name,
        vendor=clean(texts.vendor),
        model=clean(texts.model),
        technology=None
        if (texts.technology or "").casefold() in UNKNOWN_TECHNOLOGY
        else clean(texts.technology),
        design_watt_hours=None if by_charge else design,
        full_watt_hours=None if by_charge else full,
        design_ampere_hours=design if by_charge else None,
        full_ampere_hours=full if by_charge else None,
        health_ratio=ratio,
        cycles=cycles,
        source=source,
    )
    unnamed = [
        Missing(f"battery.{texts.name}.{name}", texts.faults[name].status, texts.faults[name].reason)
        for name in ("vendor", "model", "technology")
        if getattr(found, name) is None and name in texts.faults
    ]
    return found, tuple(missing + uncounted + unnamed)


UNITS = {"energy": "watt hours", "charge": "ampere hours"}


def clean(text: str | None) -> str | None:
    """Return a firmware's text without stray bytes ("LNV-45N1" and two bytes of garbage), None for a placeholder."""
    if text is None:
        return None
    return meaningful("".join(letter for letter in text if letter.isprintable() and letter != "\ufffd"))


def _amount(micro: int | None) -> float | None:
    """Return watt or ampere hours; 0 and less is what an empty register holds, and no battery."""
    hours = None if micro is None else micro / MICRO
    return hours if hours is not None and 0 < hours <= MOST_HOURS else None


def _missing_amounts(
    texts: BatteryTexts, kind: str, design: float | None, full: float | None
) -> list[Missing]:
    unit = UNITS[kind].replace(" ", "_")
    found = []
    for name, value, attribute in (("full", full, f"{kind}_full"), ("design", design, f"{kind}_full_design")):
        if value is not None:
            continue
        where = f"battery.{texts.name}.{name}_{unit}"
        said = getattr(texts, attribute)
        if attribute in texts.faults:
            fault = texts.faults[attribute]
            found.append(Missing(where, fault.status, fault.reason))
        elif said is None:
            found.append(Missing(where, Status.NOT_SUPPORTED, "the battery does not tell it"))
        else:
            found.append(Missing(where, Status.ERROR, f"the battery tells {said} micro-{UNITS[kind]}"))
    return found


def _cycles(texts: BatteryTexts, ratio: float | None) -> tuple[int | None, list[Missing]]:
    """Return the charge cycles. Most firmware that does not count says 0: it is believed of a new battery only."""
    where = f"battery.{texts.name}.cycles"
    if texts.cycles is None:
        fault = texts.faults.get("cycles")
        reason = "the battery does not tell it"
        return None, [
            Missing(where, fault.status, fault.reason)
            if fault
            else Missing(where, Status.NOT_SUPPORTED, reason)
        ]
    if not 0 <= texts.cycles <= MOST_CYCLES:
        return None, [Missing(where, Status.ERROR, f"the battery tells {texts.cycles} cycles")]
    if texts.cycles == 0 and (ratio is None or ratio < 1):
        reason = "the battery tells 0 cycles but is worn: it does not count them"
        return None, [Missing(where, Status.NOT_SUPPORTED, reason)]
    return texts.cycles, []
