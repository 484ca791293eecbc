"""What the importers of money share: a mapping file of the user's, the words of finance systems, rows of totals.

A mapping file is TOML, as for registers:

    date_order = "day first"            # or "month first"; found out where not said

    [columns]                           # which column is which field
    "GL Value" = "amount"
    "Yr" = "financial_year"

    [fixed]                             # for every row, where the file has no column for it
    measure = "outturn"

    [words.kind]                        # what this system's words mean
    "JNL" = "actual"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, cast

from roadworthy_inventory.importing.fields import Column, Context, is_personal
from roadworthy_inventory.importing.problems import MappingRefusedError, shortened
from roadworthy_inventory.importing.values import DATE_ORDERS, DateOrder
from roadworthy_inventory.importing.words import word_key
from roadworthy_inventory.toml_lines import TomlLines

_TABLES = ("columns", "fixed", "words")
_TOTAL = re.compile(r"(?:grand[ -]?|sub[ -]?|overall )?totals?:?", re.IGNORECASE)
# As spreadsheets write them: `IT1 Total` at each change of a column, `Subtotal hardware` by hand.
_ENDS = re.compile(r".*\S[ -](?:grand[ -]?|sub[ -]?)?totals?:?", re.IGNORECASE | re.DOTALL)
_SUB = re.compile(r"(?:grand[ -]?|sub[ -]?)totals?\b.*", re.IGNORECASE | re.DOTALL)
_BEGINS = re.compile(r"totals?\b.*", re.IGNORECASE | re.DOTALL)  # also how `Total Gas & Power` begins
# What closes a page or opens one, as a whole cell; `Sum insured` is something else, and a `Balance` is often just paid.
_CARRIED = re.compile(
    r"(?:(?:grand )?sums?|(?:opening|closing) balances?|(?:balances? |sums? )?(?:(?:carried|brought) (?:forward|down)"
    r"|[bc]/(?:f|fwd|d)|[bc]fwd)\.?):?",
    re.IGNORECASE,
)
_SUM_OF = re.compile(r"sums? of \S.*", re.IGNORECASE | re.DOTALL)
_SIGNS = (
    "total",
    "sum",
    "balance",
    "forward",
    "down",
    "/f",
    "/d",
    "fwd",
)  # one of them is in all that reads so
_CODES = ("subjective_code", "code")
_PLACES = (
    *_CODES,
    "cost_centre",
    "financial_year",
    "accounting_period",
    "measure",
    "kind",
    "capital_revenue",
)
_NAMES = ("supplier", "department", "expense_type", "category", "code_description", "body")
_PASSED_OVER = "is a sum of other rows and was passed over"
_UNSURE = (
    "looks like a total row, a sum of other rows, which would count twice: delete the row if it is one, "
    "or give it other words or, if it has none, an account code"
)


@dataclass(frozen=True, slots=True)
class FinanceMapping:
    """A user's mapping: field: header; field: value for every row; field: {their word: ours}.

    `file` is its name and `lines` where each field stands in it, for messages.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    date_order: DateOrder | None = None
    file: str = "the mapping"
    lines: Mapping[str, int] = field(default_factory=dict)

    def refused(self, name: str, reason: str, remedy: str) -> MappingRefusedError:
        """Return the error for what the mapping says of the field `name`."""
        return MappingRefusedError(self.file, reason, remedy, line=self.lines.get(name), column=name)


NO_MAPPING = FinanceMapping()


def parse_mapping(text: str, file: str) -> FinanceMapping:
    """Return the mapping of a TOML text; MappingRefusedError naming the line where it is wrong."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line ([0-9]+)", str(error))
        raise MappingRefusedError(
            file, f"is no TOML ({error})", "correct it", line=int(found[1]) if found else None
        ) from None
    return _Reader(file, said, TomlLines(text)).mapping()


class _Reader:
    """Reads one mapping, knowing where in its text everything stands."""

    def __init__(self, file: str, said: Mapping[str, Any], places: TomlLines) -> None:
        self.file = file
        self.said = said
        self.places = places
        self.lines: dict[str, int] = {}

    def refused(self, place: tuple[str, ...], reason: str, remedy: str) -> MappingRefusedError:
        return MappingRefusedError(
            self.file, reason, remedy, line=self.places.of(place), column=".".join(place)
        )

    def mapping(self) -> FinanceMapping:
        for key in self.said:
            if key not in (*_TABLES, "date_order"):
                raise self.refused(
                    (key,), f"{key!r} is no setting of a mapping", f"use date_order, {', '.join(_TABLES)}"
                )
        order = self.said.get("date_order")
        if order is not None and order not in DATE_ORDERS:
            raise self.refused(("date_order",), f"is {order!r}", "use 'day first' or 'month first'")
        columns: dict[str, str] = {}
        for title, name in self._texts("columns").items():
            if name in columns:
                raise self.refused(
                    ("columns", title),
                    f"{name!r} is given to {columns[name]!r} and {title!r}",
                    "give it to one",
                )
            columns[name], self.lines[name] = title, self.places.of(("columns", title))
        fixed = self._texts("fixed")
        self.lines.update({name: self.places.of(("fixed", name)) for name in fixed})
        words = self.said.get("words", {})
        if not isinstance(words, dict):
            raise self.refused(("words",), "words is no table", "write [words.<field>]")
        read = {name: self._texts("words", name) for name in words}
        self.lines.update({f"words.{name}": self.places.of(("words", name)) for name in words})
        return FinanceMapping(columns, fixed, read, cast("DateOrder | None", order), self.file, self.lines)

    def _texts(self, *place: str) -> dict[str, str]:
        table: Any = self.said
        for key in place:
            table = table.get(key, {})
        if not isinstance(table, dict) or not all(
            isinstance(one, str) and one.strip() for one in table.values()
        ):
            dotted = ".".join(place)
            raise self.refused(place, f"{dotted} is no table of texts", f"write [{dotted}]")
        return table


def mapped_columns(
    columns: Sequence[Column], mapping: FinanceMapping, header: Sequence[str], fixed: Iterable[str]
) -> tuple[Column, ...]:
    """Return the columns with the mapping's headers instead of the usual ones, mapped fields first.

    `fixed`: fields the mapping may give a value for all rows. MappingRefusedError for an unknown field, a header the
    file does not have or that tells of people, or a field both mapped and fixed.
    """
    known = {column.field for column in columns}
    keys = {word_key(name) for name in header}
    asked = {word_key(alias) for column in columns for alias in column.aliases}
    for name, wanted in mapping.columns.items():
        if name not in known:
            raise mapping.refused(
                name, f"there is no field {name!r}", f"use one of: {', '.join(sorted(known))}"
            )
        if word_key(wanted) not in keys:
            listed = ", ".join(shortened(title) for title in header if not is_personal(title))
            raise mapping.refused(name, f"the file has no column {wanted!r}", f"its columns are: {listed}")
        if is_personal(wanted) and word_key(wanted) not in asked:
            raise mapping.refused(
                name,
                f"{wanted!r} reads like a column about people, which the books do not hold",
                "leave it out, or rename the column if it holds something else",
            )
    allowed = set(fixed)
    for name in mapping.fixed:
        if name not in allowed:
            raise mapping.refused(
                name, f"{name!r} cannot be fixed for all rows", f"can be: {', '.join(sorted(allowed))}"
            )
        if name in mapping.columns:
            raise mapping.refused(name, f"{name!r} is a column and fixed as well", "leave one of the two out")
    first = [
        replace(one, aliases=(mapping.columns[one.field],)) for one in columns if one.field in mapping.columns
    ]
    rest = [one for one in columns if one.field not in mapping.columns and one.field not in mapping.fixed]
    return (*first, *rest)


class Words:
    """What a field's words mean: the usual ones and, over them, the mapping's."""

    __slots__ = ("_allowed", "_name", "_table")

    def __init__(
        self,
        name: str,
        allowed: Sequence[str],
        usual: Mapping[str, str],
        mapping: FinanceMapping,
    ) -> None:
        """`usual` is {our word: their words, comma-separated}; MappingRefusedError where the mapping's word is not ours."""
        self._name = name
        self._allowed = tuple(allowed)
        table = {word_key(word): word for word in allowed}
        for ours, theirs in usual.items():
            table.update({word_key(text): ours for text in theirs.split(", ")})
        for theirs, ours in mapping.words.get(name, {}).items():
            if ours not in self._allowed:
                raise mapping.refused(
                    f"words.{name}", f"{ours!r} is no {name}", f"use one of: {', '.join(allowed)}"
                )
            table[word_key(theirs)] = ours
        self._table = MappingProxyType(table)

    def read(self, said: str | None, context: Context) -> str | None:
        """Return our word for theirs, None for nothing; a word nobody knows keeps the row out."""
        if said is None:
            return None
        word = self._table.get(word_key(said))
        if word is None:
            context.refuse(
                self._name,
                "unknown_word",
                f"is none of {', '.join(self._allowed)} nor a word we know; say what it means in a mapping file",
                said,
            )
        return word


def check_words(mapping: FinanceMapping, fields: Iterable[str]) -> None:
    """Raise MappingRefusedError where the mapping gives words for a field that has none."""
    allowed = set(fields)
    for name in mapping.words:
        if name not in allowed:
            listed = ", ".join(f"[words.{one}]" for one in sorted(allowed))
            raise mapping.refused(f"words.{name}", f"{name!r} has no words to explain", f"use {listed}")


def total_in(found: Mapping[str, Any], others: Mapping[str, str]) -> tuple[str, bool] | None:
    """Return (field or column, whether it is sure) of the cell that makes a row the sum of others, None of a row that is none.

    A cell that says `Total` and no more is one anywhere. `IT1 Total` and `Subtotal hardware` are where the row has no
    account code; a description beside a supplier is a payment's own. `Sum` and `Balance carried forward` are never sure.
    `others`: {key: cell} of columns nobody asked for.
    """
    texts = {name: value.strip() for name, value in found.items() if isinstance(value, str)}
    said = "\n".join((*texts.values(), *others.values())).lower()
    if not any(sign in said for sign in _SIGNS):
        return None  # nearly every row, and a tenth of the time
    for name, text in texts.items():
        if _TOTAL.fullmatch(text):
            return name, True
    return _written_total(texts, others, dated="date" in found) or _carried(texts, others)


def _carried(texts: Mapping[str, str], others: Mapping[str, str]) -> tuple[str, bool] | None:
    """Return the cell that says a sum in other words than `Total`."""
    coded = any(name in texts for name in _CODES)
    for name, text in (*texts.items(), *(() if coded else others.items())):
        if _CARRIED.fullmatch(text.strip()):
            return name, False
    if "supplier" in texts:
        return None
    return next(((name, False) for name, text in texts.items() if _SUM_OF.fullmatch(text)), None)


def _written_total(
    texts: Mapping[str, str], others: Mapping[str, str], *, dated: bool
) -> tuple[str, bool] | None:
    if any(name in texts and not _is_written_total(texts[name]) for name in _CODES):
        return next(
            ((name, False) for name in ("cost_centre",) if _is_written_total(texts.get(name, ""))), None
        )
    for name, text in (*((one, texts.get(one, "")) for one in _PLACES), *others.items()):
        if _is_written_total(text.strip()) or (name in others and _TOTAL.fullmatch(text.strip())):
            return name, True
    return _total_in_words(texts, dated=dated)


def _is_written_total(text: str) -> bool:
    return _ENDS.fullmatch(text) is not None or _SUB.fullmatch(text) is not None


def _total_in_words(texts: Mapping[str, str], *, dated: bool) -> tuple[str, bool] | None:
    """Return the cell of a row without an account code that says a sum in words people use otherwise too."""
    description = texts.get("description", "")
    for name in _NAMES:
        if _is_written_total(texts.get(name, "")):
            return name, not dated and not description
    if "supplier" in texts:
        return ("description", False) if _SUB.fullmatch(description) else None
    if _is_written_total(description):
        return "description", True
    return ("description", False) if _BEGINS.fullmatch(description) else None


def flat(rows: Iterable[tuple[int, Sequence[Any]]]) -> Iterator[Any]:
    """Yield the lines of an import whose rows each make some."""
    for _line, lines in rows:
        yield from lines


def guarded(
    make: Callable[[dict[str, Any], Context], tuple[Any, ...]],
) -> Callable[[dict[str, Any], Context], Any]:
    """Return `make` for the import: rows of totals make nothing and are counted, refused rows make nothing.

    A row that may be a total, and may not, is refused: counted it might double others, passed over it might be lost.
    """

    def checked(found: dict[str, Any], context: Context) -> tuple[Any, ...]:
        if any(problem.quarantines for problem in context.problems):
            return ()
        if (total := total_in(found, context.others)) is None:
            return make(found, context)
        name, sure = total
        said = context.others.get(name) or found.get(name, "")
        if sure:
            context.warn(name, "total_row", _PASSED_OVER, said)
        else:
            context.refuse(name, "maybe_total", _UNSURE, said)
        return ()

    return checked
