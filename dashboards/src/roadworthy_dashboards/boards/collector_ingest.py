"""What the collector takes in and what it refuses, as rows of its board."""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.panels import Look, Panel, Query, Words, lines, number
from roadworthy_dashboards.queries import held, rate, selector, share

_ABSENT = "Without an answer of the collector it is not known, and the line ends."
_COUNTS = (
    (
        "Items refused by code",
        (
            "Items of otherwise accepted reports, a second. What is refused is kept for a person to look at, and is in no "
            "figure."
        ),
        "roadworthy_ingest_rejected_items_total",
        "code",
    ),
    (
        "Conflicts",
        "Items that came again with other content, a second; the first is kept. A clone or a restored image makes them.",
        "roadworthy_ingest_conflicts_total",
        "item",
    ),
    (
        "Values this version does not know",
        "Read as `other`, by field, a second. Agents newer than the collector send them.",
        "roadworthy_ingest_unknown_values_total",
        "field",
    ),
    (
        "Clones, by what was done",
        "Devices whose hardware or stream of reports was not their own, and tokens that were rotated, a second.",
        "roadworthy_collector_clones_total",
        "event",
    ),
)


_SLOWEST = f"Of fewer than {thresholds.LEAST_FOR_P99} the line of 99 in 100 is the slowest one."


def _quantiles(histogram: str) -> tuple[Query, ...]:
    """Return the median and the 99th percentile over all serving processes; nothing where nothing was counted."""
    buckets = rate(f"{histogram}_bucket", "le")
    return tuple(
        Query(f"histogram_quantile({ratio}, {buckets}) >= 0", name)
        for ratio, name in ((0.5, "half are faster"), (0.99, "99 in 100 are faster"))
    )


def ingest() -> list[Panel]:
    """Return the panels of reports taken in: how many, how fast, how late."""
    return [*_answers(), *_commits(), *_load()]


def _answers() -> list[Panel]:
    return [
        lines(
            Words(
                "Reports by outcome",
                "Reports answered a second: `accepted`, or the code of the error that the agent was told. "
                f"{_ABSENT}",
                "reqps",
            ),
            Query(rate("roadworthy_ingest_reports_total", "outcome"), "{{outcome}}"),
        ),
        lines(
            Words(
                "Time to answer a report",
                "From its first byte to the acknowledgement, which is sent when the report is on disk. While no report "
                f"comes there is none to measure, and no line. {_SLOWEST}",
                "s",
            ),
            *_quantiles("roadworthy_ingest_request_seconds"),
        ),
        lines(
            Words(
                "How late half-hours come",
                "From the end of a closed half-hour to when it was taken in, once a half-hour and device: an agent that was "
                f"off or had no network sends what it kept when it is back. While none comes it is not known. {_SLOWEST}",
                "s",
            ),
            *_quantiles("roadworthy_ingest_half_hour_lag_seconds"),
        ),
    ]


def _commits() -> list[Panel]:
    return [
        lines(
            Words(
                "Time to commit",
                "Duration of the group commits: the disk's share of the answer. While nothing is written it is not known, "
                f"and there is no line. {_SLOWEST}",
                "s",
            ),
            *_quantiles("roadworthy_ingest_commit_seconds"),
        ),
    ]


def _load() -> list[Panel]:
    mean = share(
        rate("roadworthy_ingest_committed_reports_total"), rate("roadworthy_ingest_commit_seconds_count")
    )
    return [
        lines(
            Words(
                "Reports waiting for the writer",
                f"All serving processes together. At the limit agents are told to come again later, spread out. {_ABSENT}",
                "short",
            ),
            Query(f"sum ({selector('roadworthy_ingest_queued_reports')})", "waiting"),
            Query(f"sum ({selector('roadworthy_ingest_queue_limit_reports')})", "limit"),
            width=8,
        ),
        lines(
            Words(
                "Reports in one commit",
                "The mean group; it grows with the load, which is what keeps up. While nothing is written it is not known.",
                "short",
            ),
            Query(mean, "reports"),
            width=8,
        ),
        lines(
            Words("Enrolments by outcome", f"Enrolments answered a second. {_ABSENT}", "reqps"),
            Query(rate("roadworthy_ingest_enrolments_total", "outcome"), "{{outcome}}"),
            width=8,
        ),
    ]


def refused() -> list[Panel]:
    """Return the panels of what is refused, or was not what it said it was."""
    panels: list[Panel] = [
        lines(
            Words(title, f"{text} Before the first there is no line.", "ops"),
            Query(
                f"max by ({by}) (rate({selector(counter)}[$__rate_interval]))",
                f"{{{{{by}}}}}",
            ),
        )
        for title, text, counter, by in _COUNTS
    ]
    panels.append(
        number(
            Words(
                "Refused items kept",
                "Waiting in quarantine for a person to look at. Without an answer of the collector it is not known.",
                "short",
            ),
            Query(held("roadworthy_quarantined_items"), "items"),
            look=Look(levels=thresholds.ANY, height=5),
        )
    )
    return panels
