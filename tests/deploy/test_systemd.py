from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from roadworthy_agent.probes.startup.linux import relevant

UNITS = (
    "roadworthy-collector.service",
    "roadworthy-serve@.service",
    "roadworthy-jobs.service",
    "roadworthy-agent.service",
    "roadworthy-agent-log.service",
)
PROGRAMS = ("bin/roadworthy", "bin/roadworthy-agent", "lib/roadworthy-agent-open")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_no_fault(deploy: Path, tmp_path: Path, unit: str) -> None:
    """The programs of a unit have to be there, so this machine's /opt/roadworthy is a folder of the test."""
    for program in PROGRAMS:
        path = tmp_path / "opt" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    text = (deploy / "systemd" / unit).read_text("utf-8").replace("/opt/roadworthy", str(tmp_path / "opt"))
    (tmp_path / unit).write_text(text.replace(f"file:{tmp_path}", "file:/tmp"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in done.stderr.splitlines() if "roadworthy" in line]
    assert (done.returncode, about) == (0, [])


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_under_the_threshold(deploy: Path, unit: str) -> None:
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--threshold=25",
            "--no-pager",
            deploy / "systemd" / unit,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_agent_has_no_capability_and_one_privileged_step(deploy: Path) -> None:
    lines = (deploy / "systemd/roadworthy-agent.service").read_text("utf-8").splitlines()
    settings = [line for line in lines if not line.startswith("#")]
    assert "CapabilityBoundingSet=" in settings
    assert "DynamicUser=yes" in settings
    assert not any("CAP_" in line for line in settings)
    assert [line.partition("=")[0] for line in settings if "=+" in line] == ["ExecStartPre", "ExecStopPost"]


@pytest.fixture
def sys_tree(tmp_path: Path) -> Path:
    tables = tmp_path / "sys/firmware/dmi/tables"
    tables.mkdir(parents=True)
    for name in ("DMI", "smbios_entry_point"):
        (tables / name).write_bytes(name.encode())
        (tables / name).chmod(0o400)
    for zone in ("intel-rapl:0", "intel-rapl:0:0"):
        counter = tmp_path / "sys/class/powercap" / zone / "energy_uj"
        counter.parent.mkdir(parents=True)
        counter.write_text("42\n")
        counter.chmod(0o400)
    return tmp_path / "sys"


def run_helper(
    deploy: Path, tmp_path: Path, *arguments: str, sys: Path | None = None, log: Path | None = None
) -> Path:
    runtime = tmp_path / "runtime"
    runtime.mkdir(exist_ok=True)
    opened = tmp_path / "open"
    environment = {
        "PATH": os.environ["PATH"],
        "RUNTIME_DIRECTORY": str(runtime),
        "ROADWORTHY_SYS": str(sys or tmp_path / "sys"),
        "ROADWORTHY_OPEN": str(opened),
        "ROADWORTHY_DMESG": "false" if log is None else f"cat {log}",
    }
    subprocess.run([deploy / "systemd/roadworthy-agent-open", *arguments], env=environment, check=True)
    return opened


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_the_helper_opens_tables_and_counters_to_one_group(
    deploy: Path, tmp_path: Path, sys_tree: Path
) -> None:
    opened = run_helper(deploy, tmp_path)
    assert [mode(opened), mode(opened / "dmi")] == [0o750, 0o750]
    for name in ("DMI", "smbios_entry_point"):
        assert (opened / "dmi" / name).read_bytes() == name.encode()
        assert mode(opened / "dmi" / name) == 0o440
        assert (opened / "dmi" / name).stat().st_gid == (tmp_path / "runtime").stat().st_gid
    counters = list(sys_tree.glob("class/powercap/*/energy_uj"))
    assert [mode(counter) for counter in counters] == [0o440, 0o440]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file back to root's group")
def test_the_helper_closes_them_again(deploy: Path, tmp_path: Path, sys_tree: Path) -> None:
    opened = run_helper(deploy, tmp_path)
    assert run_helper(deploy, tmp_path, "--close") == opened
    assert not opened.exists()
    assert {mode(counter) for counter in sys_tree.glob("class/powercap/*/energy_uj")} == {0o400}


def test_a_machine_without_tables_or_counters_is_no_fault(deploy: Path, tmp_path: Path) -> None:
    opened = run_helper(deploy, tmp_path, sys=tmp_path / "nothing")
    assert list(opened.iterdir()) == []


def test_what_cannot_be_opened_is_said_and_keeps_nothing_else_closed(
    deploy: Path, tmp_path: Path, sys_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container /sys is read-only; an old firmware has no entry point there. The agent starts all the same."""
    refusing = tmp_path / "bin/chgrp"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(refusing.parent), prepend=os.pathsep)
    (sys_tree / "firmware/dmi/tables/smbios_entry_point").unlink()
    opened = run_helper(deploy, tmp_path)
    assert [path.name for path in (opened / "dmi").iterdir()] == ["DMI"]
    assert {mode(counter) for counter in sys_tree.glob("class/powercap/*/energy_uj")} == {0o400}
    run_helper(deploy, tmp_path, "--close")
    assert not opened.exists()


def test_the_agent_s_unit_waits_for_no_network(deploy: Path) -> None:
    """The start-up is finished when the last job is: one that waits for a network would be measured as its cause."""
    text = (deploy / "systemd/roadworthy-agent.service").read_text()
    assert "network-online.target" not in "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("#")
    )


LINES = """\
[    0.000000] Command line: BOOT_IMAGE=/vmlinuz root=UUID=0c7e8a6e-1111-2222-3333-444455556666 ro
[    0.463547] Run /init as init process
[    0.463600]   with arguments:
[    2.063547][    T1] Run /sbin/init as init process
[    2.100000] 001: EXT4-fs (dm-0): recovery complete
[    2.200000] XFS (sda2): Starting recovery (logdev: internal)
[    3.000000] usb 1-4: SerialNumber: 4C530001230523105203
[    4.000000] wlp1s0: deauthenticating from f0:b0:14:18:bd:40 by local choice (Reason: 3=DEAUTH_LEAVING)
[    5.000000] jsmith: PM: suspend exit
[  217.939227] PM: suspend entry (deep)
[  217.946056] Filesystems sync: 0.006 seconds
[  218.278066] ACPI: EC: interrupt blocked
[  218.348723] ACPI: Low-level resume complete
[  218.348724] ACPI: PM: Low-level resume complete
[  218.350000] Enabling non-boot CPUs ...
[  218.360000] PM: Timekeeping suspended for 95.416 seconds
[  219.448723] PM: suspend exit
[ 1300.000000] PM: suspend entry (s2idle)
[ 1301.000000] ACPI: EC: interrupt unblocked
[ 1302.000000] PM: suspend exit jsmith
[12345.678901] PM: hibernation: hibernation entry
[123456.789012] ACPI: PM: Waking up from system sleep state S4
[123457.000000] PM: hibernation exit
no record at all: PM: suspend exit
"""


def test_of_the_kernels_log_the_helper_copies_what_the_probe_keeps_and_no_other_line(
    deploy: Path, tmp_path: Path
) -> None:
    log = tmp_path / "dmesg"
    log.write_text(LINES)
    copy = run_helper(deploy, tmp_path, log=log) / "kernel-log"
    kept = copy.read_text()
    assert relevant(kept) == relevant(LINES)
    assert len(kept.splitlines()) == len(relevant(LINES).splitlines()) == 15
    assert mode(copy) == 0o640
    assert copy.stat().st_gid == (tmp_path / "runtime").stat().st_gid
    assert [each.name for each in copy.parent.iterdir()] == ["kernel-log"]


def test_after_a_waking_the_helper_adds_what_the_kernel_says_of_it_and_touches_nothing_else(
    deploy: Path, tmp_path: Path
) -> None:
    first, later = tmp_path / "first", tmp_path / "later"
    first.write_text("".join(LINES.splitlines(keepends=True)[:4]))
    later.write_text(LINES)
    assert not run_helper(deploy, tmp_path, "--wake", log=later).exists()  # while the agent does not run
    opened = run_helper(deploy, tmp_path, log=first)
    held = (opened / "kernel-log").read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    (opened / "kernel-log.wake").symlink_to(elsewhere)
    run_helper(deploy, tmp_path, "--wake", log=later)
    assert (opened / "kernel-log").read_bytes() == held
    assert not (opened / "kernel-log.wake").is_symlink()
    assert relevant((opened / "kernel-log.wake").read_text()) == relevant(LINES)
    assert elsewhere.read_text() == "untouched"
    run_helper(deploy, tmp_path, "--wake")  # no log this time: what is there stays
    assert {each.name for each in opened.iterdir()} == {"kernel-log", "kernel-log.wake"}


def test_the_unit_for_wakings_waits_for_every_way_to_sleep(deploy: Path) -> None:
    lines = (deploy / "systemd/roadworthy-agent-log.service").read_text("utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    targets = {"suspend.target", "hibernate.target", "hybrid-sleep.target", "suspend-then-hibernate.target"}
    assert set(values["After"].split()) == set(values["WantedBy"].split()) == targets
    assert values["CapabilityBoundingSet"] == "CAP_SYSLOG CAP_CHOWN"


def test_the_helper_needs_the_units_folder(deploy: Path) -> None:
    done = subprocess.run(
        [deploy / "systemd/roadworthy-agent-open"],
        env={"PATH": os.environ["PATH"], "ROADWORTHY_OPEN": "/nonexistent/open"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "RuntimeDirectory=" in done.stderr


def test_the_helper_is_plain_shell(deploy: Path) -> None:
    shell = shutil.which("dash") or "/bin/sh"
    subprocess.run([shell, "-n", deploy / "systemd/roadworthy-agent-open"], check=True)
