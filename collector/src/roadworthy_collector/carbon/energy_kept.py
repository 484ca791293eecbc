"""What a month's sums hold beside its devices: what devices drew that are erased by now, which stays when it is made anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, case, func, select

from roadworthy_collector.carbon.estate import ERASED, sum_of
from roadworthy_collector.carbon.sums import Month, Sum, together
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_inventory.carbon.ledger import QUALITIES


def beside_devices(connection: Connection, month: str) -> list[Any]:
    """Return [site, unit, sum] of what the groups of a place hold more than its devices: of devices erased since."""
    of_groups, of_devices = (
        _at_places(connection, table, month) for table in (energy_groups, energy_devices)
    )
    kept = []
    for (site, unit), whole in of_groups.items():
        nothing = (0,) * len(whole)
        rest = [max(a - b, 0) for a, b in zip(whole, of_devices.get((site, unit), nothing), strict=True)]
        if not any(rest[: len(QUALITIES) + 1]):
            continue
        *joules, days, devices = rest
        sums = (sum_of(row) for row in _groups_at(connection, month, site, unit))
        energy = together(sums).energy()
        share = sum(joules) / energy.whole_joules if energy.whole_joules else 0.0
        off = [
            (energy.whole_joules - energy.low_joules) * share,
            (energy.high_joules - energy.whole_joules) * share,
        ]
        told = Sum(joules, days, 0, 0, {month: Month(devices)}, {ERASED: off})
        kept.append([site, unit, told.told(month)])
    return kept


def _at_places(connection: Connection, table: Any, month: str) -> dict[tuple[int, int], tuple[int, ...]]:
    counted = table.c.devices if "devices" in table.c else case((table.c.days > 0, 1), else_=0)
    sums = [func.sum(table.c[f"{name}_joules"]) for name in QUALITIES]
    query = select(table.c.site, table.c.unit, *sums, func.sum(table.c.days), func.sum(counted))
    query = query.where(table.c.month == f"{month}-01").group_by(table.c.site, table.c.unit)
    return {(row[0], row[1]): tuple(int(value) for value in row[2:]) for row in connection.execute(query)}


def _groups_at(connection: Connection, month: str, site: int, unit: int) -> Sequence[Any]:
    mine = (
        energy_groups.c.month == f"{month}-01",
        energy_groups.c.site == site,
        energy_groups.c.unit == unit,
    )
    return connection.execute(select(energy_groups).where(*mine)).all()
