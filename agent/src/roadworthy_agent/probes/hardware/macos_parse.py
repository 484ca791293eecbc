"""From what macOS says of a machine to facts; pure."""

from __future__ import annotations

import re
from typing import Any

from roadworthy_agent.facts import MemoryModule, Monitor
from roadworthy_agent.macos import profiler
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import Environment

MOST_MODULES, MOST_MONITORS = 256, 16  # what the wire takes
EARLIEST_YEAR, LATEST_YEAR = 1990, 2245
# Beginning of hw.model in a virtual machine -> whose
HYPERVISORS = (("VirtualMac", "apple"), ("VMware", "vmware"), ("Parallels", "parallels"), ("VMM", "qemu"))
# What the product is called -> SMBIOS's number of that form; Macs of Intel's time say the same in their SMBIOS
FORMS = (
    ("MacBook", 10),  # notebook
    ("iMac", 13),  # all in one
    ("Mac mini", 35),  # mini PC
    ("Macmini", 35),
    ("Mac Studio", 35),
    ("Mac Pro", 7),  # tower
    ("MacPro", 7),
)
# system_profiler's words, in English; Reduced still checks what it starts, it only allows older versions
SECURE = {"full security": True, "medium security": True, "reduced security": True}
INSECURE = {"permissive security": False, "no security": False}


def virtual_by(model: str | None, vmm_present: str | None) -> Environment:
    """Return whether this is a virtual machine (kern.hv_vmm_present), and whose."""
    whose = next((name for start, name in HYPERVISORS if (model or "").startswith(start)), None)
    if vmm_present == "1" or whose is not None:
        return Environment(environment.VIRTUAL_MACHINE, whose)
    return Environment(environment.UNKNOWN if vmm_present is None and model is None else environment.PHYSICAL)


def chassis_type(name: str | None, model: str | None) -> int | None:
    """Return SMBIOS's number for the form of a Mac, from the product's name; None where it does not tell.

    Since 2022 the model is only `Mac14,2`, so that the name of system_profiler is asked first.
    """
    for text in (name or "", model or ""):
        for start, number in FORMS:
            if text.startswith(start):
                return number
    return None


def secure_boot(found: list[dict[str, Any]]) -> bool | None:
    """Return whether what is started is checked; None without a security chip and for words nobody knows."""
    word = next((text for each in found if (text := profiler.text(each, "ibridge_secure_boot"))), "")
    return (SECURE | INSECURE).get(word.casefold())


def memory_modules(found: list[dict[str, Any]]) -> tuple[MemoryModule, ...]:
    """Return the modules of a Mac that has some; memory of Apple's own processors is in their package: ()."""
    modules = []
    for item in profiler.items(found):
        size = profiler.memory_bytes(profiler.text(item, "dimm_size"))
        if size is None:  # the list itself, or an empty slot
            continue
        speed = re.match(r"(\d{1,6}) M(?:Hz|T/s)", profiler.text(item, "dimm_speed") or "")
        modules.append(
            MemoryModule(
                slot=profiler.text(item, "_name"),
                size_bytes=size,
                type=profiler.text(item, "dimm_type"),
                speed_mts=int(speed[1]) if speed else None,
                manufacturer=profiler.text(item, "dimm_manufacturer"),
                part_number=profiler.text(item, "dimm_part_number"),
            )
        )
    return tuple(modules[:MOST_MODULES])


def monitors(found: list[dict[str, Any]]) -> tuple[Monitor, ...]:
    """Return the displays that are made of glass; one over AirPlay carries the name of its owner and is left out."""
    seen = []
    for card in found:
        displays = card.get("spdisplays_ndrvs")
        for display in displays if isinstance(displays, list) else ():
            name, link = profiler.text(display, "_name"), display.get("spdisplays_connection_type")
            vendor = pnp_letters(profiler.text(display, "_spdisplays_display-vendor-id"))
            if vendor is None or "airplay" in f"{name} {link}".casefold():
                continue
            year = profiler.text(display, "_spdisplays_display-year") or ""
            made = int(year) if year.isascii() and year.isdigit() and len(year) == 4 else 0
            seen.append(
                Monitor(
                    vendor=vendor,
                    model=name,
                    year=made if EARLIEST_YEAR <= made <= LATEST_YEAR else None,
                    internal=link == "spdisplays_internal",
                )
            )
    return tuple(seen[:MOST_MONITORS])


def pnp_letters(text: str | None) -> str | None:
    """Return the three letters of EDID's vendor number (five bits each), given in hexadecimal; None for none."""
    if text is None or not re.fullmatch(r"(0x)?[0-9a-fA-F]{1,4}", text):
        return None
    value = int(text, 16) & 0x7FFF  # the top bit is no part of it
    letters = [(value >> shift) & 0x1F for shift in (10, 5, 0)]
    if not all(1 <= letter <= 26 for letter in letters):
        return None
    return "".join(chr(ord("A") - 1 + letter) for letter in letters)
