"""Recording rules and alerts, as they are committed beside this file, and how they get to a Prometheus.

An alert links to its runbook. Where an organisation keeps the pages is not known here, so one address stands in all
rules, `RUNBOOKS`, and `write` puts another in its place.
"""

from __future__ import annotations

import re
from pathlib import Path

RULES = Path(__file__).parent
PAGES = RULES.parent / "runbooks"
# The name the sample configurations use for a server of one's own (deploy/nginx/roadworthy.conf).
RUNBOOKS = "https://roadworthy.example.org/runbooks"
_ADDRESS = re.compile(r"https?://[^\s\"'{}#?@]+")


class RunbookAddressError(ValueError):
    """The address given for the runbooks cannot stand in a rule file."""


def rule_files() -> dict[str, str]:
    """Return {path below a folder of rules: text} of every rule file, recording rules first."""
    paths = sorted(RULES.rglob("*.yaml"), key=lambda path: (len(path.parts), path.name))
    return {path.relative_to(RULES).as_posix(): path.read_text("utf-8") for path in paths}


def runbook_pages() -> dict[str, str]:
    """Return {file name: text} of every runbook; the name is the alert's."""
    return {path.name: path.read_text("utf-8") for path in sorted(PAGES.glob("Roadworthy*.md"))}


def write(folder: Path, runbooks: str = RUNBOOKS, pages: Path | None = None) -> list[Path]:
    """Write the rule files below `folder`, linking to `runbooks`, and the runbooks to `pages`; return the paths.

    Raises RunbookAddressError for an address that is none, OSError where a file cannot be written.
    """
    if not _ADDRESS.fullmatch(runbooks):
        message = "write an address like https://intranet.example.org/runbooks, without a name, a password or quotes"
        raise RunbookAddressError(message)
    written = {
        folder / name: text.replace(RUNBOOKS, runbooks.rstrip("/")) for name, text in rule_files().items()
    }
    if pages is not None:
        written |= {pages / name: text for name, text in runbook_pages().items()}
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(written)
