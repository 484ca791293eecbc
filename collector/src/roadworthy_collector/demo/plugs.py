"""Readings of the invented organisation's smart plugs: four desktops of one model, the last days, a register read hourly.

The plugs see what the simulated machine drew and what its power supply lost, so that a line from what the ledger's model
says to what was metered can be fitted, with something left over. One of them was unplugged over a night.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from roadworthy_collector.demo.assets import Row
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.generate import Timeline, half_hours, watts
from roadworthy_collector.demo.patterns import HOUR
from roadworthy_collector.demo.reporting import World
from roadworthy_inventory.calendar import utc_day_start

HEADER = ("Host", "Timestamp", "Register kWh")
_MODEL, _SITE = "small_2019", "Headquarters"
_PLUGS = 4
_UNPLUGGED = (
    44,
    53,
)  # hours of the first plug, counted from its first: over a midnight, so two days are partly read
_SUPPLY_RATIO = 0.87  # what the power supply passes on
_OFF_WATTS = 0.8
_SPREAD = 0.07  # sigma of how machines of a model differ
_JOULES_PER_KWH = 3_600_000


def readings(devices: Sequence[Device], times: Timeline) -> Iterator[Row]:
    """Yield the register of each plug at each hour, UTC, of the days there are half-hours of."""
    first, last, world = times.half_hours_from, utc_day_start(times.now), World(times)
    for number, device in enumerate(_plugged(devices, first)):
        drawn = _joules_by_hour(device, world, first, last)
        joules = (number + 3) * 10.0 * _JOULES_PER_KWH
        for at in range(first, last + 1, HOUR):
            if number or not _is_unplugged(at - first):
                stamp = datetime.fromtimestamp(at, UTC)
                yield (device.hostname, f"{stamp:%Y-%m-%dT%H:%M}Z", f"{joules / _JOULES_PER_KWH:.4f}")
            joules += drawn[at]


def _plugged(devices: Sequence[Device], first: int) -> list[Device]:
    """Return the desktops with a plug: those heard of all the time."""
    some = (
        one
        for one in devices
        if (one.group.model, one.group.site, one.os.family) == (_MODEL, _SITE, "windows")
        and one.silent_from is None
        and one.enrolled_at < first
    )
    return [one for _, one in zip(range(_PLUGS), some, strict=False)]


def _is_unplugged(seconds: int) -> bool:
    return _UNPLUGGED[0] <= seconds // HOUR < _UNPLUGGED[1]


def _joules_by_hour(device: Device, world: World, first: int, last: int) -> defaultdict[int, float]:
    """Return {hour: joules at the wall}; an hour it was off is all standby."""
    rng = device.rng("plug")
    own = math.exp(rng.gauss(0, _SPREAD)) / _SUPPLY_RATIO
    found: defaultdict[int, float] = defaultdict(lambda: HOUR * _OFF_WATTS)
    on = world.on_until(device, first, world.timeline.now)
    for one in half_hours(device, on, world.clock, begin=first, until=last, counters={}):
        more = own * watts(device, "machine", one.cpu) - _OFF_WATTS
        found[one.start // HOUR * HOUR] += one.observed * more * (1 + rng.gauss(0, 0.02))
    return found
