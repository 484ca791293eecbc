"""The words of the wire's enumerations; anything else is read as `other` and counted."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

OTHER = "other"
_QUALITY = ("metered", "sensor", "modelled", "assumed")
_MEASURED = ("measured", "approximate", "suspect")
_ENVIRONMENTS = ("physical", "virtual_machine", "container", "unknown")
_STATUSES = (
    "ok",
    "no_permission",
    "not_supported",
    "no_data_yet",
    "virtual_machine",
    "container",
    "off_by_policy",
    "error",
)
WORDS: MappingProxyType[str, frozenset[str]] = MappingProxyType(
    {
        field: frozenset((*words, OTHER))
        for field, words in {
            "agent.platform": ("linux", "windows", "macos"),
            "probe.status": _STATUSES,
            "probe.missing.status": _STATUSES,
            "facts.os.family": ("linux", "windows", "macos"),
            "facts.hardware.environment": _ENVIRONMENTS,
            "facts.hardware.kind": (
                *("ups", "pdu", "printer", "switch", "management_controller", "server", "sensor", "meter"),
            ),
            "facts.hardware.boot_mode": ("uefi", "legacy", "unknown"),
            "facts.storage.medium": ("hdd", "ssd", "nvme", "emmc", "sd", "virtual", "unknown"),
            "cpu.quality": _QUALITY,
            "memory.quality": _QUALITY,
            "energy.scope": ("cpu", "memory", "gpu", "machine", "wall"),
            "energy.quality": _QUALITY,
            "outlet.quality": _QUALITY,
            "reading.quality": _QUALITY,
            "reading.kind": (
                *("active_power", "apparent_power", "idle_power", "energy", "load", "current", "voltage"),
                *("power_factor", "efficiency", "charge", "runtime", "duration", "frequency"),
                *("temperature", "humidity", "page_count", "hours", "supply", "paper", "utilisation"),
                *("memory", "uptime", "state", "since", "nameplate_power", "nameplate_apparent_power"),
            ),
            "reading.place": (
                *("input", "bypass", "output", "phase", "bank", "outlet", "supply_unit"),
                *("battery", "system", "poe", "engine", "sensor"),
            ),
            "phase.quality": _MEASURED,
            "factor.kind": (
                *("unit", "service", "driver", "application", "device", "policy", "profile", "subscriber"),
                *("run_key", "component", "shutdown"),
            ),
            "startup.kind": (
                *("cold", "restart", "fast_startup", "hibernate", "resume", "update", "dirty", "first"),
                *("soft_reboot", "container", "unknown"),
            ),
            "startup.environment": _ENVIRONMENTS,
            "startup.quality": (*_MEASURED, "unfinished"),
            "signin.quality": (*_MEASURED, "unfinished"),
            "signin.credentials": ("cached", "network", "unknown"),
            "signin.connection": ("lan", "wifi", "vpn", "none", "unknown"),
            "gap.kind": ("off", "asleep", "unobserved"),
            "gap.basis": ("boot_id_changed", "suspend_clock", "agent_not_running", "spool_full"),
        }.items()
    }
)


class Vocabulary:
    """Reads words and counts, in `unknown`, those it does not know: {(field, word): times}."""

    def __init__(self) -> None:
        self.unknown: Counter[tuple[str, str]] = Counter()

    def read(self, field: str, word: str) -> str:
        """Return `word` if the enumeration `field` has it, otherwise `other`."""
        if word in WORDS[field]:
            return word
        self.unknown[field, word] += 1
        return OTHER

    def read_optional(self, field: str, word: str | None) -> str | None:
        """Return the same for a value that may be missing."""
        return None if word is None else self.read(field, word)
