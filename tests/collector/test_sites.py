"""Restricted sites, marked as an administrator marks them, and what then still shows of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.estates import NOW, Estate, make_database
from support.web import Client, client_of
from typer.testing import CliRunner, Result

from roadworthy_collector.cli import app
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    make_database(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    yield Estate(engine, tmp_path / "roadworthy.db")
    engine.dispose()


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


def _run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sites", *arguments], env={"ROADWORTHY_DATA": str(folder)})


def _sites(folder: Path) -> dict[str, Any]:
    listed = _run(folder, "list", "--format", "json")
    return {row["name"]: (row["restricted"], row["devices"]) for row in json.loads(listed.stdout)}


def test_a_site_is_restricted_before_or_after_its_devices_enrol(estate: Estate, tmp_path: Path) -> None:
    estate.device(hostname="HQ-1", facts={})
    for name in ("Annexe R", "HQ", "HQ"):
        assert _run(tmp_path, "restrict", name).exit_code == 0
    assert _sites(tmp_path).items() >= {"Annexe R": (True, 0), "HQ": (True, 1)}.items()
    assert _run(tmp_path, "release", "HQ").exit_code == 0
    assert _run(tmp_path, "release", "HQ").exit_code != 0
    assert _run(tmp_path, "restrict", "").exit_code != 0
    assert _sites(tmp_path).items() >= {"Annexe R": (True, 0), "HQ": (False, 1)}.items()
    with estate.engine.connect() as connection:
        found = [(row.action, row.subject) for row in connection.execute(schema.audit.select())]
    assert found[-1] == ("site.release", "HQ")


def test_nothing_names_what_stands_at_a_restricted_site(
    estate: Estate, client: Client, tmp_path: Path
) -> None:
    device_id = estate.device_id(
        estate.device(hostname="AR-1", serial="SER1", asset_tag="TAG1", model="Rare 9", facts={})
    )
    secret = ("AR-1", "SER1", "TAG1", "Rare 9", device_id)
    assert client.get(f"/devices/{device_id}").status_code == 200
    assert _run(tmp_path, "restrict", "HQ").exit_code == 0
    assert client.get(f"/devices/{device_id}").status_code == 404
    fleet.compute(Work(estate.engine, Settings(data=tmp_path), lambda: NOW))
    for path in ("/", "/devices", "/startups", "/metrics", "/metrics/devices"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert not [word for word in secret if word in answer.text], path
    for word in secret:
        answer = client.get("/devices", params={"q": word})
        assert answer.status_code == 200  # not sent on to the device
        assert "/devices/rwd_" not in answer.text
    assert 'roadworthy_estate_devices{state="missing"}' in client.get("/metrics").text
