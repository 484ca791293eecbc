"""How worn batteries are: energy and charge apart, and every way a battery can be wrong about itself."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.facts import Battery
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status
from roadworthy_agent.probes import battery
from roadworthy_agent.probes.battery import linux
from roadworthy_agent.probes.battery.parse import BatteryTexts, clean
from roadworthy_agent.probes.battery.parse import battery as parse
from roadworthy_agent.probes.tree import Content, Tree
from roadworthy_agent.report import to_wire

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs/wire/report-v1.schema.json").read_text(encoding="utf-8")
)
ONE = SCHEMA["$defs"]["facts"]["properties"]["battery"]["items"]
VALIDATOR = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"]} | ONE)

# LNV-45N1 of prometheus/node_exporter, collector/fixtures/sys.ttar (Apache-2.0)
THINKPAD: dict[str, str | bytes] = {
    "type": "Battery", "present": "1", "energy_full": "50060000", "energy_full_design": "47520000",
    "cycle_count": "0", "technology": "Li-ion", "manufacturer": "LGC", "model_name": b"LNV-45N1\x80\x80\n",
    "serial_number": "38109",
}  # fmt: skip


def machine(root: Path, **supplies: dict[str, str | bytes]) -> Context:
    for name, files in supplies.items():
        folder = root / "sys/class/power_supply" / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
    return Context.recorded(root)


def look(context: Context) -> tuple[ProbeResult[Any], dict[str, Status]]:
    result: ProbeResult[Any] = battery.collect(context)
    return result, {each.field: each.status for each in result.missing}


def test_a_real_thinkpad_battery_that_holds_more_than_its_design(tmp_path: Path) -> None:
    result, missing = look(machine(tmp_path, BAT0=THINKPAD))
    (found,) = result.value
    assert found == Battery(
        "BAT0", "LGC", "LNV-45N1", "Li-ion", design_watt_hours=47.52, full_watt_hours=50.06,
        health_ratio=1.0535, cycles=0, source="/sys/class/power_supply/BAT0",
    )  # fmt: skip
    assert (result.status, missing) == (Status.OK, {})
    assert "38109" not in repr(result)


def test_charge_is_told_in_ampere_hours_and_never_mixed_with_energy(tmp_path: Path) -> None:
    charge = {
        "type": "Battery",
        "charge_full": "3150000",
        "charge_full_design": "4500000",
        "cycle_count": "412",
    }
    mixed = {"type": "Battery", "energy_full": "30000000", "charge_full_design": "4500000"}
    result, missing = look(machine(tmp_path, BAT0=charge, BAT1=mixed))
    first, second = result.value
    assert (first.design_ampere_hours, first.full_ampere_hours, first.health_ratio) == (4.5, 3.15, 0.7)
    assert (first.design_watt_hours, first.full_watt_hours, first.cycles) == (None, None, 412)
    assert (second.full_watt_hours, second.design_ampere_hours, second.health_ratio) == (30.0, None, None)
    assert missing["battery.BAT1.design_watt_hours"] is Status.NOT_SUPPORTED


def test_a_whole_pair_of_charge_wins_over_half_a_pair_of_energy() -> None:
    texts = BatteryTexts("B", energy_full=30_000_000, charge_full=3_000_000, charge_full_design=4_000_000)
    found, _ = parse(texts, "s")
    assert (found.full_watt_hours, found.full_ampere_hours, found.health_ratio) == (None, 3.0, 0.75)


def test_two_batteries_are_two(tmp_path: Path) -> None:
    result, _ = look(machine(tmp_path, BAT0=THINKPAD, BAT1=THINKPAD | {"model_name": "45N1127"}))
    assert [each.model for each in result.value] == ["LNV-45N1", "45N1127"]


def test_what_is_no_battery_of_this_device(tmp_path: Path) -> None:
    context = machine(
        tmp_path,
        AC={"type": "Mains"},
        BAT1=THINKPAD | {"present": "0"},
        hidpp_battery_0=THINKPAD | {"scope": "Device"},
        sony_controller_battery_00=THINKPAD,
        ucsi={"type": "USB"},
    )
    (tmp_path / "sys/class/power_supply/sony_controller_battery_00").rename(
        tmp_path / "sys/class/power_supply/sony_controller_battery_00.19.c1.aa.bb.cc"
    )
    (tmp_path / "roadworthy").mkdir()
    assert look(context)[0].value == ()


def test_a_mouse_whose_driver_forgot_its_scope_is_known_by_where_it_hangs(tmp_path: Path) -> None:
    context = machine(tmp_path, mouse=THINKPAD)
    (tmp_path / "roadworthy").mkdir()
    place = "../../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.2/0003:046D:C52B.0004/power_supply/mouse"
    (tmp_path / "roadworthy/links").write_text(f"sys/class/power_supply/mouse {place}\n")
    assert look(context)[0].value == ()


def test_a_desktop_has_no_battery_and_that_is_an_answer(tmp_path: Path) -> None:
    result, missing = look(machine(tmp_path, AC={"type": "Mains", "online": "1"}))
    assert (result.status, result.value, missing) == (Status.OK, (), {})


def test_without_the_kernels_folder_it_is_not_known(tmp_path: Path) -> None:
    result, _ = look(Context.recorded(tmp_path))
    assert (result.status, result.value) == (Status.NOT_SUPPORTED, None)
    assert result.reason


def test_a_container_and_a_virtual_machine_do_not_take_their_hosts(tmp_path: Path) -> None:
    context = machine(tmp_path, BAT0=THINKPAD)
    ids = tmp_path / "sys/class/dmi/id"
    ids.mkdir(parents=True)
    (ids / "sys_vendor").write_text("QEMU\n")
    assert look(context)[0].status is Status.VIRTUAL_MACHINE
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/container").write_text("lxc\n")
    result, _ = look(context)
    assert (result.status, result.value) == (Status.CONTAINER, None)


@pytest.mark.parametrize(
    ("changes", "field", "status"),
    [
        ({"energy_full_design": "0"}, "design_watt_hours", Status.ERROR),
        ({"energy_full": "-1000"}, "full_watt_hours", Status.ERROR),
        ({"energy_full": "99999999999999"}, "full_watt_hours", Status.ERROR),
        ({"energy_full": "unknown"}, "full_watt_hours", Status.ERROR),
        ({"energy_full": "900000000"}, "health_ratio", Status.ERROR),
        ({"cycle_count": "-5"}, "cycles", Status.ERROR),
        ({"cycle_count": "0", "energy_full": "20000000"}, "cycles", Status.NOT_SUPPORTED),
    ],
)
def test_what_cannot_be_is_missing_with_its_reason(
    tmp_path: Path, changes: dict[str, str | bytes], field: str, status: Status
) -> None:
    result, missing = look(machine(tmp_path, BAT0=THINKPAD | changes))
    (found,) = result.value
    assert getattr(found, field) is None
    assert missing[f"battery.BAT0.{field}"] is status
    assert found.model == "LNV-45N1"


class Flaky(Tree):
    """A tree in which one file answers as a driver that lost its device."""

    def read(self, path: str, limit: int = 1 << 20) -> Content:
        if path.endswith("/energy_full"):
            return Content(
                path, None, Status.ERROR, f"/{path}: {OSError(errno.ENODEV, 'No such device').strerror}"
            )
        return super().read(path, limit)


def test_one_attribute_that_answers_enodev_does_not_hide_the_others(tmp_path: Path) -> None:
    machine(tmp_path, BAT0=THINKPAD)
    found, missing = parse(linux.read_battery(Flaky(tmp_path), "BAT0"), "s")
    assert (found.design_watt_hours, found.full_watt_hours, found.model) == (47.52, None, "LNV-45N1")
    assert (
        Missing(
            "battery.BAT0.full_watt_hours",
            Status.ERROR,
            "/sys/class/power_supply/BAT0/energy_full: No such device",
        )
        in missing
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("LNV-45N1\ufffd\ufffd", "LNV-45N1"),
        ("\x07DELL\x1b", "DELL"),
        ("Default string", None),
        ("  ", None),
        (None, None),
    ],
)
def test_stray_bytes_are_taken_out_of_names(text: str | None, kept: str | None) -> None:
    assert clean(text) == kept


numbers = st.none() | st.integers(-(1 << 70), 1 << 70) | st.integers(0, 100_000_000)


@given(
    st.builds(
        BatteryTexts,
        name=st.just("BAT0"),
        vendor=st.none() | st.text(max_size=300),
        model=st.none() | st.text(max_size=300),
        technology=st.none() | st.text(max_size=20),
        energy_full=numbers,
        energy_full_design=numbers,
        charge_full=numbers,
        charge_full_design=numbers,
        cycles=numbers,
        faults=st.just({}),
    )
)
def test_whatever_a_battery_says_fits_the_wire_and_is_of_one_quantity(texts: BatteryTexts) -> None:
    found, missing = parse(texts, "s")
    VALIDATOR.validate(to_wire(found))
    energy = (found.design_watt_hours, found.full_watt_hours)
    charge = (found.design_ampere_hours, found.full_ampere_hours)
    assert energy == (None, None) or charge == (None, None)
    if found.health_ratio is None:
        assert any(each.field.startswith("battery.BAT0.") for each in missing)
    assert all(each.reason and each.status is not Status.OK for each in missing)


@given(st.dictionaries(st.sampled_from(sorted(THINKPAD)), st.binary(max_size=80)))
def test_any_files_are_survived(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    root = tmp_path_factory.mktemp("battery")
    result = battery.collect(machine(root, BAT0=files | {"type": b"Battery"}))
    assert result.status is Status.OK
    for each in result.value:
        VALIDATOR.validate(to_wire(each))


def test_a_recording_holds_where_supplies_lead_but_no_address(tmp_path: Path) -> None:
    context = machine(tmp_path, BAT0=THINKPAD)
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / "roadworthy/links").write_text("sys/class/power_supply/BAT0 ../../devices/PNP0C0A:00/BAT0\n")
    assert linux.record(context) == {
        "roadworthy/links": b"sys/class/power_supply/BAT0 ../../devices/PNP0C0A:00/BAT0\n"
    }
    assert not any("serial" in pattern for pattern in linux.FILES)
