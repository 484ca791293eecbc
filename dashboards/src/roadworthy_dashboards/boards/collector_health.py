"""The collector itself: does it take reports in, how late, do its jobs run, what does it refuse, what does it cost."""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.boards import collector_ingest, collector_parts
from roadworthy_dashboards.charts import Column, Key
from roadworthy_dashboards.links import UIDS
from roadworthy_dashboards.panels import (
    About,
    Look,
    Panel,
    Query,
    Words,
    bars,
    board,
    each,
    lines,
    number,
    rows,
)
from roadworthy_dashboards.queries import counted, held, selector, share
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import columns

_SPOOLED = {
    "none": "none",
    "up_to_10": "up to 10",
    "up_to_100": "up to 100",
    "up_to_1000": "up to 1,000",
    "more": "more",
    "unknown": "unknown",
}
_ABSENT = "Without an answer of the collector it is not known, and the line ends."


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["collector_health"],
        "Roadworthy: collector health",
        "Whether the collector takes reports in and how late, what it refuses and why, of how much of the IT estate it "
        "hears, its jobs, what it sends on, its database and its cost.",
        [
            ("At a glance", _glance()),
            ("Taking reports in", collector_ingest.ingest()),
            ("What is refused", collector_ingest.refused()),
            ("Coverage", _coverage()),
            ("Jobs", _jobs()),
            ("Polling", collector_parts.polling()),
            ("Remote write", collector_parts.remote_write()),
            ("Relay", collector_parts.relay()),
            ("Device detail", collector_parts.detail()),
            ("Database, memory and processor", collector_parts.cost()),
        ],
        About(
            audience=("operations",),
            folded=("Remote write", "Relay"),
            job_family="roadworthy_process_start_time_seconds",
        ),
    )


def _glance() -> list[Panel]:
    return [*_heard(), *_trouble()]


def _heard() -> list[Panel]:
    age = f"time() - {held('roadworthy_fleet_snapshot_timestamp_seconds')}"
    return [
        number(
            Words(
                "Devices heard, of those in service",
                "Reporting or late, over all that are not retired; restricted sites are counted. The others are missing: "
                "not heard for three intervals. Without roll-ups it is not known.",
                "percentunit",
            ),
            Query(f"max ({selector('estate:roadworthy_devices:coverage_ratio')})", "heard"),
            look=Look(height=5, levels=thresholds.COVERAGE_RATIO, decimals=1),
        ),
        number(
            Words(
                "Age of the roll-ups",
                "Since the figures of the IT estate were worked out; after five minutes they are no longer told and every "
                "graph of the IT estate ends. Without any it is not known.",
                "s",
            ),
            Query(age, "age"),
            look=Look(height=5, levels=thresholds.AGE_SECONDS, decimals=0),
        ),
    ]


def _trouble() -> list[Panel]:
    queue = share(
        held("roadworthy_ingest_queued_reports", "instance"),
        held("roadworthy_ingest_queue_limit_reports", "instance"),
    )
    return [
        number(
            Words(
                "Fullest queue of reports",
                "Reports waiting for the writer over how many may, of the serving process where it is most; at 1 agents "
                f"are told to come again later. {_ABSENT}",
                "percentunit",
            ),
            Query(f"max ({queue})", "full"),
            look=Look(height=5, levels=thresholds.QUEUE_RATIO, decimals=0),
        ),
        number(
            Words(
                "Job runs that failed in a day",
                "Of all jobs, in the last 24 hours; the log has the first of each row of failures. Where no jobs process "
                "has ever run it is not known.",
                "short",
            ),
            Query(f"sum (max by (task) (increase({selector('roadworthy_job_failures_total')}[1d])))", "runs"),
            look=Look(height=5, levels=thresholds.ANY, decimals=0),
        ),
    ]


def _coverage() -> list[Panel]:
    return [*_heard_by_site(), *_left_behind()]


def _heard_by_site() -> list[Panel]:
    in_service = selector("site:roadworthy_devices:in_service")
    heard = selector("site:roadworthy_devices:heard")
    ratio = selector("site:roadworthy_devices:coverage_ratio")
    return [
        lines(
            Words(
                "Devices by state",
                "Reporting: heard within the call interval and a grace; late: after that; missing: not heard for three "
                "intervals; retired: taken out of service. Restricted sites are counted. A gap: not known.",
                "short",
            ),
            Query(held("roadworthy_estate_devices", "state"), "{{state}}"),
            stacked=True,
            look=Look(colours=thresholds.STATES),
        ),
        columns(
            Words(
                "Sites by how much of them is heard",
                "Devices in service, and those of them reporting or late. Restricted sites are left out, and a site without "
                "a device in service is not here.",
                "short",
            ),
            [Key("site", "Site")],
            Column("In service", f"max by (site) ({in_service})"),
            Column("Heard", f"max by (site) ({heard})"),
            Column("Share", f"max by (site) ({ratio})", "percentunit", thresholds.COVERAGE_RATIO, decimals=0),
            width=12,
            sort="Share",
            rising=True,
        ),
    ]


def _left_behind() -> list[Panel]:
    not_all = held("roadworthy_probe_devices", "probe", "status", where='status!="ok"')
    return [
        bars(
            Words(
                "Items that agents had still to send",
                "Devices in service by how many items were left in their agent's spool at its last report: after a time "
                "without a network it empties in a few calls. unknown: the agent does not tell.",
                "short",
            ),
            *each(counted("roadworthy_agent_spooled_devices", "{it}"), "band", _SPOOLED),
        ),
        rows(
            Words(
                "Probes that measure nothing or not all",
                "Devices in service by probe and status. no_permission can be put right, not_supported cannot, "
                "virtual_machine and container are what they are; what a probe cannot measure is not known.",
                "short",
            ),
            Query(f"sort_desc({not_all})"),
        ),
    ]


def _jobs() -> list[Panel]:
    return [*_runs(), *_transactions(), *_backlog()]


def _runs() -> list[Panel]:
    last = "roadworthy_job_last_success_timestamp_seconds"
    failures = selector("roadworthy_job_failures_total")
    return [
        lines(
            Words(
                "Since a job last succeeded",
                "A line that only rises is a job that fails or hangs. One that never succeeded is not known and has none.",
                "s",
            ),
            Query(f"time() - {held(last, 'task')}", "{{task}}"),
        ),
        lines(
            Words(
                "Failed runs",
                "Runs that failed in the last hour; the log has the first of them. A job that never ran has no line.",
                "short",
            ),
            Query(f"max by (task) (increase({failures}[1h]))", "{{task}}"),
        ),
        lines(
            Words(
                "Duration of the last run",
                "Reading, computing and writing together. A job that never ran has no line.",
                "s",
            ),
            Query(held("roadworthy_job_last_duration_seconds", "task"), "{{task}}"),
        ),
    ]


def _transactions() -> list[Panel]:
    longest = held("roadworthy_job_longest_transaction_seconds", "task")
    return [
        lines(
            Words(
                "Longest write transaction",
                "Since the jobs process started. While a job writes, reports wait for their acknowledgement; it is meant to "
                "stay under 0.05 s. A job that writes nothing has no line.",
                "s",
            ),
            Query(longest, "{{task}}"),
            look=Look(levels=thresholds.TRANSACTION_SECONDS),
        ),
    ]


def _backlog() -> list[Panel]:
    return [
        lines(
            Words(
                "Device days to roll up",
                f"Marked by new facts; near zero again within a minute when all is well. {_ABSENT}",
                "short",
            ),
            Query(held("roadworthy_rollup_backlog"), "device days"),
            width=8,
        ),
        lines(
            Words(
                "Age of the oldest day to roll up",
                "Since its midnight, UTC: up to a day is today. While nothing waits there is none, and no line.",
                "s",
            ),
            Query(f"time() - min({selector('roadworthy_rollup_oldest_timestamp_seconds')})", "oldest"),
            width=8,
        ),
        number(
            Words(
                "Processes that hold the jobs",
                "With several collectors exactly one does; 0 or 2 for minutes is wrong. Where the collector is one process "
                "it is not told and not known.",
                "short",
            ),
            Query(f"sum ({selector('roadworthy_jobs_holding')})", "hold"),
            width=8,
            look=Look(levels=thresholds.ONE_HOLDER),
        ),
    ]
