"""A start-up from the marks of the unified log."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from agent.devices import ManualClock
from agent.macos.macs import tree
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.macos import bootlog
from roadworthy_agent.macos.bootlog import BootMarks
from roadworthy_agent.macos.launchd import ASK, STARTUP_LOG
from roadworthy_agent.macos.live import TAIL_BYTES, LiveMac
from roadworthy_agent.probe import Context, Missing, Status
from roadworthy_agent.probes import signin, startup
from roadworthy_agent.probes.environment import PHYSICAL, Environment
from roadworthy_agent.probes.startup.macos import record
from roadworthy_agent.probes.startup.macos_ending import (
    CANCELLED,
    NAMES,
    NO_RETURN,
    RESTART,
    SHUTDOWN,
    Watch,
    register,
)
from roadworthy_agent.probes.startup.macos_parse import Around, from_marks

BOOT = "AE70F6FC-3AC5-4A05-81AA-D680203A1AF9"  # of the published start-up of an M1
OTHER = "EA5FEA49-0000-4000-8000-000000000001"
RATE = 24_000_000
# https://eclecticlight.co/2020/12/09/what-happens-when-an-m1-mac-starts-up/: 03.392395 and 09.939481
ANCHOR_TO_KERNEL = 9.939481 - 3.392395


def line(text: str, seconds: float | None, boot: str = BOOT, **more: object) -> bytes:
    ticks = None if seconds is None else round(seconds * RATE)
    return (
        json.dumps({"bootUUID": boot, "machTimestamp": ticks, "eventMessage": text} | more) + "\n"
    ).encode()


LOG = b"".join(
    (
        b'Filtering the log data using "..."\n',
        line(f"=== system boot: {BOOT}", 0.0, eventType="timesyncEvent"),
        line("Darwin Kernel Version 20.1.0: Sat Oct 31 00:07:10 PDT 2020; root:xnu-7195", ANCHOR_TO_KERNEL),
        line("login state: Early", 1.0, OTHER),  # an image carries the log of its maker
        line("-[LoginApp setup] | login state: LoginWindow for jsmith", 12.5),
        line("login state: LoginComplete", 41.0, processImagePath="/Users/jsmith/x"),
        b"[1, 2]\n{broken\n",
    )
)


def around(*, silicon: bool = True, now: float = 600.0, rate: int | None = RATE) -> Around:
    return Around(BOOT, now, rate, silicon, Environment(PHYSICAL))


def test_the_published_start_up_of_an_m1() -> None:
    marks = bootlog.parse(LOG, BOOT.lower())
    record, missing = from_marks(marks, around(), "")
    assert [(phase.name, phase.seconds) for phase in record.phases] == [
        ("firmware", pytest.approx(6.547086, abs=1e-6)),
        ("kernel_to_login_window", pytest.approx(12.5 - 6.547086, abs=1e-6)),
    ]
    assert record.total_seconds == pytest.approx(12.5)
    assert record.total_seconds == pytest.approx(sum(phase.seconds for phase in record.phases))
    assert (record.quality, record.final, record.kind, record.start_id) == (
        "approximate",
        True,
        "unknown",
        f"{BOOT}:0",
    )
    assert {each.field for each in missing} == {"startups.resume", "startups.kind", "startups.attended"}
    assert "no earlier sample to check it against" in str(record.phases[0].reason)


@pytest.mark.parametrize(
    ("firmware", "last_seen", "counted", "why"),
    [
        (6.5, 900.0, True, None),
        (
            150.0,
            900.0,
            False,
            "longer than the 75 s the device was away",
        ),  # the Mac was away for 1.5 minutes at most
        (150.0, 1100.0, True, None),  # a clock that was set meanwhile: nothing to check against
        (601.0, None, False, "no earlier sample"),
        (4000.0, -9000.0, False, "longer than an hour"),
    ],
)
def test_firmware_on_apple_silicon_cannot_have_taken_longer_than_the_mac_was_away(
    firmware: float, last_seen: float | None, why: str | None, *, counted: bool
) -> None:
    marks = BootMarks(0, round(firmware * RATE), round((firmware + 6) * RATE))
    # the kernel's first words at 975 s
    record, _ = from_marks(
        marks, replace(around(), clock_began_at=975.0 - firmware, last_seen_at=last_seen), ""
    )
    phase = record.phases[0]
    assert (phase.name, phase.seconds, phase.counted) == ("firmware", firmware, counted)
    assert record.total_seconds == pytest.approx(6 + (firmware if counted else 0))
    assert record.began_boottime_seconds == (0 if counted else min(firmware, 3600))
    assert phase.quality == ("approximate" if counted else "suspect")
    assert (record.reason is None) == counted
    if why is not None:
        assert why in str(phase.reason)
        assert f"firmware is not counted: {phase.reason}" == record.reason


@pytest.mark.parametrize(
    ("cause", "ended_as", "kind"),
    [
        (5, "reboot", "restart"),
        (5, "poweroff", "cold"),
        (None, "reboot", "restart"),
        (3, "reboot", "dirty"),  # asked for, hung, and cut short
        (5, None, "unknown"),
        (5, "something new", "unknown"),
    ],
)
def test_how_the_agent_saw_the_last_boot_end_tells_the_kind(
    cause: int | None, ended_as: str | None, kind: str
) -> None:
    record, missing = from_marks(
        BootMarks(0, 1, RATE, cause), replace(around(silicon=cause is None), ended_as=ended_as), ""
    )
    assert record.kind == kind
    assert ("startups.kind" in {each.field for each in missing}) == (kind == "unknown")
    assert ("the login window when the agent was last stopped" in str(record.source)) == (
        kind in {"restart", "cold"}
    )


@pytest.mark.parametrize(
    ("posted", "ending"),
    [
        ([], None),
        ([RESTART], "reboot"),
        ([SHUTDOWN], "poweroff"),
        ([RESTART, NO_RETURN], "reboot"),
        ([SHUTDOWN, CANCELLED], None),
        ([SHUTDOWN, CANCELLED, NO_RETURN], "poweroff"),
        ([SHUTDOWN, CANCELLED, RESTART, NO_RETURN], None),  # nobody knows which of the two was called off
        ([NO_RETURN], None),  # somebody signs out
    ],
)
def test_what_the_login_window_posts_tells_how_a_boot_ends(posted: list[str], ending: str | None) -> None:
    center = Center()
    watch = Watch(center.register)
    center.post(SHUTDOWN)  # before anybody listened
    watch.begin()
    for name in posted:
        center.post(name)
    watch.begin()
    assert watch.ending() == ending


def test_where_not_everything_can_be_listened_to_nothing_is_said() -> None:
    center = Center(without=CANCELLED)
    watch = Watch(center.register)
    watch.begin()
    center.post(SHUTDOWN)
    assert watch.ending() is None
    assert Watch(center.register).ending() is None  # never begun


@pytest.mark.skipif(sys.platform == "darwin", reason="on a Mac there is such a service")
def test_elsewhere_there_is_nothing_to_register_with() -> None:
    assert register(RESTART) is None


class Center:
    """notify(3) as its manual page has it: the first check is true, later ones if something was posted since."""

    def __init__(self, without: str | None = None) -> None:
        self._posted = dict.fromkeys(NAMES, 0)
        self._without = without

    def post(self, name: str) -> None:
        """Post a notification to whoever listens."""
        self._posted[name] += 1

    def register(self, name: str) -> Callable[[], bool] | None:
        """Return a check of a new token."""
        seen = -1

        def check() -> bool:
            nonlocal seen
            changed, seen = seen != self._posted[name], self._posted[name]
            return changed

        return None if name == self._without else check


def test_an_intel_macs_clock_begins_with_its_kernel() -> None:
    record, missing = from_marks(
        BootMarks(0, round(0.002612 * RATE), 48 * RATE, 5), around(silicon=False), ""
    )
    assert [phase.name for phase in record.phases] == ["kernel_to_login_window"]
    assert record.total_seconds == 48.0
    assert "startups.phases.firmware" in {each.field for each in missing}


@pytest.mark.parametrize(
    ("cause", "kind"),
    [(5, "unknown"), (3, "dirty"), (0, "dirty"), (-62, "dirty"), (-128, "dirty"), (None, "unknown")],
)
def test_the_published_causes_of_a_shutdown(cause: int | None, kind: str) -> None:
    record, _ = from_marks(BootMarks(0, 1, RATE, cause), around(silicon=False), "")
    assert record.kind == kind


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Previous shutdown cause: 5", 5),
        ("|Previous Shutdown Cause: -60", -60),
        ("previous sleep cause: 5", None),
    ],
)
def test_the_cause_is_read_however_it_is_spelt(text: str, cause: int | None) -> None:
    assert bootlog.parse(line(text, 1.0), BOOT).shutdown_cause == cause


@pytest.mark.parametrize(
    "marks",
    [
        BootMarks(anchor=10 * RATE, kernel=5 * RATE, login_window=20 * RATE),
        BootMarks(anchor=0, kernel=30 * RATE, login_window=20 * RATE),
        BootMarks(anchor=0, kernel=0, login_window=4000 * RATE),
    ],
)
def test_marks_that_contradict_each_other_are_no_duration(marks: BootMarks) -> None:
    record, _ = from_marks(marks, around(), "")
    assert (record.total_seconds, record.phases, record.quality) == (None, (), "suspect")
    assert record.reason


def test_without_the_login_window_a_record_stays_open_for_half_an_hour() -> None:
    early, _ = from_marks(BootMarks(0, RATE), around(now=200.0), "no mark yet")
    late, _ = from_marks(BootMarks(0, RATE), around(now=1900.0), "no mark yet")
    assert (early.quality, early.final, late.final) == ("unfinished", False, True)
    assert early.reason == "no mark yet"


def test_without_the_clocks_rate_ticks_are_no_seconds() -> None:
    record, _ = from_marks(BootMarks(0, RATE, 20 * RATE), around(rate=None), "no rate")
    assert record.total_seconds is None


def test_of_the_log_only_the_marks_are_recorded() -> None:
    kept = bootlog.keep(LOG)
    assert bootlog.parse(kept, BOOT) == bootlog.parse(LOG, BOOT)
    assert b"jsmith" not in kept
    assert b"processImagePath" not in kept
    assert bootlog.keep(kept) == kept


def test_a_tree_is_read_and_recorded(tmp_path: Path) -> None:
    clock = json.dumps({"boot_id": BOOT, "boottime_seconds": 700.0, "wall": 1.7e9})
    files = {"sysctl__hw.tbfrequency": "24000000\n", "sysctl__hw.optional.arm64": "1\n"}
    files |= {"last_seen_at": f"{1.7e9 - 710.0}\n", "startup.json": '{"ended_as": "reboot"}'}
    root = tree(tmp_path / "one", **{"clock.json": clock, "programs__boot-log": LOG}, **files)
    result = startup.collect(Context.recorded(root))
    assert result.status is Status.OK
    assert result.value is not None
    assert result.value[0].kind == "restart"
    assert "no earlier sample" not in str(result.value[0].phases[0].reason)
    again = tree(tmp_path / "two", **{"clock.json": clock})
    for path, data in record(Context.recorded(root)).items():
        (again / path).parent.mkdir(parents=True, exist_ok=True)
        (again / path).write_bytes(data)
    assert startup.collect(Context.recorded(again)) == result


def test_a_start_up_without_a_log_is_a_record_with_a_reason(tmp_path: Path) -> None:
    result = startup.collect(Context.recorded(tree(tmp_path)))
    assert result.status is Status.NOT_SUPPORTED
    assert result.value is not None
    assert result.value[0].reason == result.reason == "boot-log was not recorded"


def test_sign_ins_say_why_they_are_not_told(tmp_path: Path) -> None:
    result = signin.collect(Context.recorded(tree(tmp_path)))
    assert (result.status, result.value) == (Status.NOT_SUPPORTED, ())
    assert "when the password was accepted" in str(result.reason)


def below(root: Path, path: PurePosixPath) -> Path:
    return root / str(path).lstrip("/")


def test_the_log_comes_from_the_job_that_may_read_it_once_it_is_asked(tmp_path: Path) -> None:
    machine = LiveMac(tmp_path, {"kern.bootsessionuuid": BOOT}.get, as_root=False)
    without_job = machine.program("boot-log")
    assert isinstance(without_job, Missing)
    assert without_job.status is Status.NO_PERMISSION
    assert "service install" in without_job.reason
    log, ask = below(tmp_path, STARTUP_LOG), below(tmp_path, ASK)
    log.parent.mkdir(parents=True)
    ask.parent.mkdir(parents=True)
    asked = machine.program("boot-log")
    assert isinstance(asked, Missing)
    assert asked.status is Status.NO_DATA_YET
    first = ask.stat().st_mtime_ns
    machine.program("boot-log")
    assert ask.stat().st_mtime_ns == first  # not again within minutes
    log.write_bytes(line(f"=== system boot: {OTHER}", 0.0, OTHER) * 3000)
    assert isinstance(machine.program("boot-log"), Missing)  # of an earlier start-up
    with log.open("ab") as file:
        file.write(LOG)
    handed = machine.program("boot-log")
    assert isinstance(handed, bytes)
    assert len(handed) <= TAIL_BYTES
    assert bootlog.parse(handed, BOOT) == bootlog.parse(LOG, BOOT)


@pytest.mark.parametrize(
    ("up", "words"), [(60.0, "two minutes after it began"), (90_000.0, "25 h after this start-up")]
)
def test_the_log_is_read_neither_while_it_is_written_nor_when_it_is_long(
    tmp_path: Path, up: float, words: str
) -> None:
    context = Context(root=tmp_path, platform="darwin", clock=ManualClock(uptime=up, boot=BOOT))
    result = startup.collect(context)
    assert result.status is Status.NO_DATA_YET
    assert words in str(result.reason)
    assert result.value is not None
    assert result.value[0].boot_id == BOOT


TICKS = st.one_of(st.none(), st.integers(0, 1 << 63))


@given(anchor=TICKS, kernel=TICKS, login=TICKS, silicon=st.booleans())
def test_any_marks_give_phases_that_add_up(
    *, anchor: int | None, kernel: int | None, login: int | None, silicon: bool
) -> None:
    record, missing = from_marks(BootMarks(anchor, kernel, login), around(silicon=silicon), "why")
    assert 0 <= record.began_boottime_seconds <= 3600
    if record.total_seconds is None:
        assert "startups.total_seconds" in {each.field for each in missing}
    else:
        counted = [phase.seconds for phase in record.phases if phase.counted]
        assert record.total_seconds == pytest.approx(sum(counted), abs=1e-6)
        assert 0 <= record.total_seconds <= 3600 + 600


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(st.one_of(st.binary(max_size=40), JSON.map(lambda each: json.dumps(each).encode())), max_size=5)
)
def test_any_log_is_survived(lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    bootlog.parse(data, BOOT)
    assert bootlog.keep(bootlog.keep(data)) == bootlog.keep(data)
