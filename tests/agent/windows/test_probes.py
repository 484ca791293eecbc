"""What the Windows readers make of devices: as published, and in the corners."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from devices.replay import DEVICES
from devices.windows_builder import (
    battery_information,
    battery_status,
    descriptor,
    emi_measurement,
    emi_metadata_v2,
    extents,
    flag,
    to_json,
)

from roadworthy_agent.probe import Context, ProbeResult, Status, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.os import windows as os_windows
from roadworthy_agent.probes.power import windows as power
from roadworthy_agent.probes.state import windows as state
from roadworthy_agent.probes.storage import windows as storage
from roadworthy_agent.reading import DeviceState, Scope

CURRENT = os_windows.KEY
BIOS = "HKLM\\HARDWARE\\DESCRIPTION\\System\\BIOS"
PHYSICAL = {BIOS: {"SystemManufacturer": "Dell Inc.", "SystemProductName": "Latitude"}}
TICKS = 10_000_000
PAIRS = [
    ("windows-11_dell-latitude-5490", "dell_latitude-5490"),
    ("windows-10-ltsc_dell-optiplex-7440-aio", "dell_optiplex-7440-aio"),
    ("windows-server-2022_vmware-guest", "vmware_centos-7"),
]


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., Context]:
    """Give a maker of recorded machines: registry, and looks of one probe."""

    def make(probe: str, looks: Any, registry: dict[str, Any] | None = None) -> Context:
        place = tmp_path / "roadworthy"
        (place / "windows").mkdir(parents=True, exist_ok=True)
        (place / "platform").write_text("windows\n", "utf-8")
        (place / "registry.json").write_text(to_json(PHYSICAL | (registry or {})), "utf-8")
        (place / f"windows/{probe}.json").write_text(to_json(looks), "utf-8")
        return Context.recorded(tmp_path)

    return make


def facts(folder: str, probe: str) -> ProbeResult[Any]:
    return run(PROBES[probe], Context.recorded(DEVICES / folder / "root"))


@pytest.mark.parametrize(("folder", "linux"), PAIRS)
def test_a_machine_is_the_same_under_windows_as_it_was_published(folder: str, linux: str) -> None:
    published = json.loads((DEVICES / linux / "published-facts.json").read_text("utf-8"))["hardware"]
    found = facts(folder, "hardware").value.facts
    for name in (
        "vendor",
        "model",
        "family",
        "sku",
        "chassis_type",
        "bios_vendor",
        "bios_version",
        "bios_date",
    ):
        assert getattr(found, name) == published.get(name), name
    for name in ("model", "family", "model_number", "stepping"):
        assert getattr(found.cpu, name) == published["cpu"][name], name
    modules = [
        {name: getattr(module, name) for name in each}
        for module, each in zip(found.memory.modules, published["modules"], strict=True)
    ]
    assert modules == published["modules"]


def test_displays_are_those_published_without_where_they_hang() -> None:
    published = json.loads((DEVICES / "dell_latitude-5490/published-facts.json").read_text("utf-8"))[
        "hardware"
    ]
    shown = facts("windows-11_dell-latitude-5490", "hardware").value.facts.monitors
    names = ("vendor", "model", "year", "width_millimetres", "height_millimetres")
    assert {tuple(getattr(each, name) for name in names) for each in shown} == {
        tuple(each[name] for name in names) for each in published["monitors"]
    }


@pytest.mark.parametrize(
    ("folder", "linux", "disk"),
    [(*PAIRS[0], "nvme0n1"), (*PAIRS[1], "sda")],
)
def test_a_disk_tells_the_same_health_under_windows(folder: str, linux: str, disk: str) -> None:
    published = json.loads((DEVICES / linux / "published-facts.json").read_text("utf-8"))["storage"][disk]
    found = facts(folder, "storage").value.disks[0]
    assert {name: getattr(found, name) for name in published} == published


def test_the_battery_holds_what_its_maker_wrote_on_it() -> None:
    (battery,) = facts("windows-11_dell-latitude-5490", "battery").value
    assert (battery.vendor, battery.model, battery.design_watt_hours) == ("SMP", "DELL GD1JP65", 67.99)


def test_a_mirrored_counter_is_counted_once() -> None:
    reading = facts("windows-11_mirrored-package-counters", "power").value
    (meter,) = reading.meters
    assert (meter.scope, len(meter.registers)) == (Scope.CPU, 1)
    assert meter.registers[0].microjoules == 18_000_000 + 68_000_000
    assert "mirrors" in reading.refused[0].reason


# --- os ---


@pytest.mark.parametrize(
    ("product", "build", "edition", "kind", "name", "long_term"),
    [
        ("Windows 10 Pro", "22000", "Professional", "Client", "Windows 11 Pro", False),
        ("Windows 10 Pro", "19045", "Professional", "Client", "Windows 10 Pro", False),
        ("Windows 10 Enterprise", "26100", "EnterpriseS", "Client", "Windows 11 Enterprise LTSC", True),
        ("Windows 10 Enterprise 2016 LTSB", "14393", "EnterpriseS", "Client", "Windows 10 Enterprise 2016 LTSB", True),
        ("Windows 10 Enterprise LTSC 2021", "19044", "EnterpriseSN", "Client", "Windows 10 Enterprise LTSC 2021", True),
        ("Windows Server 2025 Datacenter", "26100", "ServerDatacenter", "Server", "Windows Server 2025 Datacenter", True),
        ("Windows Server Datacenter", "19042", "ServerDatacenterACor", "Server Core", "Windows Server Datacenter", False),
        ("Windows Server 2012 R2 Standard", "9600", "ServerStandard", "Server", "Windows Server 2012 R2 Standard", None),
        ("Windows 7 Professional", "7601", "Professional", "Client", "Windows 7 Professional", False),
    ],
)  # fmt: skip
def test_which_windows_it_is(
    machine: Callable[..., Context], product: str, build: str, edition: str, kind: str, name: str, long_term: bool | None  # noqa: FBT001 - a column
) -> None:  # fmt: skip
    values = {
        "ProductName": product,
        "CurrentBuildNumber": build,
        "EditionID": edition,
        "InstallationType": kind,
    }
    found = run(
        PROBES["os"], machine("os", {"architecture": 12}, {CURRENT: values | {"CurrentVersion": "6.1"}})
    )
    assert found.status is Status.OK
    assert (found.value.name, found.value.long_term) == (name, long_term)
    assert (found.value.version, found.value.architecture) == (f"6.1.{build}", "aarch64")
    assert found.value.installation_type == kind.casefold().replace(" ", "_")


def test_the_build_carries_the_month_s_updates() -> None:
    found = facts("windows-11_dell-latitude-5490", "os").value
    assert (found.build, found.version, found.kernel) == ("22631.3447", "23H2", "10.0.22631")


def test_without_a_build_it_is_an_error(machine: Callable[..., Context]) -> None:
    found = run(PROBES["os"], machine("os", {}))
    assert found.status is Status.ERROR
    assert {each.field for each in found.missing} >= {"os.name", "os.build", "os.architecture"}


# --- hardware ---


def test_a_container_has_the_hardware_of_its_host(machine: Callable[..., Context]) -> None:
    control = {"HKLM\\SYSTEM\\CurrentControlSet\\Control": {"ContainerType": 2}}
    for probe in ("hardware", "storage", "power"):
        assert run(PROBES[probe], machine(probe, {}, control)).status is Status.CONTAINER


def test_without_firmware_tables_the_reason_is_windows_s(machine: Callable[..., Context]) -> None:
    found = run(
        PROBES["hardware"], machine("hardware", {"smbios": {"error": 5, "call": "GetSystemFirmwareTable"}})
    )
    assert found.status is Status.NO_PERMISSION
    assert found.value.facts.environment == "physical"
    assert "hardware.vendor" in {each.field for each in found.missing}


def test_secure_boot_that_windows_does_not_tell_is_not_off(machine: Callable[..., Context]) -> None:
    found = run(PROBES["hardware"], machine("hardware", {"firmware_type": 2}))
    assert found.value.facts.secure_boot is None
    assert found.value.facts.boot_mode == "uefi"
    assert found.value.facts.tpm_version is None


# --- storage ---


def disk(number: int = 0, **values: Any) -> dict[str, Any]:
    bus = values.pop("bus", "sata")
    found = {
        "number": b"\7\0\0\0" + number.to_bytes(4, "little") + bytes(4),
        "device": descriptor({"bus": bus, "product": "A disk", **values.pop("texts", {})}),
        "length": (10**9).to_bytes(8, "little"),
    }
    return found | values


@pytest.mark.parametrize(
    ("values", "medium"),
    [
        ({"seek_penalty": flag(True)}, "hdd"),
        ({"seek_penalty": flag(False)}, "ssd"),
        ({"trim": flag(True)}, "ssd"),
        ({"trim": flag(False)}, "unknown"),
        ({"bus": "usb", "seek_penalty": flag(True)}, "unknown"),
        ({"bus": "usb", "seek_penalty": flag(False)}, "ssd"),
        ({"bus": "raid", "seek_penalty": flag(True)}, "unknown"),
        ({"bus": "nvme", "seek_penalty": flag(True)}, "nvme"),
        ({"bus": "sas", "texts": {"vendor": "Msft", "product": "Virtual Disk"}}, "virtual"),
    ],
)
def test_the_medium_is_said_only_where_it_is_known(
    machine: Callable[..., Context], values: dict[str, Any], medium: str
) -> None:
    looks = {"disks": [disk(**values)], "system_extents": extents(0)}
    found = run(PROBES["storage"], machine("storage", looks))
    (one,) = found.value.disks
    assert one.medium == medium
    assert ("storage.PhysicalDrive0.medium" in {each.field for each in found.missing}) == (
        medium == "unknown"
    )


def test_the_system_may_lie_on_several_disks_or_nobody_knows(machine: Callable[..., Context]) -> None:
    looks = {"disks": [disk(0), disk(1), disk(2)], "system_extents": extents(0, 2)}
    found = run(PROBES["storage"], machine("storage", looks)).value.disks
    assert [each.holds_system for each in found] == [True, False, True]
    found = run(PROBES["storage"], machine("storage", {"disks": [disk(0)], "system_extents": {"error": 5}}))
    assert found.value.disks[0].holds_system is None
    assert "storage.holds_system" in {each.field for each in found.missing}


def test_a_mounted_image_and_an_empty_reader_are_no_disks(machine: Callable[..., Context]) -> None:
    image = bytearray(descriptor({"bus": "sata", "product": "Virtual Disk"}))
    image[28:32] = storage.FILE_BACKED.to_bytes(4, "little")
    reader = {
        "device": descriptor({"bus": "usb", "product": "Reader", "removable": True}),
        "length": bytes(8),
    }
    looks = {"disks": [disk(0) | {"device": bytes(image)}, disk(1) | reader, disk(2)]}
    found = run(PROBES["storage"], machine("storage", looks))
    assert [each.name for each in found.value.disks] == ["PhysicalDrive2"]


def test_a_disk_that_says_it_fails_says_so_without_attributes(machine: Callable[..., Context]) -> None:
    told = disk(bus="sas", predict_failure=b"\1\0\0\0" + bytes(512))
    (one,) = run(PROBES["storage"], machine("storage", {"disks": [told]})).value.disks
    assert (one.failing, one.wear_ratio) == (True, None)


def test_no_disk_list_is_no_empty_device(machine: Callable[..., Context]) -> None:
    found = run(PROBES["storage"], machine("storage", {"disks": {"error": 5, "call": "CM_Get"}}))
    assert (found.status, found.value) == (Status.NO_PERMISSION, None)


# --- battery ---


def test_a_ups_and_an_empty_slot_are_no_batteries(machine: Callable[..., Context]) -> None:
    ups = battery_information(
        {"chemistry": "PbAc", "design": 1, "full": 1, "cycles": 0, "capabilities": 0xA000_0000}
    )
    looks = {"batteries": [{"information": ups}, {"error": 2, "call": "DeviceIoControl"}]}
    found = run(PROBES["battery"], machine("battery", looks))
    assert (found.status, found.value) == (Status.NOT_SUPPORTED, None)
    assert "no battery" in (found.reason or "")


def test_a_battery_that_refuses_is_not_absent(machine: Callable[..., Context]) -> None:
    found = run(PROBES["battery"], machine("battery", {"batteries": [{"error": 5, "call": "CreateFile"}]}))
    assert found.status is Status.NO_PERMISSION


def test_shares_are_no_watt_hours(machine: Callable[..., Context]) -> None:
    told = {"chemistry": "LION", "design": 100, "full": 80, "cycles": 9, "capabilities": 0xC000_0000}
    found = run(
        PROBES["battery"], machine("battery", {"batteries": [{"information": battery_information(told)}]})
    )
    (battery,) = found.value
    assert (battery.design_watt_hours, battery.full_watt_hours, battery.health_ratio) == (None, None, None)
    assert any("shares" in each.reason for each in found.missing)


# --- power ---


def look(
    figures: list[list[int]], names: list[str], *, batteries: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    meter = {
        "path": "m",
        "version": 2,
        "metadata": emi_metadata_v2(names),
        "measurement": emi_measurement(figures),
    }
    return {"meters": [meter], "batteries": batteries or []}


def joules(amount: float) -> int:
    return round(amount / 3.6e-9)


def battery(number: int, power_state: int, rate: int) -> dict[str, Any]:
    told = {"chemistry": "LION", "design": 50000, "full": 40000, "cycles": 5}
    return {
        "path": f"b{number}", "information": battery_information(told), "status": battery_status(power_state, rate),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("system", "believed"), [(15.0, True), (3.0, False), (0.0, False)], ids=["plausible", "below", "still"]
)
def test_the_machine_s_channel_is_taken_only_when_it_holds_its_package(
    machine: Callable[..., Context], system: float, believed: bool  # noqa: FBT001 - a column
) -> None:  # fmt: skip
    names = ["RAPL_Package0_PKG", "PSYS"]
    looks = [
        look([[joules(9), 0], [joules(5), 0]], names),
        look([[joules(19), 10**7], [joules(5 + system), 10**7]], names),
    ]
    reading = run(PROBES["power"], machine("power", looks)).value
    assert (Scope.MACHINE in {meter.scope for meter in reading.meters}) == believed
    assert believed or any(each.scope is Scope.MACHINE for each in reading.refused)


@pytest.mark.parametrize(
    ("states", "discharging", "watts"),
    [
        ([(2, -11240)], True, 11.24),
        ([(2, -11240), (0, 0)], True, 11.24),
        ([(2, -6000), (2, -5000)], True, 11.0),
        ([(2, -(2**31))], True, None),
        ([(2, -6000), (2, -(2**31))], True, None),
        ([(5, 20000)], False, None),
        ([(1, 0)], False, None),
        ([(3, -500)], False, None),  # on the mains: a part of the draw, not all of it
    ],
)
def test_batteries_are_the_whole_draw_or_nothing(
    machine: Callable[..., Context], states: list[tuple[int, int]], discharging: bool, watts: float | None  # noqa: FBT001 - a column
) -> None:  # fmt: skip
    rows = [battery(number, *each) for number, each in enumerate(states)]
    flow = run(PROBES["power"], machine("power", look([], [], batteries=rows))).value.battery
    assert flow.discharging is discharging
    assert flow.watts == (None if watts is None else pytest.approx(watts))


def test_a_counter_that_cannot_be_read_is_a_blank_and_no_zero(machine: Callable[..., Context]) -> None:
    names = ["RAPL_Package0_PKG"]
    later = look([], names)
    later["meters"][0]["measurement"] = {"error": 31, "call": "DeviceIoControl"}
    reading = run(PROBES["power"], machine("power", [look([[joules(9), 0]], names), later])).value
    (meter,) = reading.meters
    assert meter.registers[0].microjoules is None


def test_channels_nobody_described_are_named_and_refused(machine: Callable[..., Context]) -> None:
    found = run(PROBES["power"], machine("power", look([[1, 1]], ["CPU_CLUSTER_0"])))
    (refused,) = found.value.refused
    assert refused.source == "emi:CPU_CLUSTER_0"
    assert found.value.meters == ()


def test_a_sampler_reads_on_and_keeps_its_keys(machine: Callable[..., Context]) -> None:
    names = ["RAPL_Package0_PKG", "RAPL_Package1_PKG"]
    looks = [
        look([[joules(at), at * 10**7], [joules(100 + 2 * at), at * 10**7]], names) for at in range(1, 6)
    ]
    sampler = power.Sampler(machine("power", looks))
    seen = [sampler.read().value for _ in range(4)]
    keys = {tuple(register.key for register in reading.meters[0].registers) for reading in seen if reading}
    assert keys == {("emi:RAPL_Package0_PKG", "emi:RAPL_Package1_PKG")}
    sums = [sum(each.microjoules or 0 for each in reading.meters[0].registers) for reading in seen if reading]
    assert [later - sooner for sooner, later in pairwise(sums)] == pytest.approx([3_000_000] * 3, abs=2)


class Watch:
    """A clock that is set by hand."""

    now = 0.0

    def boot_id(self) -> str:
        return "b"

    def boottime(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


def test_meters_that_come_after_the_agent_are_found(machine: Callable[..., Context]) -> None:
    names = ["RAPL_Package0_PKG"]
    watch = Watch()
    nothing: dict[str, Any] = {"meters": [], "batteries": []}
    context = replace(machine("power", [nothing, nothing, look([[joules(9), 0]], names)]), clock=watch)
    sampler = power.Sampler(context)
    assert sampler.read().status is Status.NOT_SUPPORTED
    watch.now = 901.0
    found = sampler.read()
    assert found.status is Status.OK
    assert found.source == "emi:RAPL_Package0_PKG"


# --- state ---


def session(
    number: int = 1, *, state: int = 0, flags: int = 1, idle: float | None = 0, now: float = 1e9, **more: Any
) -> dict[str, Any]:
    last = 0 if idle is None else round((now - idle) * TICKS)
    return {
        "session": number, "state": state, "flags": flags, "signed_in": True, "last_input": last,
        "now": round(now * TICKS), **more,
    }  # fmt: skip


def at_console(*sessions: dict[str, Any]) -> dict[str, Any]:
    return {"console": 1, "sessions": list(sessions)}


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([session()], DeviceState.IN_USE),
        ([session(flags=0)], DeviceState.LOCKED),
        ([session(flags=-1)], DeviceState.UNOBSERVED),
        ([session(state=1, signed_in=False, flags=-1)], DeviceState.IDLE),
        ([session(state=4)], DeviceState.IDLE),
        ([session(flags=0), session(2)], DeviceState.IN_USE),
        ([session(flags=0), session(2, idle=400)], DeviceState.LOCKED),
        ([session(2, idle=299)], DeviceState.IN_USE),
        ([session(2, idle=300)], DeviceState.IDLE),
        ([session(idle=400)], DeviceState.IN_USE),  # at the console an age of input is not believed at once
        ([session(0)], DeviceState.IDLE),  # the session of services is nobody's
        ([], DeviceState.IDLE),
    ],
)
def test_the_busiest_session_counts(
    machine: Callable[..., Context], sessions: list[dict[str, Any]], expected: DeviceState
) -> None:
    assert run(PROBES["state"], machine("state", at_console(*sessions))).value.state is expected


def test_windows_7_says_lock_for_unlock(machine: Callable[..., Context]) -> None:
    values = {CURRENT: {"CurrentBuildNumber": "7601"}}
    unlocked = run(PROBES["state"], machine("state", at_console(session(flags=0)), values))
    locked = run(PROBES["state"], machine("state", at_console(session(flags=1)), values))
    assert (unlocked.value.state, locked.value.state) == (DeviceState.IN_USE, DeviceState.LOCKED)


def test_a_server_nobody_is_signed_in_to_is_not_idle(machine: Callable[..., Context]) -> None:
    values = {CURRENT: {"CurrentBuildNumber": "20348", "InstallationType": "Server"}}
    found = run(PROBES["state"], machine("state", at_console(), values))
    assert found.value.state is DeviceState.UNOBSERVED


def test_the_console_s_time_of_input_is_believed_once_it_stood_and_moved(
    machine: Callable[..., Context],
) -> None:
    looks = [
        at_console(session(now=1000, idle=400)),  # stands: it may be stuck
        at_console(session(now=1060, idle=10)),  # moved on: somebody typed, so the time is kept up
        at_console(session(now=1120, idle=70)),
        at_console(session(now=1400, idle=350)),
        at_console(session(now=1460, idle=0)),
    ]
    sampler = state.Sampler(machine("state", looks))
    seen = [reading.state for _ in looks if (reading := sampler.read().value) is not None]
    busy, idle = DeviceState.IN_USE, DeviceState.IDLE
    assert seen == [busy, busy, busy, idle, busy]


def test_a_console_whose_time_of_input_is_always_now_is_never_called_idle(
    machine: Callable[..., Context],
) -> None:
    sampler = state.Sampler(machine("state", [at_console(session(now=1000 + 600 * at)) for at in range(6)]))
    readings = [sampler.read().value for _ in range(6)]
    assert {reading.state for reading in readings if reading} == {DeviceState.IN_USE}
    assert all("lock state only" in reading.source for reading in readings if reading)


def test_sessions_that_cannot_be_listed_are_unobserved_by_status(machine: Callable[..., Context]) -> None:
    found = run(PROBES["state"], machine("state", {"sessions": {"error": 5, "call": "WTSEnumerateSessions"}}))
    assert (found.status, found.value) == (Status.NO_PERMISSION, None)


# --- utilisation ---


def test_interrupts_are_part_of_the_kernel_s_time(machine: Callable[..., Context]) -> None:
    def at(user: float, system: float, idle: float, interrupt: float) -> dict[str, Any]:
        seconds = {"user": user, "system": system, "idle": idle, "interrupt": interrupt, "dpc": interrupt}
        return {"cpu_seconds": seconds, "memory": {"total": 1000, "available": 250}}

    found = run(PROBES["utilisation"], machine("utilisation", [at(0, 0, 0, 0), at(1, 1, 8, 1)]))
    assert (found.value.cpu_ratio, found.value.memory_ratio) == (0.2, 0.75)


def test_one_look_is_no_use(machine: Callable[..., Context]) -> None:
    found = run(PROBES["utilisation"], machine("utilisation", {"memory": {"total": 4, "available": 1}}))
    assert (found.status, found.value.cpu_ratio) == (Status.NO_DATA_YET, None)


# --- NVIDIA ---


@pytest.mark.parametrize(
    ("device", "refused"),
    [
        ("PCI\\VEN_10DE&DEV_1EB1", True),
        ("pci\\ven_10de&dev_2484&subsys_8779103c", True),
        ("PCI\\VEN_8086&DEV_5917", False),
    ],
)
def test_nvidias_library_is_refused_by_name_where_a_card_is(
    machine: Callable[..., Context], device: str, refused: bool  # noqa: FBT001 - a column
) -> None:  # fmt: skip
    context = machine(
        "power", {"meters": [], "batteries": []}, {f"{power.ADAPTERS}\\0000": {"MatchingDeviceId": device}}
    )
    found = power.collect(replace(context, sleep=lambda _seconds: None))
    assert found.value is not None
    reasons = {each.source: each.reason for each in found.value.refused if each.scope is Scope.GPU}
    assert set(reasons) == ({"nvml.dll"} if refused else set())
    assert all("NVIDIA's library is not asked on Windows" in reason for reason in reasons.values())
    written = power.record(replace(context, sleep=lambda _seconds: None))[
        "roadworthy/registry/power.json"
    ].decode()
    assert ("MatchingDeviceId" in written) is True


def test_an_adapter_of_nvidia_is_read_back_from_a_recording(
    machine: Callable[..., Context], tmp_path: Path
) -> None:
    adapters = {
        f"{power.ADAPTERS}\\0001": {"MatchingDeviceId": "pci\\ven_10de&dev_2484"},
        f"{power.ADAPTERS}\\Properties": {},
    }
    context = replace(
        machine("power", {"meters": [], "batteries": []}, adapters), sleep=lambda _seconds: None
    )
    again = tmp_path / "again"
    (again / "roadworthy").mkdir(parents=True)
    (again / "roadworthy/platform").write_text("windows\n")
    for path, content in power.record(context).items():
        (again / path).parent.mkdir(parents=True, exist_ok=True)
        (again / path).write_bytes(content)
    found = power.collect(replace(Context.recorded(again), sleep=lambda _seconds: None))
    assert found.value is not None
    assert "nvml.dll" in {each.source for each in found.value.refused}
