"""The rows of the tables of money that are exported: cost lines and shares, the replacement plan, ready lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from roadworthy_collector.books import cost_bridge, cost_review, money_tables, plan_chosen, plan_lists
from roadworthy_collector.books import planning as plans
from roadworthy_collector.books import shares as cost_figures
from roadworthy_collector.books.plan_rows import plan_row
from roadworthy_collector.books.shares import year_name
from roadworthy_collector.books.sheets import pounds_of
from roadworthy_collector.books.table_rows import Made, Source, number_of, one_of
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_inventory.cost_rules import POOLS
from roadworthy_inventory.costs import DEFINITIONS
from roadworthy_inventory.importing.problems import shortened
from roadworthy_inventory.ledger import MEASURES
from roadworthy_inventory.money import pounds

_BRIDGE = (
    "key", "year", "period", "measure", "pounds", "cost_centre", "code", "description", "supplier", "source",
    "source_line", "why",
)  # fmt: skip


def cost_lines(of: Source) -> Made:
    """Return the lines behind a share."""
    asked = of.filters
    kind, share = one_of(asked, "kind", ("ledger", "payments")), one_of(asked, "share", DEFINITIONS) or "B"
    member, measure = one_of(asked, "member", cost_review.MEMBERS), one_of(asked, "measure", MEASURES)
    wanted = cost_review.Wanted(
        kind="payments" if kind == "payments" else "ledger",
        year=_number(asked, "year"),
        measure=measure or "outturn",  # type: ignore[arg-type]  # one of MEASURES
        definition=share,  # type: ignore[arg-type]  # one of DEFINITIONS
        member=member or None,  # type: ignore[arg-type]  # one of MEMBERS
        centre=_centre(asked),
        pool=one_of(asked, "pool", POOLS) or None,
        text=asked.get("text", ""),
        period=_number(asked, "period"),
    )
    found = cost_review.read_lines(of.connection, wanted, limit=10**9)
    rows = [money_tables.line_row(one, share) for one in found.rows]
    columns = list(rows[0]) if rows else ["key"]
    return Made(columns, rows, f"{found.total} lines, {pounds(found.pence)} in all")


def _number(asked: Mapping[str, str], name: str) -> int | None:
    found = number_of(asked.get(name))
    if found is None and name in asked:
        raise RoadworthyError(f"{name}: {shortened(asked[name])} is no number")
    return found


def _centre(asked: Mapping[str, str]) -> str | None:
    """Return the cost centre asked for, empty for lines that tell none, None for any."""
    none = one_of(asked, "none", ("1",))
    if none and "centre" in asked:
        raise RoadworthyError("none: is for lines without a cost centre; leave out centre or none")
    return "" if none else asked.get("centre")


def cost_bridge_lines(of: Source) -> Made:
    """Return the lines behind the bridge: as booked, left out by the basis, or moved by spreading."""
    asked = of.filters
    part, measure = one_of(asked, "part", cost_bridge.PARTS), one_of(asked, "measure", MEASURES)
    wanted = cost_bridge.Wanted(
        part=part or "ledger",  # type: ignore[arg-type]  # one of PARTS
        year=_number(asked, "year"),
        measure=measure or None,  # type: ignore[arg-type]  # one of MEASURES
        centre=_centre(asked),
        period=_number(asked, "period"),
        reason=asked.get("reason"),
    )
    found = cost_bridge.read_lines(of.connection, wanted, limit=10**9)
    rows = (
        one._asdict() | {"year": year_name(one.year), "pounds": pounds_of(one.pence)} for one in found.rows
    )
    said = f"{cost_bridge.PART_WORDS[wanted.part]}: {found.total} lines, {pounds(found.pence)} in all"
    return Made(_BRIDGE, rows, said)


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
    tag = of.filters.get("tag")
    wanted = plan_chosen.Wanted(**{name: text for name, text in of.filters.items() if name != "tag"})
    summary, made_at = plans.require(of.connection)
    plan_chosen.check(summary, wanted)
    left = sum(summary["left_out"].values())
    coverage = f"{summary['items']:,} items in the plan, {left:,} of the register are not"
    found = plan_chosen.items(of.connection, summary, wanted) if tag is None else _tagged(of, summary, tag)
    rows = (plan_row(one) for one in found)
    first = next(rows, None)
    columns = list(first) if first else ["tag"]
    return Made(columns, _with_first(first, rows), coverage, made_at)


def _tagged(of: Source, summary: dict[str, Any], tag: str) -> Iterator[dict[str, Any]]:
    with suppress(NotFoundError):
        yield plans.item(of.connection, summary, tag)


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
