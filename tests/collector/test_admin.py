"""The commands that look after a collector, as somebody at a prompt meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from collector.commands import call_here
from support.estates import make_database
from support.running import call


def test_a_table_shows_ids_whole_in_a_narrow_window(tmp_path: Path) -> None:
    make_database(tmp_path / "data" / "roadworthy.db")
    assert call_here("enrol-key", "create", folder=tmp_path).returncode == 0
    (row,) = json.loads(call_here("enrol-key", "list", "--format", "json", folder=tmp_path).stdout)
    table = call("enrol-key", "list", folder=tmp_path, COLUMNS="60").stdout
    assert row["id"] in table
    assert table.count("unassigned") == 2  # nor is a column cut off at the right


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    done = call("devices", "list", "--format", "xml", folder=tmp_path)
    assert done.returncode == 2
    assert "'xml'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--site", "--unit"])
@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 101])
def test_a_site_or_unit_has_a_usable_name(tmp_path: Path, option: str, name: str) -> None:
    done = call_here("enrol-key", "create", option, name, folder=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"roadworthy: {option}: ")


@pytest.mark.parametrize(
    "command",
    [("user", "list"), ("enrol-key", "create"), ("sites", "restrict", "HQ"), ("db", "backup", "copy")],
)
def test_a_database_that_is_not_there_is_refused_and_not_made(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Beside `make run` a forgotten ROADWORTHY_DATA would speak to a database of its own."""
    done = call_here(*command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"roadworthy: no database at {tmp_path / 'data' / 'roadworthy.db'}: ")
    for word in ("`roadworthy up`", "`roadworthy db upgrade`", "ROADWORTHY_DATA", "--config"):
        assert word in line
    assert list(tmp_path.iterdir()) == []


def test_what_upgrade_makes_is_spoken_to(tmp_path: Path) -> None:
    assert call("db", "upgrade", folder=tmp_path).returncode == 0
    done = call("user", "list", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "none\n", "")


@pytest.mark.parametrize("command", ["serve", "up", "demo", "jobs"])
def test_help_names_the_defaults(tmp_path: Path, command: str) -> None:
    text = call_here(command, "--help", folder=tmp_path, COLUMNS="200").stdout
    assert "./data if not said" in text
    assert command == "jobs" or "8470 if not said" in text
