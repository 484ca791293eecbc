"""Meters by page, form, API and command line, as people of different roles meet them; and the gauges."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.carbon import meter_figures
from roadworthy_collector.cli import app
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import meters as gauges
from roadworthy_collector.store.books_schema import batches
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import sites
from roadworthy_collector.store.upgrade import make_ready

MPAN = "1312345678907"
HEADER = "MPAN,Date," + ",".join(f"HH{number:02d}" for number in range(1, 49))
DAYS = [dt.date(2026, 5, 1) + dt.timedelta(days=at) for at in range(3)]
FILE = "\n".join([HEADER, *(f"{MPAN},{day}," + ",".join(["1"] * 48) for day in DAYS)])
BAD = f"\n{MPAN},2026-02-30," + ",".join(["1"] * 48)
TARIFF = "valid_from,unit_pence,source\n2026-04-01,25,Contract A\n"
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
V1 = "/api/v1/meters"


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    with write_transaction(estate.engine) as connection:
        connection.execute(sites.insert().values(name="Force HQ", kind="force", restricted=False))
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


def preparer(estate: Estate) -> Person:
    return Person(estate.engine, "sue", "sustainability_preparer", now=NOW)


@ONE_STORE
def test_a_file_is_tried_imported_shown_and_undone_by_the_page(estate: Estate, client: Client) -> None:
    sue, vi = preparer(estate), Person(estate.engine, "vi", "viewer", now=NOW)
    assert "No supply is held yet" in client.get("/meters", **vi.cookie).text

    def send(body: str, **fields: str) -> Any:
        form = {"csrf": sue.csrf, "status": "A", "dry_run": "yes"} | fields
        return client.post(
            "/meters/import", data=form, files={"file": ("hh.csv", body.encode())}, **sue.cookie
        )

    tried = send(FILE + BAD)
    assert "Nothing was written" in tried.text
    assert "is no day of the calendar" in tried.text
    corrections = tried.text.split('href="/imports/')[1].split('"')[0]
    assert "2026-02-30" in client.get(f"/imports/{corrections}", **sue.cookie).text
    assert "In as batch" in send(FILE, dry_run="no").text
    page = client.get("/meters?year=2026/27", **sue.cookie).text
    assert MPAN in page
    assert "2026-05" in page
    assert "Undo" not in client.get("/meters", **vi.cookie).text.replace('<th scope="col">Undo</th>', "")
    assert send("x,y\n1,2").status_code == 422
    assert client.get("/meters?year=2030/31", **vi.cookie).status_code == 422
    with estate.engine.connect() as connection:
        batch = connection.scalar(select(batches.c.id))
    undo = f"/meters/batches/{batch}/undo"
    assert client.post(undo, data={"csrf": "x"}, **sue.cookie).status_code == 403
    assert client.post(undo, data={"csrf": sue.csrf}, **sue.cookie).status_code == 303
    assert client.post(undo, data={"csrf": sue.csrf}, **sue.cookie).status_code == 409
    assert client.post("/meters/import", data={"csrf": vi.csrf}, **vi.cookie).status_code == 403


@ONE_STORE
def test_the_page_says_why_a_site_has_no_share(estate: Estate, client: Client) -> None:
    """As after the first supply was added, when devices told no half-hour of the last closed month."""
    sue = preparer(estate)
    send = {"content": FILE.encode(), **sue.bearer}
    assert client.post(f"{V1}/import?name=hh.csv&status=A", **send).json()["new"] == 3
    placed = {"supply": MPAN, "site": "Force HQ", "valid_from": "2026-04-01"}
    assert client.request("PUT", f"{V1}/sites", json=placed, **sue.bearer).status_code == 204
    meter_figures.refresh(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    page = client.get("/meters", **sue.cookie)
    assert page.status_code == 200
    assert "no half-hours of its meters are held for this month" in page.text
    (row,) = client.get(f"{V1}/share?month=2026-05", **sue.bearer).json()["rows"]
    assert row["ratio"] is row["above_half_hours"] is row["profile"] is None
    assert (row["supplies"], row["missing_half_hours"]) == (1, 28 * 48)


@ONE_STORE
def test_the_api_takes_a_file_and_answers_what_the_commands_do(estate: Estate, client: Client) -> None:
    sue = preparer(estate)
    send = {"content": (FILE + BAD).encode(), **sue.bearer}
    found = client.post(f"{V1}/import?name=hh.csv&status=A", **send).json()
    assert (found["new"], found["rows_bad"], found["problems"]) == (3, 1, {"not_a_date": 1})
    assert found["first_problems"][0]["line"] == 5
    assert "2026-02-30" in found["corrections"]
    assert client.post(f"{V1}/import?name=hh.csv&status=A", **send).json()["already"] == found["batch"]
    placed = {"supply": MPAN, "site": "Force HQ", "valid_from": "2026-04-01", "share": "50%"}
    assert client.request("PUT", f"{V1}/sites", json=placed, **sue.bearer).status_code == 204
    assert client.request("PUT", f"{V1}/sites", json=placed | {"share": "x"}, **sue.bearer).status_code == 422
    assert client.post(f"{V1}/tariffs", json={"content": TARIFF}, **sue.bearer).json() == {
        "new": 1,
        "held": 0,
        "gone": 0,
    }
    bill = client.get(f"{V1}/bill?year=2026/27", **sue.bearer).json()
    assert bill["pence"] == 3 * 48 * 25
    assert bill["by_site"]["Force HQ"] == bill["pence"] // 2
    (gaps,) = client.get(f"{V1}/gaps?year=2026/27", **sue.bearer).json()["rows"]
    assert gaps["supply"] == MPAN
    assert gaps["kwh"] == 144
    (share,) = client.get(f"{V1}/share?month=2026-05", **sue.bearer).json()["rows"]
    assert share["why"] == "the energy ledger has nothing for this site and month"
    assert client.get(f"{V1}/share?month=may", **sue.bearer).status_code == 422
    undone = client.post(f"{V1}/batches/{found['batch']}/undo", **sue.bearer).json()
    assert (undone["removed"], undone["supplies_removed"]) == (3, 0)


def test_commands_import_place_price_and_tell_gaps_and_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(tmp_path))
    make_ready(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    with write_transaction(engine) as connection:
        connection.execute(sites.insert().values(name="Force HQ", kind="force", restricted=False))
    engine.dispose()
    (tmp_path / "hh.csv").write_text(FILE + BAD)
    (tmp_path / "t.csv").write_text(TARIFF)

    def well(*words: str) -> str:
        found = CliRunner().invoke(app, ["meters", *words])
        assert found.exit_code == 0, found.exception
        return found.stdout

    bad = tmp_path / "bad.csv"
    said = well("import", str(tmp_path / "hh.csv"), "--status", "A", "--corrections", str(bad))
    assert "3 of 4 rows are good, 1 bad: 3 new days" in said
    assert "2026-02-30" in bad.read_text("utf-8-sig")
    assert "is in already" in well("import", str(tmp_path / "hh.csv"), "--status", "A")
    well("add", MPAN, "--name", "Main", "--settled")
    well("place", MPAN, "Force HQ", "--from", "2026-04-01", "--tenure", "tenant")
    assert "1 new tariffs" in well("load-tariffs", str(tmp_path / "t.csv"))
    assert json.loads(well("supplies", "--format", "json"))[0]["name"] == "Main"
    assert json.loads(well("sites", "--format", "json"))[0]["tenure"] == "tenant"
    assert json.loads(well("bill", "--year", "2026/27", "--format", "json"))["pence"] == 3600
    assert "£36.00 from 2026-04-01" in well("bill", "--year", "2026/27")
    assert json.loads(well("gaps", "--year", "2026/27", "--format", "json"))[0]["counts_as"] == "estimated"
    assert MPAN in well("gaps", "--year", "2026/27")
    assert (
        "energy ledger has nothing"
        in json.loads(well("share", "--month", "2026-05", "--format", "json"))[0]["why"]
    )
    assert "Force HQ" in well("share", "--month", "2026-05")
    well("drop-tariff", str(json.loads(well("tariffs", "--format", "json"))[0]["id"]))
    well("unplace", MPAN, "Force HQ", "--from", "2026-04-01")
    batch = json.loads(well("batches", "--format", "json"))[0]["id"]
    assert "3 removed" in well("undo", str(batch))


@ONE_STORE
def test_a_row_of_many_faults_keeps_no_other_row_from_being_named(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.path.parent))
    negative = f"\n{MPAN},2026-05-09," + ",".join(["-1"] * 48)
    (tmp_path / "bad.csv").write_text(FILE + negative + BAD, "utf-8")
    done = CliRunner().invoke(app, ["meters", "import", str(tmp_path / "bad.csv"), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert done.output.count("  line 5:") == 2
    assert done.output.count("  line 6:") == 1
    assert "and 46 more faults: --corrections FILE" in done.output


def test_gauges_fold_sites_past_the_limit_into_one_and_leave_out_what_is_not_known() -> None:
    rows = [
        {
            "site": f"S{at:03d}", "metered_kwh": 1000.0 - at, "missing_half_hours": 1, "claimed_kwh": 10.0,
            "compared_meter_kwh": 100.0, "above_half_hours": 2,
        }
        for at in range(gauges.MOST + 2)
    ]  # fmt: skip
    text = gauges.render([*rows, {"site": "Z", "metered_kwh": 0.0, "missing_half_hours": 1488}])
    assert text.count("roadworthy_site_metered_joules{") == gauges.MOST + 1
    assert 'roadworthy_site_meter_missing_periods{site="other"} 1490' in text
    assert 'roadworthy_site_devices_meter_share_ratio{site="other"} 0.1' in text
    assert 'roadworthy_site_devices_above_meter_periods{site="other"} 4' in text
    assert gauges.render([]) == ""
