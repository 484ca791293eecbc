"""sysctl(3) through ctypes: one call, and what its bytes mean."""

from __future__ import annotations

import ctypes

LONGEST = 1024
# Everything that is asked for; texts end with NUL, numbers are 4 or 8 bytes in the machine's order
TEXTS = frozenset(
    {
        "hw.machine", "hw.model", "kern.bootsessionuuid", "kern.osproductversion", "kern.osrelease", "kern.osversion",
        "machdep.cpu.brand_string", "machdep.cpu.vendor",
    }
)  # fmt: skip
NUMBERS = frozenset(
    {
        "hw.cpufrequency_max", "hw.logicalcpu_max", "hw.memsize", "hw.optional.arm64", "hw.packages",
        "hw.physicalcpu_max", "hw.tbfrequency", "kern.hv_vmm_present", "machdep.cpu.family", "machdep.cpu.model",
        "machdep.cpu.stepping", "sysctl.proc_translated",
    }
)  # fmt: skip


def read(name: str) -> str | None:
    """Return a value as text, None where this Mac has none."""
    data = call(name)
    return None if data is None else decode(name, data)


def decode(name: str, data: bytes) -> str | None:
    """Return bytes of sysctl as text: a word, or a whole number; None for a length nobody expects."""
    if name in TEXTS:
        return data.split(b"\0")[0].decode("utf-8", "replace").strip() or None
    if name in NUMBERS and len(data) in {4, 8}:
        return str(int.from_bytes(data, "little"))
    return None


def call(name: str) -> bytes | None:
    """Return the bytes of sysctlbyname(3), None where it fails."""
    try:
        sysctlbyname = ctypes.CDLL("/usr/lib/libSystem.B.dylib").sysctlbyname
    except (OSError, AttributeError):
        return None
    sysctlbyname.restype = ctypes.c_int
    buffer, size = ctypes.create_string_buffer(LONGEST), ctypes.c_size_t(LONGEST)
    if sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return None
    return buffer.raw[: min(size.value, LONGEST)]
