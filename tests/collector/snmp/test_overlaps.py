"""What was measured twice and what is in no sum, on the page, in the API and from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.cli import app
from roadworthy_collector.store.snmp_schema import energy_overlaps

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


@ONE_STORE
def test_what_was_measured_twice_and_what_nobody_spoke_of_is_listed(
    estate: Estate, client: Client, tmp_path: Path
) -> None:
    pdu, server = (estate.device(hostname=name, device_class=name[:3]) for name in ("pdu-a", "srv-1"))
    bare = estate.device(hostname="pdu-b", device_class="pdu")
    hidden = estate.device(hostname="pdu-c", device_class="pdu", site="Safe house", restricted=True)
    key = {"month": "2026-08-01", "outlet": "", "days": 31}
    kwh = 3_600_000
    estate.put(energy_overlaps, feeder=pdu, fed=server, why="feeder", joules=155 * kwh, **key)
    estate.put(energy_overlaps, feeder=pdu, fed=-1, why="feeder", joules=7 * kwh, **key)
    for feeder in (bare, hidden):
        estate.put(energy_overlaps, feeder=feeder, fed=0, why="undeclared", joules=31 * kwh, **key)
    page = client.get("/power").text
    twice, undeclared = page.split('id="undeclared"')
    assert "Measured twice, counted once" in twice
    assert all(words in twice for words in ("155.0 kWh", "srv-1", "7.0 kWh", "erased since"))
    assert "31.0 kWh" in undeclared
    looker = Person(estate.engine, "lou", "viewer", now=NOW)
    assert "pdu-c" not in client.get("/power", **looker.cookie).text
    found = client.get("/api/v1/snmp/overlaps?month=2026-08", **looker.bearer).json()
    assert found["kwh"] == {"feeder": 162.0, "undeclared": 31.0}
    assert [(row["feeder_name"], row["fed_name"], row["erased"]) for row in found["rows"]] == [
        ("pdu-a", "srv-1", False),
        ("pdu-b", None, False),
        ("pdu-a", None, True),
    ]
    assert client.get("/api/v1/snmp/overlaps?month=2026-13", **looker.bearer).status_code == 422
    config = tmp_path / "roadworthy.toml"
    config.write_text(f'data = "{estate.path.parent}"\n')
    run = ["snmp", "overlaps", "--config", str(config)]
    told = json.loads(CliRunner().invoke(app, [*run, "--format", "json"]).stdout)
    assert (told["month"], len(told["rows"])) == ("2026-08", 4)  # the command shows restricted sites too
    assert "undeclared: 62.0 kWh left out" in CliRunner().invoke(app, run).stdout
