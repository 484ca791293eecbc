"""Reading the operating system's name on macOS: SystemVersion.plist and sysctl, both for any account."""

from __future__ import annotations

from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.facts import OsFacts
from roadworthy_agent.macos.machine import MacMachine, machine_of, recording
from roadworthy_agent.probe import NOT_UNDERSTOOD, Context, Missing, ProbeResult, Status
from roadworthy_agent.probes.tree import Tree

RELEASE_FILE = "System/Library/CoreServices/SystemVersion.plist"
FILES = (RELEASE_FILE,)
SYSCTLS = (
    "hw.machine", "hw.optional.arm64", "kern.osproductversion", "kern.osrelease", "kern.osversion",
    "sysctl.proc_translated",
)  # fmt: skip
COMPATIBLE = "10.16"  # what macOS 11 and later tell a program built for macOS 10


def collect(context: Context) -> ProbeResult[OsFacts]:
    """Read the version file and the kernel's own names."""
    tree, machine = Tree(context.root), machine_of(context)
    content = tree.read(RELEASE_FILE)
    missing: list[Missing] = []
    release: dict[str, Any] = {}
    if content.data is None:
        missing.append(content.missing("os.name"))
    else:
        try:
            release = parse_release(content.data)
        except ProbeError as error:
            missing.append(Missing("os.name", Status.ERROR, str(error)))
    facts, more = os_facts(release, machine)
    source = f"/{RELEASE_FILE}" if release else "sysctl"
    return ProbeResult("os", Status.OK, facts, source=source, missing=(*missing, *more))


def record(context: Context) -> dict[str, bytes]:
    """Return what is no plain file of what this probe reads."""
    return recording(context, sysctls=SYSCTLS)


def parse_release(data: bytes) -> dict[str, Any]:
    """Return the texts of SystemVersion.plist; raise ProbeError for what is none."""
    import plistlib
    from xml.parsers.expat import ExpatError

    try:
        value = plistlib.loads(data)
    except (*NOT_UNDERSTOOD, ExpatError, TypeError, AttributeError) as error:
        raise ProbeError(f"/{RELEASE_FILE} is no property list") from error
    if not isinstance(value, dict):
        raise ProbeError(f"/{RELEASE_FILE} holds no dictionary")
    return {str(name): text for name, text in value.items() if isinstance(text, str)}


def os_facts(release: dict[str, Any], machine: MacMachine) -> tuple[OsFacts, tuple[Missing, ...]]:
    """Return the facts and what is missing from them.

    The file is believed first. A Python built for macOS 10 is shown 10.16 for every later version: then only the
    build and the kernel are true.
    """
    version = release.get("ProductVersion") or machine.sysctl("kern.osproductversion")
    missing = []
    if version == COMPATIBLE:
        reason = f"macOS tells this Python {COMPATIBLE}, as it was built for macOS 10; the build is true"
        missing.append(Missing("os.version", Status.NOT_SUPPORTED, reason))
        version = None
    elif version is None:
        missing.append(
            Missing("os.version", Status.NOT_SUPPORTED, "neither the version file nor sysctl has it")
        )
    facts = OsFacts(
        family="macos",
        name=release.get("ProductName"),
        version=version,
        build=machine.sysctl("kern.osversion") or release.get("ProductBuildVersion"),
        id="macos",
        architecture=architecture(machine),
        kernel=machine.sysctl("kern.osrelease"),
        source=f"/{RELEASE_FILE}" if release else "sysctl",
    )
    missing += [
        Missing(f"os.{name}", Status.NOT_SUPPORTED, "sysctl does not have it")
        for name in ("build", "architecture", "kernel")
        if getattr(facts, name) is None
    ]
    return facts, tuple(missing)


def architecture(machine: MacMachine) -> str | None:
    """Return the machine's own architecture: under Rosetta, hw.machine says x86_64 on an arm64 Mac."""
    if machine.sysctl("sysctl.proc_translated") == "1" or machine.sysctl("hw.optional.arm64") == "1":
        return "arm64"
    return machine.sysctl("hw.machine")
