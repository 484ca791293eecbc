"""The register through its doors: commands, API and pages. What is refused says why, and leaves nothing behind."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from collector.commands import call_here
from sqlalchemy import func, select
from support.estates import NOW, Estate, make_database
from support.people import Person
from support.running import call
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.books import uploads
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import batches, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit, sites

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
HEAD = "Asset tag,Serial number,Kind,Lifecycle state,Usage profile,Purchase cost (GBP),Unit,Site,Purchased\n"
ROWS = (
    "FP001,5CG1,laptop,deployed,custody,1200.50,Operations / Custody,HQ,2023-12-25\n"
    "FP002,5CG2,desktop,stores,,900,Operations / Traffic,North,2024-02-01\n"
)
BAD = "FP003,5CG3,laptop,stores,,90,,HQ,31/02/2024\n"


@dataclass
class Door:
    """An application on an estate, and people who go through it."""

    estate: Estate
    client: Client
    people: dict[str, Person] = field(default_factory=dict)

    def api(self, method: str, path: str, who: str = "ada", **arguments: Any) -> httpx.Response:
        headers = {"Accept": "application/json"} | self.people[who].bearer["headers"]
        return self.client.request(method, f"/api/v1/register{path}", headers=headers, **arguments)

    def page(self, path: str, who: str = "ada") -> httpx.Response:
        return self.client.get(f"/register{path}", **self.people[who].cookie)

    def post(
        self, path: str, who: str = "ada", *, csrf: str | None = None, **arguments: Any
    ) -> httpx.Response:
        person = self.people[who]
        data = {"csrf": person.csrf if csrf is None else csrf} | arguments.pop("data", {})
        return self.client.post(f"/register{path}", data=data, **person.cookie, **arguments)

    def items(self) -> int:
        with self.estate.engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(register_items)) or 0)

    def batches(self) -> int:
        with self.estate.engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(batches)) or 0)


@pytest.fixture
def door(estate: Estate) -> Iterator[Door]:
    found = Door(estate, client_of(estate.engine, estate.path.parent, NOW))
    found.people["ada"] = Person(estate.engine, "ada", "administrator")
    yield found
    found.client.close()


def test_a_program_brings_a_file_in_and_takes_it_back(door: Door) -> None:
    tried = door.api("POST", "/import?name=register.csv&dry_run=true", content=HEAD + ROWS + BAD).json()
    assert (tried["batch"], tried["new"], tried["quarantined"], door.items()) == (None, 2, 1, 0)
    done = door.api("POST", "/import?name=register.csv", content=HEAD + ROWS + BAD).json()
    assert (done["batch"], done["new"], done["kind"], done["format"]) == (1, 2, "items", "register")
    (problem,) = done["problems"]
    assert (problem["line"], problem["column"]) == (4, "Purchased")
    assert done["corrections"].splitlines()[1].startswith("FP003,5CG3")
    assert door.api("POST", "/import", content=HEAD + ROWS + BAD).json()["same_as"] == 1
    page = door.api("GET", "/items?limit=1").json()
    assert (page["total"], page["states"], page["rows"][0]["tag"]) == (
        2,
        {"deployed": 1, "stores": 1},
        "FP001",
    )
    rest = door.api("GET", f"/items?after={page['next']}").json()
    assert ([row["tag"] for row in rest["rows"]], rest["next"]) == (["FP002"], None)
    whole = door.api("GET", f"/items/{page['rows'][0]['id']}").json()
    assert (whole["item"]["purchase_cost_pence"], whole["history"][0]["new"]) == (120_050, True)
    sent = {"tags": ["FP001", "FP404"], "state": "repair"}
    changed = door.api("POST", "/change", json=sent | {"dry_run": True}).json()
    assert (changed["changed"], changed["not_found"], changed["batch"]) == (1, ["FP404"], None)
    assert door.api("POST", "/change", json=sent).json()["batch"] == 2
    left = door.api("POST", "/batches/1/undo").json()
    assert (left["removed"], left["left"]) == (1, [["FP001", "changed by batch 2"]])
    assert [row["id"] for row in door.api("GET", "/batches").json()["rows"]] == [2, 1]
    assert door.api("POST", "/batches/77/undo").json()["error"]["code"] == "not_found"
    with door.estate.engine.connect() as connection:
        done_by = [(row["actor"], row["action"]) for row in audit.read(connection)]
    done_by = [one for one in done_by if one[1].startswith("register.")]
    assert done_by == [("ada", "register.import"), ("ada", "register.change"), ("ada", "register.undo")]


def test_a_program_gets_a_file_that_imports_again(door: Door) -> None:
    door.api("POST", "/import", content=HEAD + ROWS)
    for kind in ("csv", "xlsx"):
        answer = door.api("GET", f"/export?as={kind}&marking=OFFICIAL")
        assert answer.headers["content-disposition"] == f'attachment; filename="register.{kind}"'
        again = door.api("POST", f"/import?name=again.{kind}", content=answer.content).json()
        assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 2)
    mapped = door.api(
        "POST",
        "/import",
        content="No,S\nFP009,X9\n",
        params={"mapping": '[columns]\n"No" = "tag"\n"S" = "serial"\n'},
    )
    assert (mapped.json()["format"], mapped.json()["new"]) == ("generic", 1)


@ONE_STORE
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + b"\0" * 90, "broken archive"),
        (b"\xff\xfe\x00\xd8", ""),
        (b"a,b\n1,2\n", "no importer knows"),
        ((HEAD + ROWS + BAD).encode(), "1 of 3 rows are bad"),
        (HEAD.encode() + b'"' + b"x" * 1_100_000, "a row of more than"),
    ],
    ids=["empty", "bomb", "half", "unknown", "strict", "endless"],
)
def test_a_program_is_told_what_is_wrong_with_a_file(door: Door, body: bytes, said: str) -> None:
    answer = door.api("POST", "/import?strict=true", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "refused"
    assert said in answer.json()["error"]["message"]
    assert (door.items(), door.batches()) == (0, 0)


@ONE_STORE
def test_a_file_beyond_the_limit_is_not_read(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roadworthy_collector.api.uploads.UPLOAD_BYTES", 1000)
    monkeypatch.setattr(uploads, "UPLOAD_BYTES", 1000)
    answer = door.api("POST", "/import", content=HEAD + ROWS * 20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    page = door.post("/import", files={"file": ("register.csv", HEAD + ROWS * 20)})
    assert page.status_code == 413
    assert "1000 bytes" in page.text
    assert (door.items(), door.batches()) == (0, 0)


@ONE_STORE
def test_only_who_keeps_the_register_changes_it(door: Door) -> None:
    door.people["vera"] = Person(door.estate.engine, "vera", "viewer")
    door.api("POST", "/import", content=HEAD + ROWS)
    for method, path in (("POST", "/import"), ("POST", "/change"), ("POST", "/batches/1/undo")):
        assert door.api(method, path, "vera", content=b"{}").status_code == 403
    assert door.api("GET", "/items", "vera").json()["total"] == 2
    assert door.page("/import", "vera").status_code == 403
    assert door.post("/import", "vera", files={"file": ("a.csv", HEAD)}).status_code == 403
    assert door.post("/batches/1/undo", "vera").status_code == 403
    assert 'href="/register/import"' not in door.page("", "vera").text
    assert door.items() == 2


@ONE_STORE
def test_units_and_restricted_sites_hold_at_every_door(door: Door) -> None:
    door.api("POST", "/import", content=HEAD + ROWS)
    with write_transaction(door.estate.engine) as connection:
        sites.restrict(connection, "North", now=int(NOW))
    door.people["rita"] = Person(door.estate.engine, "rita", "register_manager", ["Custody"])
    door.people["vera"] = Person(door.estate.engine, "vera", "viewer")
    for who in ("rita", "vera"):
        assert [row["tag"] for row in door.api("GET", "/items", who).json()["rows"]] == ["FP001"]
        assert door.api("GET", "/items/2", who).status_code == 404
        assert door.page("/item/2", who).status_code == 404
        assert "FP002" not in door.page("", who).text
        assert "FP002" not in door.api("GET", "/export", who).text
    assert "1 item at restricted sites is counted here only" in door.page("").text
    assert "1 at restricted sites left out" in door.api("GET", "/export").text
    assert "FP002" not in door.api("GET", "/export").text
    assert door.api("GET", "/batches", "rita").json()["rows"] == []
    assert door.api("POST", "/batches/1/undo", "rita").status_code == 404
    assert door.post("/batches/1/undo", "rita").status_code == 404
    mine = door.api("POST", "/import", "rita", content=HEAD + ROWS.replace("stores", "repair")).json()
    assert (mine["new"], mine["changed"], mine["quarantined"]) == (0, 0, 1)


def test_a_person_tries_a_file_and_applies_it(door: Door) -> None:
    assert "The register is empty" in door.page("").text
    assert 'enctype="multipart/form-data"' in door.page("/import").text
    files = {"file": ("C:\\books\\register.csv", HEAD + ROWS + BAD + "<b>FP9</b>,,,,,x,,,\n")}
    tried = door.post("/import", files=files)
    assert tried.status_code == 200, tried.text
    assert "What would change" in tried.text
    assert "Operations / Custody" in tried.text
    assert "31/02/2024" in tried.text
    assert "<b>FP9" not in tried.text
    assert (door.items(), door.batches()) == (0, 0)
    token = re.search(r'name="token" value="([0-9a-f]{32})"', tried.text)
    assert token is not None
    door.people["bob"] = Person(door.estate.engine, "bob", "administrator")
    assert "no longer kept" in door.post("/import/apply", "bob", data={"token": token[1]}).text
    done = door.post("/import/apply", data={"token": token[1]})
    assert "This is batch 1" in done.text
    assert door.items() == 2
    kept = (door.estate.path.parent / uploads.FOLDER).glob("*.json")
    # The file itself is gone; what is left are its correction files, for an hour.
    assert {json.loads(one.read_text())["format"] for one in kept} == {uploads.CORRECTIONS}
    assert "no longer kept" in door.post("/import/apply", data={"token": token[1]}).text
    assert "came in as batch 1" in door.post("/import", files=files).text
    listed = door.page("?state=deployed&search=fp")
    assert "FP001" in listed.text
    assert "FP002" not in listed.text
    item = door.page("/item/1")
    assert "£1,200.50" in item.text
    assert "came into the register" in item.text
    assert "register.csv" in door.page("/batches").text
    assert door.post("/batches/1/undo", csrf="wrong").status_code == 403
    assert door.post("/batches/1/undo").headers["location"] == "/register/batches?undone=1"
    assert door.items() == 0
    assert "Batch 1 was undone" in door.page("/batches?undone=1").text


@ONE_STORE
def test_a_person_is_told_what_is_wrong(door: Door) -> None:
    for files, said in (
        ({"file": ("a.csv", "")}, "is empty"),
        ({"file": ("a.csv", "a,b\n1,2\n")}, "no importer knows"),
        ({"file": ("a.csv", HEAD + ROWS), "mapping": ("m.toml", "[columns")}, "is no TOML"),
        ({"mapping": ("m.toml", "x")}, "Choose a file first"),
    ):
        answer = door.post("/import", files=files)
        assert answer.status_code == 422, answer.text
        assert said in answer.text
        assert 'role="alert"' in answer.text
    assert door.post("/import", csrf="wrong", files={"file": ("a.csv", HEAD + ROWS)}).status_code == 403
    odd = door.client.post(
        "/register/import", content=b"--x", **_with(door, "multipart/form-data; boundary=x")
    )
    assert odd.status_code in {400, 403}
    for path in (
        "/item/0",
        "/item/x",
        f"/item/{2**70}",
        "?after=x&unit=%00&state=sold",
        "/batches?before=-1",
    ):
        assert door.page(path).status_code in {200, 404}
    assert (door.items(), door.batches()) == (0, 0)


PLAIN = "Tag,S/N,Type,Status,Department,Purchased,Price,Assigned to\nFP1,5CG1,Laptop,In use,Ops,25/12/2023,900,Ann\n"


@ONE_STORE
def test_a_plain_spreadsheet_needs_no_mapping_at_any_door(door: Door, tmp_path: Path) -> None:
    page = door.post("/import", files={"file": ("plain.csv", PLAIN)})
    assert page.status_code == 200
    assert "columns taken: Tag as asset tag; S/N as serial number" in page.text
    assert "columns about people dropped unread: Assigned to" in page.text
    assert door.api("POST", "/import?name=plain.csv", content=PLAIN).json()["format"] == "spreadsheet"
    book = tmp_path / "plain.csv"
    book.write_text(PLAIN)
    printed = CliRunner().invoke(app, ["register", "mapping", str(book)]).stdout
    assert '"Price" = "purchase_cost"' in printed
    answer = door.api("POST", "/mapping?name=plain.csv", content=PLAIN)
    assert (answer.status_code, answer.text) == (200, printed)
    assert "Ann" not in printed
    assert door.api("POST", "/mapping", content="").json()["error"]["message"].startswith("upload: is empty")


@ONE_STORE
def test_a_person_is_given_a_mapping_to_edit_where_two_columns_compete(door: Door) -> None:
    odd = PLAIN.replace("Status", "Asset No", 1)
    refused = door.post("/import", files={"file": ("odd.csv", odd)})
    assert refused.status_code == 422
    assert "could both be the asset tag" in html.unescape(refused.text)
    (text,) = re.findall(r'name="mapping_text"[^>]*>(.*?)</textarea>', refused.text, re.DOTALL)
    edited = html.unescape(text).replace('# "Tag" = "tag"', '"Tag" = "tag"')
    tried = door.post("/import", files={"file": ("odd.csv", odd)}, data={"mapping_text": edited})
    assert tried.status_code == 200, tried.text
    assert "Apply: 1 change" in tried.text
    wrong = door.post("/import", files={"file": ("odd.csv", odd)}, data={"mapping_text": edited + "x"})
    assert (wrong.status_code, '"Tag" = "tag"' in html.unescape(wrong.text)) == (422, True)


@ONE_STORE
def test_a_collector_without_users_says_how_to_make_the_first(estate: Estate) -> None:
    client = client_of(estate.engine, estate.path.parent, NOW)
    answer = client.get("/register/import")
    client.close()
    assert answer.status_code == 403
    assert "roadworthy user create NAME" in answer.text


def _with(door: Door, content_type: str) -> dict[str, Any]:
    return {"headers": door.people["ada"].cookie["headers"] | {"Content-Type": content_type}}


def test_a_command_brings_a_file_in(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(empty_database, tmp_path / "data" / "roadworthy.db")
    make_database(tmp_path / "data" / "roadworthy.db")
    file = tmp_path / "assets.csv"
    file.write_text(HEAD + ROWS + BAD, "utf-8")
    tried = call("register", "import", str(file), "--dry-run", folder=tmp_path)
    assert tried.returncode == 0, tried.stderr
    assert "would be new 2" in tried.stdout
    assert "set aside: line 4, column Purchased" in tried.stdout
    assert list(tmp_path.glob("*.corrections.csv")) == []
    done = json.loads(call("register", "import", str(file), "--format", "json", folder=tmp_path).stdout)
    assert (done["batch"], done["new"], done["corrections"]) == (
        1,
        2,
        str(tmp_path / "assets.corrections.csv"),
    )
    corrected = tmp_path / "assets.corrections.csv"
    corrected.write_bytes(corrected.read_bytes().replace(b"31/02/2024", b"2024-02-28"))
    assert "new 1, " in call_here("register", "import", str(corrected), folder=tmp_path).stdout
    tags = "FP001\nFP404\n"
    changed = call("register", "change", "--tags-file", "-", "--state", "repair", folder=tmp_path, stdin=tags)
    assert "changed 1, unchanged 0, not in the register 1" in changed.stdout
    shown = json.loads(call_here("register", "show", "fp001", "--format", "json", folder=tmp_path).stdout)
    assert (shown["lifecycle_state"], len(shown["history"])) == ("repair", 2)
    exported = call_here(
        "register", "export", str(tmp_path / "all.xlsx"), "--marking", "OFFICIAL", folder=tmp_path
    )
    assert exported.returncode == 0, exported.stderr
    undone = call_here("register", "undo", "1", folder=tmp_path)
    assert "removed 1, rows removed 0, left 1" in undone.stdout
    assert "left: FP001: changed by batch 3" in undone.stdout
    assert len(json.loads(call_here("register", "batches", "--format", "json", folder=tmp_path).stdout)) == 3


WRONG: tuple[tuple[tuple[str, ...], str], ...] = (
    (("import", "none.csv"), "none.csv: cannot be read"),
    (("import", "folder.d"), "is a folder"),
    (("import", "empty.csv"), "empty.csv: is empty"),
    (("import", "empty.csv", "--format", "excel"), "excel: is no format"),
    (("import", "bad.csv", "--mapping", "bad.csv"), "bad.csv: is no UTF-8 text"),
    (("import", "broken.csv", "--strict"), "line 2"),
    (("change", "--tags-file", "empty.csv", "--state", "repair"), "there is no tag"),
    (("undo", "7"), "there is no batch of that number"),
    (("export", "register.pdf"), "end the name with .csv or .xlsx"),
    (("show", "FP404"), "no item of the register"),
)


def test_a_command_says_what_is_wrong(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: a process each would take half a minute; test_a_command_brings_a_file_in runs real ones."""
    (tmp_path / "data").mkdir()
    shutil.copy(empty_database, tmp_path / "data" / "roadworthy.db")
    (tmp_path / "folder.d").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "broken.csv").write_bytes(HEAD.encode() + b"FP1,caf\xc3\xa9 \xff,laptop,,,,,,\n")
    monkeypatch.setenv("ROADWORTHY_DATA", str(tmp_path / "data"))
    for arguments, said in WRONG:
        named = [str(tmp_path / one) if "." in one else one for one in arguments]
        done = CliRunner().invoke(app, ["register", *named])
        assert isinstance(done.exception, RoadworthyError), (arguments, done.output)
        assert said in str(done.exception), arguments
    assert json.loads(CliRunner().invoke(app, ["register", "batches", "--format", "json"]).stdout) == []
