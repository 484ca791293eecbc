"""Lines of cost kept ready: the same as worked out anew, with corrections in at once, and marked where they are old."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from support.estates import NOW, Estate
from support.web import client_of

from roadworthy_collector.books import cost_ready, cost_review, shares
from roadworthy_collector.books.cost_import import Choices, import_file
from roadworthy_collector.books.cost_ready import Shown, Wanted
from roadworthy_collector.books.cost_review import Lines, Said, correct, find_line, read_lines
from roadworthy_collector.books.share_rows import all_said, booked_periods, centre_rows, committed, parted
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.cost_rules import POOLS, default_rules
from roadworthy_inventory.costs import cost_book
from roadworthy_inventory.costs import shares as cost_shares
from roadworthy_inventory.ledger import LedgerLine

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
HEADER = ("Financial year", "Period", "Cost centre", "Account", "Description", "Supplier", "Amount", "Kind")
LINES = [
    ("2024/25", 1, "IT1", "4001", "Hardware maintenance contract", "Alpha", "40000.00", "invoice"),
    ("2024/25", 2, "IT1", "4002", "Training course", "Beta", "10000.00", "invoice"),
    ("2024/25", 4, "", "4009", "Sundry things", "Delta", "5000.00", "invoice"),
    ("2025/26", 6, "IT2", "4001", "Hardware maintenance contract", "Alpha", "-1000.00", "credit note"),
]
ASKED = [
    Wanted(),
    Wanted(year=2024, member="open"),
    Wanted(definition="A", member="in"),
    Wanted(centre=""),
    Wanted(centre="IT1", period=2),
    Wanted(pool="training"),
    Wanted(text="ALPHA"),
    Wanted(measure="budget"),
    Wanted(kind="payments"),
]


def put(estate: Estate, folder: Path, rows: list[tuple[Any, ...]], name: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *rows])
    (folder / name).write_text(text.getvalue(), "utf-8")
    chosen = Choices(kind="ledger")
    import_file(estate.engine, folder / name, chosen, actor="fin", now=int(NOW), on=date(2026, 9, 21))


# Another process holds nothing in memory.
def told(estate: Estate, **how: Any) -> list[Lines]:
    """Return the answers with nothing held in memory before."""
    found = []
    for wanted in ASKED:
        cost_review._held.clear()
        with estate.engine.connect() as connection:
            found.append(read_lines(connection, wanted, **how))
    return found


def anew(estate: Estate) -> list[Lines]:
    """Return the answers worked out from the store, with nothing kept ready."""
    with write_transaction(estate.engine) as connection:
        connection.execute(delete(book_figures).where(book_figures.c.name.like("costs.lines%")))
    return told(estate)


def test_lines_kept_ready_are_those_worked_out_anew(estate: Estate, tmp_path: Path) -> None:
    put(estate, tmp_path, LINES, "a.csv")
    shares.refresh(estate.engine, NOW)
    ready = told(estate)
    with estate.engine.connect() as connection:
        key = read_lines(connection, Wanted(text="sundry")).rows[0].key
        assert find_line(connection, key)["description"] == "Sundry things"
    said = Said(pool="break_fix", intent="run", maintenance="unknown", legacy="no", reason="a repair")
    with write_transaction(estate.engine) as connection:
        correct(connection, key, said, actor="fin", now=int(NOW))
    corrected = told(estate, at_once=True)
    assert [one.made_at for one in corrected] == [None] * len(ASKED)
    assert corrected[1].rows == []
    assert ready[1].rows[0].description == "Sundry things"
    assert anew(estate) == corrected


@ONE_STORE
def test_old_lines_say_so_until_new_ones_are_there(estate: Estate, tmp_path: Path) -> None:
    put(estate, tmp_path, LINES[:2], "a.csv")
    shares.refresh(estate.engine, NOW)
    put(estate, tmp_path, LINES[2:], "b.csv")
    (old, *_) = told(estate, at_once=True)
    assert (old.total, old.made_at) == (2, int(NOW))
    (exact, *_) = told(estate)
    assert (exact.total, exact.made_at) == (4, None)
    cost_review._held.clear()
    client = client_of(estate.engine, tmp_path, NOW)
    assert "moved since" in client.get("/costs/lines").text
    shares.refresh(estate.engine, NOW)
    assert "moved since" not in client.get("/costs/lines").text
    client.close()


WORDS = st.sampled_from([None, "", "hardware maintenance", "Training", "laptops"])
LEDGER_LINE = st.builds(
    LedgerLine,
    amount_pence=st.integers(-(10**12), 10**12),
    financial_year=st.integers(2023, 2025),
    accounting_period=st.none() | st.integers(1, 13),
    cost_centre=st.sampled_from([None, "IT1", "IT2"]),
    subjective_code=st.sampled_from([None, "4001"]),
    description=WORDS,
    supplier=WORDS,
    measure=st.sampled_from(["outturn", "budget"]),
    source=st.just("a.csv"),
    source_line=st.integers(0, 10**6),
)
LEDGER_LINES = st.lists(LEDGER_LINE, max_size=8)
FILTERS = st.builds(
    Wanted,
    year=st.none() | st.integers(2023, 2025),
    definition=st.sampled_from(["A", "B", "C"]),
    member=st.sampled_from([None, *cost_ready.MEMBERS]),
    centre=st.sampled_from([None, "", "IT1"]),
    pool=st.none() | st.sampled_from(sorted(POOLS)),
    text=st.sampled_from(["", "HARD", "400", "maint"]),
    period=st.none() | st.integers(0, 13),
)
SHIPPED = default_rules()
PREPAID = st.builds(
    lambda line, first, days: replace(line, spread_from=first, spread_to=first + timedelta(days=days)),
    LEDGER_LINE,
    st.dates(date(2023, 4, 1), date(2026, 3, 31)),
    st.integers(0, 800),
)


@given(LEDGER_LINES, st.lists(PREPAID, max_size=4))
def test_what_is_booked_and_what_is_committed_are_all_there_is(
    lines: list[LedgerLine], prepaid: list[LedgerLine]
) -> None:
    book = cost_book([*lines, *prepaid], SHIPPED, basis="cash")
    booked = booked_periods(book)
    cut = parted(book, booked)
    assert sorted(map(repr, (*cut.book.lines, *cut.committed))) == sorted(map(repr, book.lines))
    for entry in cut.committed:
        line = entry.line
        assert line.origin is not None  # nothing but parts of what is prepaid
        assert line.accounting_period not in booked.get((line.financial_year, line.measure), ())
    for year in {entry.line.financial_year for entry in cut.book.lines if entry.line.measure == "outturn"}:
        whole = all_said(cost_shares(cut.book, cut.book.select(year)))
        parts = centre_rows(cut.book, year)
        apart = committed(cut.committed, year).get("outturn", {"pence": 0})["pence"]
        for letter, one in whole.items():
            for name in ("numerator_pence", "denominator_pence", "unclassified_pence"):
                assert sum(part["shares"][letter][name] for part in parts) == one[name]
            total = sum(entry.line.amount_pence for entry in book.select(year))
            assert one["denominator_pence"] + apart == total
            if one["value"] is not None:
                assert one["low"] <= one["value"] <= one["high"]


def fits(one: Shown, wanted: Wanted) -> bool:
    text = wanted.text.casefold()
    return (
        wanted.year in {None, one.year}
        and (
            wanted.member in {None, one.members[wanted.definition]}
            or (wanted.member == "counted" and one.members[wanted.definition] in {"in", "out", "open"})
        )
        and wanted.centre in {None, one.cost_centre or ""}
        and wanted.period in {None, one.period or 0}  # 0: those without one
        and wanted.pool in {None, one.pool}
        and (not text or any(text in (part or "").casefold() for part in (one.description, one.supplier, one.code, one.rule)))
    )  # fmt: skip


@given(LEDGER_LINES, FILTERS)
def test_columns_hold_and_find_the_lines(lines: list[LedgerLine], wanted: Wanted) -> None:
    book = cost_book(lines, SHIPPED, basis="cash")
    ready = cost_ready.unpack(cost_ready.of_ledger(book, "outturn").pack())
    every = [ready.shown(at) for at in range(len(ready))]
    held = [entry.line for entry in book.lines if entry.line.measure == "outturn"]
    assert sorted((one.key, one.pence, one.source_line) for one in every) == sorted(
        (line.key, line.amount_pence, line.source_line) for line in held
    )
    assert [abs(one.pence) for one in every] == sorted((abs(one.pence) for one in every), reverse=True)
    found = ready.find(wanted)
    assert [ready.shown(at) for at in found] == [one for one in every if fits(one, wanted)]
    assert ready.pence(found) == sum(every[at].pence for at in found)
