from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from support.estates import NOW, Estate

from roadworthy_collector.jobs import charts
from roadworthy_collector.jobs.prune import clean, prune
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES, pruned_before

RETENTION_DAYS = 30
# Half-hours stay a day longer than reports are taken for, because a local day reaches into two UTC days.
HORIZON = (int(NOW) - (RETENTION_DAYS + 1) * DAY_SECONDS) // DAY_SECONDS * DAY_SECONDS


def work(estate: Estate) -> Work:
    settings = estate.settings(half_hour_retention_days=RETENTION_DAYS)
    return Work(estate.engine, settings, clock=lambda: NOW)


def add(estate: Estate, device: int, start: int, *, dirty: bool = True) -> None:
    values: dict[str, Any] = {"observed_seconds": 1800, "samples": 30, "content_hash": b"12345678"}
    estate.put(schema.periods, device=device, start=start, incomplete=False, **values)
    states = {f"{name}_seconds": 0 for name in STATES} | {"idle_seconds": 1800}
    estate.put(schema.state_periods, device=device, start=start, **states)
    energy = {"joules": 5, "counter_end_joules": 5, "quality": "sensor", "source": "rapl:package-0"}
    estate.put(schema.energy_periods, device=device, scope="cpu", start=start, **energy)
    if dirty:
        estate.put(schema.dirty, device=device, day=start // DAY_SECONDS * DAY_SECONDS)


def count(estate: Estate, table: Any) -> int:
    with estate.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_half_hours_past_retention_go_and_their_totals_stay(estate: Estate) -> None:
    device = estate.device()
    for start in (HORIZON - DAY_SECONDS, HORIZON - 1800, HORIZON):
        add(estate, device, start, dirty=start != HORIZON - 1800)
    roll_up(work(estate))
    run = work(estate)
    assert prune(run) == 2
    assert run.longest_transaction_seconds is not None
    for table in (schema.periods, schema.state_periods, schema.energy_periods):
        assert count(estate, table) == 1
    assert count(estate, schema.days) == 2
    with estate.engine.connect() as connection:
        assert pruned_before(connection) == HORIZON
        assert connection.scalar(select(func.min(schema.periods.c.start))) == HORIZON
    assert prune(work(estate)) == 0


def test_nothing_goes_before_it_is_rolled_up(estate: Estate) -> None:
    add(estate, estate.device(), HORIZON - 1800)
    assert prune(work(estate)) == 0
    assert count(estate, schema.periods) == 1
    roll_up(work(estate))
    assert prune(work(estate)) == 1
    assert count(estate, schema.periods) == 0


def test_energy_without_its_half_hour_goes_too(estate: Estate) -> None:
    device = estate.device()
    energy = {"joules": 5, "counter_end_joules": 5, "quality": "sensor", "source": "rapl:package-0"}
    estate.put(schema.energy_periods, device=device, scope="cpu", start=HORIZON - 1800, **energy)
    prune(work(estate))
    assert count(estate, schema.energy_periods) == 0


def test_many_go_in_bounded_pieces(estate: Estate) -> None:
    device = estate.device()
    for slot in range(60):
        add(estate, device, HORIZON - DAY_SECONDS - slot * 1800, dirty=False)
    assert prune(work(estate)) == 60
    assert count(estate, schema.state_periods) == 0


def test_cleaning_takes_what_has_ended_and_leaves_the_rest(estate: Estate) -> None:
    now = int(NOW)
    user = {"name": "ada", "password_argon2": "x", "role": "viewer", "created_at": 0}
    estate.put(schema.users, **user)
    for name, expires_at in (("a", now), ("b", now + 1)):
        row = {"secret_sha256": name, "user": "ada", "created_at": 0, "expires_at": expires_at}
        estate.put(schema.sessions, **row)
    for name, asked_at in (("a", now - charts.KEEP_SECONDS - 1), ("b", now)):
        estate.put(schema.charts, hash=name, spec={}, asked_at=asked_at)
    device = estate.device()
    for key, received_at in (("a", now - 31 * DAY_SECONDS), ("b", now)):
        row = {"device": device, "item": "period", "key": key, "code": "too_old"}
        estate.put(schema.quarantine, received_at=received_at, **row)
    assert clean(work(estate)) == 3
    assert [count(estate, table) for table in (schema.sessions, schema.charts, schema.quarantine)] == [
        1,
        1,
        1,
    ]
