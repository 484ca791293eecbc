"""What the collector does beside taking reports in, as rows of its board: polls, what it sends on, detail, its cost."""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.panels import Look, Panel, Query, Words, lines, number
from roadworthy_dashboards.queries import held, rate, selector, share, summed
from roadworthy_dashboards.sdk import timeseries

_ABSENT = "Without an answer of the process it is not known, and the line ends."
_RELAY = "Of a relay only; of another collector there is none and it is not known."
_RECEIVER = "Where no receiver is configured it is not known."


def polling() -> list[Panel]:
    """Return the panels of polled devices: how polls go and how long they take."""
    polls, answered = (
        f"sum by (kind) (max by (target, kind) (increase({selector(f'roadworthy_target_{name}_total')}[1h])))"
        for name in ("polls", "successful_polls")
    )
    took = held("roadworthy_target_poll_duration_seconds", "target", "kind")
    return [
        lines(
            Words(
                "Polled targets by outcome",
                "How the last poll of each target went; `ok` is meant. Where nothing is polled it is not known.",
                "short",
            ),
            Query(summed("roadworthy_polled_targets", "outcome", of=("kind",)), "{{outcome}}"),
            stacked=True,
            width=8,
        ),
        lines(
            Words(
                "Polls answered in an hour, of all",
                "By kind, of the targets that have a series of their own. A kind not polled for an hour is not known.",
                "percentunit",
            ),
            Query(share(answered, polls), "{{kind}}"),
            width=8,
        ),
        lines(
            Words(
                "Slowest poll by kind",
                "The longest last poll of the kind, answered or not. A kind that is not polled has no line.",
                "s",
            ),
            Query(f"max by (kind) ({took})", "{{kind}}"),
            width=8,
        ),
    ]


def remote_write() -> list[Panel]:
    """Return the panels of the remote-write queue."""
    return [*_sent(), *_not_taken()]


def _sent() -> list[Panel]:
    last = f"time() - {held('roadworthy_remote_write_last_success_timestamp_seconds')}"
    return [
        lines(
            Words(
                "Half-hours the receiver has not acknowledged",
                f"Closed half-hours and days that wait. {_RECEIVER}",
                "short",
            ),
            Query(held("roadworthy_remote_write_queued_periods"), "waiting"),
            width=8,
        ),
        lines(
            Words(
                "Age of the queue, and since the receiver took samples",
                f"How long the oldest of them waits, and how long ago the last was taken. {_RECEIVER}",
                "s",
            ),
            Query(held("roadworthy_remote_write_queue_age_seconds"), "oldest waits"),
            Query(last, "since the last success"),
            width=8,
        ),
        lines(
            Words(
                "Samples taken, and stale markers",
                f"A second, as the receiver acknowledged them; a stale marker ends a series. {_RECEIVER}",
                "cps",
            ),
            Query(_database("roadworthy_remote_write_samples_total"), "samples"),
            Query(_database("roadworthy_remote_write_stale_markers_total"), "stale markers"),
            width=8,
        ),
    ]


def _not_taken() -> list[Panel]:
    dropped = selector("roadworthy_remote_write_dropped_periods_total")
    return [
        lines(
            Words(
                "Requests that were not taken",
                "A second, by HTTP status; without an answer: timeout or connection. They are sent again. "
                f"{_RECEIVER}",
                "reqps",
            ),
            Query(_database("roadworthy_remote_write_failed_requests_total", "code"), "{{code}}"),
        ),
        lines(
            Words(
                "Half-hours that were given up",
                "In a day, by reason: refused by the receiver, past the bounds of the queue, or pruned before they were "
                f"sent. What is given up never gets there. {_RECEIVER}",
                "short",
            ),
            Query(f"max by (reason) (increase({dropped}[1d]))", "{{reason}}"),
        ),
    ]


def relay() -> list[Panel]:
    """Return the panels of a relay: what waits for the main collector, and what it will never get."""
    return [*_relay_queue(), *_relay_lost()]


def _relay_queue() -> list[Panel]:
    of = "instance"
    last = f"time() - {held('roadworthy_relay_last_success_timestamp_seconds', of)}"
    full = share(held("roadworthy_relay_waiting_bytes", of), held("roadworthy_relay_waiting_limit_bytes", of))
    return [
        lines(
            Words(
                "Reports that wait for the main collector",
                f"Accepted by the relay, and not yet held there. {_RELAY}",
                "short",
            ),
            Query(held("roadworthy_relay_waiting_reports", of), "{{instance}}"),
            width=8,
        ),
        lines(
            Words(
                "How full the relay's queue is",
                f"What waits over the most that may, in bytes; past 1 the oldest are given up. {_RELAY}",
                "percentunit",
            ),
            Query(full, "{{instance}}"),
            width=8,
            look=Look(levels=thresholds.QUEUE_RATIO),
        ),
        lines(
            Words(
                "Since the main collector took reports",
                f"And how long the oldest report waits; a file carried by hand counts when it is acknowledged. {_RELAY}",
                "s",
            ),
            Query(last, "since the last success, {{instance}}"),
            Query(held("roadworthy_relay_oldest_waiting_seconds", of), "oldest waits, {{instance}}"),
            width=8,
        ),
    ]


def _relay_lost() -> list[Panel]:
    of = "instance"
    lost = {
        "refused": selector("roadworthy_relay_refused_items_total"),
        "given up": selector("roadworthy_relay_given_up_items_total"),
    }
    return [
        lines(
            Words(
                "Items the main collector will never get",
                "In a day: refused by it (`roadworthy relay status` has the codes), or past the bounds of the queue. "
                f"{_RELAY}",
                "short",
            ),
            *(
                Query(f"max by ({of}) (increase({counter}[1d]))", f"{name}, {{{{instance}}}}")
                for name, counter in lost.items()
            ),
            width=16,
        ),
        number(
            Words(
                "Devices no longer forwarded",
                f"The main collector refuses them. {_RELAY}",
                "short",
            ),
            Query(f"sum ({held('roadworthy_relay_stopped_devices', of)})", "devices"),
            width=8,
            look=Look(levels=thresholds.ANY_ACT),
        ),
    ]


def detail() -> list[Panel]:
    """Return the panels of the process that renders the device detail."""
    return [*_shards(), *_detail_cost()]


def _shards() -> list[Panel]:
    off = "Where the device detail is off it is not known."
    slowest = f"histogram_quantile(0.99, {rate('roadworthy_detail_shard_seconds_bucket', 'le')}) >= 0"
    largest = f"histogram_quantile(0.99, {rate('roadworthy_detail_shard_bytes_bucket', 'le')}) >= 0"
    return [
        lines(
            Words(
                "Time to render a shard", f"99 in 100 take less: reading, joining, compressing. {off}", "s"
            ),
            Query(slowest, "99 in 100"),
            width=8,
        ),
        lines(
            Words(
                "Size of a shard",
                f"99 in 100 are smaller, before compression; one should stay within 5 MB. {off}",
                "bytes",
            ),
            Query(largest, "99 in 100"),
            width=8,
        ),
        lines(
            Words(
                "Age of the device detail",
                f"How long before the last shard was rendered the devices had been looked at for changes. {off}",
                "s",
            ),
            Query(held("roadworthy_detail_age_seconds", "instance"), "{{instance}}"),
            width=8,
        ),
    ]


def _detail_cost() -> list[Panel]:
    off = "Where the device detail is off it is not known."
    return [
        lines(
            Words("Processor time of the detail process", f"Seconds a second; 1 is one core. {off}", "short"),
            Query(_by_process("roadworthy_detail_cpu_seconds_total"), "{{instance}}"),
            width=8,
        ),
        lines(
            Words("Memory of the detail process", f"Resident memory. {off}", "bytes"),
            Query(held("roadworthy_detail_resident_memory_bytes", "instance"), "{{instance}}"),
            width=8,
        ),
        number(
            Words(
                "Starts of the detail process in a day",
                f"It is started when it is first asked; more than once it ended and was started again. {off}",
                "short",
            ),
            Query(f"sum (increase({selector('roadworthy_detail_starts_total')}[1d]))", "starts"),
            width=8,
            look=Look(decimals=0),
        ),
    ]


def cost() -> list[Panel]:
    """Return the panels of what the collector costs its machine."""
    return [*_process(), *_disk_and_scrape(), *_limits()]


def _process() -> list[Panel]:
    return [
        lines(
            Words(
                "Processor time",
                f"Seconds of processor time a second, each process by itself; 1 is one core. {_ABSENT}",
                "short",
            ),
            Query(_by_process("roadworthy_process_cpu_seconds_total"), "{{instance}}"),
        ),
        lines(
            Words("Memory", f"Resident memory, each process by itself. {_ABSENT}", "bytes"),
            Query(held("roadworthy_process_resident_memory_bytes", "instance"), "{{instance}}"),
        ),
    ]


def _disk_and_scrape() -> list[Panel]:
    rendering = rate("roadworthy_scrape_render_seconds_bucket", "endpoint", "le")
    size = held("roadworthy_database_size_bytes", "file")
    return [
        lines(
            Words(
                "Size of the database",
                f"By its files: the database and its write-ahead log, or all of it on PostgreSQL. {_ABSENT}",
                "bytes",
            ),
            Query(size, "{{file}}"),
            stacked=True,
        ),
        lines(
            Words(
                "Time to render a scrape",
                f"99 in 100 are faster; Prometheus gives up after ten seconds. {_ABSENT}",
                "s",
            ),
            Query(f"histogram_quantile(0.99, {rendering}) >= 0", "{{endpoint}}"),
            look=Look(levels=thresholds.SCRAPE_SECONDS),
        ),
    ]


def _limits() -> list[Panel]:
    ends = f"min by (certificate) ({selector('roadworthy_certificate_end_timestamp_seconds')})"
    return [
        _descriptors(),
        number(
            Words(
                "Until a certificate ends",
                "Of the settings' certificates, the one that ends first where a file has several; below 0 it has ended. A "
                "file that is not set, or cannot be read, is not known and not here.",
                "s",
            ),
            Query(f"{ends} - time()", "{{certificate}}"),
            look=Look(levels=thresholds.CERTIFICATE_LEFT_SECONDS, decimals=0),
        ),
        lines(
            Words(
                "Since the process started",
                f"A line that falls to nought is a restart. {_ABSENT}",
                "s",
            ),
            Query(f"time() - {held('roadworthy_process_start_time_seconds', 'instance')}", "{{instance}}"),
            width=6,
        ),
    ]


def _descriptors() -> timeseries.Panel:
    return lines(
        Words(
            "File descriptors",
            f"Open ones, over the most the process may open: a connection takes one. {_ABSENT}",
            "percentunit",
        ),
        Query(
            share(
                held("roadworthy_process_open_fds", "instance"),
                held("roadworthy_process_max_fds", "instance"),
            ),
            "{{instance}}",
        ),
        look=Look(levels=thresholds.QUEUE_RATIO),
    )


def _database(counter: str, *by: str) -> str:
    """Return how fast a counter grows that is kept in the database, and so is the same wherever it is told."""
    grouped = f"max by ({', '.join(by)})" if by else "max"
    return f"{grouped} (rate({selector(counter)}[$__rate_interval]))"


def _by_process(counter: str) -> str:
    return f"max by (instance) (rate({selector(counter)}[$__rate_interval]))"
