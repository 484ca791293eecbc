"""What is counted in the database begins at 0: a counter that is new with its first event never grew for Prometheus."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.estates import Estate

from roadworthy_collector import ingest, remote_write
from roadworthy_collector.metrics.health import stored
from roadworthy_collector.remote_write import sink
from roadworthy_collector.store.engine import write_transaction

NOW = 1_767_225_600.0
REJECTED, CLONES, DROPPED = (
    "roadworthy_ingest_rejected_items",
    "roadworthy_collector_clones",
    "roadworthy_remote_write_dropped_periods",
)


def told(estate: Estate) -> dict[str, dict[str, float]]:
    """Return {family: {its one label's value: value}} of what the database holds."""
    return {
        family.name: {"".join(sample.labels.values()): sample.value for sample in family.samples}
        for family in stored(estate.engine, estate.settings(), lambda: NOW)
    }


def words(package: Path, *patterns: str) -> set[str]:
    """Return what the patterns find in the modules of a package."""
    text = "\n".join(path.read_text("utf-8") for path in sorted(package.glob("*.py")))
    return {word for pattern in patterns for word in re.findall(pattern, text)}


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_everything_that_can_be_counted_is_0_before_the_first(estate: Estate) -> None:
    found = told(estate)
    package = Path(ingest.__path__[0])
    codes = words(package, r'Fault\("(\w+)"', r'Rejected\(item, [^"]*"(\w+)"')
    events = words(
        package, r'events\.append\("(\w+)"', r'count\("identity", "(\w+)"', r'"identity", "label": "(\w+)"'
    )
    assert len(codes) > 5
    assert len(events) > 5
    assert found[REJECTED] == dict.fromkeys(codes, 0)
    assert found[CLONES] == dict.fromkeys(events, 0)
    assert found[DROPPED] == {}, "there is no receiver"


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_nothing_given_up_is_0_once_there_is_a_receiver(estate: Estate) -> None:
    reasons = words(Path(remote_write.__path__[0]), r'let_go\(.*, "(\w+)"\)', r'sink\.DROPPED, "(\w+)"')
    with write_transaction(estate.engine) as connection:
        sink.make_sink(connection, int(NOW))
    assert told(estate)[DROPPED] == dict.fromkeys(reasons, 0)
    with write_transaction(estate.engine) as connection:
        sink.count(connection, {(sink.DROPPED, "pruned"): 5000})
    assert told(estate)[DROPPED] == dict.fromkeys(reasons, 0) | {"pruned": 5000}
