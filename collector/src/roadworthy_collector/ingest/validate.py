"""The rules of single items: what depends on other values, on ranges or on the time.

Each `check_*` returns the first Fault it finds, None for an item that may be stored. They hold for reports read
from the wire and for those made in this process alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from roadworthy_collector.ingest.wire import (
    BatteryUse,
    Day,
    Energy,
    Factor,
    Gap,
    Now,
    Outlet,
    Period,
    Phase,
    Signin,
    Startup,
    StateSeconds,
    Use,
)

PERIOD_SECONDS = 1800
DAY_SECONDS = 86400
AHEAD_SECONDS = 600  # how far a device's clock may run ahead of ours
MAX_AGE_SECONDS = 3660 * DAY_SECONDS  # of start-ups, sign-ins and gaps; older ones come from a wrong clock
MAX_SECONDS = 31_622_400  # a leap year: longer than anything that is a duration here
MAX_JOULES = 1_000_000_000  # of a half-hour: half a megawatt
MAX_WATTS = 1_000_000
MAX_COUNTER_JOULES = 2**53 - 1  # what a JSON number holds exactly
MAX_REVISION = 1_000_000
SUM_TOLERANCE_SECONDS = 0.01


class Fault(NamedTuple):
    """Why an item is refused: a documented code, the field within the item, and words."""

    code: str
    field: str
    message: str


class Bounds(NamedTuple):
    """The times an item may carry, in epoch seconds, both ends included."""

    oldest_period: int  # start of a settlement period still kept
    oldest_record: float
    newest: float

    @classmethod
    def at(cls, now: float, retention_days: int) -> Bounds:
        """Return the bounds at the moment `now`.

        Half-hours are taken for whole UTC days only: a day that has begun to be pruned cannot be added up again.
        """
        midnight = -(-(int(now) - retention_days * DAY_SECONDS) // DAY_SECONDS) * DAY_SECONDS
        return cls(midnight, now - MAX_AGE_SECONDS, now + AHEAD_SECONDS)


def check_period(period: Period, bounds: Bounds) -> Fault | None:
    """Check a settlement period: aligned, over, still kept, its seconds and ratios possible."""
    start = period.start
    if start % PERIOD_SECONDS:
        return Fault("not_aligned", "start", f"{start} is no multiple of {PERIOD_SECONDS}")
    if start + PERIOD_SECONDS > bounds.newest:
        return Fault("in_future", "start", "the period has not ended yet")
    if start < bounds.oldest_period:
        return Fault("too_old", "start", "half-hours of that age are no longer kept")
    if not 0 <= period.observed_seconds <= PERIOD_SECONDS:
        return _range("observed_seconds", 0, PERIOD_SECONDS)
    if not 0 <= period.samples <= PERIOD_SECONDS:
        return _range("samples", 0, PERIOD_SECONDS)
    return (
        _state(period.state_seconds, PERIOD_SECONDS)
        or _use("cpu", period.cpu)
        or _use("memory", period.memory)
        or (_energy(period.energy, PERIOD_SECONDS) if period.energy else None)
        or (_battery(period.battery, PERIOD_SECONDS) if period.battery else None)
        or (_outlets(period.outlets) if period.outlets else None)
    )


def check_day(day: Day, bounds: Bounds) -> Fault | None:
    """Check a day's device state and energy: aligned, over, still kept, its seconds possible."""
    if day.day % DAY_SECONDS:
        return Fault("not_aligned", "day", f"{day.day} is no midnight UTC")
    if day.day + DAY_SECONDS > bounds.newest:
        return Fault("in_future", "day", "the day has not ended yet")
    if day.day < bounds.oldest_period:
        return Fault("too_old", "day", "days of that age are no longer taken")
    if not 0 <= day.observed_seconds <= DAY_SECONDS:
        return _range("observed_seconds", 0, DAY_SECONDS)
    return (
        _state(day.state_seconds, DAY_SECONDS)
        or _energy(day.energy, DAY_SECONDS)
        or (_battery(day.battery, DAY_SECONDS) if day.battery else None)
    )


def check_now(now: Now, bounds: Bounds) -> Fault | None:
    """Check the open settlement period. Its time decides which of two is newer, so it may not lie ahead."""
    if (fault := _now_times(now, bounds)) is not None:
        return fault
    if not 0 <= now.observed_seconds <= PERIOD_SECONDS:
        return _range("observed_seconds", 0, PERIOD_SECONDS)
    for name in ("cpu_latest_ratio", "memory_latest_ratio"):
        ratio = getattr(now, name)
        if ratio is not None and not 0 <= ratio <= 1:
            return _range(name, 0, 1)
    if now.uptime_seconds is not None and not 0 <= now.uptime_seconds <= MAX_SECONDS:
        return _range("uptime_seconds", 0, MAX_SECONDS)
    return (
        _state_so_far(now.state_seconds)
        or _use("cpu", now.cpu)
        or _use("memory", now.memory)
        or _energy(now.energy, PERIOD_SECONDS)
    )


def check_startup(startup: Startup, bounds: Bounds) -> Fault | None:
    """Check a start-up; its total is the sum of its counted phases."""
    if startup.started_at > bounds.newest:
        return Fault("in_future", "started_at", "the start-up has not happened yet")
    if startup.started_at < bounds.oldest_record:
        return Fault("too_old", "started_at", "no start-up is that old; the device's clock is wrong")
    counted = [phase.seconds for phase in startup.phases if phase.counted]
    total = startup.total_seconds
    if total is not None and counted and abs(total - sum(counted)) > SUM_TOLERANCE_SECONDS + 1e-9:
        return Fault("sum_mismatch", "total_seconds", f"the counted phases add up to {sum(counted):.3f} s")
    return _record(startup)


def check_signin(signin: Signin, bounds: Bounds) -> Fault | None:
    """Check a sign-in."""
    if signin.day % DAY_SECONDS:
        return Fault("not_aligned", "day", f"{signin.day} is no midnight UTC")
    if signin.day > bounds.newest:
        return Fault("in_future", "day", "the day has not begun yet")
    if signin.day < bounds.oldest_record:
        return Fault("too_old", "day", "no sign-in is that old; the device's clock is wrong")
    return _record(signin)


def check_gap(gap: Gap, bounds: Bounds) -> Fault | None:
    """Check a gap: it ends after it begins, and has ended."""
    if gap.begin >= gap.end:
        return Fault("order", "to", "a gap ends after it begins")
    if gap.end > bounds.newest:
        return Fault("in_future", "to", "the gap has not ended yet")
    if gap.begin < bounds.oldest_record:
        return Fault("too_old", "from", "no gap is that old; the device's clock is wrong")
    return None


def _now_times(now: Now, bounds: Bounds) -> Fault | None:
    """Check the times of the latest reading."""
    if now.at > bounds.newest:
        return Fault("in_future", "at", "the device's clock is ahead")
    if now.at < bounds.oldest_period:
        return Fault("too_old", "at", "the device's clock is behind")
    if now.start % PERIOD_SECONDS:
        return Fault("not_aligned", "start", f"{now.start} is no multiple of {PERIOD_SECONDS}")
    if not now.at - PERIOD_SECONDS - AHEAD_SECONDS <= now.start <= now.at + AHEAD_SECONDS:
        return Fault("out_of_range", "start", "not the period the reading belongs to")
    return None


def _range(field: str, low: float, high: float) -> Fault:
    return Fault("out_of_range", field, f"must lie between {low:g} and {high:.15g}")


def _state(state: StateSeconds, whole: int) -> Fault | None:
    """Six counts of seconds that make up the whole period or day."""
    seconds = (state.in_use, state.idle, state.locked, state.asleep, state.off, state.unobserved)
    if min(seconds) < 0:
        name = StateSeconds.__struct_fields__[seconds.index(min(seconds))]
        return _range(f"state_seconds.{name}", 0, whole)
    if sum(seconds) != whole:
        return Fault("state_sum", "state_seconds", f"add up to {sum(seconds)}, not {whole}")
    return None


def _state_so_far(state: StateSeconds | None) -> Fault | None:
    """Six counts of seconds of a period that is still open: it may be booked as it is, if it is the last."""
    if state is None:
        return None
    for name in StateSeconds.__struct_fields__:
        if not 0 <= getattr(state, name) <= PERIOD_SECONDS:
            return _range(f"state_seconds.{name}", 0, PERIOD_SECONDS)
    return None


def _use(name: str, use: Use | None) -> Fault | None:
    """Two ratios, the second optional."""
    if use is None:
        return None
    if not 0 <= use.mean_ratio <= 1:
        return _range(f"{name}.mean_ratio", 0, 1)
    if use.p95_ratio is not None and not 0 <= use.p95_ratio <= 1:
        return _range(f"{name}.p95_ratio", 0, 1)
    return None


def _energy(rows: Iterable[Energy], whole: int) -> Fault | None:
    """Energy per scope over at most `whole` seconds, each scope once."""
    scopes = set()
    most = MAX_JOULES * whole // PERIOD_SECONDS
    for index, row in enumerate(rows):
        where = f"energy[{index}]"
        if row.scope in scopes:
            return Fault("duplicate", f"{where}.scope", f"{row.scope} is there twice")
        scopes.add(row.scope)
        for name, value, limit in (
            ("joules", row.joules, most),
            ("counter_end_joules", row.counter_end_joules, MAX_COUNTER_JOULES),
            ("covered_seconds", row.covered_seconds or 0, whole),
            ("latest_watts", row.latest_watts or 0, MAX_WATTS),
            ("relative_error", row.relative_error or 0, 10),
        ):
            if not 0 <= value <= limit:
                return _range(f"{where}.{name}", 0, limit)
    return None


def _battery(use: BatteryUse, whole: int) -> Fault | None:
    """Joules and seconds drawn from the batteries over at most `whole` seconds."""
    most = MAX_JOULES * whole // PERIOD_SECONDS
    for name, value, limit in (
        ("discharge_joules", use.discharge_joules, most),
        ("discharge_seconds", use.discharge_seconds, whole),
        ("cpu_joules", use.cpu_joules or 0, most),
    ):
        if not 0 <= value <= limit:
            return _range(f"battery.{name}", 0, limit)
    return None


def _outlets(rows: Iterable[Outlet]) -> Fault | None:
    """Energy by outlet over one half-hour, each outlet once."""
    seen = set()
    for index, row in enumerate(rows):
        where = f"outlets[{index}]"
        if row.outlet in seen:
            return Fault("duplicate", f"{where}.outlet", f"{row.outlet} is there twice")
        seen.add(row.outlet)
        if not 0 <= row.joules <= MAX_JOULES:
            return _range(f"{where}.joules", 0, MAX_JOULES)
        if not 0 <= row.covered_seconds <= PERIOD_SECONDS:
            return _range(f"{where}.covered_seconds", 0, PERIOD_SECONDS)
    return None


def _record(record: Startup | Signin) -> Fault | None:
    """Check what start-ups and sign-ins have in common."""
    if not 1 <= record.revision <= MAX_REVISION:
        return _range("revision", 1, MAX_REVISION)
    return (
        _durations("", record, ("total_seconds", "usable_seconds"))
        or (_durations("", record, ("shutdown_seconds",)) if isinstance(record, Startup) else None)
        or _each("phases", record.phases, ("seconds",))
        or _each("factors", record.factors, ("seconds", "degradation_seconds", "began_seconds"))
    )


def _each(name: str, parts: Iterable[Phase | Factor], fields: tuple[str, ...]) -> Fault | None:
    """Check the durations of each part of a list."""
    for index, part in enumerate(parts):
        if (fault := _durations(f"{name}[{index}].", part, fields)) is not None:
            return fault
    return None


def _durations(
    prefix: str, owner: Startup | Signin | Phase | Factor, fields: tuple[str, ...]
) -> Fault | None:
    """Durations are missing or between 0 and a year."""
    for field in fields:
        seconds = getattr(owner, field)
        if seconds is not None and not 0 <= seconds <= MAX_SECONDS:
            return _range(f"{prefix}{field}", 0, MAX_SECONDS)
    return None
