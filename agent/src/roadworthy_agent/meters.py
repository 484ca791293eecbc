"""The energy counters in the spool: 64-bit micro-joules, kept whatever becomes of the samples.

`counters` holds each scope's counter and up to where it is *settled*: told in a frozen period, or given up. What is
given up (a full spool, a boot without a place) moves `settled` on, so that the loss shows as a step of
`counter_end_joules` between two periods and no other period's energy grows by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from sqlite3 import Connection, Row

from roadworthy_agent.database import Database
from roadworthy_agent.energy import LONGEST_COUNTER_SECONDS, Added, Piece

# By scope, as the key is: without it each period would walk through all energy of its boot.
_TOUCHING = (
    "SELECT * FROM energy WHERE boot = ? AND scope IN (SELECT scope FROM counters)"
    ' AND begin > ? AND begin < ? AND "end" > ?'
)


def add(connection: Connection, boot: int, found: Iterable[Added]) -> None:
    """Count energy on, and keep the stretch it was drawn over."""
    for added in found:
        row = connection.execute(
            "SELECT microjoules FROM counters WHERE scope = ?", (added.scope,)
        ).fetchone()
        begin = 0 if row is None else int(row[0])
        end = begin + added.microjoules
        connection.execute(
            "INSERT INTO counters (scope, microjoules, settled) VALUES (?, ?, 0)"
            " ON CONFLICT (scope) DO UPDATE SET microjoules = excluded.microjoules",
            (added.scope, end),
        )
        connection.execute(
            'INSERT INTO energy (boot, scope, begin, "end", counter_begin, counter_end, source, quality,'
            " relative_error, beside) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(boot, added.scope, added.begin, added.end, begin, end),
                *(added.source, str(added.quality), added.relative_error, added.beside_microjoules),
            ),
        )


def pieces(
    database: Database, anchors: Mapping[int, float | None], begin: float, end: float
) -> Iterator[Piece]:
    """Yield what touches [begin, end), epoch seconds, in the order of the boots."""
    for boot, anchor in sorted(anchors.items()):
        if anchor is not None:
            since = begin - anchor
            window = (boot, since - LONGEST_COUNTER_SECONDS, end - anchor, since)
            yield from (_piece(row, anchor) for row in database.rows(_TOUCHING, window))


def settled(database: Database) -> dict[str, int]:
    """Return up to which micro-joule each scope was told."""
    return {row["scope"]: int(row["settled"]) for row in database.rows("SELECT scope, settled FROM counters")}


def settle(connection: Connection, ends: Mapping[str, int]) -> None:
    """Keep that counters were told, or given up, up to `ends`."""
    connection.executemany(
        "UPDATE counters SET settled = max(settled, ?) WHERE scope = ?",
        ((end, scope) for scope, end in ends.items()),
    )


def trim(connection: Connection, boot: int, until: float) -> None:
    """Forget what was drawn before `until` of a boot's clock; what reaches beyond keeps its later part."""
    connection.execute('DELETE FROM energy WHERE boot = ? AND "end" <= ?', (boot, until))
    crossing = "SELECT * FROM energy WHERE boot = ? AND begin < ?"
    for row in connection.execute(crossing, (boot, until)).fetchall():
        rest = _piece(row, 0.0).since(until)
        connection.execute(
            "UPDATE energy SET begin = ?, counter_begin = ?, beside = ?"
            " WHERE boot = ? AND scope = ? AND begin = ?",
            (rest.begin, rest.counter_begin, rest.beside, boot, row["scope"], row["begin"]),
        )


def give_up(connection: Connection, boot: int, until: float | None = None) -> None:
    """Forget a boot's energy, or what ended before `until` of its clock; it shows as a step of the counter."""
    chosen, values = "boot = ?", [float(boot)]
    if until is not None:
        chosen, values = 'boot = ? AND "end" <= ?', [boot, until]
    ends = {
        row[0]: int(row[1])
        for row in connection.execute(
            f"SELECT scope, max(counter_end) FROM energy WHERE {chosen} GROUP BY scope",  # noqa: S608 - two texts above
            values,
        )
    }
    settle(connection, ends)
    connection.execute(f"DELETE FROM energy WHERE {chosen}", values)  # noqa: S608 - two texts above


def _piece(row: Row, anchor: float) -> Piece:
    return Piece(
        scope=row["scope"],
        begin=anchor + row["begin"],
        end=anchor + row["end"],
        counter_begin=row["counter_begin"],
        counter_end=row["counter_end"],
        source=row["source"],
        quality=row["quality"],
        relative_error=row["relative_error"],
        beside=row["beside"],
    )
