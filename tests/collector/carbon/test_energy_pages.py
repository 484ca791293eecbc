"""The pages of energy and carbon, and the same by the API, the command line and files, as people of different roles meet them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete
from support import facts
from support.estates import Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import avoidable, energy
from roadworthy_collector.carbon.estate import financial_year
from roadworthy_collector.cli import app
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.rollups import rollups_of
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.power_coverage import how_sure

# What both stores are asked is asked of the functions behind the pages, next door.
pytestmark = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
KWH = 3_600_000
STATES = {
    "in_use_seconds": 36_000,
    "idle_seconds": 0,
    "locked_seconds": 0,
    "asleep_seconds": 0,
    "off_seconds": 50_400,
    "unobserved_seconds": 0,
}
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


def put_filled(estate: Estate) -> None:
    """Two sites, one of them restricted, a device each; a month of metered days, and nights on."""
    places = (("HQ", "IT", False), ("Safe house", "Covert", True))
    for number, (site, unit, restricted) in enumerate(places):
        one = estate.device(
            site=site, unit=unit, restricted=restricted, device_class="desktop", model=HOSTILE if not number else "PC",
            hostname=f"HOST-{number}", enrolled_at=1_700_000_000,
        )  # fmt: skip
        for day in (30, 31):
            date = dt.date(2026, 3, day)
            span = local_day(date, "Europe/London")
            estate.put(
                schema.local_days, date=date.isoformat(), start=span.start, half_hours=48, device=one, periods=48,
                site=estate.site(site), unit=estate.unit(unit), startups=0, observed_seconds=36_000,
                joules={"wall": {"metered": KWH * 5 // 2}}, **STATES,
            )  # fmt: skip
        midnight = local_day(dt.date(2026, 5, 20), "Europe/London").start
        nights = range(midnight + 22 * 3600, midnight + 24 * 3600, 1800)
        facts.put(estate.engine, [facts.half_hour(one, start, idle_seconds=1800) for start in nights])
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    while energy.refresh(work):
        pass
    avoidable.refresh(work)
    fleet.compute(work)


@pytest.fixture
def filled(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(put_filled)


def page(client: Client, path: str, person: Person, status: int = 200) -> str:
    answer = client.get(path, **person.cookie)
    assert answer.status_code == status, answer.text
    assert HOSTILE not in answer.text
    assert "Safe house" not in answer.text
    levels = [int(one) for one in re.findall(r"<h([1-6])", answer.text)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert answer.text.count("<table") == answer.text.count("<caption")
    return answer.text


def test_the_year_by_every_dimension(filled: Estate, client: Client) -> None:
    viewer = Person(filled.engine, "vi", "viewer", now=NOW)
    for by in ("site", "unit", "class", "model", "place", "nonsense"):
        text = page(client, f"/carbon?year=2025/26&by={by}", viewer)
        assert "Servers whose make-up is known have 90 % intervals that were tried" in text
        assert "an allocation inside the billed total" in text.lower()
    assert "2026-03" in text
    assert "metered" in text.lower()
    problem = page(client, "/carbon?year=2035/36", viewer, 422)
    assert "has not begun" in problem


def test_every_figure_opens_the_devices_behind_it(filled: Estate, client: Client) -> None:
    viewer = Person(filled.engine, "vi", "viewer", now=NOW)
    text = page(client, "/carbon?year=2025/26&by=model", viewer)
    links = {one.replace("&amp;", "&") for one in re.findall(r'href="(/carbon/devices[^"]*)"', text)}
    assert links
    for link in links:
        assert "devices behind" in page(client, link, viewer).lower()
    shown = page(client, "/carbon/devices?year=2025/26&by=month&key=2026-03", viewer)
    assert "HOST-0" in shown
    assert "HOST-1" not in shown  # it stands at a restricted site


def test_avoidable_by_role(filled: Estate, client: Client) -> None:
    viewer = Person(filled.engine, "vi", "viewer", now=NOW)
    auditor = Person(filled.engine, "desk", "service_desk", now=NOW)
    text = page(client, "/avoidable?kind=unused_on", viewer)
    assert "not known" in text  # idle servers: there is none
    assert "Fewer than five devices" in text
    assert "HOST-0" not in text
    text = page(client, "/avoidable?kind=unused_on", auditor)
    assert "HOST-0" in text
    assert "HOST-1" not in text
    assert "The shift calendar is ours" in text


def test_the_form_of_the_shift_calendars(filled: Estate, client: Client) -> None:
    preparer = Person(filled.engine, "prep", "sustainability_preparer", now=NOW)
    viewer = Person(filled.engine, "vi", "viewer", now=NOW)
    assert "<textarea" not in page(client, "/avoidable/shifts", viewer)
    assert "<textarea" in page(client, "/avoidable/shifts", preparer)
    sent = {"csrf": preparer.csrf, "content": '[calendar]\r\nmonday = ["00:00-24:00"]\r\n', "what": "try"}
    tried = client.post("/avoidable/shifts", data=sent, **preparer.cookie)
    assert "What it means" in tried.text
    assert (
        client.post("/avoidable/shifts", data=sent | {"what": "save"}, **preparer.cookie).status_code == 303
    )
    wrong = client.post("/avoidable/shifts", data=sent | {"content": "x = 1"}, **preparer.cookie)
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert client.post("/avoidable/shifts", data=sent | {"csrf": "x"}, **preparer.cookie).status_code == 403


def test_the_api_and_the_files(filled: Estate, client: Client) -> None:
    viewer = Person(filled.engine, "vi", "viewer", now=NOW)
    preparer = Person(filled.engine, "prep", "sustainability_preparer", now=NOW)
    scoped = Person(filled.engine, "part", "viewer", units=["IT"], now=NOW)

    def asked(path: str, person: Person = viewer) -> Any:
        answer = client.get(f"/api/v1{path}", **person.bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    whole = asked("/carbon/energy?year=2025/26&by=site")
    assert whole["kwh"] == 10
    # The restricted site has no row of its own: with one other site there is but the total.
    assert [(row["key"], row["title"], row["kwh"]) for row in whole["rows"]] == [
        ("others", "other sites", 10)
    ]
    assert asked("/carbon/energy?year=2025/26", scoped)["kwh"] == 5
    assert asked("/carbon/energy?year=2026-03&unit=IT")["kwh"] == 5
    devices = asked("/carbon/energy/devices?year=2025/26")
    assert (devices["devices"], devices["kwh"]) == (1, 5)
    assert client.get("/api/v1/carbon/energy?unit=Nowhere", **viewer.bearer).status_code == 404
    refused = client.post("/api/v1/carbon/energy/rebuild", json={}, **viewer.bearer)
    assert refused.status_code == 403
    asked_for = client.post("/api/v1/carbon/energy/rebuild", json={"month": "2026-03"}, **preparer.bearer)
    assert asked_for.json() == {"months": ["2026-03"]}
    for table in ("energy?year=2025/26&", "energy-devices?year=2025/26&", "avoidable?"):
        answer = client.get(f"/export/{table}as=csv", **viewer.cookie)
        lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert lines[0][0].startswith("Protective marking")
        assert "Safe house" not in answer.text
    assert client.get("/export/avoidable-devices?as=csv", **viewer.cookie).status_code == 403


def test_the_page_of_an_estate_nothing_could_be_looked_at_in(estate: Estate, client: Client) -> None:
    estate.device(device_class="desktop", enrolled_at=1_700_000_000)
    avoidable.refresh(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    viewer = Person(estate.engine, "vi", "viewer", now=NOW)
    text = page(client, "/avoidable", viewer)
    assert text.count("not known") > len(avoidable.KINDS)  # each of them, and the total
    assert "Nothing was found" not in text
    assert client.get("/api/v1/carbon/avoidable", **viewer.bearer).json()["total"]["kwh"] is None


def test_the_commands(filled: Estate, tmp_path: Path) -> None:
    config = tmp_path / "roadworthy.toml"
    config.write_text(f'data = "{filled.path.parent}"\n')

    def run(*words: str, code: int = 0) -> str:
        answer = CliRunner().invoke(app, ["carbon", *words, "--config", str(config)])
        assert answer.exit_code == code, answer.output
        return answer.output

    told = json.loads(run("energy", "--year", "2025/26", "--by", "site", "--format", "json"))
    assert told["kwh"] == 10
    said = run("energy", "--year", "2025/26")
    assert "range" in said
    # Before the first fact nothing ever comes; a month with facts that the ledger lacks does.
    nothing = "2015/16: nothing is known: no device told anything of it, and unknown is not nought"
    assert nothing in run("energy", "--year", "2015/16")
    with write_transaction(filled.engine) as connection:
        connection.execute(delete(book_figures).where(book_figures.c.name.like("energy%.2026-04%")))
    assert "2026-04: nothing is known: no month of it is in the energy ledger yet" in run(
        "energy", "--year", "2026-04"
    )
    assert all(sentence in said for sentence in how_sure())
    assert "Protective marking" in run("energy", "--year", "2025/26", "--format", "csv")
    assert "unused outside" in run("avoidable")
    assert json.loads(run("avoidable", "--kind", "unused_on", "--format", "json"))[0]["hostname"] == "HOST-0"
    file = tmp_path / "shifts.toml"
    file.write_text('[calendar]\nmonday = ["07:00-19:00"]\n')
    assert "HQ" in run("shifts", "try", str(file))
    assert "saved" in run("shifts", "save", str(file))
    assert "monday" in run("shifts", "show")
    assert "months will be made anew" in run("rebuild")


def test_the_gauges_of_closed_months_and_years(filled: Estate) -> None:
    def gauges() -> dict[str, Any]:
        text = rollups_of(filled.engine, None, now=NOW)
        return {one.name: one for one in text_string_to_metric_families(text)}

    families = gauges()
    # Of 2025/26 something is told of March alone: beside whole years that would be a fall and a rise nobody made.
    assert not {"roadworthy_energy_year_joules", "roadworthy_carbon_year_kgco2e"} & families.keys()
    assert {(one.labels["year"], one.value) for one in families["roadworthy_energy_year_months"].samples} == {
        ("2025", 1.0), ("2026", 2.0),
    }  # fmt: skip
    with write_transaction(filled.engine) as connection:
        for month in financial_year(2025).months[:-1]:
            content = {"month": month, "closed": True, "digest": "", "sums": {"month": {}, "place": {}}}
            figures.write(connection, f"energy.{month}", content, NOW, 0.0)
    fleet.compute(Work(filled.engine, filled.settings(), clock=lambda: NOW, rests=False))
    families = gauges()

    def value(name: str, **wanted: str) -> float:
        (sample,) = [one for one in families[name].samples if wanted.items() <= one.labels.items()]
        return sample.value

    assert value("roadworthy_energy_month_joules", quality="metered", month="2026-03") == 10 * KWH
    assert value("roadworthy_energy_year_joules", quality="metered", year="2025") == 10 * KWH
    assert value("roadworthy_energy_month_share_ratio", quality="metered", month="2026-03") == 1
    assert value("roadworthy_carbon_year_kgco2e", scope="scope2_location", year="2025") == pytest.approx(1.77)
    assert "roadworthy_avoidable_joules" not in families  # of fewer than five devices: how a few people work
    assert "2026-06" not in str(families["roadworthy_energy_month_joules"].samples)  # it is still open
