"""Reads device profiles from TOML, strictly: an unknown key, a unit of another kind, an OID that is none are errors.

`docs/snmp/adding.md` explains the keys; the folder of wrong profiles beside the tests asserts each message.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from roadworthy_collector.snmp.profile import (
    Column,
    DateForm,
    DerivedSpec,
    FlagSpec,
    IdentityField,
    IdentitySpec,
    Match,
    Profile,
    ProfileError,
    ReadingSpec,
    Share,
    Total,
    Trust,
    Where,
)
from roadworthy_collector.snmp.profile_keys import Keys
from roadworthy_collector.snmp.readings import TEXT_KINDS, DeviceKind, Kind, Place, Quality

_KINDS: tuple[Kind, ...] = get_args(Kind)
_PLACES: tuple[Place, ...] = get_args(Place)
_QUALITIES: tuple[Quality, ...] = get_args(Quality)
_DEVICES: tuple[DeviceKind, ...] = get_args(DeviceKind)
_FIELDS: tuple[IdentityField, ...] = get_args(IdentityField)
_FORMS: tuple[DateForm, ...] = get_args(DateForm)
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
_WATTS: tuple[Kind, ...] = ("active_power", "idle_power", "energy", "nameplate_power")
# How MIBs name apparent power: xupsOutputVA, rPDU2DeviceStatusApparentPower, upsConfigOutputVA, inputVA.
_APPARENT = re.compile(r"[Aa]pparent|VA(?![a-z])|VoltAmp")


def shipped_profiles() -> tuple[Profile, ...]:
    """Return the profiles that come with this program, the most particular first; ProfileError if one is wrong."""
    folder = files("roadworthy_collector.snmp").joinpath("profiles")
    texts = [(file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".toml")]
    return _in_order([parse_profile(text, name=name) for name, text in sorted(texts)])


def profiles_in(folder: Path) -> tuple[Profile, ...]:
    """Return the profiles of a folder of .toml files; ProfileError where one cannot be read or is wrong."""
    return _in_order([read_profile(path) for path in sorted(folder.glob("*.toml"))])


def read_profile(path: Path) -> Profile:
    """Return the profile in a file; ProfileError where it cannot be read or is wrong."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: cannot be read: {error}") from error
    return parse_profile(text, name=path.name)


def parse_profile(text: str, *, name: str) -> Profile:
    """Return the profile of a TOML text; `name` is the file's, and the profile's is its stem.

    ProfileError names the file, the key and what is wrong.
    """
    try:
        said = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, ArithmeticError, RecursionError) as error:
        raise ProfileError(f"{name}: no TOML: {error}") from None
    keys = Keys(said, name)
    called = keys.text("name")
    if called != name.removesuffix(".toml") or not _NAME.fullmatch(called):
        keys.wrong("name", f"{called!r} is not the file's name in small letters without .toml")
    profile = _profile(keys, called)
    keys.done()
    _check_whole(keys, profile)
    return profile


def _in_order(profiles: Sequence[Profile]) -> tuple[Profile, ...]:
    return tuple(sorted(profiles, key=lambda profile: (-profile.rank, profile.name)))


def _profile(keys: Keys, name: str) -> Profile:
    mib = keys.text("mib")
    quality: Quality = keys.word("quality", _QUALITIES)
    return Profile(
        name=name,
        title=keys.text("title"),
        kind=keys.word("kind", _DEVICES),
        tier=1 if keys.whole("tier", 1, 2) == 1 else 2,
        rank=keys.whole("rank", 0, 99),
        mib=mib,
        evidence=keys.text("evidence"),
        trap=keys.text("trap"),
        match=_match(keys),
        identity=tuple(_identity(inner) for inner in keys.listed("identity")),
        readings=tuple(_reading(inner, mib, quality) for inner in keys.listed("reading")),
        derived=tuple(_derived(inner) for inner in keys.listed("derived")),
        flags=tuple(_flag(inner) for inner in keys.listed("flag")),
    )


def _match(keys: Keys) -> Match:
    inner = keys.inner("match")
    if inner is None:
        keys.wrong("match", "is missing")
    match = Match(inner.oids("object_id"), inner.pattern("description"), inner.oids("present"))
    inner.done()
    if match.is_generic and not match.present:
        inner.wrong("present", "is missing: a profile matches by object_id, description or present")
    return match


def _identity(keys: Keys) -> IdentitySpec:
    where = keys.inner("where")
    spec = IdentitySpec(
        field=keys.word("field", _FIELDS),
        oid=keys.maybe_oid("oid"),
        column=keys.maybe_oid("column"),
        where=None if where is None else _where(where),
        description=keys.pattern("description"),
        text=keys.maybe_text("text"),
        form=keys.word("form", _FORMS) if keys.has("form") else "text",
        object=keys.maybe_text("object") or "",
    )
    keys.done()
    if sum(x is not None for x in (spec.oid, spec.column, spec.description, spec.text)) != 1:
        keys.wrong("oid", "give one of oid, column, description, text")
    if spec.description is not None and spec.description.groups != 1:
        keys.wrong("description", "has one group: what the field is")
    return spec


def _flag(keys: Keys) -> FlagSpec:
    spec = FlagSpec(
        name=keys.text("name"),
        oid=keys.maybe_oid("oid"),
        column=keys.maybe_oid("column"),
        values=keys.wholes("is"),
        bits=keys.wholes("bits"),
        object=keys.text("object"),
        hourly=keys.flag("hourly"),
    )
    keys.done()
    if (spec.oid is None) == (spec.column is None):
        keys.wrong("oid", "give one of oid, column")
    if bool(spec.values) == bool(spec.bits):
        keys.wrong("is", "give one of is, bits")
    return spec


def _derived(keys: Keys) -> DerivedSpec:
    spec = DerivedSpec(
        name=keys.text("name"),
        place=keys.word("place", _PLACES),
        load=keys.text("load"),
        rated=keys.text("rated"),
        reason=keys.text("reason"),
    )
    keys.done()
    return spec


def _reading(keys: Keys, mib: str, quality: Quality) -> ReadingSpec:
    name = keys.text("name")
    keys.where += f" ({name})"
    if not _NAME.fullmatch(name):
        keys.wrong("name", f"{name!r} is no name: small letters, figures, underlines")
    kind = keys.word("kind", _KINDS)
    spec = ReadingSpec(
        name=name,
        kind=kind,
        place=keys.word("place", _PLACES),
        mib=keys.maybe_text("mib") or mib,
        object=keys.text("object"),
        quality=keys.word("quality", _QUALITIES) if keys.has("quality") else quality,
        **_where_it_is(keys),
        **_scale(keys, kind),
        **_beside(keys),
    )
    keys.done()
    _check_reading(keys, spec)
    return spec


def _where_it_is(keys: Keys) -> dict[str, Any]:
    """Return the keys of a reading that say where its values are and which of them are believed."""
    return {
        "oid": keys.maybe_oid("oid"),
        "column": keys.maybe_oid("column"),
        "rows": _rows(keys),
        "where": tuple(_where(inner) for inner in keys.listed("where")),
        "trust": tuple(_trust(inner) for inner in keys.listed("trust")),
        "sentinels": keys.wholes("sentinels"),
        "believed": keys.wholes("believed"),
        "negative_is_missing": keys.flag("negative_is_missing"),
        "least": keys.decimal("least"),
        "most": keys.decimal("most"),
        "not_believed": keys.maybe_text("not_believed"),
        "expected": keys.flag("expected"),
        "single": keys.flag("single"),
    }


def _scale(keys: Keys, kind: Kind) -> dict[str, Any]:
    """Return the keys of a reading that say what a step of the raw value is."""
    unit = keys.maybe_text("unit")
    units = keys.coded("units")
    if kind in TEXT_KINDS and (unit is not None or units):
        keys.wrong("unit", f"a {kind} has none")
    return {
        "unit": None if unit is None else keys.unit("unit", unit, kind),
        "unit_column": keys.maybe_oid("unit_column"),
        "units": {code: keys.unit("units", text, kind) for code, text in units.items()},
        "digits": _column(keys, "digits"),
        "exponent": _column(keys, "exponent"),
        "entity_scale": _column(keys, "entity_scale"),
        "factor": _column(keys, "factor"),
        "numeric_text": keys.flag("numeric_text"),
        "share": _share(keys),
        "states": keys.coded("states"),
        "bits": keys.coded("bits"),
        "form": keys.word("form", _FORMS) if keys.has("form") else None,
        "wraps_bits": keys.whole("wraps_bits", 16, 64) if keys.has("wraps_bits") else None,
    }


def _beside(keys: Keys) -> dict[str, Any]:
    """Return the keys of a reading that say what stands beside its values."""
    qualities: dict[int, Quality] = {}
    for code, text in keys.coded("qualities").items():
        found = next((quality for quality in _QUALITIES if quality == text), None)
        if found is None:
            keys.wrong("qualities", f"{text!r} is none of {', '.join(_QUALITIES)}")
        qualities[code] = found
    return {
        "label": _column(keys, "label"),
        "labels": keys.coded("labels"),
        "label_text": keys.maybe_text("label_text"),
        "quality_column": keys.maybe_oid("quality_column"),
        "qualities": qualities,
        "accuracy": _column(keys, "accuracy"),
        "total": _total(keys),
    }


def _column(keys: Keys, key: str) -> Column | None:
    """Return a column given as an OID, or as a table of `column` and `parts`."""
    if not keys.has(key):
        return None
    if isinstance(keys.table[key], str):
        return Column(keys.oid(key))
    inner = keys.inner(key)
    if inner is None:
        return None
    found = Column(inner.oid("column"), inner.whole("parts", 1, 64))
    inner.done()
    return found


def _where(keys: Keys) -> Where:
    found = Where(keys.oid("column"), keys.wholes("is"), keys.pattern("matches"))
    keys.done()
    if bool(found.values) == (found.matches is not None):
        keys.wrong("is", "give one of is, matches")
    return found


def _trust(keys: Keys) -> Trust:
    found = Trust(
        keys.wholes("is"),
        keys.text("reason"),
        keys.maybe_oid("column"),
        keys.maybe_oid("oid"),
        keys.flag("must_be_told"),
    )
    keys.done()
    if (found.column is None) == (found.oid is None):
        keys.wrong("column", "give one of column, oid")
    if not found.values:
        keys.wrong("is", "is missing")
    return found


def _share(keys: Keys) -> Share | None:
    inner = keys.inner("share_of")
    if inner is None:
        return None
    found = Share(inner.maybe_oid("column"), inner.maybe_oid("oid"))
    inner.done()
    if (found.column is None) == (found.oid is None):
        inner.wrong("column", "give one of column, oid")
    return found


def _total(keys: Keys) -> Total | None:
    inner = keys.inner("total")
    if inner is None:
        return None
    found = Total(inner.text("name"), inner.word("place", _PLACES), inner.maybe_oid("count_oid"))
    inner.done()
    return found


def _rows(keys: Keys) -> tuple[int | None, ...] | None:
    text = keys.maybe_text("rows")
    if text is None:
        return None
    parts = text.split(".")
    if not all(part == "*" or (part.isascii() and part.isdigit()) for part in parts):
        keys.wrong("rows", f"{text!r} is no pattern of an index such as *.*.5")
    return tuple(None if part == "*" else int(part) for part in parts)


def _check_reading(keys: Keys, spec: ReadingSpec) -> None:
    if (spec.oid is None) == (spec.column is None):
        keys.wrong("oid", "give one of oid (one value) and column (a row each)")
    _check_kind(keys, spec)
    pairs = (
        ("units", bool(spec.units), "unit_column", spec.unit_column is not None),
        ("qualities", bool(spec.qualities), "quality_column", spec.quality_column is not None),
        ("labels", bool(spec.labels), "label", bool(spec.labels) and spec.label is not None),
    )
    for key, given, other, has_other in pairs:
        if given != has_other:
            keys.wrong(key, f"{other} and {key} belong together")
    if spec.oid is not None and (spec.where or spec.rows or spec.label or spec.total or spec.unit_column):
        keys.wrong("oid", "rows, where, label, total and unit_column are of a table: give column")


def _check_kind(keys: Keys, spec: ReadingSpec) -> None:
    """Refuse what a reading of its kind must have and has not, or cannot have and has."""
    if spec.kind == "state":
        if bool(spec.states) == bool(spec.bits):
            keys.wrong("states", "a state has one of states, bits")
    elif spec.kind == "since":
        if spec.form in {None, "text"}:
            keys.wrong("form", "a date has one of its forms")
    elif spec.share is None and spec.unit is None and not spec.units:
        keys.wrong("unit", "is missing")
    if spec.form is not None and spec.kind != "since":
        keys.wrong("form", "only a date (kind since) has one")
    if spec.kind in _WATTS and _APPARENT.search(spec.object):
        keys.wrong("object", f"{spec.object} is apparent power (VA), which is never watts")
    if spec.wraps_bits is not None and spec.kind != "energy":
        keys.wrong("wraps_bits", "only an energy register wraps")


def _check_whole(keys: Keys, profile: Profile) -> None:
    """Refuse what only all of a profile's readings together can have wrong."""
    by_name: dict[str, ReadingSpec] = {}
    for spec in profile.readings:
        first = by_name.setdefault(spec.name, spec)
        if (first.kind, first.place) != (spec.kind, spec.place):
            keys.wrong("reading", f"{spec.name} is declared twice with different kind or place")
    for derived in profile.derived:
        for wanted, kind in ((derived.load, "load"), (derived.rated, "nameplate_power")):
            if wanted not in by_name or by_name[wanted].kind != kind:
                keys.wrong("derived", f"{derived.name}: {wanted!r} is no reading of kind {kind}")
