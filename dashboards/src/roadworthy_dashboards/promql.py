"""PromQL, read by a parser: what a query selects, how far back it reads, which labels its answer has.

Grafana's own variables are given values first, because Prometheus never sees them. What stands inside quotes is left
as it is, so that a matcher still says `$job`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as parser

# Stand-ins that no author would write, so that a range says which variable it was. Seconds.
RATE_INTERVAL_SECONDS = 347
_INTERVAL_SECONDS = 61
RANGE_SECONDS = 86_413
MACROS: Mapping[str, str] = {
    "__rate_interval": f"{RATE_INTERVAL_SECONDS}s",
    "__interval": f"{_INTERVAL_SECONDS}s",
    "__interval_ms": str(_INTERVAL_SECONDS * 1000),
    "__range": f"{RANGE_SECONDS}s",
    "__range_s": str(RANGE_SECONDS),
    "__range_ms": str(RANGE_SECONDS * 1000),
}
# `${name}`, `${name:format}`, `$name` and the older `[[name]]`; `$1` of label_replace is none of them.
VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)[^}]*\}|\$([A-Za-z_]\w*)|\[\[([A-Za-z_]\w*)\]\]")
# Aggregations that are not a number as soon as one of their series is none.
_SUMMING = frozenset({"sum", "avg", "stddev", "stdvar"})
_SUMS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_QUOTED = re.compile(r'("(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`)')


class QueryError(ValueError):
    """The query is not PromQL; the text is what the parser said."""


@dataclass(frozen=True)
class Matcher:
    """One condition of a selector: `label`, one of `=` `!=` `=~` `!~`, and the value as it is written."""

    label: str
    op: str
    value: str


@dataclass(frozen=True)
class Selector:
    """A selector where it stands: `function` is what is called on its range, "" without one.

    `range_seconds` is that range, 0 without one; `reach_seconds` is how far back it reads with offsets and subqueries.
    `pinned` is whether it is read at a moment that stays: `@ 1609459200`, unlike `@ end()`.
    """

    name: str
    matchers: tuple[Matcher, ...]
    function: str
    range_seconds: float
    reach_seconds: float
    pinned: bool = False


def variables_in(text: str) -> set[str]:
    """Return the names of Grafana's variables in a text."""
    return {next(filter(None, found)) for found in VARIABLE.findall(text)}


def with_values(query: str, variables: Mapping[str, str]) -> str:
    """Return the query with values for Grafana's variables outside quotes; one without a value becomes 1."""

    def value(found: re.Match[str]) -> str:
        name = next(filter(None, found.groups()))
        return MACROS.get(name) or variables.get(name) or "1"

    parts = _QUOTED.split(query)
    # Every second part is a quoted one.
    return "".join(part if place % 2 else VARIABLE.sub(value, part) for place, part in enumerate(parts))


def parse(query: str, variables: Mapping[str, str] | None = None) -> parser.Expr:
    """Return the tree of a query; raise QueryError with the parser's words."""
    try:
        return parser.parse(with_values(query, variables or {}))
    except ValueError as error:
        raise QueryError(str(error)) from None


def nodes(tree: parser.Expr) -> Iterator[tuple[parser.Expr, tuple[parser.Expr, ...]]]:
    """Yield every node of a tree with those above it, the nearest last."""
    found: list[tuple[parser.Expr, tuple[parser.Expr, ...]]] = []
    above: list[parser.Expr] = []

    def enter(node: parser.Expr) -> None:
        found.append((node, tuple(above)))
        above.append(node)

    def leave(_: parser.Expr) -> None:
        above.pop()

    parser.walk(tree, enter, leave)
    yield from found


def selectors(tree: parser.Expr) -> list[Selector]:
    """Return the selectors of a tree, from left to right."""
    return [_selector(node, above) for node, above in nodes(tree) if isinstance(node, parser.VectorSelector)]


def functions(tree: parser.Expr) -> set[str]:
    """Return the names of the functions and aggregations called in a tree."""
    found = set()
    for node, _ in nodes(tree):
        if isinstance(node, parser.Call):
            found.add(node.func.name)
        elif isinstance(node, parser.AggregateExpr):
            found.add(str(node.op))
    return found


def compares(tree: parser.Expr) -> bool:
    """Return whether the query drops series by a comparison; with `bool` it does not."""
    return any(_filters(node) for node, _ in nodes(tree))


def bounds(tree: parser.Expr) -> list[float]:
    """Return the numbers a query's conditions compare with, from left to right; `x > 0.1 * y` compares with 0.1.

    `/ (x > 0)` is none: that only keeps a division from dividing by nothing.
    """
    found: list[float] = []
    for node, above in nodes(tree):
        if not _filters(node):
            continue
        nearest = next((one for one in reversed(above) if not isinstance(one, parser.ParenExpr)), None)
        numbers = _compared(node)
        if numbers != [0] or not isinstance(nearest, parser.BinaryExpr) or str(nearest.op) != "/":
            found += numbers
    return found


def spoils_a_sum(tree: parser.Expr) -> bool:
    """Return whether a ratio is summed up that is not a number where its divisor is 0: the whole sum is then none."""
    return any(
        isinstance(node, parser.BinaryExpr)
        and str(node.op) == "/"
        and not is_scalar(node.rhs)
        and not _filters(_bare(node.rhs))
        and any(isinstance(parent, parser.AggregateExpr) and str(parent.op) in _SUMMING for parent in above)
        for node, above in nodes(tree)
    )


def is_scalar(node: Any) -> bool:
    """Return whether a node is a plain number, without labels."""
    if isinstance(node, parser.ParenExpr | parser.UnaryExpr):
        return is_scalar(node.expr)
    if isinstance(node, parser.BinaryExpr):
        return is_scalar(node.lhs) and is_scalar(node.rhs)
    if isinstance(node, parser.Call):
        return bool(node.func.return_type == parser.ValueType.Scalar)
    return isinstance(node, parser.NumberLiteral)


def name_of(node: parser.VectorSelector) -> str:
    """Return the metric a selector names, by its name or by an equal matcher on `__name__`; "" if it names none."""
    if node.name:
        return node.name
    named = (
        matcher.value
        for matcher in node.matchers.matchers
        if matcher.name == "__name__" and matcher.op == parser.MatchOp.Equal
    )
    return next(named, "")


def matchers_of(node: parser.VectorSelector) -> Iterator[Matcher]:
    """Yield a selector's matchers but the one that names the metric, those behind `or` too."""
    # Pairs, because the parser's enumerations cannot be keys.
    signs = (
        (parser.MatchOp.Equal, "="),
        (parser.MatchOp.NotEqual, "!="),
        (parser.MatchOp.Re, "=~"),
        (parser.MatchOp.NotRe, "!~"),
    )
    for group in (node.matchers.matchers, *node.matchers.or_matchers):
        for matcher in group:
            if matcher.name != "__name__":
                sign = next(text for op, text in signs if op == matcher.op)
                yield Matcher(matcher.name, sign, matcher.value)


def _selector(node: parser.VectorSelector, above: tuple[parser.Expr, ...]) -> Selector:
    reach = _past_seconds(node.offset)
    range_seconds = 0.0
    for parent in above:
        if isinstance(parent, parser.SubqueryExpr):
            reach += _past_seconds(parent.range) + _past_seconds(parent.offset)
    function = ""
    if above and isinstance(above[-1], parser.MatrixSelector | parser.SubqueryExpr):
        span = above[-1].range
        range_seconds = _past_seconds(span)
        if len(above) > 1 and isinstance(above[-2], parser.Call):
            function = above[-2].func.name
        if isinstance(above[-1], parser.MatrixSelector):
            reach += range_seconds
    moments = [node.at, *(parent.at for parent in above if isinstance(parent, parser.SubqueryExpr))]
    pinned = any(at is not None and not str(at).endswith("()") for at in moments)
    return Selector(name_of(node), tuple(matchers_of(node)), function, range_seconds, reach, pinned)


def _compared(node: Any) -> list[float]:
    """Return the number a comparison has on one of its sides, or else the one a side is multiplied by."""
    sides = [_bare(node.lhs), _bare(node.rhs)]
    plain = [number for side in sides if (number := _number(side)) is not None]
    products = [side for side in sides if isinstance(side, parser.BinaryExpr) and str(side.op) == "*"]
    factors = [_number(part) for side in products for part in (side.lhs, side.rhs)]
    return plain or [number for number in factors if number is not None]


def _number(node: Any) -> float | None:
    """Return what a constant comes to, None for what is none."""
    node = _bare(node)
    if isinstance(node, parser.NumberLiteral):
        return float(node.val)
    if isinstance(node, parser.UnaryExpr):
        inner = _number(node.expr)
        return None if inner is None else -inner
    if isinstance(node, parser.BinaryExpr) and str(node.op) in _SUMS:
        left, right = _number(node.lhs), _number(node.rhs)
        return None if left is None or right is None else _SUMS[str(node.op)](left, right)
    return None


def _filters(node: Any) -> bool:
    return (
        isinstance(node, parser.BinaryExpr)
        and str(node.op) in {"==", "!=", ">", "<", ">=", "<="}
        and not (node.modifier and node.modifier.return_bool)
    )


def _bare(node: Any) -> Any:
    """Return what stands in parentheses."""
    while isinstance(node, parser.ParenExpr):
        node = node.expr
    return node


def _past_seconds(span: Any) -> float:
    """Return a duration in seconds; none and one into the future are 0."""
    return max(0.0, span.total_seconds()) if span is not None else 0.0


# What a name stands for: the labels of its series in Prometheus, None for a name nobody knows.
Known = Callable[[str], "frozenset[str] | None"]
