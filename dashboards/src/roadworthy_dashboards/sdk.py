"""The one place that imports grafana-foundation-sdk.

Its classic models warn at import that the v2 schema is preferred. The classic one is what every Grafana from 10 to
13 provisions from files, so it is meant, and the warning would reach everybody who runs `roadworthy`.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="Prefer using dashboardv2", category=DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        barchart,
        bargauge,
        common,
        dashboard,
        gauge,
        heatmap,
        prometheus,
        stat,
        table,
        text,
        timeseries,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as common_model
    from grafana_foundation_sdk.models import dashboard as dashboard_model
    from grafana_foundation_sdk.models import heatmap as heatmap_model
    from grafana_foundation_sdk.models import units
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Dashboard = dashboard.Dashboard
# The ids of Grafana's own units.
UNITS = frozenset(value for name, value in vars(units).items() if isinstance(value, str) and name[0] != "_")

__all__ = [
    "UNITS",
    "Dashboard",
    "JSONEncoder",
    "PromQueryFormat",
    "barchart",
    "bargauge",
    "common",
    "common_model",
    "dashboard",
    "dashboard_model",
    "gauge",
    "heatmap",
    "heatmap_model",
    "prometheus",
    "stat",
    "table",
    "text",
    "timeseries",
]
