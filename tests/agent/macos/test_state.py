"""Device state from the console's sessions and the last input; never who."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent.macos.macs import tree
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.macos import registry
from roadworthy_agent.probe import Context, Missing, Status
from roadworthy_agent.probes import state
from roadworthy_agent.probes.state.macos import idle_seconds, parse_state
from roadworthy_agent.reading import DeviceState

HERE = {"kCGSSessionOnConsoleKey": True, "kCGSessionLoginDoneKey": True}
WHO = {
    "kCGSSessionUserNameKey": "jsmith",
    "kCGSessionLongUserNameKey": "Jane Smith",
    "kCGSSessionUserIDKey": 501,
}


@pytest.mark.parametrize(
    ("root", "idle", "expected"),
    [
        ({"IOConsoleUsers": [HERE]}, 4.0, DeviceState.IN_USE),
        ({"IOConsoleUsers": [HERE]}, 299.9, DeviceState.IN_USE),
        ({"IOConsoleUsers": [HERE]}, 300.0, DeviceState.IDLE),
        ({"IOConsoleUsers": [HERE], "IOConsoleLocked": True}, 4.0, DeviceState.LOCKED),
        ({"IOConsoleUsers": [HERE | {"CGSSessionScreenIsLocked": True}]}, 4.0, DeviceState.LOCKED),
        ({"IOConsoleUsers": [HERE | {"CGSSessionScreenIsLocked": 1}]}, 4.0, DeviceState.LOCKED),
        ({"IOConsoleUsers": [], "IOConsoleLocked": True}, 4.0, DeviceState.IDLE),  # the login window
        ({"IOConsoleUsers": [{"kCGSSessionOnConsoleKey": True}]}, 4.0, DeviceState.IDLE),  # nobody yet
        ({}, 4.0, DeviceState.IDLE),
        # somebody else's session is locked behind the one in use
        (
            {
                "IOConsoleUsers": [
                    HERE,
                    HERE | {"kCGSSessionOnConsoleKey": False, "CGSSessionScreenIsLocked": True},
                ]
            },
            4.0,
            DeviceState.IN_USE,
        ),
    ],
)
def test_the_state(root: dict[str, Any], idle: float, expected: DeviceState) -> None:
    assert parse_state(root, idle) is expected


def test_without_the_time_of_the_last_input_only_locked_and_nobody_are_known() -> None:
    unknown = Missing("state", Status.NOT_SUPPORTED, "no time")
    assert parse_state({"IOConsoleUsers": [HERE]}, unknown) == unknown
    assert parse_state({"IOConsoleUsers": [HERE], "IOConsoleLocked": True}, unknown) is DeviceState.LOCKED


@pytest.mark.parametrize("value", [None, -1, 1 << 63, 10**20, True, "5"])
def test_an_impossible_time_is_none(value: Any) -> None:
    assert isinstance(idle_seconds({"HIDIdleTime": value}), Missing)


def test_nanoseconds_are_seconds() -> None:
    assert idle_seconds({"HIDIdleTime": 4_120_000_000}) == 4.12


def test_who_is_signed_in_is_dropped_before_anybody_sees_it(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "Root": {
                "IOConsoleUsers": [HERE | WHO],
                "IOConsoleLocked": False,
                "IOPlatformUUID": "CE3A2773-AF9E-515B-918B-5EE5C09372D7",
            },
            "IOHIDSystem": {"HIDIdleTime": 1_000_000_000, "Manufacturer": "jsmith"},
        },
    )
    context = Context.recorded(root)
    result = state.collect(context)
    assert result.value is not None
    assert result.value.state is DeviceState.IN_USE
    kept = registry.parse((root / "roadworthy/registry/Root.plist").read_bytes(), "Root")
    assert kept == {"IOConsoleLocked": False, "IOConsoleUsers": [HERE]}
    from roadworthy_agent.probes.state.macos import record

    told = b"".join(record(context).values()).lower()
    assert all(word not in told for word in (b"jsmith", b"jane", b"501", b"ce3a2773"))


def test_garbage_is_unobserved_and_never_idle(tmp_path: Path) -> None:
    root = tree(tmp_path, {"Root": b"<plist><dict>", "IOHIDSystem": {}})
    result = state.collect(Context.recorded(root))
    assert result.status is Status.ERROR
    assert result.value is not None
    assert result.value.state is DeviceState.UNOBSERVED


VALUES = st.one_of(st.booleans(), st.integers(), st.text(max_size=3), st.lists(st.just(HERE), max_size=2))


@given(st.dictionaries(st.sampled_from(["IOConsoleUsers", "IOConsoleLocked"]), VALUES), st.floats(0, 1e9))
def test_any_root_gives_a_state(root: dict[str, Any], idle: float) -> None:
    assert parse_state(root, idle) in DeviceState
