"""The pieces PromQL expressions are made of, so that every board asks in the same way.

Roll-ups come from one process, but while that duty moves, or where two jobs scrape one collector, a series may be
there twice: `max by` of all its labels makes it one again before anything is added up. `$job` picks whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence

OTHER = "other"  # where the collector adds up what it does not name
_JOB = 'job=~"$job"'
# The job of what the collector sends by remote write itself; it is none of those that are scraped and chosen among.
SENT = "roadworthy-remote-write"


def selector(series: str, where: str = "") -> str:
    """Return the series of the chosen jobs, narrowed by more matchers."""
    return f"{series}{{{_JOB}{',' if where else ''}{where}}}"


def held(gauge: str, *by: str, where: str = "") -> str:
    """Return a gauge by all its labels (`by`), each series once; without labels the one value."""
    return f"{_once(by)} ({selector(gauge, where)})"


def half_hourly(gauge: str, where: str) -> str:
    """Return a gauge of which the collector sends a sample at the end of each half-hour, whichever jobs are chosen.

    Prometheus shows a sample for five minutes; the last of 35 is a line without gaps.
    """
    return f'max (last_over_time({gauge}{{job=~"$job|{SENT}",{where}}}[35m]))'


def summed(gauge: str, *by: str, of: Sequence[str], where: str = "") -> str:
    """Return a gauge whose labels are `by` and `of` added up over `of`."""
    grouped = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{grouped} ({held(gauge, *by, *of, where=where)})"


def counted(gauge: str, where: str) -> str:
    """Return a gauge of one value of its label, 0 where its family is told without that value."""
    return f"{held(gauge, where=where)} or 0 * {held(gauge)}"


def of_five(gauge: str, group: str, devices: str, where: str = "") -> str:
    """Return a gauge by `group` and the rule behind it; a rule about sign-ins only of groups of five devices or more.

    Sign-ins tell of people. `devices` has the devices of each group; the collector folds smaller groups into `other`,
    which is of five or more and which `devices` only has where there are too many groups to name.
    """
    by = (group, "reason")
    people, things = ('reason=~"signin.*"', 'reason!~"signin.*"')
    more = f",{where}" if where else ""
    folded = held(gauge, *by, where=f'{people},{group}="{OTHER}"{more}')
    told = f"{held(gauge, *by, where=people + more)} and on ({group}) {held(devices, group)} >= 5"
    return f"{held(gauge, *by, where=things + more)} or {folded} or {told}"


def share(part: str, whole: str) -> str:
    """Return part over whole, and nothing where the whole is nothing: 0 of 0 is no share."""
    return f"({part}) / ({whole} > 0)"


def this_year(gauge: str, *of: str, where: str = "") -> str:
    """Return a gauge of months (`of` are its labels besides) in the financial year that runs, each month of it a series.

    A month from April on is of the year it names, one before of the year before: the recorded calendar says which runs.
    """
    months = held(gauge, "month", *of, where=where)
    begun = f'label_replace({months}, "year", "$1", "month", "([0-9]{{4}})-(?:0[4-9]|1[0-2])")'
    after = f'label_replace({months}, "ends", "$1", "month", "[0-9]{{2}}([0-9]{{2}})-0[1-3]")'
    runs = 'label_replace(year:roadworthy_calendar:financial, "ends", "$1", "year", "[0-9]{4}/([0-9]{2})")'
    return f"({begun} and on (year) year:roadworthy_calendar:begun) or ({after} and on (ends) {runs})"


def grown(counter: str, *by: str, where: str = "", window: str = "$__range") -> str:
    """Return how much counters grew in a window, by all their labels, each series once."""
    return f"{_once(by)} (increase({selector(counter, where)}[{window}]))"


def rate(counter: str, *by: str) -> str:
    """Return how fast counters of all serving processes grow, added up by labels: each process counts for itself."""
    grouped = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{grouped} (rate({selector(counter)}[$__rate_interval]))"


def mean(histogram: str, *by: str, where: str = "", window: str = "$__range") -> str:
    """Return the mean of what a histogram summed in a window; nothing where it counted nothing."""
    total, count = (grown(f"{histogram}_{end}", *by, where=where, window=window) for end in ("sum", "count"))
    return share(total, count)


def _once(by: Sequence[str]) -> str:
    return f"max by ({', '.join(by)})" if by else "max"
