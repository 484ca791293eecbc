"""Sign-ins from events: the chain, its phases, who is never in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from agent.windows_events.events import (
    POLICY,
    PROFILES,
    SHELL,
    WINLOGON,
    after,
    at,
    kernel_start,
    log,
    xml,
)
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probe import Missing
from roadworthy_agent.probes.signin.windows_chain import shared_out
from roadworthy_agent.probes.signin.windows_log import (
    PROFILE_LOG,
    SHELL_LOG,
    VPN,
    WIFI,
    WINLOGON_LOG,
)
from roadworthy_agent.probes.signin.windows_records import Around, sign_ins
from roadworthy_agent.report import SigninRecord, to_wire
from roadworthy_agent.windows.event import TICKS

START = at("2026-08-18T13:27:34.9Z")
BEGIN = at("2026-08-18T13:27:39.7680000Z")
USER, MACHINE = "98183b21-e59b-4805-b1d7-c5b0137508b4", "00000000-aaaa-4805-b1d7-c5b0137508b4"
TASKS = "11111111-2222-4805-b1d7-c5b0137508b4"
FOREGROUND = {"IsDomainJoined": "true", "IsBackgroundProcessing": "false", "IsAsyncProcessing": "false",
              "PrincipalSamName": r"CORP\jsmith"}  # fmt: skip


def since(seconds: float) -> int:
    return after(BEGIN, seconds)


def chain(policy: dict[str, object] | None = None, **more: Any) -> list[str]:
    """Return a sign-in at BEGIN: 0.1 s authentication, 2 s profile, 3 s policy, the desktop at 6 s, over at 16 s."""
    ended: dict[str, object] = {
        "PolicyElaspedTimeInSeconds": 3,
        "ErrorCode": 0,
        "IsConnectivityFailure": "false",
    }
    return [
        *kernel_start(START),
        xml(WINLOGON, 1, since(0)),
        xml(WINLOGON, 2, since(0.1), {"Win32Status": 0}),
        xml(WINLOGON, 7001, since(0.15), {"TSId": 1, "UserSid": "S-1-5-21-9-9-9-1001"}),
        xml(WINLOGON, 811, since(0.2), {"Event": 0, "SubscriberName": "Profiles"}),
        xml(PROFILES, 1, since(0.5), {"Session": 1}),
        xml(PROFILES, 67, since(2.4), {"LogonType": "Regular", "LocalPath": r"C:\Users\jsmith", "ProfileType": "Regular"}),
        xml(PROFILES, 2, since(2.5), {"Session": 1}),
        xml(WINLOGON, 812, since(2.6), {"Event": 0, "SubscriberName": "Profiles"}),
        xml(WINLOGON, 811, since(2.6), {"Event": 0, "SubscriberName": "GPClient"}),
        xml(POLICY, 4001, since(2.7), FOREGROUND | (policy or {}), activity=USER),
        xml(POLICY, more.get("discovery", 5326), since(3.0), {"DCDiscoveryTimeInMilliSeconds": 312, "ErrorCode": more.get("error", 0)}, activity=USER),
        xml(POLICY, 4016, since(3.1), {"CSEExtensionId": "{5794DAFD-BE60-433F-88A2-1A31939AC01F}",
                                       "CSEExtensionName": "Групповая политика: сетевые диски"}, activity=USER),
        xml(POLICY, 4016, since(3.1), {"CSEExtensionId": "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}",
                                       "CSEExtensionName": "Registry"}, activity=MACHINE),
        xml(POLICY, 5016, since(5.6), {"CSEExtensionId": "{5794DAFD-BE60-433F-88A2-1A31939AC01F}"}, activity=USER),
        xml(POLICY, 8001, since(5.7), ended | more.get("ended", {}), activity=USER),
        xml(WINLOGON, 812, since(5.8), {"Event": 0, "SubscriberName": "GPClient"}),
        xml(SHELL, 62170, since(6.0), activity=TASKS),
        xml(SHELL, 9705, since(7.0), {"KeyName": r"Software\Microsoft\Windows\CurrentVersion\Run"}),
        xml(SHELL, 9707, since(7.1), {"Command": r'"C:\Users\jsmith\AppData\Local\OneDrive\OneDrive.exe" /background'}),
        xml(SHELL, 9708, since(9.1), {"PID": 4, "Command": r'"C:\Users\jsmith\AppData\Local\OneDrive\OneDrive.exe" /background'}),
        xml(SHELL, 9706, since(9.5), {"KeyName": r"Software\Microsoft\Windows\CurrentVersion\Run"}),
        xml(SHELL, 62171, since(16.0), activity=TASKS),
    ]  # fmt: skip


def seen(
    texts: Sequence[str], closed: Sequence[str] = (), seconds: float = 1200
) -> tuple[tuple[SigninRecord, ...], tuple[Missing, ...]]:
    now = BEGIN / TICKS + seconds
    around = Around(wall=now, boottime=now - START / TICKS, private=frozenset({"jsmith"}))
    return sign_ins(log(texts, closed), around)


def one(texts: Sequence[str], closed: Sequence[str] = (), seconds: float = 1200) -> SigninRecord:
    (record,) = seen(texts, closed, seconds)[0]
    return record


def shares(record: SigninRecord) -> dict[str, float]:
    return {phase.name: phase.seconds for phase in record.phases if phase.counted}


def test_the_chain_shares_out_the_time_from_credentials_to_the_last_program() -> None:
    record = one(chain())
    assert (record.quality, record.final, record.total_seconds, record.usable_seconds) == (
        "measured",
        True,
        16.0,
        6.0,
    )
    assert shares(record) == pytest.approx(
        {"authentication": 0.1, "user_profile": 2.0, "policy": 3.0, "desktop": 10.0, "other": 0.9}
    )
    assert sum(shares(record).values()) == pytest.approx(16.0)


def test_policy_beside_the_desktop_is_shown_and_not_counted() -> None:
    record = one(chain(policy={"IsAsyncProcessing": "true"}))
    assert "policy" not in shares(record)
    (beside,) = (phase for phase in record.phases if phase.name == "policy_beside")
    assert (beside.seconds, beside.counted) == (3.0, False)
    assert record.total_seconds == 16.0


def test_a_prompt_between_authentication_and_profile_is_no_part_of_the_sign_in() -> None:
    texts = [
        *kernel_start(START),
        xml(WINLOGON, 1, since(0)),
        xml(WINLOGON, 2, since(0.1), {"Win32Status": 0}),
        xml(PROFILES, 1, since(40.1), {"Session": 1}),
        xml(PROFILES, 2, since(42.1), {"Session": 1}),
    ]
    record = one(texts)
    assert record.total_seconds == pytest.approx(2.1)
    (prompt,) = (phase for phase in record.phases if phase.name == "sign_in_prompt")
    assert (prompt.seconds, prompt.counted) == (40.0, False)
    assert sum(shares(record).values()) == pytest.approx(2.1)


def test_a_wrong_password_before_is_not_counted() -> None:
    failed = [xml(WINLOGON, 1, since(-20)), xml(WINLOGON, 2, since(-19), {"Win32Status": 1326})]
    assert one([*failed, *chain()]).total_seconds == 16.0


def test_unlocking_is_no_sign_in() -> None:
    unlock = [xml(WINLOGON, 1, since(500)), xml(WINLOGON, 2, since(500.1), {"Win32Status": 0})]
    assert len(seen([*chain(), *unlock])[0]) == 1


def test_what_took_longest_goes_by_what_it_is() -> None:
    factors = {(each.kind, each.name): each for each in one(chain()).factors}
    assert list(factors) == [
        ("subscriber", "GPClient"), ("policy", "Drive Maps"), ("run_key", "Run"), ("subscriber", "Profiles"),
        ("application", "application (file sync)"),
    ]  # fmt: skip
    assert factors["subscriber", "GPClient"].seconds == pytest.approx(3.2)
    assert factors["policy", "Drive Maps"].began_seconds == pytest.approx(3.1)


def test_nobody_is_named_and_no_clock_time_is_told() -> None:
    wire = to_wire(one(chain()))
    text = json.dumps(wire, ensure_ascii=False).casefold()
    for planted in ("jsmith", "s-1-5-21", "hq-lt-0042", "corp", "2026", "13:27"):
        assert planted not in text, planted
    # What stays on the device: the agent sends a random id and the day in their place.
    assert {"key", "began_boottime_seconds"} <= set(wire)


@pytest.mark.parametrize(
    ("changes", "credentials", "connection"),
    [
        ({}, "network", "lan"),
        ({"ended": {"IsConnectivityFailure": "true"}, "error": "0x54b"}, "cached", "none"),
        ({"error": 1355}, "cached", "unknown"),
        ({"discovery": 7326, "error": 1355}, "cached", "unknown"),
        ({"discovery": 7326}, "cached", "unknown"),
        ({"policy": {"IsDomainJoined": "false"}}, "unknown", "lan"),
    ],
)
def test_credentials_are_what_policy_found_of_the_domain(
    changes: dict[str, Any], credentials: str, connection: str
) -> None:
    record = one(chain(**changes))
    assert (record.credentials, record.connection) == (credentials, connection)


def test_wifi_and_vpn_are_known_by_their_own_logs() -> None:
    wifi = xml(WIFI, 8001, since(-30), {"SSID": "home-of-jsmith"})
    lost = xml(WIFI, 8003, since(-10), {"SSID": "home-of-jsmith"})
    vpn = xml(VPN, 20225, since(-5))
    assert one([wifi, *chain()]).connection == "wifi"
    assert one([wifi, lost, *chain()]).connection == "lan"
    assert one([wifi, vpn, *chain()]).connection == "vpn"


def test_the_first_sign_in_on_a_device_makes_a_profile() -> None:
    made = [xml(PROFILES, 1001, since(0.6)), xml(PROFILES, 1002, since(2.0))]
    assert one([*made, *chain()]).first_on_device is True
    assert one(chain()).first_on_device is None


@pytest.mark.parametrize(("kind", "roams"), [("Regular", False), ("Roaming", True), ("", None)])
def test_a_roaming_profile_says_so(kind: str, roams: bool | None) -> None:  # noqa: FBT001 - a row of the table
    texts = [
        text.replace("<Data Name='ProfileType'>Regular</Data>", f"<Data Name='ProfileType'>{kind}</Data>")
        for text in chain()
    ]
    assert one(texts).roaming_profile is roams


def test_a_sign_in_that_still_runs_is_unfinished_and_keeps_its_key() -> None:
    whole = chain()
    early = one(whole[:8], seconds=1)
    assert (early.quality, early.final, early.total_seconds) == ("unfinished", False, None)
    assert one(whole).key == early.key


def test_a_sign_in_belongs_to_its_start_up() -> None:
    record = one(chain())
    assert record.start_id is not None
    assert record.start_id.endswith(":0")
    assert record.began_boottime_seconds == pytest.approx(4.868)


def test_sign_ins_before_the_running_kernel_are_of_the_boot_before() -> None:
    old = [xml(PROFILES, 1, since(-86_400), {"Session": 1}), xml(PROFILES, 2, since(-86_399), {"Session": 1})]
    assert len(seen([*old, *chain()])[0]) == 1


def test_a_closed_log_costs_its_part_and_says_so() -> None:
    without = [text for text in chain() if SHELL not in text]
    records, missing = seen(without, closed=[SHELL_LOG])
    assert (records[0].quality, records[0].usable_seconds) == ("approximate", None)
    assert records[0].total_seconds == pytest.approx(5.7)
    assert [(each.field, each.status) for each in missing] == [("signins.usable_seconds", "no_permission")]


def test_the_system_log_stands_in_where_the_profile_log_is_closed() -> None:
    texts = [text for text in chain() if PROFILES not in text]
    assert one(texts, closed=[PROFILE_LOG]).total_seconds == 16.0
    assert seen(texts)[0] == ()  # readable and empty: nobody signed in


def test_services_profiles_are_no_sign_ins() -> None:
    assert seen([xml(PROFILES, 1, since(0), {"Session": 0})])[0] == ()
    assert seen([])[0] == ()


def test_the_rest_is_told_where_winlogons_log_is_closed() -> None:
    texts = [text for text in chain() if f"Provider Name='{WINLOGON}'" not in text]
    record = one(texts, closed=[WINLOGON_LOG])
    assert record.quality == "approximate"
    assert record.total_seconds == pytest.approx(15.5)


WHOLE = chain()


@given(st.permutations(WHOLE), st.lists(st.sampled_from(WHOLE), max_size=5))
def test_neither_the_order_of_events_nor_repetition_changes_the_records(
    texts: list[str], again: list[str]
) -> None:
    assert seen([*texts, *again, "<garbage"]) == seen(WHOLE)


@given(st.sets(st.integers(0, len(WHOLE) - 1)), st.floats(0, 3000))
def test_whatever_is_lost_the_counted_phases_are_the_total(lost: set[int], seconds: float) -> None:
    texts = [text for place, text in enumerate(WHOLE) if place not in lost]
    for record in seen(texts, seconds=seconds)[0]:
        if record.total_seconds is not None:
            assert sum(shares(record).values()) == pytest.approx(record.total_seconds, abs=1e-5)
        assert all(phase.seconds > 0 for phase in record.phases)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.integers(0, 50)), max_size=6),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_sharing_out_neither_loses_nor_doubles_time(
    parts: list[tuple[str, int, int]], begin: int, length: int
) -> None:
    ordered = [(name, min(one_, two), max(one_, two)) for name, one_, two in parts]
    assert sum(shared_out(ordered, begin, begin + length).values()) == length
