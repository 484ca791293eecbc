"""Energy of NVIDIA graphics cards through the library their driver brings, libnvidia-ml.so.1 (NVML).

Source: https://docs.nvidia.com/deploy/nvml-api/. The library is loaded only where the driver is, attaches to no card
by itself (NVML_INIT_FLAG_NO_ATTACH), and a card that sleeps is not asked, because asking would wake it: its PCI
device's power/runtime_status says so first. A card that may sleep is let go again after each reading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from roadworthy_agent.probes.power.choose import Candidate
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.power.hwmon import ASLEEP, MOST_GPU_WATTS
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.reading import Register, Scope, Status

DRIVER = "proc/driver/nvidia"
CONTROL = "dev/nvidiactl"
CARDS = "proc/driver/nvidia/gpus"
PCI = "sys/bus/pci/devices"
RECORDED = "roadworthy/nvml.json"
LIBRARY = "libnvidia-ml.so.1"
MOST_CARDS = 64

# "On Fermi and Kepler GPUs the reading is accurate to within +/- 5%"; NVIDIA states nothing for newer ones.
# https://docs.nvidia.com/deploy/nvml-api/, nvmlDeviceGetPowerUsage
RELATIVE_ERROR = 0.05

SUCCESS, NOT_SUPPORTED, NO_PERMISSION, NOT_LOADED = 0, 3, 4, 9
NO_ATTACH = 2
WORDS = {
    NOT_SUPPORTED: "this card does not tell its power",
    NO_PERMISSION: "no right to ask the driver",
    NOT_LOADED: "the NVIDIA driver is not loaded, or its devices are hidden from this service",
    15: "the card is lost: it has fallen off the bus",
    18: "driver and library are of different versions",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One card: its PCI address, and its counter in milli-joules, or its draw in milli-watts where it has none."""

    address: str
    millijoules: int | None = None
    milliwatts: int | None = None
    asleep: bool = False
    code: int = SUCCESS  # why there is no figure


def here(tree: Tree) -> bool:
    """Tell whether NVIDIA's driver is there."""
    return tree.exists(DRIVER) or tree.exists(CONTROL)


def addresses(tree: Tree) -> list[str]:
    """Return the PCI addresses of the cards the driver runs, such as 0000:01:00.0."""
    return tree.names(CARDS)[:MOST_CARDS]


def asleep(files: Files, address: str) -> bool:
    """Tell whether a card sleeps, without touching it."""
    return files.text(f"{PCI}/{address}/power/runtime_status") == "suspended"


def may_sleep(files: Files, address: str) -> bool:
    """Tell whether the kernel may put a card to sleep when nobody uses it."""
    return files.text(f"{PCI}/{address}/power/control") == "auto"


class Driver:
    """The library, asked for one card at a time. `load` is ctypes.CDLL on a live device."""

    def __init__(self, load: Callable[[str], Any] | None = None) -> None:
        self._load = load
        self._library: Any = None

    def read(self, files: Files) -> list[Card]:
        """Return every card; never raises for what the driver cannot tell."""
        found, restless = [], False
        for address in addresses(files.tree):
            if asleep(files, address):
                found.append(Card(address, asleep=True))
                continue
            restless = restless or may_sleep(files, address)
            found.append(self._ask(address))
        if restless:
            self.close()
        return found

    def close(self) -> None:
        """Let go of the cards, so that they may sleep."""
        if self._library is not None:
            self._library.nvmlShutdown()
            self._library = None

    def _ask(self, address: str) -> Card:
        import ctypes

        code = self._begin(ctypes.CDLL)
        if code != SUCCESS:
            return Card(address, code=code)
        handle = ctypes.c_void_p()
        try:
            code = self._library.nvmlDeviceGetHandleByPciBusId_v2(address.encode(), ctypes.byref(handle))
            if code != SUCCESS:
                return Card(address, code=code)
            energy = ctypes.c_ulonglong()
            code = self._library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(energy))
            if code == SUCCESS:
                return Card(address, millijoules=energy.value)
            power = ctypes.c_uint()
            code = self._library.nvmlDeviceGetPowerUsage(handle, ctypes.byref(power))
        except AttributeError:  # a library older than these calls
            return Card(address, code=NOT_SUPPORTED)
        return Card(address, milliwatts=power.value) if code == SUCCESS else Card(address, code=code)

    def _begin(self, usual: Callable[[str], Any]) -> int:
        if self._library is not None:
            return SUCCESS
        try:
            library = (self._load or usual)(LIBRARY)
            code: int = library.nvmlInitWithFlags(NO_ATTACH)
        except (OSError, AttributeError):
            return NOT_LOADED
        if code == SUCCESS:
            self._library = library
        return code


def to_json(cards: list[Card]) -> bytes:
    """Return cards as they are kept in a recorded tree."""
    rows = [
        {"address": each.address, "millijoules": each.millijoules, "milliwatts": each.milliwatts,
         "asleep": each.asleep, "code": each.code}
        for each in cards
    ]  # fmt: skip
    return json.dumps({"cards": rows}, indent=1).encode() + b"\n"


def parse(text: str) -> list[Card]:
    """Return the cards of a recorded tree; what is not understood is left out."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return []
    rows = told.get("cards") if isinstance(told, Mapping) else None
    return [
        Card(str(row.get("address")), _whole(row.get("millijoules")), _whole(row.get("milliwatts")),
             row.get("asleep") is True, _whole(row.get("code")) or SUCCESS)
        for row in (rows if isinstance(rows, list) else [])[:MOST_CARDS]
        if isinstance(row, Mapping)
    ]  # fmt: skip


def _whole(value: Any) -> int | None:
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return value if sound else None


def offers(cards: list[Card]) -> list[Candidate]:
    """Return each card as a candidate for the graphics scope; pure."""
    return [_offer(each) for each in cards]


def _offer(card: Card) -> Candidate:
    key = f"nvml:{card.address}"
    watts = None if card.milliwatts is None else card.milliwatts / 1e3
    register = Register(
        key,
        microjoules=None if card.millijoules is None else card.millijoules * 1000,
        watts=watts if watts is not None and watts <= MOST_GPU_WATTS and card.millijoules is None else None,
        most_watts=MOST_GPU_WATTS,
    )
    status, reason = Status.OK, None
    if card.asleep:
        status, reason = Status.NO_DATA_YET, f"{card.address}: {ASLEEP}"
    elif register.microjoules is None and register.watts is None:
        known = {NOT_SUPPORTED: Status.NOT_SUPPORTED, NO_PERMISSION: Status.NO_PERMISSION}
        status = known.get(card.code, Status.ERROR)
        reason = f"{card.address}: {WORDS.get(card.code, f'NVML answered with code {card.code}')}"
    return Candidate("gpu", Scope.GPU, key, (register,), status, reason, RELATIVE_ERROR)
