"""NVML: the energy counter before the momentary power, and no sleeping card is woken.

The library itself comes with NVIDIA's driver and is not here; a stand-in with its functions and codes is asked through
the same ctypes calls.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from agent.probes.power_devices import MadeUp
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.power import nvml
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.power.nvml import Card
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.reading import Status

CARD = "0000:01:00.0"


class Library:
    """What libnvidia-ml.so.1 offers, with the given answers."""

    def __init__(
        self, energy: int | None = 123_456, power: int | None = 30_000, init: int = 0, handle: int = 0
    ) -> None:
        self.energy, self.power, self.init, self.handle = energy, power, init, handle
        self.calls: list[str] = []

    def nvmlInitWithFlags(self, flags: int) -> int:  # noqa: N802 - NVML's name
        self.calls.append(f"init {flags}")
        return self.init

    def nvmlShutdown(self) -> int:  # noqa: N802 - NVML's name
        self.calls.append("shutdown")
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, address: bytes, _handle: Any) -> int:  # noqa: N802 - NVML's name
        self.calls.append(f"handle {address.decode()}")
        return self.handle

    def nvmlDeviceGetTotalEnergyConsumption(self, _handle: Any, out: Any) -> int:  # noqa: N802 - NVML's name
        return self._answer(self.energy, out)

    def nvmlDeviceGetPowerUsage(self, _handle: Any, out: Any) -> int:  # noqa: N802 - NVML's name
        return self._answer(self.power, out)

    @staticmethod
    def _answer(value: int | None, out: Any) -> int:
        if value is None:
            return nvml.NOT_SUPPORTED
        out._obj.value = value
        return 0


@pytest.fixture
def device(tmp_path: Path) -> MadeUp:
    made = MadeUp(tmp_path)
    (tmp_path / f"proc/driver/nvidia/gpus/{CARD}").mkdir(parents=True)
    return made


def read(device: MadeUp, library: Library) -> list[Card]:
    return nvml.Driver(lambda _name: library).read(Files(Tree(device.root), live=True))


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a PCI address is no folder name there")


def test_the_counter_comes_before_the_momentary_power(device: MadeUp) -> None:
    library = Library()
    assert read(device, library) == [Card(CARD, millijoules=123_456)]
    (offer,) = nvml.offers(read(device, library))
    assert offer.registers[0].microjoules == 123_456_000
    assert offer.registers[0].watts is None


def test_an_older_card_gives_its_momentary_power(device: MadeUp) -> None:
    (offer,) = nvml.offers(read(device, Library(energy=None)))
    assert (offer.registers[0].microjoules, offer.registers[0].watts) == (None, 30.0)


def test_a_sleeping_card_is_not_asked_and_the_library_not_even_loaded(device: MadeUp) -> None:
    device.put(f"sys/bus/pci/devices/{CARD}/power/runtime_status", "suspended")
    library = Library()
    assert read(device, library) == [Card(CARD, asleep=True)]
    assert library.calls == []
    (offer,) = nvml.offers([Card(CARD, asleep=True)])
    assert (offer.readable, offer.status) == (False, Status.NO_DATA_YET)


@pytest.mark.parametrize(("control", "last"), [("auto", "shutdown"), ("on", f"handle {CARD}")])
def test_a_card_that_may_sleep_is_let_go_after_each_reading(device: MadeUp, control: str, last: str) -> None:
    device.put(f"sys/bus/pci/devices/{CARD}/power/runtime_status", "active")
    device.put(f"sys/bus/pci/devices/{CARD}/power/control", control)
    library = Library()
    read(device, library)
    assert library.calls == ["init 2", f"handle {CARD}", *(["shutdown"] if last == "shutdown" else [])]


@pytest.mark.parametrize(
    ("library", "status"),
    [
        (Library(energy=None, power=None), Status.NOT_SUPPORTED),
        (Library(init=9), Status.ERROR),
        (Library(handle=4), Status.NO_PERMISSION),
        (Library(handle=15), Status.ERROR),
    ],
)
def test_a_card_without_a_figure_says_why_and_is_no_zero(
    device: MadeUp, library: Library, status: Status
) -> None:
    (offer,) = nvml.offers(read(device, library))
    assert (offer.readable, offer.status) == (False, status)
    assert offer.reason


def test_a_machine_without_the_library_says_so(device: MadeUp) -> None:
    def load(_name: str) -> Any:
        raise OSError("cannot open shared object file")

    (card,) = nvml.Driver(load).read(Files(Tree(device.root), live=True))
    assert card.code == nvml.NOT_LOADED


def test_a_library_without_the_functions_says_so(device: MadeUp) -> None:
    (card,) = nvml.Driver(lambda _name: object()).read(Files(Tree(device.root), live=True))
    assert card.code == nvml.NOT_LOADED


def test_cards_survive_being_recorded() -> None:
    cards = [Card(CARD, millijoules=5), Card("b", milliwatts=7), Card("c", asleep=True), Card("d", code=4)]
    assert nvml.parse(nvml.to_json(cards).decode()) == cards


@given(st.text(max_size=200) | st.builds(lambda rows: f'{{"cards": {rows}}}', st.text(max_size=60)))
def test_no_recording_of_any_text_raises(text: str) -> None:
    for offer in nvml.offers(nvml.parse(text)):
        assert offer.readable or offer.reason


def test_a_recording_of_nonsense_gives_no_figures() -> None:
    text = '{"cards": [{"address": 5, "millijoules": -1, "milliwatts": true}, "x", null]}'
    (card,) = nvml.parse(text)
    assert card == Card("5")
