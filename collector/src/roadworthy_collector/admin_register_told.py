"""What the commands about the register say, to people and to programs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roadworthy_collector.books.importing import Outcome
    from roadworthy_collector.books.telling import ItemChange
    from roadworthy_inventory.importing.problems import Report

SHOWN = 20  # lines of a kind; programs get all


def import_answer(found: Outcome) -> dict[str, Any]:
    """Return how an import went, as programs read it."""
    report = found.report
    return {
        "file": found.file,
        "kind": found.kind,
        "format": found.format,
        "dry_run": found.dry_run,
        "batch": found.batch,
        "same_as": found.same_as,
        "rows_read": 0 if report is None else report.rows_read,
        "good": 0 if report is None else report.good,
        "quarantined": 0 if report is None else report.quarantined,
        "new": found.new,
        "changed": found.changed,
        "unchanged": found.unchanged,
        "made": dict(found.made),
        "problems": [] if report is None else [dataclasses.asdict(one) for one in report.problems],
        "warnings": [] if report is None else [dataclasses.asdict(one) for one in report.warnings],
        "notes": [] if report is None else list(report.notes),
        "changes": [dataclasses.asdict(one) for one in found.changes],
    }


def tell_import(found: Outcome, corrections: Path | None, output: str) -> None:
    """Print how an import went."""
    where = None if corrections is None else str(corrections)
    if output == "json":
        typer.echo(json.dumps(import_answer(found) | {"corrections": where}, indent=2))
        return
    if found.report is None:
        typer.echo(
            f"{found.file}: this very file came in as batch {found.same_as}; nothing was changed "
            "(--again compares it anew)"
        )
        return
    for note in found.report.notes:
        typer.echo(f"  {note}")
    would = "would be " if found.dry_run else ""
    typer.echo(
        f"{found.file}: {found.report.rows_read} rows: {would}new {found.new}, {would}changed {found.changed}, "
        f"unchanged {found.unchanged}, set aside {found.report.quarantined}"
    )
    tell_made(found.made, would)
    if found.dry_run:
        tell_changes(found.changes)
    for line in problem_lines(found.report):
        typer.echo(line)
    if corrections is not None:
        typer.echo(f"set aside in {corrections}: correct it there and import it")
    if found.batch is not None:
        typer.echo(f"batch {found.batch}; `roadworthy register undo {found.batch}` takes it back")


def problem_lines(report: Report) -> list[str]:
    """Return the rows set aside and the warnings of an import, the first of each with line, column and value."""
    found = []
    for what, problems, counts in (
        ("set aside", report.problems, report.by_code),
        ("warning", report.warnings, report.warnings_by_code),
    ):
        for one in problems[:SHOWN]:
            column = f", column {one.column}" if one.column else ""
            value = f" ({one.value})" if one.value else ""
            found.append(f"  {what}: line {one.line}{column}: {one.message}{value}")
        rest = sum(counts.values()) - len(problems[:SHOWN])
        if rest > 0:
            found.append(f"  {what}: {rest} more")
    return found


def tell_made(made: Mapping[str, list[str]], would: str) -> None:
    """Print the units, sites and others that were or would be made."""
    for kind, names in made.items():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        typer.echo(f"  {would}new {kind}: {'; '.join(names[:5])}{more}")


def tell_changes(changes: list[ItemChange]) -> None:
    """Print what would change."""
    for one in changes[:SHOWN]:
        if one.new:
            typer.echo(f"  {one.item}: new")
            continue
        parts = (
            f"{name}: {before or 'nothing'} -> {after or 'nothing'}"
            for name, (before, after) in one.fields.items()
        )
        typer.echo(f"  {one.item}: {'; '.join(parts)}")


def item_answer(id_: int, item: Any, updated_at: int) -> dict[str, Any]:
    """Return an item as programs read it: dates as YYYY-MM-DD."""
    found = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in dataclasses.asdict(item).items()
    }
    return {"id": id_, **found, "macs": list(item.macs), "updated_at": updated_at}


def event_line(event: Any) -> dict[str, Any]:
    """Return a change of an item as a row of a table."""
    if event.new:
        what = "came into the register"
    else:
        pairs = (
            f"{name}: {old or 'nothing'} -> {new or 'nothing'}" for name, (old, new) in event.fields.items()
        )
        what = "; ".join(pairs)
    if event.undone_at is not None:
        what += " (undone)"
    return {"changed_at": event.at, "batch": event.batch, "by": event.by, "what": what}
