"""What a profile makes of values already fetched: readings, refusals, identity, flags. Pure.

Fetching (`reading.py`) and judging are apart so that a recording, a truncated answer and a device are judged alike.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from roadworthy_collector.snmp.matching import SYS_DESCR
from roadworthy_collector.snmp.port import Oid, Value, oid_text
from roadworthy_collector.snmp.profile import (
    Column,
    FlagSpec,
    IdentitySpec,
    Profile,
    ReadingSpec,
    Total,
    Where,
)
from roadworthy_collector.snmp.readings import TEXT_KINDS, Quality, Reading, Refusal
from roadworthy_collector.snmp.values import (
    UNTOLD_FACTOR,
    Beside,
    Trouble,
    bits_set,
    date_of,
    quantity,
    raw_text,
    text_of,
    word,
)

Index = tuple[int, ...]
# From the best known to the least; a sum is as good as its worst part.
QUALITIES: tuple[Quality, ...] = ("metered", "sensor", "modelled", "assumed")


class Held:
    """Values fetched so far, and columns that could not be walked with the reason."""

    def __init__(self, values: Mapping[Oid, Value], failed: Mapping[Oid, str] | None = None) -> None:
        self.values = values
        self.failed = failed if failed is not None else {}
        self._oids = sorted(values)

    def rows(self, column: Oid) -> dict[Index, Value]:
        """Return a column's values by index, in order."""
        first = bisect_left(self._oids, (*column, 0))
        last = bisect_left(self._oids, (*column[:-1], column[-1] + 1))
        return {oid[len(column) :]: self.values[oid] for oid in self._oids[first:last]}

    def beside(self, column: Column | Oid | None, index: Index) -> Value | None:
        """Return what stands in another column for a row; for a single value the column is the OID itself."""
        if column is None:
            return None
        if isinstance(column, Column):
            return self.values.get(column.oid + index[: column.parts])
        return self.values.get(column + index)

    def whole(self, column: Column | Oid | None, index: Index) -> int | None:
        """Return `beside` if it is a whole number."""
        found = self.beside(column, index)
        return found if isinstance(found, int) else None


@dataclass(slots=True)
class Judged:
    """What came of a profile, or of one of its readings."""

    readings: list[Reading] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def put(self, one: Reading | Refusal) -> None:
        """Add one reading or refusal."""
        if isinstance(one, Reading):
            self.readings.append(one)
        else:
            self.refusals.append(one)


def judge(profile: Profile, specs: Sequence[ReadingSpec], held: Held) -> Judged:
    """Return what the specs (all, or those still wanted, of the profile) make of what is held.

    Specs of one name are alternatives: the first that gives a reading is taken; the others say nothing.
    """
    judged = Judged()
    for name in dict.fromkeys(spec.name for spec in specs):
        alternatives = [spec for spec in specs if spec.name == name]
        tried = [candidates(profile, spec, held) for spec in alternatives]
        given = next((one for one in tried if one.readings), None)
        if given is not None:
            _add_new(judged, given)
            continue
        refusals = [refusal for one in tried for refusal in one.refusals]
        if not refusals and any(spec.expected for spec in alternatives):
            first = alternatives[0]
            told = f"the device has no {first.object}, which {profile.name} expects"
            refusals.append(Refusal(name, "", "missing", told, _source(profile, first.at)))
        judged.refusals += refusals
    judged.readings += _derived(profile, judged.readings)
    return judged


def _add_new(judged: Judged, more: Judged) -> None:
    """Add what is not there yet: where the device tells a sum itself, the one made of its rows is not wanted."""
    read = {one.name for one in judged.readings}
    refused = {one.name for one in judged.refusals}
    judged.readings += [one for one in more.readings if one.name not in read]
    judged.refusals += [
        one for one in more.refusals if one.name not in read and (one.name not in refused or one.parts)
    ]


def candidates(profile: Profile, spec: ReadingSpec, held: Held) -> Judged:
    """Return what one spec makes of what is held, whatever its alternatives give."""
    judged = Judged()
    broken = next((held.failed[column] for column in _walked(spec) if column in held.failed), None)
    if broken is not None:
        judged.refusals.append(Refusal(spec.name, "", "missing", broken, _source(profile, spec.at)))
        return judged
    for index, raw in spec_rows(spec, held):
        judged.put(_judge_value(profile, spec, held, index, raw))
    if spec.single and len(judged.readings) + len(judged.refusals) == 1:
        judged.readings = [replace(one, index="") for one in judged.readings]
        judged.refusals = [replace(one, index="") for one in judged.refusals]
    if spec.total is not None and (judged.readings or judged.refusals):
        judged.put(_total(profile, spec, spec.total, held, judged))
    return judged


def _walked(spec: ReadingSpec) -> Iterator[Oid]:
    if spec.column is not None:
        yield spec.column
        yield from (where.column for where in spec.where)


def spec_rows(spec: ReadingSpec, held: Held) -> Iterator[tuple[Index, Value]]:
    """Yield (index, raw value) of the rows that the spec is about; a single value has the index ()."""
    if spec.oid is not None:
        raw = held.values.get(spec.oid)
        if raw is not None:
            yield (), raw
        return
    if spec.column is None:
        return
    for index, raw in held.rows(spec.column).items():
        if fits(spec.rows, index) and all(
            is_where(where, held.beside(where.column, index)) for where in spec.where
        ):
            yield index, raw


def fits(pattern: tuple[int | None, ...] | None, index: Index) -> bool:
    """Return whether an index is of a pattern; every index is of none."""
    if pattern is None:
        return True
    same = (wanted is None or wanted == number for wanted, number in zip(pattern, index, strict=False))
    return len(pattern) == len(index) and all(same)


def row_of(pattern: tuple[int | None, ...] | None, index: Index) -> str:
    """Return what tells a row apart, as text: of an index with a pattern only the numbers the pattern leaves open.

    What the pattern fixes says what is measured: power and energy of one outlet are of one row.
    """
    if pattern is not None:
        index = tuple(number for wanted, number in zip(pattern, index, strict=False) if wanted is None)
    return oid_text(index) if index else ""


def is_where(where: Where, value: Value | None) -> bool:
    """Return whether a row whose column holds `value` is meant."""
    if where.matches is not None:
        told = oid_text(value) if isinstance(value, tuple) else text_of(value)
        return where.matches.search(told or "") is not None
    return isinstance(value, int) and value in where.values


def _judge_value(
    profile: Profile, spec: ReadingSpec, held: Held, index: Index, raw: Value
) -> Reading | Refusal:
    source = _source(profile, spec.at + index if spec.oid is None else spec.at)
    shown = row_of(spec.rows, index)
    if spec.not_believed is not None:
        return Refusal(spec.name, shown, "not_believed", f"{raw_text(raw)}: {spec.not_believed}", source)
    what = (source, spec.kind, spec.place)
    doubt = _doubt(spec, held, index)
    if doubt is not None:
        return Refusal(spec.name, shown, "not_believed", f"{raw_text(raw)}: {doubt}", *what)
    value = word(raw, spec) if spec.kind in TEXT_KINDS else quantity(raw, spec, _beside(spec, held, index))
    quality = _quality(spec, held, index)
    if isinstance(value, Trouble):
        return Refusal(spec.name, shown, value.code, value.reason, *what)
    if isinstance(quality, Trouble):
        return Refusal(spec.name, shown, quality.code, quality.reason, *what)
    accuracy = held.whole(spec.accuracy, index)
    return Reading(
        name=spec.name,
        index=shown,
        kind=spec.kind,
        place=spec.place,
        value=value,
        quality=quality,
        source=source,
        label=_label(spec, held, index),
        relative_error=accuracy / 10_000 if accuracy is not None and 0 < accuracy <= 10_000 else None,
        wraps_at_watt_hours=_wraps(spec, _beside(spec, held, index)),
        step_watt_hours=_step(spec, _beside(spec, held, index)),
    )


def _label(spec: ReadingSpec, held: Held, index: Index) -> str | None:
    """Return what the device calls the row; of a label told as a code the profile's word for it."""
    told = held.beside(spec.label, index)
    if spec.labels:
        return spec.labels.get(told) if isinstance(told, int) else None
    return text_of(told) or spec.label_text


def _doubt(spec: ReadingSpec, held: Held, index: Index) -> str | None:
    """Return why the value is not believed; None where nothing speaks against it."""
    for trust in spec.trust:
        if trust.column is not None:
            told, others = held.whole(trust.column, index), bool(held.rows(trust.column))
        else:
            told, others = held.whole(trust.oid, ()), False
        # Many devices leave such columns out; but one that tells it of other rows, or must, hides something.
        if told is None and (others or trust.must_be_told):
            return f"{trust.reason}, or does not say"
        if told is not None and told not in trust.values:
            return f"{trust.reason} (it says {told})"
    return None


def _beside(spec: ReadingSpec, held: Held, index: Index) -> Beside:
    unit = spec.unit
    if spec.unit_column is not None:
        code = held.whole(spec.unit_column, index)
        # A device without the column means the MIB's unit; one row without its unit means nothing.
        untold = spec.unit if not held.rows(spec.unit_column) else None
        unit = spec.units.get(code) if code is not None else untold
    share = spec.share
    # A column that the profile names and the device leaves out is not guessed: -1 is out of every range.
    return Beside(
        unit=unit,
        digits=_told(spec.digits, held, index),
        exponent=_told(spec.exponent, held, index, missing=-99),
        entity_scale=_told(spec.entity_scale, held, index),
        factor=_told(spec.factor, held, index, missing=UNTOLD_FACTOR),
        whole=None
        if share is None
        else held.whole(share.column, index)
        if share.column
        else held.whole(share.oid, ()),
    )


def _told(column: Column | None, held: Held, index: Index, *, missing: int = -1) -> int | None:
    if column is None:
        return None
    found = held.whole(column, index)
    return found if found is not None else missing


def _quality(spec: ReadingSpec, held: Held, index: Index) -> Quality | Trouble:
    if spec.quality_column is None:
        return spec.quality
    code = held.whole(spec.quality_column, index)
    found = spec.qualities.get(code) if code is not None else None
    if found is not None:
        return found
    told = "nothing" if code is None else str(code)
    return Trouble("not_believed", f"the device does not say how it knows: {told}")


def _wraps(spec: ReadingSpec, beside: Beside) -> float | None:
    if spec.wraps_bits is None or beside.unit is None:
        return None
    shift = (beside.exponent or 0) - (beside.digits or 0)
    return float((beside.unit.factor * (1 << spec.wraps_bits)).scaleb(shift))


def _step(spec: ReadingSpec, beside: Beside) -> float:
    """Return the smallest difference an energy register can show, in Wh; 1 of anything else."""
    if spec.kind != "energy" or beside.unit is None:
        return 1.0
    return float(beside.unit.factor.scaleb((beside.exponent or 0) - (beside.digits or 0)))


def _total(profile: Profile, spec: ReadingSpec, total: Total, held: Held, rows: Judged) -> Reading | Refusal:
    """Return the sum of all rows; a refusal where one of them is missing or refused: a part is no total."""
    source = _source(profile, spec.at)
    if rows.refusals:
        lost = f"row {rows.refusals[0].index} of {spec.name} gave no value, and a part is no total"
        return Refusal(total.name, "", "missing", lost, source)
    told = _rows_there_are(spec, total, held)
    if told is not None and told != len(rows.readings):
        lost = f"{len(rows.readings)} rows of {spec.name} came where there are {told}; a part is no total"
        return Refusal(total.name, "", "missing", lost, source, parts=spec.place)
    worst = max((reading.quality for reading in rows.readings), key=QUALITIES.index)
    value = math.fsum(reading.value for reading in rows.readings if isinstance(reading.value, float))
    return replace(
        rows.readings[0],
        name=total.name,
        index="",
        place=total.place,
        value=value,
        quality=worst,
        source=source,
        label=None,
        wraps_at_watt_hours=None,
    )


def _rows_there_are(spec: ReadingSpec, total: Total, held: Held) -> int | None:
    """Return how many rows the device says there are: told as a number, or by the column that picks them."""
    if total.count_oid is not None:
        return held.whole(total.count_oid, ())
    picks = next(
        (where for where in spec.where if spec.column and where.column[:-1] == spec.column[:-1]), None
    )
    if picks is None:
        return None
    indexes = [index for index, value in held.rows(picks.column).items() if is_where(picks, value)]
    return sum(
        all(is_where(where, held.beside(where.column, index)) for where in spec.where) for index in indexes
    )


def _derived(profile: Profile, readings: Sequence[Reading]) -> list[Reading]:
    """Return powers modelled as load times nameplate, for places where no power was read."""
    found: list[Reading] = []
    for spec in profile.derived:
        if any(one.kind == "active_power" and one.place == spec.place for one in [*readings, *found]):
            continue
        loads = [one for one in readings if one.name == spec.load and isinstance(one.value, float)]
        rated = [one for one in readings if one.name == spec.rated and isinstance(one.value, float)]
        # With several lines it is not told what each is a share of.
        if len(loads) != 1 or len(rated) != 1:
            continue
        value = float(loads[0].value) * float(rated[0].value)
        found.append(
            Reading(
                name=spec.name,
                index="",
                kind="active_power",
                place=spec.place,
                value=value,
                quality="modelled",
                source=f"{loads[0].source} x {rated[0].source.split()[-1]}",
            )
        )
    return found


def identity_value(spec: IdentitySpec, held: Held) -> str | None:
    """Return what a field of the identity is, None where the device does not say."""
    if spec.text is not None:
        return spec.text
    if spec.description is not None:
        found = spec.description.search(text_of(held.values.get(SYS_DESCR)) or "")
        return None if found is None else date_of(found[1].encode("utf-8"), spec.form)
    if spec.oid is not None:
        return date_of(held.values.get(spec.oid), spec.form)
    if spec.column is None:
        return None
    for index, raw in held.rows(spec.column).items():
        if spec.where is None or is_where(spec.where, held.beside(spec.where.column, index)):
            value = date_of(raw, spec.form)
            if value is not None:
                return value
    return None


def flag_value(spec: FlagSpec, held: Held) -> bool | None:
    """Return whether a flag is up (in any row), None where the device does not say."""
    values = (
        [held.values.get(spec.oid)] if spec.oid is not None else list(held.rows(spec.column or ()).values())
    )
    told = [value for value in values if value is not None]
    if spec.bits:
        octets = [value for value in told if isinstance(value, bytes)]
        return any(spec.bits & bits_set(value) for value in octets) if octets else None
    codes = [value for value in told if isinstance(value, int)]
    return any(code in spec.values for code in codes) if codes else None


def _source(profile: Profile, oid: Oid) -> str:
    return f"snmp {profile.name} {oid_text(oid)}"
