"""Which item of the register a row of a file is: by tag, else by serial, else by UUID, else by addresses.

Two tags are two items, whatever else agrees: nothing is merged silently. What cannot be decided is set aside with the
reason, or kept as an item of its own with a warning.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.books import items
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.identity import canonical_uuid, normalise_uuid, serial_key, serial_keys
from roadworthy_inventory.importing.fields import Columns, Context, Format
from roadworthy_inventory.register import RegisterItem

_SEVERAL = -1
# Every text of an item and the most characters the tables have room for; tests hold them against the tables.
ROOM = (
    ("tag", 64), ("serial", 128), ("uuid", 36), ("manufacturer", 128), ("model", 128), ("model_number", 128),
    ("unit", 128), ("cost_centre", 64), ("command", 128), ("site", 128), ("legal_owner", 128), ("supplier", 128),
    ("order_number", 64), ("system", 128), ("warranty_level", 128), ("os_name", 128), ("os_version", 128),
    ("notes", 10_000),
)  # fmt: skip
_TEXTS = attrgetter(*(name for name, _most in ROOM))
_LEAST_ROOM = min(most for _name, most in ROOM)


class Matched(NamedTuple):
    """A row of a file as an item's raw values but for its places, and the item of the register it is; None: a new one."""

    said: items.Unplaced
    target: int | None


class Keys:
    """What every item of the register is known by. Restricted sites and units out of `scope` are known as such."""

    def __init__(self, connection: Connection, *, scope: Scope = EVERYTHING, restricted: bool = True) -> None:
        self.tags: dict[str, int] = {}
        self.serials: dict[str, int] = {}
        self.uuids: dict[str, int] = {}
        self.macs: dict[str, int] = {}
        self.tagged: set[int] = set()
        self.hidden: set[int] = set()
        columns = register_items.c
        query = select(
            columns.id,
            columns.tag,
            columns.serial,
            columns.uuid,
            columns.macs,
            columns.unit,
            sites.c.restricted,
        ).outerjoin(sites, sites.c.id == columns.site)
        for id_, tag, serial, uuid, macs, unit, at_restricted in connection.execute(query):
            if tag is not None:
                plain_tag = tag if tag.isascii() else unicodedata.normalize("NFC", tag)  # as files tell it
                self.tags[plain_tag.casefold()] = id_
                self.tagged.add(id_)
            if (scope is not None and unit not in scope) or (at_restricted and not restricted):
                self.hidden.add(id_)
            plain = serial_key(serial)
            own = canonical_uuid(uuid)
            if plain is not None:
                self.serials[plain] = _SEVERAL if plain in self.serials else id_
            if own is not None:
                self.uuids[own] = _SEVERAL if own in self.uuids else id_
            if tag is None and plain is None and own is None and macs:
                found = json.loads(macs) if isinstance(macs, str) else macs
                self.macs[_macs_key(found)] = id_


class Matcher:
    """Finds the item of each row of one file, in the order of its lines; problems go to the row's context."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._claimed: dict[int, int] = {}
        self._new: dict[str, dict[str, int]] = {"serial": {}, "uuid": {}, "macs": {}}

    def target(self, item: RegisterItem, context: Context) -> int | None:
        """Return the item of the register this row is, None for a new one or one that was refused."""
        keys = self._keys
        plain, own = serial_key(item.serial), canonical_uuid(item.uuid)
        if item.tag is not None and (by_tag := keys.tags.get(item.tag.casefold())) is not None:
            return self._claim(by_tag, "tag", context, unique=True)
        named = self._named(item, plain, own)
        for name, key, held in named:
            found = held.get(key)
            line = self._new[name].get(key)
            if line is not None and item.tag is None:
                context.refuse(name, f"duplicate_{name}", f"is on line {line} already", getattr(item, name))
                return None
            if found is None and line is None:
                continue
            if item.tag is None and found == _SEVERAL:
                context.refuse(
                    name, "several_items", "is on several items of the register; give the tag", key
                )
                return None
            if found is not None and found != _SEVERAL and (item.tag is None or found not in keys.tagged):
                return self._claim(found, name, context)
            context.warn(
                name, f"shared_{name}", "is on an item of another tag too; kept as an item of its own", key
            )
            break
        for name, key, _held in named:
            self._new[name].setdefault(key, context.line)
        return None

    def targets(self, columns: Columns, lines: Sequence[int]) -> Sequence[int | None] | None:
        """Return what `target` would of every row; None, and nothing is remembered, where it might say something."""
        keys, count = self._keys, len(lines)
        tags = columns.get("tag", [None] * count)
        found = [None if tag is None else keys.tags.get(tag.casefold()) for tag in tags]
        if not keys.hidden.isdisjoint(found):
            return None
        new: dict[str, dict[str, int]] = {}
        for name, plain, held in (
            ("serial", serial_keys, keys.serials),
            ("uuid", _uuid_keys, keys.uuids),
        ):
            rows = zip(columns.get(name, [None] * count), lines, found, strict=True)
            said = [(text, line) for text, line, target in rows if text is not None and target is None]
            names = plain([text for text, _line in said])
            told = {key: line for key, (_text, line) in zip(names, said, strict=True) if key is not None}
            once = len(told) + names.count(None) == len(names)
            if not (once and held.keys().isdisjoint(told) and self._new[name].keys().isdisjoint(told)):
                return None
            new[name] = told
        # One without a tag may be known by its addresses, if by nothing else.
        if None in tags and len(new["serial"]) < count:
            return None
        for name, told in new.items():
            self._new[name].update(told)
        for target, line in zip(found, lines, strict=True):
            if target is not None:
                self._claimed.setdefault(target, line)
        return found

    def _named(
        self, item: RegisterItem, serial: str | None, uuid: str | None
    ) -> list[tuple[str, str, dict[str, int]]]:
        """Return (name, key, what is held of its kind) of what the item may be known by besides its tag."""
        named = []
        if serial is not None:
            named.append(("serial", serial, self._keys.serials))
        if uuid is not None:
            named.append(("uuid", uuid, self._keys.uuids))
        if item.tag is None and not named and item.macs:
            named.append(("macs", _macs_key(item.macs), self._keys.macs))
        return named

    def _claim(self, target: int, name: str, context: Context, *, unique: bool = False) -> int | None:
        """Return the item, once a file; a tag that comes twice is found by the importer itself."""
        if target in self._keys.hidden:
            context.refuse(name, "not_yours", "is an item you may not change: it belongs to others")
            return None
        first = self._claimed.setdefault(target, context.line)
        if first != context.line and not unique:
            context.refuse(name, f"duplicate_{name}", f"is the item of line {first} already")
            return None
        return target


def _uuid_keys(uuids: Sequence[str]) -> list[str | None]:
    return [canonical_uuid(uuid) for uuid in uuids]


def _macs_key(macs: Any) -> str:
    return " ".join(sorted(macs))


def matching(form: Format, matcher: Matcher, units_allowed: Callable[[str | None], bool] | None) -> Format:
    """Return a format of items whose rows come as Matched: checked against the tables, and found in the register.

    `units_allowed` says whether somebody whose role holds for some units only may put an item there.
    """
    make, fixed = form.make, form.fixed

    def matched(found: dict[str, Any], context: Context) -> object:
        item = make({**fixed, **found} if fixed else found, context)
        if not isinstance(item, RegisterItem):
            raise TypeError(f"{form.name} yields no register items")
        item = fitted(item, context)
        if _refused(context):
            return Matched(items.unplaced(item), None)
        target = matcher.target(item, context)
        new = target is None and not _refused(context)
        if units_allowed is not None and (new or item.unit is not None) and not units_allowed(item.unit):
            context.refuse(
                "unit",
                "not_yours",
                "is no unit of yours; your role holds for some units only",
                item.unit or "",
            )
        return Matched(items.unplaced(item), target)

    def matched_many(columns: Columns, lines: Sequence[int], context: Context) -> Sequence[Matched] | None:
        for name, value in fixed.items():
            told = columns.get(name, [None] * len(lines))
            columns[name] = [value if one is None else one for one in told]
        if form.check_many is None or not form.check_many(columns, context) or not _all_fit(columns):
            return None
        if units_allowed is not None and not all(map(units_allowed, {*columns.get("unit", [None])})):
            return None
        targets = matcher.targets(columns, lines)
        if targets is None:
            return None
        return list(map(Matched, items.unplaced_rows(columns, len(lines)), targets))

    many = None if form.check_many is None else matched_many
    return replace(form, make=matched, make_many=many, fixed={})


def _refused(context: Context) -> bool:
    return bool(context.problems) and any(problem.quarantines for problem in context.problems)


def fitted(item: RegisterItem, context: Context) -> RegisterItem:
    """Return the item, having said in `context` what the tables have no room for or no database keeps."""
    if item.uuid is not None and len(item.uuid) > 36 and (plain := normalise_uuid(item.uuid)):
        item = replace(item, uuid=plain)
    texts = _TEXTS(item)
    said = [text for text in texts if text is not None]
    # Nearly every row ends here: the least room there is suffices, and all of it can be printed.
    if not said or (len(max(said, key=len)) <= _LEAST_ROOM and "".join(said).isprintable()):
        return item
    for (name, most), text in zip(ROOM, texts, strict=True):
        if text is None:
            continue
        if len(text) > most:
            context.refuse(name, "too_long", f"is {len(text)} characters long; at most {most} are kept", text)
        elif not text.isprintable():
            check_text(name, text, context)
    return item


def _all_fit(columns: Columns) -> bool:
    """Whether `fitted` would say nothing of any of these rows, and change nothing."""
    for name, most in ROOM:
        said = {*columns.get(name, ())} - {None}
        if not said:
            continue
        whole = "".join(said)
        if len(max(said, key=len)) > most or (not whole.isprintable() and not _is_kept(whole)):
            return False
    return True


def _is_kept(text: str) -> bool:
    """Whether a database keeps a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def check_text(name: str, text: str, context: Context) -> None:
    """Refuse a text no database keeps: with a NUL, or half of a character."""
    if any(problem.code == "broken_bytes" for problem in context.problems):  # the importer saw it in the cell
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        context.refuse(name, "broken_bytes", "holds half a character", repr(text)[:40])
        return
    if "\0" in text:
        context.refuse(name, "broken_bytes", "holds bytes that are no text", text)


def refuse_long(texts: Mapping[str, tuple[str | None, int]], context: Context) -> None:
    """Refuse texts {field: (text, most characters)} the tables have no room for."""
    for name, (text, most) in texts.items():
        if text is None:
            continue
        if len(text) > most:
            context.refuse(name, "too_long", f"is {len(text)} characters long; at most {most} are kept", text)
        elif not text.isprintable():
            check_text(name, text, context)
