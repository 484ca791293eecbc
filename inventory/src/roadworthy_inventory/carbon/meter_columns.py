"""Which column of a meter file is which: 48 or 50 columns a day, a row a half-hour, or readings of a register.

Columns of half-hours are called HH01, P1, 1, Period 1 ... or by the clock, 00:30 ... 24:00 (ends) or 00:00 ... 23:30
(starts). A status stands beside each, under a name with the same number, or once for the row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from roadworthy_inventory.importing.problems import UnknownFormatError
from roadworthy_inventory.importing.words import word_key

Form = Literal["wide", "long", "register"]
_NUMBER = (
    "mpan",
    "mprn",
    "mpancore",
    "mpanmprn",
    "mpanormprn",
    "mpanormprnnumber",
    "mpannumber",
    "mprnnumber",
    "mpr",
    "mprnumber",
    "meterpoint",
    "meterpointnumber",
    "meterpointreference",
    "meterpointreferencenumber",
    "meterpointadministrationnumber",
    "supply",
    "supplynumber",
    "supplypoint",
    "msid",
    "importmpan",
    "exportmpan",
)
_DATE = (
    "date",
    "readdate",
    "readingdate",
    "consumptiondate",
    "settlementdate",
    "day",
    "datelocal",
    "dateutc",
    "localdate",
    "readingday",
)
_TIME = ("time", "starttime", "endtime", "readtime", "readingtime", "timefrom", "timeto", "halfhour", "hh")
_PERIOD = ("period", "settlementperiod", "sp", "hhperiod", "halfhourperiod", "periodnumber")
_STAMP = (
    "timestamp",
    "datetime",
    "dateandtime",
    "readdatetime",
    "readingdatetime",
    "start",
    "end",
    "from",
    "to",
    "starttimestamp",
    "endtimestamp",
    "periodstart",
    "periodend",
    "startdatetime",
    "enddatetime",
    "intervalstart",
    "intervalend",
    "readingtimestamp",
    "timestamputc",
    "datetimeutc",
)
_STARTS = ("start", "from", "begin")
_ENDS = ("end", "to", "until", "ending")
_STATUS = (
    "ae",
    "status",
    "flag",
    "actualestimated",
    "actualorestimated",
    "actualestimate",
    "readtype",
    "readingtype",
    "estimated",
    "type",
    "ea",
)
_VALUE = (
    "value",
    "kwh",
    "kw",
    "wh",
    "mwh",
    "consumption",
    "usage",
    "energy",
    "quantity",
    "reads",
    "demand",
    "power",
    "units",
)
_CHANNEL = (
    "channel",
    "direction",
    "flow",
    "measurement",
    "measurementquantity",
    "quantityid",
    "importexport",
    "mq",
    "datatype",
)
_UNIT = ("unit", "units", "uom", "measurementunit", "unitofmeasure")
_TOTAL = ("total", "totalkwh", "daytotal", "dailytotal", "kwhtotal", "totalconsumption")
_READING = (
    "reading",
    "meterreading",
    "registerreading",
    "index",
    "register",
    "cumulativereading",
    "registervalue",
    "readvalue",
    "meterread",
)
_DIGITS = ("digits", "dials", "numberofdials", "numberofdigits")
_FACTOR = ("kwhperunit", "multiplier", "factor")
_RESET = ("reset", "exchanged", "meterexchanged", "resetbefore", "newmeter")
_PREFIX = r"(?:hh|p|sp|period|halfhour|settlementperiod|kwh|k|h|val|value|reading|slot)?"
_SUFFIX = r"(?:kwh|kw)?"
_NUMBERED = re.compile(rf"{_PREFIX}0*([1-9][0-9]?){_SUFFIX}")
_MARKED = re.compile(r"(?:hh|p|sp|period)?0*([1-9][0-9]?)(?:ae|status|flag|est|estimated|type)")
_MARK_FIRST = re.compile(r"(?:ae|status|flag|s|est|estimated|type|hhstatus|statushh)0*([1-9][0-9]?)")
_CLOCK = re.compile(r"(?:[a-z]{0,8}[ _]*)?([0-2]?[0-9]):?([03]0)(?::00)?(?:\s*[a-z]{0,4})?", re.IGNORECASE)
_FEWEST = 46
_TWICE = re.compile(r" \([0-9]+\)$")
_UNITS = ("kwh", "mwh", "gwh", "wh", "kvarh", "kvah", "kva", "kw", "mw", "m3", "ft3")


@dataclass(frozen=True, slots=True)
class Value:
    """A column of energy or power: its channel and unit where its name says them."""

    index: int
    channel: str | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where everything stands; None where the file has no such column.

    `slots`: of a wide file, the index of half-hour 1, 2 ... (50 at most); `marks`: of their statuses. `by_clock`: the
    slots are named by the clock. `stamps`: what a time stands for where its column's name says it.
    """

    form: Form
    number: int | None
    date: int | None = None
    time: int | None = None
    period: int | None = None
    stamp: int | None = None
    stamps: Literal["start", "end"] | None = None
    utc: bool = False
    values: tuple[Value, ...] = ()
    slots: tuple[int, ...] = ()
    marks: tuple[int | None, ...] = ()
    by_clock: bool = False
    status: int | None = None
    channel: int | None = None
    unit: int | None = None
    total: int | None = None
    reading: int | None = None
    digits: int | None = None
    factor: int | None = None
    reset: int | None = None


def recognise(file: str, header: Sequence[str], line: int) -> Columns:
    """Return where everything stands; UnknownFormatError where a header is none of a meter file."""
    keys = [word_key(_TWICE.sub("", name)) for name in header]
    slots, by_clock = _slots(header, keys)
    finder = _Finder(header, keys, set(slots))
    number = finder.first(_NUMBER)
    found = Columns(
        "wide",
        number,
        status=finder.first(_STATUS),
        channel=finder.first(_CHANNEL),
        unit=finder.first(_UNIT),
        date=finder.first(_DATE),
    )
    if slots:
        if found.date is None:
            raise _unknown(file, line, "has columns of half-hours and no date")
        marks = tuple(_mark(keys, slots, at) for at in range(len(slots)))
        status = None if found.status in marks else found.status
        total = finder.first(_TOTAL)
        return replace(found, slots=slots, marks=marks, by_clock=by_clock, status=status, total=total)
    stamp, stamps = finder.stamp()
    time, period = finder.first(_TIME), finder.first(_PERIOD)
    reading = finder.first(_READING)
    if stamp is None and time is None and period is None and reading is not None and found.date is not None:
        return replace(
            found,
            form="register",
            reading=reading,
            digits=finder.first(_DIGITS),
            factor=finder.first(_FACTOR),
            reset=finder.first(_RESET),
        )
    values = finder.values()
    if not values and reading is not None:
        values = (Value(reading, None, _unit_of(header[reading])),)
    if not values or (stamp is None and (found.date is None or (time is None and period is None))):
        raise _unknown(file, line, "is no file of half-hours or readings we know")
    edge = stamps if time is None else _edge(keys[time])
    utc = any("utc" in keys[one] for one in (stamp, found.date) if one is not None)
    return replace(
        found, form="long", time=time, period=period, stamp=stamp, stamps=edge, utc=utc, values=values
    )


def _unknown(file: str, line: int, what: str) -> UnknownFormatError:
    return UnknownFormatError(
        file,
        what,
        "it needs a supply number, and a date with 46 to 50 columns HH01, HH02 ... or 00:30, 01:00 ...; or a time "
        "stamp (or date and period) with kWh; or a date with a register's reading",
        line=line,
    )


def _slots(header: Sequence[str], keys: Sequence[str]) -> tuple[tuple[int, ...], bool]:
    """Return the indexes of half-hours 1, 2 ... and whether they are named by the clock; none where they are few."""
    clock: dict[int, int] = {}
    for index, name in enumerate(header):
        found = _CLOCK.fullmatch(name.strip())
        if found and (":" in name or len(found[1]) == 2) and int(found[1]) <= 24:
            clock.setdefault(int(found[1]) * 2 + int(found[2]) // 30, index)
    # 00:30 ... 24:00, or 00:30 ... 23:30 and then 00:00, are ends; what begins with 00:00 are starts.
    ends = 48 in clock or clock.get(0, 0) > clock.get(1, 0)
    if ends:
        clock.setdefault(48, clock.pop(0, -1))
    wanted = range(ends, 48 + ends)
    if all(clock.get(at, -1) >= 0 for at in wanted):
        return tuple(clock[at] for at in wanted), True
    numbered: dict[int, int] = {}
    for index, key in enumerate(keys):
        if found := _NUMBERED.fullmatch(key):
            numbered.setdefault(int(found[1]), index)
    count = next((at for at in range(1, 51) if at not in numbered), 51) - 1
    return (tuple(numbered[at] for at in range(1, count + 1)), False) if count >= _FEWEST else ((), False)


def _mark(keys: Sequence[str], slots: Sequence[int], at: int) -> int | None:
    """Return the column of the status of half-hour `at` (from 0): beside it, or by the same number."""
    beside = slots[at] + 1
    # One status column after the last half-hour is the row's, not the last half-hour's.
    each = at + 1 < len(slots) or keys[slots[0] + 1] in _STATUS
    if each and beside < len(keys) and beside not in slots and keys[beside] in _STATUS:
        return beside
    for index, key in enumerate(keys):
        found = _MARKED.fullmatch(key) or _MARK_FIRST.fullmatch(key)
        if found and index not in slots and int(found[1]) == at + 1:
            return index
    return None


def _edge(key: str) -> Literal["start", "end"] | None:
    if any(word in key for word in _STARTS):
        return "start"
    return "end" if any(key.startswith(word) or key.endswith(word) for word in _ENDS) else None


def _unit_of(name: str) -> str | None:
    key = word_key(name)
    return next((unit for unit in _UNITS if key.endswith(unit) or key.startswith(unit)), None)


class _Finder:
    """Finds columns by their names, each once."""

    def __init__(self, header: Sequence[str], keys: Sequence[str], taken: set[int]) -> None:
        self._header = header
        self._keys = keys
        self._taken = taken

    def first(self, names: Sequence[str]) -> int | None:
        """Return the column with the best of `names`, which is then taken."""
        for name in names:
            for index, key in enumerate(self._keys):
                if key == name and index not in self._taken:
                    self._taken.add(index)
                    return index
        return None

    def stamp(self) -> tuple[int | None, Literal["start", "end"] | None]:
        """Return the column of a time stamp, and what it stands for if its name says it; a start before an end."""
        found = self.first(_STAMP)
        if found is None:
            return None, None
        edge = _edge(self._keys[found])
        if edge == "end":  # both may be there: then the start says it better
            start = next(
                (at for at, key in enumerate(self._keys) if key in _STAMP and _edge(key) == "start"), None
            )
            if start is not None:
                self._taken.add(start)
                return start, "start"
        return found, edge

    def values(self) -> tuple[Value, ...]:
        """Return the columns of energy or power: by a name of their own, or with import or export in it."""
        found = []
        for index, key in enumerate(self._keys):
            if index in self._taken:
                continue
            unit = _unit_of(self._header[index])
            channel = "import" if "import" in key else "export" if "export" in key else None
            if (
                (channel and "mpan" not in key)
                or key in _VALUE
                or (unit and any(word in key for word in _VALUE))
            ):
                found.append(Value(index, channel, unit))
        return tuple(found)
