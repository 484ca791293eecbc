"""Groups of fewer than five devices, of which figures about people are not told (decision 33)."""

from __future__ import annotations

from collections.abc import Mapping

from roadworthy_collector.store.queries.states import SMALLEST_GROUP

OTHER = "other"
_HIDDEN = "\0"  # no group's name


def folded(values: Mapping[str, float], devices: Mapping[str, int]) -> dict[str, float]:
    """Return the values of groups with the small ones as one `other` of enough devices.

    The smallest group that is not small goes along where the small ones are too few together, for what is missing
    would tell of them. Nothing where there are not so many devices at all.
    """
    ordered = sorted(values, key=lambda group: (devices[group], group))
    small = [group for group in ordered if devices[group] < SMALLEST_GROUP]
    while small and len(small) < len(ordered) and sum(devices[group] for group in small) < SMALLEST_GROUP:
        small.append(ordered[len(small)])
    kept = {group: values[group] for group in ordered[len(small) :]}
    if sum(devices[group] for group in small) >= SMALLEST_GROUP:
        kept[OTHER] = kept.get(OTHER, 0) + sum(values[group] for group in small)
    return kept


def folded_beside(values: Mapping[str, float], devices: Mapping[str, int], hidden: int) -> dict[str, float]:
    """Return `folded` beside `hidden` devices that are in no group but in a whole that is told elsewhere.

    The whole less the groups tells of them. Where they are one to four they count among the small groups, and `other`
    is left out, so that at least five devices are missing.
    """
    if not 0 < hidden < SMALLEST_GROUP:
        return folded(values, devices)
    kept = folded({**values, _HIDDEN: 0}, {**devices, _HIDDEN: hidden})
    kept.pop(OTHER, None)
    return kept
