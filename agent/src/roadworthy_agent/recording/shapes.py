"""Files that need more than names replaced: what a probe does not need is left out, checksums are made right again."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probes.hardware import smbios
from roadworthy_agent.probes.startup import kernel, wakes
from roadworthy_agent.probes.startup.names import IDENTIFIERS, reduce_name
from roadworthy_agent.recording.replace import Replacer
from roadworthy_agent.recording.stand_ins import StandIns

# Mount points that say nothing about a person or a server
PLACES = re.compile(r"/|/(?:boot|efi|usr|var|home|proc|sys|dev|run|tmp|etc)(?:/[a-z0-9_.-]+)*")
PRIVATE_PLACES = re.compile(r"/(?:home|run/user|run/media|media|mnt|tmp)/.")
EDID_HEADER = b"\x00\xff\xff\xff\xff\xff\xff\x00"
EDID_BLOCK = 128
DATA = re.compile(rb"(<data>)([A-Za-z0-9+/=\s]+)(</data>)")
EDID_IN_HEX = re.compile(rb"00ffffffffffff00[0-9a-f]{240,}", re.IGNORECASE)
EXISTENCE_ONLY = frozenset({"run/.containerenv", ".dockerenv"})
# A mouse or headset is called what its owner called it ("Jo's mouse"), and no probe reads that of one
NAMED_BY_PEOPLE = re.compile(r"sys/class/power_supply/(?!BAT|CMB)[^/]*[-_][^/]*/(?:model_name|manufacturer)")
ALIAS = re.compile(r"(?:dev-disk-by\\x2d[a-z]+-|dev-mapper-|dev-|sys-subsystem-net-devices-|[a-z]+-)")


def needed(path: str, data: bytes) -> bytes:
    """Return of a file only what probes read of it; pure, before names are replaced."""
    reduce = _NEEDED.get(path)
    if path in EXISTENCE_ONLY or NAMED_BY_PEOPLE.fullmatch(path):
        return b""
    return data if reduce is None else reduce(data)


def _passwd(data: bytes) -> bytes:
    """Keep accounts of people, without full names and passwords: they are what start-ups leave out of names."""
    kept = []
    for line in data.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 6 and fields[2].isdecimal() and 1000 <= int(fields[2]) < 65534:
            kept.append(":".join([fields[0], "x", fields[2], fields[3], "", fields[5], fields[6]]))
    return "".join(f"{line}\n" for line in kept).encode()


def _release(data: bytes) -> bytes:
    """Leave out addresses: those of an image of one's own name its maker."""
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines if b"_URL=" not in line)


def _mounts(data: bytes) -> bytes:
    """Keep the system's own places: others are named after people, disks and servers."""
    kept = []
    for line in data.decode("utf-8", "replace").splitlines(keepends=True):
        fields = line.split()
        place = fields[4] if len(fields) > 4 else ""
        if PLACES.fullmatch(place) and not PRIVATE_PLACES.match(place):
            kept.append(line)
    return "".join(kept).encode()


def _environment(data: bytes) -> bytes:
    """Keep which kind of container this is; the rest of process 1's environment is nobody's business."""
    kept = [entry for entry in data.split(b"\0") if entry.startswith(b"container=")]
    return b"".join(entry + b"\0" for entry in kept)


def _kernel_log(data: bytes) -> bytes:
    """Keep the lines that are read; the log names every disk and key there is."""
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    return "".join(
        line for line in lines if any(_is_read(text) for _, text in kernel.log_records(line))
    ).encode()


def _is_read(message: str) -> bool:
    marks_init = kernel.HAND_OVER.search(message) is not None
    return marks_init or kernel.is_recovery(message) or wakes.is_of_a_sleep(message)


def _tables(data: bytes) -> bytes:
    """Keep the SMBIOS structures that are read; those of the maker's own may hold anything."""
    try:
        tables = smbios.parse_tables(data, smbios.Version(3, 0))
    except ProbeError:
        return data
    kept, at = [], 0
    for each in tables.structures:
        end = data.index(b"\0\0", at + len(each.data)) + 2
        if each.type in smbios.READ_TYPES:
            kept.append(data[at:end])
        at = end
    return b"".join(kept) + data[at:]


_NEEDED: dict[str, Callable[[bytes], bytes]] = {
    "etc/os-release": _release,
    "usr/lib/os-release": _release,
    "etc/passwd": _passwd,
    "proc/self/mountinfo": _mounts,
    "proc/1/environ": _environment,
    "roadworthy/dmesg": _kernel_log,
    "sys/firmware/dmi/tables/DMI": _tables,
}


def sanitised(path: str, data: bytes, replacer: Replacer) -> bytes:
    """Return a file with its names replaced and its checksums right."""
    if path == "roadworthy/systemd.json":
        data = _units(data, replacer)
    data = DATA.sub(lambda found: found[1] + _base64(found[2], replacer) + found[3], data)
    data = EDID_IN_HEX.sub(lambda found: _edid_in_hex(found[0], replacer), data)
    data = replacer.data(data)
    if path.endswith("smbios_entry_point"):
        return _entry_point(data)
    # Last, because a checksum in the middle of a name would hide it.
    return edid_without_number(data, replacer.stand_ins) if path.endswith("/edid") else data


def _base64(text: bytes, replacer: Replacer) -> bytes:
    """Return base64 of a property list with the names in it replaced; what is none stays as it is."""
    try:
        data = base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return text
    if data.startswith(EDID_HEADER):
        return base64.b64encode(edid_without_number(replacer.data(data), replacer.stand_ins))
    changed = replacer.data(data)
    return text if changed == data else base64.b64encode(changed)


def _edid_in_hex(text: bytes, replacer: Replacer) -> bytes:
    data = bytes.fromhex(text[: len(text) // (2 * EDID_BLOCK) * 2 * EDID_BLOCK].decode())
    if sum(data[:EDID_BLOCK]) % 256:
        return text  # another table in which these bytes stand by chance
    changed = edid_without_number(replacer.data(data), replacer.stand_ins)
    return changed.hex().encode() + text[2 * len(data) :]


def edid_without_number(data: bytes, stand_ins: StandIns) -> bytes:
    """Return an EDID with stand-ins for its serial numbers: bytes 12-15, and the descriptor of tag 0xFF (E-EDID A.2)."""
    if len(data) < EDID_BLOCK or not data.startswith(EDID_HEADER):
        return data
    changed = bytearray(data)
    number = int.from_bytes(data[12:16], "little")
    if number not in {0, 1, 0x01010101, 0xFFFFFFFF}:
        changed[12:16] = stand_ins.number(number, 4).to_bytes(4, "little")
    for at in range(54, 126, 18):
        if data[at : at + 5] == b"\0\0\0\xff\0":
            text = data[at + 5 : at + 18].decode("ascii", "replace")
            changed[at + 5 : at + 18] = stand_ins.word(text).upper().encode("ascii", "replace")
    return edid_checksums(bytes(changed))


def edid_checksums(data: bytes) -> bytes:
    """Return an EDID whose blocks each add up to zero."""
    changed = bytearray(data)
    for at in range(0, len(data) - EDID_BLOCK + 1, EDID_BLOCK):
        changed[at + EDID_BLOCK - 1] = -sum(changed[at : at + EDID_BLOCK - 1]) & 0xFF
    return bytes(changed)


def _entry_point(data: bytes) -> bytes:
    """Return an SMBIOS entry point with right checksums (DSP0134, 5.2)."""
    changed = bytearray(data)
    if data.startswith(b"_SM3_") and len(data) >= 24:
        changed[5] = 0
        changed[5] = -sum(changed[: data[6]]) & 0xFF
    elif data.startswith(b"_SM_") and len(data) >= 31:
        changed[0x15] = 0
        changed[0x15] = -sum(changed[0x10:0x1F]) & 0xFF
        changed[4] = 0
        changed[4] = -sum(changed[: data[5]]) & 0xFF
    return bytes(changed)


def _units(data: bytes, replacer: Replacer) -> bytes:
    """Return what systemd said with stand-ins in those parts of units' names that never leave a device."""
    try:
        document: dict[str, Any] = json.loads(data)
        units, jobs = document.get("units", {}), document.get("running_jobs") or []
        document["units"] = {unit_name(name, replacer): times for name, times in units.items()}
        document["running_jobs"] = [unit_name(str(name), replacer) for name in jobs]
    except (ValueError, AttributeError, TypeError):
        return b""  # nobody can say what is in it
    return (json.dumps(document, indent=1) + "\n").encode()


def unit_name(name: str, replacer: Replacer) -> str:
    r"""Return a unit's name with stand-ins for instances, places, devices and whatever looks like an identifier.

    Escapes (`\x2d`) and the beginning that tells the kind stay, so that the name is reduced to the same.
    """
    reduced = reduce_name(name)
    stem, dot, kind = name.rpartition(".")
    if not dot:
        return replacer.text(name)
    template, _, instance = stem.partition("@")
    if instance:
        harmless = reduced is not None and f"@{instance}." in reduced
        stem = template if harmless else f"{template}@{_spelt_like(instance, replacer.stand_ins)}"
        return name if harmless else f"{stem}.{kind}"
    if kind in {"device", "mount", "automount", "swap"}:
        start = ALIAS.match(stem)
        kept = start[0] if start else ""
        rest = stem[len(kept) :]
        return name if "*" not in (reduced or "") else f"{kept}{_spelt_like(rest, replacer.stand_ins)}.{kind}"
    return f"{_identifiers(stem, replacer)}.{kind}"


def _identifiers(stem: str, replacer: Replacer) -> str:
    """Return a stem with stand-ins for what looks like an identifier, and the known names' own for those."""
    known = replacer.text(stem)
    found = known
    for pattern in IDENTIFIERS:
        for each in pattern.finditer(stem):
            if known[each.start() : each.end()] == each[0]:
                part = _spelt_like(each[0], replacer.stand_ins)
                found = found[: each.start()] + part + found[each.end() :]
    return found


def _spelt_like(text: str, stand_ins: StandIns) -> str:
    r"""Return the stand-in of a part of a unit's name; the letters of an escape such as `\x2d` are none."""
    parts = re.split(r"(\\x[0-9a-f]{2})", text)
    return "".join(part if at % 2 else stand_ins.word(part) for at, part in enumerate(parts))
