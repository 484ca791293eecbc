"""What the invented organisation's own lists say of its IT: the register, the export of its MDM, warranties.

The lists are as lists are: some devices are in none of them, some items report to nobody, a serial stands there in
another spelling, two rows cannot be read. A column about people is in them too, so that it can be seen to be dropped.
Everything follows from the plan's seed, as the estate does.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from roadworthy_collector.demo import telling
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.fleet import UNITS
from roadworthy_collector.demo.polled_units import Unit
from roadworthy_inventory.calendar import utc_date

Row = tuple[str, ...]

REGISTER_HEADER = (
    "Asset tag", "Serial number", "UUID", "MAC address", "Make", "Model", "Type", "Status", "Usage", "Department", "Command", "Cost centre", "Site",
    "Business system", "Purchase date", "Purchase cost (pounds)", "Warranty expires", "Supplier", "Order number",
    "Operating system", "Assigned to",
)  # fmt: skip
INTUNE_HEADER = (
    "Device ID", "Device name", "Serial number", "Manufacturer", "Model", "OS", "OS version", "SkuFamily",
    "Ethernet MAC", "Ownership", "Last check-in", "Primary user UPN",
)  # fmt: skip
WARRANTY_HEADER = ("Serial number", "Warranty start", "Warranty end", "Service level")
NOBODY = "(simulated person)"
# SMBIOS chassis types of the demo's models, as people write the kind of thing in a list.
_TYPES = {2: "Desktop", 3: "Desktop", 4: "Desktop", 7: "Desktop", 9: "Laptop", 10: "Laptop", 13: "All-in-one", 23: "Server",
          28: "Server", 30: "Tablet", 35: "Mini PC"}  # fmt: skip
_PRICES = {"Desktop": (430, 720), "All-in-one": (640, 860), "Mini PC": (420, 610), "Laptop": (640, 1180),
           "Tablet": (1150, 1490), "Server": (5200, 13800)}  # fmt: skip
_POLLED = {"ups": ("UPS", (700, 4900)), "pdu": ("PDU", (380, 1250)), "switch": ("Switch", (1100, 3400)),
           "printer": ("Printer", (260, 1900))}  # fmt: skip
_WARRANTY_YEARS = {"Server": 5, "Tablet": 4}
_SUPPLIERS = ("Heron Technology (invented)", "Plover Supplies (invented)", "Wagtail Computing (invented)")
COST_CENTRES = {
    "Corporate Services": "IT100 Corporate IT",
    "Local Services": "IT200 Local policing IT",
    "Specialist Services": "IT300 Specialist IT",
}
SYSTEMS = {
    "Custody": "Custody Records (invented)",
    "Digital Forensics": "Evidence Store (invented)",
    "Roads": "Mobile Data (invented)",
    "Service Desk": "Service Desk Tool (invented)",
    "Finance and Procurement": "Finance Ledger (invented)",
}
SERVER_SYSTEMS = ("Records Platform (invented)", "Command Log (invented)", "File Stores (invented)")
# How a device is used, by the pattern it is switched on in.
_USAGE = {"office": "Shared", "shift": "Shared", "hybrid": "Personal issue", "custody": "Custody suite",
          "kiosk": "Kiosk", "server": "Server", "vehicle": "Vehicle"}  # fmt: skip
_YEAR = 365.25


def unit_path(name: str) -> str:
    """Return a unit as lists write it, outermost first."""
    above = UNITS[name]
    return name if above is None else f"{unit_path(above)} / {name}"


def command(unit: str) -> str:
    """Return the command a unit is in: what stands right below the organisation."""
    while (above := UNITS[unit]) is not None and UNITS[above] is not None:
        unit = above
    return unit


def cost_centre(unit: str) -> str:
    """Return the cost centre a unit's IT is booked to."""
    return COST_CENTRES.get(command(unit), COST_CENTRES["Corporate Services"])


def _draw(device: Device, what: str) -> random.Random:
    return device.rng(f"books:{what}")


def _bought(device: Device, today: date) -> date:
    """Return when a device was bought: within two years of its firmware, before it first reported."""
    built = date.fromisoformat(device.model.bios_date)
    day = built + timedelta(days=_draw(device, "bought").randrange(30, 600))
    enrolled = utc_date(device.enrolled_at) - timedelta(days=9)
    return min(day, max(enrolled, built), today - timedelta(days=30))


def register(devices: Sequence[Device], now: int) -> Iterator[Row]:
    """Yield the rows of the register: devices, what hangs on them, and what lies in stores."""
    today = utc_date(now)
    listed = 0
    for device in devices:
        if device.model.environment != "physical" or _draw(device, "listed").random() < 0.02:
            continue  # virtual machines are in no list of assets; a few devices were never entered
        yield _device_row(device, today)
        yield from _beside(device, today)
        listed += 1
        if listed % 40 == 0:
            yield _spare(device, today)
            yield _gone(device, today)
    yield from _unreadable()


def _device_row(device: Device, today: date) -> Row:
    draw, kind = _draw(device, "row"), _TYPES[device.model.chassis_type or 3]
    bought = _bought(device, today)
    years = _WARRANTY_YEARS.get(kind, 3)
    price = round(draw.uniform(*_PRICES[kind]) + (1600 if "Workstation" in device.model.name else 0), 2)
    unit = device.group.unit
    # Nobody knows any more what the oldest things cost and when they came.
    known = bought.year > today.year - 12 or draw.random() < 0.5
    return (
        device.asset_tag,
        _spelt(device, draw),
        _uuid(device, draw),
        telling.mac(device) if draw.random() < 0.9 else "",
        device.model.vendor,
        device.model.name,
        kind,
        _state(device, draw),
        _USAGE[device.group.pattern],
        unit_path(unit),
        command(unit),
        cost_centre(unit).split()[0],
        device.group.site,
        draw.choice(SERVER_SYSTEMS) if kind == "Server" else SYSTEMS.get(unit, ""),
        bought.strftime("%d/%m/%Y") if known else "",
        f"{price:,.2f}" if known else "",
        (bought + timedelta(days=int(years * _YEAR))).strftime("%d/%m/%Y") if known else "",
        draw.choice(_SUPPLIERS),
        f"PO{bought.year % 100:02}-{bought.month:02}{len(unit):02}" if known else "",
        device.os.name or "",
        NOBODY if device.group.pattern == "hybrid" else "",
    )


def _spelt(device: Device, draw: random.Random) -> str:
    """Return the serial as the list has it: sometimes spelt otherwise, or what a label printer made of it."""
    luck = draw.random()
    if device.serial is None or luck < 0.004:
        return ""
    if luck < 0.012:
        return "To be filled by O.E.M."
    if luck < 0.03:
        return f"{device.serial[:4].lower()}-{device.serial[4:].lower()}"
    if luck < 0.036:
        return device.serial[:-1] + (
            "A" if device.serial[-1] != "A" else "B"
        )  # typed wrong: one to be decided
    return device.serial


def _uuid(device: Device, draw: random.Random) -> str:
    """Return the UUID where somebody noted it, sometimes in the other byte order; tools differ in that."""
    luck = draw.random()
    if "system_uuid" not in telling.identity(device) or luck < 0.15:
        return ""
    found = telling.system_uuid(device)
    return str(uuid.UUID(bytes_le=found.bytes) if luck < 0.2 else found)


def _state(device: Device, draw: random.Random) -> str:
    luck = draw.random()
    if device.retired_at is not None:
        return "Disposed" if luck < 0.6 else "For disposal"
    if device.silent_from is not None and device.group.pattern in {"hybrid", "vehicle"}:
        return "Lost" if luck < 0.2 else "In use"
    # A few are said to be gone and report all the same: what a register and agents together find.
    if 0.02 <= luck < 0.025:
        return "Lost" if luck < 0.023 else "Disposed"
    return "In repair" if luck < 0.01 else "On loan" if luck < 0.02 else "In use"


def _beside(device: Device, today: date) -> Iterator[Row]:
    """Yield what stands beside a device: a monitor, a dock, now and then a printer."""
    draw, kind = _draw(device, "beside"), _TYPES[device.model.chassis_type or 3]
    found: list[tuple[str, str, str, tuple[int, int]]] = []
    if kind in {"Desktop", "Mini PC"} and draw.random() < 0.4:
        found.append(("Monitor", "Alder", "P24 Display", (110, 190)))
    if kind == "Laptop" and draw.random() < 0.3:
        found.append(("Docking station", "Birch", "K1 Dock", (95, 170)))
    if draw.random() < 0.03:
        found.append(("Printer", "Damson", "Q40 Printer", (260, 900)))
    if kind == "Server" and draw.random() < 0.15:
        found.append(("UPS", "Cedar", "U3 Power Unit", (700, 1900)))
    for number, (kind_, vendor, model, prices) in enumerate(found, 1):
        bought = min(today - timedelta(days=40), _bought(device, today) + timedelta(days=draw.randrange(90)))
        yield _other(device, f"EX{200_000 + device.row * 4 + number}", (vendor, model, kind_, "In use"),
                     bought, draw.uniform(*prices))  # fmt: skip


def _spare(device: Device, today: date) -> Row:
    """Return a laptop that lies in stores, new or waiting to be used again."""
    draw = _draw(device, "spare")
    bought = today - timedelta(days=draw.randrange(40, 900))
    state = draw.choice(("In stock", "In stock", "Being built", "On order"))
    return _other(
        device, f"EX{300_000 + device.row}", ("Alder", "L5 Notebook", "Laptop", state), bought, 940.0
    )


def _gone(device: Device, today: date) -> Row:
    """Return a monitor that was disposed of."""
    bought = today - timedelta(days=_draw(device, "gone").randrange(2500, 4000))
    return _other(
        device, f"EX{310_000 + device.row}", ("Alder", "P19 Display", "Monitor", "Disposed"), bought, 95.0
    )


def _other(device: Device, tag: str, what: Row, bought: date, price: float) -> Row:
    vendor, model, kind, state = what
    draw = _draw(device, tag)
    unit = device.group.unit
    return (
        tag, f"{vendor[:2].upper()}{draw.getrandbits(32):08X}", "", "", vendor, model, kind, state, "", unit_path(unit),
        command(unit) if state == "In use" else "", cost_centre(unit).split()[0], device.group.site, "", bought.strftime("%d/%m/%Y"), f"{price:,.2f}",
        (bought + timedelta(days=1095)).strftime("%d/%m/%Y"), draw.choice(_SUPPLIERS), "", "", "",
    )  # fmt: skip


def polled_tag(unit: Unit) -> str:
    """Return the asset tag of a device that is polled, as the register and the targets file have it."""
    return f"EX{500_000 + unit.row}"


def polled(units: Sequence[Unit], today: date) -> Iterator[Row]:
    """Yield the rows of what is polled; a management controller is part of its server, which has a row."""
    for unit in units:
        if unit.kind == "management_controller":
            continue
        draw = random.Random(f"{unit.device_id}:books")  # noqa: S311 - a simulation must be repeatable, not secret
        kind, prices = _POLLED[unit.kind]
        bought = (
            date.fromisoformat(unit.made) + timedelta(days=40) if unit.made else today - timedelta(days=700)
        )
        yield (
            polled_tag(unit), unit.serial, "", "", unit.vendor, unit.model, kind, "In use", "",
            unit_path(unit.unit), command(unit.unit), cost_centre(unit.unit).split()[0], unit.site, "",
            bought.strftime("%d/%m/%Y"), f"{draw.uniform(*prices):,.2f}", (bought + timedelta(days=1095)).strftime("%d/%m/%Y"),
            draw.choice(_SUPPLIERS), "", "", "",
        )  # fmt: skip


def _unreadable() -> Iterator[Row]:
    """Yield two rows with mistakes people make: a day that is none, and a cost that is a word."""
    blank = ("",) * len(REGISTER_HEADER)
    for tag, column, value in (
        ("EX400001", "Purchase date", "31/02/2024"),
        ("EX400002", "Purchase cost (pounds)", "free"),
    ):
        row = dict(zip(REGISTER_HEADER, blank, strict=True))
        row |= {"Asset tag": tag, "Type": "Monitor", "Status": "In use", column: value}
        yield tuple(row.values())


def intune(devices: Sequence[Device], now: int) -> Iterator[Row]:
    """Yield the MDM's devices: most of the Windows ones, and a few that nobody knows otherwise."""
    for device in devices:
        draw = _draw(device, "mdm")
        if device.os.family != "windows" or device.model.environment != "physical" or device.retired_at:
            continue
        if device.group.pattern == "server" or draw.random() < 0.06:
            continue
        seen = min(now, device.silent_from or now) - draw.randrange(600, 40_000)
        yield (
            str(uuid.UUID(int=draw.getrandbits(128), version=4)), device.hostname, device.serial or "",
            device.model.vendor, device.model.name, "Windows", f"10.0.{device.os.build}.{draw.randrange(400, 6000)}",
            "Enterprise", telling.mac(device), "Corporate", utc_date(seen).isoformat(), NOBODY if device.group.pattern == "hybrid" else "",
        )  # fmt: skip
        if draw.random() < 0.01:
            yield (
                str(uuid.UUID(int=draw.getrandbits(128), version=4)), f"OLD-{device.row:05d}",
                f"AL{draw.getrandbits(28):07X}", "Alder", "D2 Tower", "Windows", "10.0.19045.2006", "Enterprise",
                "", "Corporate", utc_date(now - 86_400 * 70).isoformat(), "",
            )  # fmt: skip


def warranties(devices: Sequence[Device], now: int) -> Iterator[Row]:
    """Yield what the makers' portals say of laptops and servers: some were extended by a year."""
    today = utc_date(now)
    for device in devices:
        draw, kind = _draw(device, "warranty"), _TYPES.get(device.model.chassis_type or 3, "")
        if (
            device.serial is None
            or device.model.environment != "physical"
            or kind not in {"Laptop", "Server"}
        ):
            continue
        if draw.random() < 0.5 and not telling.disk_fails(device):
            continue
        begins = _bought(device, today) + timedelta(days=7)
        years = _WARRANTY_YEARS.get(kind, 3) + (draw.random() < 0.4)
        if telling.disk_fails(device):  # bought an extension that pays now
            years += max(0, today.year + 1 - begins.year - years)
        level = draw.choice(("Next business day", "Return to depot"))
        yield (
            device.serial,
            begins.isoformat(),
            (begins + timedelta(days=int(years * _YEAR))).isoformat(),
            level,
        )
