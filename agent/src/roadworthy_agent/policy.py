"""The collection policy: how closely device state and energy are told of, and who may change that.

Half-hours of a device that one person uses are working hours. So the setting decides, `auto` judges by the kind of
device, and a collector may ask for less detail than that, never for more.
"""

from __future__ import annotations

from enum import StrEnum

AUTO = "auto"
# SMBIOS chassis types (DSP0134, table 17) of what one person carries: portable, laptop, notebook, hand held, sub
# notebook, tablet, convertible, detachable.
PORTABLE_CHASSIS = frozenset({8, 9, 10, 11, 14, 30, 31, 32})


class CollectionPolicy(StrEnum):
    """How device state and energy are told: not at all, by UTC day, by settlement period."""

    OFF = "off"
    DAILY = "daily"
    HALF_HOURLY = "half-hourly"


STRICTEST_FIRST = (CollectionPolicy.OFF, CollectionPolicy.DAILY, CollectionPolicy.HALF_HOURLY)
CHOICES = (*map(str, STRICTEST_FIRST), AUTO)


def policy_of(
    setting: str, chassis_type: int | None, asked: object = None, *, has_battery: bool = False
) -> CollectionPolicy:
    """Return the policy to keep to: the setting's (`auto`: the device's), or what the collector asks if stricter.

    `chassis_type` is SMBIOS's number or None. A battery makes a portable device where the chassis does not say.
    `asked` is whatever the collector answered; a word nobody knows asks for nothing.
    """
    own = _by_device(chassis_type, has_battery=has_battery) if setting == AUTO else CollectionPolicy(setting)
    if not isinstance(asked, str) or asked not in set(STRICTEST_FIRST):
        return own
    return min(own, CollectionPolicy(asked), key=STRICTEST_FIRST.index)


def _by_device(chassis_type: int | None, *, has_battery: bool) -> CollectionPolicy:
    """Return daily for what is carried about; a device that does not say is taken for one if it has a battery."""
    says_nothing = chassis_type in {None, 1, 2}  # other, unknown
    portable = chassis_type in PORTABLE_CHASSIS or (says_nothing and has_battery)
    return CollectionPolicy.DAILY if portable else CollectionPolicy.HALF_HOURLY
