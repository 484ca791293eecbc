"""Waking up as a start-up of its own, and whether somebody was there at a start-up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from agent.devices import ManualClock
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probe import Context, Missing, Status
from roadworthy_agent.probes import PROBES, logind
from roadworthy_agent.probes.environment import Environment
from roadworthy_agent.probes.logind import Session, Sessions
from roadworthy_agent.probes.startup import attended
from roadworthy_agent.probes.startup.linux import relevant
from roadworthy_agent.probes.startup.parse import Around, from_systemd
from roadworthy_agent.probes.startup.state import SystemdState, UnitTimes, from_json, to_json, without_names
from roadworthy_agent.probes.startup.wakes import LoggedWake, Sleep, last_wake, parse_log
from roadworthy_agent.report import StartupRecord

S = 1_000_000
# The lines of a real Surface laptop (https://github.com/linux-surface/linux-surface/issues/316); the last two, which
# the source cuts off, are made up.
DEEP = """\
[  217.939227] PM: suspend entry (deep)
[  217.946056] Filesystems sync: 0.006 seconds
[  218.050283] OOM killer disabled.
[  218.052399] printk: Suspending console(s) (use no_console_suspend to debug)
[  218.053906] wlp1s0: deauthenticating from f0:b0:14:18:bd:40 by local choice (Reason: 3=DEAUTH_LEAVING)
[  218.278066] ACPI: EC: interrupt blocked
[  218.309760] ACPI: Preparing to enter system sleep state S3
[  218.348723] ACPI: Low-level resume complete
[  218.348833] PM: Restoring platform NVS memory
[  219.412000] Restarting tasks ... done.
[  219.448723] PM: suspend exit
"""
HIBERNATION = """\
[1.0] PM: hibernation: hibernation entry
[2.0] ACPI: PM: Waking up from system sleep state S4
[3.0] PM: hibernation: hibernation exit
"""
SLEEP = Sleep(boot_id="b", environment="physical", asleep=3000.0, now=500.0)
SERVICE = UnitTimes("systemd-suspend.service", 217 * S, 0, 0, 219 * S + 600_000)


def woken(
    *services: UnitTimes, log: str = "", sleep: Sleep = SLEEP
) -> tuple[StartupRecord, tuple[Missing, ...]]:
    found = last_wake(SystemdState({}, sleeps=services), parse_log(log), sleep)
    assert found is not None
    return found


def phases(record: StartupRecord) -> dict[str, tuple[float, bool | None]]:
    return {phase.name: (phase.seconds, phase.counted) for phase in record.phases}


def test_the_log_of_a_sleep_is_parted_where_the_kernel_runs_again() -> None:
    assert parse_log(DEEP) == (LoggedWake("deep", 217.939227, 218.348723, 219.448723),)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (HIBERNATION, [("hibernation", 2.0)]),
        ("[1.0] PM: hibernation entry\n[3.0] PM: hibernation exit", [("hibernation", None)]),
        ("[1.0] PM: suspend entry (s2idle)\n[2.0] ACPI: EC: interrupt unblocked\n[3.0] PM: suspend exit", [("s2idle", 2.0)]),
        # no line says when it ran again: then nobody knows
        ("[1.0] PM: suspend entry (s2idle)\n[2.9] OOM killer enabled.\n[3.0] PM: suspend exit", [("s2idle", None)]),
        ("[1.0] PM: suspend entry (s2idle)", []),
        ("[3.0] PM: suspend exit", []),
        ("14,9,1000000,-;PM: suspend entry (deep)\n14,9,3000000,-;PM: suspend exit", []),  # said by a program
    ],
)  # fmt: skip
def test_other_sleeps_in_the_log(log: str, expected: list[tuple[str, float | None]]) -> None:
    assert [(each.mode, each.awake) for each in parse_log(log)] == expected


def test_with_the_log_a_waking_has_phases_and_a_total() -> None:
    record, missing = woken(SERVICE, log=DEEP, sleep=replace(SLEEP, firmware_ns=650_000_000))
    assert phases(record) == {
        "firmware": (0.65, True),
        "kernel": (pytest.approx(1.1), True),
        "userspace": (pytest.approx(0.151277), True),
    }
    assert record.total_seconds == pytest.approx(1.901277)
    assert (record.kind, record.final, record.quality) == ("resume", True, "approximate")
    # it was awake at 219.6 s of the awake clock, after 3000 s asleep
    assert record.began_boottime_seconds == pytest.approx(3219.6 - 1.901277)
    assert missing == ()


@pytest.mark.parametrize(
    ("firmware_ns", "asleep", "kernel_says", "counted"),
    [
        (650_000_000, 3000.0, None, True),
        (12_000_000_000, 11.0, None, True),  # clocks of whole seconds
        (1_392_900_000_000, 1200.0, None, False),  # 23 minutes, and the device slept for 20
        (1_392_900_000_000, 3000.0, "95.416", False),  # of all its sleeps this one took a minute and a half
        (1_392_900_000_000, 3000.0, "1500.000", True),
        (3_700_000_000_000, 90_000.0, None, False),  # over an hour is never believed
    ],
)
def test_the_firmwares_part_is_bounded_by_the_time_asleep(
    firmware_ns: int, asleep: float, kernel_says: str | None, *, counted: bool
) -> None:
    said = "" if kernel_says is None else f"[  218.40] PM: Timekeeping suspended for {kernel_says} seconds\n"
    log = DEEP.replace("[  219.412000]", f"{said}[  219.412000]")
    record, _ = woken(SERVICE, log=log, sleep=replace(SLEEP, asleep=asleep, firmware_ns=firmware_ns))
    assert phases(record)["firmware"] == (firmware_ns / 1e9, counted)
    rest = 1.1 + 0.151277
    assert record.total_seconds == pytest.approx(rest + (firmware_ns / 1e9 if counted else 0.0))
    assert record.began_boottime_seconds == pytest.approx(219.6 - (record.total_seconds or 0.0) + asleep)
    firmware = record.phases[0]
    assert firmware.quality == ("measured" if counted else "suspect")
    assert counted == (record.reason is None)
    if not counted:
        assert f"firmware is not counted: {firmware.reason}" == record.reason


def test_a_waking_waits_a_minute_for_the_log_that_a_root_step_hands_over() -> None:
    sleep = replace(SLEEP, now=225.0, handed_over=True)
    record = woken(SERVICE, sleep=sleep)[0]
    assert (record.final, record.total_seconds) == (False, None)
    assert woken(SERVICE, log=DEEP, sleep=sleep)[0].final
    assert woken(SERVICE, sleep=replace(sleep, now=280.0))[0].final
    assert woken(replace(SERVICE, name="systemd-hibernate.service"), sleep=sleep)[0].final


def test_without_the_log_falling_asleep_and_waking_are_one_and_do_not_count() -> None:
    record, missing = woken(SERVICE)
    assert phases(record) == {"sleep_and_wake": (2.6, False)}
    assert (record.total_seconds, record.final, record.quality) == (None, True, "approximate")
    assert [each.field for each in missing] == ["startups.total_seconds"]
    assert record.reason


def test_the_key_is_the_same_at_every_look_and_grows_from_sleep_to_sleep() -> None:
    first, again = woken(SERVICE)[0], woken(SERVICE, log=DEEP, sleep=replace(SLEEP, now=900.0))[0]
    later = woken(SERVICE, UnitTimes("systemd-suspend.service", 400 * S, 0, 0, 402 * S))[0]
    assert (first.start_id, again.start_id, later.start_id) == ("b:217", "b:217", "b:400")


def test_a_waking_that_is_not_over_stays_open() -> None:
    record = woken(replace(SERVICE, deactivated=3 * S))[0]
    assert (record.final, record.quality, record.total_seconds, record.phases) == (
        False,
        "unfinished",
        None,
        (),
    )
    assert woken(replace(SERVICE, deactivated=3 * S), sleep=replace(SLEEP, now=2100.0))[0].final


@pytest.mark.parametrize(
    ("service", "log", "kind"),
    [
        ("systemd-suspend.service", "", "resume"),
        ("systemd-hybrid-sleep.service", "", "resume"),
        ("systemd-hibernate.service", "", "hibernate"),
        ("systemd-suspend-then-hibernate.service", "", "resume"),
        ("systemd-suspend-then-hibernate.service",
         "[217.5] PM: hibernation: hibernation entry\n[219.0] PM: hibernation: hibernation exit", "hibernate"),
    ],
)  # fmt: skip
def test_from_memory_or_from_disk(service: str, log: str, kind: str) -> None:
    record = woken(replace(SERVICE, name=service), log=log)[0]
    assert record.kind == kind
    assert record.total_seconds is None
    assert (service.endswith("then-hibernate.service") and not log) == (
        "woken from disk" in (record.reason or "")
    )


def test_a_device_that_has_not_slept_has_not_woken() -> None:
    state = SystemdState({}, sleeps=(SERVICE,))
    assert last_wake(state, parse_log(DEEP), replace(SLEEP, asleep=0.2)) is None
    assert last_wake(None, (), SLEEP) is None


def test_without_systemd_the_log_alone_tells() -> None:
    found = last_wake(None, parse_log(DEEP), SLEEP)
    assert found is not None
    assert phases(found[0]) == {"kernel": (pytest.approx(1.1), True)}
    assert (found[0].source, found[0].start_id, found[0].quality) == ("the kernel's log", "b:217", "measured")


@given(st.lists(st.sampled_from(DEEP.splitlines()), max_size=30), st.text(max_size=100))
def test_any_log_is_survived_and_no_waking_takes_less_than_nothing(lines: list[str], rest: str) -> None:
    for wake in parse_log("\n".join([*lines, rest])):
        record = last_wake(None, [wake], SLEEP)
        assert record is not None
        assert all(phase.seconds >= 0 for phase in record[0].phases)


def test_of_the_log_only_what_is_read_is_recorded() -> None:
    kept = relevant(DEEP + "[    0.4] Run /sbin/init as init process\n")
    assert "f0:b0" not in kept
    assert len(kept.splitlines()) == 4
    assert parse_log(kept) == parse_log(DEEP)


def test_a_recorded_tree_shows_its_start_up_and_its_waking(tmp_path: Path) -> None:
    manager = {
        "UserspaceTimestampMonotonic": 5 * S,
        "FinishTimestampMonotonic": 25 * S,
        "SecurityStartTimestampMonotonic": 5 * S,
    }
    state = SystemdState(manager, now=500 * S, sleeps=(SERVICE,))
    for path, text in {
        "roadworthy/systemd.json": to_json(state), "roadworthy/dmesg": DEEP, "proc/uptime": "3500.0 100.0",
        "sys/firmware/acpi/fpdt/resume/resume_prev_ns": "650000000\n", "sys/class/dmi/id/sys_vendor": "Maker\n",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    result = PROBES["startup"].collect(Context.recorded(tmp_path))
    boot, wake = result.value
    assert (boot.start_id, wake.start_id) == ("recorded-tree:0", "recorded-tree:217")
    assert wake.began_boottime_seconds == pytest.approx(3219.6 - 1.901277)
    assert phases(wake)["firmware"] == (0.65, True)


def test_where_the_kernels_log_is_closed_what_root_hands_over_of_it_is_read(tmp_path: Path) -> None:
    started = "[    2.063547] Run /sbin/init as init process\n[    2.1] EXT4-fs (sda2): recovery complete\n"
    folder = tmp_path / "run/roadworthy-agent-open"
    folder.mkdir(parents=True)
    (folder / "kernel-log").write_text(started)
    clock = ManualClock(uptime=500.0, awake=500.0)
    context = Context(root=tmp_path, clock=clock, platform="linux")
    (boot,) = PROBES["startup"].collect(context).value
    assert phases(boot) == {"kernel": (2.063547, True)}
    assert boot.kind == "dirty"
    assert "/run/roadworthy-agent-open/kernel-log" in str(boot.source)
    clock.suspend(600.0)
    (folder / "kernel-log.wake").write_text(started + DEEP)  # the kernel's buffer still holds the start
    again, wake = PROBES["startup"].collect(context).value
    assert again == boot
    assert phases(wake) == {"kernel": (pytest.approx(1.1), True)}


# Whether somebody was there

DESK = Session(
    kind="user", type="wayland", state="active", active=True, remote=False, seat=True, idle_hint=False,
    idle_since=0, locked_hint=False, desktop="ubuntu", service="gdm-password", since=60 * S,
)  # fmt: skip
GREETER = replace(DESK, kind="greeter", since=21 * S)
USABLE = 20 * S
PROMPT, CLEVIS = "systemd-ask-password-plymouth.service", "clevis-luks-askpass.service"


@pytest.mark.parametrize(
    ("begun", "sessions", "now", "expected"),
    [
        ({}, [DESK], 330, (True, False)),
        ({}, [DESK], 100, (None, True)),  # told when the five minutes are over: not at the sign-in
        ({}, [GREETER], 330, (False, False)),
        ({}, [GREETER], 100, (None, True)),
        ({}, [], 330, (None, False)),  # a server
        ({}, [replace(DESK, service="gdm-autologin")], 330, (None, False)),
        ({}, [replace(DESK, since=400 * S)], 430, (False, False)),
        ({}, [GREETER, replace(DESK, type="tty", remote=True, seat=False)], 330, (False, False)),
        ({}, [GREETER], 5000, (None, False)),  # too late to say
        ({}, [DESK], 5000, (True, False)),
        ({PROMPT: 3 * S}, [], 30, (True, False)),  # a disk password
        ({PROMPT: 3 * S, CLEVIS: 3 * S}, [GREETER], 330, (False, False)),  # a key server answered it
        ({PROMPT: 400 * S}, [GREETER], 330, (False, False)),  # another password, later
    ],
)  # fmt: skip
def test_whether_somebody_was_there(
    begun: dict[str, int], sessions: list[Session], now: int, expected: tuple[bool | None, bool]
) -> None:
    found = attended.judge(begun, 0, USABLE, Sessions(now * S, tuple(sessions)))
    assert (found.attended, found.waiting) == expected


def test_without_logind_or_a_sign_in_screen_it_is_not_known() -> None:
    assert attended.judge({}, 0, USABLE, None) == attended.Attendance()
    assert attended.judge({}, 0, None, Sessions(0, (DESK,))) == attended.Attendance()


def test_a_start_up_is_final_when_it_is_known_whether_somebody_was_there() -> None:
    manager = {
        "UserspaceTimestampMonotonic": 5 * S,
        "FinishTimestampMonotonic": 25 * S,
        "SecurityStartTimestampMonotonic": 5 * S,
    }
    state = SystemdState(manager, marks={"display-manager.service": USABLE}, now=60 * S)
    around = Around(boot_id="b", where=Environment("physical"), now_boottime=60.0)
    waiting = replace(around, sessions=Sessions(60 * S, (GREETER,)))
    later = replace(around, sessions=Sessions(400 * S, (GREETER,)), now_boottime=400.0)
    found = [from_systemd(state, each)[0] for each in (around, waiting, later)]
    assert [(each.final, each.attended) for each in found] == [(True, None), (False, None), (True, False)]
    assert {each.total_seconds for each in found} == {25.0}


# Recording


@given(st.lists(st.sampled_from(
    ["user@1000.service", "home-jsmith.mount", "sync-jsmith.service", "dev-sda2.device", "getty@tty1.service",
     "dev-disk-by\\x2duuid-13189658350875092958.device", "müller.service", "a.target", "-.mount", "x\\x2d9.swap"]
), unique=True), st.data())  # fmt: skip
def test_a_recording_names_nobody_and_is_replayed_as_the_same(names: list[str], data: st.DataObject) -> None:
    times = st.integers(1, 20 * S)
    units = tuple(UnitTimes(name, data.draw(times), data.draw(times)) for name in names)
    state = SystemdState({"FinishTimestampMonotonic": 30 * S}, units=units, default_target="jsmith.target")
    private = frozenset({"jsmith"})
    recorded = to_json(without_names(state, private))
    assert "jsmith" not in recorded
    assert "13189658" not in recorded
    around = Around(boot_id="b", where=Environment("physical"), now_boottime=60.0, private=private)
    live, _ = from_systemd(state, around)
    replayed, _ = from_systemd(from_json(recorded), replace(around, private=()))
    assert replayed == live


def test_a_recorded_logind_that_is_broken_only_leaves_out_whether_somebody_was_there(tmp_path: Path) -> None:
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / "roadworthy/systemd.json").write_text(
        json.dumps({"manager": {"FinishTimestampMonotonic": 9 * S}})
    )
    (tmp_path / logind.RECORDED).write_text("{")
    result = PROBES["startup"].collect(Context.recorded(tmp_path))
    assert result.status is Status.OK
    assert result.value[0].attended is None
