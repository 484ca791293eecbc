"""Sign-ins on Linux: the arithmetic, the connection by kind, and what is kept back."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes.signin import connection, linux, parse
from roadworthy_agent.probes.signin.connection import Link, judge, parse_routes, parse_routes_6
from roadworthy_agent.probes.signin.parse import Look, Opened, records
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.report import SigninRecord

S = 1_000_000
DESK = Opened(
    since=60 * S, graphical=True, manager_began=60 * S, manager_ready=62 * S, scope=63 * S, desktop=70 * S
)
LOOK = Look(
    now=100 * S,
    start_id="b:0",
    sessions=(DESK,),
    links=(Link("wifi", up=True, metric=600),),
    sees_desktops=True,
)


def one(opened: Opened = DESK, look: Look = LOOK) -> SigninRecord:
    (record,) = records(replace(look, sessions=(opened,)), "b", look.now / S + 1000.0)
    return record


def phases(record: SigninRecord) -> dict[str, float]:
    return {phase.name: phase.seconds for phase in record.phases}


def test_a_sign_in_to_a_desktop() -> None:
    found = one()
    assert phases(found) == {"user_manager": 2.0, "session": 1.0, "desktop": 7.0}
    assert (found.total_seconds, found.usable_seconds) == (10.0, 10.0)
    assert (found.final, found.quality, found.start_id, found.connection) == (True, "measured", "b:0", "wifi")
    assert found.began_boottime_seconds == 1060.0


def test_what_any_account_may_see_ends_where_the_desktop_begins() -> None:
    found = one(replace(DESK, desktop=None), replace(LOOK, sees_desktops=False))
    assert phases(found) == {"user_manager": 2.0, "session": 1.0}
    assert (found.total_seconds, found.final, found.quality) == (None, True, "approximate")


def test_at_a_console_the_shell_is_there_at_once() -> None:
    found = one(replace(DESK, graphical=False, desktop=None))
    assert (found.total_seconds, found.final, found.quality) == (3.0, True, "measured")


def test_a_user_manager_that_ran_before_is_no_part_of_it() -> None:
    found = one(replace(DESK, manager_began=5 * S, manager_ready=6 * S, scope=60 * S - 300))
    assert phases(found) == {"session": 0.0, "desktop": 10.0}
    assert found.total_seconds == 10.0


@pytest.mark.parametrize(
    ("opened", "now", "final"),
    [
        (replace(DESK, manager_ready=0, scope=0, desktop=0), 61, False),
        (replace(DESK, desktop=0), 65, False),  # the desktop is still coming
        (replace(DESK, desktop=0), 400, True),  # one that never says so
        (replace(DESK, scope=1), 65, False),
    ],
)
def test_an_unfinished_one_is_looked_at_again(opened: Opened, now: int, *, final: bool) -> None:
    found = one(opened, replace(LOOK, now=now * S))
    assert (found.final, found.total_seconds) == (final, None)
    assert found.quality == ("approximate" if final else "unfinished")


@pytest.mark.parametrize(
    ("age", "began"),
    [
        (0, 1060.0),  # the clock does not tell: as late as can be
        (40, 1060.0),
        (540, 560.0),  # it has slept 500 s since
        (1040, 60.0),
        (90_000, 60.0),  # the clock was set: not before the device had been awake so long
    ],
)
def test_a_session_keeps_its_place_when_the_device_sleeps_after_it(age: int, began: float) -> None:
    assert one(replace(DESK, age=age * S)).began_boottime_seconds == began


def test_the_key_is_the_same_at_every_look_and_tells_nothing() -> None:
    first, later = one(), one(look=replace(LOOK, now=9000 * S))
    assert first.key == later.key
    assert len(first.key) == 64
    assert one(replace(DESK, since=59 * S)).key != first.key


def test_the_connection_is_that_of_the_moment_or_unknown() -> None:
    assert one(look=replace(LOOK, now=1200 * S)).connection == "wifi"
    assert one(look=replace(LOOK, now=1300 * S)).connection == "unknown"


@pytest.mark.parametrize(
    ("homes", "others", "expected"),
    [
        ((), ("ext4",), False), (("ext4",), ("ext4",), False), (("nfs4",), ("ext4",), True),
        (("cifs", "ext4"), (), True), ((), ("ext4", "nfs4"), None),
    ],
)  # fmt: skip
def test_homes_on_a_server(homes: tuple[str, ...], others: tuple[str, ...], *, expected: bool | None) -> None:
    assert one(look=replace(LOOK, home_types=homes, other_types=others)).roaming_profile is expected


WIRE, AIR, TUNNEL = Link("lan", up=True, metric=100), Link("wifi", up=True, metric=600), Link("vpn", up=True)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([WIRE, AIR], "lan"), ([replace(WIRE, metric=700), AIR], "wifi"), ([AIR, TUNNEL], "vpn"),
        ([AIR, replace(TUNNEL, up=False)], "wifi"), ([replace(WIRE, up=False)], "none"), ([], "none"),
        ([replace(WIRE, metric=None)], "lan"), ([Link("unknown", up=True, metric=1), WIRE], "unknown"),
    ],
)  # fmt: skip
def test_the_kind_of_connection(links: list[Link], expected: str) -> None:
    assert judge(links) == expected
    assert judge(links[::-1]) == expected


ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlp2s0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
enp1s0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
enp1s0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0
down0\t00000000\t0100000A\t0002\t0\t0\t0\t00000000\t0\t0\t0
"""
ROUTES_6 = """\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000064 00000003 00000000 00000003   enp1s0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001   enp1s0
"""


def test_default_routes_and_no_others() -> None:
    assert parse_routes(ROUTES) == {"wlp2s0": 600, "enp1s0": 100, "tun0": 0}
    assert parse_routes_6(ROUTES_6) == {"enp1s0": 100}


@given(st.text(max_size=300), st.lists(st.sampled_from((ROUTES + ROUTES_6).split()), max_size=40))
def test_any_route_table_is_survived(text: str, words: list[str]) -> None:
    for each in (text, ROUTES + text, " ".join(words), "\n" + "\t".join(words)):
        parse_routes(each)
        parse_routes_6(each)


def test_interfaces_are_told_apart_by_what_the_kernel_says_of_them(tmp_path: Path) -> None:
    interfaces = {
        "lo": {"type": "772", "operstate": "unknown", "flags": "0x9"},
        "enp1s0": {"type": "1", "operstate": "down", "flags": "0x1003"},
        "wlp2s0": {"type": "1", "operstate": "up", "flags": "0x1003", "uevent": "DEVTYPE=wlan\nINTERFACE=wlp2s0"},
        "wg0": {"type": "65534", "operstate": "unknown", "flags": "0x91", "uevent": "DEVTYPE=wireguard"},
        "tun0": {"type": "65534", "operstate": "down", "flags": "0x1090", "tun_flags": "0x1001"},
        "vnet0": {"type": "1", "operstate": "unknown", "flags": "0x1003", "tun_flags": "0x1002"},
        "wwan0": {"type": "1", "operstate": "up", "flags": "0x1", "uevent": "DEVTYPE=wwan"},
        "bad0": {},
    }  # fmt: skip
    for name, files in interfaces.items():
        folder = tmp_path / connection.INTERFACES / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text + "\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / connection.ROUTES).write_text(ROUTES)
    assert connection.read(Tree(tmp_path)) == (
        Link("lan", up=False, metric=100),
        Link("vpn", up=False, metric=0),
        Link("unknown", up=True),
        Link("vpn", up=True),
        Link("wifi", up=True, metric=600),
        Link("unknown", up=True),
    )
    assert judge(connection.read(Tree(tmp_path))) == "vpn"


def test_a_look_can_be_recorded(tmp_path: Path) -> None:
    assert parse.from_json(parse.to_json(LOOK)) == LOOK
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / parse.RECORDED).write_text(parse.to_json(LOOK))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/uptime").write_text("1100.0 1.0\n")
    result = linux.collect(Context.recorded(tmp_path))
    assert (result.status, result.missing) == (Status.OK, ())
    assert (result.value or ())[0].began_boottime_seconds == 1060.0


def test_the_status_is_the_same_whether_anybody_is_signed_in_or_not(tmp_path: Path) -> None:
    (tmp_path / "roadworthy").mkdir()
    said = []
    for sessions in ((), (DESK,)):
        (tmp_path / parse.RECORDED).write_text(
            parse.to_json(replace(LOOK, sessions=sessions, sees_desktops=False))
        )
        result = linux.collect(Context.recorded(tmp_path))
        said.append((result.status, result.reason, result.source, result.missing))
    assert said[0] == said[1]
    assert said[0][3] == (parse.HIDDEN,)


def test_without_logind_it_is_not_supported_and_says_so(tmp_path: Path) -> None:
    result = linux.collect(Context.recorded(tmp_path))
    assert (result.status, result.value) == (Status.NOT_SUPPORTED, ())
    assert "logind" in (result.reason or "")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["now", "sessions", "links", "home_types", "other_types"]), ANYTHING)
    | ANYTHING
)
def test_whatever_a_recorded_tree_holds_is_read_or_refused(document: object) -> None:
    with contextlib.suppress(ProbeError):
        records(parse.from_json(json.dumps(document)), "b", 0.0)


INSTANTS = st.integers(0, 1000 * S)


@given(
    st.builds(Opened, INSTANTS, st.booleans(), INSTANTS, INSTANTS, INSTANTS, st.none() | INSTANTS), INSTANTS
)
def test_a_total_is_the_sum_of_its_phases_and_nothing_takes_less_than_nothing(
    opened: Opened, now: int
) -> None:
    found = one(opened, replace(LOOK, now=now))
    assert all(phase.seconds >= 0 for phase in found.phases)
    if found.total_seconds is not None:
        assert found.total_seconds == pytest.approx(sum(phase.seconds for phase in found.phases), abs=1e-5)
