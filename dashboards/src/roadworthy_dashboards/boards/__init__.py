"""The boards: a module each, whose `build` returns the dashboard. To add one, copy a neighbour and list it here."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from roadworthy_dashboards.boards import collector_health, estate_overview
from roadworthy_dashboards.sdk import Dashboard

BOARDS: MappingProxyType[str, Callable[[], Dashboard]] = MappingProxyType(
    {"collector_health": collector_health.build, "estate_overview": estate_overview.build}
)
