"""What a device's page shows: its facts and where they come from, its start-ups, its use, and what is missing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from roadworthy_collector.books import lists
from roadworthy_collector.books.standing import by_reason
from roadworthy_collector.console import device_polled, present, words
from roadworthy_collector.console.charts import Figure, phases_data
from roadworthy_collector.console.facts import capacity, disk_health, facts_of
from roadworthy_collector.console.figures import split_phases
from roadworthy_collector.console.present import LocalTime
from roadworthy_collector.console.view import View
from roadworthy_collector.console.why import ProbeWord, complete, parse_missing, reason, unverified
from roadworthy_collector.console.words import LOOKS
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.roles import RIGHTS, Right, Role
from roadworthy_collector.snmp.targets import NOTHING_KNOWN
from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.queries import console_device as used
from roadworthy_collector.store.queries import console_startups as startups

PERIOD_SECONDS = 1800
HOURS = {24: "24 hours", 48: "2 days", 168: "7 days", 720: "30 days"}
STATE_DAYS = 7
_STARTUPS, _CHARTED, _SIGNINS = 20, 10, 20
# Marks on the time axis are whole hours apart by what fits: the span in hours, then the hours between marks.
_TICK_HOURS = ((24, 3), (48, 6), (168, 24), (720, 120))


def context(
    connection: Connection, view: View, device: Row[Any], hours: int, *, history: bool = True
) -> dict[str, Any]:
    """Return what device.html needs of `device`, a row of `find_device`.

    Without `history` only what is no record of when it was used: facts, what it measures, its condition.
    """
    probes = complete(
        ProbeWord(row.probe, row.status, row.reason, row.source, row.since, parse_missing(row.missing))
        for row in queries.probes_of(connection, device.id)
    )
    facts = device.facts if isinstance(device.facts, dict) else {}
    return {
        "history": history,
        "may_read": [words.ROLES[role] for role in Role if Right.READ_DEVICE_HISTORY in RIGHTS[role]],
        "device": device,
        "name": device.hostname or device.device_id,
        "agent": device.agent if isinstance(device.agent, dict) else {},
        "probes": probes,
        "unverified": unverified(probes),
        "facts": facts_of(device, facts, probes),
        "disks": facts.get("storage") or [],
        "modules": ((facts.get("hardware") or {}).get("memory") or {}).get("modules") or [],
        "why": {
            "disks": reason(probes, "storage", otherwise="the device reports none"),
            "modules": reason(probes, "hardware", "memory.modules", "the firmware lists none"),
            "startups": reason(probes, "startup", otherwise="none on record since this device was enrolled"),
            "use": reason(probes, "utilisation", otherwise="not in the latest report"),
            "state": reason(probes, "state", otherwise="nobody watched it"),
            "power": reason(probes, "power", otherwise="no half-hour of the last days carries any"),
            "battery": reason(probes, "battery", otherwise="the device has none"),
            "signins": reason(probes, "signin", otherwise="none yet; they are sent when their day is over"),
        },
        "batteries": facts.get("battery") or [],
        "rating": rating_of(connection, view, device.device_id),
        "feeds": device_polled.feeds_of(connection, view, device.id),
        "nothing_known": NOTHING_KNOWN,
        "by_reason": by_reason,
        "looks": LOOKS,
        "capacity": capacity,
        "disk_health": disk_health,
        **(_history(connection, view, device, hours) if history else {}),
    }


def rating_of(connection: Connection, view: View, device_id: str) -> dict[str, Any] | None:
    """Return how the device is rated, None before it is; without figures of sign-ins for whom they are not."""
    try:
        found = lists.why(connection, device_id, view.scope)
    except NotFoundError:
        return None
    small = view.reader is not None and view.reader.sees_small_groups
    return found if small else lists.without_people(found)


def _history(connection: Connection, view: View, device: Row[Any], hours: int) -> dict[str, Any]:
    """Return what tells when the device was used."""
    states_since = int(view.now) - STATE_DAYS * 86400
    return {
        "hours": hours,
        "hours_choices": HOURS,
        "use": _use(connection, view, device, hours),
        "states": used.state_totals(connection, device.id, states_since),
        "state_days": STATE_DAYS,
        "energy": used.energy_of(connection, device.id, states_since),
        "signins": _signins(connection, view, device.id),
        "gaps": queries.gaps_of(connection, device.id),
        **_startups(connection, view, device),
    }


def _figure(view: View, kind: str, data: dict[str, Any], device: Row[Any]) -> Figure:
    return view.board.add(kind, data, device=str(device.device_id))


def _startups(connection: Connection, view: View, device: Row[Any]) -> dict[str, Any]:
    """Return the latest start-ups, their chart, and the contributing factors of the latest."""
    rows = startups.startups_of(connection, device.id, _STARTUPS)
    listed = [
        {
            "at": row.started_at,
            "kind": words.say(words.KINDS, row.kind),
            "seconds": row.total_seconds,
            "usable": row.usable_seconds,
            "quality": words.say(words.STARTUP_QUALITIES, row.quality),
            "reason": row.reason,
            "final": row.final,
            "source": row.source,
            "split": split_phases(row.phases),
        }
        for row in rows
    ]
    drawn = [
        (view.when.text(row.started_at), _total(row), row.phases) for row in rows[:_CHARTED] if row.phases
    ]
    latest = rows[0] if rows else None
    factors = sorted(latest.factors, key=_factor_seconds, reverse=True) if latest is not None else []
    return {
        "startups": listed,
        "startups_figure": _figure(view, "phases", phases_data(drawn), device) if drawn else None,
        "latest": listed[0] if listed else None,
        "factors": factors,
    }


def _signins(connection: Connection, view: View, device: int) -> list[dict[str, Any]]:
    """Return the latest sign-ins by day, with what made them long."""
    return [
        {
            "day": view.when.day(row.day),
            "seconds": row.total_seconds,
            "usable": row.usable_seconds,
            "quality": words.say(words.STARTUP_QUALITIES, row.quality),
            "source": row.record.get("source"),
            "about": ", ".join(_about_signin(row.record)),
            "longest": sorted(row.record.get("factors", ()), key=_factor_seconds, reverse=True)[:3],
        }
        for row in used.signins_of(connection, device, _SIGNINS)
    ]


def _about_signin(record: dict[str, Any]) -> list[str]:
    known = [
        "first on this device" if record.get("first_on_device") else None,
        "roaming profile" if record.get("roaming_profile") else None,
        words.CREDENTIALS.get(record.get("credentials") or ""),
        words.CONNECTIONS.get(record.get("connection") or ""),
    ]
    return [word for word in known if word]


def _total(row: Row[Any]) -> str:
    if row.total_seconds is not None:
        return present.duration(row.total_seconds)
    return "total not known" if row.final else "not finished"


def _factor_seconds(factor: dict[str, Any]) -> float:
    return float(factor.get("seconds") or factor.get("degradation_seconds") or 0.0)


def _use(connection: Connection, view: View, device: Row[Any], hours: int) -> dict[str, Any]:
    """Return the half-hours of the last `hours` hours, the open one last and marked, with their chart."""
    until = int(view.now) // PERIOD_SECONDS * PERIOD_SECONDS + PERIOD_SECONDS
    since = until - hours * 3600
    closed = queries.periods_of(connection, device.id, since)
    rows = [
        {
            "start": row.start,
            "observed": row.observed_seconds,
            "cpu": row.cpu_mean_ratio,
            "cpu_p95": row.cpu_p95_ratio,
            "memory": row.memory_mean_ratio,
            "open": False,
            "incomplete": row.incomplete,
        }
        for row in closed
    ]
    rows += _open_period(device, {row["start"] for row in rows}, since)
    known = any(row["cpu"] is not None or row["memory"] is not None for row in rows)
    data = {
        "title": f"half-hours in {view.when.zone}",
        "since": since,
        "until": until,
        "ticks": ticks(view.when, since, until),
        "rows": [{name: row[name] for name in ("start", "cpu", "cpu_p95", "memory", "open")} for row in rows],
    }
    return {
        "rows": rows,
        "figure": _figure(view, "half_hours", data, device) if known else None,
        "sources": sorted({name for row in closed for name in (row.cpu_source, row.memory_source) if name}),
    }


def _open_period(device: Row[Any], closed: set[int], since: int) -> list[dict[str, Any]]:
    """Return the open half-hour as last reported, or nothing if it has been closed since or is long past."""
    now = device.now if isinstance(device.now, dict) else None
    if now is None or device.now_start in closed or device.now_start < since:
        return []
    cpu, memory = now.get("cpu") or {}, now.get("memory") or {}
    return [
        {
            "start": device.now_start,
            "observed": device.now_observed_seconds,
            "cpu": cpu.get("mean_ratio"),
            "cpu_p95": cpu.get("p95_ratio"),
            "memory": memory.get("mean_ratio"),
            "open": True,
            "incomplete": False,
        }
    ]


def ticks(when: LocalTime, since: int, until: int) -> list[tuple[int, str]]:
    """Return (epoch, label) marks at round local hours; midnight carries the day. Right across clock changes."""
    span = (until - since) // 3600
    apart = next((step for most, step in _TICK_HOURS if span <= most), 120)
    found = []
    for epoch in range(since, until + 1, PERIOD_SECONDS):
        local = when.local(epoch)
        if local.minute or local.hour % min(apart, 24):
            continue
        if apart > 24 and local.toordinal() % (apart // 24):
            continue
        found.append((epoch, f"{local.day} {local:%b}" if local.hour == 0 else f"{local:%H:%M}"))
    return found
