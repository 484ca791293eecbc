"""What a replacement plan costs to make: time, gap, memory, beside scipy's MILP at a size it can do.

    python bench/replacement.py [--devices 100000] [--milp 400] [--runs 3]

An invented estate: 40 models at 200 sites, ages, hours and support costs drawn from a seed; three financial years with
capital, revenue, crews and two stocks that all bind. It is planned device by device and in lots (one model at one
site), on one core. `gap_ratio` is by how much the plan may be short of the best. Then `--milp` devices of it are planned
both ways. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from datetime import date
from typing import Any

import numpy as np

from roadworthy_inventory.replacement import Plan, make_plan
from roadworthy_inventory.replacement_inputs import (
    UNCHANGED,
    Freeze,
    Offer,
    PlanDevice,
    Range,
    Terms,
    Weights,
    becomes,
    exactly,
    times,
)
from roadworthy_inventory.replacement_stability import stability

ON = date(2026, 4, 1)
SITES, MODELS = 200, 40


def offers() -> list[Offer]:
    """Return two replacements and three repairs."""
    new = {"life_years": 5.0, "revenue_pence": exactly(3_000)}
    laptop = Offer(
        name="laptop",
        kind="replace",
        capital_pence=Range(58_000, 65_000, 75_000),
        support_pence=becomes(2_000, 3_000, 5_000),
        hours=becomes(2, 4, 8),
        kwh=becomes(13, 19, 28),
        embodied_kgco2e=Range(156, 241, 339),
        stock="laptops",
        **new,
    )
    desktop = Offer(
        name="desktop",
        kind="replace",
        capital_pence=Range(40_000, 47_000, 56_000),
        support_pence=becomes(1_500, 2_500, 4_000),
        hours=becomes(2, 4, 8),
        kwh=becomes(18, 57, 121),
        embodied_kgco2e=Range(196, 301, 489),
        **new,
    )
    return [laptop, desktop, *repairs()]


def repairs() -> list[Offer]:
    """Return what can be fitted; all of these figures are invented but the SSD's effect."""
    part = {"capital_pence": exactly(0), "support_pence": UNCHANGED, "kwh": UNCHANGED}
    ssd = Offer(
        name="ssd",
        kind="ssd",
        revenue_pence=Range(4_000, 5_500, 8_000),
        hours=times(0.25, 0.2857, 0.3333),
        embodied_kgco2e=Range(5, 10, 25),
        stock="ssds",
        **part,
    )
    ram = Offer(
        name="ram",
        kind="ram",
        revenue_pence=Range(2_500, 3_500, 6_000),
        hours=times(0.7, 0.85, 1),
        embodied_kgco2e=Range(3, 8, 20),
        **part,
    )
    battery = Offer(
        name="battery",
        kind="battery",
        revenue_pence=Range(5_000, 7_000, 9_000),
        hours=times(0.8, 0.9, 1),
        embodied_kgco2e=Range(2, 5, 12),
        **part,
    )
    return [ssd, ram, battery]


def estate(count: int) -> list[PlanDevice]:
    """Return devices of 40 models at 200 sites; one in fifty has a figure nobody knows."""
    rng = np.random.default_rng(5)
    model, site = rng.integers(0, MODELS, count), rng.integers(0, SITES, count)
    age = 1 + model % 8 + rng.uniform(0, 1, count)
    hours = rng.gamma(2.0, age * 2.2)
    support = np.rint(rng.gamma(3.0, age * 900))
    kwh = rng.uniform(20, 110, count)
    unknown = rng.random(count) < 0.02
    found = []
    for each in range(count):
        laptop = model[each] % 2 == 0
        fits = ("laptop", "ssd", "battery") if laptop else ("laptop", "desktop", "ssd", "ram")
        if age[each] < 4:
            fits = tuple(name for name in fits if name != "ssd")
        h, s, k = float(hours[each]), float(support[each]), float(kwh[each])
        found.append(
            PlanDevice(
                tag=f"T{each:06d}",
                model=f"model {model[each]}",
                site=f"site {site[each]}",
                support_pence=Range(0.7 * s, s, 1.6 * s),
                hours=None if unknown[each] else Range(0.8 * h, h, 1.2 * h),
                kwh=Range(0.8 * k, k, 1.3 * k),
                offers=fits,
            )
        )
    return found


def terms(count: int, *, lots: bool) -> Terms:
    """Return three years of budgets that buy something for about one device in four."""
    return Terms(
        first_year=2026,
        capital_pence=(count * 4_000, count * 3_000, count * 3_000),
        revenue_pence=(count * 500, count * 450, count * 400),
        horizon_years=5,
        weights=Weights(pence_per_hour=2_500, hour_loss_ratio=0.5, pence_per_kgco2e=25),
        electricity_pence_per_kwh=Range(20, 24, 30),
        kgco2e_per_kwh=Range(0.11, 0.131, 0.177),
        installations_per_week=max(count // 400, 1),
        freezes=(Freeze(date(2026, 12, 14), date(2027, 1, 3)), Freeze(date(2027, 5, 1), date(2027, 5, 14))),
        stock={
            "laptops": (count // 25, count // 50, count // 50),
            "ssds": (count // 20, count // 40, count // 40),
        },
        lots=lots,
    )


def milp_net(plan: Plan) -> tuple[float, float]:
    """Return (the best net HiGHS finds, CPU seconds) of the same knapsack."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_matrix

    problem = plan.built.problem
    columns = [
        (table, option, year, unit, which)
        for which, table in enumerate((problem.lots, problem.members))
        for option, year, unit in zip(*np.nonzero(np.isfinite(table.value)), strict=True)
    ]
    limits = np.concatenate([problem.limit, problem.supply], axis=1)
    years, kinds = limits.shape
    rows: list[tuple[int, int, float]] = []
    for place, (table, option, year, unit, _) in enumerate(columns):
        rows += [(year * kinds + kind, place, table.use[kind, option, unit]) for kind in range(3)]
        stock = table.stock[option, unit]
        if stock < kinds - 3:
            rows += [(later * kinds + 3 + stock, place, table.count[unit]) for later in range(year, years)]
    base = years * kinds
    for place, (_, _, _, unit, which) in enumerate(columns):
        inside = [unit] if which else np.flatnonzero(problem.lot_of == unit)
        rows += [(base + int(member), place, 1.0) for member in inside]
    upper = np.concatenate([np.where(np.isinf(limits), 1e15, limits).ravel(), np.ones(problem.members.units)])
    where = np.array([row[:2] for row in rows]).T
    matrix = csr_matrix(([row[2] for row in rows], where), shape=(len(upper), len(columns)))
    worth = np.array([table.value[option, year, unit] for table, option, year, unit, _ in columns])
    began = time.process_time()
    found = milp(
        -worth,
        constraints=LinearConstraint(matrix, -np.inf, upper),
        integrality=np.ones(len(columns)),
        bounds=Bounds(0, 1),
        options={"time_limit": 60, "mip_rel_gap": 0},
    )
    assert found.x is not None, found.message
    return float(worth @ np.rint(found.x)), time.process_time() - began


def measure(devices: list[PlanDevice], *, lots: bool) -> tuple[Plan, dict[str, Any]]:
    """Return the plan and its figures."""
    began = time.process_time()
    plan = make_plan(devices, offers(), terms(len(devices), lots=lots), ON)
    took = time.process_time() - began
    for use in plan.uses():
        assert use.limit is None or use.used <= use.limit, use
    assert plan.net_pence <= plan.bound_pence
    return plan, {
        "cpu_seconds": round(took, 2),
        "gap_ratio": round(plan.gap_ratio, 7),
        "net_gbp": plan.net_pence // 100,
        "counts": plan.counts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--milp", type=int, default=400, help="devices planned both ways")
    parser.add_argument("--runs", type=int, default=3, help="samples of stability")
    asked = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # One core, as promised; numpy's library of sums reads that when it is loaded, so the program begins anew.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - itself, with its own arguments
    devices = estate(asked.devices)
    figures: dict[str, Any] = {"devices": asked.devices}
    for name, lots in (("each", False), ("lots", True)):
        plan, figures[name] = measure(devices, lots=lots)
        print(f"{name}: {figures[name]}")
        if asked.runs and not lots:
            began = time.process_time()
            done = stability(plan, runs=asked.runs, seed=1)
            figures["sample_cpu_seconds"] = round((time.process_time() - began) / done.runs, 2)
            print(f"one sample of stability: {figures['sample_cpu_seconds']} s")
    figures["peak_mebibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for name, lots in (("each", False), ("lots", True)):
        plan, small = measure(devices[: asked.milp], lots=lots)
        best, took = milp_net(plan)
        assert plan.net_pence <= best + 1 <= plan.bound_pence + 2
        short = 1 - plan.net_pence / best
        small |= {"milp_cpu_seconds": round(took, 2), "short_of_milp_ratio": round(short, 6)}
        figures[f"milp_{name}"] = {"devices": asked.milp} | small
        print(f"{asked.milp} devices, {name}: {small}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
