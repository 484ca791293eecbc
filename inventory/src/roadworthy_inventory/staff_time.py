"""Staff time lost in slow start-ups and sign-ins: whose waits count, and the hours above a reference.

Only start-ups somebody sat through count, and a start-up with its sign-in is one wait. As the field does, first
sign-ins, first start-ups and those of an update are left out, and so are wakings. What is left out is counted by
reason: counted + excluded = raw. Lengths are whole milliseconds inside, so that the hours of devices add up exactly.

Nothing here says what an hour is worth or who waited: see `staff_value`. Hours are non-cashable: nobody's pay falls.
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

# What a wait covers, and so which reference it is held against.
STARTUP, SIGNIN, BOTH = "startup", "signin", "startup_and_signin"
BASES = (STARTUP, SIGNIN, BOTH)
# Kinds of the report that are somebody waiting for a device to start. A waking is none (it is over in seconds and
# many come unasked), an update's restart is work the device does, and a container has nobody before it.
_COUNTED_KINDS = frozenset({"cold", "restart", "fast_startup", "dirty", "soft_reboot", "unknown"})
_LEFT_OUT_KINDS = {
    "update": "update",
    "first": "first start-up",
    "resume": "waking",
    "hibernate": "waking",
    "container": "container",
}
MINIMUM_DEVICES = 5  # a median of fewer is one person's habit
_MILLISECONDS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """One start-up. `seconds`: until somebody could sign in or work.

    `includes_signin`: whether that covers the sign-in after it (Windows' own boot timing does, a login screen's
    does not); None where nothing tells.
    """

    device: str
    start_id: str
    day: dt.date
    kind: str
    seconds: float | None
    attended: bool | None
    quality: str = "measured"
    includes_signin: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signin:
    """One sign-in. `start_id`: the start-up it happened in, None where that is not known.

    `after_update`: the first after an update of the system, where something else than its start-up's kind tells.
    """

    device: str
    signin_id: str
    day: dt.date
    seconds: float | None
    start_id: str | None = None
    first_on_device: bool | None = None
    after_update: bool | None = None
    quality: str = "measured"


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait of one person: a start-up, a sign-in, or a start-up with its sign-in; `basis` says which."""

    device: str
    day: dt.date
    basis: str
    milliseconds: int
    startups: int
    signins: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Every record sorted: the waits that count, and why the others do not.

    `excluded_...`: {(device, reason): records}. `unsure`: {(device, what): counted records of which that is not
    known}: "kind of start-up", "first sign-in", "whether the start-up covers its sign-in".
    """

    waits: tuple[Wait, ...]
    raw_startups: Mapping[str, int]
    raw_signins: Mapping[str, int]
    excluded_startups: Mapping[tuple[str, str], int]
    excluded_signins: Mapping[tuple[str, str], int]
    unsure: Mapping[tuple[str, str], int]


def _milliseconds(seconds: float | None) -> int | None:
    """Return whole milliseconds, None where there is no length (missing, negative, no number)."""
    if seconds is None or not 0 <= seconds * 1000 < math.inf:
        return None
    return round(seconds * 1000)


def _unusable(seconds: float | None, quality: str) -> str | None:
    if _milliseconds(seconds) is None:
        return "no length"
    if quality == "suspect":
        return "suspect measurement"
    return "not finished" if quality == "unfinished" else None


def _startup_excluded(startup: Startup) -> str | None:
    """Return why a start-up does not count, None where it does."""
    if startup.kind in _LEFT_OUT_KINDS:
        return _LEFT_OUT_KINDS[startup.kind]
    if startup.kind not in _COUNTED_KINDS:
        return "unheard-of kind"
    if startup.attended is None:
        return "not known whether attended"
    return "unattended" if not startup.attended else _unusable(startup.seconds, startup.quality)


def _signin_excluded(signin: Signin, after: Startup | None) -> str | None:
    """Return why a sign-in does not count, None where it does; `after` is the start-up it is the first of."""
    if signin.first_on_device:
        return "first sign-in"
    if signin.after_update or (after is not None and after.kind == "update"):
        return "update"
    return _unusable(signin.seconds, signin.quality)


def _own_signins(startups: Iterable[Startup], signins: Iterable[Signin]) -> dict[tuple[str, str], Signin]:
    """Return {(device, start id): the sign-in that belongs to the start-up}.

    Of the sign-ins of that start-up on its own day or the next, the earliest; sign-ins carry no clock time, so of
    several on one day the longest, which can only count too little where it is the wrong one.
    """
    days = {(one.device, one.start_id): one.day for one in startups}
    found: dict[tuple[str, str], Signin] = {}
    for one in signins:
        key = (one.device, one.start_id or "")
        began = days.get(key)
        if one.start_id is None or began is None or not 0 <= (one.day - began).days <= 1:
            continue
        if key not in found or _before(one, found[key]):
            found[key] = one
    return found


def _before(one: Signin, other: Signin) -> bool:
    def rank(of: Signin) -> tuple[dt.date, int, str]:
        return of.day, -(_milliseconds(of.seconds) or 0), of.signin_id

    return rank(one) < rank(other)


class _Sorter:
    """Sorts records into waits and exclusions."""

    def __init__(self) -> None:
        self.waits: list[Wait] = []
        self.excluded_startups: Counter[tuple[str, str]] = Counter()
        self.excluded_signins: Counter[tuple[str, str]] = Counter()
        self.unsure: Counter[tuple[str, str]] = Counter()

    def alone(self, one: Signin, why: str | None) -> None:
        """Take a sign-in that is a wait of its own, or none for the reason `why`."""
        length = _milliseconds(one.seconds)
        if why is not None or length is None:
            self.excluded_signins[one.device, why or "no length"] += 1
            return
        self.unsure[one.device, "first sign-in"] += one.first_on_device is None
        self.waits.append(Wait(one.device, one.day, SIGNIN, length, 0, 1))

    def startup(self, one: Startup, own: Signin | None) -> None:
        """Take a start-up and the sign-in that belongs to it."""
        why = _startup_excluded(one)
        length = _milliseconds(one.seconds)
        own_why = None if own is None else _signin_excluded(own, one)
        if why is None and own_why in {"first sign-in", "update"} and one.includes_signin is not False:
            why = own_why  # its length covers, or may cover, what is left out
        if why is not None or length is None:
            self.excluded_startups[one.device, why or "no length"] += 1
            if own is not None:
                self.alone(own, own_why)
            return
        self.unsure[one.device, "kind of start-up"] += one.kind == "unknown"
        if own is not None and own_why is None:
            self._together(one, own, length)
            return
        if own is not None:
            self.excluded_signins[one.device, own_why or ""] += 1
        # Where it may cover a sign-in it is held against the reference of both, so that it can only count too little.
        self.unsure[one.device, "whether the start-up covers its sign-in"] += one.includes_signin is None
        basis = STARTUP if one.includes_signin is False else BOTH
        self.waits.append(Wait(one.device, one.day, basis, length, 1, 0))

    def _together(self, one: Startup, own: Signin, length: int) -> None:
        """Take both as one wait, never counting the sign-in twice."""
        signin = _milliseconds(own.seconds) or 0
        if one.includes_signin:
            self.excluded_signins[one.device, "within its start-up"] += 1
            self.waits.append(Wait(one.device, one.day, BOTH, length, 1, 0))
            return
        self.unsure[one.device, "first sign-in"] += own.first_on_device is None
        if one.includes_signin is None:
            # They may overlap or not: the longer of the two is certain.
            self.unsure[one.device, "whether the start-up covers its sign-in"] += 1
            length = max(length, signin)
        else:
            length += signin
        self.waits.append(Wait(one.device, one.day, BOTH, length, 1, 1))


def sort_waits(startups: Iterable[Startup], signins: Iterable[Signin]) -> Waits:
    """Return every record of `startups` and `signins` as part of a wait or excluded with its reason.

    ValueError where a device tells the same start-up or sign-in twice: one of them would count twice.
    """
    all_started, all_signed = tuple(startups), tuple(signins)
    started = {(one.device, one.start_id): one for one in all_started}
    signed = {(one.device, one.signin_id): one for one in all_signed}
    if len(started) != len(all_started) or len(signed) != len(all_signed):
        raise ValueError("a start-up or a sign-in of a device is there twice")
    own = _own_signins(all_started, all_signed)
    taken = {(one.device, one.signin_id) for one in own.values()}
    sorter = _Sorter()
    for key, one in started.items():
        sorter.startup(one, own.get(key))
    for key, signin in signed.items():
        if key not in taken:
            sorter.alone(signin, _signin_excluded(signin, None))
    return Waits(
        waits=tuple(sorter.waits),
        raw_startups=Counter(one.device for one in all_started),
        raw_signins=Counter(one.device for one in all_signed),
        excluded_startups=+sorter.excluded_startups,
        excluded_signins=+sorter.excluded_signins,
        unsure=+sorter.unsure,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How long a wait may be before it counts as lost, in seconds, by what the wait covers.

    None is not known: waits of that kind are then excluded, not held against zero. `devices`: how many devices the
    medians of an `estate` reference are from, 0 for a `fixed` one.
    """

    kind: str
    startup_seconds: float | None
    signin_seconds: float | None
    startup_and_signin_seconds: float | None
    devices: Mapping[str, int]

    def milliseconds(self, basis: str) -> int | None:
        """Return the reference of a basis of BASES in milliseconds, None where there is none."""
        return _milliseconds(getattr(self, f"{basis}_seconds"))


def fixed_reference(startup_seconds: float, signin_seconds: float) -> Reference:
    """Return a reference of the user's own; both together may take the sum. ValueError for what is no length."""
    if _milliseconds(startup_seconds) is None or _milliseconds(signin_seconds) is None:
        raise ValueError("a reference is a number of seconds, 0 or more")
    both = startup_seconds + signin_seconds
    return Reference(
        kind="fixed",
        startup_seconds=startup_seconds,
        signin_seconds=signin_seconds,
        startup_and_signin_seconds=both,
        devices=dict.fromkeys(BASES, 0),
    )


def estate_reference(waits: Waits, eligible: Collection[str], *, minimum: int = MINIMUM_DEVICES) -> Reference:
    """Return the estate's own reference: the median over `eligible` devices of each one's median wait.

    `eligible`: devices with an SSD as system medium and an operating system in support. A kind of wait that fewer
    than `minimum` of them have gets none.
    """
    lengths: dict[str, defaultdict[str, list[int]]] = {basis: defaultdict(list) for basis in BASES}
    for wait in waits.waits:
        if wait.device in eligible:
            lengths[wait.basis][wait.device].append(wait.milliseconds)
    seconds = {
        basis: statistics.median(statistics.median(of) for of in devices.values()) / 1000
        if devices and len(devices) >= minimum
        else None
        for basis, devices in lengths.items()
    }
    return Reference(
        kind="estate",
        startup_seconds=seconds[STARTUP],
        signin_seconds=seconds[SIGNIN],
        startup_and_signin_seconds=seconds[BOTH],
        devices={basis: len(devices) for basis, devices in lengths.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffTime:
    """What a device or a group of devices lost above the reference, and from what.

    raw = counted + the sum of excluded, for start-ups and for sign-ins. `waits` are those counted, `slow_waits` those
    above the reference. `devices`: with at least one counted wait. Non-cashable.
    """

    lost_milliseconds: int = 0
    waits: int = 0
    slow_waits: int = 0
    devices: int = 0
    raw_startups: int = 0
    raw_signins: int = 0
    counted_startups: int = 0
    counted_signins: int = 0
    excluded_startups: Mapping[str, int]
    excluded_signins: Mapping[str, int]
    unsure: Mapping[str, int]

    @property
    def hours(self) -> float:
        """The hours lost."""
        return self.lost_milliseconds / _MILLISECONDS_PER_HOUR


def _of_device(counts: Mapping[tuple[str, str], int]) -> dict[str, Counter[str]]:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (device, reason), number in counts.items():
        found[device][reason] += number
    return found


def hours_lost(waits: Waits, reference: Reference) -> dict[str, StaffTime]:
    """Return {device: what was lost on it}, for every device with a record.

    A wait without a reference of its kind is excluded as "no reference". A longer reference never loses more.
    """
    startups_out, signins_out = _of_device(waits.excluded_startups), _of_device(waits.excluded_signins)
    unsure = _of_device(waits.unsure)
    held = {basis: reference.milliseconds(basis) for basis in BASES}
    by_device: defaultdict[str, list[Wait]] = defaultdict(list)
    for wait in waits.waits:
        by_device[wait.device].append(wait)
    found = {}
    for device in sorted(waits.raw_startups.keys() | waits.raw_signins.keys()):
        mine = by_device.get(device, [])
        counted = [wait for wait in mine if held[wait.basis] is not None]
        out_startups = sum(wait.startups for wait in mine) - sum(wait.startups for wait in counted)
        out_signins = sum(wait.signins for wait in mine) - sum(wait.signins for wait in counted)
        over = [max(0, wait.milliseconds - (held[wait.basis] or 0)) for wait in counted]
        found[device] = StaffTime(
            lost_milliseconds=sum(over),
            waits=len(counted),
            slow_waits=sum(length > 0 for length in over),
            devices=int(bool(counted)),
            raw_startups=waits.raw_startups.get(device, 0),
            raw_signins=waits.raw_signins.get(device, 0),
            counted_startups=sum(wait.startups for wait in counted),
            counted_signins=sum(wait.signins for wait in counted),
            excluded_startups=+(
                startups_out.get(device, Counter()) + Counter({"no reference": out_startups})
            ),
            excluded_signins=+(signins_out.get(device, Counter()) + Counter({"no reference": out_signins})),
            unsure=dict(unsure.get(device, {})),
        )
    return found


def total(times: Iterable[StaffTime]) -> StaffTime:
    """Return the sum of `times`, which must be of different devices: hours, counts and exclusions all add up."""
    of: Sequence[StaffTime] = tuple(times)

    def add(name: str) -> int:
        return sum(getattr(one, name) for one in of)

    def merge(name: str) -> dict[str, int]:
        merged: Counter[str] = Counter()
        for one in of:
            merged.update(getattr(one, name))
        return dict(sorted(merged.items()))

    return StaffTime(
        lost_milliseconds=add("lost_milliseconds"),
        waits=add("waits"),
        slow_waits=add("slow_waits"),
        devices=add("devices"),
        raw_startups=add("raw_startups"),
        raw_signins=add("raw_signins"),
        counted_startups=add("counted_startups"),
        counted_signins=add("counted_signins"),
        excluded_startups=merge("excluded_startups"),
        excluded_signins=merge("excluded_signins"),
        unsure=merge("unsure"),
    )
