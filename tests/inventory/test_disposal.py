"""Disposal: sums close, missing stays missing, certificates are owed where data was."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.disposal import (
    ROUTES,
    DisposalRecord,
    category_of,
    check_record,
    missing_certificates,
    parse_weee_categories,
    stores_data,
    total,
    totals,
    weee_categories,
    year_of,
)
from roadworthy_inventory.register import ITEM_KINDS
from roadworthy_inventory.tables import TableError

TODAY = date(2026, 11, 21)
HEADER = "kind,category,category_name,stores_data,basis,note,source,as_of\n"


def test_categories_of_the_regulations() -> None:
    found = weee_categories()
    assert set(found) == set(ITEM_KINDS) - {"other", "unknown"}
    assert {kind: row.category for kind, row in found.items() if row.category != 3} == {"monitor": 11}
    assert found["laptop"].basis == "named"
    assert found["ups"].basis == "ours"
    assert all(row.source.startswith("https://www.") for row in found.values())
    assert category_of(DisposalRecord(tag="1", kind="hovercraft")) is None
    assert category_of(DisposalRecord(tag="1", kind="laptop", weee_category=11)) == 11


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("laptop,15,IT,yes,named,,https://x.example,2026-11-21", "line 2: category: '15' is none of 1 to 14"),
        ("laptop,x,IT,yes,named,,https://x.example,2026-11-21", "category"),
        ("laptop,3,IT,maybe,named,,https://x.example,2026-11-21", "stores_data: 'maybe'"),
        ("laptop,3,IT,yes,guess,,https://x.example,2026-11-21", "basis: 'guess'"),
        ("laptop,3,IT,yes,named,,http://x.example,2026-11-21", "source"),
        ("laptop,3,IT,yes,named,,https://x.example,soon", "as_of"),
        ("laptop,3,IT,yes", "4 cells"),
    ],
)
def test_a_wrong_row_is_named(row: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        parse_weee_categories(f"{HEADER}{row}\n")


def test_a_kind_there_twice_is_refused() -> None:
    row = "laptop,3,IT,yes,named,,https://x.example,2026-11-21\n"
    with pytest.raises(TableError, match="line 3: kind: laptop is there twice"):
        parse_weee_categories(f"{HEADER}{row}{row}")


LEFT = date(2026, 11, 1)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (DisposalRecord(tag="1", kind="laptop", left=LEFT), "no certificate"),
        (DisposalRecord(tag="1", kind="laptop", left=LEFT, certificate=" "), "no certificate"),
        (DisposalRecord(tag="1", kind="laptop", left=TODAY), "no certificate"),
        (DisposalRecord(tag="1", kind="laptop", left=LEFT, certificate="C1"), "the certificate has no date"),
        (
            DisposalRecord(
                tag="1", kind="pc", left=LEFT, certificate="C1", certificate_date=TODAY + timedelta(1)
            ),
            "the certificate's date is still to come; it is not known whether the item keeps data",
        ),
        (DisposalRecord(tag="1", kind="printer", left=LEFT), "no certificate; it is not known whether"),
        (DisposalRecord(tag="1", kind="monitor", stores_data=True, left=LEFT), "no certificate"),
        (DisposalRecord(tag="1", kind="laptop", left=LEFT, route="return_to_lessor"), "no certificate"),
    ],
)
def test_owed_and_missing(record: DisposalRecord, why: str) -> None:
    [found] = missing_certificates([record], TODAY)
    assert found.why.startswith(why)
    assert found.record is record


@pytest.mark.parametrize(
    "record",
    [
        DisposalRecord(tag="1", kind="monitor", left=LEFT),
        DisposalRecord(tag="1", kind="printer", stores_data=False, left=LEFT),
        DisposalRecord(tag="1", kind="laptop"),
        DisposalRecord(tag="1", kind="laptop", left=TODAY + timedelta(1)),
        DisposalRecord(tag="1", kind="laptop", left=LEFT, certificate="C1", certificate_date=TODAY),
        # Wiped on the premises before it was collected.
        DisposalRecord(
            tag="1", kind="laptop", left=LEFT, certificate="C1", certificate_date=date(2026, 10, 1)
        ),
    ],
)
def test_not_owed_or_held(record: DisposalRecord) -> None:
    assert missing_certificates([record], TODAY) == ()


def test_the_longest_gone_come_first() -> None:
    records = [DisposalRecord(tag=str(n), kind="laptop", left=LEFT + timedelta(n % 3)) for n in range(6)]
    found = missing_certificates(records, TODAY)
    assert [one.record.tag for one in found] == ["0", "3", "1", "4", "2", "5"]
    assert found[0].days_since_left == 20


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (DisposalRecord(tag="1", route="skip"), "route: 'skip'"),
        (DisposalRecord(tag="1", weee_category=15), "weee_category: 15"),
        (DisposalRecord(tag="1", weight_grams=0), "weight_grams: 0 is no weight"),
        (DisposalRecord(tag="1", weight_grams=-5), "weight_grams: -5"),
        (DisposalRecord(tag="1", proceeds_pence=-1_000), "proceeds_pence: -£10.00 is negative"),
        (DisposalRecord(tag="1", cost_pence=-1), "cost_pence: -£0.01 is negative"),
        (DisposalRecord(tag="1", left=TODAY + timedelta(1)), "left: 2026-11-22 is still to come"),
        (
            DisposalRecord(tag="1", certificate_date=TODAY),
            "certificate: a date without the certificate's number",
        ),
        (DisposalRecord(tag="1", route="return_to_lessor", proceeds_pence=1), "proceeds_pence: an item of"),
    ],
)
def test_what_cannot_be_right_is_said(record: DisposalRecord, said: str) -> None:
    [found] = check_record(record, TODAY)
    assert found.startswith(said)


def test_a_plain_record_is_right() -> None:
    record = DisposalRecord(
        tag="1",
        kind="laptop",
        route="resale",
        weight_grams=1800,
        left=TODAY,
        proceeds_pence=0,
        certificate="C1",
        certificate_date=TODAY,
    )
    assert check_record(record, TODAY) == ()


@pytest.mark.parametrize(
    ("left", "financial", "calendar"),
    [
        (date(2026, 3, 31), "2025/26", "2026"),
        (date(2026, 4, 1), "2026/27", "2026"),
        (date(2099, 4, 1), "2099/00", "2099"),
        (None, "undated", "undated"),
    ],
)
def test_years(left: date | None, financial: str, calendar: str) -> None:
    record = DisposalRecord(tag="1", left=left)
    assert (year_of(record), year_of(record, "calendar")) == (financial, calendar)


def test_missing_is_counted_not_zero() -> None:
    found = total(
        [DisposalRecord(tag="1", weight_grams=900), DisposalRecord(tag="2", proceeds_pence=-0)], TODAY
    )
    assert (found.weight_grams, found.weight_unknown) == (900, 1)
    assert (found.proceeds_pence, found.proceeds_unknown) == (0, 1)
    assert (found.cost_pence, found.cost_unknown) == (0, 2)


MAYBE = st.none() | st.integers(0, 10**7)
DAYS = st.none() | st.dates(date(2024, 1, 1), date(2027, 12, 31))
RECORDS = st.lists(
    st.builds(
        DisposalRecord,
        tag=st.text(max_size=4),
        kind=st.sampled_from(["laptop", "monitor", "printer", "unknown", "boat"]),
        route=st.sampled_from([*ROUTES, "skip"]),
        weight_grams=MAYBE,
        stores_data=st.none() | st.booleans(),
        certificate=st.none() | st.just("C1"),
        certificate_date=DAYS,
        left=DAYS,
        proceeds_pence=MAYBE,
        cost_pence=MAYBE,
    ),
    max_size=30,
)
SUMMED = (
    *("items", "weight_grams", "weight_unknown", "proceeds_pence", "proceeds_unknown", "cost_pence"),
    *("cost_unknown", "certificates_owed", "certificates_held", "certificates_missing"),
)


@given(RECORDS, st.sampled_from(["financial", "calendar"]))
def test_every_record_is_in_one_cell(records: list[DisposalRecord], years: str) -> None:
    cells = totals(records, TODAY, years="calendar" if years == "calendar" else "financial")
    whole = total(records, TODAY)
    for name in SUMMED:
        assert sum(getattr(cell, name) for cell in cells.values()) == getattr(whole, name), name
    assert sum(whole.weee_items.values()) == whole.items == len(records)
    assert sum(whole.weee_grams.values()) == whole.weight_grams
    assert {route for route, _ in cells} <= set(ROUTES)
    owed = [one for one in records if one.left and one.left <= TODAY and stores_data(one) is not False]
    assert whole.certificates_owed == len(owed)
