from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from support.estates import NOW, Estate
from support.facts import half_hour, held, put

from roadworthy_collector.jobs import charts
from roadworthy_collector.jobs.prune import clean, prune, prune_history
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.site_half_hours import roll_up_sites
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES, pruned_before
from roadworthy_inventory.calendar import utc_date

RETENTION_DAYS = 30
# Half-hours stay a day longer than reports are taken for, because a local day reaches into two UTC days.
HORIZON = (int(NOW) - (RETENTION_DAYS + 1) * DAY_SECONDS) // DAY_SECONDS * DAY_SECONDS


def work(estate: Estate) -> Work:
    settings = estate.settings(half_hour_retention_days=RETENTION_DAYS)
    return Work(estate.engine, settings, clock=lambda: NOW, rests=False)


def add(estate: Estate, device: int, start: int, *, dirty: bool = True) -> None:
    energy = {"joules": 5, "counter_end_joules": 5, "quality": "sensor", "source": "rapl:package-0"}
    put(estate.engine, [half_hour(device, start, energy=[{"scope": "cpu", **energy}])])
    if dirty:
        estate.put(schema.dirty, device=device, day=start // DAY_SECONDS * DAY_SECONDS)


def count(estate: Estate, table: Any) -> int:
    with estate.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def settle(estate: Estate) -> None:
    """Do what has to be done before half-hours may go."""
    roll_up(work(estate))
    roll_up_sites(work(estate))


def test_half_hours_past_retention_go_and_their_totals_stay(estate: Estate) -> None:
    device = estate.device()
    for start in (HORIZON - 2 * DAY_SECONDS, HORIZON - 1800, HORIZON - 3600, HORIZON):
        add(estate, device, start, dirty=start != HORIZON - 3600)
    settle(estate)
    run = work(estate)
    assert prune(run) == 2  # of three half-hours on two days
    assert run.longest_transaction_seconds is not None
    for kind in ("periods", "states", "energy"):
        assert [row["start"] for row in held(estate.engine, kind)] == [HORIZON]
    assert count(estate, schema.days) == 3
    with estate.engine.connect() as connection:
        assert pruned_before(connection) == HORIZON
    assert prune(work(estate)) == 0


def test_nothing_goes_before_it_is_rolled_up(estate: Estate) -> None:
    add(estate, estate.device(), HORIZON - 1800)
    for step in (roll_up, roll_up_sites):
        assert prune(work(estate)) == 0
        assert len(held(estate.engine, "periods")) == 1
        step(work(estate))
    assert prune(work(estate)) == 1
    assert held(estate.engine, "periods") == []


def test_what_was_told_by_the_day_goes_with_the_half_hours(estate: Estate) -> None:
    device = estate.device()
    energy = {"joules": 5, "counter_end_joules": 5, "quality": "sensor", "source": "rapl:package-0"}
    for day in (HORIZON - DAY_SECONDS, HORIZON):
        estate.put(schema.energy_days, device=device, scope="cpu", day=day, **energy)
    prune(work(estate))
    assert count(estate, schema.energy_days) == 1


def test_many_go_in_bounded_pieces(estate: Estate) -> None:
    for _ in range(60):
        add(estate, estate.device(), HORIZON - DAY_SECONDS, dirty=False)
    assert prune(work(estate)) == 60
    assert held(estate.engine, "states") == []


def test_a_device_under_a_legal_hold_keeps_everything(estate: Estate) -> None:
    mine, other = estate.device(), estate.device()
    for device in (mine, other):
        add(estate, device, HORIZON - 1800)
        estate.startup(device, started_at=NOW - 5000 * DAY_SECONDS)
    settle(estate)
    hold = {"reason": "an inquiry", "asked_by": "ada", "asked_at": 0, "lapses_at": int(NOW) + 9}
    estate.put(schema.holds, id=1, expires_at=int(NOW) + 9, **hold)
    estate.put(schema.hold_devices, hold=1, device=mine)
    assert (prune(work(estate)), prune_history(work(estate))) == (1, 1)
    assert [row["device"] for row in held(estate.engine, "energy")] == [mine]
    with estate.engine.connect() as connection:
        assert connection.scalars(select(schema.startups.c.device)).all() == [mine]


def test_each_kind_of_fact_has_a_retention_of_its_own(estate: Estate) -> None:
    device = estate.device()
    settings = estate.settings(
        daily_retention_days=100, site_half_hour_retention_days=90, startup_retention_days=80,
        signin_retention_days=70, gap_retention_days=60, quarantine_retention_days=50,
    )  # fmt: skip
    zero = {f"{name}_seconds": 0 for name in STATES}
    day = {"site": 1, "unit": 1, "periods": 48, "observed_seconds": 0, "startups": 0, **zero}
    item = {
        "device": device,
        "revision": 1,
        "final": True,
        "quality": "measured",
        "content_hash": b"12345678",
    }
    refused = {"device": device, "item": "period", "code": "too_old"}
    midnight = int(NOW) // DAY_SECONDS * DAY_SECONDS
    for kept, days in enumerate((101, 99)):
        at = midnight - days * DAY_SECONDS
        estate.put(schema.days, device=device, day=at, **day)
        date = utc_date(at).isoformat()
        estate.put(schema.local_days, device=device, date=date, start=at, half_hours=48, **day)
        at += 10 * DAY_SECONDS
        estate.put(schema.site_half_hours, start=at, site=1, devices=1, observed_seconds=0, **zero)
        estate.startup(device, started_at=at + 10 * DAY_SECONDS)
        signin = {"signin_id": str(kept), "day": at + 20 * DAY_SECONDS, "record": {}}
        estate.put(schema.signins, **item, **signin)
        gap = {"begin": at, "end": at + 30 * DAY_SECONDS, "kind": "off", "content_hash": b"12345678"}
        estate.put(schema.gaps, device=device, **gap)
        estate.put(schema.quarantine, received_at=at + 40 * DAY_SECONDS, key=str(kept), **refused)
    # A month of half-hours in gaps goes when the last of its days has no totals any more.
    last = utc_date(midnight - 100 * DAY_SECONDS).replace(day=1)
    before = (last - timedelta(days=1)).replace(day=1)
    for month in (before, last):
        estate.put(schema.away_months, month=month.isoformat(), device=device, half_hours=bytes(93))
    run = Work(estate.engine, settings, clock=lambda: NOW)
    assert (prune_history(run), prune_history(run)) == (8, 0)
    with estate.engine.connect() as connection:
        assert min(connection.scalars(select(schema.away_months.c.month))) == last.isoformat()
    for table in ("days", "local_days", "site_half_hours", "startups", "signins", "gaps", "quarantine"):
        assert count(estate, schema.metadata.tables[table]) == 1, table


def test_cleaning_takes_what_has_ended_and_leaves_the_rest(estate: Estate) -> None:
    now = int(NOW)
    user = {"name": "ada", "password_argon2": "x", "role": "viewer", "created_at": 0}
    estate.put(schema.users, **user)
    for name, expires_at in (("a", now), ("b", now + 1)):
        row = {"secret_sha256": name, "user": "ada", "created_at": 0, "expires_at": expires_at}
        estate.put(schema.sessions, **row)
    for name, asked_at in (("a", now - charts.KEEP_SECONDS - 1), ("b", now)):
        estate.put(schema.charts, hash=name, spec={}, asked_at=asked_at)
    assert clean(work(estate)) == 2
    assert [count(estate, table) for table in (schema.sessions, schema.charts)] == [1, 1]
