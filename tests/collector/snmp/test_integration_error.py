"""How far power read every five minutes is from the energy that went through: the figure that reports carry."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from roadworthy_collector.snmp.registers import PERIOD_SECONDS, Closed, Counter, Look, settle
from roadworthy_collector.snmp.telling import INTEGRATION_ERROR

STEP, LASTS, EVERY = 10, 2 * 86400, 300.0  # seconds: of the made-up load, of it all, between polls
SLOTS = LASTS // STEP
WATT_HOUR = 3600.0


def wandering(rng: random.Random, seconds: float, share: float) -> list[float]:
    """Return a factor around one for each step: an Ornstein-Uhlenbeck process that forgets within `seconds`."""
    keeps = math.exp(-STEP / seconds)
    found, now = [], 0.0
    for _ in range(SLOTS):
        now = keeps * now + share * math.sqrt(1 - keeps * keeps) * rng.gauss(0, 1)
        found.append(max(0.3, 1 + now))
    return found


def rack(rng: random.Random) -> list[float]:
    """2 kW that follow the day, with a tenth that comes and goes within ten minutes."""
    day = [2000 * (1 + 0.3 * math.sin(2 * math.pi * slot * STEP / 86400)) for slot in range(SLOTS)]
    return [watts * factor for watts, factor in zip(day, wandering(rng, 600, 0.1), strict=True)]


def server(rng: random.Random) -> list[float]:
    """300 W with a fifth that comes and goes within a minute."""
    return [300 * factor for factor in wandering(rng, 60, 0.2)]


def printer(rng: random.Random) -> list[float]:
    """5 W, and 600 W for 40 s about every quarter of an hour."""
    watts, at = [5.0] * SLOTS, 0.0
    while (at := at + 40 + rng.expovariate(1 / 900)) < LASTS - 40:
        for slot in range(int(at / STEP), int(at / STEP) + 4):
            watts[slot] = 600.0
    return watts


def polled(
    watts: Sequence[float], rng: random.Random, step_watt_hours: float | None
) -> list[tuple[Closed, float]]:
    """Return the whole half-hours that polls make of a load, each with the joules that truly went through."""
    through = [0.0]
    for one in watts:
        through.append(through[-1] + one * STEP)
    counter: Counter | None = None
    closed: list[Closed] = []
    at = rng.uniform(0, EVERY)
    while at < LASTS - STEP:
        look = Look(at=at, watts=watts[int(at / STEP)])
        if step_watt_hours is not None:
            shown = math.floor(through[int(at / STEP)] / WATT_HOUR / step_watt_hours) * step_watt_hours
            look = Look(at=at, watts=look.watts, watt_hours=shown, step_watt_hours=step_watt_hours)
        settled = settle(counter, look)
        counter, closed = settled.counter, closed + list(settled.closed)
        at += EVERY * rng.uniform(0.95, 1.05)
    whole = [one for one in closed if one.covered_seconds == PERIOD_SECONDS]
    per = PERIOD_SECONDS // STEP
    return [(one, through[one.start // STEP + per] - through[one.start // STEP]) for one in whole]


def typical_error(load: Callable[[random.Random], list[float]]) -> float:
    """Return the root mean square of the relative errors of half-hours with power alone."""
    found = []
    for seed in range(4):
        rng = random.Random(seed)  # noqa: S311 - a made-up load
        found += [one.joules / true - 1 for one, true in polled(load(rng), rng, None)]
    assert len(found) > 300
    return math.sqrt(sum(error * error for error in found) / len(found))


@pytest.mark.parametrize("load", [rack, server])
def test_two_standard_errors_of_loads_that_run_through_are_within_what_reports_say(
    load: Callable[[random.Random], list[float]],
) -> None:
    assert 2 * typical_error(load) <= INTEGRATION_ERROR


def test_a_load_of_short_bursts_is_not_known_by_its_power() -> None:
    """Why docs/snmp/readings.md says that a printer wants a register: polls miss most of its bursts."""
    assert typical_error(printer) > 5 * INTEGRATION_ERROR


def test_a_register_holds_even_bursts_within_two_of_its_steps() -> None:
    rng = random.Random(11)  # noqa: S311 - a made-up load
    for one, true in polled(printer(rng), rng, 1.0):
        # A step at each end, and what a burst that a poll cut in two is worth.
        assert abs(one.joules - true) <= 2 * WATT_HOUR + 600 * 40
