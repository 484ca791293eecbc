"""The classified lines behind the shares, kept ready in columns: looked through without making an object a line.

Fifty thousand lines take more than a second to classify and some tens of milliseconds to read back. A figure holds
them for each kind and measure, compressed, beside what they were made of.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import cramjam
import msgspec
from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.books.cost_lines import LEDGER, PAYMENTS, key_of, year_of
from roadworthy_collector.books.share_rows import booked_periods, parted
from roadworthy_inventory.cost_rules import Classification, CostRules
from roadworthy_inventory.costs import DEFINITIONS, CostBook, CostLine, Definition, membership
from roadworthy_inventory.ledger import MEASURES, Measure
from roadworthy_inventory.payments import PaymentLine

Member = Literal["in", "out", "open", "committed", "not_it"]
Asked = Literal["in", "out", "open", "counted", "committed", "not_it"]
COUNTED: tuple[Member, ...] = ("in", "out", "open")  # what a share is a share of
MEMBERS: tuple[Asked, ...] = get_args(Asked)
READY_LINES = 400_000  # some 60 MB; of more none are kept
ANSWERS: dict[bool | None, Member] = {True: "in", False: "out", None: "open"}
MEMBER_WORDS = {
    "in": "counted in the share",
    "out": "not in the share",
    "open": "unclassified",
    "counted": "all the share is of",
    "committed": "committed, prepaid only: in no share",
    "not_it": "not IT by the rules: in no share",
}
_LEVEL = 3
_FORMAT = 2  # of the figures: others are made again
_TEXTS = ("cost_centre", "code", "description", "supplier", "source")
_NUMBERS = ("year", "period", "pence", "source_line", *_TEXTS, "classed")
_NO_PERIOD = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines. `year`: the year it begins in. `member` is of the share `definition`. `centre` "" and `period` 0: none told.

    `member` counted: in, out or open, which is all a share is of.
    """

    kind: Literal["ledger", "payments"] = "ledger"
    year: int | None = None
    measure: Measure = "outturn"
    definition: Definition = "B"
    member: Asked | None = None
    centre: str | None = None
    pool: str | None = None
    text: str = ""
    period: int | None = None

    def in_words(self) -> str:
        """Return the filter as people read it."""
        found = [f"{self.kind}, {self.measure}, share {self.definition}"]
        found += [] if self.year is None else [f"{self.year}/{(self.year + 1) % 100:02d}"]
        found += [MEMBER_WORDS[self.member]] if self.member else []
        found += [] if self.centre is None else [f"cost centre {self.centre or 'not told'}"]
        found += [] if self.period is None else [f"accounting period {self.period}"]
        found += [one for one in (self.pool, self.text and f"with {self.text}") if one]
        return ", ".join(found)


class Classed(NamedTuple):
    """What a line pays for, and who says so; `members`: of the shares A, B and C, in this order."""

    pool: str
    intent: str
    maintenance: str
    legacy: str
    confidence: float
    rule: str | None
    conflicts: tuple[str, ...]
    corrected_by: str | None
    members: tuple[Member, ...]


class Shown(NamedTuple):
    """One line as counted: of a prepaid line the part of the year. `members`: {A, B, C: in, out or open}."""

    key: str
    year: int
    period: int | None
    pence: int
    cost_centre: str | None
    code: str | None
    description: str | None
    supplier: str | None
    source: str
    source_line: int
    pool: str
    intent: str
    maintenance: str
    legacy: str
    confidence: float
    rule: str | None
    conflicts: tuple[str, ...]
    corrected_by: str | None
    members: dict[str, Member]


class _Packed(NamedTuple):
    keys: bytes
    texts: list[str | None]
    classes: list[Classed]
    numbers: dict[str, list[int]]


class Ready:
    """Lines in columns, the largest sums first."""

    def __init__(
        self,
        keys: bytes,
        texts: Sequence[str | None],
        classes: Sequence[Classed],
        numbers: Mapping[str, array[int]],
    ) -> None:
        """Take the columns; `numbers` has places in `texts` and `classes` for what is told there."""
        self._keys, self._texts, self._classes, self._numbers = keys, texts, classes, numbers
        self._count = len(numbers["pence"])
        self._size = len(keys) // self._count if self._count else 1

    def __len__(self) -> int:
        return self._count

    def find(self, wanted: Wanted) -> Sequence[int]:
        """Return the numbers of the lines that match, of whatever kind and measure."""
        found: Sequence[int] = range(self._count)
        number = self._numbers
        if wanted.year is not None:
            found = [at for at in found if number["year"][at] == wanted.year]
        if wanted.period is not None:
            found = [at for at in found if number["period"][at] == (wanted.period or _NO_PERIOD)]
        if wanted.centre is not None:
            centres = self._that(self._texts, lambda text: (text or "") == wanted.centre)
            found = [at for at in found if number["cost_centre"][at] in centres]
        if wanted.pool is not None or wanted.member is not None:
            place = tuple(DEFINITIONS).index(wanted.definition)
            classes = self._that(
                self._classes,
                lambda one: wanted.pool in {None, one.pool} and _fits(wanted.member, one.members[place]),
            )
            found = [at for at in found if number["classed"][at] in classes]
        return self._with_text(found, wanted.text.casefold()) if wanted.text else found

    @staticmethod
    def _that(values: Iterable[Any], fits: Callable[[Any], bool]) -> set[int]:
        return {place for place, value in enumerate(values) if fits(value)}

    def _with_text(self, found: Sequence[int], text: str) -> Sequence[int]:
        texts = self._that(self._texts, lambda one: one is not None and text in one.casefold())
        rules = self._that(self._classes, lambda one: one.rule is not None and text in one.rule.casefold())
        searched = [self._numbers[name] for name in ("description", "supplier", "code")]
        classed = self._numbers["classed"]
        return [at for at in found if classed[at] in rules or any(column[at] in texts for column in searched)]

    def pence(self, found: Iterable[int]) -> int:
        """Return what those lines come to."""
        column = self._numbers["pence"]
        return sum(column[at] for at in found)

    def key(self, at: int) -> str:
        """Return the key of a line."""
        return self._keys[at * self._size : (at + 1) * self._size].hex()

    def shown(self, at: int) -> Shown:
        """Return a line."""
        number = {name: column[at] for name, column in self._numbers.items()}
        told = self._classes[number["classed"]]
        texts = {name: self._texts[number[name]] for name in _TEXTS}
        return Shown(
            key=self.key(at),
            year=number["year"],
            period=None if number["period"] == _NO_PERIOD else number["period"],
            pence=number["pence"],
            source_line=number["source_line"],
            **texts,  # type: ignore[arg-type]  # every line has a source
            **told._replace(members=())._asdict()
            | {"members": dict(zip(DEFINITIONS, told.members, strict=True))},
        )

    def places(self, keys: Iterable[str]) -> dict[str, list[int]]:
        """Return {key: numbers of its lines} of those that are here: of a prepaid line one for each part."""
        wanted = {bytes.fromhex(key) for key in keys}
        size, found = self._size, dict[str, list[int]]()
        for at in range(self._count):
            key = self._keys[at * size : (at + 1) * size]
            if key in wanted:
                found.setdefault(key.hex(), []).append(at)
        return found

    def source_line(self, at: int) -> int:
        """Return the number a line has in its file."""
        return self._numbers["source_line"][at]

    def changed(self, results: Mapping[str, Classification], least: float) -> Ready:
        """Return these lines with some keys classified otherwise; `least`: the least confidence that counts."""
        classes, column = list(self._classes), array("q", self._numbers["classed"])
        for key, places in self.places(results).items():
            made: dict[Member | None, int] = {}
            for at in places:
                held = classes[column[at]].members[0]
                aside = None if held in COUNTED else held  # a word on a line books no period
                if aside not in made:
                    made[aside] = len(classes)
                    classes.append(classed(results[key], least, aside))
                column[at] = made[aside]
        return Ready(self._keys, self._texts, classes, {**self._numbers, "classed": column})

    def pack(self) -> str:
        """Return all of it as a text that `unpack` reads."""
        numbers = {name: column.tolist() for name, column in self._numbers.items()}
        raw = msgspec.msgpack.encode(_Packed(self._keys, list(self._texts), list(self._classes), numbers))
        return base64.b64encode(cramjam.zstd.compress(raw, _LEVEL)).decode()


def unpack(text: str) -> Ready:
    """Return the lines `Ready.pack` wrote."""
    raw = bytes(cramjam.zstd.decompress(base64.b64decode(text)))
    found = msgspec.msgpack.decode(raw, type=_Packed)
    numbers = {name: array("q", column) for name, column in found.numbers.items()}
    return Ready(found.keys, found.texts, found.classes, numbers)


class Kept(NamedTuple):
    """What a figure holds: `base` and `corrected` as `shares.keys` told them, and the lines packed."""

    base: str
    corrected: dict[str, str]
    packed: str
    made_at: int


def figure(kind: str, measure: str) -> str:
    """Return the name of the figure that keeps the lines of a kind and measure."""
    return f"costs.lines.{kind}" if kind == "payments" else f"costs.lines.{kind}.{measure}"


def kept(connection: Connection, name: str) -> Kept | None:
    """Return what is kept ready; None where nothing is."""
    found = figures.read(connection, name)
    if found is None or found[0]["format"] != _FORMAT or found[0]["packed"] is None:
        return None
    content, made_at = found
    return Kept(content["base"], content["corrected"], content["packed"], made_at)


def contents(
    book: CostBook, payments: Sequence[PaymentLine], rules: CostRules, base: str, corrected: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return {figure: what it is to hold}; without lines where they are too many."""
    least = book.method.minimum_confidence
    made = {figure(LEDGER, measure): of_ledger(book, measure) for measure in MEASURES}
    made[figure(PAYMENTS, "")] = of_payments(payments, rules, least)
    head = {"format": _FORMAT, "base": base, "corrected": dict(corrected)}
    return {
        name: head | {"packed": lines.pack() if len(lines) <= READY_LINES else None}
        for name, lines in made.items()
    }


def _fits(asked: Asked | None, member: Member) -> bool:
    return asked in {None, member} or (asked == "counted" and member in COUNTED)


def classed(result: Classification, least: float, aside: Member | None = None) -> Classed:
    """Return a classification as lines have it; `aside`: what the line is instead of in or out of any share."""
    members = tuple(aside or ANSWERS[membership(letter, result, least)] for letter in DEFINITIONS)
    return Classed(
        result.pool, result.intent, result.maintenance, result.legacy, result.confidence, result.rule,
        tuple(result.conflicts), result.corrected_by, members,
    )  # fmt: skip


def of_ledger(book: CostBook, measure: Measure) -> Ready:
    """Return the lines of a classified ledger that are of `measure`, those of periods not booked as committed."""
    least = book.method.minimum_confidence
    cut = parted(book, booked_periods(book))
    sides: tuple[tuple[Member | None, Sequence[CostLine]], ...] = (
        (None, cut.book.lines),
        ("committed", cut.committed),
    )
    return _ordered(
        (
            (entry.line, entry.line.amount_pence, entry.line.accounting_period, entry.result, aside)
            for aside, entries in sides
            for entry in entries
            if entry.line.measure == measure
        ),
        least,
    )


def of_payments(payments: Iterable[PaymentLine], rules: CostRules, least: float) -> Ready:
    """Return the payments, those that are not about IT as such."""
    return _ordered(
        (
            (one, one.cost_pence, None, rules.classify(one.facts), None if mine else "not_it")
            for one in payments
            for mine in (rules.in_scope(one.facts),)
        ),
        least,
    )


def _ordered(
    lines: Iterable[tuple[Any, int, int | None, Classification, Member | None]], least: float
) -> Ready:
    """Return lines in columns, the largest sums first."""
    keyed = [(key_of(one[0]), *one) for one in lines]
    keyed.sort(key=lambda one: (-abs(one[2]), one[0], one[1].source_line, one[3] or 0))
    texts: dict[str | None, int] = {}
    classes: dict[Classed, int] = {}
    of_result: dict[tuple[int, Member | None], int] = {}
    held = []  # so that no result's place in memory is given to another meanwhile
    columns: dict[str, list[int]] = {name: [] for name in _NUMBERS}
    for _, line, pence, period, result, aside in keyed:
        found = (id(result), aside)
        if found not in of_result:
            held.append(result)
            of_result[found] = classes.setdefault(classed(result, least, aside), len(classes))
        told = (
            line.cost_centre,
            getattr(line, "subjective_code", None) or getattr(line, "code", None),
            line.description or getattr(line, "expense_type", None),
            line.supplier,
            line.source,
        )
        for name, text in zip(_TEXTS, told, strict=True):
            columns[name].append(texts.setdefault(text, len(texts)))
        columns["year"].append(year_of(line))
        columns["period"].append(_NO_PERIOD if period is None else period)
        columns["pence"].append(pence)
        columns["source_line"].append(line.source_line)
        columns["classed"].append(of_result[found])
    keys = b"".join(bytes.fromhex(one[0]) for one in keyed)
    numbers = {name: array("q", column) for name, column in columns.items()}
    return Ready(keys, list(texts), list(classes), numbers)
