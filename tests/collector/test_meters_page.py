"""docs/reports/meters.md: its commands print what it shows, its worked example is worked out, its rules are the code's."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from roadworthy_collector.books.tables import TABLES
from roadworthy_collector.carbon import supply_list
from roadworthy_collector.cli import app
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import sites
from roadworthy_collector.store.upgrade import make_ready
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon import crc, meter_numbers, registers, tariffs
from roadworthy_inventory.carbon.crc_evidence import days_apart_needed
from roadworthy_inventory.carbon.years import year_days

PAGE = (Path(__file__).parents[2] / "docs" / "reports" / "meters.md").read_text("utf-8")
FLAT = " ".join(PAGE.split())
MPAN = "1312345678907"


def steps() -> list[tuple[str, str]]:
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    lines = block.splitlines()
    return [
        (one.removeprefix("$ roadworthy "), two) for one, two in zip(lines[::2], lines[1::2], strict=True)
    ]


def write_example(folder: Path) -> None:
    (folder / "supplies.csv").write_text(f"supply,site,valid_from\n{MPAN},HQ,2026-10-24\n")
    header = "MPAN,Date," + ",".join(f"HH{at:02d}" for at in range(1, 51))
    days = [f"{MPAN},2026-10-24," + "1," * 48 + ",", f"{MPAN},2026-10-25," + ",".join("1" * 50)]
    (folder / "october.csv").write_text("\n".join([header, *days]))
    (folder / "tariffs.csv").write_text(
        "supply,valid_from,day_pence,night_pence,night_from,night_to,standing_pence_per_day,levies,source\n"
        f"{MPAN},2026-04-01,24,15,00:00,07:00,60,CCL=0.8,Contract\n"
    )


def test_the_worked_example_is_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROADWORTHY_DATA", str(tmp_path))
    make_ready(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    with write_transaction(engine) as connection:
        connection.execute(sites.insert().values(name="HQ", kind="force", restricted=False))
    write_example(tmp_path)
    assert len(steps()) == 3
    monkeypatch.setattr("roadworthy_collector.admin_meters.today", lambda _: dt.date(2026, 10, 26))
    for command, printed in steps():
        done = CliRunner().invoke(app, shlex.split(command))
        assert done.exit_code == 0, done.exception
        assert printed in done.stdout.splitlines(), (printed, done.stdout)
    done = CliRunner().invoke(app, ["meters", "bill", "--year", "2026/27", "--format", "json"])
    found = json.loads(done.stdout)
    (row,) = found["rows"]
    assert f"| **the bill** | rounded once | **{row['pence']:,}** |" in PAGE
    told = re.findall(
        r"^\| (?:by day|by night|standing charge|levies) \|.*\| ([0-9.,]+) \|$", PAGE, re.MULTILINE
    )
    by_day, by_night, standing, levies = (float(one.replace(",", "")) for one in told)
    assert row["energy_pence"] == by_day + by_night
    assert (row["standing_pence"], row["levies_pence"]) == (standing, round(levies))
    engine.dispose()


def test_its_rules_are_those_of_the_code() -> None:
    primes = meter_numbers._PRIMES
    assert f"times {', '.join(map(str, primes))}, added up, modulo 11, modulo 10" in FLAT
    first, last = year_days(2025)
    assert f"are at least {days_apart_needed(first, last)} days apart" in FLAT
    assert crc.UPLIFT * 100 == 10
    assert "CRC added 10 % to its emissions" in FLAT
    assert registers._ROLLED_SHARE * 10 == 1
    assert "leaves at most a tenth of its range used" in FLAT
    for day, periods in (("2026-03-29", 46), ("2026-10-25", 50)):
        assert local_day(dt.date.fromisoformat(day), "Europe/London").periods == periods
    assert f"`{', '.join(tariffs.COLUMNS)}`" in FLAT
    assert f"`{', '.join(supply_list.COLUMNS)}`" in FLAT


def test_its_exports_are_there() -> None:
    assert {name for name in TABLES if name.startswith("meter-")} == {
        "meter-supplies", "meter-days", "meter-gaps", "meter-tariffs", "meter-share", "meter-bill",
    }  # fmt: skip
