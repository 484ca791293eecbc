"""How worn the batteries are."""

from __future__ import annotations

from roadworthy_agent.probes.platforms import chosen

NAME = "battery"
WHAT = "Charge or energy the batteries held when new and hold now, and their cycles, to tell which need replacing; no serial numbers."

collect = chosen(NAME, __name__)
