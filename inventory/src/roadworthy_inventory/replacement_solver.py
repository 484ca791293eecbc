"""The multiple-choice knapsack behind a replacement plan, priced: prices of the limits that bound what any plan can net.

Every lot (a single device is a lot of one) either takes one option for all its members in one year, or leaves each
member to its own best repair or to being kept. Money, installations and stock are limited. Lagrangian relaxation puts
a price on every limit; at any prices >= 0 the sum of what each lot then would choose for itself, plus the limits at
their prices, is never less than the best plan. The prices with the least such bound are found by Newton's method on a
smoothed form of it (the log-sum-exp of the choices, with a log barrier at zero) whose smoothing is lowered by stages.
numpy only; deterministic: no clock, no random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MONEY = 3  # kinds of use with one limit a year: capital, revenue, installations; stocks follow
_DECIDED = 1e-9  # a share this near to 0 or 1 is as good as it
_STEP_WORTH = 1e-6  # a step that promises less than this share of the bound is not taken
_LARGE, _PART = 20_000, 0.1  # from so many members on, a part is priced first
GOLDEN = 0.6180339887498949  # its multiples are as even over 0 to 1 as any, and in step with no pattern
_SETTLED = 1e-5  # lowering the smoothing once more moved the bound by less than this share of it
_CHUNK = 16_384  # units whose second moments are summed at a time: bounds the memory, whatever the number of stocks


@dataclass(frozen=True, slots=True)
class Table:
    """Units (lots, or devices) and what each of their options is worth and uses.

    `value` (options, years, units): whole pence, -inf where not to be had. `use` (MONEY, options, units): pence of
    capital, pence of revenue, installations. `stock` (options, units): the stock drawn from, `stocks` for none.
    `count` (units,): pieces drawn, the number of devices in the lot.
    """

    value: Floats
    use: Floats
    stock: Ints
    count: Floats

    @property
    def options(self) -> int:
        """Number of options."""
        return len(self.value)

    @property
    def years(self) -> int:
        """Number of financial years."""
        return int(self.value.shape[1])

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.value.shape[2])

    def some(self, units: Ints) -> Table:
        """Return the table of some of its units."""
        return Table(self.value[..., units], self.use[..., units], self.stock[..., units], self.count[units])

    def reduced(self, prices: Floats) -> Floats:
        """Return (options, years, units): value less use at `prices` (years, MONEY + stocks)."""
        out = np.empty_like(self.value)
        stocked = np.concatenate([prices[:, MONEY:], np.zeros((len(prices), 1))], axis=1)
        drawn = bool(prices[:, MONEY:].any())
        for option in range(self.options):
            for year in range(self.years):
                row = out[option, year]
                np.copyto(row, self.value[option, year])
                for kind in range(MONEY):
                    if prices[year, kind]:
                        row -= prices[year, kind] * self.use[kind, option]
                if drawn:
                    row -= stocked[year][self.stock[option]] * self.count
        return out

    def used(self, share: Floats, stocks: int) -> Floats:
        """Return (years, kinds) what is used where each option is taken by the `share` (options, years, units)."""
        out = np.zeros((self.years, MONEY + stocks))
        for option in range(self.options):
            out[:, :MONEY] += share[option] @ self.use[:, option].T
            for year in range(self.years if stocks else 0):
                drawn = share[option, year] * self.count
                out[year, MONEY:] += np.bincount(self.stock[option], drawn, stocks + 1)[:stocks]
        return out

    def moments(
        self, some: slice, pick: Ints, share: Floats, weight: Floats, stocks: int
    ) -> tuple[Floats, Floats]:
        """Return (mean use (years * kinds, picked), sum of weighted second moments) of the units picked of `some`."""
        kinds = MONEY + stocks
        mean = np.zeros((self.years, kinds, len(pick)))
        second = np.zeros((self.years, kinds, self.years, kinds))
        for option in range(self.options):
            use = np.zeros((kinds, len(pick)))
            use[:MONEY] = self.use[:, option, some][:, pick]
            stock = self.stock[option, some][pick]
            drawn = np.flatnonzero(stock < stocks)
            use[MONEY + stock[drawn], drawn] = self.count[some][pick][drawn]
            for year in range(self.years):
                taken = use * share[option, year]
                mean[year] += taken
                second[year, :, year] += (taken * weight) @ use.T
        size = self.years * kinds
        return mean.reshape(size, -1), second.reshape(size, size)


@dataclass(frozen=True)
class Problem:
    """Lots, their members, and the limits.

    `lots`: what is decided for a lot as a whole. `members`: what each device may take for itself, in the order of
    lots; `first` (lots,) is where each lot's members begin. `limit` (years, MONEY): inf where not limited. `supply`
    (years, stocks): pieces that have arrived by the end of each year.
    """

    lots: Table
    members: Table
    first: Ints
    limit: Floats
    supply: Floats

    @property
    def years(self) -> int:
        """Number of financial years."""
        return len(self.limit)

    @property
    def stocks(self) -> int:
        """Number of stocks."""
        return int(self.supply.shape[1])

    @cached_property
    def lot_of(self) -> Ints:
        """The lot of each member."""
        sizes = np.diff(np.append(self.first, self.members.units))
        return np.repeat(np.arange(len(self.first)), sizes)

    @cached_property
    def limits(self) -> Floats:
        """(limits,): every limit there is, of those that could bind."""
        return self._all_limits[self._counted]

    @cached_property
    def weights(self) -> Floats:
        """(limits, years * kinds): how a year's use counts against each limit; a piece of stock counts ever after."""
        kinds = MONEY + self.stocks
        rows = np.zeros((self.years, kinds, self.years, kinds))
        for year in range(self.years):
            for kind in range(kinds):
                since = 0 if kind >= MONEY else year
                rows[year, kind, since : year + 1, kind] = 1.0
        return rows.reshape(self.years * kinds, -1)[self._counted]

    @cached_property
    def _all_limits(self) -> Floats:
        return np.concatenate([self.limit, self.supply], axis=1).ravel()

    @cached_property
    def _counted(self) -> NDArray[np.bool_]:
        # A limit of nothing has taken its options away already (see `replacement_columns`), and has no price.
        return np.isfinite(self._all_limits) & (self._all_limits > 0)

    def headroom(self, used: Floats) -> Floats:
        """Return (years, kinds) what is left when `used` (years, kinds) is; a stock's is the least of all years on."""
        left = np.concatenate([self.limit, self.supply], axis=1) - used
        if self.stocks:
            left[:, MONEY:] = self.supply - np.cumsum(used[:, MONEY:], axis=0)
            left[:, MONEY:] = np.minimum.accumulate(left[::-1, MONEY:], axis=0)[::-1]
        return left


@dataclass(frozen=True, slots=True)
class Priced:
    """What the prices say: `flow` (years, kinds) pence of net a unit of use in each year; `bound` no plan beats.

    `scaled` is where a later search of a like problem may begin; `smoothing` (pence) is at what width it was found.
    """

    flow: Floats
    bound: float
    scaled: Floats
    smoothing: float


def bound_at(problem: Problem, scaled: Floats) -> tuple[Floats, float]:
    """Return (flow prices, the Lagrangian bound in pence) at `scaled`: pence for the whole of each limit."""
    flow = _flow(problem, scaled)
    lots = problem.lots.reduced(flow)
    members = problem.members.reduced(flow)
    own = np.add.reduceat(np.maximum(members.max(axis=(0, 1), initial=0.0), 0.0), problem.first)
    best = np.maximum(lots.max(axis=(0, 1), initial=-np.inf), own)
    total = float(best.sum() + scaled.sum())
    # Plans are worth whole pence, so the bound may be rounded down; never by more than sums of floats can be off.
    return flow, float(np.floor(total * (1 + 1e-12) + 1e-3))


def _flow(problem: Problem, scaled: Floats) -> Floats:
    prices = (scaled / problem.limits) @ problem.weights
    return np.asarray(prices.reshape(problem.years, MONEY + problem.stocks), np.float64)


def price(problem: Problem, start: Floats | None = None, stages: int = 12) -> list[Priced]:
    """Return prices by stage, the smoothing lowered from one to the next; the last is usually the best bound.

    `start`: prices of a like problem. `stages`: how many times the smoothing is lowered, each to a third.
    """
    best = _positive(problem)
    if not len(problem.limits) or not best.any():
        flow, bound = bound_at(problem, np.zeros(len(problem.limits)))
        return [Priced(flow, bound, np.zeros(len(problem.limits)), 0.0)]
    typical = float(best[best > 0].mean())
    scaled = np.full(len(problem.limits), best.sum() / 4 / len(problem.limits))
    smoothing = typical * 0.5
    if start is None and problem.members.units > _LARGE:
        start = _from_a_part(problem)
    if start is not None and len(start) == len(problem.limits):
        scaled = np.maximum(start, typical * 1e-3)
        smoothing = typical * 0.006
    found: list[Priced] = []
    for _ in range(stages):
        scaled = _settle(problem, scaled, smoothing)
        found.append(Priced(*bound_at(problem, scaled), scaled, smoothing))
        if len(found) > 1 and 0 <= found[-2].bound - found[-1].bound <= _SETTLED * found[-1].bound:
            break
        smoothing /= 3
    return found


def _from_a_part(problem: Problem) -> Floats | None:
    """Return prices of a tenth of the lots under a tenth of the limits: near the whole's, for a tenth of the work."""
    lots = np.flatnonzero(np.arange(problem.lots.units) * GOLDEN % 1.0 < _PART)
    if not len(lots):
        return None
    inside = np.isin(problem.lot_of, lots)
    first = np.flatnonzero(np.diff(problem.lot_of[inside], prepend=-1))
    part = Problem(
        problem.lots.some(lots),
        problem.members.some(np.flatnonzero(inside)),
        first,
        problem.limit * _PART,
        problem.supply * _PART,
    )
    found = price(part, stages=6)[-1].scaled
    return found / _PART


def _positive(problem: Problem) -> Floats:
    """Return (lots,) what each lot would net were nothing limited."""
    own = np.maximum(problem.members.value.max(axis=(0, 1), initial=0.0), 0.0)
    own = np.add.reduceat(own, problem.first)
    best: Floats = np.maximum(problem.lots.value.max(axis=(0, 1), initial=-np.inf), own)
    return best


def _settle(problem: Problem, scaled: Floats, smoothing: float, steps: int = 12) -> Floats:
    """Return the prices of the least smoothed bound, by damped Newton steps from `scaled`."""
    barrier = smoothing * 0.1
    worth = Smoothed(problem, smoothing, barrier)
    now = worth.at(scaled)
    for _ in range(steps):
        slope, curve = worth.slope_and_curve(scaled)
        ridge = 1e-9 * np.trace(curve) / len(curve)
        step = np.linalg.solve(curve + ridge * np.eye(len(curve)), -slope)
        promised = float(-(slope @ step))
        if promised <= _STEP_WORTH * abs(now):
            break
        falling = step < 0
        length = min(1.0, 0.95 * float(np.min(scaled[falling] / -step[falling], initial=np.inf)))
        for _halving in range(12):
            trial = worth.at(scaled + length * step)
            if trial <= now - 1e-4 * length * promised:
                break
            length /= 2.5
        else:
            break
        scaled, now = scaled + length * step, trial
    return scaled


class Smoothed:
    """The bound with every `best of` replaced by a log-sum-exp of width `smoothing`, in pence, and a barrier."""

    def __init__(self, problem: Problem, smoothing: float, barrier: float) -> None:
        self.problem = problem
        self.smoothing = smoothing
        self.barrier = barrier

    def at(self, scaled: Floats) -> float:
        """Return the smoothed bound at `scaled`."""
        flow = _flow(self.problem, scaled)
        lots = self.problem.lots.reduced(flow)
        own, _ = self._soft(self.problem.members.reduced(flow), None)
        total, _ = self._soft(lots, np.add.reduceat(own, self.problem.first))
        return float(total.sum() + scaled.sum() - self.barrier * np.log(scaled).sum())

    def slope_and_curve(self, scaled: Floats) -> tuple[Floats, Floats]:
        """Return gradient and Hessian at `scaled`."""
        problem = self.problem
        lot_share, member_share = self.shares(scaled)
        left = np.maximum(1.0 - lot_share.sum(axis=(0, 1)), 0.0)
        used = problem.lots.used(lot_share, problem.stocks)
        used += problem.members.used(member_share * left[problem.lot_of], problem.stocks)
        matrix = problem.weights / problem.limits[:, None]
        slope = 1.0 - matrix @ used.ravel() - self.barrier / scaled
        second = _second_moments(problem, lot_share, left, member_share)
        curve = matrix @ second @ matrix.T / self.smoothing
        return slope, curve + np.diag(self.barrier / scaled**2)

    def shares(self, scaled: Floats) -> tuple[Floats, Floats]:
        """Return the share each lot gives each option, and each member were its lot to leave it to itself."""
        flow = _flow(self.problem, scaled)
        own, member_share = self._soft(self.problem.members.reduced(flow), None)
        base = np.add.reduceat(own, self.problem.first)
        return self._soft(self.problem.lots.reduced(flow), base)[1], member_share

    def _soft(self, reduced: Floats, base: Floats | None) -> tuple[Floats, Floats]:
        """Return (soft best of keeping and every option, share of each option)."""
        keep = np.zeros(reduced.shape[2]) if base is None else base
        top = np.maximum(reduced.max(axis=(0, 1), initial=-np.inf), keep)
        share = np.exp((reduced - top) / self.smoothing)
        total = share.sum(axis=(0, 1)) + np.exp((keep - top) / self.smoothing)
        return top + self.smoothing * np.log(total), share / total


def _second_moments(problem: Problem, lot_share: Floats, left: Floats, member_share: Floats) -> Floats:
    """Return the covariance of the use (years * kinds) of all lots, were options drawn by their shares.

    `left` (lots,): the share of leaving members to themselves. Units that have as good as made up their minds vary by
    nothing and are passed over, which at low smoothing is nearly all of them.
    """
    size = problem.years * (MONEY + problem.stocks)
    total = np.zeros((size, size))
    edges = np.append(problem.first, problem.members.units)
    begin = 0
    while begin < problem.lots.units:
        end = max(int(np.searchsorted(edges, edges[begin] + _CHUNK, side="right")) - 1, begin + 1)
        some, inside = slice(begin, end), slice(int(edges[begin]), int(edges[end]))
        open_lots = np.maximum(lot_share[..., some].max(axis=(0, 1), initial=0.0), left[some]) < 1 - _DECIDED
        lot_of = problem.lot_of[inside] - begin
        weight = left[some][lot_of]
        share = member_share[..., inside]
        undecided = (share > _DECIDED).any(axis=(0, 1)) & (share < 1 - _DECIDED).all(axis=(0, 1))
        pick = np.flatnonzero((weight > _DECIDED) & (undecided | open_lots[lot_of]))
        mean, moment = problem.members.moments(inside, pick, share[..., pick], weight[pick], problem.stocks)
        total += moment - (mean * weight[pick]) @ mean.T
        chosen = np.flatnonzero(open_lots)
        own = _gather(mean, lot_of[pick], open_lots)
        parts = lot_share[..., some][..., chosen]
        spread, moment = problem.lots.moments(some, chosen, parts, np.ones(len(chosen)), problem.stocks)
        spread += own * left[some][chosen]
        total += moment + (own * left[some][chosen]) @ own.T - spread @ spread.T
        begin = end
    return total


def _gather(mean: Floats, lot_of: Ints, open_lots: NDArray[np.bool_]) -> Floats:
    """Return (rows, open lots): the sum of the members' `mean` (rows, members) by lot."""
    place = np.cumsum(open_lots) - 1
    inside = open_lots[lot_of]
    out = np.zeros((len(mean), int(open_lots.sum())))
    for row, values in zip(out, mean, strict=True):
        row[:] = np.bincount(place[lot_of[inside]], values[inside], len(row))
    return out
