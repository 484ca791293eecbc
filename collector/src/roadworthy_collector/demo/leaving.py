"""What answers for money and systems in the invented organisation, and what became of the things it got rid of."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from roadworthy_collector.demo.assets import (
    COST_CENTRES,
    REGISTER_HEADER,
    SERVER_SYSTEMS,
    SYSTEMS,
    Row,
    unit_path,
)
from roadworthy_collector.demo.fleet import UNITS

UNITS_HEADER = ("Unit",)
CENTRES_HEADER = ("Cost centre", "Name", "Unit")
SYSTEMS_HEADER = ("System", "Kind", "Unit")
DISPOSALS_HEADER = (
    "Asset tag", "Route", "Weight (kg)", "Certificate number", "Certificate date", "Collected", "Proceeds",
    "Disposal cost", "Contractor",
)  # fmt: skip
BENEFIT_SYSTEM = "File Stores (invented)"
SWITCHED_OFF = "Command Log (invented)"
_KILOGRAMS = {"Laptop": (1.3, 2.4), "Desktop": (5.0, 9.5), "Mini PC": (1.0, 2.0), "All-in-one": (6.0, 9.0),
              "Server": (14.0, 28.0), "Tablet": (0.6, 1.1), "Monitor": (3.0, 5.5)}  # fmt: skip
_DATA = frozenset(_KILOGRAMS) - {"Monitor"}
_ROUTES = ("Recycling", "Resale", "Reuse", "Destruction")
_WEIGHTS = (5, 2, 2, 1)


def units() -> Iterator[Row]:
    """Yield the tree of units, what is above first."""
    for unit in UNITS:
        yield (unit_path(unit),)


def cost_centres() -> Iterator[Row]:
    """Yield the cost centres with the units that answer for them."""
    for unit, said in COST_CENTRES.items():
        code, _, name = said.partition(" ")
        yield code, name, unit_path(unit)


def systems() -> Iterator[Row]:
    """Yield the systems; one is nobody's, as it happens."""
    for unit, name in SYSTEMS.items():
        yield name, "Application", unit_path(unit)
    for name, unit in zip(SERVER_SYSTEMS, ("Local Services", "Roads", ""), strict=True):
        yield name, "Infrastructure", unit_path(unit) if unit else ""


def disposals(register: Iterable[Row], seed: int, today: date) -> Iterator[Row]:
    """Yield what the register calls disposed of, or for disposal, as the contractor's list has it.

    Some weights are not written down, and some certificates are missing where there should be one.
    """
    for cells in register:
        row = dict(zip(REGISTER_HEADER, cells, strict=True))
        if row["Status"] not in {"Disposed", "For disposal"}:
            continue
        draw = random.Random(f"{seed}:disposal:{row['Asset tag']}")  # noqa: S311 - a simulation must be repeatable
        gone = row["Status"] == "Disposed"
        left = today - timedelta(days=draw.randrange(10, 300))
        route = draw.choices(_ROUTES, _WEIGHTS)[0]
        weight = f"{draw.uniform(*_KILOGRAMS[row['Type']]):.2f}" if draw.random() < 0.85 else ""
        certified = gone and row["Type"] in _DATA and draw.random() < 0.7
        yield (
            row["Asset tag"],
            route if gone or draw.random() < 0.5 else "",
            weight,
            f"DC-{draw.randrange(10_000, 99_999)}" if certified else "",
            (left + timedelta(days=draw.randrange(9))).isoformat() if certified else "",
            left.isoformat() if gone else "",
            f"{draw.uniform(8, 60):.2f}" if gone and route == "Resale" else "",
            f"{draw.uniform(2, 12):.2f}" if gone and route in {"Recycling", "Destruction"} else "",
            "Turnstone Recycling (invented)",
        )
