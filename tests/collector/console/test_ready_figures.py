"""What the jobs keep ready says what a page would have computed, for everybody and for readers of some units."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from support import postgres
from support.estates import NOW, Estate, make_database
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.console import figures, glance
from roadworthy_collector.jobs import console_devices, console_startups
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries import console_list, console_search, ready
from roadworthy_collector.store.queries.console_list import DeviceFilter, list_devices
from roadworthy_collector.store.queries.console_search import begins_with
from roadworthy_collector.store.queries.scope import Scope

DEVICES = 360  # more than a page computes by itself, also for the reader of two units of three
UNITS = ("North", "South", "West")


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
)
def estate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Yield an IT estate with every kind of blank, on either database."""
    path = tmp_path_factory.mktemp("ready") / "roadworthy.db"
    url = postgres.fresh_database() if request.param == "postgresql" else None
    if url is None:
        make_database(path)
    engine = open_engine(url or path)
    made = Estate(engine, path, url)
    _fill(made)
    for user, units in (("one", ["North"]), ("two", ["North", "South"])):
        Person(engine, user, "service_desk", units)
    yield made
    engine.dispose()
    if url is not None:
        postgres.give_back(url)


def _fill(estate: Estate) -> None:
    chance = random.Random(7)  # noqa: S311 - figures
    sites = [estate.site(f"Site {n}") for n in range(5)] + [estate.site("Covert", restricted=True)]
    units = [estate.unit(name) for name in UNITS]
    devices, nows, probes, startups = [], [], [], []
    for n in range(1, DEVICES + 1):
        silence = chance.choice([60, 60, 60, 1200, 40 * 86400])
        devices.append(
            {"id": n, "device_id": f"rwd_{n:032x}", "site": chance.choice(sites), "unit": units[n % 3],
             "enrolled_at": int(NOW) - 90 * 86400, "last_report_at": None if n % 37 == 0 else int(NOW) - silence,
             "next_call_seconds": 900, "retired_at": int(NOW) - 5 if n % 41 == 0 else None,
             "hostname": None if n % 19 == 0 else f"{'PC' if n % 2 else 'pc'}-{n:04d}", "serial": chance.choice([None, f"Sn{n:05d}"]),
             "asset_tag": chance.choice([None, f"MP{n:05d}"]), "model": chance.choice([None, "A", "B", "C"]),
             "device_class": chance.choice(["desktop", "laptop", "unknown"]), "os_name": chance.choice([None, "Debian"]),
             "system_medium": chance.choice(["ssd", "unknown"])}
        )  # fmt: skip
        if n % 37:
            cpu, memory = chance.choice([None, chance.random(), 1.0]), chance.random()
            nows.append({"device": n, "at": int(NOW), "start": 0, "observed_seconds": 0, "cpu_ratio": cpu,
                         "memory_ratio": memory, "now": {}})  # fmt: skip
        for probe in ("power", "hardware"):
            status = chance.choice(["ok", "not_supported"])
            reason = None if status == "ok" else chance.choice([None, "no meter", "no right"])
            probes.append(
                {"device": n, "probe": probe, "status": status, "reason": reason, "since": 0, "updated_at": 0}
            )
        startups += [_startup(chance, n, number) for number in range(chance.randrange(9))]
    with write_transaction(estate.engine) as connection:
        for table, rows in ((schema.devices, devices), (schema.device_now, nows), (schema.probe_status, probes),
                            (schema.startups, startups)):  # fmt: skip
            connection.execute(table.insert(), rows)


def _startup(chance: random.Random, device: int, number: int) -> dict[str, Any]:
    total = chance.choice([None, round(chance.lognormvariate(3.5, 1.2), 3)])
    phases = [{"name": "kernel", "seconds": total or 1.0}]
    factors = [{"kind": "unit", "name": f"service{number % 3}", "seconds": chance.choice([None, 3.0, 4.5])}]
    return {
        "device": device, "start_id": f"{device}-{number}", "revision": 1, "final": chance.random() < 0.9,
        "kind": chance.choice(["cold", "resume", "restart"]), "environment": "physical",
        "started_at": NOW - chance.random() * 100 * 86400, "total_seconds": total, "quality": "measured",
        "phases": phases, "factors": factors, "content_hash": b"12345678",
    }  # fmt: skip


def _work(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def _scopes(estate: Estate) -> list[Scope]:
    with estate.engine.connect() as connection:
        return ready.scopes(connection, NOW)


def _rounded(value: Any) -> Any:
    """Return figures as exactly as pages show them, in one order where the order means nothing."""
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return figures.shown(value) if isinstance(value, float) else value


def test_ready_start_ups_are_those_a_page_computes(estate: Estate) -> None:
    assert (
        console_startups.compute(_work(estate)) == 2
    )  # everybody's, and those of two units; one unit is small
    for scope in _scopes(estate):
        for days in figures.DAYS:
            for kind in figures.KINDS:
                with estate.engine.connect() as connection:
                    found = ready.read(connection, f"{ready.STARTUPS}.{kind}.{days}", scope)
                    live = figures.live(connection, NOW, days, kind, scope)
                assert found is not None
                assert found.at == NOW
                expected = json.loads(json.dumps(live))
                for name, value in expected.items():
                    assert _rounded(found.figures[name]) == _rounded(value), (scope, days, kind, name)


def test_ready_figures_of_devices_are_those_a_page_computes(estate: Estate) -> None:
    assert console_devices.compute(_work(estate)) == 2
    for scope in _scopes(estate):
        with estate.engine.connect() as connection:
            found = ready.read(connection, ready.DEVICES, scope)
            expected = json.loads(json.dumps(glance.live(connection, NOW, 900, scope)))
        assert found is not None
        given = found.figures
        for use in ("cpu", "memory"):
            told, computed = given["use"].pop(use), expected["use"].pop(use)
            for rank in ("median", "p90"):
                assert f"{told.pop(rank):.3f}" == f"{computed.pop(rank):.3f}"
            assert told == computed
        for name in ("probes", "reasons"):
            assert sorted(given.pop(name)) == sorted(expected.pop(name))
        assert given == expected


def test_figures_of_a_scope_nobody_has_any_more_go(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        ready.write(connection, ready.DEVICES, frozenset({999}), NOW - 60, {})
    console_devices.compute(_work(estate))
    with estate.engine.connect() as connection:
        assert ready.read(connection, ready.DEVICES, frozenset({999})) is None
        assert ready.read(connection, ready.DEVICES, None) is not None


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW + 600)
    yield client
    client.close()


def test_pages_say_as_of_when_and_wait_for_the_first_figures(estate: Estate, client: Client) -> None:
    person = Person(estate.engine, "everybody", "service_desk")
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.snapshots.delete())
    for path in ("/", "/startups"):
        page = client.get(path, **person.cookie)
        assert page.status_code == 200
        assert "being worked out" in page.text
    assert client.get("/devices", **person.cookie).status_code == 200
    console_devices.compute(_work(estate))
    console_startups.compute(_work(estate))
    for path in ("/", "/startups"):
        page = re.sub("<[^>]+>", "", client.get(path, **person.cookie).text)
        assert "being worked out" not in page
        assert "s of 21 Sep 2026, 15:13 BST" in page  # when they are of, not when they are shown
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.users.delete().where(schema.users.c.name == "everybody"))


def test_a_reader_of_a_small_unit_needs_no_ready_figures(estate: Estate, client: Client) -> None:
    person = Person(estate.engine, "small", "viewer", ["West"])
    with estate.engine.connect() as connection:
        held = connection.scalar(select(schema.units.c.id).where(schema.units.c.name == "West"))
        assert ready.is_small(connection, frozenset({held}))
        assert ready.read(connection, ready.DEVICES, frozenset({held})) is None
    page = re.sub("<[^>]+>", "", client.get("/", **person.cookie).text)
    assert "being worked out" not in page
    assert "as of 21 Sep 2026, 15:23 BST" in page
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.users.delete().where(schema.users.c.name == "small"))


ORDERS = [(sort, falling) for sort in (*console_list.SORTS, *console_list.USES) for falling in (False, True)]


@pytest.mark.parametrize(("sort", "falling"), ORDERS)
def test_pages_of_a_list_hold_every_device_once_there_and_back(
    estate: Estate, sort: str, *, falling: bool
) -> None:
    wanted = DeviceFilter(sort=sort, descending=falling)
    with estate.engine.connect() as connection:
        page = list_devices(connection, wanted, NOW, 900)
        pages = [page]
        while page.rows and len(pages) * console_list.PAGE_SIZE < page.total:
            page = list_devices(connection, replace(wanted, page=len(pages) + 1, after=page.last), NOW, 900)
            pages.append(page)
        listed = [row.id for page in pages for row in page.rows]
        shown = select(schema.devices.c.id).join(schema.sites).where(schema.sites.c.restricted.is_(False))
        assert sorted(listed) == sorted(connection.scalars(shown))
        assert [page.total for page in pages] == [len(listed)] * len(pages)
        counted_off = [
            list_devices(connection, replace(wanted, page=n + 1), NOW, 900) for n in range(len(pages))
        ]
        assert [[row.id for row in page.rows] for page in counted_off] == [
            [row.id for row in page.rows] for page in pages
        ]
        for n in range(len(pages) - 1, 0, -1):
            back = list_devices(connection, replace(wanted, page=n, before=pages[n].first), NOW, 900)
            assert [row.id for row in back.rows] == [row.id for row in pages[n - 1].rows]


@pytest.mark.parametrize("falling", [False, True])
def test_a_long_list_by_use_is_in_the_order_of_a_short_one(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, *, falling: bool
) -> None:
    """Past FEW_MATCHES the order is walked along: the same devices, without those that never reported."""
    wanted = DeviceFilter(sort="cpu", descending=falling, device_class="laptop")
    with estate.engine.connect() as connection:
        heard = set(connection.scalars(select(schema.device_now.c.device)))

        def walk() -> list[int]:
            found: list[int] = []
            page = list_devices(connection, wanted, NOW, 900)
            while page.rows:
                found += [row.id for row in page.rows]
                page = list_devices(connection, replace(wanted, page=2, after=page.last), NOW, 900)
            return found

        short = [device for device in walk() if device in heard]
        monkeypatch.setattr(console_list, "FEW_MATCHES", 1)
        monkeypatch.setattr(console_list, "_WALKED_AT_ONCE", 40)
        assert walk() == short


@pytest.mark.parametrize(
    "text", ["pc-00", "PC-001", "sn0", "Sn00007", "mp0", "rwd_", "x", "%", "pc_", "PC-0001"]
)
@pytest.mark.parametrize("units", [None, ["North"], ["North", "South"]])
def test_a_search_finds_what_begins_so_whatever_the_letter_case(
    estate: Estate, text: str, units: list[str] | None
) -> None:
    with estate.engine.connect() as connection:
        named = select(schema.units.c.id).where(schema.units.c.name.in_(units or []))
        scope = None if units is None else frozenset(connection.scalars(named))
        found, more = begins_with(connection, text, scope)
        devices = schema.devices.c
        query = select(
            devices.id, devices.unit, devices.hostname, devices.serial, devices.asset_tag, devices.device_id
        )
        shown = connection.execute(query.join(schema.sites).where(schema.sites.c.restricted.is_(False))).all()
    mine = [row for row in shown if scope is None or row.unit in scope]
    expected = [
        row.id for row in mine if any(name and name.lower().startswith(text.lower()) for name in row[2:])
    ]
    assert (found, more) == (sorted(expected), False)


def test_a_search_that_finds_too_much_says_so(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_search, "MOST_FOUND", 20)
    with estate.engine.connect() as connection:
        page = list_devices(connection, DeviceFilter(text="pc"), NOW, 900)
    assert (page.total, page.more_found) == (20, True)
