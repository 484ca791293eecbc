"""Reading energy and power on Windows: the Energy Meter Interface, and the batteries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.power import battery as batteries
from roadworthy_agent.probes.power.choose import Candidate, Kind, choose
from roadworthy_agent.probes.power.rapl import LOOK_SECONDS, MOST_WATTS, PACKAGE_ERROR, psys_doubt
from roadworthy_agent.reading import BatteryFlow, PowerReading, Register, Scope, Status
from roadworthy_agent.windows import emi
from roadworthy_agent.windows.battery import parse_flow, parse_information
from roadworthy_agent.windows.emi import Channel, Figure
from roadworthy_agent.windows.machine import WindowsMachine, machine_of
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorder import RecordingWindows
from roadworthy_agent.windows.registry import text_of
from roadworthy_agent.windows.surroundings import environment_of

FILES: tuple[str, ...] = ()
SECONDS_APART = 1.0
RECHOOSE_SECONDS = 900.0
LONGEST_SOURCE = 128  # what the wire takes
BATTERY_SOURCE = "IOCTL_BATTERY_QUERY_STATUS"
NO_METERS = "Windows shows no energy meter: it takes Windows 11 on a physical machine, or metering hardware"

ORDER = (
    Kind("emi", Scope.CPU, "the processor's own counters, by package"),
    Kind(
        "emi-system",
        Scope.MACHINE,
        "a counter, so nothing is lost between samples, and it passed its comparison",
    ),
    Kind("battery", Scope.MACHINE, "the batteries' discharge is the whole draw while they carry the machine"),
    Kind("emi-dram", Scope.MEMORY, "the memory's own counters"),
)
ELSEWHERE = {
    environment.CONTAINER: (
        Status.CONTAINER,
        "a container sees the counters of its host, which reports for itself",
    ),
    environment.VIRTUAL_MACHINE: (
        Status.VIRTUAL_MACHINE,
        "a virtual machine has no instruments of its own: its battery is its host's, or made up",
    ),
}
# Display adapters as installed; the numbers 0000, 0001 ... are sub-keys of the class
ADAPTERS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
NVIDIA = "ven_10de"
NVIDIA_LIBRARY = "nvml.dll"
NVIDIA_NOT_ASKED = (
    "NVIDIA's library is not asked on Windows: nobody knows yet whether that wakes a sleeping card"
)
KINDS = {Scope.CPU: "emi", Scope.MEMORY: "emi-dram", Scope.MACHINE: "emi-system"}


class Sampler:
    """Chooses channels once, from their names, and then reads only their meters and the batteries.

    Where there was nothing to choose it looks again every quarter of an hour.
    """

    def __init__(self, context: Context) -> None:
        self._machine = machine_of(context)
        self._clock = context.clock
        self._elsewhere = ELSEWHERE.get(environment_of(self._machine).kind)
        self._choose()

    def _choose(self) -> None:
        self._chosen_at = self._clock.monotonic()
        look = self._machine.calls("power") if self._elsewhere is None else Raw()
        self._channels, self._faults = emi.channels(look.each("meters"))
        self._wanted = [channel for channel in self._channels if channel.scope is not None]
        self._meters = sorted({channel.path for channel in self._wanted})
        self._first = emi.figures(look.each("meters"), self._wanted)
        told = look.fault is not None or look.inner("meters").values
        self._refused_meters = look.missing("meters", "power.cpu") if told else None
        self._relative = _relative(look.each("batteries"))
        self._not_asked = _nvidia(self._machine) if self._elsewhere is None else []

    def read(self) -> ProbeResult[PowerReading]:
        """Return what the instruments say now."""
        if self._elsewhere is not None:
            status, why = self._elsewhere
            return ProbeResult("power", status, reason=why)
        if self._nothing and self._clock.monotonic() - self._chosen_at >= RECHOOSE_SECONDS:
            self._choose()  # the agent may have started before the drivers
        look = self._machine.power_again(self._meters, sorted(self._relative))
        now = emi.figures(look.each("meters"), self._wanted)
        self._rebase(now)
        supplies, online = supplies_of(look.each("batteries"), self._relative)
        flow = _named(batteries.flow(supplies, online=online))
        candidates = [*self._meter_candidates(now, flow), *_battery_candidate(supplies, online=online)]
        candidates += self._not_asked
        choice = choose(candidates, ORDER)
        reading = PowerReading(choice.meters, choice.refused, flow)
        source = ", ".join(meter.source for meter in choice.meters) or None
        return ProbeResult(
            "power", choice.status, reading, reason=choice.reason, source=source, missing=choice.missing
        )

    @property
    def _nothing(self) -> bool:
        return not self._wanted and not self._relative

    def _rebase(self, now: Mapping[str, Figure]) -> None:
        """Compare from here on where a counter has begun anew."""
        if any(now[key].energy < figure.energy for key, figure in self._first.items() if key in now):
            self._first = dict(now)

    def _meter_candidates(self, now: Mapping[str, Figure], flow: BatteryFlow | None) -> list[Candidate]:
        found = [
            Candidate("emi", Scope.CPU, channel.key, (), Status.NOT_SUPPORTED, channel.reason)
            for channel in self._channels
            if channel.scope is None
        ]
        found += [Candidate("emi", Scope.CPU, "emi", (), Status.ERROR, fault) for fault in self._faults]
        if self._refused_meters is not None:
            refused = self._refused_meters
            found.append(Candidate("emi", Scope.CPU, "emi", (), refused.status, refused.reason))
        elif not self._channels and not self._faults:
            found.append(Candidate("emi", Scope.CPU, "emi", (), Status.NOT_SUPPORTED, NO_METERS))
        packages = self._of(Scope.CPU)
        twins = emi.mirrored(packages, self._first, now)
        found += [_mirror(channel, twins[channel.key]) for channel in packages if channel.key in twins]
        packages = [channel for channel in packages if channel.key not in twins]
        found += _offers(Scope.CPU, packages, now)
        found += _offers(Scope.MEMORY, self._of(Scope.MEMORY), now)
        return found + self._system(packages, now, flow)

    def _system(
        self, packages: list[Channel], now: Mapping[str, Figure], flow: BatteryFlow | None
    ) -> list[Candidate]:
        """Return the machine's channel where it is believed: not below its package, not far off the batteries."""
        system = self._of(Scope.MACHINE)
        if not system:
            return []
        if len(system) > 1:
            source = "+".join(channel.key for channel in system)
            reason = "several channels of the whole machine, and nothing says whether one holds the other"
            return [Candidate("emi-system", Scope.MACHINE, source, (), Status.NOT_SUPPORTED, reason)]
        status, doubt = psys_doubt(
            emi.watts([channel.key for channel in system], self._first, now, LOOK_SECONDS),
            emi.watts([channel.key for channel in packages], self._first, now, LOOK_SECONDS),
            flow.watts if flow is not None and flow.discharging else None,
        )
        if doubt is not None:
            return [Candidate("emi-system", Scope.MACHINE, system[0].key, (), status, doubt)]
        return _offers(Scope.MACHINE, system, now)

    def _of(self, scope: Scope) -> list[Channel]:
        return [channel for channel in self._wanted if channel.scope is scope]


def collect(context: Context) -> ProbeResult[PowerReading]:
    """Look twice, a second apart, so that mirrors and the machine's channel can be judged."""
    sampler = Sampler(context)
    context.sleep(SECONDS_APART)
    return sampler.read()


def record(context: Context) -> dict[str, bytes]:
    """Return two looks at the meters and the batteries, for a recorded tree."""
    recording = RecordingWindows(machine_of(context))
    environment_of(recording)
    _nvidia(recording)
    look = recording.calls("power")
    paths = [path for each in look.each("meters") if (path := each.text("path"))]
    context.sleep(SECONDS_APART)
    recording.power_again(paths, sorted(_relative(look.each("batteries"))))
    return recording.files("power")


def supplies_of(raws: tuple[Raw, ...], relative: Mapping[str, bool]) -> tuple[list[batteries.Battery], bool]:
    """Return what each battery of the machine does now, and whether the mains are connected."""
    found, online = [], False
    for number, path in enumerate(sorted(relative), 1):
        raw = next((each for each in raws if each.text("path") == path), Raw())
        flow = parse_flow(raw.octets("status"), relative=relative[path])
        if flow is None:
            # Unreadable is not empty: with it the sum of the others would not be the whole draw.
            found.append(batteries.Battery(str(number), "unknown", None))
            continue
        online = online or flow.on_line
        status = "discharging" if flow.discharging else "charging" if flow.charging else "not charging"
        believed = flow.watts if flow.watts is None or flow.watts <= batteries.MOST_WATTS else None
        found.append(batteries.Battery(str(number), status, believed))
    return found, online


def _relative(raws: tuple[Raw, ...]) -> dict[str, bool]:
    """Return the machine's batteries by path, and whether their figures are shares instead of milliwatts."""
    found = {}
    for raw in raws:
        path, told = raw.text("path"), parse_information(raw.octets("information"))
        if path is not None and told is not None and told.system and not told.short_term:
            found[path] = told.relative
    return found


def _nvidia(machine: WindowsMachine) -> list[Candidate]:
    """Return NVIDIA's library as refused where an adapter of theirs is installed, so that nobody wonders."""
    for number in machine.registry_keys(ADAPTERS):
        device = text_of(machine, rf"{ADAPTERS}\{number}", "MatchingDeviceId") if number.isdigit() else None
        if device is not None and NVIDIA in device.casefold():
            return [Candidate("nvml", Scope.GPU, NVIDIA_LIBRARY, (), Status.NOT_SUPPORTED, NVIDIA_NOT_ASKED)]
    return []


def _battery_candidate(supplies: list[batteries.Battery], *, online: bool) -> list[Candidate]:
    candidate = batteries.candidate(supplies, online=online)
    if candidate is None:
        return []
    registers = tuple(replace(register, key=BATTERY_SOURCE) for register in candidate.registers)
    return [replace(candidate, source=BATTERY_SOURCE, registers=registers)]


def _named(flow: BatteryFlow | None) -> BatteryFlow | None:
    return None if flow is None else replace(flow, source=BATTERY_SOURCE)


def _mirror(channel: Channel, twin: str) -> Candidate:
    reason = f"it mirrors {twin}: equal counters and equal steps, counted once"
    return Candidate("emi", Scope.CPU, channel.key, (), Status.NOT_SUPPORTED, reason)


def _offers(scope: Scope, channels: list[Channel], now: Mapping[str, Figure]) -> list[Candidate]:
    """Return the channels of a scope as one source; a counter that could not be read stays in it, without figure."""
    if not channels:
        return []
    registers = tuple(
        Register(
            channel.key,
            emi.microjoules(now[channel.key].energy) if channel.key in now else None,
            most_watts=MOST_WATTS[scope],
        )
        for channel in channels
    )
    blank = [register.key for register in registers if register.microjoules is None]
    reason = f"{', '.join(blank)} could not be read this time" if blank else None
    source = "emi:" + "+".join(channel.key.removeprefix("emi:") for channel in channels)
    if len(source) > LONGEST_SOURCE:
        source = f"{channels[0].key} and {len(channels) - 1} more"
    status = Status.NO_DATA_YET if blank else Status.OK
    return [Candidate(KINDS[scope], scope, source, registers, status, reason, PACKAGE_ERROR)]
