"""Under which name a site or a model is shown: its own or `other`, the same in every family of one answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.books.rating_places import open_sites
from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER, UNKNOWN


class Shown(NamedTuple):
    """`sites` and `models`: shown names of those devices stand at and are; `open`: all unrestricted sites there are."""

    sites: Mapping[str, str]
    models: Mapping[str, str]
    open: Collection[str]

    def site(self, name: str) -> str | None:
        """Return the shown name of a site, None where it is restricted or gone; "" is nobody's, so unknown.

        A site without a device has a name of its own while there is room.
        """
        if name in {OTHER, UNKNOWN}:
            return name
        if name not in self.open:
            return None
        room = len(set(self.sites.values())) < MAX_MEMBERS and len(self.open) <= MAX_MEMBERS
        return self.sites.get(name) or (name or UNKNOWN if room or not name else OTHER)

    def model(self, name: str) -> str:
        """Return the shown name of a model."""
        return self.models.get(name or UNKNOWN, OTHER)


def read_open(connection: Connection) -> Collection[str]:
    """Return the names of the sites that are not restricted, and "" for what stands at none."""
    return frozenset(open_sites(connection).values())
