"""Processor numbers, TPM, Secure Boot, the way the machine starts, and texts that are no identity."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.identity import fingerprint
from roadworthy_agent.placeholders import BOGUS_UUIDS, WORDS, meaningful, meaningful_uuid
from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.hardware import linux
from roadworthy_agent.probes.hardware.cpu import parse_cpuinfo
from roadworthy_agent.probes.hardware.security import (
    SECURE_BOOT,
    read_boot_mode,
    read_secure_boot,
    read_tpm,
)
from roadworthy_agent.probes.tree import Tree
from roadworthy_inventory.identity import normalise_serial, normalise_uuid

INVENTORY = Path(__file__).parents[3] / "inventory/src/roadworthy_inventory/data/placeholders.csv"

# kellyjonbrazil/jc, tests/fixtures/linux-proc/cpuinfo and the values of cpuinfo.json (MIT)
JC = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 142
model name\t: Intel(R) Core(TM) i5-7360U CPU @ 2.30GHz
stepping\t: 9
physical id\t: 0
core id\t\t: 0
"""
PI_4 = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n"


def test_numbers_of_an_x86_processor() -> None:
    info = parse_cpuinfo(JC)
    assert (info.vendor, info.model) == ("GenuineIntel", "Intel(R) Core(TM) i5-7360U CPU @ 2.30GHz")
    assert (info.family, info.model_number, info.stepping) == (6, 142, 9)
    assert (info.threads, info.sockets, info.cores) == (1, 1, 1)


def test_numbers_of_an_arm_processor_are_architecture_part_and_revision() -> None:
    info = parse_cpuinfo(PI_4)
    assert (info.vendor, info.model) == ("ARM", "Cortex-A72")
    assert (info.family, info.model_number, info.stepping) == (8, 0xD08, 0x03)
    assert (
        parse_cpuinfo(PI_4.replace("0x0", "0x4").replace("revision\t: 3", "revision\t: 1")).stepping == 0x41
    )


@pytest.mark.parametrize("value", ["unknown", "", "-1", "9" * 30, "0x6", "²"])
def test_numbers_that_are_none_are_missing(value: str) -> None:
    info = parse_cpuinfo(JC.replace(": 142", f": {value}"))
    assert (info.family, info.model_number) == (6, None)


@given(
    st.lists(st.sampled_from(["processor", "cpu family", "model", "CPU part", "CPU variant", "\n"])),
    st.text(),
)
def test_any_cpuinfo_is_survived(names: list[str], value: str) -> None:
    parse_cpuinfo("\n".join(f"{name}: {value}" for name in names))


def put(root: Path, path: str, content: bytes | str = "") -> Tree:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tree(root)


@pytest.mark.parametrize(
    ("file", "content", "version"),
    [
        ("tpm0/tpm_version_major", "2\n", "2.0"),
        ("tpm0/tpm_version_major", "1\n", "1.2"),
        ("tpm0/device/caps", "Manufacturer: 0x49465800\nTCG version: 1.2\nFirmware version: 4.40\n", "1.2"),
    ],
)
def test_a_tpm_by_the_kernels_word(tmp_path: Path, file: str, content: str, version: str) -> None:
    assert read_tpm(put(tmp_path, f"sys/class/tpm/{file}", content), None) == (version, None)


def test_a_kernel_with_tpm_support_that_finds_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "sys/class/tpm").mkdir(parents=True)
    assert read_tpm(Tree(tmp_path), "2.0") == ("none", None)


def test_without_the_kernel_the_firmware_is_asked(tmp_path: Path) -> None:
    assert read_tpm(Tree(tmp_path), "2.0") == ("2.0", None)
    version, missing = read_tpm(Tree(tmp_path), None)
    assert version is None
    assert missing is not None
    assert missing.status is Status.NOT_SUPPORTED


def test_a_tpm_nobody_may_read_is_missing_with_that_reason(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/tpm/tpm0/tpm_version_major", "2\n")
    tree = put(tmp_path, "roadworthy/unreadable", "sys/class/tpm/tpm0/tpm_version_major\n")
    version, missing = read_tpm(tree, None)
    assert version is None
    assert missing is not None
    assert missing.status is Status.NO_PERMISSION


@pytest.mark.parametrize(
    ("content", "secure", "status"),
    [
        (b"\x06\0\0\0\x01", True, None),
        (b"\x06\0\0\0\x00", False, None),
        (b"\x06\0\0\0", None, Status.ERROR),
        (b"\x06\0\0\0\x02", None, Status.ERROR),
        (b"", None, Status.ERROR),
        (b"\x01" * 60, None, Status.ERROR),
    ],
)
def test_secure_boot_is_the_last_byte(
    tmp_path: Path, content: bytes, *, secure: bool | None, status: Status | None
) -> None:
    tree = put(tmp_path, SECURE_BOOT, content)
    assert read_boot_mode(tree, has_smbios=True) == "uefi"
    found, missing = read_secure_boot(tree, "uefi")
    assert found is secure
    assert (missing.status if missing else None) is status


def test_a_machine_without_efi_starts_the_old_way_and_a_board_its_own(tmp_path: Path) -> None:
    assert read_boot_mode(Tree(tmp_path), has_smbios=True) == "legacy"
    assert read_boot_mode(Tree(tmp_path), has_smbios=False) == "unknown"
    for mode in ("legacy", "unknown", "uefi"):
        found, missing = read_secure_boot(Tree(tmp_path), mode)
        assert found is None
        assert missing is not None
        assert missing.status is Status.NOT_SUPPORTED


def test_a_container_says_nothing_of_the_machine_it_runs_on(tmp_path: Path) -> None:
    put(tmp_path, "run/systemd/container", "docker\n")
    put(tmp_path, "sys/class/tpm/tpm0/tpm_version_major", "2\n")
    put(tmp_path, SECURE_BOOT, b"\x06\0\0\0\x01")
    result = PROBES["hardware"].collect(Context.recorded(tmp_path))
    facts = result.value.facts
    assert (facts.tpm_version, facts.secure_boot, facts.boot_mode, facts.monitors) == (None, None, None, ())
    missing = {each.field: each.status for each in result.missing}
    assert missing["hardware.tpm_version"] is missing["hardware.monitors"] is Status.CONTAINER


@pytest.mark.parametrize(
    "text",
    [
        "A1_Manufacturer0", "Array1_PartNumber0", "A1_SerNum0", "ASUS-TabletSKU", "ASUS-NotebookSKU",
        "SKU=NotProvided;ModelName=PowerEdge R430", "SYS-1234567890", "SN-12345", "MB-1234567890",
        "serial number xxxxxx", "No Enclosure", "iatpass",
    ],
)  # fmt: skip
def test_more_texts_nobody_filled_in(text: str) -> None:
    assert meaningful(text) is None


@pytest.mark.parametrize("text", ["SN-7734A", "A1502", "SYS-5019S-M", "PowerEdge R430", "0816", "S251NX0H"])
def test_real_texts_that_look_like_them_are_kept(text: str) -> None:
    assert meaningful(text) == text


@pytest.mark.parametrize(
    "uuid",
    [
        *sorted(BOGUS_UUIDS),
        "01010101-0101-0101-0101-010101010101",
        "FE" * 4 + "-" + "-".join(["FEFE"] * 3) + "-" + "FE" * 6,
    ],
)
def test_uuids_of_sample_firmware_name_no_machine(uuid: str) -> None:
    assert meaningful_uuid(uuid) is None
    assert meaningful_uuid(uuid.upper()) is None
    assert fingerprint({"system_uuid": uuid}) == {}


def test_the_inventorys_table_and_the_agents_list_say_the_same() -> None:
    with INVENTORY.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    serials = {row["value"] for row in rows if row["kind"] == "serial"}
    uuids = {row["value"] for row in rows if row["kind"] == "uuid"}
    assert [text for text in serials if meaningful(text) is not None] == []
    assert [text for text in uuids if meaningful_uuid(text) is not None] == []
    assert [text for text in WORDS if normalise_serial(text) is not None] == []
    assert [text for text in BOGUS_UUIDS if normalise_uuid(text) is not None] == []


def test_a_recording_of_the_machine_names_none(tmp_path: Path) -> None:
    assert not any("serial" in name or "uuid" in name or "asset" in name for name in linux.FILES)
    assert linux.record(Context.recorded(tmp_path)) == {}
