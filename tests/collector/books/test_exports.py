"""Every table of the console as a file: what it is, what it holds, who may have it; nothing in it runs."""

from __future__ import annotations

import csv
import html
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import python_calamine
from sqlalchemy import insert, select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector import console
from roadworthy_collector.books import lifecycle_bought, plan_lists, planning, rating, reconciling
from roadworthy_collector.books.plan_example import EXAMPLE
from roadworthy_collector.books.plan_text import Budget
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.sheets import About, pounds_of, ratio, write_table
from roadworthy_collector.books.tables import TABLES, FilterError, address
from roadworthy_collector.cli import app
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import exceptions, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.importing.problems import restored
from roadworthy_inventory.replacement_lists import ListedDevice, claim_under_warranty

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
FORMULA = "=cmd|' /C calc'!A0"
DEVICE = {"device_class": "laptop", "environment": "physical", "system_medium": "hdd"}
WITH_FORMULA = {
    "devices", "ratings", "exceptions", "startups-slowest", "reconciliation", "plan", "startups-models",
    "ratings-models",
}  # fmt: skip
PLAN_ITEM = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1}


def put_books(estate: Estate) -> None:
    """Put in something in each table, a formula as a name, and a hidden device."""
    with write_transaction(estate.engine) as connection:
        for number in range(1, 4):
            values = PLAN_ITEM | {"tag": f"FP{number}", "serial": f"5CG000000{number}", "model": FORMULA}
            connection.execute(insert(register_items).values(**values))
    device = estate.device(
        **DEVICE,
        serial="5CG0000001",
        asset_tag="FP1",
        hostname=FORMULA,
        model=FORMULA,
        site="North",
        unit="Ops",
    )
    estate.device(**DEVICE, serial="5CG0000002", hostname="other", site="South", unit="Else")
    estate.device(**DEVICE, hostname="hidden-1", site="Annexe", restricted=True)
    estate.startup(device, usable_seconds=20.0, phases=[{"name": "kernel", "seconds": 30.0}])
    told = {"reason": FORMULA, "owner": "a", "approver": "b", "begins": "2026-01-01", "expires": "2030-01-01"}
    estate.put(exceptions, device=device, rules=["hard-disk"], made_at=1, **told)
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    reconciling.reconcile_now(work)
    rating.rate_now(work)
    fleet.compute(work)
    on = local_day(NOW, "Europe/London")
    planning.run(estate.engine, planning.Asked(text=EXAMPLE, budget=Budget(), runs=1), now=NOW, on=on)


@pytest.fixture
def books(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(put_books)


@pytest.fixture
def client(books: Estate) -> Iterator[Client]:
    client = client_of(books.engine, books.path.parent, NOW, protective_marking="OFFICIAL-SENSITIVE")
    yield client
    client.close()


def read(body: bytes, kind: str) -> list[list[str]]:
    if kind == "xlsx":
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(body))
        return [[str(cell) for cell in row] for row in book.get_sheet_by_index(0).to_python()]
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))


@pytest.mark.parametrize("name", TABLES)
@ONE_STORE
def test_each_table_says_what_it_is(books: Estate, client: Client, name: str) -> None:
    who = Person(books.engine, "ada", "administrator")
    for kind in ("csv", "xlsx"):
        answer = client.get(f"/export/{name}?as={kind}", **who.cookie)
        assert answer.status_code == 200, answer.text
        assert f'filename="{name}.{kind}"' in answer.headers["content-disposition"]
        rows = read(answer.content, kind)
        cells = [cell for row in beneath(name, rows) for cell in row]
        if kind == "csv":
            assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
        else:  # a text as it stands, which no workbook runs
            assert not any(cell.startswith(("'=", "'+", "'@")) for cell in cells)
            sheet = zipfile.ZipFile(io.BytesIO(answer.content)).read("xl/worksheets/sheet1.xml")
            assert b"<f" not in sheet
        assert not any("hidden-1" in cell for cell in cells)
        if name in WITH_FORMULA:
            assert any(FORMULA in cell for cell in cells)
    same = client.get(f"/api/v1/export/{name}?as={kind}", **who.bearer)
    assert len(read(same.content, kind)) == len(rows) + (name == "audit")  # the one before was audited


def beneath(name: str, rows: list[list[str]]) -> list[list[str]]:
    """Return the rows of a file below what it says of itself, having looked at that."""
    if TABLES[name].imported:  # by ticket systems, which want the header first
        header, *body = rows
        named = {"summary", "description", "assignment_group", "protective_marking", "as_at", "coverage"}
        assert named <= set(header)
        assert all("OFFICIAL-SENSITIVE" in row for row in body)
        return body
    assert rows[0][0] == "Protective marking: OFFICIAL-SENSITIVE"
    assert rows[1][0] == f"{TABLES[name].title} of Roadworthy: all rows"
    assert re.fullmatch(r"As at: 20\d\d-\d\d-\d\d \d\d:\d\d UTC", rows[2][0])
    assert rows[3][0].startswith("Coverage: ")
    assert rows[4][0]
    return rows[5:]


@ONE_STORE
def test_filters_are_those_of_the_page(books: Estate, client: Client) -> None:
    def rows(path: str) -> list[list[str]]:
        return read(client.get(path).content, "csv")

    assert len(rows("/export/devices")) == 5 + 2
    north = rows("/export/devices?site=North")
    assert north[1][0] == "Devices of Roadworthy: site North"
    assert len(north) == 5 + 1
    assert len(rows("/export/devices?q=other")) == 5 + 1
    assert len(rows("/export/devices?model=%3Dcmd%7C%27+%2FC+calc%27%21A0")) == 5 + 1
    assert len(rows("/export/ratings?rating=needs+attention")) == 5 + 1  # the other is under an exception
    assert len(rows("/export/reconciliation?place=no_agent")) < len(rows("/export/reconciliation"))
    assert len(rows("/export/ratings?rating=needs+attention&site=Nowhere")) == 5
    for wrong in (
        "ratings?rating=zoe", "startups-models?days=8", "reconciliation?place=zoe", "cost-lines?share=Z", "plan?action=z",
        "organisation?at=9999-12-31", "organisation?at=soon", "organisation?over=99", "devices?as=pdf",
        "contracts?stands=ended", "contracts?ends=2026-13", "benefits?state=z", "disposal?which=z", "ratings?asks=z",
        "disposal?category=z", "exceptions?state=z", "cost-lines?measure=z", "cost-lines?centre=A&none=1",
        "cost-bridge?part=z", "plan?uses=z", "plan?how=known", "support-dates?product=z", "warranties?month=z",
        "organisation-rows?kind=z", "organisation-rows?unit=z", "organisation-site-rows?kind=items",
    ):  # fmt: skip
        assert client.get(f"/export/{wrong}").status_code == 422, wrong
    assert client.get("/export/nonsense").status_code == 404
    assert client.get("/export/organisation-rows?unit=99999").status_code == 404
    assert client.get("/export/organisation-site-rows?site=Nowhere").status_code == 404


@ONE_STORE
def test_a_filter_a_table_does_not_take_is_refused_at_every_door(
    books: Estate, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = Person(books.engine, "ada", "administrator")
    monkeypatch.setenv("ROADWORTHY_DATA", str(books.path.parent))
    every = sorted({one for table in TABLES.values() for one in table.filters})
    for name, table in TABLES.items():
        told = f"{name} has no such filter; it is narrowed by: {', '.join(table.filters) or 'none'}"
        wrong = next(one for one in every if one not in table.filters)
        page = client.get(f"/export/{name}?{wrong}=x", **ada.cookie)
        answer = client.get(f"/api/v1/export/{name}?{wrong}=x", **ada.bearer)
        assert (page.status_code, answer.status_code) == (422, 422), name
        assert told in html.unescape(page.text)
        assert (answer.json()["error"]["code"], told in answer.text) == ("schema", True), answer.text
    command = CliRunner().invoke(app, ["export", name, str(tmp_path / "r.csv"), "--filter", f"{wrong}=x"])
    assert told in str(command.exception)
    with pytest.raises(FilterError, match="nonsense"):
        address("devices", "csv", {"nonsense": "1"})


def test_no_page_links_to_a_file_with_a_filter_its_table_does_not_take() -> None:
    folder = Path(console.__file__).with_name("templates")
    links = [
        found
        for page in folder.glob("*.html")
        for found in re.findall(r'parts\.exports\("([a-z_-]+)"(?:\)|, \{([^}]*)\})', page.read_text("utf-8"))
    ]
    assert len(links) > 30
    for name, filters in links:
        assert set(re.findall(r'"([a-z_]+)":', filters)) <= set(TABLES[name].filters), name


@ONE_STORE
def test_summaries_of_pages_are_tables_too(books: Estate, client: Client) -> None:
    def told(name: str) -> list[dict[str, str]]:
        header, *body = read(client.get(f"/export/{name}").content, "csv")[4:]
        return [dict(zip(header, row, strict=True)) for row in body]

    units = {row["unit"]: row for row in told("organisation")}
    assert (units["Ops"]["devices, alone"], units["Ops"]["ledger_pounds, alone"]) == ("1", "0.00")
    assert [row["items"] for row in told("plan-models")] == ["3"]
    assert {row["unit"] for row in told("plan-limits")} == {"pounds", "number"}
    sites = {row["site"]: row for row in told("ratings-sites")}
    assert sorted(sites) == ["North", "South"]
    assert (sites["North"]["devices"], sites["North"]["rated_ratio"]) == ("1", "1.0")
    assert (sites["North"]["meets"], sites["North"]["needs_attention"]) == ("1", "0")
    assert [row["unit"] for row in told("ratings-units")] == ["Else", "Ops"]
    assert told("support-bought") == []
    text = """[[entry]]
product = "windows-10"
versions = ["22H2"]
bought = true
units = ["Ops"]
devices = ["=b", "a"]
"""
    with write_transaction(books.engine) as connection:
        lifecycle_bought.save_bought(connection, text, now=int(NOW), actor="ada")
    (entry,) = told("support-bought")
    assert (entry["entry"], entry["versions"], entry["bought"], entry["said_by"]) == (
        "1",
        "22h2",
        "yes",
        "ada",
    )
    assert (entry["units"], entry["devices"], entry["until"]) == ("Ops", "'=b; a", "")


@ONE_STORE
def test_who_may_not_see_it_does_not_get_it(books: Estate, client: Client) -> None:
    vera = Person(books.engine, "vera", "viewer")
    ann = Person(books.engine, "ann", "register_manager", ["Ops"])
    ada = Person(books.engine, "ada", "administrator")
    assert client.get("/export/devices").status_code == 303  # to sign in
    for who, name in ((vera, "audit"), (vera, "collect_unused"), (ann, "plan"), (ann, "cost-lines")):
        assert client.get(f"/export/{name}", **who.cookie).status_code == 403, name
        answer = client.get(f"/api/v1/export/{name}", **who.bearer)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed"), name
    mine = read(client.get("/export/devices", **ann.cookie).content, "csv")
    assert mine[1][0] == "Devices of Roadworthy: units of the reader only"
    assert len(mine) == 5 + 1
    assert client.get("/export/audit", **ada.cookie).status_code == 200
    with books.engine.connect() as connection:
        last = connection.execute(select(schema.audit).order_by(schema.audit.c.id.desc()).limit(1)).one()
    detail = last.detail | {"rows": 0}
    assert (last.actor, last.action, detail) == (
        "ada",
        "audit.export",
        {"format": "csv", "rows": 0, "filter": {}},
    )


@ONE_STORE
def test_pages_link_to_their_tables(books: Estate, client: Client) -> None:
    ada = Person(books.engine, "ada", "administrator")
    found = set()
    for path in (
        "/devices", "/startups", "/reconciliation", "/reconciliation/no_agent", "/reconciliation/review", "/ratings",
        "/ratings/exceptions", "/costs/lines", "/replacement", "/audit", "/register/batches", "/organisation",
    ):  # fmt: skip
        page = client.get(path, **ada.cookie).text
        links = re.findall(r'href="(/export/[^"]+)"', page)
        assert links, path
        for link in links:
            assert client.get(link.replace("&amp;", "&"), **ada.cookie).status_code == 200, link
        found |= {link.split("/")[2].split("?")[0] for link in links}
    mine = set(TABLES) & {
        "devices", "startups-models", "startups-sites", "startups-slowest", "reconciliation", "review", "ratings",
        "exceptions", "cost-lines", "plan", "claim_under_warranty", "fit_an_ssd", "collect_unused", "audit",
        "plan-models", "plan-limits", "register-batches", "organisation", "ratings-sites", "ratings-units",
        "ratings-models",
    }  # fmt: skip
    assert mine <= found


@ONE_STORE
def test_tickets_can_be_told_apart_and_assigned(books: Estate, client: Client) -> None:
    one = claim_under_warranty(
        [ListedDevice(tag="FP9", faults=("disk worn",), warranty_end=local_day(NOW, "Europe/London"))],
        local_day(NOW, "Europe/London"),
    )
    (ticket,) = plan_lists.ticket_rows(one, "Desktop support")
    assert tuple(ticket) == plan_lists.TICKET_FIELDS
    assert ticket["correlation_id"] == "roadworthy:claim_under_warranty:FP9"
    assert ticket["assignment_group"] == "Desktop support"
    assert "disk worn" in ticket["description"]


@ONE_STORE
def test_the_command(books: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(books.settings().data))
    monkeypatch.setenv("ROADWORTHY_PROTECTIVE_MARKING", "OFFICIAL-SENSITIVE")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["export", *arguments])

    file = tmp_path / "r.csv"
    assert "1 rows written" in run("ratings", str(file), "--filter", "rating=needs attention").output
    lines = file.read_text("utf-8-sig").splitlines()
    assert lines[:2] == [
        "Protective marking: OFFICIAL-SENSITIVE",
        "Ratings of Roadworthy: rating needs attention",
    ]
    assert "is narrowed by: rating, site" in str(run("ratings", str(file), "--filter", "zoe=1").exception)
    assert "there are devices" in str(run("nonsense", str(file)).exception)
    assert "ends with .csv or .xlsx" in str(run("ratings", str(tmp_path / "r.pdf")).exception)
    assert "written to" in run("audit", str(tmp_path / "a.xlsx")).output
    with books.engine.connect() as connection:
        rows = connection.execute(select(schema.audit.c.action, schema.audit.c.detail)).all()
    assert ("table.export", {"format": "csv", "rows": 1, "filter": {"rating": "needs attention"}}) in [
        (row[0], row[1]) for row in rows
    ]
    assert [(row[1]["format"], row[1]["filter"]) for row in rows if row[0] == "audit.export"] == [
        ("xlsx", {})
    ]


def test_money_and_shares_are_numbers(tmp_path: Path) -> None:
    rows = [{"pounds": pounds_of(-20_000), "share": ratio(0.5321), "text": "-200.00"}]
    about = About("A table", "now", "all rows", "1 row", "")
    for name in ("a.csv", "a.xlsx"):
        write_table(tmp_path / name, ["pounds", "share", "text"], rows, about)
    assert (tmp_path / "a.csv").read_text("utf-8-sig").splitlines()[-1] == "-200.00,0.5321,'-200.00"
    book = python_calamine.CalamineWorkbook.from_path(tmp_path / "a.xlsx")
    assert book.get_sheet_by_index(0).to_python()[-1] == [-200.0, 0.5321, "-200.00"]
    assert (pounds_of(None), ratio(None)) == (None, None)


@pytest.mark.parametrize("text", ["=1+1", "'=1+1", "''", "'tis", "plain", "\uff1d1", "-"])
def test_a_text_of_a_workbook_is_the_text_that_was_held(tmp_path: Path, text: str) -> None:
    about = About("A table", "now", text, "1 row", "")
    write_table(tmp_path / "a.xlsx", ["text"], [{"text": text}], about)
    rows = python_calamine.CalamineWorkbook.from_path(tmp_path / "a.xlsx").get_sheet_by_index(0).to_python()
    assert restored(rows[-1][0]) == text
    write_table(tmp_path / "a.csv", ["text"], [{"text": text}], about)
    assert restored((tmp_path / "a.csv").read_text("utf-8-sig").splitlines()[-1]) == text


def noted(books: Estate) -> list[tuple[str, str, str, Any]]:
    """Return (who, which table, what kind of file, narrowed how) of every export on the record."""
    with books.engine.connect() as connection:
        rows = connection.execute(select(schema.audit).where(schema.audit.c.action.like("%.export")))
        return [
            (row.actor, row.subject, row.detail["format"], row.detail["filter"])
            for row in rows.all()
            if isinstance(row.detail["rows"], int)
        ]


@ONE_STORE
def test_every_export_is_on_the_record(books: Estate, client: Client) -> None:
    ada, vera = Person(books.engine, "ada", "administrator"), Person(books.engine, "vera", "viewer")
    asked: list[tuple[str, str, str, Any]] = []
    for name, table in TABLES.items():
        for kind in ("csv", "xlsx"):
            assert client.get(f"/export/{name}?as={kind}", **ada.cookie).status_code == 200
            asked.append(("ada", name, kind, {}))
        assert table.title
    for path, name, told in (
        ("/api/v1/export/ratings?rating=needs+attention", "ratings", {"rating": "needs attention"}),
        ("/api/v1/register/export?site=North", "register", "site North"),
    ):
        for kind in ("csv", "xlsx"):
            assert client.get(f"{path}&as={kind}", **vera.bearer).status_code == 200
            asked.append(("vera", name, kind, told))
    for kind in ("csv", "xlsx"):
        answer = client.get(f"/api/v1/organisation/export?what=sites&at=2026-11-01&as={kind}", **ada.bearer)
        assert answer.status_code == 200
        asked.append(("ada", "sites", kind, {"at": "2026-11-01"}))
    assert (
        client.get("/export/cost-lines", **Person(books.engine, "una", "viewer", ["Ops"]).cookie).status_code
        == 403
    )
    assert noted(books) == asked


@ONE_STORE
def test_the_count_on_the_record_is_that_of_the_file(books: Estate, client: Client) -> None:
    vera = Person(books.engine, "vera", "viewer")
    for kind in ("csv", "xlsx"):
        file = client.get(f"/api/v1/export/devices?as={kind}", **vera.bearer)
        with books.engine.connect() as connection:
            last = connection.execute(select(schema.audit).order_by(schema.audit.c.id.desc()).limit(1)).one()
        assert last.detail["rows"] == len(read(file.content, kind)) - 5  # what stands above the rows


@ONE_STORE
def test_the_commands_put_their_exports_on_the_record(
    books: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(books.path.parent))
    wanted = []
    for words, name in ((("register", "export"), "register"), (("organisation", "export"), "units")):
        for kind in ("csv", "xlsx"):
            done = CliRunner().invoke(app, [*words, str(tmp_path / f"{name}.{kind}")])
            assert done.exit_code == 0, done.output
            wanted.append((name, kind))
    assert CliRunner().invoke(app, ["plan", "export", str(tmp_path / "p.csv")]).exit_code == 0
    wanted.append(("plan", "csv"))
    assert [one[1:3] for one in noted(books)] == wanted
    assert [told for _, name, _, told in noted(books) if name == "register"] == ["all items"] * 2
