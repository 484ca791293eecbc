"""From the events of the log to start-up records; pure.

One record for the start of the running kernel and one for each of the newest wakes. A start without event 100 yet is
`unfinished` and told by the System log; one where event 100 never comes (servers, containers, a closed log, half an
hour without one) is `approximate`.

Windows writes event 100 some minutes after somebody signs in. A running agent reports a start-up whenever its record
changes, so it takes no notice of that event, nor of who was waiting, before `told_after`: the moment of the report would
tell that of the sign-in. What is known then is final.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.startup import windows_factors as factors
from roadworthy_agent.probes.startup import windows_firmware as firmware
from roadworthy_agent.probes.startup import windows_performance as performance
from roadworthy_agent.probes.startup import windows_policy as policy
from roadworthy_agent.probes.startup.firmware import APPROXIMATE
from roadworthy_agent.probes.startup.windows_kind import (
    Boot,
    away_before,
    find_boot,
    kind_of,
    of_start,
    timing_of,
)
from roadworthy_agent.probes.startup.windows_log import (
    DIAGNOSTICS,
    EVENT_LOG,
    KERNEL_BOOT,
    PERFORMANCE,
    WINLOGON,
    Log,
    newest,
)
from roadworthy_agent.probes.startup.windows_performance import Timing
from roadworthy_agent.probes.startup.windows_wakes import Wake, find_wakes
from roadworthy_agent.report import Factor, Phase, StartupRecord
from roadworthy_agent.windows.event import TICKS, Event, seconds

UNFINISHED = "unfinished"
FINAL_SECONDS = 1800.0  # a start-up is not waited for any longer
SETTLED_SECONDS = 300.0  # by then the machine's policy has mostly ended, which no event 100 waits for here
SYSTEM_LOG = "System event log (Kernel-General 12, EventLog 6005)"
BY_SYSTEM_LOG = "the start-up is told by the System log, approximately"
IN_A_CONTAINER = "a Windows container starts no kernel of its own"
ON_A_SERVER = "servers do not measure start-ups (event 100)"
NOT_IN_TIME = "Windows measured nothing (event 100) in 30 minutes"
SERVICES_NOTE = "from the kernel's start until the event log service was up"
UNTIL_SERVICES = 3600 * TICKS
LONGEST_REASON = 256
ENDINGS = {"reboot": "restart", "poweroff": "cold"}
# The kernel's events of a start are written down after the event log service is up, so an early look may still find
# the start before as the newest, or the new one without its count.
WRITTEN_WITHIN_SECONDS = 120.0
OTHER_START = 900 * TICKS
SHORT_WAIT = round(performance.SHORT_WAIT_SECONDS * TICKS)


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds the start-ups and stands in no event. Instants are epoch seconds."""

    boot_id: str
    environment: str
    wall: float
    boottime: float
    last_seen_at: float | None = None
    last_ended: str | None = None  # how the agent saw the boot before end: reboot, poweroff
    installed_at: int | None = None
    post_milliseconds: int | None = None  # FwPOSTTime
    automatic_sign_in: bool = False
    server: bool = False
    private: Collection[str] = ()
    application_names: bool = False
    told_after: float = 0.0  # seconds after the kernel's start

    @property
    def now(self) -> int:
        """Now, in 100 ns since 1970."""
        return round(self.wall * TICKS)

    @property
    def early(self) -> bool:
        """Whether nothing may be told yet that depends on somebody signing in."""
        return self.boottime < self.told_after

    @property
    def waits_until(self) -> float:
        """Until when event 100 is waited for, in seconds after the kernel's start."""
        return self.told_after or FINAL_SECONDS

    @property
    def in_container(self) -> bool:
        """Whether this is a container: firmware, loader and kernel are its host's."""
        return self.environment == environment.CONTAINER


@dataclass(frozen=True, slots=True)
class StartUps:
    """The records, what is missing of them, and the status where the newest start is only known in part."""

    records: tuple[StartupRecord, ...] = ()
    missing: tuple[Missing, ...] = ()
    waiting: Missing | None = None


def start_ups(log: Log, around: Around) -> StartUps:
    """Return the start of the running kernel and its newest wakes, oldest first."""
    timings = [timing for event in log.of(DIAGNOSTICS, 100) if (timing := performance.parse_timing(event))]
    boot = find_boot(log, timings)
    if boot is None:
        return StartUps()
    if _too_early(boot, around):
        reason = "Windows has not written down the start of its kernel yet"
        return StartUps(waiting=Missing("startups", Status.NO_DATA_YET, reason))
    timing = None if around.early else timing_of(boot, log, timings)
    wakes = find_wakes(log, boot, around.now)
    start, missing = _start(log, boot, timing, around, woke=bool(wakes))
    records = (start, *(_resumed(log, wake, boot, around) for wake in wakes))
    return StartUps(records, (*missing, *policy.missing(log)), _waiting(log, timing, start, around))


def _too_early(boot: Boot, around: Around) -> bool:
    """Tell whether the newest start in the logs may not be that of the running kernel.

    Only in its first two minutes: later a start far from where the clock puts it means that the clock was set.
    """
    if around.boottime >= WRITTEN_WITHIN_SECONDS:
        return False
    expected = around.now - round(around.boottime * TICKS)
    return boot.number is None or boot.started < expected - OTHER_START


def starts(log: Log, now: int) -> list[tuple[int, str]]:
    """Return when each start-up of the running kernel began and its name, oldest first: what sign-ins refer to."""
    timings = [timing for event in log.of(DIAGNOSTICS, 100) if (timing := performance.parse_timing(event))]
    boot = find_boot(log, timings)
    if boot is None:
        return []
    woken = [(wake.woken, wake.start_id(boot)) for wake in find_wakes(log, boot, now)]
    return [(boot.started, f"{boot.start_id}:0"), *woken]


def _start(
    log: Log, boot: Boot, timing: Timing | None, around: Around, *, woke: bool
) -> tuple[StartupRecord, tuple[Missing, ...]]:
    kind, ended = _kind(log, boot, timing, around)
    before, missing = _before(log, boot, timing, around, woke=woke)
    after, more = _after(log, boot, timing, around)
    told = (*before, *after)
    lead = _sum(before)
    total = lead + _sum(after) if any(phase.counted for phase in after) else None
    usable = None
    if timing is not None and timing.main is not None and timing.main <= timing.total:
        usable = round(lead + timing.main / 1000, 6)
    shutdown = _shutdown(log, boot)
    quality, instead = _quality(log, timing, total, around)
    settled = quality == APPROXIMATE and total is not None and around.boottime > SETTLED_SECONDS
    late = around.boottime > around.waits_until
    record = StartupRecord(
        start_id=f"{boot.start_id}:0",
        boot_id=around.boot_id,
        final=not around.early and (bool(around.told_after) or timing is not None or settled or late),
        kind=kind,
        began_boottime_seconds=-lead if lead else 0.0,
        quality=quality,
        environment=around.environment,
        total_seconds=None if total is None else round(total, 6),
        usable_seconds=usable,
        shutdown_seconds=None if shutdown is None else _milliseconds(shutdown, "ShutdownTime"),
        attended=_attended(log, boot.started, timing, around),
        reason=_reason(before, timing, kind, (ended, instead)),
        source=performance.SOURCE if timing is not None else SYSTEM_LOG,
        phases=told,
        factors=(*_blamed(log, boot, timing, lead, around), *_blamed_for_shutdown(log, shutdown, around)),
    )
    return record, (*missing, *more)


def _reason(
    before: Collection[Phase], timing: Timing | None, kind: str, others: Collection[str | None]
) -> str | None:
    """Return in words what is to be known of a start: contradictions first, what Windows only remarks last."""
    broken = () if timing is None else timing.broken
    noted = () if timing is None else performance.notes(timing, kind)
    found = [
        *(f"event 100 contradicts itself: {name}" for name in broken),
        *others,
        *(f"{phase.name} is not counted: {phase.reason}" for phase in before if phase.quality == "suspect"),
        *noted,
    ]
    return "; ".join(filter(None, found))[:LONGEST_REASON] or None


def _kind(log: Log, boot: Boot, timing: Timing | None, around: Around) -> tuple[str, str | None]:
    """Return the kind of a start and, where it ended badly before, in words how."""
    if around.in_container:
        return "container", None
    kind, ended = kind_of(boot, log, timing, around.installed_at)
    return (ENDINGS.get(around.last_ended or "", kind) if kind == "unknown" else kind), ended


def _quality(log: Log, timing: Timing | None, total: float | None, around: Around) -> tuple[str, str | None]:
    """Return how well a start is known and, where the System log stands in for event 100, why it does."""
    if timing is not None:
        return timing.quality, None
    never = _never_measured(log, around)
    if never is None and (total is None or around.boottime <= around.waits_until):
        return UNFINISHED, None
    return APPROXIMATE, f"{NOT_IN_TIME if never is None else never.reason}: {BY_SYSTEM_LOG}"


def _never_measured(log: Log, around: Around) -> Missing | None:
    """Return why no event 100 of a start can come, None where one may."""
    if around.in_container:
        return Missing("startups", Status.CONTAINER, IN_A_CONTAINER)
    if (gone := log.refusal(PERFORMANCE)) is not None:
        return gone
    return Missing("startups", Status.NOT_SUPPORTED, ON_A_SERVER) if around.server else None


def _before(
    log: Log, boot: Boot, timing: Timing | None, around: Around, *, woke: bool
) -> tuple[tuple[Phase, ...], tuple[Missing, ...]]:
    """Return the phases before the kernel; the registry's time is that of the latest power-on, so only without wakes."""
    if around.in_container:
        return (), ()
    events = log.of(KERNEL_BOOT, 30, 32)
    known = firmware.gather(
        of_start([event for event in events if event.id == 30], boot.marked),
        of_start([event for event in events if event.id == 32], boot.marked),
        None if woke else around.post_milliseconds,
        None if timing is None else timing.event,
    )
    away = away_before(boot, log, around.last_seen_at)
    return firmware.phases(known, away, virtual=around.environment == environment.VIRTUAL_MACHINE)


def _after(
    log: Log, boot: Boot, timing: Timing | None, around: Around
) -> tuple[tuple[Phase, ...], tuple[Missing, ...]]:
    """Return the phases from the kernel on: event 100's, else how long the event log service took to be up."""
    if timing is not None:
        if timing.main is not None:
            return performance.phases(timing), ()
        reason = "event 100 tells no MainPathBootTime"
        return performance.phases(timing), (Missing("startups.usable_seconds", Status.NOT_SUPPORTED, reason),)
    gone = _never_measured(log, around)
    missing = Missing(
        "startups.usable_seconds",
        Status.NO_DATA_YET if gone is None else gone.status,
        "Windows has not written event 100 of this start-up" if gone is None else gone.reason,
    )
    services = next(
        (event for event in log.of(EVENT_LOG, 6005) if 0 <= event.ticks - boot.started <= UNTIL_SERVICES),
        None,
    )
    if services is None:
        return (), (missing,)
    span = Phase(
        name="until_services",
        seconds=seconds(services.ticks - boot.started),
        counted=True,
        quality=APPROXIMATE,
        source=SYSTEM_LOG,
        reason=SERVICES_NOTE,
    )
    return (span,), (missing,)


def _waiting(log: Log, timing: Timing | None, start: StartupRecord, around: Around) -> Missing | None:
    """Return why the newest start is known only in part, None where event 100 tells of it."""
    if timing is not None:
        return None
    if (gone := _never_measured(log, around)) is not None:
        return Missing("startups", gone.status, f"{gone.reason}: {BY_SYSTEM_LOG}"[:LONGEST_REASON])
    minutes = round(around.waits_until / 60)
    if around.boottime <= around.waits_until:
        reason = "Windows measures a start-up some minutes after somebody signs in: not yet"
    elif start.attended:
        reason = f"Windows measured nothing in {minutes} minutes: is the Diagnostic Policy Service (DPS) off?"
    else:
        reason = (
            f"Windows measures a start-up only once somebody signs in, and nobody has in {minutes} minutes"
        )
    return Missing("startups", Status.NO_DATA_YET, reason)


def _resumed(log: Log, wake: Wake, boot: Boot, around: Around) -> StartupRecord:
    """Return the record of a wake."""
    known = any(phase.counted for phase in wake.phases)
    total = round(_sum(wake.phases), 6) if known else None
    doubts = [
        f"{phase.name} is not counted: {phase.reason}" for phase in wake.phases if phase.quality == "suspect"
    ]
    reason = None if known else "Windows does not tell how long it took"
    return StartupRecord(
        start_id=wake.start_id(boot),
        boot_id=around.boot_id,
        final=True,
        kind=wake.kind,
        began_boottime_seconds=round(max(0.0, around.boottime - seconds(around.now - wake.woken)), 3),
        quality=wake.quality,
        environment=around.environment,
        total_seconds=total,
        usable_seconds=total,
        attended=_attended(log, wake.woken, None, around) if wake.kind == "fast_startup" else None,
        reason="; ".join(filter(None, [reason, *doubts]))[:LONGEST_REASON] or None,
        source=wake.source,
        phases=wake.phases,
    )


def _attended(log: Log, started: int, timing: Timing | None, around: Around) -> bool | None:
    """Tell whether somebody was waiting: signed in within five minutes of being able to.

    With automatic sign-in nobody can tell, and before anybody signs in only time does.
    """
    if around.automatic_sign_in or around.early:
        return None
    if timing is not None and (waited := performance.somebody_waited(timing)) is not None:
        return waited
    first = next((event for event in log.of(WINLOGON, 7001) if event.ticks >= started), None)
    if first is not None:
        return first.ticks - started <= SHORT_WAIT
    return False if around.now - started > SHORT_WAIT and _tells_sign_ins(log) else None


def _tells_sign_ins(log: Log) -> bool:
    """Tell whether the System log could be read, so that no event means no sign-in."""
    return log.refusal("System") is None


def _shutdown(log: Log, boot: Boot) -> Event | None:
    """Return the event 200 of the shutdown before this start: Windows writes it after the next start."""
    return newest(
        log.of(DIAGNOSTICS, 200),
        lambda event: (
            event.ticks >= boot.started
            and (ended := event.instant("ShutdownEndTime")) is not None
            and (boot.before or 0) <= ended <= boot.started + TICKS
        ),
    )


def _blamed(log: Log, boot: Boot, timing: Timing | None, lead: float, around: Around) -> tuple[Factor, ...]:
    """Return what contributed to a start, the longest first.

    Windows' own word for the machine's policy (event 107) stands for ours. The first profile belongs to the start-up
    where Windows counts it as part of one, which only event 100 does.
    """
    found: list[Factor] = []
    if timing is not None:
        found += factors.of_start(log, timing.event, around.private, allowed=around.application_names)
        found += policy.profile_load(log, boot)
    told = any((each.kind, each.name) == ("policy", policy.MACHINE) for each in found)
    ours = policy.machine_policy(log, boot, lead, around.private)
    return factors.longest(
        [*found, *(each for each in ours if not told or each.name not in {policy.MACHINE, policy.BESIDE})]
    )


def _blamed_for_shutdown(log: Log, shutdown: Event | None, around: Around) -> tuple[Factor, ...]:
    """Return what slowed the shutdown before a start."""
    if shutdown is None:
        return ()
    return factors.of_shutdown(log, shutdown, around.private, allowed=around.application_names)


def _milliseconds(event: Event, name: str) -> float | None:
    value = performance.milliseconds(event, name)
    return None if value is None else value / 1000


def _sum(phases: Collection[Phase]) -> float:
    """Add up the counted phases in whole microseconds."""
    return sum(round(phase.seconds * 1_000_000) for phase in phases if phase.counted) / 1_000_000
