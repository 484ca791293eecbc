"""The commands that look after a collector, as somebody at a prompt meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.running import call


def test_a_table_shows_ids_whole_in_a_narrow_window(tmp_path: Path) -> None:
    assert call("enrol-key", "create", folder=tmp_path).returncode == 0
    (row,) = json.loads(call("enrol-key", "list", "--format", "json", folder=tmp_path).stdout)
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
    done = call("enrol-key", "create", option, name, folder=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"roadworthy: {option}: ")


def test_a_new_database_is_announced_once(tmp_path: Path) -> None:
    first, second = (call("user", "list", folder=tmp_path) for _ in range(2))
    assert str(tmp_path / "data" / "roadworthy.db") in first.stderr
    assert (first.stdout, second.stdout, second.stderr) == ("none\n", "none\n", "")


@pytest.mark.parametrize("command", ["serve", "up", "demo", "jobs"])
def test_help_names_the_defaults(tmp_path: Path, command: str) -> None:
    text = call(command, "--help", folder=tmp_path, COLUMNS="200").stdout
    assert "./data if not said" in text
    assert command == "jobs" or "8470 if not said" in text
