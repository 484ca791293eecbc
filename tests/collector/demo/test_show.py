"""Starting the demo: built beside what is there, reused while fresh, never over a real IT estate; and kept alive."""

from __future__ import annotations

import io
import shutil
import threading
from pathlib import Path

import pytest
from rich.console import Console

from roadworthy_collector.demo import show
from roadworthy_collector.demo.build import plan, read_plan
from roadworthy_collector.demo.generate import is_on
from roadworthy_collector.demo.live import keep_alive, tick
from roadworthy_collector.demo.reporting import World
from roadworthy_collector.demo.show import make_ready, prepare_demo
from roadworthy_collector.errors import EstateError, SchemaError, StoreError
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine, require_estate
from roadworthy_collector.store.upgrade import upgrade

from .conftest import DAYS, DEVICES, MONTHS, NOW, Twin


@pytest.fixture
def mine(twin: Twin, tmp_path: Path) -> Twin:
    """Return a copy of the twin that may be changed."""
    settings = Settings(data=tmp_path)
    shutil.copy(twin.settings.database, settings.database)
    return twin._replace(settings=settings)


def again(mine: Twin, now: int, **change: int) -> object:
    arguments = {"devices": DEVICES, "days": DAYS, "months": MONTHS, "now": now} | change
    return make_ready(mine.settings, plan(mine.settings, **arguments), progress=lambda *_: None)


def test_a_fresh_estate_is_reused_and_brought_up_to_date(mine: Twin) -> None:
    held = mine.rows("SELECT count(*) FROM half_hour_use")
    later = NOW + 5 * 3600
    assert again(mine, later) is None
    assert mine.rows("SELECT count(*) FROM half_hour_use") > held
    assert mine.rows("SELECT count(*) FROM device_now WHERE at > ? - 900", later) > [(10,)]
    assert (
        mine.rows("SELECT count(*) FROM quarantine") == mine.rows("SELECT count(*) FROM counters") == [(0,)]
    )
    engine = open_engine(mine.settings.database, read_only=True)
    assert read_plan(engine) == mine.planned  # not built again
    engine.dispose()


@pytest.mark.parametrize("change", [{"now": NOW + 26 * 3600}, {"seed": 3}, {"devices": 20}])
def test_a_stale_or_different_estate_is_built_anew(mine: Twin, change: dict[str, int]) -> None:
    assert again(mine, **({"now": NOW + 60} | change)) is not None
    devices = mine.rows("SELECT count(*) FROM devices WHERE platform <> 'other'")
    assert devices == [(change.get("devices", DEVICES),)]
    assert sorted(path.name for path in (mine.settings.data / "building").glob("*.db*")) == []


def test_a_real_it_estate_is_refused_and_left_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    upgrade(settings.database)
    engine = open_engine(settings.database)
    require_estate(engine, simulated=False)
    engine.dispose()
    before = settings.database.read_bytes()
    with pytest.raises(EstateError, match="holds a real IT estate"):
        make_ready(settings, plan(settings, now=NOW), progress=lambda *_: None)
    assert settings.database.read_bytes() == before


def test_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    settings.database.write_bytes(b"a letter to my aunt" * 300)
    with pytest.raises(StoreError):
        make_ready(settings, plan(settings, now=NOW), progress=lambda *_: None)
    assert settings.database.read_bytes().startswith(b"a letter")
    assert issubclass(SchemaError, StoreError)


def test_stopping_half_way_leaves_what_was_there(mine: Twin) -> None:
    before = mine.settings.database.read_bytes()
    planned = plan(mine.settings, devices=DEVICES, days=DAYS, months=MONTHS, seed=9, now=NOW)
    phases: list[str] = []
    done = make_ready(
        mine.settings,
        planned,
        progress=lambda phase, _done, _total: phases.append(phase),
        stopping=lambda: "Half-hours of the last days" in phases,
    )
    assert done is None
    assert mine.settings.database.read_bytes() == before
    assert list((mine.settings.data / "building").glob("*.db*")) == []


def test_progress_reaches_the_end_of_every_phase(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    seen: dict[str, tuple[int, int]] = {}

    def told(phase: str, done: int, total: int) -> None:
        assert seen.get(phase, (0, 0))[0] <= done <= total
        seen[phase] = (done, total)

    summary = make_ready(settings, plan(settings, devices=20, days=1, months=1, now=NOW), progress=told)
    assert summary is not None
    assert set(seen) == set(summary.seconds)
    assert all(done == total for done, total in seen.values())


def test_the_command_shows_a_bar_and_says_that_nothing_is_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "DAYS", 1)
    monkeypatch.setattr(show, "MONTHS", 1)
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    summary = prepare_demo(Settings(data=tmp_path), devices=12, clock=lambda: NOW, console=console)
    assert summary is not None
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "Half-hours of the last days" in text
    assert "Nothing in it is real" in text


def test_ticks_keep_it_alive_without_a_conflict(mine: Twin) -> None:
    engine = open_engine(mine.settings.database)
    half_hours = reports = 0
    for minute in range(1, 76):
        done = tick(engine, mine.settings, NOW + 60 * minute)
        reports += done.reports
        half_hours += done.half_hours
    engine.dispose()
    now = NOW + 60 * 75
    held = mine.rows("SELECT count(*) FROM half_hour_use")[0][0]
    assert isinstance(held, int)
    assert held == mine.summary.half_hours + half_hours
    assert half_hours > mine.summary.reporting  # two half-hours closed in that time
    assert reports > 4 * mine.summary.reporting  # each called about every quarter of an hour
    world = World(mine.planned.timeline)
    on = {
        device.row
        for device in mine.planned.compose()
        if is_on(device, world.on_until(device, now, now), now)
    }
    late = {row for (row,) in mine.rows("SELECT device FROM device_now WHERE at < ? - 960", now)}
    assert len(on) > DEVICES // 2
    assert on & late == set()
    assert (
        mine.rows("SELECT count(*) FROM quarantine") == mine.rows("SELECT count(*) FROM counters") == [(0,)]
    )
    # No counter jumped, and every sequence number is higher than before.
    jumps = mine.rows(
        "SELECT count(*) FROM (SELECT counter_end_joules - joules - lag(counter_end_joules) OVER "
        "(PARTITION BY device, scope ORDER BY start) AS jump FROM half_hour_energy) WHERE jump <> 0"
    )
    assert jumps == [(0,)]


def test_ticking_minute_by_minute_or_once_tells_the_same(twin: Twin, tmp_path: Path) -> None:
    found = []
    for name, minutes in (("often", range(5, 95, 5)), ("once", (90,))):
        folder = tmp_path / name
        folder.mkdir()
        settings = Settings(data=folder)
        shutil.copy(twin.settings.database, settings.database)
        engine = open_engine(settings.database)
        for minute in minutes:
            tick(engine, settings, NOW + 60 * minute, everybody=minute == 90)
        engine.dispose()
        copy = twin._replace(settings=settings)
        found.append(
            copy.rows(
                "SELECT device, start, content_hash FROM half_hour_use WHERE start >= ? ORDER BY 1, 2",
                NOW - 1800,
            )
        )
    often, once = found
    # Who switched off in between told it in the one, and in the other will tell it on the next start.
    assert set(once) <= set(often)
    assert len(once) > twin.summary.reporting


def test_ticking_needs_a_simulated_estate(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    upgrade(settings.database)
    engine = open_engine(settings.database)
    require_estate(engine, simulated=False)
    with pytest.raises(EstateError, match="holds a real IT estate"):
        tick(engine, settings, NOW)
    engine.dispose()


def test_an_incomplete_estate_is_not_kept_alive(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    upgrade(settings.database)
    engine = open_engine(settings.database)
    with pytest.raises(StoreError, match="no complete simulated IT estate"):
        tick(engine, settings, NOW)
    engine.dispose()


def test_keeping_alive_ends_when_told(mine: Twin) -> None:
    stop = threading.Event()
    times = iter((NOW + 60, NOW + 1900))

    def clock() -> float:
        now = next(times)
        if now > NOW + 60:
            stop.set()
        return float(now)

    keep_alive(open_engine(mine.settings.database), mine.settings, stop, clock=clock, tick_seconds=0)
    assert mine.rows("SELECT count(*) FROM device_now WHERE at >= ?", NOW + 1800) > [(0,)]
