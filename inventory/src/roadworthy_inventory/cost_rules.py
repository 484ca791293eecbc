"""Rules a finance officer can edit, that say of a line what it pays for; and people's corrections, which beat them.

A rule file is TOML. Rules are tried in the file's order and the first that matches decides; every later one that
matches and says otherwise is shown as a conflict. What a rule does not say stays unknown: nothing is guessed, and
what is unknown widens the bounds of a share instead of moving it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from roadworthy_inventory.ledger import KINDS, Kind, LedgerLine
from roadworthy_inventory.tables import read_text
from roadworthy_inventory.toml_lines import TomlLines

_DEFAULT_FILE = "cost_rules.toml"
INTENTS = ("run", "change", "unknown")
ANSWERS = ("yes", "no", "unknown")
Intent = Literal["run", "change", "unknown"]
Answer = Literal["yes", "no", "unknown"]

# Pool: is it maintenance by definition B? "unknown" leaves it to the rule. The pools are part of the definitions:
# a change here is a change of costs.DEFINITION_VERSION.
POOLS: Mapping[str, Answer] = {
    "hardware_maintenance": "yes",
    "software_maintenance": "yes",
    "repair_parts": "yes",
    "repair_labour": "yes",
    "extended_support": "yes",
    "break_fix": "yes",
    "support_desk": "yes",
    "electricity": "no",
    "licences": "no",
    "cloud": "no",
    "lease": "no",
    "capital_refresh": "no",
    "projects": "no",
    "training": "no",
    "depreciation": "no",
    "telecoms": "unknown",
    "staff": "unknown",
    "outside_services": "unknown",
    "facilities": "unknown",
    "consumables": "unknown",
    "internal_services": "unknown",
    "other": "unknown",
    "unknown": "unknown",
}


class CostRuleError(ValueError):
    """A rule file or a correction is wrong; the message names file, rule and key and says what is expected."""


class Facts(NamedTuple):
    """All a rule can see of a line; lines with the same facts are always classified alike."""

    subjective_code: str | None
    supplier: str | None
    description: str | None
    cost_centre: str | None


@dataclass(frozen=True, slots=True)
class Classification:
    """What a line pays for. `confidence` is 0 to 1, the rule writer's own; `rule` is None where nothing matched.

    `conflicts`: rules further down that match too and say otherwise. `corrected_by`: the person whose word this is.
    """

    pool: str = "unknown"
    intent: Intent = "unknown"
    maintenance: Answer = "unknown"
    legacy: Answer = "unknown"
    confidence: float = 0.0
    rule: str | None = None
    conflicts: tuple[str, ...] = ()
    corrected_by: str | None = None


UNCLASSIFIED = Classification()


@dataclass(frozen=True, slots=True)
class Correction:
    """A person's word on one line, by the line's key: beats every rule, with confidence 1."""

    line_key: str
    result: Classification
    person: str
    on: date
    reason: str

    def __post_init__(self) -> None:
        if not self.person.strip() or not self.reason.strip():
            raise CostRuleError(f"the correction of line {self.line_key} needs a person and a reason")
        _check_result(self.result, f"the correction of line {self.line_key}")


class Rule(NamedTuple):
    """One rule: `matches` tells whether it applies; `kind` corrects a ledger that does not tell its kinds."""

    id: str
    matches: Callable[[Facts], bool]
    result: Classification
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class CostRules:
    """Rules in order, and `scope`: which lines of a whole body's payments are IT at all.

    `digest` names this exact set of rules, so that two years classified differently are seen to be.
    """

    rules: tuple[Rule, ...]
    scope: tuple[Callable[[Facts], bool], ...]
    digest: str

    def classify(self, facts: Facts) -> Classification:
        """Return what the first matching rule says, with the conflicts; unclassified where none matches."""
        matching = [rule for rule in self.rules if rule.matches(facts)]
        if not matching:
            return UNCLASSIFIED
        first = matching[0].result
        conflicts = tuple(rule.id for rule in matching[1:] if _differ(first, rule.result))
        return replace(first, conflicts=conflicts)

    def kind(self, facts: Facts) -> Kind | None:
        """Return the kind the first matching rule gives, None where it gives none."""
        return next((rule.kind for rule in self.rules if rule.matches(facts)), None)

    def in_scope(self, facts: Facts) -> bool:
        """Whether a line of a whole body's payments is IT by the file's `[[scope]]` entries."""
        return any(matches(facts) for matches in self.scope)


def facts_of(line: LedgerLine) -> Facts:
    """Return what rules can see of a ledger line."""
    return Facts(line.subjective_code, line.supplier, line.description, line.cost_centre)


def with_kinds(lines: Iterable[LedgerLine], rules: CostRules) -> list[LedgerLine]:
    """Return the lines with the kind a rule gives to what the ledger holds for an actual: its own word stands else.

    Keys stay as they were, so corrections still find their lines.
    """
    kind_of = cache(rules.kind)
    found = []
    for line in lines:
        kind = kind_of(facts_of(line)) if line.kind == "actual" else None
        found.append(line if kind is None else replace(line, kind=kind, origin=line.key))
    return found


def latest_corrections(corrections: Iterable[Correction]) -> dict[str, Correction]:
    """Return the correction in force by line key: the last by date, of one day the last given."""
    found: dict[str, Correction] = {}
    for correction in corrections:
        held = found.get(correction.line_key)
        if held is None or held.on <= correction.on:
            found[correction.line_key] = correction
    return found


def classify_lines(
    lines: Sequence[LedgerLine], rules: CostRules, corrections: Iterable[Correction] = ()
) -> list[Classification]:
    """Return the classification of each line, in order. A corrected line says what the rules would have said."""
    classify = cache(rules.classify)
    corrected = latest_corrections(corrections)
    found = []
    for line in lines:
        result = classify(facts_of(line))
        correction = corrected.get(line.key) if corrected else None
        if correction is not None:
            against = (result.rule,) if result.rule and _differ(correction.result, result) else ()
            result = replace(
                correction.result,
                confidence=1.0,
                rule=None,
                conflicts=against,
                corrected_by=correction.person,
            )
        found.append(result)
    return found


def _differ(one: Classification, other: Classification) -> bool:
    """Whether two results contradict each other; saying nothing contradicts nothing."""
    return any(
        "unknown" not in (mine, theirs) and mine != theirs
        for mine, theirs in (
            (one.intent, other.intent),
            (one.maintenance, other.maintenance),
            (one.legacy, other.legacy),
        )
    )


def default_rules() -> CostRules:
    """Return the rules that ship with the product: general words only, because codes are each body's own."""
    return parse_rules(read_text(_DEFAULT_FILE), _DEFAULT_FILE)


def parse_rules(text: str, name: str = "cost rules") -> CostRules:
    """Return the rules of a TOML text; CostRuleError naming file, rule and key where one is wrong."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CostRuleError(f"{name}: is no TOML: {error}") from None
    if unknown := sorted(tables.keys() - {"rule", "scope"}):
        raise CostRuleError(f"{name}: {unknown[0]}: unknown table; known: [[rule]] and [[scope]]")
    entries = _tables(tables, "rule", name)
    if not entries:
        raise CostRuleError(f"{name}: has no [[rule]]")
    lines = TomlLines(text)
    rules: dict[str, Rule] = {}
    for at, entry in enumerate(entries):
        where = f"{name}: line {lines.of(('rule', at))}"
        rule = _rule(entry, where)
        if rule.id in rules:
            raise CostRuleError(f"{where}: id {rule.id!r} is there twice")
        rules[rule.id] = rule
    scope = [
        _condition(_only(entry, {"when"}, where).get("when"), where)
        for at, entry in enumerate(_tables(tables, "scope", name))
        for where in (f"{name}: line {lines.of(('scope', at))}",)
    ]
    # The parsed tables, not the text: a comment or a space more is not another method.
    digest = blake2b(repr(tables).encode(), digest_size=8).hexdigest()
    return CostRules(tuple(rules.values()), tuple(scope), digest)


def _tables(tables: Mapping[str, Any], key: str, name: str) -> list[Mapping[str, Any]]:
    entries = tables.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CostRuleError(f"{name}: {key}: write [[{key}]], a list of tables")
    return entries


def _only(entry: Mapping[str, Any], allowed: set[str], where: str) -> Mapping[str, Any]:
    if unknown := sorted(entry.keys() - allowed):
        raise CostRuleError(f"{where}: {unknown[0]}: unknown key; known: {', '.join(sorted(allowed))}")
    return entry


_RULE_KEYS = {"id", "when", "pool", "intent", "maintenance", "legacy", "confidence", "kind"}


def _rule(entry: Mapping[str, Any], where: str) -> Rule:
    id_ = entry.get("id")
    if not isinstance(id_, str) or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", id_):
        raise CostRuleError(f"{where}: id: give one of a-z, 0-9, dot, dash or underscore, up to 64 long")
    where = f"{where}: rule {id_}"
    _only(entry, _RULE_KEYS, where)
    confidence = entry.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise CostRuleError(f"{where}: confidence: is a number from 0 to 1")
    pool = _one_of(entry, "pool", tuple(POOLS), where)
    by_pool = POOLS[pool]
    result = Classification(
        pool=pool,
        intent=_one_of(entry, "intent", INTENTS, where),  # type: ignore[arg-type]  # checked against INTENTS
        maintenance=_one_of(entry, "maintenance", ANSWERS, where, by_pool),  # type: ignore[arg-type]  # checked
        legacy=_one_of(entry, "legacy", ANSWERS, where),  # type: ignore[arg-type]  # checked against ANSWERS
        confidence=float(confidence),
        rule=id_,
    )
    _check_result(result, where)
    kind = _one_of(entry, "kind", KINDS, where) if "kind" in entry else None
    return Rule(id_, _condition(entry.get("when"), where), result, kind)  # type: ignore[arg-type]  # checked


def _one_of(
    entry: Mapping[str, Any], key: str, allowed: Sequence[str], where: str, default: str = "unknown"
) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str) or value not in allowed:
        raise CostRuleError(f"{where}: {key}: {value!r} is none of {', '.join(allowed)}")
    return value


def _check_result(result: Classification, where: str) -> None:
    """Refuse what the definitions rule out: a pool against its definition, maintenance that is not run."""
    if result.pool not in POOLS or result.intent not in INTENTS:
        raise CostRuleError(f"{where}: pool or intent: {result.pool!r}, {result.intent!r} are not known")
    if result.maintenance not in ANSWERS or result.legacy not in ANSWERS:
        raise CostRuleError(f"{where}: maintenance and legacy are each one of {', '.join(ANSWERS)}")
    by_pool = POOLS[result.pool]
    if by_pool not in ("unknown", result.maintenance):
        raise CostRuleError(
            f"{where}: maintenance: the pool {result.pool} is {'' if by_pool == 'yes' else 'not '}maintenance"
        )
    if result.maintenance == "yes" and result.intent != "run":
        raise CostRuleError(f"{where}: intent: maintenance is run, not {result.intent}")


_CONDITIONS = {"code_prefix", "code_from", "code_to", "supplier", "words", "not_words", "cost_centre"}


def _condition(when: object, where: str) -> Callable[[Facts], bool]:
    """Return the test of one `when`: every key given must hold, of a key's values any one."""
    if not isinstance(when, dict) or not when.keys() - {"not_words"}:
        raise CostRuleError(f"{where}: when: give at least one of {', '.join(sorted(_CONDITIONS))}")
    _only(when, _CONDITIONS, f"{where}: when")
    prefixes = _texts(when, "code_prefix", where)
    first, last = _range(when, where)
    supplier = _phrases(_texts(when, "supplier", where))
    words = _phrases(_texts(when, "words", where))
    not_words = _phrases(_texts(when, "not_words", where))
    centres = _wildcards(_texts(when, "cost_centre", where))

    def matches(facts: Facts) -> bool:
        code = (facts.subjective_code or "").strip()
        text = facts.description or ""
        return (
            (not prefixes or code.casefold().startswith(tuple(prefix.casefold() for prefix in prefixes)))
            and (first is None or last is None or _between(code, first, last))
            and (supplier is None or supplier.search(facts.supplier or "") is not None)
            and (words is None or words.search(text) is not None)
            and (not_words is None or not_words.search(text) is None)
            and (centres is None or centres.fullmatch((facts.cost_centre or "").strip()) is not None)
        )

    return matches


def _texts(when: Mapping[str, Any], key: str, where: str) -> list[str]:
    values = when.get(key, [])
    listed = [values] if isinstance(values, str) else values
    if not isinstance(listed, list) or not all(isinstance(text, str) and text.strip(" *") for text in listed):
        raise CostRuleError(f"{where}: {key}: is a text or a list of texts, none empty")
    if key in when and not listed:
        raise CostRuleError(f"{where}: {key}: is empty")
    if any(re.search(r"\*\S", text) for text in listed):
        raise CostRuleError(f"{where}: {key}: a star stands at the end of a word only")
    return [text.strip() for text in listed]


def _range(when: Mapping[str, Any], where: str) -> tuple[str | None, str | None]:
    first, last = when.get("code_from"), when.get("code_to")
    if first is None and last is None:
        return None, None
    if (
        not (isinstance(first, str) and isinstance(last, str))
        or not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit())
        or len(first) != len(last)
        or first > last
    ):
        raise CostRuleError(
            f"{where}: code_from, code_to: two texts of digits of the same length, the lower first, "
            'such as "0400" and "0499" (leading noughts count)'
        )
    return first, last


def _between(code: str, first: str, last: str) -> bool:
    return len(code) == len(first) and code.isascii() and code.isdigit() and first <= code <= last


def _phrases(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """Return a search for whole words or phrases, in any case; `licen*` also takes longer words."""
    if not phrases:
        return None
    alternatives = [
        r"[\s_/-]+".join(re.escape(word).replace(r"\*", r"\w*") for word in phrase.split())
        for phrase in phrases
    ]
    # An underscore parts words too: ledgers export Software_Maintenance.
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(alternatives)})(?![^\W_])", re.IGNORECASE)


def _wildcards(texts: Sequence[str]) -> re.Pattern[str] | None:
    if not texts:
        return None
    return re.compile("|".join(re.escape(text).replace(r"\*", ".*") for text in texts), re.IGNORECASE)
