"""Whether Windows runs on a physical device, in a virtual machine or in a container: what the registry keeps of SMBIOS."""

from __future__ import annotations

from roadworthy_agent.probes.environment import CONTAINER, Environment, Signals, judge
from roadworthy_agent.windows.machine import WindowsMachine
from roadworthy_agent.windows.registry import text_of

BIOS_KEY = "HKLM\\HARDWARE\\DESCRIPTION\\System\\BIOS"
CONTROL_KEY = "HKLM\\SYSTEM\\CurrentControlSet\\Control"
# In the order of environment.DMI_FIELDS
NAMES = ("SystemProductName", "SystemManufacturer", "BaseBoardManufacturer", "BIOSVendor", "SystemVersion")


def in_container(machine: WindowsMachine) -> bool:
    """Tell whether this is a Windows container: only there the value exists."""
    return machine.registry(CONTROL_KEY, "ContainerType") is not None


def environment_of(machine: WindowsMachine) -> Environment:
    """Return what this Windows runs on."""
    if in_container(machine):
        return Environment(CONTAINER, "windows")
    dmi = tuple(text for name in NAMES if (text := text_of(machine, BIOS_KEY, name)))
    return judge(Signals(dmi=dmi, physical_hint=bool(dmi)))
