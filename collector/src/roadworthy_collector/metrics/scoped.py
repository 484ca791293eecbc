"""What a token or user of some units sees of `/metrics`: the roll-ups by unit of exactly these units.

Everything else adds up devices of other units too: sites, models, operating systems, the whole IT estate, and the
collector's own health. What a unit costs is on no page of theirs either. A unit past the catalogue's limit is part of `other`, which is not shown either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from roadworthy_collector.metrics.text import escaped

# What says whose figures these are is everybody's.
_ESTATE = "roadworthy_estate_info"
_OF_UNIT = re.compile(r'roadworthy_unit_(?!cost_)\w+\{unit="((?:[^"\\]|\\.)*)"[,}]')


def only_units(body: str, names: Iterable[str]) -> str:
    """Return of a body in the text format the samples of these units, each family under its own head."""
    wanted = {escaped(name) for name in names}
    kept: list[str] = []
    head: list[str] = []
    for line in body.splitlines(keepends=True):
        if line.startswith("# "):
            # HELP begins a family; the TYPE after it belongs to the same head.
            head = [line] if line.startswith("# HELP ") else [*head, line]
        elif line.startswith(f"{_ESTATE}{{") or ((found := _OF_UNIT.match(line)) and found[1] in wanted):
            kept += [*head, line]
            head = []
    return "".join(kept)
