"""The checker finds each kind of fault in a board or rule file that is otherwise sound, and none in what is committed."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from roadworthy_collector.books import lifecycle_codes
from roadworthy_dashboards.catalogue import load_series
from roadworthy_dashboards.cli import app
from roadworthy_dashboards.labels import labels_of
from roadworthy_dashboards.lint.board import read_board
from roadworthy_dashboards.lint.exclusions import apply, read_exclusions
from roadworthy_dashboards.lint.findings import Finding, LintError
from roadworthy_dashboards.lint.of_rules import HEADINGS
from roadworthy_dashboards.lint.rules import BOARD_RULES, FILE_RULES
from roadworthy_dashboards.lint.run import RENDERED, lint
from roadworthy_dashboards.lint.vocabulary import VALUES
from roadworthy_dashboards.promql import Matcher, parse, selectors, spoils_a_sum, variables_in, with_values
from roadworthy_inventory import planned_life

ROOT = Path(__file__).parents[2]
Document = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
DEVICES = 'sum by (site) (roadworthy_devices{job=~"$job", site=~"$site"})'
THRESHOLDS = {"mode": "absolute", "steps": [{"color": "blue", "value": None}]}


def chooser(name: str, label: str, query: str) -> Document:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "query": query,
        "datasource": SOURCE,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
    }


def sound_board() -> Document:
    """Return a board without a fault: a panel of lines in the open, a table in a row, an annotation."""

    def panel(identity: int, title: str, expr: str, **more: Any) -> Document:
        return {
            "id": identity,
            "type": "timeseries",
            "title": title,
            "description": "What it shows, and over what.",
            "datasource": SOURCE,
            "fieldConfig": {
                "defaults": {"unit": "short", "thresholds": THRESHOLDS},
                "overrides": [],
            },
            "targets": [
                {
                    "refId": "A",
                    "expr": expr,
                    "legendFormat": "{{site}}",
                    "datasource": SOURCE,
                    "range": True,
                    **more,
                }
            ],
        }

    instance = 'instance=~"$instance"'
    first = panel(1, "Devices", DEVICES.replace('job=~"$job"', f'job=~"$job", {instance}'))
    rate = f'sum by (site) (rate(roadworthy_ingest_reports_total{{job=~"$job", {instance}}}[$__rate_interval])) * 0'
    second = panel(3, "Reports", rate.replace("by (site)", "by (outcome)"))
    second["targets"][0]["legendFormat"] = "{{outcome}}"
    return {
        "uid": "a-board",
        "title": "A board",
        "description": "A board to break.",
        "editable": False,
        "panels": [first, {"id": 2, "type": "row", "title": "More", "panels": [second]}],
        "links": [{"title": "Itself", "url": "/d/a-board?${__url_time_range}&var-site=x"}],
        "annotations": {
            "list": [{"name": "Starts", "datasource": SOURCE, "expr": f'up{{job=~"$job", {instance}}}'}]
        },
        "templating": {
            "list": [
                {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"},
                chooser("job", "Job", "label_values(roadworthy_estate_info, job)"),
                chooser("instance", "Instance", "label_values(roadworthy_estate_info, instance)"),
                chooser("site", "Site", 'label_values(roadworthy_devices{job=~"$job"}, site)'),
            ]
        },
    }


def sound_rules() -> Document:
    annotations = {
        "summary": "Devices of a site are silent.",
        "description": "{{ $value }} devices of {{ $labels.site }}.",
        "runbook_url": "https://example.org/runbooks/SitesSilent.md",
    }
    alert = {
        "alert": "SitesSilent",
        "expr": "site:roadworthy_devices:missing > 5 and on (job) up == 1",
        "for": "1h",
        "keep_firing_for": "5m",
        "labels": {"severity": "warning", "audience": "operations"},
        "annotations": annotations,
    }
    record = {
        "record": "site:roadworthy_devices:missing",
        "expr": 'max by (job, site) (roadworthy_devices{state="missing"})',
    }
    return {"groups": [{"name": "devices", "interval": "1m", "rules": [record, alert]}]}


class Place:
    """A folder with a sound board, sound rules and their runbook, to spoil and check."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runbooks = folder / "runbooks"
        self.runbooks.mkdir()
        self.runbook = self.runbooks / "SitesSilent.md"
        self.runbook.write_text(
            "# SitesSilent\n" + "".join(f"## {heading}\n\nWords.\n" for heading in HEADINGS)
        )
        self.exclusions = folder / "none.toml"
        self.exclusions.write_text("")
        # Through JSON, so that no two places share an object when one of them is spoiled.
        self.board = json.loads(json.dumps(sound_board()))
        self.rules = json.loads(json.dumps(sound_rules()))

    def check(self) -> list[Finding]:
        (self.folder / "board.json").write_text(json.dumps(self.board))
        text = yaml.safe_dump(self.rules, sort_keys=False)
        (self.folder / "rules.yaml").write_text(text)
        paths = [self.folder / "board.json", self.folder / "rules.yaml", *self.folder.glob("more/*")]
        empty = self.folder / "no-rules"
        result = lint(paths, exclusions=self.exclusions, rules=empty, runbooks=self.runbooks)
        return list(result.findings)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def target(board: Document) -> Document:
    found: Document = board["panels"][0]["targets"][0]
    return found


def inner_target(board: Document) -> Document:
    found: Document = board["panels"][1]["panels"][0]["targets"][0]
    return found


def variable(board: Document, name: str) -> Document:
    found: Document = next(one for one in board["templating"]["list"] if one["name"] == name)
    return found


def expr(text: str, **more: Any) -> Callable[[Document], None]:
    """Return what puts a query into the first panel, with every matcher the choosers ask for."""

    def spoil(board: Document) -> None:
        chosen = text.replace("$M", 'job=~"$job", instance=~"$instance", site=~"$site"')
        chosen = chosen.replace("$J", 'job=~"$job", instance=~"$instance"')
        keep_site = '{job=~"$job", instance=~"$instance", site=~"$site"}'
        target(board).update({"expr": chosen, "legendFormat": "", **more})
        if "$site" not in chosen:
            board["annotations"]["list"][0]["expr"] = f"roadworthy_devices{keep_site}"

    return spoil


def setting(*path: str | int, value: Any) -> Callable[[Document], None]:
    """Return what sets one value of a document, or with None takes it out."""

    def spoil(document: Document) -> None:
        found: Any = document
        for key in path[:-1]:
            found = found[key]
        if value is None:
            del found[path[-1]]
        else:
            found[path[-1]] = value

    return spoil


def table(
    *steps: Document,
    second: str = "max by (site) (roadworthy_site_cpu_devices{$M})",
    merged: bool = True,
    rename: Document | None = None,
    exclude: Document | None = None,
    overrides: Sequence[str] = (),
    options: Document | None = None,
    link: str = "",
) -> Callable[[Document], None]:
    """Return what makes a table of two queries of the first panel: merged, organised, then `steps`."""
    titles = {"site": "Site", "Value #A": "Devices", "Value #B": "Told", **(rename or {})}
    organised = {"renameByName": titles, "excludeByName": {"Time": True, **(exclude or {})}}
    matched = [{"matcher": {"id": "byName", "options": name}, "properties": []} for name in overrides]
    links = [{"matcher": {"id": "byRegexp"}, "properties": [{"id": "links", "value": [{"url": link}]}]}]

    def spoil(board: Document) -> None:
        chosen = second.replace("$M", 'job=~"$job", instance=~"$instance", site=~"$site"')
        both = [DEVICES.replace('job=~"$job"', 'job=~"$job", instance=~"$instance"'), chosen]
        asked = {**target(board), "format": "table", "instant": True, "range": False, "legendFormat": ""}
        panel = board["panels"][0]
        panel["type"] = "table"
        panel["targets"] = [
            {**asked, "refId": letter, "expr": one} for letter, one in zip("AB", both, strict=True)
        ]
        panel["options"] = options or {}
        panel["fieldConfig"]["overrides"] = matched + (links if link else [])
        panel["transformations"] = [
            *([{"id": "merge", "options": {}}] if merged else []),
            *steps,
            {"id": "organize", "options": organised},
        ]

    return spoil


FIRST = ("panels", 0)
DEFAULTS = (*FIRST, "fieldConfig", "defaults")
QUERY = (*FIRST, "targets", 0)
ANNOTATED = ("annotations", "list", 0, "expr")
VARIABLES = ("templating", "list")
BROKEN_BOARDS: list[tuple[str, str, Callable[[Document], None]]] = [
    ("board-identity", "its uid is ''", setting("uid", value="")),
    ("board-identity", "its uid is", setting("uid", value="a" * 41)),
    ("board-identity", "no title", setting("title", value=" ")),
    ("uneditable", "can be edited", setting("editable", value=True)),
    ("template-datasource", "no variable for", setting(*VARIABLES, 0, "type", value="custom")),
    ("template-datasource", "is called source", setting(*VARIABLES, 0, "name", value="source")),
    ("template-datasource", "its label", setting(*VARIABLES, 0, "label", value="Source")),
    ("template-datasource", "of the kind 'loki'", setting(*VARIABLES, 0, "query", value="loki")),
    ("template-job", "several values", setting(*VARIABLES, 1, "multi", value=False)),
    ("template-job", "all values as", setting(*VARIABLES, 1, "allValue", value=".*")),
    ("template-job", "not labelled", setting(*VARIABLES, 1, "label", value="job")),
    ("template-job", "the data source", setting(*VARIABLES, 1, "datasource", value={"uid": "x"})),
    ("template-job", "not asked", setting(*VARIABLES, 1, "type", value="custom")),
    ("template-instance", "no variable instance", setting(*VARIABLES, 2, "name", value="process")),
    ("template-label-promql", "none of", setting(*VARIABLES, 3, "query", value="values(roadworthy_devices)")),
    ("template-label-promql", "not PromQL", setting(*VARIABLES, 3, "query", value="label_values(sum(, site)")),
    ("template-label-promql", "no metric", setting(*VARIABLES, 3, "query", value="label_values(roadworthy_x, site)")),
    ("template-label-promql", "no label", setting(*VARIABLES, 3, "query", value="label_values(roadworthy_devices, os)")),
    ("template-label-promql", "no label", setting(*VARIABLES, 3, "query", value='label_values(up{os="x"}, job)')),
    ("template-reload", "not read again", setting(*VARIABLES, 3, "refresh", value=1)),
    ("variable-unused", "nothing on the board", lambda board: board["templating"]["list"].append({"type": "custom", "name": "spare"})),
    ("variable-undefined", "$nobody is used", setting(*FIRST, "title", value="Of $nobody")),
    ("variable-undefined", "$__auto is no", expr("sum by (site) (rate(roadworthy_ingest_reports_total{$J}[$__auto]))")),
    ("panel-datasource", "'a-uid'", setting(*FIRST, "datasource", value={"type": "prometheus", "uid": "a-uid"})),
    ("panel-datasource", "'a-uid'", setting(*QUERY, "datasource", value={"type": "prometheus", "uid": "a-uid"})),
    ("panel-datasource", "names no data source", setting(*QUERY, "datasource", value=None)),
    ("panel-title-description", "no title", setting(*FIRST, "title", value="")),
    ("panel-title-description", "no description", setting(*FIRST, "description", value=None)),
    ("description-sentence", "does not end", setting(*FIRST, "description", value="Devices")),
    ("description-sentence", "does not end", setting("description", value="A board")),
    ("description-sentence", "begins with 'the'", setting(*FIRST, "description", value="At the end of half-hours. the mean is beside it.")),
    ("description-sentence", "is not finished", setting(*FIRST, "description", value="TODO: write this. The figure is.")),
    ("board-audience", "its tag nobody", setting("tags", value=["roadworthy", "operations", "nobody"])),
    ("panel-kind", "type 'statt'", setting(*FIRST, "type", value="statt")),
    ("panel-unit", "no unit", setting(*DEFAULTS, "unit", value=None)),
    ("panel-unit", "'suffix: tCO2e'", setting(*DEFAULTS, "unit", value="suffix: tCO2e")),
    ("panel-unit", "an override", setting(*FIRST, "fieldConfig", "overrides", value=[{"properties": [{"id": "unit", "value": "thing"}]}])),
    ("panel-targets", "no query", setting(*FIRST, "targets", value=[])),
    ("panel-targets", "is empty", setting(*QUERY, "expr", value=" ")),
    ("panel-thresholds", "names no thresholds", setting(*DEFAULTS, "thresholds", value=None)),
    ("panel-thresholds", "do not rise", setting(*DEFAULTS, "thresholds", "steps", value=[{"value": None}, {"value": 2}, {"value": 1}])),
    ("panel-thresholds", "has a value", setting(*DEFAULTS, "thresholds", "steps", value=[{"value": 0}])),
    ("panel-thresholds", "none of thresholds.py", setting(*DEFAULTS, "thresholds", "steps", value=[{"value": None}, {"value": 80.5}])),
    ("panel-thresholds", "are per cent", lambda board: board["panels"][0]["fieldConfig"]["defaults"].update(unit="percentunit", thresholds={"steps": [{"value": None}, {"value": 120}, {"value": 300}]})),
    ("panel-transformation", "no transformation 'pivot'", setting(*FIRST, "transformations", value=[{"id": "merge"}, {"id": "pivot"}])),
    ("columns-named", "renameByName names the column sites", table(rename={"sites": "Site"})),
    ("columns-named", "excludeByName names the column Value", table(exclude={"Value": True})),
    ("columns-named", "renameByName names the column Value #C", table(rename={"Value #C": "Third"})),
    ("columns-named", "two columns are called Devices", table(rename={"Value #B": "Devices"})),
    ("columns-named", "sortBy names the column Site", table({"id": "sortBy", "options": {"sort": [{"field": "Site"}]}})),
    ("columns-named", "groupingToMatrix names the column month", table({"id": "groupingToMatrix", "options": {"rowField": "site", "columnField": "month", "valueField": "Value #A"}})),
    ("columns-joined", "not all have state", table(second="sum by (site, state) (roadworthy_devices{$M})")),
    ("columns-joined", "joins by state", table({"id": "joinByField", "options": {"byField": "state"}}, merged=False)),
    ("columns-joined", "the first of 2 answers", table(merged=False)),
    ("columns-shown", "an override names the column Value #A", table(overrides=["Value #A"])),
    ("columns-shown", "an override names the column Late", table(overrides=["Late"])),
    ("columns-shown", "xField names the column site", table(options={"xField": "site"})),
    ("columns-shown", "the order names the column Nobody", table(options={"sortBy": [{"displayName": "Nobody"}]})),
    ("columns-shown", "a link names the column site", table(link='/x?site=${__data.fields["site"]:percentencode}')),
    ("columns-shown", "a link names the column Place", table(link="/x?site=${__data.fields.Place}")),
    ("columns-shown", "the label model, which no answer has", table(link="/x?model=${__field.labels.model}")),
    ("columns-shown", "an override names the column of a site", lambda board: board["panels"][0].update(fieldConfig={"defaults": board["panels"][0]["fieldConfig"]["defaults"], "overrides": [{"matcher": {"id": "byName", "options": "of a site"}, "properties": []}]}, targets=[{**target(board), "legendFormat": "at {{site}}"}])),
    ("columns-raw", "Value #B is shown as it is", table(rename={"Value #B": ""})),
    ("columns-raw", "Time is shown as it is", table(exclude={"Time": False})),
    ("panel-id", "2 have the id 1", setting("panels", 1, "panels", 0, "id", value=1)),
    ("panel-id", "have no id", setting(*FIRST, "id", value=None)),
    ("panel-reference", "no panel 9", lambda board: target(board).update(datasource={"uid": "-- Dashboard --"}, panelId=9)),
    ("target-promql", "not PromQL", expr("sum by (site) (roadworthy_devices{$M}")),
    ("target-promql", "not PromQL", setting(*ANNOTATED, value="up{job=~'$job'")),
    ("target-logql", "'loki'", setting(*QUERY, "datasource", value={"type": "loki", "uid": "${datasource}"})),
    ("target-logql-auto", "$__auto", expr("sum by (site) (rate(roadworthy_ingest_reports_total{$J}[$__auto]))")),
    ("target-rate-interval", "a range of its own", expr("sum(rate(roadworthy_ingest_reports_total{$J}[5m]))")),
    ("target-rate-interval", "a range of its own", expr("sum(irate(roadworthy_ingest_reports_total{$J}[$__range]))")),
    ("target-job", "has no job", expr('roadworthy_devices{instance=~"$instance", site=~"$site"}')),
    ("target-job", "has no job", expr('roadworthy_devices{job="$job", instance=~"$instance", site=~"$site"}')),
    ("target-job", 'has no job=~"$job|roadworthy-remote-write"', expr("max(last_over_time(roadworthy_device_half_hour_cpu_ratio{$J}[35m]))")),
    ("target-instance", "has no instance", expr('roadworthy_devices{job=~"$job", site=~"$site"}')),
    ("target-counter", "is a counter", expr('sum(roadworthy_ingest_reports_total{$J, outcome="accepted"})')),
    ("target-counter", "is a counter", expr("sum(max_over_time(roadworthy_ingest_reports_total{$J}[1h]))")),
    ("target-counter", "is a counter", expr("sum(roadworthy_ingest_request_seconds_count{$J})")),
    ("unknown-metric", "no metric roadworthy_device", expr("roadworthy_device{$M}")),
    ("unknown-metric", "names no metric", expr('{__name__=~"roadworthy_.*", $M}')),
    ("unknown-label", "no label place", expr('roadworthy_devices{$M, place="x"}')),
    ("unknown-label", "by place", expr("sum by (place) (roadworthy_devices{$M})")),
    ("unknown-label", "without place", expr("sum without (place) (roadworthy_devices{$M})")),
    ("unknown-label", "never meet", expr("sum by (site) (roadworthy_devices{$M}) / sum(roadworthy_devices{$M})")),
    ("unknown-label", "right of /, on state", expr("roadworthy_devices{$M} / on (state) group_left() roadworthy_site_cpu_devices{$M}")),
    ("unknown-label", "group_left model", expr("roadworthy_devices{$M} * on (site) group_left (model) roadworthy_site_cpu_devices{$M}")),
    ("unknown-label", "ignoring model", expr("roadworthy_devices{$M} / ignoring (model) roadworthy_devices{$M}")),
    ("unknown-label", "histogram_quantile le", expr("histogram_quantile(0.5, sum by (site) (rate(roadworthy_site_startup_seconds_bucket{$M}[$__rate_interval])))")),
    ("unknown-label", "label_replace model", expr('label_replace(roadworthy_devices{$M}, "x", "$1", "model", "(.*)")')),
    ("unknown-label", "legend names model", setting(*QUERY, "legendFormat", value="{{model}}")),
    ("unknown-value", "never 'mets'", expr('sum by (site) (roadworthy_site_verdict_devices{$M, verdict="mets"}) or 0 * max by (site) (roadworthy_site_verdict_devices{$M})')),
    ("unknown-value", "never 'lat'", expr('sum by (site) (roadworthy_devices{$M, state=~"reporting|lat"})')),
    ("target-gauge", "which is a gauge", expr("sum by (site) (rate(roadworthy_devices{$M}[$__rate_interval]))")),
    ("target-gauge", "increase of", expr("sum by (site) (increase(roadworthy_devices{$M}[1h]))")),
    ("range-limit", "a moment that stays", expr("max(roadworthy_contract_notice_due{$J} @ 1609459200)")),
    ("range-limit", "a moment that stays", expr("max(max_over_time(roadworthy_contract_notice_due{$J}[1h:5m] @ 1609459200))")),
    ("range-limit", "20 days back", expr("max_over_time(roadworthy_devices{$M}[20d])")),
    ("range-limit", "16 days back", expr("max_over_time(roadworthy_devices{$M}[1d] offset 15d)")),
    ("range-limit", "16 days back", expr("max_over_time(max_over_time(roadworthy_devices{$M}[1d])[15d:1h])")),
    ("range-limit", "opens on 90 days", setting("time", value={"from": "now-90d", "to": "now"})),
    ("range-limit", "opens on 365 days", setting("time", value={"from": "now-1y/y", "to": "now"})),
    ("range-limit", "its timeFrom is 90 days", setting(*FIRST, "timeFrom", value="90d")),
    ("device-series", "for each device", expr("roadworthy_device_cpu_ratio{$J}")),
    ("yearly-instant", "asked over time", expr("roadworthy_energy_year_joules{$J}")),
    ("needless-regex", "is no pattern", expr('roadworthy_devices{$M, state=~"missing"}')),
    ("ratio-guard", "may be 0", expr("avg(roadworthy_site_cpu_ratio{$M} / roadworthy_site_cpu_devices{$M})")),
    ("link-target", "nowhere", setting("links", 0, "url", value="/d/nowhere/a-name?x=1")),
    ("link-target", "sets model", setting("links", 0, "url", value="https://grafana.example/d/a-board?var-model=x")),
]  # fmt: skip
# Boards that are broken together with another one, or as a whole.
APART = {"classic-schema", "duplicate-uid", "duplicate-title"}


def test_a_sound_board_and_sound_rules_have_no_findings(place: Place) -> None:
    assert place.check() == []


@pytest.mark.parametrize(
    "spoil",
    [
        table(overrides=["Site", "Told"], options={"sortBy": [{"displayName": "Devices"}]}),
        table(link='/x?site=${__data.fields["Site"]:percentencode}'),
        table({"id": "reduce", "options": {}}, rename={"Max": "Most"}, overrides=["Most"]),  # nobody knows
        setting(
            *("panels", 0, "fieldConfig", "overrides"),
            value=[{"matcher": {"id": "byName", "options": "Headquarters"}, "properties": []}],
        ),
    ],
)
def test_columns_that_are_there_are_not_found(place: Place, spoil: Callable[[Document], None]) -> None:
    spoil(place.board)
    assert place.check() == []


@pytest.mark.parametrize(
    "spoil",
    [
        expr("max(roadworthy_contract_notice_due{$J} @ end())"),
        expr('sum by (site) (roadworthy_devices{$M, state=~"re.*"})'),
        expr('sum by (site) (roadworthy_devices{$M, state!=""})'),
        expr("sum by (site) (delta(roadworthy_devices{$M}[1h]))"),
        setting(
            *FIRST,
            "description",
            value="Shares, e.g. of a site. Half (i.e. 50 %) of 1.5 a day, and so on ... or not.",
        ),
        setting("tags", value=["our-own", "operations"]),
    ],
)
def test_what_is_meant_so_is_not_found(place: Place, spoil: Callable[[Document], None]) -> None:
    spoil(place.board)
    assert place.check() == []


@pytest.mark.parametrize(("rule", "words", "spoil"), BROKEN_BOARDS)
def test_a_broken_board_is_found(
    place: Place, rule: str, words: str, spoil: Callable[[Document], None]
) -> None:
    spoil(place.board)
    found = [finding for finding in place.check() if finding.rule == rule]
    assert [finding for finding in found if words in finding.what]
    assert {finding.file for finding in found} == {"board.json"}
    assert all(finding.todo for finding in found)


def rule_setting(number: int, *path: str, value: Any) -> Callable[[Document], None]:
    return setting("groups", 0, "rules", number, *path, value=value)


def alert(*path: str, value: Any) -> Callable[[Document], None]:
    return rule_setting(1, *path, value=value)


BROKEN_RULES: list[tuple[str, str, Callable[[Document], None]]] = [
    ("rule-keys", "runs is no key", setting("runs", value=1)),
    ("rule-keys", "every is no key", setting("groups", 0, "every", value="1m")),
    ("rule-keys", "for is no key", rule_setting(0, "for", value="1m")),
    ("rule-keys", "runbook is no key", alert("runbook", value="x")),
    ("rule-keys", "alert or record", alert("record", value="a:b:c")),
    ("group-interval", "does not say", setting("groups", 0, "interval", value=None)),
    ("group-interval", "every 6m", setting("groups", 0, "interval", value="6m")),
    ("group-interval", "does not say", setting("groups", 0, "interval", value="often")),
    ("rule-promql", "not PromQL", alert("expr", value="sum(up > 0")),
    ("rule-promql", "$job is a variable", alert("expr", value='up{job=~"$job"} > 0')),
    ("rule-metric", "no metric", alert("expr", value="roadworthy_nothing > 0")),
    ("rule-label", "by place", alert("expr", value="sum by (place) (roadworthy_devices) > 0")),
    ("rule-counter", "is a counter", alert("expr", value='roadworthy_ingest_reports_total{outcome="x"} > 0')),
    ("rule-range", "30 days back", alert("expr", value="max_over_time(roadworthy_devices[30d]) > 0")),
    ("rule-range", "a moment that stays", alert("expr", value="max(roadworthy_contract_notice_due @ 1609459200) > 0")),
    ("rule-value", "never 'lat'", alert("expr", value='roadworthy_devices{state="lat"} > 0')),
    ("rule-gauge", "which is a gauge", alert("expr", value="sum by (site) (rate(roadworthy_devices[5m])) > 0")),
    ("rule-device", "each device", alert("expr", value="roadworthy_device_cpu_ratio > 1")),
    ("rule-regex", "no pattern", alert("expr", value='roadworthy_devices{state=~"late"} > 1')),
    ("rule-ratio", "may be 0", alert("expr", value="sum(roadworthy_site_cpu_ratio / (roadworthy_site_cpu_devices)) > 1")),
    ("rule-twice", "same name", lambda rules: rules["groups"][0]["rules"].append(copy.deepcopy(rules["groups"][0]["rules"][0]))),
    ("record-name", "level:metric", rule_setting(0, "record", value="missing_devices")),
    ("alert-name", "CamelCase", alert("alert", value="sites_silent")),
    ("alert-name", "quoted", alert("alert", value="On")),
    ("alert-for", "no for", alert("for", value=None)),
    ("alert-for", "its for is 0m", alert("for", value="0m")),
    ("alert-for", "no keep_firing_for", alert("keep_firing_for", value=None)),
    ("alert-labels", "keep_firing_for is no label", alert("labels", "keep_firing_for", value="1h")),
    ("alert-labels", "no label audience", alert("labels", "audience", value=None)),
    ("alert-labels", "its severity is page", alert("labels", "severity", value="page")),
    ("alert-labels", "its audience is nobody", alert("labels", "audience", value="nobody")),
    ("alert-annotations", "does not end", alert("annotations", "description", value="{{ $value }} devices")),
    ("alert-annotations", "is not finished", alert("annotations", "description", value="TODO: say it.")),
    ("alert-labels", "is a template", alert("labels", "audience", value="{{ $value }}")),
    ("alert-annotations", "no summary", alert("annotations", "summary", value=None)),
    ("alert-annotations", "no runbook_url", alert("annotations", "runbook_url", value=None)),
    ("alert-annotations", "text is no annotation", alert("annotations", "text", value="x")),
    ("alert-template", "the label model", alert("annotations", "summary", value="In {{ $labels.model }}.")),
    ("alert-comparison", "no condition", alert("expr", value="site:roadworthy_devices:missing")),
    ("alert-comparison", "no condition", alert("expr", value="site:roadworthy_devices:missing > bool 1")),
    ("alert-fragile", "topk", alert("expr", value="topk(5, site:roadworthy_devices:missing) > 0")),
    ("alert-runbook", "does not end", alert("annotations", "runbook_url", value="https://example.org/Other.md")),
    ("alert-runbook", "there is no runbook", alert("alert", value="SitesLost")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "words", "spoil"), BROKEN_RULES)
def test_a_broken_rule_file_is_found(
    place: Place, rule: str, words: str, spoil: Callable[[Document], None]
) -> None:
    spoil(place.rules)
    found = [finding for finding in place.check() if finding.rule == rule]
    assert [finding for finding in found if words in finding.what]
    assert {finding.file for finding in found} == {"rules.yaml"}


def test_every_rule_is_broken_once_here() -> None:
    assert {rule for rule, _, _ in BROKEN_BOARDS} | APART == {rule.name for rule in BOARD_RULES}
    assert {rule for rule, _, _ in BROKEN_RULES} == {rule.name for rule in FILE_RULES}


def test_every_rule_of_the_usual_linter_is_there() -> None:
    """The seventeen of grafana/dashboard-linter, by the names it gives them."""
    assert {rule.like for rule in BOARD_RULES} >= {
        *(
            "template-datasource-rule",
            "template-job-rule",
            "template-instance-rule",
            "template-label-promql-rule",
        ),
        *("template-on-time-change-reload-rule", "panel-datasource-rule", "panel-title-description-rule"),
        *("panel-units-rule", "panel-no-targets-rule", "target-logql-rule", "target-logql-auto-rule"),
        *("target-promql-rule", "target-rate-interval-rule", "target-job-rule", "target-instance-rule"),
        *("target-counter-agg-rule", "uneditable-dashboard"),
    }


def test_two_boards_alike_are_found(place: Place) -> None:
    (place.folder / "more").mkdir()
    (place.folder / "more/other.json").write_text(json.dumps({**place.board, "title": "A BOARD"}))
    found = {(finding.file, finding.rule) for finding in place.check()}
    assert found == {
        (file, rule) for file in ("board.json", "other.json") for rule in ("duplicate-uid", "duplicate-title")
    }


def test_the_new_schema_is_found(place: Place) -> None:
    place.board = {
        "uid": "a",
        "title": "A",
        "editable": False,
        "elements": {},
        "templating": place.board["templating"],
    }
    assert "classic-schema" in {finding.rule for finding in place.check()}


def test_the_device_board_asks_for_one_device(place: Place) -> None:
    board = copy.deepcopy(place.board)
    expr("roadworthy_device_cpu_ratio{$J}")(board)
    (place.folder / "more").mkdir()
    path = place.folder / "more/one_device.json"
    path.write_text(json.dumps({**board, "uid": "b", "title": "B"}))
    (said,) = [finding.what for finding in place.check() if finding.rule == "device-series"]
    assert said == "roadworthy_device_cpu_ratio is not asked for one device_id"
    expr('roadworthy_device_cpu_ratio{$J, device_id="$site"}')(board)
    path.write_text(json.dumps({**board, "uid": "b", "title": "B"}))
    assert "device-series" not in {finding.rule for finding in place.check()}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace("## Impact\n", ""), "no heading Impact"),
        (lambda text: text + "\nTODO: the command.\n", "not finished"),
    ],
)
def test_a_runbook_that_is_not_finished_is_found(
    place: Place, spoil: Callable[[str], str], words: str
) -> None:
    place.runbook.write_text(spoil(place.runbook.read_text()))
    (found,) = place.check()
    assert (found.rule, found.panel) == ("alert-runbook", "SitesSilent")
    assert words in found.what


def test_a_quoted_name_is_found(place: Place) -> None:
    path = place.folder / "rules.yaml"
    place.check()
    path.write_text(path.read_text().replace("alert: SitesSilent", 'alert: "SitesSilent"'))
    result = lint([path], exclusions=place.exclusions, rules=place.folder / "none", runbooks=place.runbooks)
    assert [finding.rule for finding in result.findings] == ["alert-name"]


def test_an_exclusion_has_a_reason_and_excludes_something(place: Place) -> None:
    expr('roadworthy_devices{job=~"$job", site=~"$site"}')(place.board)
    before = place.check()
    assert {finding.rule for finding in before} == {"target-instance"}
    place.exclusions.write_text(
        '[[exclusion]]\nrule = "target-instance"\nfile = "board.json"\nreason = "One process."\n'
        '[[exclusion]]\nrule = "target-job"\nfile = "board.json"\npanel = "Devices"\nreason = "A test."\n'
    )
    exclusions = read_exclusions(place.exclusions)
    kept, passed = apply(before, exclusions, complete=True)
    assert passed == len(before)
    assert [(finding.rule, finding.panel) for finding in kept] == [("unused-exclusion", "target-job")]
    assert apply(before, exclusions, complete=False) == ([], len(before))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[exclusion]]\nrule = "a"\nfile = "b"\n', "needs reason"),
        ('[[exclusion]]\nrule = "a"\nfile = "b"\nreason = " "\n', "needs reason"),
        ('[[exclusion]]\nrule = "a"\nfile = "b"\nreason = "c"\nline = 4\n', "does not know line"),
        ("[[exclusion]", "not TOML"),
    ],
)
def test_a_wrong_exclusion_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "exclusions.toml"
    path.write_text(text)
    with pytest.raises(LintError, match=words):
        read_exclusions(path)


def test_closed_lists_of_values_are_the_collectors() -> None:
    lists = {
        ("support_devices", "status"): lifecycle_codes.STATUSES,
        ("support_end_devices", "ends"): lifecycle_codes.BUCKETS,
        ("extended_support_devices", "extension"): lifecycle_codes.EXTENSIONS,
        ("windows11_devices", "answer"): lifecycle_codes.WINDOWS11,
        ("age_devices", "band"): planned_life.AGE_BANDS,
        ("planned_life_devices", "band"): planned_life.BANDS,
    }
    for (family, label), values in lists.items():
        assert VALUES[f"roadworthy_{family}", label] == set(values), family
    series = load_series()
    for name, label in VALUES:
        assert label in series[name].labels


def test_what_is_committed_has_no_findings() -> None:
    result = lint()
    assert [str(finding) for finding in result.findings] == []
    assert result.boards
    assert result.rules


def test_what_the_usual_linter_lets_pass_is_what_would_break_its_rules() -> None:
    """dashboard-linter itself needs Go; its exclusions are held against the boards here."""
    exclusions = yaml.safe_load((ROOT / "dashboards/.lint").read_text("utf-8"))["exclusions"]
    assert set(exclusions) == {"template-instance-rule", "target-instance-rule", "target-job-rule"}
    assert all(excluded["reason"].strip() for excluded in exclusions.values())
    without = {
        (board.title, target.panel)
        for board in (read_board(path, path.name) for path in RENDERED.glob("*.json"))
        for target in board.targets
        if target.tree is not None and not target.panel.startswith("annotation ")
        for selector in selectors(target.tree)
        if Matcher("job", "=~", "$job") not in selector.matchers
    }
    assert {(one["dashboard"], one["panel"]) for one in exclusions["target-job-rule"]["entries"]} == without


def test_the_command_prints_findings_and_ends_with_one(place: Place) -> None:
    runner = CliRunner()
    place.board["uid"] = ""
    place.check()
    done = runner.invoke(app, ["lint", str(place.folder / "board.json")])
    assert done.exit_code == 1
    assert "board.json: board-identity: its uid is ''; give it a title" in done.stdout
    done = runner.invoke(app, ["lint", str(place.folder), "--format", "json"])
    body = json.loads(done.stdout)
    assert (body["boards"], body["rules"]) == (1, 2)
    assert {"file", "panel", "target", "rule", "what", "todo"} == set(body["findings"][0])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", "[]", "not a board"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.yaml", "rules: []", "needs `groups`"),
        ("a.yaml", "groups: 4", "needs `groups`"),
        ("a.yaml", "groups: [{name: a, rules: [4]}]", "needs `groups`"),
        ("a.txt", "", "neither a board"),
        ("a.json", None, "no such file"),
    ],
)
def test_what_cannot_be_checked_ends_with_two(
    tmp_path: Path, name: str, text: str | None, words: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    done = CliRunner().invoke(app, ["lint", str(path)])
    assert done.exit_code == 2
    assert words in done.stderr
    assert str(path) in done.stderr


def known(name: str) -> frozenset[str] | None:
    series = {"a": {"site", "state"}, "b": {"site", "model"}, "h_bucket": {"site", "le"}}
    return frozenset(series[name]) if name in series else None


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("a", "site state"),
        ("sum(a)", ""),
        ("sum by (site) (a)", "site"),
        ("sum without (site) (a)", "state"),
        ("topk by (site) (3, a)", "site state"),
        ('count_values("worth", a)', "worth"),
        ('count_values by (site) ("worth", a)', "site worth"),
        ("histogram_quantile(0.5, rate(h_bucket[5m]))", "site"),
        ("a * 2", "site state"),
        ("2 * a", "site state"),
        ("a and on (site) b", "site state"),
        ("a or b", "site state model"),
        ("a / on (site) sum by (site) (b)", "site"),
        ("a / ignoring (state) sum by (site) (b)", "site"),
        ("a * on (site) group_left (model) b", "site state model"),
        ("b * on (site) group_right (model) a", "site state model"),
        ('absent(a{site="x", state=~"y.*"})', "site"),
        ('label_replace(a, "new", "$1", "site", "(.*)")', "new site state"),
        ('label_join(a, "new", "-", "site", "state")', "new site state"),
        ("vector(1)", ""),
        ("time() - a", "site state"),
        ("-(max_over_time(a[5m:1m]))", "site state"),
        ("a * scalar(sum(b))", "site state"),
    ],
)
def test_the_labels_of_an_answer_are_known(query: str, labels: str) -> None:
    found, faults = labels_of(parse(query), known)
    assert faults == []
    assert found == set(labels.split())


@pytest.mark.parametrize(
    ("query", "spoils"),
    [
        ("sum(a / b)", True),
        ("sum(a / (b == bool 0))", True),
        ("sum(a / (b > 0))", False),
        ("sum(a / 2)", False),
        ("sum(a) / sum(b)", False),
        ("topk(3, a / b)", False),
    ],
)
def test_a_ratio_inside_a_sum_needs_a_divisor_that_is_not_0(query: str, spoils: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert spoils_a_sum(parse(query)) is spoils


def test_variables_of_grafana_get_values_outside_quotes_only() -> None:
    query = 'topk($top, rate(x{job=~"$job", a="[[b]]"}[$__rate_interval])) + ${more:raw}'
    assert with_values(query, {"top": "5"}) == 'topk(5, rate(x{job=~"$job", a="[[b]]"}[347s])) + 1'
    assert variables_in(query + '"$1" ${__data.fields["a"]}') == {
        *("top", "job", "b", "__rate_interval", "more", "__data")
    }


def places(document: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value inside a document."""
    pairs = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in pairs:
        yield (*above, key)
        yield from places(value, (*above, key))


JUNK = st.sampled_from(
    [None, 0, -1.5, True, "", "$job {{x}}", [], [None], [[]], {}, {"a": None}, {"uid": 4}, [{"a": []}]]
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_of_any_shape_is_checked_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Somebody else's board, or a broken one: findings or a refusal, and no traceback."""
    place = Place(tmp_path_factory.mktemp("shapes"))
    for document in (place.board, place.rules):
        for path in data.draw(st.lists(st.sampled_from(sorted(places(document), key=str)), max_size=2)):
            with contextlib.suppress(
                LookupError, TypeError
            ):  # the first may have taken the second's place away
                setting(*path, value=copy.deepcopy(data.draw(JUNK)))(document)
    with contextlib.suppress(LintError):
        assert all(finding.todo for finding in place.check())


_LABEL_TEXTS = st.text(alphabet=st.sampled_from('ab{}[]()"\\,=$ '), max_size=8)


@given(value=_LABEL_TEXTS, other=_LABEL_TEXTS)
def test_what_stands_in_a_value_is_no_part_of_the_query(value: str, other: str) -> None:
    """Braces, brackets and quotes inside a value are where patterns go wrong."""
    query = f"sum(rate(x_total{{a={json.dumps(value)}, b!={json.dumps(other)}}}[5m]))"
    (found,) = selectors(parse(query))
    assert (found.name, found.function, found.range_seconds) == ("x_total", "rate", 300)
    assert [matcher.value for matcher in found.matchers] == [value, other]


def test_the_catalogue_says_where_a_series_is_from() -> None:
    series = load_series()
    assert series["roadworthy_device_cpu_ratio"].endpoint == "/metrics/devices"
    assert series["roadworthy_ingest_request_seconds_bucket"].labels == {"le"}
    assert series["roadworthy_ingest_reports_total"].kind == "counter"
