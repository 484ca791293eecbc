"""Percentiles and distributions in SQL are those of the definition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.estates import NOW, Estate, make_database

from roadworthy_collector.store.engine import open_engine
from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.queries import console_startups as startups

SECONDS = st.lists(st.floats(min_value=0, max_value=7200, allow_nan=False), min_size=1, max_size=25)
TESTED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    make_database(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    yield Estate(engine, tmp_path / "roadworthy.db")
    engine.dispose()


def _nearest_rank(values: list[float], percent: int) -> float:
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


@TESTED
@given(by_model=st.dictionaries(st.sampled_from(["A", "B", None]), SECONDS, min_size=1))
def test_spreads_are_nearest_rank_and_sum_to_the_estate(
    estate: Estate, by_model: dict[str | None, list[float]]
) -> None:
    estate.clear()
    for model, values in by_model.items():
        device = estate.device(model=model)
        for seconds in values:
            estate.startup(device, total_seconds=seconds)
        estate.startup(device, total_seconds=None)
        estate.startup(device, total_seconds=9999.0, final=False)
        estate.startup(device, total_seconds=9999.0, started_at=NOW - 40 * 86400)
    since = NOW - 30 * 86400
    with estate.engine.connect() as connection:
        groups = {row.member: row for row in startups.spread_by(connection, since, "boot", "model")}
        whole = startups.spread(connection, since, "boot")
        bins = startups.distribution(connection, since, "boot")
        slowest = startups.slowest_devices(connection, since, "boot", 10)
    assert groups.keys() == by_model.keys()
    for model, values in by_model.items():
        row = groups[model]
        assert (row.startups, row.devices, row.longest) == (len(values), 1, max(values))
        assert (row.p50, row.p90) == (_nearest_rank(values, 50), _nearest_rank(values, 90))
    together = [seconds for values in by_model.values() for seconds in values]
    assert (whole.startups, whole.p50, whole.p90) == (
        len(together),
        _nearest_rank(together, 50),
        _nearest_rank(together, 90),
    )
    assert sum(bins) == len(together)
    assert bins[-1] == sum(seconds >= 1800 for seconds in together)
    medians = sorted((_nearest_rank(values, 50) for values in by_model.values()), reverse=True)
    assert [row.total_seconds for row in slowest] == medians


@TESTED
@given(ratios=st.lists(st.floats(min_value=0, max_value=1, allow_nan=False), max_size=25))
def test_use_now_counts_every_device_once(estate: Estate, ratios: list[float]) -> None:
    estate.clear()
    for ratio in ratios:
        estate.device(now={"cpu_ratio": ratio})
    estate.device(now={"cpu_ratio": None})
    estate.device(now={"cpu_ratio": 0.5}, retired_at=int(NOW))
    estate.device(now={"cpu_ratio": 0.5}, last_report_at=int(NOW) - 30 * 86400)
    with estate.engine.connect() as connection:
        use = queries.use_now(connection, NOW, 900, "cpu_ratio")
    assert use["n"] == sum(use["bands"]) == len(ratios)
    assert use["bands"] == [
        sum(min(int(ratio * 10 + 1e-12), 9) == band for ratio in ratios) for band in range(10)
    ]
    assert use["median"] == (_nearest_rank(ratios, 50) if ratios else None)


def test_states_are_measured_against_what_a_device_was_told(estate: Estate) -> None:
    for silence, told in ((0, 900), (1125, 900), (1126, 900), (2700, 900), (2701, 900), (3600, 86400)):
        estate.device(last_report_at=int(NOW) - silence, next_call_seconds=told)
    estate.device(last_report_at=None, enrolled_at=int(NOW) - 30, next_call_seconds=None)
    estate.device(retired_at=int(NOW))
    estate.device(restricted=True, site="covert")
    with estate.engine.connect() as connection:
        counts = queries.count_states(connection, NOW, 900)
    assert counts == {"reporting": 5, "late": 2, "missing": 1, "retired": 1}
