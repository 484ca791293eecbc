"""Prometheus' rule files as they are checked: groups, alerts and recordings, read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from roadworthy_dashboards.lint.findings import LintError


@dataclass(frozen=True)
class RuleEntry:
    """One rule; `alert` or `record` is its name and the other is "". Durations are as written."""

    alert: str
    record: str
    expr: str
    hold: str
    keep: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    keys: frozenset[str]

    @property
    def name(self) -> str:
        """Return what the rule is called."""
        return self.alert or self.record or "a rule without a name"


@dataclass(frozen=True)
class Group:
    """A group of rules; `interval` is as written, "" without one."""

    name: str
    interval: str
    entries: tuple[RuleEntry, ...]
    keys: frozenset[str]


@dataclass(frozen=True)
class RuleFile:
    """A rule file; `path` is where it is, `file` what it is called in findings."""

    path: Path
    file: str
    text: str
    groups: tuple[Group, ...]
    keys: frozenset[str] = field(default_factory=frozenset)


def read_rules(path: Path, file: str) -> RuleFile:
    """Read a rule file; raise LintError if it is not YAML of the shape Prometheus reads."""
    try:
        text = path.read_text("utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise LintError(f"{path}: cannot be read: {error}; name a file you may read") from None
    except yaml.YAMLError as error:
        raise LintError(f"{path}: not YAML: {' '.join(str(error).split())}; correct it there") from None
    try:
        groups = tuple(_group(group) for group in document["groups"])
    except (TypeError, KeyError, AttributeError):
        raise LintError(
            f"{path}: not a rule file; it needs `groups`, each with a `name` and `rules`"
        ) from None
    return RuleFile(path, file, text, groups, frozenset(map(str, document)))


def _group(group: Mapping[str, Any]) -> Group:
    entries = tuple(_entry(entry) for entry in group["rules"])
    return Group(str(group["name"]), str(group.get("interval", "")), entries, frozenset(map(str, group)))


def _entry(entry: Mapping[str, Any]) -> RuleEntry:
    return RuleEntry(
        alert=str(entry.get("alert", "")),
        record=str(entry.get("record", "")),
        expr=str(entry.get("expr", "")),
        hold=str(entry.get("for", "")),
        keep=str(entry.get("keep_firing_for", "")),
        labels=_texts(entry.get("labels")),
        annotations=_texts(entry.get("annotations")),
        keys=frozenset(map(str, entry)),
    )


def _texts(found: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (found or {}).items()}
