"""The recorded Macs: what was published of them, and that a recording of a recording is the same device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from devices.replay import folders, shown

from roadworthy_agent.probe import Context, run
from roadworthy_agent.probes import PROBES

MACS = [
    pytest.param(folder, id=folder.name)
    for folder in folders()
    if (folder / "published.json").exists() and folder.name.startswith("apple_")
]
SERIALS = ("TESTSN", "20C0FFEE", "20c0ffee")


def look(folder: Path, probe: str) -> dict[str, Any]:
    return shown(run(PROBES[probe], Context.recorded(folder / "root")))


def published(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "published.json").read_text(encoding="utf-8"))
    return told


def test_there_are_laptops_and_desktops_of_both_makes_of_processor() -> None:
    assert len(MACS) >= 4


@pytest.mark.parametrize("folder", MACS)
def test_power_is_what_was_published(folder: Path) -> None:
    told, found = published(folder)["power"], look(folder, "power")
    if told is None:
        assert (found["status"], found["value"]) == ("not_supported", {})
        return
    (meter,) = found["value"]["meters"]
    assert meter["registers"][0]["watts"] == told["SystemLoad_milliwatts"] / 1000
    assert told["SystemPowerIn_milliwatts"] == told["BatteryPower_milliwatts"] + told["SystemLoad_milliwatts"]


@pytest.mark.parametrize("folder", MACS)
def test_the_battery_is_what_was_published(folder: Path) -> None:
    told, found = published(folder)["battery"], look(folder, "battery")
    if told is None:
        assert (found["status"], found["value"]) == ("not_supported", [])
        return
    (battery,) = found["value"]
    assert battery["health_ratio"] == pytest.approx(told["health_percent"] / 100, abs=5e-5)
    assert battery["cycles"] == told["cycles"]


@pytest.mark.parametrize("folder", MACS)
def test_the_disk_is_what_was_published(folder: Path) -> None:
    (disk,) = look(folder, "storage")["value"]["disks"]
    told = published(folder)["storage"]
    assert (disk["model"], disk["size_bytes"]) == (told["model"], told["size_bytes"])


@pytest.mark.parametrize("folder", MACS)
def test_the_start_up_is_what_was_published(folder: Path) -> None:
    (record,) = look(folder, "startup")["value"]
    told = published(folder).get("startup", {})
    if "firmware_seconds" in told:
        assert record["phases"][0]["seconds"] == pytest.approx(told["firmware_seconds"], abs=1e-6)
    if "shutdown_cause" in told:
        assert record["kind"] == "dirty"
    if not told:
        assert record["reason"] == "boot-log was not recorded"


@pytest.mark.parametrize("folder", MACS)
def test_a_recording_replays_as_the_device_without_its_identifiers(folder: Path, tmp_path: Path) -> None:
    context = Context.recorded(folder / "root")
    again = tmp_path / "again"
    for path, data in recorded(context):
        (again / path).parent.mkdir(parents=True, exist_ok=True)
        (again / path).write_bytes(data)
        assert not any(word.encode() in data for word in SERIALS), path
    for name in ("roadworthy/platform", "roadworthy/clock.json"):
        (again / name).write_bytes((folder / "root" / name).read_bytes())
    for probe in ("battery", "startup", "signin", "state", "power", "utilisation"):
        assert shown(run(PROBES[probe], Context.recorded(again))) == look(folder, probe)
    before, after = (run(PROBES["hardware"], each).value.facts for each in (context, Context.recorded(again)))
    assert (after.model, after.cpu, after.memory, after.monitors) == (
        before.model,
        before.cpu,
        before.memory,
        before.monitors,
    )
    assert after.serial is None


def recorded(context: Context) -> Iterator[tuple[str, bytes]]:
    """Yield every file the recorders of all probes make, and the plain files they name."""
    for name in PROBES:
        module = import_module(f"roadworthy_agent.probes.{name}.macos")
        assert isinstance(module.FILES, tuple)
        yield from module.record(context).items()
        for pattern in module.FILES:
            for path in context.root.glob(pattern):
                yield str(path.relative_to(context.root)), path.read_bytes()
