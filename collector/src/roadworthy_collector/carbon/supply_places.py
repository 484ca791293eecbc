"""Where a supply goes: a site, from a day until before another, with a tenure and a share; and what cannot be said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from roadworthy_collector.errors import RoadworthyError

Tenure = Literal["owner", "tenant", "landlord", "unknown"]
TENURES: tuple[Tenure, ...] = ("owner", "tenant", "landlord", "unknown")


class SupplyError(RoadworthyError):
    """What is said of a supply cannot be."""


@dataclass(frozen=True, slots=True)
class Place:
    """A site a supply feeds from `valid_from` until before `valid_to`; `share` of the supply, None: nobody knows."""

    site: int
    name: str
    kind: str
    restricted: bool
    valid_from: dt.date
    valid_to: dt.date | None
    tenure: str
    share: Fraction | None

    def on(self, day: dt.date) -> bool:
        """Whether it holds on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


def checked_place(
    site: Any, *, valid_from: dt.date, valid_to: dt.date | None, tenure: str, share: Fraction | None
) -> Place:
    """Return a place at a site (a row of `sites`); SupplyError where its tenure, dates or share cannot be."""
    if tenure not in TENURES:
        raise SupplyError(f"tenure {tenure!r} is none of {', '.join(TENURES)}")
    if valid_to is not None and valid_to <= valid_from:
        raise SupplyError(
            f"it cannot end ({valid_to}) before it begins ({valid_from}); the end is the first day without"
        )
    if share is not None and not 0 < share <= 1:
        raise SupplyError(f"a share of {float(share):g} cannot be: more than 0 and at most 1")
    return Place(site.id, site.name, site.kind, site.restricted, valid_from, valid_to, tenure, share)


def check_places(number: str, places: Sequence[Place], new: Place) -> None:
    """Raise SupplyError where one site is there twice on a day, or shares of a day are more than the whole."""
    far = dt.date.max
    for one in places:
        meets = one.valid_from < (new.valid_to or far) and new.valid_from < (one.valid_to or far)
        if one is not new and one.site == new.site and meets:
            raise SupplyError(
                f"{number} feeds {new.name} from {one.valid_from} already; end that first, or say its first day"
            )
    for day in {one.valid_from for one in places}:
        whole = sum((one.share for one in places if one.on(day) and one.share is not None), Fraction(0))
        if whole > 1:
            raise SupplyError(
                f"{number}: the shares of {day} add up to {float(whole):g}; that is more than the supply"
            )
