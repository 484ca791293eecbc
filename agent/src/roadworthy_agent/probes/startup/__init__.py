"""How long the device took to start up, in which phases, and what took longest."""

from __future__ import annotations

from roadworthy_agent.probes.platforms import chosen

NAME = "startup"
WHAT = (
    "How long each start-up takes, phase by phase, and which services and devices took longest, by name without "
    "anything that names a person, a disk or a network."
)

collect = chosen(NAME, __name__)
