"""Each folder of tests/devices/snmp is a device built from its MIB: what is read of it, and what is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.matching import SYS_DESCR, SYS_OBJECT_ID
from roadworthy_collector.snmp.port import Community, Oid, Target, Value, parse_oid
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.reading import read_device
from roadworthy_collector.snmp.readings import DeviceAnswer, Reading
from roadworthy_collector.snmp.recorder import expected_of, sanitised, write_recording
from roadworthy_collector.snmp.recording import read_recording

FOLDERS = sorted((Path(__file__).parents[2] / "devices" / "snmp").iterdir())
TARGET = Target(name="device", host="device", credentials=Community("2c", "public"))


@pytest.fixture(scope="module")
def profiles() -> tuple[Profile, ...]:
    return shipped_profiles()


def read(folder: Path, profiles: tuple[Profile, ...]) -> DeviceAnswer:
    session = DictionaryPort.of_recording(folder / "walk.snmprec").begin(TARGET)
    return asyncio.run(read_device(session, profiles))


def told(reading: Reading) -> dict[str, Any]:
    label = {} if reading.label is None else {"label": reading.label}
    value = (
        reading.value if isinstance(reading.value, str) else pytest.approx(reading.value, rel=1e-9, abs=1e-12)
    )
    return {
        "name": reading.name,
        "index": reading.index,
        "place": reading.place,
        "value": value,
        "unit": reading.unit,
        "quality": reading.quality,
        **label,
    }


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["name"], row["index"]))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recorded_device_reads_as_its_folder_says(folder: Path, profiles: tuple[Profile, ...]) -> None:
    ensure_it_reads_as_it_says(folder, profiles)


@pytest.mark.parametrize("name", ["apc_ap8959eu3", "riello_sentinel-pro-3ph", "apc_su1400-old-card"])
def test_what_is_recorded_of_a_device_is_such_a_folder(
    name: str, profiles: tuple[Profile, ...], tmp_path: Path
) -> None:
    """With labels, refusals, texts and an identity that is not told in full, as `snmp record` writes them."""
    device = next(folder for folder in FOLDERS if folder.name == name)
    values = sanitised(read_recording(device / "walk.snmprec"), profiles)
    write_recording(tmp_path / "example", values, asyncio.run(expected_of(values, profiles)))
    ensure_it_reads_as_it_says(tmp_path / "example", profiles)


def test_the_page_names_each_key_of_what_is_expected() -> None:
    page = (FOLDERS[0].parents[3] / "docs" / "snmp" / "adding.md").read_text("utf-8")
    part = page.split("## expected.json", 1)[1].split("\n## ", 1)[0]
    found = [json.loads((folder / "expected.json").read_text("utf-8")) for folder in FOLDERS]
    keys = {key for one in found for key in one}
    keys |= {key for one in found for some in ("readings", "refusals") for row in one[some] for key in row}
    assert {key for key in keys if f"`{key}`" not in part} == set()


def ensure_it_reads_as_it_says(folder: Path, profiles: tuple[Profile, ...]) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    answer = read(folder, profiles)
    assert list(answer.profiles) == expected["profiles"]
    assert in_order(expected["readings"]) == in_order([told(reading) for reading in answer.readings])
    refused = [{"name": one.name, "index": one.index, "code": one.code} for one in answer.refusals]
    assert in_order(refused) == in_order(expected["refusals"])
    identity = answer.identity
    said = {name: getattr(identity, name) for name in type(identity).__dataclass_fields__}
    assert {name: value for name, value in said.items() if value is not None} == expected["identity"]
    assert answer.flags == expected["flags"]


@pytest.mark.parametrize(
    ("described", "object_id", "present", "told"),
    [
        (
            "Eaton 5PX 2200i RT 2U",
            "1.3.6.1.4.1.705.1",
            "1.3.6.1.4.1.705.1.1.4.0",
            {"model": "5PX 2200i RT 2U"},
        ),
        ("Eaton Gigabit Network Card", "1.3.6.1.4.1.705.1", "1.3.6.1.4.1.705.1.1.2.0", {"model": "told"}),
        ("Integrated Lights-Out 4 2.55 Aug 16 2017", "1.3.6.1.4.1.232.9.4.10", "", {"firmware": "2.55"}),
        (
            "HP ETHERNET MULTI-ENVIRONMENT,SN:PHX0001234,FN:1A2B3C4,SVCID:20001,PID:HP LaserJet M404",
            "1.3.6.1.4.1.11.2.3.9.1",
            "1.3.6.1.2.1.25.3.5.1.2.1",
            {"vendor": "HP", "serial": "PHX0001234"},
        ),
    ],
)
def test_what_only_the_description_tells_is_taken_from_there(
    described: str, object_id: str, present: str, told: dict[str, str], profiles: tuple[Profile, ...]
) -> None:
    values: dict[Oid, Value] = {SYS_DESCR: described.encode(), SYS_OBJECT_ID: parse_oid(object_id)}
    if present:
        values[parse_oid(present)] = b"told"
    session = DictionaryPort(values).begin(TARGET)
    identity = asyncio.run(read_device(session, profiles)).identity
    assert {name: getattr(identity, name) for name in told} == told


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recording_is_in_order_and_names_what_it_is_built_from(folder: Path) -> None:
    # snmpsim, which serves these files too, wants them in order of OID.
    lines = (folder / "walk.snmprec").read_text("latin-1").splitlines()
    oids = [tuple(int(part) for part in line.split("|")[0].split(".")) for line in lines]
    assert oids == sorted(oids)
    assert len(read_recording(folder / "walk.snmprec")) == len(lines)
    source = (folder / "SOURCE.md").read_text("utf-8")
    assert "Built from" in source
    assert "Trap:" in source


def test_each_shipped_family_has_a_recorded_folder(profiles: tuple[Profile, ...]) -> None:
    read_from = {
        name
        for folder in FOLDERS
        for name in json.loads((folder / "expected.json").read_text("utf-8"))["profiles"]
    }
    assert {profile.name for profile in profiles} == read_from


def test_power_and_energy_of_one_meter_have_one_index(profiles: tuple[Profile, ...]) -> None:
    # A register and the power beside it are one counter; with two indexes the same watt-hours would count twice.
    for folder in FOLDERS:
        answer = read(folder, profiles)
        powers = {(one.place, one.index) for one in answer.readings if one.kind == "active_power"}
        refused = {one.index for one in answer.refusals if one.name.endswith("_power")}
        for one in answer.readings:
            if one.kind == "energy" and any(place == one.place for place, _ in powers):
                assert (one.place, one.index) in powers or one.index in refused, (folder.name, one.name)
