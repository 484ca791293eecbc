"""A reader of some units sees devices of these units only: pages, searches, totals, metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select
from support.estates import NOW, Estate
from support.people import Person, devices_in
from support.web import Client

from roadworthy_collector.app import create_app
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.scoped import only_units
from roadworthy_collector.metrics.text import labels
from roadworthy_collector.security.roles import Role
from roadworthy_collector.security.tokens import create_scrape_token, list_scrape_tokens
from roadworthy_collector.security.user_tokens import find_user
from roadworthy_collector.security.users import UserError, create_user, list_users, set_role, set_scope
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import console
from roadworthy_collector.store.queries import console_startups as startups
from roadworthy_collector.store.queries.console_list import DeviceFilter, list_devices
from roadworthy_collector.store.queries.console_search import exact_matches
from roadworthy_collector.store.queries.device_list import Wanted, read_page
from roadworthy_collector.store.queries.scope import UnknownUnitError

PLACES = {"Force": None, "Traffic": "Force", "Custody": "Force", "Cells": "Custody"}


@pytest.fixture
def estate(estate: Estate) -> Estate:
    for name, parent in PLACES.items():
        above = None if parent is None else estate.unit(parent)
        estate.put(schema.units, name=name, parent=above, valid_from=0)
    return estate


@pytest.fixture
def engine(estate: Estate) -> Engine:
    return estate.engine


@pytest.fixture
def devices(estate: Estate) -> dict[str, str]:
    """Return {unit: id of its device}; each device has started once and has a serial number."""
    found = {}
    for name in PLACES:
        device = estate.device(
            unit=name,
            hostname=f"{name}-1",
            serial=f"SN-{name}",
            model=f"Model {name}",
            site=f"Site {name}",
            facts={},
            now={"cpu_ratio": 0.5, "memory_ratio": 0.25, "uptime_seconds": 60.0},
        )
        estate.startup(device, factors=[{"kind": "service", "name": f"svc-{name}", "seconds": 3.0}])
        found[name] = estate.device_id(device)
    return found


@pytest.fixture
def web(estate: Estate) -> Iterator[Client]:
    yield from client_on(estate)


def client_on(estate: Estate, later_seconds: float = 0.0) -> Iterator[Client]:
    """Yield a client of a collector that was started anew."""
    settings = estate.settings(device_detail=True)
    client = Client(create_app(settings, estate.engine, clock=lambda: NOW + later_seconds))
    yield client
    client.close()


def test_pages_lists_and_searches_stay_within(web: Client, engine: Engine, devices: dict[str, str]) -> None:
    person = Person(engine, "ada", Role.SERVICE_DESK, ["Custody"])
    seen = {devices["Custody"], devices["Cells"]}
    for path in ("/", "/devices", "/startups"):
        text = web.get(path, **person.cookie).text
        assert devices_in(text) == seen, path
        for hidden in ("Traffic", "Force"):
            assert f"{hidden}-1" not in text
            assert f"Model {hidden}" not in text
            assert f"Site {hidden}" not in text
            assert f"svc-{hidden}" not in text
    for text in ("SN-Traffic", "Traffic-1", devices["Traffic"]):
        answer = web.get(f"/devices?q={text}", **person.cookie)
        assert answer.status_code == 200  # no way straight to it
        assert "No device matches" in answer.text
    assert web.get("/devices?q=SN-Cells", **person.cookie).status_code == 303
    for path in (f"/devices/{devices['Traffic']}", f"/devices/{devices['Traffic']}?hours=24"):
        refused = web.get(path, **person.cookie)
        unknown = web.get("/devices/rwd_nobody", **person.cookie)
        assert (refused.status_code, refused.text) == (404, unknown.text.replace("rwd_nobody", ""))
    form = {"csrf": person.csrf, "reason": "ticket 42"}
    assert web.post(f"/devices/{devices['Force']}/open", data=form, **person.cookie).status_code == 404
    assert web.post(f"/devices/{devices['Cells']}/open", data=form, **person.cookie).status_code == 303


def test_totals_count_nobody_elses(web: Client, engine: Engine, devices: dict[str, str]) -> None:
    person = Person(engine, "ada", Role.VIEWER, ["Custody"])
    assert "2 devices in service" in web.get("/", **person.cookie).text
    assert "4 devices in service" in web.get("/", **Person(engine, "grace", Role.VIEWER).cookie).text


def test_a_scope_changes_with_the_next_request(web: Client, engine: Engine, devices: dict[str, str]) -> None:
    person = Person(engine, "ada", Role.VIEWER, ["Traffic"])
    assert devices_in(web.get("/devices", **person.cookie).text) == {devices["Traffic"]}
    set_scope(engine, "ada", ["Cells"], now=NOW)
    assert devices_in(web.get("/devices", **person.cookie).text) == {devices["Cells"]}
    set_scope(engine, "ada", None, now=NOW)
    assert devices_in(web.get("/devices", **person.cookie).text) == set(devices.values())


def test_a_unit_that_goes_never_widens_a_scope(web: Client, engine: Engine, estate: Estate) -> None:
    estate.device(unit="Traffic")
    estate.unit("Gone")
    person = Person(engine, "ada", Role.VIEWER, ["Gone"])
    with write_transaction(engine) as connection:
        connection.execute(delete(schema.units).where(schema.units.c.name == "Gone"))
        assert connection.scalar(select(func.count()).select_from(schema.user_units)) == 0
    assert devices_in(web.get("/devices", **person.cookie).text) == set()
    assert [user.units for user in list_users(engine)] == [[]]


def test_a_scope_takes_a_path_and_never_guesses_between_two_units_of_a_name(
    engine: Engine, estate: Estate
) -> None:
    create_user(engine, "ada", "x" * 20, now=NOW, role=Role.VIEWER, units=["force / custody / Cells"])
    assert [user.units for user in list_users(engine)] == [["Cells"]]
    estate.put(schema.units, name="Force / Traffic / Cells", parent=estate.unit("Traffic"), valid_from=0)
    with pytest.raises(UnknownUnitError, match="Force / Custody / Cells and Force / Traffic / Cells"):
        set_scope(engine, "ada", ["Cells"], now=NOW)
    set_scope(engine, "ada", ["Force / Traffic / Cells", "Custody"], now=NOW)
    assert [user.units for user in list_users(engine)] == [["Custody", "Force / Traffic / Cells"]]


def test_what_a_scope_cannot_be(engine: Engine, estate: Estate) -> None:
    with pytest.raises(UnknownUnitError, match="Nowhere: there is no unit"):
        create_user(engine, "ada", "x" * 20, now=NOW, role=Role.VIEWER, units=["Nowhere"])
    with pytest.raises(UnknownUnitError, match="at least one unit"):
        create_user(engine, "ada", "x" * 20, now=NOW, role=Role.VIEWER, units=[])
    for role in (Role.ADMINISTRATOR, Role.AUDITOR):
        with pytest.raises(UserError, match="is not scoped"):
            create_user(engine, "ada", "x" * 20, now=NOW, role=role, units=["Traffic"])
    assert list_users(engine) == []
    create_user(engine, "ada", "x" * 20, now=NOW, role=Role.VIEWER, units=["Traffic"])
    with pytest.raises(UserError, match="take the units away first"):
        set_role(engine, "ada", Role.AUDITOR, now=NOW)
    create_user(engine, "grace", "x" * 20, now=NOW)
    with pytest.raises(UserError, match="is not scoped"):
        set_scope(engine, "grace", ["Traffic"], now=NOW)


def test_a_scoped_scrape_token_reads_its_units_and_nothing_else(
    web: Client, engine: Engine, estate: Estate, devices: dict[str, str], tmp_path: Path
) -> None:
    create_user(engine, "ada", "x" * 20, now=NOW)
    fleet.compute(Work(engine, Settings(data=tmp_path), clock=lambda: NOW, rests=False))
    with write_transaction(engine) as connection:
        scoped = create_scrape_token(connection, now=int(NOW), only_units=["Custody"])
        whole = create_scrape_token(connection, now=int(NOW))
        assert [row["units"] for row in list_scrape_tokens(connection)].count(["Custody"]) == 1
    mine = {"headers": {"Authorization": f"Bearer {scoped.text}"}}
    text = web.get("/metrics", **mine).text
    assert set(re.findall(r'unit="([^"]*)"', text)) == {"Custody", "Cells"}
    names = {line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names == {"roadworthy_estate_info", "roadworthy_unit_devices"}
    everything = web.get("/metrics", headers={"Authorization": f"Bearer {whole.text}"}).text
    assert "roadworthy_estate_cpu_devices" in everything  # too few people's devices for figures of a site
    assert set(text.splitlines()) < set(everything.splitlines())
    detail = web.get("/metrics/devices", **mine).text
    assert devices_in(detail) == {devices["Custody"], devices["Cells"]}
    for hidden in ("Traffic", "Force"):
        assert hidden not in detail


def test_a_scoped_user_reads_the_same_metrics_as_a_scoped_token(
    web: Client, engine: Engine, devices: dict[str, str], tmp_path: Path
) -> None:
    fleet.compute(Work(engine, Settings(data=tmp_path), clock=lambda: NOW, rests=False))
    person = Person(engine, "ada", Role.SERVICE_DESK, ["Traffic"])
    for how in (person.cookie, person.bearer):
        assert set(re.findall(r'unit="([^"]*)"', web.get("/metrics", **how).text)) == {"Traffic"}
        assert devices_in(web.get("/metrics/devices", **how).text) == {devices["Traffic"]}


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True), st.data())
def test_the_filter_keeps_exactly_its_units(names: list[str], data: st.DataObject) -> None:
    names = ["".join(name.split()) or "x" for name in names]
    wanted = data.draw(st.lists(st.sampled_from(names), unique=True))
    lines = ["# HELP roadworthy_unit_devices Devices.\n", "# TYPE roadworthy_unit_devices gauge\n"]
    own = {name: f"roadworthy_unit_devices{labels(('unit',), (name,))} 1\n" for name in names}
    others = ['roadworthy_site_devices{site="x"} 1\n', "roadworthy_up 1\n"]
    kept = only_units("".join([*lines, *own.values(), *others]), wanted)
    body = [line for line in kept.split("\n") if line and not line.startswith("# ")]
    # Names are compared as written: the format allows line separators other than \n within a label.
    assert sorted(body) == sorted({own[name].rstrip("\n") for name in wanted})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.sets(st.sampled_from(sorted(PLACES))))
def test_every_question_of_the_console_stays_within(
    engine: Engine, estate: Estate, devices: dict[str, str], chosen: set[str]
) -> None:
    """Whatever the scope: the devices listed are exactly its own, and every count is of them."""
    scope = frozenset(estate.unit(name) for name in chosen)
    with engine.connect() as connection:
        total, rows, *_ = list_devices(connection, DeviceFilter(), NOW, 900, scope)
        assert {row.device_id for row in rows} == {devices[name] for name in chosen}
        assert total == len(chosen) == sum(console.count_states(connection, NOW, 900, scope).values())
        page = read_page(connection, Wanted(), now=NOW, interval_seconds=900, scope=scope)
        assert {row["device_id"] for row in page.rows} == {devices[name] for name in chosen}
        assert console.count_unknowns(connection, 0, scope)["devices"] == len(chosen)
        assert {row.device_id for row in console.latest_reports(connection, scope=scope)} == {
            devices[name] for name in chosen
        }
        assert console.use_now(connection, NOW, 900, "cpu_ratio", scope)["n"] == len(chosen)
        assert set(console.choices(connection, scope)["site"]) == {f"Site {name}" for name in chosen}
        assert startups.spread(connection, 0, "all", scope).devices == len(chosen)
        assert sum(startups.distribution(connection, 0, "all", scope)) == len(chosen)
        assert set(startups.devices_by(connection, "model", scope)) == {f"Model {name}" for name in chosen}
        assert {row.member for row in startups.spread_by(connection, 0, "all", "site", scope)} == {
            f"Site {name}" for name in chosen
        }
        assert len(startups.slowest_devices(connection, 0, "all", 10, scope)) == len(chosen)
        assert len(startups.latest_factors(connection, 0, "all", scope)) == len(chosen)
        assert startups.count_unmeasured(connection, 0, "all", scope) == (len(chosen), 0)
        for name, device_id in devices.items():
            assert (console.find_device(connection, device_id, NOW, 900, scope) is not None) == (
                name in chosen
            )
            assert exact_matches(connection, f"SN-{name}", scope) == ([device_id] if name in chosen else [])


def test_a_user_token_ends_with_its_user_its_day_and_its_revocation(engine: Engine) -> None:
    from roadworthy_collector.security.user_tokens import (
        create_user_token,
        list_user_tokens,
        revoke_user_token,
    )
    from roadworthy_collector.security.users import delete_user

    create_user(engine, "ada", "x" * 20, now=NOW)
    create_user(engine, "grace", "x" * 20, now=NOW, role=Role.VIEWER)
    with write_transaction(engine) as connection:
        one, two, three = (
            create_user_token(connection, "grace", now=int(NOW), expires_in_seconds=60) for _ in range(3)
        )
        assert find_user(connection, one.text, NOW + 59) == ("grace", "viewer", False, one.id)
        assert find_user(connection, one.text, NOW + 60) is None
        assert find_user(connection, one.text.replace("rwu1", "rws1"), NOW) is None
        assert revoke_user_token(connection, two.id, now=int(NOW))
        assert not revoke_user_token(connection, two.id, now=int(NOW))
        assert find_user(connection, two.text, NOW) is None
        assert one.text.rpartition("_")[2] not in str(list_user_tokens(connection))
        for seconds in (0, 367 * 86_400):
            with pytest.raises(UserError, match="expires within 366 days"):
                create_user_token(connection, "grace", now=int(NOW), expires_in_seconds=seconds)
        with pytest.raises(UserError, match="no such user"):
            create_user_token(connection, "nobody", now=int(NOW), expires_in_seconds=60)
    delete_user(engine, "grace", now=NOW)
    with engine.connect() as connection:
        assert find_user(connection, three.text, NOW) is None
