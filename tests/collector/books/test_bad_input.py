"""What is wrong with a file is said with its line and column, by the commands people use; and every shape comes in."""

from __future__ import annotations

import importlib.util
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import select
from support.estates import Estate
from typer.testing import CliRunner

from roadworthy_collector.cli import app
from roadworthy_collector.store.books_schema import register_items

REPO = Path(__file__).parents[3]
HEAD = "Asset tag,Serial number,Kind,Model,Purchased,Purchase cost (GBP),Last seen\n"
ROW = "FP1,S1,laptop,E1,2020-01-02,100,\n"
LEDGER = "Financial year,Period,Cost centre,Account,Description,Supplier,Amount\n"
PAID = "Supplier,Payment Date,Amount,Description,Transaction Number\n"
pytestmark = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
Command = Callable[..., str]


@pytest.fixture
def command(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.settings().data))
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str) -> str:
        found = CliRunner().invoke(app, list(arguments))
        # A person's mistake is an error of ours in words, never a traceback.
        assert found.exception is None or type(found.exception).__module__.startswith("roadworthy"), (
            found.output
        )
        return found.output + str(found.exception or "")

    return run


def sheet(*rows: tuple[Any, ...]) -> bytes:
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target)
    page = book.add_worksheet()
    for number, row in enumerate(rows):
        page.write_row(number, 0, row)
    book.close()
    return target.getvalue()


def bomb() -> bytes:
    """Return a workbook of a few hundred kilobytes that unpacks to 64 MB of blanks."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(sheet(("Asset tag", "Model"), ("FP1", "x")))) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in source.namelist():
            body = source.read(name)
            if name == "xl/worksheets/sheet1.xml":
                body = body.replace(b"</sheetData>", b" " * (64 << 20) + b"</sheetData>")
            packed.writestr(name, body)
    return target.getvalue()


# what: (file, what has to be said)
REGISTER: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "CR alone ends lines": (
        "r.csv",
        (HEAD + ROW + "FP2,S2,laptop,E1,32/01/2020,100,\n").replace("\n", "\r").encode(),
        ("new 1", "line 3, column Purchased", "32/01/2020"),
    ),
    "a header twice": (
        "r.csv",
        b"Asset tag,Serial number,Model,Model\nFP1,S1,a,b\n",
        ("column 'Model' is there 2 times; this one is called 'Model (2)'", "new 1"),
    ),
    "a serial number twice": (
        "r.csv",
        b"Asset tag,Serial,Serial,Model\nFP1,S1,S1,a\nFP2,S2,S9,b\n",
        ("line 3: column Serial: 'Serial' is there twice, as column 2 and column 3", "'S2' and 'S9'"),
    ),
    "a control character": (
        "r.csv",
        b"Asset tag,Model\nFP\x07\x1b[31m1,a\nFP2,b\n",
        ("line 2, column Asset tag: holds a control character (U+0007, character 3 of the cell)", "new 1"),
    ),
    "broken bytes": (
        "r.csv",
        (HEAD + "FP1,S1,laptop,caf").encode() + b"\xe9\x81\xff,2020-01-02,1,\n",
        ("line 2, column Model: holds bytes that are no text",),
    ),
    "a NUL": (
        "r.csv",
        b"Asset tag,Model\nFP1,a\0b\n",
        ("line 2, column Model: holds bytes that are no text",),
    ),
    "UTF-16": ("r.csv", (HEAD + ROW).encode("utf-16"), ("encoding UTF-16", "new 1")),
    "nothing": ("r.csv", b"", ("r.csv: is empty",)),
    "blank lines alone": ("r.csv", b"\n\n\n", ("r.csv: is empty",)),
    "a header alone": ("r.csv", HEAD.encode(), ("line 1: has a header and no rows",)),
    "no header anybody knows": ("r.csv", b"a,b\n1,2\n", ("line 1: has a header no importer knows (a, b)",)),
    "a tag twice": (
        "r.csv",
        b"Asset tag,Serial number\nFP1,S1\nfp1,S2\n",
        ("line 3, column Asset tag: is on line 2 already", "new 1"),
    ),
    "a purchase to come": (
        "r.csv",
        (HEAD + "FP1,S1,laptop,E1,2099-01-02,100,\n").encode(),
        ("line 2, column Purchased: is after", "2099-01-02"),
    ),
    "seen in the future": (
        "r.csv",
        (HEAD + "FP1,S1,laptop,E1,2020-01-02,100,2099-01-01\n").encode(),
        ("warning: line 2, column Last seen: is after", "new 1"),
    ),
    "a negative cost": (
        "r.csv",
        (HEAD + "FP1,S1,laptop,E1,2020-01-02,-100,\n").encode(),
        ("line 2, column Purchase cost (GBP): is negative",),
    ),
    "an open quote": (
        "r.csv",
        b'Asset tag,Model\n"FP1,abc\nFP2,x\n',
        ("r.csv: line 2: cell 1 opens a quote that is never closed",),
    ),
    "a quote closed rows below": (
        "r.csv",
        b'Asset tag,Model,Notes\nFP1,x,"15 inch\nFP2,x,\nFP3,x,"\nFP4,x,\n',
        ("r.csv: line 2: cell 3 opens a quote that is closed 2 lines below",),
    ),
    "only placeholders": (
        "r.csv",
        b"Serial number,Model\nDefault string,x\nS1,x\n",
        ("line 2, column Serial number: is a placeholder", "set aside 1"),
    ),
    "a line without end": (
        "r.csv",
        b"Asset tag,Model\nFP1," + b"x" * 1_100_000 + b"\n",
        ("line 2: a row of more than 1,000,000 characters begins here",),
    ),
    "no archive": ("r.xlsx", b"PK\x03\x04 not a workbook", ("is a broken archive",)),
    "a PDF": ("r.xlsx", b"%PDF-1.7", ("is a PDF document; save it as XLSX or CSV UTF-8",)),
    "a bomb": ("r.xlsx", bomb(), ("unpacks to more than 200 times its size",)),
    "a negative cost in a sheet": (
        "r.xlsx",
        sheet(("Asset tag", "Model", "Purchase cost (GBP)"), ("FP1", "x", -4)),
        ("line 2, column Purchase cost (GBP): is negative",),
    ),
    "no JSON": ("r.json", b'{"a": ', ("line 1: column 7: is no JSON",)),
}
MONEY: dict[str, tuple[str, str, bytes, tuple[str, ...]]] = {
    "CR alone ends lines": (
        "ledger",
        "l.csv",
        (LEDGER + "2024/25,1,IT1,6000,x,Acme,1\n2024/25,14,IT1,6000,y,Acme,1\n").replace("\n", "\r").encode(),
        ("1 of 2 rows are bad", "line 3: column Period: '14' is no accounting period"),
    ),
    "a header twice": (
        "ledger",
        "l.csv",
        b"Financial year,Period,Amount,Amount,Description\n2024/25,1,1,2,x\n",
        ("line 2: column Amount: 'Amount' is there twice, as column 3 and column 4", "'1' and '2'"),
    ),
    "broken bytes": (
        "ledger",
        "l.csv",
        LEDGER.encode() + b"2024/25,1,IT1,6000,caf\xe9\x81\xff,Acme,1\n",
        ("line 2: column Description", "holds bytes that are no text"),
    ),
    "nothing": ("ledger", "l.csv", b"", ("l.csv: is empty",)),
    "a header alone": ("ledger", "l.csv", LEDGER.encode(), ("line 1: has a header and no rows",)),
    "no sum": (
        "ledger",
        "l.csv",
        (LEDGER + "2024/25,2,IT1,6000,x,Acme,abc\n").encode(),
        ("line 2: column Amount", "is no sum of money; write it as 1234.56"),
    ),
    "a credit": (
        "ledger",
        "l.csv",
        (LEDGER + "2024/25,2,IT1,6000,x,Acme,(100.00)\n").encode(),
        ("1 of 1 rows are good", "-£100.00"),
    ),
    "outturn of a year to come": (
        "ledger",
        "l.csv",
        (LEDGER + "2098/99,2,IT1,6000,x,Acme,100.00\n").encode(),
        ("warning: line 2, column Financial year: has not begun, and the amount is outturn (2098/99)",),
    ),
    "a bomb": ("ledger", "l.xlsx", bomb(), ("unpacks to more than 200 times its size",)),
    "payments without a sum": (
        "payments",
        "p.csv",
        (PAID + "Acme,01/04/2025,x,licence,7\n").encode(),
        ("line 2, column Amount: is no sum of money",),
    ),
    "contracts with no end that is one": (
        "contracts",
        "c.csv",
        b"Reference,Title,Supplier,Start,End,Annual value\nC1,Support,Acme,2024-01-01,31/02/2026,100\n",
        ("line 2", "31/02/2026"),
    ),
}


def test_a_sheet_behind_the_cover_is_said_and_can_be_named(command: Command, tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "r.xlsx") as book:
        book.add_worksheet("Cover").write(0, 0, "Our assets")
        data = book.add_worksheet("Data")
        data.write_row(0, 0, ("Asset tag", "Model"))
        data.write_row(1, 0, ("FP1", "x"))
    file = str(tmp_path / "r.xlsx")
    assert "sheet 'Cover' has a header and no rows; say which sheet is meant: Cover, Data" in command(
        "register", "import", file
    )
    mapping = command("register", "mapping", file, "--sheet", "data")
    assert 'sheet = "Data"' in mapping
    (tmp_path / "m.toml").write_text(mapping)
    assert "new 1" in command("register", "import", file, "--sheet", "Data", "--dry-run")
    assert "new 1" in command("register", "import", file, "--mapping", str(tmp_path / "m.toml"))


@pytest.mark.parametrize("case", REGISTER)
def test_what_is_wrong_in_a_register_is_said(command: Command, tmp_path: Path, case: str) -> None:
    name, body, wanted = REGISTER[case]
    (tmp_path / name).write_bytes(body)
    said = command("register", "import", str(tmp_path / name))
    for one in wanted:
        assert one in said, said


@pytest.mark.parametrize("case", MONEY)
def test_what_is_wrong_in_a_file_of_money_is_said(command: Command, tmp_path: Path, case: str) -> None:
    kind, name, body, wanted = MONEY[case]
    (tmp_path / name).write_bytes(body)
    said = command("costs", "import", str(tmp_path / name), "--kind", kind, "--dry-run")
    for one in wanted:
        assert one in said, said


def test_a_formula_comes_in_as_text_and_leaves_harmless(
    command: Command, tmp_path: Path, estate: Estate
) -> None:
    formula = "=cmd|' /C calc'!A0"
    (tmp_path / "r.csv").write_text(f"Asset tag,Serial number,Model\nFP1,S1,{formula}\n")
    assert "new 1" in command("register", "import", str(tmp_path / "r.csv"))
    with estate.engine.connect() as connection:
        assert connection.scalar(select(register_items.c.model)) == formula
    command("register", "export", str(tmp_path / "out.csv"))
    text = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert f"'{formula}" in text
    assert f",{formula}" not in text
    assert "unchanged 1" in command("register", "import", str(tmp_path / "out.csv"))


def test_bad_rows_come_back_corrected(command: Command, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(HEAD + ROW + "FP2,S2,laptop,E1,32/01/2020,100,\n")
    command("register", "import", str(tmp_path / "r.csv"))
    bad = tmp_path / "r.corrections.csv"
    assert "Purchased" in bad.read_text("utf-8-sig")
    bad.write_text(bad.read_text("utf-8-sig").replace("32/01/2020", "31/01/2020"), "utf-8-sig")
    assert "new 1" in command("register", "import", str(bad))


def test_strict_takes_all_rows_or_none(command: Command, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(HEAD + ROW + "FP2,S2,laptop,E1,32/01/2020,100,\n")
    said = command("register", "import", str(tmp_path / "r.csv"), "--strict")
    assert "line 3" in said
    assert command("register", "list", "--format", "json").strip() == "[]"


def shapes() -> Any:
    """Return the samples of every format, from the tests of the domain."""
    path = REPO / "tests/inventory/test_import_formats.py"
    spec = importlib.util.spec_from_file_location("samples_of_formats", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHAPES = shapes()
# What holds no items is said to be known, and where it belongs.
NO_REGISTER = {"snipe_it_depreciation": "depreciation", "snipe_it_maintenance": "maintenance"}


# Other spellings and delimiters of the same: (format it is known as, file, what has to be said of its first row).
MORE: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "Intune, the other spelling": (
        "intune_devices",
        (
            b"DeviceId,DeviceName,SerialNumber,LastContact,OSVersion,OS,SkuFamily,Manufacturer,Model,UserEmail\n"
            b"d1,LAP-1,S1,2026-09-01,10.0.19045,Windows,Pro,Dell,L5420,pquux@force.example\n"
        ),
        {"kind": "mdm"},
    ),
    "GLPI with tabs": (
        "glpi_csv",
        b"Name\tStatus\tManufacturer\tSerial number\tInventory number\tModel\tUser\nLAP-1\tIn use\tDell\tS1\tRW1\tL1\tpquux\n",
        {"kind": "items"},
    ),
    "GLPI with groups in its header and commas": (
        "glpi_csv",
        (
            b'"Name","Status","Manufacturer","Serial number","Inventory number","Model","Financial and administrative information - '
            b'Value"\r\n"LAP-1","In use","Dell","S1","RW1","L1","800.00"\r\n'
        ),
        {"kind": "items"},
    ),
    "Endpoint Analytics without data": (
        "endpoint_analytics",
        (
            b"DeviceName,CoreBootTime,GPBootTime,CoreLogonTime,GPLogonTime,DesktopUsableTime,StartupPerformanceScore,"
            b"EndpointAnalyticsScore,AppReliabilityScore,HealthStatus,MeanTimeToFailure\nLAP-1,-1,-1,-2,-2,-1,-1,-2,-1,0,2147483647\n"
        ),
        {"kind": "experience"},
    ),
}


@pytest.mark.parametrize("case", MORE)
def test_other_spellings_are_known_too(command: Command, tmp_path: Path, case: str) -> None:
    name, body, wanted = MORE[case]
    (tmp_path / "shape.csv").write_bytes(body)
    told = command("register", "import", str(tmp_path / "shape.csv"), "--output", "json")
    assert "{" in told, told
    found = json.loads(told[told.index("{") :])
    assert found["format"] == name
    assert found | wanted == found
    assert (found["rows_read"], found["quarantined"]) == (1, 0), told
    assert "pquux" not in told


def test_any_columns_come_in_by_a_mapping_file(command: Command, tmp_path: Path, estate: Estate) -> None:
    (tmp_path / "x.csv").write_text("Ref No;S/N;What;Paid\nFP1;S1;Latitude;1.200,50\n")
    (tmp_path / "map.toml").write_text(
        '[columns]\n"Ref No" = "tag"\n"S/N" = "serial"\nWhat = "model"\n', "utf-8"
    )
    said = command("register", "import", str(tmp_path / "x.csv"), "--mapping", str(tmp_path / "map.toml"))
    assert "new 1" in said, said
    with estate.engine.connect() as connection:
        row = connection.execute(select(register_items)).one()
    assert (row.tag, row.serial, row.model) == ("FP1", "S1", "Latitude")
    (tmp_path / "map.toml").write_text('[columns]\nReference = "tag"\n', "utf-8")
    wrong = command("register", "import", str(tmp_path / "x.csv"), "--mapping", str(tmp_path / "map.toml"))
    assert "Reference" in wrong


@pytest.mark.parametrize("name", SHAPES.SAMPLES)
def test_every_shape_comes_in_without_its_people(
    command: Command, tmp_path: Path, estate: Estate, name: str
) -> None:
    body, _ = SHAPES.SAMPLES[name]
    file = tmp_path / f"shape.{'json' if body.lstrip()[:1] in (b'{', b'[') else 'csv'}"
    file.write_bytes(body)
    told = command("register", "import", str(file), "--output", "json")
    if name in NO_REGISTER:
        assert NO_REGISTER[name] in told
        return
    found = json.loads(told[told.index("{") :])
    assert found["format"] == name
    assert (found["good"], found["quarantined"]) == (found["rows_read"], 0)
    assert found["rows_read"] >= 1
    held = b"".join(one.read_bytes() for one in estate.path.parent.glob("roadworthy.db*"))
    for text in SHAPES.PERSON:
        assert text not in told
        assert text.encode() not in held
