"""The collection policy in the spool: which settlement periods carry device state and energy, and daily totals.

Under `half-hourly` each settlement period carries them. Under `daily` none does: they are added up locally and one
record a UTC day goes out once that day has closed, so that nobody can read a person's working hours from them.
Under `off` they are neither measured nor sent.

What was measured under one policy is never told more closely because a looser one came: weeks without a network would
else be told by the half-hour once somebody changes the setting. `stricter` remembers until when the former held.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from sqlite3 import Connection
from typing import Any

from roadworthy_agent.database import Database
from roadworthy_agent.periods import Absence, state_seconds
from roadworthy_agent.policy import STRICTEST_FIRST, CollectionPolicy
from roadworthy_agent.report import BatteryUse, Day, Energy, Period, StateSeconds, to_json, to_wire
from roadworthy_agent.timeline import Boot

DAY_SECONDS = 86_400
REMEMBERED_DAYS = 400


def policy_in(database: Database) -> CollectionPolicy:
    """Return the policy in force; one not settled yet is taken for the strictest that still measures."""
    return CollectionPolicy(database.get("policy", CollectionPolicy.DAILY))


def keep_policy(database: Database, policy: CollectionPolicy, current: Boot | None, boottime: float) -> bool:
    """Keep the policy that holds from `boottime` of the current boot on; return whether it is another."""
    held = database.get("policy")
    if held == policy:
        return False
    with database.transaction() as connection:
        if held is not None and current is not None and min(held, policy, key=STRICTEST_FIRST.index) == held:
            until = {"policy": held, "boot": current.id, "boottime": boottime}
            database.put(stricter=[*database.get("stricter", ()), until])
            if held == CollectionPolicy.OFF:
                database.put(off_until=until)
        if policy is CollectionPolicy.OFF:
            connection.execute("DELETE FROM open_days")
            connection.execute("DELETE FROM frozen_days WHERE held = 0")
            connection.execute("DELETE FROM signins WHERE revision > held_revision")
        database.put(policy=policy)
    return True


def policy_for(database: Database, anchors: Mapping[int, float | None], start: int) -> CollectionPolicy:
    """Return the strictest policy that held at or after the start of a settlement period."""
    held = [
        CollectionPolicy(one["policy"])
        for one in database.get("stricter", ())
        if (anchor := anchors.get(one["boot"])) is not None and start < anchor + one["boottime"]
    ]
    return min([policy_in(database), *held], key=STRICTEST_FIRST.index)


def forget_policies(database: Database, anchors: Mapping[int, float | None], closed_until: int) -> None:
    """Forget former policies of which every period is frozen."""
    if notes := database.get("stricter", ()):
        left = [
            one
            for one in notes
            if (anchor := anchors.get(one["boot"])) is not None and closed_until < anchor + one["boottime"]
        ]
        database.put(stricter=left or None)


def kept_back(connection: Connection, period: Period) -> Period:
    """Add a period's device state and energy to its day, and return the period without them."""
    day = period.start // DAY_SECONDS * DAY_SECONDS
    row = connection.execute("SELECT content FROM open_days WHERE day = ?", (day,)).fetchone()
    held: dict[str, Any] = {"observed_seconds": 0, "state": {}, "energy": {}, "battery": None}
    if row is not None:
        held = json.loads(row[0])
    _add(held, period)
    connection.execute(
        "INSERT INTO open_days VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET content = excluded.content",
        (day, to_json(held)),
    )
    return without_state(period)


def without_state(period: Period) -> Period:
    """Return a period that tells neither device state nor energy."""
    return replace(period, state_seconds=StateSeconds(), energy=(), battery=None)


def close(connection: Connection, closed_until: int, absences: Iterable[Absence]) -> None:
    """Make a record of each open day that is over."""
    gone = list(absences)
    for row in connection.execute(
        "SELECT day, content FROM open_days WHERE day + ? <= ?", (DAY_SECONDS, closed_until)
    ).fetchall():
        day = _day(row["day"], json.loads(row["content"]), gone)
        connection.execute(
            "INSERT INTO frozen_days (day, payload) VALUES (?, ?) ON CONFLICT (day) DO NOTHING",
            (day.day, to_json(to_wire(day))),
        )
        connection.execute("DELETE FROM open_days WHERE day = ?", (day.day,))
    oldest = closed_until - REMEMBERED_DAYS * DAY_SECONDS
    connection.execute("DELETE FROM frozen_days WHERE held = 1 AND day < ?", (oldest,))


def _add(held: dict[str, Any], period: Period) -> None:
    held["observed_seconds"] += period.observed_seconds
    for state in ("in_use", "idle", "locked"):
        held["state"][state] = held["state"].get(state, 0) + getattr(period.state_seconds, state)
    for energy in period.energy:
        before = held["energy"].get(energy.scope)
        told = asdict(energy)
        if before is not None:
            told["joules"] += before["joules"]
            told["covered_seconds"] = (told["covered_seconds"] or 0) + (before["covered_seconds"] or 0)
        held["energy"][energy.scope] = told
    if period.battery is not None:
        held["battery"] = _both(held["battery"], period.battery)


def _both(before: dict[str, Any] | None, use: BatteryUse) -> dict[str, Any]:
    told = asdict(use)
    if before is None:
        return told
    cpu = (
        None
        if before["cpu_joules"] is None or use.cpu_joules is None
        else before["cpu_joules"] + use.cpu_joules
    )
    return told | {
        "discharge_joules": before["discharge_joules"] + use.discharge_joules,
        "discharge_seconds": before["discharge_seconds"] + use.discharge_seconds,
        "cpu_joules": cpu,
    }


def _day(day: int, held: dict[str, Any], absences: Iterable[Absence]) -> Day:
    known = {state: float(seconds) for state, seconds in held["state"].items()}
    for absence in absences:
        if absence.kind in {"asleep", "off"}:
            seconds = min(absence.end, day + DAY_SECONDS) - max(absence.begin, day)
            known[absence.kind] = known.get(absence.kind, 0.0) + max(0.0, seconds)
    return Day(
        day=day,
        observed_seconds=min(held["observed_seconds"], DAY_SECONDS),
        state_seconds=state_seconds(known, DAY_SECONDS),
        energy=tuple(Energy(**energy) for energy in held["energy"].values()),
        battery=None if held["battery"] is None else BatteryUse(**held["battery"]),
    )
