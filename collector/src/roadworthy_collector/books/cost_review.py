"""The lines behind a share, with the rule and confidence that put each where it is; corrections, and rules on trial."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from roadworthy_collector.books import cost_texts, share_rows
from roadworthy_collector.books.cost_lines import (
    CostsError,
    key_of,
    read_corrections,
    read_ledger,
    write_correction,
    year_of,
)
from roadworthy_collector.books.shares import Inputs, book_of, read_inputs, said, year_name
from roadworthy_collector.books.shares import key as key_of_all
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.cost_rules import (
    ANSWERS,
    INTENTS,
    POOLS,
    Classification,
    Correction,
    CostRuleError,
    classify_lines,
    with_kinds,
)
from roadworthy_inventory.costs import DEFINITIONS, Definition, membership, shares
from roadworthy_inventory.ledger import Measure

Member = Literal["in", "out", "open"]
MEMBERS: tuple[Member, ...] = ("in", "out", "open")
READY_LINES = 200_000  # some 120 MB; of more none are kept
_ANSWERS: dict[bool | None, Member] = {True: "in", False: "out", None: "open"}
_making = threading.Lock()
_held: WeakKeyDictionary[Engine, tuple[tuple[str, str, str], list[Shown]]] = WeakKeyDictionary()
MEMBER_WORDS = {"in": "counted in the share", "out": "not in the share", "open": "unclassified"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines. `year`: the year it begins in. `member` is of the share `definition`. `centre` "" is none told."""

    kind: Literal["ledger", "payments"] = "ledger"
    year: int | None = None
    measure: Measure = "outturn"
    definition: Definition = "B"
    member: Member | None = None
    centre: str | None = None
    pool: str | None = None
    text: str = ""
    period: int | None = None

    def in_words(self) -> str:
        """Return the filter as people read it."""
        found = [f"{self.kind}, {self.measure}, share {self.definition}"]
        found += [] if self.year is None else [year_name(self.year)]
        found += [MEMBER_WORDS[self.member]] if self.member else []
        found += [] if self.centre is None else [f"cost centre {self.centre or 'not told'}"]
        found += [] if self.period is None else [f"accounting period {self.period}"]
        found += [one for one in (self.pool, self.text and f"with {self.text}") if one]
        return ", ".join(found)


class Shown(NamedTuple):
    """One line as counted: of a prepaid line the part of the year. `members`: {A, B, C: in, out or open}."""

    key: str
    year: int
    period: int | None
    pence: int
    cost_centre: str | None
    code: str | None
    description: str | None
    supplier: str | None
    source: str
    source_line: int
    pool: str
    intent: str
    maintenance: str
    legacy: str
    confidence: float
    rule: str | None
    conflicts: tuple[str, ...]
    corrected_by: str | None
    members: dict[str, Member]


class Lines(NamedTuple):
    """Lines, the largest sums first; `pence` and `total` of all that match, `rows` those of the page."""

    rows: list[Shown]
    total: int
    pence: int


def read_lines(connection: Connection, wanted: Wanted, *, offset: int = 0, limit: int = 100) -> Lines:
    """Return the lines that match, from `offset` on."""
    found = [one for one in _ready(connection, wanted.kind, wanted.measure) if _matches(one, wanted)]
    return Lines(found[offset : offset + limit], len(found), sum(one.pence for one in found))


def _ready(connection: Connection, kind: str, measure: Measure) -> list[Shown]:
    """Return all lines of a kind and measure, the largest sums first, classified once for as long as nothing moved.

    Fifty thousand take more than a second, and who looks at them looks at several pages. Those asked for last are
    kept, up to READY_LINES of them, for each engine.
    """
    of = (key_of_all(connection), kind, measure)
    with _making:  # who comes meanwhile waits for it: two at once would each take twice as long
        held = _held.get(connection.engine)
        if held is not None and held[0] == of:
            return held[1]
        found = sorted(
            _shown(read_inputs(connection), kind, measure),
            key=lambda one: (-abs(one.pence), one.key, one.source_line, one.period or 0),
        )
        _held.pop(connection.engine, None)
        if len(found) <= READY_LINES:
            _held[connection.engine] = of, found
        return found


def _shown(inputs: Inputs, kind: str, measure: Measure) -> Iterable[Shown]:
    least = inputs.counting.method.minimum_confidence
    if kind == "ledger":
        for entry in book_of(inputs).lines:
            line = entry.line
            if line.measure == measure:
                yield _one(line, line.amount_pence, line.accounting_period, entry.result, least)
        return
    for payment in inputs.payments:
        if inputs.rules.in_scope(payment.facts):
            yield _one(payment, payment.cost_pence, None, inputs.rules.classify(payment.facts), least)


def _one(line: Any, pence: int, period: int | None, result: Classification, least: float) -> Shown:
    return Shown(
        key=key_of(line),
        year=year_of(line),
        period=period,
        pence=pence,
        cost_centre=line.cost_centre,
        code=getattr(line, "subjective_code", None) or getattr(line, "code", None),
        description=line.description or getattr(line, "expense_type", None),
        supplier=line.supplier,
        source=line.source,
        source_line=line.source_line,
        pool=result.pool,
        intent=result.intent,
        maintenance=result.maintenance,
        legacy=result.legacy,
        confidence=result.confidence,
        rule=result.rule,
        conflicts=result.conflicts,
        corrected_by=result.corrected_by,
        members={letter: _ANSWERS[membership(letter, result, least)] for letter in DEFINITIONS},
    )


def _matches(one: Shown, wanted: Wanted) -> bool:
    if wanted.year not in (None, one.year):
        return False
    if wanted.member is not None and one.members[wanted.definition] != wanted.member:
        return False
    if wanted.centre is not None and (one.cost_centre or "") != wanted.centre:
        return False
    if wanted.period is not None and one.period != wanted.period:
        return False
    if wanted.pool is not None and one.pool != wanted.pool:
        return False
    text = wanted.text.casefold()
    told = (one.description, one.supplier, one.code, one.rule)
    return not text or any(text in part.casefold() for part in told if part)


def find_line(connection: Connection, key: str) -> dict[str, Any]:
    """Return the line of the ledger with this key, as booked; NotFoundError where there is none."""
    lines = [line for line in read_ledger(connection) if line.key == key]
    if not lines:
        raise NotFoundError(f"{key}: no line of the ledger that counts has this key")
    first = lines[0]
    counting = cost_texts.counting_of(cost_texts.current(connection, "cost_method").content)
    rules = cost_texts.rules_of(cost_texts.current(connection, "cost_rules").content)
    (result,) = classify_lines(with_kinds([first], rules), rules, read_corrections(connection))
    least = counting.method.minimum_confidence
    return {
        "classed": asdict(result),
        "members": {letter: _ANSWERS[membership(letter, result, least)] for letter in DEFINITIONS},
        "least_confidence": least,
        "key": key,
        "lines": len(lines),
        "pence": first.amount_pence,
        "year": first.financial_year,
        "period": first.accounting_period,
        "cost_centre": first.cost_centre,
        "code": first.subjective_code,
        "description": first.description,
        "supplier": first.supplier,
        "source": first.source,
        "source_line": first.source_line,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a person says of a line; `maintenance` and `legacy` are yes, no or unknown."""

    pool: str
    intent: str
    maintenance: str
    legacy: str
    reason: str


def correct(connection: Connection, key: str, told: Said, *, actor: str, now: int) -> None:
    """Have a person's word on a line beat every rule, also when it is imported again; CostsError where it cannot."""
    found = find_line(connection, key)
    for name, allowed in (
        ("pool", tuple(POOLS)),
        ("intent", INTENTS),
        ("maintenance", ANSWERS),
        ("legacy", ANSWERS),
    ):
        if getattr(told, name) not in allowed:
            raise CostsError(f"{name}: {getattr(told, name)!r} is none of {', '.join(allowed)}")
    reason = " ".join(told.reason.split())
    if not 5 <= len(reason) <= 500:
        raise CostsError("reason: give one of 5 to 500 characters")
    classes = {name: getattr(told, name) for name in ("pool", "intent", "maintenance", "legacy")}
    by_pool = POOLS[told.pool]
    if classes["maintenance"] == "unknown":
        classes["maintenance"] = by_pool
    try:
        result = Classification(**classes, confidence=1.0)
        correction = Correction(key, result, actor, datetime.fromtimestamp(now, UTC).date(), reason)
    except CostRuleError as error:
        raise CostsError(str(error).partition(": ")[2] or str(error)) from None
    write_correction(connection, correction, now)
    detail = {**classes, "reason": reason, "pence": found["pence"]}
    audit.record(connection, now, actor, "costs.correct", key, detail)


class Trial(NamedTuple):
    """What other rules would make of the ledger: shares of each year now and then, and lines that would move.

    `years`: {year: {A, B, C: (now, then)}}. `moved`: lines classified otherwise, as counted; `moved_pence` their sizes.
    """

    digest: str
    years: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]]
    moved: int
    moved_pence: int
    examples: list[dict[str, Any]]


def try_rules(connection: Connection, content: str, examples: int = 20) -> Trial:
    """Return what the rules in `content` would change, changing nothing; CostsError where they are wrong."""
    return try_text(connection, "cost_rules", content, examples)


def try_text(connection: Connection, which: cost_texts.Which, content: str, examples: int = 20) -> Trial:
    """Return what other rules, or another method, would change, changing nothing; CostsError where they are wrong."""
    inputs = read_inputs(connection)
    if which == cost_texts.RULES:
        rules = cost_texts.rules_of(content)
        other, digest = inputs._replace(rules=rules), rules.digest
    else:
        other = inputs._replace(counting=cost_texts.counting_of(content))
        digest = cost_texts.digest_of(which, content)
    now, then = book_of(inputs), book_of(other)
    years: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {}
    booked = {*share_rows.booked_periods(now), *share_rows.booked_periods(then)}
    for year in sorted(year for year, measure in booked if measure == "outturn"):
        before, after = shares(now, now.select(year)), shares(then, then.select(year))
        years[year_name(year)] = {
            letter: (said(before[letter]), said(after[letter])) for letter in DEFINITIONS
        }
    found, size = _moved(now.lines, then.lines)
    listed = [_move(one, other) for one, other in found[:examples]]
    return Trial(digest, years, len(found), size, listed)


def _moved(now: Sequence[Any], then: Sequence[Any]) -> tuple[list[tuple[Any, Any]], int]:
    """Return lines whose classes differ, the largest first; a line that only one basis counts is no such line."""
    after = {_place(entry): entry for entry in then}
    pairs = [(entry, after[_place(entry)]) for entry in now if _place(entry) in after]
    found = [(one, other) for one, other in pairs if _classes(one) != _classes(other)]
    found.sort(key=lambda pair: (-abs(pair[0].line.amount_pence), pair[0].line.key))
    return found, sum(abs(one.line.amount_pence) for one, _ in found)


def _place(entry: Any) -> tuple[Any, ...]:
    line = entry.line
    return line.key, line.source, line.source_line, line.financial_year, line.accounting_period


def _classes(entry: Any) -> tuple[Any, ...]:
    told = asdict(entry.result)
    return tuple(told[name] for name in ("pool", "intent", "maintenance", "legacy", "confidence"))


def _move(one: Any, other: Any) -> dict[str, Any]:
    line = one.line
    return {
        "key": line.key,
        "pence": line.amount_pence,
        "description": line.description,
        "supplier": line.supplier,
        "rule_now": one.result.rule,
        "rule_then": other.result.rule,
        "pool_now": one.result.pool,
        "pool_then": other.result.pool,
    }
