"""A recording made of a recorded device by what each probe declares says the same as the device, and names nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from devices.replay import folders

from roadworthy_agent.probe import Context, recorded_platform, run
from roadworthy_agent.probes import battery, hardware, os, storage
from roadworthy_agent.probes.battery import linux as battery_linux
from roadworthy_agent.probes.hardware import linux as hardware_linux
from roadworthy_agent.probes.os import linux as os_linux
from roadworthy_agent.probes.storage import linux as storage_linux

MODULES = (hardware_linux, storage_linux, battery_linux, os_linux)
LINKS = "roadworthy/links"
DEVICES = [
    pytest.param(folder, id=folder.name)
    for folder in folders()
    if (folder / "published-facts.json").exists() and recorded_platform(folder / "root") == "linux"
]


def record(module: ModuleType, context: Context, target: Path) -> None:
    """Do what a recorder does: copy the plain files, and write what the probe gives for the others."""
    for pattern in module.FILES:
        for file in context.root.glob(pattern):
            if file.is_file():
                copy = target / file.relative_to(context.root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
    for path, content in module.record(context).items():
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        before = copy.read_bytes() if path == LINKS and copy.exists() else b""
        copy.write_bytes(before + content)


@pytest.mark.parametrize("folder", DEVICES)
def test_a_recording_of_a_device_says_what_the_device_says(folder: Path, tmp_path: Path) -> None:
    original = Context.recorded(folder / "root")
    for module in MODULES:
        record(module, original, tmp_path)
    copy = Context.recorded(tmp_path)
    for probe in (os, storage, battery):
        before, after = run(probe, original), run(probe, copy)
        assert after.value == before.value, probe.NAME
        assert {each.field for each in after.missing} == {each.field for each in before.missing}
    before, after = run(hardware, original).value, run(hardware, copy).value
    assert before is not None
    assert after is not None
    facts = replace(after.facts, serial=None, asset_tag=None)
    if before.facts.source.startswith(
        "smbios"
    ):  # else only root may read the tables, and there is nothing to copy
        assert facts == replace(before.facts, serial=None, asset_tag=None)
    assert after.identifiers == {}


@pytest.mark.parametrize("folder", DEVICES)
def test_no_serial_number_of_a_device_is_in_its_recording(folder: Path, tmp_path: Path) -> None:
    original = Context.recorded(folder / "root")
    for module in MODULES:
        record(module, original, tmp_path)
    content = b"\n".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    for secret in ("TESTSN1", "VMware-56 4d", "hq-lt-0301"):
        assert secret.encode() not in content
        assert secret.encode("utf-16-le") not in content
