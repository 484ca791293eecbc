"""RAPL: what wraps, what repeats, what holds what. Each test is named after what it protects."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent.probes.power_devices import RANGE, MadeUp
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.power import looks, rapl
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.power.rapl import Look, Zone, modulus, most_watts, psys_doubt
from roadworthy_agent.probes.tree import Content, Tree
from roadworthy_agent.reading import Scope, Status

FULL = 2**32


def contents(**values: int | None) -> dict[str, Content]:
    return {
        name: Content(
            name, None if value is None else b"%d\n" % value, Status.ERROR if value is None else Status.OK
        )
        for name, value in values.items()
    }


def package(ident: str, name: str = "package-0") -> Zone:
    return Zone(ident, ident, name, range_microjoules=RANGE, most_watts=500.0)


@pytest.mark.parametrize(
    ("stated", "wraps"),
    [
        (262143328850, 262143328911),  # a unit of 61.035 uJ: node_exporter's fixture
        (65532610987, 65532611002),  # 15.258 uJ: AMD, and memory of servers
        (4294967295000000, 4294967296000000),  # 1 J: psys of Sapphire Rapids
        (None, None),
        (0, None),
        (-5, None),
    ],
)
def test_a_counter_wraps_one_unit_after_its_range(stated: int | None, wraps: int | None) -> None:
    assert modulus(stated) == wraps


@given(nano_joules=st.integers(1_000, 1_000_000_000))
def test_the_modulus_is_the_hardwares_within_a_micro_joule(nano_joules: int) -> None:
    exact = FULL * nano_joules / 1000
    stated = (FULL - 1) * nano_joules // 1000
    assert abs((modulus(stated) or 0) - exact) <= 2


@pytest.mark.parametrize(
    ("maxima", "limits", "most"),
    [
        (
            (95_000_000, 0, None),
            (4_090_000_000, 4_090_000_000, None),
            380.0,
        ),  # limits switched off by the board
        (
            (15_000_000, 0, None),
            (25_000_000, 61_000_000, None),
            122.0,
        ),  # bursts above the thermal design power
        ((None, None, None), (None, None, None), 1000.0),  # AMD states nothing
        ((0, 0, 0), (0, 0, 0), 1000.0),
    ],
)
def test_real_energy_is_never_taken_for_a_reset(
    maxima: tuple[int | None, ...], limits: tuple[int | None, ...], most: float
) -> None:
    assert most_watts(Scope.CPU, maxima, limits) == most


def test_core_and_uncore_are_parts_and_dram_is_not(tmp_path: Path) -> None:
    device = MadeUp(tmp_path)
    for ident, name in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:0:1", "uncore"),
        ("intel-rapl:0:2", "dram"),
        ("intel-rapl:1", "psys"),
        ("dtpm:0", "something else"),
        ("intel-rapl", ""),
    ):
        device.zone(ident, name)
    zones, refused = rapl.find(Files(Tree(tmp_path), live=True))
    assert {zone.id: zone.scope for zone in zones} == {
        "intel-rapl:0": Scope.CPU,
        "intel-rapl:0:2": Scope.MEMORY,
        "intel-rapl:1": Scope.MACHINE,
    }
    assert {each.source for each in refused} == {
        "rapl:package-0/core (intel-rapl:0:0)",
        "rapl:package-0/uncore (intel-rapl:0:1)",
    }


def test_a_domain_without_a_counter_is_refused_and_not_looked_for_at_each_sample(tmp_path: Path) -> None:
    device = MadeUp(tmp_path)
    device.zone("intel-rapl:0", "package-0", None)
    zones, refused = rapl.find(Files(Tree(tmp_path), live=True))
    assert (zones, [each.reason for each in refused]) == ([], [rapl.NO_COUNTER])


def test_one_package_under_two_interfaces_is_the_one_that_can_be_read() -> None:
    both = [package("intel-rapl:0"), package("intel-rapl-mmio:0")]
    kept, _ = rapl.sift(both, {"intel-rapl:0": True, "intel-rapl-mmio:0": True})
    assert [zone.id for zone in kept] == ["intel-rapl:0"]
    kept, refused = rapl.sift(both, {"intel-rapl:0": False, "intel-rapl-mmio:0": True})
    assert [zone.id for zone in kept] == ["intel-rapl-mmio:0"]
    assert refused[0].source == "rapl:package-0 (intel-rapl:0)"


def test_two_sockets_are_two_and_never_mirrors() -> None:
    zones = [package("a", "package-0"), package("b", "package-1")]
    (offer,) = rapl.candidates(zones, contents(a=5_000_000, b=5_000_001), None, None)
    assert [register.microjoules for register in offer.registers] == [5_000_000, 5_000_001]
    assert offer.source == "rapl:package-0+package-1"


DIES = [package("a", "package-0-die-0"), package("b", "package-0-die-1")]


@pytest.mark.parametrize(
    ("one", "two", "steps", "counted"),
    [
        (9_000_000_000, 9_000_000_500, None, 1),  # equal: a mirror, even before a look
        (9_000_000_000, 9_000_000_500, {"a": 680_000_000, "b": 680_000_310}, 1),
        (
            9_000_000_000,
            9_000_000_500,
            {"a": 680_000_000, "b": 410_000_000},
            2,
        ),  # equal by chance, not in step
        (9_000_000_000, 4_000_000_000, {"a": 680_000_000, "b": 680_000_000}, 2),  # in step by chance
        (modulus(RANGE) or 0, 300, None, 1),  # one wrapped between the two reads
        (None, 9_000_000_000, None, 2),  # unreadable: kept, so that the sum is known to be incomplete
        (0, 0, None, 2),  # a counter at nothing says nothing
    ],
)
def test_dies_are_counted_once_only_when_counters_and_steps_are_equal(
    one: int | None, two: int | None, steps: dict[str, int] | None, counted: int
) -> None:
    seen = None if steps is None else Look(10.0, steps)
    offers = rapl.candidates(DIES, contents(a=one, b=two), seen, None)
    (taken,) = (each for each in offers if each.registers)
    assert len(taken.registers) == counted


def test_a_counter_that_stands_still_is_refused_and_no_zero_watts() -> None:
    zones = [package("a"), Zone("d", "d", "dram", "package-0", RANGE, 500.0)]
    offers = rapl.candidates(zones, contents(a=7, d=0), Look(60.0, {"a": 5_000_000, "d": 0}), None)
    assert {each.scope: each.reason for each in offers} == {Scope.CPU: None, Scope.MEMORY: rapl.STILL}
    offers = rapl.candidates(zones, contents(a=7, d=0), Look(0.6, {"a": 5_000_000, "d": 0}), None)
    assert all(each.registers for each in offers)


def test_a_wrap_is_a_small_step_and_a_reset_is_no_step() -> None:
    zone = package("a")
    wraps = modulus(RANGE) or 0
    seen = rapl.look([zone], {"a": wraps - 100}, {"a": 900}, 10.0)
    assert seen is not None
    assert seen.microjoules == {"a": 1000}
    seen = rapl.look([zone], {"a": 100_000_000_000}, {"a": 900}, 10.0)
    assert seen is not None
    assert seen.microjoules == {}
    assert rapl.look([zone], {"a": 1}, {"a": 2}, 0.1) is None


@given(
    start=st.integers(0, 262143328910),
    steps=st.lists(st.integers(0, 60 * 500 * 10**6), max_size=20),
)
def test_looks_add_up_to_what_was_drawn_over_any_wraps(start: int, steps: list[int]) -> None:
    zone, wraps = package("a"), modulus(RANGE) or 0
    drawn, at = 0, start
    for step in steps:
        after = (at + step) % wraps
        seen = rapl.look([zone], {"a": at}, {"a": after}, 60.0)
        assert seen is not None
        drawn, at = drawn + seen.microjoules["a"], after
    assert drawn == sum(steps)


@pytest.mark.parametrize(
    ("psys", "package_watts", "battery", "status"),
    [
        (6.66, 3.0, 6.0, Status.OK),  # Core Ultra 7 265H, idle
        (24.7, 15.0, 27.0, Status.OK),  # the same, busy
        (12.2, 3.0, 9.3, Status.OK),  # i7-7600U: bad, and just within the bound
        (12.7, 3.0, 9.3, Status.NOT_SUPPORTED),
        (5.0, 7.0, None, Status.NOT_SUPPORTED),  # "on some computers psys is lower than package"
        (None, 7.0, None, Status.NO_DATA_YET),
        (7.0, None, None, Status.NO_DATA_YET),
    ],
)
def test_psys_is_believed_only_when_plausible(
    psys: float | None, package_watts: float | None, battery: float | None, status: Status
) -> None:
    assert psys_doubt(psys, package_watts, battery)[0] is status


def test_several_psys_domains_are_ambiguous() -> None:
    zones = [package("a"), Zone("p", "p", "psys"), Zone("q", "q", "psys", "package-0")]
    offers = rapl.candidates(zones, contents(a=7, p=8, q=9), None, None)
    assert [each.reason for each in offers if each.kind == "psys"] == [rapl.SEVERAL]


def test_a_later_reading_that_makes_no_sense_is_no_look() -> None:
    for text in (
        "",
        "[]",
        "{}",
        '{"seconds": 0}',
        '{"seconds": true}',
        '{"seconds": 1e9}',
        '{"seconds": NaN}',
    ):
        assert looks.parse(text) == {}
    told = looks.parse('{"seconds": 1, "before": {"a": true, "b": -1, "c": 3}, "after": []}')
    assert told == {"seconds": 1.0, "before": {"c": 3}, "after": {}}
