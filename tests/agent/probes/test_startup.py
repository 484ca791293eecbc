"""The arithmetic of start-ups: systemd's, the firmware's, the kernel's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.environment import Environment
from roadworthy_agent.probes.startup import firmware, kernel
from roadworthy_agent.probes.startup.factors import unit_time
from roadworthy_agent.probes.startup.parse import Around, from_kernel, from_systemd
from roadworthy_agent.probes.startup.state import NEVER, SystemdState, UnitTimes, from_json, to_json
from roadworthy_agent.report import StartupRecord

S = 1_000_000
PHYSICAL = Around(boot_id="b", where=Environment("physical"), now_boottime=100.0, away=3600.0)
MANAGER = {
    "FirmwareTimestampMonotonic": 12 * S,
    "LoaderTimestampMonotonic": 4 * S,
    "InitRDTimestampMonotonic": 2 * S,
    "UserspaceTimestampMonotonic": 5 * S,
    "FinishTimestampMonotonic": 25 * S,
    "SecurityStartTimestampMonotonic": 5 * S,
    "SoftRebootStartTimestampMonotonic": 0,
}
MARKS = {"default.target": 24 * S, "display-manager.service": 20 * S, "systemd-user-sessions.service": 15 * S}


def state(**changes: int) -> SystemdState:
    return SystemdState(manager=MANAGER | changes, marks=MARKS, default_target="graphical.target", now=60 * S)


def record(look: SystemdState, around: Around = PHYSICAL) -> StartupRecord:
    return from_systemd(look, around)[0]


def phases(look: SystemdState, around: Around = PHYSICAL) -> dict[str, float]:
    return {phase.name: phase.seconds for phase in record(look, around).phases}


def test_a_whole_start_up() -> None:
    found = record(state())
    assert phases(state()) == {
        "firmware": 8.0,
        "loader": 4.0,
        "kernel": 2.0,
        "initrd": 3.0,
        "userspace": 20.0,
    }
    assert (found.total_seconds, found.usable_seconds, found.began_boottime_seconds) == (37.0, 32.0, -12.0)
    assert (found.quality, found.final, found.kind, found.start_id) == ("measured", True, "unknown", "b:0")
    assert found.reason is None


def test_without_initrd_the_kernel_lasts_until_user_space() -> None:
    assert phases(state(InitRDTimestampMonotonic=0)) == {
        "firmware": 8.0, "loader": 4.0, "kernel": 5.0, "userspace": 20.0,
    }  # fmt: skip


def test_a_container_has_only_user_space_and_begins_with_it() -> None:
    around = replace(PHYSICAL, where=Environment("container", "systemd-nspawn"), init_started=1004.9)
    look = state(
        SecurityStartTimestampMonotonic=0, FirmwareTimestampMonotonic=0, LoaderTimestampMonotonic=0,
        InitRDTimestampMonotonic=0, UserspaceTimestampMonotonic=1005 * S, FinishTimestampMonotonic=1007 * S,
    )  # fmt: skip
    look = replace(look, marks={"systemd-user-sessions.service": 1006 * S})
    found = record(look, around)
    assert phases(look, around) == {"userspace": 2.0}
    assert (found.kind, found.environment, found.total_seconds, found.usable_seconds) == (
        "container",
        "container",
        2.0,
        1.0,
    )
    assert (found.began_boottime_seconds, found.start_id) == (1004.9, "b:container-1005")


def test_an_old_systemd_that_tells_no_security_instant_is_judged_by_its_surroundings() -> None:
    manager = {name: value for name, value in MANAGER.items() if not name.startswith("Security")}
    look = SystemdState(manager=manager, marks=MARKS)
    assert set(phases(look)) == {"firmware", "loader", "kernel", "initrd", "userspace"}
    assert set(phases(look, replace(PHYSICAL, where=Environment("container")))) == {"userspace"}


def test_a_soft_reboot_leaves_out_what_belongs_to_the_boot_before() -> None:
    look = state(
        SoftRebootStartTimestampMonotonic=100 * S,
        UserspaceTimestampMonotonic=103 * S,
        FinishTimestampMonotonic=110 * S,
    )
    look = replace(look, marks={"display-manager.service": 108 * S})
    found = record(look)
    assert phases(look) == {"soft_reboot": 3.0, "userspace": 7.0}
    assert (found.kind, found.total_seconds, found.usable_seconds) == ("soft_reboot", 10.0, 8.0)
    assert (found.began_boottime_seconds, found.start_id) == (100.0, "b:soft_reboot-100")


def test_an_unfinished_start_up_counts_until_its_target_was_reached() -> None:
    found = record(replace(state(FinishTimestampMonotonic=0), running_jobs=("slow.service",)))
    assert (found.quality, found.final, found.total_seconds) == ("unfinished", False, 12 + 5 + 19.0)
    assert "counted until graphical.target was reached" in (found.reason or "")


def test_an_unfinished_start_up_without_any_target_has_no_total() -> None:
    look = replace(state(FinishTimestampMonotonic=0), marks={})
    found, missing = from_systemd(look, PHYSICAL)
    assert (found.total_seconds, found.usable_seconds, found.quality) == (None, None, "unfinished")
    assert "userspace" not in phases(look)
    assert [each.field for each in missing] == ["startups.usable_seconds", "startups.kind"]


def test_half_an_hour_after_it_began_a_start_up_is_final_as_it_is() -> None:
    look = state(FinishTimestampMonotonic=0)
    assert not record(look, replace(PHYSICAL, now_boottime=1787.0)).final
    assert record(look, replace(PHYSICAL, now_boottime=1788.0)).final


def test_a_display_manager_restarted_later_says_nothing_of_the_start_up() -> None:
    look = replace(state(), marks=MARKS | {"display-manager.service": 5000 * S})
    assert record(look).usable_seconds == 27.0


def test_firmware_that_began_after_the_loader_is_missing_with_a_reason() -> None:
    look = state(FirmwareTimestampMonotonic=1 * S)
    found, missing = from_systemd(look, PHYSICAL)
    assert "firmware" not in {phase.name for phase in found.phases}
    assert (missing[0].field, missing[0].status) == ("startups.phases.firmware", Status.ERROR)


def test_the_firmwares_own_record_stands_in_where_systemd_has_none() -> None:
    look = state(FirmwareTimestampMonotonic=0, LoaderTimestampMonotonic=0)
    around = replace(PHYSICAL, fpdt=firmware.BootPerformance(firmware=6 * S, loader=1 * S))
    found = record(look, around)
    assert (phases(look, around)["firmware"], phases(look, around)["loader"]) == (6.0, 1.0)
    assert found.phases[0].source == "/sys/firmware/acpi/fpdt/boot"
    assert found.began_boottime_seconds == -7.0


@pytest.mark.parametrize(
    ("launch", "end", "expected"),
    [
        (6_123_456_789, 7_000_000_000, firmware.BootPerformance(6_123_456, 876_543)),
        (None, 7, "leaves no performance record"),
        (6, None, "leaves no performance record"),
        (6, 0, "UEFI"),
        (0, 7, "contradicts itself"),
        (8, 7, "contradicts itself"),
        (1, 3_600_000_000_001, "contradicts itself"),
    ],
)
def test_the_performance_record_is_checked(
    launch: int | None, end: int | None, expected: firmware.BootPerformance | str
) -> None:
    found = firmware.parse_fpdt(launch, end)
    assert found == expected or (isinstance(expected, str) and isinstance(found, str) and expected in found)


@pytest.mark.parametrize(
    ("seconds", "away", "counted", "quality"),
    [
        (30.0, 100.0, True, "measured"),
        (150.0, 100.0, True, "measured"),  # within the slack
        (161.0, 100.0, False, "suspect"),
        (1447.3, 215.0, False, "suspect"),
        (3601.0, 1e6, False, "suspect"),  # never over an hour, however long the device was off
        (3599.0, 1e6, True, "measured"),
        (30.0, None, True, "approximate"),
        (601.0, None, False, "suspect"),
    ],
)
def test_how_far_firmware_is_believed(
    seconds: float, away: float | None, *, counted: bool, quality: str
) -> None:
    verdict = firmware.believe(seconds, away)
    assert (verdict.counted, verdict.quality) == (counted, quality)
    assert verdict.quality == "measured" or verdict.reason


def test_a_sane_loader_counts_beside_a_firmware_that_cannot_be() -> None:
    told, loader = firmware.believe_both(1392.9, 54.4, 215.0)
    assert (told.counted, loader.counted) == (False, True)
    told, loader = firmware.believe_both(10.0, 5000.0, 215.0)
    assert (told.counted, loader.counted) == (False, False)


@pytest.mark.parametrize(
    ("kernel_started", "last_seen", "expected"),
    [(1000.0, 900.0, 100.0), (1000.0, None, None), (1000.0, 1030.0, 0.0), (10.0, 1_700_000_000.0, None)],
)
def test_how_long_the_device_was_away(
    kernel_started: float, last_seen: float | None, expected: float | None
) -> None:
    assert firmware.away_seconds(kernel_started, last_seen) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((10, 15, 0, 0), 5),
        ((10, 0, 0, 18), 8),  # a one-shot job that is done
        ((10, 5, 8, 9), 0),  # still starting again
        ((0, 15, 0, 0), 0),
        ((10, 10, 0, 0), 0),
    ],
)
def test_the_time_of_a_unit(times: tuple[int, int, int, int], expected: int) -> None:
    assert unit_time(UnitTimes("a.service", *times)) == expected


def test_units_of_the_boot_before_a_soft_reboot_do_not_count() -> None:
    assert unit_time(UnitTimes("a.service", 10, 15), soft_reboot=12) == 0
    assert unit_time(UnitTimes("a.service", 13, 15), soft_reboot=12) == 2


def unit(name: str, begin: float, seconds: float) -> UnitTimes:
    return UnitTimes(name, round(begin * S), round((begin + seconds) * S))


def test_contributing_factors_are_slowest_first_with_their_beginning() -> None:
    look = replace(
        state(),
        units=(
            unit("b.service", 10, 1),
            unit("a.service", 6, 9),
            unit("dev-sda1.device", 5.5, 3),
            unit("x.target", 6, 8),
        ),
    )
    assert [(f.kind, f.name, f.seconds, f.began_seconds) for f in record(look).factors] == [
        ("service", "a.service", 9.0, 18.0),  # 12 s of firmware and loader, then 6
        ("device", "dev-sda1.device", 3.0, 17.5),
        ("service", "b.service", 1.0, 22.0),
    ]


def test_a_unit_restarted_after_the_start_up_is_not_blamed() -> None:
    look = replace(state(), units=(unit("restarted.service", 400, 9),))
    assert record(look).factors == ()


def test_no_more_than_twenty_factors() -> None:
    look = replace(
        state(),
        units=tuple(
            unit(f"{letter}.service", 6, 1 + n / 100) for n, letter in enumerate("abcdefghijklmnopqrstuvwxyz")
        ),
    )
    factors = record(look).factors
    assert len(factors) == 20
    assert factors[0].name == "z.service"


def test_units_that_become_the_same_name_count_once_as_the_slowest() -> None:
    look = replace(state(), units=(unit("user@1000.service", 6, 1), unit("user@1001.service", 6, 2)))
    assert [(f.name, f.seconds) for f in record(look).factors] == [("user@.service", 2.0)]


def test_a_missing_disk_that_is_waited_for_is_named_by_its_kind() -> None:
    name = "dev-disk-by\\x2duuid-dbdb2fedbd1f.device"
    look = replace(state(FinishTimestampMonotonic=0), running_jobs=(name,))
    assert [(f.name, f.seconds) for f in record(look).factors] == [("dev-disk-by-uuid-*.device", None)]


def test_unlocking_a_disk_is_noted_on_the_phase_it_falls_into() -> None:
    look = replace(state(), units=(unit("systemd-cryptsetup@luks.service", 3, 1.5),))
    noted = {phase.name: phase.reason for phase in record(look).phases if "password" in (phase.reason or "")}
    assert set(noted) == {"loader", "initrd"}


INSTANTS = st.integers(0, 7200 * S)


@given(
    st.fixed_dictionaries(dict.fromkeys(MANAGER, INSTANTS)),
    st.none() | st.floats(0, 1e6),
    st.lists(st.tuples(INSTANTS, INSTANTS, INSTANTS, INSTANTS), max_size=30),
    st.dictionaries(st.sampled_from(sorted(MARKS)), INSTANTS),
)
def test_the_total_is_always_the_sum_of_the_counted_phases(
    manager: dict[str, int], away: float | None, units: list[tuple[int, int, int, int]], marks: dict[str, int]
) -> None:
    look = SystemdState(
        manager,
        tuple(UnitTimes(f"u{n}.service", *times) for n, times in enumerate(units)),
        marks,
        now=7200 * S,
    )
    found = record(look, replace(PHYSICAL, away=away))
    counted = [phase.seconds for phase in found.phases if phase.counted]
    if found.total_seconds is not None:
        assert found.total_seconds == pytest.approx(sum(counted), abs=1e-5)
    assert all(phase.seconds >= 0 for phase in found.phases)
    assert all(phase.quality == "suspect" for phase in found.phases if not phase.counted)
    assert len(found.factors) <= 20
    assert all((factor.seconds or 0) >= 0 and (factor.began_seconds or 0) >= 0 for factor in found.factors)
    waits = [factor.seconds for factor in found.factors if factor.seconds is not None]
    assert waits == sorted(waits, reverse=True)


def test_a_recorded_state_comes_back_as_it_was() -> None:
    look = replace(state(), units=(unit("a.service", 6, 9),), running_jobs=("b.service",))
    assert from_json(to_json(look)) == look


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "holds no object"),
        ('{"manager": []}', "`manager` is no object"),
        ('{"manager": {"FinishTimestampMonotonic": -1}}', "no count of microseconds"),
        ('{"manager": {"FinishTimestampMonotonic": true}}', "no count of microseconds"),
        ('{"units": {"a.service": [1, 2]}}', "a list of four instants"),
        ('{"units": {"a.service": [1, 2, 3, "x"]}}', "no count of microseconds"),
        ('{"now": "soon"}', "no count of microseconds"),
    ],
)
def test_a_broken_recorded_state_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ProbeError, match=message):
        from_json(text)


def test_an_instant_that_never_was_is_no_instant() -> None:
    assert SystemdState({"FinishTimestampMonotonic": NEVER}).at("FinishTimestampMonotonic") == 0


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("[    0.060286] Run /sbin/init as init process\n[    0.060286]   with arguments:\n", 0.060286),
        ("[    2.060279][ 3] Run /sbin/init as init process\n", 2.060279),
        ("[   14.150126] 000: Run /sbin/init as init process\n", 14.150126),
        ("6,553,463547,-;Run /process as init process\n SUBSYSTEM=x\n", 0.463547),
        # the last candidate is the one that ran
        (
            "[    1.512696] Run /sbin/init as init process\n[    1.513360] Run /etc/init as init process\n",
            1.513360,
        ),
        # said by a program (facility 1), not by the kernel
        ("14,600,900000,-;Run /sbin/init as init process\n", None),
        ("[    1.0] systemd[1]: Run /sbin/init as init process\n", None),
        ("[    1.5] Freeing unused kernel memory\n", None),
        ("", None),
    ],
)
def test_when_the_kernel_handed_over(log: str, expected: float | None) -> None:
    assert kernel.parse_hand_over(log) == expected


@given(st.text(max_size=200))
def test_any_log_and_any_process_is_survived(text: str) -> None:
    kernel.parse_hand_over(text)
    kernel.parse_process_start(text)


def process(number: int, name: str, parent: int, ticks: int) -> str:
    return f"{number} ({name}) S {parent} " + " ".join(["0"] * 17) + f" {ticks} 0 0"


def test_the_earliest_program_is_neither_init_nor_a_thread_of_the_kernel() -> None:
    stats = [
        process(1, "systemd", 0, 2), process(2, "kthreadd", 0, 2), process(9, "kworker/0:1", 2, 3),
        process(77, "evil) S 1 (name", 1, 250), process(80, "sshd", 1, 900), "garbage",
    ]  # fmt: skip
    assert kernel.earliest_user_process(stats) == 2.5
    assert kernel.earliest_user_process([]) is None


def test_without_systemd_the_part_up_to_init_is_known_and_no_more() -> None:
    found, missing = from_kernel(0.46, "/dev/kmsg", "measured", PHYSICAL)
    assert [(phase.name, phase.seconds) for phase in found.phases] == [("kernel", 0.46)]
    assert (found.total_seconds, found.usable_seconds, found.final, found.quality) == (
        None,
        None,
        True,
        "measured",
    )
    assert found.reason
    assert [each.field for each in missing] == ["startups.phases.firmware", "startups.kind"]


def without_systemd(root: Path, files: dict[str, str]) -> Context:
    for path, text in {"proc/uptime": "500.0 900.0", **files}.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Context.recorded(root)


def test_a_recorded_log_gives_the_kernels_part(tmp_path: Path) -> None:
    files = {
        "roadworthy/dmesg": "[    2.891475] Run /sbin/init as init process\n",
        "sys/firmware/acpi/fpdt/boot/bootloader_launch_ns": "5000000000\n",
        "sys/firmware/acpi/fpdt/boot/exitbootservice_end_ns": "5500000000\n",
    }
    result = PROBES["startup"].collect(without_systemd(tmp_path, files))
    (found,) = result.value
    assert [(phase.name, phase.seconds) for phase in found.phases] == [
        ("firmware", 5.0), ("loader", 0.5), ("kernel", 2.891475),
    ]  # fmt: skip
    assert (result.status, found.quality) == (Status.NOT_SUPPORTED, "measured")
    assert result.reason
    assert found.began_boottime_seconds == -5.5


def test_a_log_nobody_may_read_falls_back_to_the_earliest_program_and_says_so(tmp_path: Path) -> None:
    files = {
        "roadworthy/unreadable": "roadworthy/dmesg\n",
        "roadworthy/dmesg": "not for us",
        "proc/1/stat": process(1, "init", 0, 1),
        "proc/300/stat": process(300, "syslogd", 1, 420),
    }
    result = PROBES["startup"].collect(without_systemd(tmp_path, files))
    (found,) = result.value
    assert [(phase.name, phase.seconds, phase.quality) for phase in found.phases] == [
        ("kernel", 4.2, "approximate")
    ]
    assert (found.source, found.quality) == ("/proc/*/stat", "approximate")
    assert ("startups.phases.kernel", Status.NO_PERMISSION) in {
        (each.field, each.status) for each in result.missing
    }


def test_nothing_at_all_is_a_record_with_no_phase_and_a_reason(tmp_path: Path) -> None:
    result = PROBES["startup"].collect(without_systemd(tmp_path, {}))
    (found,) = result.value
    assert (found.phases, found.total_seconds, found.quality) == ((), None, "approximate")
    assert "only its beginning is known" in (result.reason or "")


def test_the_last_sample_of_a_recorded_tree_bounds_its_firmware(tmp_path: Path) -> None:
    manager = MANAGER | {"FirmwareTimestampMonotonic": 400 * S}
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / "roadworthy/systemd.json").write_text(json.dumps({"manager": manager}))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("btime 1700000000\n")
    (tmp_path / "proc/uptime").write_text("90.0 100.0\n")
    (unchecked,) = PROBES["startup"].collect(Context.recorded(tmp_path)).value
    assert (unchecked.phases[0].counted, unchecked.phases[0].quality) == (True, "approximate")
    (tmp_path / "roadworthy/last_seen_at").write_text("1699999950\n")
    (checked,) = PROBES["startup"].collect(Context.recorded(tmp_path)).value
    assert (checked.phases[0].counted, checked.phases[0].quality) == (False, "suspect")
