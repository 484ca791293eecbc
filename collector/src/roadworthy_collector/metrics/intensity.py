"""The gauge of the grid's carbon intensity; without a figure of this half-hour there is no sample."""

from __future__ import annotations

from sqlalchemy import Connection

from roadworthy_collector.carbon import intensity
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number


def read(connection: Connection, now: float) -> intensity.Intensity | None:
    """Return what is held of this half-hour, None where nothing is."""
    return intensity.current(connection, now)[0]


def render(found: intensity.Intensity | None) -> str:
    """Return the gauge in the text format."""
    if found is None:
        return ""
    row = metric("roadworthy_grid_intensity_kgco2_per_kwh")
    return f"{row.header}{row.name}{labels(row.labels, (found.place,))} {number(found.kgco2_per_kwh)}\n"
