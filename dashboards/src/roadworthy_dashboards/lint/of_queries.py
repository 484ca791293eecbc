"""Rules of a query: is it PromQL, does it ask for what there is, does it ask in the right way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from roadworthy_dashboards.labels import Labels, labels_of
from roadworthy_dashboards.lint.board import PROMETHEUS, Board, Target
from roadworthy_dashboards.lint.context import Context
from roadworthy_dashboards.lint.findings import Fault
from roadworthy_dashboards.lint.known import Known
from roadworthy_dashboards.lint.shapes import mapping
from roadworthy_dashboards.lint.vocabulary import impossible
from roadworthy_dashboards.promql import RATE_INTERVAL_SECONDS, Matcher, Selector, selectors, spoils_a_sum
from roadworthy_dashboards.queries import SENT

DAY_SECONDS = 86_400
LONGEST_REACH_DAYS = 15  # what Prometheus keeps unless it is told otherwise
DEVICE_BOARD = "one_device"
_BACK = re.compile(r"(?:now-)?(\d+)([smhdwMy])\b.*")  # now-90d, now-1y/y, and 90d of a panel
_UNIT_DAYS = {"s": 1 / DAY_SECONDS, "m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "M": 30, "y": 365}
_LEGEND = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")
_RATES = frozenset({"rate", "irate"})
# Functions that make sense of a value that only grows; the last four do not look at its height.
_OF_COUNTERS = frozenset({"rate", "irate", "increase", "resets", "absent_over_time", "present_over_time"})
_CUMULATIVE = ("_bucket", "_count", "_sum")
_PLAIN = re.compile(r"[\w :/@%,;=<>!#&~'\"-]*")
_WITHOUT_JOB = frozenset({"ALERTS", "ALERTS_FOR_STATE"})


def target_promql(board: Board, _: Context) -> Iterator[Fault]:
    """Prometheus must be able to read it."""
    for target in board.targets:
        if target.expr and isinstance(target.parsed, str):
            yield _at(target, f"not PromQL: {target.parsed}")


def target_logql(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because the boards read Prometheus only; a query in another language is in the wrong place."""
    for target in board.targets:
        kind = str(target.source.get("type", PROMETHEUS))
        if kind not in {PROMETHEUS, "datasource"}:
            yield _at(target, f"it is for a data source of the kind {kind!r}")


def target_logql_auto(board: Board, _: Context) -> Iterator[Fault]:
    """`$__auto` is Loki's; Prometheus has `$__rate_interval`."""
    for target in board.targets:
        if "__auto" in target.expr:
            yield _at(target, "it uses $__auto")


def target_rate_interval(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a fixed range holds too few samples when somebody scrapes less often, and hides steps when zoomed in."""
    for target, selector in _selected(board):
        if selector.function in _RATES and selector.range_seconds != RATE_INTERVAL_SECONDS:
            yield _at(target, f"{selector.function} of {selector.name} is over a range of its own")


def target_job(board: Board, context: Context) -> Iterator[Fault]:
    """Every series is of the jobs somebody chose."""
    yield from _must_match(board, context, "job")


def target_instance(board: Board, context: Context) -> Iterator[Fault]:
    """Every series is of the processes somebody chose."""
    yield from _must_match(board, context, "instance")


def target_counter(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because the height of a counter says how long a process has been running."""
    for target, selector in _selected(board):
        if counts_bare(selector, context.known):
            yield _at(target, f"{selector.name} is a counter and is not inside rate, irate or increase")


def unknown_metric(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because a name that is not there is an empty panel."""
    for target, selector in _selected(board):
        if context.known.labels_of(selector.name) is None:
            yield _at(target, _unknown(selector))


def unknown_label(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because a label that is not there matches nothing, groups nothing, and is an empty word in a legend."""
    for target in board.targets:
        if target.tree is None:
            continue
        labels, faults = labels_of(target.tree, context.known.labels_of)
        for fault in [*faults, *_legend_faults(target, labels)]:
            yield _at(target, fault)


def unknown_value(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a value the collector never tells is an empty panel, or where none is shown as 0 a wrong one."""
    for target, selector in _selected(board):
        for fault in impossible(selector):
            yield _at(target, fault)


def target_gauge(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because `rate` takes every fall of a gauge for a restart and adds its height once more."""
    for target, selector in _selected(board):
        if grows_wrongly(selector, context.known):
            yield _at(target, f"{selector.function} of {selector.name}, which is a gauge")


def range_limit(board: Board, _: Context) -> Iterator[Fault]:
    """Prometheus keeps 15 days unless it is told otherwise; years are gauges."""
    for target, selector in _selected(board):
        if fault := too_far(selector):
            yield _at(target, fault)
    opened = mapping(board.document.get("time")).get("from")
    if any(target.over_time for target in board.targets) and _days(opened) > LONGEST_REACH_DAYS:
        yield Fault(f"it opens on {_days(opened):g} days, with lines drawn from what Prometheus keeps")
    for panel in board.panels:
        if any(target.over_time for target in panel.targets):
            for key in ("timeFrom", "timeShift"):
                if (days := _days(panel.document.get(key))) > LONGEST_REACH_DAYS:
                    yield Fault(f"its {key} is {days:g} days", panel.title)


def _days(written: object) -> float:
    """Return how many days back a time of Grafana is, 0 for one that names no span."""
    found = _BACK.fullmatch(str(written or ""))
    return int(found[1]) * _UNIT_DAYS[found[2]] if found else 0.0


def device_series(board: Board, context: Context) -> Iterator[Fault]:
    """100,000 devices on one panel stop the browser; the device board asks for one."""
    here = board.file.rpartition("/")[2].removesuffix(".json") == DEVICE_BOARD
    for target, selector in _selected(board):
        if selector.name not in context.known.of_devices:
            continue
        if not here:
            yield _at(target, f"{selector.name} has a series for each device")
        elif not any(matcher.label == "device_id" and matcher.op == "=" for matcher in selector.matchers):
            yield _at(target, f"{selector.name} is not asked for one device_id")


def yearly_instant(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because a figure of a year or a month is one value, as it is known now; over time it is a flat line."""
    for target, selector in _selected(board):
        labels = context.known.labels_of(selector.name) or frozenset()
        if target.over_time and labels & {"year", "month"}:
            yield _at(target, f"{selector.name} is a figure by year or month and is asked over time")


def needless_regex(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a pattern without a pattern in it is slower and says that something may vary."""
    for target, selector in _selected(board):
        for matcher in selector.matchers:
            if plain_pattern(matcher):
                yield _at(target, f"{matcher.label}{matcher.op}{matcher.value!r} is no pattern")


def ratio_guard(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a site with nothing divides 0 by 0, and one that is not a number makes none of the sum."""
    for target in board.targets:
        if target.tree is not None and spoils_a_sum(target.tree):
            yield _at(target, "it sums up ratios, and a divisor may be 0")


def counts_bare(selector: Selector, known: Known) -> bool:
    """Return whether a counter is read as it stands."""
    kind = known.kinds.get(selector.name)
    if kind is None:
        counts = selector.name.endswith("_total")
    else:
        counts = kind == "counter" or (kind == "histogram" and selector.name.endswith(_CUMULATIVE))
    return counts and selector.function not in _OF_COUNTERS


def grows_wrongly(selector: Selector, known: Known) -> bool:
    """Return whether a function of counters is asked of a gauge."""
    gauge = known.kinds.get(selector.name) in {"gauge", "info"}
    return gauge and selector.function in {*_RATES, "increase"}


def too_far(selector: Selector) -> str:
    """Return how a selector reads further back than Prometheus keeps, "" where it does not."""
    if selector.pinned:
        return f"{selector.name} is read at a moment that stays (@), which soon is too long ago"
    if selector.reach_seconds > LONGEST_REACH_DAYS * DAY_SECONDS:
        return f"{selector.name} is read {selector.reach_seconds / DAY_SECONDS:g} days back"
    return ""


def plain_pattern(matcher: Matcher) -> bool:
    """Return whether a pattern matcher has neither a pattern nor a variable in its value."""
    return matcher.op in {"=~", "!~"} and bool(_PLAIN.fullmatch(matcher.value))


def unknown_words(selector: Selector) -> str:
    """Return what is said of a selector whose name nobody knows."""
    return _unknown(selector)


def _unknown(selector: Selector) -> str:
    return f"there is no metric {selector.name}" if selector.name else "a selector names no metric"


def _selected(board: Board) -> Iterator[tuple[Target, Selector]]:
    for target in board.targets:
        if target.tree is not None:
            for selector in selectors(target.tree):
                yield target, selector


def _must_match(board: Board, context: Context, label: str) -> Iterator[Fault]:
    for target, selector in _selected(board):
        labels = context.known.labels_of(selector.name) or frozenset()
        if label not in labels or selector.name in _WITHOUT_JOB:
            continue
        wanted = {Matcher(label, "=~", f"${label}")}
        if label == "job" and selector.name in context.known.sent:
            wanted = {Matcher(label, "=~", f"$job|{SENT}")}
        if not wanted & set(selector.matchers):
            yield _at(target, f'{selector.name} has no {label}=~"{next(iter(wanted)).value}"')


def _legend_faults(target: Target, labels: Labels) -> Iterator[str]:
    for label in _LEGEND.findall(str(target.document.get("legendFormat") or "")):
        if labels is not None and label not in labels and label != "__name__":
            yield f"the legend names {label}, and the answer has {', '.join(sorted(labels)) or 'no labels'}"


def _at(target: Target, what: str) -> Fault:
    return Fault(what, target.panel, target.letter)
