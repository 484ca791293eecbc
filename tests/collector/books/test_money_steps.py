"""Benefits, contracts, warranties and disposal: what may be said of them, by whom, and what they add up to."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate

from roadworthy_collector.books import (
    batches,
    benefits,
    conditions,
    contracts,
    disposal,
    disposal_import,
    excepting,
    importing,
    register_counts,
    warranties,
)
from roadworthy_collector.books import contracts_figures as kept
from roadworthy_collector.books.cost_import import Choices, mapping_of
from roadworthy_collector.books.cost_import import import_file as import_money
from roadworthy_collector.books.imported import Scores, Supports
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.money_catalogue import MONEY
from roadworthy_collector.metrics.rollups import rollups_of
from roadworthy_collector.store import books_schema as books
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import audit

TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def system(estate: Estate, name: str) -> int:
    with write_transaction(estate.engine) as connection:
        row = insert(books.systems).values(name=name, kind="application")
        return int(connection.execute(row).inserted_primary_key[0])


def item(estate: Estate, tag: str, **values: Any) -> int:
    row = {
        "kind": "laptop",
        "lifecycle_state": "deployed",
        "usage_profile": "personal",
        "updated_at": 1,
        "tag": tag,
    }
    with write_transaction(estate.engine) as connection:
        return int(
            connection.execute(insert(books.register_items).values(**row | values)).inserted_primary_key[0]
        )


def actions(estate: Estate) -> list[str]:
    with estate.engine.connect() as connection:
        return list(connection.scalars(select(audit.c.action).order_by(audit.c.id)))


# --- benefits -----------------------------------------------------------------------------------------------


def claimed(
    estate: Estate, reference: str = "B-1", *, cashable: bool = True, years: Any = ((2026, 1000, 300),)
) -> int:
    with write_transaction(estate.engine) as connection:
        claim = benefits.Claim(reference, "Atlas", cashable, years)
        return benefits.add(connection, claim, actor="jo", on=TODAY, now=int(NOW))


def step(estate: Estate, number: int, what: str, person: str, role: Any = "service") -> str:
    with write_transaction(estate.engine) as connection:
        return benefits.advance_one(
            connection, number, what, actor=person, role=role, on=TODAY, now=int(NOW)
        ).state


def test_a_benefit_goes_its_way_and_its_claimant_never_ends_it(estate: Estate) -> None:
    system(estate, "Atlas")
    number = claimed(estate)
    with pytest.raises(benefits.BenefitsError, match="cannot become delivered"):
        step(estate, number, "deliver", "sam")
    with pytest.raises(benefits.BenefitsError, match="another person than the claimant"):
        step(estate, number, "agree", "JO ")
    assert step(estate, number, "agree", "sam") == "agreed"
    assert step(estate, number, "deliver", "jo") == "delivered"
    with pytest.raises(benefits.BenefitsError, match="only finance"):
        step(estate, number, "remove", "sam")
    with pytest.raises(benefits.BenefitsError, match="another person than the claimant"):
        step(estate, number, "remove", "Jo", "finance")
    assert step(estate, number, "remove", "fin", "finance") == "removed from budget"
    assert actions(estate) == ["benefits.add", "benefits.agree", "benefits.deliver", "benefits.remove"]


def test_sums_are_net_of_double_running_and_show_no_people(estate: Estate) -> None:
    system(estate, "Atlas")
    claimed(estate)
    claimed(estate, "B-2", years=((2026, 500, None), (2027, 700, 0)))
    hours = claimed(estate, "B-3", cashable=False)
    with estate.engine.connect() as connection:
        found = benefits.overview(connection)
    sums = {(one["cashable"], one["financial_year"]): one for one in found["sums"]}
    assert sums[True, "2026/27"]["saving_pence"] == 1500
    assert sums[True, "2026/27"]["net_pence"] == 700
    assert (sums[True, "2026/27"]["net_unknown"], sums[True, "2026/27"]["saving_of_unknown_pence"]) == (
        1,
        500,
    )
    assert sums[False, "2026/27"]["net_pence"] == 700
    assert "jo" not in str(found["sums"])
    step(estate, hours, "agree", "sam")
    step(estate, hours, "deliver", "sam")
    with pytest.raises(benefits.BenefitsError, match="not cashable"):
        step(estate, hours, "remove", "fin", "finance")


@pytest.mark.parametrize("text", ["", "2026", "x=3", "2026=1/0", "2026=abc-4"])
def test_a_year_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(benefits.BenefitsError, match="no year of a benefit"):
        benefits.parse_year(text)


def test_a_year_is_read_in_pounds() -> None:
    assert benefits.parse_year("2026=120,000.50-3000") == (2026, 12_000_050, 300_000)
    assert benefits.parse_year("2026=1") == (2026, 100, None)


def test_a_benefit_is_of_a_system_there_is(estate: Estate) -> None:
    with pytest.raises(benefits.BenefitsError, match="system Atlas"):
        claimed(estate)
    system(estate, "Atlas")
    claimed(estate)
    with pytest.raises(benefits.BenefitsError, match="already"):
        claimed(estate)


# --- contracts ----------------------------------------------------------------------------------------------

CONTRACTS = """\
Contract reference,Contract title,Supplier,Start date,End date,Notice date,Annual value
C-1,Atlas support,Acme,2024-01-01,{soon},{notice},12000
C-2,Old thing,Acme,2010-01-01,2015-01-01,,10
C-3,No end,Beta,2024-01-01,,,500
"""


def taken(estate: Estate, folder: Path) -> None:
    soon, notice = TODAY + dt.timedelta(days=100), TODAY + dt.timedelta(days=20)
    path = folder / "contracts.csv"
    path.write_text(CONTRACTS.format(soon=soon, notice=notice))
    import_money(estate.engine, path, Choices(kind="contracts"), actor="fin", now=int(NOW), on=TODAY)


def test_contracts_warn_of_notice_and_count_what_is_unknown(estate: Estate, tmp_path: Path) -> None:
    taken(estate, tmp_path)
    with estate.engine.connect() as connection:
        found = contracts.overview(connection, TODAY)
    assert [row["reference"] for row in found["notice_due"]] == ["C-1"]
    assert found["notice_due"][0]["days_to_notice"] == 20
    assert found["states"] == {"running": 1, "ended": 1, "unknown": 1}
    assert (found["running_pence"], found["running_unknown"]) == (1_200_000, 0)
    assert (found["cliffs"]["ended"], found["cliffs"]["unknown"], found["cliffs"]["total"]) == (1, 1, 3)
    assert sum(one["ends"] for one in found["cliffs"]["months"]) == 1
    assert [row["reference"] for row in found["endless"]] == ["C-3"]
    assert (found["endless_pence"], found["endless_unknown"]) == (50_000, 0)


def test_what_a_contract_is_for_is_said_on_the_record(estate: Estate, tmp_path: Path) -> None:
    taken(estate, tmp_path)
    system(estate, "Atlas")
    with write_transaction(estate.engine) as connection:
        told = contracts.Told(system="Atlas", replaced_by="C-9")
        contracts.change(connection, "C-1", told, actor="fin", now=int(NOW))
    with (
        pytest.raises(contracts.ContractsError, match="system Zeus"),
        write_transaction(estate.engine) as connection,
    ):
        contracts.change(connection, "C-1", contracts.Told(system="Zeus"), actor="fin", now=int(NOW))
    with estate.engine.connect() as connection:
        (row,) = [one for one in contracts.overview(connection, TODAY)["rows"] if one["reference"] == "C-1"]
    assert (row["system"], row["replaced_by"]) == ("Atlas", "C-9")
    assert actions(estate)[-1] == "contracts.set"


# --- warranties ---------------------------------------------------------------------------------------------


def warranties_in(estate: Estate, text: str) -> Any:
    stream = io.BytesIO(text.encode())
    return importing.import_file(
        estate.engine, stream, "maker.csv", importing.Wishes(format="warranties"), actor="desk", now=NOW
    )


def test_the_later_warranty_counts_and_says_whose_it_is(estate: Estate) -> None:
    later, earlier = TODAY + dt.timedelta(days=40), TODAY - dt.timedelta(days=40)
    item(estate, "A", serial="5CG1", warranty_end=earlier.isoformat())
    item(estate, "B", serial="5CG2", warranty_end=later.isoformat())
    item(estate, "C", serial="5CG3")
    item(estate, "D", serial="5CG4", lifecycle_state="disposed")
    done = warranties_in(
        estate,
        f"Serial number,Warranty end,Service level\n5cg1,{later},Gold\n5CG2,{earlier},Old\n5CG1,nonsense,x\n",
    )
    assert done.report.quarantined == 1
    assert "nonsense" in done.corrections.getvalue()
    with estate.engine.connect() as connection:
        found = warranties.ends(connection, TODAY)
        rows = {row["tag"]: (row["ends"], row["source"]) for row in found.rows}
        assert rows == {"A": (later.isoformat(), "maker.csv"), "B": (later.isoformat(), "the register")}
        assert found.months["unknown"] == 1
        assert sum(found.months.values()) == 3
        device = estate.device(serial="5CG1", asset_tag="A")
    with estate.engine.connect() as connection:
        known = conditions.read(
            connection, NOW, Supports(TODAY), excepting.read_entries(connection), Scores(connection)
        )
        assert [one.condition.warranty_end for one in known if one.id == device] == [later]
    counts = register_counts.count_register(work_of(estate))
    assert counts["warranty_ends"][f"{later:%Y-%m}"] == 2
    batches.undo(estate.engine, done.batch, actor="desk", now=NOW)
    with estate.engine.connect() as connection:
        assert [row["tag"] for row in warranties.ends(connection, TODAY).rows] == ["B"]


# --- disposal -----------------------------------------------------------------------------------------------

GONE = """\
Asset tag,Route,Weight (kg),Certificate number,Certificate date,Collection date,Proceeds,Disposal cost,Contractor
A,Recycled,2.5,D-1,2026-05-01,2026-04-20,10.00,,Green Ltd
B,Shredded,,,,2026-04-20,,3.50,Green Ltd
C,Resold,1.2,,,,,,
Z,Recycled,1,,,2026-04-20,,,
A,Recycled,1,,,2026-04-20,,,
D,Eaten,1,,,2026-04-20,,,
E,Recycled,-1,,,2099-04-20,,,
"""


def gone(estate: Estate, text: str = GONE, **wishes: Any) -> disposal_import.Outcome:
    return disposal_import.import_file(
        estate.engine, io.BytesIO(text.encode()), "gone.csv", disposal_import.Wishes(**wishes),
        actor="desk", now=NOW, on=TODAY,
    )  # fmt: skip


def held(estate: Estate) -> list[disposal.Held]:
    with estate.engine.connect() as connection:
        return disposal.read(connection)


def five(estate: Estate) -> None:
    for tag in "ABCDE":
        item(estate, tag, kind="monitor" if tag == "C" else "laptop")


def states(estate: Estate) -> dict[str, str]:
    with estate.engine.connect() as connection:
        columns = (books.register_items.c.tag, books.register_items.c.lifecycle_state)
        return {row.tag: row.lifecycle_state for row in connection.execute(select(*columns))}


def test_a_list_of_disposals_is_one_batch_that_can_be_undone(estate: Estate) -> None:
    five(estate)
    before = states(estate)
    dry = gone(estate, dry_run=True)
    assert (dry.batch, dry.disposed, dry.awaiting) == (None, 2, 1)
    assert states(estate) == before
    done = gone(estate)
    assert done.report is not None
    assert done.report.quarantined == 4
    assert done.corrections is not None
    assert "is no item of the register" in done.corrections
    assert states(estate) == before | {"A": "disposed", "B": "disposed", "C": "awaiting_disposal"}
    assert gone(estate).same_as == done.batch
    again = gone(estate, GONE + "\n")
    assert again.report is not None
    assert "has a disposal already" in (again.corrections or "")
    assert done.batch is not None
    batches.undo(estate.engine, done.batch, actor="desk", now=NOW)
    assert states(estate) == before
    assert held(estate) == []


def test_weights_that_cannot_be_are_set_aside(estate: Estate) -> None:
    five(estate)
    said = 'Tag,Weight kg,Left\nA,-1,2026-04-20\nB,"1,5",2026-04-20\nC,20,2026-04-20\nD,20,2026-04-20\nE,"1,500",2026-04-20\n'
    done = gone(estate, said)
    assert done.report is not None
    assert [(one.line, one.column) for one in done.report.problems] == [
        (2, "Weight kg"),
        (3, "Weight kg"),
        (5, "Weight kg"),
        (6, "Weight kg"),
    ]
    assert "more than one laptop weighs" in done.report.problems[2].message
    assert [(one.record.tag, one.record.weight_grams) for one in held(estate)] == [("C", 20_000)]


def test_missing_certificates_and_weights_are_counted(estate: Estate) -> None:
    five(estate)
    item(estate, "OLD", lifecycle_state="disposed")
    gone(estate)
    found = held(estate)
    assert [row["tag"] for row in disposal.missing(found, TODAY)] == ["B"]
    told = disposal.overview(found, TODAY)
    assert (told["total"]["items"], told["total"]["weight_grams"], told["total"]["weight_unknown"]) == (
        4,
        3700,
        2,
    )
    assert (told["undated"], told["untold"]) == (1, 1)
    assert sum(one["items"] for one in told["cells"]) == sum(one["items"] for one in told["categories"]) == 4
    assert sum(one["weight_unknown"] for one in told["categories"]) == 2


def test_one_record_is_put_right_on_the_record(estate: Estate) -> None:
    five(estate)
    gone(estate)
    told = {"certificate": "D-2", "certificate_date": dt.date(2026, 5, 2)}
    with write_transaction(estate.engine) as connection:
        disposal.change(connection, "b", told, on=TODAY, actor="desk", now=int(NOW))
    assert disposal.missing(held(estate), TODAY) == []
    assert actions(estate)[-1] == "disposal.set"
    with (
        pytest.raises(disposal.DisposalError, match="still to come"),
        write_transaction(estate.engine) as connection,
    ):
        disposal.change(connection, "B", {"left": dt.date(2099, 1, 1)}, on=TODAY, actor="desk", now=int(NOW))


def test_a_mapping_names_other_columns(estate: Estate) -> None:
    five(estate)
    mapping = mapping_of(
        '[columns]\n"Nr" = "tag"\n"Kilo" = "weight_kg"\n[fixed]\nroute = "destruction"\n', "mapping"
    )
    done = gone(estate, "Nr;Kilo\nA;2.0\n", mapping=mapping)
    assert done.awaiting == 1
    (one,) = held(estate)
    assert (one.record.route, one.record.weight_grams) == ("destruction", 2000)


def test_restricted_sites_are_in_no_list_of_disposals(estate: Estate) -> None:
    site = estate.site("Safe house", restricted=True)
    item(estate, "R", site=site, lifecycle_state="disposed")
    assert held(estate) == []


def test_every_gauge_of_money_is_exposed(estate: Estate, tmp_path: Path) -> None:
    system(estate, "Atlas")
    claimed(estate)
    taken(estate, tmp_path)
    five(estate)
    gone(estate)
    kept.refresh(work_of(estate))
    fleet.compute(work_of(estate))
    body = rollups_of(estate.engine, None, now=NOW)
    missing = [row.name for row in MONEY if f"\n{row.name}" not in body]
    assert missing == ["roadworthy_staff_time_lost_seconds", "roadworthy_staff_waits"]
    assert "roadworthy_disposal_certificates_missing 1" in body
    assert 'roadworthy_benefit_net_gbp{state="identified",cashable="yes",year="2026"} 7' in body
