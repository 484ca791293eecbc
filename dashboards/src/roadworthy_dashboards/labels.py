"""Which labels the answer of a query has, by its tree; on the way, every label that is asked for and cannot be there.

A label that is not there is silent in Prometheus: `sum by (sites)` gives one series, a division whose sides have other
labels gives none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import promql_parser as parser

from roadworthy_dashboards.promql import Known, is_scalar, matchers_of, name_of

# None is "not known": a name the catalogue does not have, which is said elsewhere.
Labels = frozenset[str] | None
_KEEP_ALL = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


class Reader:
    """Reads trees; `faults` grows by one sentence for each label that cannot be there."""

    def __init__(self, known: Known) -> None:
        self.faults: list[str] = []
        self._known = known
        self._kinds: dict[type, Callable[[Any], Labels]] = {
            parser.VectorSelector: self._selector,
            parser.MatrixSelector: lambda node: self._selector(node.vector_selector),
            parser.AggregateExpr: self._aggregate,
            parser.BinaryExpr: self._binary,
            parser.Call: self._call,
            parser.ParenExpr: lambda node: self.read(node.expr),
            parser.UnaryExpr: lambda node: self.read(node.expr),
            parser.SubqueryExpr: lambda node: self.read(node.expr),
        }

    def read(self, node: Any) -> Labels:
        """Return the labels of what `node` answers; numbers and texts have none."""
        kind = self._kinds.get(type(node))
        return kind(node) if kind else frozenset()

    def _fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)

    def _selector(self, node: parser.VectorSelector) -> Labels:
        name = name_of(node)
        labels = self._known(name)
        if labels is not None:
            for matcher in matchers_of(node):
                if matcher.label not in labels:
                    self._fault(f"{name} has no label {matcher.label}")
        return labels

    def _missing(self, labels: Labels, asked: Any, words: str) -> None:
        for label in asked:
            if labels is not None and label not in labels:
                self._fault(f"{words} {label}: what it is asked of has {_list(labels)}")

    def _aggregate(self, node: parser.AggregateExpr) -> Labels:
        inner = self.read(node.expr)
        op = str(node.op)
        modifier = node.modifier
        asked = frozenset(modifier.labels) if modifier else frozenset()
        without = modifier is not None and modifier.type == parser.AggModifierType.Without
        self._missing(inner, sorted(asked), f"{op} {'without' if without else 'by'}")
        if op in _KEEP_ALL:
            return inner
        made = frozenset({node.param.val}) if op == "count_values" and node.param is not None else frozenset()
        if without:
            return None if inner is None else inner - asked | made
        return asked | made

    def _call(self, node: parser.Call) -> Labels:
        name = node.func.name
        inner: Labels = frozenset()
        for argument in node.args:
            found = self.read(argument)
            if not is_scalar(argument) and not isinstance(argument, parser.StringLiteral):
                inner = found
        if name in {"label_replace", "label_join"}:
            return self._relabelled(node, inner)
        if name == "histogram_quantile":
            self._missing(inner, ("le",), name)
            return None if inner is None else inner - {"le"}
        if name in {"absent", "absent_over_time"}:
            return _equal_labels(node.args[0])
        return frozenset() if is_scalar(node) else inner

    def _relabelled(self, node: parser.Call, inner: Labels) -> Labels:
        """label_replace(v, new, text, source, pattern) and label_join(v, new, separator, sources...)."""
        texts = [argument.val for argument in node.args[1:]]
        sources = [texts[2]] if node.func.name == "label_replace" else texts[2:]
        self._missing(inner, filter(None, sources), node.func.name)
        return None if inner is None else inner | {texts[0]}

    def _binary(self, node: parser.BinaryExpr) -> Labels:
        left, right = self.read(node.lhs), self.read(node.rhs)
        if is_scalar(node.lhs):
            return right
        if is_scalar(node.rhs):
            return left
        modifier = node.modifier
        op = str(node.op)
        if op == "or":
            return None if left is None or right is None else left | right
        matching = modifier.matching if modifier else None
        self._matched(op, left, right, matching)
        if op in {"and", "unless"} or modifier is None:
            return left
        return self._joined(modifier, left, right)

    def _matched(self, op: str, left: Labels, right: Labels, matching: parser.LabelModifier | None) -> None:
        if left is None or right is None:
            return
        if matching is None:
            if left != right:
                self._fault(
                    f"the sides of {op} never meet: one has {_list(left)}, the other {_list(right)}; say on (...)"
                )
        elif matching.type == parser.LabelModifierType.Include:
            self._missing(left, matching.labels, f"left of {op}, on")
            self._missing(right, matching.labels, f"right of {op}, on")
        else:
            self._missing(left | right, matching.labels, f"{op} ignoring")

    def _joined(self, modifier: parser.BinModifier, left: Labels, right: Labels) -> Labels:
        if left is None or right is None:
            return None
        brought = frozenset(modifier.group_labels or ())
        if modifier.card == parser.VectorMatchCardinality.ManyToOne:
            self._missing(right, sorted(brought), "group_left")
            return left | brought
        if modifier.card == parser.VectorMatchCardinality.OneToMany:
            self._missing(left, sorted(brought), "group_right")
            return right | brought
        matching = modifier.matching
        if matching is None:
            return left
        named = frozenset(matching.labels)
        return left & named if matching.type == parser.LabelModifierType.Include else left - named


def labels_of(tree: parser.Expr, known: Known) -> tuple[Labels, list[str]]:
    """Return the labels a query's series have (None if not known), and what is asked for and cannot be there."""
    reader = Reader(known)
    return reader.read(tree), reader.faults


def _equal_labels(argument: Any) -> frozenset[str]:
    """Return the labels absent() makes up: those of the equal matchers."""
    node = argument.vector_selector if isinstance(argument, parser.MatrixSelector) else argument
    if not isinstance(node, parser.VectorSelector):
        return frozenset()
    return frozenset(matcher.label for matcher in matchers_of(node) if matcher.op == "=")


def _list(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels)) or "no labels"
