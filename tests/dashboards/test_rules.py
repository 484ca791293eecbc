"""The shipped rules: what Prometheus makes of them, and what whoever is told by them can do."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import APIRouter
from fastapi.routing import APIRoute
from typer.main import get_command
from typer.testing import CliRunner

from roadworthy_collector import cli
from roadworthy_collector.console import routes
from roadworthy_dashboards import thresholds
from roadworthy_dashboards.addresses import RUNBOOKS
from roadworthy_dashboards.catalogue import faults_in
from roadworthy_dashboards.cli import app
from roadworthy_dashboards.lint.known import load_known
from roadworthy_dashboards.lint.of_rules import seconds
from roadworthy_dashboards.lint.rule_files import read_rules
from roadworthy_dashboards.lint.run import lint
from roadworthy_dashboards.promql import bounds, parse, selectors
from roadworthy_dashboards.rules import PAGES, RULES, rule_files, runbook_pages, write

UNIT_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
ALERTS_PAGE = Path(__file__).parents[2] / "docs/alerts.md"
RELAY_PAGE = ALERTS_PAGE.with_name("relay.md")
AUDIENCES = {"desktop_support", "sustainability", "replacement", "operations"}
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
# Prometheus keeps 15 days unless told otherwise; a week back is as far as anything looks.
FURTHEST_DAYS = 7


def rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(text) for text in rule_files().values()]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


NAMES = sorted({rule["alert"] for rule in alerts()})


def blocks(page: str, kind: str) -> list[str]:
    """Return the code blocks of a kind in a runbook, without the indent of their list."""
    found = re.findall(rf"^ *```{kind}\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in found for line in block.splitlines()]


def test_our_own_checker_finds_nothing() -> None:
    assert [str(finding) for finding in lint([RULES]).findings] == []


@pytest.mark.needs("promtool")
def test_prometheus_reads_them() -> None:
    paths = [RULES / name for name in rule_files()]
    done = subprocess.run(["promtool", "check", "rules", *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(map(int, re.findall(r"(\d+) rules found", done.stdout))) == len(rules())


@pytest.mark.needs("promtool")
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    """Series that are at fault stand beside series that are not; before its `for` nothing fires."""
    done = subprocess.run(
        ["promtool", "test", "rules", *UNIT_TESTS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_firing_and_not_firing() -> None:
    tried: dict[str, set[bool]] = {name: set() for name in NAMES}
    severities: dict[str, set[str]] = {name: set() for name in NAMES}
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for case in test.get("alert_rule_test", ()):
                tried[case["alertname"]].add(bool(case["exp_alerts"]))
                severities[case["alertname"]] |= {
                    alert["exp_labels"]["severity"] for alert in case["exp_alerts"]
                }
    assert {name for name, seen in tried.items() if seen != {True, False}} == set()
    for rule in alerts():
        assert rule["labels"]["severity"] in severities[rule["alert"]], rule["alert"]


def test_names_are_ours_and_not_quoted() -> None:
    written = [
        name
        for text in rule_files().values()
        for name in re.findall(r"^ *- alert: (.*)$", text, re.MULTILINE)
    ]
    assert len(written) == len(alerts())
    assert all(re.fullmatch(r"Roadworthy[A-Z][A-Za-z]+", name) for name in written)


def test_an_alert_is_for_an_audience_whose_file_it_stands_in() -> None:
    for name, text in rule_files().items():
        told = {
            rule["labels"]["audience"]
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
            if "alert" in rule
        }
        assert told == ({Path(name).stem} if name.startswith("alerts/") else set())
    assert {rule["labels"]["audience"] for rule in alerts()} == AUDIENCES


def test_a_summary_stands_still_and_a_description_says_how_much() -> None:
    """Alertmanager shows a summary only where it is common to the group; a figure in it would never be."""
    without_figure = {"RoadworthyCollectorDown", "RoadworthyCollectorAbsent", "RoadworthyJobsNotHeld"}
    without_figure |= {
        "RoadworthyPolledTargetDown",
        "RoadworthyFactorsProvisional",
        "RoadworthyAllCollectorsDown",
    }
    for rule in alerts():
        notes = rule["annotations"]
        assert "{{" not in notes["summary"], rule["alert"]
        assert ("$value" in notes["description"]) == (rule["alert"] not in without_figure), rule["alert"]
        assert not re.search(r"\$value }}", notes["description"]), f"{rule['alert']}: a bare number"
        assert notes["runbook_url"] == f"{RUNBOOKS}/{rule['alert']}.md"


def test_what_is_no_name_is_said_in_words() -> None:
    """`unknown`, `other` and `unassigned` are values of labels, and `lost_or_stolen` is a code: none of them is read."""
    folded = {
        "site": ('{{ if eq $labels.site "other" }}', 'eq $labels.site "unknown" "unassigned"'),
        "model": ('{{ if eq $labels.model "other" }}', 'eq $labels.model "unknown"'),
        "kind": ('eq $labels.kind "other"',),
        "side": ('{{ if eq $labels.side "agents" }}',),
    }
    for rule in alerts():
        text = re.sub(r"\s+", " ", rule["annotations"]["description"])
        for label, words in folded.items():
            if f"$labels.{label}" in text:
                assert all(word in text for word in words), f"{rule['alert']}: {label}"
        for label in ("state", "definition", "reason"):
            assert f"{{{{ $labels.{label} }}}}" not in text, f"{rule['alert']}: {label}"


def test_nothing_looks_back_further_than_a_week() -> None:
    days = [int(days) for rule in rules() for days in re.findall(r"(?:\[|offset )(\d+)d", rule["expr"])]
    assert max(days) == FURTHEST_DAYS
    assert not [rule for rule in rules() if re.search(r"\d+[wy]\b", rule["expr"])]


def test_a_worse_severity_of_the_same_alert_is_kept_under_by_alertmanager() -> None:
    """Two severities of one alert differ in their bound only, so whoever is told of the worse knows the other."""
    by_name: dict[str, set[str]] = {}
    for rule in alerts():
        assert rule["labels"]["severity"] not in by_name.setdefault(rule["alert"], set()), rule["alert"]
        by_name[rule["alert"]].add(rule["labels"]["severity"])


def test_rules_about_people_keep_to_groups_of_five() -> None:
    """The collector folds smaller groups away; the alerts ask once more, in case somebody's collector does not."""
    for rule in alerts():
        if "signin" in rule["expr"] or "_state_ratio" in rule["expr"]:
            assert "site:roadworthy_devices:in_service >= 5" in rule["expr"]


def test_alerts_compare_with_the_levels_of_the_boards() -> None:
    """What a board colours and what an alert fires at are one number: thresholds.py has it, the rule repeats it."""
    written: dict[str, dict[str, tuple[float, ...]]] = {}
    for rule in alerts():
        numbers = tuple(bounds(parse(rule["expr"])))
        written.setdefault(rule["alert"], {})[rule["labels"]["severity"]] = numbers
    assert written == thresholds.ALERTS
    silent = next(rule for rule in alerts() if rule["alert"] == "RoadworthyPolledTargetDown")
    assert seconds(silent["for"]) == thresholds.POLL_SILENT_SECONDS.at(0)


def test_a_quantile_is_told_of_enough_start_ups_only() -> None:
    least = {"p50": [0], "p90": [0, thresholds.LEAST_FOR_P90], "p99": [0, thresholds.LEAST_FOR_P99]}
    names = [rule for rule in rules() if re.search(r"_(startup|signin)_seconds:p\d", rule.get("record", ""))]
    assert len(names) == 3 * 3 + 2  # by site, by model and in all; of sign-ins by site, nine in ten at most
    for rule in names:
        assert bounds(parse(rule["expr"])) == least[rule["record"].rpartition(":")[2][:3]], rule["record"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("up == 0", [0]),
        ("time() - max(a) > 210 * 86400", [210 * 86400]),
        ("a > 0.05 * b", [0.05]),
        ("100 * a > 0.5 and on (job) b >= 30", [0.5, 30]),
        ("a / (b > 0) > 0.1", [0.1]),
        ("a < 0.5 * (b >= 10)", [0.5, 10]),
        ("a > -(1 + 2) / 4", [-0.75]),
        ("a / b", []),
        ("a > bool 3", []),
        ("a > b", []),
    ],
)
def test_the_numbers_of_a_condition_are_read(query: str, numbers: list[float]) -> None:
    assert bounds(parse(query)) == numbers


def test_what_the_page_on_relays_says_of_alerts_is_so() -> None:
    page = RELAY_PAGE.read_text("utf-8")
    said = {
        name: [float(number) for number in re.findall(r"more than (\d+)", text)]
        for name, text in re.findall(r"`(RoadworthyRelay\w+)`, (?:warning|critical): ([^|]*)", page)
    }
    assert said.keys() == {name for name in NAMES if name.startswith("RoadworthyRelay")}
    assert said["RoadworthyRelayBehind"] == [thresholds.ALERTS["RoadworthyRelayBehind"]["warning"][0] / 3600]
    assert "more than 80 % full" in page
    assert thresholds.ALERTS["RoadworthyRelayNearLimit"]["critical"] == (0.8,)
    for name, severity in re.findall(r"`(RoadworthyRelay\w+)`, (warning|critical):", page):
        assert severity in thresholds.ALERTS[name], name


@pytest.mark.needs("promtool")
def test_prometheus_takes_the_job_of_a_relay_and_the_alerts_know_it(tmp_path: Path) -> None:
    found = re.search(
        r"^    - job_name: roadworthy-relay\n(?:    .*\n)+", RELAY_PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert found
    path = tmp_path / "prometheus.yml"
    path.write_text(
        "scrape_configs:\n" + found[0].replace("/etc/prometheus/relay-scrape-token", str(tmp_path / "t"))
    )
    (tmp_path / "t").write_text("")
    done = subprocess.run(["promtool", "check", "config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    down = next(rule for rule in alerts() if rule["alert"] == "RoadworthyCollectorDown")
    (job,) = yaml.safe_load(path.read_text("utf-8"))["scrape_configs"]
    (matcher,) = selectors(parse(down["expr"]))[0].matchers
    assert job["job_name"] in matcher.value.split("|")


def test_every_alert_has_its_runbook_and_no_runbook_is_left_over() -> None:
    assert sorted(runbook_pages()) == [f"{name}.md" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_says_what_to_do(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text("utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    for heading in HEADINGS:
        part = text.partition(f"## {heading}\n")[2].partition("\n## ")[0].strip()
        assert len(part) > 60, f"{heading} says next to nothing"
    assert "TODO" not in text
    assert blocks(text, "promql") + blocks(text, "sh"), "nothing to run"
    for other in re.findall(r"\bRoadworthy[A-Z]\w+", text):
        assert other in NAMES, f"{other} is no alert"


def test_queries_of_runbooks_run_on_what_there_is() -> None:
    groups = [group for name in rule_files() for group in read_rules(RULES / name, name).groups]
    labels = {**load_known(groups).labels, "prometheus_config_last_reload_successful": frozenset({"job"})}
    for name, text in runbook_pages().items():
        for query in blocks(text, "promql"):
            assert faults_in(query, labels) == [], f"{name}: {query}"
            for recorded in re.findall(r"\b\w+:\w+:\w+", query):
                assert recorded in labels, f"{name}: {recorded} is not recorded"


def commands() -> Iterator[tuple[str, list[str]]]:
    for name, text in runbook_pages().items():
        for line in blocks(text, "sh"):
            if line.startswith("roadworthy "):
                yield name, shlex.split(line)[1:]


def test_commands_of_runbooks_are_commands() -> None:
    root = get_command(cli.app)
    seen = 0
    for name, words in commands():
        command, rest = root, list(words)
        while hasattr(command, "commands"):
            assert rest, f"{name}: {words} ends before its command"
            assert rest[0] in command.commands, f"{name}: no command {rest[0]} in {words}"
            command = command.commands[rest.pop(0)]
        # Reads names, choices and numbers of options as the command itself would, and runs nothing.
        command.make_context("roadworthy", rest)
        seen += 1
    assert seen > len(NAMES)


def test_pages_of_the_console_in_runbooks_are_pages() -> None:
    paths = set()
    waiting: list[Any] = list(routes.router.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(inner := getattr(route, "original_router", None), APIRouter):
            waiting += inner.routes
        elif isinstance(route, APIRoute):
            paths.add(route.path)
    for name, text in runbook_pages().items():
        for path in re.findall(r"`(/[a-z/-]+)(?:\?[\w=]+)?`", text):
            assert path in paths | {"/readyz"}, f"{name}: {path}"


def test_the_table_of_alerts_is_whole() -> None:
    """One row an alert and severity, with its audience and its summary."""
    rows = re.findall(
        r"^\| \[(\w+)\]\(([^)]+)\) \| (\w+) \| (\w+) \| (.+) \|$",
        ALERTS_PAGE.read_text("utf-8"),
        re.MULTILINE,
    )
    assert [(name, severity, audience, text) for name, _, severity, audience, text in rows] == [
        (
            rule["alert"],
            rule["labels"]["severity"],
            rule["labels"]["audience"],
            rule["annotations"]["summary"],
        )
        for rule in alerts()
    ]
    for name, link, *_ in rows:
        assert (ALERTS_PAGE.parent / link).resolve() == (PAGES / f"{name}.md").resolve()


def test_they_are_written_with_links_to_where_the_runbooks_are(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        [
            *("rules", "--folder", str(tmp_path / "rules"), "--pages", str(tmp_path / "pages")),
            *("--runbooks", "https://intranet.example/it/"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert RUNBOOKS not in (text := (tmp_path / "rules/alerts/operations.yaml").read_text("utf-8"))
    assert "runbook_url: https://intranet.example/it/RoadworthyCollectorDown.md\n" in text
    assert (tmp_path / "pages/RoadworthyCollectorDown.md").is_file()
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    write(tmp_path / "rules", "https://intranet.example/it")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == first


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "https://console.example/estate/runbooks"),
        (["--console", "https://other.example/"], "https://other.example/runbooks"),
        (["--runbooks", "https://intranet.example/it"], "https://intranet.example/it"),
    ],
)
def test_one_address_serves_boards_and_rules(tmp_path: Path, words: list[str], told: str) -> None:
    """As compose hands it over: the variable says where people open the console, and an option says it otherwise."""
    said = {"ROADWORTHY_PUBLIC_URL": "https://console.example/estate/"}
    done = CliRunner().invoke(app, ["rules", "--folder", str(tmp_path), *words], env=said)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "alerts/operations.yaml").read_text("utf-8")
    assert f"runbook_url: {told}/RoadworthyCollectorDown.md\n" in text
    assert "127.0.0.1" not in text


@pytest.mark.parametrize("address", ["intranet", "https://a b", "https://x/{{ $value }}", "https://u@h/"])
def test_an_address_that_is_none_is_said(tmp_path: Path, address: str) -> None:
    done = CliRunner().invoke(app, ["rules", "--folder", str(tmp_path), "--runbooks", address])
    assert done.exit_code == 2
    assert "--runbooks: write an address like" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = CliRunner().invoke(app, ["rules", "--folder", str(tmp_path / "taken")])
    assert done.exit_code == 2
    assert "cannot be written" in done.output
