"""What os-release(5) says, as values."""

from __future__ import annotations

import re
import shlex

from roadworthy_agent.facts import OsFacts
from roadworthy_agent.probe import Missing, Status

LONGEST_LINE = 4096  # taking quotes apart is slow, and no real line has 200 letters
NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
# VARIANT_ID of os-release(5), as Fedora, RHEL 7, SUSE and the images of both use it
CLIENTS = frozenset(
    {
        "workstation", "desktop", "client", "kde", "kinoite", "silverblue", "cinnamon", "mate", "xfce", "lxqt", "lxde",
        "budgie", "i3", "sway", "soas",
    }
)  # fmt: skip
SERVERS = frozenset({"server", "cloud", "coreos", "container", "iot", "computenode", "atomic", "cloud-base"})


def parse_os_release(text: str) -> dict[str, str]:
    """Return the assignments of an os-release file; lines that are none are left out.

    Values are quoted the way a shell does it (os-release(5)); a value whose quotes do not close is kept as it is,
    and of two with one name the last counts.
    """
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, raw = line.strip().partition("=")
        if not equals or not NAME.fullmatch(name) or len(raw) > LONGEST_LINE:
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
    have no VERSION_ID: their build is all there is. `edition` is the VARIANT (Workstation Edition), which few
    distributions fill in. `long_term` stays open: "LTS" promises years of support, and is no servicing channel of
    the kind that Windows LTSC is, which keeps features back.
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
        edition=release.get("VARIANT") or None,
        installation_type=installation_type(release.get("VARIANT_ID", "")),
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


def installation_type(variant: str) -> str | None:
    """Return client or server for a VARIANT_ID that says which, else None."""
    word = variant.casefold()
    if word in CLIENTS:
        return "client"
    return "server" if word in SERVERS else None
