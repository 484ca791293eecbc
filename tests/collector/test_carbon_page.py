"""docs/reports/carbon.md: its commands print what it shows, to the digit, and its other figures are worked out here."""

from __future__ import annotations

import re
import shlex
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

from roadworthy_collector.cli import app
from roadworthy_inventory.carbon.bridge import bridge
from roadworthy_inventory.carbon.change import YearOfEnergy, explain
from roadworthy_inventory.carbon.crc import Supply, report
from roadworthy_inventory.carbon.factor_file import IDS
from roadworthy_inventory.carbon.factors import SET_NOTES, STATUSES, factor_book

PAGE = (Path(__file__).parents[2] / "docs" / "reports" / "carbon.md").read_text("utf-8")


def steps() -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ roadworthy "):
                found.append((line.removeprefix("$ roadworthy "), []))
            else:
                found[-1][1].append(line)
    return found


@pytest.mark.parametrize(("command", "printed"), steps())
def test_the_page_shows_what_its_commands_print(
    command: str, printed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0, done.output
    assert printed
    assert [line for line in printed if line not in done.output.splitlines()] == []
    assert list(tmp_path.iterdir()) == []  # no data folder was made


def test_the_page_has_commands() -> None:
    assert len(steps()) == 5


def test_the_bridge_on_the_page_is_worked_out() -> None:
    crc = report(2016, [Supply(fuel="electricity_grid", kwh=Fraction(6_000_000))])
    found = bridge(crc, factor_book(), "majority")
    assert f"| CRC, whole tonnes of CO2 | {found.crc_tonnes:,} |" in PAGE
    titles = {
        "rounding": "whole tonnes made exact again",
        "losses": "losses, which SECR counts in scope 3",
        "gases": "methane and nitrous oxide",
    }
    for one in found.steps:
        assert (one.name in titles) == bool(one.tonnes)
        if one.name in titles:
            assert f"| {titles[one.name]} | {float(one.tonnes):+,.3f} |" in PAGE
    assert f"| SECR, scope 2, location-based, CO2e | {float(found.secr_scope2_tonnes):,.3f} |" in PAGE


def test_the_sentence_on_the_page_is_worked_out() -> None:
    book = factor_book()
    years = [
        YearOfEnergy(
            label,
            devices,
            Fraction(kwh),
            book.of(year, "generation").exact,
            book.of(year, "generation").set_name,
        )
        for label, devices, kwh, year in (("2025/26", 1000, 57_000, 2025), ("2026/27", 900, 67_000, 2026))
    ]
    sentence = explain(years[0], years[1], note=SET_NOTES[2026]).sentence
    quoted = " ".join(line.removeprefix("> ") for line in PAGE.splitlines() if line.startswith("> "))
    assert quoted == sentence


def test_the_page_names_every_status_and_id() -> None:
    for status in STATUSES:
        assert f"\n| {status} | " in PAGE
    for key in IDS:
        assert key in PAGE
