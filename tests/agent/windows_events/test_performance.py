"""Event 100: its identities, its phases, and what it says of people at the sign-in screen."""

from __future__ import annotations

import pytest
from agent.windows_events.events import DIAGNOSTICS, NAMES, PUBLISHED, after, at, event_100, parsed, xml
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.startup.windows_performance import (
    IDENTITIES,
    WITHIN,
    Timing,
    broken_identities,
    notes,
    parse_timing,
    phases,
    somebody_waited,
)
from roadworthy_agent.windows.event import to_text

START = at("2026-08-16T22:28:43.1933117Z")


def timing(name: str, **more: object) -> Timing:
    found = parse_timing(parsed(event_100(name, START, **more)))
    assert found is not None
    return found


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_four_identities_hold_on_every_published_event(name: str) -> None:
    assert broken_identities(timing(name).event) == ()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_counted_phases_add_up_to_windows_own_figure(name: str) -> None:
    found = phases(timing(name))
    assert round(sum(phase.seconds for phase in found if phase.counted) * 1000) == PUBLISHED[name][0]
    assert {phase.name for phase in found} >= {"kernel", "session_init", "explorer_init", "post_boot"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_main_path_is_what_comes_before_post_boot(name: str) -> None:
    found = {phase.name: phase.seconds for phase in phases(timing(name)) if phase.counted}
    assert round((sum(found.values()) - found["post_boot"]) * 1000) == PUBLISHED[name][1]


def test_the_wait_at_the_sign_in_screen_is_shown_and_never_counted() -> None:
    (wait,) = (phase for phase in phases(timing("windows 7, 2015")) if phase.name == "sign_in_wait")
    assert (wait.seconds, wait.counted) == (9.82, False)


def test_a_long_wait_is_not_even_shown_as_it_would_tell_when_somebody_came() -> None:
    found = phases(timing("windows 7, 2015", UserLogonWaitDuration=38_520_000))
    assert "sign_in_wait" not in {phase.name for phase in found}


@pytest.mark.parametrize("place", range(len(IDENTITIES)))
def test_an_event_that_breaks_an_identity_is_kept_and_marked_suspect(place: int) -> None:
    whole, parts, tolerance = list(IDENTITIES.values())[place]
    values = dict(zip(NAMES, PUBLISHED["windows 11, start 391"], strict=True))
    found = timing(
        "windows 11, start 391", **{whole: values[whole] + tolerance + 5, parts[-1]: values[parts[-1]] - 5}
    )
    assert list(IDENTITIES)[place] in found.broken
    assert found.quality == "suspect"
    counted = [phase for phase in phases(found) if phase.counted]
    assert {phase.quality for phase in counted} == {"suspect"}
    assert round(sum(phase.seconds for phase in counted) * 1000) == found.total


def test_rounding_within_the_tolerance_is_no_contradiction() -> None:
    values = dict(zip(NAMES, PUBLISHED["windows 11, start 391"], strict=True))
    off = values["SessionInitOtherDuration"] - 1
    assert timing("windows 11, start 391", SessionInitOtherDuration=off).broken == ()


# Published: windows-11_desktop-26200, windows-7_first-days, windows-7_slow-explorer
MORE = {
    "windows 11, start 391": {"BootKernelInitTime": 80, "BootDriverInitTime": 605, "BootDevicesInitTime": 951,
        "BootPrefetchInitTime": 0, "BootCriticalServicesInitTime": 482, "OtherKernelInitDuration": 229, "BootNumStartupApps": 14},
    "windows 7, 2010": {"BootKernelInitTime": 29, "BootDriverInitTime": 1930, "BootDevicesInitTime": 3099,
        "BootPrefetchInitTime": 35477, "BootCriticalServicesInitTime": 324, "OtherKernelInitDuration": 8428, "BootNumStartupApps": 0},
    "windows 7, 2015": {"BootKernelInitTime": 38, "BootDriverInitTime": 9668, "BootDevicesInitTime": 3335,
        "BootCriticalServicesInitTime": 4171, "OtherKernelInitDuration": 1139, "BootNumStartupApps": 9},
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_what_lies_within_the_phases_is_shown_and_never_counted(name: str) -> None:
    found, bare = phases(timing(name, **MORE[name])), phases(timing(name))
    counted = [(phase.name, phase.seconds) for phase in found if phase.counted]
    assert counted == [(phase.name, phase.seconds) for phase in bare if phase.counted]
    shown = {phase.name: phase for phase in found if not phase.counted}
    assert shown["driver_init"].seconds == MORE[name]["BootDriverInitTime"] / 1000
    assert all(phase.reason for phase in shown.values())
    assert ("read_ahead" in shown) is bool(MORE[name].get("BootPrefetchInitTime"))
    assert {"kernel_init", "device_init", "critical_services"} <= set(shown)


@pytest.mark.parametrize("name", MORE)
def test_the_kernels_phase_is_what_windows_counts_as_its_other_work(name: str) -> None:
    found = {phase.name: phase.seconds for phase in phases(timing(name, **MORE[name]))}
    assert "kernel_other" not in found  # told once
    if name != "windows 7, 2015":  # there its devices' times reach over the next instant
        assert found["kernel"] == MORE[name]["OtherKernelInitDuration"] / 1000


def test_the_kernels_other_work_is_shown_where_it_is_not_the_phase() -> None:
    found = {
        phase.name: phase for phase in phases(timing("windows 11, start 391", OtherKernelInitDuration=300))
    }
    assert (found["kernel_other"].seconds, found["kernel_other"].counted) == (0.3, False)


def test_an_unsplit_start_names_no_phase_that_is_not_there() -> None:
    found = phases(timing("windows 11, start 391", **MORE["windows 11, start 391"], MainPathBootTime=1))
    assert [phase.reason for phase in found if phase.name == "driver_init"] == [
        "within or beside the phases that count"
    ]


def test_post_boot_says_how_many_programs_start() -> None:
    reasons = {phase.name: phase.reason for phase in phases(timing("windows 7, 2015", BootNumStartupApps=9))}
    assert reasons["post_boot"] == "9 start-up programs"


@pytest.mark.parametrize(
    ("more", "kind", "words"),
    [
        ({"BootIsDegradation": "true", "BootDegradationDelta": 48988}, "cold", "49.0 s slower than usual"),
        ({"BootIsDegradation": "false", "BootDegradationDelta": 48988}, "cold", None),
        ({"BootIsDegradation": "true", "BootDegradationDelta": 0}, "cold", None),
        ({"BootIsRebootAfterInstall": "true"}, "dirty", "installed something"),
        ({"BootIsRebootAfterInstall": "true"}, "update", None),
    ],
)
def test_what_else_windows_says_is_kept_in_words(
    more: dict[str, object], kind: str, words: str | None
) -> None:
    found = notes(timing("windows 7, 2010", **more), kind)
    assert len(found) == (words is not None)
    assert words is None or words in found[0]


def test_version_1_without_the_instants_is_split_into_main_path_and_post_boot() -> None:
    event = parsed(
        xml(
            DIAGNOSTICS, 100, START, {"BootTime": 60000, "MainPathBootTime": 41000, "BootPostBootTime": 19000}
        )
    )
    found = parse_timing(event)
    assert found is not None
    assert [(phase.name, phase.seconds) for phase in phases(found)] == [
        ("main_path", 41.0),
        ("post_boot", 19.0),
    ]


def test_the_total_alone_is_one_phase() -> None:
    # happysysadm.com 2014/07: 258,644 ms, of which the page's reader sees no more
    event = parsed(xml(DIAGNOSTICS, 100, START, {"BootTime": 258644, "BootIsDegradation": "false"}))
    found = parse_timing(event)
    assert found is not None
    assert [(phase.name, phase.seconds) for phase in phases(found)] == [("start_up", 258.644)]


@pytest.mark.parametrize("value", ["", "-1", "garbage", "4294967295", "99999999999999999999"])
def test_a_time_that_can_be_none_is_none(value: str) -> None:
    assert parse_timing(parsed(xml(DIAGNOSTICS, 100, START, {"BootTime": value}))) is None


@pytest.mark.parametrize(
    ("ended", "wait"),
    [
        (51.237 + 56.3, 4518),  # Windows 7, 2010: 56 s at the sign-in screen, of which Windows counted 4.5
        (0.4, 4000),  # the clock was set in between: only Windows' count is left
    ],
)
def test_somebody_who_signed_in_soon_had_been_waiting(ended: float, wait: int) -> None:
    found = timing(
        "windows 11, start 392", BootEndTime=to_text(after(START, ended)), UserLogonWaitDuration=wait
    )
    assert somebody_waited(found) is True


@pytest.mark.parametrize(
    ("ended", "wait"),
    [
        (46375.0, 729),  # Windows 11: more than ten hours later, and Windows counted 0.7 s
        (0.4, 900_000),
    ],
)
def test_nobody_was_there_where_the_sign_in_came_late(ended: float, wait: int) -> None:
    found = timing(
        "windows 11, start 392", BootEndTime=to_text(after(START, ended)), UserLogonWaitDuration=wait
    )
    assert somebody_waited(found) is False


@given(
    st.dictionaries(st.sampled_from([*NAMES, *(field for _, field, _ in WITHIN)]), st.integers(0, 200_000))
)
def test_whatever_the_figures_the_counted_phases_are_the_total(values: dict[str, int]) -> None:
    found = parse_timing(parsed(xml(DIAGNOSTICS, 100, START, {"BootTime": 5000} | values)))
    assert found is not None
    shown = phases(found)
    assert all(phase.seconds >= 0 for phase in shown)
    assert round(sum(phase.seconds for phase in shown if phase.counted) * 1000) == found.total


@given(st.integers(10, 10**6), st.integers(10, 10**6), st.integers(0, 10**6), st.integers(-4, 4))
def test_a_sum_is_broken_exactly_where_it_is_off(main: int, post: int, session: int, off: int) -> None:
    values = {"BootTime": main + post + off, "MainPathBootTime": main, "BootPostBootTime": post,
              "SessionInitStartTimeMS": session}  # fmt: skip
    broken = broken_identities(parsed(xml(DIAGNOSTICS, 100, START, values)))
    assert bool(broken) is (off != 0)
