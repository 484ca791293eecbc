"""What kind of start-up it was: the records of earlier boots, and the judge over all signs."""

from __future__ import annotations

import sqlite3
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, Missing, Status
from roadworthy_agent.probes.startup import aside, history, kernel
from roadworthy_agent.probes.startup.aside import Aside
from roadworthy_agent.probes.startup.history import BOOT, POWEROFF, REBOOT, SHUTDOWN, Event, parse_wtmp
from roadworthy_agent.probes.startup.kind import Signs, judge

NOW = 1_700_000_000.0  # when the kernel of this boot started
NOTHING = Missing("startups.kind", Status.NOT_SUPPORTED, "/var/log/wtmp: No such file or directory")
RUN_LVL, BOOT_TIME, USER_PROCESS = 1, 2, 7


def small(kind: int, user: str, at: float, pid: int = 0) -> bytes:
    """Return one record as x86 writes it: 384 bytes, times of 32 bits."""
    text = (b"~", b"~~", user.encode(), b"6.1.0-18-amd64")
    return struct.pack("=hxxi32s4s32s256shhiii16s20x", kind, pid, *text, 0, 0, 0, int(at), 0, b"")


def large(kind: int, user: str, at: float, pid: int = 0) -> bytes:
    """Return one record as 64-bit ARM writes it: 400 bytes, times of 64 bits."""
    text = (b"~", b"~~", user.encode(), b"6.1.0-18-arm64")
    return struct.pack("=hxxi32s4s32s256shhqqq16s20x4x", kind, pid, *text, 0, 0, 0, int(at), 0, b"")


@pytest.mark.parametrize(("write", "length"), [(small, 384), (large, 400)])
def test_boots_and_ends_are_read_in_either_layout(write: type, length: int) -> None:
    records = [
        write(BOOT_TIME, "reboot", NOW), write(RUN_LVL, "runlevel", NOW + 9, ord("5")),
        write(USER_PROCESS, "jsmith", NOW + 60), write(RUN_LVL, "shutdown", NOW + 3600),
        write(BOOT_TIME, "reboot", NOW + 3700), write(RUN_LVL, "runlevel", NOW + 4000, ord("6") + 256 * ord("5")),
        write(RUN_LVL, "runlevel", NOW + 5000, ord("0") + 256 * ord("5")),
    ]  # fmt: skip
    assert {len(record) for record in records} == {length}
    assert parse_wtmp(b"".join(records)) == (
        Event(BOOT, NOW), Event(SHUTDOWN, NOW + 3600), Event(BOOT, NOW + 3700), Event(REBOOT, NOW + 4000),
        Event(POWEROFF, NOW + 5000),
    )  # fmt: skip


@given(st.binary(max_size=2000))
def test_any_bytes_are_survived(data: bytes) -> None:
    assert all(event.what in history.KNOWN for event in parse_wtmp(data))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["shutdown", "runlevel", "jsmith", "reboot"])), max_size=60),
    st.sampled_from([small, large]),
)  # fmt: skip
def test_only_boots_and_ends_are_taken_from_records_of_any_kind(
    rows: list[tuple[int, str]], write: type
) -> None:
    data = b"".join(write(kind, user, NOW + n) for n, (kind, user) in enumerate(rows))
    expected = [
        n
        for n, (kind, user) in enumerate(rows)
        if kind == BOOT_TIME or (kind == RUN_LVL and user == "shutdown")
    ]
    assert [event.at - NOW for event in parse_wtmp(data)] == expected


def test_of_a_large_file_the_end_is_read(tmp_path: Path) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    people = small(USER_PROCESS, "jsmith", NOW) * 4000
    ends = small(RUN_LVL, "shutdown", NOW + 1) + small(BOOT_TIME, "reboot", NOW + 2)
    (tmp_path / history.WTMP).write_bytes(small(BOOT_TIME, "reboot", NOW) + people + ends)
    assert history.read(tmp_path) == (Event(SHUTDOWN, NOW + 1), Event(BOOT, NOW + 2))


def test_wtmpdb_is_read_where_there_is_one(tmp_path: Path) -> None:
    place = tmp_path / history.WTMPDB[0]
    place.parent.mkdir(parents=True)
    database = sqlite3.connect(place)
    # the table as wtmpdb 0.50 makes it; https://github.com/thkukuk/wtmpdb, lib/sqlite.c
    database.execute(
        "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER,"
        " Logout INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT) STRICT"
    )
    rows = [(1, "reboot", NOW, NOW + 50), (3, "jsmith", NOW + 5, NOW + 40), (1, "reboot", NOW + 90, None)]
    database.executemany(
        "INSERT INTO wtmp (Type, User, Login, Logout) VALUES (?, ?, ?, ?)",
        [(kind, user, int(begin * 1e6), end and int(end * 1e6)) for kind, user, begin, end in rows],
    )
    database.commit()
    database.close()
    assert history.read(tmp_path) == (Event(BOOT, NOW), Event(SHUTDOWN, NOW + 50), Event(BOOT, NOW + 90))
    place.write_bytes(b"no database at all" * 100)
    assert isinstance(history.read(tmp_path), Missing)


def test_a_device_without_either_says_so(tmp_path: Path) -> None:
    found = history.read(tmp_path)
    assert found == Missing("startups.kind", Status.NOT_SUPPORTED, "/var/log/wtmp: No such file or directory")


def signs(*earlier: Event, **more: object) -> Signs:
    return replace(Signs(NOW, (*earlier, Event(BOOT, NOW + 8))), **more)  # type: ignore[arg-type] # fields by name


def ended(before: float, what: str = SHUTDOWN) -> tuple[Event, Event]:
    return Event(BOOT, NOW - 90_000), Event(what, NOW - before)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (signs(*ended(30)), "restart"),
        (signs(*ended(100_000)), "cold"),
        (signs(Event(BOOT, NOW - 500)), "dirty"),
        (signs(*ended(30), recovered="EXT4-fs (sda2): recovery complete"), "dirty"),
        (signs(*ended(30), first_boot=True), "first"),
        (signs(*ended(30), begun={"packagekit-offline-update.service": 5}), "update"),
        (signs(*ended(30), begun={"clevis-luks-askpass.service": 5}), "restart"),
        (signs(*ended(30), offline_update_ended_at=NOW - 40), "update"),
        (signs(*ended(30), offline_update_ended_at=NOW - 40_000), "restart"),
        # some minutes: with the firmware's own time it is clear, without it is not
        (signs(*ended(300)), "unknown"),
        (signs(*ended(300), before_kernel=20.0), "cold"),
        (signs(*ended(300), before_kernel=250.0), "restart"),
        # what the agent saw as it was stopped
        (signs(*ended(300), ended_as="reboot"), "restart"),
        (signs(*ended(30), ended_as="poweroff"), "cold"),
        (signs(Event(BOOT, NOW - 500), ended_as="reboot"), "dirty"),
        (Signs(NOW, NOTHING, ended_as="reboot"), "restart"),
        (Signs(NOW, NOTHING, ended_as="soft_reboot"), "unknown"),
        (Signs(NOW, NOTHING), "unknown"),
        # sysvinit and OpenRC tell which of the two
        (signs(*ended(100_000, REBOOT)), "restart"),
        (signs(*ended(5, POWEROFF)), "cold"),
        # nothing before, this boot not noted, or the clock was set in between
        (signs(), "unknown"),
        (Signs(NOW, (Event(BOOT, NOW - 9000), Event(SHUTDOWN, NOW - 100))), "unknown"),
        (signs(*ended(-4000)), "unknown"),
        # systemd-update-utmp restarted within this boot notes it twice
        (signs(*ended(30), Event(BOOT, NOW + 8), Event(SHUTDOWN, NOW + 600)), "restart"),
    ],
)  # fmt: skip
def test_the_kind(given: Signs, expected: str) -> None:
    found = judge(given)
    assert found.kind == expected
    assert (found.missing is not None) == (expected == "unknown")
    assert bool(found.source) == (expected != "unknown")


EVENTS = st.lists(
    st.builds(Event, st.sampled_from(sorted(history.KNOWN)), st.floats(NOW - 1e6, NOW + 1e6)), max_size=12
)


@given(EVENTS, st.none() | st.floats(0, 3600))
def test_it_is_always_a_kind_with_a_source_or_unknown_with_a_reason(
    events: list[Event], before: float | None
) -> None:
    found = judge(Signs(NOW, tuple(events), before_kernel=before))
    assert found.kind in {"restart", "cold", "dirty", "unknown"}
    assert (found.missing is not None and found.missing.reason) or found.source


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("[    4.1] EXT4-fs (nvme0n1p2): recovery complete", "EXT4-fs (nvme0n1p2): recovery complete"),
        ("6,900,4100000,-;XFS (dm-0): Starting recovery (logdev: internal)", "XFS (dm-0): Starting recovery (logdev: internal)"),
        ("[  4000.1] EXT4-fs (sdb1): recovery complete", None),  # a stick plugged in later
        ("[    4.1] EXT4-fs (sda2): mounted filesystem with ordered data mode", None),
        ("14,900,4100000,-;EXT4-fs (sda2): recovery complete", None),  # said by a program
        ("", None),
    ],
)  # fmt: skip
def test_when_a_file_system_had_to_be_recovered(log: str, expected: str | None) -> None:
    assert kernel.parse_recovery(log, 600.0) == expected


def test_how_earlier_boots_ended_can_be_recorded(tmp_path: Path) -> None:
    for noted in (Aside(ended(30), NOW, "reboot"), Aside(NOTHING), Aside(())):
        assert aside.from_json(aside.to_json(noted)) == noted
    context = Context.recorded(tmp_path)
    assert isinstance(aside.read(context).history, Missing)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"history": 7}', '{"history": [["jsmith", 1]]}', '{"history": [["boot", -1]]}', '{"history": [[]]}']
)  # fmt: skip
def test_a_broken_recording_says_what_is_wrong(text: str) -> None:
    with pytest.raises(ProbeError, match=aside.RECORDED):
        aside.from_json(text)


def test_the_live_device_tells_of_itself(tmp_path: Path) -> None:
    (tmp_path / "var/lib/PackageKit").mkdir(parents=True)
    (tmp_path / aside.OFFLINE_RESULT).touch()
    found = aside.read(Context(root=tmp_path, last_ended="reboot"))
    assert found.ended_as == "reboot"
    assert found.offline_update_ended_at == (tmp_path / aside.OFFLINE_RESULT).stat().st_mtime
