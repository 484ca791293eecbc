"""Every query of every panel and rule is asked of a real Prometheus that has scraped the demo, and finds something."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import promql_parser
import pytest
from support import wait_until
from support.scraped_demo import (
    Prometheus,
    Scraped,
    filled,
    make_blocks,
    prometheus,
    scraped_demo,
    series,
    variables_of,
)

from roadworthy_collector.demo.build import MONTHS
from roadworthy_dashboards.lint.vocabulary import VALUES
from roadworthy_dashboards.render import RENDERED, panels_of

pytestmark = pytest.mark.needs("prometheus", "promtool")

BOARDS = sorted(path.stem for path in RENDERED.glob("*.json"))
_HEALTH, _DEVICE = "collector_health", "one_device"
# What the demo rightly has nothing of: {why: [(board, title of a panel), or ("rules", name of a recording)]}. There it
# must be empty, and in the second set of series below it must find something.
EMPTY: dict[str, list[tuple[str, str]]] = {
    "remote write is off unless an address is set": [
        (_HEALTH, "Age of the queue, and since the receiver took samples"),
        (_HEALTH, "Half-hours that were given up"),
        (_HEALTH, "Half-hours the receiver has not acknowledged"),
        (_HEALTH, "Requests that were not taken"),
        (_HEALTH, "Samples taken, and stale markers"),
        (_DEVICE, "Memory use"),  # half-hours come at their own time, by remote write alone
        (_DEVICE, "Processor use"),
    ],
    "this collector is no relay": [
        (_HEALTH, "Devices no longer forwarded"),
        (_HEALTH, "How full the relay's queue is"),
        (_HEALTH, "Items the main collector will never get"),
        (_HEALTH, "Reports that wait for the main collector"),
        (_HEALTH, "Since the main collector took reports"),
    ],
    "nothing was wrong with what came": [
        (_HEALTH, "Conflicts"),
        (_HEALTH, "Values this version does not know"),
    ],
    "nobody enrolled over the network": [(_HEALTH, "Enrolments by outcome")],
    "one process does everything, so none competes for the jobs": [(_HEALTH, "Processes that hold the jobs")],
    "it is served without TLS on loopback": [(_HEALTH, "Until a certificate ends")],
    "it asks a service on the network, and is off unless somebody turns it on": [
        ("carbon", "Carbon intensity of the grid, kg of CO2 a kWh"),
    ],
    "nobody in the demo claims one": [("cost_shares", "Savings that are not cash, by year")],
}
# Whether sixty devices start a hundred times a week at one site, or one model of them, is up to chance.
MAY_BE_EMPTY = re.compile(r"\b(?:site|model):roadworthy_startup_seconds:p99_7d\b")
EXCUSED = {place for places in EMPTY.values() for place in places}


class Query(NamedTuple):
    """A query of a panel, its variables filled in."""

    board: str
    title: str
    text: str


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with scraped_demo(tmp_path_factory.mktemp("scraped")) as found:
        yield found


def board_of(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RENDERED / f"{name}.json").read_text("utf-8"))
    return document


def queries_of(name: str, asked: Prometheus) -> Iterator[Query]:
    board = board_of(name)
    variables = variables_of(board, asked)
    for panel in panels_of(board):
        for target in panel.get("targets") or ():
            yield Query(name, panel["title"], filled(target["expr"], variables))


def finds(asked: Prometheus, query: str) -> bool:
    """Whether a query finds a series with a number; NaN is what a quantile of nothing gives."""
    return any(not math.isnan(float(one["value"][1])) for one in asked.vector(query))


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_finds_something(scraped: Scraped, name: str) -> None:
    nothing = {}
    for query in queries_of(name, scraped.prometheus):
        # No device tells everything: of what this one does not, another does.
        asked = [query.text, re.sub(r'device_id="[^"]*"', 'device_id!=""', query.text)]
        if not any(finds(scraped.prometheus, text) for text in asked) and not MAY_BE_EMPTY.search(query.text):
            nothing.setdefault(query.title, query.text)
    excused = {title for board, title in EXCUSED if board == name}
    wrong = [
        f"{title}: {nothing.get(title, 'finds something')}" for title in sorted(nothing.keys() ^ excused)
    ]
    assert not wrong, "\n".join(wrong)


def test_what_is_by_month_is_told_of_the_demos_25_months(scraped: Scraped) -> None:
    """Years are no range: each month is a series of its own, asked as it is now, and there are no more of them."""

    def months(family: str) -> int:
        return len(scraped.prometheus.vector(f"count by (month) ({family})"))

    for family in ("roadworthy_energy_month_joules", "roadworthy_energy_month_share_ratio"):
        # A month that is made anew is missing for a moment.
        wait_until(lambda family=family: months(family) == MONTHS, timeout=60, what=f"25 months of {family}")  # type: ignore[misc] # bound above


def test_values_that_are_told_are_values_the_checker_knows(scraped: Scraped) -> None:
    for (name, label), held in VALUES.items():
        told = {one["metric"].get(label) for one in scraped.prometheus.vector(f"count by ({label}) ({name})")}
        assert told <= held, (name, label)


def test_every_rule_runs(scraped: Scraped) -> None:
    """Rules of alerts run without an error; what they find is up to the estate, and promtool's tests make each fire."""
    groups = scraped.prometheus.ask("rules")["groups"]
    assert groups
    bad = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]
    assert bad == []
    recorded = [rule for group in groups for rule in group["rules"] if rule["type"] == "recording"]
    nothing = {
        rule["name"]
        for rule in recorded
        if not finds(scraped.prometheus, rule["name"]) and not MAY_BE_EMPTY.fullmatch(rule["name"])
    }
    wrong = sorted(nothing ^ {title for board, title in EXCUSED if board == "rules"})
    assert not wrong, "\n".join(wrong)


def test_what_the_demo_has_nothing_of_is_found_where_there_is_some(scraped: Scraped, tmp_path: Path) -> None:
    asked = [
        query
        for name in BOARDS
        for query in queries_of(name, scraped.prometheus)
        if (name, query.title) in EXCUSED or MAY_BE_EMPTY.search(query.text)
    ]
    rules = {
        rule["name"]: rule["query"]
        for group in scraped.prometheus.ask("rules")["groups"]
        for rule in group["rules"]
        if rule["type"] == "recording"
    }
    asked += [Query("rules", name, rules[name]) for board, name in EXCUSED if board == "rules"]
    (tmp_path / "some.om").write_text(some_series([query.text for query in asked], rules), "utf-8")
    make_blocks(tmp_path / "some.om", tmp_path / "tsdb")
    with prometheus(tmp_path) as second:
        for query in asked:
            assert finds(second, query.text), query


def some_series(queries: list[str], rules: Mapping[str, str]) -> str:
    """Return a history in which every selector of the queries finds a series that grew within the last minutes."""
    now, lines = time.time(), set()
    waiting, seen = list(queries), set()
    while waiting:
        query = waiting.pop()
        if query in seen:
            continue
        seen.add(query)
        for name, labels in selectors(promql_parser.parse(query)):
            waiting += [rules[name]] if name in rules else []
            # What is counted grows by hundreds, as a quantile wants that many; all of it in the first of two buckets.
            counted = name.endswith(("_bucket", "_count"))
            for more in [{"le": "60"}, {"le": "+Inf"}] if name.endswith("_bucket") else [{}]:
                for minutes in range(12, -1, -1):
                    value = (13 - minutes) * (100 if counted else 1)
                    lines.add((now - minutes * 60 - 1, series(name, labels | more), value))
    ordered = [f"{told} {value} {at:.3f}" for at, told, value in sorted(lines)]
    return "\n".join([*ordered, "# EOF\n"])


def selectors(node: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (name, labels that fit) of every selector in a query."""
    if isinstance(node, promql_parser.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql_parser.VectorSelector):
        matchers = [one for one in node.matchers.matchers if one.name != "__name__"]
        yield node.name, {"job": "roadworthy"} | {one.name: fitting(one) for one in matchers if fitting(one)}
        return
    for part in ("expr", "lhs", "rhs", "param"):
        if (inner := getattr(node, part, None)) is not None:
            yield from selectors(inner)
    for argument in getattr(node, "args", ()):
        yield from selectors(argument)


def fitting(matcher: Any) -> str:
    """Return a value a matcher takes: that of an equality, the first of alternatives, any for `.+`."""
    if matcher.op in (promql_parser.MatchOp.NotEqual, promql_parser.MatchOp.NotRe):
        return "other"
    text = str(matcher.value)
    return "roadworthy" if text in {".+", ".*"} else text.split("|", maxsplit=1)[0].strip("()")
