"""The devices of the simulated estate that run no agent: what they are, what they draw, and what a poll finds.

Every figure follows from the time: power runs in gentle waves, and registers hold its integral. Addresses are those
of documentation (RFC 5737), makers and models invented.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.generate import watts
from roadworthy_collector.demo.patterns import DAY, HOUR
from roadworthy_collector.snmp.readings import (
    DeviceAnswer,
    DeviceKind,
    Identity,
    Kind,
    Place,
    Quality,
    Reading,
    Refusal,
)

OUTLETS, UNMETERED, CONTROLLED = 6, 6, 2  # servers on the metered PDU, on the other, and with a controller
_SERVER_LOAD = 0.12  # of the processors, on an ordinary day
_SUPPLY = 1.08  # what a server takes at the wall against what it says of itself
_RIPPLE_SECONDS, _RIPPLE = 5400, 0.03
_WH = 3600
UPS, PDUS = "DC-UPS-1", ("DC-PDU-A1", "DC-PDU-A2")


@dataclass(frozen=True, slots=True)
class Load:
    """Something that draws `mean` watts, `swing` of it more by day and less by night."""

    mean: float
    swing: float
    peak: float  # seconds of the UTC day at which it draws most

    def watts(self, at: float) -> float:
        """Return what it draws."""
        day, ripple = math.tau * (at - self.peak) / DAY, math.tau * at / _RIPPLE_SECONDS
        return self.mean * (1 + self.swing * math.cos(day) + _RIPPLE * math.sin(ripple))

    def joules(self, since: float, until: float) -> float:
        """Return what it took between two times: the integral of `watts`."""
        return self._sum(until) - self._sum(since)

    def _sum(self, at: float) -> float:
        day, ripple = math.tau * (at - self.peak) / DAY, math.tau * at / _RIPPLE_SECONDS
        waves = self.swing * DAY * math.sin(day) - _RIPPLE * _RIPPLE_SECONDS * math.cos(ripple)
        return self.mean * (at + waves / math.tau)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One device that is polled. `row` is its id in `devices`; `loads` are its outlets' where it has metered ones.

    `step_watt_hours` is what its register counts in, None: it has none. `since`: when its registers stood at nought.
    """

    row: int
    device_id: str
    name: str
    host: str
    kind: DeviceKind
    site: str
    unit: str
    vendor: str
    model: str
    serial: str
    firmware: str
    since: int
    made: str | None = None
    battery_replaced: str | None = None
    place: Place = "input"
    quality: Quality = "metered"
    loads: tuple[Load, ...] = ()
    labels: tuple[str, ...] = ()  # of metered outlets
    rated_watts: float | None = None
    step_watt_hours: float | None = None
    pages_a_day: float = 0.0
    feeds: tuple[tuple[str, str | None], ...] | None = None  # (outlet, device id); None: nobody said

    @property
    def measures(self) -> bool:
        """Whether it tells power."""
        return bool(self.loads)

    def joules(self, since: float, until: float) -> int:
        """Return what it took or gave between two times."""
        return int(sum(load.joules(since, until) for load in self.loads))


def compose_units(devices: Sequence[Device], *, seed: int, since: int) -> list[Unit]:
    """Return the polled devices of an estate, numbered on from its other devices."""
    servers = [
        device
        for device in devices
        if device.group.pattern == "server"
        and device.model.environment == "physical"
        and device.silent_from is None
        and device.serial is not None
    ]
    make = partial(Unit, row=0, device_id="", host="", since=since)
    made = [*_rack_units(make, servers), *_house_units(make)]
    rng = random.Random(f"{seed}:polled")  # noqa: S311 - a simulation must be repeatable, not secret
    return [
        replace(one, row=row, device_id=f"rwd_{rng.getrandbits(128):032x}", host=f"192.0.2.{10 + row % 200}")
        for row, one in enumerate(made, start=len(devices) + 1)
    ]


def _server_load(device: Device) -> Load:
    power = watts(device, "machine", _SERVER_LOAD)
    return Load(_SUPPLY * power, 0.06, 11 * HOUR + device.row % 7 * 1200)


def _rack_units(make: partial[Unit], servers: Sequence[Device]) -> Iterator[Unit]:
    """Yield what stands in the data centre: a UPS feeds two PDUs, these feed servers, two of which tell their own power."""
    make = partial(make, site="Data Centre A", unit="Infrastructure Operations")
    fed, others = servers[:OUTLETS], servers[OUTLETS : OUTLETS + UNMETERED]
    metered = (*map(_server_load, fed), Load(46.0, 0.0, 0.0))
    plain = (*map(_server_load, others), Load(120.0, 0.02, 0.0))
    yield make(
        name=UPS, kind="ups", vendor="Fir", model="Online 20 kW", serial="FR2019004417", firmware="3.12",
        made="2019-03-21", battery_replaced="2019-03-21", place="output", loads=metered + plain,
        rated_watts=20_000.0, step_watt_hours=10.0,
    )  # fmt: skip
    pdu = partial(
        make, kind="pdu", vendor="Elm", firmware="6.8.0", rated_watts=7_360.0, step_watt_hours=100.0
    )
    outlets = ((str(number), one.device_id) for number, one in enumerate(fed, start=1))
    yield pdu(
        name=PDUS[0], model="R24 metered by outlet", serial="EM22A10007", made="2022-05-17", loads=metered,
        labels=(*(one.hostname for one in fed), "patch panel light"), feeds=(*outlets, (str(len(metered)), None)),
    )  # fmt: skip
    hanging = tuple(("", one.device_id) for one in others) or (("", None),)
    yield pdu(name=PDUS[1], model="R24 metered", serial="EM22A10012", loads=plain, feeds=hanging)
    for number, device in enumerate(servers[:CONTROLLED], start=1):
        wall = _server_load(device)
        yield make(
            name=f"DC-BMC-{number:02}", kind="management_controller", vendor=device.model.vendor,
            model=device.model.name, serial=device.serial or "", firmware="6.10", place="system", quality="sensor",
            loads=(replace(wall, mean=wall.mean / _SUPPLY),), rated_watts=750.0,
        )  # fmt: skip


def _house_units(make: partial[Unit]) -> Iterator[Unit]:
    """Yield what stands in offices: a UPS without a register, a PDU of which nobody said what it feeds, a switch, printers."""
    here = partial(make, site="Headquarters", unit="Infrastructure Operations")
    nothing = (("", None),)
    yield here(
        name="HQ-UPS-1", kind="ups", vendor="Fir", model="Line 3000", serial="FR2023018820", firmware="1.9",
        made="2023-02-06", battery_replaced="2023-02-06", place="output", loads=(Load(640.0, 0.14, 12.5 * HOUR),),
        rated_watts=2_700.0, feeds=nothing,
    )  # fmt: skip
    yield here(
        name="HQ-PDU-B7", kind="pdu", vendor="Elm", model="R16 metered", serial="EM22B00731", firmware="6.8.0",
        loads=(Load(910.0, 0.18, 13.0 * HOUR),), rated_watts=3_680.0, step_watt_hours=100.0,
    )  # fmt: skip
    yield here(
        name="HQ-SW-4", kind="switch", vendor="Hazel", model="S48 PoE", serial="HZ48P01290", firmware="17.9.1",
        place="poe", quality="sensor", loads=(Load(212.0, 0.3, 13.0 * HOUR),), rated_watts=740.0, feeds=nothing,
    )  # fmt: skip
    printer = partial(make, kind="printer", vendor="Larch", quality="sensor")
    yield printer(
        name="HQ-PRN-12", model="M500 mono", serial="LR5000912", firmware="2.4", site="Headquarters",
        unit="Finance and Procurement", pages_a_day=260.0,
    )  # fmt: skip
    yield printer(
        name="NG-PRN-03", model="C700 colour", serial="LR7000148", firmware="3.0", site="Northgate Station",
        unit="Northgate Neighbourhood", pages_a_day=95.0,
    )  # fmt: skip


def hang(units: Sequence[Unit]) -> Iterator[tuple[str, str, str | None]]:
    """Yield (feeder, outlet, fed or None) by device id: what people stated of the units."""
    names = {one.name: one.device_id for one in units}
    for below in PDUS:
        yield names[UPS], "", names[below]
    for one in units:
        for outlet, fed in one.feeds or ():
            yield one.device_id, outlet, fed


def answer(unit: Unit, at: float) -> DeviceAnswer:
    """Return what a poll finds at a time."""
    refusals: tuple[Refusal, ...] = ()
    flags: dict[str, bool] = {}
    if unit.kind == "printer":
        readings = [*_printed(unit, at)]
        worn = any(one.kind == "supply" and float(one.value) < 0.05 for one in readings)
        flags = {"printer_worn": worn, "service_requested": False}
        refusals = (
            _refusal("supply", "1.4", "sentinel", "-3: some is left, and the printer cannot say how much"),
        )
    else:
        readings = [*_drawn(unit, at)]
    if unit.kind == "ups":
        readings += _battery(unit, at)
        old = unit.battery_replaced is not None and _age_years(unit.battery_replaced, at) > 5
        flags = {"battery_replace": old, "on_battery": False, "battery_low": False}
        why = "0: the card says nought of an input it does not measure"
        refusals = (
            _refusal("input_power", "", "not_believed", why),
            _refusal("efficiency", "", "sentinel", "-1: the card says that it has none"),
        )
    elif unit.labels:
        why = "-1: the PDU says that no sensor is plugged in"
        refusals = tuple(_refusal(name, "1", "sentinel", why) for name in ("temperature", "humidity"))
    return DeviceAnswer(
        identity=Identity(
            kind=unit.kind,
            vendor=unit.vendor,
            model=unit.model,
            serial=unit.serial,
            firmware=unit.firmware,
            made=unit.made,
            name=unit.name,
            battery_replaced=unit.battery_replaced,
        ),
        profiles=("simulated",),
        why=("simulated: an invented device",),
        readings=tuple(readings),
        refusals=refusals,
        requests=1,
        seconds=0.02,
        flags=flags,
    )


def _drawn(unit: Unit, at: float) -> Iterator[Reading]:
    """Yield power and energy of the whole and of each metered outlet."""
    whole = round(sum(load.watts(at) for load in unit.loads), 1)
    yield _reading(unit, f"{unit.place}_power", "active_power", unit.place, whole)
    if unit.kind in {"ups", "pdu"}:
        yield _reading(
            unit, f"{unit.place}_apparent_power", "apparent_power", unit.place, round(whole / 0.95)
        )
    if unit.step_watt_hours is not None:
        counted = _register(unit.loads, unit, at)
        yield _reading(unit, f"{unit.place}_energy", "energy", unit.place, counted, step=unit.step_watt_hours)
    if unit.rated_watts is not None:
        yield _reading(unit, f"{unit.place}_load", "load", unit.place, round(whole / unit.rated_watts, 2))
    for number, label in enumerate(unit.labels):
        load, index = unit.loads[number], str(number + 1)
        power = round(load.watts(at), 1)
        yield _reading(unit, "outlet_power", "active_power", "outlet", power, index=index, label=label)
        counted = _register((load,), unit, at)
        step = unit.step_watt_hours or 1.0
        yield _reading(
            unit, "outlet_energy", "energy", "outlet", counted, index=index, label=label, step=step
        )


def _register(loads: Sequence[Load], unit: Unit, at: float) -> float:
    step = unit.step_watt_hours or 1.0
    return step * int(sum(load.joules(unit.since, at) for load in loads) / _WH / step)


def _battery(unit: Unit, at: float) -> list[Reading]:
    share = sum(load.watts(at) for load in unit.loads) / (unit.rated_watts or 1.0)
    aged = unit.battery_replaced is not None and _age_years(unit.battery_replaced, at) > 5
    warm = 24.0 + math.sin(math.tau * at / DAY)
    return [
        _reading(unit, "battery_charge", "charge", "battery", 1.0, quality="sensor"),
        _reading(unit, "battery_runtime", "runtime", "battery", round(540 / max(share, 0.1)), quality="modelled"),
        _reading(unit, "battery_temperature", "temperature", "battery", round(warm, 1), quality="sensor"),
        _reading(unit, "battery_status", "state", "battery", "normal", quality="sensor"),
        _reading(unit, "battery_replacement", "state", "battery", "needed" if aged else "not needed", quality="sensor"),
    ]  # fmt: skip


def _printed(unit: Unit, at: float) -> Iterator[Reading]:
    """Yield what a printer counts: pages, mostly in the day, and a toner that is changed at its end."""
    days = (at - unit.since) / DAY
    pages = int(40_000 + unit.pages_a_day * (days - math.sin(math.tau * (days - 0.04)) / math.tau))
    toner = 1 - pages % 9_000 / 9_000
    yield _reading(unit, "impressions", "page_count", "engine", pages, index="1.1", label="impressions, life")
    yield _reading(unit, "supply", "supply", "engine", round(toner, 2), index="1.1", label="Black toner")
    kit = round(1 - pages % 225_000 / 225_000, 2)
    yield _reading(unit, "supply", "supply", "engine", kit, index="1.2", label="Maintenance kit")
    busy = "printing" if int(at) // 300 % 7 == 0 else "idle"
    yield _reading(unit, "printer_status", "state", "engine", busy, index="1")


def _age_years(day: str, at: float) -> float:
    year, month, _ = map(int, day.split("-"))
    return at / (365.25 * DAY) + 1970 - year - (month - 1) / 12


def _reading(  # noqa: PLR0913 - what a reading is made of
    unit: Unit,
    name: str,
    kind: Kind,
    place: Place,
    value: float | str,
    *,
    index: str = "",
    label: str | None = None,
    step: float = 1.0,
    quality: Quality | None = None,
) -> Reading:
    return Reading(
        name=name,
        index=index,
        kind=kind,
        place=place,
        value=value,
        quality=quality or unit.quality,
        source=f"simulated {name}",
        label=label,
        step_watt_hours=step,
    )


def _refusal(name: str, index: str, code: Literal["sentinel", "not_believed"], reason: str) -> Refusal:
    return Refusal(name, index, code, reason, f"simulated {name}")
