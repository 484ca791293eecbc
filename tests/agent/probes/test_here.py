"""The probes on the machine the tests run on: whatever it is, each answer is honest about itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from roadworthy_agent.probe import Context, ProbeResult, Status, run
from roadworthy_agent.probes import PROBES, environment
from roadworthy_agent.probes.tree import Tree, whole_number

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads this machine's /proc and /sys")


@pytest.fixture(scope="module")
def here() -> dict[str, ProbeResult[Any]]:
    return {name: run(probe, Context()) for name, probe in PROBES.items()}


def test_the_table_and_the_modules_agree() -> None:
    assert list(PROBES) == [
        *("os", "hardware", "storage", "battery"),
        *("startup", "signin", "state", "power", "utilisation"),
    ]
    for name, probe in PROBES.items():
        assert name == probe.NAME
        assert probe.WHAT.endswith(".")


@linux_only
def test_whatever_is_not_ok_says_why(here: dict[str, ProbeResult[Any]]) -> None:
    for name, result in here.items():
        assert result.probe == name
        assert result.status is not Status.ERROR, result.reason
        assert result.status is Status.OK or result.reason, name
        assert all(each.reason and each.status is not Status.OK for each in result.missing), name


@linux_only
def test_the_kernel_and_the_processor_are_this_machines(here: dict[str, ProbeResult[Any]]) -> None:
    assert here["os"].value.kernel == Path("/proc/sys/kernel/osrelease").read_text().strip()
    facts = here["hardware"].value.facts
    assert facts.cpu.threads == Path("/proc/cpuinfo").read_text().count("\nprocessor") + 1
    assert facts.memory.total_bytes > 0
    assert facts.environment == environment.detect(Tree(Path("/"))).kind


@linux_only
def test_the_start_up_of_this_boot_is_told(here: dict[str, ProbeResult[Any]]) -> None:
    (record,) = here["startup"].value
    assert record.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert record.source
    assert all(phase.source for phase in record.phases)


@linux_only
def test_nothing_missing_is_a_zero(here: dict[str, ProbeResult[Any]]) -> None:
    facts = here["hardware"].value.facts
    for value in (facts.cpu.max_mhz, facts.cpu.cores, facts.chassis_type, facts.memory.total_bytes):
        assert value is None or value > 0
    for disk in here["storage"].value.disks if here["storage"].value else ():
        assert disk.size_bytes is None or disk.size_bytes > 0


def test_a_platform_without_a_reader_is_a_status_with_a_reason() -> None:
    for name, probe in PROBES.items():
        result = probe.collect(Context(platform="sunos5"))
        assert (result.status, result.value) == (Status.NOT_SUPPORTED, None)
        assert result.reason == f"the {name} probe has no reader for sunos5"


def test_reading_a_file_keeps_the_reason_of_each_blank(tmp_path: Path) -> None:
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / "roadworthy/unreadable").write_text("/secret\n")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "blank").write_text(" \n")
    (tmp_path / "bytes").write_bytes(b"LNV-45N1\xff\0\n")
    tree = Tree(tmp_path)
    assert (tree.read("secret").data, tree.read("secret").status) == (None, Status.NO_PERMISSION)
    assert (tree.read("absent").status, tree.text("blank")) == (Status.NOT_SUPPORTED, None)
    assert tree.read("blank/below").status is Status.NOT_SUPPORTED
    assert tree.read("roadworthy").status is Status.ERROR
    assert tree.text("bytes") == "LNV-45N1\ufffd"
    assert tree.read("secret", limit=1).missing("f").reason == "/secret: Permission denied"
    assert tree.names("absent") == []


@pytest.mark.parametrize(
    ("text", "number"), [("12\n", 12), ("-1", -1), ("", None), ("1.5", None), ("²", None), (None, None)]
)
def test_whole_numbers(text: str | None, number: int | None) -> None:
    assert whole_number(text) == number
