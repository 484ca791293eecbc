"""Start-ups from events: which start, what kind, firmware, shutdown, attended, and what closed logs leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from agent.windows_events.events import (
    DIAGNOSTICS,
    EVENT_LOG,
    KERNEL_BOOT,
    KERNEL_GENERAL,
    KERNEL_POWER,
    POLICY,
    PROFILES,
    SHELL,
    TROUBLESHOOTER,
    WINLOGON,
    after,
    at,
    event_100,
    kernel_start,
    log,
    xml,
)
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.signin.windows_log import POLICY_LOG, PROFILE_LOG
from roadworthy_agent.probes.startup.windows_log import PERFORMANCE, SYSTEM
from roadworthy_agent.probes.startup.windows_records import Around, StartUps, start_ups
from roadworthy_agent.report import StartupRecord
from roadworthy_agent.windows.event import TICKS, to_text

START = at("2026-08-16T22:28:43.1933117Z")
NAME = "windows 11, start 391"
ACTIVITY = "9841997e-2dce-0000-cd23-4298ce2ddd01"
METRICS = {"ResetEndStart": 0, "LoadOSImageStart": 12609, "StartOSImageStart": 12621,
           "ExitBootServicesEntry": 12986, "ExitBootServicesExit": 12990}  # fmt: skip


def around(seconds: float = 400, **more: Any) -> Around:
    values = Around(boot_id="b", environment="physical", wall=START / TICKS + seconds, boottime=seconds)
    return replace(values, **more)


def found(texts: Sequence[str], closed: Sequence[str] = (), seconds: float = 400, **more: Any) -> StartUps:
    return start_ups(log(texts, closed), around(seconds, **more))


def one(texts: Sequence[str], closed: Sequence[str] = (), seconds: float = 400, **more: Any) -> StartupRecord:
    (record,) = found(texts, closed, seconds, **more).records
    return record


def measured(**more: object) -> list[str]:
    return [*kernel_start(START), event_100(NAME, START, activity=ACTIVITY, **more)]


def test_a_start_told_by_event_100_is_measured_and_final() -> None:
    record = one(measured())
    assert (record.quality, record.final, record.source) == (
        "measured",
        True,
        "Diagnostics-Performance event 100",
    )
    assert record.total_seconds == pytest.approx(111.814 + 1.296)  # BootTime and the event's own loader time
    assert record.usable_seconds == pytest.approx(25.314 + 1.296)
    assert record.began_boottime_seconds == -1.296


def test_a_start_without_event_100_yet_is_unfinished_and_gets_the_same_name_when_it_comes() -> None:
    services = xml(EVENT_LOG, 6005, after(START, 19))
    first = one([*kernel_start(START), services], seconds=60)
    assert (first.quality, first.final, first.total_seconds) == ("unfinished", False, 19.5)
    waiting = found([*kernel_start(START), services], seconds=60).waiting
    assert waiting is not None
    assert waiting.status == "no_data_yet"
    later = one([*measured(), services])
    assert (later.start_id, later.quality) == (first.start_id, "measured")
    assert later.start_id.endswith(":0")


def test_an_early_look_does_not_take_the_start_before_for_this_one() -> None:
    before = kernel_start(after(START, -90_000), record=1)
    early = found(before, seconds=30)
    assert early.records == ()
    assert early.waiting is not None
    assert early.waiting.status == "no_data_yet"
    uncounted = [text for text in kernel_start(START) if "<EventID Qualifiers='0'>20<" not in text]
    assert found([*before, *uncounted], seconds=30).records == ()
    assert len(found([*before, *kernel_start(START)], seconds=30).records) == 1
    # Later the only start there is counts, however far the clock puts it: the clock was set.
    assert len(found(before, seconds=300).records) == 1


def test_after_half_an_hour_nobody_waits_any_longer_and_the_reason_says_what_is_wrong() -> None:
    signed_in = xml(WINLOGON, 7001, after(START, 40))
    assert one(kernel_start(START), seconds=1900).final
    nobody = found(kernel_start(START), seconds=1900).waiting
    off = found([*kernel_start(START), signed_in], seconds=1900).waiting
    assert nobody is not None
    assert "nobody has" in nobody.reason
    assert off is not None
    assert "(DPS) off" in off.reason


def test_a_server_is_told_by_the_system_log_and_says_so() -> None:
    told = found([*kernel_start(START), xml(EVENT_LOG, 6005, after(START, 41))], closed=[PERFORMANCE])
    (record,) = told.records
    assert (record.quality, record.final, record.usable_seconds) == ("approximate", True, None)
    assert record.total_seconds == pytest.approx(41.5)
    assert [phase.name for phase in record.phases] == ["until_services"]
    assert told.waiting is not None
    assert told.waiting.status == "no_permission"


def test_event_100_alone_tells_of_a_start_where_the_system_log_is_closed() -> None:
    record = one([event_100(NAME, START)], closed=[SYSTEM])
    assert (record.kind, record.quality, record.final) == ("unknown", "measured", True)


def test_nothing_is_made_up_where_nothing_is_told() -> None:
    assert found([]) == StartUps()
    assert found([xml(EVENT_LOG, 6005, START), xml(KERNEL_POWER, 41, START)]) == StartUps()


def test_an_event_100_of_another_start_is_not_taken() -> None:
    assert one([*kernel_start(START), event_100(NAME, after(START, -86_400))]).quality == "unfinished"
    assert one([*kernel_start(START), event_100(NAME, after(START, 1.5))]).quality == "unfinished"


def test_event_100_goes_to_its_start_though_the_one_before_is_a_minute_away() -> None:
    before = after(START, -54)
    texts = [*kernel_start(before, record=1), *measured(), event_100("windows 11, start 392", before)]
    assert one(texts).total_seconds == pytest.approx(111.814 + 1.296)


@pytest.mark.parametrize(("action", "kind"), [(5, "restart"), (4, "cold"), (6, "cold"), (9, "unknown")])
def test_what_the_power_manager_was_going_to_do_tells_the_kind(action: int, kind: str) -> None:
    texts = [xml(KERNEL_POWER, 109, after(START, -20), {"ShutdownActionType": action}), *measured()]
    assert one(texts).kind == kind


def test_a_power_action_before_an_earlier_start_is_of_that_one() -> None:
    texts = [
        xml(KERNEL_POWER, 109, after(START, -4000), {"ShutdownActionType": 5}),
        *kernel_start(after(START, -3900), record=1),
        *measured(),
    ]
    assert one(texts).kind == "unknown"


@pytest.mark.parametrize("code", ["0x80020003", "0x80020010", "0x80020011", "0x80020012", "2147614736"])
def test_reason_codes_tell_an_update_in_every_language(code: str) -> None:
    planned = xml("User32", 1074, after(START, -30), {"param4": code, "param5": "Перезапустить"})
    assert (
        one([planned, xml(KERNEL_POWER, 109, after(START, -20), {"ShutdownActionType": 5}), *measured()]).kind
        == "update"
    )


@pytest.mark.parametrize(
    ("word", "kind"), [("restart", "restart"), ("power off", "cold"), ("다시 시작", "unknown")]
)
def test_words_count_only_where_no_number_tells(word: str, kind: str) -> None:
    assert (
        one([xml("User32", 1074, after(START, -30), {"param4": "0x0", "param5": word}), *measured()]).kind
        == kind
    )


@pytest.mark.parametrize(("ended", "kind"), [("reboot", "restart"), ("poweroff", "cold"), (None, "unknown")])
def test_the_agents_own_memory_tells_where_the_log_does_not(ended: str | None, kind: str) -> None:
    assert one(measured(), last_ended=ended).kind == kind
    crashed = xml(KERNEL_POWER, 41, after(START, 6), {"BugcheckCode": 159})
    assert one([crashed, *measured()], last_ended=ended).kind == "dirty"


def test_the_first_start_is_the_one_around_the_installation() -> None:
    assert one(measured(), installed_at=round(START / TICKS) - 900).kind == "first"
    assert one(measured(), installed_at=round(START / TICKS) - 9000).kind == "unknown"


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([xml(KERNEL_POWER, 41, after(START, 6), {"BugcheckCode": 159})], "stop error 0x9F"),
        ([xml(KERNEL_POWER, 41, after(START, 6), {"BugcheckCode": 0, "PowerButtonTimestamp": 134344115099009259})],
         "power button was held"),
        ([xml(KERNEL_POWER, 41, after(START, 6), {"BugcheckCode": 0, "PowerButtonTimestamp": 0})], "power lost"),
        ([xml(EVENT_LOG, 6008, after(START, 18))], "power lost"),
    ],
)  # fmt: skip
def test_a_dirty_start_says_how_the_device_went_down(texts: list[str], words: str) -> None:
    record = one([*texts, *measured()])
    assert record.kind == "dirty"
    assert words in (record.reason or "")


def test_windows_own_word_that_the_last_shutdown_was_not_good_is_enough() -> None:
    assert one([*kernel_start(START, LastShutdownGood="false"), event_100(NAME, START)]).kind == "dirty"
    late = xml(KERNEL_POWER, 41, after(START, 5000), {"BugcheckCode": 159})
    assert one([late, *measured()], seconds=6000).kind == "unknown"


def test_firmware_counts_when_the_device_was_away_for_long_enough() -> None:
    stopped = xml(KERNEL_GENERAL, 13, after(START, -30), {"StopTime": to_text(after(START, -30))})
    record = one([stopped, xml(KERNEL_BOOT, 30, after(START, 0.03), METRICS), *measured()])
    assert [(phase.name, phase.seconds, phase.quality) for phase in record.phases[:2]] == [
        ("firmware", 12.621, "measured"),
        ("loader", 0.369, "measured"),
    ]
    assert record.total_seconds == pytest.approx(111.814 + 12.990)


@pytest.mark.parametrize("seen", [None, 40.0])
def test_a_firmware_time_that_cannot_be_is_shown_and_never_summed(seen: float | None) -> None:
    ghost = {name: value + (1_392_000 if value else 0) for name, value in METRICS.items()}
    last_seen = None if seen is None else START / TICKS - seen
    record = one([xml(KERNEL_BOOT, 30, after(START, 0.03), ghost), *measured()], last_seen_at=last_seen)
    firmware = record.phases[0]
    assert (firmware.name, firmware.counted, firmware.quality) == ("firmware", False, "suspect")
    assert record.total_seconds == pytest.approx(111.814 + 0.369)
    assert "firmware is not counted" in (record.reason or "")


def test_the_registry_stands_in_for_firmware_and_is_judged_the_same() -> None:
    believed = one(measured(), post_milliseconds=8210)
    doubted = one(measured(), post_milliseconds=16_680_800)
    assert (believed.phases[0].source, believed.phases[0].counted) == ("FwPOSTTime in the registry", True)
    assert (doubted.phases[0].counted, doubted.phases[0].quality) == (False, "suspect")


def test_a_person_at_the_bitlocker_prompt_is_taken_out_of_the_loader() -> None:
    metrics = METRICS | {"ExitBootServicesEntry": 32986, "ExitBootServicesExit": 32990}
    texts = [
        xml(KERNEL_BOOT, 30, after(START, 0.03), metrics),
        xml(KERNEL_BOOT, 32, after(START, 0.03), {"BitlockerUserInputTime": 20000}),
        *measured(),
    ]
    phases = {phase.name: phase for phase in one(texts).phases}
    assert phases["loader"].seconds == pytest.approx(0.369)
    assert (phases["disk_unlock_wait"].seconds, phases["disk_unlock_wait"].counted) == (20.0, False)


def test_metrics_out_of_order_and_of_legacy_machines_are_none() -> None:
    # A day and more is no time of a start-up, and the collector would refuse the whole record for it.
    endless = METRICS | {
        "StartOSImageStart": 1 << 39,
        "ExitBootServicesEntry": 1 << 39,
        "ExitBootServicesExit": 1 << 39,
    }
    for wrong in (
        endless,
        METRICS | {"StartOSImageStart": 1},
        dict.fromkeys(METRICS, 0),
        {"ResetEndStart": 0},
    ):
        record = one([xml(KERNEL_BOOT, 30, after(START, 0.03), wrong), *measured()])
        assert "firmware" not in {phase.name for phase in record.phases}


def test_firmware_times_of_the_start_a_minute_before_are_not_taken() -> None:
    before = after(START, -54)
    texts = [*kernel_start(before, record=1), xml(KERNEL_BOOT, 30, after(before, 0.03), METRICS), *measured()]
    assert "firmware" not in {phase.name for phase in one(texts).phases}


def shutdown(ended: int, milliseconds: int = 12819) -> str:
    data = {
        "ShutdownStartTime": to_text(after(ended, -12.8)),
        "ShutdownEndTime": to_text(ended),
        "ShutdownTime": milliseconds,
    }
    return xml(DIAGNOSTICS, 200, after(START, 130), data)


def test_the_shutdown_before_goes_with_the_start_and_with_what_slowed_it() -> None:
    ended = after(START, -30)
    slow = xml(
        DIAGNOSTICS, 203, after(START, 130),
        {"StartTime": to_text(after(ended, -12.8)), "Name": "SysMain", "TotalTime": 9000, "DegradationTime": 4000},
    )  # fmt: skip
    record = one([shutdown(ended), slow, *measured()])
    assert record.shutdown_seconds == 12.819
    assert [(each.kind, each.name, each.seconds) for each in record.factors] == [("shutdown", "SysMain", 9.0)]
    assert (
        one([*kernel_start(after(START, -20), record=1), shutdown(ended), *measured()]).shutdown_seconds
        is None
    )


def test_attended_is_not_guessed() -> None:
    signed_in = xml(WINLOGON, 7001, after(START, 40))
    bare = kernel_start(START)
    assert one(bare, seconds=100).attended is None
    assert one(bare, seconds=700).attended is False
    assert one([*bare, signed_in]).attended is True
    assert one([*bare, signed_in], automatic_sign_in=True).attended is None
    assert one(bare, closed=[PERFORMANCE], seconds=100).attended is None


def test_a_clock_that_was_wrong_before_does_not_make_an_older_start_the_newest() -> None:
    future = at("2031-01-01T00:00:00Z")
    texts = [*kernel_start(future, record=1), *measured()]
    assert one(texts).total_seconds == pytest.approx(111.814 + 1.296)


def wake(woken: int, **data: object) -> list[str]:
    slept = after(woken, -3600)
    told = {"SleepTime": to_text(slept), "WakeTime": to_text(woken)} | data
    return [
        xml(
            KERNEL_POWER,
            42,
            after(slept, 0.8),
            {name: told[name] for name in ("TargetState",) if name in told},
        ),
        xml(KERNEL_POWER, 107, after(slept, 2.6), {}),
        xml(TROUBLESHOOTER, 1, after(woken, 3), told),
    ]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"TargetState": 4, "EffectiveState": 4, "WakeDuration": 1279, "BiosInitDuration": 1027}, "resume"),
        ({"TargetState": 5, "HiberReadDuration": 14298, "WakeDuration": 2719}, "hibernate"),
        (
            {"TargetState": 6, "EffectiveState": 5, "HiberReadDuration": 2100, "WakeDuration": 2719},
            "fast_startup",
        ),
        (
            {"TargetState": 4, "HiberReadDuration": 14298, "WakeDuration": 2719},
            "hibernate",
        ),  # hybrid sleep, power lost
    ],
)
def test_a_wake_is_a_start_up_of_its_own_kind(data: dict[str, object], kind: str) -> None:
    records = found([*measured(), *wake(after(START, 8000), **data)], seconds=9000).records
    assert [record.kind for record in records] == ["unknown", kind]
    start, woken = records
    assert woken.start_id.startswith(start.start_id[:32])
    assert woken.boot_id == start.boot_id
    assert woken.began_boottime_seconds == pytest.approx(8000, abs=0.01)
    assert woken.total_seconds == pytest.approx(sum(phase.seconds for phase in woken.phases if phase.counted))


@pytest.mark.parametrize(("boot_type", "kind"), [(1, "fast_startup"), (2, "hibernate")])
def test_kernel_boot_27_decides_where_windows_still_writes_it(boot_type: int, kind: str) -> None:
    woken = after(START, 8000)
    mark = xml(KERNEL_BOOT, 27, after(woken, -1), {"BootType": boot_type})
    records = found([*measured(), mark, *wake(woken, TargetState=5, WakeDuration=900)], seconds=9000).records
    assert [record.kind for record in records] == ["unknown", kind]


def test_a_hybrid_start_with_a_kernel_general_12_is_no_start_of_a_kernel() -> None:
    woken = after(START, 8000)
    hybrid = [*kernel_start(woken, record=90, boot_type=1), *wake(woken, TargetState=6, WakeDuration=900)]
    records = found([*measured(), *hybrid], seconds=9000).records
    assert [record.kind for record in records] == ["unknown", "fast_startup"]
    assert records[0].start_id == one(measured()).start_id


def test_a_shutdown_asked_for_just_before_makes_hibernation_fast_startup() -> None:
    woken = after(START, 8000)
    asked = xml("User32", 1074, after(woken, -3610), {"param4": "0x0", "param5": "关机"})
    records = found(
        [*measured(), asked, *wake(woken, TargetState=5, HiberReadDuration=2100)], seconds=9000
    ).records
    assert records[1].kind == "fast_startup"


def test_a_wake_keeps_its_name_while_more_of_it_is_told() -> None:
    whole = wake(after(START, 8000), TargetState=4, WakeDuration=900)
    early = found([*measured(), *whole[:2]], seconds=8010).records
    late = found([*measured(), *whole[:2]], seconds=9000).records  # nothing more came: from 107 alone
    told = found([*measured(), *whole], seconds=9000).records
    assert len(early) <= 2
    assert late[1].start_id == told[1].start_id
    assert (late[1].quality, late[1].total_seconds) == ("approximate", None)
    assert told[1].quality == "measured"


def test_only_the_newest_wakes_are_told() -> None:
    texts = [
        text
        for number in range(12)
        for text in wake(after(START, 8000 + 8000 * number), TargetState=4, WakeDuration=900)
    ]
    records = found([*measured(), *texts], seconds=120_000).records
    assert len(records) == 9
    assert len({record.start_id for record in records}) == 9


def test_a_firmware_that_took_longer_than_the_sleep_is_not_counted_in_a_wake() -> None:
    woken = after(START, 8000)
    record = found(
        [*measured(), *wake(woken, TargetState=4, WakeDuration=900, BiosInitDuration=7_000_000)], seconds=9000
    ).records[1]
    assert (record.quality, record.total_seconds) == ("suspect", 0.9)


def six_thousand_and_five(seconds: float = 41) -> str:
    return xml(EVENT_LOG, 6005, after(START, seconds))


def test_a_server_whose_performance_log_is_open_and_empty_is_approximate_and_says_why() -> None:
    told = found([*kernel_start(START), six_thousand_and_five()], server=True)
    (record,) = told.records
    assert (record.quality, record.final, record.total_seconds) == ("approximate", True, 41.5)
    assert "servers do not measure start-ups" in (record.reason or "")
    assert told.waiting is not None
    assert (told.waiting.status, [each.status for each in told.missing if each.field == "startups.usable_seconds"]) == (
        "not_supported", ["not_supported"],
    )  # fmt: skip


def test_a_server_that_does_measure_is_measured() -> None:
    assert one(measured(), server=True).quality == "measured"


def test_a_client_is_approximate_after_half_an_hour_without_event_100() -> None:
    texts = [*kernel_start(START), six_thousand_and_five(19)]
    early, late = one(texts, seconds=1700), one(texts, seconds=1900)
    assert (early.quality, early.final, early.reason) == ("unfinished", False, None)
    assert (late.quality, late.final, late.total_seconds) == ("approximate", True, 19.5)
    assert "in 30 minutes" in (late.reason or "")
    # Without the event log service's word there is nothing to tell of
    assert one(kernel_start(START), seconds=1900).quality == "unfinished"


def test_an_approximate_start_waits_for_the_machines_policy_before_it_is_final() -> None:
    texts = [*kernel_start(START), six_thousand_and_five(19)]
    assert not one(texts, closed=[PERFORMANCE], seconds=60).final
    assert one(texts, closed=[PERFORMANCE], seconds=400).final


def test_a_container_is_told_as_one_without_its_hosts_firmware() -> None:
    texts = [
        *kernel_start(START),
        six_thousand_and_five(3),
        xml(KERNEL_BOOT, 30, after(START, 0.03), METRICS),
    ]
    told = found(texts, environment="container", post_milliseconds=8210, last_ended="reboot")
    (record,) = told.records
    assert (record.kind, record.environment, record.quality) == ("container", "container", "approximate")
    assert [phase.name for phase in record.phases] == ["until_services"]
    assert told.waiting is not None
    assert told.waiting.status == "container"


def test_a_check_of_the_disk_is_a_contributing_factor() -> None:
    record = one(measured(BootAutoChkTime=184_000))
    assert [(each.kind, each.name, each.seconds) for each in record.factors] == [
        ("component", "disk check", 184.0)
    ]
    assert record.total_seconds == one(measured()).total_seconds
    assert one(measured(BootAutoChkTime=0)).factors == ()


POLICY_ID = "70c9a908-a206-406d-8a5d-d1ca7fee9e13"
SECURITY, SCRIPTS = "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}", "{42B5FAAE-6536-11D2-AE5A-0000F87571E3}"


def machine_policy(begin: float = 16.3, *, end: int = 8000, asynchronous: bool = False) -> list[str]:
    """Return the machine's policy of a start: 12 s, of which scripts took 10 and failed."""

    def of(number: int, seconds: float, data: dict[str, object]) -> str:
        return xml(POLICY, number, after(START, begin + seconds), data, activity=POLICY_ID)

    return [
        of(
            4000,
            0,
            {"IsMachine": 1, "IsAsyncProcessing": str(asynchronous).lower(), "IsServiceRestart": "false"},
        ),
        of(4016, 0.5, {"CSEExtensionId": SECURITY, "CSEExtensionName": "Безопасность"}),
        of(5016, 1.5, {"CSEExtensionId": SECURITY}),
        of(4016, 1.5, {"CSEExtensionId": SCRIPTS, "CSEExtensionName": "Scripts"}),
        of(7016, 11.5, {"CSEExtensionId": SCRIPTS}),
        of(end, 12, {"ErrorCode": 0}),
    ]


@pytest.mark.parametrize("end", [8000, 7000, 6000])
def test_the_machines_policy_and_its_extensions_contribute_to_a_start(end: int) -> None:
    record = one([*measured(), *machine_policy(end=end)])
    assert [(each.kind, each.name, each.seconds) for each in record.factors] == [
        ("policy", "machine policy", 12.0), ("policy", "Scripts", 10.0), ("policy", "Security", 1.0),
    ]  # fmt: skip
    # After the start-up began, which is the loader's time before the kernel, itself half a second before event 100's
    assert record.factors[0].began_seconds == pytest.approx(1.296 + 0.5 + 16.3 - 0.03, abs=0.04)
    assert record.total_seconds == one(measured()).total_seconds


def test_policy_that_nothing_waits_for_says_so() -> None:
    assert (
        one([*measured(), *machine_policy(asynchronous=True)]).factors[0].name
        == "machine policy, beside the start-up"
    )


def test_windows_own_word_for_the_machines_policy_stands_for_ours() -> None:
    data = {
        "StartTime": to_text(START),
        "Name": "Machine policy",
        "TotalTime": 11000,
        "DegradationTime": 9000,
    }
    slow = xml(DIAGNOSTICS, 107, after(START, 131), data)
    factors = one([*measured(), slow, *machine_policy()]).factors
    assert [(each.name, each.seconds) for each in factors] == [
        ("machine policy", 11.0),
        ("Scripts", 10.0),
        ("Security", 1.0),
    ]


def test_policy_of_another_processing_contributes_to_no_start() -> None:
    other = [text.replace(POLICY_ID, POLICY_ID.replace("7", "8")) for text in machine_policy()[1:]]
    assert one([*measured(), machine_policy()[0], *other]).factors == ()
    refreshed = [text.replace(">4000<", ">4004<") for text in machine_policy()]
    assert one([*measured(), *refreshed]).factors == ()
    restarted = [
        text.replace("<Data Name='IsServiceRestart'>false", "<Data Name='IsServiceRestart'>true")
        for text in machine_policy()
    ]
    assert one([*measured(), *restarted]).factors == ()


def test_policy_after_the_first_sign_in_or_before_the_start_is_not_the_starts() -> None:
    signed_in = xml(WINLOGON, 7001, after(START, 10))
    assert one([*measured(), signed_in, *machine_policy()]).factors == ()
    assert one([*measured(), *machine_policy(begin=-500)]).factors == ()
    assert one([*measured(), *machine_policy(begin=2500)], seconds=9000).factors == ()


def test_policy_is_told_of_a_server_too() -> None:
    texts = [*kernel_start(START), six_thousand_and_five(), *machine_policy()]
    assert [each.name for each in one(texts, server=True).factors] == [
        "machine policy",
        "Scripts",
        "Security",
    ]


def profile(begin: float, end: float | None, session: int = 1) -> list[str]:
    begun = [xml(PROFILES, 1, after(START, begin), {"Session": session})]
    return begun if end is None else [*begun, xml(PROFILES, 2, after(START, end), {"Session": session})]


def test_the_first_profile_contributes_to_a_measured_start_without_when_it_was() -> None:
    texts = [*measured(), *profile(5, 6, session=0), *profile(40, 44.5), *profile(900, 990)]
    (factor,) = one(texts, seconds=9000).factors
    assert (factor.kind, factor.name, factor.seconds, factor.began_seconds) == (
        "profile",
        "user profile",
        4.5,
        None,
    )


def test_a_profile_is_not_blamed_where_the_start_is_told_by_the_system_log_or_its_end_is_unknown() -> None:
    assert one([*kernel_start(START), six_thousand_and_five(), *profile(40, 44.5)], server=True).factors == ()
    assert one([*measured(), *profile(40, None)]).factors == ()
    assert one([*measured(), *profile(40, None), *profile(60, 64)]).factors == ()  # an end of the second one


def test_winlogons_subscribers_and_run_keys_stay_with_the_sign_in() -> None:
    texts = [
        xml(WINLOGON, 811, after(START, 40), {"SubscriberName": "GPClient"}),
        xml(WINLOGON, 812, after(START, 49), {"SubscriberName": "GPClient"}),
        xml(SHELL, 9705, after(START, 50), {"KeyName": "Run"}),
        xml(SHELL, 9706, after(START, 55), {"KeyName": "Run"}),
    ]
    assert one([*measured(), *texts]).factors == ()


def test_closed_logs_of_policy_and_profiles_are_named() -> None:
    told = found(measured(), closed=[POLICY_LOG, PROFILE_LOG])
    assert [(each.field, each.status) for each in told.missing[-2:]] == [
        ("startups.factors.policy", "no_permission"), ("startups.factors.profile", "no_permission"),
    ]  # fmt: skip
    assert told.waiting is None


EVERYTHING = [
    xml(KERNEL_POWER, 109, after(START, -20), {"ShutdownActionType": 5}),
    xml(KERNEL_GENERAL, 13, after(START, -18), {"StopTime": to_text(after(START, -18))}),
    *kernel_start(after(START, -90_000), record=1),
    *measured(),
    xml(KERNEL_BOOT, 30, after(START, 0.03), METRICS),
    shutdown(after(START, -18)),
    xml(EVENT_LOG, 6005, after(START, 19)),
    xml(WINLOGON, 7001, after(START, 40)),
    xml(
        DIAGNOSTICS, 103, after(START, 131),
        {"StartTime": to_text(START), "Name": "windefend", "TotalTime": 326, "DegradationTime": 234}, activity=ACTIVITY,
    ),
    *wake(after(START, 8000), TargetState=5, HiberReadDuration=14298, WakeDuration=2719, BiosInitDuration=7588),
    *machine_policy(),
    *profile(40, 44.5),
]  # fmt: skip


@given(st.permutations(EVERYTHING), st.lists(st.sampled_from(EVERYTHING), max_size=5))
def test_neither_the_order_of_events_nor_repetition_changes_the_records(
    texts: list[str], again: list[str]
) -> None:
    assert found([*texts, *again, "<garbage"], seconds=9000) == found(EVERYTHING, seconds=9000)


@given(st.sets(st.integers(0, len(EVERYTHING) - 1)), st.integers(0, 400), st.integers(0, 10))
def test_whatever_is_lost_sums_close_and_names_stay(lost: set[int], cut: int, which: int) -> None:
    texts = [text for place, text in enumerate(EVERYTHING) if place not in lost]
    texts = [text[:cut] if place == which else text for place, text in enumerate(texts)]
    for record in found(texts, seconds=9000).records:
        counted = sum(phase.seconds for phase in record.phases if phase.counted)
        assert record.total_seconds is None or record.total_seconds == pytest.approx(counted, abs=1e-6)
        assert (
            record.usable_seconds is None
            or record.total_seconds is None
            or (record.usable_seconds <= record.total_seconds + 1e-6)
        )
        assert len(record.start_id) <= 96
        assert len(record.phases) <= 32


def test_factors_are_tied_to_their_start_by_its_instant_or_its_activity() -> None:
    mine = xml(
        DIAGNOSTICS, 103, after(START, 131), {"StartTime": to_text(START), "Name": "mine", "TotalTime": 1}
    )
    linked = xml(DIAGNOSTICS, 103, after(START, 131), {"Name": "linked", "TotalTime": 2}, activity=ACTIVITY)
    other = xml(DIAGNOSTICS, 103, after(START, 131), {"StartTime": to_text(after(START, -60)), "Name": "other", "TotalTime": 3},
                activity=ACTIVITY)  # fmt: skip
    assert [each.name for each in one([mine, linked, other, *measured()]).factors] == ["linked", "mine"]


def test_degradation_may_be_longer_than_the_total_and_both_go_as_they_are() -> None:
    slow = xml(DIAGNOSTICS, 106, after(START, 131), {"StartTime": to_text(START), "Name": "Фоновая оптимизация",
                                                     "TotalTime": 39992, "DegradationTime": 54619})  # fmt: skip
    (factor,) = one([slow, *measured()]).factors
    assert (factor.kind, factor.name, factor.seconds, factor.degradation_seconds) == (
        "component", "background optimisation", 39.992, 54.619,
    )  # fmt: skip


def test_no_report_of_a_start_up_tells_when_somebody_signed_in() -> None:
    """A running agent sends what changed: until the half hour is almost over nothing may depend on the sign-in."""
    before = found(kernel_start(START), seconds=120, told_after=1500.0)
    signed_in = [*measured(), xml(WINLOGON, 7001, after(START, 90))]
    for seconds in (120.0, 400.0, 1499.0):
        assert found(signed_in, seconds=seconds, told_after=1500.0) == before
    (record,) = found(signed_in, seconds=1500, told_after=1500.0).records
    assert (record.quality, record.final, record.attended) == ("measured", True, True)
    (record,) = found(kernel_start(START), seconds=1500, told_after=1500.0).records
    assert (record.quality, record.final) == ("unfinished", True)


def test_a_registry_time_of_days_is_none() -> None:
    assert "firmware" not in {phase.name for phase in one(measured(), post_milliseconds=0xFFFF_FFFF).phases}
