"""Sign-ins of simulated devices, as their agents tell them: the day alone, never who or at what time."""

from __future__ import annotations

from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.generate import StartUp
from roadworthy_collector.ingest import wire
from roadworthy_inventory.calendar import utc_day_start

# How a sign-in's seconds divide: (phase, share, share with a profile that roams).
_PHASES = (
    ("authentication", 0.1, 0.06),
    ("user_profile", 0.2, 0.5),
    ("policy", 0.35, 0.22),
    ("desktop", 0.35, 0.22),
)
_SHARED = frozenset({"office", "shift", "custody"})


def signin(device: Device, outline: StartUp) -> wire.Signin | None:
    """Return the sign-in that follows a start-up; None where none is told.

    Only shared Windows devices tell any: on a personal one the sign-ins are somebody's working days.
    """
    rng = device.rng(f"signin {outline.begin}")
    if device.os.family != "windows" or device.group.pattern not in _SHARED or outline.cause == "resume":
        return None
    if rng.random() < 0.2:
        return None  # nobody came
    roams = device.rng("roaming profile").random() < 0.25
    first = rng.random() < 0.12
    seconds = (
        rng.lognormvariate(2.7, 0.35) * (2.4 if roams else 1.0) * (1.9 if first else 1.0) * device.slowness
    )
    phases = tuple(
        wire.Phase(name, round(seconds * (roaming if roams else usual), 3), True, "measured", "simulated")
        for name, usual, roaming in _PHASES
    )
    total = round(sum(phase.seconds for phase in phases), 3)
    return wire.Signin(
        signin_id=f"{rng.getrandbits(96):024x}",
        revision=1,
        final=True,
        day=utc_day_start(outline.begin),
        quality="measured",
        total_seconds=total,
        usable_seconds=round(total * 0.9, 3),
        first_on_device=first,
        credentials="network",
        connection="lan",
        roaming_profile=roams,
        source="simulated",
        phases=phases,
    )
