"""What os-release(5) says, as values."""

from __future__ import annotations

import shlex

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.report import OsFacts


def parse_os_release(text: str) -> dict[str, str]:
    """Return the assignments of an os-release file; lines that are none are left out.

    Values are quoted the way a shell does it (os-release(5)); a value whose quotes do not close is kept as it is.
    """
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, raw = line.strip().partition("=")
        if not equals or not name or name.startswith("#"):
            continue
        try:
            words = shlex.split(raw)
        except ValueError:
            words = [raw]
        values[name] = words[0] if words else ""
    return values


def os_facts(
    release: dict[str, str],
    *,
    point_release: str | None,
    kernel: str | None,
    architecture: str | None,
    source: str,
) -> tuple[OsFacts, tuple[Missing, ...]]:
    """Return the facts and what is missing from them.

    `point_release` is Debian's /etc/debian_version (12.11), which os-release leaves out. Rolling distributions
    have no VERSION_ID: their build is all there is.
    """
    build = release.get("BUILD_ID") or point_release
    facts = OsFacts(
        family="linux",
        name=release.get("NAME") or release.get("PRETTY_NAME") or None,
        version=release.get("VERSION_ID") or None,
        build=build,
        id=release.get("ID") or None,
        architecture=architecture,
        kernel=kernel,
        source=source,
    )
    reasons = {
        "name": "os-release has no NAME",
        "version": "os-release has no VERSION_ID (a rolling distribution)",
        "id": "os-release has no ID",
        "architecture": "neither the kernel nor the recorded tree names the architecture",
        "kernel": "/proc/sys/kernel/osrelease cannot be read",
    }
    missing = tuple(
        Missing(f"os.{field}", Status.NOT_SUPPORTED, reason)
        for field, reason in reasons.items()
        if getattr(facts, field) is None
    )
    return facts, missing
