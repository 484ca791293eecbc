"""Supplies with their sites, tariffs and places of consumption as lists: read, tried, put in force, refused by line."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.carbon import meter_import, places_list, supplies, supply_list, tariff_store
from roadworthy_collector.carbon.meter_import import Choices
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import audit, sites
from roadworthy_collector.store.upgrade import make_ready
from roadworthy_inventory.carbon.meters import How

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
A, B, GAS, SUN = "1312345678907", "1000000000012", "3938424403", "ROOF"
HEAD = ",".join(supply_list.COLUMNS)
LIST = "\n".join([
    HEAD,
    f"{A},electricity,Main,yes,HQ,2025-04-01,,landlord,0.75",
    f"{A},electricity,Main,yes,Annexe,2025-04-01,,tenant,25%",
    f"{B},electricity,,,HQ,2025-04-01,2026-04-01,owner,",
    f"{GAS},gas,Boiler,,,,,,",
    f"{SUN},onsite,,,HQ,2025-04-01,,,",
])  # fmt: skip


@pytest.fixture(autouse=True)
def places(estate: Estate) -> None:
    for name in ("HQ", "Annexe"):
        estate.site(name)
    estate.site("Hidden", restricted=True)


def load(estate: Estate, text: str, **asked: Any) -> supply_list.Loaded:
    with write_transaction(estate.engine) as connection:
        return supply_list.load(connection, text, "s.csv", actor="sam", now=int(NOW), **asked)


def written(estate: Estate, **asked: Any) -> str:
    with estate.engine.connect() as connection:
        return supply_list.write(connection, **asked)


def test_a_list_loads_and_comes_out_as_it_went_in(estate: Estate) -> None:
    assert load(estate, LIST) == supply_list.Loaded(4, 0, 0)
    text = written(estate)
    assert load(estate, text) == supply_list.Loaded(0, 0, 4)
    assert written(estate) == text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["supply"], row["site"], row["share"]) for row in rows if row["supply"] == A] == [
        (A, "Annexe", "0.25"), (A, "HQ", "0.75"),
    ]  # fmt: skip
    assert [row["settled"] for row in rows if row["supply"] == A] == ["yes", "yes"]


def test_a_list_says_all_places_of_the_supplies_it_names_and_nothing_of_others(estate: Estate) -> None:
    load(estate, LIST)
    swapped = f"{HEAD}\n{A},,Main site,,HQ,2025-04-01,,landlord,0.25\n{A},,,,Annexe,2025-04-01,,tenant,0.75"
    with estate.engine.connect() as connection:
        (told,) = supply_list.tried(connection, swapped, "s.csv")
    assert told["told"] == {"name": "Main site"}
    assert "HQ from 2025-04-01, landlord, 0.25 of it" in told["after"]
    assert load(estate, swapped) == supply_list.Loaded(0, 1, 0)
    assert load(estate, f"{HEAD}\n{A},,,,,,,,") == supply_list.Loaded(0, 1, 0)
    with estate.engine.connect() as connection:
        held = {one.number: one for one in supplies.read(connection)}
        actions = list(connection.scalars(select(audit.c.action).where(audit.c.subject == A)))
    assert (held[A].name, held[A].places) == ("Main site", ())
    assert len(held[B].places) == 1
    assert actions == ["meters.supply"] * 3


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"{A},electricity,,,Nowhere,2025-04-01,,,", "line 2: site 'Nowhere': there is no such site"),
        (f"{A},electricity,,,Hidden,2025-04-01,,,", "line 2: site 'Hidden': there is no such site"),
        (f"{A},electricity,,,HQ,,,,", "line 2: valid_from: is missing"),
        (f"{A},electricity,,,HQ,soon,,,", "line 2: valid_from: 'soon' is no day"),
        (f"{A},electricity,,,,2025-04-01,,,", "line 2: site: is missing"),
        (f"{A},electricity,,perhaps,HQ,2025-04-01,,,", "line 2: settled 'perhaps'"),
        (f"{A},coal,,,HQ,2025-04-01,,,", "line 2: fuel 'coal' is none of"),
        (f"{A},electricity,,,HQ,2025-04-01,2025-04-01,,", "line 2: it cannot end"),
        (f"{A},electricity,,,HQ,2025-04-01,,squatter,", "line 2: tenure 'squatter'"),
        (f"{A},,,,HQ,2025-04-01,,,0.9\n{A},,,,Annexe,2025-05-01,,,0.2", "line 3: .* add up to 1.1"),
        (f"{A},,,,HQ,2025-04-01,,,\n{A},,,,HQ,2025-05-01,,,", "line 3: .* already"),
        (f"{A},electricity,One,,,,,,\n{A},electricity,Two,,,,,,", "line 3: .* another fuel or name"),
        ("1312345678908,electricity,,,HQ,2025-04-01,,,", "line 2: .* does not check"),
        (f"{A},electricity,,,HQ,2025-04-01,,,,more", "line 2: has more cells than the header"),
    ],
)  # fmt: skip
@ONE_STORE
def test_what_cannot_be_is_refused_with_its_line_and_nothing_is_kept(
    estate: Estate, row: str, said: str
) -> None:
    with pytest.raises(RoadworthyError, match=said):
        load(estate, f"{HEAD}\n{row}")
    assert written(estate) == HEAD + "\n"
    with pytest.raises(RoadworthyError, match="line 1: column 'colour' is unknown"):
        load(estate, "supply,colour\n")


@ONE_STORE
def test_supplies_of_restricted_sites_are_for_who_may_see_them(estate: Estate) -> None:
    load(estate, f"{HEAD}\n{A},,,,Hidden,2025-04-01,,,", restricted=True)
    assert A not in written(estate)
    assert A in written(estate, restricted=True)
    with pytest.raises(RoadworthyError, match=r"line 2: .* feeds a restricted site"):
        load(estate, f"{HEAD}\n{A},,,,HQ,2025-04-01,,,")


@ONE_STORE
def test_a_generation_meter_is_read_by_its_name_once_it_is_held(estate: Estate) -> None:
    def come_in() -> meter_import.Outcome:
        body = io.BytesIO(("Supply,Date," + ",".join(f"HH{at:02d}" for at in range(1, 49))
                           + "\nroof,2026-05-01," + ",".join(["1"] * 48)).encode())  # fmt: skip
        return meter_import.import_file(
            estate.engine, body, "sun.csv", Choices(how=How(status="A")), actor="sam", now=int(NOW), on=dt.date(2026, 7, 1)
        )  # fmt: skip

    refused = come_in()
    assert refused.report is not None
    assert (refused.new, refused.report.quarantined) == (0, 1)
    load(estate, LIST)
    assert (come_in().new, come_in().already is not None) == (1, True)


TARIFFS = "supply,fuel,valid_from,valid_to,unit_pence,source\n,electricity,2025-04-01,2026-04-01,20,A\n,electricity,2026-04-01,,25,B\n"


def test_a_whole_list_of_tariffs_replaces_those_held_but_none_of_restricted_sites(estate: Estate) -> None:
    load(estate, f"{HEAD}\n{A},,,,Hidden,2025-04-01,,,\n", restricted=True)
    hidden = f"supply,valid_from,unit_pence,source\n{A},2025-04-01,9,Hidden contract\n"
    with write_transaction(estate.engine) as connection:
        tariff_store.load(connection, hidden, "t.csv", actor="sam", now=int(NOW))
        done = tariff_store.replace(connection, TARIFFS, "t.csv", actor="sam", now=int(NOW))
    assert (len(done.new), len(done.gone)) == (2, 0)
    with estate.engine.connect() as connection:
        text = tariff_store.write(connection)
        same = tariff_store.compare(connection, text, "t.csv")
        assert (same.new, same.gone) == ([], [])
        assert "Hidden contract" not in text
    dearer = text.replace(",25,", ",26,")
    with write_transaction(estate.engine) as connection:
        done = tariff_store.replace(connection, dearer, "t.csv", actor="sam", now=int(NOW))
        assert ([one.source for one in done.new], [one.source for _, one in done.gone]) == (["B"], ["B"])
        with pytest.raises(RoadworthyError, match="is no supply held here"):
            tariff_store.replace(connection, hidden, "t.csv", actor="sam", now=int(NOW))
        tariff_store.replace(connection, text.splitlines()[0] + "\n", "t.csv", actor="sam", now=int(NOW))
        assert [one.source for _, one in tariff_store.read(connection)] == ["Hidden contract"]


@ONE_STORE
def test_places_of_consumption_are_one_list(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        text = places_list.write(connection)
        assert text == "site,place\nAnnexe,force\nHQ,force\nunassigned,unknown\n"
        assert places_list.changes(connection, text) == []
        assert places_list.save(connection, "site,place\nHQ,Data centre\n", actor="sam", now=int(NOW)) == 1
        assert connection.scalar(select(sites.c.kind).where(sites.c.name == "HQ")) == "data_centre"
        for wrong, said in (
            ("site,place\nHQ,castle\n", "line 2: 'castle' is no kind of site"),
            ("site,place\nNowhere,force\n", "line 2: 'Nowhere': there is no such site"),
            ("site,place\nHidden,force\n", "there is no such site"),
            ("site,place\nHQ,force\nHQ,home\n", "line 3: HQ has another place"),
            ("site,place\nHQ\n", "line 2: has 1 cells"),
            ("HQ,force\n", "line 1: the columns are site, place"),
        ):
            with pytest.raises(RoadworthyError, match=said):
                places_list.save(connection, wrong, actor="sam", now=int(NOW))


# --- doors ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


@ONE_STORE
def test_the_pages_show_try_and_save_the_lists(estate: Estate, client: Client) -> None:
    sue = Person(estate.engine, "sue", "sustainability_preparer", now=NOW)
    vi = Person(estate.engine, "vi", "viewer", now=NOW)

    def send(path: str, text: str, do: str, who: Person = sue) -> Any:
        return client.post(path, data={"csrf": who.csrf, "text": text, "do": do}, **who.cookie)

    for path, text, then in (
        ("/meters/supplies", LIST, A),
        ("/meters/tariffs", TARIFFS, "electricity,2026-04-01"),
        ("/carbon/places", "site,place\nHQ,data_centre\n", "HQ,data_centre"),
    ):
        assert "What would change" in send(path, text, "try").text
        assert then not in client.get(path, **vi.cookie).text
        assert send(path, text, "save", vi).status_code == 403
        assert send(path, text, "save").status_code == 303
        page = client.get(path, **vi.cookie).text
        assert then in page
        assert "Save and put" not in page
        assert "It says what is held already" in send(path, text, "try").text
        assert send(path, "nonsense\n", "save").status_code == 422


@ONE_STORE
def test_meter_tables_are_exported_with_what_they_are(estate: Estate, client: Client) -> None:
    sue = Person(estate.engine, "sue", "sustainability_preparer", now=NOW)
    load(estate, LIST)
    with write_transaction(estate.engine) as connection:
        tariff_store.replace(connection, TARIFFS, "t.csv", actor="sam", now=int(NOW))
    body = io.BytesIO(("MPAN,Date," + ",".join(f"HH{at:02d}" for at in range(1, 49))
                       + f"\n{A},2026-05-01," + ",".join(["1"] * 48)).encode())  # fmt: skip
    meter_import.import_file(
        estate.engine, body, "hh.csv", Choices(how=How(status="A")), actor="sam", now=int(NOW), on=dt.date(2026, 7, 1)
    )  # fmt: skip
    for name, wanted in (
        ("meter-supplies", f"{A},electricity,Main,yes,HQ,force,2025-04-01,,landlord,0.75"),
        ("meter-days?year=2026/27", f"{A},2026-05-01,import,48.0,48,48,0,0,0"),
        ("meter-gaps?year=2026/27", f"{A},Main"),
        ("meter-tariffs", ",electricity,2026-04-01"),
        ("meter-share?month=2026-05", "HQ,2026-05"),
        ("meter-bill?year=2026/27", "12.0"),
    ):
        query = "&" if "?" in name else "?"
        found = client.get(f"/export/{name}{query}as=csv", **sue.cookie)
        assert found.status_code == 200, name
        assert wanted in found.text, (name, found.text)
        assert client.get(f"/export/{name}{query}as=xlsx", **sue.cookie).status_code == 200


@ONE_STORE
def test_the_api_tries_and_loads_a_list_and_replaces_tariffs(estate: Estate, client: Client) -> None:
    sue = Person(estate.engine, "sue", "sustainability_preparer", now=NOW)
    at = "/api/v1/meters/list"
    tried = client.post(at, json={"content": LIST, "dry_run": True}, **sue.bearer).json()
    assert (tried["new"], client.get(at, **sue.bearer).json()["content"]) == (4, HEAD + "\n")
    assert client.post(at, json={"content": LIST}, **sue.bearer).json()["new"] == 4
    assert A in client.get(at, **sue.bearer).json()["content"]
    assert client.post(at, json={"content": f"{HEAD}\nx"}, **sue.bearer).status_code == 422
    sent = {"content": TARIFFS, "whole": True}
    assert client.post("/api/v1/meters/tariffs", json=sent, **sue.bearer).json() == {
        "new": 2,
        "held": 0,
        "gone": 0,
    }
    one = {"content": TARIFFS.replace(",electricity,2026-04-01,,25,B\n", ""), "whole": True}
    assert client.post("/api/v1/meters/tariffs", json=one, **sue.bearer).json() == {
        "new": 0,
        "held": 1,
        "gone": 1,
    }


@ONE_STORE
def test_commands_print_and_load_lists(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del estate
    monkeypatch.setenv("ROADWORTHY_DATA", str(tmp_path / "data"))
    make_ready(tmp_path / "data" / "roadworthy.db")
    engine = open_engine(tmp_path / "data" / "roadworthy.db")
    with write_transaction(engine) as connection:
        for name in ("HQ", "Annexe"):
            connection.execute(sites.insert().values(name=name, kind="force", restricted=False))
    engine.dispose()
    (tmp_path / "s.csv").write_text(LIST)
    (tmp_path / "t.csv").write_text(TARIFFS)

    def well(*words: str) -> str:
        found = CliRunner().invoke(app, ["meters", *words])
        assert found.exit_code == 0, found.exception
        return found.stdout

    assert f"{A}: new -> HQ from" in well("load-list", str(tmp_path / "s.csv"), "--dry-run")
    assert "4 new supplies" in well("load-list", str(tmp_path / "s.csv"))
    assert well("list").startswith(HEAD)
    assert "2 new tariffs, 0 gone" in well("load-tariffs", str(tmp_path / "t.csv"), "--whole")
