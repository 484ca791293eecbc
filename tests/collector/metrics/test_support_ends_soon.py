"""How many devices lose their updates within a month, or in one: the day decides, bought updates count."""

from __future__ import annotations

import datetime as dt

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.estates import Estate

from roadworthy_collector.books import lifecycle_run
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries.metrics import read_snapshot

# The last day of free updates of Windows 10, of 22H2 as of all of it.
LAST = dt.datetime(2025, 10, 14, 12, tzinfo=dt.UTC)
FAMILY = "roadworthy_site_support_end_soon_devices"
BY_MONTH = "roadworthy_support_end_month_devices"


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("days", "soon"), [(31, 0), (30, 1), (0, 1), (-1, 0)])
def test_the_last_thirty_days_count(estate: Estate, days: int, soon: int) -> None:
    now = (LAST - dt.timedelta(days=days)).timestamp()
    told = {"os_name": "Windows 10", "os_version": "22H2", "last_report_at": int(now)}
    for site, restricted in (("HQ", False), ("Cells", True)):
        estate.device(site=site, restricted=restricted, device_class="laptop", environment="physical", **told)
    work = Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)
    lifecycle_run.work_out(work)
    fleet.compute(work)
    with estate.engine.connect() as connection:
        body = read_snapshot(connection, "fleet_metrics").body
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if sample.name in {FAMILY, BY_MONTH}
    }
    # What ended on an earlier day of this month is not among what is to come.
    month = "ended" if days < 0 else f"{LAST:%Y-%m}"
    assert found == {(FAMILY, "HQ"): soon, (BY_MONTH, month): 2}
