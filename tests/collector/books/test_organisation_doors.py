"""The organisation through its doors: commands, API and pages, and what metrics and contracts make of it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.books.cost_import import Choices, import_file
from roadworthy_collector.cli import app
from roadworthy_collector.jobs import organisation
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import books
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import batches, contracts, cost_centres, ledger_lines, systems
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.calendar import local_date

TODAY = local_date(NOW, "Europe/London")
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
UNITS = "Unit\nOperations / Custody\nOperations / Traffic\nSupport / IT\n"


@dataclass
class Door:
    """An application on an estate, and people who go through it."""

    estate: Estate
    client: Client
    people: dict[str, Person] = field(default_factory=dict)

    def api(self, method: str, path: str, who: str = "ada", **arguments: Any) -> httpx.Response:
        headers = {"Accept": "application/json"} | self.people[who].bearer["headers"]
        return self.client.request(method, f"/api/v1{path}", headers=headers, **arguments)

    def page(self, path: str, who: str = "ada") -> httpx.Response:
        return self.client.get(path, **self.people[who].cookie)

    def post(self, who: str = "ada", **data: str) -> httpx.Response:
        person = self.people[who]
        return self.client.post("/organisation", data={"csrf": person.csrf} | data, **person.cookie)

    def paths(self, who: str = "ada") -> list[str]:
        return [line["path"] for line in self.api("GET", "/organisation", who).json()["units"]]


@pytest.fixture
def door(estate: Estate) -> Iterator[Door]:
    found = Door(estate, client_of(estate.engine, estate.path.parent, NOW))
    found.people["ada"] = Person(estate.engine, "ada", "administrator")
    yield found
    found.client.close()


def test_a_program_keeps_the_organisation(door: Door) -> None:
    tried = door.api("POST", "/organisation/import?dry_run=true", content=UNITS).json()
    assert (tried["dry_run"], len(tried["new"]), door.paths()) == (True, 5, ["unassigned"])
    door.api("POST", "/organisation/import?at=2026-01-01", content=UNITS)
    device = door.estate.device(unit="IT", hostname="PC-1")
    sent = {"action": "move", "unit": "Support / IT", "to": "Operations", "day": "2026-02-01"}
    told = door.api("POST", "/organisation/units", json=sent | {"dry_run": True}).json()
    assert (told["before"], told["after"], told["dry_run"]) == ("Support / IT", "Operations / IT", True)
    assert door.api("POST", "/organisation/units", json=sent).json()["after"] == "Operations / IT"
    tree = door.api("GET", "/organisation").json()
    line = next(line for line in tree["units"] if line["path"] == "Operations")
    assert (line["own"]["devices"], line["total"]["devices"], tree["total"]["devices"]) == (0, 1, 1)
    found = door.api("GET", f"/organisation/rows?unit={line['unit']}").json()
    assert [row["device_id"] for row in found["rows"]] == [door.estate.device_id(device)]
    refused = door.api("POST", "/organisation/units", json={"action": "close", "unit": "IT"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "refused")
    assert door.api("GET", "/organisation/rows?unit=99999").json()["error"]["code"] == "not_found"
    bad = door.api("POST", "/organisation/import", content="Unit\nA\nA\n")
    assert "line 3, column Unit" in bad.json()["error"]["message"]
    for kind in ("csv", "xlsx"):
        answer = door.api("GET", f"/organisation/export?as={kind}")
        again = door.api("POST", f"/organisation/import?name=again.{kind}", content=answer.content).json()
        assert (again["new"], again["changed"], again["unchanged"]) == ([], [], 5)


def test_a_program_keeps_cost_centres_systems_and_sites(door: Door) -> None:
    door.api("POST", "/organisation/import", content=UNITS)
    made = door.api("POST", "/cost-centres", json={"code": "7310", "name": "Cells", "unit": "Custody"}).json()
    assert made["after"] == {"code": "7310", "name": "Cells", "unit": "Operations / Custody"}
    door.api("PUT", "/cost-centres", json={"code": "7310", "unit": "none"})
    assert door.api("GET", "/cost-centres").json()["rows"][0]["unit"] is None
    door.api("POST", "/systems", json={"name": "PNC", "kind": "application", "unit": "Custody"})
    door.api("PUT", "/systems", json={"name": "PNC", "unit": "Support"})
    assert door.api("GET", "/systems").json()["rows"] == [
        {"name": "PNC", "kind": "application", "unit": "Support", "items": 0}
    ]
    assert door.api("PUT", "/sites/kind", json={"name": "Hall", "kind": "data_centre"}).status_code == 404
    sent = {"name": "Hall", "kind": "data_centre", "new": True}
    assert door.api("PUT", "/sites/kind", json=sent).json()["before"] is None
    assert ("Hall", "data_centre") in {
        (r["name"], r["kind"]) for r in door.api("GET", "/sites").json()["rows"]
    }
    with door.estate.engine.connect() as connection:
        actions = [row["action"] for row in audit.read(connection)]
    for action in ("cost_centre.add", "cost_centre.set", "system.add", "system.set", "site.kind"):
        assert action in actions


@ONE_STORE
def test_each_file_needs_the_right_to_what_it_holds(door: Door) -> None:
    door.people["fin"] = Person(door.estate.engine, "fin", "finance_preparer")
    door.people["reg"] = Person(door.estate.engine, "reg", "register_manager")
    bodies = {
        "units": "Unit\nA\n",
        "cost_centres": "Cost centre\nC\n",
        "systems": "System\nS\n",
        "sites": "Site\nT\n",
    }
    may = {"fin": {"cost_centres"}, "reg": {"units", "sites", "systems"}}
    for who, allowed in may.items():
        for what, body in bodies.items():
            answer = door.api("POST", f"/organisation/import?what={what}", who, content=body)
            assert (answer.status_code == 200) == (what in allowed), (who, what, answer.text)


def test_the_page_shows_the_tree_and_each_figure_opens_its_rows(door: Door) -> None:
    assert "There was no unit on that day" in door.page("/organisation").text
    door.api("POST", "/organisation/import?at=2026-01-01", content=UNITS)
    door.estate.device(unit="Custody", hostname="PC-1")
    door.estate.device(unit="Custody", site="Annexe R", restricted=True, hostname="SECRET")
    door.api(
        "POST",
        "/register/import",
        content="Asset tag,Lifecycle state,Unit\nFP1,deployed,Custody\nFP2,stores,\n",
    )
    batch = import_batch(door)
    page = door.page("/organisation").text
    assert "SECRET" not in page
    assert "Annexe R" not in page
    links = sorted(set(re.findall(r'href="(/organisation/rows[^"]+)"', page)))
    assert len(links) > 8
    for link in links:
        answer = door.page(link.replace("&amp;", "&"))
        assert answer.status_code == 200, link
        assert "SECRET" not in answer.text
        assert "Nothing is listed" not in answer.text, link
    told = door.page("/organisation?at=2025-06-01&over=31").text
    assert "There was no unit on that day" in told
    assert "FP1" not in told
    assert batch
    for odd in ("?kind=nothing", "?unit=x", "?unit=9999999"):
        assert door.page(f"/organisation/rows{odd}").status_code == 404
    assert door.page("/organisation?at=never&over=99999").status_code == 200


def import_batch(door: Door) -> int | None:
    """Bring contracts in that name a unit, a cost centre and a system."""
    with write_transaction(door.estate.engine) as connection:
        connection.execute(systems.insert().values(name="PNC", kind="application", unit=None))
    file = door.estate.path.parent / "contracts.csv"
    file.write_text(
        "Contract reference,Start date,End date,Annual value,Department,Cost centre,Systems\n"
        "K1,2026-01-01,2027-12-31,1200,Operations / Custody,7310,PNC\n"
        "K2,2026-01-01,2027-12-31,,,7310,\n"
        "K3,2026-01-01,2027-12-31,5,Operations / Dogs,,PNC; Other\n"
    )
    return import_file(
        door.estate.engine, file, Choices(kind="contracts"), actor="ada", now=int(NOW), on=TODAY
    ).batch


def test_a_contract_register_says_where_each_belongs(door: Door) -> None:
    door.api("POST", "/organisation/import", content=UNITS)
    import_batch(door)
    with door.estate.engine.connect() as connection:
        names = {row.id: row.name for row in connection.execute(select(schema.units))}
        centre = connection.scalar(select(cost_centres.c.id).where(cost_centres.c.code == "7310"))
        system = connection.scalar(select(systems.c.id))
        rows = {row.reference: row for row in connection.execute(select(contracts))}
    assert (names[rows["K1"].unit], rows["K1"].cost_centre, rows["K1"].system) == ("Custody", centre, system)
    assert (rows["K2"].unit, rows["K2"].cost_centre, rows["K2"].system) == (None, centre, None)
    assert (names[rows["K3"].unit], rows["K3"].cost_centre, rows["K3"].system) == ("Dogs", None, None)


def test_the_page_changes_a_unit_and_says_first_what_would_come_of_it(door: Door) -> None:
    door.api("POST", "/organisation/import?at=2026-01-01", content=UNITS)
    asked = {"action": "merge", "unit": "Traffic", "to": "Custody", "day": "2026-03-01"}
    tried = door.post(**asked, do="try")
    assert "dry run: nothing was changed" in tried.text
    assert "Operations / Traffic" in door.paths()
    assert "goes into Operations / Custody" in door.post(**asked, do="apply").text
    assert "Operations / Traffic" not in door.paths()
    for wrong in ({"action": "eat"}, {"day": "soon"}, {"unit": ""}, {"unit": "<b>"}):
        answer = door.post(**(asked | wrong))
        assert answer.status_code == 422
        assert "<b>" not in answer.text
    assert door.post(**asked, csrf="no").status_code == 403
    door.people["bob"] = Person(door.estate.engine, "bob", "viewer")
    assert door.post("bob", **asked).status_code == 403
    assert "Change a unit" not in door.page("/organisation", "bob").text


def test_whose_role_holds_for_a_unit_sees_that_and_no_money(door: Door) -> None:
    door.api("POST", "/organisation/import?at=2026-01-01", content=UNITS)
    import_batch(door)
    door.estate.device(unit="Custody")
    door.estate.device(unit="IT", hostname="ELSEWHERE")
    door.people["bob"] = Person(door.estate.engine, "bob", "register_manager", ["Operations"])
    assert door.paths("bob") == [
        "Operations",
        "Operations / Custody",
        "Operations / Dogs",
        "Operations / Traffic",
    ]
    tree = door.api("GET", "/organisation", "bob").json()
    assert tree["total"]["devices"] == 1
    assert "contract_pence" not in tree["total"]
    page = door.page("/organisation", "bob").text
    assert not {"Support", "Ledger, pounds", "Change a unit", "ELSEWHERE"} & set(re.findall(r"[\w, ]+", page))
    for path in ("/organisation/export", "/organisation/rows?kind=ledger&unit=2"):
        assert door.api("GET", path, "bob").status_code in {403, 422}
    support = next(
        line["unit"] for line in door.api("GET", "/organisation").json()["units"] if line["path"] == "Support"
    )
    assert door.api("GET", f"/organisation/rows?unit={support}", "bob").status_code == 404
    assert door.page(f"/organisation/rows?unit={support}", "bob").status_code == 404
    assert door.page("/organisation/rows", "bob").status_code == 404
    assert (
        door.api("POST", "/organisation/units", "bob", json={"action": "add", "unit": "X"}).status_code == 403
    )
    assert door.api("POST", "/systems", "bob", json={"name": "X"}).status_code == 403


def test_the_job_counts_what_no_unit_answers_for(door: Door) -> None:
    door.api("POST", "/organisation/import", content=UNITS)
    door.estate.device(unit="unassigned")
    door.estate.device(unit="IT")
    work = Work(door.estate.engine, door.estate.settings(), clock=lambda: NOW, rests=False)
    organisation.compute(work)
    with door.estate.engine.connect() as connection:
        told = books.render(books.read(connection))
    assert "roadworthy_organisation_units 5\n" in told
    assert 'roadworthy_organisation_unassigned{kind="devices"} 1\n' in told


# --- commands -------------------------------------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(
        app, ["organisation", *arguments], env={"ROADWORTHY_DATA": str(folder), "COLUMNS": "200"}
    )


@ONE_STORE
def test_the_commands_keep_the_organisation(estate: Estate, tmp_path: Path) -> None:
    folder = estate.path.parent
    file = tmp_path / "units.csv"
    file.write_text(UNITS)

    def well(*arguments: str) -> str:
        done = run(folder, *arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        return str(done.output)

    assert "5 would be new" in well("import", str(file), "--dry-run")
    assert "5 new, 0 changed" in well("import", str(file), "--from", "2026-01-01")
    assert "Support / IT / Desk is there from" in well("add", "Support / IT / Desk")
    assert "Operations / IT" in well("move", "IT", "--under", "Operations")
    assert "dry run" in well("rename", "IT", "Digital", "--dry-run")
    assert "Digital" in well("rename", "IT", "Digital")
    assert "goes into" in well("merge", "Traffic", "--into", "Custody", "--from", "2026-02-01")
    assert "is closed" in well("close", "Support", "--from", "2026-12-01")
    told = json.loads(well("tree", "--format", "json"))
    assert "Operations / Digital / Desk" in [line["path"] for line in told["units"]]
    assert "unassigned" in well("tree", "--at", "2026-01-15")
    well("cost-centres", "add", "7310", "--name", "Cells", "--unit", "Custody")
    assert "unit Operations" in well("cost-centres", "set", "7310", "--unit", "Operations")
    assert json.loads(well("cost-centres", "list", "--format", "json"))[0]["name"] == "Cells"
    well("systems", "add", "PNC", "--kind", "application")
    assert "changed" in well("systems", "set", "PNC", "--unit", "Custody", "--dry-run")
    assert json.loads(well("systems", "list", "--format", "json"))[0]["unit"] is None
    assert "new" in well("sites", "set", "Hall", "--kind", "data_centre", "--new")
    well("export", str(tmp_path / "out.xlsx"))
    assert "0 new, 0 changed" in well("import", str(tmp_path / "out.xlsx"))


@ONE_STORE
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["move", "Nowhere"], "no such unit"),
        (["tree", "--at", "1.4.2026"], "a day is written"),
        (["tree", "--over", "999"], "7 to 31 days"),
        (["import", "none.csv"], "cannot be read"),
        (["export", "units.pdf"], ".csv or .xlsx"),
        (["cost-centres", "set", "1"], "no cost centre"),
    ],
)
def test_a_command_says_what_is_wrong(estate: Estate, arguments: list[str], said: str) -> None:
    done = run(estate.path.parent, *arguments)
    assert done.exit_code != 0
    assert said in str(done.exception) + done.output


def test_the_ledger_stands_beside_each_cost_centre(door: Door) -> None:
    """What is booked to a code nobody put on record, and to none, stands there too, so that the column adds up."""
    door.estate.put(cost_centres, code="C1")
    door.estate.put(cost_centres, code="C2")
    told = {"format": "plain", "made_at": 1, "made_by": "ada", "rows_read": 4, "rows_good": 4, "rows_bad": 0}
    with write_transaction(door.estate.engine) as connection:
        made = insert(batches).values(kind="ledger", unfinished=False, **told).returning(batches.c.id)
        batch = connection.execute(made).scalar_one()
    year = TODAY.year - (TODAY.month < 4)
    booked = (("C1", 100_00), ("c1", 20_00), ("C9", 7_00), (None, 5_00))
    for number, (centre, pence) in enumerate(booked):
        content = {"amount_pence": pence, "financial_year": year, "measure": "outturn"}
        door.estate.put(
            ledger_lines, batch=batch, line=number, financial_year=year, period=1, cost_centre=centre, content=content,
        )  # fmt: skip
    text = door.page("/organisation").text
    table = text[text.index('id="centres"') : text.index('id="systems"')]
    cells = re.findall(r'data-label="Ledger">(?:<a [^>]*>)?([^<]*)<', table)
    assert cells == ["£120.00", "nothing booked", "£7.00", "£5.00"]
    for link in re.findall(r'data-label="Ledger"><a href="([^"]*)"', table):
        assert door.page(html.unescape(link)).status_code == 200
    door.estate.unit("Custody")
    door.people["part"] = Person(door.estate.engine, "part", "viewer", ["Custody"])
    assert "£" not in door.page("/organisation", "part").text


def put_items(door: Door) -> None:
    """Put items of two commands, two cost centres and three sites into the register, one site of them restricted."""
    door.estate.site("Annexe R", restricted=True)
    door.api(
        "POST",
        "/register/import",
        content="Asset tag,Lifecycle state,Unit,Command,Cost centre,Site,System served\n"
        "FP1,deployed,Custody,Crime,7310,Hall,PNC\nFP2,stores,Custody,Crime,7310,Yard,\n"
        "FP3,deployed,Traffic,,9000,Hall,\nFP4,deployed,Traffic,Crime,,Annexe R,\n",
    )


def test_figures_by_command_cost_centre_and_site_open_their_items(door: Door) -> None:
    put_items(door)
    door.estate.device(unit="Custody", site="Hall", hostname="PC-1")
    door.estate.device(unit="Custody", site="Annexe R", restricted=True, hostname="SECRET")

    def told(by: str, who: str = "ada") -> dict[tuple[str | None, bool], dict[str, int]]:
        rows = door.api("GET", f"/organisation/groups?by={by}", who).json()["rows"]
        return {(row["name"], row["restricted"]): row["figures"] for row in rows}

    crime = told("command")["Crime", False]
    assert (crime["items"], crime["items_deployed"], crime["linked"]) == (3, 2, 0)
    assert told("command")[None, False]["items"] == 1
    assert told("cost_centre")["7310", False]["items"] == 2
    sites = told("site")
    assert (sites["Hall", False]["items"], sites["Hall", False]["devices"]) == (2, 1)
    assert (sites[None, True]["items"], sites[None, True]["devices"]) == (1, 1)
    assert not {name for name, _ in sites} & {"Annexe R"}
    door.people["eve"] = Person(door.estate.engine, "eve", "viewer")
    found = door.api("GET", "/register/items?command=Crime", "eve").json()
    assert ({row["tag"] for row in found["rows"]}, found["restricted"]) == ({"FP1", "FP2"}, 1)
    for query, tags in {
        "unknown=command": {"FP3"},
        "cost_centre=7310&state=stores": {"FP2"},
        "system=PNC": {"FP1"},
        "known=system": {"FP1"},
        "command=Nobody": set(),
        "matched=false": set(),
        "matched=true&site=Yard": {"FP2"},
    }.items():
        rows = door.api("GET", f"/register/items?{query}", "eve").json()["rows"]
        assert {row["tag"] for row in rows} == tags, query
    at_hall = door.api("GET", "/organisation/groups/rows?site=Hall").json()["rows"]
    assert [row["hostname"] for row in at_hall] == ["PC-1"]
    assert door.api("GET", "/organisation/groups/rows?site=Annexe+R").status_code == 404
    door.people["bob"] = Person(door.estate.engine, "bob", "viewer", ["Traffic"])
    assert told("command", "bob") == {("Crime", False): {"items": 1, "linked": 0, "items_deployed": 1}} | {
        (None, False): {"items": 1, "linked": 0, "items_deployed": 1}
    }


@ONE_STORE
def test_pages_by_group_say_what_is_hidden_and_refuse_what_is_not_there(door: Door) -> None:
    put_items(door)
    for by in ("command", "cost_centre", "site", "nonsense"):
        text = door.page(f"/organisation/groups?by={by}").text
        assert "Annexe R" not in text
        assert "never listed" in text
    assert "restricted sites" in door.page("/organisation/groups?by=site").text
    assert door.page("/organisation/groups/rows?site=Hall&kind=half_hours").status_code == 200
    assert door.page("/organisation/groups/rows?site=Annexe+R").status_code == 404
    register = door.page("/register?command=Crime&unknown=purchased&matched=yes").text
    assert "command Crime, purchased not known, that could report" in register
    assert "FP1" in register
    assert door.page("/register?known=nonsense&matched=maybe&made_by=x").status_code == 200
    assert "FP4" not in door.page("/register?made_by=1").text
    assert "FP1" in door.page("/register?made_by=1").text
    assert "No item matches" in door.page("/register?changed_by=1").text


@ONE_STORE
def test_the_command_shows_groups_and_lists_a_command(door: Door) -> None:
    put_items(door)
    folder = door.estate.path.parent
    told = json.loads(run(folder, "groups", "--by", "command", "--format", "json").output)
    assert [(row["name"], row["figures"]["items"]) for row in told] == [("Crime", 3), (None, 1)]
    assert "restricted sites" in run(folder, "groups", "--by", "site").output
    listed = CliRunner().invoke(
        app,
        ["register", "list", "--command", "Crime", "--format", "json"],
        env={"ROADWORTHY_DATA": str(folder)},
    )
    assert [row["tag"] for row in json.loads(listed.output)] == ["FP1", "FP2", "FP4"]
