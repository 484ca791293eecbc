"""Any bytes in any file: the probe never raises, and a figure that is missing is never a zero."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from agent.probes.power_devices import HandClock
from devices.replay import DEVICES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.probes.power import linux
from roadworthy_agent.reading import PowerReading, Status

BYTES = st.one_of(
    st.binary(max_size=40),
    st.integers(-(10**20), 10**20).map(lambda number: b"%d\n" % number),
    st.sampled_from(
        [b"", b"\n", b"0\n", b"nan\n", b"\xff\xfe", b"4294967295000\n", b"x" * 5000, b"Discharging\n"]
    ),
)
WITH_POWER = (
    "node_exporter_fixtures",
    "intel_core-ultra-7-265h",
    "amd_threadripper-1950x",
    "server_acpi-power-meter",
    "server_dcmi",
    "lenovo_thinkpad-power-bridge",
)
TREES = {
    name: [
        file.relative_to(DEVICES / name / "root")
        for folder in ("sys/class/powercap", "sys/class/hwmon", "sys/class/power_supply", "roadworthy")
        for file in sorted((DEVICES / name / "root" / folder).rglob("*"))
        if file.is_file()
    ]
    for name in WITH_POWER
}
CHANGES = st.sampled_from(WITH_POWER).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.dictionaries(st.sampled_from(TREES[name]), BYTES | st.none(), min_size=1, max_size=8),
    )
)


def honest(result: ProbeResult[PowerReading]) -> None:
    assert result.status is Status.OK or result.reason
    assert result.value is not None
    assert len({meter.scope for meter in result.value.meters}) == len(result.value.meters)
    for meter in result.value.meters:
        assert meter.registers
        for register in meter.registers:
            assert register.microjoules is None or register.microjoules >= 0
            assert register.watts is None or 0 < register.watts <= (register.most_watts or 0)
        keys = [register.key for register in meter.registers]
        assert len(keys) == len(set(keys))
    assert all(each.reason for each in result.value.refused)
    assert all(each.reason and each.status is not Status.OK for each in result.missing)
    battery = result.value.battery
    assert battery is None or battery.watts is None or (battery.discharging and battery.watts > 0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES)
def test_a_recorded_device_with_anything_in_its_files(changes: tuple[str, dict[Path, bytes | None]]) -> None:
    name, files = changes
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        shutil.copytree(DEVICES / name / "root", root)
        for path, data in files.items():
            if data is None:
                (root / path).unlink()
            else:
                (root / path).write_bytes(data)
        honest(linux.collect(Context.recorded(root)))


@pytest.mark.skipif(sys.platform == "win32", reason="live files of Linux are read with pread")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES, st.floats(-5, 1000), st.floats(0, 100))
def test_a_live_device_whose_files_change_between_two_readings(
    changes: tuple[str, dict[Path, bytes | None]], passed: float, slept: float
) -> None:
    name, files = changes
    with tempfile.TemporaryDirectory() as folder:
        root, clock = Path(folder) / "root", HandClock()
        shutil.copytree(DEVICES / name / "root", root)
        sampler = linux.Sampler(Context(root=root, clock=clock))
        honest(sampler.read())
        for path, data in files.items():
            if data is None:
                (root / path).unlink()
            else:
                (root / path).write_bytes(data)
        clock.up, clock.asleep = clock.up + passed, clock.asleep + slept
        honest(sampler.read())
        sampler.close()
