"""The job that computes the IT estate's roll-ups and leaves them as text for `/metrics`."""

from __future__ import annotations

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import (
    books,
    by_site,
    carbon,
    costs,
    fleet,
    intensity,
    lifecycle,
    members,
    meters,
    money,
    polled,
    startup_parts,
    yearly,
)
from roadworthy_collector.store.columns import pack_text
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries.metrics import read_snapshot


def compute(work: Work) -> int:
    """Compute and leave the roll-ups. The reading and rendering happen outside the write transaction."""
    now = work.clock()
    estate = fleet.read(work.engine, now=now, interval_seconds=work.settings.report_interval_seconds)
    with work.engine.connect() as connection:
        kept = read_snapshot(connection, fleet.MEMBERS_SNAPSHOT)
        of_books = books.read(connection)
        of_costs = costs.read(connection)
        of_money = money.read(connection)
        of_lifecycle = lifecycle.read(connection)
        of_grid = intensity.read(connection, now)
        of_meters = meters.read(connection)
        of_polled = polled.read(connection, now, work.settings.reporting_timezone)
        of_carbon = carbon.read(connection)
        of_sites = by_site.read(connection)
        of_startups = startup_parts.read(connection)
        of_years = yearly.read(connection)
        open_sites = members.read_open(connection)
    before = fleet.parse_members(None if kept is None else kept.body)
    admitted = fleet.admitted(before, estate.histograms)
    told = books.render(of_books) + costs.render(of_costs) + money.render(of_money)
    told += (
        lifecycle.render(of_lifecycle)
        + intensity.render(of_grid)
        + meters.render(of_meters)
        + polled.render(of_polled)
        + carbon.render(of_carbon)
    )
    shown = fleet.shown(estate, open_sites)
    told += (
        by_site.render(of_sites, shown) + startup_parts.render(of_startups, shown) + yearly.render(of_years)
    )
    body = pack_text(fleet.render(estate, admitted) + told)
    with work.write() as connection:
        queries.write_snapshot(connection, fleet.SNAPSHOT, now, body)
        if admitted != before:
            queries.write_snapshot(connection, fleet.MEMBERS_SNAPSHOT, now, fleet.members_text(admitted))
    return 1
