"""Can this machine have Windows 11? By what it reports, and unknown where that does not tell.

The processor is judged by CPUID's vendor, family, model and stepping (`data/windows11_processors.csv`): the rule
Chromium publishes, and where Setup's own published block table says otherwise, `disputed`, so that the name decides
or the answer stays unknown. A name alone decides only where a whole series is in or out (`windows11_names.csv`).
Memory, disk, firmware and TPM follow Microsoft's requirements (`windows11_requirements.csv`). What Intune has
found (`UpgradeEligibility`) goes before all of this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from roadworthy_inventory import tables

Answer = Literal["eligible", "not_eligible", "unknown"]
_PROCESSORS, _NAMES, _NEEDS = "windows11_processors.csv", "windows11_names.csv", "windows11_requirements.csv"
_PROCESSOR_COLUMNS = ("vendor", "family", "model", "stepping", "verdict", "note", "source", "as_of")
_NAME_COLUMNS = ("pattern", "verdict", "note", "source", "as_of")
_NEED_COLUMNS = ("requirement", "value", "note", "source", "as_of")
_GIB = 2**30
# https://learn.microsoft.com/mem/analytics/data-platform-schema: UpgradeEligibility of the Work-from-anywhere export
_INTUNE: dict[str, Answer | None] = {
    "0": "eligible",
    "upgraded": "eligible",
    "1": None,
    "unknown": None,
    "2": "not_eligible",
    "notcapable": "not_eligible",
    "3": "eligible",
    "capable": "eligible",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is known of a machine; None where it is not.

    `tpm_version`: 2.0, 1.2, or `none` where the machine says it has none. `boot_mode`: uefi or legacy.
    `secure_boot`: on or off (either shows that the firmware has it). `environment`: the wire's word.
    `upgrade_eligibility`: Intune's, as number or word. Sizes in bytes, the clock in MHz.
    """

    cpu_vendor: str | None = None
    cpu_family: int | None = None
    cpu_model: int | None = None
    cpu_stepping: int | None = None
    cpu_name: str | None = None
    cpu_cores: int | None = None
    cpu_mhz: int | None = None
    memory_bytes: int | None = None
    system_disk_bytes: int | None = None
    boot_mode: str | None = None
    secure_boot: bool | None = None
    tpm_version: str | None = None
    environment: str | None = None
    upgrade_eligibility: str | int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stands against it; `may_be_a_setting` where switching something on may be all it takes."""

    requirement: str
    text: str
    may_be_a_setting: bool = False


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The answer, each reason against, what is missing to know more, and what the answer rests on."""

    answer: Answer
    reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()
    basis: Literal["intune", "rule"] = "rule"


@dataclass(frozen=True, slots=True)
class ProcessorRule:
    """One row: ranges of family, model and stepping (None: any); the first row that fits decides."""

    vendor: str
    family: range | None
    model: range | None
    stepping: range | None
    verdict: str
    note: str

    def fits(self, vendor: str, numbers: tuple[int, int | None, int | None]) -> bool | None:
        """Whether it fits; None where a number it asks for is not known."""
        if vendor != self.vendor:
            return False
        unknown = False
        for wanted, number in zip((self.family, self.model, self.stepping), numbers, strict=True):
            if wanted is None:
                continue
            if number is None:
                unknown = True
            elif number not in wanted:
                return False
        return None if unknown else True


def _range(line: int, column: str, text: str) -> range | None:
    if not text:
        return None
    found = re.fullmatch(r"(\d+)(?:(-)(\d+)?)?", text)
    if not found:
        raise tables.TableError(f"{_PROCESSORS}: line {line}: {column}: {text!r} is no range such as 10-13")
    start = int(found[1])
    return range(start, int(found[3]) + 1 if found[3] else 1 << 32 if found[2] else start + 1)


def parse_processors(text: str) -> tuple[ProcessorRule, ...]:
    """Return the rules of the table, in order; TableError where one is wrong."""
    return tuple(
        ProcessorRule(
            vendor=row["vendor"],
            family=_range(line, "family", row["family"]),
            model=_range(line, "model", row["model"]),
            stepping=_range(line, "stepping", row["stepping"]),
            verdict=tables.one_of(
                _PROCESSORS, line, "verdict", row["verdict"], ("eligible", "not_eligible", "disputed")
            ),
            note=row["note"],
        )
        for line, row in tables.rows(_PROCESSORS, text, _PROCESSOR_COLUMNS)
    )


@cache
def processors() -> tuple[ProcessorRule, ...]:
    """Return the rules that ship, read once."""
    return parse_processors(tables.read_text(_PROCESSORS))


@cache
def _names() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    verdicts = ("eligible", "not_eligible", "unknown")
    return tuple(
        (
            re.compile(row["pattern"]),
            tables.one_of(_NAMES, line, "verdict", row["verdict"], verdicts),
            row["note"],
        )
        for line, row in tables.rows(_NAMES, tables.read_text(_NAMES), _NAME_COLUMNS)
    )


@cache
def requirements() -> MappingProxyType[str, int]:
    """Return {requirement: least value}, sizes in bytes, the clock in MHz."""
    rows = tables.rows(_NEEDS, tables.read_text(_NEEDS), _NEED_COLUMNS)
    return MappingProxyType({row["requirement"]: int(row["value"]) for _, row in rows})


def by_name(name: str | None) -> tuple[Answer, str]:
    """Return what a processor's name alone tells, and why."""
    said = re.sub(r"\((?:r|tm|c)\)|[®™©]|\bcpu\b|@.*", " ", (name or "").casefold()).replace("+", "-")
    said = " ".join(said.split())
    for pattern, verdict, note in _names():
        if pattern.search(said):
            if verdict == "eligible":
                return "eligible", note
            return ("not_eligible", note) if verdict == "not_eligible" else ("unknown", note)
    return "unknown", "its name is of no series that is in or out as a whole"


def by_cpuid(machine: Machine) -> tuple[Literal["eligible", "not_eligible", "disputed", "unknown"], str]:
    """Return what CPUID tells of the processor, and why."""
    if machine.cpu_vendor == "Qualcomm" or "qualcomm" in (machine.cpu_vendor or "").casefold():
        verdict, note = by_name(machine.cpu_name)
        return ("not_eligible", note) if verdict == "not_eligible" else ("eligible", "Qualcomm")
    if machine.cpu_vendor is None or machine.cpu_family is None:
        return "unknown", "vendor, family, model and stepping of the processor"
    numbers = (machine.cpu_family, machine.cpu_model, machine.cpu_stepping)
    for rule in processors():
        fits = rule.fits(machine.cpu_vendor, numbers)
        if fits is None:
            return "unknown", "model and stepping of the processor"
        if fits:
            if rule.verdict == "eligible":
                return "eligible", rule.note
            return ("not_eligible" if rule.verdict == "not_eligible" else "disputed"), rule.note
    return "unknown", f"a rule for processors of {machine.cpu_vendor}"


def eligibility(machine: Machine) -> Eligibility:
    """Return whether the machine can have Windows 11, with every reason against and everything missing."""
    imported = re.sub(r"[\s_-]", "", str(machine.upgrade_eligibility or "").casefold())
    if machine.upgrade_eligibility == 0:
        imported = "0"
    found = _INTUNE.get(imported)
    if found == "eligible":
        return Eligibility("eligible", basis="intune")
    if found == "not_eligible":
        reasons = tuple(reason for reason in _judge(machine) if isinstance(reason, Reason))
        return Eligibility(
            "not_eligible", reasons or (Reason("intune", "Intune says not capable"),), (), "intune"
        )
    judged = tuple(_judge(machine))
    reasons = tuple(item for item in judged if isinstance(item, Reason))
    missing = tuple(item for item in judged if isinstance(item, str))
    answer: Answer = "not_eligible" if reasons else "unknown" if missing else "eligible"
    return Eligibility(answer, reasons, missing)


def _judge(machine: Machine) -> Iterator[Reason | str]:
    """Yield a Reason for each requirement not met and a text for each that cannot be judged."""
    yield from _processor(machine)
    yield from _sizes(machine)
    yield from _firmware(machine)
    tpm = (machine.tpm_version or "").casefold()
    if not tpm:
        yield "version of the TPM"
    elif not re.match(r"[2-9]", tpm):
        text = (
            "no TPM is seen" if tpm == "none" else f"the TPM is version {machine.tpm_version}; 2.0 is needed"
        )
        yield Reason("tpm", text, may_be_a_setting=True)


def _processor(machine: Machine) -> Iterator[Reason | str]:
    verdict, note = by_cpuid(machine)
    if verdict in {"unknown", "disputed"}:
        named, why = by_name(machine.cpu_name) if machine.cpu_name else ("unknown", "")
        if named == "unknown":
            yield f"processor: {note}{'; ' + why if why else ''}"
        elif named == "not_eligible":
            yield Reason("processor", f"the processor is not supported: {why}")
    elif verdict == "not_eligible":
        yield Reason("processor", f"the processor is not supported: {note}")
    needs = requirements()
    if machine.cpu_cores is not None and machine.cpu_cores < needs["cpu_cores"]:
        yield Reason("cores", f"{machine.cpu_cores} core; {needs['cpu_cores']} are needed")
    if machine.cpu_mhz is not None and machine.cpu_mhz < needs["cpu_mhz"]:
        yield Reason("clock", f"{machine.cpu_mhz} MHz; {needs['cpu_mhz']} are needed")


def _sizes(machine: Machine) -> Iterator[Reason | str]:
    needs = requirements()
    if machine.memory_bytes is None:
        yield "size of the memory"
    elif -(-machine.memory_bytes // _GIB) * _GIB < needs["memory_bytes"]:
        yield Reason("memory", f"{machine.memory_bytes / _GIB:.1f} GiB of memory; 4 are needed")
    disk = machine.system_disk_bytes
    if disk is None:
        yield "size of the system disk"
    elif disk < needs["system_disk_sold_bytes"]:
        yield Reason("disk", f"the system disk has {disk / _GIB:.1f} GiB; 64 are needed")
    elif disk < needs["system_disk_bytes"]:
        yield f"disk: {disk / 10**9:.1f} GB is 64 GB as disks are sold, yet less than 64 GiB; the rules differ"


def _firmware(machine: Machine) -> Iterator[Reason | str]:
    if machine.secure_boot:
        return
    if machine.boot_mode == "legacy":
        if machine.environment == "virtual_machine":
            yield Reason("firmware", "the virtual machine has no UEFI and cannot be upgraded in place")
        else:
            yield "firmware: it starts in legacy mode; whether it has UEFI and Secure Boot is not told"
    elif machine.boot_mode != "uefi":
        yield "firmware: whether it is UEFI with Secure Boot"
    elif machine.secure_boot is None:
        yield "firmware: whether it has Secure Boot"
