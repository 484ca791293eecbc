"""What stood around a CRC report: actual or estimated, the late report's penalties, the league table, the evidence pack.

Sources: The CRC Energy Efficiency Scheme Order 2013, SI 2013/1119, articles 31-33 and 74;
https://www.gov.uk/guidance/crc-energy-efficiency-scheme-annual-reporting
"""

from __future__ import annotations

import calendar as month_days
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

from roadworthy_inventory import tables
from roadworthy_inventory.carbon.quantities import QuantityError, YearError
from roadworthy_inventory.carbon.years import require_crc_year, year_days

LATE_FIXED_GBP = 5_000
LATE_DAILY_GBP = 500
LATE_DAYS = 40
NEVER_GBP = 40_000
PER_TONNE_GBP = 40
_LEAGUE_FILE = "crc_league.csv"
_LEAGUE_COLUMNS = ("year", "participant", "tco2", "rank", "source", "as_of")


def days_apart_needed(responsible_first: date, responsible_last: date) -> int:
    """Return how many days must lie between two actual readings: half the days responsible, rounded up.

    183 for a whole year, 46 for 91 days.
    """
    days = (responsible_last - responsible_first).days + 1
    if days < 1:
        raise YearError(f"a supply cannot end ({responsible_last}) before it begins ({responsible_first})")
    return (days + 1) // 2


def is_estimated(
    began: int,
    actual_readings: Sequence[date],
    responsible_first: date | None = None,
    responsible_last: date | None = None,
) -> bool:
    """Whether a supply counts as estimated, which adds 10 % to its emissions.

    Actual is a supply with at least two actual readings in the compliance year at least half a year apart, or half
    of the part of it somebody was responsible for. This is the scheme's rule and not the supplier's `E` on a bill.
    """
    require_crc_year(began)
    first, last = year_days(began)
    start, end = max(first, responsible_first or first), min(last, responsible_last or last)
    needed = days_apart_needed(start, end)
    inside = [one for one in actual_readings if start <= one <= end]
    return len(inside) < 2 or (max(inside) - min(inside)).days < needed


def report_due(began: int) -> date:
    """Return the last working day of the July after the year; bank holidays never fall on it."""
    require_crc_year(began)
    found = date(began + 1, 7, month_days.monthrange(began + 1, 7)[1])
    while found.weekday() >= 5:
        found -= timedelta(days=1)
    return found


@dataclass(frozen=True, slots=True)
class LatePenalty:
    """What a late report cost, GBP. Beyond 40 days emissions were set at double the year before, in tCO2."""

    days_late: int
    fixed_gbp: int
    daily_gbp: int
    never_gbp: int
    set_tonnes: int | None
    per_tonne_gbp: int

    @property
    def total_gbp(self) -> int:
        """All of it; the allowances for the doubled emissions come on top."""
        return self.fixed_gbp + self.daily_gbp + self.never_gbp + self.per_tonne_gbp


def late_penalty(days_late: int, previous_tonnes: int | None = None) -> LatePenalty | None:
    """Return the penalty of a report `days_late`, None where it was in time.

    5,000 at once and 500 a day for up to 40 days; later or never 40,000 in place of the daily ones, and 40 a tonne of
    the doubled emissions of the year before, which is then needed: QuantityError without it.
    """
    if days_late <= 0:
        return None
    if days_late <= LATE_DAYS:
        return LatePenalty(days_late, LATE_FIXED_GBP, LATE_DAILY_GBP * days_late, 0, None, 0)
    if previous_tonnes is None or previous_tonnes < 0:
        raise QuantityError(
            "a report over 40 days late is set by the emissions of the year before; give them"
        )
    doubled = 2 * previous_tonnes
    return LatePenalty(days_late, LATE_FIXED_GBP, 0, NEVER_GBP, doubled, PER_TONNE_GBP * doubled)


@dataclass(frozen=True, slots=True)
class LeagueRow:
    """A participant of the published league table; `rank` None where it was not noted."""

    year: str
    participant: str
    tco2: int
    rank: int | None
    source: str


@dataclass(frozen=True, slots=True)
class League:
    """The table's own total of `participants`, and some of its rows for scale."""

    participants: int
    total_tco2: int
    rows: tuple[LeagueRow, ...]


@cache
def league() -> League:
    """Return what is held of the league table of 2010/11, the first."""
    rows = []
    for line, row in tables.rows(_LEAGUE_FILE, tables.read_text(_LEAGUE_FILE), _LEAGUE_COLUMNS):
        if not (row["tco2"].isdigit() and (row["rank"] or "0").isdigit()):
            raise tables.TableError(f"{_LEAGUE_FILE}: line {line}: tco2, rank: are no whole numbers")
        rank = int(row["rank"]) if row["rank"] else None
        rows.append(LeagueRow(row["year"], row["participant"], int(row["tco2"]), rank, row["source"]))
    # The first row is the table's total; its rank is how many participants there are.
    head, *rest = rows
    return League(head.rank or 0, head.tco2, tuple(rest))


@dataclass(frozen=True, slots=True)
class Beside:
    """A figure beside a participant of the league table."""

    participant: str
    year: str
    tco2: int
    ratio: Fraction
    source: str


def beside_league(tonnes: Fraction) -> tuple[Beside, ...]:
    """Return `tonnes` as a share of each row's emissions: context, for the years are not the same."""
    return tuple(
        Beside(one.participant, one.year, one.tco2, tonnes / one.tco2, one.source) for one in league().rows
    )


# Why a supply is no part of a report. Domestic accommodation, installations of the EU emissions trading system and
# climate change agreements were out, and from 2012/13 small meters; gas below the limit needed no report.
EXCLUSION_RULES: Mapping[str, str] = {
    "domestic": "domestic accommodation",
    "eu_ets": "covered by the EU emissions trading system",
    "cca": "covered by a climate change agreement",
    "profile_class": "electricity meter of profile class 01 or 02",
    "small_gas_meter": "gas meter of 73,200 kWh a year or less",
    "de_minimis": "gas for heating below 2 % of the electricity in the first year of the phase",
    "not_responsible": "another organisation answered for it",
}

# The parts of an evidence pack and why each is there. The scheme had no set format for one.
EVIDENCE: tuple[tuple[str, str, str], ...] = (
    ("supplies", "List of supplies", "every MPAN and MPRN with site, fuel and dates of responsibility"),
    ("statements", "Annual statements", "the suppliers' statements or bills the kWh were taken from"),
    ("estimates", "Estimates", "which supplies are estimated, and the readings that decide it"),
    ("exclusions", "Exclusions", "what is left out and under which rule: domestic, EU ETS, CCA, de minimis"),
    ("changes", "Changes", "supplies and members that joined or left during the year"),
    ("contacts", "Contacts", "who prepared it, who answers for it, and how to reach them"),
    ("certificate", "Internal audit certificate", "signed by a senior officer once a year"),
)


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One part of the pack: the file that holds it, or None where it is still missing."""

    name: str
    title: str
    why: str
    file: str | None


def evidence_index(held: Mapping[str, str]) -> tuple[EvidenceLine, ...]:
    """Return the index of the pack given {part: file}; QuantityError for a part there is none of."""
    unknown = sorted(set(held) - {name for name, _, _ in EVIDENCE})
    if unknown:
        raise QuantityError(
            f"an evidence pack has no part {unknown[0]!r}; it has {', '.join(one[0] for one in EVIDENCE)}"
        )
    return tuple(EvidenceLine(name, title, why, held.get(name)) for name, title, why in EVIDENCE)
