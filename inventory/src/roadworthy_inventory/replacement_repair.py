"""From prices to a plan: what each lot would choose at the prices, made to fit every limit, then filled up greedily.

At the best prices nearly every choice already fits; what is over a limit is dropped where least is lost for each unit
of use, and what is left of the limits goes to the moves that net most for what they use. numpy only; deterministic:
equals are told apart by their place alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from roadworthy_inventory.replacement_solver import (
    GOLDEN,
    MONEY,
    Floats,
    Ints,
    Priced,
    Problem,
    Smoothed,
    Table,
)

_ROUNDS = 40
_ONE_BY_ONE = 3000  # candidates after the run that fits as a whole, tried each by itself
_SMALL = 30_000  # values in a problem small enough to try every chosen unit without
_TRIED = 600_000  # values looked at in a pass over the chosen units, those least missed at the prices first
NOTHING = -1


@dataclass(slots=True)
class Picks:
    """What is taken: (lots,) and (members,) option * years + year, or NOTHING; `value` in pence; `used` of limits."""

    lots: Ints
    members: Ints
    value: float = 0.0
    used: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def copy(self) -> Picks:
        """Return one that can be changed."""
        return Picks(self.lots.copy(), self.members.copy(), self.value, self.used.copy())


def repair(problem: Problem, priced: Priced, *, spread: bool) -> Picks:
    """Return a plan within all limits, from what each lot would choose at the prices.

    `spread`: units that are undecided between options are spread over them by their shares. Many alike would otherwise
    all choose the same, which no limit has room for.
    """
    if not problem.lots.units:
        return Picks(np.zeros(0, np.int64), np.zeros(0, np.int64))
    work = _Work(problem, priced)
    picks = work.spread(priced) if spread and priced.smoothing else work.chosen()
    work.drop(picks)
    work.fill(picks)
    return picks


def improve(problem: Problem, priced: Priced, picks: Picks) -> Picks:
    """Return `picks` or a plan that nets more, where the problem is so small that one unit counts."""
    if not problem.lots.units or problem.lots.value.size + problem.members.value.size > _SMALL:
        return picks
    return _Work(problem, priced).improve(picks)


def used_by(problem: Problem, picks: Picks) -> Floats:
    """Return (years, kinds) what `picks` use."""
    out = np.zeros((problem.years, MONEY + problem.stocks))
    for table, pick in ((problem.lots, picks.lots), (problem.members, picks.members)):
        for kind in range(MONEY + problem.stocks):
            use = _amount(table, pick, kind)
            units = np.flatnonzero(pick != NOTHING)
            out[:, kind] += np.bincount(pick[units] % problem.years, use[units], problem.years)
    return out


def value_of(problem: Problem, picks: Picks) -> float:
    """Return what `picks` net, pence."""
    return float(
        _taken(problem.lots.value, picks.lots).sum() + _taken(problem.members.value, picks.members).sum()
    )


def _taken(values: Floats, pick: Ints) -> Floats:
    """Return (units,) the value of what each unit takes, 0 where nothing."""
    if not values.shape[0]:
        return np.zeros(len(pick))
    flat = values.reshape(-1, len(pick))
    return np.where(pick == NOTHING, 0.0, flat[np.maximum(pick, 0), np.arange(len(pick))])


def _amount(table: Table, pick: Ints, kind: int) -> Floats:
    """Return (units,) what each unit uses of `kind`, in whichever year."""
    if not table.options:
        return np.zeros(len(pick))
    option, unit = np.maximum(pick, 0) // table.years, np.arange(len(pick))
    if kind < MONEY:
        use = table.use[kind][option, unit]
    else:
        use = np.where(table.stock[option, unit] == kind - MONEY, table.count, 0.0)
    return np.where(pick == NOTHING, 0.0, use)


class _Work:
    """One repair: the problem, and values less use at the prices."""

    def __init__(self, problem: Problem, priced: Priced) -> None:
        self.problem = problem
        self.reduced = (problem.lots.reduced(priced.flow), problem.members.reduced(priced.flow))
        self.tables = (problem.lots, problem.members)

    def chosen(self) -> Picks:
        """Return what each lot would choose at the prices, limits or not."""
        lots, members = self.reduced
        own_pick, own = _best(members)
        lot_pick, best = _best(lots)
        together = best > np.add.reduceat(own, self.problem.first)
        lot_pick[~together] = NOTHING
        own_pick[together[self.problem.lot_of]] = NOTHING
        return Picks(lot_pick, own_pick)

    def spread(self, priced: Priced) -> Picks:
        """Return a choice for each unit by its shares: over many alike, each option is taken about so often."""
        shares = Smoothed(self.problem, priced.smoothing, 0.0).shares(priced.scaled)
        lot_pick, own_pick = (_by_share(share) for share in shares)
        own_pick[(lot_pick != NOTHING)[self.problem.lot_of]] = NOTHING
        return Picks(lot_pick, own_pick)

    def drop(self, picks: Picks) -> None:
        """Give up, limit by limit, what is lost least for each unit of use, until the limit holds."""
        problem = self.problem
        for kind in range(MONEY + problem.stocks):
            for year in range(problem.years):
                limit = problem.limit[year, kind] if kind < MONEY else problem.supply[year, kind - MONEY]
                if np.isfinite(limit):
                    self._drop_for(picks, kind, year, limit)

    def _drop_for(self, picks: Picks, kind: int, year: int, limit: float) -> None:
        amounts, losses = [], []
        for table, reduced, pick in zip(self.tables, self.reduced, (picks.lots, picks.members), strict=True):
            when = pick % table.years
            counts = (when <= year) if kind >= MONEY else (when == year)
            amounts.append(np.where(counts, _amount(table, pick, kind), 0.0))
            losses.append(_taken(reduced, pick))
        amount, loss = np.concatenate(amounts), np.concatenate(losses)
        over = amount.sum() - limit
        if over <= 0:
            return
        users = np.flatnonzero(amount > 0)
        users = users[np.argsort(loss[users] / amount[users], kind="stable")]
        gone = users[: int(np.searchsorted(np.cumsum(amount[users]), over)) + 1]
        lots = len(picks.lots)
        picks.lots[gone[gone < lots]] = NOTHING
        picks.members[gone[gone >= lots] - lots] = NOTHING

    def fill(self, picks: Picks, banned: tuple[int, int] | None = None) -> None:
        """Take the moves that net most for what they use, until none fits. `banned`: (table, unit) to leave alone."""
        for _ in range(_ROUNDS):
            moved = sum(self._fill_from(which, picks, banned) for which in (0, 1))
            if not moved:
                break
        picks.used = used_by(self.problem, picks)
        picks.value = value_of(self.problem, picks)

    def improve(self, picks: Picks) -> Picks:
        """Try chosen units without; keep what nets more. For small problems, where one unit counts."""
        tried = _TRIED // (self.tables[0].value.size + self.tables[1].value.size)
        for _ in range(4):
            before = picks.value
            for which in (0, 1):
                pick = (picks.lots, picks.members)[which]
                loss = _taken(self.reduced[which], pick)
                units = np.flatnonzero(pick != NOTHING)
                units = units[np.argsort(loss[units], kind="stable")][:tried]
                for unit in units.tolist():
                    trial = picks.copy()
                    (trial.lots, trial.members)[which][unit] = NOTHING
                    self.fill(trial, (which, unit))
                    self.fill(trial)
                    if trial.value > picks.value:
                        picks = trial
            if picks.value <= before:
                break
        return picks

    def _fill_from(self, which: int, picks: Picks, banned: tuple[int, int] | None) -> int:
        """Move units of one table; return how many moved."""
        table = self.tables[which]
        if not table.options:
            return 0
        moves = self._moves(which, picks)
        if banned and banned[0] == which:
            moves.gain[banned[1]] = 0.0
        units = np.flatnonzero(moves.gain > 0)
        units = units[np.argsort(-moves.ratio[units], kind="stable")]
        if not len(units):
            return 0
        left = self._left(used_by(self.problem, picks))
        whole = _prefix(table, moves, units, left)
        accepted = units[:whole]
        self._apply(which, picks, accepted, moves.column[accepted])
        if whole == len(units):
            return whole
        left = self._left(used_by(self.problem, picks))
        singles = [
            unit
            for unit in units[whole : whole + _ONE_BY_ONE].tolist()
            if _take_one(table, moves, unit, left)
        ]
        some = np.array(singles, np.int64)
        self._apply(which, picks, some, moves.column[some])
        return whole + len(singles)

    def _left(self, used: Floats) -> Floats:
        """Return (years, kinds) what is left of each year's limit, and of each stock by the end of each year."""
        left = np.concatenate([self.problem.limit, self.problem.supply], axis=1) - used
        left[:, MONEY:] = self.problem.supply - np.cumsum(used[:, MONEY:], axis=0)
        return left

    def _apply(self, which: int, picks: Picks, units: Ints, columns: Ints) -> None:
        if which == 0:
            picks.lots[units] = columns
            chosen = np.zeros(len(picks.lots), bool)
            chosen[units] = True
            picks.members[chosen[self.problem.lot_of]] = NOTHING
        else:
            picks.members[units] = columns

    def _moves(self, which: int, picks: Picks) -> _Moves:
        """Return the best move of each unit that fits what is left; a gain of 0 where there is none."""
        table, pick = self.tables[which], (picks.lots, picks.members)[which]
        now, now_reduced = _taken(table.value, pick), _taken(self.reduced[which], pick)
        if which == 0:
            own = [_taken(values, picks.members) for values in (self.tables[1].value, self.reduced[1])]
            now = now + np.add.reduceat(own[0], self.problem.first)
            now_reduced = now_reduced + np.add.reduceat(own[1], self.problem.first)
        left = self._left(used_by(self.problem, picks))
        between = _between(left[:, MONEY:])
        moves = _Moves.none(table, pick)
        score = np.full(table.units, -np.inf)
        free = np.ones(table.units, bool) if which == 0 else (picks.lots == NOTHING)[self.problem.lot_of]
        for option in range(table.options):
            until = np.where(table.stock[option] == moves.draws, moves.when, table.years)
            for year in range(table.years):
                gain = table.value[option, year] - now
                here = self.reduced[which][option, year] - now_reduced
                fits = free & (gain > 0) & (here > score)
                fits &= between[year, until, table.stock[option]] >= table.count
                for kind in range(MONEY):
                    if np.isfinite(left[year, kind]):
                        back = np.where(moves.when == year, moves.held[kind], 0.0)
                        fits &= table.use[kind, option] - back <= left[year, kind]
                score[fits] = here[fits]
                moves.gain[fits] = gain[fits]
                moves.column[fits] = option * table.years + year
                moves.until[fits] = until[fits]
        taken = moves.gain > 0
        spent = np.maximum(moves.gain[taken] - score[taken], 1e-9 * moves.gain[taken])
        moves.ratio[taken] = moves.gain[taken] / spent
        return moves


@dataclass(slots=True)
class _Moves:
    """(units,) the best move of each: gain in pence, gain for each pence of use at the prices, to which column.

    `when`: the year of what is taken now, NOTHING where nothing, `held` (MONEY, units): what that uses, `draws`: the
    stock it draws on. `until`: before which year the move draws one more piece; its own is given back from then on.
    """

    gain: Floats
    ratio: Floats
    column: Ints
    until: Ints
    when: Ints
    held: Floats
    draws: Ints

    @classmethod
    def none(cls, table: Table, pick: Ints) -> _Moves:
        """Return no moves from what is taken now."""
        empty = np.zeros(table.units)
        held = np.stack([_amount(table, pick, kind) for kind in range(MONEY)])
        when = np.where(pick == NOTHING, NOTHING, pick % table.years)
        stock = table.stock[np.maximum(pick, 0) // table.years, np.arange(table.units)]
        draws = np.where(pick == NOTHING, NOTHING, stock)
        nowhere = np.full(table.units, NOTHING)
        return cls(empty, empty.copy(), nowhere, nowhere.copy(), when, held, draws)


def _between(left: Floats) -> Floats:
    """Return (years, years + 1, stocks + 1): the least left of a stock from one year until before another.

    The last stock is that of options which draw on none.
    """
    years, stocks = left.shape
    out = np.full((years, years + 1, stocks + 1), np.inf)
    for year in range(years):
        out[year, year + 1 :, :stocks] = np.minimum.accumulate(left[year:], axis=0)
    return out


def _best(reduced: Floats) -> tuple[Ints, Floats]:
    """Return (column or NOTHING, value) of each unit's best at the prices."""
    units = reduced.shape[2]
    if not reduced.shape[0]:
        return np.full(units, NOTHING), np.zeros(units)
    flat = reduced.reshape(-1, units)
    pick = flat.argmax(axis=0)
    value = flat[pick, np.arange(units)]
    pick[value <= 0] = NOTHING
    return pick.astype(np.int64), np.maximum(value, 0.0)


def _by_share(share: Floats) -> Ints:
    """Return (units,) a column each, NOTHING for the rest of 1; drawn evenly by the golden ratio, not at random."""
    units = share.shape[2]
    if not share.size:
        return np.full(units, NOTHING)
    upto = np.cumsum(share.reshape(-1, units), axis=0)
    at = (np.arange(units) * GOLDEN + 0.5) % 1.0
    column = (upto <= at).sum(axis=0)
    return np.where(column < len(upto), column, NOTHING)


def _prefix(table: Table, moves: _Moves, units: Ints, left: Floats) -> int:
    """Return how many of `units`, in this order, can all be moved at once."""
    column = moves.column[units]
    option, year = column // table.years, column % table.years
    fits = np.ones(len(units), bool)
    for kind in range(MONEY):
        more = table.use[kind][option, units] - np.where(
            moves.when[units] == year, moves.held[kind][units], 0.0
        )
        for each in range(table.years):
            if np.isfinite(left[each, kind]):
                fits &= np.cumsum(np.where(year == each, np.maximum(more, 0.0), 0.0)) <= left[each, kind]
    stock = table.stock[option, units]
    for drawn in np.unique(stock[stock < left.shape[1] - MONEY]).tolist():
        for each in range(table.years):
            draws = (stock == drawn) & (year <= each) & (each < moves.until[units])
            pieces = np.where(draws, table.count[units], 0.0)
            fits &= np.cumsum(pieces) <= left[each, MONEY + drawn]
    return len(units) if fits.all() else int(np.argmin(fits))


def _take_one(table: Table, moves: _Moves, unit: int, left: Floats) -> bool:
    """Move one unit if it fits `left`, which then is less; return whether it did."""
    option, year = divmod(int(moves.column[unit]), table.years)
    back = moves.held[:, unit] if moves.when[unit] == year else 0.0
    more = np.maximum(table.use[:, option, unit] - back, 0.0)
    if (more > left[year, :MONEY]).any():
        return False
    kind = MONEY + int(table.stock[option, unit])
    if kind < left.shape[1]:
        during = slice(year, int(moves.until[unit]))
        if (left[during, kind] < table.count[unit]).any():
            return False
        left[during, kind] -= table.count[unit]
    left[year, :MONEY] -= more
    return True
