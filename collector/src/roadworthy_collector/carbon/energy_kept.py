"""What a month's sums hold beside its devices: what devices drew that are erased by now, which stays when it is made anew.

While a month is being made that is noted in `book_figures` (`energy_making.2026-04`), so that a build that was cut off
goes on from it; an erasure in the midst of a build leaves there what the device had, for the build to take up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, case, delete, func, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import fed
from roadworthy_collector.carbon.estate import ERASED, sum_of
from roadworthy_collector.carbon.sums import Month, Sum, together
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_inventory.carbon.ledger import QUALITIES

MAKING = "energy_making"  # + .2026-04


def begin(work: Work, month: str) -> list[Any]:
    """Return [site, unit, sum] of what is in the sums of `month` beside its devices, noted until `end`."""
    while True:
        with work.write() as connection:
            noted = _noted(connection, month)
            if noted is not None and noted["kept"] is not None:
                # A build was cut off; what was erased since is beside the devices now.
                kept = [*noted["kept"], *(one[1:] for one in noted["erased"])]
                _note(connection, month, kept, work.clock())
                return list(kept)
            _note(connection, month, None, work.clock())
        with work.engine.connect() as connection:
            kept = beside_devices(connection, month)
        with work.write() as connection:
            noted = _noted(connection, month)
            if noted is not None and not noted["erased"]:
                _note(connection, month, kept, work.clock())
                return kept
        # A device went while the sums were read: nobody knows whether it is among them, so they are read again.


def end(connection: Connection, month: str) -> None:
    """Forget what was noted: the month is made."""
    connection.execute(delete(book_figures).where(book_figures.c.name == f"{MAKING}.{month}"))


def erased(connection: Connection, month: str) -> list[Any]:
    """Return [device, site, unit, sum] of the devices erased since `begin`, in order."""
    held = figures.read(connection, f"{MAKING}.{month}")
    return [] if held is None else list(_told(held[0])["erased"])


def leave(connection: Connection, device: int, now: float) -> None:
    """Delete a device's rows for its erasure; its energy stays in sums, those of a month that is being made too."""
    rows = connection.execute(select(energy_devices).where(energy_devices.c.device == device)).all()
    for row in rows:
        month = row.month[:7]
        noted = _noted(connection, month)
        if noted is None:
            continue
        entry = [device, row.site, row.unit, told_of(row)]
        _note(connection, month, noted["kept"], now, [*noted["erased"], entry])
    connection.execute(delete(energy_devices).where(energy_devices.c.device == device))
    fed.leave(connection, device)


def told_of(row: Any) -> list[Any]:
    """Return a row of `energy_devices` as a sum of its month, as JSON holds it."""
    month = row.month[:7]
    joules = [getattr(row, f"{name}_joules") for name in QUALITIES]
    whole = sum(joules)
    off = [max(whole - row.low_joules, 0.0), max(row.high_joules - whole, 0.0)]
    return Sum(joules, row.days, 0, 0, {month: Month(int(row.days > 0))}, {ERASED: off}).told(month)


def _noted(connection: Connection, month: str) -> dict[str, Any] | None:
    name = f"{MAKING}.{month}"
    query = select(book_figures.c.content).where(book_figures.c.name == name).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else _told(row.content)


def _told(content: Any) -> dict[str, Any]:
    # Earlier a build noted what is kept alone.
    return content if isinstance(content, dict) else {"kept": content, "erased": []}


def _note(connection: Connection, month: str, kept: Any, now: float, some: Sequence[Any] = ()) -> None:
    figures.write(connection, f"{MAKING}.{month}", {"kept": kept, "erased": list(some)}, now, 0.0)


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
