"""Every metric Roadworthy shows Prometheus, as one frozen table.

Code walks this table: the renderers take name, type and help from it, `generate` writes docs/metrics.md and the
dashboards' catalogue from it, and tests hold every exposed family against it. A name is for ever.

Naming: `roadworthy_`, base units, one name per grouping (`_site_`, `_unit_`, `_model_`, `_os_`), so that no name
ever carries two sets of labels (https://prometheus.io/docs/practices/naming/). One file, although a long one: it is
one table.
"""

from __future__ import annotations

from types import MappingProxyType

from roadworthy_collector.metrics.books_catalogue import BOOKS
from roadworthy_collector.metrics.by_site_catalogue import BY_SITE
from roadworthy_collector.metrics.carbon_catalogue import CARBON
from roadworthy_collector.metrics.costs_catalogue import COSTS
from roadworthy_collector.metrics.family import Endpoint, Kind, Metric
from roadworthy_collector.metrics.intensity_catalogue import INTENSITY
from roadworthy_collector.metrics.lifecycle_catalogue import LIFECYCLE
from roadworthy_collector.metrics.meters_catalogue import METERS
from roadworthy_collector.metrics.money_catalogue import MONEY
from roadworthy_collector.metrics.polled_catalogue import POLLED
from roadworthy_collector.metrics.startup_catalogue import STARTUP_PARTS
from roadworthy_collector.metrics.yearly_catalogue import CERTIFICATES, YEARLY

__all__ = ["CATALOGUE", "MAX_MEMBERS", "OTHER", "UNKNOWN", "Endpoint", "Kind", "Metric", "metric"]

# A grouping shows at most this many members under their own names; the rest adds up under OTHER.
MAX_MEMBERS = 200
OTHER = "other"
# What a grouping calls devices that have not said which member they are.
UNKNOWN = "unknown"


# --- the IT estate's roll-ups, computed by the jobs process --------------------------------------------------

_RECORDS = "counted from the collector's own records"
_STATES = (
    "reporting: heard within its call interval and a grace of a quarter of it (at least 60 s); late: after that; "
    "missing: not heard for three intervals; retired: taken out of service"
)
_SENSOR = "sensor: what the device's operating system counts"
_PEOPLE = "Groups of fewer than five devices count under other; with fewer than five devices in service it is left out."


def _devices(group: str, label: str, known: str, text: str) -> Metric:
    """Return the row that counts devices in service by one grouping."""
    name = f"roadworthy_{group}_devices"
    return Metric(name, Kind.GAUGE, "devices", f"Devices in service by {text}.", known, (label,))


def _use(what: str, words: str) -> tuple[Metric, ...]:
    """Rows of one utilisation: the mean and the count it is over, per site and for the whole IT estate."""
    few = (
        " A site with one to four devices that are people's (all but servers and what is polled), or with so few of them "
        "heard, counts under other, with the smallest other sites where those are too few; other is left out where fewer "
        "than five would be told of, or restricted sites have one to four."
    )
    rows: list[Metric] = []
    for group, where, labels in (("site", "a site", ("site",)), ("estate", "the IT estate", ())):
        mean = f"roadworthy_{group}_{what}_ratio"
        text = f"Mean of the latest {words} of the devices of {where} heard within three intervals, 0 to 1."
        rows.append(Metric(mean, Kind.GAUGE, "ratio", text + (few if labels else ""), _SENSOR, labels))
        over = f"How many devices {mean} is over; the others are not heard or have not said it."
        rows.append(
            Metric(f"roadworthy_{group}_{what}_devices", Kind.GAUGE, "devices", over, _RECORDS, labels)
        )
    return tuple(rows)


def _startups(group: str, words: str) -> Metric:
    """Return the row of one grouping's start-up histogram."""
    return Metric(
        f"roadworthy_{group}_startup_seconds",
        Kind.HISTOGRAM,
        "seconds",
        f"Duration of start-ups by {words}: all kinds but wake-ups from sleep, once, when the record becomes final.",
        "measured by the agents; start-ups whose total is not known are left out",
        (group,),
    )


def _signins(group: str, words: str) -> Metric:
    """Return the row of one grouping's sign-in histogram."""
    return Metric(
        f"roadworthy_{group}_signin_seconds",
        Kind.HISTOGRAM,
        "seconds",
        f"Duration of sign-ins by {words}, from accepted credentials to a usable desktop. {_PEOPLE}",
        "measured by the agents; sign-ins whose total is not known are left out",
        (group,),
    )


_ROLLUPS = (
    Metric(
        "roadworthy_estate_info",
        Kind.INFO,
        "",
        "Whether this IT estate is simulated, and the version of the collector that rolled it up.",
        "the database's stamp",
        ("simulated", "version"),
    ),
    Metric(
        "roadworthy_estate_devices",
        Kind.GAUGE,
        "devices",
        f"All devices by state, those of restricted sites included. {_STATES}.",
        _RECORDS,
        ("state",),
    ),
    Metric(
        "roadworthy_devices",
        Kind.GAUGE,
        "devices",
        f"Devices by site and state, without restricted sites. {_STATES}.",
        _RECORDS,
        ("site", "state"),
    ),
    _devices("unit", "unit", _RECORDS, "unit"),
    _devices("model", "model", "the devices' firmware tables", "model"),
    _devices("os", "os", "the devices' operating systems", "operating system"),
    _devices("class", "class", "derived from the chassis type in the firmware tables", "class"),
    _devices(
        "environment",
        "environment",
        "the hardware probe",
        "environment: physical, virtual machine, container",
    ),
    _devices("system_medium", "medium", "the storage probe", "the medium their operating system starts from"),
    Metric(
        "roadworthy_probe_devices",
        Kind.GAUGE,
        "devices",
        "Devices in service by probe and its status: every status but ok says what is not measured.",
        "said by the agents",
        ("probe", "status"),
    ),
    *_use("cpu", "processor use"),
    *_use("memory", "memory use"),
    _startups("site", "site"),
    _startups("unit", "unit"),
    _startups("model", "model"),
    _startups("os", "operating system"),
    _signins("site", "site"),
    _signins("unit", "unit"),
    _signins("model", "model"),
    _signins("os", "operating system"),
    Metric(
        "roadworthy_battery_devices",
        Kind.GAUGE,
        "devices",
        "Devices in service by their worst battery, which holds so much of its design: good: 0.8 and over; worn: 0.6 "
        "and over; weak: less; unknown: it does not tell, or the battery probe cannot. Devices without one are left out.",
        "sensor: what the batteries' gauges say",
        ("health",),
    ),
    Metric(
        "roadworthy_disk_devices",
        Kind.GAUGE,
        "devices",
        "Devices in service by the disk that holds their system. failing: the disk says so; worn: 0.8 and more of its "
        "rated life is used; good: it tells neither of itself; unknown: it says nothing, or may not be asked. Virtual "
        "disks are left out.",
        "sensor: what the disks say of themselves",
        ("health",),
    ),
    Metric(
        "roadworthy_site_state_ratio",
        Kind.GAUGE,
        "ratio",
        "Share of yesterday's seconds (UTC) in each device state, of the devices that told it. Sites with fewer than "
        "five such devices count under other, and where those are fewer than five there is no sample.",
        _SENSOR,
        ("site", "state"),
    ),
    Metric(
        "roadworthy_site_state_devices",
        Kind.GAUGE,
        "devices",
        "How many devices roadworthy_site_state_ratio is over.",
        _RECORDS,
        ("site",),
    ),
)

# --- one device each; `device_id` is the only label that identifies it --------------------------------------

_SAID = "how well it is known is in roadworthy_device_startup_info"


def _device(name: str, kind: Kind, unit: str, text: str, known: str, *labels: str) -> Metric:
    """Return a row of the device endpoint."""
    full = f"roadworthy_device_{name}"
    return Metric(full, kind, unit, text, known, ("device_id", *labels), Endpoint.DEVICES)


_DEVICES = (
    _device(
        "info",
        Kind.INFO,
        "",
        "What the device is and where it stands; join other series to it by device_id.",
        "firmware tables and operating system; site and unit from the register",
        *("site", "unit", "model", "os", "class", "environment"),
    ),
    _device(
        "last_report_timestamp_seconds",
        Kind.GAUGE,
        "seconds",
        "When the device was last heard, in seconds since 1970.",
        "the collector's clock",
    ),
    _device(
        "uptime_seconds",
        Kind.GAUGE,
        "seconds",
        "Time since the kernel started, time asleep included.",
        _SENSOR,
    ),
    _device(
        "cpu_ratio",
        Kind.GAUGE,
        "ratio",
        "Processor use over the latest sample, at most a minute, 0 to 1.",
        _SENSOR,
    ),
    _device("memory_ratio", Kind.GAUGE, "ratio", "Memory use at the latest sample, 0 to 1.", _SENSOR),
    _device(
        "startup_info",
        Kind.INFO,
        "",
        "Kind of the last final start-up, and how well its total is known: measured, approximate or suspect.",
        "said by the agent with the start-up",
        *("kind", "quality"),
    ),
    _device(
        "startup_seconds",
        Kind.GAUGE,
        "seconds",
        "Duration of the last final start-up: the sum of its counted phases.",
        _SAID,
    ),
    _device(
        "startup_phase_seconds",
        Kind.GAUGE,
        "seconds",
        "Counted phases of the last final start-up; they add up to roadworthy_device_startup_seconds.",
        _SAID,
        "phase",
    ),
    _device(
        "startup_usable_seconds",
        Kind.GAUGE,
        "seconds",
        "From the beginning of the last final start-up until a person could sign in or work.",
        _SAID,
    ),
    _device(
        "energy_joules_total",
        Kind.COUNTER,
        "joules",
        "The agent's energy counter at the end of the newest stored half-hour; scopes overlap, so never add them.",
        "the quality label: metered, sensor, modelled or assumed",
        *("scope", "quality"),
    ),
    _device(
        "power_watts",
        Kind.GAUGE,
        "watts",
        "Mean power over the agent's latest sample, at most a minute; scopes overlap, so never add them. Only of devices "
        "that tell their energy by the half-hour.",
        "the quality label: metered, sensor, modelled or assumed",
        *("scope", "quality"),
    ),
    _device(
        "battery_health_ratio",
        Kind.GAUGE,
        "ratio",
        "What the battery holds when full over what it was made for; a new one may pass 1.",
        "sensor: the battery's own gauge",
        "battery",
    ),
    _device(
        "battery_cycles",
        Kind.GAUGE,
        "cycles",
        "Charge cycles the battery has counted.",
        "sensor: the battery's own gauge",
        "battery",
    ),
    _device(
        "disk_wear_ratio",
        Kind.GAUGE,
        "ratio",
        "Share of the disk's rated life that is used; it may pass 1.",
        "sensor: what the disk says of itself",
        "disk",
    ),
    _device(
        "disk_failing",
        Kind.GAUGE,
        "",
        "1 where the disk itself says that it is failing, 0 where it says that it is not.",
        "sensor: what the disk says of itself",
        "disk",
    ),
    _device(
        "probe_up",
        Kind.GAUGE,
        "",
        "1 where the probe's last status is ok, 0 where something is not measured.",
        "said by the agent",
        "probe",
    ),
)

# --- sent by remote write, at the end of each closed half-hour -------------------------------------------------

_OPEN = (
    f"{_SENSOR}; only of devices that tell energy or device state by the half-hour, because half-hours of a device "
    "that one person uses are working hours"
)


def _sent(name: str, text: str) -> Metric:
    """Return a row of what is only sent."""
    full = f"roadworthy_device_{name}"
    return Metric(full, Kind.GAUGE, "ratio", text, _OPEN, ("device_id",), Endpoint.REMOTE_WRITE)


_SENT = (
    _sent(
        "half_hour_cpu_ratio", "Mean processor use over the half-hour that closes with the sample, 0 to 1."
    ),
    _sent(
        "half_hour_memory_ratio", "Mean memory use over the half-hour that closes with the sample, 0 to 1."
    ),
)

# --- the collector's own health ------------------------------------------------------------------------------

_OWN = "counted by the serving process since it started"
_KEPT = "counted in the database, kept over restarts"
_READ = "read from the database when scraped"
_SYSTEM = "read from the operating system when scraped"
_JOBS = "written by the jobs process after each run"
_SENDER = "written by the job remote_write while a receiver is configured"
_RELAY = "of a relay only"
_RENDERER = "told by the process that renders the device detail"
# The label of a job is `task`: `job` is Prometheus' own, and a scraped one would become `exported_job`.


def _health(name: str, kind: Kind, unit: str, text: str, known: str, *labels: str) -> Metric:
    """Return a row of the collector's own health."""
    return Metric(f"roadworthy_{name}", kind, unit, text, known, labels)


_HEALTH = (
    _health(
        "ingest_reports_total", Kind.COUNTER, "reports", "Reports answered, by outcome.", _OWN, "outcome"
    ),
    _health(
        "ingest_items_total",
        Kind.COUNTER,
        "items",
        "Items of accepted reports, by kind of item and outcome.",
        _OWN,
        *("item", "outcome"),
    ),
    _health(
        "ingest_committed_reports_total",
        Kind.COUNTER,
        "reports",
        "Reports in the group commits so far; over roadworthy_ingest_commit_seconds_count it is the mean group.",
        _OWN,
    ),
    _health(
        "ingest_enrolments_total",
        Kind.COUNTER,
        "enrolments",
        "Enrolments answered, by outcome.",
        _OWN,
        "outcome",
    ),
    _health(
        "ingest_request_seconds", Kind.HISTOGRAM, "seconds", "From a report's first byte to its answer.", _OWN
    ),
    _health(
        "ingest_commit_seconds", Kind.HISTOGRAM, "seconds", "Duration of the group commits of reports.", _OWN
    ),
    _health(
        "ingest_half_hour_lag_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "From the end of a closed half-hour to when it was taken in; one observation each, again if it was sent again.",
        _OWN,
    ),
    _health("ingest_queued_reports", Kind.GAUGE, "reports", "Reports waiting for the writer.", _OWN),
    _health(
        "ingest_queue_limit_reports",
        Kind.GAUGE,
        "reports",
        "Reports that may wait for the writer before agents are told to come again later.",
        "the setting queue_reports",
    ),
    _health("ingest_rejected_items_total", Kind.COUNTER, "items", "Items refused, by code.", _KEPT, "code"),
    _health(
        "ingest_conflicts_total",
        Kind.COUNTER,
        "items",
        "Items that came again with other content, by kind of item; the first is kept.",
        _KEPT,
        "item",
    ),
    _health(
        "ingest_unknown_values_total",
        Kind.COUNTER,
        "values",
        "Values an enumeration of the wire does not know, read as `other`, by field.",
        _KEPT,
        "field",
    ),
    _health(
        "collector_clones_total",
        Kind.COUNTER,
        "events",
        "Devices whose hardware or stream of reports was not their own: held, proven a copy, cloned (a copy's report "
        "refused), traded (made a device of its own), shared (two take turns), repaired; and tokens rotated.",
        _KEPT,
        "event",
    ),
    _health("quarantined_items", Kind.GAUGE, "items", "Refused items kept for a person to look at.", _READ),
    _health("database_size_bytes", Kind.GAUGE, "bytes", "Size of the database's files.", _SYSTEM, "file"),
    _health("rollup_backlog", Kind.GAUGE, "device-days", "Device days waiting to be rolled up.", _READ),
    _health(
        "rollup_oldest_timestamp_seconds",
        Kind.GAUGE,
        "seconds",
        "Midnight UTC of the oldest day waiting to be rolled up; left out where none waits.",
        _READ,
    ),
    _health(
        "fleet_snapshot_timestamp_seconds", Kind.GAUGE, "seconds", "When the roll-ups were computed.", _JOBS
    ),
    Metric(
        "roadworthy_jobs_holding",
        Kind.GAUGE,
        "processes",
        "1 while this process does the jobs, 0 while it stands by.",
        "whether the process holds the lock on the jobs",
        endpoint=Endpoint.JOBS,
    ),
    _health(
        "job_last_success_timestamp_seconds",
        Kind.GAUGE,
        "seconds",
        "When the job last succeeded.",
        _JOBS,
        "task",
    ),
    _health(
        "job_last_duration_seconds", Kind.GAUGE, "seconds", "How long the job's last run took.", _JOBS, "task"
    ),
    _health(
        "job_longest_transaction_seconds",
        Kind.GAUGE,
        "seconds",
        "Longest write transaction of the job since the jobs process started.",
        _JOBS,
        "task",
    ),
    _health("job_failures_total", Kind.COUNTER, "runs", "Runs of the job that failed.", _KEPT, "task"),
    _health(
        "job_long_transactions_total",
        Kind.COUNTER,
        "runs",
        "Runs of the job with a write transaction of more than 0.05 s, for which reports waited.",
        _KEPT,
        "task",
    ),
    _health(
        "remote_write_queued_periods",
        Kind.GAUGE,
        "half-hours",
        "Closed half-hours and days the remote-write receiver has not acknowledged.",
        _SENDER,
    ),
    _health(
        "remote_write_queue_age_seconds",
        Kind.GAUGE,
        "seconds",
        "How long the oldest of them waits.",
        _SENDER,
    ),
    _health(
        "remote_write_last_success_timestamp_seconds",
        Kind.GAUGE,
        "seconds",
        "When the remote-write receiver last took samples.",
        _SENDER,
    ),
    _health(
        "remote_write_samples_total",
        Kind.COUNTER,
        "samples",
        "Samples the remote-write receiver took, without stale markers.",
        _KEPT,
    ),
    _health(
        "remote_write_stale_markers_total",
        Kind.COUNTER,
        "markers",
        "Stale markers the remote-write receiver took: each ends a series.",
        _KEPT,
    ),
    _health(
        "remote_write_failed_requests_total",
        Kind.COUNTER,
        "requests",
        "Remote-write requests not taken, by HTTP status; without an answer: timeout or connection.",
        _KEPT,
        "code",
    ),
    _health(
        "remote_write_dropped_periods_total",
        Kind.COUNTER,
        "half-hours",
        "Closed half-hours and days never sent or never taken: refused: the receiver said that it will not have them; "
        "queue_full, queue_age: past the bounds of the queue; pruned: their facts were gone before they were sent.",
        _KEPT,
        "reason",
    ),
    _health(
        "relay_waiting_reports",
        Kind.GAUGE,
        "reports",
        f"Reports a relay has accepted and the main collector does not hold yet; {_RELAY}.",
        _READ,
    ),
    _health(
        "relay_waiting_bytes",
        Kind.GAUGE,
        "bytes",
        f"What they take up, packed; {_RELAY}.",
        _READ,
    ),
    _health(
        "relay_waiting_limit_bytes",
        Kind.GAUGE,
        "bytes",
        f"Most they may take up (setting relay_outbox_max_bytes); past it the oldest are given up; {_RELAY}.",
        "the setting",
    ),
    _health(
        "relay_oldest_waiting_seconds",
        Kind.GAUGE,
        "seconds",
        f"How long the oldest of them waits, 0 while none does; {_RELAY}.",
        _READ,
    ),
    _health(
        "relay_last_success_timestamp_seconds",
        Kind.GAUGE,
        "seconds",
        f"When the main collector last took reports of the relay, or acknowledged a carried file; {_RELAY}.",
        _READ,
    ),
    _health(
        "relay_refused_items_total",
        Kind.COUNTER,
        "items",
        f"Items the main collector would not take; `roadworthy relay status` has the codes; {_RELAY}.",
        _KEPT,
    ),
    _health(
        "relay_given_up_items_total",
        Kind.COUNTER,
        "items",
        f"Items past the bounds of the relay's queue, which the main collector will never get; {_RELAY}.",
        _KEPT,
    ),
    _health(
        "relay_stopped_devices",
        Kind.GAUGE,
        "devices",
        f"Devices that are not forwarded any more because the main collector refuses them; {_RELAY}.",
        _READ,
    ),
    _health(
        "scrape_render_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "Time to render what is scraped.",
        _OWN,
        "endpoint",
    ),
    _health(
        "detail_shard_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "Time the process that renders the device detail worked on a shard: reading what changed, joining, compressing.",
        _RENDERER,
    ),
    _health(
        "detail_shard_bytes",
        Kind.HISTOGRAM,
        "bytes",
        "Size of a shard of the device detail before compression; one should stay within 5 MB.",
        _RENDERER,
    ),
    _health(
        "detail_age_seconds",
        Kind.GAUGE,
        "seconds",
        "How long before the last shard was rendered the devices had been looked at for changes.",
        _RENDERER,
    ),
    _health(
        "detail_resident_memory_bytes",
        Kind.GAUGE,
        "bytes",
        "Resident memory of the process that renders the device detail.",
        _RENDERER,
    ),
    _health(
        "detail_cpu_seconds_total",
        Kind.COUNTER,
        "seconds",
        "CPU time of the processes that rendered the device detail, one after the other.",
        _RENDERER,
    ),
    _health(
        "detail_starts_total",
        Kind.COUNTER,
        "starts",
        "How often a process that renders the device detail was started; more than once means that it ended.",
        _OWN,
    ),
    _health("process_virtual_memory_bytes", Kind.GAUGE, "bytes", "Virtual memory size in bytes.", _SYSTEM),
    _health("process_resident_memory_bytes", Kind.GAUGE, "bytes", "Resident memory size in bytes.", _SYSTEM),
    _health(
        "process_start_time_seconds",
        Kind.GAUGE,
        "seconds",
        "Start time of the process since unix epoch in seconds.",
        _SYSTEM,
    ),
    _health(
        "process_cpu_seconds_total",
        Kind.COUNTER,
        "seconds",
        "Total user and system CPU time spent in seconds.",
        _SYSTEM,
    ),
    _health("process_open_fds", Kind.GAUGE, "descriptors", "Number of open file descriptors.", _SYSTEM),
    _health(
        "process_max_fds", Kind.GAUGE, "descriptors", "Maximum number of open file descriptors.", _SYSTEM
    ),
)

CATALOGUE: tuple[Metric, ...] = (
    *_ROLLUPS,
    *BOOKS,
    *COSTS,
    *MONEY,
    *LIFECYCLE,
    *CARBON,
    *INTENSITY,
    *METERS,
    *POLLED,
    *BY_SITE,
    *STARTUP_PARTS,
    *YEARLY,
    *CERTIFICATES,
    *_DEVICES,
    *_SENT,
    *_HEALTH,
)
_BY_NAME = MappingProxyType({row.name: row for row in CATALOGUE})


def metric(name: str) -> Metric:
    """Return the row called `name`; raises KeyError for a name the catalogue does not have."""
    return _BY_NAME[name]
