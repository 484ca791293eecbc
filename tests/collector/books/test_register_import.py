"""The register end to end, on both stores: imported, compared, exported, changed, undone."""

from __future__ import annotations

import datetime as dt
import importlib.util
import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from support.estates import NOW, Estate

from roadworthy_collector.books import batches, items, matching
from roadworthy_collector.books.batches import BatchRunningError, Counts, Source, writing
from roadworthy_collector.books.changes import Asked, ChangeRefusedError, change_items, parse_tags
from roadworthy_collector.books.exporting import csv_pieces, write_xlsx
from roadworthy_collector.books.importing import FileRefusedError, Outcome, Wishes, import_file
from roadworthy_collector.books.item_writing import ItemWriter
from roadworthy_collector.books.places import Places
from roadworthy_collector.books.register import (
    history,
    linked_devices,
    read_all,
    read_batches,
    read_page,
    summarise,
)
from roadworthy_collector.books.register_wanted import Wanted
from roadworthy_collector.store.books_schema import (
    exceptions,
    mdm_devices,
    register_changes,
    register_devices,
    register_items,
    warranties,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit, sites
from roadworthy_collector.store.schema import units
from roadworthy_inventory.register import FIELDS, RegisterItem

HEADER = (
    "Asset tag,Serial number,UUID,Kind,Model,Lifecycle state,Usage profile,Unit,Cost centre,Site,System,Purchased,"
    "Purchase cost (GBP),MAC addresses,Notes,Firmware date,Disposed on\r\n"
)
ROWS = (
    "FP001,5CG1,4c4c4544-0042-4b10-8036-b7c04f4a3232,laptop,ProBook,deployed,custody,Operations / Custody,CC1,HQ,"
    "Custody system,2023-12-25,1200.50,3c:52:82:00:00:01 3c:52:82:00:00:02,'=1+1,2019-01-02,\r\n"
    "FP002,5CG2,,desktop,Elite,stores,unknown,Operations / Traffic,CC1,North,,2024-02-01,900.00,,,,\r\n"
    'FP003,5CG3,,monitor,,disposed,unknown,,,HQ,,2016-02-01,,,"two\nlines, and a comma",,2024-05-06\r\n'
    ",5CG4,,laptop,ProBook,unknown,unknown,Other / Custody,,HQ,,,,,,,\r\n"
)


def come(estate: Estate, text: str | bytes, name: str = "register.csv", **wishes: Any) -> Outcome:
    body = text if isinstance(text, bytes) else text.encode()
    return import_file(estate.engine, io.BytesIO(body), name, Wishes(**wishes), actor="ada", now=NOW)


def held(estate: Estate, **wanted: Any) -> list[RegisterItem]:
    with estate.engine.connect() as connection:
        return [row.item for row in read_all(connection, Wanted(**{"restricted": True, **wanted}))]


def count(estate: Estate, table: Any) -> int:
    with estate.engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def audited(estate: Estate, action: str) -> list[Any]:
    with estate.engine.connect() as connection:
        return [row for row in audit.read(connection) if row["action"] == action]


def undo(estate: Estate, batch: int | None) -> batches.Undone:
    assert batch is not None
    return batches.undo(estate.engine, batch, actor="ada", now=NOW + 400)


def test_the_columns_are_those_of_the_table() -> None:
    names = register_items.columns.keys()
    assert names == ["id", *items.NAMES, "batch", "updated_at"]
    assert set(items.NAMES) == set(FIELDS)
    assert {name for name in names if type(register_items.c[name].type).__name__ == "IsoDate"} == items.DATES
    lengths = {name: getattr(register_items.c[name].type, "length", None) for name, _most in matching.ROOM}
    for name, most in matching.ROOM:
        assert name in items.PLACES or lengths[name] in (most, None)


def test_a_file_comes_in_with_its_places(estate: Estate) -> None:
    found = come(estate, HEADER + ROWS)
    assert (found.new, found.changed, found.unchanged, found.batch) == (4, 0, 0, 1)
    assert found.made["units"] == ["Operations / Custody", "Operations / Traffic", "Other / Custody"]
    first, second, third, fourth = held(estate)
    assert (first.tag, first.unit, first.purchase_cost_pence) == ("FP001", "Operations / Custody", 120_050)
    assert first.purchased == dt.date(2023, 12, 25)
    assert first.macs == ("3c:52:82:00:00:01", "3c:52:82:00:00:02")
    assert (first.notes, first.bios_date, first.system) == ("=1+1", dt.date(2019, 1, 2), "Custody system")
    assert (second.unit, second.site, second.purchased) == (
        "Operations / Traffic",
        "North",
        dt.date(2024, 2, 1),
    )
    assert (third.notes, third.disposed_on) == ("two\nlines, and a comma", dt.date(2024, 5, 6))
    # Names of units are unique in the table: the second Custody is kept under its whole path.
    assert (fourth.tag, fourth.serial, fourth.unit) == (None, "5CG4", "Other / Custody")
    with estate.engine.connect() as connection:
        names = set(connection.scalars(select(units.c.name)))
        assert {"Operations", "Custody", "Traffic", "Other", "Other / Custody"} <= names
        page = read_batches(connection)
    assert [(row["id"], row["new"], row["unfinished"]) for row in page.rows] == [(1, 4, False)]
    (row,) = audited(estate, "register.import")
    assert (row["actor"], row["subject"]) == ("ada", "batch 1: register.csv")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_imports_again_unchanged(estate: Estate, kind: str) -> None:
    come(estate, HEADER + ROWS)
    before = held(estate)
    wanted = Wanted(restricted=True)
    target = io.BytesIO()
    with estate.engine.connect() as connection:
        if kind == "csv":
            target.write(b"".join(csv_pieces(connection, wanted, now=NOW, marking="OFFICIAL")))
        else:
            write_xlsx(connection, target, wanted, now=NOW, marking="OFFICIAL")
    again = come(estate, target.getvalue(), f"export.{kind}")
    assert (again.format, again.kind) == ("register", "items")
    assert (again.new, again.changed, again.unchanged, again.batch) == (0, 0, 4, None)
    assert again.report is not None
    assert (again.report.quarantined, dict(again.report.warnings_by_code)) == (0, {})
    assert held(estate) == before
    # Into an empty register it is the same register.
    undo(estate, 1)
    assert held(estate) == []
    assert come(estate, target.getvalue(), f"export.{kind}").new == 4
    assert held(estate) == before


def test_titles_tell_what_the_file_is(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    with estate.engine.connect() as connection:
        pieces = csv_pieces(connection, Wanted(site="HQ"), now=NOW, marking="OFFICIAL-SENSITIVE")
        text = b"".join(pieces).decode("utf-8-sig")
    marking, what, at, coverage, header, *_rows = text.splitlines()
    assert marking == "Protective marking: OFFICIAL-SENSITIVE"
    assert what == "Register of Roadworthy: site HQ"
    assert at == "As at: 2026-09-21 14:13 UTC"
    assert "of 3 items known: serial 3, unit 2" in coverage
    assert header.startswith("Asset tag,Serial number")
    assert "\n,5CG4" in text
    assert "FP002" not in text


def test_the_same_file_again_changes_nothing(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    again = come(estate, HEADER + ROWS)
    assert (again.same_as, again.batch, again.report) == (1, None, None)
    compared = come(estate, HEADER + ROWS, again=True)
    assert (compared.batch, compared.unchanged) == (None, 4)
    undo(estate, 1)
    assert come(estate, HEADER + ROWS).new == 4  # what was undone may come again


def test_a_dry_run_says_what_would_change_and_writes_nothing(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    file = "Asset tag,Lifecycle state,Usage profile,Purchase cost (GBP),Unit\nFP001,repair,,,A / New\nFP002,,,,\nFP009,stores,,,\n"
    counts = [count(estate, table) for table in (units, register_items, register_changes)]
    found = come(estate, file, dry_run=True)
    assert (found.batch, found.new, found.changed, found.unchanged) == (None, 1, 1, 1)
    assert found.made == {"units": ["A / New"]}
    assert [(one.item, one.new) for one in found.changes] == [("FP001", False), ("FP009", True)]
    assert found.changes[0].fields == {
        "lifecycle_state": ("deployed", "repair"),
        "unit": ("Operations / Custody", "new"),
    }
    assert [count(estate, table) for table in (units, register_items, register_changes)] == counts
    real = come(estate, file)
    assert (real.new, real.changed, real.unchanged) == (1, 1, 1)
    assert real.changes[0].fields["unit"] == ("Operations / Custody", "A / New")


def test_what_a_file_does_not_say_stays(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    before = held(estate)[0]
    come(estate, "Asset tag,Lifecycle state,Usage profile,Purchase cost (GBP)\nfp001,repair,unknown,\n")
    after = held(estate)[0]
    assert (after.lifecycle_state, after.usage_profile, after.purchase_cost_pence) == (
        "repair",
        "custody",
        120_050,
    )
    assert (after.tag, after.notes) == ("fp001", before.notes)  # found whatever the letter case


def test_good_rows_load_and_bad_rows_come_in_corrected(estate: Estate) -> None:
    bad = HEADER + ROWS + "FP002,X,,laptop,,,,,,,,,,,,,\r\nFP005,5CG5,,laptop,,,,,,,,31/02/2024,,,,,\r\n"
    found = come(estate, bad)
    assert found.report is not None
    assert (found.new, found.report.quarantined) == (4, 2)
    assert dict(found.report.by_code).keys() >= {"duplicate_tag"}
    assert [one.column for one in found.report.problems] == ["Asset tag", "Purchased"]
    assert found.corrections is not None
    text = found.corrections.getvalue()
    corrected = text.replace("31/02/2024", "2024-02-28")
    again = come(estate, corrected, "register.corrections.csv")
    assert (again.new, again.changed) == (
        1,
        1,
    )  # FP005 comes in; the second FP002 is now the item's new serial
    assert [one.tag for one in held(estate)][-1] == "FP005"


def test_strict_is_all_or_nothing(estate: Estate) -> None:
    with pytest.raises(FileRefusedError, match="1 of 5 rows are bad"):
        come(estate, HEADER + ROWS + "FP002,X,,laptop,,,,,,,,,,,,,\r\n", strict=True)
    assert held(estate) == []
    assert count(estate, batches.batches) == 0


def test_rows_without_a_tag_are_found_by_serial_and_never_merged_silently(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    head = "Asset tag,Serial number,Lifecycle state,Usage profile,Purchase cost (GBP),Model\n"
    found = come(estate, head + ",5cg2,,,,Elite 2\nFP004,5CG4,,,,\nFP777,5CG1,,,,\n")
    assert (found.new, found.changed) == (1, 2)
    by_tag = {one.tag: one for one in held(estate)}
    assert by_tag["FP002"].model == "Elite 2"
    assert by_tag["FP004"].model == "ProBook"  # the item without a tag has one now
    assert found.report is not None
    assert dict(found.report.warnings_by_code) == {"shared_serial": 1}  # two tags are two items
    twice = come(estate, head + ",5CG1,,,,Which?\n,NEW1,,,,\n,new1,,,,\n")
    assert twice.report is not None
    assert dict(twice.report.by_code) == {"several_items": 1, "duplicate_serial": 1}
    assert twice.new == 1


def test_undo_restores_and_leaves_what_a_later_batch_changed(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    before = held(estate)
    second = come(
        estate,
        "Asset tag,Lifecycle state,Usage profile,Purchase cost (GBP)\nFP001,repair,,\nFP002,repair,,1\n",
    ).batch
    change = change_items(estate.engine, ["FP002"], Asked(state="deployed"), actor="bob", now=NOW)
    found = undo(estate, second)
    assert (found.restored, found.left) == (1, [("FP002", f"changed by batch {change.batch}")])
    assert undo(estate, change.batch).restored == 1
    again = undo(estate, second)  # possible now
    assert (again.restored, again.left_count) == (1, 0)
    assert held(estate) == before
    assert undo(estate, second).restored == 0
    with estate.engine.connect() as connection:
        events = history(connection, 2)
    assert [event.new for event in events] == [False, False, True]
    assert all(event.undone_at is not None for event in events[:2])
    assert len(audited(estate, "register.undo")) == 4


def test_undo_keeps_new_items_something_was_said_of(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    day = "2026-09-01"
    estate.put(
        exceptions, item=1, reason="trial", owner="ada", approver="una", begins=day, expires=day, made_at=1
    )
    found = undo(estate, 1)
    assert (found.removed, found.left) == (3, [("FP001", "has an exception")])
    # A number is never given to another item: the history would be another's.
    come(estate, HEADER + ROWS.splitlines()[1] + "\r\n")
    with estate.engine.connect() as connection:
        ids = list(connection.scalars(select(register_items.c.id).order_by(register_items.c.id)))
    assert ids == [1, 5]


def test_a_writer_that_fails_takes_its_batch_back(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    before = held(estate)
    source = Source("items", "register", "ada", "broken.csv", "0" * 64)
    values = items.values_of(RegisterItem(tag="NEW"), _places(estate))

    def cut_off() -> None:
        with writing(estate.engine, source, Counts(1, 1, 0, {}), NOW, "register.import", {}) as batch:
            ItemWriter(estate.engine, batch, NOW).write([batches.Change(None, None, values)])
            with pytest.raises(BatchRunningError, match=f"batch {batch} is being written"):
                come(estate, HEADER + ROWS.replace("FP001", "FP100"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert held(estate) == before
    assert len(audited(estate, "register.cut_off")) == 1


def _places(estate: Estate) -> Places:
    with estate.engine.connect() as connection:
        return Places(connection)


def test_many_are_changed_at_once(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    before = held(estate)
    tags = parse_tags("fp001, FP002;FP003\tFP404\nFP001\r\n")
    assert tags == ["fp001", "FP002", "FP003", "FP404"]
    asked = Asked(unit="Estates/Stores", site="South", state="awaiting_disposal", profile="pool")
    tried = change_items(estate.engine, tags, asked, actor="ada", now=NOW, dry_run=True)
    assert (tried.changed, tried.not_found, tried.batch) == (3, ["FP404"], None)
    assert held(estate) == before
    assert tried.warnings == [("FP003", tried.warnings[0][1])]
    assert "from disposed to awaiting_disposal is unusual" in tried.warnings[0][1]
    done = change_items(estate.engine, tags, asked, actor="ada", now=NOW)
    assert {(one.unit, one.site, one.lifecycle_state) for one in held(estate)[:3]} == {
        ("Estates / Stores", "South", "awaiting_disposal")
    }
    assert change_items(estate.engine, tags[:3], asked, actor="ada", now=NOW).unchanged == 3
    (row,) = audited(estate, "register.change")
    assert row["detail"]["changed"] == 3
    undo(estate, done.batch)
    assert held(estate) == before
    enrolled = change_items(
        estate.engine, ["FP404", "FP001"], Asked(kind="dock", enrol=True), actor="ada", now=NOW
    )
    assert (enrolled.new, enrolled.changed) == (1, 1)
    assert (held(estate)[-1].tag, held(estate)[-1].lifecycle_state) == ("FP404", "stores")


@pytest.mark.parametrize(
    "asked", [Asked(), Asked(state="sold"), Asked(unit="A // B"), Asked(site=" "), Asked(unit="x" * 200)]
)
def test_a_change_that_means_nothing_is_refused(asked: Asked, estate: Estate) -> None:
    with pytest.raises(ChangeRefusedError):
        change_items(estate.engine, ["FP001"], asked, actor="ada", now=NOW)
    for text in ("", " ,;\n", "x" * 65):
        with pytest.raises(ChangeRefusedError):
            parse_tags(text)


def test_lists_counts_and_pages_keep_scope_and_restricted_sites(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    with estate.engine.connect() as connection:
        north = connection.scalar(select(units.c.id).where(units.c.name == "Traffic"))

    with write_transaction(estate.engine) as connection:
        sites.restrict(connection, "North", now=int(NOW))
    assert [one.tag for one in held(estate, restricted=False)] == ["FP001", "FP003", None]
    assert [one.serial for one in held(estate, search="5cg4")] == ["5CG4"]
    assert [one.tag for one in held(estate, unit="operations", restricted=False)] == ["FP001"]
    assert held(estate, unit="No such") == []
    assert held(estate, site="No such") == []
    assert north is not None
    assert [one.tag for one in held(estate, scope=frozenset({north}))] == ["FP002"]
    with estate.engine.connect() as connection:
        counts = summarise(connection, Wanted())
        first = read_page(connection, Wanted(restricted=True), limit=3)
        second = read_page(connection, Wanted(restricted=True), after=first.next or 0, limit=3)
    assert (counts.total, counts.restricted) == (3, 1)
    assert counts.states == {"deployed": 1, "disposed": 1, "unknown": 1}
    assert (counts.known["purchased"], counts.known["lifecycle_state"]) == (2, 2)
    assert [row.item.serial for row in (*first.rows, *second.rows)] == ["5CG1", "5CG2", "5CG3", "5CG4"]
    assert second.next is None


def test_somebody_of_some_units_imports_into_these_alone(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    with estate.engine.connect() as connection:
        mine = frozenset(connection.scalars(select(units.c.id).where(units.c.name == "Traffic")))
    head = "Asset tag,Lifecycle state,Usage profile,Purchase cost (GBP),Unit\n"
    rows = "FP001,repair,,,\nFP002,repair,,,\nFP006,stores,,,Operations / Traffic\nFP007,stores,,,\nFP008,,,,New\n"
    found = come(estate, head + rows, scope=mine, restricted=False)
    assert (found.new, found.changed) == (1, 1)
    assert found.report is not None
    assert dict(found.report.by_code) == {"not_yours": 3}
    assert {one.tag: one.lifecycle_state for one in held(estate)}["FP001"] == "deployed"
    changed = change_items(
        estate.engine, ["FP001", "FP002"], Asked(state="build"), actor="rita", now=NOW, scope=mine
    )
    assert (changed.changed, changed.not_found) == (1, ["FP001"])
    with pytest.raises(ChangeRefusedError, match="no unit of yours"):
        change_items(estate.engine, ["FP002"], Asked(unit="Operations"), actor="rita", now=NOW, scope=mine)


def test_an_item_shows_the_devices_it_is_and_was(estate: Estate) -> None:
    come(estate, HEADER + ROWS)
    old, new = (
        estate.device(hostname="OLD"),
        estate.device(hostname="NEW", unit="Secret", site="Annexe", restricted=True),
    )
    estate.put(
        register_devices,
        item=1,
        device=old,
        valid_from="2025-01-01",
        valid_to="2026-01-01",
        matched_on=["serial"],
    )
    estate.put(register_devices, item=1, device=new, valid_from="2026-01-01", matched_on=["serial", "uuid"])
    with estate.engine.connect() as connection:
        every = linked_devices(connection, 1)
        seen = linked_devices(connection, 1, restricted=False)
        assert summarise(connection, Wanted()).linked == 1
    assert [(one.hostname, one.until) for one in every] == [("NEW", None), ("OLD", dt.date(2026, 1, 1))]
    assert [one.hostname for one in seen] == ["OLD"]


def test_a_device_twice_in_an_mdm_export_is_one(estate: Estate) -> None:
    head = "Device ID,Device name,Serial number,Last check-in\n"
    rows = "m1,PC1,5CG1,2026-09-01\nM1,PC1,5CG1,2026-09-03\nm1,PC1,5CG1,2026-08-01\nm2,PC2,5CG2,2026-09-01\n"
    found = come(estate, head + rows, "mdm.csv")
    assert (found.new, found.unchanged) == (2, 2)
    assert found.report is not None
    assert [(one.line, one.column, one.code) for one in found.report.warnings] == [
        (3, "Device ID", "device_twice"),
        (4, "Device ID", "device_twice"),
    ]
    with estate.engine.connect() as connection:
        days = connection.execute(
            select(mdm_devices.c.mdm_id, mdm_devices.c.last_check_in).order_by(mdm_devices.c.id)
        )
        assert [(one, str(day)) for one, day in days] == [("M1", "2026-09-03"), ("m2", "2026-09-01")]


def test_mdm_analytics_and_warranties_come_in_and_go(estate: Estate) -> None:
    mdm = "Device ID,Device name,Serial number,Last check-in,OS,SkuFamily,Wi-Fi MAC,Primary user UPN\nm1,PC1,5CG1,2026-09-01,Windows,Enterprise,3C5282000001,ann@example.org\n"
    found = come(estate, mdm)
    assert (found.kind, found.format, found.new) == ("mdm", "intune_devices", 1)
    scores = "DeviceId,DeviceName,CoreBootTime,EndpointAnalyticsScore,HealthStatus\nm1,PC1,61,-1,2\n"
    assert come(estate, scores).kind == "experience"
    assert (
        come(estate, "DeviceName,SerialNumber,UpgradeEligibility,TpmCheckFailed\nPC1,5CG1,2,True\n").kind
        == "upgrade"
    )
    assert (
        come(
            estate, "Serial number,Start date,Warranty end,Level\n5CG1,2024-01-01,2027-01-01,Next day\n"
        ).kind
        == "warranties"
    )
    with estate.engine.connect() as connection:
        rows = connection.execute(select(mdm_devices).order_by(mdm_devices.c.id)).all()
        (warranty,) = connection.execute(select(warranties)).all()
    assert (rows[0].macs, rows[0].edition, rows[0].last_check_in) == (
        ["3c:52:82:00:00:01"],
        "Enterprise",
        "2026-09-01",
    )
    assert rows[1].scores == {
        "core_boot_seconds": 61.0,
        "health": "needs attention",
        "source": "import only, no agent",
    }
    assert (rows[2].upgrade_eligibility, rows[2].scores) == ("not capable", {"failed": ["tpm"], "checked": 1})
    assert (warranty.starts, warranty.ends, warranty.level) == ("2024-01-01", "2027-01-01", "Next day")
    assert "ann@" not in repr(rows)
    assert undo(estate, 1).rows == 1
    assert undo(estate, 4).rows == 1
    assert (count(estate, mdm_devices), count(estate, warranties)) == (2, 0)


HOSTILE: list[tuple[str, bytes, str]] = [
    ("empty.csv", b"", "is empty"),
    ("blank.csv", b" \r\n\r\n", "is empty"),
    ("header.csv", HEADER.encode(), "has a header and no rows"),
    ("other.csv", b"a,b\n1,2\n", "has a header no importer knows"),
    ("bomb.xlsx", b"PK\x03\x04" + b"\0" * 100, "is a broken archive"),
    ("binary.csv", b"\0\1\2\3" * 50, "is binary"),
    ("quote.csv", HEADER.encode() + b'"' + b"x" * 1_100_000, "a row of more than"),
    (
        "log.csv",
        b"Asset Tag,Maintenance Type,Supplier,Start Date,Completion Date,Cost\nA,Repair,S,2024-01-01,,1\n",
        "register",
    ),
]


@pytest.mark.parametrize(("name", "body", "said"), HOSTILE, ids=[one[0] for one in HOSTILE])
def test_a_file_that_is_none_leaves_nothing(estate: Estate, name: str, body: bytes, said: str) -> None:
    with pytest.raises(FileRefusedError, match=said):
        come(estate, body, name)
    assert (count(estate, register_items), count(estate, batches.batches)) == (0, 0)


def test_texts_no_table_holds_are_set_aside(estate: Estate) -> None:
    rows = f"{'T' * 65},1S,,laptop,,,,,,,,,,,,,\r\nFP1,S\x001,,laptop,,,,,,,,,,,,,\r\nFP2,S2,,laptop,{'m' * 129},,,,,,,,,,,,\r\n"
    found = come(estate, HEADER + rows + "FP3,S3,not-a-uuid-but-short,laptop,,,,,,,,,,,,,\r\n")
    assert found.report is not None
    assert dict(found.report.by_code) == {"too_long": 2, "broken_bytes": 1}
    assert [one.tag for one in held(estate)] == ["FP3"]
    agent = b'{"deviceid": "a", "content": {"bios": {"ssn": "X1\\ud800", "assettag": "A1"}, "hardware": {"uuid": "u\\u0000"}}}'
    found = come(estate, agent, "agent.json")
    assert found.report is not None
    assert found.report.quarantined == 1


def test_a_larger_register_comes_in_and_is_itself_again(estate: Estate) -> None:
    """The 5,000-row twin of bench/register_import.py: the same file, several pieces."""
    path = Path(__file__).parents[3] / "bench" / "register_read.py"
    spec = importlib.util.spec_from_file_location("register_read", path)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    body = bench.make(5_000)
    told: list[str] = []
    found = import_file(
        estate.engine, io.BytesIO(body), "register.csv", Wishes(mapping=bench.MAPPING), actor="ada", now=NOW,
        progress=lambda stage, done, total: told.append(f"{stage} {done == total}"),
    )  # fmt: skip
    assert (found.new, found.changed) == (5_000, 0)
    assert {"read True", "written True", "written False"} <= set(told)
    again = come(estate, body, mapping=bench.MAPPING, again=True)
    assert (again.batch, again.unchanged) == (None, 5_000)
    with estate.engine.connect() as connection:
        exported = b"".join(csv_pieces(connection, Wanted(), now=NOW))
    twin = come(estate, exported, "export.csv")
    assert (twin.new, twin.changed, twin.unchanged) == (0, 0, 5_000)
    assert undo(estate, found.batch).removed == 5_000
    assert held(estate) == []
