"""Support dates: sourced, dated, exact to the day, and unknown where the device does not say."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.lifecycle import SupportRow, os_support, parse_os_support, support
from roadworthy_inventory.tables import TableError

TODAY = date(2026, 11, 21)
HEADER = "product,version,edition,build,end_of_support,kind,source,licence,as_of\n"


@pytest.mark.parametrize(
    ("os_id", "version", "name", "status", "end"),
    [
        ("windows", "22H2", "Windows 10 Pro", "ended", date(2025, 10, 14)),
        ("windows", "10.0.19045", "Windows 10 Enterprise", "ended", date(2025, 10, 14)),
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
        ("macos", "26.1", None, "no support dates are held for macos 26.1"),  # Apple publishes none
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
    order = {"supported": 0, "ends_within": 1, "ended": 2}
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
    order = {"mainstream": 0, "extended": 1, "lts": 1, "paid": 2}
    for row in os_support():
        for other in os_support():
            same = (row.product, row.version, row.edition) == (other.product, other.version, other.edition)
            if same and order[row.kind] < order[other.kind]:
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
