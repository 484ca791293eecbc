"""What of a name leaves a Windows device."""

from __future__ import annotations

import time

import pytest
from agent.windows_events.events import DIAGNOSTICS, at, parsed, xml
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.startup import windows_names as names
from roadworthy_agent.probes.startup.windows_factors import parse_factor
from roadworthy_agent.report import Factor

PRIVATE = names.private_words(
    [r"C:\Users\jsmith", r"C:\Users\a.jones.CORP", r"%systemroot%\system32\config\systemprofile"],
    "HQ-LT-0042",
)
START = at("2026-08-16T22:28:43Z")


def blamed(number: int, *, allowed: bool = False, **data: object) -> Factor:
    factor = parse_factor(
        parsed(xml(DIAGNOSTICS, number, START, {"TotalTime": 5, "DegradationTime": 3} | data)),
        PRIVATE,
        allowed=allowed,
    )
    assert factor is not None
    return factor


def test_the_words_that_name_people_come_from_their_folders() -> None:
    assert {"jsmith", "a", "a.jones.corp", "hq-lt-0042"} - {"a"} == PRIVATE


@pytest.mark.parametrize(
    ("number", "name", "kind", "shown"),
    [
        (102, "e1d68x64", "driver", "e1d68x64"),
        (102, "VfpExt", "driver", "VfpExt"),
        (103, "windefend", "service", "windefend"),
        (103, "OneSyncSvc_3f2a1", "service", "OneSyncSvc"),
        (103, "backup-jsmith", "service", "backup-*"),
        (103, "MSSQL$HQ-LT-0042", "service", "MSSQL$*"),
        (104, r"\Device\HarddiskVolume3\Windows\System32\Winlogon", "component", "Winlogon"),
        (105, "Foreground...", "component", "foreground optimisation"),
        (107, "Machine policy", "policy", "machine policy"),
        (108, r"CORP\jsmith", "policy", "user policy"),
        (110, "x", "component", "session manager"),
        (109, r"USB\VID_0781&PID_5581\4C530001230927113251", "device", r"USB\VID_0781&PID_5581"),
        (109, r"SWD\WPDBUSENUM\_??_USBSTOR#DISK&VEN_SANDISK#4C5300", "device", r"SWD\WPDBUSENUM"),
        (109, "John's iPhone", "device", "*"),
        (201, "winword.exe", "shutdown", "application (office)"),
        (202, r"PCI\VEN_8086&DEV_1539\0000E0FFFF", "shutdown", r"PCI\VEN_8086&DEV_1539"),
        (203, "SysMain", "shutdown", "SysMain"),
    ],
)
def test_a_factor_goes_by_its_kind(number: int, name: str, kind: str, shown: str) -> None:
    factor = blamed(number, Name=name)
    assert (factor.kind, factor.name) == (kind, shown)


def test_a_program_of_windows_is_a_component_and_its_path_stays() -> None:
    path = r"C:\Windows\WinSxS\amd64_microsoft-windows-servicingstack_31bf3856ad364e35\TiWorker.exe"
    factor = blamed(101, Name="TiWorker.exe", Path=path, CompanyName="Microsoft Corporation")
    assert (factor.kind, factor.name, factor.seconds, factor.degradation_seconds) == (
        "component",
        "TiWorker.exe",
        0.005,
        0.003,
    )


@pytest.mark.parametrize(
    ("name", "category"),
    [("OUTLOOK.EXE", "office"), ("Teams.exe", "chat and calls"), ("msedge.exe", "browser"), ("OneDrive.exe", "file sync"),
     ("MsMpEng.exe", "security"), ("custody-suite.exe", "other"), ("", "other")],
)  # fmt: skip
def test_other_programs_go_by_category_only(name: str, category: str) -> None:
    path = rf"C:\Users\jsmith\AppData\Local\{name or 'x.exe'}"
    factor = blamed(101, Name=name, Path=path, FriendlyName="John's program")
    assert (factor.kind, factor.name) == ("application", f"application ({category})")


def test_names_of_programs_go_only_where_the_settings_say_so() -> None:
    data = {"Name": "custody-suite.exe", "Path": r"C:\Program Files\Custody\custody-suite.exe"}
    assert blamed(101, allowed=True, **data).name == "custody-suite.exe"
    assert blamed(101, allowed=True, Name="jsmith-tool.exe").name == "*-tool.exe"


@pytest.mark.parametrize("path", [r"C:\Windows\Temp\setup.exe", r"C:\Windows\ccmcache\1\install.exe", r"D:\windowsold\x.exe",
                                  r"C:\Users\jsmith\Windows\x.exe"])  # fmt: skip
def test_a_program_that_only_lies_near_windows_is_none_of_it(path: str) -> None:
    assert not names.is_windows(path)


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (r'"C:\Program Files\Zoom\bin\Zoom.exe" --silent --user=jsmith', "Zoom.exe"),
        (r"C:\Windows\system32\SecurityHealthSystray.exe", "SecurityHealthSystray.exe"),
        (r"%windir%\system32\rundll32.exe x.dll,Run", "rundll32.exe"),
        ("jsmith", "*"),
        ("", "*"),
    ],
)
def test_of_a_command_only_the_file_is_read(command: str, program: str) -> None:
    assert names.program_of(command) == program


def test_a_factor_without_name_or_time_is_none() -> None:
    assert (
        parse_factor(parsed(xml(DIAGNOSTICS, 103, START, {"TotalTime": 1})), PRIVATE, allowed=False) is None
    )
    assert parse_factor(parsed(xml(DIAGNOSTICS, 103, START, {"Name": "x"})), PRIVATE, allowed=False) is None


@given(
    st.sampled_from([101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 201, 202, 203]),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30),
    st.sampled_from(["jsmith", "a.jones.CORP", "HQ-LT-0042"]),
    st.sampled_from(
        ["{}", r"C:\Users\{}\AppData\x.exe", r"{}\tool", "x-{}", r"USB\{}\{}", r"\\?\C:\Windows\{}.exe"]
    ),
    st.sampled_from([{"allowed": True}, {"allowed": False}]),
)
def test_no_account_and_no_host_name_ever_leaves(
    number: int, around: str, who: str, form: str, settings: dict[str, bool]
) -> None:
    name = form.replace("{}", who)
    data = {"Name": f"{around} {name}", "Path": name, "FriendlyName": name, "TotalTime": 1}
    factor = parse_factor(parsed(xml(DIAGNOSTICS, number, START, data)), PRIVATE, **settings)
    assert factor is None or who.casefold() not in factor.name.casefold()


@pytest.mark.parametrize("letter", ["a", "\\", "*", "é"])
def test_a_text_far_too_long_for_a_name_takes_no_time(letter: str) -> None:
    """Twenty thousand letters took a quarter of a minute."""
    began = time.perf_counter()
    assert names.scrub(letter * 20_000, PRIVATE) == "*"
    assert names.of_program(letter * 20_000, "", PRIVATE, allowed=True) == ("application", "*")
    names.scrub(letter * names.LONGEST_NAME, PRIVATE)
    assert names.program_of(" " * 50_000 + letter) == "*"
    assert time.perf_counter() - began < 2
