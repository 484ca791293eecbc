"""The ledger in the store: imported, corrected, classified by rules, added up to shares, and taken back."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.estates import NOW, Estate

from roadworthy_collector.books import cost_lines, cost_texts, figures, shares
from roadworthy_collector.books.cost_import import BadRowsError, Choices, Outcome, import_file, undo
from roadworthy_collector.books.cost_lines import CostsError, as_content, ledger_line, payment_line
from roadworthy_collector.books.cost_review import (
    Said,
    Wanted,
    correct,
    find_line,
    read_lines,
    try_rules,
    try_text,
)
from roadworthy_collector.books.money_tables import share_rows
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.ledger import LedgerLine
from roadworthy_inventory.payments import PaymentLine

TODAY = date(2026, 9, 21)
LEDGER = [
    ("2024/25", 1, "IT1", "4001", "Hardware maintenance contract", "Alpha", "40000.00", "invoice"),
    ("2024/25", 2, "IT1", "4002", "Training course", "Beta", "10000.00", "invoice"),
    ("2024/25", 3, "IT2", "4003", "Project delivery of new system", "Gamma", "45000.00", "invoice"),
    ("2024/25", 4, "IT2", "4009", "Sundry things", "Delta", "5000.00", "invoice"),
    ("2025/26", 1, "IT1", "4001", "Hardware maintenance contract", "Alpha", "30000.00", "invoice"),
    ("2025/26", 5, "IT1", "4002", "Training course", "Beta", "20000.00", "invoice"),
    ("2025/26", 6, "IT2", "4001", "Hardware maintenance contract", "Alpha", "-1000.00", "credit note"),
]
HEADER = ("Financial year", "Period", "Cost centre", "Account", "Description", "Supplier", "Amount", "Kind")
RULES = """
[[rule]]
id = "maintenance"
when = { words = ["hardware maintenance"] }
pool = "hardware_maintenance"
intent = "run"
legacy = "no"
confidence = 0.9
[[rule]]
id = "training"
when = { words = ["training"] }
pool = "training"
intent = "run"
legacy = "no"
confidence = 0.9
[[rule]]
id = "projects"
when = { words = ["project"] }
pool = "projects"
intent = "change"
legacy = "no"
confidence = 0.9
"""


def ledger(folder: Path, rows: list[tuple[Any, ...]] = LEDGER, name: str = "ledger.csv") -> Path:
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *rows])
    (folder / name).write_text(text.getvalue(), "utf-8")
    return folder / name


def taken(estate: Estate, path: Path, now: float = NOW, **choices: Any) -> Outcome:
    chosen = Choices(**{"kind": "ledger"} | choices)
    return import_file(estate.engine, path, chosen, actor="fin", now=int(now), on=TODAY)


def saved(estate: Estate, rules: str = RULES, method: str | None = None) -> None:
    with write_transaction(estate.engine) as connection:
        cost_texts.save(connection, "cost_rules", rules, actor="fin", now=int(NOW))
        if method:
            cost_texts.save(connection, "cost_method", method, actor="fin", now=int(NOW))


def worked_out(estate: Estate) -> dict[str, Any]:
    shares.refresh(estate.engine, NOW)
    with estate.engine.connect() as connection:
        found = shares.kept(connection)
        assert found is not None
        assert shares.is_current(connection, found[0])
    return found[0]


def test_shares_of_each_year(estate: Estate, tmp_path: Path) -> None:
    saved(estate)
    outcome = taken(estate, ledger(tmp_path))
    assert (outcome.lines, outcome.pence, outcome.years) == (7, {"outturn": 14_900_000}, [2024, 2025])
    content = worked_out(estate)
    first = content["years"]["2024"]["measures"]["outturn"]
    # 40,000 of 100,000 for sure; 5,000 nobody has classified.
    assert (first["B"]["numerator_pence"], first["B"]["unclassified_pence"]) == (4_000_000, 500_000)
    assert (first["B"]["low"], first["B"]["value"], first["B"]["high"]) == (0.4, 0.4, 0.45)
    assert first["A"]["value"] == 0.5
    second = content["years"]["2025"]["measures"]["outturn"]["B"]
    assert (second["numerator_pence"], second["denominator_pence"]) == (2_900_000, 4_900_000)
    step = content["trend"]["B"][1]
    assert (step["periods"], step["periods_differ"]) == ("periods 1, 5-6", True)  # beside periods 1-4
    assert (step["numerator_change_pence"], step["value_change"]) == (None, None)
    for year in content["years"].values():
        for grouping in ("by_cost_centre", "by_accounting_period"):
            parts = [part["shares"]["B"] for part in year[grouping] if part["shares"]]
            whole = year["measures"]["outturn"]["B"]
            for name in ("numerator_pence", "denominator_pence", "unclassified_pence"):
                assert sum(part[name] for part in parts) == whole[name]


def test_the_lines_behind_a_share_add_up_to_it(estate: Estate, tmp_path: Path) -> None:
    saved(estate)
    taken(estate, ledger(tmp_path))
    with estate.engine.connect() as connection:
        found = read_lines(connection, Wanted(year=2024, definition="B", member="in"))
        left = read_lines(connection, Wanted(year=2024, definition="B", member="open"))
        centre = read_lines(connection, Wanted(year=2024, centre="IT2"), limit=1)
    assert (found.pence, found.total) == (4_000_000, 1)
    assert (found.rows[0].rule, found.rows[0].confidence) == ("maintenance", 0.9)
    assert (left.pence, left.rows[0].rule) == (500_000, None)
    assert (centre.total, len(centre.rows), centre.pence) == (2, 1, 5_000_000)


def test_the_same_file_again_changes_nothing(estate: Estate, tmp_path: Path) -> None:
    path = ledger(tmp_path)
    first = taken(estate, path)
    again = taken(estate, path, NOW + 60)
    assert (again.batch, again.already) == (None, first.batch)
    with estate.engine.connect() as connection:
        assert cost_lines.count_lines(connection, "ledger") == 7


def test_a_later_export_of_the_same_lines_never_counts_twice(estate: Estate, tmp_path: Path) -> None:
    first = taken(estate, ledger(tmp_path))
    more = [*LEDGER, ("2025/26", 7, "IT2", "4009", "Sundry", "Delta", "1.00", "invoice")]
    later = ledger(tmp_path, more, "later.csv")
    with pytest.raises(CostsError, match=r"7 of 8 lines are in already, by batch \d+ \(7\)"):
        taken(estate, later)
    outcome = taken(estate, later, overlap="replace")
    assert outcome.replaced == [first.batch]
    with estate.engine.connect() as connection:
        assert cost_lines.count_lines(connection, "ledger") == 8
        assert [one.id for one in cost_lines.in_force(connection, "ledger")] == [outcome.batch]


def test_a_dry_run_writes_nothing(estate: Estate, tmp_path: Path) -> None:
    outcome = taken(estate, ledger(tmp_path), dry_run=True)
    assert (outcome.batch, outcome.lines) == (None, 7)
    with estate.engine.connect() as connection:
        assert cost_lines.in_force(connection, "ledger") == []


def test_one_bad_row_refuses_a_ledger_and_names_its_place(estate: Estate, tmp_path: Path) -> None:
    bad = [*LEDGER, ("2025/26", 7, "IT2", "4009", "Sundry", "Delta", "a lot", "invoice")]
    aside = tmp_path / "corrections.csv"
    with pytest.raises(CostsError, match=r"line 9: column Amount"):
        taken(estate, ledger(tmp_path, bad), corrections_to=aside)
    assert "a lot" in aside.read_text("utf-8-sig")
    outcome = taken(estate, ledger(tmp_path, bad), strict=False)
    assert outcome.report is not None
    assert (outcome.lines, outcome.report.quarantined) == (7, 1)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_every_bad_row_of_a_ledger_is_named_with_its_value_and_what_to_do(
    estate: Estate, tmp_path: Path
) -> None:
    bad = [("2025/26", 7, "IT2", "4009", "Sundry", "Delta", f"a lot{at}", "invoice") for at in range(25)]
    with pytest.raises(BadRowsError) as refused:
        taken(estate, ledger(tmp_path, [*LEDGER, *bad]))
    lines = str(refused.value).splitlines()
    assert lines[0] == "ledger.csv: 25 of 32 rows are bad, so nothing was kept:"
    assert lines[1] == "  line 9: column Amount: is no sum of money; write it as 1234.56 (a lot0)"
    assert lines[20].startswith("  line 28:")
    assert lines[21] == "  and 5 more"
    assert "--corrections FILE" in lines[22]
    assert "--no-strict" in lines[22]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_points_that_part_thousands_are_no_pounds_and_pence(estate: Estate, tmp_path: Path) -> None:
    rows = [("2025/26", 7, "IT2", "4009", "Sundry", "Delta", "1.234", "invoice")]
    with pytest.raises(BadRowsError, match=r"more than two decimals: is it 1,234 or 1\.23\?"):
        taken(estate, ledger(tmp_path, rows))


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_line_says_which_rule_decided_and_replacement_beats_programme(
    estate: Estate, tmp_path: Path
) -> None:
    rows = [
        ("2025/26", 7, "IT2", "4009", "Refresh | Laptop replacement programme", "Delta", "5.00", "invoice")
    ]
    taken(estate, ledger(tmp_path, rows))
    with estate.engine.connect() as connection:
        (row,) = read_lines(connection, Wanted()).rows
        line = find_line(connection, row.key)
    assert (line["classed"]["rule"], line["classed"]["pool"]) == ("capital-refresh", "capital_refresh")
    assert (line["classed"]["confidence"], line["members"]["B"]) == (0.7, "out")


def test_an_import_is_undone(estate: Estate, tmp_path: Path) -> None:
    outcome = taken(estate, ledger(tmp_path))
    assert outcome.batch is not None
    before = worked_out(estate)["key"]
    assert undo(estate.engine, outcome.batch, actor="fin", now=int(NOW)) == 7
    content = worked_out(estate)
    assert content["key"] != before
    assert content["years"] == {}
    with pytest.raises(CostsError, match="was undone by fin"):
        undo(estate.engine, outcome.batch, actor="fin", now=int(NOW))
    with pytest.raises(NotFoundError, match="no import of money numbered 999"):
        undo(estate.engine, 999, actor="fin", now=int(NOW))
    assert taken(estate, ledger(tmp_path)).batch != outcome.batch  # and may come in again


def test_a_person_beats_a_rule_also_in_the_next_export(estate: Estate, tmp_path: Path) -> None:
    saved(estate)
    first = taken(estate, ledger(tmp_path))
    with estate.engine.connect() as connection:
        (line,) = read_lines(connection, Wanted(year=2024, member="open")).rows
    told = Said(
        pool="break_fix", intent="run", maintenance="unknown", legacy="no", reason="invoice 77 is a repair"
    )
    with write_transaction(estate.engine) as connection:
        correct(connection, line.key, told, actor="fin", now=int(NOW))
    assert worked_out(estate)["years"]["2024"]["measures"]["outturn"]["B"]["numerator_pence"] == 4_500_000
    assert first.batch is not None
    undo(estate.engine, first.batch, actor="fin", now=int(NOW))
    taken(estate, ledger(tmp_path, list(reversed(LEDGER)), "sorted otherwise.csv"))
    assert worked_out(estate)["years"]["2024"]["measures"]["outturn"]["B"]["numerator_pence"] == 4_500_000
    with estate.engine.connect() as connection:
        found = read_lines(connection, Wanted(year=2024, text="sundry")).rows[0]
    assert (found.corrected_by, found.rule, found.confidence) == ("fin", None, 1.0)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"pool": "magic"}, "pool: 'magic'"),
        ({"reason": "no"}, "reason"),
        ({"pool": "electricity", "maintenance": "yes"}, "not maintenance"),
        ({"pool": "break_fix", "intent": "change", "maintenance": "yes"}, "maintenance is run"),
    ],
)
@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_correction_that_cannot_be_is_refused(
    estate: Estate, tmp_path: Path, told: dict[str, str], said: str
) -> None:
    taken(estate, ledger(tmp_path))
    with estate.engine.connect() as connection:
        key = read_lines(connection, Wanted(year=2024)).rows[0].key
    usual = {"pool": "other", "intent": "run", "maintenance": "no", "legacy": "no", "reason": "seen the bill"}
    with pytest.raises(CostsError, match=said), write_transaction(estate.engine) as connection:
        correct(connection, key, Said(**usual | told), actor="fin", now=int(NOW))


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_rules_are_tried_before_they_are_saved(estate: Estate, tmp_path: Path) -> None:
    saved(estate)
    taken(estate, ledger(tmp_path))
    other = (
        RULES
        + """
[[rule]]
id = "sundry"
when = { words = ["sundry"] }
pool = "break_fix"
intent = "run"
confidence = 0.8
"""
    )
    with estate.engine.connect() as connection:
        trial = try_rules(connection, other)
        assert cost_texts.current(connection, "cost_rules").content == RULES
    before, after = trial.years["2024/25"]["B"]
    assert (before["value"], after["value"]) == (0.4, 0.45)
    assert (trial.moved, trial.moved_pence, trial.examples[0]["rule_then"]) == (1, 500_000, "sundry")
    with pytest.raises(CostsError, match="confidence"), estate.engine.connect() as connection:
        try_rules(connection, "[[rule]]\nid='x'\nwhen={words=['y']}\n")


def test_saving_the_same_rules_again_changes_nothing(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        assert cost_texts.save(connection, "cost_rules", RULES, actor="fin", now=int(NOW))
        assert not cost_texts.save(connection, "cost_rules", f"# a note\n{RULES}", actor="x", now=int(NOW))
        assert [one["made_by"] for one in cost_texts.editions(connection, "cost_rules")] == ["fin"]


ENDS = [
    ("2024/25", 12, "IT1", "4002", "Training course", "Beta", "0.00", "invoice"),
    ("2025/26", 13, "IT1", "4002", "Training course", "Beta", "0.00", "invoice"),
]
DEFLATED = '[deflator]\nsource = "an index"\nas_of = 2026-01-01\n[deflator.levels]\n"2024/25" = 100\n'
METHOD = """
basis = "cash"
[target]
definition = "B"
base_year = "2024/25"
target_year = "2026/27"
cut_percent = 30
[[control]]
financial_year = "2024/25"
cost_centre = "IT1"
accounting_period = 1
pounds = "40001.00"
source = "outturn report"
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"2026/27"', '"2023/24"', "target_year: comes after base_year"),
        ('"2026/27"', '"2024/25"', "target_year: comes after base_year"),
        ("cut_percent = 30", 'cut_percent = 30\nterms = "real"', "real terms need a deflator"),
        (
            "[[control]]",
            'terms = "real"\n' + DEFLATED + "[[control]]",
            "has no level for the financial year 2025",
        ),
    ],
)
@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_target_no_line_can_be_drawn_for_is_not_saved(
    estate: Estate, before: str, after: str, said: str
) -> None:
    text = METHOD.replace(before, after, 1)
    with write_transaction(estate.engine) as connection, pytest.raises(CostsError, match=said):
        cost_texts.save(connection, "cost_method", text, actor="fin", now=int(NOW))
    with estate.engine.connect() as connection, pytest.raises(CostsError, match=said):
        try_text(connection, "cost_method", text)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_the_target_and_finances_own_totals_stand_beside_it(estate: Estate, tmp_path: Path) -> None:
    saved(estate, method=METHOD)
    taken(estate, ledger(tmp_path, [*LEDGER, *ENDS]))
    content = worked_out(estate)
    assert content["trend"]["B"][1]["numerator_change_pence"] == -1_100_000
    points = content["target"]["points"]
    assert [point["ongoing_pence"] for point in points] == [4_000_000, 3_400_000, 2_800_000]
    # 30 % off ongoing cost with the rest held: 28 of 88, not 10 %.
    assert points[2]["share"] == pytest.approx(28 / 88)
    assert points[1]["gap_pence"] == 2_900_000 - 3_400_000
    (control,) = content["controls"]
    assert (control["ledger_pence"], control["difference_pence"]) == (4_000_000, -100)
    for row in content["bridge"]:
        assert row["ledger_pence"] - row["left_out_pence"] + row["moved_pence"] == row["counted_pence"]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_year_that_is_not_over_is_neither_below_its_target_nor_its_base(
    estate: Estate, tmp_path: Path
) -> None:
    saved(estate, method=METHOD)
    first = taken(estate, ledger(tmp_path, [*LEDGER, ENDS[0]]))
    point = worked_out(estate)["target"]["points"][1]
    assert (point["gap_pence"], point["no_gap"]) == (None, "periods 1, 5-6 of 12 booked")
    assert first.batch is not None
    undo(estate.engine, first.batch, actor="fin", now=int(NOW))
    taken(estate, ledger(tmp_path))
    target = worked_out(estate)["target"]
    assert target["points"] == []
    assert target["reason"].endswith("2024/25 has periods 1-4 of 12 booked")


def test_prepaid_of_years_to_come_is_committed_and_no_outturn(estate: Estate, tmp_path: Path) -> None:
    saved(estate)
    path = ledger(tmp_path)
    lines = [f"{line},," for line in path.read_text("utf-8").splitlines()]
    lines[0] = lines[0].removesuffix(",,") + ",Spread from,Spread to"
    paid = "2025/26,6,IT1,4001,Hardware maintenance three years,Alpha,36500.00,invoice,2025-10-01,2028-09-30"
    path.write_text("\n".join([*lines, paid]) + "\n", "utf-8")
    taken(estate, path)
    content = worked_out(estate)
    to_come = content["years"]["2027"]
    assert (to_come["measures"], to_come["by_cost_centre"]) == ({}, [])
    # 366 of 1,096 days
    assert to_come["committed"] == {"outturn": {"pence": 1_218_887, "periods": "periods 1-12"}}
    assert [step["year"] for step in content["trend"]["B"]] == [2024, 2025]
    assert {row["year"] for row in content["variances"]} == {2024, 2025}
    with estate.engine.connect() as connection:
        shown = figures.read(connection, shares.METRICS)
    assert shown is not None
    assert list(shown[0]) == ["2024/25", "2025/26"]
    row = next(row for row in share_rows(content, "year", None) if row["year"] == "2027/28")
    assert (row["value"], row["why no figure"], row["of"]) == (
        None,
        "committed, prepaid only",
        Decimal("12188.87"),
    )


def test_prepaid_past_the_last_period_booked_is_in_no_share(estate: Estate, tmp_path: Path) -> None:
    saved(estate)
    header = "Financial year,Period,Cost centre,Account,Description,Net amount,Spread from,Spread to"
    path = tmp_path / "ledger.csv"
    path.write_text(
        f"{header}\n2025/26,1,IT1,4001,Hardware maintenance,365.00,2025-04-01,2026-03-31\n"
        "2025/26,3,IT1,4100,Training,100.00,,\n",
        "utf-8",
    )
    taken(estate, path)
    year = worked_out(estate)["years"]["2025"]
    share = year["measures"]["outturn"]["B"]
    assert (share["numerator_pence"], share["denominator_pence"]) == (9_100, 19_100)  # April to June
    assert year["committed"] == {"outturn": {"pence": 27_400, "periods": "periods 4-12"}}
    told = {row["place"]: (bool(row["shares"]), row["prepaid_pence"]) for row in year["by_accounting_period"]}
    assert (told[1], told[2], told[3], told[4]) == (
        (True, None),
        (False, 3_100),
        (True, None),
        (False, 3_100),
    )
    rows = share_rows(worked_out(estate), "accounting_period", 2025)
    assert {row["why no figure"] for row in rows if row["accounting_period"] in {2, 4}} == {
        "nothing booked, prepaid only"
    }
    with estate.engine.connect() as connection:
        for member, pence in (("in", 9_100), ("counted", 19_100), ("committed", 27_400), (None, 46_500)):
            found = read_lines(connection, Wanted(year=2025, member=member))  # type: ignore[arg-type]  # each is one
            assert found.pence == pence
        key = read_lines(connection, Wanted(year=2025, member="in")).rows[0].key
    with write_transaction(estate.engine) as connection:
        told_of = Said(pool="training", intent="run", maintenance="no", legacy="no", reason="a course it was")
        correct(connection, key, told_of, actor="fin", now=int(NOW))
    with estate.engine.connect() as connection:
        assert read_lines(connection, Wanted(year=2025, member="committed")).pence == 27_400
        assert read_lines(connection, Wanted(year=2025, member="in")).pence == 0


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("basis = 'guess'", "cash, accruals"),
        ("spread_prepaid = true", "basis: is missing"),
        ("basis = 'cash'\nbudget = 1", "budget: unknown key"),
        ("basis = 'cash'\n[[control]]\nfinancial_year='2024/25'\npounds='1.001'", "parts of a penny"),
        ("basis = 'cash'\n[target]\ndefinition='D'", "is missing"),
        ("basis =", "no TOML"),
    ],
)
def test_a_method_that_is_none_is_refused(method: str, said: str) -> None:
    with pytest.raises(CostsError, match=said):
        cost_texts.counting_of(method)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_what_was_shown_before_the_method_changed_stays_marked(estate: Estate, tmp_path: Path) -> None:
    saved(estate)
    taken(estate, ledger(tmp_path))
    assert worked_out(estate)["restated"] is None
    saved(estate, RULES, 'basis = "accruals"')
    restated = worked_out(estate)["restated"]
    assert restated["changes"] == ["basis"]
    assert restated["years"]["2024/25"]["B"]["value"] == 0.4
    more = [("2026/27", 1, "IT1", "4001", "Hardware maintenance", "Alpha", "1.00", "invoice")]
    taken(estate, ledger(tmp_path, more, "more.csv"))
    assert worked_out(estate)["restated"] == restated  # more lines are no other method


PAYMENTS = """\
Date,Supplier,Net amount,Expense type,Purpose (narrative)
03/04/2025,Alpha,1000.00,Computer costs,Hardware maintenance of servers
04/04/2025,REDACTED PERSONAL DATA,50.00,Fees,Interpreter
,Beta,20.00,Computer costs,Software things
"""


def test_payments_have_a_title_of_their_own_and_no_target(estate: Estate, tmp_path: Path) -> None:
    saved(estate, method=METHOD)
    (tmp_path / "paid.csv").write_text(PAYMENTS)
    rules = '[[scope]]\nwhen = { words = ["computer*"] }\n' + RULES
    saved(estate, rules)
    outcome = taken(estate, tmp_path / "paid.csv", kind="payments")
    assert outcome.lines == 3
    content = worked_out(estate)
    assert content["years"] == {}
    paid = content["payments"]["2025"]
    assert paid["title"] == "share of published supplier payments"
    assert (paid["out_of_scope_lines"], paid["out_of_scope_pence"]) == (1, 5_000)
    assert paid["shares"]["B"]["value"] == 1.0
    assert content["payments"]["0"]["undated_lines"] == 1
    assert content["payments"]["0"]["name"] == "no date"
    assert content["target"]["points"] == []
    with estate.engine.connect() as connection:
        (line,) = read_lines(connection, Wanted(kind="payments", year=2025, member="counted")).rows
        other = read_lines(connection, Wanted(kind="payments", year=2025, member="not_it"))
    assert (other.total, other.pence, set(other.rows[0].members.values())) == (1, 5_000, {"not_it"})
    assert (line.pence, line.rule) == (100_000, "maintenance")


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_contracts_come_in_and_go(estate: Estate, tmp_path: Path) -> None:
    path = tmp_path / "contracts.csv"
    path.write_text(
        "Contract reference,Type,Title of agreement,Start date,End date,Annual value\n"
        "C1,contract,Servers,2025-04-01,2026-03-31,1200.00\nW1,warranty,Laptop,2025-04-01,2026-03-31,\n"
    )
    outcome = taken(estate, path, kind="contracts")
    assert (outcome.lines, outcome.passed_over) == (1, 1)
    assert outcome.batch is not None
    assert undo(estate.engine, outcome.batch, actor="fin", now=int(NOW)) == 1


def test_what_is_kept_is_made_again_only_when_something_moved(estate: Estate, tmp_path: Path) -> None:
    taken(estate, ledger(tmp_path))
    assert not shares.refresh(estate.engine, NOW, most_lines=3)  # left to the jobs process
    assert shares.refresh(estate.engine, NOW)
    assert not shares.refresh(estate.engine, NOW + 60)
    with estate.engine.connect() as connection:
        held = figures.read(connection, shares.FIGURE)
    assert held is not None
    assert held[1] == int(NOW)
    saved(estate)
    assert shares.refresh(estate.engine, NOW + 60)


TEXT = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
DAYS = st.dates(date(2000, 1, 1), date(2040, 1, 1))


@given(
    st.integers(-(10**12), 10**12),
    st.integers(2000, 2040),
    st.none() | st.integers(1, 13),
    TEXT,
    st.none() | st.tuples(DAYS, DAYS).map(sorted),
)
def test_a_line_is_read_back_as_it_was(
    pence: int, year: int, period: int | None, text: str | None, days: list[date] | None
) -> None:
    first, last = (None, None) if days is None else days
    line = LedgerLine(
        amount_pence=pence,
        financial_year=year,
        accounting_period=period,
        description=text,
        spread_from=first,
        spread_to=last,
    )
    assert ledger_line(as_content(line)) == line
    paid = PaymentLine(paid=first, net_pence=pence, supplier=text, card=None, source_line=3)
    assert payment_line(as_content(paid)) == paid
