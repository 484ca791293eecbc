"""The raw SMBIOS (DMI) tables as values: one parser, whatever operating system hands over the bytes.

Layout: DMTF DSP0134, System Management BIOS Reference Specification (https://www.dmtf.org/standards/smbios),
sections 5.2 (entry points), 6.1 (structures), 7.1-7.5, 7.17-7.18 and 7.44 (the types below). Offsets count from
the structure's first byte. Firmware gets these wrong often enough that nothing here trusts a length: every step
forward is at least four bytes, and a table that breaks off keeps what came before and says where it broke.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from roadworthy_agent.errors import ProbeError

HEADER_BYTES = 4
END_OF_TABLE = 127
MAX_STRUCTURES = 8192  # a large server has some 600
MAX_STRINGS = 255  # a string is named by one byte

BIOS, SYSTEM, BOARD, CHASSIS, PROCESSOR, MEMORY_ARRAY, MEMORY_DEVICE, TPM = 0, 1, 2, 3, 4, 16, 17, 43

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

MEMORY_TYPES = {
    0x03: "DRAM", 0x07: "RAM", 0x0F: "SDRAM", 0x12: "DDR", 0x13: "DDR2", 0x14: "DDR2 FB-DIMM", 0x18: "DDR3",
    0x19: "FBD2", 0x1A: "DDR4", 0x1B: "LPDDR", 0x1C: "LPDDR2", 0x1D: "LPDDR3", 0x1E: "LPDDR4",
    0x1F: "non-volatile", 0x20: "HBM", 0x21: "HBM2", 0x22: "DDR5", 0x23: "LPDDR5", 0x24: "HBM3",
}  # fmt: skip
ROM_TYPES = frozenset({0x08, 0x09, 0x0A, 0x0B, 0x0C})  # a BIOS chip is listed as a memory device too
SYSTEM_MEMORY_USE = 0x03
X86_MAKERS = ("intel", "amd", "advanced micro", "hygon", "zhaoxin", "centaur", "via")

# What is read of each type, so that a table can be given on without the rest: type -> offsets of strings that
# name this one machine (serial numbers, asset tags)
READ_TYPES = {
    BIOS: (), SYSTEM: (7,), BOARD: (7, 8), CHASSIS: (7, 8), PROCESSOR: (0x20, 0x21),
    MEMORY_ARRAY: (), MEMORY_DEVICE: (0x18, 0x19), TPM: (), END_OF_TABLE: (),
}  # fmt: skip


class SmbiosError(ProbeError):
    """The bytes are no SMBIOS table, or break off; the text says where."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version of the specification the firmware follows."""

    major: int
    minor: int

    @property
    def little_endian_uuid(self) -> bool:
        """From 2.6 on the first three fields of the UUID are little-endian (section 7.2.1)."""
        return (self.major, self.minor) >= (2, 6)


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure: its formatted bytes, header included, and its strings."""

    type: int
    handle: int
    data: bytes
    strings: tuple[str, ...]

    def byte(self, offset: int) -> int | None:
        """Return the byte at `offset`, None past the end: older tables are shorter."""
        return self.data[offset] if offset < len(self.data) else None

    def number(self, offset: int, size: int) -> int | None:
        """Return the little-endian number of `size` bytes at `offset`, None past the end."""
        raw = self.data[offset : offset + size]
        return int.from_bytes(raw, "little") if len(raw) == size else None

    def string(self, offset: int) -> str | None:
        """Return the string whose number stands at `offset`; None where the number is 0, absent or wrong."""
        index = self.byte(offset)
        return self.strings[index - 1] if index and index <= len(self.strings) else None


@dataclass(frozen=True, slots=True)
class Tables:
    """All structures that could be read; `fault` says where the table broke off, if it did."""

    version: Version
    structures: tuple[Structure, ...]
    fault: SmbiosError | None = None

    def first(self, kind: int) -> Structure | None:
        """Return the first structure of a type."""
        return next((each for each in self.structures if each.type == kind), None)

    def all(self, kind: int) -> tuple[Structure, ...]:
        """Return the structures of a type in table order."""
        return tuple(each for each in self.structures if each.type == kind)


def parse_entry_point(data: bytes) -> Version:
    """Return the version an entry point names: `_SM3_` (64 bit), `_SM_` (32 bit) or the old `_DMI_`.

    Raises SmbiosError for anything else.
    """
    if data[:5] == b"_SM3_" and len(data) >= 9:
        return Version(data[7], data[8])
    if data[:4] == b"_SM_" and len(data) >= 8:
        return Version(data[6], data[7])
    if data[:5] == b"_DMI_" and len(data) >= 15:
        return Version(data[14] >> 4, data[14] & 0x0F)  # binary coded decimal
    raise SmbiosError("the SMBIOS entry point starts with none of _SM3_, _SM_ and _DMI_")


def parse_tables(data: bytes, version: Version) -> Tables:
    """Return the structures in `data`. Always ends; raises SmbiosError only if not even one can be read."""
    structures: list[Structure] = []
    offset, fault = 0, None
    while offset < len(data) and len(structures) < MAX_STRUCTURES:
        try:
            structure, offset = _parse_structure(data, offset)
        except SmbiosError as error:
            fault = error
            break
        structures.append(structure)
        if structure.type == END_OF_TABLE:
            break
    if fault is not None and not structures:
        raise fault
    return Tables(version, tuple(structures), fault)


def _parse_structure(data: bytes, offset: int) -> tuple[Structure, int]:
    """Return the structure at `offset` and the offset of the next, which is at least four bytes on."""
    length = data[offset + 1] if offset + 1 < len(data) else 0
    if length < HEADER_BYTES or offset + length > len(data):
        raise SmbiosError(f"the SMBIOS structure at byte {offset} says it is {length} bytes long")
    formatted = data[offset : offset + length]
    # Strings end with an empty one; a structure without strings is followed by two NULs all the same.
    end = data.find(b"\0\0", offset + length)
    if end < 0:
        raise SmbiosError(f"the strings of the SMBIOS structure at byte {offset} do not end")
    strings = data[offset + length : end].split(b"\0")[:MAX_STRINGS] if end > offset + length else []
    handle = int.from_bytes(formatted[2:4], "little")
    return Structure(formatted[0], handle, formatted, tuple(map(_text, strings))), end + 2


def _text(raw: bytes) -> str:
    """Return a firmware string without what no one can read: stray bytes and control characters."""
    return "".join(letter for letter in raw.decode("utf-8", "replace") if letter.isprintable()).replace(
        "\ufffd", ""
    )


def system_uuid(system: Structure, version: Version) -> UUID | None:
    """Return the UUID of a type 1 structure, or None; all zeros and all ones mean "not set" (section 7.2.1)."""
    raw = system.data[8:24]
    if len(raw) < 16 or raw in (bytes(16), b"\xff" * 16):
        return None
    return UUID(bytes_le=raw) if version.little_endian_uuid else UUID(bytes=raw)


def chassis_type(chassis: Structure) -> int | None:
    """Return the chassis type without the lock bit (section 7.4.1); 0 is no type."""
    value = chassis.byte(5)
    return (value & 0x7F) or None if value is not None else None


def rom_bytes(bios: Structure) -> int | None:
    """Return the size of the firmware's ROM: 64 kB steps, or the extended field from 16 MB on (7.1)."""
    small = bios.byte(9)
    if small is None:
        return None
    if small != 0xFF:
        return (small + 1) * 64 * KIB
    extended = bios.number(0x18, 2)
    if extended is None:
        return 16 * MIB
    return (extended & 0x3FFF) * {0: MIB, 1: GIB}.get(extended >> 14, MIB)


def is_virtual(bios: Structure) -> bool:
    """Tell whether the firmware says it runs in a virtual machine: extension byte 2, bit 4 (7.1.2.2)."""
    return bool((bios.byte(0x13) or 0) & 0x10)


def populated(processor: Structure) -> bool:
    """Tell whether a processor socket holds a processor (7.5: status, bit 6)."""
    return bool((processor.byte(0x18) or 0) & 0x40)


def max_mhz(processor: Structure) -> int | None:
    """Return the highest speed the socket and processor reach, in MHz; 0 is unknown."""
    return processor.number(0x14, 2) or None


def cpu_signature(processor: Structure) -> tuple[int, int, int] | None:
    """Return (family, model, stepping) of an x86 processor from its id, register EAX of CPUID function 1 (7.5.3).

    None for other processors, which put other registers there, and for an id nobody filled in. The extended
    fields count as in Intel's and AMD's manuals: the family's from base family 15, the model's from 6 and 15.
    """
    maker = (processor.string(7) or "").casefold()
    word = processor.number(8, 4)
    if not word or word == 0xFFFFFFFF or not any(name in maker for name in X86_MAKERS):
        return None
    base, model = (word >> 8) & 0xF, (word >> 4) & 0xF
    family = base + ((word >> 20) & 0xFF) if base == 0xF else base
    if base in {0x6, 0xF}:
        model |= (word >> 12) & 0xF0
    return (family, model, word & 0xF) if family else None


def tpm_version(device: Structure) -> str | None:
    """Return the version of the specification a TPM follows, such as 2.0 (7.44)."""
    major, minor = device.byte(8), device.byte(9)
    return f"{major}.{minor}" if major in {1, 2} and minor is not None and minor < 10 else None


def core_count(processor: Structure) -> int | None:
    """Return the cores of one processor; above 254 they stand in a wider field (7.5.7)."""
    small = processor.byte(0x23)
    return (processor.number(0x2A, 2) if small == 0xFF else small) or None


def module_bytes(device: Structure) -> int | None:
    """Return the size of a memory module (7.18.2): 0 for an empty slot, None where it is not known.

    0xFFFF is unknown, 0x7FFF sends to the extended field (megabytes), bit 15 set means kilobytes.
    """
    size = device.number(0x0C, 2)
    if size is None or size == 0xFFFF:
        return None
    if size == 0x7FFF:
        extended = device.number(0x1C, 4)
        return None if extended is None else (extended & 0x7FFFFFFF) * MIB
    return (size & 0x7FFF) * (KIB if size & 0x8000 else MIB)


def module_speed(device: Structure) -> int | None:
    """Return the speed a module runs at in MT/s, else the one it could; 0xFFFF sends to a wider field (7.18.4)."""
    for offset, extended in ((0x20, 0x58), (0x15, 0x54)):
        speed = device.number(offset, 2)
        if speed == 0xFFFF:
            speed = (device.number(extended, 4) or 0) & 0x7FFFFFFF
        if speed:
            return speed
    return None


def system_modules(tables: Tables) -> tuple[Structure, ...]:
    """Return the memory devices that hold main memory: no ROM, no slot of another array, no empty slot."""
    others = {
        array.handle for array in tables.all(MEMORY_ARRAY) if array.byte(5) not in (SYSTEM_MEMORY_USE, None)
    }
    return tuple(
        device
        for device in tables.all(MEMORY_DEVICE)
        if device.number(4, 2) not in others
        and device.byte(0x12) not in ROM_TYPES
        and module_bytes(device) != 0
    )


def without_identifiers(data: bytes) -> bytes:
    """Return a table with only the types read here, and without serial numbers, asset tags and the UUID.

    For recordings: X stands for each letter taken out, and OEM structures, which may hold anything, are left out.
    """
    try:
        tables = parse_tables(data, Version(0, 0))
    except SmbiosError:
        return b""
    kept = []
    for each in tables.structures:
        secret = READ_TYPES.get(each.type)
        if secret is None:
            continue
        body = bytearray(each.data)
        if each.type == SYSTEM:
            body[8:24] = bytes(len(body[8:24]))
        hidden = {each.byte(offset) for offset in secret}
        # Firmware points two fields at one string as well; then both go.
        texts = [
            ("X" * len(text) if number in hidden else text) or "-"  # an empty one would end the strings
            for number, text in enumerate(each.strings, 1)
        ]
        written = b"".join(text.encode() + b"\0" for text in texts)
        kept.append(bytes(body) + (written or b"\0") + b"\0")
    return b"".join(kept)
