"""The power probe on recorded devices and on made-up live ones: one source a scope, and a reason for each refusal."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from agent.probes.power_devices import MadeUp
from devices.replay import DEVICES

from roadworthy_agent.probe import Context, ProbeResult, run
from roadworthy_agent.probes import power
from roadworthy_agent.probes.power import linux
from roadworthy_agent.probes.power.choose import Candidate, choose
from roadworthy_agent.probes.power.files import ERRORS, Files
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.reading import Meter, PowerReading, Register, Scope, Status

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="live files of Linux are read with pread")


@pytest.fixture
def device(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


def recorded(name: str) -> ProbeResult[PowerReading]:
    return linux.collect(Context.recorded(DEVICES / name / "root"))


def meters(result: ProbeResult[PowerReading]) -> dict[Scope, Meter]:
    assert result.value is not None
    return {meter.scope: meter for meter in result.value.meters}


def refusals(result: ProbeResult[PowerReading]) -> dict[str, str]:
    assert result.value is not None
    return {each.source: each.reason for each in result.value.refused}


def published(name: str, file: str) -> str:
    return (DEVICES / name / file).read_text(encoding="utf-8")


# --- recorded devices against what their source printed -------------------------------------------------------------


def test_node_exporters_own_fixtures_give_the_figures_node_exporter_prints() -> None:
    lines = published("node_exporter_fixtures", "published-power.prom").splitlines()
    told = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
    (joules,) = (value for name, value in told.items() if name.startswith("node_rapl_package_joules_total"))
    result = recorded("node_exporter_fixtures")
    (package,) = meters(result)[Scope.CPU].registers
    assert package.microjoules == round(joules * 1e6)
    assert result.value is not None
    assert result.value.battery is not None
    assert result.value.battery.watts == told['node_power_supply_power_watt{power_supply="BAT0"}']
    assert result.value.battery.discharging == (told['node_power_supply_online{power_supply="AC"}'] == 0)


def test_a_core_ultra_is_not_added_up_to_more_than_it_draws() -> None:
    told = json.loads(published("intel_core-ultra-7-265h", "published-power.json"))
    result = recorded("intel_core-ultra-7-265h")
    look = json.loads((DEVICES / "intel_core-ultra-7-265h/root/roadworthy/power.2.json").read_text())

    def watts(meter: Meter) -> float:
        keys = [register.key for register in meter.registers]
        return sum(look["after"][key] - look["before"][key] for key in keys) / 1e6 / look["seconds"]

    assert watts(meters(result)[Scope.CPU]) == pytest.approx(told["package-0"])
    assert watts(meters(result)[Scope.MACHINE]) == pytest.approx(told["psys"])
    assert told["summed by mistake"] not in {round(watts(each), 2) for each in meters(result).values()}
    assert refusals(result)["rapl:package-0 (intel-rapl-mmio:0)"] == (
        "the same package-0 as intel-rapl:0: counted once"
    )


def test_two_dies_that_show_one_counter_are_counted_once() -> None:
    told = json.loads(published("amd_threadripper-1950x", "published-power.json"))
    result = recorded("amd_threadripper-1950x")
    look = json.loads((DEVICES / "amd_threadripper-1950x/root/roadworthy/power.2.json").read_text())
    (die,) = meters(result)[Scope.CPU].registers
    drawn = (look["after"][die.key] - look["before"][die.key]) / 1e6 / look["seconds"]
    assert drawn == told["package-0-die-0"]
    assert "mirrors package-0-die-0" in refusals(result)["rapl:package-0-die-1 (intel-rapl:1)"]
    assert "never added up" in refusals(result)["hwmon:zenpower"]


def test_the_acpi_meter_gives_what_sensors_printed_although_the_processors_counters_are_refused() -> None:
    (watts,) = re.findall(r"power1: +([\d.]+) W", published("server_acpi-power-meter", "published-power.txt"))
    result = recorded("server_acpi-power-meter")
    (register,) = meters(result)[Scope.MACHINE].registers
    assert register.watts == float(watts)
    assert meters(result)[Scope.MACHINE].relative_error == 0.1
    assert [each.microjoules for each in meters(result)[Scope.CPU].registers] == [None, None]
    assert {each.field: (each.status, each.reason) for each in result.missing}["power.cpu"] == (
        Status.ERROR,
        "/sys/class/powercap/intel-rapl:0/energy_uj: Invalid argument",
    )


def test_the_management_controller_gives_what_was_published() -> None:
    (watts,) = re.findall(
        r"Instantaneous power reading +: (\d+)", published("server_dcmi", "published-power.txt")
    )
    (register,) = meters(recorded("server_dcmi"))[Scope.MACHINE].registers
    assert register.watts == float(watts)


def test_two_batteries_and_a_mouse_are_two_batteries() -> None:
    told = re.findall(r"= +(\d+) \[mW\]", published("lenovo_thinkpad-power-bridge", "published-power.txt"))
    result = recorded("lenovo_thinkpad-power-bridge")
    assert result.value is not None
    assert result.value.battery is not None
    assert result.value.battery.watts == pytest.approx(sum(map(int, told)) / 1000)
    assert result.value.battery.source == "power_supply:BAT0+BAT1"


def test_a_missing_right_says_what_opens_the_counter() -> None:
    missing = {each.field: each for each in recorded("lenovo_thinkpad-power-bridge").missing}
    assert missing["power.cpu"].status is Status.NO_PERMISSION
    assert "roadworthy-agent-open" in missing["power.cpu"].reason


@pytest.mark.parametrize(
    ("name", "status"),
    [("docker_container", Status.CONTAINER), ("qemu_q35-no-firmware-times", Status.VIRTUAL_MACHINE)],
)
def test_what_is_not_the_machine_itself_reads_nothing_of_its_host(name: str, status: Status) -> None:
    result = recorded(name)
    assert (result.status, result.value) == (status, PowerReading())


def test_a_machine_without_instruments_says_so_for_processor_and_machine() -> None:
    result = recorded("asrock_770-extreme3")
    assert result.status is Status.NOT_SUPPORTED
    assert {each.field for each in result.missing} == {"power.cpu", "power.machine"}


# --- the choice -----------------------------------------------------------------------------------------------------


def source(kind: str, scope: Scope = Scope.MACHINE, watts: float | None = 10.0) -> Candidate:
    return Candidate(kind, scope, f"{kind}:x", (Register(kind, watts=watts),))


def test_the_first_in_the_order_that_gives_a_figure_is_taken_and_the_others_say_why_not() -> None:
    choice = choose([source("battery"), source("psys"), source("acpi", watts=None)], linux.ORDER)
    assert [meter.source for meter in choice.meters] == ["psys:x"]
    assert {each.source for each in choice.refused} == {"battery:x", "acpi:x"}
    assert all(each.reason for each in choice.refused)


def test_an_unreadable_source_stays_visible_where_nothing_better_is_there() -> None:
    blank = Candidate("rapl", Scope.CPU, "rapl:package-0", (Register("a"),), Status.NO_PERMISSION, "no right")
    choice = choose([blank], linux.ORDER)
    (meter,) = choice.meters
    assert (meter.registers[0].microjoules, meter.registers[0].watts) == (None, None)
    assert (choice.status, choice.reason) == (Status.NO_PERMISSION, "no right")


def test_every_kind_that_is_offered_stands_in_the_order() -> None:
    names = [kind.name for kind in linux.ORDER]
    assert names == ["rapl", "acpi", "dcmi", "chip", "psys", "battery", "gpu"]
    assert all(kind.why for kind in linux.ORDER)


def test_cards_of_two_makers_are_one_scope_together() -> None:
    cards = [source("gpu", Scope.GPU), Candidate("gpu", Scope.GPU, "gpu:y", (Register("other", watts=5.0),))]
    (together,) = linux.joined(cards)
    assert [register.watts for register in together.registers] == [10.0, 5.0]


# --- a live device, its files really opened ---------------------------------------------------------------------------


def test_the_sampler_follows_counters_without_opening_them_anew(device: MadeUp) -> None:
    device.zone("intel-rapl:0", "package-0", 5_000_000)
    sampler = linux.Sampler(device.context())
    seen = []
    for microjoules in (5_000_000, 6_000_000, 7_500_000):
        device.energy("intel-rapl:0", microjoules)
        device.clock.up += 60
        (register,) = meters(sampler.read())[Scope.CPU].registers
        seen.append(register.microjoules)
    sampler.close()
    assert seen == [5_000_000, 6_000_000, 7_500_000]


def test_one_unreadable_file_never_harms_another_source(device: MadeUp) -> None:
    device.zone("intel-rapl:0", "package-0")
    device.zone("intel-rapl:1", "package-1", None)
    (device.root / "sys/class/powercap/intel-rapl:1/energy_uj").mkdir()  # answers "Is a directory"
    device.supply("BAT0", type="Battery", status="Discharging", power_now=7_000_000)
    (device.root / "sys/class/power_supply/BAT0/present").mkdir()
    device.chip(0, "power_meter", power1_average=0)
    result = linux.collect(device.context(sleep=lambda _seconds: None))
    assert [each.microjoules for each in meters(result)[Scope.CPU].registers] == [1_000_000_000, None]
    assert meters(result)[Scope.MACHINE].registers[0].watts == 7.0
    assert result.status is Status.OK
    assert [each.field for each in result.missing] == ["power.cpu"]


def test_a_battery_that_comes_with_a_dock_is_part_of_the_next_sum(device: MadeUp) -> None:
    device.supply("BAT0", type="Battery", status="Discharging", power_now=4_000_000)
    sampler = linux.Sampler(device.context())
    assert meters(sampler.read())[Scope.MACHINE].registers[0].watts == 4.0
    device.supply("BAT1", type="Battery", status="Discharging", power_now=6_000_000)
    device.clock.up += 60
    assert meters(sampler.read())[Scope.MACHINE].registers[0].watts == 10.0
    sampler.close()


def test_a_counter_that_appears_later_is_found_within_a_quarter_of_an_hour(device: MadeUp) -> None:
    sampler = linux.Sampler(device.context())
    assert sampler.read().status is Status.NOT_SUPPORTED
    device.zone("intel-rapl:0", "package-0")
    device.clock.up += linux.RECHOOSE_SECONDS
    assert Scope.CPU in meters(sampler.read())
    sampler.close()


def test_a_kept_file_whose_device_went_away_is_no_zero_and_no_old_value(device: MadeUp) -> None:
    device.chip(0, "power_meter", power1_average=120_000_000)
    sampler = linux.Sampler(device.context())
    assert meters(sampler.read())[Scope.MACHINE].registers[0].watts == 120.0
    device.put("sys/class/hwmon/hwmon0/power1_average", b"")
    device.clock.up += 60
    (register,) = meters(sampler.read())[Scope.MACHINE].registers
    assert (register.watts, register.microjoules) == (None, None)
    sampler.close()


def on_battery(device: MadeUp, watts: float) -> None:
    device.supply("BAT0", type="Battery", status="Discharging", power_now=round(watts * 1e6))


def run_for(device: MadeUp, seconds: float, **watts: float) -> None:
    device.clock.up += seconds
    for name, power_watts in watts.items():
        ident = {"package": "intel-rapl:0", "psys": "intel-rapl:1"}[name]
        file = device.root / f"sys/class/powercap/{ident}/energy_uj"
        device.energy(ident, int(file.read_text()) + round(power_watts * seconds * 1e6))


@pytest.fixture
def laptop(device: MadeUp) -> MadeUp:
    device.zone("intel-rapl:0", "package-0")
    device.zone("intel-rapl:1", "psys")
    return device


def test_psys_is_not_believed_before_a_look(laptop: MadeUp) -> None:
    sampler = linux.Sampler(laptop.context())
    assert Scope.MACHINE not in meters(sampler.read())
    run_for(laptop, 60, package=4.0, psys=9.6)
    assert meters(sampler.read())[Scope.MACHINE].source == "rapl:psys"
    sampler.close()


@pytest.mark.parametrize(
    ("battery", "taken"),
    [
        (6.0, "rapl:psys"),  # 6.66 against 6 W: a Core Ultra 7 265H
        (4.5, "power_supply:BAT0"),
    ],
)
def test_psys_that_is_far_off_the_battery_gives_way_to_it(laptop: MadeUp, battery: float, taken: str) -> None:
    on_battery(laptop, battery)
    sampler = linux.Sampler(laptop.context())
    sampler.read()
    run_for(laptop, 60, package=3.0, psys=6.66)
    assert meters(sampler.read())[Scope.MACHINE].source == taken
    sampler.close()


def test_psys_below_its_package_stays_refused_until_sources_are_chosen_anew(laptop: MadeUp) -> None:
    sampler = linux.Sampler(laptop.context())
    sampler.read()
    run_for(laptop, 60, package=12.0, psys=7.0)
    assert "less than its package" in refusals(sampler.read())["rapl:psys"]
    run_for(laptop, 60, package=5.0, psys=7.0)
    assert Scope.MACHINE not in meters(sampler.read())
    run_for(laptop, linux.RECHOOSE_SECONDS, package=5.0, psys=7.0)
    assert meters(sampler.read())[Scope.MACHINE].source == "rapl:psys"
    sampler.close()


def test_a_sleep_does_not_cost_the_belief_in_psys(laptop: MadeUp) -> None:
    sampler = linux.Sampler(laptop.context())
    sampler.read()
    run_for(laptop, 60, package=4.0, psys=9.6)
    sampler.read()
    laptop.clock.asleep += 3600
    laptop.energy("intel-rapl:0", 5)
    laptop.energy("intel-rapl:1", 7)
    laptop.clock.up += 60
    (register,) = meters(sampler.read())[Scope.MACHINE].registers
    assert register.microjoules == 7
    sampler.close()


def test_looking_once_looks_twice_where_only_that_tells(laptop: MadeUp) -> None:
    def a_second(seconds: float) -> None:
        run_for(laptop, seconds, package=4.0, psys=9.6)

    assert meters(linux.collect(laptop.context(sleep=a_second)))[Scope.MACHINE].source == "rapl:psys"


def test_the_probe_offers_its_sampler_and_runs_guarded(device: MadeUp) -> None:
    sampler = power.sampler(device.context(platform="linux"))
    assert sampler is not None
    assert sampler.read().probe == "power"
    assert run(power, device.context(platform="linux")).status is Status.NOT_SUPPORTED


# --- recording ------------------------------------------------------------------------------------------------------


def test_a_recording_replays_to_what_the_live_device_said(laptop: MadeUp, tmp_path: Path) -> None:
    def a_second(seconds: float) -> None:
        run_for(laptop, seconds, package=4.0, psys=9.6)

    laptop.supply("BAT0", type="Battery", status="Charging", power_now=30_000_000, serial_number="SERIAL-1")
    live = linux.collect(laptop.context(sleep=a_second))
    extra = linux.record(laptop.context(sleep=a_second))
    copy = tmp_path / "copy"
    for pattern in linux.FILES:
        for file in laptop.root.glob(pattern):
            to = copy / file.relative_to(laptop.root)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
    for path, data in extra.items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(data)
    again = linux.collect(Context.recorded(copy))
    assert refusals(again) == refusals(live)
    assert {scope: each.source for scope, each in meters(again).items()} == {
        scope: each.source for scope, each in meters(live).items()
    }
    assert not any(b"SERIAL-1" in file.read_bytes() for file in copy.rglob("*") if file.is_file())


def test_what_a_file_answers_instead_of_a_value_is_recorded(device: MadeUp) -> None:
    device.chip(0, "power_meter")
    (device.root / "sys/class/hwmon/hwmon0/power1_average").symlink_to("/proc/self/mem")  # reads as EIO
    extra = linux.record(device.context(sleep=lambda _seconds: None))
    assert extra == {ERRORS: b"sys/class/hwmon/hwmon0/power1_average EIO\n"}


@contextmanager
def as_an_ordinary_account() -> Iterator[None]:
    """Give up root's rights for a while; other accounts have none to give up."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_counter_only_root_may_read_is_no_permission_until_it_is_opened() -> None:
    with tempfile.TemporaryDirectory() as folder:
        device = MadeUp(Path(folder))
        device.zone("intel-rapl:0", "package-0", 5_000_000)
        device.root.chmod(0o755)
        counter = device.root / "sys/class/powercap/intel-rapl:0/energy_uj"
        counter.chmod(0o000)
        with as_an_ordinary_account():
            sampler = linux.Sampler(device.context())
            closed = sampler.read()
        counter.chmod(0o444)
        with as_an_ordinary_account():
            opened = sampler.read()
        sampler.close()
    assert (closed.status, "roadworthy-agent-open" in (closed.reason or "")) == (Status.NO_PERMISSION, True)
    assert meters(closed)[Scope.CPU].registers[0].microjoules is None
    assert meters(opened)[Scope.CPU].registers[0].microjoules == 5_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="counts this process's descriptors in /proc")
def test_no_descriptor_is_left_by_samples_or_by_what_comes_back_under_another_name(device: MadeUp) -> None:
    device.zone("intel-rapl:0", "package-0")
    sampler = linux.Sampler(device.context(live=True))
    sampler._elsewhere = None  # the machine that runs this test may be a virtual one
    sampler._find(device.clock.monotonic())
    sampler.read()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        folder = f"sys/class/power_supply/DOCK{number}"
        for name, text in {"type": "Battery", "status": "Discharging", "power_now": 5_000_000}.items():
            device.put(f"{folder}/{name}", text)
        for _ in range(50):
            sampler.read()
        shutil.rmtree(device.root / folder)
    sampler.read()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    sampler.close()


def test_errors_of_a_live_device_are_told_apart(device: MadeUp) -> None:
    (device.root / "closed").symlink_to("/proc/self/mem")
    files = Files(Tree(device.root), live=True)
    assert files.read("closed").status is Status.ERROR
    assert files.read("nowhere").status is Status.NOT_SUPPORTED
    device.put(ERRORS, "a EACCES\nb ENODATA\nc EINVAL\nd ENODEV\nnonsense\ne NOTHING\n")
    replayed = Files(Tree(device.root), live=False)
    statuses: dict[str, Any] = {name: replayed.read(name).status for name in "abcd"}
    assert statuses == {
        "a": Status.NO_PERMISSION,
        "b": Status.NO_DATA_YET,
        "c": Status.ERROR,
        "d": Status.NOT_SUPPORTED,
    }
