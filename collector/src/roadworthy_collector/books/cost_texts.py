"""The two texts that say how cost is counted, each edition kept and audited: the rules and the method.

`cost_rules` says what a line pays for; `cost_method` which basis is counted, the target and finance's own control
totals. What ships holds until somebody saves another.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, insert, select

from roadworthy_collector.books.cost_lines import CostsError
from roadworthy_collector.store.books_schema import rule_editions
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.cost_reconciliation import Cell, ControlTotal
from roadworthy_inventory.cost_rules import CostRuleError, CostRules, parse_rules
from roadworthy_inventory.cost_trends import Deflator
from roadworthy_inventory.costs import CostError, Method
from roadworthy_inventory.ledger import MEASURES, LedgerError, Measure, parse_financial_year
from roadworthy_inventory.tables import read_text

RULES, METHOD = "cost_rules", "cost_method"
SHIPPED = "shipped with Roadworthy"
_LONGEST = 512 * 1024
Which = Literal["cost_rules", "cost_method"]

METHOD_EXAMPLE = """\
# How IT cost is counted. Save with: roadworthy costs method save this-file.toml
# Chosen once: years counted another way are marked "method changed" and no difference is given.

basis = "cash"              # cash: capital as paid, no depreciation; accruals: depreciation, no capital
recharges = "neither"       # neither, or both (only recharges whose two sides are in the ledger)
spread_prepaid = true       # what is paid for several years lies in the years it pays for
minimum_confidence = 0.5    # a rule less sure than this leaves its lines unclassified

# A cut of ongoing cost, in pounds. Leave it out where there is none.
# [target]
# definition = "B"          # A run share, B maintenance share, C legacy share
# base_year = "2024/25"
# target_year = "2028/29"
# cut_percent = 30
# terms = "cash"            # or real, with the deflator below

# [deflator]                # yours, with its source: which index is taken moves the result
# source = "name of the index and where it is published"
# as_of = 2026-04-01
# [deflator.levels]
# "2024/25" = 100.0
# "2025/26" = 102.4

# What finance's own statement holds, to reconcile with: one entry a figure.
# [[control]]
# financial_year = "2024/25"
# measure = "outturn"       # budget, forecast or outturn
# cost_centre = "IT100"     # left out: lines without one
# accounting_period = 12    # left out: lines without one
# pounds = "1234567.89"
# source = "outturn report, June 2025"
"""


class Edition(NamedTuple):
    """A text in force; `id` 0 and `made_at` None for the one that ships."""

    id: int
    content: str
    digest: str
    made_at: int | None
    made_by: str


@dataclass(frozen=True, slots=True)
class TargetAim:
    """A target as asked for; its base share comes from the ledger."""

    definition: str
    base_year: int
    target_year: int
    cut_ratio: Fraction
    terms: Literal["cash", "real"]


@dataclass(frozen=True, slots=True)
class Counting:
    """The method as its text says; `method` has no rules' digest yet."""

    method: Method
    target: TargetAim | None
    deflator: Deflator | None
    controls: tuple[ControlTotal, ...]


def current(connection: Connection, which: Which) -> Edition:
    """Return the edition in force."""
    row = connection.execute(
        select(rule_editions)
        .where(rule_editions.c.name == which)
        .order_by(rule_editions.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        content = read_text("cost_rules.toml") if which == RULES else METHOD_EXAMPLE
        return Edition(0, content, digest_of(which, content), None, SHIPPED)
    return Edition(row.id, row.content, row.digest, row.made_at, row.made_by)


def editions(connection: Connection, which: Which) -> list[dict[str, Any]]:
    """Return who saved which edition when, newest first."""
    columns = (rule_editions.c[name] for name in ("id", "digest", "made_at", "made_by"))
    query = select(*columns).where(rule_editions.c.name == which).order_by(rule_editions.c.id.desc())
    return [dict(row) for row in connection.execute(query).mappings()]


def save(connection: Connection, which: Which, content: str, *, actor: str, now: int) -> bool:
    """Make `content` the edition in force and return True; False where it is in force already.

    Raises CostsError naming what is wrong with it.
    """
    digest = digest_of(which, content)
    held = current(connection, which)
    if digest == held.digest and held.id:
        return False
    row = {"name": which, "digest": digest, "content": content, "made_at": now, "made_by": actor}
    connection.execute(insert(rule_editions).values(**row))
    detail = {"digest": digest, "before": held.digest}
    audit.record(connection, now, actor, "costs.rules" if which == RULES else "costs.method", which, detail)
    return True


def rules_of(content: str) -> CostRules:
    """Return the rules of a text; CostsError where it is wrong."""
    if len(content) > _LONGEST:
        raise CostsError(f"the rules are longer than {_LONGEST:,} characters; no ledger needs so many")
    try:
        return parse_rules(content)
    except CostRuleError as error:
        raise CostsError(str(error)) from None


def digest_of(which: Which, content: str) -> str:
    """Return what names a text by what it says; CostsError where it is wrong."""
    if which == RULES:
        return rules_of(content).digest
    _ensure_drawable(counting_of(content))
    return blake2b(repr(tomllib.loads(content)).encode(), digest_size=8).hexdigest()


def counting_of(content: str) -> Counting:
    """Return the method of a TOML text; CostsError naming the key that is wrong."""
    if len(content) > _LONGEST:
        raise CostsError(f"the method is longer than {_LONGEST:,} characters")
    try:
        said = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise CostsError(f"the method is no TOML: {error}") from None
    _only(said, {*_METHOD_KEYS, "target", "deflator", "control"}, "the method")
    if "basis" not in said:
        raise CostsError("the method: basis: is missing; choose cash or accruals")
    try:
        method = Method(**{name: said[name] for name in _METHOD_KEYS if name in said})
        return Counting(method, _target(said), _deflator(said), tuple(_control(one) for one in _listed(said)))
    except (CostError, LedgerError, TypeError, ValueError) as error:
        raise CostsError(f"the method: {error}") from None


def _ensure_drawable(counting: Counting) -> None:
    """Raise CostsError for a target no line can be drawn for, whatever the ledger says."""
    aim = counting.target
    if aim is None:
        return
    if aim.target_year <= aim.base_year:
        raise CostsError("the method: target: target_year: comes after base_year")
    if aim.terms == "cash":
        return
    if counting.deflator is None:
        raise CostsError("the method: target: real terms need a deflator; write [deflator] with its source")
    try:
        for year in range(aim.base_year, aim.target_year + 1):
            counting.deflator.ratio(year, aim.base_year)
    except CostError as error:
        raise CostsError(
            f"the method: deflator: {error}; give one for each year from base_year to target_year"
        ) from None


_METHOD_KEYS = ("basis", "recharges", "spread_prepaid", "minimum_confidence")
_TARGET_KEYS = {"definition", "base_year", "target_year", "cut_percent", "terms"}
_CONTROL_KEYS = {"financial_year", "measure", "cost_centre", "accounting_period", "pounds", "source"}


def _only(said: Mapping[str, Any], allowed: set[str], where: str) -> None:
    if unknown := sorted(said.keys() - allowed):
        raise CostsError(f"{where}: {unknown[0]}: unknown key; known: {', '.join(sorted(allowed))}")


def _table(said: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    found = said.get(name)
    if found is not None and not isinstance(found, dict):
        raise CostsError(f"the method: {name}: write [{name}]")
    return found


def _listed(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = said.get("control", [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CostsError("the method: control: write [[control]], a list of tables")
    return found


def _target(said: Mapping[str, Any]) -> TargetAim | None:
    table = _table(said, "target")
    if table is None:
        return None
    _only(table, _TARGET_KEYS, "the method: target")
    if missing := sorted(_TARGET_KEYS - {"terms"} - table.keys()):
        raise CostsError(f"the method: target: {missing[0]}: is missing")
    definition, terms, cut = table["definition"], table.get("terms", "cash"), table["cut_percent"]
    if definition not in ("A", "B", "C") or terms not in ("cash", "real"):
        raise CostsError("the method: target: definition is A, B or C, and terms are cash or real")
    if isinstance(cut, bool) or not isinstance(cut, int | float) or not 0 <= cut <= 100:
        raise CostsError("the method: target: cut_percent: is a number from 0 to 100")
    base, aim = (parse_financial_year(str(table[name])) for name in ("base_year", "target_year"))
    return TargetAim(definition, base, aim, Fraction(str(cut)) / 100, terms)


def _deflator(said: Mapping[str, Any]) -> Deflator | None:
    table = _table(said, "deflator")
    if table is None:
        return None
    _only(table, {"source", "as_of", "levels"}, "the method: deflator")
    levels, as_of = table.get("levels"), table.get("as_of")
    if not isinstance(levels, dict) or not isinstance(as_of, date):
        raise CostsError("the method: deflator: needs as_of, a date, and [deflator.levels]")
    found = {parse_financial_year(year): Fraction(str(level)) for year, level in levels.items()}
    return Deflator(str(table.get("source", "")), as_of, found)


def _control(table: Mapping[str, Any]) -> ControlTotal:
    _only(table, _CONTROL_KEYS, "the method: control")
    measure: Measure = table.get("measure", "outturn")
    centre, period = table.get("cost_centre"), table.get("accounting_period")
    if measure not in MEASURES or not isinstance(centre, str | None) or not isinstance(period, int | None):
        raise CostsError(
            "the method: control: measure, cost_centre or accounting_period is not what it can be"
        )
    pence = Fraction(str(table.get("pounds", ""))) * 100
    if pence.denominator != 1:
        raise CostsError(f"the method: control: pounds: {table['pounds']!r} has parts of a penny")
    cell = Cell(parse_financial_year(str(table.get("financial_year", ""))), measure, centre, period)
    return ControlTotal(cell, int(pence), str(table.get("source", "")))
