"""How far firmware and boot loader times can be believed, and ACPI's own record of them.

Firmware counts from a clock that some machines do not reset on a warm reboot, so that a restart of seconds is
told as 23 minutes (https://github.com/systemd/systemd/issues/20653, 8422, 22060). Nothing in the figure
itself gives it away. But a device cannot have spent longer in its firmware than it was away: the time between
the last sample stored before the restart and the start of the kernel bounds it. Likewise a waking cannot have taken
the firmware longer than the device was asleep.
"""

from __future__ import annotations

from dataclasses import dataclass

HOUR_SECONDS = 3600.0  # no believable firmware takes an hour; systemd draws the same line
SLACK_SECONDS = 60.0  # the clock is set at start-up, and samples are up to a minute apart
ASLEEP_SLACK_SECONDS = (
    2.0  # the clock that runs on while a device sleeps may count whole seconds, at either end
)
UNCHECKED_SECONDS = 600.0  # without a sample to check against; the slowest servers test memory for minutes

MEASURED, APPROXIMATE, SUSPECT = "measured", "approximate", "suspect"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a time counts, how good it is, and why."""

    counted: bool
    quality: str
    reason: str | None = None


def away_seconds(kernel_started_at: float, last_seen_at: float | None) -> float | None:
    """Return how long the device was away before its kernel started; None where that is not known.

    A kernel that started before the last sample was taken means that the clock was set in between (a flat
    battery, 1970): then nothing can be said.
    """
    if last_seen_at is None or kernel_started_at < last_seen_at - SLACK_SECONDS:
        return None
    return max(0.0, kernel_started_at - last_seen_at)


def believe(seconds: float, away: float | None) -> Verdict:
    """Judge a time before the kernel started: firmware and loader together, or the loader alone."""
    if seconds > HOUR_SECONDS:
        return Verdict(
            counted=False, quality=SUSPECT, reason="longer than an hour: the firmware's clock is wrong"
        )
    if away is not None:
        if seconds <= away + SLACK_SECONDS:
            return Verdict(counted=True, quality=MEASURED)
        reason = f"longer than the {away:.0f} s the device was away: the firmware's clock is wrong"
        return Verdict(counted=False, quality=SUSPECT, reason=reason)
    if seconds > UNCHECKED_SECONDS:
        reason = "longer than ten minutes, and no earlier sample to check it against"
        return Verdict(counted=False, quality=SUSPECT, reason=reason)
    return Verdict(counted=True, quality=APPROXIMATE, reason="no earlier sample to check it against")


def believe_asleep(seconds: float, asleep: float) -> Verdict:
    """Judge the firmware's part of waking up by how long the device was asleep, which holds that part."""
    if seconds > HOUR_SECONDS:
        return believe(seconds, None)
    if seconds <= asleep + ASLEEP_SLACK_SECONDS:
        return Verdict(counted=True, quality=MEASURED)
    reason = f"longer than the {asleep:.0f} s the device was asleep: the firmware's clock is wrong"
    return Verdict(counted=False, quality=SUSPECT, reason=reason)


def believe_both(firmware: float, loader: float, away: float | None) -> tuple[Verdict, Verdict]:
    """Judge firmware and loader: both if they fit together, else the loader if it fits alone."""
    together = believe(firmware + loader, away)
    if together.counted:
        return together, together
    return together, believe(loader, away)


@dataclass(frozen=True, slots=True)
class BootPerformance:
    """Firmware and loader times in microseconds."""

    firmware: int
    loader: int


def parse_fpdt(launch_ns: int | None, end_ns: int | None) -> BootPerformance | str:
    """Return times from /sys/firmware/acpi/fpdt/boot, or in words why they are none.

    Both are nanoseconds since reset (ACPI 6.5, 5.2.24, Firmware Performance Data Table): when the boot loader was
    launched, and when it left the firmware. An end of 0 means that the machine did not start through UEFI.
    """
    if launch_ns is None or end_ns is None:
        return "the firmware leaves no performance record (FPDT)"
    if end_ns == 0:
        return "the device did not start through UEFI, so its firmware leaves no times"
    if launch_ns <= 0 or end_ns < launch_ns or end_ns > HOUR_SECONDS * 1e9:
        return "the firmware's performance record (FPDT) contradicts itself"
    return BootPerformance(firmware=launch_ns // 1000, loader=(end_ns - launch_ns) // 1000)
