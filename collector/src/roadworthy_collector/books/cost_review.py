"""The lines behind a share, with the rule and confidence that put each where it is; corrections, and rules on trial."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from roadworthy_collector.books import cost_ready, cost_texts, share_rows
from roadworthy_collector.books.cost_keys import Keys, keys
from roadworthy_collector.books.cost_lines import (
    CostsError,
    read_corrections,
    read_ledger,
    write_correction,
)
from roadworthy_collector.books.cost_ready import (
    ANSWERS,
    MEMBER_WORDS,
    MEMBERS,
    READY_LINES,
    Member,
    Ready,
    Shown,
    Wanted,
)
from roadworthy_collector.books.shares import Inputs, book_of, read_inputs, year_name
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.cost_rules import (
    ANSWERS as WORDS,
)
from roadworthy_inventory.cost_rules import (
    INTENTS,
    POOLS,
    Classification,
    Correction,
    CostRuleError,
    classify_lines,
    with_kinds,
)
from roadworthy_inventory.costs import DEFINITIONS, membership, shares
from roadworthy_inventory.ledger import Measure

__all__ = [
    "MEMBERS", "MEMBER_WORDS", "Lines", "Member", "Said", "Shown", "Trial", "Wanted", "correct", "find_line",
    "read_lines", "try_rules", "try_text",
]  # fmt: skip
_KEY = re.compile(r"(?:[0-9a-f]{2})+")
_making = threading.Lock()


class _Held(NamedTuple):
    key: str
    name: str
    lines: Ready


_held: WeakKeyDictionary[Engine, _Held] = WeakKeyDictionary()


class Lines(NamedTuple):
    """Lines, the largest sums first; `pence` and `total` of all that match, `rows` those of the page.

    `made_at` (UTC epoch seconds) where something moved since these were worked out, None where they are as the store is.
    """

    rows: list[Shown]
    total: int
    pence: int
    made_at: int | None = None


def read_lines(
    connection: Connection, wanted: Wanted, *, offset: int = 0, limit: int = 100, at_once: bool = False
) -> Lines:
    """Return the lines that match, from `offset` on.

    `at_once`: rather those kept ready before an import, rules or the method moved than a wait for new ones.
    """
    ready, made_at = _ready(connection, wanted.kind, wanted.measure, at_once=at_once)
    found = ready.find(wanted)
    rows = [ready.shown(at) for at in found[offset : offset + limit]]
    return Lines(rows, len(found), ready.pence(found), made_at)


def _ready(connection: Connection, kind: str, measure: Measure, *, at_once: bool) -> tuple[Ready, int | None]:
    """Return all lines of a kind and measure, and when they were made where they are no longer those of the store.

    Those asked for last are kept, up to READY_LINES of them, for each engine.
    """
    now, name = keys(connection), cost_ready.figure(kind, measure)
    with _making:  # who comes meanwhile waits for it: two at once would each take twice as long
        held = _held.get(connection.engine)
        if held is not None and (held.key, held.name) == (now.whole, name):
            return held.lines, None
        kept = cost_ready.kept(connection, name)
        found = None if kept is None else _brought_up(connection, kept, now)
        if found is None and kept is not None and at_once:
            return cost_ready.unpack(kept.packed), kept.made_at
        if found is None:
            found = _classified(read_inputs(connection), kind, measure)
        _held.pop(connection.engine, None)
        if len(found) <= READY_LINES:
            _held[connection.engine] = _Held(now.whole, name, found)
        return found, None


def _classified(inputs: Inputs, kind: str, measure: Measure) -> Ready:
    if kind == "ledger":
        return cost_ready.of_ledger(book_of(inputs), measure)
    return cost_ready.of_payments(inputs.payments, inputs.rules, inputs.counting.method.minimum_confidence)


def _brought_up(connection: Connection, kept: cost_ready.Kept, now: Keys) -> Ready | None:
    """Return lines kept ready with what people have said of some since; None where more than that moved."""
    if kept.base != now.base or not kept.corrected.keys() <= now.corrected.keys():
        return None
    lines = cost_ready.unpack(kept.packed)
    said = [key for key, digest in now.corrected.items() if kept.corrected.get(key) != digest]
    places = lines.places(said)
    if not places:
        return lines
    rules = cost_texts.rules_of(cost_texts.current(connection, "cost_rules").content)
    counting = cost_texts.counting_of(cost_texts.current(connection, "cost_method").content)
    numbers = {lines.source_line(at) for of in places.values() for at in of}
    booked = {line.key: line for line in read_ledger(connection, sorted(numbers)) if line.key in places}
    mine = with_kinds(booked.values(), rules)
    results = classify_lines(mine, rules, read_corrections(connection))
    told = {line.key: result for line, result in zip(mine, results, strict=True)}
    return lines.changed(told, counting.method.minimum_confidence)


def find_line(connection: Connection, key: str) -> dict[str, Any]:
    """Return the line of the ledger with this key, as booked; NotFoundError where there is none."""
    lines = [line for line in read_ledger(connection, _numbers(connection, key)) if line.key == key]
    if not lines:
        raise NotFoundError(f"{key}: no line of the ledger that counts has this key")
    first = lines[0]
    counting = cost_texts.counting_of(cost_texts.current(connection, "cost_method").content)
    rules = cost_texts.rules_of(cost_texts.current(connection, "cost_rules").content)
    (result,) = classify_lines(with_kinds([first], rules), rules, read_corrections(connection))
    least = counting.method.minimum_confidence
    return {
        "classed": asdict(result),
        "members": {letter: ANSWERS[membership(letter, result, least)] for letter in DEFINITIONS},
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


def _numbers(connection: Connection, key: str) -> list[int] | None:
    """Return where in its file a line stands by what is held ready of the store as it is, None where nothing is."""
    held = _held.get(connection.engine)
    if held is None or held.key != keys(connection).whole:
        return None
    places = held.lines.places([key]).get(key, []) if _KEY.fullmatch(key) else []
    return [held.lines.source_line(at) for at in places] or None


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
        ("maintenance", WORDS),
        ("legacy", WORDS),
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
    booked_now, booked_then = share_rows.booked_periods(now), share_rows.booked_periods(then)
    cut, cut_then = share_rows.parted(now, booked_now).book, share_rows.parted(then, booked_then).book
    for year in sorted(year for year, measure in {*booked_now, *booked_then} if measure == "outturn"):
        before, after = shares(cut, cut.select(year)), shares(cut_then, cut_then.select(year))
        years[year_name(year)] = {
            letter: (share_rows.said(before[letter]), share_rows.said(after[letter]))
            for letter in DEFINITIONS
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
