"""How a device is asked: few requests, one source for each quantity, and nothing made up when answers are cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.snmp.dictionary_port import DictionaryPort, DictionarySession
from roadworthy_collector.snmp.evaluation import Held, candidates
from roadworthy_collector.snmp.matching import SYS_NAME
from roadworthy_collector.snmp.port import (
    BadAnswerError,
    Community,
    DeniedError,
    NoAnswerError,
    Oid,
    Target,
    Value,
    parse_oid,
)
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.profile_file import parse_profile, shipped_profiles
from roadworthy_collector.snmp.reading import read_device, read_known_device
from roadworthy_collector.snmp.readings import DeviceAnswer, Reading
from roadworthy_collector.snmp.recording import read_recording

FOLDERS = sorted((Path(__file__).parents[2] / "devices" / "snmp").iterdir())
TARGET = Target(name="device", host="device", credentials=Community("2c", "public"))
PROFILES = shipped_profiles()
RECORDED = {folder.name: read_recording(folder / "walk.snmprec") for folder in FOLDERS}
A_PROFILE = """name = "a"
title = "A"
kind = "pdu"
tier = 1
rank = 50
mib = "A-MIB"
evidence = "A-MIB object definitions"
trap = "none"
quality = "metered"

[match]
object_id = ["1.3.6.1.4.1.99999"]
"""


def ask(
    values: Mapping[Oid, Value],
    profiles: Sequence[Profile] = PROFILES,
    *,
    session: DictionarySession | None = None,
) -> DeviceAnswer:
    return asyncio.run(read_device(session or DictionaryPort(values).begin(TARGET), profiles))


def made(readings: str) -> Profile:
    return parse_profile(A_PROFILE + readings, name="a.toml")


def device(rows: dict[str, Value]) -> dict[Oid, Value]:
    who: dict[str, Value] = {"1.3.6.1.2.1.1.2.0": (1, 3, 6, 1, 4, 1, 99999), "1.3.6.1.2.1.1.5.0": b"a"}
    return {parse_oid(oid): value for oid, value in (who | rows).items()}


class CuttingSession(DictionarySession):
    """A device whose walks below some columns go wrong, as a port finds it."""

    broken: frozenset[Oid] = frozenset()

    async def walk(self, prefix: Oid, *, most_rows: int = 2000) -> Mapping[Oid, Value]:
        if prefix in self.broken:
            raise BadAnswerError("device: the walk goes backwards")
        return await super().walk(prefix, most_rows=most_rows)


@pytest.mark.parametrize(
    ("folder", "most"),
    [
        ("apc_smt3000-nmc3", 10),  # of 50 single values and four tables, of probes and lines
        ("apc_epdu1132sw", 5),
        ("raritan_px3-5190r", 9),
        ("hpe_modular-pdu-1", 4),
        ("lenovo_sr650-xcc", 2),
        ("generic_poe-switch-faulty", 4),
    ],
)
def test_a_poll_takes_few_requests(folder: str, most: int) -> None:
    answer = ask(RECORDED[folder])
    assert 0 < answer.requests <= most


def test_the_columns_of_one_table_are_walked_once() -> None:
    # Thirteen readings of an APC PDU stand in six tables: six walks, not thirteen and their labels.
    session = DictionaryPort(RECORDED["apc_ap8959eu3"]).begin(TARGET)
    walked: list[Oid] = []
    plain = session.walk

    async def counted(prefix: Oid, *, most_rows: int = 2000) -> Mapping[Oid, Value]:
        walked.append(prefix)
        return await plain(prefix, most_rows=most_rows)

    session.walk = counted  # type: ignore[method-assign]  # to see what is walked
    answer = asyncio.run(read_device(session, PROFILES))
    assert len(answer.readings) > 15
    assert len({prefix[:-1] for prefix in walked}) == len(walked) == 6


def test_of_two_sources_of_a_quantity_the_particular_one_is_read() -> None:
    answer = ask(RECORDED["apc_smt3000-nmc3"])
    outputs = [one for one in answer.readings if one.kind == "active_power" and one.place == "output"]
    assert [one.source for one in outputs] == ["snmp apc-ups 1.3.6.1.4.1.318.1.1.1.4.2.8.0"]
    assert any("ups-mib" in why and "left to a more particular profile" in why for why in answer.why)
    alone = ask(RECORDED["apc_smt3000-nmc3"], [profile for profile in PROFILES if profile.name == "ups-mib"])
    assert [one.value for one in alone.readings if one.name == "output_power"] == [1134.0]


def test_no_quantity_of_a_place_comes_from_two_profiles() -> None:
    for name, values in RECORDED.items():
        answer = ask(values)
        sources: dict[tuple[str, str], set[str]] = {}
        for reading in answer.readings:
            if reading.kind != "state":
                sources.setdefault((reading.kind, reading.place), set()).add(reading.source.split()[1])
        assert all(len(profiles) == 1 for profiles in sources.values()), name


def test_a_device_that_no_profile_fits_is_named_and_gives_nothing() -> None:
    answer = ask(device({}))
    assert (answer.profiles, answer.readings, answer.refusals) == ((), (), ())
    assert (answer.identity.kind, answer.identity.name) == ("other", "a")
    with pytest.raises(BadAnswerError, match="tells nothing of itself"):
        ask({})


def test_what_a_device_ends_in_is_raised() -> None:
    port = DictionaryPort(hosts={"denied": DeniedError("device: these credentials may not ask")})
    with pytest.raises(DeniedError):
        asyncio.run(read_device(port.begin(replace(TARGET, host="denied")), PROFILES))
    with pytest.raises(NoAnswerError, match="no recording answers for gone"):
        asyncio.run(read_device(port.begin(replace(TARGET, host="gone")), PROFILES))


def test_a_table_that_cannot_be_walked_costs_its_own_readings_only() -> None:
    values = RECORDED["servertech_c2wg36te-sentry4"]
    session = CuttingSession(values, TARGET)
    session.broken = frozenset({parse_oid("1.3.6.1.4.1.1718.4.1.5.3.1.8")})
    answer = ask(values, session=session)
    whole = ask(values)
    assert {one.name for one in whole.readings} - {one.name for one in answer.readings} == {"phase_power"}
    assert [(one.code, one.reason) for one in answer.refusals if one.name == "phase_power"] == [
        ("missing", "device: the walk goes backwards")
    ]


def test_more_rows_than_can_be_is_a_bad_answer() -> None:
    column = parse_oid("1.3.6.1.4.1.99999.1.1")
    session = DictionaryPort({(*column, row): row for row in range(30)}).begin(TARGET)
    with pytest.raises(BadAnswerError, match="more than 20 rows below"):
        asyncio.run(session.walk(column, most_rows=20))


def test_alternatives_are_taken_in_the_files_order() -> None:
    one = '[[reading]]\nname = "energy"\nkind = "energy"\nplace = "input"\n'
    profile = made(
        f'{one}oid = "1.3.6.1.4.1.99999.1.0"\nunit = "0.01 kWh"\nobject = "fine"\nnegative_is_missing = true\n'
        f'{one}oid = "1.3.6.1.4.1.99999.2.0"\nunit = "kWh"\nobject = "coarse"\nexpected = true\n'
    )
    both = ask(device({"1.3.6.1.4.1.99999.1.0": 1234, "1.3.6.1.4.1.99999.2.0": 12}), [profile])
    assert [(reading.value, reading.index) for reading in both.readings] == [(12_340.0, "")]
    coarse = ask(device({"1.3.6.1.4.1.99999.1.0": -1, "1.3.6.1.4.1.99999.2.0": 12}), [profile])
    assert [reading.value for reading in coarse.readings] == [12_000.0]
    assert coarse.refusals == ()
    refused = ask(device({"1.3.6.1.4.1.99999.1.0": -1}), [profile])
    assert [one.code for one in refused.refusals] == ["sentinel"]
    nothing = ask(device({}), [profile])
    assert [(one.name, one.code) for one in nothing.refusals] == [("energy", "missing")]
    assert "expects" in nothing.refusals[0].reason


def test_a_sum_is_given_only_of_all_rows() -> None:
    profile = made(
        '[[reading]]\nname = "line"\nkind = "active_power"\nplace = "phase"\ncolumn = "1.3.6.1.4.1.99999.1"\nunit = "W"\n'
        'object = "line"\nnegative_is_missing = true\n'
        'total = { name = "all", place = "output", count_oid = "1.3.6.1.4.1.99999.9.0" }\n'
    )
    rows = {"1.3.6.1.4.1.99999.1.1": 100, "1.3.6.1.4.1.99999.1.2": 50, "1.3.6.1.4.1.99999.9.0": 2}
    told = {one.name: one.value for one in ask(device(dict(rows)), [profile]).readings if one.index == ""}
    assert told == {"all": 150.0}
    for wrong in ({**rows, "1.3.6.1.4.1.99999.9.0": 3}, {**rows, "1.3.6.1.4.1.99999.1.2": -1}):
        answer = ask(device(dict(wrong)), [profile])
        assert not [one for one in answer.readings if one.name == "all"]
        assert [one.code for one in answer.refusals if one.name == "all"] == ["missing"]


def test_a_row_without_the_unit_or_state_that_others_have_is_refused() -> None:
    whole = RECORDED["raritan_px3-5190r"]
    unit, state = (
        parse_oid("1.3.6.1.4.1.13742.6.3.5.4.1.6.1.1.5"),
        parse_oid("1.3.6.1.4.1.13742.6.5.4.3.1.2.1.1.1"),
    )
    left = {oid: value for oid, value in whole.items() if oid not in {unit, state}}
    refused = {(one.name, one.index): one.code for one in ask(left).refusals}
    assert refused[("outlet_power", "1.1")] == "unknown_unit"
    assert refused[("outlet_current", "1.1")] == "not_believed"
    # A device that has neither column at all is read by the MIB's units.
    columns = (unit[:-3], state[:-3])
    without = {oid: value for oid, value in whole.items() if not any(oid[: len(c)] == c for c in columns)}
    told = {(one.name, one.index): one.value for one in ask(without).readings}
    assert told[("outlet_power", "1.1")] == 318.0


def test_a_standard_sensor_that_does_not_tell_its_state_is_refused() -> None:
    status = parse_oid("1.3.6.1.2.1.99.1.1.1.5")
    left = {oid: v for oid, v in RECORDED["cisco_catalyst-9200l-48p"].items() if oid[: len(status)] != status}
    assert {one.code for one in ask(left).refusals if one.name.startswith("sensor_")} == {"not_believed"}


def test_a_register_tells_where_it_wraps() -> None:
    readings = ask(RECORDED["raritan_px3-5190r"]).readings
    assert {one.wraps_at_watt_hours for one in readings if one.kind == "energy"} == {float(1 << 32)}
    tenths = [
        one for one in ask(RECORDED["servertech_c2wg36te-sentry4"]).readings if one.name == "input_energy"
    ]
    assert [one.wraps_at_watt_hours for one in tenths] == [(1 << 31) * 100.0]


def test_the_accuracy_that_a_device_tells_is_kept() -> None:
    readings = ask(RECORDED["generic_energy-object-switch"]).readings
    assert {one.index: one.relative_error for one in readings} == {"1": 0.015, "2": None, "3": 0.1, "4": None}


def test_what_tells_its_energy_objects_alone_may_feed_others() -> None:
    """Class `other` would count in full beside what hangs on it; a particular family still says what it is."""
    values = dict(RECORDED["generic_energy-object-switch"])
    assert ask(values).identity.kind == "switch"
    assert ask(values | dict(RECORDED["hp_laserjet-m507"])).identity.kind == "printer"


def twice(first: Mapping[Oid, Value], second: Mapping[Oid, Value]) -> tuple[DeviceAnswer, DeviceAnswer]:
    """Return what two polls give of a device whose values changed in between."""

    async def both() -> tuple[DeviceAnswer, DeviceAnswer]:
        one, known = await read_known_device(DictionaryPort(first).begin(TARGET), PROFILES, None)
        two, _ = await read_known_device(DictionaryPort(second).begin(TARGET), PROFILES, known)
        return one, two

    return asyncio.run(both())


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_known_device_reads_the_same_in_the_fewest_requests(name: str) -> None:
    first, second = twice(RECORDED[name], RECORDED[name])
    assert (second.readings, second.refusals) == (first.readings, first.refusals)
    assert (second.identity, second.flags, second.profiles) == (first.identity, first.flags, first.profiles)
    values = len(first.readings) + len(first.refusals)
    assert second.requests <= 1 + (2 * values) // 20


def test_a_poll_of_ten_readings_of_a_known_device_is_one_request() -> None:
    _, second = twice(RECORDED["vertiv_geist-mn02"], RECORDED["vertiv_geist-mn02"])
    assert (len(second.readings), second.requests) == (9, 1)


def test_what_changed_of_a_known_device_is_seen() -> None:
    whole = RECORDED["apc_ap8959eu3"]
    power = parse_oid("1.3.6.1.4.1.318.1.1.26.4.3.1.5.1")
    _, second = twice(whole, {**whole, power: 203})
    assert [one.value for one in second.readings if one.name == "input_power"] == [2030.0]


def test_a_flag_of_many_rows_is_asked_when_a_device_is_read_in_full() -> None:
    whole = RECORDED["hpe_proliant-dl380-gen10-ilo5"]
    supply, memory = (parse_oid(f"1.3.6.1.4.1.232.6.2.{end}") for end in ("9.3.1.4.0.2", "14.13.1.20.0"))
    changed = {**whole, supply: 2, memory: 3}
    first, second = twice(whole, changed)
    assert (first.flags["power_supply_fault"], second.flags["power_supply_fault"]) == (True, False)
    assert (first.flags["memory_fault"], second.flags["memory_fault"]) == (False, False)
    assert second.requests < first.requests
    assert ask(changed).flags["memory_fault"] is True


def test_a_known_device_that_is_another_or_lost_a_value_is_read_in_full() -> None:
    whole = RECORDED["apc_ap8959eu3"]
    serial = parse_oid("1.3.6.1.4.1.318.1.1.26.2.1.9.1")
    _, other = twice(whole, {**whole, serial: b"ZA9999999999"})
    assert other.identity.serial == "ZA9999999999"
    outlet = parse_oid("1.3.6.1.4.1.318.1.1.26.9.4.3.1.7.3")
    first, less = twice(whole, {oid: value for oid, value in whole.items() if oid != outlet})
    assert {one.index for one in less.readings if one.name == "outlet_power"} == {"1", "2"}
    assert less.requests > first.requests


def test_a_known_device_whose_particular_source_fails_is_read_from_the_other() -> None:
    whole = RECORDED["apc_smt3000-nmc3"]
    power = parse_oid("1.3.6.1.4.1.318.1.1.1.4.2.8.0")
    _, second = twice(whole, {**whole, power: -1})
    outputs = [one for one in second.readings if one.name == "output_power"]
    assert [(one.value, one.source.split()[1]) for one in outputs] == [(1134.0, "ups-mib")]


def bare(reading: Reading) -> tuple[str, str, str, str, float | str, str, str]:
    # A label that was lost is no other reading.
    return (
        reading.name,
        reading.index,
        reading.kind,
        reading.place,
        reading.value,
        reading.quality,
        reading.source,
    )


@cache
def all_candidates(name: str) -> set[tuple[str, str, str, str, float | str, str, str]]:
    """Return every reading that the whole device could give, whichever alternative or profile is chosen."""
    held = Held(RECORDED[name])
    return {
        bare(reading)
        for profile in PROFILES
        for spec in profile.readings
        for reading in candidates(profile, spec, held).readings
    }


@given(name=st.sampled_from(sorted(RECORDED)), share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_a_walk_that_was_cut_short_or_shuffled_gives_no_other_reading(
    name: str, share: float, seed: int
) -> None:
    whole = RECORDED[name]
    rows = list(whole.items())
    cut = rows[: 1 + int(len(rows) * share)]  # of nothing at all there is no answer
    Random(seed).shuffle(cut)  # noqa: S311  # an order, no secret
    answer = ask(dict(cut))
    # Power modelled where its meter was cut off is another reading by design, and says so.
    given_ = {bare(reading) for reading in answer.readings if not reading.name.endswith("_modelled")}
    assert given_ <= all_candidates(name)


@given(name=st.sampled_from(sorted(RECORDED)), lost=st.sets(st.integers(0, 200), max_size=60))
def test_rows_that_are_lost_change_no_reading_of_another_row(name: str, lost: set[int]) -> None:
    whole = RECORDED[name]
    # Units and states of sensors that a device leaves out for all rows are those of the MIB: here none is left out.
    specs = [spec for profile in PROFILES for spec in profile.readings]
    kept = {spec.unit_column for spec in specs} | {trust.column for spec in specs for trust in spec.trust}
    left = {
        oid: value
        for place, (oid, value) in enumerate(whole.items())
        if place not in lost or any(column == oid[: len(column)] for column in kept if column)
    }
    totals = {spec.total.name for profile in PROFILES for spec in profile.readings if spec.total is not None}
    answer = ask(left)
    rows = {
        bare(reading)
        for reading in answer.readings
        if reading.name not in totals and not reading.name.endswith("_modelled")
    }
    assert rows <= all_candidates(name)


@given(
    name=st.sampled_from(sorted(RECORDED)),
    changes=st.dictionaries(
        st.integers(0, 300),
        st.one_of(
            st.sampled_from([-1, -32768, 65535, 2147483647, 4294967295, 0]),
            st.integers(-(1 << 31), (1 << 64) - 1),
            st.binary(max_size=12),
            st.just((1, 3, 6)),
        ),
        max_size=12,
    ),
)
def test_a_lying_device_is_read_without_harm(name: str, changes: dict[int, Value]) -> None:
    values = {
        oid: changes.get(place, value) if len(oid) > len(SYS_NAME) else value
        for place, (oid, value) in enumerate(RECORDED[name].items())
    }
    for reading in ask(values).readings:
        assert isinstance(reading.value, str) or 0 <= abs(reading.value) < float("inf")
        assert reading.source.startswith("snmp ")
