"""The books' gauges: out of the figures, under the catalogue's names, as promtool and Prometheus' parser read them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert
from support.estates import NOW, Estate

from roadworthy_collector.books.register_counts import count_register
from roadworthy_collector.books.warranties import MONTHS, coming_months
from roadworthy_collector.jobs import books, fleet, organisation
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import books as gauges
from roadworthy_collector.metrics.books_catalogue import BOOKS
from roadworthy_collector.metrics.rollups import rollups_of
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.engine import write_transaction

TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sample.labels.values())] = sample.value
    return found


def item(estate: Estate, **values: object) -> None:
    row = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1}
    with write_transaction(estate.engine) as connection:
        connection.execute(insert(register_items).values(**row | values))


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def test_nothing_worked_out_makes_no_sample(estate: Estate) -> None:
    with estate.engine.connect() as connection:
        assert gauges.render(gauges.read(connection)) == ""


def test_every_gauge_of_the_books_is_exposed_and_sums_close(estate: Estate) -> None:
    item(estate, tag="FP1", serial="5CG1", purchased=(TODAY - dt.timedelta(days=800)).isoformat())
    item(estate, tag="B", warranty_end=TODAY.isoformat())
    item(estate, tag="C", warranty_end="2001-01-01", warranty_start="1998-01-01")
    item(estate, tag="D", warranty_end="2099-01-01", lifecycle_state="stores")
    item(estate, tag="E", lifecycle_state="disposed")
    estate.device(serial="5CG1", asset_tag="FP1")
    estate.device(serial="STRAY1")
    books.compute(work_of(estate))
    organisation.compute(work_of(estate))
    fleet.compute(work_of(estate))
    found = samples(rollups_of(estate.engine, None, now=NOW))
    # Those of the plan and its lists are there once somebody made a plan: tests/collector/metrics/test_routes.py.
    planned = ("roadworthy_plan_", "roadworthy_ready_list_")
    assert {row.name for row in BOOKS if not row.name.startswith(planned)} <= set(found)
    assert found["roadworthy_register_items"]["deployed",] == 3
    assert sum(found["roadworthy_register_items"].values()) == 5
    ages = {key: value for key, value in found["roadworthy_register_age_items"].items() if value}
    assert ages == {("2_to_3",): 1, ("7_and_over",): 1, ("unknown",): 2}
    ends = {key: value for key, value in found["roadworthy_warranty_end_items"].items() if value}
    assert ends == {("ended",): 1, (f"{TODAY:%Y-%m}",): 1, ("later",): 1, ("unknown",): 1}
    assert len(found["roadworthy_warranty_end_items"]) == MONTHS + 3
    assert found["roadworthy_match_ratio"] == {("register",): 0.25, ("agents",): 0.5}
    assert found["roadworthy_register_orphans"] == {(): 3}
    assert found["roadworthy_register_ghosts"] == {("agent",): 1, ("mdm",): 0, ("both",): 0}
    assert sum(found["roadworthy_rated_devices"].values()) == 2
    assert sum(found["roadworthy_import_rated_items"].values()) == 3
    assert sum(found["roadworthy_support_devices"].values()) == 5
    assert set(found["roadworthy_books_timestamp_seconds"].values()) == {NOW}


def test_months_go_on_over_new_year() -> None:
    assert coming_months(dt.date(2026, 11, 30))[:3] == ["2026-11", "2026-12", "2027-01"]


def test_counting_stops_with_the_collector(estate: Estate) -> None:
    work = work_of(estate)
    work.stop.set()
    count_register(work)
    with estate.engine.connect() as connection:
        assert gauges.read(connection) == {}
