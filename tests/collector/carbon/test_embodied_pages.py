"""Embodied carbon of the register and keep or replace, by store, API, page and command: what is unknown is counted."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from support.estates import NOW, Estate
from support.people import Person
from support.web import client_of
from typer.testing import CliRunner

from roadworthy_collector.carbon import embodied, keep_or_replace, settings_edition
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.embodied import Item, by_year_of_purchase, per_year_of_life
from roadworthy_inventory.replacement_data import footprints

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
TODAY = dt.date(2026, 9, 21)
LAPTOP, DESKTOP = (156.0, 241.0, 339.0), (196.0, 301.0, 489.0)


def item(
    estate: Estate, tag: str, kind: str = "laptop", bought: str | None = "2025-05-01", **values: Any
) -> int:
    site = values.pop("site", "HQ")
    restricted = values.pop("restricted", False)
    row = {
        "tag": tag,
        "kind": kind,
        "purchased": bought,
        "lifecycle_state": "deployed",
        "usage_profile": "personal",
        "updated_at": 1,
        "site": None if site is None else estate.site(site, restricted=restricted),
        "unit": estate.unit(values.pop("unit", "IT")),
    } | values
    with write_transaction(estate.engine) as connection:
        return int(
            connection.execute(
                insert(register_items).values(**row).returning(register_items.c.id)
            ).scalar_one()
        )


def link(estate: Estate, item: int, device: int) -> None:
    estate.put(register_devices, item=item, device=device, valid_from="2025-05-01", matched_on=["serial"])


def cells(estate: Estate, scope: Any = None) -> list[embodied.Cell]:
    with estate.engine.connect() as connection:
        return embodied.read(connection, scope)


def test_the_sums_are_those_of_the_items_one_by_one(estate: Estate) -> None:
    bought = ["2025-05-01", "2025-05-01", "2024-04-01", "2026-03-31", None]
    for number, day in enumerate(bought):
        item(estate, f"L{number}", bought=day)
    item(estate, "D1", "desktop", "2025-06-01", unit="Custody", site="South")
    item(estate, "N1", "network", "2025-06-01", site=None)
    item(estate, "O1", lifecycle_state="ordered")  # not made for us yet
    item(estate, "G1", "monitor", "2019-01-01", lifecycle_state="disposed")  # made all the same
    held = cells(estate)
    alone = [Item(cell.item_class, cell.purchased) for cell in held for _ in range(cell.items)]
    assert len(alone) == 8
    whole = by_year_of_purchase(alone)
    found = embodied.of_purchase(held, 2025)
    assert found.kgco2e == pytest.approx(whole[2025].kgco2e)
    assert (found.items, found.unknown) == (5, 1)  # the network's is not nought
    life = per_year_of_life(alone, 2025)
    found = embodied.of_life(held, 2025)
    assert found.kgco2e == pytest.approx(life.kgco2e)
    assert (found.items, found.unknown) == (life.items, life.unknown)
    rows = embodied.by_purchase(held)
    assert [row.title for row in rows] == ["2025/26", "2024/25", "2018/19", "not known when"]
    assert rows[0].embodied.kgco2e.likely == pytest.approx(3 * LAPTOP[1] + DESKTOP[1])
    for by in embodied.GROUPS:
        for view, all_ in (("purchase", embodied.of_purchase(held, 2025)), ("life", life)):
            groups = embodied.grouped(held, 2025, view, by)
            assert sum(row.embodied.items for row in groups) == all_.items
            assert sum(row.embodied.kgco2e.likely for row in groups) == pytest.approx(all_.kgco2e.likely)


def test_an_item_of_no_known_kind_is_what_its_device_says(estate: Estate) -> None:
    link(estate, item(estate, "X1", "unknown"), estate.device(device_class="laptop"))
    item(estate, "X2", "unknown")
    estate.device(device_class="desktop")
    estate.device(device_class="desktop", retired_at=1)
    found = embodied.of_purchase(cells(estate), 2025)
    assert (found.kgco2e.likely, found.items, found.unknown) == (LAPTOP[1], 2, 1)
    with estate.engine.connect() as connection:
        assert embodied.without_item(connection) == 1


def test_restricted_sites_are_in_totals_only_and_units_are_the_readers_own(estate: Estate) -> None:
    item(estate, "SECRET", site="Annexe R", restricted=True)
    item(estate, "OPEN")
    item(estate, "THEIRS", unit="Custody")
    with estate.engine.connect() as connection:
        found = embodied.overview(connection, 2025)
        assert found["purchase"]["items"] == 3
        assert "Annexe R" not in json.dumps(found)
        # No row is the restricted site's own, nor the difference of two.
        (row,) = found["groups"]["purchase"]["site"]
        assert (row["title"], row["items"]) == ("other sites", 3)
        page = embodied.list_items(connection, embodied.Wanted(2025))
        assert ([row["tag"] for row in page.rows], page.restricted) == (["OPEN", "THEIRS"], 1)
        mine = frozenset({estate.unit("Custody")})
        assert embodied.overview(connection, 2025, mine)["purchase"]["items"] == 1
        rows = embodied.list_items(connection, embodied.Wanted(), scope=mine).rows
    assert [row["tag"] for row in rows] == ["THEIRS"]


def test_the_items_behind_a_figure_page_by_page(estate: Estate) -> None:
    for number in range(5):
        item(estate, f"L{number}")
    item(estate, "U1", bought=None, site=None)
    item(estate, "D1", "desktop", "2024-05-01")
    with estate.engine.connect() as connection:

        def tags(**wanted: Any) -> list[str]:
            return [row["tag"] for row in embodied.list_items(connection, embodied.Wanted(**wanted)).rows]

        first = embodied.list_items(connection, embodied.Wanted(2025), limit=3)
        rest = embodied.list_items(connection, embodied.Wanted(2025), after=first.next or 0, limit=3)
        assert [row["tag"] for row in first.rows + rest.rows] == [f"L{number}" for number in range(5)]
        assert rest.next is None
        assert tags(undated=True) == ["U1"]
        assert tags(item_class="desktop") == ["D1"]
        assert tags(site="not stated") == ["U1"]
        assert tags(bought=2025, unit="nowhere") == []


def used(estate: Estate, device: int, kwh: float, days: int = 200, month: str = "2026-06-01") -> None:
    joules = round(kwh * 3_600_000)
    row = {
        "metered_joules": 0, "sensor_joules": joules, "modelled_joules": 0, "assumed_joules": 0, "low_joules": joules * 0.9,
        "high_joules": joules * 1.1, "unknown_seconds": 0, "days": days, "site": 1, "unit": 1,
    }  # fmt: skip
    estate.put(energy_devices, device=device, month=month, **row)


def compare(estate: Estate, **values: Any) -> keep_or_replace.KeepOrReplace:
    with estate.engine.connect() as connection:
        return keep_or_replace.compare(connection, TODAY, **values)


def test_keep_or_replace_from_what_the_devices_drew(estate: Estate) -> None:
    for number in range(3):
        device = estate.device(device_class="desktop", model="OptiPlex")
        link(estate, item(estate, f"D{number}", "desktop"), device)
        if number < 2:
            used(estate, device, 100.0, days=365)
        else:
            used(estate, device, 5.0, days=10)  # too few days to tell a year by
    item(estate, "L1", model="ThinkPad")
    item(estate, "P1", "dock")
    estate.device(device_class="desktop", model="Secret", site="Annexe R", restricted=True)
    # A UPS hands on what others use, and nobody publishes what a new one takes; a controller is part of its server.
    used(estate, estate.device(device_class="ups", model="Smart"), 900.0, days=365)
    used(estate, estate.device(device_class="controller", model="iLO"), 300.0, days=365)
    found = compare(estate, new_class="laptop")
    desktop, laptop = found.rows
    assert (desktop.model, desktop.devices, desktop.told, desktop.known) == ("OptiPlex", 3, 2, "ledger")
    year = 100 * 365.25 / 365
    assert desktop.kwh == pytest.approx((0.9 * year, year, 1.1 * year))
    assert desktop.saved_kwh == pytest.approx((0.9 * year - 28, year - 19, 1.1 * year - 13))
    likely = LAPTOP[1] / ((year - 19) * 0.13096)
    assert desktop.break_even.likely_years == pytest.approx(likely)
    assert desktop.break_even.early_years == pytest.approx(LAPTOP[0] / ((1.1 * year - 13) * 0.13096))
    assert (laptop.model, laptop.known, laptop.break_even.likely_years) == ("ThinkPad", "typical", None)
    assert laptop.why_no_appraisal == "no appraisal terms are in the carbon settings"
    assert found.left_out == {"dock": 1, "ups": 1}
    assert found.factor.set_year == 2026
    assert compare(estate).rows[0].new_class == "desktop"
    with pytest.raises(RoadworthyError, match="replaced by one of"):
        compare(estate, new_class="abacus")


def test_the_figure_on_the_page_about_typical_devices(estate: Estate) -> None:
    """A desktop's 57 kWh to a laptop's 19 saves 5.0 kg a year: 31 to 68 years at both ends of making."""
    item(estate, "D1", "desktop")
    (row,) = compare(estate, new_class="laptop").rows
    saved = row.saved_kwh.likely * 0.13096
    assert saved == pytest.approx(5.0, abs=0.03)
    assert (round(LAPTOP[0] / saved), round(LAPTOP[2] / saved)) == (31, 68)


@ONE_STORE
def test_appraisal_stands_apart(estate: Estate) -> None:
    item(estate, "D1", "desktop")
    terms = (
        "[appraisal]\nsource = 'a table'\nmarginal_kgco2e_per_kwh = {YEARS}\nvalue_gbp_per_tco2e = {YEARS2}"
    )
    years = ", ".join(f"{year} = 0.2" for year in range(2026, 2030))
    values = ", ".join(f"{year} = 300" for year in range(2026, 2030))
    for marginal, says in (
        (years, None),
        ("2026 = 0.2", "no marginal factor is loaded for 2027, 2028, 2029"),
    ):
        text = terms.replace("YEARS2", values).replace("YEARS", marginal)
        with write_transaction(estate.engine) as connection:
            settings_edition.save(connection, text, actor="pam", now=1)
        (row,) = compare(estate, new_class="laptop").rows
        assert row.why_no_appraisal == says
        assert (row.appraisal is None) == (says is not None)
        if row.appraisal is not None:
            assert row.appraisal.saved_kgco2e.likely == pytest.approx(38 * 0.2 * 4 - 241)


def test_the_table_on_the_page_is_the_one_that_ships() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reports" / "embodied.md").read_text("utf-8")
    for name, row in footprints().items():
        title = "desktop, all-in-one" if name == "desktop" else name
        cells = " | ".join(f"{figure:,.0f}" for figure in row.embodied_kgco2e)
        assert f"| {title} | {cells} |" in page


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@ONE_STORE
def test_by_page_api_and_command(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.path.parent))
    monkeypatch.setenv("COLUMNS", "200")
    vera = Person(estate.engine, "vera", "viewer")
    client = client_of(estate.engine, estate.path.parent, NOW)
    assert "The register is empty" in said(client.get("/embodied", **vera.cookie).text)
    link(estate, item(estate, "A<1>", model="Think<Pad>"), estate.device(device_class="laptop"))
    item(estate, "D&1", "desktop", unit="R&D")
    page = client.get("/embodied?year=2025/26&with=laptop", **vera.cookie)
    assert page.status_code == 200
    assert "0.5 t" in said(page.text)  # 241 and 301 kg
    address = html.unescape(
        next(one for one in re.findall(r'href="(/embodied/items[^"]+)"', page.text) if "unit=R" in one)
    )
    assert "D&1" in said(client.get(address, **vera.cookie).text)
    assert "A<1>" not in said(client.get(address, **vera.cookie).text)
    for path, status in (
        ("/embodied?year=soon", 422),
        ("/embodied/items?bought=soon", 422),
        ("/embodied/items?bought=unknown&after=x", 200),
        ("/embodied/items?after=99999999999999999999999", 200),
    ):
        assert client.get(path, **vera.cookie).status_code == status
    found = client.get("/api/v1/carbon/embodied?year=2025/26", **vera.bearer).json()
    assert (found["purchase"]["items"], found["groups"]["life"]["class"][0]["name"]) == (2, "desktop")
    rows = client.get("/api/v1/carbon/embodied/items?bought=2025/26&class=laptop", **vera.bearer).json()[
        "rows"
    ]
    assert [(row["tag"], row["class"], row["kgco2e"]) for row in rows] == [("A<1>", "laptop", list(LAPTOP))]
    models = client.get("/api/v1/carbon/keep-or-replace?with=laptop", **vera.bearer).json()
    assert {row["known"] for row in models["rows"]} == {"typical"}
    assert client.get("/api/v1/carbon/embodied?year=x", **vera.bearer).status_code == 422
    client.close()
    run = CliRunner().invoke
    assert (
        json.loads(run(app, ["carbon", "embodied", "--year", "2025/26", "--format", "json"]).output) == found
    )
    assert "bought in the year" in run(app, ["carbon", "embodied", "--year", "2025/26"]).output
    assert "never" in run(app, ["carbon", "keep-or-replace"]).output
