"""What a row of the catalogue says about a metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    REMOTE_WRITE = "remote write"
    JOBS = "/metrics of jobs"


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
