"""All batteries together: while they carry it, their discharge is the draw of the whole machine.

Source: https://www.kernel.org/doc/html/latest/power/power_supply_class.html. Units are micro-volts, micro-amperes and
micro-watts. Drivers disagree about the sign of a discharge, so the direction comes from `status` and figures are
taken without their sign. Batteries of mice and headsets have the scope Device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roadworthy_agent.probes.power.choose import Candidate
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.tree import whole_number
from roadworthy_agent.reading import BatteryFlow, Register, Scope, Status

BASE = "sys/class/power_supply"
MOST_SUPPLIES = 64
# No battery of a portable computer gives more; a firmware without a reading says 65.5 A, or 4295 W
MOST_WATTS = 500.0
IDLE = frozenset({"full", "not charging"})

ON_MAINS = "on mains power the batteries do not carry the machine"
PARTIAL = "a battery discharges beside the mains: a part of the draw, not all of it"
NO_FIGURE = "a discharging battery gives no believable figure: the sum would not be the whole draw"


@dataclass(frozen=True, slots=True)
class Battery:
    """What one battery says now; `watts` without sign, None where it cannot be read or believed."""

    name: str
    status: str
    watts: float | None


@dataclass(frozen=True, slots=True)
class Supplies:
    """Which folders there are, which of them are batteries of the machine, and which its mains."""

    names: tuple[str, ...] = ()
    batteries: tuple[str, ...] = ()
    mains: tuple[str, ...] = ()


def find(files: Files) -> Supplies:
    """Return the machine's batteries and mains supplies."""
    batteries, mains = [], []
    present = names(files)
    for name in present:
        kind = (files.text(f"{BASE}/{name}/type") or "").casefold()
        if (files.text(f"{BASE}/{name}/scope") or "").casefold() == "device":
            continue
        if kind == "battery":
            batteries.append(name)
        elif kind == "mains" or kind.startswith("usb"):
            mains.append(name)
    return Supplies(present, tuple(batteries), tuple(mains))


def names(files: Files) -> tuple[str, ...]:
    """Return the folders there are now: a battery comes and goes with a dock, and a sum must hold all of them."""
    return tuple(files.tree.names(BASE)[:MOST_SUPPLIES])


def read(files: Files, supplies: Supplies) -> tuple[list[Battery], bool]:
    """Return what each battery says now, and whether a mains supply is connected; an empty bay is no battery."""
    batteries = []
    for name in supplies.batteries:
        path = f"{BASE}/{name}"
        if whole_number(files.read(f"{path}/present", keep=True).text) == 0:
            continue
        status = (files.read(f"{path}/status", keep=True).text or "").casefold()
        power = files.read(f"{path}/power_now", keep=True).text
        if whole_number(power) is None:
            current, volts = (
                files.read(f"{path}/{each}_now", keep=True).text for each in ("current", "voltage")
            )
            batteries.append(Battery(name, status, parse_watts(None, current, volts)))
        else:
            batteries.append(Battery(name, status, parse_watts(power, None, None)))
    online = any(
        whole_number(files.read(f"{BASE}/{name}/online", keep=True).text) == 1 for name in supplies.mains
    )
    return batteries, online


def parse_watts(power: str | None, current: str | None, volts: str | None) -> float | None:
    """Return watts without sign from power_now, else current_now times voltage_now; None where that is no figure."""
    micro_watts = whole_number(power)
    watts = None if micro_watts is None else abs(micro_watts) / 1e6
    if watts is None:
        micro_amperes, micro_volts = whole_number(current), whole_number(volts)
        if micro_amperes is None or micro_volts is None:
            return None
        watts = abs(micro_amperes) / 1e6 * abs(micro_volts) / 1e6
    return watts if watts <= MOST_WATTS else None


def flow(batteries: Iterable[Battery], *, online: bool) -> BatteryFlow | None:
    """Return all batteries together, None where there is none; pure.

    `discharging` means that they carry the whole machine. Some ThinkPads empty one battery after the other: the idle
    one says "Unknown" and 0 W. A figure beside "Unknown" has no direction, so then the sum is not known.
    """
    all_of_them = list(batteries)
    if not all_of_them:
        return None
    source = "power_supply:" + "+".join(each.name for each in all_of_them)
    if online or not any(each.status == "discharging" for each in all_of_them):
        return BatteryFlow(discharging=False, watts=None, source=source)
    shares = [_share(each) for each in all_of_them]
    known = [each for each in shares if each is not None]
    total = sum(known) if len(known) == len(shares) else None
    # A discharge of nothing is a gauge that has not caught up: a running machine draws something.
    return BatteryFlow(
        discharging=True, watts=total if total is not None and total > 0 else None, source=source
    )


def _share(battery: Battery) -> float | None:
    """Return what a battery adds to the machine's draw: charging takes away, an idle one adds nothing."""
    if battery.status == "discharging":
        return battery.watts
    if battery.status == "charging":
        return None if battery.watts is None else -battery.watts
    if battery.status in IDLE or battery.watts == 0:
        return 0.0
    return None


def candidate(batteries: Iterable[Battery], *, online: bool) -> Candidate | None:
    """Return the batteries as the machine's meter, or refused while they do not carry it; pure."""
    all_of_them = list(batteries)
    flowing = flow(all_of_them, online=online)
    if flowing is None:
        return None
    if not flowing.discharging:
        partly = any(each.status == "discharging" for each in all_of_them)
        reason = PARTIAL if partly else ON_MAINS
        return Candidate("battery", Scope.MACHINE, flowing.source, (), Status.NO_DATA_YET, reason)
    register = Register(flowing.source, watts=flowing.watts, most_watts=MOST_WATTS * len(all_of_them))
    if flowing.watts is None:
        return Candidate("battery", Scope.MACHINE, flowing.source, (register,), Status.NO_DATA_YET, NO_FIGURE)
    return Candidate("battery", Scope.MACHINE, flowing.source, (register,))
