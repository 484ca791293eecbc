from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import roadworthy_dashboards
from roadworthy_dashboards.boards import BOARDS
from roadworthy_dashboards.catalogue import faults_in, load_labels, series_in
from roadworthy_dashboards.cli import app
from roadworthy_dashboards.render import RENDERED, board_faults, faults, panels_of, rendered, write

PACKAGE = Path(roadworthy_dashboards.__file__).parent
# What Grafana puts in for its own variables before Prometheus sees a query.
MACROS = {"$__rate_interval": "5m", "$__range": "24h"}
BOARD_NAMES = sorted(BOARDS)


def committed(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RENDERED / f"{name}.json").read_text("utf-8"))
    return document


def queries(board: dict[str, Any]) -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in panels_of(board) for target in panel["targets"]]


def test_what_is_committed_is_current() -> None:
    assert faults() == []


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_a_panel_says_what_it_shows(name: str) -> None:
    for panel in panels_of(committed(name)):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_a_query_asks_only_for_what_the_catalogue_has(name: str) -> None:
    labels = load_labels()
    for title, query in queries(committed(name)):
        assert series_in(query), title
        assert faults_in(query, labels) == []


@pytest.mark.needs("promtool")
def test_promtool_reads_every_query(tmp_path: Path) -> None:
    rules = []
    for name in BOARD_NAMES:
        for number, (_, query) in enumerate(queries(committed(name))):
            for macro, value in MACROS.items():
                query = query.replace(macro, value)  # noqa: PLW2901 - the query as Prometheus gets it
            assert "$" not in query
            rules.append({"record": f"test:{name}:{number}", "expr": query})
    path = tmp_path / "rules.yml"
    # JSON is YAML.
    path.write_text(json.dumps({"groups": [{"name": "boards", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_no_panel_hides_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    ids = set()
    for panel in committed(name)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells
        taken |= cells
        assert panel["id"] not in ids
        ids.add(panel["id"])


def test_uids_are_unique_and_short_enough() -> None:
    uids = [committed(name)["uid"] for name in BOARD_NAMES]
    assert len(set(uids)) == len(uids)
    assert max(map(len, uids)) <= 40


def test_the_boards_name_no_device() -> None:
    """Detail is off by default; a board that needs it would be empty, and one machine is not a trend."""
    for text in rendered().values():
        assert "roadworthy_device_" not in text
        assert "device_id" not in text


def test_the_member_imports_nothing_of_ours() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert not name.startswith("roadworthy_") or name.startswith("roadworthy_dashboards"), path


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("roadworthy_nonsense", ["there is no metric roadworthy_nonsense"]),
        ('roadworthy_devices{device_id="x"}', ["roadworthy_devices has no label device_id"]),
        ('sum(rate(roadworthy_ingest_commit_seconds_bucket{le="0.1"}[5m]))', []),
        ("roadworthy_ingest_commit_seconds", ["there is no metric roadworthy_ingest_commit_seconds"]),
        ('roadworthy_devices{state=~"late|missing",site!="a=b"}', []),
    ],
)
def test_faults_are_named(query: str, said: list[str]) -> None:
    assert faults_in(query, load_labels()) == said


def test_a_panel_that_says_nothing_is_a_fault() -> None:
    panel = {
        "type": "stat",
        "title": "Bare",
        "fieldConfig": {"defaults": {}},
        "targets": [{"expr": "roadworthy_x"}],
    }
    assert board_faults("a.json", {"panels": [{"type": "row", "panels": [panel]}]}) == [
        "a.json: Bare: has no description",
        "a.json: Bare: has no unit",
        "a.json: Bare: there is no metric roadworthy_x",
    ]


def test_render_and_check_are_commands(tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["render", "--folder", str(tmp_path)])
    assert done.exit_code == 0
    assert sorted(path.stem for path in tmp_path.iterdir()) == BOARD_NAMES
    assert runner.invoke(app, ["check", "--folder", str(tmp_path)]).exit_code == 0
    (tmp_path / f"{BOARD_NAMES[0]}.json").write_text("{}")
    (tmp_path / "extra.json").write_text("{}")
    done = runner.invoke(app, ["check", "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert "run `roadworthy dashboards render`" in done.output
    assert "extra.json: no board makes it" in done.output


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in write(tmp_path)}
    assert {path: path.read_bytes() for path in write(tmp_path)} == first
