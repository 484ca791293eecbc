"""Conditions out of the facts, ratings into the tables, rules tried and saved, exceptions; on both stores."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate

from roadworthy_collector.books import (
    excepting,
    figures,
    lists,
    rating,
    rating_reasons,
    rating_trying,
    reconciling,
    rules,
)
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import (
    batches,
    exceptions,
    import_ratings,
    mdm_devices,
    ratings,
    register_devices,
    register_items,
    rule_editions,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit

DAY = 86_400
TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
DEBIAN = {"os": {"id": "debian", "name": "Debian GNU/Linux", "version": "12"}}
DEVICE = {
    "device_class": "laptop",
    "environment": "physical",
    "system_medium": "nvme",
    "usage_profile": "personal",
    "facts": DEBIAN,
    "os_name": "Debian GNU/Linux",
    "os_version": "12",
}


def work_of(estate: Estate, now: float = NOW) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)


def held(estate: Estate, device: int) -> Any:
    with estate.engine.connect() as connection:
        return connection.execute(select(ratings).where(ratings.c.device == device)).one_or_none()


def rules_met(estate: Estate, device: int) -> set[str]:
    return {one["rule"] for one in held(estate, device).reasons}


def signin(
    estate: Estate, device: int, number: int, *, days_ago: int, seconds: float, first: bool = False
) -> None:
    midnight = int(NOW) // DAY * DAY - days_ago * DAY
    estate.put(
        schema.signins,
        device=device,
        signin_id=f"s{number}",
        revision=1,
        final=True,
        day=midnight,
        total_seconds=seconds,
        quality="measured",
        record={"first_on_device": first},
        content_hash=b"12345678",
    )


def linked_item(estate: Estate, device: int, **values: Any) -> int:
    row = {
        "tag": f"FP{device}",
        "kind": "laptop",
        "lifecycle_state": "deployed",
        "usage_profile": "unknown",
        "updated_at": 1,
        **values,
    }
    with write_transaction(estate.engine) as connection:
        made = insert(register_items).values(**row).returning(register_items.c.id)
        item = int(connection.execute(made).scalar_one())
        link = {"item": item, "device": device, "valid_from": "2026-01-01", "matched_on": ["serial", "tag"]}
        connection.execute(insert(register_devices).values(**link))
    return item


def test_a_condition_is_what_the_facts_say(estate: Estate) -> None:
    device = estate.device(**DEVICE)
    for number in range(6):
        estate.startup(device, started_at=NOW - (number + 1) * DAY, total_seconds=200.0 + number)
        estate.startup(device, started_at=NOW - (30 + number) * DAY, total_seconds=100.0)
    estate.startup(device, started_at=NOW - 2 * DAY, kind="resume", total_seconds=1.0)
    estate.startup(device, started_at=NOW - 2 * DAY, kind="update", total_seconds=900.0)
    estate.startup(device, started_at=NOW - 3 * DAY, kind="dirty", total_seconds=210.0)
    estate.startup(device, started_at=NOW - 4 * DAY, kind="dirty", total_seconds=None)
    estate.startup(device, started_at=NOW - 80 * DAY, total_seconds=5000.0)
    for number in range(5):
        signin(estate, device, number, days_ago=1, seconds=10.0)
    signin(estate, device, 9, days_ago=1, seconds=900.0, first=True)
    estate.put(schema.disks, device=device, name="sda", medium="ssd", wear_ratio=0.9, failing=False)
    estate.put(schema.disks, device=device, name="sdb", medium="ssd", wear_ratio=0.2, failing=True)
    estate.put(schema.batteries, device=device, name="BAT0", health_ratio=0.35, cycles=12)
    item = linked_item(estate, device, warranty_end=(TODAY + dt.timedelta(days=30)).isoformat())
    assert item
    rating.rate_now(work_of(estate))
    row = held(estate, device)
    assert row.verdict == "action required"
    assert rules_met(estate, device) == {
        "startup-slow",
        "startup-grown",
        "unexpected-shutdowns",
        "disk-failing",
        "disk-worn",
        "battery-spent",
        "warranty-ends-soon",
    } | ({"support-ended"} if "support-ended" in rules_met(estate, device) else set())
    assert "signin-slow" not in row.not_judged
    assert "signin-grown" in row.not_judged


def test_what_is_not_known_is_not_judged_and_no_data_is_a_class_of_its_own(estate: Estate) -> None:
    silent = estate.device(last_report_at=None)
    rating.rate_now(work_of(estate))
    row = held(estate, silent)
    assert row.verdict == "no data"
    assert row.reasons == []
    assert row.not_judged["startup-slow"] == "it has never reported"
    with estate.engine.connect() as connection:
        found = figures.read(connection, "ratings")
    assert found is not None
    assert found[0]["estate"]["counts"]["no data"] == 1
    assert found[0]["estate"]["rated"] == 0


def test_a_new_installation_is_observed(estate: Estate) -> None:
    device = estate.device(**DEVICE, enrolled_at=int(NOW) - 5 * DAY)
    estate.put(schema.disks, device=device, name="sda", medium="ssd", failing=True)
    rating.rate_now(work_of(estate))
    row = held(estate, device)
    assert row.verdict == "observing"
    assert next(one for one in row.reasons if one["rule"] == "disk-failing")["demoted"] is True


def test_a_rating_that_did_not_change_is_not_written_again_and_a_retired_device_has_none(
    estate: Estate,
) -> None:
    device = estate.device(**DEVICE)
    rating.rate_now(work_of(estate))
    rating.rate_now(work_of(estate, NOW + 60))
    assert held(estate, device).rated_at == int(NOW)
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.devices.update().values(retired_at=int(NOW)))
    rating.rate_now(work_of(estate, NOW + 120))
    assert held(estate, device) is None


def test_imports_alone_are_rated_and_say_so(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        values = {"kind": "mdm", "format": "intune", "made_at": 1, "made_by": "ada"}
        values |= dict.fromkeys(("rows_read", "rows_good", "rows_bad"), 1)
        batch = connection.execute(insert(batches).values(**values).returning(batches.c.id)).scalar_one()
        row = {"mdm_id": "a", "serial": "5CG1", "tag": "FP1", "last_check_in": TODAY.isoformat()}
        connection.execute(insert(mdm_devices).values(batch=batch, **row))
        told = {"kind": "experience", "format": "endpoint_analytics", "made_at": int(NOW)}
        made = insert(batches).values(**values | told).returning(batches.c.id)
        batch = connection.execute(made).scalar_one()
        scores = {"health": "needs attention", "core_boot_seconds": 400.0, "startup_score": 20.0}
        connection.execute(insert(mdm_devices).values(batch=batch, mdm_id="a", scores=scores))
        items = {
            "kind": "laptop",
            "lifecycle_state": "deployed",
            "usage_profile": "personal",
            "updated_at": 1,
        }
        connection.execute(insert(register_items).values(tag="FP1", serial="5CG1", **items))
        old = {"os_name": "Windows 7 Professional", "os_version": "6.1.7601"}
        connection.execute(insert(register_items).values(tag="FP2", **items, **old))
    reconciling.reconcile_now(work_of(estate))
    found = rating.rate_now(work_of(estate))
    assert found["imported"]["devices"] == 2
    assert found["imported"]["import_only"] == 2
    assert found["estate"]["devices"] == 0
    with estate.engine.connect() as connection:
        rows = lists.list_ratings(connection, lists.Wanted(imported=True)).rows
        met = {row["tag"]: {one["rule"] for one in row["reasons"]} for row in rows}
        assert met["FP1"] >= {"startup-severe", "imported-needs-attention"}
        assert met["FP2"] == {"support-ended"}
        only = lists.list_ratings(connection, lists.Wanted(imported=True, rule="support-ended")).rows
        assert [row["tag"] for row in only] == ["FP2"]
        counts = lists.rating_counts(connection, lists.Wanted(imported=True))
        assert sum(counts.values()) == 2
        _, text, _ = rules.current(connection)
    softer = text.replace('id = "support-ended"', 'id = "support-gone"')
    tried = rating_trying.try_text(estate.engine, softer, NOW, "Europe/London")
    assert (tried.agents.devices, tried.imported.devices) == (0, 2)
    (change,) = tried.imported.changes
    assert (tried.tags[change.device], change.newly_met) == ("FP2", ("support-gone",))
    assert sum(tried.imported.moves.values()) == 2
    estate.device(serial="5CG1", asset_tag="FP1")
    reconciling.reconcile_now(work_of(estate, NOW + 60))
    rating.rate_now(work_of(estate, NOW + 60))
    with estate.engine.connect() as connection:
        assert len(connection.execute(select(import_ratings)).all()) == 1


def test_a_rule_opens_as_many_as_it_counts_and_those_excepted_apart(estate: Estate) -> None:
    disk = DEVICE | {"system_medium": "hdd"}
    new = estate.device(**disk, enrolled_at=NOW - DAY)
    one, covered = estate.device(**disk), estate.device(**disk)
    told = {"reason": "a lab", "owner": "a", "approver": "b", "begins": "2026-01-01", "expires": "2030-01-01"}
    estate.put(exceptions, device=covered, rules=["hard-disk"], made_at=1, **told)
    content = rating.rate_now(work_of(estate))["estate"]
    counts = {asks: count for rule, asks, count in content["reasons"] if rule == "hard-disk"}
    assert content["excepted_reasons"] == {"hard-disk": 1}
    with estate.engine.connect() as connection:

        def listed(**wanted: Any) -> set[int]:
            rows = lists.list_ratings(connection, lists.Wanted(**wanted)).rows
            assert sum(lists.rating_counts(connection, lists.Wanted(**wanted)).values()) == len(rows)
            return {row["id"] for row in rows}

        assert listed(rule="hard-disk") == {new, one, covered}
        assert listed(rule="hard-disk", excepted="yes") == listed(excepted="yes") == {covered}
        assert listed(rule="hard-disk", excepted="no") == {new, one}
        for asks in rating_reasons.ASKING:
            assert len(listed(rule="hard-disk", asks=asks)) == counts.get(asks, 0)


def test_lists_are_narrowed_and_restricted_sites_count_alone(estate: Estate) -> None:
    shown = estate.device(**DEVICE, site="North", unit="Ops")
    estate.device(**DEVICE, site="Annexe", restricted=True)
    rating.rate_now(work_of(estate))
    with estate.engine.connect() as connection:
        page = lists.list_ratings(connection, lists.Wanted())
        assert [row["id"] for row in page.rows] == [shown]
        assert sum(lists.rating_counts(connection, lists.Wanted()).values()) == 2
        assert lists.list_ratings(connection, lists.Wanted(site="Annexe")).rows == []
        assert lists.list_ratings(connection, lists.Wanted(unit="Elsewhere")).rows == []
        assert lists.list_ratings(connection, lists.Wanted(), scope=frozenset({0})).rows == []
        by_site = figures.read(connection, "ratings.site")
        assert by_site is not None
        assert set(by_site[0]) == {"North"}
        with pytest.raises(NotFoundError):
            lists.why(connection, "rwd_" + "0" * 32)


def test_a_unit_counts_with_everything_under_it_by_name_or_path(estate: Estate) -> None:
    deep = estate.device(**DEVICE, unit="Cells")
    wide = estate.device(**DEVICE, unit="Custody")
    estate.device(**DEVICE, unit="Finance")
    for name, above in (("Custody", "Operations"), ("Cells", "Custody")):
        parent = estate.unit(above)
        with write_transaction(estate.engine) as connection:
            unit = schema.units.update().where(schema.units.c.name == name)
            connection.execute(unit.values(parent=parent))
    rating.rate_now(work_of(estate))
    with estate.engine.connect() as connection:
        held = figures.read(connection, "ratings.unit")
        assert held is not None
        assert {path: of["devices"] for path, of in held[0].items()} == {
            "Operations": 2, "Operations / Custody": 2, "Operations / Custody / Cells": 1, "Finance": 1,
        }  # fmt: skip
        for said, devices in (
            ("Operations", [deep, wide]), ("operations / custody / cells", [deep]), ("Cells", [deep]),
            ("Cells / Custody", []),
        ):  # fmt: skip
            wanted = lists.Wanted(unit=said)
            assert sorted(row["id"] for row in lists.list_ratings(connection, wanted).rows) == devices
            assert sum(lists.rating_counts(connection, wanted).values()) == len(devices)
            assert sum(lists.rating_counts(connection, wanted._replace(imported=True)).values()) == 0


def other_rules(estate: Estate) -> str:
    with estate.engine.connect() as connection:
        _, text, about = rules.current(connection)
    assert about["made_by"] == "shipped" or about["made_at"]
    return text.replace("value_seconds = 120", "value_seconds = 20", 1)


def test_rules_are_tried_before_they_are_saved_and_editions_are_kept(estate: Estate) -> None:
    device = estate.device(**DEVICE)
    for number in range(6):
        estate.startup(device, started_at=NOW - (number + 1) * DAY, total_seconds=50.0)
    text = other_rules(estate)
    tried = rating_trying.try_text(estate.engine, text, NOW, "Europe/London").agents
    assert tried.devices == 1
    assert tried.rules_changed == ("startup-slow",)
    assert tried.changes[0].newly_met == ("startup-slow",)
    rating.rate_now(work_of(estate))
    assert "startup-slow" not in rules_met(estate, device)
    with write_transaction(estate.engine) as connection:
        saved = rules.save(connection, text, now=int(NOW), actor="rita")
    with write_transaction(estate.engine) as connection, pytest.raises(RoadworthyError, match="already"):
        rules.save(connection, text + "\n# the same\n", now=int(NOW), actor="rita")
    rating.rate_now(work_of(estate))
    assert "startup-slow" in rules_met(estate, device)
    assert held(estate, device).rules == saved.digest
    with estate.engine.connect() as connection:
        assert [one["digest"] for one in rules.editions(connection)] == [saved.digest]
        (row,) = audit.read(connection)
        assert (row["actor"], row["action"], row["subject"]) == ("rita", "rating_rules.save", saved.digest)
        assert connection.scalar(select(rule_editions.c.content)) == text


def test_rules_that_cannot_be_read_say_where(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection, pytest.raises(RoadworthyError, match="line 2"):
        rules.save(
            connection, "format = 1\nname = 3\nobserving_days = 28\nsilent_days = 28\n", now=1, actor="r"
        )


def asked(what: str, **values: Any) -> excepting.Asked:
    given = {
        "what": what,
        "rules": ["disk-failing"],
        "reason": "spare ordered",
        "owner": "Desk",
        "approver": "Head",
        "begins": TODAY,
        "expires": TODAY + dt.timedelta(days=10),
        **values,
    }
    return excepting.Asked(**given)


KNOWN = {"disk-failing", "hard-disk"}


def add(estate: Estate, wanted: excepting.Asked) -> int:
    with write_transaction(estate.engine) as connection:
        return excepting.add(connection, wanted, known_rules=KNOWN, now=int(NOW), actor="rita")


@pytest.mark.parametrize("by_item", [False, True])
def test_an_exception_covers_a_rule_until_it_expires_and_is_counted(estate: Estate, *, by_item: bool) -> None:
    device = estate.device(**DEVICE, hostname="nb-7")
    estate.put(schema.disks, device=device, name="sda", medium="ssd", failing=True)
    linked_item(estate, device)
    number = add(estate, asked(f"FP{device}" if by_item else estate.device_id(device)))
    found = rating.rate_now(work_of(estate))
    assert held(estate, device).verdict != "action required"
    assert held(estate, device).excepted == 1
    with estate.engine.connect() as connection:
        (entry,) = excepting.list_entries(connection, TODAY)
    assert entry["name"] == (f"FP{device}" if by_item else "nb-7")
    covered = next(one for one in held(estate, device).reasons if one["rule"] == "disk-failing")
    assert covered["exception"] == number
    assert found["exceptions"] == {"in_force": 1, "expiring": 1, "expired": 0}
    rating.rate_now(work_of(estate, NOW + 11 * DAY))
    assert held(estate, device).verdict == "action required"


def test_an_exception_needs_somebody_else_to_approve_it(estate: Estate) -> None:
    what = estate.device_id(estate.device())
    with pytest.raises(RoadworthyError, match="same person"):
        add(estate, asked(what, approver=" desk "))
    with pytest.raises(RoadworthyError, match="no such rule"):
        add(estate, asked(what, rules=["disk-failng"]))
    with pytest.raises(NotFoundError):
        add(estate, asked("FP404"))


def test_an_exception_is_ended_once_and_stays_on_the_register(estate: Estate) -> None:
    what = estate.device_id(estate.device())
    number = add(estate, asked(what, rules=None))
    with write_transaction(estate.engine) as connection:
        excepting.end(connection, number, today=TODAY, now=int(NOW), actor="rita")
    with write_transaction(estate.engine) as connection, pytest.raises(NotFoundError):
        excepting.end(connection, number, today=TODAY, now=int(NOW), actor="rita")
    with estate.engine.connect() as connection:
        (row,) = excepting.list_entries(connection, TODAY)
        assert (row["what"], row["state"], row["rules"]) == (what, "ended", None)
        assert excepting.list_entries(connection, TODAY, frozenset({0})) == []
        assert [one["action"] for one in audit.read(connection)] == ["exception.add", "exception.end"]


def test_a_ups_and_a_printer_are_rated_by_what_they_told_last(estate: Estate) -> None:
    polled = {"environment": "physical", "usage_profile": "unknown"}
    load = {"name": "load", "kind": "load", "value": 0.4}
    old = {"facts": {"hardware": {"battery_replaced": "2021-03-01", "made": "2025-01-01"}}}
    now = {"now": {"flags": {"battery_replace": False, "on_battery": False}, "readings": [load]}}
    ups = estate.device(device_class="ups", now=now, **polled, **old)
    aged = estate.device(device_class="ups", now={"now": {"flags": {"aged": True}}}, **polled)
    pages = {"name": "pages", "kind": "page_count", "value": 1e5}
    said = {"now": {"flags": {"printer_worn": True}, "readings": [pages]}}
    printer = estate.device(device_class="printer", now=said, **polled)
    switch = estate.device(device_class="switch", **polled)
    rating.rate_now(work_of(estate))
    assert rules_met(estate, ups) == {"ups-battery-old"}
    assert rules_met(estate, aged) == {"ups-battery-due"}
    assert rules_met(estate, printer) == {"printer-worn"}
    assert (held(estate, switch).verdict, rules_met(estate, switch)) == ("meets", set())
