"""The sample log: boots, samples and gaps as they happen, in seconds of each boot's own clock.

Nothing here knows the true time. `history` places the log on the wall clock once the time is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import groupby
from sqlite3 import Connection, Row

from roadworthy_agent import meters
from roadworthy_agent.clock import Clock
from roadworthy_agent.database import Database
from roadworthy_agent.energy import Added
from roadworthy_agent.periods import WATCHED
from roadworthy_agent.reading import Sample
from roadworthy_agent.report import PERIOD_SECONDS, Gap, to_json, to_wire
from roadworthy_agent.timeline import TOLERANCE_SECONDS, Boot

THINNED_SHARE = 10  # one tenth of the oldest goes at a time, so that thinning is rare
THINNED_LEAST = 64
# Sign-ins that wait and what is in quarantine may take a quarter of the spool each: were they to fill it, every sample
# would be given up as soon as it is taken.
SHARES = {"quarantine": "content", "signins": "record"}


class Spool:
    """What the agent has measured and not yet handed over; bounded by `max_bytes`."""

    def __init__(self, database: Database, max_bytes: int) -> None:
        self.database = database
        self.max_bytes = max_bytes

    def boots(self) -> list[Boot]:
        """Return the boots of the log in the order they happened; the last is the current one."""
        return [_boot(row) for row in self.database.rows(f"SELECT {_BOOT_COLUMNS} FROM boots ORDER BY id")]  # noqa: S608 - column names of our own dataclass

    def current(self) -> Boot | None:
        """Return the latest boot, or None on the first run."""
        row = self.database.row(f"SELECT {_BOOT_COLUMNS} FROM boots ORDER BY id DESC LIMIT 1")  # noqa: S608 - column names of our own dataclass
        return None if row is None else _boot(row)

    def open_boot(self, clock: Clock) -> Boot:
        """Begin a new boot in the log."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO boots (boot_id, boottime, monotonic, wall) VALUES (?, ?, ?, ?)",
                (clock.boot_id(), clock.boottime(), clock.monotonic(), clock.wall()),
            )
        boot = self.current()
        assert boot is not None  # noqa: S101 - inserted two lines above
        return boot

    def see(self, seen: Boot) -> None:
        """Keep the clocks of the agent's latest look at a boot."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE boots SET boottime = ?, monotonic = ?, wall = ? WHERE id = ?",
                (seen.boottime, seen.monotonic, seen.wall, seen.id),
            )

    def confirm(self, server_time: float, sent: float, received: float) -> None:
        """Take the collector's time for the current boot.

        `sent` and `received` are boot-clock seconds around the exchange. The answer was made somewhere between,
        so half of that time widens the tolerance within which the system's clock is left alone.
        """
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE boots SET server_anchor = ?, tolerance = ? WHERE id = (SELECT max(id) FROM boots)",
                (server_time - (sent + received) / 2, TOLERANCE_SECONDS + (received - sent) / 2),
            )

    def add_sample(self, boot: Boot, begin: float, end: float, sample: Sample) -> None:
        """Add the means over [begin, end) of the boot clock."""
        with self.database.transaction() as connection:
            connection.execute(
                'INSERT INTO samples (boot, begin, "end", cpu, memory, cpu_source, memory_source, quality, state) '
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    boot.id,
                    begin,
                    end,
                    sample.cpu_ratio,
                    sample.memory_ratio,
                    sample.cpu_source,
                    sample.memory_source,
                    str(sample.quality),
                    str(sample.state) if sample.state in WATCHED else None,
                ),
            )

    def add_energy(self, boot: Boot, found: Iterable[Added]) -> None:
        """Add energy drawn during a boot."""
        with self.database.transaction() as connection:
            meters.add(connection, boot.id, found)

    def add_gap(self, kind: str, basis: str, begin: tuple[int, float], end: tuple[int, float]) -> None:
        """Add a stretch without samples, from and to (boot, seconds of its clock)."""
        with self.database.transaction() as connection:
            _insert_gap(connection, kind, basis, begin, end)

    def thin(self) -> tuple[int, int]:
        """Bring the spool under its limit; return how many samples and frozen periods were given up.

        Of the quarantine and of sign-ins only what is more than their share. Then oldest samples, then oldest frozen
        periods; each stretch given up becomes a gap record, so the blank is explained. Start-ups and gaps stay
        whatever the size.
        """
        samples = periods = 0
        if self.database.used_bytes() > self.max_bytes:
            for table, column in SHARES.items():
                self._keep_to_share(table, column)
        while self.database.used_bytes() > self.max_bytes:
            if some := self._thin_samples():
                samples += some
            elif some := self._thin_periods():
                periods += some
            else:
                break
        if samples or periods:
            self.database.release()
        return samples, periods

    def _keep_to_share(self, table: str, column: str) -> None:
        """Forget the oldest rows of a table that takes more than a quarter of the spool."""
        sizes = f"SELECT rowid AS row, length({column}) AS size FROM {table} ORDER BY rowid DESC"  # noqa: S608 - names above
        total = 0
        for row in self.database.rows(sizes):
            total += row["size"] or 0
            if total > self.max_bytes // 4:
                with self.database.transaction() as connection:
                    gone = connection.execute(f"DELETE FROM {table} WHERE rowid <= ?", (row["row"],)).rowcount  # noqa: S608 - names above
                    self.database.count(f"dropped_{table}", gone)
                return

    def _thin_samples(self) -> int:
        with self.database.transaction() as connection:
            oldest = connection.execute(
                'SELECT boot, begin, "end" FROM samples ORDER BY boot, begin LIMIT ?',
                (self._share("samples"),),
            ).fetchall()
            for boot, rows in groupby(oldest, key=lambda row: int(row["boot"])):
                lost = list(rows)
                begin, end = (boot, lost[0]["begin"]), (boot, lost[-1]["end"])
                _insert_gap(connection, "unobserved", "spool_full", begin, end)
                meters.give_up(connection, boot, lost[-1]["end"])
            connection.executemany(
                "DELETE FROM samples WHERE boot = ? AND begin = ?",
                ((row["boot"], row["begin"]) for row in oldest),
            )
            self.database.count("thinned_samples", len(oldest))
        return len(oldest)

    def _thin_periods(self) -> int:
        with self.database.transaction() as connection:
            oldest = [
                int(row["start"])
                for row in connection.execute(
                    "SELECT start FROM frozen ORDER BY start LIMIT ?", (self._share("frozen"),)
                )
            ]
            for begin, end in runs(oldest):
                connection.execute(
                    "INSERT INTO gaps (kind, basis, payload) VALUES ('unobserved', 'spool_full', ?)",
                    (to_json(to_wire(Gap(begin, end, "unobserved", "spool_full"))),),
                )
            connection.executemany("DELETE FROM frozen WHERE start = ?", ((start,) for start in oldest))
            self.database.count("dropped_periods", len(oldest))
        return len(oldest)

    def _share(self, table: str) -> int:
        rows = self.database.number(f"SELECT count(*) FROM {table}")  # noqa: S608 - one of two names above
        return max(THINNED_LEAST, rows // THINNED_SHARE)


def runs(starts: Iterable[int]) -> list[tuple[int, int]]:
    """Return ascending period starts as stretches [begin, end) without holes."""
    stretches: list[tuple[int, int]] = []
    for start in starts:
        if stretches and stretches[-1][1] == start:
            stretches[-1] = (stretches[-1][0], start + PERIOD_SECONDS)
        else:
            stretches.append((start, start + PERIOD_SECONDS))
    return stretches


def _insert_gap(
    connection: Connection, kind: str, basis: str, begin: tuple[int, float], end: tuple[int, float]
) -> None:
    connection.execute(
        "INSERT INTO gaps (kind, basis, from_boot, from_boottime, to_boot, to_boottime) VALUES (?, ?, ?, ?, ?, ?)",
        (kind, basis, *begin, *end),
    )


_BOOT_COLUMNS = ", ".join(column.name for column in fields(Boot))


def _boot(row: Row) -> Boot:
    values = dict(row)
    return Boot(**values | {"lost": bool(values["lost"])})
