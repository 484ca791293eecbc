"""What simulated devices send, as the in-process ingest takes it: the HTTP route's reports without the HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from roadworthy_collector.demo import signing, telling
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.generate import (
    Clock,
    Gap,
    HalfHour,
    StartUp,
    Timeline,
    booted_at,
    closed_until,
    gaps,
    half_hours,
    is_on,
    sessions,
    start_ups,
)
from roadworthy_collector.demo.patterns import DAY, Session
from roadworthy_collector.ingest import wire
from roadworthy_collector.ingest.batch import Incoming
from roadworthy_inventory.calendar import PERIOD_SECONDS, local_date, local_day, period_start

# Long enough before the first half-hour told that its gap begins where the device really went off.
_LOOK_BACK_DAYS = 5
_AGENT_CALLS_SECONDS = 900
_LONGEST_START_UP_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Told:
    """A device's report, when the collector heard it, and what is in it."""

    incoming: Incoming
    heard_at: int
    half_hours: int = 0
    start_ups: int = 0
    gaps: int = 0
    on: bool = False


@dataclass
class World:
    """What all devices share: the demo's time and the local clock."""

    timeline: Timeline
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(self.timeline.zone)

    def midnight_before(self, at: float, days: int = 0) -> int:
        """Return the local midnight `days` whole days before the one `at` lies behind."""
        return local_day(local_date(at, self.clock.zone) - timedelta(days=days), self.clock.zone).start

    def on_until(self, device: Device, begin: int, now: int) -> list[Session]:
        """Return when the device was on from some days before `begin` to `now`, whole sessions."""
        days = _LOOK_BACK_DAYS
        for away, back in device.absences:
            if begin < back <= now:
                days += (begin - min(begin, away)) // DAY + 1
        return sessions(device, self.clock, self.midnight_before(begin, days), now)


def whole_story(world: World, device: Device, counters: dict[str, int]) -> Told | None:
    """Return all a device has sent by the demo's `now`, as one report; None for one that never reported."""
    timeline = world.timeline
    if device.silent_from is not None and device.silent_from <= device.enrolled_at:
        return None
    begin, now = timeline.half_hours_from, timeline.now
    on = world.on_until(device, begin, now)
    if not on or on[-1].end <= begin:
        heard_at = on[-1].end if on else (device.silent_from or device.enrolled_at + _AGENT_CALLS_SECONDS)
        return Told(
            _incoming(device, heard_at, seq=_reports_by(device, heard_at), boot=device.enrolled_at), heard_at
        )
    heard_at = _last_heard(device, on, now)
    return _tell(world, device, on, begin=begin, heard_at=heard_at, now=now, counters=counters, seq=None)


def next_chapter(
    world: World,
    device: Device,
    counters: dict[str, int],
    *,
    told_at: int,
    seq: int,
    now: int,
    spread: bool = False,
) -> Told | None:
    """Return the report a device sends, having last been heard at `told_at`; None if it is off at `now`.

    It sends it at `now`, or with `spread` some time within the last call's interval, as devices do.
    """
    begin = period_start(told_at)
    on = world.on_until(device, begin, now)
    if not is_on(device, on, now):
        return None
    heard_at = max(told_at, _last_heard(device, on, now)) if spread else now
    return _tell(world, device, on, begin=begin, heard_at=heard_at, now=now, counters=counters, seq=seq)


def _last_heard(device: Device, on: list[Session], now: int) -> int:
    """Return when the agent last called: within a call's interval, and after the last half-hour closed."""
    until = now if is_on(device, on, now) else on[-1].end
    ago = int(device.rng("last call").random() * _AGENT_CALLS_SECONDS)
    return max(period_start(until), until - ago, on[-1].begin)


def _reports_by(device: Device, at: float) -> int:
    """Return about how many reports the agent has sent by then."""
    return (
        1 + int((at - device.enrolled_at) * (1.0 if device.pattern.all_day else 0.3)) // _AGENT_CALLS_SECONDS
    )


def _incoming(
    device: Device,
    at: int,
    *,
    seq: int,
    boot: int,
    now: wire.Now | None = None,
    told: tuple[list[HalfHour], list[StartUp], list[Gap]] = ([], [], []),
    with_facts: bool = True,
) -> Incoming:
    found, starts, between = told
    return Incoming(
        device.row,
        wire.Report(
            schema_version="1.0",
            device_id=device.device_id,
            instance=device.instance,
            seq=seq,
            boot_id=telling.boot_id(device, boot),
            sent_at=float(at),
            agent=telling.agent(device, at),
            probes=telling.probes(device, at) if with_facts else (),
            facts=telling.facts(device) if with_facts else None,
            now=now,
            periods=tuple(map(telling.period, found)),
            startups=tuple(telling.startup(device, outline) for outline in starts),
            signins=tuple(
                signed for outline in starts if (signed := signing.signin(device, outline)) is not None
            ),
            gaps=tuple(map(telling.gap, between)),
        ),
    )


def _tell(
    world: World,
    device: Device,
    on: list[Session],
    *,
    begin: int,
    heard_at: int,
    now: int,
    counters: dict[str, int],
    seq: int | None,
) -> Told:
    """Return the report of everything from the half-hour `begin` to `heard_at`."""
    closed = closed_until(device, on, now)
    found = half_hours(device, on, world.clock, begin=begin, until=closed, counters=counters)
    boot = booted_at(device, world.clock, on)
    # Slow start-ups end long after they begin, so recent ones are told again; a replay changes nothing.
    since = max(world.timeline.half_hours_from, begin - _LONGEST_START_UP_SECONDS)
    latest = _open(world, device, on, closed, heard_at, counters)
    told = (
        found,
        [start for start in start_ups(device, on, world.timeline, heard_at) if start.begin >= since],
        [gap for gap in gaps(on) if gap.end >= begin],
    )
    incoming = _incoming(
        device,
        heard_at,
        seq=seq or _reports_by(device, heard_at),
        boot=boot,
        now=telling.open_period(latest, heard_at, boot, watched=device.watches_state),
        told=told,
        with_facts=seq is None,
    )
    return Told(incoming, heard_at, len(told[0]), len(told[1]), len(told[2]), is_on(device, on, now))


def _open(
    world: World, device: Device, on: list[Session], start: int, at: int, counters: dict[str, int]
) -> HalfHour:
    """Return the open half-hour so far; the counters stay where the last closed one left them."""
    so_far = [session._replace(end=min(session.end, at)) for session in on if session.begin < at]
    found = half_hours(
        device, so_far, world.clock, begin=start, until=start + PERIOD_SECONDS, counters=dict(counters)
    )
    if found:
        return found[0]
    energy = tuple(
        (meter.scope, 0, counters.get(meter.scope, 0), 0, meter.source, meter.relative_error)
        for meter in device.meters
    )
    return HalfHour(start, 0, (0, 0, 0, 0, 0, PERIOD_SECONDS), 0.0, 0.0, 0.0, 0.0, energy)


def heard_in_order(told: list[Told]) -> Iterator[tuple[int, list[Told]]]:
    """Yield (time, reports) minute by minute, because one group of reports is written at one time."""
    minutes: dict[int, list[Told]] = {}
    for one in told:
        minutes.setdefault(one.heard_at // 60, []).append(one)
    for minute in sorted(minutes):
        yield max(one.heard_at for one in minutes[minute]), minutes[minute]
