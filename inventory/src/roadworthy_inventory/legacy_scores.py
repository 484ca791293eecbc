"""The Legacy IT Risk Assessment Framework's scores: people's, with suggestions marked as such and the arithmetic.

The framework, its version and its figures are data (`data/legacy_framework.csv`). A score nobody has signed is None
and stays blank in the export; nothing is computed before every one is filled in. The guidance's own page is the
authority: scores are to be checked against it before they are used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Protocol

from roadworthy_inventory import tables

_FILE = "legacy_framework.csv"
_COLUMNS = ("item", "value", "source", "as_of")
_HOURS = "c5_score_above_hours_"
LIKELIHOOD = ("L1", "L2", "L3", "L4", "L5", "L6", "L7")
IMPACT = ("C1", "C2", "C3", "C4", "C5", "C6")
CHECK = "Scores are to be checked against the published guidance before use."


class ScoreError(ValueError):
    """A score is outside its scale or of no criterion; the text says which."""


@dataclass(frozen=True, slots=True)
class Framework:
    """The framework as published: name, version, the criteria's names, its scales and limits, and its source."""

    name: str
    publisher: str
    version: str
    horizon_years: int
    legacy_likelihood: int
    red_rated: int
    likelihood_maximum: int
    impact_maximum: int
    criteria: Mapping[str, str]
    hours: tuple[tuple[int, int], ...]
    source: str
    as_of: dt.date


@cache
def framework() -> Framework:
    """Return the framework as shipped, read once; `hours` is ((above how many, score), ...), highest first."""
    rows = {row["item"]: row for _, row in tables.rows(_FILE, tables.read_text(_FILE), _COLUMNS)}
    value = {item: row["value"] for item, row in rows.items()}
    hours = sorted(
        (
            (int(item.removeprefix(_HOURS)), int(text))
            for item, text in value.items()
            if item.startswith(_HOURS)
        ),
        reverse=True,
    )
    return Framework(
        name=value["name"],
        publisher=value["publisher"],
        version=value["version"],
        horizon_years=int(value["horizon_years"]),
        legacy_likelihood=int(value["legacy_likelihood"]),
        red_rated=int(value["red_rated"]),
        likelihood_maximum=int(value["likelihood_maximum"]),
        impact_maximum=int(value["impact_maximum"]),
        criteria=MappingProxyType({code: value[code] for code in (*LIKELIHOOD, *IMPACT)}),
        hours=tuple(hours),
        source=rows["name"]["source"],
        as_of=dt.date.fromisoformat(rows["name"]["as_of"]),
    )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a person filled in for one system; a criterion that is missing is unsigned.

    Raises ScoreError where a score is outside its scale (likelihood 1 to 6, impact 1 to 5) or of no criterion.
    """

    system: str
    scores: Mapping[str, int] = field(default_factory=dict)
    assessor: str | None = None
    assessed_on: dt.date | None = None

    def __post_init__(self) -> None:
        for code, score in self.scores.items():
            if code not in framework().criteria:
                raise ScoreError(f"{self.system}: {code!r} is no criterion of the framework")
            top = framework().likelihood_maximum if code in LIKELIHOOD else framework().impact_maximum
            if isinstance(score, bool) or not isinstance(score, int) or not 1 <= score <= top:
                raise ScoreError(f"{self.system}: {code}: {score!r} is none of 1 to {top}")


@dataclass(frozen=True, slots=True)
class Result:
    """The arithmetic of a full assessment: exact fractions; mean, highest and total of each category."""

    likelihood_mean: Fraction
    likelihood_highest: int
    likelihood_total: Fraction
    impact_mean: Fraction
    impact_highest: int
    impact_total: Fraction
    overall: Fraction
    is_legacy: bool
    is_red_rated: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the evidence would give for a criterion, and why; a suggestion, never a score."""

    code: str
    score: int
    why: str


def missing(assessment: Assessment) -> tuple[str, ...]:
    """Return what a person has still to fill in: the criteria without a score, the assessor, the date."""
    left = [code for code in (*LIKELIHOOD, *IMPACT) if code not in assessment.scores]
    if not assessment.assessor:
        left.append("assessor")
    if assessment.assessed_on is None:
        left.append("date assessed")
    return tuple(left)


def result(assessment: Assessment) -> Result | None:
    """Return the arithmetic, or None before everything is filled in.

    Category total = (mean + highest) / 2, overall = likelihood x impact; legacy where any likelihood is at least 3,
    red-rated from 16.
    """
    if missing(assessment):
        return None
    means: list[Fraction] = []
    highest: list[int] = []
    for codes in (LIKELIHOOD, IMPACT):
        scores = [assessment.scores[code] for code in codes]
        means.append(Fraction(sum(scores), len(scores)))
        highest.append(max(scores))
    totals = [(mean + top) / 2 for mean, top in zip(means, highest, strict=True)]
    overall = totals[0] * totals[1]
    return Result(
        means[0],
        highest[0],
        totals[0],
        means[1],
        highest[1],
        totals[1],
        overall,
        highest[0] >= framework().legacy_likelihood,
        overall >= framework().red_rated,
    )


class Rolled(Protocol):
    """What suggestions and the export need of a system's evidence (`legacy.SystemEvidence`)."""

    @property
    def code(self) -> str:
        """The criterion."""
        ...

    @property
    def what(self) -> str:
        """What was seen."""
        ...

    @property
    def concerned(self) -> int:
        """Devices concerned."""
        ...

    @property
    def known(self) -> int:
        """Devices that tell."""
        ...

    @property
    def unknown(self) -> int:
        """Devices that do not."""
        ...

    @property
    def value(self) -> object:
        """The worst value."""
        ...


def suggestions(evidence: Iterable[Rolled], on: dt.date) -> tuple[Suggestion, ...]:
    """Return what one system's evidence would give for L1, L2 and C5, where it tells anything."""
    found: dict[str, Suggestion] = {}
    for one in evidence:
        made = _suggest(one, on)
        if made and (one.code not in found or made.score > found[one.code].score):
            found[one.code] = made
    return tuple(found[code] for code in sorted(found))


def _suggest(one: Rolled, on: dt.date) -> Suggestion | None:
    seen = f"{one.what}: {one.concerned} of {one.known} devices, {one.unknown} unknown"
    if one.code == "C5" and isinstance(one.value, int | float) and one.known:
        score = next(score for above, score in framework().hours if one.value > above)
        return Suggestion(
            "C5", score, f"{one.value:,.0f} hours a year from {one.known} devices, {one.unknown} unknown"
        )
    if one.code not in {"L1", "L2"} or not one.concerned:
        return None
    top = framework().likelihood_maximum
    if "within" not in one.what:
        return Suggestion(one.code, top, seen)
    if not isinstance(one.value, dt.date):
        return None
    years = (one.value - on).days // 365
    return Suggestion(one.code, max(framework().legacy_likelihood, top - 1 - years), seen)


FIELDS = (
    "Asset Name",
    "Department",
    "Assessor",
    "Date Assessed",
    "Asset Description",
    "Legacy Components",
    "Services Supported",
    *(f"{code} Score" for code in LIKELIHOOD),
    "Likelihood Mean",
    "Likelihood Max",
    "Likelihood Total",
    *(f"{code} Score" for code in IMPACT),
    "Impact Mean",
    "Impact Max",
    "Impact Total",
    "Overall Risk Score",
    "Is Legacy",
    "Is Red-Rated",
    "Has Remediation Plan",
    "Remediation Plan Funded",
    "Target Resolution Date",
    "Estimated Cost Change (%)",
    "Notes",
)


def register_row(
    assessment: Assessment, evidence: Iterable[Rolled], on: dt.date, told: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return one row of the Legacy IT Asset Register; what nobody signed is blank.

    `told` fills fields people write (Department, Services Supported, the remediation plan ...); a field the
    arithmetic fills cannot be told. Raises ScoreError for a field the register does not have.
    """
    rolled = tuple(evidence)
    row = dict.fromkeys(FIELDS, "")
    row["Asset Name"] = assessment.system
    row["Assessor"] = assessment.assessor or ""
    row["Date Assessed"] = assessment.assessed_on.isoformat() if assessment.assessed_on else ""
    row["Legacy Components"] = "; ".join(
        f"{one.what}: {one.concerned} of {one.known} devices"
        for one in rolled
        if one.code == "L1" and one.concerned
    )
    row["Notes"] = _notes(rolled, on)
    for name, text in (told or {}).items():
        if name not in row or name in _COMPUTED:
            raise ScoreError(f"{name!r} is no field of the register that can be told")
        row[name] = text
    row |= {f"{code} Score": str(score) for code, score in assessment.scores.items()}
    found = result(assessment)
    if found is not None:
        row |= dict(zip(_COMPUTED_FIELDS, _numbers(found), strict=True))
    return row


_COMPUTED_FIELDS = (
    "Likelihood Mean",
    "Likelihood Max",
    "Likelihood Total",
    "Impact Mean",
    "Impact Max",
    "Impact Total",
    "Overall Risk Score",
    "Is Legacy",
    "Is Red-Rated",
)
_COMPUTED = frozenset((*_COMPUTED_FIELDS, *(f"{code} Score" for code in (*LIKELIHOOD, *IMPACT))))


def _numbers(found: Result) -> tuple[str, ...]:
    return (
        f"{float(found.likelihood_mean):.2f}",
        str(found.likelihood_highest),
        f"{float(found.likelihood_total):.2f}",
        f"{float(found.impact_mean):.2f}",
        str(found.impact_highest),
        f"{float(found.impact_total):.2f}",
        f"{float(found.overall):.2f}",
        "Yes" if found.is_legacy else "No",
        "Yes" if found.is_red_rated else "No",
    )


def _notes(rolled: Iterable[Rolled], on: dt.date) -> str:
    """Return the framework's name and version, what the evidence says, and the suggestions as such."""
    known = tuple(rolled)
    seen = [
        f"{one.code} {one.what}: {one.concerned} of {one.known}, {one.unknown} unknown"
        for one in known
        if one.known or one.unknown
    ]
    advised = [f"{one.code} {one.score} ({one.why})" for one in suggestions(known, on)]
    parts = [f"{framework().name}, {framework().version}. {CHECK}"]
    if seen:
        parts.append(f"Evidence on {on}: {'; '.join(seen)}.")
    if advised:
        parts.append(f"Suggested, not signed: {'; '.join(advised)}.")
    return " ".join(parts)
