"""Each probe's page says which rights it needs and has a query and an alert that work with the metrics there are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from roadworthy_agent import probes
from roadworthy_collector.metrics.catalogue import CATALOGUE
from roadworthy_dashboards.catalogue import faults_in, load_labels, series_in

PAGES = Path(__file__).parents[3] / "docs/probes"
PROBES = sorted(probes.PROBES)
SECTION = "To use it with"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def section(probe: str) -> str:
    parts = re.split(r"^## (.*)$", (PAGES / f"{probe}.md").read_text("utf-8"), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert SECTION in found, f"docs/probes/{probe}.md has no section {SECTION!r}"
    return found[SECTION]


def blocks(probe: str, language: str) -> list[str]:
    return [text for name, text in _FENCE.findall(section(probe)) if name == language]


def alerts(probe: str) -> list[dict[str, Any]]:
    return [rule for text in blocks(probe, "yaml") for rule in yaml.safe_load(text)]


def queries(probe: str) -> list[str]:
    return [*blocks(probe, "promql"), *(rule["expr"] for rule in alerts(probe))]


@pytest.mark.parametrize("probe", PROBES)
def test_a_page_says_which_rights_are_needed(probe: str) -> None:
    text = (PAGES / f"{probe}.md").read_text("utf-8")
    assert re.search(r"\brights?\b|\b[Aa]ny account\b", text)


@pytest.mark.parametrize("probe", PROBES)
def test_a_page_has_a_query_and_an_alert(probe: str) -> None:
    assert blocks(probe, "promql")
    assert alerts(probe)
    for rule in alerts(probe):
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"Roadworthy[A-Za-z]+", rule["alert"])
        assert rule["annotations"]["summary"]


@pytest.mark.parametrize("probe", PROBES)
def test_they_ask_only_for_what_the_catalogue_has(probe: str) -> None:
    labels = load_labels()
    every = {label for row in CATALOGUE for label in row.labels} | {"le"}
    for query in queries(probe):
        assert series_in(query), query
        assert faults_in(query, labels) == []
        for named in _GROUPING.findall(query):
            assert {label.strip() for label in named.split(",")} - {""} <= every, query
    # Text may name metrics too.
    named = set(re.findall(r"\broadworthy_(?:device|site|unit|model|os)_[a-z_]+\b", section(probe)))
    assert named <= {name for row in CATALOGUE for name in row.series}


def test_no_two_alerts_go_by_one_name() -> None:
    names = [rule["alert"] for probe in PROBES for rule in alerts(probe)]
    assert len(set(names)) == len(names)


@pytest.mark.needs("promtool")
def test_promtool_reads_them_all(tmp_path: Path) -> None:
    records = [
        {"record": f"test:{probe}:{number}", "expr": query}
        for probe in PROBES
        for number, query in enumerate(blocks(probe, "promql"))
    ]
    groups = [{"name": probe, "rules": alerts(probe)} for probe in PROBES]
    path = tmp_path / "rules.yml"
    # JSON is YAML.
    path.write_text(json.dumps({"groups": [*groups, {"name": "queries", "rules": records}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(records) + sum(len(alerts(probe)) for probe in PROBES)} rules found" in done.stdout
