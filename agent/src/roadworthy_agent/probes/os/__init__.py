"""The operating system: name, version, kernel, architecture."""

from __future__ import annotations

from roadworthy_agent.probes.platforms import chosen

NAME = "os"
WHAT = (
    "Name, version, build, edition, architecture and kernel of the operating system, to see which devices still get "
    "security updates."
)

collect = chosen(NAME, __name__)
