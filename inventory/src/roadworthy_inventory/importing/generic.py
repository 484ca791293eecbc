"""Any CSV or XLSX by a mapping file: TOML that says which column is which field of the register.

    title = "Fleet book of the northern division"
    date_order = "day first"            # or "month first"; found out where not said
    unit_separator = ">"                # "/" where not said
    sheet = "Assets"                    # of a workbook; the first where not said

    [columns]
    "Asset No." = "tag"
    "S/N" = "serial"
    "Bought on" = "purchased"
    "Price" = "purchase_cost"           # in pounds, as people write them

    [fixed]                             # for every row without a value of its own
    kind = "laptop"

    [words.lifecycle_state]             # also words.kind, words.usage_profile
    "With officer" = "deployed"

Errors name the line of the mapping.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from roadworthy_inventory.importing import own
from roadworthy_inventory.importing.fields import Column, Context, Format, Kind, is_personal
from roadworthy_inventory.importing.formats import closest
from roadworthy_inventory.importing.plan import UnknownWordError, reader
from roadworthy_inventory.importing.problems import CellError, MappingRefusedError
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.register_rows import check_items, make_item
from roadworthy_inventory.importing.values import DATE_ORDERS
from roadworthy_inventory.importing.words import ALLOWED, word_key

_OUR_KINDS: dict[str, Kind] = {
    **{name: ("date" if kind == "iso_date" else kind) for name, _title, kind in own.COLUMNS},
    "tag": "key",
    "serial": "key",
    "bios_date": "bios_date",
    "warranty_months": "months",
    "warranty_years": "years_or_months",
    "planned_months": "date_or_months",
}
# What a field is called in a mapping, where that is not its own name: money is in pounds there, as people write it.
_SAID = {"purchase_cost_pence": "purchase_cost"}
_MEANT = {said: name for name, said in _SAID.items()}
FIELDS = tuple(_SAID.get(name, name) for name in _OUR_KINDS)
_SETTINGS = ("title", "date_order", "unit_separator", "sheet", "columns", "fixed", "words")


@dataclass(frozen=True, slots=True)
class RegisterMapping:
    """A mapping that has been read: the format it makes, and the line of each column in the file."""

    file: str
    form: Format
    lines: Mapping[str, int]


def parse_mapping(text: str, file: str) -> RegisterMapping:
    """Return the mapping of a TOML text; MappingRefusedError naming the line where it is wrong."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line ([0-9]+)", str(error))
        raise MappingRefusedError(
            file, f"is no TOML ({error})", "correct it", line=int(found[1]) if found else None
        ) from None
    return _Reader(file, text, said).mapping()


def check(mapping: RegisterMapping, table: Table) -> Format:
    """Return the format for this table; MappingRefusedError where a column it names is not in the header."""
    there = {word_key(name) for name in table.header}
    for column in mapping.form.columns:
        title = column.aliases[0]
        if word_key(title) not in there:
            names = [name for name in table.header if not is_personal(name)]
            raise MappingRefusedError(
                mapping.file,
                f"{table.file} has no column {title!r}{closest(title, names)}",
                f"its columns are: {', '.join(names[:40])}",
                line=mapping.lines.get(title),
                column=title,
            )
    return mapping.form


class _Reader:
    """Reads one mapping, knowing where in its text everything stands."""

    def __init__(self, file: str, text: str, said: dict[str, Any]) -> None:
        self.file = file
        self.said = said
        self.lines = _lines(text)

    def refuse(self, reason: str, remedy: str, table: str, key: str) -> MappingRefusedError:
        return MappingRefusedError(
            self.file, reason, remedy, line=self.lines.get((table, key)), column=key or None
        )

    def mapping(self) -> RegisterMapping:
        for key in self.said:
            if key not in _SETTINGS:
                raise self.refuse(
                    f"{key!r} is no setting of a mapping{closest(key, _SETTINGS)}",
                    f"use {', '.join(_SETTINGS)}",
                    "",
                    key,
                )
        columns = self._columns()
        order = self.said.get("date_order")
        if order is not None and order not in DATE_ORDERS:
            raise self.refuse(
                f"date_order is {order!r}", "use 'day first' or 'month first'", "", "date_order"
            )
        form = Format(
            name="generic",
            title=self._text("title") or f"a table mapped by {self.file}",
            yields="item",
            columns=columns,
            required=(),
            make=_make,
            check_many=check_items,
            unique="tag",
            unit_separator=self._text("unit_separator") or "/",
            date_order=cast("Literal['day first', 'month first'] | None", order),
            sheet=self._text("sheet"),
            words=self._words(),
        )
        lines = {column.aliases[0]: self.lines.get(("columns", column.aliases[0]), 0) for column in columns}
        return RegisterMapping(self.file, self._with_fixed(form), lines)

    def _text(self, key: str) -> str | None:
        value = self.said.get(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.refuse(f"{key} is {value!r}", "give a text", "", key)
        return value

    def _table(self, key: str) -> dict[str, Any]:
        value = self.said.get(key, {})
        if not isinstance(value, dict):
            raise self.refuse(f"{key} is {value!r}", f"write a table [{key}]", "", key)
        return value

    def _columns(self) -> tuple[Column, ...]:
        found: dict[str, str] = {}
        for title, said in self._table("columns").items():
            name = _MEANT.get(str(said), str(said))
            if name not in _OUR_KINDS:
                raise self.refuse(
                    f"{name!r} is no field of a register item{closest(str(name), FIELDS)}",
                    f"use one of: {', '.join(FIELDS)}",
                    "columns",
                    title,
                )
            if is_personal(title):
                raise self.refuse(
                    f"{title!r} reads like a column about people, which the register does not hold",
                    "leave it out, or rename the column if it holds something else",
                    "columns",
                    title,
                )
            if name in found:
                raise self.refuse(
                    f"{name!r} is given to {found[name]!r} and {title!r}", "give it to one", "columns", title
                )
            found[name] = title
        if not {"tag", "serial", "uuid", "macs"} & found.keys():
            raise self.refuse(
                "no column is the tag, serial, uuid or macs", "map one of them in [columns]", "", "columns"
            )
        return tuple(Column(name, _OUR_KINDS[name], (title,)) for name, title in found.items())

    def _words(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for kind, words in self._table("words").items():
            if kind not in ALLOWED or not isinstance(words, dict):
                raise self.refuse(
                    f"words.{kind} is none",
                    f"use {', '.join(f'[words.{one}]' for one in ALLOWED)}",
                    "words",
                    kind,
                )
            for said, word in words.items():
                if word not in ALLOWED[kind]:
                    raise self.refuse(
                        f"{word!r} is no {kind}",
                        f"use one of: {', '.join(ALLOWED[kind])}",
                        f"words.{kind}",
                        said,
                    )
            found[kind] = words
        return found

    def _with_fixed(self, form: Format) -> Format:
        fixed: dict[str, Any] = {}
        for said, value in self._table("fixed").items():
            name = _MEANT.get(said, said)
            if name not in _OUR_KINDS or isinstance(value, dict | list):
                raise self.refuse(
                    f"{said!r} is no field of a register item{closest(said, FIELDS)}",
                    f"use one of: {', '.join(FIELDS)}",
                    "fixed",
                    said,
                )
            read = reader(Column(name, _OUR_KINDS[name], (name,)), form, form.date_order or "day first")
            try:
                fixed[name] = read(value)
            except UnknownWordError:
                raise self.refuse(
                    f"{value!r} is no {said}", f"use one of: {', '.join(ALLOWED[name])}", "fixed", said
                ) from None
            except CellError as error:
                raise self.refuse(f"{said} {value!r} {error.message}", "correct it", "fixed", said) from None
        values = {name: value for name, value in fixed.items() if value is not None}
        return replace(form, fixed=values)


def _make(found: dict[str, Any], context: Context) -> object:
    years = found.pop("warranty_years", None)
    if years is not None:
        found.setdefault("warranty_months", years)
    return make_item(found, context)


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Return {(table, key): line} of a TOML text that has been read: good enough to point at, no parser."""
    found: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if head := re.fullmatch(r"\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?", bare):
            table = head[1].replace('"', "").replace("'", "")
            found.setdefault(("", table), number)
            outer, _dot, inner = table.partition(".")
            found.setdefault((outer, inner), number)
        elif key := re.match(r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*=""", bare):
            name = key[1] if key[1] is not None else key[2] if key[2] is not None else key[3]
            found.setdefault((table, name), number)
    return found
