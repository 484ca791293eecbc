"""Energy counters of the processor: RAPL through the kernel's powercap folders.

Source: https://www.kernel.org/doc/html/latest/power/powercap/powercap.html and the kernel's
drivers/powercap/intel_rapl_common.c. AMD processors show up under the same names. Domains nest: a package holds core
and uncore, it does not hold dram, and psys should hold all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roadworthy_agent.probes.power.choose import Candidate
from roadworthy_agent.probes.power.files import Files, amount
from roadworthy_agent.probes.tree import Content
from roadworthy_agent.reading import Missing, Register, Scope, Status

BASE = "sys/class/powercap"
# A colon is no file name everywhere: in a recorded tree it may be written %3A.
ZONE = re.compile(r"(?P<control>[\w-]*rapl[\w-]*)(?P<numbers>(:\w+)+)")
PACKAGE = re.compile(r"package-(?P<number>\d+)(-die-\d+)?")
HELPER = "the service's root step (ExecStartPre=+.../roadworthy-agent-open) opens it to the agent"

# Two registers of one package on a Core Ultra 7 265H read 3.93 W and 3.78 W: 4 %, rounded up. It says how wide the
# processor's own figure is, nothing about the wall. https://github.com/mlco2/codecarbon/pull/950
PACKAGE_ERROR = 0.05
PSYS_ERROR = 0.35  # what psys is allowed to differ from the battery, and at most seen: 12.2 W against 9.3 W

MIRROR_MICROJOULES = 1_000_000  # two reads of one counter are microseconds apart: far below a joule
LOOK_SECONDS = 0.5  # shorter, the steps of the counters themselves show
STILL_SECONDS = 1.0
UNLIMITED_WATTS = 1000.0  # a power limit at or above this means none is set (4090 W and the like)
MOST_WATTS = {
    Scope.CPU: 1000.0,
    Scope.MEMORY: 500.0,
    Scope.MACHINE: 3000.0,
}  # where the device states nothing

NESTED = "part of its package, which holds it already"
STILL = "the counter stands still although time passes: this machine does not keep it up"
NO_COUNTER = "the domain has no energy counter"
SEVERAL = "several psys domains, and nothing says whether one holds the other"
NO_LOOK = "psys is believed only after it was compared with the package over some time"


@dataclass(frozen=True, slots=True)
class Zone:
    """One powercap zone: what does not change while the device runs."""

    id: str  # intel-rapl:0:1
    path: str
    name: str  # package-0, package-0-die-1, core, uncore, dram, psys
    parent: str = ""  # the name of the package a part belongs to
    range_microjoules: int | None = None
    most_watts: float | None = None

    @property
    def scope(self) -> Scope | None:
        """What the zone sees, None for a part of a package or a domain nobody has described."""
        if PACKAGE.fullmatch(self.name):
            return Scope.CPU
        return {"dram": Scope.MEMORY, "psys": Scope.MACHINE}.get(self.name)

    @property
    def label(self) -> str:
        """What a person reads."""
        return f"{self.parent}/{self.name}" if self.parent else self.name


@dataclass(frozen=True, slots=True)
class Look:
    """What each zone drew between two readings; a zone that reset or could not be read is not in it."""

    seconds: float
    microjoules: Mapping[str, int]

    def watts(self, zones: Iterable[Zone]) -> float | None:
        """Return the mean power of zones together, None unless all are known."""
        drawn = [self.microjoules.get(zone.id) for zone in zones]
        known = [each for each in drawn if each is not None]
        return sum(known) / 1e6 / self.seconds if known and len(known) == len(drawn) else None


def modulus(range_microjoules: int | None) -> int | None:
    """Return where a counter starts again at 0, in micro-joules, None where it is not known.

    The hardware counts units in 32 bits. The kernel gives `max_energy_range_uj` = unit x 0xffffffff, so one unit is
    range / (2^32 - 1) and the modulus, unit x 2^32, is the range plus one unit. 262143328850 (a unit of 61.035 uJ)
    gives 262143328911.
    """
    if not range_microjoules or range_microjoules <= 0:
        return None
    return range_microjoules + round(range_microjoules / (2**32 - 1))


def most_watts(scope: Scope, maxima: Iterable[int | None], limits: Iterable[int | None]) -> float:
    """Return what a zone cannot exceed, from its constraint_*_max_power_uw and constraint_*_power_limit_uw.

    Twice the highest figure stated. Thermal design power alone would be too little: a 65 W processor on a board
    without limits draws 219 W, so there it is four times as much. Twice a stated default where nothing is stated.
    """
    stated = [each / 1e6 for each in (*maxima, *limits) if each is not None and each > 0]
    sane = [each for each in stated if each < UNLIMITED_WATTS]
    if not sane:
        return MOST_WATTS[scope]
    return max(sane) * (4 if len(sane) < len(stated) else 2)


def find(files: Files) -> tuple[list[Zone], list[Candidate]]:
    """Return the zones worth reading, and what was refused for good: parts, duplicates, domains nobody knows."""
    zones = [zone for name in files.tree.names(BASE) if (zone := _zone(files, name)) is not None]
    told = {zone.id: files.read(f"{zone.path}/energy_uj") for zone in zones}
    counting = [zone for zone in zones if told[zone.id].status is not Status.NOT_SUPPORTED]
    without = [
        Candidate("rapl", zone.scope or Scope.CPU, _source(zone), (), Status.NOT_SUPPORTED, NO_COUNTER)
        for zone in zones
        if zone not in counting
    ]
    kept, refused = sift(counting, {name: amount(content) is not None for name, content in told.items()})
    return kept, [*refused, *without]


def _zone(files: Files, folder: str) -> Zone | None:
    identity = folder.replace("%3A", ":")
    if not ZONE.fullmatch(identity):
        return None
    path = f"{BASE}/{folder}"
    name = files.text(f"{path}/name") or ""
    zone = Zone(identity, path, name, range_microjoules=files.number(f"{path}/max_energy_range_uj"))
    above = _above(folder, identity)
    parent = (files.text(f"{BASE}/{above}/name") or "") if above else ""
    scope = zone.scope
    if scope is None:
        return Zone(identity, path, name, parent)
    maxima, limits = (
        [files.number(f"{path}/constraint_{index}_{word}_uw") for index in range(3)]
        for word in ("max_power", "power_limit")
    )
    return Zone(identity, path, name, parent, zone.range_microjoules, most_watts(scope, maxima, limits))


def unbounded(files: Files, zones: Iterable[Zone]) -> dict[str, Missing]:
    """Return why it is not known where counters start again at 0, by zone: such a step is then lost as a reset."""
    found: dict[str, Missing] = {}
    for zone in zones:
        if modulus(zone.range_microjoules) is None:
            content = files.read(f"{zone.path}/max_energy_range_uj")
            status = Status.ERROR if content.status is Status.OK else content.status
            reason = content.reason or f"/{content.path} holds no range"
            found[zone.id] = Missing(f"power.{zone.scope}.wraps_at_microjoules", status, _named(reason))
    return found


def _above(folder: str, identity: str) -> str | None:
    """Return the folder of the zone that holds this one: intel-rapl:0 for intel-rapl:0:1."""
    separator = ":" if folder == identity else "%3A"
    above, _, _ = folder.rpartition(separator)
    return above if separator in above else None


def sift(zones: Iterable[Zone], readable: Mapping[str, bool]) -> tuple[list[Zone], list[Candidate]]:
    """Split zones into those to read and those refused; pure.

    The same package shows up under intel-rapl and intel-rapl-mmio: the one that can be read is kept, intel-rapl
    where both can.
    """
    kept: dict[tuple[str, str], Zone] = {}
    refused: list[Candidate] = []
    best_first = sorted(
        zones, key=lambda zone: (not readable.get(zone.id, False), "mmio" in zone.id, zone.id)
    )
    for zone in best_first:
        first = kept.get((zone.parent, zone.name))
        if zone.scope is None:
            reason = NESTED if zone.parent else "a domain that is not described anywhere"
            refused.append(Candidate("rapl", Scope.CPU, _source(zone), (), Status.NOT_SUPPORTED, reason))
        elif first is not None:
            reason = f"the same {zone.name} as {first.id}: counted once"
            refused.append(Candidate("rapl", zone.scope, _source(zone), (), Status.NOT_SUPPORTED, reason))
        else:
            kept[zone.parent, zone.name] = zone
    return sorted(kept.values(), key=lambda zone: zone.id), refused


def _source(zone: Zone) -> str:
    return f"rapl:{zone.label or 'unnamed'} ({zone.id})"


def look(
    zones: Iterable[Zone], before: Mapping[str, int | None], after: Mapping[str, int | None], seconds: float
) -> Look | None:
    """Return what the zones drew between two readings, None where too little time passed; pure."""
    if seconds < LOOK_SECONDS:
        return None
    drawn: dict[str, int] = {}
    for zone in zones:
        first, last, wraps = before.get(zone.id), after.get(zone.id), modulus(zone.range_microjoules)
        if first is None or last is None:
            continue
        step = last - first if last >= first or wraps is None else last - first + wraps
        if 0 <= step <= (zone.most_watts or UNLIMITED_WATTS) * seconds * 1e6:
            drawn[zone.id] = step
    return Look(seconds, drawn)


def candidates(
    zones: Iterable[Zone],
    contents: Mapping[str, Content],
    seen: Look | None,
    battery_watts: float | None,
    *,
    believed: bool = False,
) -> list[Candidate]:
    """Return what the zones offer for processor, memory and machine; pure.

    `battery_watts` is the mean draw of the batteries over the look while they carry the whole machine, else None.
    `believed` says that psys passed its comparison before: it then counts where this look tells nothing (after
    sleep), because a gap there would cost another one.
    """
    found: list[Candidate] = []
    alive: list[Zone] = []
    for zone in zones:
        if seen is not None and seen.seconds >= STILL_SECONDS and seen.microjoules.get(zone.id) == 0:
            scope = zone.scope or Scope.CPU
            found.append(Candidate("rapl", scope, _source(zone), (), Status.NOT_SUPPORTED, STILL))
        else:
            alive.append(zone)
    packages, mirrors = unmirrored([zone for zone in alive if zone.scope is Scope.CPU], contents, seen)
    found += mirrors
    for scope, kind, of_scope in (
        (Scope.CPU, "rapl", packages),
        (Scope.MEMORY, "rapl", [zone for zone in alive if zone.scope is Scope.MEMORY]),
    ):
        if of_scope:
            found.append(_offer(kind, scope, of_scope, contents))
    platform = [zone for zone in alive if zone.scope is Scope.MACHINE]
    if platform:
        offer = _offer("psys", Scope.MACHINE, platform, contents)
        watts = (None, None) if seen is None else (seen.watts(platform), seen.watts(packages))
        found.append(_psys(offer, *psys_doubt(*watts, battery_watts), believed=believed))
    return found


def _offer(kind: str, scope: Scope, zones: list[Zone], contents: Mapping[str, Content]) -> Candidate:
    registers = tuple(
        Register(
            zone.id,
            amount(contents[zone.id]),
            wraps_at_microjoules=modulus(zone.range_microjoules),
            most_watts=zone.most_watts,
        )
        for zone in zones
    )
    status, reason = _unreadable(contents[zone.id] for zone in zones)
    error = {Scope.CPU: PACKAGE_ERROR, Scope.MACHINE: PSYS_ERROR}.get(scope)
    names = "+".join(dict.fromkeys(zone.label for zone in zones))
    return Candidate(kind, scope, f"rapl:{names}", registers, status, reason, error)


def _unreadable(contents: Iterable[Content]) -> tuple[Status, str | None]:
    """Return the status of the first counter that could not be read, and what opens it if it is a matter of rights."""
    for content in contents:
        if amount(content) is not None:
            continue
        if content.status is Status.NO_PERMISSION:
            return content.status, _named(f"{content.reason}; {HELPER}")
        status = Status.ERROR if content.status is Status.OK else content.status
        return status, _named(content.reason or f"/{content.path} holds no counter")
    return Status.OK, None


def _named(reason: str) -> str:
    return reason.replace("%3A", ":")


def unmirrored(
    packages: list[Zone], contents: Mapping[str, Content], seen: Look | None
) -> tuple[list[Zone], list[Candidate]]:
    """Drop dies that show another die's counter: equal counters, and equal steps once a look is there; pure.

    Threadripper and EPYC show package-0-die-0, package-0-die-1 ... all with the socket's one counter: 68 W became
    137 W elsewhere (https://github.com/mlco2/codecarbon/issues/1274).
    """
    kept: list[Zone] = []
    refused: list[Candidate] = []
    for zone in packages:
        twin = next((first for first in kept if _mirrors(first, zone, contents, seen)), None)
        if twin is None:
            kept.append(zone)
            continue
        reason = f"it mirrors {twin.name}: equal counters and equal steps, counted once"
        refused.append(Candidate("rapl", Scope.CPU, _source(zone), (), Status.NOT_SUPPORTED, reason))
    return kept, refused


def _mirrors(first: Zone, other: Zone, contents: Mapping[str, Content], seen: Look | None) -> bool:
    if _number(first) != _number(other):
        return False
    one, two, wraps = (
        amount(contents[first.id]),
        amount(contents[other.id]),
        modulus(first.range_microjoules),
    )
    if not one or not two:
        return False
    apart = abs(one - two)
    if min(apart, abs((wraps or apart) - apart)) > MIRROR_MICROJOULES:
        return False
    steps = (None, None) if seen is None else (seen.microjoules.get(first.id), seen.microjoules.get(other.id))
    return steps[0] is None or steps[1] is None or abs(steps[0] - steps[1]) <= MIRROR_MICROJOULES


def _number(zone: Zone) -> str | None:
    match = PACKAGE.fullmatch(zone.name)
    return match["number"] if match else None


def _psys(offer: Candidate, status: Status, doubt: str | None, *, believed: bool) -> Candidate:
    if len(offer.registers) > 1:
        return Candidate("psys", Scope.MACHINE, offer.source, (), Status.NOT_SUPPORTED, SEVERAL)
    if doubt is None or not offer.readable or (believed and status is Status.NO_DATA_YET):
        return offer
    return Candidate("psys", Scope.MACHINE, offer.source, (), status, doubt)


def psys_doubt(psys: float | None, package: float | None, battery: float | None) -> tuple[Status, str | None]:
    """Return why psys is not believed, or (ok, None); all in mean watts over one look; pure."""
    if psys is None or package is None:
        return Status.NO_DATA_YET, NO_LOOK
    if psys < package:
        return Status.NOT_SUPPORTED, f"psys says less than its package: {psys:.1f} W against {package:.1f} W"
    if battery is not None and abs(psys - battery) > PSYS_ERROR * battery:
        reason = f"psys is more than 35 % off the batteries: {psys:.1f} W against {battery:.1f} W"
        return Status.NOT_SUPPORTED, reason
    return Status.OK, None
