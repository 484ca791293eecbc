"""ATA disks: attributes, device statistics, verdicts, and what stands between a disk and who asks it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes.storage import ioctl, snapshot
from roadworthy_agent.probes.storage import linux as storage
from roadworthy_agent.probes.storage.document import compose, parse_document
from roadworthy_agent.probes.storage.health import Health, HealthError, NoHealth
from roadworthy_agent.probes.storage.ioctl import Registers, parse_sense
from roadworthy_agent.probes.storage.smart import (
    AtaAnswers,
    parse_attributes,
    parse_health,
    statistic,
)
from roadworthy_agent.probes.tree import Tree

GOOD, FAILING = (0x4F, 0xC2), (0xF4, 0x2C)


def sector(*rows: tuple[int, int, int]) -> bytes:
    """Return SMART data of rows (id, normalised value, raw)."""
    data = bytearray(512)
    data[0] = 1
    for number, (identity, value, raw) in enumerate(rows):
        start = 2 + 12 * number
        data[start], data[start + 3], data[start + 4] = identity, value, value
        data[start + 5 : start + 11] = raw.to_bytes(6, "little")
    data[511] = -sum(data) & 0xFF
    return bytes(data)


def statistics(number: int, *, flags: int = 0xC0, **at: int) -> bytes:
    """Return a page of the device statistics log: `at_16=5` puts 5 at byte 16."""
    data = bytearray(512)
    data[0], data[2] = 1, number
    for name, value in at.items():
        offset = int(name.removeprefix("at_"))
        data[offset : offset + 7] = value.to_bytes(7, "little")
        data[offset + 7] = flags
    return bytes(data)


def health(model: str = "SomeDisk", *, rotates: bool = False, **answers: Any) -> Health:
    return parse_health(AtaAnswers(**answers), model=model, rotates=rotates)


def test_a_real_disk_as_smartctl_printed_it() -> None:
    # Samsung SSD 850 PRO 256GB, telegraf's plugins/inputs/smart/smart_test.go (MIT)
    found = health(
        "Samsung SSD 850 PRO 256GB",
        attributes=sector((5, 99, 1), (9, 94, 26732), (177, 1, 7282), (187, 100, 0)),
    )
    assert (found.wear_ratio, found.power_on_hours, found.reallocated_sectors) == (0.99, 26732, 1)
    assert found.failing is None
    assert "verdict" in found.reasons["failing"]
    assert found.source == "SMART attributes (wear: attribute 177 as Samsung defines it)"


@pytest.mark.parametrize(
    ("model", "attribute", "wear"),
    [
        ("INTEL SSDSC2BB480G4", (233, 72, 0), 0.28),
        ("Samsung SSD 860 EVO 1TB", (177, 98, 31), 0.02),
        ("CT500MX500SSD1", (202, 95, 5), 0.05),
        ("Crucial_CT240M500SSD1", (202, 88, 12), 0.12),
        ("SanDisk SD7SB6S256G1122", (233, 100, 3129), None),  # there 233 counts what was written
        ("KINGSTON SA400S37120G", (231, 97, 97), None),
        ("WDC WDS120G2G0A-00JH30", (177, 50, 50), None),
        ("CTU Labs", (202, 50, 50), None),
        ("INTEL SSDSC2BB480G4", (233, 200, 0), None),
    ],
)
def test_wear_is_told_only_where_its_maker_says_which_attribute_counts_it(
    model: str, attribute: tuple[int, int, int], wear: float | None
) -> None:
    found = health(model, attributes=sector(attribute))
    assert found.wear_ratio == wear
    assert ("wear_ratio" in found.reasons) == (wear is None)


def test_the_standard_statistics_win_over_attributes() -> None:
    pages = {
        1: statistics(1, at_16=4711),
        3: statistics(3, at_32=7),
        4: statistics(4, at_8=3),
        7: statistics(7, at_8=112),
    }
    rows = sector((5, 100, 1), (9, 100, 9), (198, 100, 99), (233, 100, 0))
    found = health("INTEL SSDSC2BB480G4", attributes=rows, statistics=pages, status=GOOD)
    assert (found.wear_ratio, found.power_on_hours) == (1.12, 4711)
    assert (found.reallocated_sectors, found.media_errors, found.failing) == (7, 3, False)
    assert found.source == "ATA device statistics, SMART attributes"


def test_a_statistic_that_is_not_valid_or_of_another_page_does_not_count() -> None:
    assert statistic({7: statistics(7, at_8=5, flags=0x80)}, (7, 8), 1) is None  # supported, not valid
    assert statistic({7: statistics(7, at_8=5, flags=0x40)}, (7, 8), 1) is None
    assert statistic({7: statistics(1, at_8=5)}, (7, 8), 1) is None
    assert statistic({7: statistics(7, at_8=5)[:300]}, (7, 8), 1) is None
    assert statistic({7: statistics(7, at_8=5)}, (7, 8), 1) == 5
    assert statistic({}, (7, 8), 1) is None


def test_a_hard_disk_does_not_wear_and_that_needs_no_word() -> None:
    found = health(attributes=sector((9, 90, 20000), (5, 100, 0)), status=FAILING, rotates=True)
    assert (found.wear_ratio, found.failing, found.reasons) == (None, True, {})


@pytest.mark.parametrize(
    ("raw", "hours"),
    [
        (26732, 26732),
        (0x8085_0000_0000 | 28420, 28420),  # a Seagate: other counters in the upper bytes
        (1_261_440, None),  # minutes: 144 years would they be hours
        (0, 0),
    ],
)
def test_power_on_hours_in_their_writings(raw: int, hours: int | None) -> None:
    found = health(attributes=sector((9, 90, raw)))
    assert found.power_on_hours == hours
    assert ("power_on_hours" in found.reasons) == (hours is None)


def test_reallocated_sectors_that_share_their_bytes_are_not_guessed() -> None:
    assert health(attributes=sector((5, 100, 3))).reallocated_sectors == 3
    shared = health(attributes=sector((5, 100, 3 | 7 << 16)))
    assert shared.reallocated_sectors is None
    assert "several numbers" in shared.reasons["reallocated_sectors"]


def test_what_a_disk_does_not_count_is_missing_and_never_a_zero() -> None:
    found = health(attributes=sector((194, 70, 30)))
    assert (found.power_on_hours, found.media_errors, found.reallocated_sectors) == (None, None, None)


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "512 bytes"), (bytes(512), "blank"), (sector((5, 1, 1))[:-1] + b"\x01", "checksum")],
)
def test_what_is_no_attribute_table_is_a_typed_error(data: bytes, why: str) -> None:
    with pytest.raises(HealthError, match=why):
        parse_attributes(data)
    with pytest.raises(HealthError):
        health(attributes=data)
    # Sound statistics are told all the same.
    assert health(attributes=data, statistics={1: statistics(1, at_16=5)}).power_on_hours == 5


@given(st.binary(min_size=511, max_size=511), st.dictionaries(st.integers(0, 9), st.binary(max_size=600)))
def test_any_answer_gives_what_the_wire_takes(content: bytes, pages: dict[int, bytes]) -> None:
    table = content + bytes([-sum(content) & 0xFF])
    try:
        found = health("Samsung SSD", attributes=table, statistics=pages)
    except HealthError:
        return
    assert found.wear_ratio is None or 0 <= found.wear_ratio <= 2.55
    for number in (found.power_on_hours, found.media_errors, found.reallocated_sectors):
        assert number is None or 0 <= number < 1 << 53


def test_registers_come_back_in_both_formats_of_sense_data() -> None:
    descriptor = bytes.fromhex("72 01 00 1d 00 00 00 0e 09 0c 00 00 00 ff 00 00 00 4f 00 c2 00 50")
    assert parse_sense(descriptor) == Registers(count=255, lba=0xC24F00, failed=False)
    fixed = bytes.fromhex("70 00 01 00 50 00 ff 0a 00 00 4f c2 00 1d") + bytes(18)
    assert parse_sense(fixed) == Registers(count=255, lba=0xC24F00, failed=False)
    refused = descriptor[:-1] + b"\x51"
    assert parse_sense(refused) == Registers(count=255, lba=0xC24F00, failed=True)
    assert parse_sense(b"") is None
    assert parse_sense(bytes(64)) is None


@given(st.binary(max_size=64))
def test_any_sense_data_is_survived(sense: bytes) -> None:
    parse_sense(sense)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"nvme_log": 5}', '{"nvme_log": "zz"}', '{"missing": 1}', "x" * 40_000,
        '{"missing": {"status": "splendid"}}', '{"ata_attributes": "00"}', '{"ata_statistics": []}', "[" * 30_000,
    ],
)  # fmt: skip
def test_a_document_nobody_here_wrote_is_a_typed_error(text: str) -> None:
    with pytest.raises(HealthError):
        parse_document(text, model=None, rotates=False)


@given(
    st.dictionaries(
        st.sampled_from(["nvme_log", "ata_attributes", "ata_status", "ata_statistics", "missing"]),
        st.recursive(
            st.none() | st.integers() | st.text("0123456789abcdef", max_size=40),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("1347x"), inner),
            max_leaves=4,
        ),
    )
)
def test_any_document_is_survived(document: dict[str, Any]) -> None:
    try:
        parse_document(json.dumps(document), model=None, rotates=False)
    except HealthError:
        return


def test_a_document_says_why_there_is_no_answer() -> None:
    text = ioctl.no_answer(Status.NO_DATA_YET, "the disk sleeps").decode()
    assert parse_document(text, model=None, rotates=False) == NoHealth(Status.NO_DATA_YET, "the disk sleeps")


def test_a_disk_that_is_not_there_is_asked_and_says_what_is_needed() -> None:
    answer = parse_document(ioctl.ask("no-such-disk", "ata").decode(), model=None, rotates=False)
    assert isinstance(answer, NoHealth)
    assert answer.status is Status.NO_PERMISSION
    assert "docs/probes/storage.md" in answer.reason


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="asks a device that is no disk")
@pytest.mark.parametrize("bus", ["nvme", "ata"])
def test_a_device_that_is_no_disk_refuses(bus: str) -> None:
    answer = parse_document(ioctl.ask("null", bus).decode(), model=None, rotates=False)
    assert isinstance(answer, NoHealth)
    assert answer.status in {Status.ERROR, Status.NOT_SUPPORTED, Status.NO_PERMISSION}
    assert answer.reason.startswith("/dev/null")


# One SATA disk, one NVMe disk, a USB stick and a RAID volume
DISKS = {
    "sda": "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda",
    "sdb": "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host4/target4:0:0/4:0:0:0/block/sdb",
    "sdc": "pci0000:00/0000:03:00.0/host6/target6:2:0/6:2:0:0/block/sdc",
    "nvme0n1": "pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/nvme0n1",
}


def machine(root: Path, **files: str) -> Path:
    for name in DISKS:
        for path, text in (
            ("size", "1000"),
            ("queue/rotational", "0"),
            ("removable", "0"),
            ("device/model", "M"),
        ):
            file = root / f"sys/block/{name}/{path}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    (root / "roadworthy").mkdir(exist_ok=True)
    links = "".join(f"sys/block/{name} ../devices/{target}\n" for name, target in DISKS.items())
    (root / "roadworthy/links").write_text(links)
    for path, text in files.items():
        file = root / path.replace("__", "/").replace("_json", ".json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_the_root_step_asks_nvme_and_ata_and_leaves_documents_for_everybody(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def ask(name: str, bus: str) -> bytes:
        asked.append((name, bus))
        return compose(nvme_log=b"\1\2")

    out = tmp_path / "out"
    out.mkdir()
    (out / "gone.json").write_text("{}")
    assert snapshot.write_snapshots(out, Tree(machine(tmp_path / "root")), ask) == ["nvme0n1", "sda"]
    assert asked == [("nvme0n1", "nvme"), ("sda", "ata")]
    assert sorted(each.name for each in out.iterdir()) == ["nvme0n1.json", "sda.json"]
    assert (out / "sda.json").stat().st_mode & 0o777 == 0o644
    assert json.loads((out / "sda.json").read_text()) == {"nvme_log": "0102"}


def test_the_root_step_says_how_it_is_called_and_where_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snapshot.main([]) == 2
    assert snapshot.main(["--help"]) == 2
    (tmp_path / "file").write_text("")
    assert snapshot.main([os.fspath(tmp_path / "file/below")]) == 1
    assert "run as root" in capsys.readouterr().err


def test_a_drive_the_kernel_put_to_sleep_is_not_opened(tmp_path: Path) -> None:
    root = machine(tmp_path, sys__block__sda__device__power__runtime_status="suspended\n")
    tree = Tree(root)
    assert storage.askable(tree, storage.read_block(tree, "sda")) is None
    missing = {each.field: each for each in storage.collect(Context.recorded(root)).missing}
    assert missing["storage.sda.health"].status is Status.NO_DATA_YET


def test_without_permission_no_disk_is_asked(tmp_path: Path) -> None:
    context = Context(root=machine(tmp_path), platform="linux", live=False)
    missing = {each.field: each.status for each in storage.collect(context).missing}
    assert missing["storage.sda.health"] is Status.OFF_BY_POLICY
    assert missing["storage.nvme0n1.health"] is Status.OFF_BY_POLICY
    assert missing["storage.sdc.health"] is Status.NOT_SUPPORTED
    assert "storage.sdb.health" not in missing  # a stick that is carried about


def test_the_agent_reads_what_the_root_step_left_until_it_is_stale(tmp_path: Path) -> None:
    root = machine(tmp_path / "root")
    for name, place in DISKS.items():  # a live machine has links of its own
        target = root / f"sys/devices/{place}"
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / f"sys/block/{name}").rename(target)
        (root / f"sys/block/{name}").symlink_to(os.path.relpath(target, root / "sys/block"))
    left = root / "run/roadworthy-smart/sda.json"
    left.parent.mkdir(parents=True)
    left.write_bytes(compose(ata_attributes=sector((9, 90, 5)), ata_status=FAILING))
    context = Context(root=root, allow=frozenset({"smart"}), platform="linux")
    disks = {disk.name: disk for disk in storage.collect(context).value.disks}  # type: ignore[union-attr]  # there are
    assert (disks["sda"].power_on_hours, disks["sda"].failing) == (5, True)
    os.utime(left, (0, 0))
    result = storage.collect(context)
    assert {each.field for each in result.missing} >= {"storage.sda.health"}


def test_one_disk_of_garbage_does_not_hide_the_others(tmp_path: Path) -> None:
    good = compose(ata_attributes=sector((9, 90, 5)), ata_status=GOOD).decode()
    root = machine(tmp_path, roadworthy__smart__sda_json=good, roadworthy__smart__nvme0n1_json="{garbage")
    result = storage.collect(Context.recorded(root))
    assert result.value is not None
    disks = {disk.name: disk for disk in result.value.disks}
    assert (disks["sda"].power_on_hours, disks["sda"].failing) == (5, False)
    assert disks["nvme0n1"].wear_ratio is None
    assert {each.field: each.status for each in result.missing}["storage.nvme0n1.health"] is Status.ERROR


def test_a_recording_of_a_recording_holds_the_same(tmp_path: Path) -> None:
    good = compose(ata_attributes=sector((9, 90, 5))).decode()
    mounts = (
        "1 0 0:34 / / rw - btrfs /dev/mapper/jsmith-root rw\n2 1 8:1 / /home/jsmith rw - ext4 /dev/sda1 rw\n"
    )
    root = machine(tmp_path, roadworthy__smart__sda_json=good, proc__self__mountinfo=mounts)
    recorded = storage.record(Context.recorded(root))
    assert recorded["roadworthy/smart/sda.json"].decode() == good
    links = (root / "roadworthy/links").read_text()
    assert sorted(recorded["roadworthy/links"].decode().splitlines()) == sorted(links.splitlines())
    assert b"jsmith" not in b"".join(recorded.values())
