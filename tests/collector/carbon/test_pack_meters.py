"""Evidence packs of reports that rest on meters: readings decide the kWh, forged figures show, papers are in it."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from support.estates import Estate
from support.modules import beside

from roadworthy_collector.carbon import (
    meter_days,
    meter_import,
    pack_files,
    pack_meters,
    pack_verify,
    report_doors,
    report_pdf,
    supplies,
)
from roadworthy_collector.carbon.meter_import import Choices
from roadworthy_collector.security.roles import Role
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.carbon.meters import How

reports, crc = beside(__file__, "test_reports"), beside(__file__, "test_report_crc")
returns = crc.returns
MPAN, NORTH, SILENT = crc.MPAN, crc.NORTH, crc.SILENT
HIDDEN, GAS, DOMESTIC = "1200012345702", "3938424403", "1000000000012"
LEFT_OUT = f'[[crc_exclusion]]\nsupply = "{DOMESTIC}"\nrule = "domestic"\nreason = "police houses"\n'
YEAR = "2016/17"
Body = dict[str, bytes]


def fill(held: Estate) -> None:
    """Put an actual, an estimated, an unread, a gas and a restricted supply of 2016/17."""
    for name in ("HQ", "North", "Cells"):
        held.site(name)
    with write_transaction(held.engine) as connection:
        connection.execute(update(sites).where(sites.c.name == "Cells").values(restricted=True))
        supplies.save(connection, SILENT, actor="pam", now=1)
    returns.metered(held, 100, "2016-04-01", "2017-03-31")
    returns.metered(held, 50, "2016-07-01", "2016-08-31", NORTH)
    returns.metered(held, 7, "2016-04-01", "2017-03-31", HIDDEN)
    text = f"MPRN,Date,Meter reading,Unit,Type\n{GAS},2016-04-01,1000,kWh,A\n{GAS},2017-04-01,10000,kWh,A\n"
    meter_import.import_file(
        held.engine,
        io.BytesIO(text.encode()),
        "gas.csv",
        Choices(how=How(status="A")),
        actor="sam",
        now=5,
        on=returns.TODAY,
    )
    returns.metered(held, 10, "2016-04-01", "2017-03-31", DOMESTIC)
    crc.place(held, MPAN, "HQ")
    crc.place(held, NORTH, "North", "2016-06-01")
    crc.place(held, HIDDEN, "Cells")
    contact = '[[contact]]\nname = "Ben"\nrole = "answers for it"\nreach = "ben@example.org"\n'
    returns.save(held, returns.RULE + contact + LEFT_OUT)


@pytest.fixture(scope="module")
def issued(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, dict[str, Any]]:
    """Packs of a CRC report, then of the one that restates it, and what is told of the latter."""
    folder = tmp_path_factory.mktemp("issued")
    shutil.copy(empty_database, folder / "roadworthy.db")
    held = Estate(open_engine(folder / "roadworthy.db"), folder / "roadworthy.db")
    fill(held)
    first = reports.published(held, "crc", YEAR)
    door = reports.door
    second = report_doors.restate(door(held, "ann"), first, "a late invoice was found")
    report_doors.journal(door(held, "ann"), second, "electricity", "-250.5", "half of it was a neighbour's")
    report_doors.journal(
        door(held, "ann"), second, "electricity, estimated", "400", "an estimate nobody sent in", NORTH
    )
    report_doors.take(door(held, "ben"), second, "review")
    report_doors.take(door(held, "ann"), second, "close")
    report_doors.take(door(held, "cat", Role.APPROVER), second, "approve")
    report_doors.take(door(held, "ann"), second, "publish")
    with held.engine.connect() as connection:
        told = report_doors.told(connection, held.settings(), second, now=reports.NOW)
        told["warning"] = report_doors.contacts_warning(connection, second)
    paths = reports.pack_of(held, first), reports.pack_of(held, second)
    held.engine.dispose()
    return *paths, told


def files_of(path: Path) -> Body:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows_of(held: Body, name: str) -> list[dict[str, str]]:
    body = held[name]
    return list(
        csv.DictReader(io.StringIO((gzip.decompress(body) if name.endswith(".gz") else body).decode()))
    )


def resealed(held: Body, target: Path) -> list[str]:
    """Write a pack with its manifest and seal made anew, as somebody who forged it would; return the differences."""
    manifest = json.loads(held["manifest.json"])
    for name in manifest["files"]:
        manifest["files"][name] = {"bytes": len(held[name]), "sha256": hashlib.sha256(held[name]).hexdigest()}
    body = json.dumps(manifest, indent=1, sort_keys=True).encode()
    held |= {
        "manifest.json": body,
        "manifest.sha256": f"{hashlib.sha256(body).hexdigest()}  manifest.json\n".encode(),
    }
    with target.open("wb") as file:
        pack_files.write_zip(pack_files.Hashed(file), ((name, [held[name]]) for name in pack_files.NAMES))
    return pack_verify.verify(target).differences


def test_a_pack_recomputes_kwh_from_its_readings(issued: tuple[Path, Path, Any]) -> None:
    for path in issued[:2]:
        found = pack_verify.verify(path)
        assert found.differences == []
        # Twice 365 and 62 days, and two readings of gas.
        assert "794 days and readings of meters were added up anew" in found.remarks
        assert any(
            "2,555.000 kWh of supplies of restricted sites are as told" in one for one in found.remarks
        )


def test_the_papers_are_in_the_pack(issued: tuple[Path, Path, Any]) -> None:
    held = files_of(issued[1])
    listed = {row["supply"]: row for row in rows_of(held, "supplies.csv")}
    assert (listed[MPAN]["basis"], listed[MPAN]["kwh"], listed[MPAN]["line"]) == (
        "actual",
        "36500",
        "supply 1",
    )
    assert (listed[NORTH]["basis"], listed[NORTH]["last_actual"]) == ("estimated", "2016-08-31")
    assert (listed[SILENT]["basis"], listed[SILENT]["kwh"], listed[SILENT]["line"]) == ("no reading", "", "")
    assert (listed[DOMESTIC]["kwh"], listed[DOMESTIC]["line"]) == ("3650", "")
    assert "omestic" in listed[DOMESTIC]["left_out"]
    assert any("police houses" in row["why"] for row in rows_of(held, "exclusions.csv"))
    assert (listed[GAS]["kwh"], listed[GAS]["responsible_from"]) == ("9000", "2016-04-01")
    assert {row["site"] for row in rows_of(held, "supply_sites.csv")} == {"HQ", "North"}
    assert rows_of(held, "changes.csv") == [
        {"day": "2016-06-01", "change": "joined", "supply": NORTH, "site": "North", "tenure": "unknown"}
    ]
    assert "gas.csv" in [row["file"] for row in rows_of(held, "meter_files.csv")]
    assert any("neighbour" in row["why"] for row in rows_of(held, "exclusions.csv"))
    contacts = rows_of(held, "contacts.csv")
    assert {row["name"] for row in contacts} == {"Ben", "ann", "ben", "cat"}
    assert {row["reach"] for row in contacts if row["name"].casefold() == "ben"} == {"ben@example.org"}
    assert "ann, cat by account alone" in issued[2]["warning"]
    assert b"Signature" in held["certificate.txt"]
    index = next(one for one in json.loads(held["report.json"])["tables"] if one["name"] == "evidence")
    for row in index["rows"]:
        assert row["file"].split()[0].rstrip(";,") in {*pack_files.NAMES, "basis"}
    for name, body in held.items():
        plain = gzip.decompress(body) if name.endswith(".gz") else body
        assert HIDDEN.encode() not in plain, name
        assert b"Cells" not in plain, name


def test_a_restating_pack_says_what_it_restates_and_why(issued: tuple[Path, Path, Any]) -> None:
    first, second, told = issued
    held = files_of(second)
    content, signed = json.loads(held["report.json"]), json.loads(held["signoff.json"])
    assert content["restates"]["because"] == signed["restates"]["because"] == "a late invoice was found"
    assert signed["restates"]["sha256"] == pack_files.file_digest(first)
    changed = {one["what"]: (one["before"], one["after"]) for one in content["restates"]["changes"]}
    assert changed["Supplies: adjustments, kWh"] == (None, -250.5)
    assert told["changes"] == content["restates"]["changes"]
    assert not any(isinstance(after, str) and before is None for before, after in changed.values())
    assert "restates" not in json.loads(files_of(first)["report.json"])


def changed(held: Body, change: Callable[[dict[str, Any]], None]) -> Body:
    content = json.loads(held["report.json"])
    change(content)
    return held | {"report.json": json.dumps(content).encode()}


def figure(name: str, value: float) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        next(one for one in content["figures"] if one["name"] == name)["value"] = value

    return change


def cell(table: str, column: str, value: Any, row: int = 0) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        next(one for one in content["tables"] if one["name"] == table)["rows"][row][column] = value

    return change


def excluded(count: int) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for one in content["exclusions"]:
            one["count"] = count

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (figure("cost", 1.0), "Allowances, buy to comply: 1.0 is printed"),
        (figure("kwh", 5.0), "Electricity from the grid, billed: 5.0 is printed"),
        (figure("total", 1.0), "Emissions, CO2 alone: 1.0 is printed"),
        (figure("supplies", 4.0 + 1), "Supplies with a reading: 5.0 is printed"),
        (cell("supplies", "tco2", 0.001), "Supplies, row 1, together: 0.001 is printed"),
        (cell("supplies", "basis", "actual", 1), "Basis: actual is printed and estimated comes out"),
        (cell("supplies", "kwh", 0.0, 2), "Supplies, row 3, kWh: 0.0 is printed and not known comes out"),
        (cell("subtotals", "kwh", 1.0), "Subtotals"),
        (cell("prices", "price", 1.0), "What the allowances would cost"),
        (excluded(0), "Half-hours without a figure: report.json says 0 half-hours and exclusions.csv"),
        (cell("journals", "kwh", -1.0), "adjustments of journal electricity"),
    ],
)
def test_a_printed_figure_that_does_not_follow_is_named(
    issued: tuple[Path, Path, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    """The whole pack is forged, manifest and seal too."""
    found = resealed(changed(files_of(issued[1]), change), tmp_path / "forged.zip")
    assert any(said in one for one in found), found


def test_the_pdf_is_drawn_again_and_words_follow_from_the_readings(
    issued: tuple[Path, Path, Any], tmp_path: Path
) -> None:
    for path in issued[:2]:  # one of them restates the other
        found = pack_verify.verify(path, draw=report_pdf.pdf)
        assert found.differences == []
        assert any("the same to the byte" in one for one in found.remarks)
    held, target = files_of(issued[0]), tmp_path / "forged.zip"
    first = json.loads(held["report.json"])["sentences"][0]

    def other_words(content: dict[str, Any]) -> None:
        content["sentences"][0] = "All is well, 1 tonne."

    told = resealed(changed(held, other_words), target)
    assert any("'All is well, 1 tonne.' is printed" in one for one in told)
    assert any(f"{first!r} follows from the readings and is not" in one for one in told)
    # Each of them sealed anew, as a forger would.
    drawn = pack_verify.verify(target, draw=report_pdf.pdf).differences
    assert any("report.pdf is not what this program draws" in one for one in drawn)
    for name in ("certificate.txt", "README.txt"):
        told = resealed(held | {name: held[name] + b"."}, target)
        assert told == [f"{name} is not what report.json and signoff.json come to"]


def test_papers_of_another_version_are_not_made_again(issued: tuple[Path, Path, Any], tmp_path: Path) -> None:
    held = files_of(issued[0])
    manifest = json.loads(held["manifest.json"]) | {"code_version": "0.0.1"}
    held = changed(held, lambda content: content.update(code_version="0.0.1"))
    assert resealed(held | {"manifest.json": json.dumps(manifest).encode()}, tmp_path / "old.zip") == []
    found = pack_verify.verify(tmp_path / "old.zip", draw=report_pdf.pdf)
    assert any("they were made by version 0.0.1" in one for one in found.remarks)


def test_a_cheaper_price_is_not_this_years(issued: tuple[Path, Path, Any], tmp_path: Path) -> None:
    held = files_of(issued[0])
    held["factors.csv"] = held["factors.csv"].replace(b",17.20,", b",7.20,")

    def change(content: dict[str, Any]) -> None:
        next(one for one in content["factors"] if one["key"] == "price_compliance")["value"] = "36/5"

    found = resealed(changed(held, change), tmp_path / "forged.zip")
    assert any("not this program's factor or price" in one for one in found), found


def test_readings_decide_over_lines_and_list(issued: tuple[Path, Path, Any], tmp_path: Path) -> None:
    held = files_of(issued[0])
    text = gzip.decompress(held["readings.csv.gz"]).decode()
    less = [line for line in text.splitlines() if f"{MPAN},2016-12-" not in line]
    forged = held | {"readings.csv.gz": gzip.compress("\n".join([*less, ""]).encode(), mtime=0)}
    found = resealed(forged, tmp_path / "less.zip")
    assert any(f"{MPAN} says 36500 kWh and its readings come to 33,400.000 kWh" in one for one in found)
    assert any("is not what its readings come to" in one for one in found)
    assert any("Emissions" in one for one in found)


def test_secr_lines_come_from_the_readings_too(empty_database: Path, tmp_path: Path) -> None:
    shutil.copy(empty_database, tmp_path / "roadworthy.db")
    held = Estate(open_engine(tmp_path / "roadworthy.db"), tmp_path / "roadworthy.db")
    fill(held)
    path = reports.pack_of(held, reports.published(held, "secr", YEAR))
    held.engine.dispose()
    assert pack_verify.verify(path).differences == []
    body = files_of(path)
    found = resealed(changed(dict(body), cell("secr", "value", 1.0, 1)), tmp_path / "forged.zip")
    assert found, "a row that is a sum of the report"
    body["lines.csv"] = body["lines.csv"].replace(b"45805", b"2155")

    def change(content: dict[str, Any]) -> None:
        content["lines"][0]["kwh"] = "2155"

    found = resealed(changed(body, change), tmp_path / "lines.zip")
    assert any("is not what its readings come to" in one for one in found)


@given(
    st.lists(
        st.tuples(st.integers(0, 364), st.integers(0, 10**6), st.sampled_from("AEU-")),
        unique_by=lambda one: one[0],
    )
)
def test_rows_add_up_as_the_days_themselves(days: list[tuple[int, int, str]]) -> None:
    first = dt.date(2016, 4, 1)
    meters, whole = pack_meters.Meters(first, dt.date(2017, 3, 31)), meter_days.Sum()
    for at, value, status in days:
        day, one = first + dt.timedelta(days=at), meter_days.Sum()
        told = None if status == "-" else value
        for total in (whole, one):
            total.add(day, [told], status)
        parts = (one.half_hours, one.estimated_half_hours, one.estimated_thousandths, one.unstated_half_hours)
        cells = (
            MPAN,
            day,
            "import",
            one.thousandths,
            int(status == "A"),
            *parts,
            one.unstated_thousandths,
            "",
            "",
            "",
            1,
        )
        meters.add(dict(zip(pack_files.COLUMNS["readings.csv.gz"], map(str, cells), strict=True)))
    assert meters.sums.get(MPAN, {}).get("import", meter_days.Sum()) == whole
    worked = meters.of(supplies.Supply(1, MPAN, "electricity", None, None), "Europe/London")
    assert worked is not None
    assert worked.kwh == Fraction(whole.thousandths, 1000)
    assert worked.has_reading == bool(whole.half_hours)
