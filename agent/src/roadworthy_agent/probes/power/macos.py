"""Reading power on macOS: AppleSmartBattery in the I/O Registry, for any account, without starting anything."""

from __future__ import annotations

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.macos.machine import machine_of, recording
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status
from roadworthy_agent.probes.power.macos_parse import NOTHING, SOURCE, Telemetry, parse_power
from roadworthy_agent.reading import PowerReading

FILES: tuple[str, ...] = ()
ENTRY = "AppleSmartBattery"
VMM = "kern.hv_vmm_present"
IN_A_VM = "a virtual machine has no power instruments of its own"
NO_ENTRY = "this Mac has no AppleSmartBattery: an Intel desktop tells its power to root only"

Result = ProbeResult[PowerReading]


class Sampler:
    """Asks the same entry at each sample, and remembers its sums to take means between samples."""

    def __init__(self, context: Context) -> None:
        self._machine = machine_of(context)
        self._before: Telemetry | None = None

    def read(self) -> Result:
        """Return what the instruments say now."""
        try:
            properties = self._machine.registry(ENTRY)
        except ProbeError as error:
            return ProbeResult("power", Status.ERROR, reason=str(error), source=SOURCE)
        if isinstance(properties, Missing):
            return self._without(properties)
        reading, self._before, missing = parse_power(properties, self._before)
        if not reading.meters and reading.battery is None:
            return ProbeResult("power", Status.NOT_SUPPORTED, reading, NOTHING, SOURCE, missing)
        return ProbeResult("power", Status.OK, reading, source=SOURCE, missing=missing)

    def _without(self, why: Missing) -> Result:
        if why.status is not Status.NOT_SUPPORTED:
            return ProbeResult("power", why.status, reason=why.reason, source=SOURCE)
        if self._machine.sysctl(VMM) == "1":
            return ProbeResult("power", Status.VIRTUAL_MACHINE, PowerReading(), IN_A_VM, SOURCE)
        return ProbeResult("power", Status.NOT_SUPPORTED, PowerReading(), NO_ENTRY, SOURCE)


def collect(context: Context) -> Result:
    """Look once."""
    return Sampler(context).read()


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads."""
    return recording(context, (VMM,), (ENTRY,))
