"""Returns out of the collector's own data: billed or ICT alone, the year before, contracts, e-waste, what nobody told."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import insert, update
from support.estates import Estate
from support.people import Person
from support.web import client_of
from typer.testing import CliRunner

from roadworthy_collector.carbon import (
    energy,
    ict_return,
    meter_days,
    returns,
    settings_edition,
    supplies,
    without_agent,
)
from roadworthy_collector.carbon import estate as energy_estate
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.snmp import feeding
from roadworthy_collector.store import carbon_schema, schema
from roadworthy_collector.store.books_schema import batches, disposals, register_devices, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_day, local_days

ZONE = "Europe/London"
TODAY = dt.date(2026, 6, 10)
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
MPAN, MPRN = "1200012345679", "1234567890"
RULE = 'factor_rule = "majority"\n'


def save(estate: Estate, text: str) -> None:
    with write_transaction(estate.engine) as connection:
        settings_edition.save(connection, text, actor="pam", now=int(NOW))


def day_of(estate: Estate, device: int, day: str, kwh: int, site: str = "HQ") -> None:
    """Put a metered day of a device."""
    span = local_day(dt.date.fromisoformat(day), ZONE)
    states = {f"{name}_seconds": 0 for name in ("in_use", "idle", "locked", "asleep", "off", "unobserved")}
    row = {
        "device": device, "site": estate.site(site), "unit": estate.unit("IT"), "periods": span.periods, "startups": 0,
        "observed_seconds": 0, "joules": {"wall": {"metered": kwh * 3_600_000}}, **states,
    }  # fmt: skip
    estate.put(schema.local_days, date=day, start=span.start, half_hours=span.periods, **row)


def ledger(estate: Estate) -> None:
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    while energy.refresh(work):
        pass


def metered(estate: Estate, kwh_a_day: int, first: str, last: str, number: str = MPAN) -> None:
    """Put every day of a supply, one figure a day."""
    with write_transaction(estate.engine) as connection:
        supply = supplies.save(connection, number, actor="pam", now=1)
        values = {
            "kind": "meters",
            "format": "x",
            "made_at": 1,
            "made_by": "pam",
            "rows_read": 1,
            "rows_good": 1,
            "rows_bad": 0,
        }
        batch = connection.execute(insert(batches).values(**values).returning(batches.c.id)).scalar_one()
        rows = []
        for day, span in local_days(dt.date.fromisoformat(first), dt.date.fromisoformat(last), ZONE):
            half_hours = [0] * (span.periods - 1) + [kwh_a_day * 1000]
            rows.append(
                {
                    "supply": supply,
                    "day": day.isoformat(),
                    "channel": "import",
                    "half_hours": meter_days.pack(half_hours),
                    "statuses": "A" * span.periods,
                    "kwh_thousandths": kwh_a_day * 1000,
                    "batch": batch,
                }
            )
        connection.execute(insert(carbon_schema.meter_days), rows)


def secr(estate: Estate, began: int = 2025, **values: Any) -> returns.SecrReturn:
    with estate.engine.connect() as connection:
        return returns.secr(connection, began, today=TODAY, zone=ZONE, **values)


def ggc(estate: Estate, began: int = 2025) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        return dict(ict_return.told(ict_return.ggc(connection, began, today=TODAY, zone=ZONE)))


def test_a_rule_has_to_be_chosen_and_a_year_begun(estate: Estate) -> None:
    with pytest.raises(RoadworthyError, match="no factor rule is chosen"):
        secr(estate)
    save(estate, RULE)
    with pytest.raises(RoadworthyError, match="has not begun"):
        secr(estate, 2027)
    with pytest.raises(RoadworthyError, match="no supply of electricity has a reading"):
        secr(estate, basis="billed")


def test_without_a_meter_the_table_is_of_ict_alone_and_says_so(estate: Estate) -> None:
    save(estate, RULE)
    estate.device(device_class="laptop", enrolled_at=0)
    day_of(estate, 1, "2025-05-05", 3)
    day_of(estate, 1, "2025-05-06", 4, site="Kitchen table")
    with write_transaction(estate.engine) as connection:
        connection.execute(
            update(schema.sites).where(schema.sites.c.name == "Kitchen table").values(kind="home")
        )
    ledger(estate)
    found = secr(estate)
    assert found.basis == "ict"
    assert (found.inputs.electricity_kwh, found.inputs.home_kwh) == (3, 4)
    assert found.table.row("scope2_location").value == 3 * Fraction("0.177") / 1000
    assert found.inputs.gas_kwh is None
    assert found.table.row("intensity_fte").reason == "not counted"
    assert found.prior is None
    assert found.published is None
    assert any("not every month" in note for note in found.notes)


def test_the_billed_table_with_contracts_and_the_year_before(estate: Estate) -> None:
    metered(estate, 100, "2024-04-01", "2025-03-31")
    metered(estate, 80, "2025-04-01", "2026-03-31")
    save(
        estate,
        RULE
        + f"""
boundary = "all sites"
[years."2025/26"]
fte = 50
revenue_gbp_m = 2.5
transport_tco2e = 3.25
[years."2024/25"]
published_tco2e = 7.0
not_comparable = ["The annexe joined."]
[base_year]
year = "2024/25"
tco2e = 10
threshold_percent = 5
[[target]]
by = "2028/29"
reduction_percent = 40
source = "decision 12"
[[contract]]
supply = "{MPAN}"
from = 2026-01-01
kgco2e_per_kwh = 0.01
source = "certificates"
""",
    )
    found = secr(estate)
    assert found.basis == "billed"
    assert found.metered.electricity_kwh == 365 * 80
    assert found.metered.missing_half_hours == 0
    location = 365 * 80 * Fraction("0.177") / 1000
    assert found.table.row("scope2_location").value == location
    gross = location + Fraction("3.25")
    assert found.table.row("gross").value == gross
    assert found.table.row("intensity_fte").value == gross / 50
    # 90 days under the contract, the rest at the location-based factor: no residual mix is held.
    market = (90 * 80 * Fraction("0.01") + 275 * 80 * Fraction("0.177")) / 1000
    assert found.table.row("scope2_market").value == market
    assert found.inputs.contract is not None
    assert "22,000 kWh under no contract" in found.inputs.contract.source
    assert found.prior is not None
    assert found.prior.row("scope2_location").value == 365 * 100 * Fraction("0.20705") / 1000
    assert found.published is not None
    assert found.published.state == "restated"
    assert found.published.restated == returns.gross(found.prior)
    assert found.prior_says == "2024/25 restated: The annexe joined."
    (standing,) = found.targets
    assert standing.progress.allowed.tonnes == 9
    assert standing.progress.on_line
    assert found.boundary == "all sites"
    with estate.engine.connect() as connection:
        _, rows = ict_return.scotland(connection, 2025, today=TODAY, zone=ZONE)
    electricity = next(row for row in rows if row.scope == 2)
    assert (electricity.consumption, electricity.factor) == (29_200, Fraction("0.177"))


def test_missing_half_hours_are_said(estate: Estate) -> None:
    save(estate, RULE)
    metered(estate, 10, "2025-04-01", "2025-04-02")
    found = secr(estate)
    assert found.metered.electricity_kwh == 20
    assert found.metered.missing_half_hours == 17_520 - 96
    assert "half-hours have no figure" in found.notes[0]


def as_in_the_report(estate: Estate, groups: dict[str, Any]) -> None:
    """Devices without an agent have the carbon report's figures; what is network or power is no end-user device."""
    # What a management controller reads is its server's.
    assert (groups["servers_on_site"]["count"], groups["servers_on_site"]["kwh"][1]) == (2, 5 + 17)
    with estate.engine.connect() as connection:
        period = energy_estate.financial_year(2025)
        apart = without_agent.read(connection, period, zone=ZONE, now=NOW).told()["rows"]
    (printers,) = (one for one in apart if one["class"] == "printer")
    assert [round(one, 3) for one in groups["printing"]["kwh"]] == [
        printers[name] for name in ("low_kwh", "kwh", "high_kwh")
    ]
    network = groups["network"]
    (ups,) = (one["kwh"] for one in apart if one["class"] == "ups")
    # The register's switch may be the polled one, and is taken off.
    assert (network["count"], round(network["kwh"][1], 3)) == (3, round(11 + 13 + ups, 3))
    assert "of them 1 PDUs with 13 kWh" in network["how_known"]
    assert "1 ups without an agent (assumed: " in network["how_known"]


def test_the_ict_return_by_asset_group(estate: Estate) -> None:
    save(
        estate,
        RULE
        + """
[years."2025/26"]
home_hours = 1250
cooling_kwh = 900
[[hosting]]
year = "2025/26"
name = "Records"
kwh = [10, 20, 40]
source = "statement"
[[hosting]]
year = "2025/26"
name = "Mail"
source = "letter of 3 May"
""",
    )
    for device_class in ("laptop", "server", "laptop", "laptop", "switch", "pdu", "controller", "unknown"):
        estate.device(device_class=device_class, enrolled_at=0, hostname=f"{device_class}-x")
    with write_transaction(estate.engine) as connection:
        for name in ("switch-x", "pdu-x"):  # nothing known hangs on them, so what they draw is their own
            feeding.state(connection, name, "", None, dt.date(2025, 4, 1), now=int(NOW) - 60, actor="pam")
    for number, kwh in ((5, 11), (6, 13), (7, 17), (8, 19)):
        day_of(estate, number, "2025-05-05", kwh)
    day_of(estate, 1, "2025-05-05", 3)
    day_of(estate, 2, "2025-05-05", 5)
    day_of(estate, 3, "2025-05-05", 7, site="Home")
    with write_transaction(estate.engine) as connection:
        connection.execute(update(schema.sites).where(schema.sites.c.name == "Home").values(kind="home"))
        words = {"lifecycle_state": "deployed", "usage_profile": "shared", "updated_at": 1}
        for tag, kind in (
            ("M1", "monitor"),
            ("M2", "monitor"),
            ("P1", "printer"),
            ("N1", "network"),
            ("U1", "ups"),
            ("L1", "laptop"),
        ):
            key = connection.execute(
                insert(register_items).values(tag=tag, kind=kind, **words).returning(register_items.c.id)
            ).scalar_one()
            if kind == "laptop":  # an agent of which nothing came in that year
                silent = connection.execute(
                    insert(register_items).values(tag="L2", kind=kind, **words).returning(register_items.c.id)
                ).scalar_one()
                for number, one in ((1, key), (4, silent)):
                    link = {"item": one, "device": number, "valid_from": "2025-01-01", "matched_on": []}
                    connection.execute(insert(register_devices).values(**link))
        gone = words | {"lifecycle_state": "disposed", "kind": "laptop"}
        for number, (route, grams, left) in enumerate(
            (("reuse", 2000, "2025-06-01"), ("recycling", 1500, "2026-03-31"), ("destruction", 500, "2025-04-01"),
             ("recycling", None, "2025-07-01"), ("recycling", 9000, "2026-04-01"), ("unknown", 1, None),
             ("energy_recovery", 250, "2025-08-01"), ("landfill", 750, "2025-08-01"))
        ):  # fmt: skip
            key = connection.execute(
                insert(register_items).values(tag=f"G{number}", **gone).returning(register_items.c.id)
            ).scalar_one()
            connection.execute(insert(disposals).values(item=key, route=route, weight_grams=grams, left=left))
    ledger(estate)
    found = ggc(estate)
    groups = {one["group"]: one for one in found["groups"]}
    end_user = groups["end_user"]
    # A laptop by its agent, one whose agent told nothing, two monitors by the register; not the one at home.
    assert end_user["count"] == 4
    assert "1 items whose agents told nothing of this year" in end_user["how_known"]
    assert end_user["kwh"][1] == pytest.approx(3 + 2 * 41, rel=1e-3)  # a typical year has 365.25 days
    assert end_user["kwh"][2] == pytest.approx(3 * 1.02 + 2 * 89, rel=1e-3)
    assert "2 monitor without an agent (assumed: makers' typical year)" in end_user["how_known"]
    assert "metered 100%" in end_user["how_known"]
    assert groups["home_workers"]["kwh"][1] == 7
    as_in_the_report(estate, groups)
    assert groups["cooling"]["kwh"] == [900, 900, 900]
    assert (groups["hosting"]["count"], groups["hosting"]["kwh"]) == (2, [10, 20, 40])
    assert groups["hosting"]["unknown"] == "supplier could not say: Mail"
    assert found["groups_unknown"] == []
    assert found["known_tco2e"][1] == pytest.approx(found["known_kwh"][1] * 0.177 / 1000)
    assert found["e_waste_kg"] == {
        "reused": 2.0, "recycled": 1.5, "recovered": 0.25, "landfill": 0.75, "unknown": 0.5, "total": 5.0,
    }  # fmt: skip
    assert {one["became"]: (one["items"], one["not_weighed"]) for one in found["e_waste"]} == {
        "reused": (1, 0), "recycled": (2, 1), "recovered": (1, 0), "landfill": (1, 0), "unknown": (1, 0),
    }  # fmt: skip
    assert (found["e_waste_items"], found["e_waste_not_weighed"], found["left_undated"]) == (6, 1, 1)
    assert found["home_hours"] == 1250
    # 7 kWh by an agent over these hours, beside 150 W of the published method.
    assert found["home"] == {
        "hours": 1250.0, "published_watts": 150, "published_kwh": 187.5, "agents_kwh": 7.0, "agents_watts": 5.6,
    }  # fmt: skip
    assert "6 W for an hour worked at home" in groups["home_workers"]["how_known"]
    assert any(
        "1 devices of class unknown (19 kWh as told) are in no asset group" in note for note in found["notes"]
    )


def test_an_empty_collector_knows_nothing_and_says_so(estate: Estate) -> None:
    save(estate, RULE)
    found = ggc(estate)
    assert found["home"] is None
    assert {one["unknown"] for one in found["groups"] if one["group"] != "home_workers"} == {"not counted"}
    assert found["e_waste_kg"] is None


def test_hours_at_home_are_counted_by_the_published_method_where_no_agent_tells(estate: Estate) -> None:
    save(estate, RULE + '[years."2025/26"]\nhome_hours = 2000\n')
    found = ggc(estate)
    home = next(one for one in found["groups"] if one["group"] == "home_workers")
    assert home["kwh"] == [300, 300, 300]
    assert home["tco2e"][1] == pytest.approx(300 * 0.177 / 1000)
    assert home["how_known"].endswith("without heating (assumed)")
    assert home["unknown"] == "no count of devices"
    assert found["home"]["agents_kwh"] is None


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@ONE_STORE
def test_by_page_api_and_command(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.path.parent))
    monkeypatch.setenv("COLUMNS", "250")
    vera = Person(estate.engine, "vera", "viewer", now=NOW)
    estate.unit("Traffic")
    una = Person(estate.engine, "una", "viewer", ["Traffic"], now=NOW)
    client = client_of(estate.engine, estate.path.parent, NOW)
    page = client.get("/carbon/returns", **vera.cookie)
    assert page.status_code == 422
    assert "no factor rule is chosen" in said(page.text)
    save(estate, RULE + 'boundary = "<all> sites"')
    metered(estate, 100, "2025-04-01", "2026-03-31")
    for kind, says in (
        ("ggc", "End-user devices"),
        ("scotland", "Grid electricity"),
        ("secr", "Purchased electricity"),
    ):
        page = client.get(f"/carbon/returns?kind={kind}&year=2025/26", **vera.cookie)
        assert page.status_code == 200
        assert says in said(page.text)
        assert "&lt;all&gt; sites" in page.text
        found = client.get(f"/api/v1/carbon/returns/{kind}?year=2025/26", **vera.bearer).json()
        assert found["kind"] == kind
        done = CliRunner().invoke(app, ["carbon", "returns", kind, "--year", "2025/26", "--format", "json"])
        assert json.loads(done.output) == found
        assert (
            "factor set 2025"
            in CliRunner().invoke(app, ["carbon", "returns", kind, "--year", "2025/26"]).output
        )
    commands = (["returns", "ggc", "--year", "2025/26"], ["energy"], ["embodied", "--year", "2025/26"])
    for simulated in (False, True):
        with write_transaction(estate.engine) as connection:
            mine = update(schema.estate).where(schema.estate.c.name == "simulated")
            connection.execute(mine.values(value=str(simulated).lower()))
        for one in commands:
            printed = CliRunner().invoke(app, ["carbon", *one]).output
            assert printed.startswith("SIMULATED IT ESTATE") == simulated, one
        csv_text = CliRunner().invoke(app, ["carbon", "energy", "--format", "csv"]).output
        assert ("SIMULATED IT ESTATE" in csv_text) == simulated
    assert client.get("/carbon/returns?year=soon", **vera.cookie).status_code == 422
    assert client.get("/carbon/returns", **una.cookie).status_code == 403
    assert client.get("/api/v1/carbon/returns/ggc?year=2025/26", **una.bearer).status_code == 403
    assert client.get("/api/v1/carbon/returns/sums?year=2025/26", **vera.bearer).status_code == 422
    client.close()
