"""What the models were fitted to in each month of a report's year, for its evidence pack: offsets, and lines of plugs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from roadworthy_collector.carbon import energy_facts, estate, plug_fits, power
from roadworthy_collector.carbon.pack_recompute import Lines, Rests
from roadworthy_collector.jobs.work import Work


def rests(work: Work, period: estate.Period) -> Rests:
    """Return the rest of the machine by month and model, as siblings on battery taught it; months without any left out."""
    found = {month: power.rests(energy_facts.read_evidence(work, last)) for month, last in _months(period)}
    return {month: some for month, some in found.items() if some}


def lines(work: Work, period: estate.Period, fitted: Rests) -> Lines:
    """Return the lines of smart plugs by month."""
    zone = work.settings.reporting_timezone
    return {
        month: plug_fits.fitted(work, fitted.get(month, {}), last, zone) for month, last in _months(period)
    }


def _months(period: estate.Period) -> Iterator[tuple[str, dt.date]]:
    """Yield each month with its last day."""
    for month in period.months:
        first = dt.date.fromisoformat(f"{month}-01")
        yield month, estate.Period(first, first, month).days[1]
