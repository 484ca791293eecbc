from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.panels import Look, Query, Words, bars, heat, lines, number, step_colours
from roadworthy_dashboards.queries import counted, held, of_five, share, summed, this_year
from roadworthy_dashboards.sdk import JSONEncoder
from roadworthy_dashboards.tables import Column, Key, columns, facts

# What a panel colours by itself where it has no levels.
NEUTRAL = (thresholds.NONE, thresholds.TEXT)


def document(panel: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(panel.build(), cls=JSONEncoder))
    return made


def test_an_expression_takes_every_series_once_before_it_adds_up() -> None:
    assert held("roadworthy_devices", "site") == 'max by (site) (roadworthy_devices{job=~"$job"})'
    assert held("roadworthy_x", where='a="b"') == 'max (roadworthy_x{job=~"$job",a="b"})'
    assert summed("x", "a", of=("b",)) == 'sum by (a) (max by (a, b) (x{job=~"$job"}))'
    assert counted("x", 'a="b"') == 'max (x{job=~"$job",a="b"}) or 0 * max (x{job=~"$job"})'
    assert share("a", "b") == "(a) / (b > 0)"


SAYS = Words("Title", "What it is.", "s")


def answers(folder: Path, series: dict[str, str], wanted: list[tuple[str, str, dict[str, float]]]) -> None:
    """Hold what Prometheus answers to expressions over series: (expression, time, {labels: value})."""
    tests = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr.replace("$job", ".+"),
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
            }
            for expr, at, samples in wanted
        ],
    }
    path = folder / "tests.yml"
    path.write_text(json.dumps({"tests": [tests]}))  # JSON is YAML
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_two_collectors_that_tell_the_same_are_counted_once(tmp_path: Path) -> None:
    series = {
        f'x{{job="{job}",site="{site}",state="{state}"}}': f"{value}x2"
        for job in ("a", "b")
        for site, state, value in (("North", "late", 1), ("North", "missing", 2), ("South", "late", 4))
    }
    wanted = [
        (summed("x", "site", of=("state",)), "1m", {'{site="North"}': 3.0, '{site="South"}': 4.0}),
        (counted("x", 'state="missing"'), "1m", {"{}": 2.0}),
        (counted("x", 'state="retired"'), "1m", {"{}": 0.0}),
        (counted("y", 'state="retired"'), "1m", {}),
    ]
    answers(tmp_path, series, wanted)


@pytest.mark.needs("promtool")
def test_what_the_collector_adds_up_as_other_is_told_without_its_count(tmp_path: Path) -> None:
    """Only past 200 sites there is a count of devices named other; what tells of people is added up in any IT estate."""
    reasons = {
        ("North", "signin_slow"): 3,
        ("South", "signin_slow"): 1,
        ("other", "signin_slow"): 2,
        ("South", "disk_failing"): 4,
        ("other", "disk_failing"): 5,
    }
    series = {
        f'x{{job="{job}",site="{site}",reason="{reason}"}}': f"{value}x2"
        for job in ("a", "b")
        for (site, reason), value in reasons.items()
    } | {'devices{job="a",site="North"}': "5x2", 'devices{job="a",site="South"}': "4x2"}
    told = {
        f'{{site="{site}", reason="{reason}"}}': float(value)
        for (site, reason), value in reasons.items()
        if (site, reason) != ("South", "signin_slow")
    }
    wanted = [
        (of_five("x", "site", "devices"), "1m", told),
        (
            of_five("x", "site", "devices", 'site=~"North"'),
            "1m",
            {'{site="North", reason="signin_slow"}': 3.0},
        ),
    ]
    answers(tmp_path, series, wanted)


@pytest.mark.needs("promtool")
def test_the_months_of_the_financial_year_that_runs_are_found(tmp_path: Path) -> None:
    """From January on a month names another year than the one that began in April."""
    months = {
        "2026-03": 1,
        "2026-04": 2,
        "2026-12": 4,
        "2027-01": 8,
        "2027-03": 16,
        "2027-04": 32,
        "2025-11": 64,
    }
    series = {
        f'x{{job="a",quality="metered",month="{month}"}}': f"{value}x2" for month, value in months.items()
    }
    calendar = {
        'year:roadworthy_calendar:begun{year="2026"}': "1x2",
        'year:roadworthy_calendar:financial{year="2026/27"}': "1x2",
    }
    wanted = [(f"sum ({this_year('x', 'quality')})", "1m", {"{}": 2.0 + 4 + 8 + 16})]
    answers(tmp_path, series | calendar, wanted)


def test_a_panel_without_levels_is_never_red_from_80_on() -> None:
    """Grafana's own default, where a panel names no thresholds."""
    for panel in (lines(SAYS, Query("a")), number(SAYS, Query("a")), bars(SAYS, Query("a"))):
        steps = document(panel)["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps in [step_colours(one)["steps"] for one in NEUTRAL]


def test_levels_and_what_is_not_known_reach_the_panel() -> None:
    look = Look(levels=thresholds.STARTUP_SECONDS, colours={"a": "red"}, decimals=1, nothing="none", most=1)
    defaults = document(number(SAYS, Query("a"), look=look))["fieldConfig"]["defaults"]
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 120, 300]
    assert (defaults["noValue"], defaults["decimals"], defaults["max"]) == ("none", 1, 1)
    assert document(number(SAYS, Query("a")))["fieldConfig"]["defaults"]["noValue"] == "not known"


def test_the_columns_of_a_table_have_their_titles_order_units_and_levels() -> None:
    key = Key("site", "Site", ({"title": "Open", "url": "/x"},))
    made = document(
        columns(
            SAYS,
            [key],
            Column("P90", "a", "s", thresholds.STARTUP_SECONDS, 1),
            Column("Counted", "b"),
            sort="P90",
        )
    )
    merge, organise = made["transformations"]
    assert merge["id"] == "merge"
    assert organise["options"]["renameByName"] == {"site": "Site", "Value #A": "P90", "Value #B": "Counted"}
    assert organise["options"]["indexByName"] == {"site": 0, "Value #A": 1, "Value #B": 2}
    assert organise["options"]["excludeByName"] == {"Time": True}
    properties = {
        one["matcher"]["options"]: {item["id"]: item["value"] for item in one["properties"]}
        for one in made["fieldConfig"]["overrides"]
    }
    assert properties["Site"]["links"] == [{"title": "Open", "url": "/x"}]
    assert properties["P90"]["unit"] == "s"
    assert properties["P90"]["thresholds"] == step_colours(thresholds.STARTUP_SECONDS)
    assert properties["Counted"] == {"unit": "short"}
    assert made["options"]["sortBy"] == [{"displayName": "P90", "desc": True}]
    assert all(target["format"] == "table" and target["instant"] for target in made["targets"])


def test_the_only_column_of_a_table_is_called_otherwise() -> None:
    made = document(columns(SAYS, [Key("site", "Site")], Column("P90", "a")))
    (organise,) = made["transformations"]
    assert organise["options"]["renameByName"] == {"site": "Site", "Value": "P90"}


def test_facts_show_labels_and_no_value() -> None:
    made = document(facts(SAYS, "a", [Key("site", "Site"), Key("os", "System")]))
    (organise,) = made["transformations"]
    assert organise["options"]["excludeByName"] == {"Time": True, "Value": True}
    assert organise["options"]["renameByName"] == {"site": "Site", "os": "System"}


def test_a_heatmap_is_of_buckets_as_they_come() -> None:
    made = document(heat(SAYS, Query("a")))
    (target,) = made["targets"]
    assert (target["format"], target["legendFormat"]) == ("heatmap", "{{le}}")
    assert made["options"]["calculate"] is False
    assert made["options"]["yAxis"]["unit"] == "s"
