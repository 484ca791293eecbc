"""Make, model, age and size of the device."""

from __future__ import annotations

from roadworthy_agent.probes.platforms import chosen

NAME = "hardware"
WHAT = (
    "Maker, model, family and SKU, chassis type, firmware version and date, processor, memory modules, TPM, Secure "
    "Boot and how it starts, displays (maker, model, year and size, no serial number), and whether it is a virtual "
    "machine or a container, to tell what the device is and how old; serial number and asset tag join it to the "
    "register."
)

collect = chosen(NAME, __name__)
