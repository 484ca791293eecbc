"""The lifecycle worked out for everything: counts as a figure, and a small row of numbers of each record for lists.

The rows are kept in pieces of `ROWS_AT_ONCE` records under `lifecycle.rows.N`: 100,000 records are 50 pieces. Records
at restricted sites count in the totals and have no row.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select

from roadworthy_collector.books import figures
from roadworthy_collector.books.legacy_run import Gathered
from roadworthy_collector.books.lifecycle_codes import KINDS, WORDS, Codes, Release, last_day, release_of
from roadworthy_collector.books.lifecycle_read import Life, Reader
from roadworthy_collector.books.rating_places import open_sites
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.warranties import coming_months, month_of
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import book_figures

FIGURE = "lifecycle"
AT_ONCE, ROWS_AT_ONCE = 500, 2000
# A month before the end it is too late to begin, and not yet too late to buy.
SOON_DAYS = 30
_ROWS = f"{FIGURE}.rows."
_TEXTS_KEPT = 50
# Columns counted by themselves; the others are row ids, or counted with them.
COUNTED = ("status", "extension", "bucket", "windows11", "band", "age")


class Tally:
    """Counts over rows of numbers, told in words."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[int]] = {name: Counter() for name in COUNTED}
        self._kinds: dict[int, Counter[int]] = {kind: Counter() for kind in range(len(KINDS))}
        self._releases: Counter[tuple[int, int, int]] = Counter()

    def add(self, row: Codes) -> None:
        """Count one record."""
        for name in COUNTED:
            self._counts[name][getattr(row, name)] += 1
        self._kinds[row.kind][row.status] += 1
        self._releases[row.release, row.status, row.extension] += 1

    def told(self, releases: list[Release]) -> dict[str, Any]:
        """Return the counts as JSON can say them; every word is there, also with 0."""
        found: dict[str, Any] = {
            name: {word: counts[index] for index, word in enumerate(WORDS[name])}
            for name, counts in self._counts.items()
        }
        found["kinds"] = {
            KINDS[kind]: {word: counts[index] for index, word in enumerate(WORDS["status"])}
            for kind, counts in self._kinds.items()
        }
        found["records"] = sum(found["status"].values())
        found["releases"] = [
            releases[release]._asdict()
            | {
                "status": WORDS["status"][status],
                "extension": WORDS["extension"][extension],
                "count": count,
            }
            for (release, status, extension), count in sorted(
                self._releases.items(), key=lambda item: (-item[1], item[0])
            )
        ]
        return found


class _Texts:
    """Reasons and what is missing, counted; the rarest beyond a bound are counted together."""

    def __init__(self) -> None:
        self.unsupported: Counter[str] = Counter()
        self.against: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.unaged: Counter[str] = Counter()

    def add(self, life: Life) -> None:
        """Count what one record does not meet or tell."""
        if life.support is not None and life.support.status == "unknown":
            self.unsupported[life.support.reason or "not told"] += 1
        if life.eligibility is not None:
            self.against.update({one.requirement for one in life.eligibility.reasons})
            if life.windows11 == "unknown":
                self.missing.update({one.split(":")[0] for one in life.eligibility.missing})
        if life.ageing.band in {"unknown_age", "no_planned_life"}:
            self.unaged[
                f"{life.device_class}: {'no day bought' if life.since is None else 'no planned life'}"
            ] += 1

    def told(self) -> dict[str, Any]:
        """Return them, the most frequent first."""
        return {name: _most(counter) for name, counter in vars(self).items()}


def _most(counter: Counter[str]) -> list[list[Any]]:
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    left = sum(count for _, count in ordered[_TEXTS_KEPT:])
    return [list(item) for item in ordered[:_TEXTS_KEPT]] + ([["other", left]] if left else [])


class _Run:
    def __init__(self, work: Work, reader: Reader) -> None:
        self.work, self.reader = work, reader
        self.tally, self.texts = Tally(), _Texts()
        self.ends: Counter[tuple[str, str]] = Counter()  # (class, band)
        self.releases: list[Release] = []
        self._known: dict[Release, int] = {}
        self.site_ends: Counter[tuple[int | None, int]] = Counter()
        self.site_statuses: Counter[tuple[int | None, int]] = Counter()
        self.site_soon: Counter[int | None] = Counter()
        self.end_months: Counter[str] = Counter()
        self._coming = coming_months(reader.on)
        self.restricted = 0
        self.rows: list[Codes] = []
        self.pieces: list[list[int]] = []
        self.number = int(work.clock() * 1000)

    def read(self, gathered: Gathered) -> bool:
        """Read everything; return whether it came to the end."""
        for kind in range(len(KINDS)):
            for life in self._of(kind, gathered):
                self._add(life)
        self._keep(everything=True)
        return not self.work.stop.is_set()

    def _of(self, kind: int, gathered: Gathered) -> Iterator[Life]:
        after = 0
        while not self.work.stop.is_set():
            with self.work.reading() as connection:
                found = self.reader.after(connection, kind, after, AT_ONCE)
                gathered.add(connection, found)
            if not found:
                return
            after = found[-1].id
            yield from found
            self._keep()

    def _add(self, life: Life) -> None:
        release = Release(*[None] * 7) if life.support is None else release_of(life.support)
        if release not in self._known:
            self._known[release] = len(self.releases)
            self.releases.append(release)
        row = life.codes(self.reader.on, self._known[release])
        self.tally.add(row)
        self.texts.add(life)
        self.ends[life.device_class, life.ageing.band] += 1
        self.end_months[self._month(life, WORDS["bucket"][row.bucket])] += 1
        if life.restricted:
            self.restricted += 1
        else:
            self.rows.append(row)
            self.site_ends[life.site, row.bucket] += 1
            self.site_statuses[life.site, row.status] += life.support is not None
            self.site_soon[life.site] += _ends_soon(life, self.reader.on)

    def _month(self, life: Life, ends: str) -> str:
        """Return the month updates end; what has no day keeps the word for why, and what has ended is not to come."""
        last = None if life.support is None else last_day(life.support)
        return ends if last is None else month_of(last, self.reader.on, self._coming)

    def _keep(self, *, everything: bool = False) -> None:
        """Write whole pieces of rows, of all that are left where it is the end."""
        while len(self.rows) >= ROWS_AT_ONCE or (everything and self.rows):
            piece, self.rows = self.rows[:ROWS_AT_ONCE], self.rows[ROWS_AT_ONCE:]
            columns = [list(column) for column in zip(*piece, strict=True)]
            with self.work.write() as connection:
                figures.write(
                    connection, rows_name(self.number, len(self.pieces)), columns, self.work.clock(), 0.0
                )
            self.pieces.append([piece[0].key, piece[-1].key])


def _by_name(
    counts: Counter[tuple[int | None, int]], names: Mapping[int | None, str], column: str
) -> list[list[Any]]:
    """Return [site, word of the column, count] of the sites that have a name here."""
    return [
        [names[site], WORDS[column][index], count] for (site, index), count in counts.items() if site in names
    ]


def _ends_soon(life: Life, on: dt.date) -> bool:
    last = None if life.support is None else last_day(life.support)
    return last is not None and 0 <= (last - on).days <= SOON_DAYS


def rows_name(run: int, number: int) -> str:
    """Return the name of the figure that holds a piece of a run's rows."""
    return f"{_ROWS}{run}.{number}"


def work_out(work: Work) -> dict[str, Any]:
    """Work everything out and keep it; return the counts. Ends early, figures unchanged, where the collector stops."""
    began, now = time.perf_counter(), work.clock()
    on = local_day(now, work.settings.reporting_timezone)
    with work.engine.connect() as connection:
        reader = Reader(connection, on)
        gathered = Gathered(connection, on, now)
        names = open_sites(connection)
    run = _Run(work, reader)
    if not run.read(gathered):
        return {}
    content = run.tally.told(run.releases) | {
        "on": on.isoformat(),
        "restricted": run.restricted,
        "texts": run.texts.told(),
        "classes": [[name, band, count] for (name, band), count in sorted(run.ends.items())],
        "held_releases": [list(one) for one in run.releases],
        "pieces": run.pieces,
        "run": run.number,
        "end_months": dict(sorted(run.end_months.items())),
        "site_ends": _by_name(run.site_ends, names, "bucket"),
        "site_statuses": _by_name(run.site_statuses, names, "status"),
        "site_soon": [[names[site], count] for site, count in run.site_soon.items() if site in names],
    }
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, time.perf_counter() - began)
    _forget(work, run.number)
    gathered.keep(work, now)
    return content


def _forget(work: Work, run: int) -> None:
    """Delete the rows of other runs, one piece at a time."""

    def some(connection: Connection, limit: int) -> int:
        mine = book_figures.c.name.startswith(rows_name(run, 0)[:-1], autoescape=True)
        others = book_figures.c.name.startswith(_ROWS, autoescape=True)
        old = connection.scalars(select(book_figures.c.name).where(others, ~mine).limit(limit)).all()
        if old:
            connection.execute(delete(book_figures).where(book_figures.c.name.in_(old)))
        return len(old)

    work.batches(some)
