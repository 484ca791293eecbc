"""Ratings of all devices in service, and of what is known from imports alone, by the rules in force.

Read, rated and written in pieces; a rating that did not change is not written again, so `rated_at` says since when it
reads so. Counts by site, unit (with everything under it) and model are kept as figures; restricted sites count in totals alone.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, select

from roadworthy_collector.books import conditions, excepting, figures, rating_places, rules
from roadworthy_collector.books.conditions import Known
from roadworthy_collector.books.identities import as_text
from roadworthy_collector.books.imported import Alone, Entries, Scores, Supports, read_alone
from roadworthy_collector.books.places import Places
from roadworthy_collector.books.reconciling import FIGURE as RECONCILED
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon.avoidable import family_ratios
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import import_ratings, ratings
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.statements import BulkUpsert
from roadworthy_inventory.rating import Rater, Rating, Reason
from roadworthy_inventory.rating_measures import ACTION, ATTENTION, MEETS, RATINGS

FIGURE = "ratings"
GROUPS = ("site", "unit", "model")
RATED = (MEETS, ATTENTION, ACTION)
AT_ONCE = 500
_RATINGS = BulkUpsert(ratings)
_IMPORTED = BulkUpsert(import_ratings)
_GROUPS_KEPT = 1000


class Tally:
    """Ratings counted, never averaged; as `inventory.rating_groups.GroupRating`, without holding the ratings."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(RATINGS, 0))
        self.judged = self.not_judged_rules = self.excepted = self.import_only = 0
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.not_judged: Counter[str] = Counter()
        self.covered: Counter[str] = Counter()

    def add(self, one: Rating) -> None:
        """Count one device."""
        self.counts[one.rating] += 1
        self.judged += one.judged
        self.not_judged_rules += len(one.not_judged)
        self.excepted += bool(one.excepted)
        self.import_only += one.import_only
        self.reasons.update((reason.rule_id, reason.rating) for reason in one.reasons)
        self.not_judged.update(left.rule_id for left in one.not_judged)
        self.covered.update(each.reason.rule_id for each in one.excepted)

    def told(self) -> dict[str, Any]:
        """Return the counts as JSON can say them."""
        reasons = sorted(self.reasons.items(), key=lambda item: (item[0][1] != ACTION, -item[1], item[0]))
        return {
            "devices": self.counts.total(),
            "counts": dict(self.counts),
            "rated": sum(self.counts[word] for word in RATED),
            "rules_judged": self.judged,
            "rules_meant": self.judged + self.not_judged_rules,
            "excepted": self.excepted,
            "import_only": self.import_only,
            "reasons": [[rule, rating, count] for (rule, rating), count in reasons],
            "not_judged": dict(self.not_judged.most_common()),
            "excepted_reasons": dict(self.covered.most_common()),
        }


def rate_now(work: Work) -> dict[str, Any]:
    """Rate everything and keep it; return the figures. Ends early, figures unchanged, where the collector stops."""
    began, now = time.perf_counter(), work.clock()
    with work.engine.connect() as connection:
        edition, _, _ = rules.current(connection)
        entries, scores = excepting.read_entries(connection), Scores(connection)
        places, family = Places(connection), family_ratios(connection, now)
        on = local_day(now, work.settings.reporting_timezone)
        supports = Supports.read(connection, on)
        by_place = rating_places.ByPlace(rating_places.of_people(edition))
    run = _Run(work, Rater(edition, on), supports, entries, scores, places, family, by_place)
    if not (run.devices() and run.imported()):
        return {}
    run.forget()
    content = {
        "edition": edition.digest,
        "rules": edition.name,
        "on": on.isoformat(),
        "estate": run.estate.told(),
        "imported": run.alone.told(),
        "exceptions": _count_exceptions(entries, on),
    }
    elapsed = time.perf_counter() - began
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, elapsed)
        figures.write(connection, rating_places.FIGURE, by_place.told(), now, elapsed)
    for name, found in run.groups.items():
        largest = sorted(found.items(), key=lambda item: (-item[1].counts.total(), item[0]))[:_GROUPS_KEPT]
        told = {member: tally.told() for member, tally in largest}
        with work.write() as connection:
            figures.write(connection, f"{FIGURE}.{name}", told, now, elapsed)
    return content


class _Run:
    """One rating of everything."""

    def __init__(
        self,
        work: Work,
        rater: Rater,
        supports: Supports,
        entries: Entries,
        scores: Scores,
        places: Places,
        family: Mapping[int, float],
        by_place: rating_places.ByPlace,
    ) -> None:
        self.places, self.family, self.by_place = places, family, by_place
        self.work, self.rater, self.now = work, rater, int(work.clock())
        self.supports, self.entries, self.scores = supports, entries, scores
        self.estate, self.alone = Tally(), Tally()
        self.paths: dict[int, tuple[str, ...]] = {}
        self.groups: dict[str, defaultdict[str, Tally]] = {name: defaultdict(Tally) for name in GROUPS}
        self.seen: set[tuple[str, int]] = set()

    def devices(self) -> bool:
        """Rate the devices in service; return whether it came to the end."""
        after = 0
        while not self.work.stop.is_set():
            with self.work.reading() as connection:
                known = conditions.read(
                    connection,
                    self.now,
                    self.supports,
                    self.entries,
                    self.scores,
                    family=self.family,
                    after=after,
                    limit=AT_ONCE,
                )
                if not known:
                    return True
                held = _held(connection, known[0].id, known[-1].id)
            after = known[-1].id
            changed = []
            for one in known:
                found = self.rater.rate(one.condition)
                self._count(one, found)
                row = (one.id, *_row(found, self.now))
                if held.get(one.id) != row[1:-1]:
                    changed.append(row)
            self.work.for_each(changed, _write_ratings)
        return False

    def _count(self, one: Known, found: Rating) -> None:
        self.estate.add(found)
        if one.restricted:
            return
        self.by_place.add(one.site, one.model, found)
        self.groups["site"][one.site].add(found)
        self.groups["model"][one.model or ""].add(found)
        for path in self._paths(one.unit_id, one.unit):
            self.groups["unit"][path].add(found)

    def _paths(self, unit: int, name: str) -> tuple[str, ...]:
        """Return the paths of a unit and of those it is under; its name where it is newer than this run."""
        if unit not in self.paths:
            told = (self.places.unit_path(one) for one in self.places.units_above(unit))
            self.paths[unit] = tuple(path for path in told if path) or (name,)
        return self.paths[unit]

    def imported(self) -> bool:
        """Rate what no agent reports for, by the newest reconciliation; return whether it came to the end."""
        with self.work.engine.connect() as connection:
            reconciled = figures.read(connection, RECONCILED)
            held = {
                (row.side, row.record): _told(row)
                for row in connection.execute(select(*_columns(import_ratings, "side", "record")))
            }
        after, run = 0, 0 if reconciled is None else reconciled[0]["run"]
        while not self.work.stop.is_set():
            with self.work.reading() as connection:
                after, known = read_alone(
                    connection,
                    run,
                    self.supports,
                    self.entries,
                    self.scores,
                    after=after,
                    limit=AT_ONCE,
                )
            if not known:
                self.seen = {key for key in held if key not in self.seen}  # those that are gone
                return True
            changed = []
            for one in known:
                found = self.rater.rate(one.condition)
                self.alone.add(found)
                values = (*_key(one), *_row(found, self.now), one.unit, one.site)
                self.seen.add(_key(one))
                if held.get(_key(one)) != values[2:7]:
                    changed.append(values)
            self.work.for_each(changed, _write_imported)
        return False

    def forget(self) -> None:
        """Delete the ratings of what is retired, gone or has an agent now."""

        def retired(connection: Connection, limit: int) -> int:
            query = (
                select(ratings.c.device)
                .join(devices, devices.c.id == ratings.c.device)
                .where(devices.c.retired_at.is_not(None))
                .limit(limit)
            )
            some = connection.scalars(query).all()
            if some:
                connection.execute(delete(ratings).where(ratings.c.device.in_(some)))
            return len(some)

        def gone(connection: Connection, some: Sequence[tuple[str, int]]) -> None:
            for side, record in some:
                mine = (import_ratings.c.side == side, import_ratings.c.record == record)
                connection.execute(delete(import_ratings).where(*mine))

        self.work.batches(retired, first=64)
        self.work.for_each(sorted(self.seen), gone)


def _key(one: Alone) -> tuple[str, int]:
    return ("mdm", one.mdm or 0) if one.item is None else ("register", one.item)


def _columns(table: Table, *keys: str) -> list[Column[Any]]:
    return [table.c[name] for name in (*keys, "verdict", "reasons", "not_judged", "excepted", "rules")]


def _told(row: Any) -> tuple[Any, ...]:
    """Return what a rating held says, as `_row` says it."""
    return (row.verdict, as_text(row.reasons), as_text(row.not_judged), row.excepted, row.rules)


def _held(connection: Connection, first: int, last: int) -> dict[int, tuple[Any, ...]]:
    query = select(*_columns(ratings, "device")).where(ratings.c.device.between(first, last))
    return {row.device: _told(row) for row in connection.execute(query)}


def _row(found: Rating, now: int) -> tuple[str, str, str, int, str, int]:
    """Return verdict, reasons, what was not judged, exceptions, digest and time, as the tables hold them."""
    reasons = [_reason(reason) for reason in found.reasons]
    for one in found.excepted:
        back = None if one.returns_on is None else one.returns_on.isoformat()
        reasons.append(_reason(one.reason) | {"exception": int(one.entry_id), "returns_on": back})
    left = {one.rule_id: one.why for one in found.not_judged}
    return found.rating, as_text(reasons), as_text(left), len(found.excepted), found.edition, now


def _reason(reason: Reason) -> dict[str, Any]:
    told = {
        "rule": reason.rule_id,
        "rating": reason.rating,
        "sentence": reason.sentence,
        "looks_at": reason.looks_at,
        "value": reason.value,
        "threshold": reason.threshold,
        "unit": reason.unit,
        "source": reason.source,
    }
    return told | ({"demoted": True} if reason.demoted else {})


def _write_ratings(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write ratings of devices that are still there: one may have been erased since it was read."""
    wanted = [row[0] for row in rows]
    there = set(connection.scalars(select(devices.c.id).where(devices.c.id.in_(wanted))))
    _RATINGS.write(connection, [row for row in rows if row[0] in there])


def _write_imported(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    _IMPORTED.write(connection, rows)


def _count_exceptions(entries: Entries, on: dt.date) -> dict[str, int]:
    every = [entry for of in (*entries.items.values(), *entries.devices.values()) for entry in of]
    in_force = [entry for entry in every if entry.holds(on)]
    return {
        "in_force": len(in_force),
        "expiring": sum((entry.last_day - on).days <= excepting.EXPIRING_DAYS for entry in in_force),
        "expired": sum(entry.last_day < on for entry in every),
    }
