"""A twin of the demo's IT estate, small enough to build in a moment, at a fixed time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from support import facts

from roadworthy_collector.demo.build import Plan, Summary, plan
from roadworthy_collector.demo.show import make_ready
from roadworthy_collector.settings import Settings

# A Wednesday afternoon in October, two days after a weekend in which nothing happened to the clocks.
NOW = int(datetime(2026, 10, 14, 13, 47, 12, tzinfo=UTC).timestamp())
DEVICES, DAYS, MONTHS = 50, 3, 3
POLLED = 10  # beside them: they run no agent


class Twin(NamedTuple):
    """A built estate."""

    settings: Settings
    planned: Plan
    summary: Summary

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Return what a query finds; half-hours stand in the tables of `support.facts.TABLES`."""
        return facts.query(self.settings.sqlite_file, query, *values)


def build(folder: Path, *, seed: int = 2012, now: int = NOW, devices: int = DEVICES) -> Twin:
    """Build a twin in `folder`."""
    settings = Settings(data=folder)
    planned = plan(settings, devices=devices, days=DAYS, months=MONTHS, seed=seed, now=now)
    summary = make_ready(settings, planned, progress=lambda *_: None)
    assert summary is not None
    return Twin(settings, planned, summary)


@pytest.fixture(scope="package")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """Return a twin that no test changes."""
    return build(tmp_path_factory.mktemp("twin"))
