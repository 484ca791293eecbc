"""The groups a device is counted under, and which of them are too small for what is told of people."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, literal, select

from roadworthy_collector.ingest.vocabulary import OTHER
from roadworthy_collector.store.queries.states import SMALLEST_GROUP
from roadworthy_collector.store.schema import devices, sites, units


class Members(NamedTuple):
    """What a device is counted under: names of site and unit, model and operating system, empty if not known."""

    site: str
    unit: str
    model: str
    os: str


class Description(NamedTuple):
    """What of a device decides its groups, as held."""

    site: str
    unit: str
    restricted: bool
    model: str | None
    os_name: str | None
    os_version: str | None

    def members(self) -> Members:
        """Return the device's groups; a restricted site's adds to totals and names nothing."""
        if self.restricted:
            return Members(OTHER, OTHER, OTHER, OTHER)
        system = "" if self.os_name is None else " ".join(filter(None, (self.os_name, self.os_version)))
        return Members(self.site, self.unit, self.model or "", system)


def _is_large(*same: ColumnElement[bool]) -> Select[Any]:
    """Return the question whether enough devices in service, restricted sites aside, have something in common.

    Counting stops at the limit, so a site of 20,000 devices costs no more than one of five; each of `same` is an
    index's first columns. Made once: SQLAlchemy takes ten times as long to build one as SQLite to answer it.
    """
    some = (
        select(literal(1))
        .select_from(devices.join(sites, devices.c.site == sites.c.id))
        .where(*same, devices.c.retired_at.is_(None), sites.c.restricted.is_(False))
        .limit(SMALLEST_GROUP)
        .subquery()
    )
    return select(func.count() == SMALLEST_GROUP).select_from(some)


def _same(name: str) -> ColumnElement[bool]:
    return devices.c[name].is_not_distinct_from(bindparam(name))


_QUESTIONS = MappingProxyType(
    {
        "site": _is_large(
            devices.c.site == select(sites.c.id).where(sites.c.name == bindparam("site")).scalar_subquery()
        ),
        "unit": _is_large(
            devices.c.unit == select(units.c.id).where(units.c.name == bindparam("unit")).scalar_subquery()
        ),
        "model": _is_large(_same("model")),
        "os": _is_large(_same("os_name"), _same("os_version")),
    }
)


class Sizes:
    """Asks how large groups are, each once; for one transaction.

    What is told of people is counted under `other` where a group has fewer than SMALLEST_GROUP devices in service.
    That is settled when it is counted: a group that grows begins its own counter, and none ever moves.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._large: dict[tuple[str, str], bool] = {}

    def folded(self, device: Description) -> Members:
        """Return the device's groups, small ones as `other`."""
        members = device.members()
        if device.restricted:
            return members
        for grouping, member in members._asdict().items():
            if (grouping, member) not in self._large:
                large = self._connection.scalar(_QUESTIONS[grouping], device._asdict())
                self._large[grouping, member] = bool(large)
        return Members(
            **{
                grouping: member if self._large[grouping, member] else OTHER
                for grouping, member in members._asdict().items()
            }
        )
