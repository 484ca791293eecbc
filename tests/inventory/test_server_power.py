"""The power of servers nothing measures: intervals hold for machines the model has not seen."""

from __future__ import annotations

import datetime as dt
import random
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.power_coverage import how_sure, parse_coverage, reached
from roadworthy_inventory.carbon.server_power import (
    Load,
    Result,
    Server,
    ServerPowerError,
    fit,
    parse_results,
    published,
    results,
    watts,
)
from roadworthy_inventory.tables import TableError

LEFT_OUT = 0.3  # of the processors
HEADER = "submitted,system,processor,chips,cores,memory_gb,maximum_watts,idle_watts,source,as_of\n"
servers = st.builds(
    Server,
    chips=st.sampled_from([1.0, 2.0, 4.0]),
    cores=st.integers(4, 128).map(float),
    memory_gb=st.integers(4, 2048).map(float),
    made=st.dates(dt.date(2000, 1, 1), dt.date(2030, 12, 31)),
)


def _coverage(seed: int, load: Load) -> float:
    """Return how many of the results of three processors in ten, left out of the fit, lie in their interval."""
    processors = sorted({result.processor for result in results()})
    random.Random(seed).shuffle(processors)  # noqa: S311 - a split to be repeated, no secret
    unseen = set(processors[: int(len(processors) * LEFT_OUT)])

    def inside(result: Result) -> bool:
        low, _, high = model.watts(result.server)
        return low <= result.watts(load) <= high

    model = fit([result for result in results() if result.processor not in unseen], load)
    return statistics.fmean(inside(result) for result in results() if result.processor in unseen)


@pytest.mark.parametrize("load", ["idle", "maximum"])
def test_nine_intervals_in_ten_hold_the_truth_of_machines_not_fitted_to(load: Load) -> None:
    told = reached()[load]
    found = [_coverage(seed, load) for seed in range(told.splits)]
    assert 0.85 <= statistics.fmean(found) <= 0.95
    # What pages, reports and docs state is what comes out here.
    stated = (told.reached_ratio, told.least_ratio, told.most_ratio)
    assert (statistics.fmean(found), min(found), max(found)) == pytest.approx(stated, abs=0.002)
    assert (told.results, told.left_out_ratio) == (len(results()), LEFT_OUT)
    assert told.processors == len({result.processor for result in results()})


def test_the_docs_state_the_coverage_that_was_reached() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reports" / "energy.md").read_text("utf-8")
    assert all(sentence in " ".join(page.split()) for sentence in how_sure())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("idle,360,114,0.3,20,0.9,0.95,0.98,https://x.example,2023-05-01\n", "line 2: the ratios"),
        ("busy,360,114,0.3,20,0.9,0.8,0.98,https://x.example,2023-05-01\n", "line 2: load: 'busy'"),
        ("idle,many,114,0.3,20,0.9,0.8,0.98,https://x.example,2023-05-01\n", "line 2: could not"),
        ("idle,360,114,0.3,20,0.9,0.8,0.98,https://x.example,2023-05-01\n", "no row for each"),
    ],
)
def test_a_coverage_that_cannot_be_is_refused(text: str, says: str) -> None:
    head = "load,results,processors,left_out_ratio,splits,reached_ratio,least_ratio,most_ratio,source,as_of\n"
    with pytest.raises(TableError, match=says):
        parse_coverage(head + text)


@given(servers, st.floats(0, 1), st.floats(0, 1))
def test_more_load_draws_no_less_and_the_likely_lies_between(
    server: Server, one: float, other: float
) -> None:
    lazy, busy = watts(server, min(one, other)), watts(server, max(one, other))
    assert lazy.likely <= busy.likely
    for found in (lazy, busy):
        assert 0 < found.low <= found.likely <= found.high


def test_idle_draws_what_the_idle_fit_says() -> None:
    server = Server(chips=2, cores=16, memory_gb=64, made=dt.date(2014, 1, 1))
    assert watts(server, 0) == published("idle").watts(server)


@pytest.mark.parametrize("utilisation", [-0.01, 1.01, float("nan")])
def test_a_utilisation_that_is_none_is_refused(utilisation: float) -> None:
    with pytest.raises(ServerPowerError, match="utilisation"):
        watts(Server(chips=2, cores=16, memory_gb=64, made=dt.date(2014, 1, 1)), utilisation)


@pytest.mark.parametrize(
    ("chips", "cores", "memory_gb"),
    [(0, 4, 8), (2, 1, 8), (1, 4, float("nan")), (1, float("inf"), 8), (1, 4, -8)],
)
def test_a_server_that_cannot_be_is_refused(chips: float, cores: float, memory_gb: float) -> None:
    with pytest.raises(ServerPowerError, match="server"):
        Server(chips=chips, cores=cores, memory_gb=memory_gb, made=dt.date(2014, 1, 1))


def test_too_few_results_are_no_model() -> None:
    with pytest.raises(ServerPowerError, match="too few"):
        fit(results()[:10], "idle")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2014-01-01,A,B,two,16,64,200,50,https://x.example,2023-05-01", "line 2: chips: 'two' is no number"),
        ("2014-01-01,A,B,2,16,64,50,200,https://x.example,2023-05-01", "line 2: idle_watts: 200.0"),
        ("2014-01-01,A,B,2,1,64,200,50,https://x.example,2023-05-01", "line 2: a server with fewer cores"),
        ("2014-13-01,A,B,2,16,64,200,50,https://x.example,2023-05-01", "line 2: submitted: '2014-13-01'"),
    ],
)
def test_a_wrong_row_is_named(row: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        parse_results(HEADER + row + "\n")
