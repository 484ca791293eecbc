"""Support dates: sourced, dated, exact to the day, and unknown where the device does not say."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.lifecycle import (
    SupportRow,
    System,
    os_support,
    parse_os_support,
    support,
    support_of,
    windows_editions,
)
from roadworthy_inventory.tables import TableError

TODAY = date(2026, 11, 21)
HEADER = "product,version,edition,build,end_of_support,kind,source,licence,as_of\n"


@pytest.mark.parametrize(
    ("os_id", "version", "name", "status", "end"),
    [
        ("windows", "22H2", "Windows 10 Pro", "ended", date(2025, 10, 14)),
        ("windows", "10.0.19045", "Windows 10 Enterprise", "ended", date(2025, 10, 14)),
        ("windows", "10.0 (19045)", "Windows 10 Enterprise", "ended", date(2025, 10, 14)),
        ("windows", "1809", "Windows 10 Enterprise LTSC", "supported", date(2029, 1, 9)),
        ("windows", "24H2", "Windows 11 Pro", "ended", date(2026, 10, 13)),
        ("windows", "24H2", "Windows 11 Enterprise", "ends_within", date(2027, 10, 12)),
        ("windows", "10.0.26100", "Windows Server 2025 Standard", "supported", date(2034, 11, 14)),
        ("windows", "10.0.14393", "Windows Server 2016 Standard", "ends_within", date(2027, 1, 12)),
        ("windows", None, "Windows Server 2012 R2 Standard", "ended", date(2023, 10, 10)),
        ("windows", "SP1", "Windows 7 Professional", "ended", date(2020, 1, 14)),
        ("debian", "10", "Debian GNU/Linux 10 (buster)", "ended", date(2024, 6, 30)),
        ("debian", "12.11", None, "supported", date(2028, 6, 30)),
        (None, "12", "Debian GNU/Linux 12 (bookworm)", "supported", date(2028, 6, 30)),
        ("ubuntu", "20.04", None, "ended", date(2025, 5, 29)),
        ("ubuntu", "22.04.5", None, "ends_within", date(2027, 6, 1)),
        ("rhel", "8.10", None, "supported", date(2029, 5, 31)),
        ("macos", "10.15.7", None, "ended", date(2022, 9, 12)),
        ("macos", "13.7.8", None, "ended", date(2025, 9, 15)),
    ],
)
def test_known_dates(
    os_id: str | None, version: str | None, name: str | None, status: str, end: date
) -> None:
    found = support(os_id, version, TODAY, name=name)
    assert (found.status, found.date) == (status, end)
    assert found.source
    assert found.source.startswith("https://")
    assert found.as_of
    assert found.reason is None


@pytest.mark.parametrize(
    ("os_id", "version", "name", "reason"),
    [
        (None, None, None, "an operating system without a name"),
        (
            "windows",
            "24H2",
            "Windows 11",
            "the edition is not known and editions differ: .*home_pro 2026-10-13",
        ),
        ("windows", "24H2", None, "no support dates are held for windows"),
        ("windows", "99H9", "Windows 11 Pro", "no support dates are held for windows-11 99H9"),
        ("windows", "26H2", "Windows 11 Enterprise", "this edition of windows-11 26H2"),
        ("debian", None, None, "debian of unknown version"),
        ("debian", "trixie/sid", None, "no support dates are held for debian"),
        ("macos", "27.1", None, "no support dates are held for macos 27.1"),
        (
            "sles",
            "15.9",
            None,
            "no support dates are held for sles 15.9",
        ),  # not those of 15 without a service pack
        ("gentoo", "2.17", "Debian-like", "no support dates are held for Debian-like"),
    ],
)
def test_unknown_is_unknown_and_says_why(
    os_id: str | None, version: str | None, name: str | None, reason: str
) -> None:
    found = support(os_id, version, TODAY, name=name)
    assert found.status == "unknown"
    assert found.date is None
    assert found.reason
    assert re.search(reason, found.reason), found.reason


def test_an_unknown_edition_does_not_matter_where_all_have_ended() -> None:
    found = support("windows", "22H2", TODAY, name="Windows 11")
    assert (found.status, found.date) == ("ended", date(2025, 10, 14))  # the last of them


def test_paid_extensions_are_told_and_never_taken_for_support() -> None:
    found = support("windows", "22H2", TODAY, name="Windows 10 Pro")
    assert (found.status, found.paid_until) == ("ended", date(2028, 10, 10))


def test_the_last_day_is_still_supported() -> None:
    end = date(2025, 10, 14)
    assert support("windows", "22H2", end, name="Windows 10 Pro").status == "ends_within"
    assert support("windows", "22H2", end + timedelta(days=1), name="Windows 10 Pro").status == "ended"
    assert (
        support("windows", "22H2", end - timedelta(days=30), name="Windows 10 Pro", within_days=29).status
        == "supported"
    )
    assert (
        support("windows", "22H2", end - timedelta(days=30), name="Windows 10 Pro", within_days=30).status
        == "ends_within"
    )


@given(st.sampled_from(os_support()), st.dates(date(2001, 1, 1), date(2040, 1, 1)), st.integers(0, 2000))
def test_time_only_makes_it_worse(row: SupportRow, day: date, within: int) -> None:
    order = {"unknown_end": 0, "supported": 0, "ends_within": 1, "ended": 2}
    name = {
        "windows-10": "Windows 10 Pro",
        "windows-11": "Windows 11 Pro",
        "windows-server": f"Windows Server {row.version}",
    }
    os_id = "windows" if row.product.startswith("windows") else row.product
    seen = [
        support(os_id, row.version, at, name=name.get(row.product), within_days=within).status
        for at in (day, day + timedelta(days=200))
    ]
    if "unknown" not in seen:
        assert order[seen[0]] <= order[seen[1]]


def test_phases_of_one_release_end_in_order() -> None:
    order = {"mainstream": 0, "extended": 1, "lts": 1, "paid": 2, "undated": 3}
    for row in os_support():
        for other in os_support():
            same = (row.product, row.version, row.edition) == (other.product, other.version, other.edition)
            if same and order[row.kind] < order[other.kind]:
                assert row.end_of_support, row
                assert other.end_of_support, (row, other)
                assert row.end_of_support <= other.end_of_support, (row, other)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "debian,12,,,2028-06-31,lts,https://example.org,ISC,2026-01-01",
            "line 2: end_of_support: '2028-06-31'",
        ),
        ("debian,12,,,2028-06-30,long,https://example.org,ISC,2026-01-01", "line 2: kind: 'long' is none of"),
        (
            "debian,12,pro,,2028-06-30,lts,https://example.org,ISC,2026-01-01",
            "line 2: edition: 'pro' is none of",
        ),
        (",12,,,2028-06-30,lts,https://example.org,ISC,2026-01-01", "line 2: product: is empty"),
        (
            "debian,12,,,2028-06-30,lts,a book,ISC,2026-01-01",
            "line 2: source: 'a book' is no public https address",
        ),
        (
            "debian,12,,,2028-06-30,lts,https://example.org,ISC,2026-01-01\n" * 2,
            "line 3: debian 12 lts is there twice",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(row: str, message: str) -> None:
    with pytest.raises(TableError, match=f"os_support.csv: {message}"):
        parse_os_support(HEADER + row.rstrip("\n") + "\n")


@pytest.mark.parametrize(
    ("name", "edition", "version", "end"),
    [
        ("Windows 11", "Enterprise", "23H2", "2026-11-10"),
        ("Windows 11", "Professional", "23H2", "2025-11-11"),
        ("Windows 11", "Education", "24H2", "2027-10-12"),
        ("Windows 11", "Core", "24H2", "2026-10-13"),
        ("Windows 11", "EnterpriseS", "24H2", "2029-10-09"),
        ("Windows 11", "IoTEnterpriseS", "24H2", "2034-10-10"),
        ("Windows 11", "Enterprise", "25H2", "2028-10-10"),
        ("Windows 11", "ProfessionalWorkstation", "25H2", "2027-10-12"),
        ("Windows 11", "Enterprise", "10.0.28000", "2029-03-13"),
        ("Windows 10", "EnterpriseSN", "1809", "2029-01-09"),
        ("Windows 10", "Professional", "10.0.19044.1288", "2023-06-13"),
        ("Windows 10", "Enterprise", "10.0.19044.1288", "2024-06-11"),
        ("Windows 10", "EnterpriseS", "10.0.19044.1288", "2027-01-12"),
        ("Windows 10", "IoTEnterpriseS", "10.0.19044.1288", "2032-01-13"),
        ("Windows 10", "ServerRdsh", "22H2", "2025-10-14"),  # a client, for all its name
        ("Windows Server 2012 R2 Standard", "ServerStandard", None, "2023-10-10"),
        ("Windows Server 2016 Datacenter", "ServerDatacenter", "1607", "2027-01-12"),
        ("Windows Server 2019 Standard", "ServerStandard", "1809", "2029-01-09"),
        ("Windows Server 2022 Standard", "ServerStandard", "21H2", "2031-10-14"),
        ("Windows Server 2025 Standard", "ServerStandard", "24H2", "2034-11-14"),
        ("Windows 7 Professional", "Professional", "6.1.7601", "2020-01-14"),
        ("Windows XP Professional", None, "SP3", "2014-04-08"),
    ],
)
def test_dates_by_build_edition_and_kind(
    name: str, edition: str | None, version: str | None, end: str
) -> None:
    found = support_of(System(os_id="windows", name=name, edition=edition, version=version), date(2020, 1, 1))
    assert found.date == date.fromisoformat(end)


@pytest.mark.parametrize(
    ("build", "told", "end"),
    [
        ("26100.1742", {"edition": "Enterprise", "installation_type": "client"}, "2027-10-12"),
        ("26100", {"installation_type": "server"}, "2034-11-14"),
        ("26100", {"edition": "ServerDatacenter"}, "2034-11-14"),
        ("26100", {"edition": "Pro"}, "2026-10-13"),  # as an MDM's SkuFamily says it
        ("17763", {"edition": "EnterpriseS", "installation_type": "client"}, "2029-01-09"),
        ("17763", {"edition": "ServerStandard", "installation_type": "server_core"}, "2029-01-09"),
        ("17763", {"edition": "ServerStandardACor", "installation_type": "server_core"}, "2020-11-10"),
        ("14393", {"edition": "Enterprise"}, "2019-04-09"),
        ("14393", {"edition": "Enterprise", "long_term": True}, "2026-10-13"),
        ("14393", {"installation_type": "server"}, "2027-01-12"),
        (
            "26100",
            {"name": "Windows 10 Pro", "edition": "Professional"},
            "2026-10-13",
        ),  # the registry's old name
    ],
)
def test_a_build_client_and_server_share(build: str, told: dict[str, object], end: str) -> None:
    found = support_of(System(os_id="windows", build=build, **told), date(2018, 1, 1))  # type: ignore[arg-type]  # its own fields
    assert found.date == date.fromisoformat(end)


@pytest.mark.parametrize("build", ["26100", "17763", "14393"])
def test_a_shared_build_alone_tells_nothing(build: str) -> None:
    found = support_of(System(os_id="windows", build=build), TODAY)
    assert found.status == "unknown"
    assert "windows-server" in (found.reason or "")


def test_the_edition_list_knows_both_kinds() -> None:
    editions = windows_editions()
    assert editions["enterprises"] == ("ltsc", "client")
    assert editions["serverdatacenteracor"] == ("channel", "server")


@pytest.mark.parametrize(
    ("told", "on", "status", "extension", "covered"),
    [
        ({}, "2026-11-21", "ended", "unknown", None),
        ({"bought": "no"}, "2026-11-21", "ended", "not_bought", None),
        ({"bought": "yes"}, "2026-11-21", "extended", "bought", "2028-10-10"),
        ({"bought": "yes"}, "2028-10-10", "extended", "bought", "2028-10-10"),
        ({"bought": "yes"}, "2028-10-11", "ended", "over", None),
        (
            {"bought": "yes", "bought_until": date(2026, 10, 13)},
            "2026-10-13",
            "extended",
            "bought",
            "2026-10-13",
        ),
        ({"bought": "yes", "bought_until": date(2026, 10, 13)}, "2026-10-14", "ended", "over", None),
        ({"bought": "yes"}, "2025-10-01", "ends_within", "bought", "2028-10-10"),
    ],
)
def test_extended_updates_are_a_state_of_their_own(
    told: dict[str, object], on: str, status: str, extension: str, covered: str | None
) -> None:
    system = System(os_id="windows", name="Windows 10 Pro", version="22H2")
    found = support_of(system, date.fromisoformat(on), **told)  # type: ignore[arg-type]  # its own arguments
    assert (found.status, found.extension, found.paid_until) == (status, extension, date(2028, 10, 10))
    assert found.covered_until == (date.fromisoformat(covered) if covered else None)


@pytest.mark.parametrize("version", ["14.8", "15.7.4", "26.1"])
def test_no_date_is_not_for_ever(version: str) -> None:
    found = support("macos", version, date(2040, 1, 1))
    assert (found.status, found.date) == ("unknown_end", None)
    assert "names no last day; updates were still given on 2026-03-04" in (found.reason or "")


@pytest.mark.parametrize(
    ("os_id", "version", "name", "end"),
    [
        ("rocky", "9.6", None, "2032-05-31"),
        ("almalinux", "8.10", None, "2029-03-01"),
        ("ol", "8.9", None, "2029-07-31"),
        ("sles", "15.5", None, "2024-12-31"),
        ("sles", "15", None, "2019-12-31"),
        (None, "12-SP5", "SUSE Linux Enterprise Server 12 SP5", "2024-10-31"),
        (None, "7.0.3", "VMware ESXi 7.0.3", "2025-10-02"),
    ],
)
def test_other_systems(os_id: str | None, version: str, name: str | None, end: str) -> None:
    assert support(os_id, version, TODAY, name=name).date == date.fromisoformat(end)


def test_another_table_may_be_given() -> None:
    rows = parse_os_support(HEADER + "debian,12,,,2030-01-01,lts,https://example.org,ISC,2026-01-01\n")
    assert support_of(System(os_id="debian", version="12"), TODAY, rows=rows).date == date(2030, 1, 1)
    assert support_of(System(os_id="ubuntu", version="22.04"), TODAY, rows=rows).status == "unknown"
