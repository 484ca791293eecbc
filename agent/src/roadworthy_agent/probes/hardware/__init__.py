"""Make, model, age and size of the device."""

from __future__ import annotations

from roadworthy_agent.probes.hardware import linux
from roadworthy_agent.probes.platforms import chosen

NAME = "hardware"
WHAT = (
    "Maker, model, firmware date, processor and memory, to tell what the device is and how old; serial numbers "
    "join it to the asset register."
)

collect = chosen(NAME, {"linux": linux.collect})
