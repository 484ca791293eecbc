"""CRC factors and prices loaded here: proposed, confirmed by somebody else, in force; by store, API, forms and command."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.admin_carbon_rates import factor_rows
from roadworthy_collector.books.approving import ApprovalError
from roadworthy_collector.carbon import (
    crc_rate_files,
    crc_rate_store,
    factor_list,
    factor_store,
    report_crc_tables,
)
from roadworthy_collector.carbon.crc_rate_files import FIRST
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.roles import RIGHTS, Reader, Role
from roadworthy_collector.security.users import create_user
from roadworthy_collector.store.books_schema import rule_editions
from roadworthy_collector.store.carbon_schema import factor_sets
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import audit
from roadworthy_inventory.carbon import crc_rates
from roadworthy_inventory.carbon.crc import Supply, report
from roadworthy_inventory.carbon.crc_rates import COLUMNS, RateBook, parse_rates

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a user in a test
TODAY = dt.date(2026, 9, 21)
SOURCE = "https://www.gov.uk/guidance/crc-energy-efficiency-scheme-allowances"
HEAD = ",".join(COLUMNS)
FACTOR = f"2016/17,electricity_grid,0.42,kgCO2/kWh,published,a test of it,{SOURCE},2026-09-01"
PRICE = f"2015/16,price_forecast,15.90,GBP/tCO2,published,decided,{SOURCE},2026-09-01"
TEXT = f"{HEAD}\n{FACTOR}\n{PRICE}\n".encode()
PATH = "/carbon/factors"


def propose(estate: Estate, body: bytes = TEXT, by: str = "pam") -> int:
    with write_transaction(estate.engine) as connection:
        return crc_rate_store.propose(connection, body, "rates.csv", actor=by, now=int(NOW), today=TODAY)


def confirm(estate: Estate, number: int, name: str = "grace") -> None:
    who = Reader(name, Role.APPROVER, "", signed_in=True, rights=RIGHTS[Role.APPROVER])
    with write_transaction(estate.engine) as connection:
        factor_store.confirm(connection, number, who, now=int(NOW) + 1)


def rates(estate: Estate) -> RateBook:
    with estate.engine.connect() as connection:
        return crc_rate_store.rates(connection)


def grid(estate: Estate) -> Decimal | None:
    return crc_rates.factor(2016, "electricity_grid", rates(estate)).value


def test_rates_hold_once_a_second_person_confirmed_them(estate: Estate) -> None:
    shipped = grid(estate)
    assert shipped != Decimal("0.42")
    number = propose(estate)
    assert grid(estate) == shipped  # it waits
    with pytest.raises(ApprovalError, match="proposed by pam"):
        confirm(estate, number, "PAM ")
    with estate.engine.connect() as connection:
        (one,) = factor_list.list_sets(connection)
        assert factor_store.book(connection).years  # factor sets are as they were
    told = {row.item: (row.value, row.held) for row in one.rows}
    assert (one.state, one.version, told["electricity_grid"]) == (
        "waiting",
        "CRC rates",
        ("0.42", str(shipped)),
    )
    assert " or " in str(told["price_forecast"][1])  # sources differ on that price in what ships
    confirm(estate, number)
    found = rates(estate)
    assert grid(estate) == Decimal("0.42")
    assert crc_rates.price(2015, "forecast", found).value == Decimal("15.90")
    assert crc_rates.factor(2017, "electricity_grid", found) == crc_rates.factor(2017, "electricity_grid")
    with write_transaction(estate.engine) as connection:
        factor_store.withdraw(connection, number, actor="pam", reason="a wrong file", now=int(NOW))
    assert grid(estate) == shipped


def test_a_report_goes_by_them(estate: Estate) -> None:
    confirm(estate, propose(estate))
    supplies = [Supply(fuel="electricity_grid", kwh=Fraction(1_000_000))]
    found = report(2016, supplies, rates=rates(estate))
    assert found.tonnes == 420
    assert report(2016, supplies).tonnes != 420
    worked = report_crc_tables.Worked(found, (), ())
    assert report_crc_tables.factors(worked)[-1].parts[0].source.startswith("https://")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("item,value", "line 1: columns are"),
        (HEAD, "has no row"),
        (f"{HEAD}\n{FACTOR.replace('0.42', '-1')}", "line 2: value: '-1' is no number"),
        (f"{HEAD}\n{FACTOR.replace('0.42', '1E-40000000')}", "line 2: value: '1E-40000000' is no number"),
        (f"{HEAD}\n{FACTOR.replace('0.42', '0.' + '4' * 200)}", "line 2: value: '0.444"),
        (f"{HEAD}\n{FACTOR.replace('0.42', '100')}", "line 2: value: '100' is no number"),
        (f"{HEAD}\n{FACTOR.replace('0.42', '44.662')}", "44.662 kgCO2/kWh is more than 1"),
        (f"{HEAD}\n{FACTOR.replace('electricity_grid,0.42', 'gas,1.01')}", "2016/17 gas: 1.01 kgCO2/kWh"),
        (f"{HEAD}\n{PRICE.replace('2015/16', '2010/11')}", "2010/11 price_forecast: report only"),
        (f"{HEAD}\n{FACTOR.replace('2016/17', '2019/20')}", "2019/20"),
        (f"{HEAD}\n{FACTOR.replace('https:', 'http:')}", "no public https address"),
        (f"{HEAD}\n{FACTOR.replace('2026-09-01', '2027-01-01')}", "has not come yet"),
        (f"{HEAD}\n{FACTOR}\n{FACTOR.replace('0.42', '0.43')}", "2 rows"),
        (f"{HEAD}\n{PRICE.replace('published', 'conflict')}", "1 rows"),
        (f"{HEAD}\n{FACTOR.replace('kgCO2/kWh', 'kgCO2e/kWh')}", "unit"),
        ("\xff", "rates.csv"),
    ],
)
def test_what_is_no_file_of_rates_is_refused(text: str, says: str) -> None:
    with pytest.raises(RoadworthyError, match=re.escape(says)) as refused:
        crc_rate_store.read_file(text.encode("latin-1"), "rates.csv", today=TODAY)
    assert str(refused.value).startswith("rates.csv: ")


@pytest.mark.parametrize("name", ["", " ", "a" * 129, "rates\u202e.csv", "rates\u2028.csv", "a\nb.csv"])
def test_a_file_has_a_name_on_one_line(name: str) -> None:
    with pytest.raises(RoadworthyError, match="file: give one line of at most 128 characters"):
        crc_rate_store.read_file(TEXT, name, today=TODAY)


@ONE_STORE
def test_the_version_before_finds_nothing_among_its_factor_sets(estate: Estate) -> None:
    confirm(estate, propose(estate))
    with estate.engine.connect() as connection:
        # It reads every row of this table as a set of conversion factors, and every report goes by them.
        assert list(connection.execute(select(factor_sets))) == []
        names = set(connection.scalars(select(rule_editions.c.name)))
    assert names == {crc_rate_files.NAME}


@ONE_STORE
def test_the_audit_has_each_value_where_sources_differ(estate: Estate) -> None:
    row = PRICE.replace("published", "conflict")
    propose(estate, f"{HEAD}\n{row}\n{row.replace('15.90', '16.40')}\n".encode())
    with estate.engine.connect() as connection:
        query = select(audit.c.detail).where(audit.c.action == "carbon.factors.propose")
        assert "15.90 or 16.40" in str(connection.scalar(query))


@ONE_STORE
def test_of_two_who_take_a_step_at_once_one_is_told(estate: Estate) -> None:
    number = propose(estate)
    with write_transaction(estate.engine) as connection:
        seen = crc_rate_files.find(connection, number)
        assert seen is not None
        assert crc_rate_files.mark(connection, seen, confirmed_at=1, confirmed_by="grace")
        assert not crc_rate_files.mark(connection, seen, withdrawn_at=2, withdrawn_by="pam")
        assert crc_rate_files.find(connection, FIRST + 99) is None
    assert grid(estate) == Decimal("0.42")


def test_who_confirms_sees_a_factor_far_from_the_one_held_and_why_one_is_taken_away() -> None:
    gone = f"2016/17,gas,,kgCO2/kWh,missing,was of CO2e,{SOURCE},2026-09-01"
    text = "\n".join((HEAD, FACTOR.replace("0.42", "0.044662"), gone, PRICE))
    rows = crc_rate_store.shown({crc_rate_store.KEY: text}, crc_rates.rate_book())
    assert [row.value for row in rows] == ["0.044662", "none: was of CO2e", "15.90"]
    assert [row[""] for row in factor_rows(rows)] == ["differs by more than half", "differs", "differs"]


def test_the_rates_that_ship_can_be_loaded_as_they_are() -> None:
    from roadworthy_inventory import tables

    text = tables.read_text("crc_rates.csv")
    rows = crc_rate_store.read_file(text.encode(), "crc_rates.csv", today=dt.date(2027, 1, 1))
    assert rows == parse_rates(text)
    assert crc_rates.rate_book().with_rows(rows).rows == crc_rates.rate_book().rows


@pytest.fixture
def client(estate: Estate) -> Iterator[Client]:
    client = client_of(estate.engine, estate.path.parent, NOW)
    yield client
    client.close()


@ONE_STORE
def test_by_the_api_and_the_page(estate: Estate, client: Client) -> None:
    pam = Person(estate.engine, "pam", "sustainability_preparer", now=NOW)
    grace = Person(estate.engine, "grace", "approver", now=NOW)
    vera = Person(estate.engine, "vera", "viewer", now=NOW)
    address = "/api/v1/carbon/crc-rates"
    assert client.post(address, content=TEXT, **vera.bearer).status_code == 403
    wrong = client.post(address, content=b"no rates", **pam.bearer)
    assert (wrong.status_code, "columns are" in wrong.text) == (422, True)
    made = client.post(address, content=TEXT, **pam.bearer)
    assert (made.status_code, made.json()) == (201, {"number": FIRST + 1})
    shown = client.get("/api/v1/carbon/factor-sets", **vera.bearer).json()["sets"]
    assert shown[0]["rows"][0]["title"] == "CRC 2016/17 electricity_grid, kgCO2/kWh"
    assert client.post(f"/api/v1/carbon/factor-sets/{FIRST + 1}/confirm", **grace.bearer).status_code == 204
    asked = f"/api/v1/carbon/crc?year=2016/17&electricity_kwh={1_000_000}"
    assert client.get(asked, **vera.bearer).json()["tco2"] == 420

    form = {"csrf": pam.csrf}
    refused = client.post(f"{PATH}/crc", data=form, files={"file": ("r.csv", b"x")}, **pam.cookie)
    assert refused.status_code == 422
    again = TEXT.replace(b"0.42", b"0.43")
    done = client.post(f"{PATH}/crc", data=form, files={"file": ("r.csv", again)}, **pam.cookie)
    assert done.status_code == 303
    page = client.get(PATH, **grace.cookie).text
    assert "2015 CRC rates: waits for a second person" in page
    assert "2015 CRC rates: in force" in page
    assert f'action="/carbon/factors/{FIRST + 2}/confirm"' in page


@ONE_STORE
def test_by_the_command(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.path.parent))
    monkeypatch.setenv("COLUMNS", "200")
    create_user(estate.engine, "grace", PASSWORD, now=NOW, role=Role.APPROVER)
    create_user(estate.engine, "pam", PASSWORD, now=NOW, role=Role.SUSTAINABILITY_PREPARER)
    file = tmp_path / "rates.csv"
    file.write_bytes(TEXT)
    given = {"input": f"{PASSWORD}\n"}
    words = ["carbon", "factors"]
    done = CliRunner().invoke(app, [*words, "load-crc", str(file), "--as", "pam"], **given)
    assert done.exit_code == 0, done.output
    assert "wait for a second person" in done.output
    done = CliRunner().invoke(app, [*words, "confirm", str(FIRST + 1), "--as", "grace"], **given)
    assert done.exit_code == 0, done.output
    assert f"the file of CRC rates {FIRST + 1} is in force" in done.output
    asked = ["carbon", "crc", "--year", "2016/17", "--electricity-kwh", "1000000", "--format", "json"]
    found = json.loads(CliRunner().invoke(app, asked).stdout)
    assert (found["factor_kgco2_per_kwh"], found["tco2"]) == (0.42, 420)
    listed = CliRunner().invoke(app, [*words, "list", "--year", "2016/17", "--format", "json"]).output
    assert "a test of it" in listed
