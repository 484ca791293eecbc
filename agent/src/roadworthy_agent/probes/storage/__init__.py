"""The disks, and which of them holds the system."""

from __future__ import annotations

from roadworthy_agent.probes.platforms import chosen

NAME = "storage"
WHAT = (
    "Kernel name, model, firmware, kind, bus and size of each disk, whether it is removable and which one holds the "
    "system, because a hard disk is the commonest slow start-up; where permitted, how worn it is: life and spare "
    "used, hours, errors, replaced sectors, and whether it says that it fails."
)

collect = chosen(NAME, __name__)
