"""What the machine, its system and its disks are."""

from __future__ import annotations

import json
import plistlib
from pathlib import Path
from typing import Any

import pytest
from agent.macos.macs import tree
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.macos import profiler
from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import hardware, os, storage, utilisation
from roadworthy_agent.probes.hardware.macos_parse import (
    chassis_type,
    monitors,
    pnp_letters,
    secure_boot,
    virtual_by,
)
from roadworthy_agent.probes.os.macos import RELEASE_FILE
from roadworthy_agent.probes.storage.macos import parse_disks


@pytest.mark.parametrize(
    ("number", "letters"),
    [("610", "APP"), ("9e6d", "GSM"), ("1e6d", "GSM"), ("0", None), ("zz", None), (None, None)],
)
def test_a_monitors_vendor(number: str | None, letters: str | None) -> None:
    assert pnp_letters(number) == letters


def test_a_display_over_airplay_is_left_out() -> None:
    cards = [
        {"spdisplays_ndrvs": [
            {"_name": "Jane's iPad (AirPlay)", "_spdisplays_display-vendor-id": "6161"},
            {"_name": "LG UltraFine", "_spdisplays_display-vendor-id": "9e6d", "_spdisplays_display-year": "2017"},
        ]},
        {"_name": "Apple M1 Max"},
    ]  # fmt: skip
    (monitor,) = monitors(cards)
    assert (monitor.vendor, monitor.model, monitor.year) == ("GSM", "LG UltraFine", 2017)


@pytest.mark.parametrize(
    ("model", "vmm", "kind", "whose"),
    [
        ("VirtualMac2,1", "1", "virtual_machine", "apple"),  # as such machines name themselves
        ("VMware7,1", None, "virtual_machine", "vmware"),
        ("Mac14,2", "0", "physical", None),
        ("iMac19,1", "1", "virtual_machine", None),
        (None, None, "unknown", None),
    ],
)
def test_a_virtual_mac(model: str | None, vmm: str | None, kind: str, whose: str | None) -> None:
    where = virtual_by(model, vmm)
    assert (where.kind, where.detail) == (kind, whose)


@pytest.mark.parametrize(
    ("name", "model", "number"),
    [
        ("MacBook Air", "Mac14,2", 10),
        (None, "MacBookPro12,1", 10),
        ("Mac Studio", "Mac16,9", 35),
        (None, "Macmini9,1", 35),
        ("iMac", "Mac15,4", 13),
        ("Mac Pro", "Mac14,8", 7),
        (None, "Mac14,2", None),
    ],
)
def test_the_form_of_a_mac(name: str | None, model: str, number: int | None) -> None:
    assert chassis_type(name, model) == number


@pytest.mark.parametrize(
    ("word", "checked"),
    [
        ("Full Security", True),
        ("Reduced Security", True),
        ("No Security", False),
        ("Sécurité maximale", None),
    ],
)
def test_secure_boot_is_a_known_word_or_nothing(word: str, *, checked: bool | None) -> None:
    assert secure_boot([{"ibridge_secure_boot": word}]) is checked
    assert secure_boot([]) is None


def test_rosetta_hides_neither_the_architecture_nor_makes_up_a_processor(tmp_path: Path) -> None:
    files = {
        "sysctl__hw.model": "Mac14,2\n",
        "sysctl__hw.machine": "x86_64\n",
        "sysctl__hw.optional.arm64": "1\n",
        "sysctl__sysctl.proc_translated": "1\n",
        "sysctl__machdep.cpu.brand_string": "VirtualApple @ 2.50GHz\n",
        "sysctl__machdep.cpu.family": "6\n",
    }
    context = Context.recorded(tree(tmp_path, **files))
    assert os.collect(context).value.architecture == "arm64"
    cpu = hardware.collect(context).value.facts.cpu
    assert (cpu.vendor, cpu.model, cpu.family) == ("Apple", None, None)


def test_serials_that_mean_nothing_are_missing(tmp_path: Path) -> None:
    entry = {
        "IOPlatformSerialNumber": "System Serial#",
        "IOPlatformUUID": "00000000-0000-0000-0000-000000000000",
    }
    placeholder = Context.recorded(
        tree(tmp_path / "one", {"IOPlatformExpertDevice": entry | {"IOPlatformSerialNumber": "0"}})
    )
    result = hardware.collect(placeholder)
    assert (result.value.facts.serial, result.value.identifiers) == (None, {})
    assert "hardware.serial" in {each.field for each in result.missing}


def test_one_bad_source_harms_no_other(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {"IOPlatformExpertDevice": b"\0"},
        programs__hardware=b"{",
        programs__storage=b"\xff",
        **{"sysctl__hw.memsize": "17179869184\n", "sysctl__hw.packages": "many\n", "counters.json": "[]"},
    )
    context = Context.recorded(root)
    result = hardware.collect(context)
    assert result.status is Status.OK
    assert result.value.facts.memory.total_bytes == 16 << 30
    assert result.value.facts.cpu.sockets is None
    missing = {each.field: each.status for each in result.missing}
    assert missing["hardware.serial"] == missing["hardware.family"] == Status.ERROR
    assert storage.collect(context).status is Status.ERROR
    assert utilisation.collect(context).status is Status.NO_DATA_YET


def test_a_python_built_for_macos_10_is_told_a_version_that_is_not_true(tmp_path: Path) -> None:
    root = tree(tmp_path, **{"sysctl__kern.osversion": "24G419\n"})
    (root / RELEASE_FILE).parent.mkdir(parents=True)
    (root / RELEASE_FILE).write_bytes(plistlib.dumps({"ProductName": "macOS", "ProductVersion": "10.16"}))
    result = os.collect(Context.recorded(root))
    assert (result.value.version, result.value.build, result.value.name) == (None, "24G419", "macOS")
    assert "os.version" in {each.field for each in result.missing}


def report(*disks: dict[str, Any], system: str | None = None, medium: str = "ssd") -> bytes:
    """Return a report of SATA disks, and of the drive that holds the system."""
    drive = {} if system is None else {"physical_drive": {"device_name": system, "medium_type": medium}}
    return json.dumps(
        {
            "SPSerialATADataType": [{"_name": "Intel AHCI", "_items": list(disks)}],
            "SPStorageDataType": [{"mount_point": "/"} | drive],
        }
    ).encode()


def sata(**more: Any) -> dict[str, Any]:
    return {"bsd_name": "disk0", "device_model": "APPLE HDD", "size_in_bytes": 10**12} | more


@pytest.mark.parametrize(
    ("word", "failing"), [("Verified", False), ("Failing", True), ("Vérifié", None), (None, None)]
)
def test_the_disks_own_word(word: str | None, *, failing: bool | None) -> None:
    (disk,), _, missing = parse_disks(profiler.parse(report(sata(smart_status=word))))
    assert disk.failing is failing
    assert ("storage.disk0.failing" in {each.field for each in missing}) == (failing is None)


def test_two_disks_of_one_name_leave_open_which_holds_the_system() -> None:
    twins = report(sata(), sata(bsd_name="disk1"), system="APPLE HDD")
    disks, identifiers, _ = parse_disks(profiler.parse(twins))
    assert [disk.holds_system for disk in disks] == [None, None]
    assert identifiers == {}


def test_a_published_report_with_blanks_and_a_drive_without_a_disk() -> None:
    """SPSerialATADataType3.xml of glpi-agent: a virtual disk, padded with blanks, and an empty optical drive."""
    data = report(
        {"bsd_name": "disk0", "device_model": "VBOX HARDDISK                           ", "device_revision": "1.0     ",
         "size_in_bytes": 41943040000, "smart_status": "Verified", "spsata_medium_type": "Solid State",
         "detachable_drive": "no", "removable_media": "no"},
        {"device_model": "VBOX CD-ROM                             ", "detachable_drive": "no"},
    )  # fmt: skip
    (disk,), _, _ = parse_disks(profiler.parse(data))
    assert (disk.model, disk.medium, disk.size_bytes, disk.firmware, disk.failing, disk.removable) == (
        "VBOX HARDDISK",
        "virtual",
        41943040000,
        "1.0",
        False,
        False,
    )


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(allow_nan=False), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["_items", "bsd_name", "size_in_bytes", "device_model", "mount_point", "physical_drive",
                 "spdisplays_ndrvs", "_spdisplays_display-vendor-id", "dimm_size", "dimm_speed", "_name"]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(profiler.KEEP)), JSON))
def test_any_report_is_survived(told: dict[str, Any]) -> None:
    from roadworthy_agent.probes.hardware.macos_parse import memory_modules

    kept = profiler.parse(json.dumps(told).encode())
    parse_disks(kept)
    monitors(kept["SPDisplaysDataType"])
    memory_modules(kept["SPMemoryDataType"])
    secure_boot(kept["SPiBridgeDataType"])
    again = profiler.keep(json.dumps(told).encode())
    assert profiler.keep(again) == again


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["user", "nice", "system", "idle"]),
            st.one_of(st.floats(), st.text(max_size=2), st.integers()),
        ),
        max_size=3,
    )
)
def test_any_counters_give_a_ratio_or_none(looks: list[dict[str, Any]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = tree(Path(folder), **{"counters.json": json.dumps({"cpu_times": looks})})
        value = utilisation.collect(Context.recorded(root)).value
    assert value.cpu_ratio is None or 0 <= value.cpu_ratio <= 1
