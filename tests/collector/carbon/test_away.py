"""Gaps that go leave their half-hours, counted: months made anew come out the same, and late gaps reach closed ones."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, delete, event, func, select, text, update
from support import wait_until
from support.estates import Estate

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import absences, asked, energy, energy_days
from roadworthy_collector.carbon.estate import FIGURE
from roadworthy_collector.ingest.history import write_gaps
from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.wire import Gap
from roadworthy_collector.jobs.gaps import prune_gaps
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries import away
from roadworthy_inventory.calendar import Span, local_date, local_day, local_days

ZONE = "Europe/London"
DAY, PERIOD = 86_400, 1800
SPRING, AUTUMN = dt.date(2026, 3, 29), dt.date(2025, 10, 26)
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
LONG_AFTER = NOW + 500 * DAY  # gaps are kept for 400 days
DAYS = (dt.date(2025, 10, 1), dt.date(2026, 4, 30))


def at(day: dt.date, hour: float) -> int:
    return local_day(day, ZONE).start + int(hour * 3600)


def work_of(held: Estate, now: float = NOW, **values: Any) -> Work:
    return Work(held.engine, held.settings(**values), clock=lambda: now, rests=False)


def tell(held: Estate, *told: tuple[int, int, int, str], now: float = NOW) -> None:
    """Have gaps taken as reports bring them."""
    tally = Tally(int(now - 30 * DAY) // DAY * DAY, now)
    with write_transaction(held.engine) as connection:
        write_gaps(connection, [(device, Gap(*gap, "boot_id_changed")) for device, *gap in told], tally)
        tally.write(connection, int(now))


def desktop(held: Estate) -> int:
    return held.device(
        device_class="desktop", model="M1", site="HQ", unit="IT", enrolled_at=at(AUTUMN, 0) - 40 * DAY
    )


def nights(held: Estate) -> list[int]:
    """Put two devices with gaps over both days the clocks change, some that overlap, and one nobody can explain."""
    prune_gaps(work_of(held))  # as every hour since there is this estate: none went uncounted
    one, other = desktop(held), desktop(held)
    before, after = AUTUMN - dt.timedelta(days=1), AUTUMN + dt.timedelta(days=1)
    tell(
        held,
        (one, at(before, 17) + 100, at(after, 8) + 300, "off"),
        (one, at(after, 6), at(after, 12), "asleep"),
        (one, at(after, 11.75), at(after, 11.75) + 60, "off"),
        (one, at(SPRING, 0), at(SPRING, 20), "asleep"),
        (other, at(SPRING - dt.timedelta(days=3), 17), at(SPRING + dt.timedelta(days=2), 7), "off"),
        (other, at(SPRING, 3), at(SPRING, 6), "unobserved"),
    )
    return [one, other]


def seconds(held: Estate, some: Any = None) -> dict[tuple[int, dt.date], tuple[int, ...]]:
    with held.engine.connect() as connection:
        found = absences.over(connection, [], some, DAYS, ZONE)
        return {
            (one.device, one.date): (
                one.values.asleep_seconds, one.values.off_seconds, one.values.unobserved_seconds,
            )
            for one in found
        }  # fmt: skip


def count(held: Estate, table: Any) -> int:
    with held.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def months_of(held: Estate, work: Work) -> list[tuple[Any, ...]]:
    """Have every month made anew and return its rows of devices."""
    with write_transaction(held.engine) as connection:
        asked.ask_between(connection, *DAYS, int(work.clock()) - 1)
    while energy.refresh(work):
        pass
    table = energy_devices
    query = select(table).where(table.c.month.between(*(day.isoformat() for day in DAYS)))
    with held.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(table.c.month, table.c.device))]


def fact(held: Estate, device: int) -> None:
    """Put one short day, from which on the ledger has months."""
    zero = dict.fromkeys((f"{n}_seconds" for n in ("idle", "locked", "asleep", "off", "unobserved")), 0)
    held.put(
        schema.local_days, date=DAYS[0].isoformat(), start=at(DAYS[0], 0), half_hours=48, device=device,
        site=held.site("HQ"), unit=held.unit("IT"), periods=2, startups=0, observed_seconds=3600,
        in_use_seconds=3600, **zero,
    )  # fmt: skip


def test_a_month_comes_out_the_same_after_its_gaps_are_gone(estate: Estate) -> None:
    one, other = nights(estate)
    fact(estate, one)
    days, rows = seconds(estate), months_of(estate, work_of(estate))
    # One day of 25 hours, all of it off, and one of 23.
    assert days[one, AUTUMN] == (0, 25 * 3600, 0)
    assert days[one, SPRING][0] == 20 * 3600
    assert days[other, SPRING] == (0, 23 * 3600, 0)
    assert days[one, AUTUMN + dt.timedelta(days=1)][:2] == (6 * 3600, 6 * 3600)
    assert prune_gaps(work_of(estate, LONG_AFTER)) == 6
    assert count(estate, schema.gaps) == 0
    assert seconds(estate) == days
    assert seconds(estate, frozenset({other})) == {key: days[key] for key in days if key[0] == other}
    assert months_of(estate, work_of(estate, LONG_AFTER)) == rows
    assert prune_gaps(work_of(estate, LONG_AFTER)) == 0
    # Told again by a machine that was put back from a copy: it is counted already.
    tell(estate, (one, at(AUTUMN, 17), at(AUTUMN, 20), "off"), now=LONG_AFTER)
    assert count(estate, schema.gaps) == 0
    assert seconds(estate) == days
    with estate.engine.connect() as connection:
        query = select(schema.counters.c.value).where(schema.counters.c.name == "too_late")
        assert connection.scalars(query).all() == [1]


def test_pruning_that_is_cut_off_goes_on_where_it_stood(estate: Estate) -> None:
    nights(estate)
    days = seconds(estate)
    # Gaps of the autumn go first, those of the spring a while later; and a run ends after its first device.
    boundary = at(AUTUMN + dt.timedelta(days=1), 10) + 400 * DAY
    assert prune_gaps(work_of(estate, boundary)) == 1
    assert seconds(estate) == days
    run = work_of(estate, LONG_AFTER)
    whole = run.for_each

    def one_alone(items: Any, step: Any, **values: Any) -> int:
        run.stop.set()
        with run.write() as connection:
            step(connection, items[:1])
        return whole(items[:0], step, **values)

    run.for_each = one_alone  # type: ignore[method-assign] # a collector that is stopped meanwhile
    assert prune_gaps(run) > 0
    assert count(estate, schema.gaps) > 0
    assert seconds(estate) == days
    prune_gaps(work_of(estate, LONG_AFTER))
    assert (count(estate, schema.gaps), seconds(estate)) == (0, days)


def test_gaps_of_a_device_under_a_hold_stay_and_count_once(estate: Estate) -> None:
    one, _ = nights(estate)
    days = seconds(estate)
    hold = {"reason": "an inquiry", "asked_by": "ada", "asked_at": 0, "lapses_at": int(LONG_AFTER) + 9}
    estate.put(schema.holds, id=1, expires_at=int(LONG_AFTER) + 9, **hold)
    estate.put(schema.hold_devices, hold=1, device=one)
    assert prune_gaps(work_of(estate, LONG_AFTER)) == 2
    assert seconds(estate) == days
    assert prune_gaps(work_of(estate, LONG_AFTER + 10)) == 4
    assert seconds(estate) == days


def test_a_gap_told_long_after_reaches_months_that_are_closed(estate: Estate) -> None:
    one = desktop(estate)
    fact(estate, one)
    work = work_of(estate)
    months_of(estate, work)
    back = NOW + 3600
    gap = (one, at(dt.date(2026, 2, 10), 17), int(NOW) + 600, "off")
    tell(estate, gap, now=back)
    # Not for each machine that comes back: once, when the day is over.
    assert made_at(estate, back + 60) < back
    later = (NOW // DAY + 1) * DAY + 600
    assert made_at(estate, later) == int(later)
    with estate.engine.connect() as connection:
        table = energy_devices
        query = select(table.c.unknown_seconds).where(table.c.device == one, table.c.month == "2026-03-01")
        assert connection.scalars(query).all() == [0]
    # The same gap told again changes nothing.
    tell(estate, gap, now=later)
    assert made_at(estate, later + 2 * DAY) == int(later)


def test_a_day_comes_out_the_same_after_its_gaps_are_gone(estate: Estate) -> None:
    one, _ = nights(estate)
    fact(estate, one)
    with write_transaction(estate.engine) as connection:
        connection.execute(update(schema.devices).values(last_report_at=int(NOW)))
    months_of(estate, work_of(estate))

    def days(now: float) -> list[Any]:
        found, work = [], work_of(estate, now)
        for date in (AUTUMN, SPRING):
            mine = [one for some in energy_days.read(work, date) for one in some]
            assert sum(one.entry.wall_joules for one in mine) > 0
            shapes = energy_days.half_hours(work, date, mine)
            found += [
                (one.machine.id, one.entry, one.told, sum(map(sum, shape.joules)))
                for one, shape in zip(mine, shapes, strict=True)
            ]
            # All day in one state: when it was in which needs no hours.
            found += [
                shape for one, shape in zip(mine, shapes, strict=True) if one.told.seconds["off"] >= 23 * 3600
            ]
        return found

    before = days(NOW)
    assert len(before) == 3 + 2
    prune_gaps(work_of(estate, LONG_AFTER))
    assert days(LONG_AFTER) == before


def test_who_reads_while_gaps_go_misses_none(estate: Estate) -> None:
    nights(estate)
    days = seconds(estate)
    went: list[int] = []

    def prune_meanwhile(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "away_months" in statement and not went:
            went.append(0)
            with ThreadPoolExecutor(1) as other:
                went[0] = other.submit(prune_gaps, work_of(estate, LONG_AFTER)).result()

    event.listen(estate.engine, "after_cursor_execute", prune_meanwhile)
    try:
        assert seconds(estate) == days
    finally:
        event.remove(estate.engine, "after_cursor_execute", prune_meanwhile)
    assert went == [6]
    assert seconds(estate) == days


def test_months_asked_for_every_night_are_made(estate: Estate) -> None:
    one, other = desktop(estate), desktop(estate)
    fact(estate, one)
    months_of(estate, work_of(estate))
    midnight = (NOW // DAY + 1) * DAY
    # Told while those of the day before are due and not made yet, and again.
    for day, device in enumerate((one, other)):
        tell(estate, (device, at(dt.date(2026, 3, 10), 17), int(NOW), "off"), now=midnight + day * DAY + 120)
    made = int(midnight + DAY + 3600)
    assert made_at(estate, made) == made
    assert made_at(estate, made + 60) == made
    assert made_at(estate, made + DAY) == made + DAY


def test_a_clock_that_was_ahead_once_costs_no_later_gap(estate: Estate) -> None:
    one = desktop(estate)
    told = (one, int(NOW) - 20 * DAY, int(NOW) - 19 * DAY, "off")
    tell(estate, told)
    assert prune_gaps(work_of(estate, NOW + 1200 * DAY)) == 1
    counted = all_seconds(estate)
    assert counted == DAY
    # The clock is right again. What is counted is not taken twice, and what is new is.
    tell(estate, told)
    assert all_seconds(estate) == counted
    tell(estate, (one, int(NOW) - 10 * DAY, int(NOW) - 9 * DAY, "off"))
    assert all_seconds(estate) == 2 * counted
    prune_gaps(work_of(estate, NOW + 3600))
    tell(estate, (one, int(NOW) - 8 * 3600, int(NOW), "off"), now=NOW + 60)
    assert count(estate, schema.gaps) == 2


def all_seconds(held: Estate) -> int:
    first = local_date(NOW, ZONE) - dt.timedelta(days=40)
    with held.engine.connect() as connection:
        found = absences.by_day(connection, None, dict(local_days(first, local_date(NOW, ZONE), ZONE)))
    return sum(map(sum, found.values()))


def test_a_late_gap_over_counted_half_hours_leaves_them_alone(estate: Estate) -> None:
    one, other = desktop(estate), desktop(estate)
    day = dt.date(2026, 3, 3)
    tell(estate, (one, at(day, 0), at(day, 6), "asleep"), now=at(day, 7))
    now = at(day, 6) + 400 * DAY + 10
    assert prune_gaps(work_of(estate, now)) == 1
    for device in (one, other):
        tell(estate, (device, at(day, 0) + PERIOD, at(day, 12), "off"), now=now)
    found = seconds(estate)
    assert found[one, day][:2] == (6 * 3600, 11 * PERIOD)  # from 06:30 on
    assert found[other, day][:2] == (0, 23 * PERIOD)  # nothing of it is counted
    # And so when it goes itself, and after it comes once more.
    prune_gaps(work_of(estate, now + DAY))
    tell(estate, (one, at(day, 5), at(day + dt.timedelta(days=2), 0), "off"), now=now + DAY)
    again = seconds(estate)
    assert again.pop((one, day + dt.timedelta(days=1))) == (
        0,
        DAY,
        0,
    )  # the day after the last that is counted
    assert again == found


def test_gaps_a_program_before_let_go_uncounted_are_noted(estate: Estate) -> None:
    one, held = desktop(estate), desktop(estate)
    fact(estate, one)
    left = at(DAYS[0], 0) + 40 * DAY
    hold = {"reason": "an inquiry", "asked_by": "ada", "asked_at": 0, "lapses_at": 1, "expires_at": 1}
    estate.put(schema.holds, id=1, **hold)
    estate.put(schema.hold_devices, hold=1, device=held)
    gap = {"kind": "off", "content_hash": b"12345678"}
    for device, end in ((held, left - 9 * DAY), (one, left), (one, left + DAY)):
        estate.put(schema.gaps, device=device, begin=end - 40_000, end=end, **gap)

    def whole_from() -> int:
        with estate.engine.connect() as connection:
            return away.whole_from(connection)

    # Facts younger than gaps are kept lost none.
    assert prune_gaps(work_of(estate, at(DAYS[0], 0) + 399 * DAY)) == 0
    assert whole_from() == 0
    with write_transaction(estate.engine) as connection:
        connection.execute(delete(schema.estate).where(schema.estate.c.name == "gaps_pruned_before"))
    for days in (440, 480):  # only the first time: from then on all are counted
        prune_gaps(work_of(estate, at(DAYS[0], 0) + days * DAY))
        assert whole_from() == left


def test_two_that_ask_at_once_both_are_noted(server_database: URL) -> None:
    """As only PostgreSQL lets them: on SQLite one writes at a time."""
    engine = open_engine(server_database)

    def march() -> None:
        with write_transaction(engine) as connection:
            asked.ask_late(connection, dt.date(2026, 3, 1), dt.date(2026, 3, 5), int(NOW))

    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def look(query: Any) -> Any:
        with engine.connect() as connection:  # what others do is looked at once in a transaction
            return connection.scalar(query)

    try:
        with ThreadPoolExecutor(1) as other:
            with write_transaction(engine) as connection:
                asked.ask_late(connection, dt.date(2026, 1, 1), dt.date(2026, 1, 5), int(NOW))
                done = other.submit(march)
                wait_until(lambda: look(waiting), what="the one that asks second")
            done.result()
        with engine.connect() as connection:
            assert sorted(asked.read_late(connection)) == ["2026-01", "2026-03"]
    finally:
        engine.dispose()


def made_at(held: Estate, now: float) -> int:
    """Have the months made that are due `now`, and return when March was made last."""
    while energy.refresh(work_of(held, now)):
        pass
    with held.engine.connect() as connection:
        found = figures.read(connection, f"{FIGURE}.2026-03")
    assert found is not None
    return found[1]


_GAPS = st.lists(
    st.tuples(
        st.integers(0, 40_000), st.integers(1, 30_000), st.sampled_from(["off", "asleep", "who knows"])
    ),
    max_size=12,
    unique_by=lambda one: one[0],
)


@settings(max_examples=100, deadline=None)
@given(told=_GAPS, before=st.integers(0, 80_000))
def test_what_goes_and_what_stays_have_no_half_hour_in_common(
    told: list[tuple[int, int, str]], before: int
) -> None:
    found = [SimpleNamespace(begin=begin, end=begin + length, kind=kind) for begin, length, kind in told]
    span = Span(0, 90_000)

    def starts(some: Any, *, going: bool | None = None) -> list[tuple[int, int]]:
        pieces = absences.whole_half_hours(some, span)
        return sorted(
            (start, absences.kind_of(gap))
            for gap, cut in pieces
            if going is None or (gap.end < before) is going
            for start in cut.starts()
        )

    whole = starts(found)
    assert len({start for start, _ in whole}) == len(whole)
    assert {start for start, _ in whole} == {
        start
        for start in span.starts()
        if any(one.begin <= start and start + PERIOD <= one.end for one in found)
    }
    staying = [one for one in found if one.end >= before]
    assert sorted(starts(found, going=True) + starts(staying)) == whole


def test_no_day_is_counted_past_its_end_however_often_it_is_added_to(estate: Estate) -> None:
    one = desktop(estate)
    days = [day for day, _ in local_days(dt.date(2024, 2, 28), dt.date(2024, 3, 1), ZONE)]
    for _ in range(3):
        with write_transaction(estate.engine) as connection:
            away.add(connection, {(one, day): (1, 20, 0) for day in days})
    with estate.engine.connect() as connection:
        found = away.read(connection, days[0], days[-1], one)
        assert found == {(one, day): (3, away.MOST, 0) for day in days}
        assert away.read(connection, days[1], days[1], (one, one)) == {(one, days[1]): (3, away.MOST, 0)}
        assert away.read(connection, days[0], days[-1], frozenset({one + 1})) == {}
