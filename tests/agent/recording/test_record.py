"""A recording holds no name of the device or a person, and tells what the device tells."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from devices.replay import folders
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.cli import main
from roadworthy_agent.errors import RecordError
from roadworthy_agent.probe import Context, recorded_platform
from roadworthy_agent.probes.hardware.smbios import parse_entry_point
from roadworthy_agent.probes.startup.names import reduce_name
from roadworthy_agent.recording import harvest, shapes
from roadworthy_agent.recording.record import Recording, record
from roadworthy_agent.recording.replace import Replacer, Secret
from roadworthy_agent.recording.stand_ins import StandIns

SERIAL = "PLNT4Z1TED"
HOST = "planted-pc-0815"
MAC = "3c:52:82:aa:bb:17"
USER = "jplanted"
SSID = "Planted Cafe WLAN"
SUPPRESSED = "planted-vpn.service"
PLANTED = (SERIAL, HOST, MAC, USER, SSID, SUPPRESSED)
FOLDERS = [pytest.param(folder, id=folder.name) for folder in folders()]
SYSTEMD = [
    pytest.param(folder, id=folder.name)
    for folder in folders()
    if (folder / "root/roadworthy/systemd.json").exists()
]
LINUX = [
    pytest.param(folder, id=folder.name)
    for folder in folders()
    if recorded_platform(folder / "root") == "linux"
]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(tmp_path / "state"))


def spellings() -> list[bytes]:
    """Return every way in which a planted name may stand in a file."""
    texts = [each for name in PLANTED for each in (name, name.upper(), name.lower(), name.swapcase())]
    bare = MAC.replace(":", "")
    texts += [MAC.replace(":", "-"), MAC.replace(":", "-").upper(), bare, bare.upper()]
    texts += [name.replace("-", r"\x2d").replace(" ", r"\x20") for name in PLANTED]
    texts += [name.replace("-", r"\\x2d").replace(" ", "_") for name in PLANTED]
    found = [text.encode(encoding) for text in texts for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
    found += [text.encode(encoding).hex().encode() for text in texts for encoding in ("utf-8", "utf-16-le")]
    return [*found, bytes.fromhex(bare), bytes.fromhex(bare)[::-1]]


def plant(root: Path) -> list[Path]:
    """Put the names where a device of any platform has them; return those files."""
    texts = {
        "etc/hostname": f"{HOST}\n",
        "proc/sys/kernel/hostname": f"{HOST}\n",
        "etc/passwd": f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:1001:1001:J. Planted:/home/{USER}:/bin/bash\n",
        "sys/class/dmi/id/product_serial": f"{SERIAL}\n",
        "sys/class/net/eth0/address": f"{MAC}\n",
        f"etc/NetworkManager/system-connections/{SSID}.nmconnection": "psk=never read\n",
        f"home/{USER}/.keep": "",
        "roadworthy/planted.json": json.dumps({"serial_number": SERIAL}),
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return [root / path for path in texts]


def copied(folder: Path, tmp_path: Path) -> Path:
    root = tmp_path / "root"
    shutil.copytree(folder / "root", root, symlinks=True)
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def everything(folder: Path) -> bytes:
    """Return the paths and contents of a recording in one."""
    parts = [str(path.relative_to(folder)).encode() for path in folder.rglob("*")]
    parts += [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(parts)


def survivors(found: bytes) -> list[bytes]:
    lowered = found.lower()
    return [each for each in spellings() if each in found or (each.isascii() and each.lower() in lowered)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_planted_name_survives_in_any_source_in_any_spelling(folder: Path, tmp_path: Path) -> None:
    root = copied(folder, tmp_path)
    homes = plant(root)
    noise = b"\n" + b"\n".join(b"x " + each + b" y" for each in spellings()) + b"\n"
    for path in [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]:
        if path not in homes:
            path.write_bytes(path.read_bytes() + noise)
    made = tmp_path / "recording"
    record(made, Context.recorded(root), [SUPPRESSED])
    found = everything(made)
    assert len(found) > 1000
    assert survivors(found) == []
    assert b"never read" not in found


@pytest.mark.parametrize("folder", SYSTEMD)
def test_names_of_units_places_and_disks_are_replaced_where_nobody_lists_them(
    folder: Path, tmp_path: Path
) -> None:
    root = copied(folder, tmp_path)
    state = root / "roadworthy/systemd.json"
    document = json.loads(state.read_text())
    odd = (
        f"netctl@{SSID.replace(' ', chr(92) + 'x20')}.service", f"home-{USER}.mount", f"mnt-{HOST}.mount",
        rf"dev-disk-by\x2did-ata\x2dSSD_{SERIAL}.device", f"openvpn-client@{USER}.service",
    )  # fmt: skip
    document["units"] |= {name: [10_000_000, 11_000_000, 0, 0] for name in odd}
    document["running_jobs"] = [*(document.get("running_jobs") or ()), *odd]
    state.write_text(json.dumps(document))
    made = tmp_path / "recording"
    record(made, Context.recorded(root))
    assert survivors(everything(made)) == []


def told(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the report of a tree without what no recording can keep: digests, and this agent's own state."""
    assert main(["once", "--json", "--root", str(root)]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    report["facts"].pop("fingerprint", None)
    for probe in report["probes"]:
        probe.pop("duration_seconds")
        probe.pop("checked_at", None)
    for name in ("agent", "sent_at"):
        report.pop(name)
    report["now"].pop("at")
    report["now"].pop("start")
    for startup in report.get("startups", ()):
        startup.pop("started_at")
    return report


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_recording_tells_the_same_but_for_the_stand_ins(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = record(tmp_path / "recording", Context.recorded(folder / "root"))
    before = told(folder / "root", capsys)
    after = told(tmp_path / "recording", capsys)
    assert after == json.loads(made.replacer.text(json.dumps(before, ensure_ascii=False)))


def test_this_machine_is_recorded_by_the_command_and_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "recording"
    assert main(["record", str(made)]) == 0
    said = capsys.readouterr().out
    assert f"of this Linux device to {made}:" in said
    assert "Look at the files before you share them" in said
    for path in (made, *made.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert main(["once", "--json", "--root", str(made)]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["os"]["family"] == "linux"
    assert main(["record", str(made)]) == 1
    assert "is not empty; name a folder that is empty or not there yet" in capsys.readouterr().err


def test_one_probe_is_recorded_and_json_names_no_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", str(tmp_path / "one"), "--probe", "os", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "etc/os-release" in said["files"]
    assert not any(path.startswith("sys/block") for path in said["files"])
    assert {"folder", "platform", "files", "size_bytes", "left_out", "replaced"} == set(said)
    assert main(["record", str(tmp_path / "two"), "--probe", "nonsense"]) == 2
    assert "no probe is called 'nonsense'" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write there"):
        record(tmp_path / "file/below", Context.recorded(tmp_path))


def test_what_could_not_be_read_answers_the_same_when_replayed(tmp_path: Path) -> None:
    root = copied(next(folder for folder in folders() if "a485" in folder.name), tmp_path)
    made: Recording = record(tmp_path / "recording", Context.recorded(root))
    listed = (root / "roadworthy/unreadable").read_text().split()
    kept = (tmp_path / "recording/roadworthy/unreadable").read_text().split()
    assert {path.lstrip("/") for path in listed} <= set(kept)
    assert any(each.why == "no permission" for each in made.left_out)


# Single shapes


def one_replacer(*names: str) -> Replacer:
    return Replacer([Secret(name) for name in names], StandIns(b"key"))


@pytest.mark.parametrize(
    "name",
    [
        "ssh.service", "user@1000.service", "home-jsmith.mount", "boot-efi.mount", "dev-sda2.device", "-.mount",
        r"dev-disk-by\x2did-nvme\x2dWDS200T1X0E_20515N800199.device", "openvpn-client@jsmith.service",
        "modprobe@fuse.service", "getty@tty1.service", r"systemd-cryptsetup@luks\x2dhome.service",
        "snap-core20-1234.mount", "app-3f2a9c01deadbeef.service", "swapfile.swap", "graphical.target", "odd",
        r"sys-devices-pci0000:00-0000:00:1f.6-net-enp0s31f6.device", "session-2.scope",
        "cups-12345678.service",
    ],
)  # fmt: skip
def test_a_unit_s_recorded_name_is_reduced_to_the_same(name: str) -> None:
    recorded = shapes.unit_name(name, one_replacer("hq-dt-0042"))
    assert reduce_name(recorded) == reduce_name(name)
    assert len(recorded) == len(name)
    assert name.startswith("systemd-cryptsetup@") == recorded.startswith("systemd-cryptsetup@")


EDID = bytes.fromhex(
    "00ffffffffffff0010ac16f04c4534312c130103803420782eeaf5a6554da0250d5054a54b008180a940d100714f0101010101010101"
    "283c80a070b023403020360006442100001a000000ff004632304b4a2038424145374c0a000000fc0044454c4c2055323431304a0a20"
    "000000fd00384c1e5311000a20202020202000"
)


def test_an_edid_stays_valid_without_its_serial_numbers() -> None:
    data = shapes.edid_checksums((EDID + bytes(128))[:128])
    changed = shapes.sanitised("sys/class/drm/card0-DP-1/edid", data, one_replacer())
    assert len(changed) == 128
    assert sum(changed) % 256 == 0
    assert changed[12:16] != data[12:16]
    assert b"F20KJ 8BAE7L" not in changed
    assert b"DELL U2410" in changed
    as_text = json.dumps({"monitor": {"hex": data.hex()}}).encode()
    within = json.loads(shapes.sanitised("roadworthy/registry.json", as_text, one_replacer()))
    assert bytes.fromhex(within["monitor"]["hex"]) == changed


def test_base64_of_a_property_list_is_looked_into() -> None:
    text = b"<key>blob</key>\n<data>\n\tUExOVDRaMVRFRAA=\n</data>"
    changed = shapes.sanitised("roadworthy/registry/Root.plist", text, one_replacer(SERIAL))
    assert b"UExOVDRaMVRFRAA=" not in changed
    assert shapes.sanitised("x.plist", text, one_replacer("another")) == text


@pytest.mark.parametrize("folder", [each for each in LINUX if (each.values[0] / "smbios.json").exists()])
def test_smbios_entry_points_stay_valid(folder: Path) -> None:
    entry = (folder / "root/sys/firmware/dmi/tables/smbios_entry_point").read_bytes()
    assert shapes.sanitised("smbios_entry_point", entry, one_replacer("zzzz")) == entry
    parse_entry_point(shapes.sanitised("smbios_entry_point", entry, one_replacer("zzzz")))


def test_process_one_s_environment_the_log_and_mounts_are_cut_to_what_is_read() -> None:
    environment = b"container=lxc\0TOKEN=secret\0HOME=/root\0"
    assert shapes.needed("proc/1/environ", environment) == b"container=lxc\0"
    log = b"[    1.000000] usb: SerialNumber: X\n[    2.000000] Run /sbin/init as init process\n"
    assert shapes.needed("roadworthy/dmesg", log).splitlines() == log.splitlines()[1:]
    mounts = b"25 1 8:2 / / rw - ext4 /dev/sda2 rw\n9 25 0:1 / /media/jo/STICK rw - vfat /dev/sdb1 rw\n"
    assert shapes.needed("proc/self/mountinfo", mounts) == mounts.splitlines(keepends=True)[0]


def found_in(path: str, text: str) -> set[str]:
    return {each.text for each in harvest.of_files({path: text.encode()})}


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("sys/block/sda/device/wwid", "naa.5000c500a1b2c3d4\n", {"5000c500a1b2c3d4"}),
        ("sys/block/sda/device/wwid", "t10.ATA     Samsung SSD 850  S2R5NB0J12\n", {"S2R5NB0J12"}),
        ("roadworthy/nvme.json", '{"serial_number": "S4EVNF0M5", "size": 1}', {"S4EVNF0M5"}),
        ("sys/class/power_supply/BAT0/uevent", "POWER_SUPPLY_SERIAL_NUMBER=04711\nX=1\n", {"04711"}),
        ("roadworthy/a.plist", "<key>serial-number</key>\n<string>C02XK1ABJG5H</string>", {"C02XK1ABJG5H"}),
        ("roadworthy/events/S.xml", "<Computer>PC-7.police.example</Computer>", {"PC-7", "police.example"}),
        ("roadworthy/events/S.xml", "<Data Name='TargetUserName'>JSmith9</Data>", {"JSmith9"}),
        ("roadworthy/events/S.xml", "<Security UserID='S-1-5-21-11-22-33-1001'/>", {"11-22-33"}),
        ("roadworthy/events/S.xml", "<Data Name='BootUserProfileProcessingTime'>1234</Data>", set()),
        ("roadworthy/events/S.xml", "<Data Name='UserName'>NT AUTHORITY</Data>", set()),
        ("roadworthy/registry.json", r'{"p": "C:\\Users\\jplanted\\App"}', {"jplanted"}),
        ("proc/cpuinfo", "Hardware\t: BCM2835\nSerial\t\t: 10000000abcdef12\n", {"10000000abcdef12"}),
        ("proc/cmdline", "root=UUID=4c4c4544-0042-3510-8052-b4c04f503432 ip=10.1.2.3",
         {"4c4c4544-0042-3510-8052-b4c04f503432", "10.1.2.3"}),
        ("etc/os-release", 'VERSION="6.1.0.13"\nID=debian\n', set()),
        ("sys/class/dmi/id/product_serial", "To Be Filled By O.E.M.\n", set()),
        ("sys/class/net/lo/address", "00:00:00:00:00:00\n", set()),
        ("dev/disk/by-id/wwn-0x5000c500a1b2c3d4", "", {"0x5000c500a1b2c3d4"}),
    ],
)  # fmt: skip
def test_names_are_found_where_they_stand(path: str, text: str, expected: set[str]) -> None:
    assert found_in(path, text) == expected


def test_accounts_of_people_are_found_and_the_system_s_are_not() -> None:
    accounts = (
        "root:x:0:0:root:/root:/bin/sh\nsshd:x:110:65534::/run/sshd:/bin/false\n"
        "jsmith:x:1000:1000:Jane Smith,,,:/home/jane:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n"
        "svc:x:990:990::/home/backup7:/bin/sh\nubuntu:x:1001:1001:Ubuntu:/home/ubuntu:/bin/bash\n"
    )
    assert {each.text for each in harvest.of_accounts(accounts, ["lost+found", "kate"])} == {
        "jsmith", "jane", "Jane Smith", "svc", "backup7", "kate",
    }  # fmt: skip


@given(st.binary(max_size=400))
def test_no_file_is_too_odd_to_be_recorded(data: bytes) -> None:
    for path in ("etc/passwd", "proc/self/mountinfo", "proc/1/environ", "roadworthy/dmesg", "x/edid",
                 "sys/firmware/dmi/tables/DMI", "roadworthy/systemd.json", "x/smbios_entry_point", "a.plist"):  # fmt: skip
        list(harvest.of_files({path: data}))
        shapes.sanitised(path, shapes.needed(path, data), one_replacer(SERIAL))


PEOPLES_OWN = {
    "sys/class/power_supply/hid-aa:bb:cc:12:34:56-battery/type": (b"Battery\n", b"aa:bb:cc:12:34:56"),
    "sys/class/power_supply/hid-aa:bb:cc:12:34:57-battery/model_name": (b"Qwendolyn's Mouse\n", b"Qwendolyn"),
    "sys/class/net/enx0a1b2c3d9988/type": (b"1\n", b"0a1b2c3d9988"),  # with another address in use
    "sys/class/net/wg-zqoffice/type": (b"1\n", b"zqoffice"),
    "sys/block/sda/device/vpd_pg80": (b"\0\x80\0\x10   SCSIQ7766554433", b"SCSIQ7766554433"),
    "proc/1/cgroup": (b"0::/machine.slice/machine-zqvmname.scope\n", b"zqvmname"),
    "etc/os-release": (b'ID=debian\nHOME_URL="https://zqforce.example"\n', b"zqforce"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="a colon is no file name there")
def test_what_people_named_and_what_is_named_after_an_address_does_not_survive(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    for path, (data, _name) in PEOPLES_OWN.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    record(out, Context(root=root, platform="linux"))
    found = b"\n".join(
        str(path.relative_to(out)).encode() + b"\n" + (path.read_bytes() if path.is_file() else b"")
        for path in out.rglob("*")
    ).lower()
    assert [name for _data, name in PEOPLES_OWN.values() if name.lower() in found] == []
    assert b"scsiq" not in found
    assert b"id=debian" in found
    assert len(list(out.glob("sys/block/*/device/vpd_pg80"))) == 1
