"""The pages of power and printers and of single polled devices, and their form, as people of different roles meet them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.console.power import MOST_ROWS
from roadworthy_collector.snmp.shown import count_units
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.schema import energy_days
from roadworthy_collector.store.snmp_schema import feeds, snmp_targets

pytestmark = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


def told(*readings: dict[str, Any], watts: float | None = None, **flags: bool) -> dict[str, Any]:
    energy = [] if watts is None else [{"scope": "wall", "latest_watts": watts, "quality": "metered"}]
    return {"now": {"energy": energy, "readings": list(readings), "flags": flags or None}}


def reading(kind: str, value: float | None = None, **parts: Any) -> dict[str, Any]:
    usual = {"name": kind, "kind": kind, "place": "system", "quality": "sensor", "source": "snmp x 1.3.6"}
    return usual | ({} if value is None else {"value": value}) | parts


UPS = told(
    reading("charge", 0.97, place="battery"),
    reading("runtime", 1440.0),
    reading("load", 0.31),
    reading(
        "active_power", 812.0, name="output_power", place="output", quality="metered", relative_error=0.02
    ),
    reading("energy", 4_127_850.0, name="output_energy", place="output"),
    watts=812.0,
    battery_replace=True,
    on_battery=False,
)


def test_what_each_device_told_is_there_and_what_it_did_not_is_said(estate: Estate, client: Client) -> None:
    estate.device(hostname="ups-1", device_class="ups", now=UPS)
    estate.device(hostname="pdu-old", device_class="pdu", now={"at": int(NOW) - 86400, **told(watts=5.0)})
    supply = reading("supply", 0.07, label="Black toner")
    pages = told(reading("page_count", 48_211.0), supply, reading("state", text="idle"))
    estate.device(hostname="prn-3", device_class="printer", now=pages)
    failing = {"outcome": "no_answer", "reason": "pdu-9: no answer <b>", "failures": 4}
    estate.put(snmp_targets, name="pdu-9", host="10.0.0.9", protocol="snmp", polled_at=int(NOW), **failing)
    page = client.get("/power")
    assert page.status_code == 200
    for words in ("812 W", "metered", "97.0%", "lasts 24 min", "battery replace", "48,211", "Black toner"):
        assert words in page.text, words
    assert "state: idle" in page.text
    assert "on battery" not in page.text
    assert ">5 W" not in page.text  # a day old is not now
    assert "does not answer" in page.text
    assert "pdu-9: no answer &lt;b&gt;" in page.text


def test_a_polled_device_has_a_page_of_its_own_without_what_it_cannot_have(
    estate: Estate, client: Client
) -> None:
    hardware = {"vendor": "Fir", "serial": "F-1", "firmware": "3.12", "battery_replaced": "2023-11-02"}
    ups = estate.device(hostname="ups-1", device_class="ups", now=UPS, facts={"hardware": hardware})
    pdu = estate.device(hostname="pdu-1", device_class="pdu")
    refused = [{"name": "efficiency", "index": "", "code": "sentinel", "reason": "-1: <none>"}]
    row = {"name": "ups 1", "host": "10.0.0.9", "protocol": "snmp", "outcome": "ok", "profile": "ups-mib"}
    estate.put(snmp_targets, device=ups, refused=refused, **row)
    hangs = {"feeder": ups, "outlet": "", "fed": pdu, "valid_from": "2026-01-01", "source": "targets"}
    estate.put(feeds, stated_at=int(NOW), **hangs)
    page = client.get(f"/devices/{estate.device_id(ups)}")
    assert page.status_code == 200
    for words in (
        "812 W",
        "4,127.9 kWh",
        "97.0%",
        "within 2.0%",
        "3.12",
        "2023-11-02",
        "-1: &lt;none&gt;",
        "ups-mib",
    ):
        assert words in page.text, words
    assert f'href="/devices/{estate.device_id(pdu)}"' in page.text
    for words in ("Start-ups", "Sign-ins", "Memory", "Processor", "Disks", "Operating system", "the agent"):
        assert words not in page.text.partition("<main")[2], words
    fed = client.get(f"/devices/{estate.device_id(pdu)}").text
    assert f'href="/devices/{estate.device_id(ups)}"' in fed
    assert "the targets file" in fed
    assert "By another collector" in fed  # this one polls no target that is this device


def test_energy_of_a_polled_device_says_what_was_measured(estate: Estate, client: Client) -> None:
    """Its half-hours are kept as those of a wall socket, whatever was read: the page says what it was."""
    rows = [
        ("pdu", "apc-rpdu2, input", "metered", "At the wall", "metered (a meter at the wall)"),
        ("ups", "apc-ups, output", "metered", "What the UPS gives out", "metered (a meter in the device)"),
        ("controller", "hpe-ilo, system", "sensor", "The server, as its controller tells", "sensor"),
        ("switch", "power-ethernet, poe, power integrated", "sensor", "What is given out over its", "sensor"),
    ]
    told = {"scope": "wall", "joules": 3_600_000, "counter_end_joules": 3_600_000, "covered_seconds": 1800}
    day = int(NOW) // 86400 * 86400 - 86400
    for device_class, source, quality, of, known in rows:
        device = estate.device(hostname=device_class, device_class=device_class)
        estate.put(energy_days, device=device, day=day, quality=quality, source=f"snmp {source}", **told)
        text = client.get(f"/devices/{estate.device_id(device)}").text
        row = text.partition('id="electricity"')[2].partition("</section>")[0]
        assert f'<th scope="row">{of}' in row, device_class
        assert f">{known}" in row, device_class
        assert ("At the wall" in row) is (device_class == "pdu")


def test_a_page_says_whether_what_was_measured_counts(estate: Estate, client: Client) -> None:
    """As the ledger has it: a unit nobody spoke of is in no sum, a controller counts in its server's stead."""
    ids = {name: estate.device(hostname=name, device_class=name) for name in ("pdu", "controller", "ups")}
    hidden = estate.device(hostname="vault", site="Vault", restricted=True)
    hangs = {"outlet": "", "valid_from": "2026-01-01", "source": "stated", "stated_at": int(NOW)}
    estate.put(feeds, feeder=ids["ups"], fed=hidden, **hangs)
    text = {name: client.get(f"/devices/{estate.device_id(one)}").text for name, one in ids.items()}
    assert "in no sum of the energy ledger" in text["pdu"]
    assert "counts in its server" in text["controller"]
    assert "in no sum" not in text["controller"] + text["ups"]
    assert "restricted site" in text["ups"]
    assert "vault" not in text["ups"]


def test_a_polled_device_opens_without_a_reason_and_its_server_shows_what_feeds_it(
    estate: Estate, client: Client
) -> None:
    pdu = estate.device(hostname="pdu-1", device_class="pdu", now=told(watts=10.0))
    server = estate.device(hostname="srv-1", device_class="server")
    hangs = {"feeder": pdu, "outlet": "3", "fed": server, "valid_from": "2026-01-01", "source": "stated"}
    estate.put(feeds, stated_at=int(NOW), stated_by="kay", **hangs)
    desk = Person(estate.engine, "del", "service_desk")
    page = client.get(f"/devices/{estate.device_id(pdu)}", **desk.cookie)
    assert (page.status_code, "10 W" in page.text) == (200, True)
    asked = client.get(f"/devices/{estate.device_id(server)}", **desk.cookie).text
    assert "What feeds what" not in asked  # a server's page asks for a reason first
    viewer = Person(estate.engine, "vic", "viewer")
    shown = client.get(f"/devices/{estate.device_id(server)}", **viewer.cookie).text
    assert "pdu-1" in shown
    assert ">kay<" in shown


def test_who_keeps_the_register_says_what_hangs_on_what(estate: Estate, client: Client) -> None:
    estate.device(hostname="pdu-a", device_class="pdu")
    estate.device(hostname="srv-1", asset_tag="A-1")
    keeper = Person(estate.engine, "kay", "register_manager")
    form = {"csrf": keeper.csrf, "feeder": "pdu-a", "outlet": "3", "fed": "A-1", "since": ""}
    answer = client.post("/power/feeds", data=form, **keeper.cookie)
    assert (answer.status_code, answer.headers["location"]) == (303, "/power#feeds")
    page = client.get("/power", **keeper.cookie).text
    assert "srv-1" in page
    assert ">kay<" in page
    wrong = client.post("/power/feeds", data=form | {"fed": "nobody <i>"}, **keeper.cookie)
    assert wrong.status_code == 422
    assert "no device in service is called nobody &lt;i&gt;" in wrong.text
    assert 'value="nobody &lt;i&gt;"' in wrong.text  # what was typed is kept
    assert (
        client.post("/power/feeds", data=form | {"since": "31/12/2026"}, **keeper.cookie).status_code == 422
    )
    end = {"data": {"csrf": keeper.csrf}, **keeper.cookie}
    assert client.post("/power/feeds/1/end", **end).status_code == 303
    assert "Nobody has said yet" in client.get("/power", **keeper.cookie).text
    assert client.post("/power/feeds/1/end", **end).status_code == 404


def test_restricted_sites_and_other_units_are_not_shown(estate: Estate, client: Client) -> None:
    estate.device(hostname="ups-open", device_class="ups", now=told(watts=100.0))
    estate.device(hostname="ups-other", device_class="ups", unit="Elsewhere", now=told(watts=100.0))
    estate.device(
        hostname="ups-hidden", device_class="ups", site="Annexe", restricted=True, now=told(watts=100.0)
    )
    viewer = Person(estate.engine, "vic", "viewer", ["IT"])
    page = client.get("/power", **viewer.cookie).text
    assert "ups-open" in page
    assert "ups-hidden" not in page
    assert "ups-other" not in page
    everywhere = Person(estate.engine, "vera", "viewer")
    page = client.get("/power", **everywhere.cookie).text
    assert "ups-other" in page
    assert "ups-hidden" not in page
    assert 'action="/power/feeds"' not in page
    refused = client.post("/power/feeds", data={"csrf": everywhere.csrf}, **everywhere.cookie)
    assert refused.status_code == 403
    # Whoever manages sites sees them in no list either: they have no page to open.
    page = client.get("/power", **Person(estate.engine, "ada", "administrator").cookie).text
    assert "ups-hidden" not in page
    assert "1 device at restricted sites is in no list" in page
    keeper = Person(estate.engine, "kit", "administrator")
    form = {"csrf": keeper.csrf, "feeder": "ups-hidden", "since": "2026-09-01"}
    refused = client.post("/power/feeds", data=form, **keeper.cookie)
    assert (refused.status_code, "no device in service is called ups-hidden" in refused.text) == (422, True)


def test_what_polled_devices_say_of_themselves_is_exported_beside_the_register(
    estate: Estate, client: Client
) -> None:
    pages = [{"kind": "page_count", "value": 48_211.0}, {"kind": "supply", "label": "black", "value": 0.125}]
    now = {"now": {"readings": pages, "flags": {"printer_worn": True}}}
    facts = {"hardware": {"vendor": "Larch", "model": "M500", "serial": "LR1", "firmware": "2.4"}}
    printer = estate.device(hostname="prn-1", device_class="printer", now=now, facts=facts)
    estate.device(hostname="prn-hidden", device_class="printer", site="Annexe", restricted=True)
    estate.device(hostname="pc-1", device_class="desktop")
    item = {"lifecycle_state": "deployed", "usage_profile": "unknown", "updated_at": int(NOW)}
    estate.put(register_items, id=7, tag="PR1", kind="printer", **item)
    estate.put(register_devices, item=7, device=printer, valid_from="2026-01-01", matched_on={})
    assert "/export/polled-devices?as=csv" in client.get("/power").text
    lines = client.get("/export/polled-devices").content.decode("utf-8-sig").splitlines()
    (row,) = csv.DictReader(lines[4:])
    assert (
        lines[3].strip('"')
        == "Coverage: 1 polled devices, 1 of them linked to the register; 1 at restricted sites left out"
    )
    assert (row["register_tag"], row["vendor"], row["serial"], row["firmware"]) == (
        "PR1",
        "Larch",
        "LR1",
        "2.4",
    )
    assert (row["printer_worn"], row["page_count"], row["supplies"]) == ("yes", "48211", "black 12%")
    assert row["battery_replace"] == ""


def test_a_page_of_very_many_shows_the_first_and_where_the_rest_is(estate: Estate, client: Client) -> None:
    for number in range(MOST_ROWS + 2):
        estate.device(hostname=f"pdu-{number:03}", device_class="pdu")
    estate.device(hostname="ups-1", device_class="ups")
    with estate.engine.connect() as connection:
        assert count_units(connection) == {"pdu": MOST_ROWS + 2, "ups": 1}
    page = client.get("/power").text
    assert f"The first {MOST_ROWS} of {MOST_ROWS + 3} devices" in page
    assert f'<a href="/devices?class=pdu">{MOST_ROWS + 2} PDU</a>' in page
    assert f"pdu-{MOST_ROWS - 1:03}" in page
    assert f"pdu-{MOST_ROWS:03}" not in page


def test_polled_devices_are_no_computers_without_data(estate: Estate, client: Client) -> None:
    estate.device(hostname="pc-1", device_class="desktop", os_name="Debian", system_medium="ssd")
    estate.device(hostname="ups-1", device_class="ups", now=UPS)
    page = client.get("/").text
    assert 'of which 1 runs no agent and is <a href="/power">polled</a>' in page
    assert "have no known operating system" not in page
    assert "have a system disk of unknown medium" not in page
    assert "<strong>1</strong><span>have no start-up on record" in page
    listed = client.get("/devices?class=ups").text
    assert "UPS" in listed
    assert "ups-1" in listed
    startups = client.get("/startups").text
    assert "1 device" in startups
