"""The organisation in the store: changed from a day on, rolled up by the tree of the day, as a file and back."""

from __future__ import annotations

import datetime as dt
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select
from support.estates import NOW, Estate

from roadworthy_collector.books import organisation_figures as figures
from roadworthy_collector.books import organisation_moves as moves
from roadworthy_collector.books import organisation_rows as behind
from roadworthy_collector.books.organisation import Asked, Done, change
from roadworthy_collector.books.organisation_files import export_file, export_rows, import_file
from roadworthy_collector.books.organisation_places import Said, listed, say
from roadworthy_collector.books.organisation_tree import OrganisationError, read
from roadworthy_collector.books.places import Places
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import (
    batches,
    book_figures,
    contracts,
    cost_centres,
    ledger_lines,
    register_changes,
    register_items,
    systems,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.scope import descend, grant
from roadworthy_inventory.calendar import local_date

ZONE = "Europe/London"
DAY_SECONDS = 86_400
TODAY = local_date(NOW, ZONE)
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
TREE = "Unit\nOperations\nOperations / Custody\nOperations / Custody / North\nOperations / Traffic\nSupport\nSupport / IT\n"


def days_ago(count: int) -> dt.date:
    return TODAY - dt.timedelta(days=count)


def bring(estate: Estate, text: str, *, day: dt.date | None = None, now: float = NOW, **wishes: Any) -> Any:
    body = io.BytesIO(text.encode())
    return import_file(estate.engine, body, "file.csv", actor="ada", now=now, zone=ZONE, day=day, **wishes)


def do(estate: Estate, action: Any, unit: str, to: str | None = None, **when: Any) -> Done:
    dry_run, now = when.pop("dry_run", False), when.pop("now", NOW)
    asked = Asked(action, unit, to, when.get("day"))
    return change(estate.engine, asked, actor="ada", now=now, zone=ZONE, dry_run=dry_run)


def paths(estate: Estate, day: dt.date = TODAY) -> list[str]:
    with estate.engine.connect() as connection:
        return [row["Unit"] for row in export_rows(connection, "units", day)[1]]


def unit_id(estate: Estate, path: str) -> int:
    with estate.engine.connect() as connection:
        organisation = read(connection)
        return int(organisation.find(organisation.at(TODAY), path))


def made_of(connection: Any, day: dt.date = TODAY, over: int = 7, scope: Any = None) -> figures.Context:
    return figures.Context(connection, read(connection), figures.Asked(day, over), ZONE, NOW, scope)


def figure(
    estate: Estate, day: dt.date = TODAY, over: int = 7, scope: Any = None
) -> dict[str, dict[str, int]]:
    with estate.engine.connect() as connection:
        found = figures.figures(made_of(connection, day, over, scope))
    return {line.path: line.total for line in found.lines} | {"TOTAL": found.total}


def rows(
    estate: Estate, kind: Any, path: str | None, day: dt.date = TODAY, scope: Any = None, **wanted: Any
) -> behind.Page:
    with estate.engine.connect() as connection:
        context = made_of(connection, day, scope=scope)
        tree = context.organisation.at(day)
        unit = None if path is None else int(context.organisation.find(tree, path))
        limit = wanted.pop("limit", 1000)
        return behind.rows(context, behind.Wanted(kind, unit, **wanted), limit=limit)


def put_day(estate: Estate, device: int, unit: int, day: dt.date, periods: int = 48) -> None:
    at = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
    states = dict.fromkeys(("in_use", "idle", "locked", "asleep", "off", "unobserved"), 0)
    estate.put(
        schema.days, day=at, device=device, site=estate.site("HQ"), unit=unit, observed_seconds=0, periods=periods,
        startups=0, **{f"{name}_seconds": value for name, value in states.items()},
    )  # fmt: skip


def put_item(
    estate: Estate, tag: str, unit: int | None, state: str = "deployed", site: int | None = None
) -> int:
    with write_transaction(estate.engine) as connection:
        row = {
            "tag": tag,
            "kind": "laptop",
            "lifecycle_state": state,
            "usage_profile": "unknown",
            "unit": unit,
        }
        key = connection.execute(insert(register_items).values(**row, site=site, updated_at=0))
        return int(key.inserted_primary_key[0])


def put_batch(estate: Estate, kind: str, made_at: float = NOW) -> int:
    with write_transaction(estate.engine) as connection:
        row = {"kind": kind, "format": kind, "made_at": int(made_at), "made_by": "ada", "unfinished": False}
        key = connection.execute(insert(batches).values(**row, rows_read=1, rows_good=1, rows_bad=0))
        return int(key.inserted_primary_key[0])


def test_a_tree_comes_from_a_file_and_goes_back_into_one(estate: Estate, tmp_path: Path) -> None:
    tried = bring(estate, TREE, dry_run=True)
    assert (len(tried.new), tried.dry_run, paths(estate)) == (6, True, [])
    assert bring(estate, TREE).new == tried.new
    assert paths(estate) == TREE.splitlines()[1:]
    assert bring(estate, TREE).unchanged == 6
    for ending in ("csv", "xlsx"):
        target = tmp_path / f"units.{ending}"
        with estate.engine.connect() as connection:
            assert export_file(connection, target, "units", day=TODAY, now=NOW) == 6
        again = bring_file(estate, target)
        assert (again.what, again.new, again.changed, again.unchanged) == ("units", [], [], 6)
    with estate.engine.connect() as connection:
        actions = [row["action"] for row in audit.read(connection)]
        names = set(connection.scalars(select(schema.units.c.name)))
    assert actions.count("organisation.import") == 1
    assert names == {"Operations", "Custody", "North", "Traffic", "Support", "IT", "unassigned"}


def bring_file(estate: Estate, path: Path) -> Any:
    with path.open("rb") as stream:
        return import_file(estate.engine, stream, path.name, actor="ada", now=NOW, zone=ZONE)


def test_names_with_what_they_are_under_move_what_stands_elsewhere(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(9))
    found = bring(estate, "Unit,Parent\nDogs,Custody\nCustody,Support\nSupport,\n", day=days_ago(2))
    assert (found.new, found.changed, found.unchanged) == (
        ["Support / Custody / Dogs"],
        ["Support / Custody"],
        1,
    )
    assert "Support / Custody / North" in paths(estate)
    assert "Operations / Custody / North" in paths(estate, days_ago(3))


@ONE_STORE
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("Unit\n", "no row"),
        ("Colour\nred\n", "no column says what it holds"),
        ("Unit\nA\nA / \n", "line 3, column Unit: a unit's name is"),
        ("Unit\nA\nB\na\n", "line 4, column Unit: a is on line 2 already"),
        ("Unit\nunassigned\n", "belongs to no unit"),
        ("Unit,Parent\nA,B\nB,A\n", "column Parent: A would be under itself"),
        ("Unit,Parent\nA,Nowhere\n", "parent Nowhere: no unit is called that"),
        ("Cost centre,Unit\nC1,Nowhere\n", "line 2, column Unit: Nowhere on"),
        ("System,Kind\nPNC,magic\n", "line 2, column Kind: 'magic' is no kind of system"),
        ("Site,Kind\nHQ,castle\n", "line 2, column Kind: 'castle' is no kind of site"),
        ("System,Unit\nX,A\n,A\n", "line 3, column System: is empty"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_whole(estate: Estate, text: str, said: str) -> None:
    with pytest.raises(OrganisationError) as refused:
        bring(estate, text)
    assert said in str(refused.value)
    assert paths(estate) == []


def test_a_move_keeps_figures_of_the_days_before(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(40))
    it, custody = unit_id(estate, "IT"), unit_id(estate, "Custody")
    device = estate.device(unit="IT")
    put_item(estate, "FP1", custody)
    put_item(estate, "FP2", None, state="stores")
    for ago in (10, 3):
        put_day(estate, device, it, days_ago(ago), periods=ago)
    told = do(estate, "move", "Support / IT", "Operations", day=days_ago(5))
    assert (told.before, told.after, told.waits) == ("Support / IT", "Operations / IT", False)
    assert figure(estate)["Operations"]["devices"] == 1
    assert figure(estate)["Support"]["devices"] == 0
    assert figure(estate, days_ago(6))["Support"]["devices"] == 1
    over = figure(estate, days_ago(1), over=14)
    assert (over["Support"]["half_hours"], over["Operations"]["half_hours"]) == (10, 3)
    today = figure(estate)
    assert (today["unassigned"]["items"], today["unassigned"]["items_stores"]) == (1, 1)
    assert today["Operations"]["items_deployed"] == 1
    assert [row["tag"] for row in rows(estate, "items", None).rows] == ["FP2"]
    assert rows(estate, "half_hours", "Operations", days_ago(1)).rows[0]["half_hours"] == 3


def test_a_merger_hands_over_what_belongs_to_the_unit_from_its_day_on(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(40))
    traffic, custody = unit_id(estate, "Traffic"), unit_id(estate, "Custody")
    mine, theirs = estate.device(unit="Traffic"), estate.device(unit="Custody")
    item = put_item(estate, "FP1", traffic)
    for ago in (10, 2):
        put_day(estate, mine, traffic, days_ago(ago), periods=ago)
    say(estate.engine, "cost_centres", Said("C1", unit="Traffic"), actor="ada", now=NOW, zone=ZONE, new=True)
    say(
        estate.engine,
        "systems",
        Said("PNC", kind="application", unit="Traffic"),
        actor="ada",
        now=NOW,
        zone=ZONE,
        new=True,
    )
    estate.put(
        schema.enrol_keys,
        id="k",
        secret_sha256="0" * 64,
        site=estate.site("HQ"),
        unit=traffic,
        created_at=0,
        uses=0,
    )
    told = do(estate, "merge", "Traffic", "Custody", day=days_ago(5))
    assert (told.before, told.after) == ("Operations / Traffic", "Operations / Custody")
    assert told.belongings == {"devices": 1, "items": 1, "cost_centres": 1, "systems": 1, "enrol_keys": 1}
    with estate.engine.connect() as connection:
        for table in (schema.devices, schema.enrol_keys, register_items, cost_centres, systems):
            assert set(connection.scalars(select(table.c.unit))) == {custody}, table.name
        assert (
            connection.scalar(select(schema.units.c.valid_to).where(schema.units.c.id == traffic)) is not None
        )
        # A file that goes on naming it means the unit that answers for it.
        assert Places(connection).unit("Operations / Traffic") == custody
    before, after = figure(estate, days_ago(6), over=31), figure(estate, days_ago(1), over=14)
    assert (before["Operations / Traffic"]["devices"], before["Operations / Custody"]["devices"]) == (1, 1)
    assert "Operations / Traffic" not in after
    assert after["Operations / Custody"]["devices"] == 2
    assert before["Operations / Traffic"]["half_hours"] == 10
    assert (after["Operations / Custody"]["half_hours"], after["Operations"]["half_hours"]) == (2, 12)
    assert before["Operations / Traffic"]["items"] == before["Operations / Traffic"]["systems"] == 1
    ids = [estate.device_id(mine), estate.device_id(theirs)]
    assert [row["device_id"] for row in rows(estate, "devices", "Traffic", days_ago(6)).rows] == ids[:1]
    assert [row["device_id"] for row in rows(estate, "devices", "Custody").rows] == ids
    assert [row["id"] for row in rows(estate, "items", "Traffic", days_ago(6)).rows] == [item]


def test_a_change_of_a_day_to_come_takes_effect_on_it(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(40))
    estate.device(unit="Traffic")
    told = do(estate, "merge", "Traffic", "Custody", day=TODAY + dt.timedelta(days=3))
    assert told.waits
    assert figure(estate)["Operations / Traffic"]["devices"] == 1
    later = NOW + 3 * DAY_SECONDS
    today = local_date(later, ZONE)
    assert moves.catch_up(estate.engine, now=NOW, today=TODAY, zone=ZONE) == 0
    assert moves.catch_up(estate.engine, now=later, today=today, zone=ZONE) == 2
    assert moves.catch_up(estate.engine, now=later, today=today, zone=ZONE) == 0
    with estate.engine.connect() as connection:
        assert connection.scalar(select(schema.devices.c.unit)) == unit_id(estate, "Custody")
    late = estate.device()  # by a key that still named it
    with write_transaction(estate.engine) as connection:
        gone = connection.scalar(select(schema.units.c.id).where(schema.units.c.name.like("Traffic (until%")))
        connection.execute(schema.devices.update().where(schema.devices.c.id == late).values(unit=gone))
    assert moves.catch_up(estate.engine, now=later, today=today, zone=ZONE) == 1


def test_a_name_is_free_again_and_two_units_may_share_one(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(40))
    do(estate, "close", "Traffic", day=days_ago(5))
    do(estate, "add", "Support / Traffic", day=days_ago(4))
    do(estate, "add", "Support / Custody", day=days_ago(4))
    do(estate, "rename", "Operations / Custody", "Detention", day=days_ago(3))
    do(estate, "rename", "Support / Custody", "North", day=days_ago(2))
    with estate.engine.connect() as connection:
        names = sorted(connection.scalars(select(schema.units.c.name)))
        places = Places(connection)
        for path in paths(estate):
            assert places.unit_path(places.unit(path)) == path
    assert names == sorted(
        ["Operations", "Detention", "North", "Support", "IT", "Traffic", "Support / North", "unassigned",
         f"Traffic (until {days_ago(5)})"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("move", "Nowhere", "Support"), "there is no such unit"),
        (("move", "Operations", "Operations / Custody"), "a unit cannot be under itself"),
        (("rename", "IT", "a/b"), "a slash parts"),
        (("rename", "IT", None), "say what to rename it to"),
        (("rename", "Custody", "Traffic"), "two units are called"),
        (("merge", "Operations", "Operations / Custody"), "is under"),
        (("merge", "IT", "IT"), "into itself"),
        (("close", "Operations", None), "is under"),
        (("add", "Support / IT", None), "two units are called"),
        (("add", "Unassigned", None), "belongs to no unit"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_the_names(estate: Estate, asked: Any, said: str) -> None:
    bring(estate, TREE, day=days_ago(9))
    before = paths(estate)
    for dry_run in (True, False):
        with pytest.raises((OrganisationError, NotFoundError)) as refused:
            do(estate, *asked, dry_run=dry_run)
        assert said in str(refused.value)
        assert not re.search(r"(?<![\d-])\d+(?![\d-])", str(refused.value))  # names and days, no row's number
    assert paths(estate) == before


@ONE_STORE
def test_a_unit_something_belongs_to_is_not_closed_and_history_is_not_rewritten(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(9))
    estate.device(unit="IT")
    with pytest.raises(OrganisationError, match="1 devices in service belong to it"):
        do(estate, "close", "IT")
    with pytest.raises(NotFoundError):
        do(estate, "move", "IT", "Operations", day=days_ago(10))
    do(estate, "move", "IT", "Operations", day=days_ago(3))
    with pytest.raises(OrganisationError, match="'IT' last changed on"):
        do(estate, "move", "IT", "Support", day=days_ago(4))
    tried = do(estate, "merge", "IT", "Traffic", dry_run=True)
    assert (tried.belongings, tried.dry_run) == ({"devices": 1}, True)
    assert "Operations / IT" in paths(estate)


def test_a_reader_of_a_unit_sees_its_tree_of_today_and_no_more(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(40))
    for name in ("IT", "Traffic", "North"):
        estate.device(unit=name)
    with write_transaction(estate.engine) as connection:
        row = {"password_argon2": "none", "role": "viewer", "created_at": 0, "scoped": True}
        connection.execute(schema.users.insert().values(name="bob", **row))
        grant(connection, schema.user_units, "user", "bob", ["Operations"])

    def scope() -> frozenset[int]:
        with estate.engine.connect() as connection:
            return descend(connection, [unit_id(estate, "Operations")], NOW)

    assert figure(estate, scope=scope())["Operations"]["devices"] == 2
    do(estate, "move", "Custody", "Support", day=days_ago(5))
    found = figure(estate, scope=scope())
    assert (set(found), found["TOTAL"]["devices"]) == ({"Operations", "Operations / Traffic", "TOTAL"}, 1)
    # Nor what stood under it once: what is no longer theirs is not shown under an old day either.
    assert figure(estate, days_ago(6), scope=scope())["Operations"]["devices"] == 1
    with pytest.raises(NotFoundError):
        rows(estate, "devices", "Support", scope=scope())
    with pytest.raises(NotFoundError):
        rows(estate, "devices", None, scope=scope())
    with pytest.raises(OrganisationError, match="money"):
        rows(estate, "ledger", "Operations", scope=scope())
    assert not set(figures.MONEY) & set(found["TOTAL"])
    do(estate, "merge", "IT", "Operations / Traffic", day=days_ago(2))
    assert figure(estate, scope=scope())["Operations"]["devices"] == 2
    told = do(estate, "merge", "Operations", "Support", dry_run=True)
    assert told.holders == ["user bob"]
    do(estate, "merge", "Operations", "Support")
    with estate.engine.connect() as connection:  # a merger never shows anybody more
        granted = connection.scalars(select(schema.user_units.c.unit)).all()
        assert descend(connection, granted, NOW) == frozenset()


def test_what_stands_at_a_restricted_site_is_counted_and_not_listed(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(9))
    secret = estate.site("Annexe R", restricted=True)
    hidden = estate.device(unit="IT", site="Annexe R")
    shown = estate.device(unit="IT")
    put_item(estate, "R1", unit_id(estate, "IT"), site=secret)
    for device in (hidden, shown):
        put_day(estate, device, unit_id(estate, "IT"), days_ago(1))
    assert figure(estate)["Support / IT"]["devices"] == 2
    page = rows(estate, "devices", "Support")
    assert ([row["device_id"] for row in page.rows], page.restricted) == ([estate.device_id(shown)], 1)
    page = rows(estate, "items", "Support", state="deployed")
    assert (page.rows, page.restricted) == ([], 1)
    page = rows(estate, "half_hours", "Support")
    assert (len(page.rows), page.restricted) == (1, 1)
    with estate.engine.connect() as connection:
        told = export_rows(connection, "sites", TODAY)[1]
    assert "Annexe R" not in {row["Site"] for row in told}


def test_pounds_count_to_the_unit_of_their_period(estate: Estate) -> None:
    # NOW is in September 2026: accounting period 6 of the year that began in April.
    bring(estate, TREE, day=dt.date(2026, 4, 1), now=NOW)
    say(
        estate.engine,
        "cost_centres",
        Said("C1", "Cells", unit="Custody"),
        actor="ada",
        now=NOW,
        zone=ZONE,
        new=True,
    )
    lines = [("C1", 1, 100_00), ("c1", 4, 3_000_000_000_00), ("C9", 1, 7_00), (None, None, 5_00)]
    batch = put_batch(estate, "ledger")
    for number, (centre, period, pence) in enumerate(lines):
        content = {"amount_pence": pence, "financial_year": 2026, "measure": "outturn"}
        estate.put(
            ledger_lines,
            batch=batch,
            line=number,
            financial_year=2026,
            period=period,
            cost_centre=centre,
            content=content,
        )
    budget = {"amount_pence": 1, "financial_year": 2026, "measure": "budget"}
    estate.put(
        ledger_lines, batch=batch, line=9, financial_year=2026, period=1, cost_centre="C1", content=budget
    )
    say(
        estate.engine, "cost_centres", Said("C1", unit="IT", day=dt.date(2026, 6, 1)), actor="ada", now=NOW, zone=ZONE,
        new=False,
    )  # fmt: skip
    do(estate, "move", "Custody", "Support", day=dt.date(2026, 5, 1))
    found = figure(estate)
    assert found["Operations"]["ledger_pence"] == 100_00
    assert found["Support"]["ledger_pence"] == found["Support / IT"]["ledger_pence"] == 3_000_000_000_00
    assert found["unassigned"]["ledger_pence"] == 12_00
    assert found["TOTAL"]["ledger_pence"] == 3_000_000_112_00
    assert [row["pence"] for row in rows(estate, "ledger", "Operations").rows] == [100_00]
    assert sum(row["pence"] for row in rows(estate, "ledger", None).rows) == 12_00
    with pytest.raises(OrganisationError, match="came to its unit on 2026-06-01"):
        say(
            estate.engine, "cost_centres", Said("C1", unit="none", day=dt.date(2026, 5, 1)), actor="ada", now=NOW,
            zone=ZONE, new=False,
        )  # fmt: skip


def test_contracts_count_by_their_unit_cost_centre_or_system_while_they_run(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(40))
    say(estate.engine, "cost_centres", Said("C1", unit="IT"), actor="ada", now=NOW, zone=ZONE, new=True)
    batch = put_batch(estate, "contracts")
    running = {"starts": days_ago(99).isoformat(), "ends": days_ago(-99).isoformat(), "batch": batch}
    estate.put(contracts, name="a", value_pence_per_year=100, unit=unit_id(estate, "Custody"), **running)
    estate.put(contracts, name="b", value_pence_per_year=20, cost_centre=1, **running)
    estate.put(contracts, name="c", **running)
    estate.put(contracts, name="d", value_pence_per_year=5, **{**running, "ends": days_ago(9).isoformat()})
    found = figure(estate)
    assert (found["Operations"]["contract_pence"], found["Support"]["contract_pence"]) == (100, 20)
    assert (found["unassigned"]["contracts"], found["unassigned"]["contracts_without_value"]) == (1, 1)
    assert (found["TOTAL"]["contracts"], found["TOTAL"]["contract_pence"]) == (3, 120)
    assert figure(estate, days_ago(10))["TOTAL"]["contract_pence"] == 125
    say(estate.engine, "cost_centres", Said("C1", unit="none"), actor="ada", now=NOW, zone=ZONE, new=False)
    assert figure(estate, days_ago(1))["Support"]["contract_pence"] == 20
    assert figure(estate)["unassigned"]["contract_pence"] == 20
    assert [row["name"] for row in rows(estate, "contracts", "IT", days_ago(1)).rows] == ["b"]


def test_the_register_is_rolled_up_as_it_stood(estate: Estate) -> None:
    bring(estate, TREE, day=days_ago(40))
    custody, it = unit_id(estate, "Custody"), unit_id(estate, "IT")
    item, new = put_item(estate, "FP1", it, "repair"), put_item(estate, "FP2", it)
    batch = put_batch(estate, "by_hand", NOW - 2 * DAY_SECONDS)
    before = {"unit": custody, "lifecycle_state": "deployed"}
    estate.put(register_changes, batch=batch, item=item, before=before, after={})
    estate.put(register_changes, batch=batch, item=new, before=None, after={})
    assert figure(estate)["Support"]["items"] == 2
    then = figure(estate, days_ago(3))
    assert (then["Operations"]["items_deployed"], then["TOTAL"]["items"]) == (1, 1)
    assert [row["tag"] for row in rows(estate, "items", "Custody", days_ago(3), state="deployed").rows] == [
        "FP1"
    ]
    assert rows(estate, "items", "IT", days_ago(3)).rows == []


def test_cost_centres_and_systems_are_added_set_and_exported(estate: Estate, tmp_path: Path) -> None:
    bring(estate, TREE, day=days_ago(9))
    found = bring(estate, "Cost centre,Name,Unit\nC1,=Cells,Operations / Custody\nC2,,\n")
    assert (found.what, found.new) == ("cost_centres", ["C1", "C2"])
    bring(estate, "System,Kind,Unit\nPNC,application,Custody\nBackup,infrastructure,\n")
    bring(estate, "Site,Kind\nYard,vehicle\n")
    for what, count in (("cost_centres", 2), ("systems", 2), ("sites", 1)):
        for ending in ("csv", "xlsx"):
            target = tmp_path / f"{what}.{ending}"
            with estate.engine.connect() as connection:
                assert export_file(connection, target, what, day=TODAY, now=NOW) == count  # type: ignore[arg-type] # of them
            again = bring_file(estate, target)
            assert (again.what, again.new, again.changed, again.unchanged) == (what, [], [], count)
    changed = bring(estate, "Cost centre,Unit\nC1,\n")
    assert changed.changed == ["C1"]
    with estate.engine.connect() as connection:
        assert [(row["code"], row["name"], row["unit"]) for row in listed(connection, "cost_centres")] == [
            ("C1", "=Cells", None), ("C2", None, None),
        ]  # fmt: skip
    with pytest.raises(NotFoundError):
        say(estate.engine, "systems", Said("Nope"), actor="ada", now=NOW, zone=ZONE, new=False)
    with pytest.raises(OrganisationError, match="already"):
        say(estate.engine, "systems", Said("pnc"), actor="ada", now=NOW, zone=ZONE, new=True)
    tried = say(
        estate.engine,
        "systems",
        Said("PNC", kind="unknown"),
        actor="a",
        now=NOW,
        zone=ZONE,
        new=False,
        dry_run=True,
    )
    assert (tried.changed, tried.after["kind"]) == (True, "unknown")


# --- properties -----------------------------------------------------------------------------------------------

NAMES = ("A", "B", "C", "D", "E")
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("move", "rename", "merge", "close", "add")),
        st.sampled_from(NAMES),
        st.sampled_from((*NAMES, None)),
        st.integers(1, 20),
    ),
    max_size=8,
)


def try_all(estate: Estate, changes: Any, *, start: int) -> None:
    """Make the changes that can be made, each a day or more after the one before."""
    ago = start
    for action, unit, to, wait in changes:
        ago = max(ago - wait, 0)
        named = f"{to}{ago}" if action == "rename" and to is not None else to
        try:
            do(estate, action, unit, named, day=days_ago(ago))
        except (OrganisationError, NotFoundError):
            continue


def clear(estate: Estate) -> None:
    """Empty all tables but the audit, which only grows."""
    with write_transaction(estate.engine) as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table.name not in {"estate", "audit", "audit_chain"}:
                connection.execute(delete(table))
        connection.execute(insert(schema.units).values(name="unassigned", valid_from=0))
        connection.execute(insert(schema.sites).values(name="unassigned", kind="unknown", restricted=False))


def plant(estate: Estate, shape: Any) -> None:
    clear(estate)
    bring(
        estate,
        "Unit,Parent\n" + "".join(f"{name},{above or ''}\n" for name, above in shape),
        day=days_ago(90),
    )
    for number, name in enumerate((*NAMES, "unassigned")):
        device = estate.device(unit=name)
        put_item(estate, f"T{number}", unit_id(estate, name) if name in NAMES else None)
        for ago in (95, 60, 30, 1):
            put_day(estate, device, estate.unit(name), days_ago(ago), periods=number + 1)


def shapes() -> st.SearchStrategy[list[tuple[str, str | None]]]:
    above = [st.sampled_from((None, *NAMES[:number])) for number in range(len(NAMES))]
    return st.tuples(*above).map(lambda found: list(zip(NAMES, found, strict=True)))


IN_A_STORE = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@IN_A_STORE
@given(shape=shapes(), changes=CHANGES, ago=st.integers(0, 100), data=st.data())
def test_figures_of_any_tree_and_day_sum_to_the_total(
    estate: Estate, shape: Any, changes: Any, ago: int, data: st.DataObject
) -> None:
    plant(estate, shape)
    try_all(estate, changes, start=80)
    with estate.engine.connect() as connection:
        context = made_of(connection, days_ago(ago), 31)
        found = figures.figures(context)
        assert found.total["devices"] == (6 if ago <= 90 else 0)
        for measure in found.measures:
            tops = sum(line.total[measure] for line in found.lines if line.depth == 0)
            if measure not in {
                "half_hours",
                "device_days",
            }:  # these stand under the tree of each of their own days
                assert tops == found.total[measure], measure
                assert sum(line.own[measure] for line in found.lines) == found.total[measure]
        line = data.draw(st.sampled_from(found.lines))
        for kind in ("devices", "items", "systems", "cost_centres"):
            page = behind.rows(context, behind.Wanted(kind, line.unit))
            assert len(page.rows) + page.restricted == line.total[kind], (kind, line.path)
        page = behind.rows(context, behind.Wanted("half_hours", line.unit))
        assert sum(row["half_hours"] for row in page.rows) == line.total["half_hours"]
        assert sum(row["days"] for row in page.rows) == line.total["device_days"]


@IN_A_STORE
@given(shape=shapes(), unit=st.sampled_from(NAMES), to=st.sampled_from((*NAMES, None)))
def test_moving_there_and_back_changes_no_figure(
    estate: Estate, shape: Any, unit: str, to: str | None
) -> None:
    plant(estate, shape)
    above = dict(shape)[unit]
    days = (0, 2, 6, 40, 70)
    before = [figure(estate, days_ago(ago)) for ago in days]
    try:
        do(estate, "move", unit, to, day=days_ago(5))
    except OrganisationError:
        return
    do(estate, "move", unit, above, day=days_ago(3))
    assert [figure(estate, days_ago(ago)) for ago in days] == before


@IN_A_STORE
@given(shape=shapes(), changes=CHANGES)
def test_an_export_comes_in_again_as_the_same_tree(estate: Estate, shape: Any, changes: Any) -> None:
    plant(estate, shape)
    try_all(estate, changes, start=80)
    told = paths(estate)
    text = "Unit\n" + "".join(f"{path}\n" for path in told)
    assert bring(estate, text).unchanged == len(told)
    clear(estate)
    assert len(bring(estate, text).new) == len(told)
    assert paths(estate) == told
    with estate.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(book_figures)) == 0
