"""The audit only grows: on SQLite and on PostgreSQL, and whoever changes it all the same is found out."""

from __future__ import annotations

import csv
import io
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from collector.commands import call_here, call_json_here
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from support.estates import NOW, Estate, make_database
from support.running import call

from roadworthy_collector.admin_audit import instant
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.privacy import prune_audit
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import tokens
from roadworthy_collector.security.audit_files import csv_lines, plain_cell
from roadworthy_collector.security.users import create_user, delete_user, set_password, set_role, set_scope
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit, sites
from roadworthy_collector.store.queries.devices import retire
from roadworthy_collector.store.schema import audit as table
from roadworthy_collector.store.schema import audit_chain

DAY = 86_400
PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's own


def add(estate: Estate, count: int, at: float = NOW) -> None:
    with write_transaction(estate.engine) as connection:
        for number in range(count):
            audit.record(connection, int(at) + number, "ada", "test", f"subject {number}", {"n": number})


def verify(estate: Estate, known: dict[int, str] | None = None) -> audit.Verified:
    with estate.engine.connect() as connection:
        return audit.verify(connection, known)


def unlocked(estate: Estate, *statements: Any) -> None:
    """Do what the triggers forbid, as somebody with the database in their hands could."""
    with write_transaction(estate.engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
        else:
            names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for name in names.scalars().all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        update(table).values(actor="grace"),
        update(table).where(table.c.id == 2).values(hash=None),
        delete(table),
        delete(table).where(table.c.id == 3),
    ],
)
def test_rows_are_neither_changed_nor_deleted(estate: Estate, statement: Any) -> None:
    add(estate, 3)
    with pytest.raises(DBAPIError, match="only grows"), write_transaction(estate.engine) as connection:
        connection.execute(statement)
    found = verify(estate)
    assert (found.rows, found.broken, found.unchained) == (3, None, 0)


def test_nor_replaced_nor_truncated(estate: Estate) -> None:
    add(estate, 2)
    server = estate.engine.dialect.name == "postgresql"
    said = (
        "TRUNCATE audit"
        if server
        else "INSERT OR REPLACE INTO audit (id, at, actor, action) VALUES (1, 0, 'x', 'y')"
    )
    with pytest.raises(DBAPIError, match="only grows"), write_transaction(estate.engine) as connection:
        connection.execute(text(said))
    assert verify(estate).broken is None


def test_an_empty_audit_fits_together(estate: Estate) -> None:
    assert verify(estate) == audit.Verified(0, 0, "", 0, None)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (update(table).where(table.c.id == 3).values(actor="grace"), "row 3 does not follow"),
        (update(table).where(table.c.id == 3).values(detail={"n": 7}), "row 3 does not follow"),
        (update(table).where(table.c.id == 3).values(at=0), "row 3 does not follow"),
        (delete(table).where(table.c.id == 3), "row 4 does not follow"),
        (delete(table).where(table.c.id == 1), "row 2 does not follow"),
        (delete(table).where(table.c.id == 5), "rows are missing after row 4"),
        (delete(table), "rows are missing after row 0"),
        (
            insert(table).values(id=99, at=0, actor="x", action="y", hash="0" * 64),
            "row 99 does not follow",
        ),
    ],
)
def test_tampering_shows(estate: Estate, statement: Any, said: str) -> None:
    add(estate, 5)
    unlocked(estate, statement)
    found = verify(estate)
    assert found.broken is not None
    assert said in found.broken


def test_a_chain_written_anew_shows_against_a_hash_kept_elsewhere(estate: Estate) -> None:
    add(estate, 3)
    noted = verify(estate)
    unlocked(estate, delete(table), delete(audit_chain))
    add(estate, 4, NOW + 50)
    assert verify(estate).broken is None  # the chain alone cannot know
    found = verify(estate, {noted.head_id: noted.head_hash})
    assert found.broken is not None
    assert "the chain was written anew" in found.broken or "is missing" in found.broken


def test_a_row_without_a_hash_is_counted_and_breaks_nothing(estate: Estate) -> None:
    add(estate, 2)
    estate.put(table, at=1, actor="command line", action="site.restrict")  # as a version before wrote it
    with write_transaction(estate.engine) as connection:
        audit.record(connection, 5, "ada", "test")
    found = verify(estate)
    assert (found.rows, found.unchained, found.broken) == (4, 1, None)


def test_writers_wait_for_each_other_and_keep_one_chain(estate: Estate) -> None:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(10):
                with write_transaction(estate.engine) as connection:
                    audit.record(connection, int(NOW), "ada", "test")
        except DBAPIError as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = verify(estate)
    assert (found.rows, found.broken) == (40, None)


def test_retention_is_the_one_way_out_and_says_so_itself(estate: Estate) -> None:
    settings = estate.settings(audit_retention_days=366)
    add(estate, 5, NOW - 400 * DAY)
    add(estate, 3, NOW - 5 * DAY)
    before = verify(estate)
    work = Work(estate.engine, settings, clock=lambda: NOW)
    assert prune_audit(work) == 5
    found = verify(estate, {before.head_id: before.head_hash})
    assert (found.rows, found.broken) == (4, None)
    with estate.engine.connect() as connection:
        rows = list(audit.read(connection))
    assert (rows[-1]["actor"], rows[-1]["action"], rows[-1]["detail"]["rows"]) == ("jobs", "audit.prune", 5)
    assert prune_audit(work) == 0
    with pytest.raises(DBAPIError, match="only grows"), write_transaction(estate.engine) as connection:
        connection.execute(delete(table))  # the way is closed again
    assert verify(estate, {1: "a hash of a row whose time was over"}).broken is None


def test_everything_pruned_leaves_the_row_that_says_so(estate: Estate) -> None:
    add(estate, 3, NOW - 400 * DAY)
    prune_audit(
        Work(estate.engine, estate.settings(audit_retention_days=366), clock=lambda: NOW, rests=False)
    )
    found = verify(estate)
    assert (found.rows, found.broken) == (1, None)
    add(estate, 1)
    assert verify(estate).broken is None


def test_rows_are_read_by_time(estate: Estate) -> None:
    add(estate, 5)
    with estate.engine.connect() as connection:
        some = list(audit.read(connection, since=int(NOW) + 1, until=int(NOW) + 3))
        assert [row["subject"] for row in some] == ["subject 1", "subject 2"]
        last = list(audit.read(connection, limit=2, newest_first=True))
        assert [row["subject"] for row in last] == ["subject 4", "subject 3"]


def test_what_people_do_is_on_the_record_with_who_did_it(estate: Estate) -> None:
    engine, now = estate.engine, int(NOW)
    estate.unit("Traffic")
    device = estate.device_id(estate.device())
    create_user(engine, "ada", PASSWORD, now=NOW)
    create_user(engine, "grace", PASSWORD, now=NOW, role="viewer", units=["Traffic"], actor="ada")
    set_role(engine, "grace", "approver", now=NOW, actor="ada")
    set_scope(engine, "grace", None, now=NOW, actor="ada")
    set_password(engine, "grace", PASSWORD, now=NOW, actor="ada")
    delete_user(engine, "grace", now=NOW, actor="ada")
    with write_transaction(engine) as connection:
        sites.restrict(connection, "Annexe", now=now, actor="ada")
        sites.release(connection, "Annexe", now=now, actor="ada")
        tokens.create_scrape_token(connection, now=now, actor="ada", only_units=["Traffic"])
        retire(connection, device, now=now, actor="ada")
    with engine.connect() as connection:
        rows = [(row["actor"], row["action"], row["subject"]) for row in audit.read(connection)]
    assert [row for row in rows if row[1] != "scrape_token.create"] == [
        ("command line", "user.create", "ada"),
        ("ada", "user.create", "grace"),
        ("ada", "user.role", "grace"),
        ("ada", "user.scope", "grace"),
        ("ada", "user.password", "grace"),
        ("ada", "user.delete", "grace"),
        ("ada", "site.restrict", "Annexe"),
        ("ada", "site.release", "Annexe"),
        ("ada", "device.retire", device),
    ]
    assert verify(estate).broken is None


def test_names_of_any_kind_are_kept(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        audit.record(connection, 1, "nobody", "login.failed", "nul\0 and \u202e and \u2019", {"a": "\u2028é"})
    found = verify(estate)
    assert (found.rows, found.broken) == (1, None)


# --- on the command line and as files ------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_spreadsheet_takes_a_cell_for_a_formula(cell: str) -> None:
    assert plain_cell(cell) == f"'{cell}"
    assert plain_cell("ada") == "ada"
    assert plain_cell(None) == ""
    row = {"id": 1, "at": 0, "actor": cell, "action": "a", "subject": cell, "detail": None, "hash": None}
    head, body = csv.reader(io.StringIO("".join(csv_lines([row])), newline=""))
    assert dict(zip(head, body, strict=True))["subject"] == f"'{cell}"
    assert body[2] == "1970-01-01T00:00:00+00:00"


def test_instants_are_read_in_utc() -> None:
    assert instant("--since", None) is None
    assert instant("--since", "1970-01-02") == DAY
    assert instant("--since", "1970-01-02T01:00+01:00") == DAY
    with pytest.raises(RoadworthyError, match=r"--since: 'monday' is no day"):
        instant("--since", "monday")


def test_list_export_and_verify(tmp_path: Path) -> None:
    make_database(tmp_path / "data" / "roadworthy.db")
    assert call_here("user", "create", "ada", folder=tmp_path, stdin=PASSWORD + "\n").returncode == 0
    assert call_here("sites", "restrict", "=Annexe", folder=tmp_path).returncode == 0
    table_text = call_here("audit", "list", folder=tmp_path, COLUMNS="200").stdout
    assert "user.create" in table_text
    assert f"{datetime.now(UTC):%Y-%m-}" in table_text  # at: as in every other table
    assert " UTC " in table_text
    (newest, *_) = call_json_here("audit", "list", folder=tmp_path)
    assert isinstance(newest["at"], int)
    assert str(newest["at"]) not in table_text
    exported = call_here("audit", "export", folder=tmp_path)
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [row["action"] for row in rows] == ["user.create", "site.restrict", "audit.export"]
    cells = call_here("audit", "export", "--format", "csv", "--since", "2000-01-01", folder=tmp_path).stdout
    assert ",'=Annexe," in cells
    assert call_here("audit", "export", "--until", "2000-01-01", folder=tmp_path).stdout == ""
    verified = call_here("audit", "verify", folder=tmp_path)
    assert verified.returncode == 0
    noted = verified.stdout.split()[-1]
    assert call_here("audit", "verify", "--known", noted, folder=tmp_path).returncode == 0
    wrong = call("audit", "verify", "--known", f"1:{'0' * 64}", folder=tmp_path)
    assert wrong.returncode == 2
    assert "row 1 is not the row whose hash was noted" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert call_here("audit", "verify", "--known", "nonsense", folder=tmp_path).returncode == 2
    for output in (exported.stdout, cells, table_text):
        assert PASSWORD not in output


def test_the_migration_chains_what_was_there(estate: Estate) -> None:
    """Rows from before the chain: the database as the migrations made it begins with a floor and a head."""
    with estate.engine.connect() as connection:
        ends = {row.name: (row.row_id, row.hash) for row in connection.execute(select(audit_chain))}
    assert ends == {"floor": (0, ""), "head": (0, "")}
