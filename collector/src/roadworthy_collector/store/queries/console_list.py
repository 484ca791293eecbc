"""The console's list of devices: narrowed, sorted and page by page, at 100,000 devices as at ten.

Which devices a page shows is asked of the index `ix_devices_listed`, which holds all that lists narrow and sort by but
the use of processor and memory; their rows, which are wide, are then read by their ids. A page begins after the last
device of the one before (or before the first of the one after), by its sort key and id: a place in the order, where a
number of rows to skip would show a device twice whenever one moves up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, desc, func, or_, select

from roadworthy_collector.store.queries.console_search import MOST_FOUND, begins_with
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.queries.states import state_of
from roadworthy_collector.store.schema import device_now, devices, sites

PAGE_SIZE = 50
# Up to here the devices that match are sorted by their use; from there on the order is walked along until a page is full.
FEW_MATCHES = 3000
_WALKED_AT_ONCE = 2000

SORTS: dict[str, ColumnElement[Any]] = {
    # Those without a hostname are shown by their ids, and stand where their ids do.
    "name": func.lower(func.coalesce(devices.c.hostname, "rwd_")),
    "site": func.lower(sites.c.name),
    "model": func.lower(func.coalesce(devices.c.model, "")),
    "class": devices.c.device_class,
    "report": func.coalesce(devices.c.last_report_at, 0),
}
USES = {"cpu": device_now.c.cpu_ratio, "memory": device_now.c.memory_ratio}
NUMBERS = frozenset({"report", *USES})  # sort keys that are not text


class Place(NamedTuple):
    """A place in the order of a list: just after (or before) the device of this row id and sort key."""

    id: int
    key: Any


@dataclass(frozen=True)
class DeviceFilter:
    """Which devices a list shows, and how: empty text means any.

    `after` or `before` say where the page is; `page` only numbers it, or counts it off where neither is there.
    """

    text: str = ""
    site: str = ""
    state: str = ""
    device_class: str = ""
    model: str = ""
    sort: str = "name"
    descending: bool = False
    page: int = 1
    after: Place | None = None
    before: Place | None = None


class DevicePage(NamedTuple):
    """How many devices match, the rows of a page, and the places of its first and last.

    `more_found`: the search found more than it lists, and `total` counts those it lists.
    """

    total: int
    rows: Sequence[Row[Any]]
    first: Place | None
    last: Place | None
    more_found: bool


def list_devices(
    connection: Connection,
    wanted: DeviceFilter,
    now: float,
    interval_seconds: int,
    scope: Scope = EVERYTHING,
    *,
    total: int | None = None,
) -> DevicePage:
    """Return the page asked for; `total` saves counting where it is known."""
    conditions = [*visible(connection, scope), *_narrowed(connection, wanted, now, interval_seconds)]
    more_found = False
    if wanted.text:
        found, more_found = begins_with(connection, wanted.text, scope)
        conditions.append(devices.c.id.in_(found))
    if total is None:
        total = connection.scalar(select(func.count(devices.c.id)).where(*conditions)) or 0
    if wanted.sort in USES:
        places = _by_use(connection, wanted, conditions, total)
    else:
        places = _in_order(connection, wanted, conditions)
    rows = _rows(connection, [place.id for place in places], now, interval_seconds)
    first, last = (places[0], places[-1]) if places else (None, None)
    return DevicePage(total, rows, first, last, more_found)


def visible(connection: Connection, scope: Scope) -> list[ColumnElement[bool]]:
    """Return the conditions that keep devices within `scope` that do not stand at a restricted site.

    Said so that neither database takes the index of one column, behind which a wide row is read for each device.
    """
    restricted = connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))).all()
    found: list[ColumnElement[bool]] = []
    if restricted:
        found.append((devices.c.site + 0).not_in(restricted))
    if scope is not None:
        found.append((devices.c.unit + 0).in_(sorted(scope)))
    return found


def _narrowed(
    connection: Connection, wanted: DeviceFilter, now: float, interval_seconds: int
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.site:
        site = connection.scalar(select(sites.c.id).where(sites.c.name == wanted.site))
        found.append((devices.c.site + 0) == (0 if site is None else site))
    if wanted.device_class:
        found.append(devices.c.device_class == wanted.device_class)
    if wanted.model:
        found.append(devices.c.model + "" == wanted.model)
    if wanted.state:
        found.append(state_of(now, interval_seconds) == wanted.state)
    return found


def _in_order(
    connection: Connection, wanted: DeviceFilter, conditions: Sequence[ColumnElement[bool]]
) -> list[Place]:
    """Return the places of a page sorted by what the index holds."""
    key = SORTS.get(wanted.sort, SORTS["name"])
    backwards = wanted.before is not None
    falling = wanted.descending != backwards
    place = wanted.before or wanted.after
    query = select(devices.c.id, key.label("key")).where(*conditions)
    if wanted.sort == "site":  # said so that sites are looked up for devices, not wide rows for each site
        query = query.join(sites, devices.c.site + 0 == sites.c.id)
    if place is not None:
        query = query.where(_beyond(key, devices.c.id, place, falling=falling, backwards=backwards))
    order = (desc(key) if falling else key, devices.c.id.desc() if backwards else devices.c.id)
    skipped = 0 if place is not None else PAGE_SIZE * (wanted.page - 1)
    found = connection.execute(query.order_by(*order).limit(PAGE_SIZE).offset(skipped))
    places = [Place(row.id, row.key) for row in found]
    return places[::-1] if backwards else places


def _beyond(
    key: ColumnElement[Any], id_: ColumnElement[int], place: Place, *, falling: bool, backwards: bool
) -> ColumnElement[bool]:
    """Return the condition for what comes after `place` in an order, or before it; ids of equal keys always rise."""
    further = key < place.key if falling else key > place.key
    next_id = id_ < place.id if backwards else id_ > place.id
    return or_(further, and_(key == place.key, next_id))


def _by_use(
    connection: Connection, wanted: DeviceFilter, conditions: Sequence[ColumnElement[bool]], total: int
) -> list[Place]:
    """Return the places of a page sorted by the use of processor or memory; what is not known comes last, either way.

    The ratios change with every report, so no index holds them.
    """
    use, backwards = USES[wanted.sort], wanted.before is not None
    unknown = -1.0 if wanted.descending else 2.0
    key = func.coalesce(use, unknown)
    if total <= FEW_MATCHES:
        joined = devices.outerjoin(device_now, device_now.c.device == devices.c.id)
        found = connection.execute(select(devices.c.id, key).select_from(joined).where(*conditions))
        sign = -1 if wanted.descending else 1
        order = sorted(found, key=lambda row: (sign * row[1], row[0]))
        places = [Place(row[0], float(row[1])) for row in order]
        return _cut(places, wanted, sign)
    place, skipped = wanted.before or wanted.after, 0
    if place is None:
        skipped = PAGE_SIZE * (wanted.page - 1)
    falling = wanted.descending != backwards
    found_places: list[Place] = []
    while len(found_places) < skipped + PAGE_SIZE:
        query = select(device_now.c.device, key.label("key"))
        if place is not None:
            query = query.where(
                _beyond(key, device_now.c.device, place, falling=falling, backwards=backwards)
            )
        order_by = (
            desc(key) if falling else key,
            device_now.c.device.desc() if backwards else device_now.c.device,
        )
        some = connection.execute(query.order_by(*order_by).limit(_WALKED_AT_ONCE)).all()
        kept = select(devices.c.id).where(devices.c.id.in_([row.device for row in some]), *conditions)
        mine = set(connection.scalars(kept)) if some else set()
        found_places += [Place(row.device, float(row.key)) for row in some if row.device in mine]
        if len(some) < _WALKED_AT_ONCE:
            break
        place = Place(some[-1].device, float(some[-1].key))
    places = found_places[skipped : skipped + PAGE_SIZE]
    return places[::-1] if backwards else places


def _cut(places: Sequence[Place], wanted: DeviceFilter, sign: int) -> list[Place]:
    """Return the page asked for out of all places in order."""

    def ordered(place: Place) -> tuple[float, int]:
        return (sign * place.key, place.id)

    if wanted.after is not None:
        after = wanted.after
        return [place for place in places if ordered(place) > ordered(after)][:PAGE_SIZE]
    if wanted.before is not None:
        before = wanted.before
        return [place for place in places if ordered(place) < ordered(before)][-PAGE_SIZE:]
    begin = PAGE_SIZE * (wanted.page - 1)
    return list(places[begin : begin + PAGE_SIZE])


def _rows(
    connection: Connection, ids: Sequence[int], now: float, interval_seconds: int
) -> Sequence[Row[Any]]:
    """Return what the list shows of these devices, in this order."""
    if not ids:
        return []
    names = ("id", "device_id", "hostname", "asset_tag", "model", "device_class", "last_report_at")
    query: Select[Any] = (
        select(
            *(devices.c[name] for name in names),
            sites.c.name.label("site_name"),
            state_of(now, interval_seconds).label("state"),
            device_now.c.cpu_ratio,
            device_now.c.memory_ratio,
        )
        .join_from(devices, sites, devices.c.site == sites.c.id)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .where(devices.c.id.in_(ids))
    )
    found: dict[int, Row[Any]] = {row.id: row for row in connection.execute(query)}
    return [found[device] for device in ids if device in found]


__all__ = ["MOST_FOUND", "PAGE_SIZE", "SORTS", "USES", "DeviceFilter", "DevicePage", "Place", "list_devices"]
