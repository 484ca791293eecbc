"""From the sample log to what is sent: periods are frozen once, gaps and start-ups get their true times.

Freezing, in this order and in one transaction:
1. Nothing happens until the collector has told the time during the current boot.
2. Each boot of the log is placed on the wall clock, or found to fit nowhere.
3. Samples of closed settlement periods become payloads; a period that was frozen before is never made again.
   What they tell of device state and energy goes out with them, by the day, or not at all (see `days`).
4. Samples behind the open period are deleted; one that reaches into it keeps the part that lies there.
5. Days that are over become records; gaps, start-ups and sign-ins whose boots have a place get their times.
6. Boots nothing refers to any more are forgotten.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, replace
from sqlite3 import Connection
from typing import Any

from roadworthy_agent import days, meters, signins
from roadworthy_agent.database import Database
from roadworthy_agent.energy import energies, within
from roadworthy_agent.periods import Absence, Stretch, compute, period_of
from roadworthy_agent.policy import CollectionPolicy
from roadworthy_agent.report import PERIOD_SECONDS, Gap, Now, to_json, to_wire
from roadworthy_agent.spool import Spool
from roadworthy_agent.timeline import Boot, latest_possible, place

log = logging.getLogger(__name__)

# Keys of frozen periods are remembered this long: far beyond what a collector takes as late data.
REMEMBERED_SECONDS = 400 * 86_400
# Past boots are kept to tell whether the clock of a later one can be right.
REMEMBERED_BOOTS = 16
# No sample is longer: two intervals of at most a minute. Without this bound each period would walk through all
# samples before it, and an agent that was offline for months would be busy for minutes.
LONGEST_SAMPLE_SECONDS = 3600
_TOUCHING = 'SELECT * FROM samples WHERE boot = ? AND begin > ? AND begin < ? AND "end" > ?'
LEAST_OBSERVED_SECONDS = 120  # of the open period, before its means are told
UNPLACED = "The clock of that boot was wrong and could not be corrected; placed at the latest possible time."


def corrected_now(spool: Spool, boottime: float) -> float | None:
    """Return the best UTC epoch seconds known, or None before the first look at this boot."""
    boot = spool.current()
    return None if boot is None else boot.anchor + boottime


def freeze(spool: Spool) -> int:
    """Freeze what can be frozen; return how many periods were.

    A period counts as closed when the agent has looked at the clocks after its end: before that look nobody
    knows whether the device slept through the end.
    """
    with spool.database.transaction() as connection:
        boots = spool.boots()
        if not boots or not boots[-1].confirmed:
            return 0
        anchors = place(boots)
        closed_until = period_of(boots[-1].anchor + boots[-1].boottime)
        _drop_unplaced(spool.database, connection, boots, anchors)
        absences = list(_absences(spool.database, anchors))
        frozen = _freeze_periods(spool.database, connection, anchors, closed_until, absences)
        _trim(connection, anchors, closed_until)
        days.forget_policies(spool.database, anchors, closed_until)
        days.close(connection, closed_until, absences)
        signins.place(connection, anchors)
        signins.release(spool.database, connection, closed_until)
        _freeze_gaps(connection, anchors)
        _place_startups(connection, boots, anchors)
        _settle_boots(connection, boots, anchors)
        _forget(connection, closed_until)
    return frozen


def now(spool: Spool, boottime: float) -> Now | None:
    """Return the open settlement period so far and the latest readings, or None before the first look."""
    boots = spool.boots()
    if not boots:
        return None
    at = boots[-1].anchor + boottime
    start = period_of(at)
    # A boot of before counts only where its place is certain; the rest waits for `freeze`.
    anchors: dict[int, float | None] = {boot.id: boot.anchor for boot in boots if boot.confirmed}
    anchors[boots[-1].id] = boots[-1].anchor
    stretches = list(_stretches(spool.database, anchors, start))
    period = compute(stretches, _absences(spool.database, anchors)).get(start)
    told = days.policy_for(spool.database, anchors, start) is CollectionPolicy.HALF_HOURLY
    pieces = within(meters.pieces(spool.database, anchors, start, start + PERIOD_SECONDS), start, at)
    drawn, _battery, _ends = energies(pieces, meters.settled(spool.database), latest=True)
    # It goes out with every call: what only the closed period needs stays behind, and a period that has just begun
    # has no means worth telling. How a person uses the device at this very moment is nobody's business.
    seen = period if period is not None and period.observed_seconds >= LEAST_OBSERVED_SECONDS else None
    return Now(
        at=at,
        start=start,
        observed_seconds=period.observed_seconds if period else 0,
        uptime_seconds=round(boottime, 1),
        cpu=replace(seen.cpu, p95_ratio=None) if seen and seen.cpu else None,
        memory=replace(seen.memory, p95_ratio=None) if seen and seen.memory else None,
        cpu_latest_ratio=_rounded(stretches[-1].cpu) if stretches else None,
        memory_latest_ratio=_rounded(stretches[-1].memory) if stretches else None,
        energy=tuple(replace(one, covered_seconds=None, relative_error=None) for one in drawn)
        if told
        else (),
    )


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def _stretches(database: Database, anchors: dict[int, float | None], start: int) -> Iterator[Stretch]:
    """Yield the samples that touch one settlement period, in the order of their boots."""
    for boot, anchor in sorted(anchors.items()):
        if anchor is None:
            continue
        begin = start - anchor
        window = (boot, begin - LONGEST_SAMPLE_SECONDS, begin + PERIOD_SECONDS, begin)
        for row in database.rows(_TOUCHING, window):
            yield Stretch(
                begin=anchor + row["begin"],
                end=anchor + row["end"],
                cpu=row["cpu"],
                memory=row["memory"],
                cpu_source=row["cpu_source"],
                memory_source=row["memory_source"],
                quality=row["quality"],
                state=row["state"],
            )


def _starts(connection: Connection, anchors: dict[int, float | None]) -> set[int]:
    """Return the settlement periods that samples of placed boots touch."""
    starts: set[int] = set()
    for row in connection.execute('SELECT boot, begin, "end" FROM samples'):
        anchor = anchors.get(row["boot"])
        if anchor is not None:
            starts |= {period_of(anchor + row["begin"]), period_of(anchor + row["end"])}
    return starts


def _absences(database: Database, anchors: dict[int, float | None]) -> Iterator[Absence]:
    rows = database.rows("SELECT * FROM gaps WHERE kind IN ('asleep', 'off') AND from_boot IS NOT NULL")
    for row in rows:
        begin, end = anchors.get(row["from_boot"]), anchors.get(row["to_boot"])
        if begin is not None and end is not None:
            yield Absence(begin + row["from_boottime"], end + row["to_boottime"], row["kind"])


def _drop_unplaced(
    database: Database, connection: Connection, boots: list[Boot], anchors: dict[int, float | None]
) -> None:
    for boot in boots:
        if anchors[boot.id] is None:
            gone = connection.execute("DELETE FROM samples WHERE boot = ?", (boot.id,)).rowcount
            meters.give_up(connection, boot.id)
            database.count("dropped_samples", gone)
            if gone:
                log.warning("%d samples of boot %s have no true time and were dropped", gone, boot.boot_id)


def _freeze_periods(
    database: Database,
    connection: Connection,
    anchors: dict[int, float | None],
    closed_until: int,
    absences: list[Absence],
) -> int:
    frozen = dropped = 0
    for start in sorted(start for start in _starts(connection, anchors) if start < closed_until):
        period = compute(_stretches(database, anchors, start), absences).get(start)
        if period is None:
            continue
        pieces = within(
            meters.pieces(database, anchors, start, start + PERIOD_SECONDS), start, start + PERIOD_SECONDS
        )
        drawn, battery, ends = energies(pieces, meters.settled(database))
        if database.row("SELECT 1 FROM frozen_keys WHERE start = ?", (start,)) is not None:
            # Less than a second is a sliver, left as clocks are corrected: its energy is the next period's.
            if period.observed_seconds > 0:
                dropped += period.samples
                meters.settle(connection, ends)
            continue
        meters.settle(connection, ends)
        period = replace(period, energy=drawn, battery=battery)
        policy = days.policy_for(database, anchors, start)
        if policy is CollectionPolicy.DAILY:
            period = days.kept_back(connection, period)
        elif policy is CollectionPolicy.OFF:
            period = days.without_state(period)
        connection.execute("INSERT INTO frozen VALUES (?, ?)", (start, to_json(to_wire(period))))
        connection.execute("INSERT INTO frozen_keys VALUES (?)", (start,))
        frozen += 1
    database.count("dropped_samples", dropped)
    return frozen


def _trim(connection: Connection, anchors: dict[int, float | None], closed_until: int) -> None:
    for boot, anchor in anchors.items():
        if anchor is not None:
            until = closed_until - anchor
            connection.execute('DELETE FROM samples WHERE boot = ? AND "end" <= ?', (boot, until))
            connection.execute(
                "UPDATE samples SET begin = ? WHERE boot = ? AND begin < ?", (until, boot, until)
            )
            meters.trim(connection, boot, until)


def _freeze_gaps(connection: Connection, anchors: dict[int, float | None]) -> None:
    """Give each gap its times; one without length is no record.

    Around a boot without a place only the outer ends are known: one gap of unknown kind stands for all within.
    """
    carried: float | None = None
    for row in connection.execute("SELECT * FROM gaps WHERE payload IS NULL ORDER BY id").fetchall():
        begin = _placed(anchors, row["from_boot"], row["from_boottime"])
        end = _placed(anchors, row["to_boot"], row["to_boottime"])
        kind = row["kind"]
        if begin is None and end is not None:
            begin, carried, kind = carried, None, "unobserved"
        elif begin is not None and end is None:
            carried = begin
        if begin is not None and end is not None and round(begin) < round(end):
            payload = to_json(to_wire(Gap(round(begin), round(end), kind, row["basis"])))
            connection.execute(
                "UPDATE gaps SET payload = ?, kind = ? WHERE id = ?", (payload, kind, row["id"])
            )
        else:
            connection.execute("DELETE FROM gaps WHERE id = ?", (row["id"],))


def _placed(anchors: dict[int, float | None], boot: int, boottime: float) -> float | None:
    anchor = anchors.get(boot)
    return None if anchor is None else anchor + boottime


def _place_startups(connection: Connection, boots: list[Boot], anchors: dict[int, float | None]) -> None:
    known = {boot.id: boot for boot in boots}
    for row in connection.execute("SELECT * FROM startups WHERE started_at IS NULL").fetchall():
        boot = known.get(row["boot"])
        if boot is None:
            continue
        anchor, record = anchors[boot.id], row["record"]
        if anchor is None:
            anchor = latest_possible(boot, boots, anchors)
            record = to_json(_as_approximate(json.loads(record)))
        connection.execute(
            "UPDATE startups SET started_at = ?, record = ? WHERE start_id = ?",
            (round(max(anchor + row["boottime"], 0.0), 3), record, row["start_id"]),
        )


def _as_approximate(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"quality": "approximate", "reason": UNPLACED}


def _settle_boots(connection: Connection, boots: list[Boot], anchors: dict[int, float | None]) -> None:
    """Keep where past boots were put, so that all their periods lie on one clock, and forget those done with."""
    for boot in boots[:-1]:
        settled = replace(boot, placed_anchor=anchors[boot.id], lost=anchors[boot.id] is None)
        connection.execute(
            "UPDATE boots SET placed_anchor = :placed_anchor, lost = :lost WHERE id = :id", asdict(settled)
        )
    connection.execute(
        "DELETE FROM boots WHERE id < (SELECT max(id) FROM boots) - ?"
        " AND id NOT IN (SELECT boot FROM samples)"
        " AND id NOT IN (SELECT boot FROM startups WHERE started_at IS NULL)"
        " AND id NOT IN (SELECT boot FROM energy)"
        " AND id NOT IN (SELECT from_boot FROM gaps WHERE from_boot IS NOT NULL)"
        " AND id NOT IN (SELECT to_boot FROM gaps WHERE to_boot IS NOT NULL)",
        (REMEMBERED_BOOTS,),
    )


def _forget(connection: Connection, closed_until: int) -> None:
    """Forget gaps that were taken and lie behind any open day, and keys nobody will ask for again."""
    for row in connection.execute("SELECT id, payload FROM gaps WHERE held = 1").fetchall():
        if json.loads(row["payload"])["to"] <= closed_until - days.DAY_SECONDS:
            connection.execute("DELETE FROM gaps WHERE id = ?", (row["id"],))
    connection.execute("DELETE FROM frozen_keys WHERE start < ?", (closed_until - REMEMBERED_SECONDS,))


__all__ = ["PERIOD_SECONDS", "corrected_now", "freeze", "now"]
