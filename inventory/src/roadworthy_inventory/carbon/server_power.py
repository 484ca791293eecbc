"""The power of a server nothing measures: a line from idle to full load, with an interval that is calibrated.

Idle and full-load watts are estimated from what is known of the machine (processor chips, cores, memory, year) by
least squares on the logarithms of 360 published SPECpower_ssj2008 results. The 90 % interval comes from how far the
estimate was off on processors it had not seen: the results are left out a tenth of the processors at a time. Those
are results of machines tuned for the test, so racks in use draw more; `data/server_power.csv` says where they are from.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Literal

from roadworthy_inventory import tables
from roadworthy_inventory.replacement_inputs import Range

_FILE = "server_power.csv"
_COLUMNS = (
    "submitted",
    "system",
    "processor",
    "chips",
    "cores",
    "memory_gb",
    "maximum_watts",
    "idle_watts",
    "source",
    "as_of",
)
COVERAGE = 0.9  # of an interval
_FOLDS = 10
_FIRST_YEAR, _LAST_YEAR = 2008.0, 2021.5  # of the results; beyond them the nearest year speaks
_MIDDLE_YEAR = 2014.0
# A straight line from idle to full load against the measured curve in between, over 719 of these results: the 5th
# and 95th percentile of its error. https://www.spec.org/power_ssj2008/results/
_LINE_ERROR = (-0.072, 0.127)

Load = Literal["idle", "maximum"]


class ServerPowerError(ValueError):
    """A server that cannot be: the text names what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is known of a server: chips and cores in all, memory in gigabytes, the day it was bought or made."""

    chips: float
    cores: float
    memory_gb: float
    made: dt.date

    def __post_init__(self) -> None:
        for name in ("chips", "cores", "memory_gb"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ServerPowerError(f"a server with {value} for {name} is none")
        if self.cores < self.chips:
            raise ServerPowerError(
                f"a server with fewer cores ({self.cores}) than chips ({self.chips}) is none"
            )


@dataclass(frozen=True, slots=True)
class Result:
    """One published result: `server` and the watts it drew at full load and in active idle, a node."""

    server: Server
    processor: str
    maximum_watts: float
    idle_watts: float

    def watts(self, load: Load) -> float:
        """Return the watts of `load`."""
        return self.idle_watts if load == "idle" else self.maximum_watts


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of the logarithm of the watts, and by which factors 90 % of unseen machines were off."""

    coefficients: tuple[float, ...]
    low_ratio: float
    high_ratio: float

    def watts(self, server: Server) -> Range:
        """Return the watts of `server` as (low, likely, high)."""
        likely = math.exp(_product(self.coefficients, _features(server)))
        return Range(likely * self.low_ratio, likely, likely * self.high_ratio)


def parse_results(text: str) -> list[Result]:
    """Return the results of the table's text; TableError where a row is wrong."""
    found = []
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        numbers = {}
        for name in ("chips", "cores", "memory_gb", "maximum_watts", "idle_watts"):
            try:
                numbers[name] = float(row[name])
            except ValueError:
                raise tables.TableError(f"{_FILE}: line {line}: {name}: {row[name]!r} is no number") from None
        maximum, idle = numbers.pop("maximum_watts"), numbers.pop("idle_watts")
        if not 0 < idle <= maximum:
            raise tables.TableError(
                f"{_FILE}: line {line}: idle_watts: {idle} is not above 0 and at most {maximum}"
            )
        try:
            server = Server(made=tables.iso_date(_FILE, line, "submitted", row["submitted"]), **numbers)
        except ServerPowerError as error:
            raise tables.TableError(f"{_FILE}: line {line}: {error}") from None
        found.append(Result(server, row["processor"], maximum, idle))
    return found


@cache
def results() -> tuple[Result, ...]:
    """Return the results that ship with this package, read once."""
    return tuple(parse_results(tables.read_text(_FILE)))


def fit(some: Sequence[Result], load: Load) -> Fit:
    """Return the fit of `load` on `some` results; ServerPowerError where they are too few or of too few processors."""
    import numpy as np  # a tenth of a second in each program that never fits

    processors = sorted({result.processor for result in some})
    if len(processors) < 2 * _FOLDS:
        raise ServerPowerError(f"{len(processors)} processors are too few to fit on; {2 * _FOLDS} are needed")
    fold = {name: number % _FOLDS for number, name in enumerate(processors)}
    ordered = sorted(some, key=lambda result: fold[result.processor])
    errors: list[float] = []
    for number, left_out in groupby(ordered, key=lambda result: fold[result.processor]):
        rest = [result for result in ordered if fold[result.processor] != number]
        errors += _errors(_coefficients(rest, load), left_out, load)
    low, high = np.quantile(errors, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Fit(_coefficients(some, load), math.exp(low), math.exp(high))


@cache
def published(load: Load) -> Fit:
    """Return the fit of `load` on all results that ship with this package."""
    return fit(results(), load)


def watts(server: Server, utilisation_ratio: float) -> Range:
    """Return the watts at the wall of `server` at a processor utilisation of 0 to 1, as (low, likely, high).

    ServerPowerError for a utilisation outside that. The low end assumes a low idle and a low full load together, as
    the high end a high one: of one machine the two go together.
    """
    if not 0 <= utilisation_ratio <= 1:
        raise ServerPowerError(f"a utilisation of {utilisation_ratio} is none of 0 to 1")
    idle, maximum = published("idle").watts(server), published("maximum").watts(server)
    low, likely, high = (a + utilisation_ratio * (max(a, b) - a) for a, b in zip(idle, maximum, strict=True))
    if 0 < utilisation_ratio < 1:
        low, high = low * (1 + _LINE_ERROR[0]), high * (1 + _LINE_ERROR[1])
    return Range(low, likely, high)


def _features(server: Server) -> tuple[float, ...]:
    year = server.made.year + (server.made.timetuple().tm_yday - 1) / 366
    since = min(max(year, _FIRST_YEAR), _LAST_YEAR) - _MIDDLE_YEAR
    return (
        1.0,
        math.log(server.chips),
        math.log(server.cores / server.chips),
        math.log(server.memory_gb),
        since,
        since * since,
    )


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _coefficients(some: Sequence[Result], load: Load) -> tuple[float, ...]:
    import numpy as np

    features = np.array([_features(result.server) for result in some])
    logarithms = np.log([result.watts(load) for result in some])
    return tuple(float(value) for value in np.linalg.lstsq(features, logarithms, rcond=None)[0])


def _errors(coefficients: tuple[float, ...], some: Iterable[Result], load: Load) -> list[float]:
    return [
        math.log(result.watts(load)) - _product(coefficients, _features(result.server)) for result in some
    ]
