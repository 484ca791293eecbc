"""Gauges of what start-ups are made of: means that stack, medians of enough, factors each device counts in once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.estates import NOW, Estate

from roadworthy_collector.books import figures
from roadworthy_collector.jobs import startup_parts as job
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER

DAY = 86_400


def computed(estate: Estate, now: float = NOW) -> dict[str, Any]:
    job.compute(Work(estate.engine, estate.settings(), clock=lambda: now, rests=False))
    with estate.engine.connect() as connection:
        held = figures.read(connection, job.FIGURE)
    assert held is not None
    return dict(held[0])


def took(
    estate: Estate, device: int, lengths: Sequence[float], *, days_ago: float = 1.0, **more: Any
) -> None:
    for seconds in lengths:
        estate.startup(device, started_at=NOW - days_ago * DAY, total_seconds=seconds, **more)


def test_phases_stack_to_the_mean_of_the_start_ups_that_tell_them(estate: Estate) -> None:
    device = estate.device(model="L5")
    kernel = {"name": "kernel", "seconds": 4.0}
    pieces = [{"name": "userspace", "seconds": 8.0}, {"name": "userspace", "seconds": 4.0, "counted": True}]
    beside = {"name": "firmware", "seconds": 99.0, "counted": False}
    took(estate, device, [16.0], phases=[kernel, *pieces, beside])
    took(estate, device, [4.0], phases=[kernel])
    took(estate, device, [70.0])  # it tells no phases, so it is in no mean of them
    told = computed(estate)
    assert told["sites"]["HQ"]["phases"] == {"kernel": 4.0, "userspace": 6.0}
    assert sum(told["models"]["L5"]["phases"].values()) == (16 + 4) / 2


def test_how_long_people_wait_at_sign_in_is_in_the_phases_of_no_few_devices(estate: Estate) -> None:
    kernel = {"name": "kernel", "seconds": 4.0}
    took(estate, estate.device(model="L5"), [4.0], phases=[kernel])
    for number in range(5):
        device = estate.device(site="HQ" if number else "North", model="L5")
        took(
            estate,
            device,
            [30.0, 30.0],
            phases=[{"name": "explorer_init", "seconds": 18.0}, kernel | {"seconds": 12.0}],
        )
    told = computed(estate)
    # Four devices at HQ tell their sign-ins in eight start-ups, and the one at North in two.
    assert told["sites"]["HQ"]["phases"] == {"kernel": 4.0}
    assert told["sites"]["North"]["phases"] == {}
    found = told["models"]["L5"]["phases"]
    assert found == {"explorer_init": pytest.approx(180 / 11), "kernel": pytest.approx(124 / 11)}


def test_what_is_no_finished_start_up_of_these_weeks_counts_nowhere(estate: Estate) -> None:
    device, phases = estate.device(model="L5"), [{"name": "kernel", "seconds": 1.0}]
    took(estate, device, [1.0] * 5, kind="resume", phases=phases)
    took(estate, device, [1.0] * 5, final=False, phases=phases)
    took(estate, device, [1.0] * 5, days_ago=36, phases=phases)
    estate.startup(device, total_seconds=None, phases=phases)
    took(estate, estate.device(site="Cells", restricted=True, model="L5"), [1.0] * 5, phases=phases)
    took(estate, estate.device(model="L5", retired_at=5), [1.0] * 5, phases=phases)
    assert computed(estate) == {"sites": {}, "models": {}, "factors": []}


def test_the_last_week_stands_against_the_four_before(estate: Estate) -> None:
    device = estate.device(model="L5")
    took(estate, device, [9.0, 30.0, 40.0, 41.0, 300.0], days_ago=6.9)
    took(estate, device, [20.0, 21.0, 22.04, 23.0, 24.0, 25.0], days_ago=34.9)
    took(estate, estate.device(site="North", model="L5"), [600.0] * 4)
    told = computed(estate)
    assert told["sites"]["HQ"] == {"phases": {}, "recent": 40.0, "baseline": 22.0}
    assert told["sites"]["North"]["recent"] is None  # four tell nothing
    assert told["models"]["L5"]["recent"] == 300.0


def test_a_factor_counts_each_device_once_and_the_rest_are_other(estate: Estate) -> None:
    one, two = estate.device(), estate.device()
    named = [{"kind": "service", "name": "scanner", "seconds": 10.0, "degradation_seconds": 1.0}]
    took(estate, one, [90.0, 61.0], factors=named)
    took(estate, two, [61.0], factors=[{"kind": "unit", "name": "scanner", "degradation_seconds": 4.0}])
    took(estate, two, [60.0], factors=[{"kind": "unit", "name": "never slow", "seconds": 9.0}])
    rare = [{"kind": "unit", "name": f"rare {number:02}"} for number in range(job.MAX_FACTORS + 1)]
    took(estate, one, [62.0], factors=rare)
    told = computed(estate)["factors"]
    assert told[0] == ["scanner", 2, pytest.approx(8.0)]
    assert len(told) == job.MAX_FACTORS + 1
    assert told[-1] == [OTHER, 1, None]  # two of them on one device; nobody says how long
    assert "never slow" not in {name for name, _, _ in told}


def test_it_is_worked_out_every_quarter_of_an_hour(estate: Estate) -> None:
    assert computed(estate)["sites"] == {}
    took(estate, estate.device(), [30.0], phases=[{"name": "kernel", "seconds": 30.0}])
    assert computed(estate, NOW + 899)["sites"] == {}
    assert set(computed(estate, NOW + 900)["sites"]) == {"HQ"}


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 9), max_size=MAX_MEMBERS + 9))
def test_every_site_has_a_name_and_the_largest_their_own(counts: dict[int, int]) -> None:
    rows = [job_row(f"S{site}", devices) for site, devices in counts.items()]
    names, models = job.shown(rows)
    assert set(names) == {row.site for row in rows}
    own = [row.devices for row in rows if names[row.site] == row.site]
    rest = [row.devices for row in rows if names[row.site] == OTHER]
    assert len(own) == min(len(rows), MAX_MEMBERS)
    assert not rest or min(own) >= max(rest)
    assert set(models) == ({None} if rows else set())


class job_row:  # noqa: N801 - stands for a row of a query
    def __init__(self, site: str, devices: int) -> None:
        self.site, self.model, self.in_service, self.devices = site, None, 1, devices
