"""Days smart plugs metered, by device: kept in `book_figures` (`plug.000000000042`), laid over what agents told.

A day holds what each import said of it, in order: the last one that was not undone counts. What is kept of a device goes
when it is erased (`security.erasure`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, delete, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon.fed import Some
from roadworthy_collector.carbon.power import STATES
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.queries.local_totals import LocalTotal
from roadworthy_collector.store.schema import devices, erasures
from roadworthy_inventory.calendar import local_day

_NAME = "plug."
_MOST_ID = 10**12 - 1
Days = dict[dt.date, int]  # joules


def name_of(device: int) -> str:
    """Return the name of a device's days; names stand in the order of row ids."""
    return f"{_NAME}{device:012d}"


def read(connection: Connection, between: tuple[int, int] = (0, _MOST_ID)) -> dict[int, Days]:
    """Return {device: its metered days} of the devices between two row ids, both included."""
    first, last = (name_of(min(max(one, 0), _MOST_ID)) for one in between)
    query = select(book_figures.c.name, book_figures.c.content).where(
        book_figures.c.name.between(first, last)
    )
    rows = connection.execute(query.order_by(book_figures.c.name))
    return {_device(row.name): _counting(row.content) for row in rows}


def add(connection: Connection, device: int, told: Mapping[dt.date, int], batch: int, now: int) -> bool:
    """Lay days of a batch over those held; False where the device went or is going meanwhile."""
    query = select(devices.c.id).where(devices.c.id == device).with_for_update()
    leaving = select(erasures.c.device).where(erasures.c.device == device)
    if connection.scalar(query) is None or connection.scalar(leaving) is not None:
        return False
    held = _content(connection, device)
    for date, joules in told.items():
        held.setdefault(date.isoformat(), []).append([batch, joules])
    figures.write(connection, name_of(device), held, now, 0.0)
    return True


def drop(connection: Connection, device: int, batch: int, now: int) -> list[dt.date]:
    """Take what a batch said of a device away; return the days it said something of."""
    held = _content(connection, device)
    mine = [day for day, layers in held.items() if any(layer[0] == batch for layer in layers)]
    if not mine:
        return []
    left = {day: [layer for layer in layers if layer[0] != batch] for day, layers in held.items()}
    if left := {day: layers for day, layers in left.items() if layers}:
        figures.write(connection, name_of(device), left, now, 0.0)
    else:
        forget(connection, device)
    return [dt.date.fromisoformat(day) for day in mine]


def of_batch(connection: Connection, batch: int) -> list[int]:
    """Return the devices a batch said something of."""
    first, last = name_of(0), name_of(_MOST_ID)
    query = select(book_figures.c.name, book_figures.c.content).where(
        book_figures.c.name.between(first, last)
    )
    return [
        _device(row.name)
        for row in connection.execute(query)
        if any(layer[0] == batch for layers in row.content.values() for layer in layers)
    ]


def forget(connection: Connection, device: int) -> None:
    """Delete what is kept of a device: its row id may be another's later."""
    connection.execute(delete(book_figures).where(book_figures.c.name == name_of(device)))


def over(
    connection: Connection,
    totals: Iterable[LocalTotal],
    some: Some,
    span: tuple[dt.date, dt.date],
    zone: str,
) -> Iterator[LocalTotal]:
    """Yield daily totals of some devices, days plugs covered with what they metered instead.

    Days from the first to the last of `span` an agent told nothing of come after, at the place the device stands at.
    """
    if isinstance(some, frozenset):
        held = read(connection, (min(some), max(some))) if some else {}
        plugs = {device: mine for device, mine in held.items() if device in some}
    else:
        plugs = read(connection, some)
    return _over(connection, totals, plugs, span, zone) if plugs else iter(totals)


def _over(
    connection: Connection,
    totals: Iterable[LocalTotal],
    plugs: Mapping[int, Days],
    span: tuple[dt.date, dt.date],
    zone: str,
) -> Iterator[LocalTotal]:
    left = {
        (device, date): joules
        for device, some in plugs.items()
        for date, joules in some.items()
        if span[0] <= date <= span[1]
    }
    for total in totals:
        joules = left.pop((total.device, total.date), None)
        yield total if joules is None else total._replace(values=_metered(total.values._asdict(), joules))
    query = select(devices.c.id, devices.c.site, devices.c.unit).where(devices.c.id.in_(list(plugs)))
    places = (
        {row.id: {"site": row.site, "unit": row.unit} for row in connection.execute(query)} if left else {}
    )
    for (device, date), joules in sorted(left.items()):
        if device in places:
            yield LocalTotal(date, device, local_day(date, zone), _metered(_SILENT | places[device], joules))


def _metered(told: Mapping[str, Any], joules: int) -> SimpleNamespace:
    """Return a day's totals as the plug saw it: its joules alone, and no second of which nothing is known."""
    return SimpleNamespace(**{**told, "joules": {"wall": {"metered": joules}}, "unobserved_seconds": 0})


_SILENT: dict[str, Any] = dict.fromkeys((f"{name}_seconds" for name in (*STATES, "observed")), 0) | {
    "cpu_mean_ratio": None
}


def _device(name: str) -> int:
    return int(name.removeprefix(_NAME))


def _content(connection: Connection, device: int) -> dict[str, list[list[int]]]:
    query = select(book_figures.c.content).where(book_figures.c.name == name_of(device)).with_for_update()
    return dict(connection.scalar(query) or {})


def _counting(content: Mapping[str, Iterable[list[int]]]) -> Days:
    return {dt.date.fromisoformat(day): list(layers)[-1][1] for day, layers in content.items()}
