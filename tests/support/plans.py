"""Small replacement plans: estates drawn by hypothesis, their limits counted by hand, and the best plan by scipy."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from roadworthy_inventory.replacement import Plan
from roadworthy_inventory.replacement_inputs import (
    UNCHANGED,
    Change,
    Freeze,
    Hold,
    Offer,
    PlanDevice,
    Range,
    Terms,
    Weights,
    becomes,
    exactly,
    times,
)

ON = date(2026, 4, 1)


def offer(name: str, **changes: object) -> Offer:
    """Return a laptop that replaces a device, or what `changes` make of it."""
    given: dict[str, object] = {
        "name": name,
        "kind": "replace",
        "capital_pence": Range(55_000, 60_000, 70_000),
        "revenue_pence": exactly(2_000),
        "support_pence": becomes(1_000, 2_000, 4_000),
        "hours": becomes(2, 4, 8),
        "kwh": becomes(13, 19, 28),
        "embodied_kgco2e": Range(156, 241, 339),
        "life_years": 5.0,
    }
    return Offer(**{**given, **changes})  # type: ignore[arg-type]  # fields by name, checked by check()


def ssd(**changes: object) -> Offer:
    """Return an SSD fitted in place of a hard disk."""
    given: dict[str, object] = {
        "kind": "ssd",
        "capital_pence": exactly(0),
        "revenue_pence": Range(4_000, 5_500, 8_000),
        "support_pence": UNCHANGED,
        "hours": times(0.25, 0.2857, 0.3333),
        "kwh": UNCHANGED,
        "embodied_kgco2e": Range(5, 10, 25),
        "life_years": None,
    }
    return offer("ssd", **{**given, **changes})


def device(tag: str, **changes: object) -> PlanDevice:
    """Return a slow device with known figures, offered `laptop` and `ssd`."""
    given: dict[str, object] = {
        "tag": tag,
        "model": "OptiPlex 780",
        "site": "Town Hall",
        "support_pence": Range(2_000, 4_000, 8_000),
        "hours": Range(30, 40, 60),
        "kwh": Range(40, 57, 90),
        "offers": ("laptop", "ssd"),
    }
    return PlanDevice(**{**given, **changes})  # type: ignore[arg-type]  # fields by name, checked by check()


def terms(**changes: object) -> Terms:
    """Return one year with money for anything."""
    given: dict[str, object] = {
        "first_year": 2026,
        "capital_pence": (10_000_000,),
        "revenue_pence": (10_000_000,),
        "horizon_years": 5,
        "weights": Weights(pence_per_hour=2_500, hour_loss_ratio=0.5, pence_per_kgco2e=25),
        "electricity_pence_per_kwh": Range(20, 24, 30),
        "kgco2e_per_kwh": Range(0.11, 0.13096, 0.177),
    }
    return Terms(**{**given, **changes})  # type: ignore[arg-type]  # fields by name, checked by check()


def ranges(most: int) -> st.SearchStrategy[Range]:
    """Return ranges of whole numbers up to `most`."""
    return st.lists(st.integers(0, most), min_size=3, max_size=3).map(lambda found: Range(*sorted(found)))


def changes() -> st.SearchStrategy[Change]:
    """Return what an offer may make of a figure."""
    ratio = st.lists(st.integers(0, 12), min_size=3, max_size=3).map(
        lambda found: [each / 10 for each in sorted(found)]
    )
    return st.one_of(
        ranges(60).map(lambda found: becomes(*found)),
        ratio.map(lambda found: times(*found)),
        st.just(UNCHANGED),
    )


@st.composite
def offers_of_all_kinds(draw: st.DrawFn) -> list[Offer]:
    """Return one to four offers."""
    return [
        offer(
            f"offer {number}",
            kind=draw(st.sampled_from(("replace", "replace", "ssd", "ram", "battery"))),
            capital_pence=draw(ranges(60_000)),
            revenue_pence=draw(ranges(9_000)),
            support_pence=draw(changes()),
            hours=draw(changes()),
            kwh=draw(st.one_of(changes(), changes(), st.none())),
            life_years=draw(st.sampled_from((None, 3.0, 6.0))),
            installations=draw(st.integers(0, 2)),
            stock=draw(st.sampled_from((None, "parts", "boxes"))),
        )
        for number in range(draw(st.integers(1, 4)))
    ]


@st.composite
def cases(draw: st.DrawFn, most: int = 14) -> tuple[list[PlanDevice], list[Offer], Terms]:
    """Return devices, offers and terms of every kind: holds, unknowns, lots, stocks, crews, freezes."""
    years = draw(st.integers(1, 3))
    offers = draw(offers_of_all_kinds())
    names = [each.name for each in offers]
    devices = [
        device(
            f"T{number}",
            model=draw(st.sampled_from(("A", "B", None))),
            site=draw(st.sampled_from(("here", "there"))),
            support_pence=draw(ranges(20_000)),
            hours=draw(st.one_of(ranges(60), ranges(60), st.none())),
            kwh=draw(ranges(200)),
            offers=tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=3))),
            holds=tuple(
                draw(st.lists(st.builds(Hold, st.sampled_from(("lease", "exception")), days()), max_size=1))
            ),
        )
        for number in range(draw(st.integers(1, most)))
    ]
    money = st.one_of(st.none(), st.integers(0, 40_000 * most))
    asked = terms(
        capital_pence=tuple(draw(money) for _ in range(years)),
        revenue_pence=tuple(draw(money) for _ in range(years)),
        horizon_years=years + draw(st.integers(0, 3)),
        installations_per_week=draw(st.one_of(st.none(), st.integers(0, 2))),
        freezes=draw(
            st.sampled_from(((), (Freeze(ON, date(2027, 3, 14)),), (Freeze(ON, date(2027, 3, 31)),)))
        ),
        stock={name: tuple(draw(st.integers(0, 4)) for _ in range(years)) for name in ("parts", "boxes")},
        lots=draw(st.booleans()),
    )
    return devices, offers, asked


def days() -> st.SearchStrategy[date | None]:
    """Return the end of a hold."""
    return st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2028, 6, 1)))


def assert_within_limits(plan: Plan, weeks: list[int]) -> None:
    """Count every limit by hand, from the inputs; `weeks` without a freeze in each year."""
    terms = plan.book.terms
    by_name = {each.name: each for each in plan.book.offers}
    money: defaultdict[tuple[str, int], float] = defaultdict(float)
    drawn: Counter[tuple[str, int]] = Counter()
    together: defaultdict[tuple[str, str], set[tuple[str | None, int | None]]] = defaultdict(set)
    for decision, one in zip(plan.decisions(), plan.book.devices, strict=True):
        if terms.lots and decision.status == "decided" and one.model and one.site:
            replaced = decision.action == "replace"
            together[one.model, one.site].add((decision.offer, decision.year) if replaced else (None, None))
        if decision.offer is None or decision.year is None:
            continue
        assert decision.status == "decided"
        assert decision.offer in one.offers
        first = date(terms.first_year + decision.year, 4, 1)
        assert all(hold.until is not None and hold.until < first for hold in one.holds)
        taken = by_name[decision.offer]
        money["capital", decision.year] += taken.capital_pence.likely
        money["revenue", decision.year] += taken.revenue_pence.likely
        money["installations", decision.year] += taken.installations
        if taken.stock:
            for year in range(decision.year, terms.years):
                drawn[taken.stock, year] += 1
    for year in range(terms.years):
        for name, limit in (("capital", terms.capital_pence[year]), ("revenue", terms.revenue_pence[year])):
            assert limit is None or money[name, year] <= limit
        if terms.installations_per_week is not None:
            assert money["installations", year] <= terms.installations_per_week * weeks[year]
        for name, pieces in terms.stock.items():
            assert drawn[name, year] <= sum(pieces[: year + 1])
    assert all(len(ways) == 1 for ways in together.values()), "a lot is replaced as one or not at all"


def best_net(plan: Plan, weeks: list[int]) -> int:
    """Return what the best plan nets by scipy's MILP, in pence: from the nets and the terms, not from our knapsack."""
    book, terms = plan.book, plan.book.terms
    columns = [tuple(each) for each in np.argwhere(np.isfinite(plan.values)).tolist()]
    if not columns:
        return 0
    rows, lows, highs = _rows(plan, columns, weeks)
    for slot, year, place in columns:
        mates = np.flatnonzero((book.lot_of == book.lot_of[place]) & (book.status == 0)).tolist()
        if slot < book.together and len(mates) > 1:
            row = np.zeros(len(columns))
            for mate in mates:
                row += [float(each == (slot, year, mate)) for each in columns]
            row -= len(mates) * np.array([float(each == (slot, year, place)) for each in columns])
            rows.append(row)
            lows.append(0.0)
            highs.append(0.0)
    worth = np.array([plan.values[column] for column in columns])
    found = milp(
        -worth,
        constraints=LinearConstraint(np.array(rows), np.array(lows), np.array(highs)),
        integrality=np.ones(len(columns)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    assert found.x is not None, found.message
    assert terms.years
    return round(float(worth @ np.rint(found.x)))


def _rows(
    plan: Plan, columns: list[tuple[int, ...]], weeks: list[int]
) -> tuple[list[np.ndarray], list[float], list[float]]:
    book, terms = plan.book, plan.book.terms
    taken = [book.offers[book.slots[slot, place]] for slot, _, place in columns]
    years = [year for _, year, _ in columns]
    rows, highs = [], []
    for year in range(terms.years):
        now = np.array([each == year for each in years], float)
        weekly = terms.installations_per_week
        crews = None if weekly is None else weekly * weeks[year]
        limits = (
            (terms.capital_pence[year], [each.capital_pence.likely for each in taken]),
            (terms.revenue_pence[year], [each.revenue_pence.likely for each in taken]),
            (crews, [each.installations for each in taken]),
            (None if weeks[year] else 0, [1 for _ in taken]),
        )
        for limit, use in limits:
            if limit is not None:
                rows.append(now * np.array(use, float))
                highs.append(float(limit))
        so_far = np.array([each <= year for each in years], float)
        for name, pieces in terms.stock.items():
            rows.append(so_far * np.array([each.stock == name for each in taken], float))
            highs.append(float(sum(pieces[: year + 1])))
    for place in {place for *_, place in columns}:
        rows.append(np.array([float(each == place) for *_, each in columns]))
        highs.append(1.0)
    return rows, [-np.inf] * len(rows), highs


def whole_weeks(terms: Terms, on: date) -> list[int]:
    """Return the weeks without a frozen day of each year, counted day by day."""
    found = []
    for year in range(terms.years):
        first, last = date(terms.first_year + year, 4, 1), date(terms.first_year + year + 1, 3, 31)
        mondays = [
            day
            for day in (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
            if day.weekday() == 0 and day >= on
        ]
        frozen = {
            number
            for freeze in terms.freezes
            for number in range(freeze.first.toordinal(), freeze.last.toordinal() + 1)
        }
        found.append(sum(not frozen & set(range(m.toordinal(), m.toordinal() + 7)) for m in mondays))
        assert all((later - earlier).days == 7 for earlier, later in pairwise(mondays))
    return found
