"""Lists come page by page: every row once, whatever the page's size, the filter and the scope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select
from support.estates import NOW, Estate, make_database

from roadworthy_collector.security import tokens
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries import device_list, enrolment, sites
from roadworthy_collector.store.queries.device_list import Wanted

AGES = {"reporting": 60, "late": 1500, "missing": 90_000}


def fill(estate: Estate) -> None:
    for number in range(24):
        state = ("reporting", "late", "missing", "retired")[number % 4]
        estate.device(
            site=f"Site {number % 3}",
            unit=f"Unit {number % 5}",
            restricted=number % 3 == 2,
            device_class=("laptop", "desktop")[number % 2],
            usage_profile=("personal", "unknown")[number % 7 == 0],
            hostname=f"H{number}",
            serial=f"S{number}",
            last_report_at=int(NOW) - AGES.get(state, 60),
            retired_at=int(NOW) if state == "retired" else None,
        )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    path = tmp_path_factory.mktemp("paging") / "roadworthy.db"
    make_database(path)
    estate = Estate(open_engine(path), path)
    fill(estate)
    return estate


def maybe(*values: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


WANTED = st.builds(
    Wanted,
    site=maybe("Site 0", "Site 1", "Site 2", "Nowhere"),
    unit=maybe("Unit 0", "Unit 3", "Nowhere"),
    state=maybe("reporting", "late", "missing", "retired"),
    device_class=maybe("laptop", "server"),
    usage_profile=maybe("personal", "kiosk"),
    search=maybe("H3", "S8", "nothing"),
    restricted=st.booleans(),
)


def all_pages(
    estate: Estate, wanted: Wanted, limit: int, scope: frozenset[int] | None
) -> list[dict[str, Any]]:
    found, after = [], 0
    with estate.engine.connect() as connection:
        while after is not None:
            page = device_list.read_page(
                connection, wanted, now=NOW, interval_seconds=900, scope=scope, after=after, limit=limit
            )
            assert len(page.rows) <= limit
            found += page.rows
            after = page.next
    return found


@given(
    wanted=WANTED,
    limit=st.integers(1, 30),
    scanned=st.integers(1, 30),
    units=st.none() | st.sets(st.sampled_from(["Unit 0", "Unit 1", "Unit 4"])),
)
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_every_device_comes_once(
    filled: Estate, wanted: Wanted, limit: int, scanned: int, units: set[str] | None
) -> None:
    """Beside the same question asked in Python, whatever a page looks at."""
    scope = None if units is None else frozenset(filled.unit(name) for name in units)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_list, "SCANNED_ROWS", scanned)
        found = all_pages(filled, wanted, limit, scope)
    every = all_pages(filled, Wanted(restricted=True), 1000, None)
    assert len(every) == 24
    expected = [
        row["device_id"]
        for row in every
        if (units is None or row["unit"] in units)
        and (wanted.restricted or row["site"] != "Site 2")
        and all(
            getattr(wanted, name) in {None, row[name]}
            for name in ("site", "unit", "state", "device_class", "usage_profile")
        )
        and wanted.search in {None, row["hostname"], row["serial"], row["device_id"]}
    ]
    assert [row["device_id"] for row in found] == expected


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(), 16),
        (Wanted(restricted=True), 24),
        (Wanted(site="Site 1"), 8),
        (Wanted(state="late", restricted=True), 6),
        (Wanted(unit="Unit 4", restricted=True), 4),
        (Wanted(search="S8", restricted=True), 1),
    ],
)
def test_pages_are_the_same_on_both_databases(estate: Estate, wanted: Wanted, count: int) -> None:
    fill(estate)
    found = [row["device_id"] for row in all_pages(estate, wanted, 3, None)]
    assert len(found) == len(set(found)) == count


def test_sites_and_keys_come_once_too(estate: Estate) -> None:
    fill(estate)
    with write_transaction(estate.engine) as connection:
        made = {tokens.create_enrol_key(connection, now=int(NOW)).id for _ in range(7)}
    names, keys = [], []
    with estate.engine.connect() as connection:
        after: str | None = ""
        while after is not None:
            page = sites.read_page(connection, after=after, limit=2)
            names += [(row["name"], row["devices"]) for row in page.rows]
            after = page.next
        after = ""
        while after is not None:
            some = enrolment.read_keys(connection, after=after, limit=3)
            keys += [row["id"] for row in some.rows]
            after = some.next
    assert dict(names) == {"Site 0": 8, "Site 1": 8, "Site 2": 8, "unassigned": 0}
    assert len(names) == 4
    assert keys == sorted(made)


def plan(estate: Estate, wanted: Wanted, scope: frozenset[int] | None = None) -> str:
    """Return SQLite's plan for the main query of a page."""
    with estate.engine.connect() as connection:
        seen: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *args: seen.append((args[2], args[3])))
        device_list.read_page(connection, wanted, now=NOW, interval_seconds=900, scope=scope, limit=100)
        statement, values = seen[-1]
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "INTEGER PRIMARY KEY (rowid>?"),
        (Wanted(state="missing"), "INTEGER PRIMARY KEY (rowid>? AND rowid<?"),
        (Wanted(site="Site 1"), "ix_devices_site (site=? AND rowid>?"),
        (Wanted(unit="Unit 3"), "ix_devices_unit (unit=? AND rowid>?"),
        (Wanted(search="H3"), "ix_devices_serial"),
    ],
)
def test_a_page_goes_by_an_index_and_never_sorts(tmp_path: Path, wanted: Wanted, index: str) -> None:
    path = tmp_path / "roadworthy.db"
    make_database(path)
    estate = Estate(open_engine(path), path)
    rows = [
        {"device_id": f"rwd_{n:032x}", "site": 1, "unit": 1, "enrolled_at": 0, "hostname": f"H{n}"}
        for n in range(device_list.SCANNED_ROWS + 1)
    ]
    estate.site("Site 1"), estate.unit("Unit 3")
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.devices.insert(), rows)
        assert connection.scalar(select(schema.sites.c.id).where(schema.sites.c.name == "Site 1"))
    said = plan(estate, wanted)
    estate.engine.dispose()
    assert index in said, said
    assert "SCAN devices" not in said, said
    assert wanted.search or "TEMP B-TREE" not in said, said
