"""Reconciliation out of the tables and into them again, on both stores."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate

from roadworthy_collector.books import lists, reconciling, register, reviewing
from roadworthy_collector.books.identities import hashed
from roadworthy_collector.books.waterfall import waterfall, with_agent
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.jobs import books
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import (
    batches,
    book_figures,
    match_decisions,
    mdm_devices,
    reconciled,
    register_devices,
    register_items,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit

DAY = 86_400
UUID = "4c4c4544-0042-3510-8052-b4c04f4e3732"


def work_of(estate: Estate, now: float = NOW) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)


def item(estate: Estate, **values: Any) -> int:
    row = {
        "kind": "laptop",
        "lifecycle_state": "deployed",
        "usage_profile": "personal",
        "updated_at": int(NOW),
        **values,
    }
    with write_transaction(estate.engine) as connection:
        statement = insert(register_items).values(**row).returning(register_items.c.id)
        return int(connection.execute(statement).scalar_one())


def mdm(estate: Estate, *rows: dict[str, Any], undone: bool = False) -> list[int]:
    values = {
        "kind": "mdm",
        "format": "intune",
        "made_at": int(NOW),
        "made_by": "ada",
        "rows_read": len(rows),
        "rows_good": len(rows),
        "rows_bad": 0,
        "undone_at": int(NOW) if undone else None,
    }
    with write_transaction(estate.engine) as connection:
        batch = connection.execute(insert(batches).values(**values).returning(batches.c.id)).scalar_one()
        return [
            int(
                connection.execute(
                    insert(mdm_devices).values(batch=batch, **row).returning(mdm_devices.c.id)
                ).scalar_one()
            )
            for row in rows
        ]


def links(estate: Estate) -> list[tuple[int, int, str, str | None]]:
    query = select(register_devices).order_by(register_devices.c.item, register_devices.c.valid_from)
    with estate.engine.connect() as connection:
        return [(row.item, row.device, row.valid_from, row.valid_to) for row in connection.execute(query)]


def day(epoch: float) -> str:
    return dt.datetime.fromtimestamp(epoch, dt.UTC).date().isoformat()


def places(estate: Estate) -> dict[tuple[str, str], int]:
    with estate.engine.connect() as connection:
        return lists.counts(connection)


def test_every_register_item_stands_in_one_place_and_each_gap_has_its_rows(estate: Estate) -> None:
    well = item(estate, tag="FP1", serial="5CG0000001")
    item(estate, tag="FP2", serial="5CG0000002")  # in the MDM alone
    silent = item(estate, tag="FP3", serial="5CG0000003")
    orphan = item(estate, tag="FP4", serial="5CG0000004")
    item(estate, tag="M1", serial="MON1", kind="monitor")
    item(estate, tag="FP5", serial="5CG0000005", lifecycle_state="disposed")
    mdm(
        estate,
        {"mdm_id": "a", "serial": "5CG0000001", "tag": "FP1"},
        {"mdm_id": "b", "serial": "5CG0000002", "tag": "FP2"},
        {"mdm_id": "c", "serial": "5CG0000003", "tag": "FP3"},
        {"mdm_id": "z", "serial": "GHOST00001"},
    )
    first = estate.device(serial="5CG0000001", asset_tag="FP1")
    late = estate.device(serial="5CG0000003", asset_tag="FP3", last_report_at=int(NOW) - 9 * DAY)
    estate.device(serial="STRAY00001")
    found = reconciling.reconcile_now(work_of(estate))
    assert found["register"] == 4
    assert found["left_out"] == 2
    assert found["match_rate"] == [3, 4]
    assert found["device_rate"] == [2, 3]
    assert places(estate) == {
        ("reporting", "matched"): 1,
        ("no_agent", "matched"): 1,
        ("silent", "matched"): 1,
        ("not_in_mdm", "orphan"): 1,
        ("ghost", "mdm"): 1,
        ("ghost", "agent"): 1,
    }
    with estate.engine.connect() as connection:
        page = lists.gap(connection, "not_in_mdm")
        assert [row["item"] for row in page.rows] == [orphan]
        assert page.next is None
        assert [row["device_serial"] for row in lists.gap(connection, "ghost", state="agent").rows] == [
            "STRAY00001"
        ]
    begin = day(NOW - 90 * DAY)
    assert links(estate) == [(well, first, begin, None), (silent, late, begin, None)]


def test_an_agent_no_mdm_knows_is_in_the_totals(estate: Estate) -> None:
    for number, seen in ((1, 0), (2, 0), (3, 9 * DAY)):
        item(estate, tag=f"FP{number}", serial=f"5CG000000{number}")
        last = int(NOW) - seen
        estate.device(serial=f"5CG000000{number}", asset_tag=f"FP{number}", last_report_at=last)
    mdm(estate, {"mdm_id": "a", "serial": "5CG0000001", "tag": "FP1"})
    reconciling.reconcile_now(work_of(estate))
    counted = places(estate)
    steps = waterfall(counted, with_mdm=True)
    assert [(step.name, step.items) for step in steps[1:]] == [
        ("in the MDM export", 1),
        ("in the MDM export and with an agent", 1),
        ("of those, reporting this week", 1),
    ]
    assert with_agent(counted) == 3
    with estate.engine.connect() as connection:
        assert reconciling.count_reporting(connection, counted, None) == 2
        assert reconciling.count_reporting(connection, {}, frozenset({0})) == 0
        assert len(lists.gap(connection, "not_in_mdm", state="matched").rows) == 2


def test_without_an_mdm_export_no_item_is_missed_there(estate: Estate) -> None:
    item(estate, tag="FP1", serial="5CG0000001")
    mdm(estate, {"mdm_id": "a", "serial": "5CG0000001", "tag": "FP1"}, undone=True)
    reconciling.reconcile_now(work_of(estate))
    assert places(estate) == {("no_agent", "orphan"): 1}


def test_hashes_of_agents_agree_with_what_a_register_says_in_clear(estate: Estate) -> None:
    swapped = "44454c4c-4200-1035-8052-b4c04f4e3732"
    known = item(estate, serial="5CG0000001", uuid=swapped)
    device = estate.device(serial="5CG0000001", fingerprint={"system_uuid": hashed("system_uuid", UUID)})
    reconciling.reconcile_now(work_of(estate))
    assert links(estate) == [(known, device, day(NOW - 90 * DAY), None)]


def test_an_item_keeps_its_history_over_a_machine_set_up_anew(estate: Estate) -> None:
    known = item(estate, tag="FP1", serial="5CG0000001", uuid=UUID)
    same = {"serial": "5CG0000001", "fingerprint": {"system_uuid": hashed("system_uuid", UUID)}}
    old = estate.device(**same, last_report_at=int(NOW) - 11 * DAY)
    new = estate.device(**same, enrolled_at=int(NOW) - 10 * DAY)
    reconciling.reconcile_now(work_of(estate))
    assert links(estate) == [
        (known, old, day(NOW - 90 * DAY), day(NOW - 10 * DAY)),
        (known, new, day(NOW - 10 * DAY), None),
    ]
    reconciling.reconcile_now(work_of(estate))
    assert len(links(estate)) == 2


def test_a_device_no_longer_matched_ends_and_is_never_deleted(estate: Estate) -> None:
    known = item(estate, tag="FP1", serial="5CG0000001")
    device = estate.device(serial="5CG0000001", asset_tag="FP1")
    reconciling.reconcile_now(work_of(estate))
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.devices.update().values(retired_at=int(NOW)))
    reconciling.reconcile_now(work_of(estate))
    assert links(estate) == [(known, device, day(NOW - 90 * DAY), day(NOW))]
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.devices.update().values(retired_at=None))
    reconciling.reconcile_now(work_of(estate, NOW + DAY))
    assert links(estate)[1] == (known, device, day(NOW + DAY), None)


def review(estate: Estate) -> list[dict[str, Any]]:
    with estate.engine.connect() as connection:
        return lists.gap(connection, "review").rows


def test_one_key_alone_waits_for_a_person_whose_word_holds(estate: Estate) -> None:
    known = item(estate, tag="FP1", serial="5CG0000001")
    device = estate.device(serial="5CG0000001")
    reconciling.reconcile_now(work_of(estate))
    assert places(estate) == {("no_agent", "undecided"): 1, ("ghost", "agent"): 1, ("review", "one_key"): 1}
    (row,) = review(estate)
    assert row["detail"]["agreed"] == ["serial"]
    with write_transaction(estate.engine) as connection:
        pairs = reviewing.decide(connection, row["id"], same=True, now=int(NOW), actor="rita")
    assert pairs == [(f"agent:{estate.device_id(device)}", f"register:{known}")]
    assert review(estate) == []
    reconciling.reconcile_now(work_of(estate))
    assert links(estate) == [(known, device, day(NOW - 90 * DAY), None)]
    with write_transaction(estate.engine) as connection:
        reviewing.withdraw(connection, *pairs[0], now=int(NOW), actor="rita")
    reconciling.reconcile_now(work_of(estate))
    (row,) = review(estate)
    with write_transaction(estate.engine) as connection:
        reviewing.decide(connection, row["id"], same=False, now=int(NOW), actor="rita")
    reconciling.reconcile_now(work_of(estate))
    assert review(estate) == []
    assert places(estate) == {("no_agent", "orphan"): 1, ("ghost", "agent"): 1}
    with estate.engine.connect() as connection:
        said = [(one["actor"], one["action"]) for one in audit.read(connection)]
        assert said == [("rita", "match.confirm"), ("rita", "match.withdraw"), ("rita", "match.refuse")]
        assert connection.scalar(select(match_decisions.c.same)) is False


def test_what_is_decided_or_gone_cannot_be_decided_again(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection, pytest.raises(NotFoundError):
        reviewing.decide(connection, 7, same=True, now=int(NOW), actor="rita")


def test_a_reader_of_some_units_sees_and_decides_theirs_alone(estate: Estate) -> None:
    north, south = estate.unit("North"), estate.unit("South")
    for number, unit in enumerate((north, south)):
        item(estate, tag=f"FP{number}", serial=f"5CG000000{number}", unit=unit)
        estate.device(serial=f"5CG000000{number}", unit="North" if unit == north else "South")
    reconciling.reconcile_now(work_of(estate))
    with estate.engine.connect() as connection:
        assert lists.counts(connection, frozenset({north}))["review", "one_key"] == 1
        (mine,) = lists.gap(connection, "review", scope=frozenset({north})).rows
        (other,) = lists.gap(connection, "review", scope=frozenset({south})).rows
    with write_transaction(estate.engine) as connection, pytest.raises(NotFoundError):
        reviewing.decide(connection, other["id"], same=True, now=1, actor="n", scope=frozenset({north}))
    with write_transaction(estate.engine) as connection:
        reviewing.decide(connection, mine["id"], same=True, now=1, actor="n", scope=frozenset({north}))


def test_restricted_sites_count_and_are_never_listed(estate: Estate) -> None:
    hidden = estate.site("Annexe", restricted=True)
    item(estate, tag="FP1", serial="5CG0000001", site=hidden)
    estate.device(serial="5CG0000009", site="Annexe", restricted=True)
    reconciling.reconcile_now(work_of(estate))
    assert places(estate) == {("no_agent", "orphan"): 1, ("ghost", "agent"): 1}
    with estate.engine.connect() as connection:
        assert lists.gap(connection, "no_agent").rows == []
        assert lists.gap(connection, "ghost").rows == []


def test_pages_of_a_gap_go_on_after_the_last_row(estate: Estate) -> None:
    for number in range(5):
        item(estate, tag=f"FP{number}")
    reconciling.reconcile_now(work_of(estate))
    seen: list[str] = []
    after: int | None = 0
    with estate.engine.connect() as connection:
        while after is not None:
            page = lists.gap(connection, "no_agent", after=after, limit=2)
            seen += [row["tag"] for row in page.rows]
            after = page.next
    assert sorted(seen) == [f"FP{number}" for number in range(5)]


def test_the_same_outcome_is_not_written_again(estate: Estate) -> None:
    item(estate, tag="FP1", serial="5CG0000001")
    one = reconciling.reconcile_now(work_of(estate))
    assert reconciling.reconcile_now(work_of(estate, NOW + 60))["run"] == one["run"]
    item(estate, tag="FP2", serial="5CG0000002")
    other = reconciling.reconcile_now(work_of(estate, NOW + 120))
    assert other["run"] > one["run"]
    with estate.engine.connect() as connection:
        assert set(connection.scalars(select(reconciled.c.run))) == {other["run"]}


def test_the_job_works_hourly_and_when_the_books_change(estate: Estate) -> None:
    assert books.compute(work_of(estate)) == 2
    assert books.compute(work_of(estate, NOW + 60)) == 0
    mdm(estate, {"mdm_id": "a", "serial": "5CG0000001"})
    assert books.compute(work_of(estate, NOW + 180)) == 2
    assert books.compute(work_of(estate, NOW + 240)) == 0
    assert books.compute(work_of(estate, NOW + 180 + 3600)) == 2
    with estate.engine.connect() as connection:
        assert set(connection.scalars(select(book_figures.c.name))) >= {"books", "ratings", "reconciliation"}


def test_printers_are_matched_where_printers_are_polled_and_a_controller_is_its_server(
    estate: Estate,
) -> None:
    known = item(estate, tag="PR1", serial="PRN0000001", kind="printer")
    item(estate, tag="PR2", serial="PRN0000002", kind="printer")
    item(estate, tag="UP1", serial="UPS0000001", kind="ups")
    mdm(estate, {"mdm_id": "z", "serial": "GHOST00001"})
    assert reconciling.reconcile_now(work_of(estate))["left_out"] == 3  # nobody polls any
    told = {"now": {"readings": [{"kind": "page_count", "value": 48_211.0}]}}
    facts = {"hardware": {"vendor": "Example", "firmware": "2.1"}}
    names = {"serial": "PRN0000001", "asset_tag": "PR1"}
    printer = estate.device(device_class="printer", now=told, facts=facts, **names)
    estate.device(device_class="controller", serial="5CG0000001")
    found = reconciling.reconcile_now(work_of(estate, NOW + 60))
    assert (found["left_out"], found["register"], found["agents"]) == (1, 2, 1)
    # No MDM knows a printer: none is missed there.
    assert places(estate) == {("ghost", "mdm"): 1, ("no_agent", "orphan"): 1, ("reporting", "matched"): 1}
    assert [(one, device) for one, device, _, _ in links(estate)] == [(known, printer)]
    with estate.engine.connect() as connection:
        (linked,) = register.linked_devices(connection, known)
    assert linked.told == {"vendor": "Example", "firmware": "2.1", "page_count": 48_211.0}
