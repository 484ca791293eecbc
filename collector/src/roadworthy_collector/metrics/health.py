"""The collector's own health, through prometheus_client in a registry of its own."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select

from roadworthy_collector.ingest.stats import Histogram, Stats
from roadworthy_collector.metrics.catalogue import Kind, metric
from roadworthy_collector.metrics.certificates import Certificates
from roadworthy_collector.metrics.detail import DetailStats
from roadworthy_collector.metrics.fleet import SNAPSHOT, Key
from roadworthy_collector.metrics.text import le
from roadworthy_collector.relay.health import relay_values
from roadworthy_collector.remote_write.sink import DROPPED, FAILED, read_sink, sink_values
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries import metrics as queries
from roadworthy_collector.store.queries.jobs import LONG_TRANSACTIONS

RENDER_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Names in table `counters` -> what they are shown as. Of `field=word` only the field becomes a label: agents choose
# the words, and a person finds them in the table.
_KEPT = {
    "rejected": "roadworthy_ingest_rejected_items_total",
    "conflict": "roadworthy_ingest_conflicts_total",
    "unknown_enum": "roadworthy_ingest_unknown_values_total",
    "identity": "roadworthy_collector_clones_total",
    FAILED: "roadworthy_remote_write_failed_requests_total",
    DROPPED: "roadworthy_remote_write_dropped_periods_total",
    LONG_TRANSACTIONS: "roadworthy_job_long_transactions_total",
}
# Words of these that are known before the first of them: a counter that begins with what it counts never rises in the
# eyes of Prometheus, so the first loss would not be alerted.
_KNOWN = {
    "rejected": (
        *("duplicate", "in_future", "not_aligned", "order", "out_of_range"),
        *("schema", "state_sum", "sum_mismatch", "too_old"),
    ),
    "identity": ("held", "proven", "cloned", "traded", "shared", "repaired", "rotated"),
    DROPPED: ("refused", "queue_full", "queue_age", "pruned"),
}
_JOBS = {
    "last_success_at": "roadworthy_job_last_success_timestamp_seconds",
    "last_duration_seconds": "roadworthy_job_last_duration_seconds",
    "longest_transaction_seconds": "roadworthy_job_longest_transaction_seconds",
    "failures": "roadworthy_job_failures_total",
}
_FILES = {"main": "", "wal": "-wal"}


class Health(Collector):
    """What one serving process says about itself; `render` is its text for `/metrics`."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        stats: Stats,
        detail: DetailStats,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._stats = stats
        self._detail = detail
        self._clock = clock
        self._certificates = Certificates(settings)
        self._renders: dict[str, Histogram] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(namespace="roadworthy", registry=self._registry)

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self._registry)

    def rendered(self, endpoint: str, seconds: float) -> None:
        """Count how long it took to render an answer of `endpoint`."""
        self._renders.setdefault(endpoint, Histogram(RENDER_BOUNDS)).observe(seconds)

    def describe(self) -> Iterable[Family]:
        """Return nothing: otherwise the registry would collect once just to learn the names."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield every family but the process's."""
        yield from self._ingest()
        if self._settings.rollups == "serve":  # of the database: else every `serve` on it would tell the same
            yield from stored(self._engine, self._settings, self._clock)
        renders: dict[Key, Histogram] = {
            (endpoint,): histogram for endpoint, histogram in self._renders.items()
        }
        yield _histogram("roadworthy_scrape_render_seconds", renders)
        yield from self._of_detail()
        ends = self._certificates.ends()
        yield family(
            "roadworthy_certificate_end_timestamp_seconds", {(name,): end for name, end in ends.items()}
        )

    def _ingest(self) -> Iterator[Family]:
        stats = self._stats
        yield family("roadworthy_ingest_reports_total", _keyed(stats.reports))
        yield family(
            "roadworthy_ingest_items_total",
            {(item, outcome): count for (item, outcome), count in stats.items.items()},
        )
        yield family("roadworthy_ingest_enrolments_total", _keyed(stats.enrolments))
        yield family("roadworthy_ingest_committed_reports_total", {(): stats.committed_reports})
        yield family("roadworthy_ingest_queued_reports", {(): stats.queued})
        yield family("roadworthy_ingest_queue_limit_reports", {(): self._settings.queue_reports})
        yield _histogram("roadworthy_ingest_request_seconds", {(): stats.request_seconds})
        yield _histogram("roadworthy_ingest_commit_seconds", {(): stats.commit_seconds})
        yield _histogram("roadworthy_ingest_half_hour_lag_seconds", {(): stats.half_hour_lag_seconds})

    def _of_detail(self) -> Iterator[Family]:
        """Yield what the process that renders the device detail told of itself."""
        detail = self._detail
        asked = detail.starts > 0
        yield _histogram("roadworthy_detail_shard_seconds", {(): detail.seconds} if asked else {})
        yield _histogram("roadworthy_detail_shard_bytes", {(): detail.size} if asked else {})
        yield family("roadworthy_detail_age_seconds", {(): detail.age_seconds})
        yield family("roadworthy_detail_resident_memory_bytes", {(): detail.resident_bytes})
        yield family("roadworthy_detail_cpu_seconds_total", {(): detail.cpu_seconds if asked else None})
        yield family("roadworthy_detail_starts_total", {(): detail.starts})


def stored(engine: Engine, settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Family]:
    """Yield what the database holds, read in one transaction, and its size."""
    with engine.connect() as connection:
        counted = queries.read_counters(connection)
        jobs = queries.read_jobs(connection)
        quarantined = queries.count_quarantined(connection)
        pending, oldest = queries.read_backlog(connection)
        snapshot = queries.read_snapshot(connection, SNAPSHOT)
        sink = read_sink(connection)
        relay = relay_values(connection, settings, counted, clock())
    known: dict[str, tuple[str, ...]] = {**_KNOWN, LONG_TRANSACTIONS: tuple(row.name for row in jobs)}
    if sink is None:
        del known[DROPPED]  # without a receiver nothing can be given up
    for name, shown in _KEPT.items():
        totals: Counter[str] = Counter(dict.fromkeys(known.get(name, ()), 0))
        for row in counted:
            if row.name == name:
                totals[row.label.partition("=")[0]] += row.value
        yield family(shown, _keyed(totals))
    for column, shown in _JOBS.items():
        yield family(shown, {(row.name,): getattr(row, column) for row in jobs})
    yield family("roadworthy_quarantined_items", {(): quarantined})
    yield family("roadworthy_rollup_backlog", {(): pending})
    yield family("roadworthy_rollup_oldest_timestamp_seconds", {(): oldest})
    yield family("roadworthy_fleet_snapshot_timestamp_seconds", {(): snapshot and snapshot.at})
    for shown, value in (sink_values(sink, counted) | relay).items():
        yield family(shown, {(): value})
    yield family("roadworthy_database_size_bytes", {(name,): size for name, size in _sizes(engine, settings)})


def _keyed(counts: Mapping[str, int]) -> dict[Key, float]:
    return {(name,): count for name, count in counts.items()}


def _sizes(engine: Engine, settings: Settings) -> Iterator[tuple[str, int]]:
    """Yield (file, bytes) of the database's files that are there; PostgreSQL's is one."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            yield "database", connection.scalar(select(func.pg_database_size(func.current_database()))) or 0
        return
    file = settings.sqlite_file
    for name, suffix in _FILES.items():
        path = file.with_name(file.name + suffix)
        if path.exists():
            yield name, path.stat().st_size


def family(name: str, values: Mapping[Key, float | None]) -> Family:
    """Return a gauge or counter of the catalogue; a value that is None makes no sample."""
    row = metric(name)
    made: Any
    if row.kind is Kind.COUNTER:
        made = CounterMetricFamily(name.removesuffix("_total"), row.help, labels=row.labels)
    else:
        made = GaugeMetricFamily(name, row.help, labels=row.labels)
    for key, value in sorted(values.items()):
        if value is not None:
            made.add_metric(key, value)
    return made  # type: ignore[no-any-return] # one of the two above


def _histogram(name: str, values: Mapping[Key, Histogram]) -> Family:
    """Return a histogram of the catalogue; prometheus_client wants its buckets cumulative."""
    row = metric(name)
    family = HistogramMetricFamily(name, row.help, labels=row.labels)
    for key, held in sorted(values.items()):
        cumulative = itertools.accumulate(held.counts)
        buckets = [(le(bound), float(count)) for bound, count in zip(held.bounds, cumulative, strict=True)]
        family.add_metric(key, buckets=buckets, sum_value=held.sum)
    return family
