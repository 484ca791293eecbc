"""Energy is neither lost nor invented: wraps, resets, suspends, failed reads, clock jumps, restarts, reboots."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from agent.devices import TEN, Device, ManualClock
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy_agent import history
from roadworthy_agent.energy import (
    Accumulator,
    Added,
    Moment,
    Piece,
    Step,
    advance,
    energies,
    within,
)
from roadworthy_agent.policy import CollectionPolicy
from roadworthy_agent.reading import BatteryFlow, Meter, PowerReading, Register, Sample, Scope

MODULUS = 262_143_328_850 + 61  # of a desktop's package counter: it wraps after 46 minutes at 95 W
MOST_WATTS = 190.0


@dataclass
class Package:
    """Processors' energy counters as the kernel shows them, and the energy nobody can read.

    `counted` is what a perfect observer counts who knows nothing of the time across a suspend, another start or an
    agent that does not run: from one look that gave a value to the next, and no other energy.
    """

    drawn: int = 0  # by each socket
    offset: int = 0
    readable: bool = True
    sockets: int = 1
    counted: int = 0
    base: int | None = None

    def looked(self) -> None:
        """Take a look as the perfect observer does."""
        if not self.readable:
            return
        if self.base is not None:
            self.counted += (self.drawn - self.base) * self.sockets
        self.base = self.drawn

    def draw(self, microjoules: int) -> None:
        self.drawn += microjoules

    def reset(self) -> None:
        self.offset = self.drawn

    def reading(self) -> PowerReading:
        shown = (self.drawn - self.offset) % MODULUS if self.readable else None
        names = [f"package-{number}" for number in range(self.sockets)]
        registers = tuple(Register(name, shown, None, MODULUS, MOST_WATTS) for name in names)
        return PowerReading((Meter(Scope.CPU, "rapl:" + "+".join(names), registers),))


def register(
    microjoules: int | None, *, modulus: int | None = MODULUS, most: float | None = MOST_WATTS
) -> Register:
    return Register("package-0", microjoules, None, modulus, most)


def test_a_counter_that_went_round_counts_on() -> None:
    assert advance(register(MODULUS - 10), register(90), 60.0) == (Step.COUNTED, 100)


def test_a_counter_that_was_reset_is_no_wrap() -> None:
    # Taken for a wrap this would be 4,300 W for a minute.
    assert advance(register(4_000_000_000), register(500), 60.0) == (Step.RESET, 0)


def test_a_counter_that_jumped_ahead_is_no_energy() -> None:
    assert advance(register(0), register(60_000_000_000), 60.0) == (Step.RESET, 0)


def test_a_counter_without_a_modulus_never_wraps() -> None:
    assert advance(register(100, modulus=None), register(90, modulus=None), 60.0) == (Step.RESET, 0)
    assert advance(register(100, modulus=None), register(190, modulus=None), 60.0) == (Step.COUNTED, 90)


def test_after_so_long_that_it_may_have_gone_round_twice_nothing_is_known() -> None:
    assert advance(register(10), register(20), 1400.0) == (Step.LATE, 0)


def test_a_register_that_names_no_limit_has_one_all_the_same() -> None:
    before, after = register(0, modulus=None, most=None), register(70_000_000_000, modulus=None, most=None)
    assert advance(before, after, 60.0) == (Step.RESET, 0)  # 1,167 W


def test_levels_count_as_the_mean_of_their_ends() -> None:
    assert advance(Register("b", None, 10.0), Register("b", None, 20.0), 60.0) == (Step.COUNTED, 900_000_000)
    assert advance(Register("b", None, 10.0), Register("b", None, 20.0), 121.0) == (Step.LATE, 0)


def test_an_unreadable_look_is_no_zero_and_the_next_one_covers_it() -> None:
    drawn, package = Accumulator(), Package()
    drawn.look(package.reading(), Moment(1, 0, 0))
    package.draw(600_000_000)
    package.readable = False
    assert drawn.look(package.reading(), Moment(1, 60, 60)) == []
    package.draw(600_000_000)
    package.readable = True
    [added] = drawn.look(package.reading(), Moment(1, 120, 120))
    assert (added.begin, added.end, added.microjoules) == (0, 120, 1_200_000_000)
    assert drawn.steps["cpu", Step.UNREADABLE] == 1


def test_one_socket_that_cannot_be_read_keeps_the_other_from_standing_for_both() -> None:
    def both(first: int | None, second: int | None) -> PowerReading:
        sockets = (Register("0", first, None, MODULUS, 200), Register("1", second, None, MODULUS, 200))
        return PowerReading((Meter(Scope.CPU, "rapl:package-0+package-1", sockets),))

    drawn = Accumulator()
    drawn.look(both(0, 0), Moment(1, 0, 0))
    assert drawn.look(both(900, None), Moment(1, 60, 60)) == []
    [added] = drawn.look(both(1800, 500), Moment(1, 120, 120))
    assert added.microjoules == 2300


def test_nothing_is_known_across_a_suspend_another_source_or_another_boot() -> None:
    drawn, package = Accumulator(), Package()
    drawn.look(package.reading(), Moment(1, 0, 0))
    package.draw(100)
    assert drawn.look(package.reading(), Moment(1, 90, 60)) == []
    package.draw(100)
    assert [a.microjoules for a in drawn.look(package.reading(), Moment(1, 150, 120))] == [100]
    other = PowerReading((Meter(Scope.CPU, "hwmon:energy1", (register(7_000),)),))
    assert drawn.look(other, Moment(1, 210, 180)) == []
    assert drawn.look(package.reading(), Moment(2, 30, 30)) == []
    told = {step: drawn.steps["cpu", step] for step in Step}
    assert (told[Step.SUSPENDED], told[Step.CHANGED], told[Step.COUNTED]) == (1, 2, 1)


def test_batteries_tell_what_the_processor_drew_meanwhile() -> None:
    drawn, package = Accumulator(), Package()

    def look(at: float, *, discharging: bool) -> list[Added]:
        flow = BatteryFlow(discharging, 12.0, "power_supply:BAT0")
        return drawn.look(PowerReading(package.reading().meters, battery=flow), Moment(1, at, at))

    look(0, discharging=True)
    package.draw(240_000_000)
    cpu, battery = look(60, discharging=True)
    assert (battery.scope, battery.microjoules, battery.beside_microjoules) == (
        "battery",
        720_000_000,
        cpu.microjoules,
    )
    assert [added.scope for added in look(120, discharging=False)] == ["cpu"]
    assert [added.scope for added in look(180, discharging=True)] == ["cpu"]


@given(
    st.integers(0, 10**15),
    st.integers(0, 10**12),
    st.floats(1, 120),
    st.floats(0, 1),
    st.none() | st.integers(0, 10**12),
)
def test_the_parts_of_a_piece_are_the_whole(
    begin: int, more: int, seconds: float, share: float, beside: int | None
) -> None:
    piece = Piece("cpu", TEN, TEN + seconds, begin, begin + more, "rapl", beside=beside)
    cut = TEN + seconds * share
    head, tail = piece.until(cut), piece.since(cut)
    assert head.counter_begin == begin
    assert head.counter_end == tail.counter_begin
    assert tail.counter_end == begin + more
    if beside is not None:
        assert head.beside is not None
        assert tail.beside is not None
        assert head.beside + tail.beside == beside


def test_a_period_holds_its_own_part_and_floors_counters_not_differences() -> None:
    pieces = [
        Piece("cpu", TEN - 30, TEN + 30, 0, 1_500_000, "rapl"),
        Piece("cpu", TEN + 30, TEN + 90, 1_500_000, 2_600_000, "rapl"),
    ]
    told, battery, ends = energies(within(pieces, TEN, TEN + 1800), {"cpu": 750_000}, latest=True)
    assert battery is None
    assert [(e.scope, e.joules, e.counter_end_joules, e.covered_seconds) for e in told] == [("cpu", 2, 2, 90)]
    assert ends == {"cpu": 2_600_000}
    assert told[0].latest_watts == pytest.approx(1.1 / 60, abs=0.01)


def test_a_second_package_of_power_is_told_by_the_agent(tmp_path: Path) -> None:
    device = Device(ManualClock(), tmp_path / "state")
    package = Package()
    device.recorder.begin(package.reading())
    live(device, package, 1800, watts=10)
    device.confirm()
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    history.freeze(device.spool)
    [period] = told(device)
    [energy] = period["energy"]
    assert energy["joules"] == energy["counter_end_joules"] == 18_000
    assert (energy["scope"], energy["quality"], energy["source"]) == ("cpu", "sensor", "rapl:package-0")
    assert energy["covered_seconds"] == 1800
    assert "latest_watts" not in energy
    device.close()


def live(device: Device, package: Package, seconds: int, *, watts: int) -> None:
    for _ in range(seconds // 60):
        device.clock.run(60)
        package.draw(watts * 60_000_000)
        package.looked()
        device.recorder.take(Sample(0.1, 0.1, power=package.reading()))


def told(device: Device) -> list[dict[str, object]]:
    rows = device.database.rows("SELECT payload FROM frozen ORDER BY start")
    return [json.loads(row["payload"]) for row in rows]


events = st.lists(
    st.one_of(
        st.tuples(st.just("work"), st.integers(1, 70), st.integers(0, 150)),
        st.tuples(
            st.sampled_from(["suspend", "off", "restart_agent", "unreadable", "clock", "reset", "send"]),
            st.integers(1, 4000),
            st.integers(0, 150),
        ),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(events, st.sampled_from([CollectionPolicy.HALF_HOURLY, CollectionPolicy.DAILY]), st.integers(1, 2))
def test_all_periods_together_are_the_counter(
    story: list[tuple[str, int, int]], policy: CollectionPolicy, sockets: int
) -> None:
    with TemporaryDirectory() as folder:
        device = Device(ManualClock(true=float(TEN + 7)), Path(folder) / "state", policy=policy)
        package, boots = Package(sockets=sockets), itertools.count(2)
        package.looked()
        device.recorder.begin(package.reading())
        resets = 0
        sent: list[dict[str, object]] = []
        for what, number, watts in story:
            if what == "work":
                live(device, package, number * 60, watts=watts)
            elif what == "suspend":
                device.clock.suspend(number)
                package.reset()
                package.base = None
            elif what == "off":
                package.reset()
                package.base = None
                device.clock.restart(f"boot-{next(boots)}", number)
                device.clock.run(20)
                device.restart_agent()
            elif what == "restart_agent":
                package.draw(number)
                package.base = None
                device.clock.run(1)
                device.restart_agent()
            elif what == "unreadable":
                package.readable = False
                live(device, package, 180, watts=watts)
                package.readable = True
            elif what == "clock":
                device.clock.wrong_by += number - 2000
            elif what == "reset":
                package.reset()
                resets += 1
            else:
                device.confirm()
                history.freeze(device.spool)
                sent += told(device)
                device.database.rows("DELETE FROM frozen")
        live(device, package, 60, watts=10)
        device.clock.run(1)
        device.confirm()
        history.freeze(device.spool)
        sent += told(device)
        check(device, package, [*sent, *told_by_day(device)], resets)
        device.close()


def told_by_day(device: Device) -> list[dict[str, object]]:
    """Return the days, also the one that is not over."""
    days = [json.loads(row[0]) for row in device.database.rows("SELECT payload FROM frozen_days")]
    still = [json.loads(row[0]) for row in device.database.rows("SELECT content FROM open_days")]
    return days + [{"energy": list(day["energy"].values())} for day in still]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 70), st.integers(0, 180), st.booleans()), min_size=1, max_size=15))
def test_wraps_and_failed_reads_lose_not_one_micro_joule(story: list[tuple[int, int, bool]]) -> None:
    with TemporaryDirectory() as folder:
        device = Device(ManualClock(), Path(folder) / "state")
        package = Package(drawn=MODULUS - 1_000_000_000)
        before = package.drawn
        device.recorder.begin(package.reading())
        for minutes, watts, readable in story:
            package.readable = readable
            live(device, package, (minutes if readable else min(minutes, 20)) * 60, watts=watts)
            package.readable = True
            live(device, package, 60, watts=watts)
        device.clock.run(1)
        device.confirm()
        history.freeze(device.spool)
        [row] = device.database.rows("SELECT microjoules FROM counters WHERE scope = 'cpu'")
        assert row[0] == package.drawn - before
        periods = told(device)
        joules = sum(energy["joules"] for period in periods for energy in period.get("energy", ()))  # type: ignore[attr-defined]  # JSON
        [settled] = [row[0] for row in device.database.rows("SELECT settled FROM counters")]
        assert joules == settled // 1_000_000
        device.close()


def check(device: Device, package: Package, sent: list[dict[str, object]], resets: int) -> None:
    rows = device.database.rows("SELECT microjoules, settled FROM counters WHERE scope = 'cpu'")
    counter, settled = (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)
    told_energy = [energy for period in sent for energy in period.get("energy", ())]  # type: ignore[attr-defined]  # JSON
    if resets:
        # Nothing is invented, but where a reset looks exactly like a wrap: then a minute at most.
        assert counter <= (package.drawn + resets * MOST_WATTS * 240 * 1_000_000) * package.sockets
    else:
        assert counter == package.counted
    assert settled <= counter
    given_up = settled // 1_000_000 - sum(energy["joules"] for energy in told_energy)
    ends = sorted(energy["counter_end_joules"] for energy in told_energy)
    steps = sum(
        max(0, energy["counter_end_joules"] - energy["joules"] - before)
        for energy, before in zip(
            sorted(told_energy, key=lambda one: one["counter_end_joules"]), [0, *ends], strict=False
        )
    )
    # What no period tells shows as a step of the counter between two, or after the last.
    assert given_up == steps + (settled // 1_000_000 - (ends[-1] if ends else 0))
    if not device.database.get("dropped_samples", 0):
        assert given_up == 0
    # What is not settled yet lies whole in the open period.
    left = device.database.number("SELECT coalesce(sum(counter_end - counter_begin), 0) FROM energy")
    assert settled + left == counter
