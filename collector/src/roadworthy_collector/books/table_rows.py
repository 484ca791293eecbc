"""The rows of each table that is exported, read a page at a time with the queries of its own page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from roadworthy_collector.books import excepting, figures, lists, reconciled_at
from roadworthy_collector.books import rating as rated
from roadworthy_collector.books.rating_reasons import ASKING
from roadworthy_collector.books.reconciled_at import LISTED
from roadworthy_collector.books.reconciling import FIGURE as RECONCILED
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries import audit, console_list, device_list, ready
from roadworthy_collector.store.queries.scope import Scope
from roadworthy_inventory.importing.problems import shortened
from roadworthy_inventory.rating_measures import RATINGS

_PAGE = 500
_DEVICE = (
    "device_id", "hostname", "asset_tag", "serial", "vendor", "model", "device_class", "platform", "os_name",
    "os_version", "agent_version", "usage_profile", "site", "unit", "state", "last_report_at", "enrolled_at",
    "retired_at",
)  # fmt: skip
_TIMES = ("last_report_at", "enrolled_at", "retired_at")
_GAP = (
    "place", "state", "tag", "serial", "kind", "model", "lifecycle_state", "last_seen", "device_id", "hostname",
    "device_serial", "device_model", "last_report_at", "mdm_name", "mdm_serial", "mdm_model", "last_check_in",
    "unit", "site",
)  # fmt: skip
PLACES = ("not_in_mdm", "no_agent", "silent", "reporting", "ghost")


class Source(NamedTuple):
    """What a table is read from: the reader's `scope`, the page's filters, `now` in UTC epoch seconds."""

    connection: Connection
    engine: Engine
    settings: Settings
    now: float
    scope: Scope
    people: bool
    name: str
    filters: Mapping[str, str]


class Made(NamedTuple):
    """A table: its columns, its rows as they are read, its coverage in words; `made_at` of figures kept ready."""

    columns: Sequence[str]
    rows: Iterable[Mapping[str, Any]]
    coverage: str
    made_at: float | None = None


def when(seconds: float | None) -> str | None:
    """Return a time (UTC epoch seconds) to the second, nothing for none."""
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"


def number_of(text: str | None) -> int | None:
    """Return the short whole number a filter names, None for anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 7 else None


def one_of(filters: Mapping[str, str], name: str, words: Iterable[str]) -> str:
    """Return what the filter `name` says, empty where it says nothing; RoadworthyError for none of `words`."""
    text, known = filters.get(name, ""), tuple(words)
    if text and text not in known:
        raise RoadworthyError(f"{name}: {shortened(text)} is none of {', '.join(known)}")
    return text


# --- devices and start-ups ----------------------------------------------------------------------------------


def devices(of: Source) -> Made:
    """Return the devices the console's list shows with these filters."""
    wanted = console_list.DeviceFilter(
        text=of.filters.get("q", ""),
        site=of.filters.get("site", ""),
        state=of.filters.get("state", ""),
        device_class=of.filters.get("class", ""),
        model=of.filters.get("model", ""),
    )
    interval = of.settings.report_interval_seconds
    first = console_list.list_devices(of.connection, wanted, of.now, interval, of.scope)
    coverage = f"{first.total} devices; those at restricted sites left out"
    if first.more_found:
        coverage += "; more begin so than a search finds: say more of it"
    return Made(_DEVICE, _devices(of, wanted, first), coverage)


def _devices(
    of: Source, wanted: console_list.DeviceFilter, first: console_list.DevicePage
) -> Iterator[dict[str, Any]]:
    if wanted.text:
        yield from _found_devices(of, wanted, first)
        return
    asked = device_list.Wanted(
        site=wanted.site or None,
        state=wanted.state or None,  # type: ignore[arg-type]  # one of the states, or nothing is found
        device_class=wanted.device_class or None,
    )
    after: int | None = 0
    interval = of.settings.report_interval_seconds
    while after is not None:
        page = device_list.read_page(
            of.connection, asked, now=of.now, interval_seconds=interval, scope=of.scope, after=after
        )
        yield from (_device(row) for row in page.rows if wanted.model in {"", row["model"]})
        after = page.next


def _found_devices(
    of: Source, wanted: console_list.DeviceFilter, page: console_list.DevicePage
) -> Iterator[dict[str, Any]]:
    """Yield the devices a search finds: few, so each is read by its id."""
    interval = of.settings.report_interval_seconds
    while True:
        for row in page.rows:
            one = device_list.read_one(
                of.connection, row.device_id, now=of.now, interval_seconds=interval, scope=of.scope
            )
            yield _device(one)
        if len(page.rows) < console_list.PAGE_SIZE or page.last is None:
            return
        following = replace(wanted, after=page.last)
        page = console_list.list_devices(
            of.connection, following, of.now, interval, of.scope, total=page.total
        )


def _device(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: when(row[name]) if name in _TIMES else row[name] for name in _DEVICE}


def _startups(of: Source) -> tuple[dict[str, Any], float]:
    """Return the figures of start-ups a page shows, and the time they are of."""
    from roadworthy_collector.console.figures import DAYS, KINDS, live

    days = number_of(of.filters.get("days")) or 30
    kind = of.filters.get("kind", "boot")
    if days not in DAYS or kind not in KINDS:
        raise RoadworthyError(f"days is one of {', '.join(map(str, DAYS))}, kind one of {', '.join(KINDS)}")
    if ready.is_small(of.connection, of.scope):
        return live(of.connection, of.now, days, kind, of.scope), of.now
    found = ready.read(of.connection, f"{ready.STARTUPS}.{kind}.{days}", of.scope)
    if found is None:
        raise RoadworthyError("the start-ups are being worked out for the first time; try again in a minute")
    return found.figures, found.at


def _startup_coverage(found: Mapping[str, Any]) -> str:
    return f"{found['in_service'] - found['unmeasured']} of {found['in_service']} devices in service measured"


def startups_by(group: str) -> Callable[[Source], Made]:
    """Return what reads the spread of start-ups by `models` or `sites`."""

    def make(of: Source) -> Made:
        found, at = _startups(of)
        rows = [
            {
                group.removesuffix("s"): row["member"],
                "start_ups": row["startups"],
                "devices_measured": row["devices"],
                "median_seconds": row["p50"],
                "p90_seconds": row["p90"],
                "longest_seconds": row["longest"],
            }
            for row in found[group]
        ]
        columns = (
            group.removesuffix("s"), "start_ups", "devices_measured", "median_seconds", "p90_seconds",
            "longest_seconds",
        )  # fmt: skip
        return Made(columns, rows, f"{_startup_coverage(found)}; the {len(rows)} slowest", at)

    return make


def slowest(of: Source) -> Made:
    """Return the devices whose start-ups are slowest."""
    found, at = _startups(of)
    columns = (
        "device_id",
        "name",
        "model",
        "site",
        "medium",
        "median_seconds",
        "longest_seconds",
        "start_ups",
    )
    rows = [
        row
        | {"median_seconds": row["seconds"], "longest_seconds": row["longest"], "start_ups": row["startups"]}
        for row in found["slowest"]
    ]
    return Made(columns, rows, f"{_startup_coverage(found)}; the {len(rows)} slowest", at)


# --- reconciliation and ratings -----------------------------------------------------------------------------


def _pages(read: Callable[[int], lists.Page]) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = read(after)
        yield from page.rows
        after = page.next


def gaps(of: Source) -> Made:
    """Return the records that stand at a place of the reconciliation, or at all of them."""
    chosen, state = one_of(of.filters, "place", LISTED), of.filters.get("state", "")
    places = [chosen] if chosen else list(PLACES)
    total = sum(reconciled_at.count(of.connection, place, state, of.scope) for place in places)
    held = figures.read(of.connection, RECONCILED)

    def rows() -> Iterator[dict[str, Any]]:
        for place in places:

            def read(after: int, place: str = place) -> lists.Page:
                return lists.gap(of.connection, place, state=state, after=after, limit=_PAGE, scope=of.scope)

            for row in _pages(read):
                yield row | {"place": place, "last_report_at": when(row["last_report_at"])}

    coverage = f"{total} records counted; those at restricted sites are not listed"
    return Made(_GAP, rows(), coverage, None if held is None else held[1])


def review(of: Source) -> Made:
    """Return the pairs that wait for a person."""

    def read(after: int) -> lists.Page:
        return lists.gap(of.connection, "review", after=after, limit=_PAGE, scope=of.scope)

    rows = (
        {
            "pair": row["id"],
            "why": row["state"],
            "one": "; ".join(f"{end['side']}: {end['said']}" for end in row["ends"][0]),
            "other": "; ".join(f"{end['side']}: {end['said']}" for end in row["ends"][1]),
            "agree": row["detail"]["agreed"],
            "contradict": row["detail"]["contradicting"],
            "unit": row["unit"],
        }
        for row in _pages(read)
    )
    counts = lists.counts(of.connection, of.scope)
    waiting = sum(count for (place, _), count in counts.items() if place == "review")
    held = figures.read(of.connection, RECONCILED)
    columns = ("pair", "why", "one", "other", "agree", "contradict", "unit")
    return Made(columns, rows, f"{waiting} pairs wait", None if held is None else held[1])


def ratings(of: Source) -> Made:
    """Return the ratings with their reasons."""
    asked = of.filters
    imported = one_of(asked, "imported", ("yes",)) == "yes"
    wanted = lists.Wanted(
        one_of(asked, "rating", RATINGS),
        asked.get("site", ""),
        asked.get("unit", ""),
        asked.get("rule", ""),
        imported,
        asked.get("model", ""),
        asked.get("not_judged", ""),
        one_of(asked, "excepted", ("yes", "no")),
        one_of(asked, "asks", ASKING),
    )
    counts = lists.rating_counts(of.connection, wanted, of.scope)
    known = sum(counts.get(word, 0) for word in rated.RATED)
    held = figures.read(of.connection, rated.FIGURE)
    excepted = lists.count_excepted(of.connection, wanted, of.scope)

    def read(after: int) -> lists.Page:
        return lists.list_ratings(
            of.connection, wanted, after=after, limit=_PAGE, scope=of.scope, people=of.people
        )

    names = (
        ("tag", "serial", "name", "model") if imported else ("device_id", "hostname", "asset_tag", "model")
    )
    columns = (
        *names,
        "site",
        "unit",
        "rating",
        "known_from",
        "reasons",
        "rules_met",
        "excepted",
        "not_judged",
    )
    coverage = f"{known} of {sum(counts.values())} rated; exceptions take reasons out of {excepted}"
    rows = (_rating(row, names, imported=imported) for row in _pages(read))
    return Made(columns, rows, coverage, None if held is None else held[1])


def _rating(row: Mapping[str, Any], names: Sequence[str], *, imported: bool) -> dict[str, Any]:
    reasons = row["reasons"] or []
    counted = [one for one in reasons if "exception" not in one]
    covered = [f"{one['rule']} by exception {one['exception']}" for one in reasons if "exception" in one]
    return {name: row[name] for name in names} | {
        "site": row["site_name"] if imported else row["site"],
        "unit": row["unit_name"] if imported else row["unit"],
        "rating": row["verdict"],
        "known_from": "import only, no agent" if imported else "agent",
        "reasons": [one["sentence"] for one in counted],
        "rules_met": [one["rule"] for one in counted],
        "excepted": covered,
        "not_judged": [f"{rule}: {why}" for rule, why in sorted((row["not_judged"] or {}).items())],
    }


def exceptions(of: Source) -> Made:
    """Return the exceptions register."""
    today = local_day(of.now, of.settings.reporting_timezone)
    shown = excepting.SHOWN.get(one_of(of.filters, "state", excepting.SHOWN))
    rows = [
        row
        for row in excepting.list_entries(of.connection, today, of.scope)
        if shown is None or row["state"] in shown
    ]
    columns = (
        "number", "what", "name", "device_id", "state", "rules", "reason", "owner", "asked_by", "approver", "on_paper",
        "begins", "expires", "ended",
    )  # fmt: skip
    held = sum(row["state"] == "in force" for row in rows)
    told = [row | {"rules": row["rules"] or "all"} for row in rows]
    return Made(columns, told, f"{len(rows)} entries, {held} in force; those at restricted sites left out")


def audit_rows(of: Source) -> Made:
    """Return the audit, oldest first."""
    rows = (
        row | {"at_utc": when(row["at"]), "detail": json.dumps(row["detail"], sort_keys=True)}
        for row in audit.read(of.connection, until=int(of.now) + 1)
    )
    columns = ("id", "at", "at_utc", "actor", "action", "subject", "detail", "hash")
    return Made(columns, rows, "every row that is kept, oldest first")
