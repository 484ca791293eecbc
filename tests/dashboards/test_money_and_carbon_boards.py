"""What the boards of cost, carbon, power and the collector promise beyond what every board does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from roadworthy_dashboards.boards import BOARDS
from roadworthy_dashboards.render import RENDERED, panels_of

MINE = ("carbon", "collector_health", "cost_shares", "power_and_ups")
ICT = "ICT share of billed supply, CRC basis, notional"


def panels(name: str) -> list[dict[str, Any]]:
    return list(panels_of(json.loads((RENDERED / f"{name}.json").read_text("utf-8"))))


def panel(name: str, title: str) -> dict[str, Any]:
    (found,) = (one for one in panels(name) if one["title"] == title)
    return found


def expr(name: str, title: str, letter: str = "A") -> str:
    """Return a query of a panel, of all jobs."""
    (found,) = (one["expr"] for one in panel(name, title)["targets"] if one["refId"] == letter)
    return str(found).replace("$job", ".+")


def nodes(node: Any) -> Iterator[Any]:
    yield node
    for part in ("expr", "lhs", "rhs", "param", "vector_selector"):
        if (inner := getattr(node, part, None)) is not None:
            yield from nodes(inner)
    for argument in getattr(node, "args", ()):
        yield from nodes(argument)


def left(node: Any) -> set[str] | None:
    """Return the labels a query leaves, None where it cannot be told by its form."""
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        return set(node.modifier.labels)
    if isinstance(node, promql_parser.BinaryExpr):
        return left(node.lhs) or left(node.rhs)
    inner = node.expr if isinstance(node, promql_parser.ParenExpr) else None
    return None if inner is None else left(inner)


def transformation(one: dict[str, Any], name: str) -> dict[str, Any] | None:
    for step in one.get("transformations") or ():
        if step["id"] == name:
            options: dict[str, Any] = step["options"]
            return options
    return None


def laid_out(name: str) -> Iterator[tuple[str, set[str], set[str] | None]]:
    """Yield (title, labels the layout takes, labels a query leaves) of the panels that lay labels out."""
    for one in panels(name):
        if (cells := transformation(one, "groupingToMatrix")) is not None:
            wanted = {cells["rowField"], cells["columnField"]}
        elif (order := transformation(one, "organize")) is not None and "indexByName" in order:
            wanted = {field for field in order["indexByName"] if not field.startswith("Value")}
        else:
            continue
        for target in one["targets"]:
            assert target["format"] == "table"
            assert target["instant"]
            yield one["title"], wanted, left(promql_parser.parse(target["expr"].replace("$__range", "1h")))


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_a_layout_takes_exactly_the_labels_its_queries_leave(name: str) -> None:
    """A label too many would make two rows of one, one too few would merge what is apart."""
    told = [(title, wanted, found) for title, wanted, found in laid_out(name) if found is not None]
    assert [one for one in told if one[1] != one[2]] == []


def test_ict_stands_below_the_billed_total() -> None:
    titles = [one["title"] for one in panels("carbon")]
    assert titles.count(ICT) == 1
    for end in ("", ": pounds"):
        billed, ict = (
            panel("carbon", f"{title}{end}") for title in ("Billed supply, CRC basis, notional", ICT)
        )
        assert ict["gridPos"]["y"] == billed["gridPos"]["y"] + billed["gridPos"]["h"]
        assert ict["gridPos"]["x"] == billed["gridPos"]["x"]
        assert 'part="ict"' in ict["targets"][0]["expr"]
        assert "never added to it" in ict["description"]


# What overlaps: a family, and the label whose values are never added up.
APART = {
    "roadworthy_cost_gbp": "definition",
    "roadworthy_unit_cost_gbp": "definition",
    "roadworthy_cost_share_ratio": "definition",
    "roadworthy_site_polled_watts": "kind",
    "roadworthy_site_polled_joules": "kind",
    "roadworthy_avoidable_joules": "kind",
    "roadworthy_avoidable_gbp": "kind",
    "roadworthy_site_avoidable_joules": "kind",
    "roadworthy_energy_half_hour_watts": "scope",
    "roadworthy_crc_year_tco2": "part",
    "roadworthy_crc_year_gbp": "part",
}


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_what_overlaps_is_never_added_up(name: str) -> None:
    for one in panels(name):
        for target in one.get("targets") or ():
            query = target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1h")
            for node in nodes(promql_parser.parse(query)):
                if not isinstance(node, promql_parser.AggregateExpr):
                    continue
                for inner in nodes(node.expr):
                    label = APART.get(getattr(inner, "name", None) or "")
                    if label is None or label in (node.modifier.labels if node.modifier else ()):
                        continue
                    chosen = {matcher.name for matcher in inner.matchers.matchers}
                    # Of the target's own definition there is one at a time.
                    by_target = "roadworthy_cost_target" in query
                    assert label in chosen or by_target or str(node.op) != "sum", (one["title"], query)


@pytest.mark.parametrize("name", MINE)
def test_what_is_not_known_is_said_and_is_never_nought(name: str) -> None:
    for one in panels(name):
        defaults = one["fieldConfig"]["defaults"]
        assert defaults["noValue"] in {"not known", "none"}, one["title"]
        cells = transformation(one, "groupingToMatrix")
        assert cells is None or cells["emptyValue"] == "null"
        for target in one["targets"]:
            assert "vector(" not in target["expr"], one["title"]


def evaluated(tmp_path: Path, series: dict[str, str], tests: list[tuple[str, dict[str, float]]]) -> None:
    """Hold queries against what promtool makes of them after three hours of series."""
    document = {
        "rule_files": [],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": query,
                        "eval_time": "3h",
                        "exp_samples": [
                            {"labels": labels, "value": value} for labels, value in samples.items()
                        ],
                    }
                    for query, samples in tests
                ],
            }
        ],
    }
    path = tmp_path / "boards.yml"
    path.write_text(json.dumps(document), "utf-8")  # JSON is YAML
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SCOPE = 'scope="scope2_location"'
SERIES = {
    # Two collectors tell of the same database; what they tell counts once.
    f'roadworthy_carbon_year_kgco2e{{job="a",instance="1",{SCOPE},factor_set="2025 v1, majority",year="2025"}}': (
        "2000x180"
    ),
    f'roadworthy_carbon_year_kgco2e{{job="a",instance="2",{SCOPE},factor_set="2025 v1, majority",year="2025"}}': (
        "2000x180"
    ),
    f'roadworthy_carbon_year_kgco2e{{job="a",instance="1",{SCOPE},factor_set="2026, majority",year="2026"}}': (
        "1000x180"
    ),
    'roadworthy_carbon_year_provisional{job="a",instance="1",year="2025"}': "0x180",
    'roadworthy_carbon_year_provisional{job="a",instance="1",year="2026"}': "1x180",
    'roadworthy_cost_gbp{job="a",definition="run",year="2025/26"}': "90x180",
    'roadworthy_cost_gbp{job="a",definition="maintenance",year="2025/26"}': "40x180",
    'roadworthy_cost_gbp{job="a",definition="maintenance",year="2026/27"}': "30x180",
    'roadworthy_cost_target_gbp{job="a",definition="maintenance",year="2025/26"}': "40x180",
    'roadworthy_site_ups_batteries{job="a",site="North",battery="ok"}': "2x180",
    'roadworthy_target_polls_total{job="a",target="ups",kind="ups"}': "0+1x180",
    'roadworthy_target_successful_polls_total{job="a",target="ups",kind="ups"}': "0+0.5x180",
    'roadworthy_target_polls_total{job="a",target="idle",kind="pdu"}': "7x180",
    'roadworthy_target_successful_polls_total{job="a",target="idle",kind="pdu"}': "7x180",
}


@pytest.mark.needs("promtool")
def test_queries_say_what_their_panels_say(tmp_path: Path) -> None:
    evaluated(
        tmp_path,
        SERIES,
        [
            (
                expr("carbon", "Tonnes of CO2e by scope, with the year's factor set"),
                {
                    f'{{{SCOPE},shown="2025: 2025 v1, majority"}}': 2,
                    f'{{{SCOPE},shown="2026: 2026, majority, PROVISIONAL"}}': 1,
                },
            ),
            (expr("carbon", "Years with provisional factors"), {"{}": 1}),
            (
                expr("cost_shares", "Cost and its target", "B"),
                {'{year="2025/26"}': 40, '{year="2026/27"}': 30},
            ),
            (expr("power_and_ups", "UPSs that ask for a new battery"), {"{}": 0}),
            (expr("power_and_ups", "Polled targets", "C"), {'{target="ups",kind="ups"}': 0.5}),
        ],
    )


@pytest.mark.needs("promtool")
def test_where_nothing_is_told_nothing_is_shown(tmp_path: Path) -> None:
    titles = {
        "carbon": ["Years with provisional factors", ICT],
        "cost_shares": ["A. Run share by year", "Net benefit of the replacement plan", "Age of the plan"],
        "power_and_ups": [
            "UPSs that ask for a new battery",
            "Targets whose last poll went well",
            "Longest silence of a target",
        ],
    }
    tests: list[tuple[str, dict[str, float]]] = [
        (expr(name, title), {}) for name, some in titles.items() for title in some
    ]
    evaluated(tmp_path, {'roadworthy_estate_info{job="a"}': "1x180"}, tests)
