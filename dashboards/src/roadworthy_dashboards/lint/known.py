"""What a query may ask for: the catalogue's series, those our rules record, and Prometheus' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roadworthy_dashboards.catalogue import SCRAPE_LABELS, load_series
from roadworthy_dashboards.labels import Labels, labels_of
from roadworthy_dashboards.lint.rule_files import Group, RuleEntry
from roadworthy_dashboards.promql import QueryError, parse

_ALERT_OWN = frozenset({"alertname", "alertstate"})
_ALERT_SERIES = ("ALERTS", "ALERTS_FOR_STATE")
# What Prometheus makes itself for every target; shards of the device detail are told apart there.
_TARGET_SERIES = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added")
_DETAIL = "/metrics/devices"
_REMOTE = "remote write"


@dataclass(frozen=True)
class Known:
    """Series by name: labels as Prometheus holds them, the kinds of the catalogue's, and which are one device's.

    `sent` are those no scrape has: the collector sends them itself, under a job of its own.
    """

    labels: Mapping[str, frozenset[str]]
    kinds: Mapping[str, str]
    of_devices: frozenset[str]
    sent: frozenset[str] = frozenset()

    def labels_of(self, name: str) -> frozenset[str] | None:
        """Return the labels of a series, None if there is none of this name."""
        return self.labels.get(name)


def load_known(groups: Sequence[Group] = ()) -> Known:
    """Return what may be asked for when these groups of rules are loaded."""
    catalogue = load_series()
    labels = {name: series.labels | SCRAPE_LABELS for name, series in catalogue.items()}
    labels |= {name: SCRAPE_LABELS | {"shard"} for name in _TARGET_SERIES}
    entries = [entry for group in groups for entry in group.entries]
    _record(labels, [entry for entry in entries if entry.record])
    alerting = frozenset[str]().union(
        *(_answer(entry, labels) or frozenset() for entry in entries if entry.alert)
    )
    labels |= dict.fromkeys(_ALERT_SERIES, alerting | _ALERT_OWN | SCRAPE_LABELS)
    return Known(
        labels,
        {name: series.kind for name, series in catalogue.items()},
        frozenset(name for name, series in catalogue.items() if series.endpoint in {_DETAIL, _REMOTE}),
        frozenset(name for name, series in catalogue.items() if series.endpoint == _REMOTE),
    )


def _record(labels: dict[str, frozenset[str]], entries: Sequence[RuleEntry]) -> None:
    """Add what is recorded, again and again while rules record from rules."""
    waiting = list(entries)
    while waiting:
        still = []
        for entry in waiting:
            found = _answer(entry, labels)
            if found is None:
                still.append(entry)
            else:
                # Two rules may record one name with different labels; a series may then have either.
                labels[entry.record] = labels.get(entry.record, frozenset()) | found
        if len(still) == len(waiting):
            break
        waiting = still
    # What could not be read is known by name, so that its own finding is the only one.
    for entry in waiting:
        labels.setdefault(entry.record, SCRAPE_LABELS | frozenset(entry.labels))


def _answer(entry: RuleEntry, labels: Mapping[str, frozenset[str]]) -> Labels:
    try:
        tree = parse(entry.expr)
    except QueryError:
        return None
    found, _ = labels_of(tree, labels.get)
    return None if found is None else found | frozenset(entry.labels)
