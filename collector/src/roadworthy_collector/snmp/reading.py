"""One poll of one device: who it is, which profiles it answers to, and what they read. Needs a session and profiles.

The order of questions, and what it costs:

1. One request: who the device is, and the OIDs that generic profiles are recognised by.
2. Where a vendor's profile fits only with a certain OID: one request for those.
3. For each profile, the most particular first: a walk of the first column of each table it reads (of the column that
   picks the rows, where one does), then one request for all single values and for the other columns of those rows.

A quantity of a place that a more particular profile gave is not asked for again: one source is chosen, never two.

A device that was read before (`Known`) is asked only for what changes, mostly in one request; names, units, scales and
which rows there are stand as they were told. It is read in full again when it is another device or a value is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from roadworthy_collector.snmp.evaluation import (
    Held,
    Index,
    fits,
    flag_value,
    identity_value,
    is_where,
    judge,
    spec_rows,
)
from roadworthy_collector.snmp.exchange import bad_answer
from roadworthy_collector.snmp.matching import (
    SYS_NAME,
    SYS_OBJECT_ID,
    Matched,
    first_questions,
    matched_profiles,
    second_questions,
)
from roadworthy_collector.snmp.port import BadAnswerError, EndlessError, Oid, Session, Value
from roadworthy_collector.snmp.profile import Column, FlagSpec, IdentitySpec, Profile, ReadingSpec, Where
from roadworthy_collector.snmp.readings import TEXT_KINDS, DeviceAnswer, Identity, Reading, Refusal
from roadworthy_collector.snmp.values import text_of

_TELLS_NOTHING = (
    "it answers, but tells nothing of itself, not even sysDescr and sysObjectID, which every agent has; see whether "
    "these credentials may read the system group"
)


@dataclass(frozen=True, slots=True)
class Known:
    """What a full poll found of a device: `asked` is what changes, `steady` what stands until the next full poll."""

    asked: tuple[Oid, ...]
    steady: Mapping[Oid, Value]
    who: Mapping[Oid, Value]  # sysObjectID and serial numbers; another value means another device
    wanted: frozenset[
        tuple[str, str]
    ]  # (profile, reading) asked for; others were left to a more particular profile


async def read_device(
    session: Session, profiles: Sequence[Profile], *, clock: Callable[[], float] = time.monotonic
) -> DeviceAnswer:
    """Return what the device is and reads, by the profiles it answers to.

    A device that none fits gives an answer without readings. SnmpError where it could not be asked, tells nothing of
    itself or has tables without an end; a single table that cannot be walked is a refusal of its readings.
    """
    return (await read_known_device(session, profiles, None, clock=clock))[0]


async def read_known_device(
    session: Session,
    profiles: Sequence[Profile],
    known: Known | None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[DeviceAnswer, Known]:
    """Return what `read_device` does, in one request where `known` is what the last poll of the device returned.

    Give None now and then (once an hour, and after a change of profiles): new rows and names are only seen then.
    """
    began = clock()
    found = None if known is None else await _again(session, known)
    if found is not None and known is not None:
        await _read_profiles(session, profiles, found)
        # What was left to a more particular profile is wanted now that this one gave nothing: it was not asked for.
        if found.wanted <= known.wanted:
            return found.answer(session.requests, clock() - began), known
    values: dict[Oid, Value] = dict(await session.get(first_questions(profiles)))
    if not values:
        raise bad_answer(session.target, _TELLS_NOTHING)
    more = second_questions(profiles, values)
    if more:
        values.update(await session.get(more))
    found = _Found(values, is_full=True)
    await _read_profiles(session, profiles, found)
    return found.answer(session.requests, clock() - began), found.known()


async def _read_profiles(session: Session, profiles: Sequence[Profile], found: _Found) -> None:
    for matched in matched_profiles(profiles, found.values):
        await _read_profile(session, matched, found)


async def _again(session: Session, known: Known) -> _Found | None:
    """Ask a known device for what changes; None where it is another one, or no longer has all of it."""
    if not known.asked:
        return None
    fresh = await session.get(known.asked)
    if len(fresh) < len(known.asked) or any(fresh[oid] != value for oid, value in known.who.items()):
        return None
    return _Found({**known.steady, **fresh}, is_full=False)


@dataclass(slots=True)
class _Found:
    """What a poll has brought so far."""

    values: dict[Oid, Value]
    is_full: bool
    failed: dict[Oid, str] = field(default_factory=dict)
    is_endless: bool = False  # one of its tables
    identity: Identity | None = None
    profiles: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    flags: dict[str, bool] = field(default_factory=dict)
    changing: dict[Oid, None] = field(default_factory=dict)
    who: dict[Oid, None] = field(default_factory=lambda: {SYS_OBJECT_ID: None})
    wanted: set[tuple[str, str]] = field(default_factory=set)

    def answer(self, requests: int, seconds: float) -> DeviceAnswer:
        """Return what was found as the answer of one poll."""
        identity = self.identity or Identity(kind="other")
        named = (
            identity
            if identity.name is not None
            else replace(identity, name=text_of(self.values.get(SYS_NAME)))
        )
        return DeviceAnswer(
            identity=named,
            profiles=tuple(self.profiles),
            why=tuple(self.why),
            readings=tuple(self.readings),
            refusals=tuple(self.refusals),
            requests=requests,
            seconds=seconds,
            flags=self.flags,
        )

    def known(self) -> Known:
        """Return what the next poll need not find out. A table that went wrong is asked for in full next time."""
        who = {oid: self.values[oid] for oid in self.who if oid in self.values}
        asked = tuple(oid for oid in {**self.changing, **self.who} if oid in self.values)
        steady = {
            oid: value for oid, value in self.values.items() if oid not in self.changing and oid not in who
        }
        return Known(() if self.failed else asked, steady, who, frozenset(self.wanted))


async def _read_profile(session: Session, matched: Matched, found: _Found) -> None:
    """Ask what the profile still has to give, and add it."""
    profile = matched.profile
    given = {_key(reading.kind, reading.place, reading.name) for reading in found.readings}
    specs = [spec for spec in profile.readings if not _is_given(spec, given)]
    left = dict.fromkeys(spec.name for spec in profile.readings if _is_given(spec, given))
    flags = [flag for flag in profile.flags if flag.name not in found.flags]
    known = found.identity or Identity(kind=profile.kind)
    fields = [spec for spec in profile.identity if getattr(known, spec.field) is None]
    if found.is_full:
        await _fetch(session, _Wanted.of(specs, fields, flags), found)
    found.wanted.update((profile.name, spec.name) for spec in specs)
    held = Held(found.values, found.failed)
    if found.is_full:
        found.changing.update(dict.fromkeys(_changing(specs, flags, held)))
        found.who.update(dict.fromkeys(_serials(fields, held)))
    judged = judge(profile, specs, held)
    # Modelled power is for devices that nobody measured; a more particular profile may have.
    kept = [one for one in judged.readings if _key(one.kind, one.place, one.name) not in given]
    found.readings += kept
    found.refusals += judged.refusals
    found.identity = _identified(known, fields, held)
    for flag in flags:
        up = flag_value(flag, held)
        if up is not None:
            found.flags[flag.name] = up
    found.profiles.append(profile.name)
    ending = f"; left to a more particular profile: {', '.join(left)}" if left else ""
    found.why.append(matched.why + ending)


def _changing(specs: Iterable[ReadingSpec], flags: Iterable[FlagSpec], held: Held) -> Iterator[Oid]:
    """Yield the OIDs whose values change from poll to poll: of readings, of what they are trusted by, of flags."""
    for spec in specs:
        yield from (trust.oid for trust in spec.trust if trust.oid is not None)
        columns = [spec.quality_column, *(trust.column for trust in spec.trust)]
        columns += [where.column for where in spec.where if where.matches is None]
        for index, _ in spec_rows(spec, held):
            yield spec.at + index
            yield from (column + index for column in columns if column is not None)
    for flag in flags:
        if flag.hourly:
            continue
        if flag.oid is not None:
            yield flag.oid
        if flag.column is not None:
            yield from (flag.column + index for index in held.rows(flag.column))


def _serials(fields: Iterable[IdentitySpec], held: Held) -> Iterator[Oid]:
    for spec in fields:
        if spec.field == "serial" and spec.oid is not None:
            yield spec.oid
        if spec.field == "serial" and spec.column is not None:
            yield from (spec.column + index for index in list(held.rows(spec.column))[:1])


def _key(kind: str, place: str, name: str) -> tuple[str, ...]:
    # Two states of one place are two things (of the battery: its charge and its age); two powers are one thing twice.
    return (kind, place, name) if kind in TEXT_KINDS else (kind, place)


def _is_given(spec: ReadingSpec, given: set[tuple[str, ...]]) -> bool:
    """Return whether what the spec reads, or what its rows add up to, was read already."""
    if _key(spec.kind, spec.place, spec.name) in given:
        return True
    # The lines of what a more particular profile told as a whole are not worth their requests.
    if spec.place == "phase" and {(spec.kind, "input"), (spec.kind, "output")} & given:
        return True
    return spec.total is not None and _key(spec.kind, spec.total.place, spec.total.name) in given


def _identified(known: Identity, fields: Iterable[IdentitySpec], held: Held) -> Identity:
    told: dict[str, str] = {}
    for spec in fields:
        value = identity_value(spec, held)
        if value is not None:
            told.setdefault(spec.field, value)
    return replace(known, **told)  # type: ignore[arg-type]  # the loader admits Identity's text fields only


@dataclass(frozen=True, slots=True)
class _Table:
    """A column and what stands beside its rows.

    `first` is walked to find them: where a column of the same table picks them, that one; else the column itself.
    """

    column: Oid
    where: tuple[Where, ...] = ()
    rows: tuple[int | None, ...] | None = None
    beside: tuple[Column, ...] = ()
    first_only: bool = False  # the identity needs one row

    @property
    def picks(self) -> Where | None:
        return next((where for where in self.where if where.column[:-1] == self.column[:-1]), None)

    @property
    def first(self) -> Oid:
        return self.column if self.picks is None else self.picks.column


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a profile asks of a device."""

    singles: tuple[Oid, ...]
    tables: tuple[_Table, ...]

    @classmethod
    def of(
        cls, specs: Sequence[ReadingSpec], fields: Sequence[IdentitySpec], flags: Sequence[FlagSpec]
    ) -> _Wanted:
        singles: dict[Oid, None] = {}
        tables: list[_Table] = []
        for spec in specs:
            singles.update(dict.fromkeys(_singles(spec)))
            if spec.column is not None:
                tables.append(_Table(spec.column, spec.where, spec.rows, _beside_columns(spec)))
        for field_spec in fields:
            if field_spec.oid is not None:
                singles[field_spec.oid] = None
            if field_spec.column is not None:
                where = () if field_spec.where is None else (field_spec.where,)
                tables.append(_Table(field_spec.column, where, first_only=True))
        for flag in flags:
            if flag.oid is not None:
                singles[flag.oid] = None
            if flag.column is not None:
                tables.append(_Table(flag.column))
        return cls(tuple(singles), tuple(tables))


def _singles(spec: ReadingSpec) -> list[Oid]:
    """Return the OIDs that a spec needs one value of."""
    found = [trust.oid for trust in spec.trust]
    found += [spec.oid, spec.share.oid if spec.share else None, spec.total.count_oid if spec.total else None]
    if spec.oid is not None:
        # Beside a single value a "column" is the OID itself.
        found += [column.oid for column in _beside_columns(spec)]
    return [oid for oid in found if oid is not None]


def _beside_columns(spec: ReadingSpec) -> tuple[Column, ...]:
    given = [spec.digits, spec.exponent, spec.entity_scale, spec.factor, spec.label, spec.accuracy]
    plain = [spec.unit_column, spec.quality_column, spec.share.column if spec.share else None]
    plain += [trust.column for trust in spec.trust]
    plain += [where.column for where in spec.where]
    return (*(one for one in given if one is not None), *(Column(oid) for oid in plain if oid is not None))


async def _fetch(session: Session, wanted: _Wanted, found: _Found) -> None:
    """Walk the first columns, then ask for everything else in one go."""
    walked: dict[Oid, bool] = {}  # a column -> whether it gave rows
    for table in wanted.tables:
        await _walk_first(session, table, walked, found)
    held = Held(found.values, found.failed)
    asked = dict.fromkeys(wanted.singles)
    for table in wanted.tables:
        asked.update(dict.fromkeys(_instances(table, held, walked)))
    missing = [oid for oid in asked if oid not in found.values]
    if missing:
        found.values.update(await session.get(missing))


async def _walk_first(session: Session, table: _Table, walked: dict[Oid, bool], found: _Found) -> None:
    """Walk the column that tells a table's rows, unless a neighbour of the same table has told them."""
    if table.first in walked:
        return
    # What picks rows by its value has to be walked itself, whatever a neighbour told.
    if table.picks is None and _telling(table.column, walked) is not None:
        return
    try:
        rows = await session.walk(table.first)
    except BadAnswerError as error:
        if isinstance(error, EndlessError):
            if found.is_endless:
                raise  # it makes rows up wherever it is asked
            found.is_endless = True
        found.failed[table.first] = str(error)
        rows = {}
    found.values.update(rows)
    walked[table.first] = bool(rows)


def _telling(column: Oid, walked: dict[Oid, bool]) -> Oid | None:
    """Return the walked column that tells which rows the column's table has; None where none did."""
    if walked.get(column):
        return column
    return next((one for one, gave in walked.items() if gave and one[:-1] == column[:-1]), None)


def _instances(table: _Table, held: Held, walked: dict[Oid, bool]) -> list[Oid]:
    """Return the OIDs of the rows that are meant: the column itself and what stands beside it."""
    indexes = [index for index in _indexes(table, held, walked) if fits(table.rows, index)]
    columns = (Column(table.column), *table.beside)
    return [
        column.oid + index[: column.parts]
        for index in (indexes[:1] if table.first_only else indexes)
        for column in columns
    ]


def _indexes(table: _Table, held: Held, walked: dict[Oid, bool]) -> list[Index]:
    where = table.picks
    if where is not None:
        return [index for index, value in held.rows(where.column).items() if is_where(where, value)]
    telling = _telling(table.column, walked)
    return [] if telling is None else list(held.rows(telling))
