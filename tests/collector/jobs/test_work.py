from __future__ import annotations

import itertools
import threading

import pytest
from sqlalchemy import Connection, event, insert, select
from support.estates import Estate

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(estate: Estate, clock: Clock | None = None, stop: threading.Event | None = None) -> Work:
    return Work(
        estate.engine,
        estate.settings(),
        stop=stop or threading.Event(),
        monotonic=clock or Clock(),
    )


def test_a_slow_disk_makes_the_pieces_smaller(estate: Estate) -> None:
    clock = Clock()
    sizes: list[int] = []

    def step(_: Connection, some: object) -> None:
        size = len(some)  # type: ignore[arg-type] # a list of numbers
        sizes.append(size)
        clock.now += 0.005 * size

    assert make(estate, clock).for_each(list(range(30)), step) == 30
    assert sizes[0] == 8
    assert max(sizes[1:]) <= 3


def test_a_fast_one_makes_them_larger(estate: Estate) -> None:
    clock = Clock()
    sizes: list[int] = []

    def step(_: Connection, limit: int) -> int:
        sizes.append(limit)
        clock.now += 1e-5
        return limit if len(sizes) < 6 else 0

    make(estate, clock).batches(step)
    assert sizes == [8, 16, 32, 64, 128, 256]


def test_a_slow_commit_leaves_pieces_of_a_size(estate: Estate) -> None:
    """A disk that takes 40 ms for every commit takes them for one thing as for many."""
    clock = Clock()
    sizes: list[int] = []

    def step(_: Connection, limit: int) -> int:
        sizes.append(limit)
        clock.now += 0.0004 * limit
        return limit if len(sizes) < 12 else 0

    def committed(_: Connection) -> None:
        clock.now += 0.04

    event.listen(estate.engine, "commit", committed)
    make(estate, clock).batches(step)
    assert sizes[-1] == 12  # 5 ms of work


def test_what_every_transaction_takes_does_not_make_pieces_of_one(estate: Estate) -> None:
    """On a busy machine statements wait: 20 ms for one thing, and hardly more for ten."""
    clock = Clock()
    sizes: list[int] = []

    def step(_: Connection, limit: int) -> int:
        sizes.append(limit)
        clock.now += 0.02 + 0.0005 * limit
        return limit if len(sizes) < 40 else 0

    make(estate, clock).batches(step)
    assert sizes[1] < 8
    assert 10 <= sizes[-1] <= 30


def test_a_slow_piece_is_not_forgotten_at_once(estate: Estate) -> None:
    clock = Clock()
    sizes: list[int] = []

    def step(_: Connection, limit: int) -> int:
        sizes.append(limit)
        clock.now += limit * (0.001 if len(sizes) == 4 else 1e-4)
        return limit if len(sizes) < 7 else 0

    make(estate, clock).batches(step)
    assert sizes == [8, 16, 32, 64, 21, 30, 60]


def test_pieces_of_about_one_size_tell_nothing_of_what_a_thing_takes(estate: Estate) -> None:
    """Between 64 things in 13.4 ms and 71 in 13.5 lies noise: it would double the next one."""
    clock = Clock()
    sizes: list[int] = []

    def step(_: Connection, limit: int) -> int:
        sizes.append(limit)
        clock.now += 2e-4 * limit * (0.95 if len(sizes) % 2 else 1.05)
        return limit if len(sizes) < 60 else 0

    make(estate, clock).batches(step)
    assert max(sizes) <= 90  # 75 things take the 15 ms that are aimed at


def test_the_longest_transaction_is_kept(estate: Estate) -> None:
    clock = Clock()
    work = make(estate, clock)
    assert work.longest_transaction_seconds is None
    for seconds in (0.01, 0.03, 0.02):
        with work.write():
            clock.now += seconds
    assert work.longest_transaction_seconds == pytest.approx(0.03)


def test_stopping_ends_it_between_two_pieces(estate: Estate) -> None:
    stop = threading.Event()
    calls = itertools.count(1)

    def step(_: Connection, limit: int) -> int:
        if next(calls) == 3:
            stop.set()
        return limit

    assert make(estate, stop=stop).batches(step, most=1) == 8 + 1 + 1


def test_a_failing_piece_is_undone_and_the_earlier_ones_stay(estate: Estate) -> None:
    def step(connection: Connection, some: object) -> None:
        for name in some:  # type: ignore[attr-defined] # a list of names
            connection.execute(insert(schema.snapshots).values(name=name, at=0.0, body=""))
            if name == "9":
                raise ValueError(name)

    with pytest.raises(ValueError, match="9"):
        make(estate).for_each([str(number) for number in range(20)], step)
    with estate.engine.connect() as connection:
        held = set(connection.scalars(select(schema.snapshots.c.name)))
    assert held == {str(number) for number in range(8)}
