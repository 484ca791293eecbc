"""A replacement plan from the register, what devices measured and the user's file; kept, explained and exported."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import python_calamine
from sqlalchemy import insert, select
from support.estates import NOW, Estate

from roadworthy_collector.books import plan_lists, planning
from roadworthy_collector.books.plan_example import EXAMPLE
from roadworthy_collector.books.plan_inputs import read_items
from roadworthy_collector.books.plan_text import Budget, PlanTextError, parse_plan
from roadworthy_collector.books.planning import ACTIONS, Asked, PlanError
from roadworthy_collector.books.sheets import About, write_table
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store import books_schema as books
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

ON = date(2026, 9, 21)
DAY = int(NOW) // 86_400 * 86_400


def item(estate: Estate, tag: str, **values: Any) -> int:
    row = {
        "tag": tag,
        "serial": f"S{tag}",
        "kind": "laptop",
        "manufacturer": "Dell",
        "model": "Latitude 5400",
        "lifecycle_state": "deployed",
        "usage_profile": "personal",
        "site": estate.site("HQ"),
        "unit": estate.unit("IT"),
        "purchased": "2020-05-01",
        "updated_at": int(NOW),
        **values,
    }
    with write_transaction(estate.engine) as connection:
        return int(
            connection.execute(
                insert(books.register_items).values(**row).returning(books.register_items.c.id)
            ).scalar_one()
        )


def reporting(estate: Estate, tag: str, *, seconds: float, medium: str = "ssd", in_use: int = 20_000) -> int:
    """Put an item whose device reported for twenty days, a start-up a day somebody sat through."""
    device = estate.device(platform="linux")
    put = {"valid_from": "2025-01-01", "matched_on": ["serial", "tag"]}
    estate.put(books.register_devices, item=item(estate, tag), device=device, **put)
    estate.put(schema.disks, device=device, name="sda", medium=medium, holds_system=True)
    rest = {f"{state}_seconds": 0 for state in ("idle", "locked", "asleep", "unobserved")}
    for number in range(1, 21):
        estate.put(
            schema.days, day=DAY - number * 86_400, device=device, site=1, unit=1, observed_seconds=40_000,
            in_use_seconds=in_use, off_seconds=86_400 - in_use, **rest, periods=48, startups=1,
            joules={"wall": {"sensor": 500_000}},
        )  # fmt: skip
        estate.startup(
            device, started_at=float(DAY - number * 86_400 + 3600), usable_seconds=seconds, attended=True
        )
    return device


def planned(estate: Estate, text: str = EXAMPLE, **budget: Any) -> dict[str, Any]:
    asked = Asked(text=text, budget=Budget(**budget), runs=5, actor="fin")
    return planning.run(estate.engine, asked, now=NOW, on=ON)


def rows(estate: Estate, action: str | None = None) -> list[dict[str, Any]]:
    with estate.engine.connect() as connection:
        summary, _ = planning.require(connection)
        return list(planning.items(connection, summary, action))


def test_a_plan_from_what_was_measured(estate: Estate) -> None:
    reporting(estate, "SLOW", seconds=400.0, medium="hdd")
    reporting(estate, "QUICK", seconds=30.0)
    item(estate, "SILENT")
    item(estate, "HELD", lease_end="2040-01-01")
    item(estate, "OLD-STOCK", lifecycle_state="stores")
    summary = planned(estate)
    assert sum(summary["counts"].values()) == summary["items"] == 4
    assert summary["counts"]["fixed"] == 1
    assert summary["counts"]["apart"] == 1
    assert summary["left_out"] == {"stores, not in the plan's scope": 1}
    assert summary["known"]["staff hours"] == {"measured": 2, "not known": 2}
    assert summary["known"]["electricity"] == {"measured": 2, "typical of its class": 2}
    assert summary["net_pence"] <= summary["bound_pence"]
    found = {row["tag"]: row for row in rows(estate)}
    # 20 waits of 340 s over the reference of 60 s in 20 days.
    low, likely, high = found["SLOW"]["inputs"]["hours"]
    assert likely == pytest.approx(340 * 365.25 / 3600)
    assert low < likely < high
    assert found["SLOW"]["inputs"]["kwh"] == pytest.approx([500_000 / 3_600_000 * 365.25] * 3)
    assert found["SLOW"]["action"] in {"replace", "ssd"}
    assert found["SLOW"]["stays_ratio"] is not None
    assert found["SLOW"]["why"]
    assert found["SILENT"]["missing"][0] == "staff hours while kept"
    assert "lease until 2040-01-01" in found["HELD"]["why"]


def test_nothing_is_planned_at_a_restricted_site_and_it_is_counted(estate: Estate) -> None:
    item(estate, "PC1")
    item(estate, "SECRET", site=estate.site("Annexe R", restricted=True))
    summary = planned(estate)
    assert summary["left_out"] == {"at a restricted site": 1}
    assert [row["tag"] for row in rows(estate)] == ["PC1"]
    with estate.engine.connect() as connection:
        said = "".join(str(row) for row in connection.execute(select(books.book_figures)))
    assert "SECRET" not in said


def test_the_last_plan_is_found_by_page_and_by_tag(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "_PIECE", 2)
    for number in range(7):
        item(estate, f"PC{number}")
    planned(estate)
    planned(estate)  # the pieces of the plan before are gone
    with estate.engine.connect() as connection:
        summary, _ = planning.require(connection)
        every = [row["tag"] for row in planning.items(connection, summary)]
        assert every == [f"PC{number}" for number in range(7)]
        for offset in range(9):
            for limit in (1, 3, 10):
                some, total = planning.page(connection, summary, None, offset, limit)
                assert ([row["tag"] for row in some], total) == (every[offset : offset + limit], 7)
        assert planning.item(connection, summary, "PC4")["tag"] == "PC4"
        with pytest.raises(NotFoundError):
            planning.item(connection, summary, "PC9")
        names = connection.scalars(select(books.book_figures.c.name)).all()
    assert sum(name.startswith("plan.") for name in names) == 4


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_budget_given_goes_before_the_file(estate: Estate) -> None:
    for number in range(4):
        reporting(estate, f"PC{number}", seconds=500.0)
    assert planned(estate)["counts"]["replace"] == 4
    summary = planned(estate, capital_pounds=700)
    assert summary["counts"]["replace"] <= 2  # one a year
    assert all(use["used"] <= 70_000 for use in summary["uses"] if use["what"] == "capital")
    kept = rows(estate, "keep")
    assert kept
    assert kept[0]["code"].startswith("capital")


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_an_exception_from_every_rule_holds_an_item(estate: Estate) -> None:
    told = {"reason": "evidence", "owner": "a", "approver": "b", "begins": "2026-01-01", "made_at": 1}
    estate.put(books.exceptions, item=item(estate, "PC1"), expires="2040-01-01", rules=None, **told)
    estate.put(books.exceptions, item=item(estate, "PC2"), expires="2040-01-01", rules=["disk-worn"], **told)
    estate.put(books.exceptions, item=item(estate, "PC3"), expires="2026-02-01", rules=None, **told)
    assert planned(estate)["counts"]["fixed"] == 1
    assert rows(estate, "fixed")[0]["tag"] == "PC1"


def test_ready_lists(estate: Estate) -> None:
    slow = reporting(estate, "SLOW", seconds=300.0, medium="hdd", in_use=0)
    with write_transaction(estate.engine) as connection:
        table = books.register_items
        connection.execute(
            table.update()
            .where(table.c.tag == "SLOW")
            .values(warranty_end="2027-01-01", purchased="2026-01-01")
        )
    reason = {"rule": "disk-worn-out", "rating": "action_required", "sentence": "The disk is worn out."}
    slowness = {"rule": "startup-slow", "rating": "needs_attention", "sentence": "Starts slowly."}
    estate.put(
        books.ratings, device=slow, verdict="action_required", reasons=[reason, slowness], not_judged={},
        excepted=0, rules="r", rated_at=int(NOW),
    )  # fmt: skip
    item(estate, "SILENT")
    planned(estate, capital_pounds=0)
    with estate.engine.connect() as connection:
        found = {one["name"]: one for one in plan_lists.kept(connection)}
    claim = found["claim_under_warranty"]
    assert [ticket["tag"] for ticket in claim["tickets"]] == ["SLOW"]
    assert "The disk is worn out" in claim["tickets"][0]["details"]
    assert "Starts slowly" not in claim["tickets"][0]["details"]
    assert claim["unknown"] == {"no rating": 1}
    assert [ticket["tag"] for ticket in found["fit_an_ssd"]["tickets"]] == ["SLOW"]
    assert found["fit_an_ssd"]["unknown"] == {"kind of disk": 1}
    # Twenty days are fewer than the three weeks the list asks for, so nobody is called unused.
    assert found["collect_unused"]["tickets"] == []
    assert sum(found["collect_unused"]["unknown"].values()) == 2


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_check_in_long_ago_is_unused(estate: Estate) -> None:
    item(estate, "PC1")
    batch = {"kind": "mdm", "format": "intune", "made_at": 1, "made_by": "x", "rows_read": 1, "rows_good": 1}
    estate.put(books.batches, id=7, rows_bad=0, unfinished=False, **batch)
    estate.put(books.mdm_devices, batch=7, serial="spc1", last_check_in="2026-01-01")
    with estate.engine.connect() as connection:
        read = read_items(connection, None, NOW, ON)
    (ticket,) = plan_lists.make(read, None)[2].tickets
    assert ticket.tag == "PC1"
    assert "2026-01-01" in ticket.details


def test_days_nobody_could_watch_are_no_days_of_no_use(estate: Estate) -> None:
    for tag, unseen in (("UNSEEN", True), ("IDLE", False)):
        device = estate.device(platform="windows")
        put = {"valid_from": "2025-01-01", "matched_on": ["serial", "tag"]}
        estate.put(books.register_devices, item=item(estate, tag), device=device, **put)
        states = dict.fromkeys((f"{state}_seconds" for state in ("in_use", "locked", "asleep")), 0)
        on = 9 * 3600
        states |= {"unobserved_seconds": on if unseen else 0, "idle_seconds": 0 if unseen else on}
        for number in range(1, 26):
            estate.put(
                schema.days, day=DAY - number * 86_400, device=device, site=1, unit=1, observed_seconds=on,
                off_seconds=86_400 - on, **states, periods=48, startups=1, joules={},
            )  # fmt: skip
    batch = {"kind": "mdm", "format": "intune", "made_at": 1, "made_by": "x", "rows_read": 1, "rows_good": 1}
    estate.put(books.batches, id=7, rows_bad=0, unfinished=False, **batch)
    estate.put(books.mdm_devices, batch=7, serial="sunseen", last_check_in="2026-01-01")
    with estate.engine.connect() as connection:
        read = read_items(connection, None, NOW, ON)
    known = {one.tag: (one.reported_days, one.watched_days, one.in_use_hours) for one in read.items}
    assert known == {"UNSEEN": (25, None, None), "IDLE": (25, 25, 0.0)}
    found = plan_lists.make(read, None)[2]
    assert [ticket.tag for ticket in found.tickets] == ["IDLE"]
    assert found.tickets[0].summary.count("IDLE") == 1
    assert list(found.unknown) == ["UNSEEN"]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_without_items_or_with_too_many_it_says_so(estate: Estate) -> None:
    with pytest.raises(PlanError, match="no item in the plan's scope"):
        planned(estate)
    with pytest.raises(NotFoundError), estate.engine.connect() as connection:
        planning.require(connection)
    for number in range(3):
        item(estate, f"PC{number}")
    asked = Asked(text=EXAMPLE, budget=Budget(), runs=1)
    with pytest.raises(PlanError, match=r"`roadworthy plan run`"):
        planning.run(estate.engine, asked, now=NOW, on=ON, most_items=2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[terms]", "[terms", "no TOML"),
        ("first_year = 2026", "first_year = 2001", "first year"),
        ("first_year = 2026", "fist_year = 2026", "fist_year: unknown key"),
        ("capital_pounds = [250000, 250000]", "capital_pounds = 5", "capital_pounds"),
        ("[250000, 250000]", "[250000]", "1 years of capital and 2 of revenue"),
        ('kind = "replace" ', 'kind = "burn" ', "option New laptop: kind"),
        ("[620, 680, 760]", "[760, 680, 620]", "low <= likely <= high"),
        ("pounds_per_hour = 25", "pounds_per_hour = '25'", "pounds_per_hour"),
        ('{ times = "ssd" }', '{ times = "magic" }', "published are"),
        ('embodied_kgco2e = "laptop"', 'embodied_kgco2e = "boat"', "published are"),
        ('kinds = ["desktop", "laptop"]\nlife', 'kinds = ["boat"]\nlife', "'boat' is none of"),
        ('name = "SSD"', 'name = "New laptop"', "is there twice"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(old: str, new: str, said: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(PlanTextError, match=said):
        parse_plan(EXAMPLE.replace(old, new, 1), None, ON)


def test_the_example_is_a_plan() -> None:
    found = parse_plan(EXAMPLE, None, ON)
    assert [option.offer.kind for option in found.options] == ["replace", "ssd"]
    assert found.terms.capital_pence == (25_000_000, 25_000_000)


ABOUT = About("Title", "now", "all", "3 of 3", "OFFICIAL")


def test_nothing_in_a_sheet_runs(tmp_path: Path) -> None:
    told = [{"tag": "=cmd()", "pounds": 1.5, "none": None, "on": date(2026, 1, 2)}]
    columns = ("tag", "pounds", "none", "on")
    assert write_table(tmp_path / "t.csv", columns, told, ABOUT) == 1
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert list(csv.reader(stream))[5] == ["'=cmd()", "1.5", "", "2026-01-02"]
    assert "Protective marking: OFFICIAL" in (tmp_path / "t.csv").read_text("utf-8-sig")
    write_table(tmp_path / "t.xlsx", columns, told, ABOUT)
    book = python_calamine.CalamineWorkbook.from_path(str(tmp_path / "t.xlsx"))
    assert book.get_sheet_by_name("Rows").to_python()[5] == ["=cmd()", 1.5, "", "2026-01-02"]
    assert book.get_sheet_by_name("Rows").to_python()[1][0] == "Title: all"
    for path in (tmp_path / "t.pdf", tmp_path / "no folder" / "t.csv"):
        with pytest.raises(RoadworthyError):
            write_table(path, columns, told, ABOUT)


def test_every_action_has_words() -> None:
    assert set(planning.ACTION_WORDS) == set(ACTIONS)
