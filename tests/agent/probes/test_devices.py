"""Every recorded device, one folder each: what the probes make of it, word for word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from devices.replay import EXPECTED, REPORT, folders, replay, report
from devices.smbios_builder import TABLES, build
from support.systemd_analyze import finished_line

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs/wire/report-v1.schema.json").read_text(encoding="utf-8")
)
FOLDERS = [pytest.param(folder, id=folder.name) for folder in folders()]
STATUSES = set(SCHEMA["$defs"]["probe"]["properties"]["status"]["examples"])


def having(name: str) -> list[Any]:
    return [pytest.param(folder, id=folder.name) for folder in folders() if (folder / name).exists()]


def test_there_are_devices() -> None:
    assert len(FOLDERS) >= 8


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_device_says_where_its_facts_come_from(folder: Path) -> None:
    assert "http" in (folder / "SOURCE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_recorded_device_is_read_as_expected(folder: Path) -> None:
    assert replay(folder) == json.loads((folder / EXPECTED).read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_command_reports_a_recorded_device_exactly(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(tmp_path / "state"))
    found = report(folder)
    assert found == json.loads((folder / REPORT).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(found | {"agent": found["agent"] | {"version": "0"}})


def test_the_recorded_devices_are_of_every_kind() -> None:
    reports = [json.loads((folder / REPORT).read_text(encoding="utf-8")) for folder in folders()]
    assert {each["agent"]["platform"] for each in reports} == {"linux", "windows", "macos"}
    assert len(reports) >= 12
    chassis = {(each["facts"].get("hardware") or {}).get("chassis_type") for each in reports}
    assert {3, 10, 23} <= chassis  # desktop, laptop, rack


@pytest.mark.parametrize("folder", FOLDERS)
def test_whatever_is_not_ok_says_why(folder: Path) -> None:
    for name, result in replay(folder).items():
        assert result["status"] in STATUSES, name
        assert result["status"] == "ok" or result["reason"], name
        assert all(each["reason"] and each["status"] in STATUSES - {"ok"} for each in result["missing"]), name


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_recorded_device_fits_the_wire_contract(folder: Path) -> None:
    found = {name: result["value"] for name, result in replay(folder).items()}
    facts = {
        "os": found["os"],
        "hardware": found["hardware"]["facts"],
        "storage": (found["storage"] or {}).get("disks", []),
    }
    startups = []
    for record in found["startup"]:
        record.pop("began_boottime_seconds")
        startups.append(record | {"revision": 1, "started_at": 1700000000})
    report = {
        "schema_version": "1.0", "device_id": "rwd_" + "0" * 32, "instance": "0" * 16, "seq": 1,
        "boot_id": "b", "sent_at": 1, "agent": {"version": "0", "platform": "linux"},
        "facts": facts, "startups": startups,
    }  # fmt: skip
    jsonschema.Draft202012Validator(SCHEMA).validate(report)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_headline_is_the_sum_of_the_counted_phases(folder: Path) -> None:
    for record in replay(folder)["startup"]["value"]:
        counted = sum(phase["seconds"] for phase in record.get("phases", ()) if phase["counted"])
        if "total_seconds" in record:
            assert record["total_seconds"] == pytest.approx(counted, abs=1e-6)


@pytest.mark.parametrize("folder", having("published.txt"))
def test_the_phases_are_those_that_were_published(folder: Path) -> None:
    published = finished_line((folder / "published.txt").read_text(encoding="utf-8"))
    (record,) = replay(folder)["startup"]["value"]
    assert {phase["name"]: phase["seconds"] for phase in record["phases"]} == pytest.approx(
        published, abs=1e-3
    )


@pytest.mark.parametrize("folder", having("smbios.json"))
def test_the_committed_tables_are_the_published_texts(folder: Path) -> None:
    entry, data = build(json.loads((folder / "smbios.json").read_text(encoding="utf-8")))
    assert (folder / TABLES / "smbios_entry_point").read_bytes() == entry
    assert (folder / TABLES / "DMI").read_bytes() == data


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_start_up_carries_a_name_a_serial_number_or_an_identifier(folder: Path) -> None:
    text = json.dumps(replay(folder)["startup"]).casefold()
    planted = (
        "jsmith",
        "iainf",
        "hq-dt-0042",
        "hq-dt",
        "z2a00001",
        "7ad4271d",
        "13189658",
        "1000",
        "amdgpu_bl0",
    )
    assert [word for word in planted if word in text] == []


def test_a_server_that_was_away_for_minutes_did_not_spend_twenty_three_in_its_firmware() -> None:
    (record,) = found("unnamed-server_firmware-ghost", "startup")["value"]
    firmware = record["phases"][0]
    assert (firmware["name"], firmware["counted"], firmware["quality"]) == ("firmware", False, "suspect")
    assert firmware["seconds"] == 1392.915
    assert record["total_seconds"] == pytest.approx(54.380 + 3.583 + 13.870 + 53.287)
    assert "firmware is not counted" in record["reason"]


def test_a_hanging_job_is_named_first_and_the_start_up_stays_open() -> None:
    (record,) = found("raspberrypi_4b-hanging-job", "startup")["value"]
    assert (record["quality"], record["final"]) == ("unfinished", False)
    assert record["factors"][0]["name"] == "deskpi.service"
    assert "total_seconds" not in record


def test_a_container_takes_nothing_of_its_host_for_its_own() -> None:
    for probe in ("hardware", "storage", "startup"):
        assert found("docker_container", probe)["status"] == "container"
    assert "the host's" in found("docker_container", "utilisation")["value"]["cpu_source"]
    text = json.dumps(replay(next(each for each in folders() if each.name == "docker_container")))
    assert "Supermicro" not in text
    assert "SSDPE2KX010T8" not in text


def test_placeholders_are_missing_and_never_a_model_or_a_serial_number() -> None:
    hardware = found("asrock_770-extreme3", "hardware")
    assert "serial" not in hardware["value"]["facts"]
    assert hardware["value"]["identifiers"] == {}
    assert (hardware["value"]["facts"]["vendor"], hardware["value"]["facts"]["model"]) == (
        "ASRock",
        "770 Extreme3",
    )
    assert "is a placeholder" in next(
        each["reason"] for each in hardware["missing"] if each["field"] == "hardware.serial"
    )


def test_what_only_root_may_read_is_a_status_of_its_own() -> None:
    missing = {each["field"]: each["status"] for each in found("lenovo_thinkpad-a485", "hardware")["missing"]}
    assert missing["hardware.serial"] == missing["hardware.memory.modules"] == "no_permission"


def test_a_virtual_disk_that_claims_to_rotate_is_no_hard_disk() -> None:
    (disk,) = found("qemu_q35-no-firmware-times", "storage")["value"]["disks"]
    assert disk["medium"] == "virtual"


def found(device: str, probe: str) -> dict[str, Any]:
    folder = next(each for each in folders() if each.name == device)
    result: dict[str, Any] = replay(folder)[probe]
    return result
