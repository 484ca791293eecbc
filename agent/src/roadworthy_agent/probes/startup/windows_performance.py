"""Event 100 of Diagnostics-Performance: Windows' own measure of a start-up, checked against itself; pure.

Four identities hold between its fields (docs/probes/windows-events.md; the tests hold four published events of
Windows 7 and 11 to them). They are asserted on each event: one that breaks them was read or written wrongly, so it is
kept, marked suspect, and only split as far as its sums hold. Times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy_agent.probes.startup.firmware import MEASURED, SUSPECT
from roadworthy_agent.report import Phase
from roadworthy_agent.windows.event import TICKS, Event

SOURCE = "Diagnostics-Performance event 100"
LONGEST_MILLISECONDS = 86_400_000  # a time of more than a day is no time of a start-up
SHORT_WAIT_SECONDS = 300.0  # somebody who signs in within five minutes had been waiting
WAIT_NOTE = "a person at the sign-in screen, by Windows' count, which often misses part of it"
# Times that lie within the phases that count, or run beside them: name, field, and within what
WITHIN = (
    ("kernel_init", "BootKernelInitTime", "part of kernel"),
    ("kernel_other", "OtherKernelInitDuration", "part of kernel"),
    ("driver_init", "BootDriverInitTime", "part of boot_devices and system_devices"),
    ("device_init", "BootDevicesInitTime", "part of boot_devices and system_devices"),
    ("critical_services", "BootCriticalServicesInitTime", "within the phases that count"),
    ("read_ahead", "BootPrefetchInitTime", "beside the phases that count"),
)
UNSPLIT_NOTE = "within or beside the phases that count"
KERNEL_TOLERANCE = 1  # kernel_other is our kernel phase, counted by Windows; published to the millisecond

# name -> (whole, parts, tolerance)
IDENTITIES: dict[str, tuple[str, tuple[str, ...], int]] = {
    "BootTime = MainPathBootTime + BootPostBootTime": ("BootTime", ("MainPathBootTime", "BootPostBootTime"), 0),
    "MainPathBootTime = WinLogonStartTimeMS + profiles + Explorer + other sign-in work": (
        "MainPathBootTime",
        (
            "WinLogonStartTimeMS", "BootMachineProfileProcessingTime", "BootUserProfileProcessingTime",
            "BootExplorerInitTime", "OtherLogonInitActivityDuration",
        ),
        3,
    ),
    "WinLogonStartTimeMS = SessionInitStartTimeMS + BootSmssInitTime": (
        "WinLogonStartTimeMS", ("SessionInitStartTimeMS", "BootSmssInitTime"), 1,
    ),
    "BootSmssInitTime = Session0 + Session1 + other session work": (
        "BootSmssInitTime", ("Session0InitDuration", "Session1InitDuration", "SessionInitOtherDuration"), 2,
    ),
}  # fmt: skip
TOTAL_IDENTITY, *_ = IDENTITIES
SPLIT = tuple(IDENTITIES)[:3]  # what must hold for the main path to be split


@dataclass(frozen=True, slots=True)
class Timing:
    """What an event 100 says; `broken` names the identities it breaks."""

    event: Event
    started: int | None  # 100 ns since 1970
    total: int
    main: int | None
    broken: tuple[str, ...] = ()

    @property
    def quality(self) -> str:
        """Measured, or suspect where it contradicts itself."""
        return SUSPECT if self.broken else MEASURED


def milliseconds(event: Event, name: str) -> int | None:
    """Return a duration of an event, None where there is none that can be one."""
    value = event.number(name)
    return value if value is not None and value <= LONGEST_MILLISECONDS else None


def parse_timing(event: Event) -> Timing | None:
    """Return what an event 100 says, None where it does not tell how long the start-up took."""
    total = milliseconds(event, "BootTime")
    if total is None:
        return None
    return Timing(
        event=event,
        started=event.instant("BootStartTime"),
        total=total,
        main=milliseconds(event, "MainPathBootTime"),
        broken=broken_identities(event),
    )


def broken_identities(event: Event) -> tuple[str, ...]:
    """Return the names of the identities whose fields are all there and do not add up."""
    broken = []
    for name, (whole, parts, tolerance) in IDENTITIES.items():
        sums = milliseconds(event, whole)
        terms = [milliseconds(event, part) for part in parts]
        if sums is None or None in terms:
            continue
        if abs(sums - sum(term for term in terms if term is not None)) > tolerance:
            broken.append(name)
    return tuple(broken)


def phases(timing: Timing) -> tuple[Phase, ...]:
    """Return the phases from the kernel's start on; the counted ones add up to BootTime exactly.

    The main path is split where its identities hold; what rounding leaves goes to `other_sign_in`.
    """
    event, total, main = timing.event, timing.total, timing.main
    quality = timing.quality
    if main is None or TOTAL_IDENTITY in timing.broken or main > total:
        spans: list[tuple[str, int]] = [("start_up", total)]
    else:
        split = None if set(SPLIT) & set(timing.broken) else _main_path(event, main)
        spans = [*(split or [("main_path", main)]), ("post_boot", total - main)]
    found = [
        Phase(
            name=name,
            seconds=span / 1000,
            counted=True,
            quality=quality,
            source=SOURCE,
            reason=_programs(event) if name == "post_boot" else None,
        )
        for name, span in spans
    ]
    return (*found, *_within(timing, dict(spans)), *_sign_in_wait(event))


def notes(timing: Timing, kind: str) -> tuple[str, ...]:
    """Return in words what else Windows says of a start-up: slower than its usual, restarted by an installation.

    That BootDegradationDelta is in milliseconds is read off a published event (48,988 beside a BootTime of 110,987).
    """
    event, found = timing.event, []
    slower = milliseconds(event, "BootDegradationDelta")
    if event.flag("BootIsDegradation") and slower:
        found.append(f"by Windows' own comparison {slower / 1000:.1f} s slower than usual")
    if event.flag("BootIsRebootAfterInstall") and kind != "update":
        found.append("Windows had installed something before it restarted")
    return tuple(found)


def _within(timing: Timing, counted: dict[str, int]) -> tuple[Phase, ...]:
    """Return what event 100 tells beside its sums, never counted: it lies within what is.

    A time of 0 is work that was not done, and the kernel's rest is not told twice.
    """
    found = []
    for name, field, where in WITHIN:
        span = milliseconds(timing.event, field)
        if not span:
            continue
        kernel = counted.get("kernel")
        if name == "kernel_other" and kernel is not None and abs(kernel - span) <= KERNEL_TOLERANCE:
            continue
        split = "kernel" in counted and (not where.startswith("part of boot") or "boot_devices" in counted)
        reason = where if split else UNSPLIT_NOTE
        found.append(Phase(name, span / 1000, False, timing.quality, SOURCE, reason))
    return tuple(found)


def _programs(event: Event) -> str | None:
    """Say how many programs Windows started with the desktop: much of post-boot is theirs."""
    count = event.number("BootNumStartupApps")
    return f"{count} start-up programs" if count else None


def _main_path(event: Event, main: int) -> list[tuple[str, int]] | None:
    """Split the main path, None where version 1 of the event lacks the instants or they are out of order."""
    session = milliseconds(event, "SessionInitStartTimeMS")
    winlogon = milliseconds(event, "WinLogonStartTimeMS")
    machine = milliseconds(event, "BootMachineProfileProcessingTime")
    user = milliseconds(event, "BootUserProfileProcessingTime")
    explorer = milliseconds(event, "BootExplorerInitTime")
    if session is None or winlogon is None or machine is None or user is None or explorer is None:
        return None
    rest = main - winlogon - machine - user - explorer
    if not 0 <= session <= winlogon or rest < 0:
        return None
    return [
        *_kernel(event, session),
        ("session_init", winlogon - session),
        ("machine_profile", machine),
        ("user_profile", user),
        ("explorer_init", explorer),
        ("other_sign_in", rest),
    ]


def _kernel(event: Event, session: int) -> list[tuple[str, int]]:
    """Split what lies before the sessions: devices of the boot, devices of the system, and the kernel's own work."""
    boot = milliseconds(event, "BootPNPInitStartTimeMS")
    system = milliseconds(event, "SystemPNPInitStartTimeMS")
    boot_devices = milliseconds(event, "BootPNPInitDuration")
    system_devices = milliseconds(event, "SystemPNPInitDuration")
    if boot is None or system is None or boot_devices is None or system_devices is None:
        return [("kernel", session)]
    if not 0 <= boot <= system <= session:
        return [("kernel", session)]
    # The durations are counted apart from the instants and may reach over the next one.
    first, second = min(boot_devices, system - boot), min(system_devices, session - system)
    return [
        ("kernel", session - first - second),
        ("boot_devices", first),
        ("system_devices", second),
    ]


def _sign_in_wait(event: Event) -> tuple[Phase, ...]:
    """Return the wait at the sign-in screen, shown and never counted.

    A long one is left out: with the start-up's time it would tell when somebody came.
    """
    wait = milliseconds(event, "UserLogonWaitDuration")
    if wait is None or wait > SHORT_WAIT_SECONDS * 1000:
        return ()
    return (
        Phase(
            name="sign_in_wait",
            seconds=wait / 1000,
            counted=False,
            quality=MEASURED,
            source=SOURCE,
            reason=WAIT_NOTE,
        ),
    )


def somebody_waited(timing: Timing) -> bool | None:
    """Tell whether somebody signed in within five minutes of being able to, None where the event does not tell.

    What lies between its two instants and is not BootTime is the wait. UserLogonWaitDuration misses much of it;
    it is asked only where the clock was set in between, so that the instants say less than BootTime.
    """
    ended = timing.event.instant("BootEndTime")
    if timing.started is not None and ended is not None:
        waited = (ended - timing.started) / TICKS - timing.total / 1000
        if waited >= 0:
            return waited <= SHORT_WAIT_SECONDS
    wait = milliseconds(timing.event, "UserLogonWaitDuration")
    return None if wait is None else wait <= SHORT_WAIT_SECONDS * 1000
