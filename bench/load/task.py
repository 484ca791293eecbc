"""What one process of the generator is told to do, and what it hands back."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from load.plan import Plan

MODES = ("closed", "open", "herd")


@dataclass(frozen=True)
class Task:
    """One process's part: devices `first` to `last` (exclusive) of the fleet, in one mode.

    closed: `connections` connections, each sends its next report when the one before is answered. open: a report is
    due at its time, `rate` a second on average, whatever the collector does. herd: each device comes by itself within
    `window_seconds`, `calls` times, and does what it is told.
    """

    mode: str
    host: str
    port: int
    fleet: str
    first: int
    last: int
    plan: dict[str, Any]
    result: str  # where the figures go
    number: int = 0  # of this process
    name: str = ""  # of the Host header, where it is not the address
    prefix: str = ""  # before /api/v1/reports
    tls: bool = False
    ca_file: str | None = None
    connections: int = 64
    rate: float = 0.0
    new_connections: bool = False
    warm_up_seconds: float = 1.0
    seconds: float = 10.0
    settle_seconds: float = 0.0  # how long what broke is sent again after the end
    prebuilt: int = 0  # reports made before the clock runs; the others as they are sent
    window_seconds: float = 600.0
    compress: float = 1.0
    calls: int = 2
    patience_seconds: float = 600.0  # how long a herd may take after its window
    target: str = "collector"  # or pushgateway

    def text(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Task:
        """Return what `text` made."""
        return cls(**json.loads(text))

    def planned(self) -> Plan:
        """Return what the devices send."""
        return Plan(**self.plan)


@dataclass
class Figures:
    """What came of it; of several processes added up.

    Latencies are seconds of acknowledged reports within the measured time. `acked` are the reports that were
    acknowledged, `unsure` those sent whose answer never came, as device and number.
    """

    answered: int = 0  # acknowledged within the measured time
    body_bytes: int = 0  # of those, compressed
    request_bytes: int = 0  # of those, with heads
    sent: int = 0  # requests in the whole run
    opened: int = 0  # connections
    broken: int = 0  # connections that ended with a report unanswered
    refused: Counter[str] = field(default_factory=Counter)  # answers but 200, by "503 busy"
    rejected: Counter[str] = field(default_factory=Counter)  # items in 200 answers, by "period too_old"
    miscounted: int = 0  # answers whose counts do not fit the report
    left: int = 0  # reports turned away and not taken before the end
    never_sent: int = 0  # of an open loop: due, but no connection was free in time
    behind_seconds: float = 0.0  # how late the generator itself was at worst
    by_second: Counter[int] = field(default_factory=Counter)  # acknowledged, by second of the run
    first_by_second: Counter[int] = field(default_factory=Counter)  # of a herd: first calls alone
    attempts: Counter[int] = field(
        default_factory=Counter
    )  # of a herd: acknowledged reports by how often sent
    latencies: array[float] = field(default_factory=lambda: array("f"))
    acked: array[int] = field(default_factory=lambda: array("Q"))
    unsure: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, other: Figures) -> None:
        """Add another process's."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if name == "behind_seconds":
                self.behind_seconds = max(mine, value)
            elif isinstance(mine, Counter):
                mine.update(value)
            elif isinstance(mine, array):
                mine.extend(value)
            else:
                setattr(self, name, mine + value)

    def write(self, path: Path) -> None:
        """Write them for the parent process."""
        plain: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, array):
                path.with_suffix(f".{name}").write_bytes(value.tobytes())
            else:
                plain[name] = list(value.items()) if isinstance(value, Counter) else value
        path.write_text(json.dumps(plain), "ascii")

    @classmethod
    def read(cls, path: Path) -> Figures:
        """Return what `write` wrote."""
        figures = cls()
        for name, value in json.loads(path.read_text("ascii")).items():
            mine = getattr(figures, name)
            setattr(figures, name, Counter(dict(value)) if isinstance(mine, Counter) else value)
        for name in ("latencies", "acked", "unsure"):
            getattr(figures, name).frombytes(path.with_suffix(f".{name}").read_bytes())
        return figures


def packed(device: int, number: int) -> int:
    """Return a report's device and number in one integer."""
    return device << 32 | number


def unpacked(reports: Iterable[int]) -> list[tuple[int, int]]:
    """Return the device and the number of each."""
    return [(report >> 32, report & 0xFFFFFFFF) for report in reports]
