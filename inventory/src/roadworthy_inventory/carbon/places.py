"""Where energy is used, and what that means: the check against the site's meter, and the scope of a return."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where energy is used, and what that means for a return: in the check against the site's meter, and its scope."""

    name: str
    title: str
    in_site_meter: bool
    scope: int


# Named as the kinds of sites. Roaming laptops: energy goes to where they were plugged in, cost to the owning unit.
PLACES: tuple[Place, ...] = (
    Place("force", "the organisation's own site", in_site_meter=True, scope=2),
    Place("home", "at home", in_site_meter=False, scope=3),
    Place("vehicle", "in a vehicle, whose fuel is in scope 1 already", in_site_meter=False, scope=1),
    Place("partner", "a landlord's or partner's site", in_site_meter=False, scope=3),
    Place("data_centre", "a data centre", in_site_meter=True, scope=2),
)
