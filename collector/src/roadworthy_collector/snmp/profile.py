"""Device profiles: what a family of devices is recognised by, what is asked of it, and how answers become readings.

A profile is data: one TOML file in `profiles/`, read by `profile_file.py`, walked by `reading.py`. `docs/snmp/adding.md`
explains the file's keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.snmp.port import Oid
from roadworthy_collector.snmp.readings import DeviceKind, Kind, Place, Quality

# "free": an owner typed it; only what can be read in one way is taken.
# "compact": 20240131120000.000000+060, the date and time first.
DateForm = Literal["text", "month_day_year", "iso_date", "date_and_time", "compact", "free"]
IdentityField = Literal[
    "vendor",
    "model",
    "serial",
    "part_number",
    "firmware",
    "asset_tag",
    "made",
    "name",
    "battery_replaced",
]


class ProfileError(SettingsError):
    """A device profile is wrong; the text names the file, the key and what is wrong."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one step of a raw value is worth: `raw * factor + offset`, in the unit of the reading's kind.

    `text` is the unit as the profile writes it ("0.1 kWh"). A unit of one kind is never one of another: VA is no
    unit of active power.
    """

    text: str
    factor: Decimal
    offset: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Where:
    """Which rows of a table: those whose `column` holds one of `values`, or text that `matches`."""

    column: Oid
    values: frozenset[int] = frozenset()
    matches: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """Rows (or, with `oid`, the one value) are believed only where this says one of `values`; else refused, `reason`."""

    values: frozenset[int]
    reason: str
    column: Oid | None = None
    oid: Oid | None = None
    must_be_told: bool = False  # a MIB that asks for it: silence speaks against the value


@dataclass(frozen=True, slots=True)
class Share:
    """The value is a share of another: the row's in `column`, or the one at `oid`."""

    column: Oid | None = None
    oid: Oid | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column beside a table's values; `parts`: it is keyed by so many of the row's index numbers, None by all."""

    oid: Oid
    parts: int | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of all rows, as a reading of its own, in a place that contains theirs.

    `count_oid` says how many rows there must be: a table that came short gives no total.
    """

    name: str
    place: Place
    count_oid: Oid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSpec:
    """One reading as the profile declares it: at one `oid`, or a row each of a table's `column`.

    Several of one name are alternatives: the first in the file that gives anything is the one.
    """

    name: str
    kind: Kind
    place: Place
    mib: str
    object: str
    oid: Oid | None = None
    column: Oid | None = None
    rows: tuple[int | None, ...] | None = None  # a pattern of the index: None stands for any number
    where: tuple[Where, ...] = ()
    trust: tuple[Trust, ...] = ()
    unit: Unit | None = None  # None of a text; with unit_column, what holds for rows that do not say
    unit_column: Oid | None = None
    units: Mapping[int, Unit] = field(default_factory=dict)
    digits: Column | None = None  # raw / 10^digits
    exponent: Column | None = None  # raw * 10^exponent
    entity_scale: Column | None = None  # RFC 3433 EntitySensorDataScale: 9 is units, 8 milli, 10 kilo
    factor: Column | None = None  # raw * factor; below nought raw / -factor; nought stands for one
    sentinels: frozenset[int] = frozenset()
    believed: frozenset[int] = frozenset()  # ends of whole numbers that its unit makes fair values
    negative_is_missing: bool = False
    least: Decimal | None = None
    most: Decimal | None = None
    numeric_text: bool = False  # the device sends numbers as text
    share: Share | None = None
    states: Mapping[int, str] = field(default_factory=dict)
    bits: Mapping[int, str] = field(
        default_factory=dict
    )  # by bit, the most significant of the first octet is 0
    form: DateForm | None = None  # of a date
    label: Column | None = None
    labels: Mapping[int, str] = field(default_factory=dict)  # words of a label told as a code
    label_text: str | None = None
    quality: Quality = "sensor"
    quality_column: Oid | None = None
    qualities: Mapping[int, Quality] = field(default_factory=dict)
    accuracy: Column | None = None  # in hundredths of a percent; 0: not told
    wraps_bits: int | None = None
    not_believed: str | None = None  # why the value is never a reading
    expected: bool = False  # its absence is a refusal
    single: bool = (
        False  # one row alone is the device's and has no index: its power and its energy are then one row
    )
    total: Total | None = None

    @property
    def at(self) -> Oid:
        """The OID of the value or of the column."""
        return self.oid if self.oid is not None else self.column or ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedSpec:
    """Power modelled as load times what the device is made for, where no power of that place was read."""

    name: str
    place: Place
    load: str  # the reading's name; it must have exactly one row
    rated: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySpec:
    """Where one field of the identity comes from: an `oid`, the first row of a `column`, sysDescr, or the profile."""

    field: IdentityField
    oid: Oid | None = None
    column: Oid | None = None
    where: Where | None = None
    description: re.Pattern[str] | None = None  # its first group, in sysDescr
    text: str | None = None
    form: DateForm = "text"
    object: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSpec:
    """Something that is so or not: true where the value (or any row's) is one of `values`, or has one of `bits`."""

    name: str
    oid: Oid | None = None
    column: Oid | None = None
    values: frozenset[int] = frozenset()
    bits: frozenset[int] = frozenset()
    object: str = ""
    hourly: bool = False  # asked only when a device is read in full: its rows are many


@dataclass(frozen=True, slots=True)
class Match:
    """What a profile is recognised by: all that is given must hold, of each list one entry is enough."""

    object_ids: tuple[Oid, ...] = ()
    description: re.Pattern[str] | None = None
    present: tuple[Oid, ...] = ()

    @property
    def is_generic(self) -> bool:
        """Whether the family is recognised only by what it answers, not by who it says it is."""
        return not self.object_ids and self.description is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A family of devices. The higher `rank` wins a reading; a profile of a vendor outranks a generic one."""

    name: str
    title: str
    kind: DeviceKind
    tier: Literal[1, 2]
    rank: int
    mib: str  # the MIB's name, and its RFC or publisher
    evidence: str  # what the file was written from
    trap: str  # what others get wrong with this family
    match: Match
    identity: tuple[IdentitySpec, ...] = ()
    readings: tuple[ReadingSpec, ...] = ()
    derived: tuple[DerivedSpec, ...] = ()
    flags: tuple[FlagSpec, ...] = ()
