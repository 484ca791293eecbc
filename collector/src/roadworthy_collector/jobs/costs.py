"""The job that works cost shares out again where an import, rules or a correction moved them."""

from __future__ import annotations

from roadworthy_collector.books import shares
from roadworthy_collector.jobs.work import Work

EVERY_SECONDS = 30.0


def compute(work: Work) -> int:
    """Work the shares out if they moved; return whether they had."""
    began = work.monotonic()
    found = shares.made(work.engine)
    if found is None:
        return 0
    with work.write() as connection:
        shares.keep(connection, found, work.clock(), work.monotonic() - began)
    return 1
