"""The page of power and printers, and its form, as people of different roles meet them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.store.snmp_schema import snmp_targets

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


def told(*readings: dict[str, Any], watts: float | None = None, **flags: bool) -> dict[str, Any]:
    energy = [] if watts is None else [{"scope": "wall", "latest_watts": watts, "quality": "metered"}]
    return {"now": {"energy": energy, "readings": list(readings), "flags": flags or None}}


def reading(kind: str, value: float | None = None, **parts: Any) -> dict[str, Any]:
    return {
        "name": kind,
        "kind": kind,
        "place": "system",
        "quality": "sensor",
        "source": "x",
        "value": value,
    } | parts


@ONE_STORE
def test_what_each_device_told_is_there_and_what_it_did_not_is_said(estate: Estate, client: Client) -> None:
    ups = told(
        reading("charge", 0.97),
        reading("runtime", 1440.0),
        reading("load", 0.31),
        watts=812.0,
        battery_replace=True,
    )
    estate.device(hostname="ups-1", device_class="ups", model="Example 3000", now=ups)
    estate.device(hostname="pdu-old", device_class="pdu", now={"at": int(NOW) - 86400, **told(watts=5.0)})
    pages = told(
        reading("page_count", 48_211.0),
        reading("supply", 0.07, label="Black toner"),
        reading("state", None, text="idle"),
    )
    estate.device(hostname="prn-3", device_class="printer", now=pages)
    failing = {"outcome": "no_answer", "reason": "pdu-9: no answer <b>", "failures": 4, "polled_at": int(NOW)}
    estate.put(snmp_targets, name="pdu-9", host="10.0.0.9", protocol="snmp", **failing)
    page = client.get("/power")
    assert page.status_code == 200
    for words in (
        "812 W",
        "metered",
        "97 %",
        "lasts 24 min",
        "battery replace",
        "48,211",
        "Black toner",
        "state: idle",
    ):
        assert words in page.text, words
    assert "5 W" not in page.text  # a day old is not now
    assert "does not answer" in page.text
    assert "pdu-9: no answer &lt;b&gt;" in page.text


@ONE_STORE
def test_who_keeps_the_register_says_what_hangs_on_what(estate: Estate, client: Client) -> None:
    estate.device(hostname="pdu-a", device_class="pdu")
    estate.device(hostname="srv-1", asset_tag="A-1")
    keeper = Person(estate.engine, "kay", "register_keeper", now=NOW)
    keeper.sign_in(client)
    form = {
        "csrf": keeper.csrf(client, "/power"),
        "feeder": "pdu-a",
        "outlet": "3",
        "fed": "A-1",
        "since": "",
    }
    answer = client.post("/power/feeds", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/power#feeds")
    page = client.get("/power").text
    assert "srv-1" in page
    assert ">kay<" in page
    wrong = client.post("/power/feeds", data=form | {"fed": "nobody <i>"})
    assert wrong.status_code == 422
    assert "no device in service is called nobody &lt;i&gt;" in wrong.text
    assert client.post("/power/feeds", data=form | {"since": "31/12/2026"}).status_code == 422
    assert client.post("/power/feeds/1/end", data={"csrf": form["csrf"]}).status_code == 303
    assert "Nobody has said yet" in client.get("/power").text
    assert client.post("/power/feeds/1/end", data={"csrf": form["csrf"]}).status_code == 404


@ONE_STORE
def test_restricted_sites_and_other_units_are_not_shown(estate: Estate, client: Client) -> None:
    estate.device(hostname="ups-open", device_class="ups", unit="IT", now=told(watts=100.0))
    estate.device(hostname="ups-other", device_class="ups", unit="Elsewhere", now=told(watts=100.0))
    estate.device(
        hostname="ups-hidden", device_class="ups", site="Annexe", restricted=True, now=told(watts=100.0)
    )
    viewer = Person(estate.engine, "vic", "viewer", now=NOW)
    viewer.sign_in(client)
    page = client.get("/power").text
    assert "ups-open" in page
    assert "ups-hidden" not in page
    assert client.post("/power/feeds", data={"csrf": viewer.csrf(client, "/power")}).status_code == 403
