"""The catalogue's row about the grid's carbon intensity."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

INTENSITY = (
    Metric(
        "roadworthy_grid_intensity_kgco2_per_kwh",
        Kind.GAUGE,
        "kgCO2 per kWh",
        "Carbon intensity of the grid in this half-hour, CO2 only, with imports and losses; indicative, and never for "
        "annual totals. Only where the carbon settings switch it on.",
        "Carbon Intensity API by National Energy System Operator, CC BY 4.0; actual, else forecast",
        ("place",),
    ),
)
