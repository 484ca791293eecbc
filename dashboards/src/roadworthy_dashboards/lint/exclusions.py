"""What is let pass, and why: exclusions.toml, where each exclusion names a rule, a place and a reason."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from roadworthy_dashboards.lint.findings import Finding, LintError

DEFAULT = Path(__file__).parent / "exclusions.toml"
_KEYS = frozenset({"rule", "file", "panel", "target", "what", "reason"})
_NEEDED = ("rule", "file", "reason")


@dataclass(frozen=True)
class Exclusion:
    """Findings of `rule` where the other fields match, by shell patterns, are let pass."""

    rule: str
    file: str
    panel: str
    target: str
    what: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Return whether this finding is let pass."""
        pairs = (
            (finding.rule, self.rule),
            (finding.file, self.file),
            (finding.panel, self.panel),
            (finding.target, self.target),
            (finding.what, self.what),
        )
        return all(fnmatchcase(found, pattern) for found, pattern in pairs)


def read_exclusions(path: Path = DEFAULT) -> list[Exclusion]:
    """Read a file of exclusions; raise LintError naming the one that is wrong."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LintError(f"{path}: cannot be read: {error}; name a file you may read") from None
    except tomllib.TOMLDecodeError as error:
        raise LintError(f"{path}: not TOML: {error}; correct it there") from None
    found = []
    for number, entry in enumerate(document.get("exclusion", []), start=1):
        unknown = sorted(set(entry) - _KEYS)
        missing = [key for key in _NEEDED if not str(entry.get(key, "")).strip()]
        if unknown or missing:
            words = f"does not know {', '.join(unknown)}" if unknown else f"needs {', '.join(missing)}"
            raise LintError(
                f"{path}: exclusion {number} {words}; every exclusion names a rule, a file and a reason"
            )
        found.append(Exclusion(**{key: str(entry.get(key, "*")) for key in _KEYS}))
    return found


def apply(
    findings: Sequence[Finding], exclusions: Sequence[Exclusion], *, complete: bool
) -> tuple[list[Finding], int]:
    """Return the findings that stay, and how many were let pass.

    With `complete` (all boards and rules were looked at) an exclusion that lets nothing pass is a finding itself.
    """
    used: set[Exclusion] = set()
    kept = []
    for finding in findings:
        covering = [exclusion for exclusion in exclusions if exclusion.covers(finding)]
        used.update(covering)
        if not covering:
            kept.append(finding)
    passed = len(findings) - len(kept)
    if complete:
        kept += [_unused(exclusion) for exclusion in exclusions if exclusion not in used]
    return kept, passed


def _unused(exclusion: Exclusion) -> Finding:
    place = " ".join(filter("*".__ne__, (exclusion.file, exclusion.panel, exclusion.target)))
    return Finding(
        DEFAULT.name,
        exclusion.rule,
        "",
        "unused-exclusion",
        f"nothing breaks this rule in {place or 'any file'}",
        "take the exclusion out",
    )
