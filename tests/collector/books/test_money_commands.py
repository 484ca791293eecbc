"""From an exported ledger to a share, and from a register to a plan, as somebody at a prompt does it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from roadworthy_collector.books.tables import TABLES
from roadworthy_collector.cli import app
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store import books_schema as books
from roadworthy_collector.store.engine import open_engine, write_transaction

LEDGER = """\
Financial year,Period,Cost centre,Account,Description,Supplier,Amount
2024/25,1,IT1,4001,Hardware maintenance contract,Alpha,40000.00
2024/25,2,IT1,4002,Training course,Beta,10000.00
2024/25,3,IT2,4003,Project delivery of new system,Gamma,45000.00
2024/25,4,IT2,4009,Sundry things,Delta,5000.00
"""


@pytest.fixture
def folder(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    shutil.copy(empty_database, tmp_path / "data" / "roadworthy.db")
    (tmp_path / "ledger.csv").write_text(LEDGER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROADWORTHY_DATA", "data")
    monkeypatch.setenv("COLUMNS", "220")
    return tmp_path


def done(*words: str) -> Result:
    """Return what a command says and how it ended, within this process: starting one takes a second."""
    return CliRunner().invoke(app, words)


def well(*words: str) -> str:
    found = done(*words)
    assert found.exit_code == 0, found.exception
    return found.stdout


def test_from_an_export_to_a_share(folder: Path) -> None:
    assert "a dry run" in well("costs", "import", "ledger.csv", "--dry-run")
    assert "in as batch 1" in well("costs", "import", "ledger.csv")
    assert "in already, as batch 1" in well("costs", "import", "ledger.csv")
    said = well("costs", "shares")
    assert "B maintenance share" in said
    assert "left out" not in said
    (line,) = json.loads(well("costs", "lines", "--year", "2024", "--text", "sundry", "--format", "json"))
    assert line["by"] == "no rule"
    assert "0 of 0 lines" in well("costs", "lines", "--year", "2024", "--measure", "budget")
    assert well("costs", "bridge", "--measure", "outturn") == well("costs", "bridge")
    well("costs", "correct", line["key"], "--pool", "break_fix", "--reason", "invoice 77, a repair")
    found = json.loads(well("costs", "shares", "--format", "json"))
    assert found["years"]["2024"]["measures"]["outturn"]["B"]["numerator_pence"] == 4_500_000
    (folder / "rules.toml").write_text(well("costs", "rules", "show"))
    assert "0 lines would be classified otherwise" in well("costs", "rules", "try", "rules.toml")
    assert well("costs", "rules", "save", "rules.toml") == "saved\n"
    (folder / "method.toml").write_text(well("costs", "method", "show").replace('"cash"', '"accruals"', 1))
    assert well("costs", "method", "save", "method.toml") == "saved\n"
    assert "accruals basis" in well("costs", "shares", "--by", "accounting_period")
    assert "rows written" in well("costs", "shares", "--by", "bridge", "--export", "bridge.csv")
    above = (folder / "bridge.csv").read_text("utf-8-sig").splitlines()
    assert above[:2] == ["Protective marking: OFFICIAL", "Cost of Roadworthy: by bridge"]
    assert above[4].startswith("year,measure,cost_centre")
    assert "ledger.csv" in well("costs", "batches")
    assert "4 rows went" in well("costs", "undo", "1")


def test_lines_are_those_of_a_period(folder: Path) -> None:
    well("costs", "import", "ledger.csv")
    said = well("costs", "lines", "--year", "2024", "--period", "2", "--member", "counted")
    assert "1 of 1 lines, £10,000.00 in all" in said
    assert "0 of 0 lines" in well("costs", "lines", "--year", "2024", "--period", "9")


@pytest.mark.parametrize(
    ("kind", "text", "bad", "good"),
    [
        (
            "payments",
            "Supplier,Payment Date,Amount,Description\nAcme,01/04/2025,10.00,licence\nAcme,16/05/2099,11.00,fee\n",
            "line 3, column Payment Date: is after",
            ("2099-05-16", "2025-05-16"),
        ),
        (
            "contracts",
            "Reference,Start,End\nC1,2024-01-01,2026-02-28\nC2,2025-01-01,2024-01-01\n",
            "line 3, column End: C2: ends 2024-01-01, before it starts 2025-01-01 (2024-01-01)",
            ("2024-01-01", "2027-01-01"),
        ),
    ],
)
def test_bad_rows_wait_in_a_correction_file_beside_the_file(
    folder: Path, kind: str, text: str, bad: str, good: tuple[str, str]
) -> None:
    (folder / "some.csv").write_text(text)
    well("costs", "import", "some.csv", "--kind", kind, "--dry-run")
    aside = folder / "some.corrections.csv"
    assert not aside.exists()
    said = well("costs", "import", "some.csv", "--kind", kind)
    assert bad in said
    assert "set aside in some.corrections.csv: correct it there and import it" in said
    aside.write_text(aside.read_text("utf-8-sig").replace(*good))
    assert "1 of 1 rows are good" in well("costs", "import", "some.corrections.csv", "--kind", kind)
    again = well("costs", "import", "some.csv", "--kind", kind, "--corrections", "again.csv")
    assert "in already, as batch 1" in again
    assert good[0] in (folder / "again.csv").read_text("utf-8-sig")


def test_a_first_import_makes_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ledger.csv").write_text(LEDGER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROADWORTHY_DATA", "data")
    assert "in as batch 1" in well("costs", "import", "ledger.csv")


def test_help_names_every_table_there_is(folder: Path) -> None:
    said = " ".join(well("export", "--help").replace("\u2502", " ").split())
    assert [name for name in TABLES if not re.search(rf"[ ,:]{name}[,.]", said)] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("costs", "import", "nothing.csv"), "nothing.csv: cannot be read"),
        (("costs", "import", "ledger.csv", "--replace", "--keep-both"), "two answers"),
        (("costs", "import", "bad.csv"), "line 2: column Amount"),
        (("costs", "rules", "save", "ledger.csv"), "no TOML"),
        (("costs", "correct", "00", "--pool", "other", "--reason", "a reason"), "no line of the ledger"),
        (("costs", "undo", "7"), "no import of money numbered 7"),
        (("plan", "show"), "there is no plan yet"),
        (("plan", "run", "ledger.csv"), "no TOML"),
        (("plan", "lists", "--export", "nonsense", "x.csv"), "no such list"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, words: tuple[str, ...], said: str) -> None:
    (folder / "bad.csv").write_text(LEDGER.replace("40000.00", "many"))
    found = done(*words)
    assert isinstance(found.exception, RoadworthyError)
    assert said in str(found.exception)


def test_from_a_register_to_a_plan(folder: Path) -> None:
    (folder / "plan.toml").write_text(well("plan", "example"))
    engine = open_engine(folder / "data" / "roadworthy.db")
    row = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1}
    with write_transaction(engine) as connection:
        connection.execute(insert(books.register_items).values(tag="PC1", purchased="2020-01-01", **row))
    engine.dispose()
    said = well("plan", "run", "plan.toml", "--capital", "1000", "--lots", "--runs", "2")
    assert "plan of" in said
    assert "net cannot be told" in said
    assert "staff hours: 1 not known" in said
    assert "staff hours while kept" in well("plan", "why", "PC1")
    assert json.loads(well("plan", "show", "--format", "json"))["budget"]["capital_pounds"] == 1000
    assert "PC1" in well("plan", "show", "--action", "apart")
    assert "1 rows written" in well("plan", "export", "plan.xlsx")
    assert "collect_unused" in well("plan", "lists")
    assert "tickets written" in well("plan", "lists", "--export", "fit_an_ssd", "tickets.csv")
    assert isinstance(done("plan", "why", "PC2").exception, NotFoundError)


def test_a_rating_before_the_reconciliation_says_what_is_missing(folder: Path) -> None:
    (folder / "r.csv").write_text(
        "Asset tag,Serial,Type,Status,Operating system\nO9,S9,Laptop,Deployed,Windows XP\n"
    )
    well("register", "import", "r.csv")
    early = done("ratings", "run")
    assert early.exit_code == 0
    assert "never reconciled" in early.stderr
    assert "`roadworthy reconcile run`" in early.stderr
    assert "`roadworthy reconcile run`" in str(done("ratings", "why", "O9").exception)
    well("reconcile", "run")
    assert "never reconciled" not in done("ratings", "run").stderr
    assert "2014-04-08" in well("ratings", "why", "O9")
