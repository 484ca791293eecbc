"""Factor sets loaded here: proposed, confirmed by somebody else, in force, withdrawn; by store, API, forms and command."""

from __future__ import annotations

import datetime as dt
import html
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.books.approving import ApprovalError
from roadworthy_collector.carbon import factor_list, factor_store
from roadworthy_collector.cli import app
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.roles import RIGHTS, Reader, Role
from roadworthy_collector.security.users import create_user
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import factor_sets
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.factor_file import IDS

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a user in a test
TODAY = dt.date(2026, 9, 21)
SOURCE = "https://assets.publishing.service.gov.uk/media/x/flat.xlsx"
VALUES = {
    "generation": 0.13096,
    "transmission_distribution": 0.01302,
    "wtt_generation": 0.0412,
    "wtt_transmission_distribution": 0.0041,
    "gas_gross": 0.18271,
}


def flat_file(year: int = 2026, values: dict[str, float] | None = None) -> bytes:
    """Return a workbook laid out as the official one."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("Factors by Category")
    columns = ("ID", "Scope", "Level 1", "Level 2", "Level 3", "Level 4", "Column Text", "UOM", "GHG/Unit")
    sheet.write_row(5, 0, [*columns, f"GHG Conversion Factor {year}"])
    told = VALUES if values is None else values
    rows = [(key, told[item]) for key, item in IDS.items() if item in told]
    for at, (key, value) in enumerate(rows, 6):
        sheet.write_row(at, 0, [key, "Scope 2", "", "", "", "", "", "kWh", "kg CO2e", value])
    book.close()
    return out.getvalue()


def told(year: int = 2026, **changed: Any) -> factor_store.Told:
    return factor_store.Told(
        **{"set_year": year, "version": "revised 2", "published": "2026-07", "source": SOURCE} | changed
    )


def propose(estate: Estate, body: bytes | None = None, by: str = "pam", year: int = 2026) -> int:
    found = factor_store.read_file(
        flat_file(year) if body is None else body, "flat.xlsx", told(year), actor=by, today=TODAY
    )
    with write_transaction(estate.engine) as connection:
        return factor_store.propose(connection, found, actor=by, now=int(NOW))


def reader(name: str, role: Role = Role.SUSTAINABILITY_PREPARER, **values: Any) -> Reader:
    return Reader(name, role, "", signed_in=True, rights=RIGHTS[role], **values)


def confirm(estate: Estate, number: int, who: Reader, at: int = 1) -> None:
    with write_transaction(estate.engine) as connection:
        factor_store.confirm(connection, number, who, now=int(NOW) + at)


def generation(estate: Estate, year: int = 2026) -> tuple[Decimal | None, str]:
    with estate.engine.connect() as connection:
        found = factor_store.book(connection).of(year, "generation")
    return found.value, found.status


def test_a_set_holds_once_a_second_person_confirmed_it(estate: Estate) -> None:
    assert generation(estate) == (Decimal("0.13096"), "provisional")
    number = propose(estate)
    assert generation(estate)[1] == "provisional"  # it waits
    with estate.engine.connect() as connection:
        (one,) = factor_list.list_sets(connection)
    assert one.state == "waiting"
    assert {row.item: (row.value, row.held, row.year_before) for row in one.rows}[
        "transmission_distribution"
    ] == (
        "0.01302",
        None,
        "0.01853",
    )
    assert "generation" not in {
        row.item for row in one.differences
    }  # the same number as was seen second hand
    for nobody in (
        reader("PAM "),  # who proposed it
        reader("vera", Role.VIEWER),
        reader("una", scope=frozenset({1})),  # of some units only
        Reader("local", Role.SUSTAINABILITY_PREPARER, "", signed_in=False),
    ):
        with pytest.raises(ApprovalError, match="proposed by pam"):
            confirm(estate, number, nobody)
    confirm(estate, number, reader("grace", Role.APPROVER))
    assert generation(estate) == (Decimal("0.13096"), "confirmed")
    with pytest.raises(NotFoundError, match="waits"):
        confirm(estate, number, reader("otto"))
    with estate.engine.connect() as connection:
        book = factor_store.book(connection)
        assert factor_store.book(connection) is book  # kept by what is in force
        assert book.of(2026, "transmission_distribution").value == Decimal("0.01302")
        assert "confirmed by grace" in book.of(2026, "generation").note
        actions = connection.execute(
            select(schema.audit.c.actor, schema.audit.c.action).where(schema.audit.c.action.like("carbon.%"))
        ).all()
    assert [tuple(row) for row in actions] == [
        ("pam", "carbon.factors.propose"),
        ("grace", "carbon.factors.confirm"),
    ]


def test_a_later_set_supersedes_and_withdrawing_it_brings_the_former_back(estate: Estate) -> None:
    first = propose(estate)
    confirm(estate, first, reader("grace", Role.APPROVER))
    second = propose(estate, flat_file(values=VALUES | {"generation": 0.14}), by="grace")
    confirm(estate, second, reader("pam"), at=2)
    assert generation(estate)[0] == Decimal("0.14")
    with estate.engine.connect() as connection:
        assert [one.state for one in factor_list.list_sets(connection)] == ["in_force", "superseded"]
    with (
        write_transaction(estate.engine) as connection,
        pytest.raises(RoadworthyError, match="reason: say why"),
    ):
        factor_store.withdraw(connection, second, actor="pam", reason=" ", now=int(NOW))
    with write_transaction(estate.engine) as connection:
        factor_store.withdraw(connection, second, actor="pam", reason="a wrong file", now=int(NOW))
    assert generation(estate)[0] == Decimal("0.13096")
    with estate.engine.connect() as connection:
        assert [one.state for one in factor_list.list_sets(connection)] == ["withdrawn", "in_force"]
    with (
        write_transaction(estate.engine) as connection,
        pytest.raises(NotFoundError, match="withdrawn already"),
    ):
        factor_store.withdraw(connection, second, actor="pam", reason="once more", now=int(NOW))
    with (
        write_transaction(estate.engine) as connection,
        pytest.raises(NotFoundError, match="no factor set 99"),
    ):
        factor_store.withdraw(connection, 99, actor="pam", reason="not there", now=int(NOW))


@ONE_STORE
def test_the_same_file_comes_in_once_and_again_after_it_was_withdrawn(estate: Estate) -> None:
    body = flat_file()
    number = propose(estate, body)
    with pytest.raises(RoadworthyError, match=f"in already, as factor set {number}"):
        propose(estate, body, by="otto")
    with write_transaction(estate.engine) as connection:
        factor_store.withdraw(connection, number, actor="pam", reason="a wrong version", now=int(NOW))
    assert propose(estate, body) != number


@pytest.mark.parametrize(
    ("body", "changed", "says"),
    [
        (b"PK\x03\x04 no archive", {}, "flat.xlsx"),
        (b"", {}, "is empty"),
        (flat_file(2025), {}, "it is the set of 2025, not of 2026"),
        (flat_file(values={"generation": 0.13}), {}, "transmission and distribution"),
        (flat_file(values=VALUES | {"generation": 7.0}), {}, "line 7: column factor"),
        (flat_file(), {"set_year": 2027}, "year 2027: a factor set is of 2010 to 2026"),
        (flat_file(), {"set_year": 1066}, "year 1066"),
        (flat_file(), {"version": " "}, "version: give one line"),
        (flat_file(), {"published": "July"}, "published: 'July' is no day or month"),
        (flat_file(), {"published": "2026-13"}, "is no day or month"),
        (flat_file(), {"published": "2026-10"}, "published: 2026-10 has not come yet"),
        (flat_file(), {"published": "2026-09-22"}, "has not come yet"),
        (flat_file(), {"source": "flat.xlsx"}, "no public https address"),
        (flat_file(), {"source": "https://x\n"}, "source: give one line"),
        (flat_file(), {"sheet": "Sheet9"}, "Sheet9"),
    ],
)
def test_what_is_no_flat_file_is_refused(body: bytes, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(factor_store.FactorSetError, match=says):
        factor_store.read_file(body, "flat.xlsx", told(**changed), actor="pam", today=TODAY)


@pytest.fixture
def client(estate: Estate) -> Iterator[Client]:
    client = client_of(estate.engine, estate.path.parent, NOW)
    yield client
    client.close()


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@ONE_STORE
def test_by_the_api(estate: Estate, client: Client) -> None:
    pam = Person(estate.engine, "pam", "sustainability_preparer")
    otto = Person(estate.engine, "otto", "sustainability_preparer")
    vera = Person(estate.engine, "vera", "viewer")
    path = "/api/v1/carbon/factor-sets"
    asked = f"{path}?year=2026&version=2&published=2026-07&source={SOURCE}"
    assert client.post(asked, content=flat_file(), **vera.bearer).status_code == 403
    answer = client.post(asked, content=b"nonsense", **pam.bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "refused")
    answer = client.post(asked, content=flat_file(), **pam.bearer)
    assert answer.status_code == 201
    number = answer.json()["number"]
    answer = client.post(f"{path}/{number}/confirm", **pam.bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "approval_refused")
    assert client.post(f"{path}/{number}/confirm", **otto.bearer).status_code == 204
    (one,) = client.get(path, **vera.bearer).json()["sets"]
    assert (one["state"], one["confirmed_by"], len(one["rows"])) == ("in_force", "otto", 5)
    asked = "/api/v1/carbon/secr?year=2026/27&rule=majority&electricity_kwh=1000"
    found = client.get(asked, **vera.bearer).json()
    assert (found["scope3_td_kgco2e"], found["provisional"]) == (pytest.approx(13.02), [])
    answer = client.post(f"{path}/{number}/withdraw", json={"reason": "not the last one"}, **pam.bearer)
    assert answer.status_code == 204
    assert client.get(asked, **vera.bearer).json()["provisional"] != []


@ONE_STORE
def test_the_page_and_its_forms(estate: Estate, client: Client) -> None:
    pam = Person(estate.engine, "pam", "sustainability_preparer")
    grace = Person(estate.engine, "grace", "approver")
    vera = Person(estate.engine, "vera", "viewer")
    path = "/carbon/factors"
    assert "Propose a set" in client.get(path, **pam.cookie).text
    page = client.get(path, **vera.cookie).text
    assert "Propose a set" not in page
    assert "No set was loaded" in said(page)
    form = {"csrf": pam.csrf, "year": "2026", "version": "revised", "published": "2026-07", "source": SOURCE}
    book = {"file": ("flat <b>.xlsx", flat_file())}
    assert client.post(path, data=form | {"csrf": "x"}, files=book, **pam.cookie).status_code == 403
    for wrong, files, why in (
        ({"year": "MMXXVI"}, book, "year: write the set's year"),
        ({"version": ""}, book, "version: give one line"),
        ({}, {"file": ("x.xlsx", b"nonsense")}, "x.xlsx"),
        ({}, {}, "Choose the flat file first"),
    ):
        answer = client.post(path, data=form | wrong, files=files or {"other": ("x", b"")}, **pam.cookie)
        assert answer.status_code == 422
        assert why in said(answer.text)
    assert client.post(path, data=form, files=book, **pam.cookie).status_code == 303
    page = client.get(path, **grace.cookie).text
    assert "flat &lt;b&gt;.xlsx" in page
    (address,) = re.findall(r'action="(/carbon/factors/\d+/confirm)"', page)
    assert address not in client.get(path, **pam.cookie).text
    answer = client.post(address, data={"csrf": pam.csrf}, **pam.cookie)
    assert answer.status_code == 422
    assert "another person" in said(answer.text)
    assert client.post(address, data={"csrf": grace.csrf}, **grace.cookie).status_code == 303
    assert "2026 revised: in force" in said(client.get(path, **vera.cookie).text)
    assert client.post(address, data={"csrf": grace.csrf}, **grace.cookie).status_code == 404
    away = address.replace("confirm", "withdraw")
    assert client.post(away, data={"csrf": grace.csrf}, **grace.cookie).status_code == 403
    assert client.post(away, data={"csrf": pam.csrf, "reason": "x"}, **pam.cookie).status_code == 422
    whole = {"csrf": pam.csrf, "reason": "the file was revised"}
    assert client.post(away, data=whole, **pam.cookie).status_code == 303
    assert "2026 revised: withdrawn" in said(client.get(path, **vera.cookie).text)


@ONE_STORE
def test_by_the_commands(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.path.parent))
    monkeypatch.setenv("COLUMNS", "200")
    create_user(estate.engine, "grace", PASSWORD, now=NOW, role=Role.APPROVER)
    file = tmp_path / "flat.xlsx"
    file.write_bytes(flat_file(2025, VALUES))
    words = ["carbon", "factors"]

    def run(*more: str, **given: Any) -> Any:
        return CliRunner().invoke(app, [*words, *more], **given)

    options = ["--year", "2025", "--version", "1.1", "--published", "2025-06-10", "--source", SOURCE]
    create_user(estate.engine, "pam", PASSWORD, now=NOW, role=Role.SUSTAINABILITY_PREPARER)
    create_user(estate.engine, "vera", PASSWORD, now=NOW, role=Role.VIEWER)
    given = {"input": f"{PASSWORD}\n"}
    assert run("load", str(file), *options).exit_code == 2  # nobody is named
    assert "vera may not propose" in str(run("load", str(file), *options, "--as", "vera", **given).exception)
    options += ["--as", "pam"]
    done = run("load", str(file), *options, **given)
    assert done.exit_code == 0, done.output
    assert "waits for a second person" in done.output
    (one,) = json.loads(run("sets", "--format", "json").output)
    assert (one["state"], one["proposed_by"]) == ("waiting", "pam")
    assert "would change" in run("sets").output
    assert "another person" in str(run("confirm", str(one["id"]), "--as", "pam", **given).exception)
    done = run("confirm", str(one["id"]), "--as", "grace", **given)
    assert done.exit_code == 0, done.output
    with estate.engine.connect() as connection:
        assert connection.scalar(select(factor_sets.c.confirmed_by)) == "grace"
    # The calculators go by it, without a word; of another database's they know nothing.
    secr = [
        "carbon",
        "secr",
        "--year",
        "2025/26",
        "--rule",
        "majority",
        "--electricity-kwh",
        "1000",
        "--format",
        "json",
    ]
    done = CliRunner().invoke(app, secr)
    assert json.loads(done.stdout)["scope2_location_kgco2e"] == pytest.approx(130.96)
    assert done.stderr == ""
    assert "confirmed by grace" in run("list", "--year", "2025", "--format", "json").output
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("ROADWORTHY_DATA", str(other))
    assert json.loads(CliRunner().invoke(app, secr).stdout)["scope2_location_kgco2e"] == pytest.approx(177.0)
    (other / "roadworthy.db").write_bytes(b"no database at all")
    done = CliRunner().invoke(app, secr)
    assert json.loads(done.stdout)["scope2_location_kgco2e"] == pytest.approx(177.0)
    assert "the factors that ship are used" in done.stderr
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.path.parent))
    away = ["withdraw", str(one["id"]), "--reason", "a test of it"]
    assert run(*away).exit_code == 2  # nobody is named
    assert "vera may not withdraw" in str(run(*away, "--as", "vera", **given).exception)
    assert run(*away, "--as", "pam", input="wrong\n").exit_code == 1
    done = run(*away, "--as", "pam", **given)
    assert done.exit_code == 0, done.output
    assert json.loads(run("sets", "--format", "json").output)[0]["withdrawn_by"] == "pam"
    assert "0.20705" in run("--year", "2024").output  # the shipped ones, as before
    done = run("load", str(tmp_path / "none.xlsx"), *options)
    assert "cannot be read" in str(done.exception)


@ONE_STORE
def test_a_set_nobodys_name_is_on_is_confirmed_by_nobody(estate: Estate) -> None:
    number = propose(estate, by="command line")
    with pytest.raises(ApprovalError, match="load it again with --as"):
        confirm(estate, number, reader("grace", Role.APPROVER))
