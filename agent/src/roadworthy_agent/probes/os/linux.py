"""Reading the operating system's name on Linux."""

from __future__ import annotations

import platform

from roadworthy_agent.facts import OsFacts
from roadworthy_agent.probe import Context, ProbeResult, Status
from roadworthy_agent.probes.os.parse import os_facts, parse_os_release
from roadworthy_agent.probes.tree import Content, Tree

# os-release(5): the first one there is wins
RELEASE_FILES = ("etc/os-release", "usr/lib/os-release")
RELEASE_BYTES = 65_536  # a real one has some 500
DEBIAN_VERSION = "etc/debian_version"
KERNEL, ARCHITECTURE = "proc/sys/kernel/osrelease", "proc/sys/kernel/arch"

# The plain files this probe reads, for a recording; there is nothing else.
FILES = (*RELEASE_FILES, DEBIAN_VERSION, KERNEL, ARCHITECTURE)


def collect(context: Context) -> ProbeResult[OsFacts]:
    """Read os-release and the kernel's own names."""
    tree = Tree(context.root)
    contents = [tree.read(path, RELEASE_BYTES) for path in RELEASE_FILES]
    found = next((each for each in contents if parse_os_release(each.text or "")), None)
    source = f"/{found.path}" if found else "/proc/sys/kernel"
    facts, missing = os_facts(
        parse_os_release(found.text or "" if found else ""),
        point_release=tree.text(DEBIAN_VERSION),
        kernel=tree.text(KERNEL),
        architecture=platform.machine() if context.live else tree.text(ARCHITECTURE),
        source=source,
    )
    if found is None:
        status, reason = _why_none(contents)
        missing += tree.unsaid("os", reason)
        return ProbeResult("os", status, facts, reason=reason, source=source, missing=missing)
    missing += tree.unsaid("os")
    return ProbeResult("os", Status.OK, facts, source=source, missing=missing)


def record(_context: Context) -> dict[str, bytes]:
    """Return what is no plain file: nothing."""
    return {}


def _why_none(contents: list[Content]) -> tuple[Status, str]:
    """Return the worst that happened: a file there is but cannot be read says more than one there is not."""
    for wanted in (Status.NO_PERMISSION, Status.ERROR):
        for content in contents:
            if content.status is wanted:
                return wanted, content.reason or ""
    held = next((content for content in contents if content.data is not None), None)
    if held is not None:
        return Status.ERROR, f"/{held.path} holds no assignment of os-release(5)"
    return Status.NOT_SUPPORTED, "neither /etc/os-release nor /usr/lib/os-release is there"
