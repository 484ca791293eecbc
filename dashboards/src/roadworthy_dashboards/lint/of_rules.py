"""Rules of Prometheus' rule files: groups, alerts, what they record, and the runbooks they point at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import promql_parser

from roadworthy_dashboards.labels import labels_of
from roadworthy_dashboards.links import AUDIENCES
from roadworthy_dashboards.lint.context import Context
from roadworthy_dashboards.lint.findings import Fault
from roadworthy_dashboards.lint.of_queries import (
    DAY_SECONDS,
    counts_bare,
    grows_wrongly,
    plain_pattern,
    too_far,
    unknown_words,
)
from roadworthy_dashboards.lint.rule_files import RuleEntry, RuleFile
from roadworthy_dashboards.lint.sentences import unfinished
from roadworthy_dashboards.lint.vocabulary import impossible
from roadworthy_dashboards.promql import (
    QueryError,
    Selector,
    compares,
    functions,
    parse,
    selectors,
    spoils_a_sum,
    variables_in,
)

LONGEST_INTERVAL_SECONDS = 300
SEVERITIES = frozenset({"critical", "warning", "info"})
# What an alert may be labelled with; a key that slips in here from another level becomes a label without a word.
ALERT_LABELS = frozenset({"severity", "audience"})
ANNOTATIONS = frozenset({"summary", "description", "runbook_url", "dashboard_url"})
# As a route spells them.
_AUDIENCES = frozenset(name.replace("-", "_") for name in AUDIENCES)
HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
_KEYS_OF_FILE = frozenset({"groups"})
_KEYS_OF_GROUP = frozenset({"name", "interval", "rules", "limit"})
_KEYS_OF_ALERT = frozenset({"alert", "expr", "for", "keep_firing_for", "labels", "annotations"})
_KEYS_OF_RECORD = frozenset({"record", "expr", "labels"})
_CAMEL = re.compile(r"(?:[A-Z][a-z0-9]+|[A-Z]{2,}(?=[A-Z][a-z]|$))+")
_RECORDED = re.compile(r"[a-z_]+:[a-zA-Z_][a-zA-Z0-9_]*:[a-zA-Z0-9_]+")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LABEL_USED = re.compile(r"\$labels\.(\w+)|\$labels\s+\"(\w+)\"|\.Labels\.(\w+)")
_FRAGILE = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


def seconds(duration: str) -> float | None:
    """Return a duration as Prometheus writes it in seconds, None if it is none."""
    found = _DURATION.fullmatch(duration)
    if not duration or not found:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return days * DAY_SECONDS + hours * 3600 + minutes * 60 + rest


def rule_keys(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because a key on the wrong level is refused by Prometheus, or worse, taken for a label."""
    for key in sorted(file.keys - _KEYS_OF_FILE):
        yield Fault(f"{key} is no key of a rule file")
    for group in file.groups:
        for key in sorted(group.keys - _KEYS_OF_GROUP):
            yield Fault(f"{key} is no key of a group", f"group {group.name}")
        for entry in group.entries:
            if bool(entry.alert) == bool(entry.record):
                yield Fault("it must have alert or record, and one of them only", entry.name)
            for key in sorted(entry.keys - (_KEYS_OF_ALERT if entry.alert else _KEYS_OF_RECORD)):
                yield Fault(f"{key} is no key of such a rule", entry.name)


def group_interval(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because a sample is forgotten after five minutes: a slower group records gaps."""
    for group in file.groups:
        found = seconds(group.interval)
        if found is None:
            yield Fault("it does not say how often it runs", f"group {group.name}")
        elif not 0 < found <= LONGEST_INTERVAL_SECONDS:
            yield Fault(f"it runs every {group.interval}", f"group {group.name}")


def rule_promql(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Prometheus must be able to read it; Grafana's variables it cannot."""
    for entry in _entries(file):
        for name in sorted(variables_in(entry.expr)):
            yield Fault(f"${name} is a variable of Grafana", entry.name)
        try:
            parse(entry.expr)
        except QueryError as error:
            yield Fault(f"not PromQL: {error}", entry.name)


def rule_metric(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Check, because a rule about a name that is not there never fires."""
    for entry, selector in _selected(file):
        if context.known.labels_of(selector.name) is None:
            yield Fault(unknown_words(selector), entry.name)


def rule_label(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Check, because a rule about a label that is not there never fires, or fires for all at once."""
    for entry, tree in _trees(file):
        for fault in labels_of(tree, context.known.labels_of)[1]:
            yield Fault(fault, entry.name)


def rule_counter(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Check, because the height of a counter says how long a process has been running."""
    for entry, selector in _selected(file):
        if counts_bare(selector, context.known):
            yield Fault(f"{selector.name} is a counter and is not inside rate or increase", entry.name)


def rule_range(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Prometheus keeps 15 days unless it is told otherwise."""
    for entry, selector in _selected(file):
        if fault := too_far(selector):
            yield Fault(fault, entry.name)


def rule_value(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because a rule about a value the collector never tells never fires."""
    for entry, selector in _selected(file):
        for fault in impossible(selector):
            yield Fault(fault, entry.name)


def rule_gauge(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Check, because `rate` takes every fall of a gauge for a restart and adds its height once more."""
    for entry, selector in _selected(file):
        if grows_wrongly(selector, context.known):
            yield Fault(f"{selector.function} of {selector.name}, which is a gauge", entry.name)


def rule_device(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Check, because a rule over the series of 100,000 devices is 100,000 alerts."""
    for entry, selector in _selected(file):
        if selector.name in context.known.of_devices:
            yield Fault(f"{selector.name} has a series for each device", entry.name)


def rule_regex(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because a pattern without a pattern in it says that something may vary."""
    for entry, selector in _selected(file):
        for matcher in selector.matchers:
            if plain_pattern(matcher):
                yield Fault(f"{matcher.label}{matcher.op}{matcher.value!r} is no pattern", entry.name)


def rule_ratio(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because a site with nothing divides 0 by 0, and one that is not a number makes none of the sum."""
    for entry, tree in _trees(file):
        if spoils_a_sum(tree):
            yield Fault("it sums up ratios, and a divisor may be 0", entry.name)


def rule_twice(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Two rules of one name and the same labels overwrite each other."""
    every = Counter(_identity(entry) for other in context.rule_files for entry in _entries(other))
    for entry in _entries(file):
        if every[_identity(entry)] > 1:
            yield Fault("another rule has the same name and labels", entry.name)


def record_name(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because a recorded series says its level, its metric and what was done to it."""
    for entry in _entries(file):
        if entry.record and not _RECORDED.fullmatch(entry.record):
            yield Fault("it is not called level:metric:operations", entry.name)


def alert_name(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Alerts are found by name in runbooks, tickets and files: one spelling, without quotes."""
    for entry in _alerts(file):
        if not _CAMEL.fullmatch(entry.alert):
            yield Fault("its name is not CamelCase", entry.name)
        if not re.search(rf"alert: {re.escape(entry.alert)}\s*(?:#.*)?$", file.text, re.MULTILINE):
            yield Fault("its name is quoted or on another line than `alert:`", entry.name)


def alert_for(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Without `for` one missed scrape wakes somebody; without `keep_firing_for` it does so again and again."""
    for entry in _alerts(file):
        for key, written in (("for", entry.hold), ("keep_firing_for", entry.keep)):
            if not seconds(written):
                yield Fault(f"it has no {key}" if not written else f"its {key} is {written}", entry.name)


def alert_labels(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Routes go by these labels; a value in a label makes a new alert at every change."""
    for entry in _alerts(file):
        for key in sorted(set(entry.labels) - ALERT_LABELS):
            yield Fault(f"{key} is no label of an alert", entry.name)
        for key in sorted(ALERT_LABELS - set(entry.labels)):
            yield Fault(f"it has no label {key}", entry.name)
        if entry.labels.get("severity", "info") not in SEVERITIES:
            yield Fault(f"its severity is {entry.labels['severity']}", entry.name)
        audience = entry.labels.get("audience", "operations")
        if audience not in _AUDIENCES and "{{" not in audience:
            yield Fault(f"its audience is {audience}, which no route is for", entry.name)
        for key, value in entry.labels.items():
            if "{{" in value:
                yield Fault(f"its label {key} is a template", entry.name)


def alert_annotations(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Whoever is woken reads what it is, what it means, and where to go on."""
    for entry in _alerts(file):
        for key in ("summary", "description", "runbook_url"):
            if not entry.annotations.get(key, "").strip():
                yield Fault(f"it has no {key}", entry.name)
        for fault in unfinished(entry.annotations.get("description", "")):
            yield Fault(f"its description {fault}", entry.name)
        for key in sorted(set(entry.annotations) - ANNOTATIONS):
            yield Fault(f"{key} is no annotation of an alert", entry.name)


def alert_template(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Check, because a label the alert does not have is an empty word in a message."""
    for entry, tree in _trees(file):
        labels = labels_of(tree, context.known.labels_of)[0]
        if not entry.alert or labels is None:
            continue
        used = {
            next(filter(None, found))
            for text in entry.annotations.values()
            for found in _LABEL_USED.findall(text)
        }
        for label in sorted(used - labels - set(entry.labels)):
            yield Fault(f"its text names the label {label}, which it does not have", entry.name)


def alert_comparison(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because an alert without a condition always fires."""
    for entry, tree in _trees(file):
        if entry.alert and not compares(tree) and not functions(tree) & {"absent", "absent_over_time"}:
            yield Fault("it has no condition", entry.name)


def alert_fragile(file: RuleFile, _: Context) -> Iterator[Fault]:
    """Check, because the ten worst change all the time: each change ends an alert and starts another."""
    for entry, tree in _trees(file):
        for name in sorted(functions(tree) & _FRAGILE):
            if entry.alert:
                yield Fault(f"it uses {name}", entry.name)


def alert_runbook(file: RuleFile, context: Context) -> Iterator[Fault]:
    """Every alert has a page under its name that says what it means and what to do."""
    for entry in _alerts(file):
        page = context.runbooks / f"{entry.alert}.md"
        if not entry.annotations.get("runbook_url", f"/{page.name}").endswith(f"/{page.name}"):
            yield Fault(f"its runbook_url does not end with /{page.name}", entry.name)
        if not page.is_file():
            yield Fault(f"there is no runbook {page.name}", entry.name)
            continue
        text = page.read_text("utf-8")
        missing = [
            heading for heading in HEADINGS if not re.search(rf"^#+ {heading}\s*$", text, re.MULTILINE)
        ]
        if missing:
            yield Fault(f"its runbook has no heading {', '.join(missing)}", entry.name)
        if re.search(r"\bTODO\b|\bTBD\b", text):
            yield Fault("its runbook is not finished", entry.name)


def _entries(file: RuleFile) -> Iterator[RuleEntry]:
    for group in file.groups:
        yield from group.entries


def _alerts(file: RuleFile) -> Iterator[RuleEntry]:
    return (entry for entry in _entries(file) if entry.alert)


def _trees(file: RuleFile) -> Iterator[tuple[RuleEntry, promql_parser.Expr]]:
    for entry in _entries(file):
        try:
            tree = parse(entry.expr)
        except QueryError:  # one rule's business
            continue
        yield entry, tree


def _selected(file: RuleFile) -> Iterator[tuple[RuleEntry, Selector]]:
    for entry, tree in _trees(file):
        for selector in selectors(tree):
            yield entry, selector


def _identity(entry: RuleEntry) -> tuple[str, tuple[tuple[str, str], ...]]:
    return entry.name, tuple(sorted(entry.labels.items()))
