"""Every metric Roadworthy shows Prometheus, as one frozen table.

Code walks this table: the renderers take name, type and help from it, `generate` writes docs/metrics.md and the
dashboards' catalogue from it, and tests hold every exposed family against it. A name is for ever.

Naming: `roadworthy_`, base units, one name per grouping (`_site_`, `_unit_`, `_model_`, `_os_`), so that no name
ever carries two sets of labels (https://prometheus.io/docs/practices/naming/).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

# A grouping shows at most this many members under their own names; the rest adds up under OTHER.
MAX_MEMBERS = 200
OTHER = "other"
# What a grouping calls devices that have not said which member they are.
UNKNOWN = "unknown"


class Kind(StrEnum):
    """How a metric behaves; INFO is a gauge of constant 1 that carries its facts in labels."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"

    @property
    def exposed_as(self) -> str:
        """The word of the `# TYPE` line: the text format 0.0.4 has no info."""
        return "gauge" if self is Kind.INFO else self.value


class Endpoint(StrEnum):
    """Where a metric is read."""

    METRICS = "/metrics"
    DEVICES = "/metrics/devices"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `unit` says what its values count, `known` how they are known."""

    name: str
    kind: Kind
    unit: str
    help: str
    known: str
    labels: tuple[str, ...] = ()
    endpoint: Endpoint = Endpoint.METRICS
    since: str = "0.1.0"

    @property
    def header(self) -> str:
        """The `# HELP` and `# TYPE` lines of the text format."""
        text = self.help.replace("\\", r"\\").replace("\n", r"\n")
        return f"# HELP {self.name} {text}\n# TYPE {self.name} {self.kind.exposed_as}\n"

    @property
    def series(self) -> tuple[str, ...]:
        """The names its series go by: a histogram has three."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


# --- the IT estate's roll-ups, computed by the jobs process --------------------------------------------------

_RECORDS = "counted from the collector's own records"
_STATES = (
    "reporting: heard within its call interval and a grace of a quarter of it (at least 60 s); late: after that; "
    "missing: not heard for three intervals; retired: taken out of service"
)
_SENSOR = "sensor: what the device's operating system counts"


def _devices(group: str, label: str, known: str, text: str) -> Metric:
    """Return the row that counts devices in service by one grouping."""
    name = f"roadworthy_{group}_devices"
    return Metric(name, Kind.GAUGE, "devices", f"Devices in service by {text}.", known, (label,))


def _use(what: str, words: str) -> tuple[Metric, ...]:
    """Rows of one utilisation: the mean and the count it is over, per site and for the whole IT estate."""
    rows: list[Metric] = []
    for group, where, labels in (("site", "a site", ("site",)), ("estate", "the IT estate", ())):
        mean = f"roadworthy_{group}_{what}_ratio"
        text = f"Mean of the latest {words} of the devices of {where} heard within three intervals, 0 to 1."
        rows.append(Metric(mean, Kind.GAUGE, "ratio", text, _SENSOR, labels))
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
        "probe_up",
        Kind.GAUGE,
        "",
        "1 where the probe's last status is ok, 0 where something is not measured.",
        "said by the agent",
        "probe",
    ),
)

# --- the collector's own health ------------------------------------------------------------------------------

_OWN = "counted by the serving process since it started"
_KEPT = "counted in the database, kept over restarts"
_READ = "read from the database when scraped"
_SYSTEM = "read from the operating system when scraped"
_JOBS = "written by the jobs process after each run"
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
    _health("quarantined_items", Kind.GAUGE, "items", "Refused items kept for a person to look at.", _READ),
    _health("database_size_bytes", Kind.GAUGE, "bytes", "Size of the database's files.", _SYSTEM, "file"),
    _health("rollup_backlog", Kind.GAUGE, "device-days", "Device days waiting to be rolled up.", _READ),
    _health(
        "fleet_snapshot_timestamp_seconds", Kind.GAUGE, "seconds", "When the roll-ups were computed.", _JOBS
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
        "scrape_render_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "Time to render what is scraped.",
        _OWN,
        "endpoint",
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

CATALOGUE: tuple[Metric, ...] = (*_ROLLUPS, *_DEVICES, *_HEALTH)
_BY_NAME = MappingProxyType({row.name: row for row in CATALOGUE})


def metric(name: str) -> Metric:
    """Return the row called `name`; raises KeyError for a name the catalogue does not have."""
    return _BY_NAME[name]
