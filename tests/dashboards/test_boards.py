from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import roadworthy_dashboards
from roadworthy_collector.console import view
from roadworthy_dashboards import thresholds
from roadworthy_dashboards.boards import BOARDS
from roadworthy_dashboards.catalogue import faults_in, load_labels, load_series
from roadworthy_dashboards.cli import app
from roadworthy_dashboards.links import AUDIENCES, TAG, UIDS
from roadworthy_dashboards.panels import step_colours
from roadworthy_dashboards.promql import parse, selectors
from roadworthy_dashboards.queries import SENT
from roadworthy_dashboards.render import (
    RENDERED,
    WORDS,
    board_faults,
    faults,
    panels_of,
    queries_of,
    rendered,
    write,
)
from roadworthy_dashboards.thresholds import Levels

PACKAGE = Path(roadworthy_dashboards.__file__).parent
# What Grafana puts in before Prometheus sees a query.
MACROS = {"$__rate_interval": "5m", "$__range": "24h"}
BOARD_NAMES = sorted(BOARDS)
DEVICE_BOARD = "one_device"
_RANGE = re.compile(r"\[(\d+)([smhdwy])")
_DAYS = {"s": 1 / 86_400, "m": 1 / 1_440, "h": 1 / 24, "d": 1, "w": 7, "y": 365}
KEPT_DAYS = 15  # what Prometheus keeps unless told otherwise


def committed(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RENDERED / f"{name}.json").read_text("utf-8"))
    return document


def queries(board: dict[str, Any]) -> list[tuple[str, str]]:
    return [(panel["title"], text) for panel in panels_of(board) for text in queries_of(panel)]


def filled(board: dict[str, Any], query: str) -> str:
    """Return a query as Prometheus gets it, every variable matching anything."""
    names = {f"${variable['name']}": ".+" for variable in board["templating"]["list"]}
    for name, value in sorted({**MACROS, **names}.items(), key=lambda pair: -len(pair[0])):
        query = query.replace(name, value)
    return query


def asked_of(board: dict[str, Any]) -> set[str]:
    """Return the names of all series a board asks for."""
    return {one.name for _, query in queries(board) for one in selectors(parse(filled(board, query)))}


def steps_in(node: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the steps of every set of thresholds anywhere in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("steps"), list):
            yield node["steps"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from steps_in(child)


def colours_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node[key] for key in ("color", "fixedColor") if isinstance(node.get(key), str))
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from colours_in(child)


def test_what_is_committed_is_current() -> None:
    assert faults() == []


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_a_panel_says_what_it_shows(name: str) -> None:
    for panel in panels_of(committed(name)):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        if panel["type"] == WORDS:
            assert panel["options"]["content"]
            continue
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_a_board_says_what_it_is_and_cannot_be_edited(name: str) -> None:
    board = committed(name)
    assert board["uid"] == UIDS[name]
    assert board["title"].startswith("Roadworthy: ")
    assert board["description"].endswith(".")
    assert board["editable"] is False
    assert board["time"]["to"] == "now"
    assert board["refresh"]


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_a_board_is_for_somebody_and_leads_to_the_others(name: str) -> None:
    board = committed(name)
    tag, *audience = board["tags"]
    assert tag == TAG
    assert audience
    assert set(audience) <= set(AUDIENCES)
    lists = [link for link in board["links"] if link["type"] == "dashboards"]
    assert [link["tags"] for link in lists] == [[TAG], *([one] for one in AUDIENCES)]
    for link in lists:
        assert link["keepTime"]
        assert link["includeVars"]
        assert "placement" not in link, "it would hide in a menu"


def test_every_audience_has_a_board() -> None:
    used = {tag for name in BOARD_NAMES for tag in committed(name)["tags"]}
    assert used == {TAG, *AUDIENCES}


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_a_link_to_a_board_leads_to_one(name: str) -> None:
    for uid, kept in re.findall(r"\bd/([a-z-]+)(?:\?([^\"\s)]*))?", json.dumps(committed(name))):
        assert uid in UIDS.values()
        assert kept.startswith("${__url_time_range}&${datasource:queryparam}&${job:queryparam}")


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_every_variable_is_used_and_the_usual_ones_are_there(name: str) -> None:
    board = committed(name)
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables)[:2] == ["datasource", "job"]
    job = variables["job"]
    assert (job["label"], job["multi"], job["allValue"], job["refresh"]) == ("Job", True, ".+", 2)
    text = json.dumps({**board, "templating": {}})
    for variable in variables:
        assert re.search(rf"\$(\{{{variable}[:}}]|{variable}\b)", text), variable


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_every_series_is_of_the_chosen_jobs_and_once(name: str) -> None:
    """Without an aggregation two collectors, or two jobs on one, would be two rows with nothing to tell them apart."""
    board = committed(name)
    for title, query in queries(board):
        for one in selectors(parse(filled(board, query))):
            # The calendar is recorded from the clock, whatever the jobs.
            if ":roadworthy_calendar:" not in one.name:
                # What the collector sends itself has a job that nobody scrapes, and so nobody can choose.
                sent = f"|{SENT}" if "_half_hour_cpu" in one.name or "_half_hour_memory" in one.name else ""
                assert f'{one.name}{{job=~"$job{sent}"' in query.replace(" ", ""), (title, query)
        assert re.search(r"\b(max|sum|min|count|avg)\b", query), (title, query)


def test_half_hours_of_a_device_are_a_line_without_gaps() -> None:
    """Prometheus shows a sample for five minutes, and these come every thirty."""
    found = [query for _, query in queries(committed("one_device")) if "_half_hour_" in query]
    assert len(found) == 2
    assert all("last_over_time(" in query and query.endswith("[35m]))") for query in found)


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_a_query_asks_only_for_what_the_catalogue_has(name: str) -> None:
    labels = load_labels()
    board = committed(name)
    for title, query in queries(board):
        assert "roadworthy_" in query, title
        assert faults_in(filled(board, query), labels) == []


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_no_range_is_longer_than_prometheus_keeps(name: str) -> None:
    board = committed(name)
    for title, query in queries(board):
        for count, unit in _RANGE.findall(query):
            assert int(count) * _DAYS[unit] <= KEPT_DAYS, title
    since = re.fullmatch(r"now-(\d+)([smhdw])", board["time"]["from"])
    assert since
    assert int(since[1]) * _DAYS[since[2]] <= KEPT_DAYS


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_figures_of_months_and_years_are_asked_as_they_are_now(name: str) -> None:
    """A year is a label of a gauge; drawn over time it would be a flat line."""
    labels = load_labels()
    for panel in panels_of(committed(name)):
        for target in panel.get("targets") or ():
            asked = [one.name for one in selectors(parse(filled(committed(name), target["expr"])))]
            if any({"month", "year"} & labels.get(series, frozenset()) for series in asked):
                assert target.get("instant") is True, panel["title"]
                assert target.get("range") is not True, panel["title"]


@pytest.mark.needs("promtool")
def test_promtool_reads_every_query(tmp_path: Path) -> None:
    rules = []
    for name in BOARD_NAMES:
        board = committed(name)
        for place, (_, query) in enumerate(queries(board)):
            text = filled(board, query)
            assert "$" not in text.replace('"$1"', ""), text  # which is Prometheus' own, of label_replace
            rules.append({"record": f"test:{name}:{place}", "expr": text})
    path = tmp_path / "rules.yml"
    # JSON is YAML.
    path.write_text(json.dumps({"groups": [{"name": "boards", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_levels_and_colours_are_those_of_one_place(name: str) -> None:
    known = [step_colours(one)["steps"] for one in vars(thresholds).values() if isinstance(one, Levels)]
    board = committed(name)
    for steps in steps_in(board["panels"]):
        assert steps in known, steps
    for colour in colours_in(board["panels"]):
        # Only named colours follow the theme: a fixed one is right on the dark or on the light.
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", colour), colour
    for panel in panels_of(board):
        if panel["type"] != WORDS:
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], panel["title"]


def test_levels_are_the_bands_of_the_default_rating_rules() -> None:
    """A device that is rated slow and stands green on a board would be argued about, not looked at."""
    text = files("roadworthy_inventory").joinpath("data/rating_rules.toml").read_text("utf-8")
    limit = {
        rule["id"]: next(value for name, value in rule.items() if name.startswith("value_"))
        for rule in tomllib.loads(text)["rule"]
    }

    def steps(levels: Levels) -> list[float]:
        return [at for at, _ in levels.steps]

    assert steps(thresholds.STARTUP_SECONDS) == [limit["startup-slow"], limit["startup-severe"]]
    assert steps(thresholds.SIGNIN_SECONDS) == [limit["signin-slow"], limit["signin-severe"]]
    assert steps(thresholds.GROWTH_RATIO)[-1] == limit["startup-grown"] == limit["signin-grown"]
    assert steps(thresholds.DISK_WEAR_RATIO) == [limit["disk-worn"], limit["disk-worn-out"]]
    assert steps(thresholds.BATTERY_HEALTH_RATIO) == [limit["battery-spent"], limit["battery-weak"]]
    assert steps(thresholds.BATTERY_CYCLES) == [limit["battery-cycles"]]


def test_every_level_is_used_by_a_board() -> None:
    used = [steps for name in BOARD_NAMES for steps in steps_in(committed(name)["panels"])]
    for name, levels in vars(thresholds).items():
        if isinstance(levels, Levels):
            assert step_colours(levels)["steps"] in used, name


def test_only_the_board_of_one_device_asks_for_devices() -> None:
    """Detail is off by default, a board of it would be empty; and 100,000 series are no panel."""
    of_one = {name for name, series in load_series().items() if "device_id" in series.labels}
    assert asked_of(committed(DEVICE_BOARD)) <= of_one
    for name in BOARD_NAMES:
        if name != DEVICE_BOARD:
            assert not asked_of(committed(name)) & of_one
            assert "device_id" not in json.dumps(committed(name))


def test_the_board_of_one_device_asks_for_all_there_is_of_one() -> None:
    board = committed(DEVICE_BOARD)
    of_one = {name for name, series in load_series().items() if "device_id" in series.labels}
    assert asked_of(board) == of_one
    for _, query in queries(board):
        assert query.count('device_id="$device_id"') == query.count("roadworthy_device_")


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_no_panel_hides_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    ids = set()
    for panel in committed(name)["panels"]:
        ids_in_row = [inner["id"] for inner in panel.get("panels") or ()]
        assert not ids & set(ids_in_row)
        ids |= set(ids_in_row)
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


def test_the_console_leads_to_the_board_of_one_device() -> None:
    """Its links name the board and the variable that is typed there."""
    assert UIDS["one_device"] == view.DEVICE_BOARD
    board = json.loads((RENDERED / "one_device.json").read_text("utf-8"))
    assert "device_id" in [one["name"] for one in board["templating"]["list"] if one["type"] == "textbox"]


def test_uids_are_unique_short_and_for_ever() -> None:
    """Bookmarks, runbooks and the console point at them: to change one here is to break those."""
    assert dict(UIDS) == {
        "carbon": "roadworthy-carbon",
        "collector_health": "roadworthy-collector",
        "cost_shares": "roadworthy-cost-shares",
        "estate_overview": "roadworthy-estate",
        "legacy_and_ageing": "roadworthy-legacy",
        "one_device": "roadworthy-device",
        "power_and_ups": "roadworthy-power",
        "slow_starts": "roadworthy-slow-starts",
    }
    assert sorted(UIDS) == BOARD_NAMES
    assert max(map(len, UIDS.values())) <= 40


def test_the_overview_is_one_screen() -> None:
    """A CIO's screen: no more than twelve panels open, and all the rest in rows that are closed."""
    open_ones = [panel for panel in committed("estate_overview")["panels"] if panel["type"] != "row"]
    assert len(open_ones) <= 12
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in open_ones) <= 24


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


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_no_unit_becomes_another(name: str) -> None:
    """Grafana makes 156 `h` of staff time 6.5 days of 24 hours, and 18,859 `masskg` 18.9 Mg."""
    assert not re.findall(r'"unit": "(h|d|m|mass(?:kg|g|mg))"', json.dumps(committed(name)))


@pytest.mark.parametrize("name", ["slow_starts", "legacy_and_ageing"])
def test_why_people_wait_at_sign_in_is_told_of_groups_of_five(name: str) -> None:
    found = [expr for _, expr in queries(committed(name)) if "_reason_devices" in expr]
    assert len(found) == 2
    for expr in found:
        assert 'reason!~"signin.*"' in expr
        assert re.search(r'reason=~"signin\.\*".* and on \(\w+\) .* >= 5$', expr), expr
        # Where the collector adds up the smaller groups; no count of devices goes with it in most IT estates.
        assert re.search(r'or max by [^)]*\) \([^)]*reason=~"signin\.\*",\w+="other"[^)]*\) or ', expr), expr


def test_every_process_can_be_chosen_for_the_health_of_collectors() -> None:
    """Of several collectors only the one that does the jobs tells of the IT estate."""
    (job,) = [one for one in committed("collector_health")["templating"]["list"] if one["name"] == "job"]
    assert job["query"] == "label_values(roadworthy_process_start_time_seconds, job)"


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


def test_links_to_the_console_lead_where_it_is_rendered_to() -> None:
    board = json.loads(rendered("https://it.example/")["slow_starts.json"])
    (console,) = [one for one in board["templating"]["list"] if one["name"] == "console"]
    assert (console["type"], console["query"], console["hide"]) == ("constant", "https://it.example", 2)
    assert "${console:raw}/devices?site=" in json.dumps(board["panels"])


def test_the_address_of_the_console_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("roadworthy_dashboards.render.write", lambda _, console: told.append(console) or [])
    command = ["render", "--folder", str(tmp_path)]
    assert (
        CliRunner().invoke(app, command, env={"ROADWORTHY_PUBLIC_URL": "https://x.example/"}).exit_code == 0
    )
    assert told == ["https://x.example"]
    done = CliRunner().invoke(app, command, env={"ROADWORTHY_PUBLIC_URL": "x.example"})
    assert done.exit_code == 2
    assert "ROADWORTHY_PUBLIC_URL" in done.output


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
