"""No look for garbage begins while a job holds the write lock."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from support.estates import Estate

from roadworthy_collector.jobs.garbage import put_off
from roadworthy_collector.jobs.work import Work


@pytest.fixture(autouse=True)
def looking() -> Iterator[None]:
    """Leave Python as it was."""
    was = gc.isenabled()
    yield
    (gc.enable if was else gc.disable)()


def test_blocks_of_several_threads_overlap() -> None:
    gc.enable()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with put_off():
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(30)
    with put_off():
        assert not gc.isenabled()
    assert not gc.isenabled()
    leave.set()
    thread.join(30)
    assert gc.isenabled()


def test_who_never_looks_is_left_alone() -> None:
    gc.disable()
    with put_off():
        pass
    assert not gc.isenabled()


def test_a_failing_block_ends_it() -> None:
    gc.enable()
    with pytest.raises(ValueError, match="no"), put_off():
        raise ValueError("no")
    assert gc.isenabled()


def test_transactions_of_jobs_are_such_blocks(estate: Estate) -> None:
    gc.enable()
    work = Work(estate.engine, estate.settings())
    seen: list[bool] = []

    def step(_: Connection, limit: int) -> int:
        seen.append(gc.isenabled())
        return limit if len(seen) < 3 else 0

    work.batches(step)
    with work.write():
        seen.append(gc.isenabled())
    assert seen == [False] * 4
    assert gc.isenabled()
