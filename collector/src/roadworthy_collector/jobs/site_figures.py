"""The job that counts by site, for metrics, what would be too much to ask every half minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from roadworthy_collector.books import figures
from roadworthy_collector.jobs import site_avoidable
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import agent_spools, register_reporting
from roadworthy_collector.store.queries.register_reporting import Recorded

FIGURE = "site_figures"
EVERY_SECONDS = 60.0
_IN_USE = frozenset({"deployed"})
_MAY_REPORT = frozenset({"deployed", "loan", "unknown"})
_HEARD = frozenset({"reporting", "late"})


def compute(work: Work) -> int:
    """Count and keep; return 1."""
    now, began = work.clock(), work.monotonic()
    interval = work.settings.report_interval_seconds
    with work.reading() as connection:
        rows = register_reporting.count(connection, now=now, interval_seconds=interval)
    with work.reading() as connection:
        rows += register_reporting.count_disposed(connection, now=now, interval_seconds=interval)
    with work.reading() as connection:
        spools = agent_spools.count(connection)
    with work.reading() as connection:
        avoidable = site_avoidable.read(connection)
    content = reported(rows) | avoidable | {"spools": spools}
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, work.monotonic() - began)
    return 1


def reported(rows: Iterable[Recorded]) -> dict[str, Any]:
    """Return, by site, deployed devices that are silent, and others that report by what the register says of them.

    A site of which a device is known to be in the register has a count of either kind, if of nought.
    """
    silent: Counter[str] = Counter()
    undeployed: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.recorded in _IN_USE:
            silent[row.site] += row.devices if row.state == "missing" else 0
        elif row.recorded not in _MAY_REPORT:
            undeployed[row.site, row.recorded] += row.devices if row.state in _HEARD else 0
    return {
        "silent": [[site, count] for site, count in sorted(silent.items())],
        "undeployed": [[*key, count] for key, count in sorted(undeployed.items())],
    }
