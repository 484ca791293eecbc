"""What hangs on what: which device takes its power through which outlet, so that nothing is counted twice.

Said by a person, by the targets file, or found: a server's management controller tells the serial number of the very
board an agent runs on. A statement ends; it is never deleted. Functions take a connection inside a transaction of the
caller's and never commit.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.orm import aliased

from roadworthy_collector.carbon.asked import ask_between
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.snmp.called import find_all, find_device, the_only
from roadworthy_collector.snmp.outlets import ensure_outlet
from roadworthy_collector.snmp.targets import NOTHING_KNOWN, Polled
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices, sites
from roadworthy_collector.store.snmp_schema import feeds, snmp_targets
from roadworthy_inventory.calendar import local_date
from roadworthy_inventory.identity import normalise_serial

FEEDER_CLASSES = ("ups", "pdu", "controller", "switch")
# What may feed others: these, and what did not say what it is.
_MAY_FEED = (*FEEDER_CLASSES, "other", "unknown")
_MOST_OUTLET = 64
_AT_ONCE = 25  # statements in a transaction: each is a few small ones
_Wanted: TypeAlias = tuple[int, str, int | None]  # feeder, outlet, fed
_Begin: TypeAlias = Callable[[], AbstractContextManager[Connection]]


class Feed(NamedTuple):
    """A statement that holds on some days; `fed` None: nothing known hangs there."""

    feeder: int
    outlet: str
    fed: int | None
    valid_from: dt.date
    valid_to: dt.date | None

    def holds_on(self, day: dt.date) -> bool:
        """Return whether it was so on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


def read_feeds(connection: Connection, first: dt.date, last: dt.date) -> list[Feed]:
    """Return the statements that hold on any of the days from `first` to `last`."""
    column = feeds.c
    query = (
        select(column.feeder, column.outlet, column.fed, column.valid_from, column.valid_to)
        .where(
            column.valid_from <= last.isoformat(),
            or_(column.valid_to.is_(None), column.valid_to > first.isoformat()),
        )
        .order_by(column.feeder, column.outlet, column.id)
    )
    return [
        Feed(row.feeder, row.outlet, row.fed, _day(row.valid_from), _end(row.valid_to))
        for row in connection.execute(query)
    ]


def state(  # noqa: PLR0913 - what a statement says, and who says it of what they may see
    connection: Connection,
    feeder: str,
    outlet: str,
    fed: str | None,
    since: dt.date,
    *,
    now: int,
    actor: str,
    scope: Scope = EVERYTHING,
    restricted: bool = True,
) -> int:
    """State what hangs on an outlet ("" on all of it) from a day on; return the statement's id.

    `feeder` and `fed` are device ids, host names, serial numbers or asset tags; `fed` None says that nothing known
    hangs there. What was stated of the same outlet before, and of the same fed device, ends that day where they
    contradict; RoadworthyError where it is the targets file that says it, which would say it again. NotFoundError for a device that is not there, not within the `scope`, or not the only one called so, and
    without `restricted` for one at a restricted site.
    """
    if len(outlet) > _MOST_OUTLET or not outlet.isprintable():
        raise RoadworthyError(f"outlet: at most {_MOST_OUTLET} printable characters, as the device calls it")
    feeding = find_device(connection, feeder, scope, restricted=restricted)
    being_fed = None if fed is None else find_device(connection, fed, scope, restricted=restricted)
    feed = Feed(feeding, outlet, being_fed, since, None)
    _ensure_not_the_files(connection, feed)
    made = _state(connection, feed, "stated", now=now, actor=actor)
    _count_anew(connection, since, now)
    detail = {"outlet": outlet, "fed": fed or NOTHING_KNOWN, "from": since.isoformat()}
    record(connection, now, actor, "feeds.state", feeder, detail)
    return made


def end(
    connection: Connection,
    feed: int,
    on: dt.date,
    *,
    now: int,
    actor: str,
    scope: Scope = EVERYTHING,
    restricted: bool = True,
) -> None:
    """End a statement: from the day `on` it no longer holds. NotFoundError where there is none that holds."""
    query = select(feeds).join(devices, devices.c.id == feeds.c.feeder).where(feeds.c.id == feed)
    if not restricted:
        query = query.join(sites, sites.c.id == devices.c.site).where(sites.c.restricted.is_(False))
    if scope is not None:
        query = query.where(devices.c.unit.in_(sorted(scope)))
    row = connection.execute(query).first()
    if row is None or (row.valid_to is not None and _day(row.valid_to) <= on):
        raise NotFoundError(f"{feed}: no statement of that number holds on {on.isoformat()}")
    _end_one(connection, row, on)
    _count_anew(connection, on, now)
    record(connection, now, actor, "feeds.end", str(feed), {"on": on.isoformat()})


def take_all(
    read: _Begin, write: _Begin, targets: Iterable[Polled], *, now: float, zone: str, whole: bool = True
) -> list[str]:
    """State what the targets file says and what controllers tell, from today on.

    Where `targets` are not the `whole` of them, what others' said stays.
    Return in words what was not found, and what cannot be (two that feed each other): that keeps nothing else waiting.
    Who is meant is looked up by `read`, which holds nobody up; statements are written in short transactions of `write`.
    """
    today = local_date(now, zone)
    with read() as connection:
        wanted, unknown = _said_by(connection, targets)
    stay = bool(unknown) or not whole
    unknown += _bring_to(write, wanted, "targets", now=int(now), today=today, unknown_stay=stay)
    with read() as connection:
        controllers = _left_to_find(connection, _told_by_controllers(connection))
    return unknown + _bring_to(write, controllers, "register", now=int(now), today=today, unknown_stay=False)


def take_from_targets(
    connection: Connection, targets: Iterable[Polled], *, now: int, today: dt.date
) -> list[str]:
    """Make the statements of the targets file hold from today on; return what could not be found or be, in words."""
    wanted, unknown = _said_by(connection, targets)
    begin = _within(connection)
    return unknown + _bring_to(begin, wanted, "targets", now=now, today=today, unknown_stay=bool(unknown))


def take_controllers(connection: Connection, *, now: int, today: dt.date) -> int:
    """State that each management controller measures the server whose serial number it tells; return how many do."""
    wanted = _left_to_find(connection, _told_by_controllers(connection))
    _bring_to(_within(connection), wanted, "register", now=now, today=today, unknown_stay=False)
    return len(wanted)


def _within(connection: Connection) -> _Begin:
    return lambda: nullcontext(connection)


def _said_by(connection: Connection, targets: Iterable[Polled]) -> tuple[dict[_Wanted, str], list[str]]:
    """Return the statements of the targets file with where they stand, and what could not be found, in words."""
    ids = {
        row.name: row.device
        for row in connection.execute(
            select(snmp_targets.c.name, snmp_targets.c.device).where(snmp_targets.c.device.is_not(None))
        )
    }
    said = [
        (ids[polled.name], outlet, name, f"{polled.name}, outlet {outlet or 'all'}")
        for polled in targets
        if polled.name in ids  # another has not answered yet
        for outlet, names in polled.feeds.items()
        for name in names
    ]
    called = find_all(connection, {name for _, _, name, _ in said if name != NOTHING_KNOWN})
    wanted: dict[_Wanted, str] = {}
    unknown = []
    for feeder, outlet, name, where in said:
        try:
            fed = None if name == NOTHING_KNOWN else the_only(called[name], name)
        except NotFoundError as error:
            unknown.append(f"{where}: {error}")
        else:
            wanted[feeder, outlet, fed] = where
    return wanted, unknown


def _told_by_controllers(connection: Connection) -> dict[_Wanted, str]:
    """Return the statements that follow from the serial numbers management controllers tell, with who tells them."""
    query = select(devices.c.id, devices.c.hostname, devices.c.serial).where(
        devices.c.serial.is_not(None), devices.c.retired_at.is_(None)
    )
    controllers = connection.execute(query.where(devices.c.device_class == "controller")).all()
    mine = {row.id: normalise_serial(row.serial) for row in controllers}
    names = {row.id: str(row.hostname) for row in controllers}
    known = {serial for serial in mine.values() if serial is not None}
    by_serial: defaultdict[str, list[int]] = defaultdict(list)
    if known:
        # Serial numbers are kept as told: letter case and spaces aside only after they are read.
        others = query.where(devices.c.device_class.in_(("server", "virtual", "unknown", "other", "desktop")))
        for row in connection.execute(others):
            if (serial := normalise_serial(row.serial)) in known and serial is not None:
                by_serial[serial].append(row.id)
    return {
        (controller, "", by_serial[serial][0]): names[controller]
        for controller, serial in mine.items()
        if serial is not None and len(by_serial[serial]) == 1
    }


def _left_to_find(connection: Connection, found: Mapping[_Wanted, str]) -> dict[_Wanted, str]:
    """Return what was found but for controllers of which a person, or the targets file, says anything.

    A controller measures one server: whoever says which, or that it is none here, goes before its serial number. Where
    both said it the two would end each other for ever; where they differed two servers would count the same watts.
    """
    query = select(feeds.c.feeder, feeds.c.outlet).where(
        feeds.c.source != "register", feeds.c.valid_to.is_(None)
    )
    said = {(row.feeder, row.outlet) for row in connection.execute(query)}
    return {key: who for key, who in found.items() if key[:2] not in said}


def is_declared(connection: Connection, device: int) -> bool:
    """Return whether somebody says what hangs on a device, be it nothing known."""
    query = select(feeds.c.id).where(feeds.c.feeder == device, feeds.c.valid_to.is_(None)).limit(1)
    return connection.scalar(query) is not None


def list_feeds(
    connection: Connection,
    *,
    scope: Scope = EVERYTHING,
    restricted: bool = True,
    ended: bool = False,
    device: int | None = None,
    most: int | None = None,
) -> list[dict[str, Any]]:
    """Return one dict a statement: who feeds, through which outlet, what, since and until when, and who said so.

    Of a `scope` those whose feeder stands within it; of restricted sites with `restricted` only. With `device` those it
    feeds or is fed by, with `most` the first so many.
    """
    feeder, fed = aliased(devices, name="feeder_device"), aliased(devices, name="fed_device")
    place, fed_place = aliased(sites, name="feeder_site"), aliased(sites, name="fed_site")
    query = (
        select(
            *(feeds.c.id, feeds.c.outlet, feeds.c.valid_from, feeds.c.valid_to, feeds.c.source),
            *(feeds.c.stated_by, feeds.c.stated_at),
            *(feeder.c.device_id.label("feeder"), feeder.c.hostname.label("feeder_name")),
            *(fed.c.device_id.label("fed"), fed.c.hostname.label("fed_name")),
            place.c.name.label("site"),
        )
        .join(feeder, feeder.c.id == feeds.c.feeder)
        .join(place, place.c.id == feeder.c.site)
        .outerjoin(fed, fed.c.id == feeds.c.fed)
        .outerjoin(fed_place, fed_place.c.id == fed.c.site)
        .order_by(feeder.c.hostname, feeds.c.outlet, feeds.c.id)
    )
    if not ended:
        query = query.where(feeds.c.valid_to.is_(None))
    if device is not None:
        query = query.where(or_(feeds.c.feeder == device, feeds.c.fed == device))
    if most is not None:
        query = query.limit(most)
    if scope is not None:
        query = query.where(feeder.c.unit.in_(sorted(scope)))
    if not restricted:
        query = query.where(place.c.restricted.is_(False), fed_place.c.restricted.is_not(True))
    return [dict(row) for row in connection.execute(query).mappings()]


def _bring_to(
    begin: _Begin,
    wanted: Mapping[_Wanted, str],
    source: str,
    *,
    now: int,
    today: dt.date,
    unknown_stay: bool,
) -> list[str]:
    """Make the open statements of a source those that are wanted; others of its end today. Return what cannot be, in words.

    While some could not be found (`unknown_stay`) none is ended: a device that is renamed is not unplugged.
    """
    query = select(feeds).where(feeds.c.source == source, feeds.c.valid_to.is_(None))
    with begin() as connection:
        held = {(row.feeder, row.outlet, row.fed): row for row in connection.execute(query)}
    gone = [] if unknown_stay else [row for key, row in held.items() if key not in wanted]
    refused: list[str] = []
    for place in range(0, len(gone), _AT_ONCE):
        with begin() as connection:
            for row in gone[place : place + _AT_ONCE]:
                _end_one(connection, row, today)
            _count_anew(connection, today, now)
    made = sorted(wanted.keys() - held.keys(), key=str)
    for place in range(0, len(made), _AT_ONCE):
        piece, before = made[place : place + _AT_ONCE], len(refused)
        with begin() as connection:
            for feeder, outlet, fed in piece:
                try:
                    feed = Feed(feeder, outlet, fed, today, None)
                    _state(connection, feed, source, now=now, actor=None)
                except RoadworthyError as error:
                    refused.append(f"{wanted[feeder, outlet, fed]}: {error}")
            # What is refused changes nothing, and comes again each time.
            if len(refused) - before < len(piece):
                _count_anew(connection, today, now)
    return refused


def _state(connection: Connection, feed: Feed, source: str, *, now: int, actor: str | None) -> int:
    """Write a statement and end those it contradicts; RoadworthyError, before anything is written, where it cannot be."""
    if feed.fed == feed.feeder:
        raise RoadworthyError("a device cannot feed itself")
    if feed.fed is not None and feed.feeder in _fed_from(connection, feed.fed):
        raise RoadworthyError("the feeder hangs on that very device: two cannot feed each other")
    kind = connection.scalar(select(devices.c.device_class).where(devices.c.id == feed.feeder))
    if kind is not None and kind not in _MAY_FEED:
        raise RoadworthyError(f"nothing hangs on a {kind}: name the UPS, PDU, switch or controller")
    ensure_outlet(connection, feed.feeder, feed.outlet)
    for row in _contradicted(connection, feed):
        _end_one(connection, row, feed.valid_from)
    values = {
        "feeder": feed.feeder,
        "outlet": feed.outlet,
        "fed": feed.fed,
        "valid_from": feed.valid_from.isoformat(),
        "source": source,
        "stated_by": actor,
        "stated_at": now,
    }
    return int(connection.execute(insert(feeds).values(values).returning(feeds.c.id)).scalar_one())


def _contradicted(connection: Connection, feed: Feed) -> list[Any]:
    """Return the open statements that a statement ends."""
    open_ones = select(feeds).where(
        feeds.c.feeder == feed.feeder, feeds.c.outlet == feed.outlet, feeds.c.valid_to.is_(None)
    )
    return [
        row
        for row in connection.execute(open_ones)
        # Several devices may hang on the whole of a unit, one on an outlet; nothing known contradicts every device.
        if feed.outlet != "" or row.fed is None or feed.fed is None or row.fed == feed.fed
    ]


def _ensure_not_the_files(connection: Connection, feed: Feed) -> None:
    """Raise RoadworthyError where the targets file says what hangs there: it would end the statement minutes later."""
    said = next((row for row in _contradicted(connection, feed) if row.source == "targets"), None)
    if said is not None:
        raise RoadworthyError(
            f"the targets file says what hangs on outlet {feed.outlet or 'all'} of it (statement {said.id}): change it "
            "there. Where that file is polled no more, end that statement first"
        )


def _fed_from(connection: Connection, device: int) -> set[int]:
    """Return every device that hangs on `device`, through however many others."""
    found: set[int] = set()
    waiting = {device}
    while waiting:
        query = select(feeds.c.fed).where(
            feeds.c.feeder.in_(waiting), feeds.c.valid_to.is_(None), feeds.c.fed.is_not(None)
        )
        waiting = set(connection.scalars(query)) - found
        found |= waiting
    return found


def _count_anew(connection: Connection, since: dt.date, now: int) -> None:
    """Have the ledger's months made anew from a day on: what counts in them is another now."""
    ask_between(connection, since, dt.datetime.fromtimestamp(now, dt.UTC).date() + dt.timedelta(days=1), now)


def _end_one(connection: Connection, row: Any, on: dt.date) -> None:
    """End a statement; one that began that very day never held, and goes."""
    if _day(row.valid_from) >= on:
        connection.execute(feeds.delete().where(feeds.c.id == row.id))
    else:
        connection.execute(update(feeds).where(feeds.c.id == row.id).values(valid_to=on.isoformat()))


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def _end(text: str | None) -> dt.date | None:
    return None if text is None else _day(text)
