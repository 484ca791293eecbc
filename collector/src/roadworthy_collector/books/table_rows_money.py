"""The rows of the tables of money that are exported: cost lines and shares, the replacement plan, ready lists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from roadworthy_collector.books import cost_review, money_tables, plan_lists
from roadworthy_collector.books import planning as plans
from roadworthy_collector.books import shares as cost_figures
from roadworthy_collector.books.plan_rows import plan_row
from roadworthy_collector.books.table_rows import Made, Source, number_of
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.money import pounds


def cost_lines(of: Source) -> Made:
    """Return the lines behind a share."""
    asked = of.filters
    share, member = asked.get("share", "B"), asked.get("member")
    if share not in {"A", "B", "C"} or member not in {None, *cost_review.MEMBERS}:
        raise RoadworthyError(f"share is A, B or C, member one of {', '.join(cost_review.MEMBERS)}")
    wanted = cost_review.Wanted(
        kind="payments" if asked.get("kind") == "payments" else "ledger",
        year=number_of(asked.get("year")),
        measure=asked.get("measure", "outturn"),  # type: ignore[arg-type]  # another has no lines
        definition=share,  # type: ignore[arg-type]  # checked above
        member=member,
        centre=asked.get("centre"),
        pool=asked.get("pool"),
        text=asked.get("text", ""),
        period=number_of(asked.get("period")),
    )
    found = cost_review.read_lines(of.connection, wanted, limit=10**9)
    rows = [money_tables.line_row(one, share) for one in found.rows]
    columns = list(rows[0]) if rows else ["key"]
    return Made(columns, rows, f"{found.total} lines, {pounds(found.pence)} in all")


def cost_shares(of: Source) -> Made:
    """Return the shares, by year, cost centre or accounting period."""
    by = of.filters.get("by", "year")
    if by not in {"year", "cost_centre", "accounting_period"}:
        raise RoadworthyError("by is year, cost_centre or accounting_period")
    found = cost_figures.kept(of.connection)
    content = found[0] if found else None
    rows = money_tables.share_rows(content, by, number_of(of.filters.get("year"))) if content else []
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["nothing"]
    said = "nothing imported"
    if content:
        said = f"{content.get('counted', 0):,} lines counted of {content.get('lines', 0):,} of the ledger"
    return Made(columns, rows, said, found[1] if found else None)


def plan(of: Source) -> Made:
    """Return the items of the last plan."""
    action = of.filters.get("action")
    if action not in {None, *plans.ACTIONS}:
        raise RoadworthyError(f"action is one of {', '.join(plans.ACTIONS)}")
    summary, made_at = plans.require(of.connection)
    left = sum(summary["left_out"].values())
    coverage = f"{summary['items']:,} items in the plan, {left:,} of the register are not"
    rows = (plan_row(one) for one in plans.items(of.connection, summary, action))
    first = next(rows, None)
    columns = list(first) if first else ["tag"]
    return Made(columns, _with_first(first, rows), coverage, made_at)


def _with_first(first: dict[str, Any] | None, rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if first is not None:
        yield first
        yield from rest


def tickets(of: Source) -> Made:
    """Return a ready list made anew, as ticket systems import it: all tickets, where a page has the first."""
    on = datetime.fromtimestamp(of.now, ZoneInfo(of.settings.reporting_timezone)).date()
    read, made = plan_lists.anew(of.connection, of.now, on)
    chosen = next(one for one in made if one.name == of.name)
    excepted = sum(why == plan_lists.EXCEPTED for why in chosen.unknown.values())
    coverage = (
        f"{len(read.items):,} items looked at, {len(chosen.unknown) - excepted:,} could not be told, "
        f"{excepted:,} left out by an exception"
    )
    return Made(plan_lists.TICKET_FIELDS, plan_lists.ticket_rows(chosen, of.filters.get("assign")), coverage)
