"""Reading the operating system's name on Linux."""

from __future__ import annotations

import platform

from roadworthy_agent.probe import Context, ProbeResult, Status
from roadworthy_agent.probes.os.parse import os_facts, parse_os_release
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.report import OsFacts

# os-release(5): the first one there is wins
RELEASE_FILES = ("etc/os-release", "usr/lib/os-release")


def collect(context: Context) -> ProbeResult[OsFacts]:
    """Read os-release and the kernel's own names."""
    tree = Tree(context.root)
    release, source = None, "/proc/sys/kernel"
    for path in RELEASE_FILES:
        content = tree.read(path)
        if content.text:
            release, source = content.text, f"/{path}"
            break
    facts, missing = os_facts(
        parse_os_release(release or ""),
        point_release=tree.text("etc/debian_version"),
        kernel=tree.text("proc/sys/kernel/osrelease"),
        architecture=platform.machine() if context.live else tree.text("proc/sys/kernel/arch"),
        source=source,
    )
    if release is None:
        reason = "neither /etc/os-release nor /usr/lib/os-release can be read"
        return ProbeResult("os", Status.NOT_SUPPORTED, facts, reason=reason, source=source, missing=missing)
    return ProbeResult("os", Status.OK, facts, source=source, missing=missing)
