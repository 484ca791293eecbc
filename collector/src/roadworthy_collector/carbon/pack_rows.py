"""The ledger's rows of an evidence pack: by device and month, and by group. Restricted sites are folded into one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.carbon import estate
from roadworthy_collector.carbon.pack_rebuilt import TOGETHER as _RESTRICTED
from roadworthy_collector.carbon.sums import Month, Sum
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_collector.store.schema import devices, sites, units
from roadworthy_inventory.carbon.ledger import QUALITIES

_PERIODS_AT_ONCE = 10_000


class Places:
    """Names of sites and units, the kind of each site, and which are restricted."""

    def __init__(self, connection: Connection) -> None:
        self.sites = {row.id: row for row in connection.execute(select(sites))}
        self.units = {row.id: row.name for row in connection.execute(select(units.c.id, units.c.name))}

    def restricted(self, site: int) -> bool:
        """Return whether a site is in totals only."""
        return site in self.sites and bool(self.sites[site].restricted)

    def kind(self, site: int) -> str:
        """Return the place of consumption."""
        return str(self.sites[site].kind) if site in self.sites else "unknown"

    def cells(self, site: int, unit: int) -> tuple[str, str]:
        """Return the names of site and unit, folded where the site is restricted."""
        if self.restricted(site):
            return _RESTRICTED, _RESTRICTED
        name = self.sites[site].name if site in self.sites else str(site)
        return str(name), str(self.units.get(unit, unit))


def _firsts(period: estate.Period) -> list[str]:
    return [f"{month}-01" for month in period.months]


def device_rows(connection: Connection, period: estate.Period, places: Places) -> Iterator[Sequence[Any]]:
    """Yield the ledger's device-months, those of restricted sites folded by place and class."""
    folded: dict[tuple[str, str], list[float]] = {}
    classes = {
        row.id: row
        for row in connection.execute(select(devices.c.id, devices.c.device_class, devices.c.model))
    }
    names = [f"{quality}_joules" for quality in QUALITIES]
    query = select(energy_devices).where(energy_devices.c.month.in_(_firsts(period)))
    query = query.order_by(energy_devices.c.month, energy_devices.c.device)
    for row in connection.execute(query.execution_options(yield_per=_PERIODS_AT_ONCE)):
        machine = classes.get(row.device)
        kind = machine.device_class if machine is not None else estate.ERASED
        numbers = [row.days, *(getattr(row, name) for name in names)]
        ends = [row.low_joules, row.high_joules, row.unknown_seconds]
        if places.restricted(row.site):
            held = folded.setdefault((row.month[:7], kind), [0] * 8)
            for at, number in enumerate((*numbers, *ends)):
                held[at] += number
            continue
        model = "" if machine is None else machine.model or ""
        yield (row.month[:7], row.device, *places.cells(row.site, row.unit), kind, model, *numbers, *ends)
    for (month, kind), held in sorted(folded.items()):
        yield (month, "", _RESTRICTED, _RESTRICTED, kind, _RESTRICTED, *held)


def group_rows(connection: Connection, period: estate.Period, places: Places) -> Iterator[Sequence[Any]]:
    """Yield the ledger's groups, those of restricted sites folded; in order, so that the file is always the same."""
    held: dict[tuple[str, ...], Sum] = {}
    query = select(energy_groups).where(energy_groups.c.month.in_(_firsts(period)))
    for row in connection.execute(query.execution_options(yield_per=_PERIODS_AT_ONCE)):
        site, unit = places.cells(row.site, row.unit)
        # Days nobody told anything of are told apart there too: their time is silent and not unknown.
        model = (
            row.model if row.model == estate.NOTHING_TOLD or not places.restricted(row.site) else _RESTRICTED
        )
        key = (row.month[:7], places.kind(row.site), site, unit, row.item_class, model)
        held.setdefault(key, Sum()).add(estate.sum_of(row))
    for group, one in sorted(held.items()):
        own = one.months.get(group[0], Month())
        shared = json.dumps(
            {name: list(off) for name, off in sorted(one.shared.items())}, separators=(",", ":")
        )
        yield (
            *group,
            own.devices,
            one.days,
            *one.joules,
            repr(own.down_squared),
            repr(own.up_squared),
            shared,
            one.unknown_seconds + one.silent_seconds,
        )
