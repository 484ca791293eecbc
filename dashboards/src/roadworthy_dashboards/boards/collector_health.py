"""The collector itself: does it take reports in, do its jobs run, what does it refuse, what does it cost."""

from __future__ import annotations

from roadworthy_dashboards.panels import Panel, Query, Words, board, lines, number
from roadworthy_dashboards.sdk import Dashboard


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        "roadworthy-collector",
        "Roadworthy: collector health",
        "Whether the collector takes reports in, what it refuses and why, its jobs, its database and its cost.",
        [
            ("Taking reports in", [*_answers(), *_load()]),
            ("What is refused", _refused()),
            ("Jobs", _jobs()),
            ("Cost", _cost()),
        ],
    )


def _quantiles(metric: str) -> tuple[Query, Query]:
    """Return the median and the 99th percentile of a histogram without labels."""
    found = tuple(
        Query(f"histogram_quantile({ratio}, sum by (le) (rate({metric}_bucket[$__rate_interval])))", name)
        for ratio, name in ((0.5, "half are faster"), (0.99, "99 in 100 are faster"))
    )
    return found[0], found[1]


def _answers() -> list[Panel]:
    return [
        lines(
            Words(
                "Reports by outcome",
                "Reports answered a second: `accepted`, or the code of the error the agent was told.",
                "reqps",
            ),
            Query(
                "sum by (outcome) (rate(roadworthy_ingest_reports_total[$__rate_interval]))", "{{outcome}}"
            ),
        ),
        lines(
            Words(
                "Time to answer a report",
                "From its first byte to the acknowledgement, which is sent when the report is on disk.",
                "s",
            ),
            *_quantiles("roadworthy_ingest_request_seconds"),
        ),
        lines(
            Words("Time to commit", "Duration of the group commits; the disk's share of the answer.", "s"),
            *_quantiles("roadworthy_ingest_commit_seconds"),
        ),
    ]


def _load() -> list[Panel]:
    return [
        lines(
            Words(
                "Reports waiting for the writer",
                "At the limit agents are told to come again later, spread out.",
                "short",
            ),
            Query("sum(roadworthy_ingest_queued_reports)", "waiting"),
            Query("sum(roadworthy_ingest_queue_limit_reports)", "limit"),
        ),
        lines(
            Words(
                "Reports in one commit",
                "The mean group; it grows with the load, which is what keeps up.",
                "short",
            ),
            Query(
                "sum(rate(roadworthy_ingest_committed_reports_total[$__rate_interval]))"
                " / sum(rate(roadworthy_ingest_commit_seconds_count[$__rate_interval]))",
                "reports",
            ),
        ),
        lines(
            Words("Enrolments by outcome", "Enrolments answered a second.", "reqps"),
            Query(
                "sum by (outcome) (rate(roadworthy_ingest_enrolments_total[$__rate_interval]))", "{{outcome}}"
            ),
        ),
    ]


def _refused() -> list[Panel]:
    return [
        lines(
            Words("Items refused by code", "Items of otherwise accepted reports, a second.", "ops"),
            Query(
                "sum by (code) (rate(roadworthy_ingest_rejected_items_total[$__rate_interval]))", "{{code}}"
            ),
        ),
        lines(
            Words(
                "Conflicts",
                "Items that came again with other content, a second; the first is kept. A clone or a restored "
                "image makes them.",
                "ops",
            ),
            Query("sum by (item) (rate(roadworthy_ingest_conflicts_total[$__rate_interval]))", "{{item}}"),
        ),
        lines(
            Words(
                "Values this version does not know",
                "Read as `other`, by field, a second. Agents newer than the collector send them.",
                "ops",
            ),
            Query(
                "sum by (field) (rate(roadworthy_ingest_unknown_values_total[$__rate_interval]))", "{{field}}"
            ),
        ),
        number(
            Words("Refused items kept", "Waiting in quarantine for a person to look at.", "short"),
            Query("sum(roadworthy_quarantined_items)", "items"),
        ),
        number(
            Words(
                "Device days to roll up",
                "Marked by new facts; zero again within a minute when all is well.",
                "short",
            ),
            Query("sum(roadworthy_rollup_backlog)", "device days"),
        ),
    ]


def _jobs() -> list[Panel]:
    return [
        lines(
            Words("Since a job last succeeded", "A line that only rises is a job that fails or hangs.", "s"),
            Query("time() - max by (task) (roadworthy_job_last_success_timestamp_seconds)", "{{task}}"),
        ),
        lines(
            Words(
                "Failed runs", "Runs that failed in the last hour; the log has the first of them.", "short"
            ),
            Query("sum by (task) (increase(roadworthy_job_failures_total[1h]))", "{{task}}"),
        ),
        lines(
            Words("Duration of the last run", "Reading, computing and writing together.", "s"),
            Query("max by (task) (roadworthy_job_last_duration_seconds)", "{{task}}"),
        ),
        lines(
            Words(
                "Longest write transaction",
                "While a job writes, reports wait for their acknowledgement; it is meant to stay under 0.05 s.",
                "s",
            ),
            Query("max by (task) (roadworthy_job_longest_transaction_seconds)", "{{task}}"),
        ),
        lines(
            Words(
                "Age of the roll-ups",
                "After five minutes they are no longer shown, and every graph of the IT estate ends.",
                "s",
            ),
            Query("time() - max(roadworthy_fleet_snapshot_timestamp_seconds)", "age"),
        ),
    ]


def _cost() -> list[Panel]:
    return [
        lines(
            Words(
                "Processor time of the serving process",
                "Seconds of processor time a second; 1 is one core.",
                "short",
            ),
            Query("rate(roadworthy_process_cpu_seconds_total[$__rate_interval])", "cores"),
        ),
        lines(
            Words("Memory of the serving process", "Resident memory.", "bytes"),
            Query("roadworthy_process_resident_memory_bytes", "resident"),
        ),
        lines(
            Words("Size of the database", "The file and its write-ahead log.", "bytes"),
            Query("sum by (file) (roadworthy_database_size_bytes)", "{{file}}"),
            stacked=True,
        ),
        lines(
            Words(
                "Time to render a scrape", "99 in 100 are faster; Prometheus gives up after ten seconds.", "s"
            ),
            Query(
                "histogram_quantile(0.99, sum by (endpoint, le)"
                " (rate(roadworthy_scrape_render_seconds_bucket[$__rate_interval])))",
                "{{endpoint}}",
            ),
        ),
        lines(
            Words("File descriptors", "Open ones beside the most the process may open.", "short"),
            Query("roadworthy_process_open_fds", "open"),
            Query("roadworthy_process_max_fds", "limit"),
        ),
    ]
