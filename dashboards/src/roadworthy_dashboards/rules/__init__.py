"""Recording rules and alerts, as they are committed beside this file, and how they get to a Prometheus.

An alert links to its runbook, which the console shows. Where people open the console is not known here, so one address
stands in all rules, `RUNBOOKS`, and `write` puts another in its place. The collector gets the runbooks through the
entry point `roadworthy.runbooks`: neither of the two imports the other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypedDict

from roadworthy_dashboards.addresses import RUNBOOKS

RULES = Path(__file__).parent
PAGES = RULES.parent / "runbooks"
_ADDRESS = re.compile(r"https?://[^\s\"'{}#?@]+")


class OfferedRunbook(TypedDict):
    """One alert at one severity, with the Markdown of its runbook."""

    alert: str
    severity: str
    audience: str
    summary: str
    text: str


class RunbookAddressError(ValueError):
    """The address given for the runbooks cannot stand in a rule file."""


def rule_files() -> dict[str, str]:
    """Return {path below a folder of rules: text} of every rule file, recording rules first."""
    paths = sorted(RULES.rglob("*.yaml"), key=lambda path: (len(path.parts), path.name))
    return {path.relative_to(RULES).as_posix(): path.read_text("utf-8") for path in paths}


def runbook_pages() -> dict[str, str]:
    """Return {file name: text} of every runbook; the name is the alert's."""
    return {path.name: path.read_text("utf-8") for path in sorted(PAGES.glob("Roadworthy*.md"))}


def offer_runbooks() -> list[OfferedRunbook]:
    """Return every alert with the runbook of its name, in the order of the rule files.

    What the entry point `roadworthy.runbooks` names: plain words, for whoever shows them without importing this. An alert
    with two severities is there twice, with one text.
    """
    import yaml  # the other functions here only copy files

    pages = runbook_pages()
    documents = (yaml.safe_load(text) for text in rule_files().values())
    return [
        OfferedRunbook(
            alert=rule["alert"],
            severity=rule["labels"]["severity"],
            audience=rule["labels"]["audience"],
            summary=rule["annotations"]["summary"],
            text=pages[f"{rule['alert']}.md"],
        )
        for document in documents
        for group in document["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


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
