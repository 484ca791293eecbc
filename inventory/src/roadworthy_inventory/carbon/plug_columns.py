"""The columns of a file of a smart plug: which device, when, and what kind of figure, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from roadworthy_inventory.importing.problems import UnknownFormatError
from roadworthy_inventory.importing.words import word_key

Kind = Literal["register", "interval", "watts"]
_DEVICE = (
    "devicetag", "assettag", "tag", "asset", "device", "deviceid", "serial", "serialnumber", "hostname", "host",
    "computer", "computername", "id", "name",
)  # fmt: skip
_STAMP = ("timestamp", "datetime", "dateandtime", "readat", "start", "from", "begin", "recordedat")
_DAY, _CLOCK, _END = ("date", "day"), ("time", "clock"), ("end", "to", "until")
_RESET = ("reset", "exchanged", "newmeter")
# By how a name ends, the longer first; MWh is left out, for some mean thousandths by it.
_HOURS = {"kwh": 1000, "wh": 1}
_REGISTER = ("register", "reading", "total", "cumulative", "counter", "lifetime")
_POWER = (
    "w",
    "watt",
    "watts",
    "power",
    "powerw",
    "powerwatts",
    "activepower",
    "activepowerw",
    "wattsnow",
    "load",
    "loadw",
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns by their place, from 0. `watt_hours`: how many a figure of 1 is; 1 for watts, which are not hours."""

    device: int | None
    stamp: int | None
    day: int | None
    clock: int | None
    end: int | None
    value: int
    kind: Kind
    watt_hours: int
    reset: int | None

    @property
    def by_day(self) -> bool:
        """Whether a row says a day and no time."""
        return self.stamp is None and self.clock is None


def recognise(file: str, header: Sequence[str], line: int, kind: Kind | None = None) -> Columns:
    """Return the columns of a header; `kind` overrules what the name of the figure says.

    UnknownFormatError where there is no time or figure, or two figures.
    """
    keys = [word_key(name) for name in header]
    device, stamp, day, end, reset = (_first(keys, names) for names in (_DEVICE, _STAMP, _DAY, _END, _RESET))
    clock = _first(keys, _CLOCK)
    if stamp is None and day is None:
        stamp, clock = clock, None
    if stamp is not None:
        day = clock = None
    if stamp is None and day is None:
        raise UnknownFormatError(
            file, "has no column of a day or time", "name one date, or timestamp", line=line
        )
    taken = {device, stamp, day, clock, end, reset}
    told = [(at, *found) for at, key in enumerate(keys) if at not in taken and (found := _figure(key))]
    if len(told) != 1:
        what = "no column of kWh or W" if not told else "more than one column of kWh or W"
        raise UnknownFormatError(file, f"has {what}", "keep one: kWh, register kWh, or W", line=line)
    at, said, watt_hours = told[0]
    if (said == "watts") != ((kind or said) == "watts"):
        raise UnknownFormatError(
            file, f"has {header[at]!r}, which is not the kind asked for", "leave the kind out", line=line
        )
    columns = Columns(device, stamp, day, clock, end, at, kind or said, watt_hours, reset)
    if columns.by_day and columns.kind == "watts":
        raise UnknownFormatError(
            file, "has watts by day", "give each reading its time, or the kWh of the day", line=line
        )
    return columns


def _first(keys: Sequence[str], names: Sequence[str]) -> int | None:
    return next((keys.index(name) for name in names if name in keys), None)


def _figure(key: str) -> tuple[Kind, int] | None:
    if key in _POWER:
        return "watts", 1
    for unit, watt_hours in _HOURS.items():
        if key.endswith(unit) or key.startswith("kwh"):
            return ("register" if any(word in key for word in _REGISTER) else "interval"), watt_hours
    return None
