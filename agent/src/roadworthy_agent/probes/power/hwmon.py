"""Power meters among the hardware monitoring chips (hwmon).

Source: https://www.kernel.org/doc/html/latest/hwmon/sysfs-interface.html. Most chips see one component; they are
refused, never added up. What sees the whole machine, or a whole graphics card, stands in the tables below with the
page that says so. Units are micro-watts and micro-joules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roadworthy_agent.probes.power.choose import Candidate
from roadworthy_agent.probes.power.files import Files, amount
from roadworthy_agent.probes.tree import Content
from roadworthy_agent.reading import Register, Scope, Status

BASE = "sys/class/hwmon"
CHANNEL = re.compile(r"(?P<what>power|energy)(?P<number>\d{1,3})_(?P<part>average|input)")
MOST_CHIPS = 256

# A firmware without a reading answers 0xffffffff milli-watts: 4.29 MW for a 2U server.
# https://github.com/lm-sensors/lm-sensors/issues/130 and 460
MOST_MACHINE_WATTS = 20_000.0
MOST_GPU_WATTS = 2_000.0

ACPI = "power_meter"  # https://www.kernel.org/doc/html/latest/hwmon/acpi_power_meter.html
# chip, what its label ends in (any label: ""), channel number (any: None)
WHOLE_MACHINE = (
    (ACPI, "", 1),
    (
        "corsairpsu",
        "",
        1,
    ),  # "Total power usage": https://www.kernel.org/doc/html/latest/hwmon/corsair-psu.html
    ("occ", "system", None),  # "latest system output power": .../hwmon/occ.html, IBM POWER
)
# Documented in the kernel's gpu/amdgpu/thermal.rst, hwmon/nouveau and ABI sysfs-driver-intel-{i915,xe}-hwmon. The xe
# driver counts its card first and the chip on it second: the first is the whole.
WHOLE_GPU = (("amdgpu", 1), ("nouveau", 1), ("i915", 1), ("xe", 1))
# A voltage paired with a current is a rail of a board: these chips measure only such.
RAIL_CHIPS = (
    "ina",
    "ltc2",
    "ltc4",
    "adm1",
    "max20",
    "max34",
    "tps5",
    "tps4",
    "ir35",
    "xdpe",
    "mp29",
    "pmbus",
)

COMPONENT = "a component or a rail, not the whole machine: never added up"
BATTERY_METER = "it measures a battery, and batteries are read as such"
INTEGRATED = "integrated graphics: this is the processor's socket, already in scope cpu"
ASLEEP = "the graphics card is asleep and is not woken to be asked"
OFF = "switched off: its enable file says 0"
CURRENTS = "it tells currents and no power: nothing to be read as the whole machine's"
COUNTED = "a counter of the same is read: its figure of the moment would add nothing"
SEVERAL = "several meters of the whole machine, and nothing says which holds the others"
NO_READING = "the instrument gives no believable figure"


@dataclass(frozen=True, slots=True)
class Channel:
    """One figure of one chip that sees a whole machine or a whole graphics card."""

    key: str  # hwmon:power_meter:power1; the number of the hwmon folder may change at the next start
    path: str
    scope: Scope
    counts: bool  # micro-joules that grow, not micro-watts
    relative_error: float | None = None
    awake_path: str | None = None  # says whether the device sleeps; reading a sleeping card would wake it


@dataclass(frozen=True, slots=True)
class Chip:
    """What one hwmon folder holds: the driver's name and the text of each file the choice depends on."""

    folder: str
    name: str
    values: Mapping[str, str]  # "power1": path of the figure to read, the best of its channel
    labels: Mapping[str, str]  # "power1": label
    disabled: frozenset[str]
    is_battery: bool = False
    relative_error: float | None = None
    integrated: bool = False
    rails: bool = False
    awake_path: str | None = None


def find(files: Files) -> tuple[list[Channel], list[Candidate]]:
    """Return the channels worth reading and what was refused for good."""
    channels: list[Channel] = []
    refused: list[Candidate] = []
    for folder in files.tree.names(BASE)[:MOST_CHIPS]:
        chip = _chip(files, folder)
        if chip is not None:
            found, without = sort_out(chip)
            channels += found
            refused += without
    machines = [each for each in channels if each.scope is Scope.MACHINE]
    for chip_name in {each.key.split(":")[1] for each in machines}:
        same = [each for each in machines if each.key.split(":")[1] == chip_name]
        if len(same) > 1:
            channels = [each for each in channels if each not in same]
            refused += [_refused(Scope.MACHINE, each.key, SEVERAL) for each in same]
    return channels, refused


def _chip(files: Files, folder: str) -> Chip | None:
    """Read one folder; older drivers keep name and attributes in its `device` folder."""
    top = f"{BASE}/{folder}"
    name = files.text(f"{top}/name") or files.text(f"{top}/device/name")
    if not name:
        return None
    names = dict.fromkeys(files.tree.names(top), top)
    if not any(CHANNEL.fullmatch(each) for each in names):
        names |= {each: f"{top}/device" for each in files.tree.names(f"{top}/device") if each not in names}
    values = best_values(names)
    rails = not values and any(re.fullmatch(r"curr\d+_input", each) for each in names)
    if not values and not rails:
        return None
    return Chip(
        folder,
        name,
        values,
        {key: files.text(f"{names[n]}/{n}") or "" for key in values if (n := f"{key}_label") in names},
        frozenset(
            key for key in values if (n := f"{key}_enable") in names and files.number(f"{names[n]}/{n}") == 0
        ),
        is_battery="power1_is_battery" in names
        and files.number(f"{names['power1_is_battery']}/power1_is_battery") == 1,
        relative_error=parse_accuracy(files.text(f"{names.get('power1_accuracy', top)}/power1_accuracy")),
        integrated="in1_input" in names and files.text(f"{names['in1_input']}/in1_label") == "vddnb",
        rails=rails,
        awake_path=f"{top}/device/power/runtime_status",
    )


def best_values(names: Mapping[str, str]) -> dict[str, str]:
    """Return the file to read of each channel: a counter; the average before the momentary figure; pure."""
    found: dict[str, tuple[int, str]] = {}
    for name, base in names.items():
        match = CHANNEL.fullmatch(name)
        if match is None or (match["what"] == "energy" and match["part"] == "average"):
            continue
        key, rank = f"{match['what']}{match['number']}", 0 if match["part"] == "average" else 1
        if key not in found or rank < found[key][0]:
            found[key] = (rank, f"{base}/{name}")
    return {key: path for key, (_, path) in sorted(found.items())}


def parse_accuracy(text: str | None) -> float | None:
    """Return the relative error of an ACPI meter from its power1_accuracy, None where it states nothing sensible.

    The firmware tells thousandths of a per cent; the kernel prints them as "%u.%u%%" without padding, so 98.050 %
    is shown as "98.50%". An accuracy of 98 % is an error of 0.02.
    """
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})%?", (text or "").strip())
    if match is None:
        return None
    error = round(1 - (int(match[1]) + int(match[2]) / 1000) / 100, 5)
    return error if 0 < error < 1 else None


def sort_out(chip: Chip) -> tuple[list[Channel], list[Candidate]]:
    """Split a chip's channels into those worth reading and those refused; pure."""
    source = f"hwmon:{chip.name}"
    if chip.rails:
        why = COMPONENT if chip.name.startswith(RAIL_CHIPS) else CURRENTS
        return [], [_refused(Scope.MACHINE, source, why)]
    channels: list[Channel] = []
    refused: list[Candidate] = []
    wholes = {key: scope for key in chip.values if (scope := whole(chip, key)) is not None}
    # A counter of the same whole makes its power figure needless.
    counted = {
        scope for key, scope in wholes.items() if key.startswith("energy") and key not in chip.disabled
    }
    if not wholes:  # one word for the chip: a board has dozens of rails
        return [], [_refused(Scope.MACHINE, source, COMPONENT)]
    beside = next(iter(wholes.values()))
    for key, path in chip.values.items():
        scope, name = wholes.get(key), f"{source}:{key}"
        counts = key.startswith("energy")
        if scope is None:
            refused.append(_refused(beside, name, COMPONENT))
            continue
        if scope in counted and not counts:
            refused.append(_refused(scope, name, COUNTED))
            continue
        if (reason := _objection(chip, key, scope)) is not None:
            refused.append(_refused(scope, name, reason))
            continue
        awake = chip.awake_path if scope is Scope.GPU else None
        unique = f"{name}@{chip.folder}" if scope is Scope.GPU else name
        channels.append(Channel(unique, path, scope, counts, chip.relative_error, awake))
    return channels, refused


def whole(chip: Chip, key: str) -> Scope | None:
    """Return the scope a channel sees as a whole, None for a component; pure."""
    number, label = int(key.lstrip("powerngy")), chip.labels.get(key, "")
    for name, ending, only in WHOLE_MACHINE:
        if chip.name == name and label.endswith(ending) and only in {None, number}:
            return Scope.MACHINE
    return Scope.GPU if (chip.name, number) in WHOLE_GPU else None


def _objection(chip: Chip, key: str, scope: Scope) -> str | None:
    if key in chip.disabled:
        return OFF
    if chip.is_battery and scope is Scope.MACHINE:
        return BATTERY_METER
    return INTEGRATED if chip.integrated and scope is Scope.GPU else None


def _refused(scope: Scope, source: str, reason: str) -> Candidate:
    return Candidate("hwmon", scope, source, (), Status.NOT_SUPPORTED, reason)


def candidates(files: Files, channels: Iterable[Channel]) -> list[Candidate]:
    """Read the channels now, one candidate each."""
    found = []
    for channel in channels:
        if channel.awake_path is not None and files.text(channel.awake_path) == "suspended":
            found.append(offer(channel, Content(channel.path, None, Status.NO_DATA_YET, ASLEEP)))
        else:
            found.append(offer(channel, files.read(channel.path, keep=True)))
    return found


def offer(channel: Channel, content: Content) -> Candidate:
    """Return one channel's figure as a candidate; pure. A running machine draws something: 0 W is no reading."""
    value = amount(content)
    most = MOST_MACHINE_WATTS if channel.scope is Scope.MACHINE else MOST_GPU_WATTS
    if value is not None and not channel.counts:
        watts = value / 1e6
        if watts > most or (channel.scope is Scope.MACHINE and watts <= 0):
            value = None
    kind = {Scope.MACHINE: "acpi" if f":{ACPI}:" in channel.key else "chip"}.get(channel.scope, "gpu")
    register = Register(
        channel.key,
        microjoules=value if channel.counts else None,
        watts=None if channel.counts or value is None else value / 1e6,
        most_watts=most,
    )
    status, reason = Status.OK, None
    if value is None:
        status = Status.ERROR if content.status is Status.OK else content.status
        reason = content.reason or f"/{content.path}: {NO_READING}"
    return Candidate(kind, channel.scope, channel.key, (register,), status, reason, channel.relative_error)
