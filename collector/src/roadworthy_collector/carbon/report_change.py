"""Why a year's emissions differ from the year before: the parts' inputs, each out of what was recorded, and its reason.

Devices are device-years expected: days from enrolment to retirement, told or silent, by the days of the year.
Coverage is the part of their time something is known of. Boundary is what the carbon settings record as joined or
left. Method is what differs between the year before as it was issued and by today's models, and what models whose
energy is known another way than before moved more or less than those that are known as before. Where either year is not
complete (it runs, or nobody told anything yet when it began) the months that are closed in both are compared;
`Estate.months` are then these.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.emitted import SCOPES
from roadworthy_collector.carbon.estate import NOTHING_TOLD, RESTRICTED, Estate
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import Line
from roadworthy_collector.carbon.sums import Energy, Sum
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.boundary import (
    SECONDS_PER_DAY,
    BoundaryChange,
    Coverage,
    MethodChange,
    ModelYear,
    boundary_shift,
    coverage_kwh,
    method_change,
)
from roadworthy_inventory.carbon.change import Change, Shift, YearOfEnergy, explain
from roadworthy_inventory.carbon.factor_rules import resolve, set_name
from roadworthy_inventory.carbon.factors import SET_NOTES
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES
from roadworthy_inventory.carbon.years import year_days

MODELS_RULE = "power models"  # the name under which a report's rules say which edition its energy is by
_NAMED = 5
_NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Compared:
    """The change with a reason for each part, and what a reader must know; `change` None with nothing to compare.

    `first`: what page one says before it; `months`: the months of both years, in words, where not the years are compared.
    """

    change: Change | None
    why: Mapping[str, str]
    notes: Sequence[str]
    first: Sequence[str] = ()
    months: str = ""


def emitting_kwh(lines: Mapping[str, Line]) -> Fraction:
    """Return the kWh that emit: all places but vehicles."""
    return sum((one.kwh + one.journals_kwh for one in lines.values() if SCOPES[one.name] != 1), _NOTHING)


def compare_what_is_there(
    inputs: Inputs,
    began: int,
    estate: Estate,
    before: Estate,
    lines: Mapping[str, Mapping[str, Line]],
    like: tuple[Estate, Estate] | None,
) -> Compared:
    """Return why a year differs from the one before: whole years, else over the months closed in both (`like`).

    While months of the year before are still to be made nothing is compared. `lines` are those of the two years; over
    like months, where `like` is given, they are of these months.
    """
    year, old = financial_year_label(began), financial_year_label(began - 1)
    if inputs.pending_before:
        said = (
            f"{old} is still being made ({', '.join(inputs.pending_before)}), so {year} is not compared with it yet. "
            "It comes by itself."
        )
        return Compared(None, {}, [], [said])
    if estate.complete and before.complete:
        return compare(inputs, began, estate, before, lines)
    if like is None:
        said = f"No month of {year} is over and made in both years, so it is not compared with {old}."
        return Compared(None, {}, [], [said])
    months = months_in_words(like[1])
    part = [label for label, one in ((old, before), (year, estate)) if not one.complete]
    verbs = "are" if len(part) > 1 else "is", "are" if " " in months else "is"
    first = [f"{' and '.join(part)} {verbs[0]} not complete: {months} of both years {verbs[1]} compared."]
    if inputs.issued_before is not None:
        first.append(f"{old} is taken as its ledger stands today: what was issued is of the whole year.")
    if inputs.journals or inputs.journals_before:
        first.append("Adjustments are of whole years and in no comparison of months.")
    found = compare(replace(inputs, issued_before=None), began, like[1], like[0], lines)
    return found if found.change is None else replace(found, first=first, months=months)


def months_in_words(estate: Estate) -> str:
    """Return the months of a year that `estate` is of: `April to October`, `April, June to August`."""
    every = estate.period.months
    runs: list[list[int]] = []
    for one in estate.months:
        at = every.index(one.month)
        if runs and runs[-1][-1] == at - 1:
            runs[-1].append(at)
        else:
            runs.append([at])
    names = [calendar.month_name[int(month[5:])] for month in every]
    return ", ".join(" to ".join(dict.fromkeys((names[run[0]], names[run[-1]]))) for run in runs)


def models_of(estate: Estate) -> str:
    """Return the editions of the power models the months of a period were made with."""
    return ", ".join(dict.fromkeys(one.digest for one in estate.months if one.digest)) or "none"


def compare(
    inputs: Inputs, began: int, estate: Estate, before: Estate, lines: Mapping[str, Mapping[str, Line]]
) -> Compared:
    """Return why the year that begins in `began` differs; `lines` of it (`after`) and of the year `before`."""
    used = _Used(inputs, began, estate, before, lines)
    if used.old is None or used.new is None:
        without = used.label(0 if used.old is None else 1)
        said = f"{without} has no energy or no factor here, so there is nothing to compare."
        return Compared(None, {}, [said])
    boundary, reasons = used.boundary()
    like = max(used.ledger_kwh + min(boundary.kwh, _NOTHING), _NOTHING)
    likewise = max(used.new.kwh - max(boundary.kwh, _NOTHING), _NOTHING)
    seen = coverage_kwh(like, likewise, used.covered[0], used.covered[1])
    method = method_change(_models(before), _models(estate))
    base = like + min(seen, _NOTHING)
    by_method = base * (method.ratio - 1)
    late = used.ledger_kwh - used.old.kwh  # as it stands now, less as it was issued
    if used.same_models():
        seen_all, method_kwh = seen + late, by_method
    else:
        seen_all, method_kwh = seen, by_method + late
    change = explain(
        used.old,
        used.new,
        boundary=boundary,
        coverage=Shift(0, seen_all),
        method_kwh=method_kwh,
        note=_note(used.old, used.new),
    )
    why = used.why(change) | {
        "boundary": "; ".join(reasons) or "no site is recorded as joined or left",
        "coverage": used.coverage_why(late if used.same_models() else _NOTHING),
        "method": used.method_why(method, by_method, _NOTHING if used.same_models() else late),
    }
    return Compared(change, why, used.notes())


class _Used:
    """What both years were, and how each part is told."""

    def __init__(
        self,
        inputs: Inputs,
        began: int,
        estate: Estate,
        before: Estate,
        lines: Mapping[str, Mapping[str, Line]],
    ) -> None:
        self.inputs, self.began = inputs, began
        self.estates = before, estate
        self.covered = _coverage_of(before.total), _coverage_of(estate.total)
        self.ledger_kwh = emitting_kwh(lines["before"])
        issued = inputs.issued_before
        issued_kwh = None if issued is None else _issued_kwh(issued)
        self.old = self._year(
            began - 1, self.covered[0], self.ledger_kwh if issued_kwh is None else issued_kwh
        )
        self.new = self._year(began, self.covered[1], emitting_kwh(lines["after"]))

    def _year(self, began: int, covered: Coverage, kwh: Fraction) -> YearOfEnergy | None:
        """Return a year for the comparison, None where it has no energy or no factor."""
        first, last = year_days(began)
        found = resolve(self.inputs.book, "generation", first, last, self.inputs.rule)
        if kwh <= 0 or found.value is None:
            return None
        days = _days(self.estates[began - self.began + 1])
        # Energy that is all journals is that of one device nobody counted.
        devices = covered.expected_days / days or Fraction(1)
        label = self.label(began - self.began + 1)
        return YearOfEnergy(label, devices, kwh, found.value, set_name(found))

    def same_models(self) -> bool:
        """Whether the issued year before was worked out by the models it is worked out by today."""
        issued = self.inputs.issued_before
        return issued is None or issued["rules"].get(MODELS_RULE) == models_of(self.estates[0])

    def boundary(self) -> tuple[Shift, list[str]]:
        """Return what joined less what left, and each with its reason; never more taken away than there was."""
        devices, kwh, reasons = _NOTHING, _NOTHING, []
        for one in self.inputs.boundary_changes:
            old, new = (one.share_of(_spans(estate)) for estate in self.estates)
            if old == new:
                continue
            shift = boundary_shift(one, self.began, self._at(one, 0), self._at(one, 1), (old, new))
            devices, kwh = devices + shift.devices, kwh + shift.kwh
            reasons.append(self._told(one, shift))
        return Shift(devices, max(kwh, -self.ledger_kwh)), reasons

    def _at(self, change: BoundaryChange, which: int) -> Shift:
        """Return device-years and emitting kWh of a change's sites in one of the years."""
        titles = self.estates[which].titles.get("site", {})
        keys = [key for key, name in titles.items() if name in change.sites and key != RESTRICTED]
        held = [one for key in keys if (one := self.estates[which].sums["site"].get(key)) is not None]
        if not held:
            return Shift()
        seconds = sum((_coverage_of(one).expected_seconds for one in held), 0)
        emitting = [key for key in keys if key not in self.inputs.vehicle_sites]
        sums = self.estates[which].sums["site"]
        joules = sum(sum(sums[key].joules) for key in emitting if key in sums)
        days = _days(self.estates[which])
        return Shift(Fraction(seconds, SECONDS_PER_DAY * days), Fraction(joules, JOULES_PER_KWH))

    def _told(self, one: BoundaryChange, shift: Shift) -> str:
        """Return a change in words. Restricted sites have no figures of their own, so they are not named."""
        known = {
            titles[key]
            for estate in self.estates
            for titles in (estate.titles.get("site", {}),)
            for key in estate.sums["site"]
            if key in titles and key != RESTRICTED
        }
        names = [name for name in one.sites if name in known]
        others = len(one.sites) - len(names[:_NAMED])
        said = [*names[:_NAMED], *([f"{others} other sites"] if others else [])]
        how = f"{', '.join(said)} {'joined' if one.joined else 'left'} on {one.on:%-d %B %Y}"
        return f"{how} ({float(shift.kwh):+,.0f} kWh): {one.why}"

    def coverage_why(self, late: Fraction) -> str:
        """Return the reason of the part of coverage."""
        old, new = (one.ratio for one in self.covered)
        told = " and ".join(
            "no time expected"
            if ratio is None
            else f"{float(ratio):.1%} of the devices' time known in {year}"
            for ratio, year in ((old, self.label(0)), (new, self.label(1)))
        )
        return told + (
            f"; data that came after {self.label(0)} was issued {float(late):+,.0f} kWh" if late else ""
        )

    def method_why(self, method: MethodChange, kwh: Fraction, late: Fraction) -> str:
        """Return the reason of the part of the method."""
        found = []
        if late:
            found.append(
                f"{self.label(0)} by the power models of today instead of those it was issued on: {float(late):+,.0f} kWh"
            )
        if method.switched:
            names = f"{len(method.switched)} models' energy is known another way than in {self.label(0)}"
            found.append(
                f"{names}: {float(kwh):+,.0f} kWh more or less than models known as before"
                if method.estimated
                else f"{names} and none is known as before to hold them against, so it is in the energy of each"
            )
        if not found:
            found.append("energy is known the same way, by the same power models")
        if models_of(self.estates[0]) != models_of(self.estates[1]):
            found.append(
                "the years were made with other editions of the power models; that is in the energy of each"
            )
        return "; ".join(found)

    def why(self, change: Change) -> dict[str, str]:
        """Return the reasons of devices, their energy and the factor."""
        old, new = change.before, change.after
        return {
            "devices": f"{float(old.devices):,.1f} device-years in {old.label}, {float(new.devices):,.1f} in {new.label}",
            "energy_each": "what is left between like years, by the device: use, settings, newer kit",
            "factor": f"{float(old.kgco2e_per_kwh):.5f} to {float(new.kgco2e_per_kwh):.5f} kgCO2e/kWh",
        }

    def label(self, which: int) -> str:
        """Return the name of the year before (0) or of the year (1), with its months where it is not whole."""
        label, estate = financial_year_label(self.began - 1 + which), self.estates[which]
        whole = len(estate.months) == len(estate.period.months)
        return label if whole else f"{label} ({months_in_words(estate)})"

    def notes(self) -> list[str]:
        """Return how the known ways moved, and which sites are in one of the years only and nobody said why."""
        mixes = [_mix(one) for one in self.estates]
        found = [f"How the energy is known: {self.label(0)} {mixes[0]}; {self.label(1)} {mixes[1]}."]
        told = {name for one in self.inputs.boundary_changes for name in one.sites}
        for here, there, words in ((1, 0, "first have energy in"), (0, 1, "have no energy after")):
            names = [name for name in self._only(here, there) if name not in told]
            if names:
                listed = ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")
                found.append(
                    f"{len(names)} sites {words} {self.label(here)} ({listed}) and nobody recorded that they joined or "
                    "left: their energy is in the number of devices."
                )
        return found

    def _only(self, here: int, there: int) -> list[str]:
        titles = self.estates[here].titles.get("site", {})
        sums, others = (self.estates[which].sums["site"] for which in (here, there))
        keys = [
            key for key, one in sums.items() if any(one.joules) and not any(others.get(key, Sum()).joules)
        ]
        return sorted(titles[key] for key in keys if key in titles and key != RESTRICTED)


def _coverage_of(one: Sum | Energy) -> Coverage:
    return Coverage(one.days, one.unknown_seconds, one.silent_seconds)


def _spans(estate: Estate) -> list[tuple[dt.date, dt.date]]:
    """Return the first and last day of each month that is compared."""
    firsts = [dt.date.fromisoformat(f"{one.month}-01") for one in estate.months]
    return [(first, first.replace(day=calendar.monthrange(first.year, first.month)[1])) for first in firsts]


def _days(estate: Estate) -> int:
    """Return how many days the months have that are compared."""
    return sum((last - first).days + 1 for first, last in _spans(estate))


def _issued_kwh(content: Mapping[str, Any]) -> Fraction:
    return sum(
        (
            Fraction(one["kwh"]) + Fraction(one["journals_kwh"])
            for one in content["lines"]
            if SCOPES.get(one["name"]) != 1
        ),
        _NOTHING,
    )


def _models(estate: Estate) -> dict[str, ModelYear]:
    """Return each model's year by its name; what has no model to compare by is left out."""
    return {
        name: ModelYear(
            one.days,
            Fraction(sum(one.joules), JOULES_PER_KWH),
            QUALITIES[max(range(len(QUALITIES)), key=lambda at: one.joules[at])],
        )
        for name, one in estate.sums["model"].items()
        if name not in {"", RESTRICTED, NOTHING_TOLD}
    }


def _mix(estate: Estate) -> str:
    whole = estate.total
    return ", ".join(f"{(whole.share(name) or 0) * 100:.0f} % {name}" for name in QUALITIES)


def _note(old: YearOfEnergy, new: YearOfEnergy) -> str:
    year = new.factor_set[:4]
    if old.factor_set == new.factor_set or not year.isdigit():
        return ""
    return SET_NOTES.get(int(year), "")
