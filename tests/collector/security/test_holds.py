"""Legal holds: asked for, approved by somebody else, in force for a time, and nothing of theirs goes meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from collector.commands import call_here, call_json_here
from sqlalchemy import select
from support.estates import NOW, Estate, make_database
from support.facts import half_hour, held, put
from support.people import Person

from roadworthy_collector.jobs.prune import prune, prune_history
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import erasure, holds
from roadworthy_collector.security.access import reader_by_password
from roadworthy_collector.security.holds import APPROVE_WITHIN_SECONDS, HoldError, held_devices
from roadworthy_collector.security.roles import RIGHTS, Reader, Role
from roadworthy_collector.security.users import UserError, create_user
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.schema import days, metadata

DAY = 86_400
YEAR = 365 * DAY
PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's own


def approver(name: str = "grace", role: Role = Role.APPROVER) -> Reader:
    return Reader(name, role, "", signed_in=True, rights=RIGHTS[role])


def place(estate: Estate, *devices: int, actor: str = "ada", seconds: int = YEAR, now: float = NOW) -> int:
    names = [estate.device_id(device) for device in devices]
    with write_transaction(estate.engine) as connection:
        return holds.place(
            connection, names, reason="tribunal 77", expires_in_seconds=seconds, now=int(now), actor=actor
        )


def frozen(estate: Estate, now: float) -> set[int]:
    with estate.engine.connect() as connection:
        return held_devices(connection, now)


def state(estate: Estate, now: float) -> str:
    with estate.engine.connect() as connection:
        (row,) = holds.list_holds(connection, now)
    return str(row["state"])


def test_a_hold_is_in_force_at_once_and_lapses_without_an_approver(estate: Estate) -> None:
    device, other = estate.device(), estate.device()
    place(estate, device)
    assert (state(estate, NOW), frozen(estate, NOW)) == ("waiting", {device})
    last = NOW + APPROVE_WITHIN_SECONDS - 1
    assert frozen(estate, last) == {device}
    assert (state(estate, last + 1), frozen(estate, last + 1)) == ("lapsed", set())
    assert other not in frozen(estate, NOW)


def test_approved_it_lasts_until_its_expiry(estate: Estate) -> None:
    device = estate.device()
    hold = place(estate, device)
    with write_transaction(estate.engine) as connection:
        holds.approve(connection, hold, approver(), now=int(NOW))
    assert (state(estate, NOW + YEAR - 1), frozen(estate, NOW + YEAR - 1)) == ("approved", {device})
    assert (state(estate, NOW + YEAR), frozen(estate, NOW + YEAR)) == ("expired", set())


@pytest.mark.parametrize(
    "reader",
    [
        approver("ada"),
        approver("ADA"),
        approver("grace", Role.ADMINISTRATOR),
        approver("grace", Role.AUDITOR),
        Reader("local", Role.VIEWER, "", signed_in=False, rights=frozenset(RIGHTS[Role.APPROVER])),
    ],
)
def test_who_may_not_approve(estate: Estate, reader: Reader) -> None:
    hold = place(estate, estate.device())
    with (
        pytest.raises(HoldError, match="an approver who did not ask for it; ada asked"),
        write_transaction(estate.engine) as connection,
    ):
        holds.approve(connection, hold, reader, now=int(NOW))
    assert state(estate, NOW) == "waiting"


def test_what_cannot_be_approved_or_lifted(estate: Estate) -> None:
    hold = place(estate, estate.device())
    with write_transaction(estate.engine) as connection:
        with pytest.raises(HoldError, match="there is no such hold"):
            holds.approve(connection, hold + 1, approver(), now=int(NOW))
        with pytest.raises(HoldError, match="this hold is lapsed"):
            holds.approve(connection, hold, approver(), now=int(NOW) + APPROVE_WITHIN_SECONDS)
        holds.approve(connection, hold, approver(), now=int(NOW))
        with pytest.raises(HoldError, match="this hold is approved"):
            holds.approve(connection, hold, approver("mary"), now=int(NOW))
        holds.lift(connection, hold, reason="settled out of court", now=int(NOW), actor="ada")
        holds.approve_lift(connection, hold, approver(), now=int(NOW))
        with pytest.raises(HoldError, match="no hold of that id is in force"):
            holds.lift(connection, hold, reason="settled again", now=int(NOW))
    assert (state(estate, NOW), frozen(estate, NOW)) == ("lifted", set())


def test_nobody_alone_lifts_an_approved_hold(estate: Estate) -> None:
    device = estate.device()
    hold = place(estate, device)
    with write_transaction(estate.engine) as connection:
        holds.approve(connection, hold, approver(), now=int(NOW))
        with pytest.raises(HoldError, match="nobody has asked to lift"):
            holds.approve_lift(connection, hold, approver(), now=int(NOW))
        asked = holds.lift(connection, hold, reason="settled out of court", now=int(NOW), actor="ada")
    assert (asked, state(estate, NOW), frozen(estate, NOW)) == ("lift_asked", "lift_asked", {device})
    for reader in (approver("Ada"), approver("grace", Role.ADMINISTRATOR), approver("grace", Role.AUDITOR)):
        with (
            pytest.raises(HoldError, match="an approver who did not ask for it; ada asked"),
            write_transaction(estate.engine) as connection,
        ):
            holds.approve_lift(connection, hold, reader, now=int(NOW))
    with (
        pytest.raises(erasure.ErasureError, match="under a legal hold"),
        write_transaction(estate.engine) as connection,
    ):
        erasure.begin(connection, estate.device_id(device), reason="request 114", now=int(NOW))
    with write_transaction(estate.engine) as connection:
        holds.approve_lift(connection, hold, approver("mary"), now=int(NOW))
    assert (state(estate, NOW), frozen(estate, NOW)) == ("lifted", set())


def test_a_hold_nobody_approved_is_lifted_by_one(estate: Estate) -> None:
    hold = place(estate, estate.device())
    with write_transaction(estate.engine) as connection:
        assert holds.lift(connection, hold, reason="the wrong device", now=int(NOW), actor="ada") == "lifted"
    assert (state(estate, NOW), frozen(estate, NOW)) == ("lifted", set())


def test_what_cannot_be_held(estate: Estate) -> None:
    device = estate.device(unit="Traffic")
    name = estate.device_id(device)
    good = {"reason": "tribunal 77", "expires_in_seconds": DAY, "now": int(NOW)}
    with write_transaction(estate.engine) as connection:
        for devices, values, said in (
            ([name], good | {"reason": " a "}, "give a reason"),
            ([name], good | {"expires_in_seconds": 0}, "ends within 366 days"),
            ([name], good | {"expires_in_seconds": 367 * DAY}, "ends within 366 days"),
            ([], good, "names 1 to 1000 devices"),
            (["rwd_nobody", name], good, "rwd_nobody: there is no device"),
            ([name], good | {"scope": frozenset()}, "there is no device"),
        ):
            with pytest.raises(HoldError, match=said):
                holds.place(connection, devices, **values)
    assert frozen(estate, NOW) == set()


def test_two_holds_on_one_device_each_hold_it(estate: Estate) -> None:
    device = estate.device()
    first = place(estate, device)
    place(estate, device, seconds=2 * DAY)
    with write_transaction(estate.engine) as connection:
        holds.lift(connection, first, reason="no longer needed", now=int(NOW))
    assert frozen(estate, NOW) == {device}
    assert frozen(estate, NOW + 2 * DAY) == set()


def test_pruning_leaves_held_devices_alone(estate: Estate) -> None:
    kept, other = estate.device(), estate.device()
    old = int(NOW) // DAY * DAY - 60 * DAY
    put(estate.engine, [half_hour(kept, old), half_hour(other, old)])
    hold = place(estate, kept)
    prune(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    assert {row["device"] for row in held(estate.engine, "periods")} <= {kept}
    assert len(held(estate.engine, "periods")) == len(held(estate.engine, "states")) == 1
    with write_transaction(estate.engine) as connection:
        holds.lift(connection, hold, reason="no longer needed", now=int(NOW))
    prune(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    assert held(estate.engine, "periods") == held(estate.engine, "states") == []


OLD = int(NOW) // DAY * DAY - 4000 * DAY
FINAL = {"revision": 1, "final": True, "quality": "measured", "content_hash": b"12345678"}
# A row past its retention of every kind that tells of a device.
HISTORY: dict[str, dict[str, Any]] = {
    "days": {"day": OLD, "site": 1, "unit": 1},
    "local_days": {"date": "2015-01-01", "start": OLD, "half_hours": 48, "site": 1, "unit": 1},
    "startups": FINAL
    | {
        "start_id": "boot-1:1", "kind": "cold", "environment": "physical", "started_at": OLD,
        "total_seconds": 30.0, "phases": [], "factors": [],
    },
    "signins": FINAL | {"signin_id": "1", "day": OLD, "record": {}},
    "gaps": {"begin": OLD, "end": OLD + 9, "kind": "off", "content_hash": b"12345678"},
    "quarantine": {"item": "period", "key": "1", "code": "too_old", "received_at": OLD},
}  # fmt: skip


def test_every_kind_that_has_a_history_is_looked_at(estate: Estate) -> None:
    for name, row in HISTORY.items():
        put_history(estate, name, row, estate.device())
    assert prune_history(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)) == len(
        HISTORY
    )


@pytest.mark.parametrize("name", HISTORY)
def test_no_kind_of_history_of_a_held_device_goes(estate: Estate, name: str) -> None:
    kept, other = estate.device(), estate.device()
    for device in (kept, other):
        put_history(estate, name, HISTORY[name], device)
    place(estate, kept)
    assert prune_history(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)) == 1
    with estate.engine.connect() as connection:
        assert connection.scalars(select(metadata.tables[name].c.device)).all() == [kept]


def put_history(estate: Estate, name: str, row: dict[str, Any], device: int) -> None:
    table = metadata.tables[name]
    blank = {key: value for key, value in blank_day().items() if key in table.c and name.endswith("days")}
    estate.put(table, device=device, **{**blank, **row})


def test_a_held_device_is_not_erased(estate: Estate) -> None:
    device = estate.device()
    name = estate.device_id(device)
    place(estate, device)
    with (
        pytest.raises(erasure.ErasureError, match="under a legal hold"),
        write_transaction(estate.engine) as connection,
    ):
        erasure.begin(connection, name, reason="request 114", now=int(NOW))
    with estate.engine.connect() as connection:
        assert [row["action"] for row in audit.read(connection)] == ["hold.place"]


def test_a_hold_that_comes_after_the_request_stops_the_erasure(estate: Estate) -> None:
    device = estate.device()
    estate.put(days, device=device, day=0, site=estate.site("HQ"), unit=1, **blank_day())
    with write_transaction(estate.engine) as connection:
        erasure.begin(connection, estate.device_id(device), reason="request 114", now=int(NOW))
    hold = place(estate, device)
    later = NOW + erasure.WAIT_SECONDS
    with estate.engine.connect() as connection:
        assert erasure.list_due(connection, later) == []
    with (
        pytest.raises(erasure.ErasureError, match="under a legal hold now"),
        write_transaction(estate.engine) as connection,
    ):
        erasure.finish(connection, device, now=later, zone="Europe/London")
    with write_transaction(estate.engine) as connection:
        holds.lift(connection, hold, reason="no longer needed", now=int(NOW))
        assert erasure.list_due(connection, later) == [device]
        assert erasure.finish(connection, device, now=later, zone="Europe/London")


def blank_day() -> dict[str, int]:
    names = ("in_use", "idle", "locked", "asleep", "off", "unobserved")
    return {"periods": 0, "observed_seconds": 0, "startups": 0} | {f"{name}_seconds": 0 for name in names}


def test_all_of_it_is_on_the_record(estate: Estate) -> None:
    device = estate.device()
    hold = place(estate, device)
    with write_transaction(estate.engine) as connection:
        holds.approve(connection, hold, approver(), now=int(NOW))
        holds.lift(connection, hold, reason="settled", now=int(NOW), actor="mary")
        holds.approve_lift(connection, hold, approver(), now=int(NOW))
        rows = [(row["actor"], row["action"], row["subject"]) for row in audit.read(connection)]
    assert rows == [
        ("ada", "hold.place", str(hold)),
        ("grace", "hold.approve", str(hold)),
        ("mary", "hold.lift.ask", str(hold)),
        ("grace", "hold.lift", str(hold)),
    ]


def test_an_approver_at_the_command_line_says_who_they_are(estate: Estate) -> None:
    create_user(estate.engine, "grace", PASSWORD, now=NOW, role=Role.APPROVER)
    assert reader_by_password(estate.engine, "grace", PASSWORD, NOW).rights == RIGHTS[Role.APPROVER]
    for name in ("grace", "nobody"):
        with pytest.raises(UserError, match="name or password is not right"):
            reader_by_password(estate.engine, name, "wrong", NOW)
    Person(estate.engine, "ada", Role.VIEWER)
    with pytest.raises(UserError):
        reader_by_password(estate.engine, "ada", "none", NOW)  # what is no hash is no password


def test_the_commands(tmp_path: Path) -> None:
    make_database(tmp_path / "data" / "roadworthy.db")
    assert call_here("user", "create", "ada", folder=tmp_path, stdin=PASSWORD + "\n").returncode == 0
    for command in (
        ("hold", "place", "rwd_nobody", "--reason", "tribunal 77"),
        ("hold", "lift", "1", "--reason", "tribunal 77"),
    ):
        done = call_here(*command, folder=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    for command in ("approve", "approve-lift"):
        done = call_here("hold", command, "1", "--as", "ada", folder=tmp_path, stdin="wrong\n")
        assert done.returncode == 2
        assert "name or password is not right" in done.stderr
    assert call_json_here("hold", "list", folder=tmp_path) == []
