"""The shift calendars as people edit them, TOML: editions kept, the newest in force, a plain office one until there is any."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NoReturn

from sqlalchemy import Connection

from roadworthy_collector.books import toml_editions
from roadworthy_collector.books.toml_editions import Edition
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.carbon.avoidable import WEEKDAYS, ShiftCalendar, ShiftError

NAME = "shift_calendar"
OURS = "ours"
LONGEST_CHARACTERS = 60_000
_DAY_MINUTES = 24 * 60
_MOST_PENCE = 500
_SPAN = re.compile(r"([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])", re.ASCII)
_CALENDAR_KEYS = {*WEEKDAYS, "closed"}

EXAMPLE = """\
# When people work at your sites: what is on and unused outside these hours is avoidable electricity.
# These are ours until you save your own; public bodies work round the clock in places, so look at it first.
# Try it with:  roadworthy carbon shifts try this-file.toml
# Save it with: roadworthy carbon shifts save this-file.toml

# What a kWh costs you, in pence: without it, and without a tariff, no pounds appear.
# pence_per_kwh = 27.5

[calendar]                       # of every site without its own
monday = ["07:00-19:00"]
tuesday = ["07:00-19:00"]
wednesday = ["07:00-19:00"]
thursday = ["07:00-19:00"]
friday = ["07:00-19:00"]
# closed = [2026-12-25, 2026-12-28]

# [sites."Headquarters"]         # a site by its name; a day that is left out has no shift
# monday = ["06:00-14:00", "22:00-06:00"]
# sunday = ["00:00-24:00"]

# [must_be_on]                   # never avoidable, whatever a device's own profile says: custody, control rooms
# sites = ["Control Room"]
# units = ["Custody"]            # with the units below them
"""


@dataclass(frozen=True, slots=True)
class Shifts:
    """Calendars: of the sites named, and of all others; pence a kWh where somebody said so."""

    digest: str
    calendar: ShiftCalendar
    sites: Mapping[str, ShiftCalendar]
    pence_per_kwh: Decimal | None
    must_be_on_sites: frozenset[str] = frozenset()
    must_be_on_units: frozenset[str] = frozenset()  # and those below them

    def of(self, site: str) -> ShiftCalendar:
        """Return the calendar of a site, by its name."""
        return self.sites.get(site, self.calendar)


def current(connection: Connection) -> tuple[Shifts, Edition]:
    """Return the calendars in force and their text."""
    edition = toml_editions.newest(connection, NAME, Edition(EXAMPLE, None, OURS))
    return parse(edition.content), edition


def save(connection: Connection, text: str, *, now: int, actor: str) -> bool:
    """Put calendars in force and return True; False where they hold already. RoadworthyError where wrong."""
    wanted, (before, edition) = parse(text), current(connection)
    if wanted.digest == before.digest and edition.made_at is not None:
        return False
    digests = before.digest, wanted.digest
    toml_editions.put(connection, NAME, text, digests, now=now, actor=actor, action="carbon.shifts")
    return True


def parse(text: str) -> Shifts:
    """Return what a TOML text says; RoadworthyError naming the key that is wrong."""
    if len(text) > LONGEST_CHARACTERS:
        _wrong("the text", f"has more than {LONGEST_CHARACTERS:,} characters")
    try:
        said = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise RoadworthyError(f"the shift calendar is no TOML: {error}") from None
    _only(said, {"pence_per_kwh", "calendar", "sites", "must_be_on"}, "the shift calendar")
    if not isinstance(said.get("calendar"), dict):
        _wrong("calendar", "is missing: a [calendar] holds for every site without its own")
    named = said.get("sites", {})
    if not isinstance(named, dict):
        _wrong("sites", 'is a table a site: [sites."Headquarters"]')
    must = said.get("must_be_on", {})
    if not isinstance(must, dict):
        _wrong("must_be_on", 'is a table: sites = ["Control Room"], units = ["Custody"]')
    _only(must, {"sites", "units"}, "must_be_on")
    return Shifts(
        digest=blake2b(repr(said).encode(), digest_size=8).hexdigest(),
        calendar=_calendar(said["calendar"], "calendar"),
        sites={name: _calendar(one, f'sites."{name}"') for name, one in named.items()},
        pence_per_kwh=_pence(said.get("pence_per_kwh")),
        must_be_on_sites=_names(must.get("sites", []), "must_be_on.sites"),
        must_be_on_units=_names(must.get("units", []), "must_be_on.units"),
    )


def _names(said: Any, where: str) -> frozenset[str]:
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        _wrong(where, 'is a list of names: ["Custody"]')
    return frozenset(said)


def _calendar(said: Any, where: str) -> ShiftCalendar:
    if not isinstance(said, dict):
        _wrong(where, "is a table of days")
    _only(said, _CALENDAR_KEYS, where)
    shifts: dict[str, list[tuple[int, int]]] = {day: [] for day in WEEKDAYS}
    for number, day in enumerate(WEEKDAYS):
        for begin, end in _spans(said.get(day, []), f"{where}.{day}"):
            if begin < end:
                shifts[day].append((begin, end))
                continue
            # Past midnight it is two: until midnight, and on the day after.
            shifts[day].append((begin, _DAY_MINUTES))
            if end:
                shifts[WEEKDAYS[(number + 1) % len(WEEKDAYS)]].append((0, end))
    closed = said.get("closed", [])
    if not isinstance(closed, list) or not all(type(day) is dt.date for day in closed):
        _wrong(f"{where}.closed", "is a list of days: [2026-12-25]")
    try:
        return ShiftCalendar({day: tuple(sorted(some)) for day, some in shifts.items()}, frozenset(closed))
    except ShiftError as error:
        raise RoadworthyError(f"{where}: {error}") from None


def _spans(said: Any, where: str) -> list[tuple[int, int]]:
    if not isinstance(said, list):
        _wrong(where, 'is a list of shifts: ["07:00-19:00"]')
    found = []
    for one in said:
        told = _SPAN.fullmatch(one) if isinstance(one, str) else None
        if told is None:
            _wrong(where, f'{one!r} is no shift; write "07:00-19:00"')
        begin, end = int(told[1]) * 60 + int(told[2]), int(told[3]) * 60 + int(told[4])
        if begin >= _DAY_MINUTES or end > _DAY_MINUTES or begin == end:
            _wrong(where, f'{one!r} is no shift; a whole day is "00:00-24:00"')
        found.append((begin, end))
    return found


def _pence(said: Any) -> Decimal | None:
    if said is None:
        return None
    number = Decimal(said) if isinstance(said, int | Decimal) and not isinstance(said, bool) else None
    # TOML has inf and nan, which are no price.
    if number is None or not number.is_finite() or not 0 < number <= _MOST_PENCE:
        _wrong("pence_per_kwh", f"is pence a kWh, above 0 and at most {_MOST_PENCE}")
    return number


def _only(said: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in said:
        if key not in known:
            _wrong(f"{where}: {key}", f"is not known; there are {', '.join(sorted(known))}")


def _wrong(key: str, why: str) -> NoReturn:
    raise RoadworthyError(f"the shift calendar: {key}: {why}")
