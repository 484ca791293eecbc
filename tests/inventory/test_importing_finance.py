"""Importers of ledgers, supplier payments and contracts: layouts and shapes, signs, leading noughts, refusals."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.contracts import Contract
from roadworthy_inventory.importing.contracts import read_contracts
from roadworthy_inventory.importing.finance import NO_MAPPING, flat, parse_mapping
from roadworthy_inventory.importing.items import Import
from roadworthy_inventory.importing.ledgers import read_ledger
from roadworthy_inventory.importing.payments import OTHER_SHAPE, read_payments, recognise
from roadworthy_inventory.importing.problems import (
    BadRow,
    ImportRefusedError,
    MappingRefusedError,
    StrictRefusedError,
    UnknownFormatError,
)
from roadworthy_inventory.importing.reading import Table, open_table
from roadworthy_inventory.importing.values import pounds
from roadworthy_inventory.ledger import LedgerLine
from roadworthy_inventory.payments import PaymentLine

TODAY = date(2026, 11, 22)


def table(text: str, encoding: str = "utf-8") -> Table:
    return open_table(io.BytesIO(text.encode(encoding)), "file.csv")


def ledger(text: str, mapping: str = "", **told: Any) -> list[LedgerLine]:
    return list(flat(ledger_import(text, mapping, **told)))


def ledger_import(text: str, mapping: str = "", **told: Any) -> Import:
    said = parse_mapping(mapping, "map.toml") if mapping else NO_MAPPING
    return read_ledger(table(text), on=TODAY, mapping=said, **told)


def payments(text: str, mapping: str = "", **told: Any) -> list[PaymentLine]:
    said = parse_mapping(mapping, "map.toml") if mapping else NO_MAPPING
    return list(flat(read_payments(table(text), on=TODAY, mapping=said, **told)))


def contracts(text: str, **told: Any) -> list[Contract]:
    return list(flat(read_contracts(table(text), on=TODAY, **told)))


LONG = """Financial Year,Period,Cost Centre,Subjective,Subjective Description,Description,Supplier,Net Amount,Cap/Rev,Line type,Scenario,Service from,Service to
2025/26,P01,0042,04010,Hardware maintenance,Servers,Acme,"£1,234.50",Revenue,Invoice,Actual,01/04/2025,31/03/2026
2025/26,13,0042,04010,,,Acme,(34.50),R,Credit note,Actual,,
2025/26,2,0042,09100,Depreciation,,,10,R,Depn,Budget,,
"""


def test_one_amount_a_row_with_the_usual_names() -> None:
    first, second, third = ledger(LONG)
    assert (first.amount_pence, first.financial_year, first.accounting_period) == (123450, 2025, 1)
    assert (first.cost_centre, first.subjective_code) == ("0042", "04010")
    assert first.description == "Hardware maintenance | Servers"
    assert (first.spread_from, first.spread_to) == (date(2025, 4, 1), date(2026, 3, 31))
    assert (first.measure, first.capital_revenue, first.kind) == ("outturn", "revenue", "actual")
    assert (second.amount_pence, second.kind, second.accounting_period) == (-3450, "credit", 13)
    assert (third.measure, third.kind) == ("budget", "depreciation")
    assert (first.source, first.source_line, third.source_line) == ("file.csv", 2, 4)


def test_debit_and_credit() -> None:
    lines = ledger("Posting date,Account,Debit,Credit\n30/04/2025,0401,100.00,\n01/03/2026,0401,,25.50\n")
    assert [(one.amount_pence, one.financial_year, one.accounting_period) for one in lines] == [
        (10000, 2025, 1),
        (-2550, 2025, 12),
    ]


def test_a_minus_in_the_column_of_credits_must_be_explained() -> None:
    text = "Posting date,Account,Debit,Credit\n30/04/2025,1,-4,\n30/04/2025,1,,-25.50\n"
    with pytest.raises(StrictRefusedError, match="is a credit below nought"):
        ledger(text)
    for sign, pence in (("minus", -2550), ("plus", 2550)):
        lines = ledger(text, f'[fixed]\ncredit_sign = "{sign}"')
        assert [one.amount_pence for one in lines] == [-400, pence]
    with pytest.raises(MappingRefusedError, match="neither plus nor minus"):
        ledger(text, '[fixed]\ncredit_sign = "times"')


def test_budget_forecast_and_outturn_side_by_side() -> None:
    lines = ledger(
        "Year,Period,CC,Account,Budget,Forecast,Actual\n2025-26,1,A,1,100,,90\n2025-26,2,A,1,0,5,\n"
    )
    assert [(one.measure, one.accounting_period, one.amount_pence) for one in lines] == [
        ("budget", 1, 10000),
        ("outturn", 1, 9000),
        ("budget", 2, 0),
        ("forecast", 2, 500),
    ]


def test_accounting_periods_side_by_side() -> None:
    header = ",".join(f"P{number}" for number in range(1, 14))
    lines = ledger(f"FY,Cost centre,Nominal,{header}\n2025/26,A,1,{','.join(map(str, range(1, 14)))}\n")
    assert [(one.accounting_period, one.amount_pence) for one in lines] == [
        (n, 100 * n) for n in range(1, 14)
    ]
    months = ledger("FY,Cost centre,Apr,May,March\n2025/26,A,1,2,3\n")
    assert [one.accounting_period for one in months] == [1, 2, 12]


def test_a_mapping_file_says_what_is_what() -> None:
    text = "Yr,Wann,Kst,Typ,Betrag\n2026,7,007,JNL,12.00\n"
    mapping = """
[columns]
"Betrag" = "amount"
"Yr" = "financial_year"
"Wann" = "accounting_period"
"Kst" = "cost_centre"
"Typ" = "kind"
[fixed]
measure = "forecast"
capital_revenue = "revenue"
single_year = "ends"
[words.kind]
"JNL" = "accrual"
"""
    (line,) = ledger(text, mapping)
    assert (line.financial_year, line.accounting_period, line.cost_centre) == (2025, 7, "007")
    assert (line.kind, line.measure, line.capital_revenue) == ("accrual", "forecast", "revenue")


MAPPED = 'Amount,Year,Account,Staff name\n1,2025/26,1,"x"\n'


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("[columns]\nAmount =\n", "map.toml: line 2: is no TOML"),
        ("colums = 1", "line 1: column colums: 'colums' is no setting"),
        ("\ndate_order = 'any'", "line 2: column date_order"),
        ("columns = 1", "columns is no table of texts"),
        ("[columns]\nAmount = 1", "columns is no table of texts"),
        ("words = 1", "words is no table"),
        ("[words]\nkind = 1", "words.kind is no table of texts"),
        ('[columns]\nAmount = "money"', "line 2: column money: there is no field 'money'"),
        (
            '[columns]\n"Betrag" = "amount"',
            "the file has no column 'Betrag'; its columns are: Amount, Year, Account$",
        ),
        ('[columns]\n"Staff name" = "description"', "reads like a column about people"),
        ('[columns]\nAmount = "amount"\nYear = "amount"', "line 3: .*is given to 'Amount' and 'Year'"),
        ('[fixed]\namount = "1"', "cannot be fixed"),
        ('[columns]\nYear = "financial_year"\n[fixed]\nfinancial_year = "2025/26"', "is a column and fixed"),
        ('[fixed]\nsingle_year = "both"', "neither starts nor ends"),
        ('[words.kind]\nJNL = "gift"', "line 1: column words.kind: 'gift' is no kind"),
        ('[words.supplier]\nX = "Y"', "has no words to explain"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(mapping: str, message: str) -> None:
    with pytest.raises(MappingRefusedError, match=message):
        ledger(MAPPED, mapping)


def test_two_layouts_in_one_file_are_not_added_together() -> None:
    text = "FY,Account,Amount,Budget\n2025/26,1,5,7\n"
    with pytest.raises(MappingRefusedError, match="two layouts: amount and measures"):
        ledger(text)
    (line,) = ledger(text, '[columns]\n"Budget" = "budget"')
    assert (line.measure, line.amount_pence) == ("budget", 700)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FY,Account,Remarks\n2025/26,1,x\n", "line 1: has no column of amounts"),
        ("Account,Amount\n1,5\n", "no column that tells the financial year"),
    ],
)
def test_what_is_no_ledger_is_refused(text: str, message: str) -> None:
    with pytest.raises(UnknownFormatError, match=message):
        ledger(text)


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("2025/26,1,A,4010,,", "Amount", "is empty: write 0.00"),
        ("2025/26,1,A,4010,$5,", "Amount", "dollars"),
        ('2025/26,1,A,4010,"1.234,50",', "Amount", "decimal comma"),
        ("2025/26,14,A,4010,5,", "Period", "no accounting period"),
        ("2026,1,A,4010,5,", "FY", "starts in or ends in"),
        (",1,A,4010,5,", "FY", "nothing tells the financial year"),
        ("2025/26,1,,,5,", "", "nothing that says what for"),
        ("2025/26,1,A,4.01E+12,5,", "Account", "rounded"),
        ("2025/26,1,A,4010,5,Gift", "Kind", "say what it means in a mapping file"),
    ],
)
def test_one_bad_row_and_nothing_of_a_ledger_is_kept(row: str, column: str, reason: str) -> None:
    text = f"FY,Period,CC,Account,Amount,Kind\n2025/26,1,A,4010,5,\n{row}\n"
    with pytest.raises(StrictRefusedError, match="1 of 2 rows are bad") as refused:
        ledger(text)
    (problem,) = refused.value.report.problems
    assert (problem.line, problem.column) == (3, column)
    assert reason in problem.message
    bad: list[BadRow] = []
    assert len(ledger(text, strict=False, quarantine=bad.append)) == 1
    assert [one.line for one in bad] == [3]


def test_rows_of_totals_are_passed_over_and_counted() -> None:
    text = "FY,Account,Description,Amount\n2025/26,1,a,5\n2025/26,1,b,6\n,,Grand total,11\n"
    imported = ledger_import(text)
    assert [one.amount_pence for one in flat(imported)] == [500, 600]
    assert imported.report().warnings_by_code == {"total_row": 1}


def test_totals_as_spreadsheets_write_them_are_passed_over_and_named() -> None:
    text = """Year,period,cost centre,account code,description,amount
2025/26,1,IT1,4100,Hardware maintenance,1000.00
2025/26,2,IT1,4100,Hardware maintenance,1000.00
2025/26,1,IT1 Total,,,2000.00
2025/26,1,IT2,4100,Total Mobile licences,500.00
2025/26,1,IT2 Total,,,500.00
2025/26,,,4100 Total,,2500.00
2025/26,1,IT1,,Subtotal hardware,2000.00
,,Grand Total,,,2500.00
"""
    imported = ledger_import(text)
    assert sum(one.amount_pence for one in flat(imported)) == 2_500_00
    report = imported.report()
    assert report.warnings_by_code == {"total_row": 5}
    assert [(one.line, one.column, one.value) for one in report.warnings] == [
        (4, "cost centre", "IT1 Total"),
        (6, "cost centre", "IT2 Total"),
        (7, "account code", "4100 Total"),
        (8, "description", "Subtotal hardware"),
        (9, "cost centre", "Grand Total"),
    ]


def test_a_total_in_a_column_nobody_asked_for_is_one_where_no_account_code_stands() -> None:
    text = (
        "Year,Block,Cost centre,P1,P2,P3\n2025/26,Hardware,IT1,10,20,61\n2025/26,Total,,10,20,61\n"
        "2025/26,IT1 Total,IT1,10,20,61\n"
    )
    imported = ledger_import(text)
    assert sum(one.amount_pence for one in flat(imported)) == 91_00
    assert [(one.line, one.column) for one in imported.report().warnings] == [(3, "Block"), (4, "Block")]
    coded = "Year,Block,Account,Amount\n2025/26,IT1 Total,4100,5\n"
    assert [one.amount_pence for one in ledger(coded)] == [500]


def test_a_row_that_may_be_a_total_is_refused_with_line_and_reason() -> None:
    text = "Year,Cost centre,Account,Description,Amount\n2025/26,A,1,a,5\n2025/26,A,,Total hardware,5\n2025/26,A Total,1,b,5\n"
    with pytest.raises(StrictRefusedError) as refused:
        ledger(text)
    assert [(one.line, one.column, one.code, one.value) for one in refused.value.report.problems] == [
        (3, "Description", "maybe_total", "Total hardware"),
        (4, "Cost centre", "maybe_total", "A Total"),
    ]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("2025/26,Sum,,,,5", "Cost centre"),
        ("2025/26,,,,Carried forward,5", "Description"),
        ("2025/26,A,1,,Balance c/f,5", "Description"),
        ("2025/26,A,1,,Brought forward:,5", "Description"),
        ("2025/26,A,1,,Sum of A,5", "Description"),
        ("2025/26,A,,Opening balance,,5", "Supplier"),
    ],
)
def test_what_looks_like_a_sum_in_other_words_is_set_aside_and_can_be_corrected(
    row: str, column: str
) -> None:
    header = "Year,Cost centre,Account,Supplier,Description,Amount\n2025/26,A,1,,a,5\n"
    with pytest.raises(StrictRefusedError) as refused:
        ledger(header + row + "\n")
    (problem,) = refused.value.report.problems
    assert (problem.line, problem.column, problem.code) == (3, column, "maybe_total")
    assert problem.message.startswith("looks like a total row")
    other = row.replace(problem.value, f"Invoice {problem.value} in July")
    assert len(ledger(f"{header}{other}\n")) == 2


def test_spending_in_words_of_sums_is_spending() -> None:
    said = (
        "Consumables",
        "Sum insured",
        "Balance",
        "Balance of contract",
        "Freight forward",
        "Summary server",
    )
    rows = "".join(f"2025/26,A,1,{one},5\n" for one in said)
    assert len(ledger(f"Year,Cost centre,Account,Description,Amount\n{rows}")) == len(said)
    paid = "Date,Supplier,Description,Net amount\n01/04/2025,Acme,Sum of invoices,5.00\n"
    assert [one.net_pence for one in payments(paid, "date_order = 'day first'")] == [500]


def test_payments_to_a_supplier_called_total_are_payments() -> None:
    text = """Date,Supplier,Description,Net amount
01/04/2025,Total Gas & Power Ltd,Total energy used,5.00
01/04/2025,Acme,TOTAL MOBILE licences,6.00
,Acme Total,,6.00
"""
    assert [one.net_pence for one in payments(text, "date_order = 'day first'")] == [500, 600]


def test_what_a_ledger_does_not_tell_is_said() -> None:
    imported = ledger_import("FY,Account,Amount\n2025/26,0001,5\n")
    (line,) = flat(imported)
    assert (line.capital_revenue, line.accounting_period, line.cost_centre) == ("unknown", None, None)
    notes = " ".join(imported.report().notes)
    for words in ("every amount is outturn", "no column tells kinds", "every line is unknown"):
        assert words in notes


def test_a_credit_printed_without_its_sign_is_negative_and_warned_of() -> None:
    imported = ledger_import("FY,Account,Amount,Kind\n2025/26,1,5,Credit note\n")
    assert [one.amount_pence for one in flat(imported)] == [-500]
    assert imported.report().warnings_by_code == {"positive_credit": 1}


def test_irrecoverable_vat_stays_in_the_cost() -> None:
    (line,) = ledger("FY,Account,Net amount,Irrecoverable VAT\n2025/26,1,100,20\n")
    assert line.amount_pence == 12000
    with pytest.raises(StrictRefusedError, match="several amounts"):
        ledger("FY,Account,Budget,Actual,Irrecoverable VAT\n2025/26,1,100,90,20\n")


def test_an_outturn_of_the_future_is_warned_of_and_a_half_told_prepayment_refused() -> None:
    imported = ledger_import("Posting date,Account,Amount\n2026-12-25,1,5\n")
    assert len(list(flat(imported))) == 1
    assert imported.report().warnings_by_code == {"future_date": 1}
    with pytest.raises(StrictRefusedError, match="first and the last day"):
        ledger("FY,Account,Amount,Service from\n2025/26,1,5,2025-04-01\n")


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 13)), min_size=1, max_size=30))
def test_what_is_written_is_what_is_read(rows: list[tuple[int, int]]) -> None:
    body = "".join(f"2025/26,{period},007,{pounds(pence)}\n" for pence, period in rows)
    lines = ledger("FY,Period,Account,Amount\n" + body)
    assert [(one.amount_pence, one.accounting_period) for one in lines] == rows


WEST_MERCIA = (
    "URI,Company Name,Transaction Date,Voucher Number,Invoice Number,Amount,Supplier,G/L Description,G/L Code,"
    "Cost Centre,INV/CRN,Total Invoice Amount\n"
    "wm1,West Mercia Police,05/04/2025,000123,INV9,450.00,Acme Ltd,Equipment maintenance,04010,0077,INV,900.00\n"
    "wm2,West Mercia Police,25/04/2025,000124,INV8,75.00,REDACTED PERSONAL DATA,Telephones,04020,0077,CRN,75.00\n"
)
EDEN = (
    "Body,Body name,Date (dd/mm/yyyy),Transaction Number,Amount,Supplier,Supplier ID,Expense Area,Expense Type,"
    "Expense code (4 digits),Extended Description\n"
    'X,Eden District Council,01/02/2025,000555,"1,000.00",Acme,00042,ICT,Software,0412,Annual support\n'
)
CANNOCK = (
    "Service_Area_Categorisation,Service_Division_Categorisation,Responsible_Unit,Expenses_Type,"
    "Detailed_Expenses_Type,Expense_Code,Narrative,Date,Transaction_Number,SumOfAmount_Inc_VAT,"
    "SumOfAmount_Exc_VAT,Capital_Revenue,Supplier_Name,Supplier_ID,Contract_ID\n"
    "Corporate,ICT,ICT unit,Supplies,Computer software,0401,Licence,25/03/2025,0009,120.00,100.00,Revenue,Acme,01,C7\n"
)
EAST_CAMBS = (
    "Body name,Transaction date,Supplier (beneficiary),Transaction number,Net amount,Irrecoverable VAT,"
    "Department/service,Procurement category,CIPFA expenditure code,Purpose (narrative),Card transaction\n"
    "East Cambs,14/05/2025,Acme,0031,100.00,20.00,ICT,Computers,0D4,Server,Yes\n"
)
BRISTOL = "Directorate,Vendor,Zahlung,When,What for\nResources,Acme,-10.00,2025-05-01,Server maintenance\n"


def test_the_shape_of_west_mercia() -> None:
    invoice, credit = payments(WEST_MERCIA)
    assert (invoice.amount_pence, invoice.vat_basis, invoice.invoice_total_pence) == (45000, "unknown", 90000)
    assert (invoice.transaction, invoice.code, invoice.cost_centre) == ("000123", "04010", "0077")
    assert (invoice.paid, invoice.reference, invoice.body) == (date(2025, 4, 5), "wm1", "West Mercia Police")
    assert (credit.amount_pence, credit.invoice_total_pence, credit.credit_note) == (-7500, -7500, True)
    assert (credit.supplier, credit.supplier_redacted) == (None, True)
    assert not invoice.supplier_redacted


def test_the_shape_of_eden() -> None:
    (line,) = payments(EDEN)
    assert (line.amount_pence, line.code, line.supplier_id, line.department) == (
        100000,
        "0412",
        "00042",
        "ICT",
    )
    (net,) = payments(EDEN, '[fixed]\nvat_basis = "net"')
    assert (net.net_pence, net.amount_pence, net.vat_basis) == (100000, None, "net")
    assert net.body == "Eden District Council"


def test_the_shape_of_cannock_chase_has_both_vat_bases() -> None:
    (line,) = payments(CANNOCK)
    assert (line.net_pence, line.gross_pence, line.cost_pence, line.vat_basis) == (10000, 12000, 10000, "net")
    assert (line.capital_revenue, line.code, line.contract) == ("revenue", "0401", "C7")
    assert (line.expense_type, line.department) == ("Computer software", "ICT")


def test_the_shape_of_east_cambridgeshire_has_irrecoverable_vat() -> None:
    (line,) = payments(EAST_CAMBS)
    assert (line.net_pence, line.irrecoverable_vat_pence, line.cost_pence) == (10000, 2000, 12000)
    assert (line.card, line.code, line.category) == (True, "0D4", "Computers")


def test_any_other_shape_by_a_mapping_file() -> None:
    with pytest.raises(UnknownFormatError, match="needs an amount"):
        payments(BRISTOL)
    (line,) = payments(
        BRISTOL,
        '[columns]\n"Zahlung" = "gross"\n"When" = "date"\n"What for" = "description"\n[fixed]\nbody = "Bristol"',
    )
    assert (line.gross_pence, line.paid, line.body) == (-1000, date(2025, 5, 1), "Bristol")
    assert (line.credit_note, line.supplier, line.department) == (True, "Acme", "Resources")
    with pytest.raises(MappingRefusedError, match="neither net nor gross"):
        payments(EDEN, '[fixed]\nvat_basis = "maybe"')


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (WEST_MERCIA, "West Mercia Police"),
        (EDEN, "Eden District Council"),
        (CANNOCK, "Cannock Chase District Council"),
        (EAST_CAMBS, "East Cambridgeshire District Council"),
        (BRISTOL, OTHER_SHAPE),
    ],
)
def test_shapes_are_told_by_their_headers(text: str, shape: str) -> None:
    assert recognise(table(text).header) == shape


def test_a_bad_payment_is_set_aside_and_the_others_load() -> None:
    text = (
        EAST_CAMBS
        + "East Cambs,14/05/2027,Acme,0032,100,,ICT,,,x,Yes\nEast Cambs,14/05/2025,Acme,1,,,I,,,x,maybe\n"
    )
    bad: list[BadRow] = []
    assert len(payments(text, quarantine=bad.append)) == 1
    assert [(one.line, one.problems[0].code) for one in bad] == [(3, "future_date"), (4, "no_amount")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_and_pound_signs(encoding: str) -> None:
    text = "Supplier,Amount,Narrative\r\nCafé,£12.50,Café \u2013 server\r\n"
    found = list(flat(read_payments(table(text, encoding), on=TODAY)))
    assert [(one.amount_pence, one.supplier) for one in found] == [(1250, "Café")]


@given(st.binary(max_size=300))
def test_no_bytes_break_an_importer(data: bytes) -> None:
    for read in (read_ledger, read_payments, read_contracts):
        for head in (b"", b"FY,Account,Supplier,Amount,Contract reference,End date\n"):
            try:
                list(flat(read(open_table(io.BytesIO(head + data), "x"), on=TODAY)))
            except ImportRefusedError:
                continue


def test_a_register_of_contracts() -> None:
    whole, by_months, warranty = contracts(
        "Contract reference,Type,Description,Supplier,Start date,End date,Duration,Notice,Contract value,Covers\n"
        'C1,Support,Servers,Acme,01/04/2024,31/03/2027,,3,"£30,000.00",Crime; Custody;Crime\n'
        "C2,Licence,,Acme,01/04/2024,,36,31/12/2026,,\n"
        "W1,Warranty,,,,2026-06-30,,,,SN1\n"
    )
    assert (whole.kind, whole.value_pence_per_year, whole.notice) == (
        "contract",
        1_000_000,
        date(2026, 12, 31),
    )
    assert whole.covers == ("Crime", "Custody")
    assert (by_months.end, by_months.notice, by_months.value_pence_per_year) == (
        date(2027, 3, 31),
        date(2026, 12, 31),
        None,
    )
    assert (warranty.kind, warranty.end, warranty.covers) == ("warranty", date(2026, 6, 30), ("SN1",))


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (",2026-01-01,2027-01-01,1", "no_reference"),
        ("C1,2027-01-01,2026-01-01,1", "not_a_contract"),
        ("C1,2026-01-01,2027-01-01,-1", "negative_cost"),
        ("c0,2026-01-01,2027-01-01,1", "duplicate_reference"),
        ("C1,soon,2027-01-01,1", "not_a_date"),
    ],
)
def test_contracts_that_cannot_be_are_set_aside(row: str, code: str) -> None:
    bad: list[BadRow] = []
    text = f"Reference,Start date,End date,Annual value\nC0,2026-01-01,,\n{row}\n"
    assert len(contracts(text, quarantine=bad.append)) == 1
    assert [one.problems[0].code for one in bad] == [code]


def test_a_contract_has_a_title_and_a_person_none() -> None:
    (one,) = contracts(
        "Reference,Title,Supplier,Start date,End date\nC1,Maintenance,Acme,01/04/2024,31/03/2027\n"
    )
    assert one.title == "Maintenance"
    (mapped,) = flat(
        read_contracts(
            table("Reference,Title,End date\nC1,Maintenance,31/03/2027\n"),
            on=TODAY,
            mapping=parse_mapping('[columns]\n"Title" = "title"\n', "m"),
        )
    )
    assert mapped.title == "Maintenance"
    imported = read_contracts(
        table("Reference,Contract title,Title,End date\nC1,Maintenance,Dr,31/03/2027\n"), on=TODAY
    )
    assert [one.title for one in flat(imported)] == ["Maintenance"]
    assert "columns about people dropped unread: Title" in imported.report().notes


def test_what_is_no_register_of_contracts_is_refused() -> None:
    with pytest.raises(UnknownFormatError, match="needs a reference"):
        contracts("Supplier,Value\nAcme,5\n")


def test_the_correction_file_of_a_ledger_imports_again() -> None:
    text = "FY,Period,Account,Amount\n2025/26,1,007,-5.00\n2025/26,77,007,-6.00\n"
    bad: list[BadRow] = []
    imported = ledger_import(text, strict=False, quarantine=bad.append)
    assert [one.amount_pence for one in flat(imported)] == [-500]
    rows = [imported.correction_header, *(imported.correction_row(one) for one in bad)]
    corrected = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows).replace('"77"', '"7"')
    (line,) = ledger(corrected)
    assert (line.amount_pence, line.accounting_period, line.subjective_code) == (-600, 7, "007")
