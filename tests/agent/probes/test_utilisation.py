"""From two looks at the counters to a ratio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probe import Context, Sample, Status
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.utilisation.linux import Sampler
from roadworthy_agent.probes.utilisation.parse import (
    COLUMNS,
    CpuTimes,
    busy_ratio,
    cpu_times,
    parse_memory_ratio,
    parse_stat,
)


def times(**values: float) -> CpuTimes:
    return cpu_times(values)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"user": 30, "idle": 70}, 0.3),
        ({"user": 30, "guest": 30, "idle": 70}, 0.3),  # user already holds the guest's time
        ({"user": 30, "iowait": 20, "idle": 50}, 0.3),  # waiting for a disk is idle
        ({"user": 30, "steal": 100, "idle": 70}, 0.3),  # what the hypervisor took was never ours
        ({"irq": 10, "softirq": 10, "nice": 5, "system": 5, "idle": 70}, 0.3),
        ({"idle": 100}, 0.0),
        ({"system": 100}, 1.0),
        ({"steal": 100}, None),
        ({}, None),
    ],
)
def test_the_busy_part(after: dict[str, float], expected: float | None) -> None:
    assert busy_ratio(times(), times(**after)) == (None if expected is None else pytest.approx(expected))


def test_a_counter_that_steps_back_counts_as_nothing() -> None:
    assert busy_ratio(
        times(user=10, idle=100, iowait=50), times(user=20, idle=110, iowait=40)
    ) == pytest.approx(0.5)


NUMBERS = st.fixed_dictionaries({name: st.floats(0, 1e12) for name in COLUMNS})


@given(NUMBERS, NUMBERS)
def test_a_ratio_lies_between_nothing_and_all(before: dict[str, float], after: dict[str, float]) -> None:
    ratio = busy_ratio(cpu_times(before), cpu_times(after))
    assert ratio is None or 0.0 <= ratio <= 1.0


@given(st.text(max_size=200))
def test_any_stat_is_survived(text: str) -> None:
    parse_stat(text)


def test_the_line_of_all_processors_is_read_and_not_that_of_one() -> None:
    assert parse_stat("cpu0 1 1 1 1\ncpu  4 0 2 94 0 0 0 0 0 0\n") == times(user=4, system=2, idle=94)
    assert parse_stat("cpu  4 0\n") is None
    assert parse_stat("intr 5\n") is None


def test_memory_is_what_is_not_available() -> None:
    assert parse_memory_ratio("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 250 kB\n") == 0.75
    assert parse_memory_ratio("MemTotal: 1000 kB\n") is None
    assert parse_memory_ratio("MemTotal: 0 kB\nMemAvailable: 0 kB\n") is None


def recorded(root: Path, *, later: str | None) -> Context:
    (root / "proc").mkdir()
    (root / "proc/stat").write_text("cpu  100 0 100 800 0 0 0 0 0 0\n")
    (root / "proc/meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 400 kB\n")
    if later is not None:
        (root / "roadworthy").mkdir()
        (root / "roadworthy/stat.2").write_text(later)
    return Context.recorded(root)


def test_one_recorded_look_is_no_ratio_yet(tmp_path: Path) -> None:
    result = PROBES["utilisation"].collect(recorded(tmp_path, later=None))
    assert (result.status, result.value.cpu_ratio, result.value.memory_ratio) == (
        Status.NO_DATA_YET,
        None,
        0.6,
    )
    assert result.reason


def test_two_recorded_looks_are_a_ratio_with_four_decimals(tmp_path: Path) -> None:
    result = PROBES["utilisation"].collect(recorded(tmp_path, later="cpu  110 0 100 820 0 0 0 0 0 0\n"))
    assert (result.status, result.value.cpu_ratio) == (Status.OK, 0.3333)


def test_this_machine_is_looked_at_twice() -> None:
    waited: list[float] = []

    def look(burn: Callable[[], object]) -> Callable[[float], None]:
        def sleep(seconds: float) -> None:
            waited.append(seconds)
            before = parse_stat(Path("/proc/stat").read_text())
            while parse_stat(Path("/proc/stat").read_text()) == before:
                burn()

        return sleep

    result = PROBES["utilisation"].collect(Context(sleep=look(lambda: sum(range(10_000)))))
    assert waited == [1.0]
    assert isinstance(result.value, Sample)
    assert result.status is Status.OK
    assert 0.0 <= result.value.cpu_ratio <= 1.0
    assert 0.0 < result.value.memory_ratio < 1.0


def test_a_sampler_without_any_time_passed_has_no_data_yet() -> None:
    sampler = Sampler(Context())
    sampler._before = None
    assert sampler.sample().status is Status.NO_DATA_YET


@pytest.mark.parametrize(
    ("mounts", "marked"),
    [
        ("1 1 0:5 / / rw - overlay overlay rw", True),
        (
            "1 1 0:5 / / rw - overlay overlay rw\n2 1 0:9 /proc/stat /proc/stat rw - fuse.lxcfs lxcfs rw",
            False,
        ),
    ],
)
def test_a_container_says_when_the_numbers_are_its_hosts(
    tmp_path: Path, mounts: str, *, marked: bool
) -> None:
    context = recorded(tmp_path, later="cpu  110 0 100 820 0 0 0 0 0 0\n")
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/container").write_text("lxc")
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/mountinfo").write_text(mounts)
    sample = PROBES["utilisation"].collect(context).value
    assert ("the host's" in sample.cpu_source) is marked
