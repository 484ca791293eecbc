"""Legacy systems: evidence rolled from devices, scores by people, the framework's register, pages, API, metrics."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.books import figures, legacy_systems, lifecycle_run, rating, tables
from roadworthy_collector.books.legacy_systems import Said
from roadworthy_collector.books.legacy_told import NO_SOURCE, detail, in_words
from roadworthy_collector.cli import app
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs import books, fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.lifecycle_catalogue import LIFECYCLE
from roadworthy_collector.metrics.rollups import rollups_of
from roadworthy_collector.store.books_schema import (
    batches,
    contracts,
    register_devices,
    register_items,
    system_scores,
    systems,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.legacy import DeviceFacts, device_evidence
from roadworthy_inventory.legacy_scores import FIELDS, IMPACT, LIKELIHOOD

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
DAY = 86_400
W10 = {
    "family": "windows",
    "id": "windows",
    "name": "Windows 10 Enterprise",
    "version": "22H2",
    "build": "19045",
}
W10 |= {"edition": "Enterprise", "installation_type": "client"}
W11 = W10 | {"name": "Windows 11 Enterprise", "version": "25H2", "build": "26200"}


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def system(estate: Estate, name: str, **values: Any) -> int:
    with write_transaction(estate.engine) as connection:
        made = insert(systems).values(name=name, kind="application", **values).returning(systems.c.id)
        return int(connection.execute(made).scalar_one())


def named(tag: str) -> dict[str, str]:
    """Return what a device of the item of this tag says of itself, so that reconciliation leaves the link."""
    return {"serial": f"5CG00000{tag}", "asset_tag": tag}


def item(estate: Estate, tag: str, device: int | None = None, **values: Any) -> int:
    row: dict[str, Any] = {
        "tag": tag,
        "serial": f"5CG00000{tag}",
        "kind": "laptop",
        "lifecycle_state": "deployed",
        "usage_profile": "unknown",
    }
    with write_transaction(estate.engine) as connection:
        made = (
            insert(register_items).values(**row, updated_at=int(NOW), **values).returning(register_items.c.id)
        )
        found = int(connection.execute(made).scalar_one())
        if device is not None:
            link = {
                "item": found,
                "device": device,
                "valid_from": "2026-01-01",
                "matched_on": ["serial", "tag"],
            }
            connection.execute(insert(register_devices).values(**link))
    return found


def contract(estate: Estate, of: int, ends: str, **values: Any) -> None:
    with write_transaction(estate.engine) as connection:
        told = {"kind": "contracts", "format": "generic", "made_at": 1, "made_by": "a", "rows_read": 1}
        batch = insert(batches).values(**told, rows_good=1, rows_bad=0).returning(batches.c.id)
        row = {"batch": connection.execute(batch).scalar_one(), "name": "Support", "system": of, "ends": ends}
        connection.execute(insert(contracts).values(**row | values))


def put_custody(estate: Estate) -> None:
    """Put in a legacy system of three devices, a new one of one, and one nobody names."""
    old, new = system(estate, "Custody records", unit=estate.unit("Custody")), system(estate, "Mail")
    system(estate, "Forgotten")
    bought = (TODAY - dt.timedelta(days=5 * 365)).isoformat()
    common = {"device_class": "laptop", "unit": "Custody"}
    first = estate.device(**common, **named("C0"), facts={"os": W10}, system_medium="hdd")
    second = estate.device(**common, **named("C1"), facts={"os": W11}, system_medium="nvme")
    third = estate.device(**common, **named("C2"))
    for number, device in enumerate((first, second, third)):
        item(estate, f"C{number}", device, system=old, purchased=bought if device == first else None)
    item(estate, "M1", estate.device(**named("M1"), device_class="laptop", facts={"os": W11}), system=new)
    item(estate, "X1", estate.device(**named("X1"), device_class="laptop", facts={"os": W10}))
    for number in range(3):
        estate.startup(first, started_at=NOW - (number + 1) * DAY, kind="dirty")
    estate.startup(first, started_at=NOW - 100 * DAY, kind="dirty")
    contract(estate, old, "2020-01-01", reference="K1")
    rating.rate_now(work_of(estate))
    lifecycle_run.work_out(work_of(estate))


@pytest.fixture
def custody(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(put_custody)


def shown(estate: Estate, name: str) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        return detail(connection, legacy_systems.find(connection, name), TODAY)


def sign(estate: Estate, name: str, code: str, score: int, remark: str | None = None) -> None:
    with write_transaction(estate.engine) as connection:
        found = legacy_systems.find(connection, name)
        legacy_systems.score(
            connection, found.id, Said(code, score, remark), today=TODAY, now=int(NOW), actor="alice"
        )


def test_evidence_is_rolled_up_and_ageing_decides_nothing(custody: Estate) -> None:
    found = shown(custody, "custody RECORDS")
    assert (found["standing"], found["devices"]) == ("legacy", 3)
    assert (found["legacy"], found["not_legacy"], found["unknown"]) == (1, 1, 1)
    told = {(row["code"], row["what"]): row for row in found["evidence"]}
    out = told["L1", "operating system out of support"]
    assert (out["concerned"], out["known"], out["unknown"], out["value"]) == (1, 2, 1, "2025-10-14")
    assert told["L2", "contract ended without replacement"]["concerned"] == 3
    assert told["L5", "past its planned life"]["concerned"] == 1
    assert told["L5", "starts from a hard disk"]["concerned"] == 1
    stops = told["L7", "3 or more unexpected shutdowns in 90 days"]
    assert (stops["concerned"], stops["value"], stops["unknown"]) == (1, 3, 2)
    assert told["C5", "staff hours lost a year"]["unknown"] == 3
    assert {row["criterion"] for row in found["suggestions"]} == {"L1", "L2"}
    assert found["scores"] == []
    assert len(found["unsigned"]) == 13
    assert found["result"] is None
    assert shown(custody, "Mail")["standing"] == "not_legacy"
    assert shown(custody, "Forgotten")["standing"] == "no_devices"
    with custody.engine.connect() as connection:
        counts = legacy_systems.summarise(connection)
        assert counts.standings == {"legacy": 1, "not_legacy": 1, "unknown": 0, "no_devices": 1}
        assert counts.without_system["legacy"] == 1
        page = legacy_systems.list_systems(connection, limit=2)
        assert [one.name for one in page.rows] == ["Custody records", "Mail"]
        rest = legacy_systems.list_systems(connection, limit=2, after=page.next or 0)
        assert [one.name for one in rest.rows] == ["Forgotten"]
        scope = frozenset({custody.unit("Custody")})
        assert [one.name for one in legacy_systems.list_systems(connection, scope=scope).rows] == [
            "Custody records"
        ]
        with pytest.raises(NotFoundError):
            legacy_systems.find(connection, "Mail", scope)


def test_hours_come_from_the_months_of_staff_time(custody: Estate) -> None:
    with write_transaction(custody.engine) as connection:
        number = connection.scalar(select(systems.c.id).where(systems.c.name == "Custody records"))
        told = {"groups": {"system": {str(number): {"lost_milliseconds": 36_000_000, "devices": 3}}}}
        for month in ("2026-07", "2026-08", "2026-09"):
            figures.write(connection, f"staff_time.{month}", told, now=NOW, seconds=0.0)
    lifecycle_run.work_out(work_of(custody))
    found = shown(custody, "Custody records")
    hours = next(row for row in found["evidence"] if row["code"] == "C5")
    assert (hours["value"], hours["known"]) == (120.0, 3)  # ten hours a month, of the two whole months
    assert {row["criterion"]: row["score"] for row in found["suggestions"]}["C5"] == 2


def test_scores_are_signed_replaced_withdrawn_and_audited(custody: Estate) -> None:
    for code in (*LIKELIHOOD, *IMPACT):
        sign(custody, "Mail", code, 5)
    sign(custody, "Mail", "l1", 6, "  it ended\t2025 ")
    found = shown(custody, "Mail")
    assert found["unsigned"] == []
    assert found["result"]["red_rated"] is True
    first = next(row for row in found["scores"] if row["criterion"] == "L1")
    assert (first["score"], first["remark"], first["assessor"]) == (6, "it ended 2025", "alice")
    assert first["assessed_on"] == TODAY.isoformat()
    assert "13 March 2025" in first["framework"]
    with write_transaction(custody.engine) as connection:
        of = legacy_systems.find(connection, "Mail")
        legacy_systems.withdraw(connection, of.id, "L1", now=int(NOW), actor="bob")
        with pytest.raises(NotFoundError):
            legacy_systems.withdraw(connection, of.id, "L1", now=int(NOW), actor="bob")
        actions = [row["action"] for row in audit.read(connection)]
    assert actions.count("legacy.score") == 14
    assert actions.count("legacy.withdraw") == 1
    assert shown(custody, "Mail")["unsigned"] == ["L1"]


@pytest.mark.parametrize(("code", "score"), [("L1", 7), ("C1", 6), ("L1", 0), ("X1", 3), ("", 1)])
def test_a_score_outside_its_scale_is_refused(custody: Estate, code: str, score: int) -> None:
    with pytest.raises(RoadworthyError):
        sign(custody, "Mail", code, score)


def test_a_score_by_another_version_is_shown_and_does_not_count(custody: Estate) -> None:
    sign(custody, "Mail", "L1", 2)
    with write_transaction(custody.engine) as connection:
        connection.execute(system_scores.update().values(framework="an older one"))
    found = shown(custody, "Mail")
    assert "L1" in found["unsigned"]
    assert found["scores"][0]["current"] is False


def test_the_register_names_unsigned_and_keeps_suggestions_apart(custody: Estate, tmp_path: Path) -> None:
    sign(custody, "Custody records", "L1", 4, "=1+1")
    path = tmp_path / "register.csv"
    asked = tables.Asked("legacy-register", {}, NOW, "alice")
    assert tables.write_file(custody.engine, custody.settings(), asked, path) == 3
    lines = path.read_text("utf-8-sig").splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("Asset Name"))
    assert any("13 March 2025" in line for line in lines[:start])
    rows = {row["Asset Name"]: row for row in csv.DictReader(io.StringIO("".join(lines[start:])))}
    one = rows["Custody records"]
    assert set(FIELDS) <= set(one)
    assert (one["L1 Score"], one["L2 Score"], one["Overall Risk Score"]) == ("4", "unsigned", "")
    assert one["L1 Suggested, Not Signed"].startswith("6:")
    assert one["L1 Remark"].startswith("'=")
    assert "L2" in one["Unsigned Criteria"]
    assert one["Assessor"] == "alice"


def test_every_gauge_is_exposed(custody: Estate) -> None:
    sign(custody, "Mail", "L1", 2)
    books.compute(work_of(custody))
    fleet.compute(work_of(custody))
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(rollups_of(custody.engine, None, now=NOW)):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    assert {row.name for row in LIFECYCLE} <= set(found)
    assert found["roadworthy_systems"]["legacy",] == 1
    assert found["roadworthy_system_criteria"] == {("signed",): 1, ("unsigned",): 38}
    assert sum(found["roadworthy_support_end_devices"].values()) == 5
    assert sum(found["roadworthy_age_devices"].values()) == 5


# --- pages, API, commands -----------------------------------------------------------------------------------


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def client(custody: Estate) -> Iterator[Client]:
    client = client_of(custody.engine, custody.path.parent, NOW)
    yield client
    client.close()


PATHS = (
    "/lifecycle",
    "/lifecycle/records",
    "/lifecycle/records?status=nonsense&after=x&unit=%00&kind=agent",
    "/lifecycle/dates",
    "/lifecycle/dates?product=debian",
    "/lifecycle/bought",
    "/legacy",
    "/legacy?standing=legacy&search=cust&unsigned=yes",
    "/legacy/systems/1",
)


@pytest.mark.parametrize("path", PATHS[:-1])
@ONE_STORE
def test_pages_answer_before_anything_is_worked_out(estate: Estate, path: str) -> None:
    client = client_of(estate.engine, estate.path.parent, NOW)
    assert client.get(path).status_code == 200
    client.close()


@pytest.mark.parametrize("path", PATHS)
@ONE_STORE
def test_pages_carry_no_script_or_style_and_name_their_tables(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", answer.text)
    assert answer.text.count("<table") == answer.text.count("<caption")


@ONE_STORE
def test_every_figure_of_the_pages_leads_to_its_records(client: Client) -> None:
    for page in ("/lifecycle", "/legacy", "/legacy/systems/1"):
        for address in set(re.findall(r'href="(/(?:lifecycle|legacy|export)[^"#]*)"', client.get(page).text)):
            assert client.get(html.unescape(address)).status_code == 200, address
    ended = text_of(client.get("/lifecycle/records?status=ended").text)
    assert "Windows 10 Enterprise 22H2" in ended
    assert "Windows 11 Enterprise" not in ended
    assert client.get("/legacy/systems/999999").status_code == 404


@ONE_STORE
def test_a_register_manager_signs_and_says_what_was_bought(custody: Estate, client: Client) -> None:
    rita = Person(custody.engine, "rita", "register_manager")
    vera = Person(custody.engine, "vera", "viewer")
    assert "Sign a criterion" not in client.get("/legacy/systems/1", **vera.cookie).text
    form = {"criterion": "L3", "score": "4", "remark": "two people know it", "csrf": rita.csrf}
    address = "/legacy/systems/1/score"
    assert client.post(address, data=form | {"csrf": "x"}, **rita.cookie).status_code == 403
    assert client.post(address, data=form | {"csrf": vera.csrf}, **vera.cookie).status_code == 403
    assert client.post(address, data=form | {"score": "9"}, **rita.cookie).status_code == 422
    assert client.post("/legacy/systems/999/score", data=form, **rita.cookie).status_code == 404
    assert client.post(address, data=form, **rita.cookie).status_code == 303
    said = text_of(client.get("/legacy/systems/1", **rita.cookie).text)
    assert "no source exists yet" in said
    assert "4 by rita on" in said
    assert "two people know it" in said
    assert client.post(address, data=form | {"do": "withdraw"}, **rita.cookie).status_code == 303
    entries = '[[entry]]\nproduct = "windows-10"\nbought = true\n'
    bought = {"text": entries, "csrf": rita.csrf}
    tried = client.post("/lifecycle/bought", data=bought, **rita.cookie)
    assert "extended updates bought until 2028-10-10" in text_of(tried.text)
    wrong = client.post("/lifecycle/bought", data=bought | {"text": "[[entry]]"}, **rita.cookie)
    assert wrong.status_code == 422
    assert "product is missing" in wrong.text
    assert client.post("/lifecycle/bought", data=bought | {"do": "save"}, **rita.cookie).status_code == 303
    assert client.post("/lifecycle/bought", data=bought | {"do": "undo"}, **rita.cookie).status_code == 303
    assert (
        client.post("/lifecycle/bought", data=bought | {"csrf": vera.csrf}, **vera.cookie).status_code == 403
    )
    scoped = Person(custody.engine, "rose", "register_manager", ["Custody"])
    sent = bought | {"csrf": scoped.csrf}
    assert client.post("/lifecycle/bought", data=sent, **scoped.cookie).status_code == 403
    assert "Mail" not in client.get("/legacy", **scoped.cookie).text


@ONE_STORE
def test_the_api_counts_lists_loads_and_signs(custody: Estate, client: Client) -> None:
    rita = Person(custody.engine, "rita", "register_manager")
    scoped = Person(custody.engine, "rose", "register_manager", ["Custody"])
    api = "/api/v1"
    counts = client.get(f"{api}/lifecycle", **rita.bearer).json()
    assert (counts["records"], counts["status"]["ended"]) == (5, 2)
    assert client.get(f"{api}/lifecycle", **scoped.bearer).json()["records"] == 3
    rows = client.get(f"{api}/lifecycle/records?status=ended&limit=1", **rita.bearer).json()
    more = client.get(
        f"{api}/lifecycle/records?status=ended&limit=1&after={rows['next']}", **rita.bearer
    ).json()
    assert len(rows["rows"]) == len(more["rows"]) == 1
    assert more["next"] is None
    assert client.get(f"{api}/lifecycle/records?status=odd", **rita.bearer).status_code == 422
    assert len(client.get(f"{api}/lifecycle/dates?product=debian", **rita.bearer).json()["rows"]) > 5
    load = f"{api}/lifecycle/dates/load"
    assert client.post(load, content=b"<html>", **rita.bearer).status_code == 422
    assert client.post(load, content=b"{}", **scoped.bearer).status_code == 403
    text = '[[date]]\nproduct = "debian"\nversion = "12"\nkind = "mainstream"\nend_of_support = 2031-05-05\n'
    text += 'source = "https://example.org/letter"\nas_of = 2026-01-01\n'
    override = f"{api}/lifecycle/dates/override"
    tried = client.post(override, json={"text": text, "dry_run": True}, **rita.bearer).json()
    assert tried["moved"][0]["after"] == "2031-05-05"
    assert client.get(f"{api}/lifecycle/editions", **rita.bearer).json()["rows"] == []
    assert client.post(override, json={"text": text}, **rita.bearer).status_code == 200
    undo = {"name": "support_override"}
    assert client.post(f"{api}/lifecycle/editions/undo", json=undo, **rita.bearer).json()["text"] == ""
    entries = {"text": '[[entry]]\nproduct = "windows-10"\nbought = false\n'}
    assert client.post(f"{api}/lifecycle/bought/try", json=entries, **rita.bearer).json()["changed"] == 2
    assert client.post(f"{api}/lifecycle/bought", json=entries, **rita.bearer).status_code == 201
    assert client.post(f"{api}/lifecycle/run", **rita.bearer).status_code == 204
    assert client.get(f"{api}/lifecycle", **rita.bearer).json()["extension"]["not_bought"] == 2
    listed = client.get(f"{api}/legacy/systems?standing=legacy", **rita.bearer).json()
    assert [row["name"] for row in listed["rows"]] == ["Custody records"]
    one = f"{api}/legacy/systems/{listed['rows'][0]['id']}"
    signed = client.request("PUT", f"{one}/scores/L3", json={"score": 4}, **rita.bearer).json()
    assert signed["scores"][0]["assessor"] == "rita"
    assert client.request("PUT", f"{one}/scores/C1", json={"score": 6}, **rita.bearer).status_code == 422
    assert client.request("DELETE", f"{one}/scores/L3", **rita.bearer).status_code == 204
    assert client.request("DELETE", f"{one}/scores/L3", **rita.bearer).status_code == 404
    assert len(client.get(one, **rita.bearer).json()["unsigned_criteria"]) == 13


@ONE_STORE
def test_the_commands(custody: Estate, tmp_path: Path) -> None:
    runner, folder = CliRunner(), str(custody.path.parent)

    def run(*words: str, fails: bool = False) -> str:
        done = runner.invoke(app, words, env={"ROADWORTHY_DATA": folder})
        assert (done.exit_code != 0) == fails, done.output
        return done.output if not fails else f"{done.output}{done.exception}"

    assert "windows-10" in run("lifecycle", "show")
    assert json.loads(run("lifecycle", "show", "--format", "json"))["records"] == 5
    assert len(json.loads(run("lifecycle", "devices", "--status", "ended", "--format", "json"))) == 2
    assert "C0" in run("lifecycle", "devices", "--ageing", "past")
    assert "unknown" in run("lifecycle", "windows11")
    assert len(json.loads(run("lifecycle", "windows11", "--answer", "runs", "--format", "json"))) == 2
    assert "learn.microsoft.com" in run("lifecycle", "dates", "--product", "windows-10")
    dump = tmp_path / "dump.json"
    release = {"name": "12", "eolFrom": "2033-03-03", "isEol": False}
    product = {"name": "debian", "category": "os", "releases": [release]}
    told = {"schema_version": "1.2", "generated_at": "2026-12-01T00:00:00Z", "result": product}
    dump.write_text(json.dumps(told), "utf-8")
    assert "nothing was saved" in run("lifecycle", "load", str(dump), "--dry-run")
    assert "1 moved" in run("lifecycle", "load", str(dump))
    assert "2033-03-03" in run("lifecycle", "dates", "--product", "debian")
    assert "as shipped" in run("lifecycle", "undo", "support_dates")
    assert "only https" in run("lifecycle", "load", "http://127.0.0.1/full", fails=True)
    assert len(json.loads(run("lifecycle", "editions", "--format", "json"))) == 2
    bought = tmp_path / "bought.toml"
    bought.write_text(run("lifecycle", "bought", "show"), "utf-8")
    bought.write_text('[[entry]]\nproduct = "windows-10"\nbought = true\n', "utf-8")
    assert "2 of 5 records would change" in run("lifecycle", "bought", "try", str(bought))
    run("lifecycle", "bought", "save", str(bought))
    run("lifecycle", "run")
    assert "extended" in run("lifecycle", "show")
    assert "Custody records" in run("legacy", "systems")
    assert "L1 4" in run("legacy", "score", "mail", "--criterion", "L1", "--score", "4", "--remark", "ends")
    assert "signed: L1 4 by" in run("legacy", "show", "Mail")
    run("legacy", "withdraw", "Mail", "--criterion", "L1")
    run("legacy", "withdraw", "Mail", "--criterion", "L1", fails=True)
    run("legacy", "export", str(tmp_path / "r.xlsx"))
    assert (tmp_path / "r.xlsx").stat().st_size > 1000


def test_values_of_evidence_are_written_for_people() -> None:
    assert in_words(137_438_953_472, "bytes") == "128 GiB"
    assert in_words(12.54, "years") == "12.5 (years)"
    assert in_words("2025-10-14", "last day") == "2025-10-14 (last day)"
    assert in_words(None, "bytes") is None
    evidence = device_evidence(DeviceFacts(key="a", source="agent", as_of=TODAY), TODAY)
    assert {one.what for one in evidence} >= set(NO_SOURCE)
