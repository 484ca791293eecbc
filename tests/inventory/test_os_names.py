"""A version is read out of a name where the name can mean one, and never against what is told apart from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.lifecycle import System, os_support, support, support_of
from roadworthy_inventory.os_names import with_version

TODAY = date(2026, 11, 22)
ROWS = os_support()
TOLD = {
    "Windows XP": ("windows-xp", "SP3"),
    "Windows 7 Professional SP1": ("windows-7", "SP1"),
    "Windows 11 Pro 23H2": ("windows-11", "23H2"),
    "Windows 10 Enterprise LTSC 2021": ("windows-10", "21H2"),
    "Windows 10 Enterprise 2016 LTSB": ("windows-10", "1607"),
    "Microsoft Windows 10 Pro 10.0.19045": ("windows-10", "22H2"),
    "Windows 10.0.19045.3000": ("windows-10", "22H2"),
    "10.0.19045.3000": ("windows-10", "22H2"),
    "Windows 10 Pro 10.0 (19045)": ("windows-10", "22H2"),
    "10.0 (19045)": ("windows-10", "22H2"),
    "Windows Server, version 20H2": ("windows-server", "20H2"),
    "Windows Server 2019 Standard": ("windows-server", "2019"),
    "Ubuntu 22.04.3 LTS": ("ubuntu", "22.04"),
    "Debian GNU/Linux 12 (bookworm)": ("debian", "12"),
    "Red Hat Enterprise Linux 8.6": ("rhel", "8"),
    "Red Hat Enterprise Linux 8 (64-bit)": ("rhel", "8"),
    "macOS Sonoma 14.5": ("macos", "14"),
    "SUSE Linux Enterprise Server 15 SP5": ("sles", "15.5"),
    "VMware ESXi 6.7.0 build-1234": ("vmware-esxi", "6.7"),
}
OPEN = [
    "Windows", "Windows 10 Pro", "Windows 11 Pro 22H2 or 23H2", "Windows XP Professional SP2", "Windows 7 Embedded",
    "Windows 10.0.17763", "10.0.99999.1", "10.0.19045 10.0.19044", "Ubuntu", "Ubuntu 22.04 and 24.04", "macOS Sonoma",
    "SUSE Linux Enterprise 15 (64-bit)", "Red Hat JBoss 8", "8.6", "CentOS 7",
]  # fmt: skip
NAMES = [*TOLD, *OPEN, "Windows 10 Enterprise", "Windows Server 2012 R2 Standard", None]
VERSIONS = [
    *sorted({row.version for row in ROWS} | {row.build for row in ROWS}),
    "10.0.26100",
    "22.04.5",
    None,
]


@pytest.mark.parametrize("name", TOLD)
def test_a_name_that_means_one_release_is_read(name: str) -> None:
    found = support(None, None, TODAY, name=name)
    assert (found.product, found.version) == TOLD[name]


@pytest.mark.parametrize("name", OPEN)
def test_a_name_that_may_mean_several_is_unknown(name: str) -> None:
    assert support(None, None, TODAY, name=name).status == "unknown"


def test_a_bare_number_of_windows_needs_no_name() -> None:
    assert support(None, "10.0.19045.3000", TODAY).version == "22H2"


@given(
    system=st.builds(
        System,
        os_id=st.sampled_from([None, "windows", "debian", "ubuntu", "rhel", "macos"]),
        name=st.sampled_from(NAMES),
        version=st.sampled_from(VERSIONS),
        build=st.sampled_from([None, "19045", "26100", "2600"]),
    )
)
def test_what_is_told_apart_is_never_gone_against(system: System) -> None:
    read = with_version(system, ROWS)
    if system.version or system.build:
        assert replace(read, os_id=system.os_id) == system
    assert with_version(read, ROWS) == read
    # The answer for what its name tells is that of the same told in a field of its own.
    assert support_of(read, TODAY) == support_of(system, TODAY)


@given(name=st.text(max_size=60) | st.from_regex(r"(windows|debian|10\.0\.)[ 0-9.h()]{0,20}", fullmatch=True))
def test_any_name_has_an_answer(name: str) -> None:
    support(None, None, TODAY, name=name)
