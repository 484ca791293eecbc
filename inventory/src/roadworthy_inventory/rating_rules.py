"""The rules of the rating, as data: a TOML file of bands with their units, read, checked and named by a digest.

A rule looks at one measure of a device's condition and says from which value on it needs attention or demands
action; `also` adds tests that must hold too. It may be kept to, or away from, usage profiles, device classes and
environments. The bands that ship (`data/rating_rules.toml`) are ours and say so.

    [[rule]]
    id = "startup-slow"
    looks_at = "startup_p90_seconds"
    comparison = "above"                # above, at_least, below, at_most; is, for words and yes or no
    value_seconds = 120                 # the unit is part of the key's name
    rating = "needs attention"          # or "action required"
    reason = "nine of ten start-ups took up to {value}, and {threshold} is the limit"
    source = "ours"                     # or a public https address
    evidence_count = 5                  # judged from so many start-ups on
    not_device_classes = ["server"]     # or only_...; also ..._usage_profiles and ..._environments

Editing is a function from text to rules: `parse_rules` says file, line and key of everything it refuses.
"""

from __future__ import annotations

import hashlib
import json
import math
import string
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from roadworthy_inventory import device_class, tables
from roadworthy_inventory.rating_measures import (
    ACTION,
    ATTENTION,
    ENVIRONMENTS,
    MEASURES,
    VALUE_KEYS,
    Measure,
    Value,
)
from roadworthy_inventory.register import USAGE_PROFILES
from roadworthy_inventory.toml_lines import Place, TomlLines

NUMBERS = ("above", "at_least", "below", "at_most")
COMPARISONS = (*NUMBERS, "is")
_FILE = "rating_rules.toml"
_FORMAT = 1
_LONGEST_DAYS = 3660


class RuleError(ValueError):
    """A rule file that cannot be used; the text names file, line and key, one problem a line of `problems`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


_WHOLE = frozenset({"days", "count"})
_LISTS = MappingProxyType(
    {
        "usage_profiles": USAGE_PROFILES,
        "device_classes": device_class.CLASSES,
        "environments": ENVIRONMENTS,
    }
)
_TEST_KEYS = frozenset({"looks_at", "comparison", *VALUE_KEYS.values()})
_RULE_KEYS = frozenset(
    {
        *(*_TEST_KEYS, "id", "rating", "reason", "source", "evidence_count", "also"),
        *(f"{which}_{name}" for which in ("only", "not") for name in _LISTS),
    }
)
_TOP_KEYS = frozenset({"format", "name", "observing_days", "silent_days", "rule"})
_NAMES_IN_REASON = frozenset({"value", "threshold", "date"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: `looks_at` a measure, against `value` in the measure's unit."""

    looks_at: str
    comparison: str
    value: Value

    def holds(self, found: Value) -> bool:
        """Whether `found` meets the comparison; both are of the measure's kind."""
        if self.comparison == "is":
            return found == self.value
        if isinstance(found, str) or isinstance(self.value, str):
            return False
        if self.comparison == "above":
            return found > self.value
        if self.comparison == "at_least":
            return found >= self.value
        return found < self.value if self.comparison == "below" else found <= self.value


@dataclass(frozen=True, slots=True)
class Scope:
    """Which devices a rule is for: `only` these words, and `never` those; empty is no limit."""

    about: str
    only: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    def admits(self, word: str) -> bool | None:
        """Whether a device of that word is meant; None where the word is unknown and the rule asks for known ones."""
        if word in self.never:
            return False
        if not self.only or word in self.only:
            return True
        return None if word == "unknown" else False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `tests[0]` is the figure its reason shows, the others must hold too."""

    rule_id: str
    rating: str
    reason: str
    source: str
    tests: tuple[Comparison, ...]
    scopes: tuple[Scope, ...] = ()  # in the order of SCOPED
    evidence_count: int | None = None


SCOPED = tuple(_LISTS)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """An edition of the rules; `digest` is the SHA-256 of what they say, whatever their order, comments and layout.

    `observing_days`: so long after its first report nothing demands action of a device. `silent_days`: a device
    whose last report is older has no current measurements.
    """

    name: str
    observing_days: int
    silent_days: int
    rules: tuple[Rule, ...]
    digest: str = field(default="")


def _canonical(rule: Rule) -> list[Any]:
    scopes = [[one.about, sorted(one.only), sorted(one.never)] for one in rule.scopes]
    # 120 and 120.0 are the same band, yes and 1 are not.
    tests = [
        [one.looks_at, one.comparison, float(one.value) if type(one.value) is int else one.value]
        for one in rule.tests
    ]
    return [rule.rule_id, rule.rating, rule.reason, rule.source, rule.evidence_count, tests, scopes]


def _digest(found: RuleSet) -> str:
    said = [_FORMAT, found.name, found.observing_days, found.silent_days]
    rules = sorted((_canonical(rule) for rule in found.rules), key=lambda one: str(one[0]))
    return hashlib.sha256(json.dumps([said, rules], ensure_ascii=True).encode()).hexdigest()


class _Reader:
    """Reads one file and gathers every problem with its place, so that one go shows them all."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = TomlLines(text)
        self.problems: list[tuple[int, str]] = []

    def refuse(self, place: Place, key: str, why: str) -> None:
        line = self.lines.of((*place, key) if key else place)
        said = f"{key}: {why}" if key else why
        self.problems.append((line, f"{self.name}: line {line}: {said}"))

    def unknown_keys(self, place: Place, table: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in table:
            if key not in known:
                self.refuse(place, key, f"is no key of this table; it may have {', '.join(sorted(known))}")

    def text(self, place: Place, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key)
        if isinstance(value, str) and value.strip():
            return value
        self.refuse(place, key, "is missing" if key not in table else "must be text, and not empty")
        return ""

    def word(self, place: Place, table: Mapping[str, Any], key: str, allowed: Sequence[str]) -> str:
        value = self.text(place, table, key)
        if value and value not in allowed:
            self.refuse(place, key, f"{value!r} is none of {', '.join(allowed)}")
        return value

    def whole(self, place: Place, table: Mapping[str, Any], key: str, most: int) -> int:
        value = table.get(key)
        if type(value) is int and 1 <= value <= most:
            return value
        self.refuse(
            place, key, "is missing" if key not in table else f"must be a whole number from 1 to {most}"
        )
        return 1

    def words(
        self, place: Place, table: Mapping[str, Any], key: str, allowed: Sequence[str]
    ) -> frozenset[str]:
        value = table.get(key)
        if value is None:
            return frozenset()
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            self.refuse(place, key, "must be a list of words, and not empty")
            return frozenset()
        for one in value:
            if one not in allowed:
                self.refuse(place, key, f"{one!r} is none of {', '.join(allowed)}")
        return frozenset(value)


def _value(reader: _Reader, place: Place, table: Mapping[str, Any], measure: Measure) -> Value:
    """Return the one value of `table` in the unit of `measure`; refused where it is another unit or no such value."""
    wanted = VALUE_KEYS[measure.unit]
    for key in sorted(set(table) & set(VALUE_KEYS.values()) - {wanted}):
        reader.refuse(place, key, f"{measure.name} is compared with {wanted}")
    value = table.get(wanted)
    if value is None:
        reader.refuse(place, wanted, "is missing")
    elif measure.unit == "word":
        return reader.word(place, table, wanted, measure.words)
    elif measure.unit == "flag":
        if isinstance(value, bool):
            return value
        reader.refuse(place, wanted, "must be true or false")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        reader.refuse(place, wanted, "must be a number")
    elif measure.unit in _WHOLE and not isinstance(value, int):
        reader.refuse(place, wanted, "must be a whole number")
    elif value < 0 and measure.unit != "days":
        reader.refuse(place, wanted, "must not be negative")
    else:
        return value
    return 0


def _test(reader: _Reader, place: Place, table: Mapping[str, Any]) -> Comparison:
    looks_at = reader.word(place, table, "looks_at", tuple(MEASURES))
    comparison = reader.word(place, table, "comparison", COMPARISONS)
    measure = MEASURES.get(looks_at)
    if measure is None:
        return Comparison(looks_at, comparison, 0)
    exact = measure.unit in {"word", "flag"}
    if comparison in COMPARISONS and exact != (comparison == "is"):
        reader.refuse(place, "comparison", f"{looks_at} takes {'is' if exact else ', '.join(NUMBERS)}")
    return Comparison(looks_at, comparison, _value(reader, place, table, measure))


def _reason(reader: _Reader, place: Place, table: Mapping[str, Any]) -> str:
    """Return the sentence; it may name {value}, {threshold} and, of a dated measure, {date}, and nothing else."""
    text = reader.text(place, table, "reason")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as fault:
        reader.refuse(place, "reason", f"has a brace that does not pair ({fault})")
        return text
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in _NAMES_IN_REASON or spec or conversion:
            reader.refuse(place, "reason", f"{{{name}}} is none of {{value}}, {{threshold}}, {{date}}")
        looked = MEASURES.get(str(table.get("looks_at")))
        if name == "date" and looked is not None and not looked.dated:
            reader.refuse(place, "reason", f"{looked.name} has no {{date}}")
    return text


def _source(reader: _Reader, place: Place, table: Mapping[str, Any]) -> str:
    said = reader.text(place, table, "source")
    if said and said != "ours":
        try:
            public = urlsplit(said).scheme == "https" and bool(urlsplit(said).hostname)
        except ValueError:
            public = False
        if not public:
            reader.refuse(place, "source", f"{said!r} is neither ours nor a public https address")
    return said


def _rule(reader: _Reader, place: Place, table: Mapping[str, Any]) -> Rule:
    reader.unknown_keys(place, table, _RULE_KEYS)
    tests = [_test(reader, place, table)]
    also = table.get("also", [])
    if not isinstance(also, list) or not all(isinstance(one, dict) for one in also):
        reader.refuse(place, "also", "must be tables, [[rule.also]]")
        also = []
    for number, one in enumerate(also):
        inner = (*place, "also", number)
        reader.unknown_keys(inner, one, _TEST_KEYS)
        tests.append(_test(reader, inner, one))
    scopes = tuple(
        Scope(
            about,
            reader.words(place, table, f"only_{about}", allowed),
            reader.words(place, table, f"not_{about}", allowed),
        )
        for about, allowed in _LISTS.items()
    )
    for one in scopes:
        if one.only & one.never:
            reader.refuse(
                place, f"not_{one.about}", f"{', '.join(sorted(one.only & one.never))} is in only_ too"
            )
    evidence = reader.whole(place, table, "evidence_count", 10_000) if "evidence_count" in table else None
    looked = MEASURES.get(tests[0].looks_at)
    if evidence is not None and looked is not None and looked.evidence is None:
        reader.refuse(place, "evidence_count", f"{looked.name} is not made from several events")
    return Rule(
        rule_id=reader.text(place, table, "id"),
        rating=reader.word(place, table, "rating", (ATTENTION, ACTION)),
        reason=_reason(reader, place, table),
        source=_source(reader, place, table),
        tests=tuple(tests),
        scopes=scopes,
        evidence_count=evidence,
    )


def parse_rules(text: str, name: str = _FILE) -> RuleSet:
    """Return the rules `text` says; RuleError with every problem, each with `name`, line and key, otherwise."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise RuleError([f"{name}: {fault}"]) from None
    reader = _Reader(name, text)
    reader.unknown_keys((), said, _TOP_KEYS)
    if said.get("format") != _FORMAT or type(said.get("format")) is not int:
        reader.refuse((), "format", f"must be {_FORMAT}")
    tables_of = said.get("rule", [])
    if not isinstance(tables_of, list) or not all(isinstance(one, dict) for one in tables_of):
        reader.refuse((), "rule", "must be tables, [[rule]]")
        tables_of = []
    rules: dict[str, Rule] = {}
    for number, table in enumerate(tables_of):
        rule = _rule(reader, ("rule", number), table)
        if rule.rule_id in rules:
            reader.refuse(("rule", number), "id", f"{rule.rule_id} is there twice")
        rules[rule.rule_id] = rule
    found = RuleSet(
        name=reader.text((), said, "name"),
        observing_days=reader.whole((), said, "observing_days", _LONGEST_DAYS),
        silent_days=reader.whole((), said, "silent_days", _LONGEST_DAYS),
        rules=tuple(rules.values()),
    )
    if reader.problems:
        raise RuleError([said for _, said in sorted(reader.problems)])
    return RuleSet(found.name, found.observing_days, found.silent_days, found.rules, _digest(found))


@cache
def shipped_rules() -> RuleSet:
    """Return the rules that ship with this package, read once."""
    return parse_rules(tables.read_text(_FILE))
