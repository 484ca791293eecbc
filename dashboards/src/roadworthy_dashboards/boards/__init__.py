"""The boards: a module each, whose `build` returns the dashboard. To add one, copy a neighbour and list it here."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from roadworthy_dashboards.boards import (
    carbon,
    collector_health,
    cost_shares,
    estate_overview,
    legacy_and_ageing,
    one_device,
    power_and_ups,
    slow_starts,
)
from roadworthy_dashboards.sdk import Dashboard

BOARDS: MappingProxyType[str, Callable[[], Dashboard]] = MappingProxyType(
    {
        "carbon": carbon.build,
        "collector_health": collector_health.build,
        "cost_shares": cost_shares.build,
        "estate_overview": estate_overview.build,
        "legacy_and_ageing": legacy_and_ageing.build,
        "one_device": one_device.build,
        "power_and_ups": power_and_ups.build,
        "slow_starts": slow_starts.build,
    }
)
