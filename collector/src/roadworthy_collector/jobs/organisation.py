"""The job of the organisation: what was to change on a day that has come, changes; and the counts metrics show."""

from __future__ import annotations

import time

from roadworthy_collector.books import figures
from roadworthy_collector.books.organisation_figures import Asked, Context, grouped, item_states
from roadworthy_collector.books.organisation_moves import catch_up
from roadworthy_collector.books.organisation_tree import read
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries.scope import EVERYTHING
from roadworthy_inventory.calendar import local_date

FIGURE = "organisation"
EVERY_SECONDS = 60.0
_COUNT_SECONDS = 600


def compute(work: Work) -> int:
    """Bring `units` and belongings up to date, and count now and then; return how many rows were changed."""
    now, zone = work.clock(), work.settings.reporting_timezone
    today = local_date(now, zone)
    changed = catch_up(work.engine, now=now, today=today, zone=zone)
    began = time.perf_counter()
    with work.reading() as connection:
        held = figures.read(connection, FIGURE)
        if held is not None and not changed and 0 <= now - held[1] < _COUNT_SECONDS:
            return changed
        organisation = read(connection)
        context = Context(connection, organisation, Asked(today), zone, now, EVERYTHING)
        unassigned = {
            kind: sum(
                amount
                for unit, day, amount in grouped(context, kind)
                if organisation.answering(unit, day) is None
            )
            for kind in ("devices", "systems", "cost_centres", "contracts")
        }
        unassigned["items"] = sum(
            amount
            for (state, unit), amount in item_states(context).items()
            if state != "disposed" and organisation.answering(unit, today) is None
        )
    content = {"units": len(organisation.at(today).units), "unassigned": unassigned}
    if not work.stop.is_set():
        with work.write() as connection:
            figures.write(connection, FIGURE, content, now, time.perf_counter() - began)
    return changed
