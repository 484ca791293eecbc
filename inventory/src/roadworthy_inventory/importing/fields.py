"""What a format is: a name, the columns it reads under all their spellings, and what a row of it becomes.

Columns that name people are no part of any format: they are dropped at the door, before a value of theirs is looked
at, and do not reach reports or correction files.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from roadworthy_inventory.importing.problems import CellError, Problem, shortened
from roadworthy_inventory.importing.words import word_key as header_key

Kind = Literal[
    "text",
    "key",
    "notes",
    "date",
    "iso_date",
    "bios_date",
    "money",
    "whole",
    "measure",
    "weight",
    "months",
    "years_or_months",
    "date_or_months",
    "yes_or_no",
    "macs",
    "unit",
    "lifecycle_state",
    "kind",
    "usage_profile",
]
Yields = Literal[
    "item",
    "device",
    "upgrade",
    "experience",
    "maintenance",
    "book value",
    "warranty",
    "ledger lines",
    "payments",
    "contracts",
    "disposal",
]

# Headers by which people are named, as header_key makes them. Devices' own names are not among them.
_PERSONAL_PARTS = re.compile(
    r"e?mail|phone(?!model|make|type|kind)|username|userid|userprincipal|(?<!gro)upn|firstname|lastname"
    r"|surname|forename|givenname|fullname"
    r"|displayname|employee|payroll|staff(?:no|num|id|name)|collarn|warrantn|checkedout|lastloggeduser|loggedon"
    r"|technician|linemanager|managername|custodian|alternateuser|nationalinsurance|dateofbirth|personname"
    r"|postcode|homeaddress"
    r"|useraddress|assignedto|issuedto|loanedto|allocatedto|contactname|contactperson|contactnum"
)
_PERSONAL_WHOLE = frozenset(
    {
        *(
            "user",
            "users",
            "primaryuser",
            "connecteduser",
            "manager",
            "person",
            "people",
            "officer",
            "contact",
        ),
        *(
            "owner",
            "ownername",
            "requester",
            "requestedby",
            "createdby",
            "assignee",
            "holder",
            "keeper",
            "useraddress",
        ),
        *(
            "address",
            "address2",
            "tel",
            "mobile",
            "mobileno",
            "mobilenumber",
            "mobiletel",
            "extension",
            "title",
        ),
        *(
            "usercity",
            "userstate",
            "usercountry",
            "userzip",
            "login",
            "winowner",
            "lastuser",
            "lastuserlogon",
        ),
        *(
            "topconsoleuser",
            "username0",
            "lastlogonuser",
            "usercontact",
            "nameofuser",
            "username",
            "registereduser",
        ),
    }
)
# Groups of GLPI whose columns are about parts of a computer or about tickets, not about the computer.
_OTHER_GROUPS = frozenset(
    {
        *("batteries", "battery", "monitors", "monitor", "networkports", "networkport", "memory", "memories"),
        *(
            "processors",
            "processor",
            "components",
            "harddrives",
            "volumes",
            "printers",
            "printer",
            "antivirus",
        ),
        *(
            "peripherals",
            "devices",
            "phones",
            "contracts",
            "contract",
            "tickets",
            "software",
            "domains",
            "drives",
        ),
        *(
            "virtualmachines",
            "networkcards",
            "simcard",
            "firmware",
            "graphicscards",
            "controllers",
            "documents",
        ),
    }
)


def is_personal(header: str) -> bool:
    """Whether a column of this name tells of a person: names, user names, e-mails, phones, addresses of people."""
    key = header_key(header)
    after_group = header_key(header.rsplit(" - ", 1)[-1])
    return any(
        one in _PERSONAL_WHOLE or _PERSONAL_PARTS.search(one) is not None for one in (key, after_group)
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A field and how to read it: `aliases` are header spellings, the best first."""

    field: str
    kind: Kind
    aliases: tuple[str, ...]


@dataclass(slots=True)
class Context:
    """What a row function is told, and where it puts what it finds wrong.

    `on`: the day the import is of; `titles`: {field: header}; `line`: of the row; `others`: {key in `titles`: cell} of
    columns nobody asked for, where the format wants them.
    """

    on: dt.date
    titles: Mapping[str, str]
    line: int = 0
    problems: list[Problem] = field(default_factory=list)
    others: Mapping[str, str] = field(default_factory=dict)

    def refuse(self, name: str, code: str, message: str, value: object = "") -> None:
        """Send the row to quarantine."""
        self.problems.append(Problem(self.line, self.titles.get(name, ""), code, message, shortened(value)))

    def warn(self, name: str, code: str, message: str, value: object = "") -> None:
        """Count a warning; the row is kept."""
        self.problems.append(
            Problem(self.line, self.titles.get(name, ""), code, message, shortened(value), quarantines=False)
        )


Make = Callable[[dict[str, Any], Context], object]
Columns = dict[str, list[Any]]  # {field: a value a row, None where the row tells none}
CheckMany = Callable[[Columns, Context], bool]
MakeMany = Callable[[Columns, Sequence[int], Context], Sequence[object] | None]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file. `required`: groups of spellings, one of each group must be in the header.

    `telling`: spellings of which one at least must be there too (empty: none needed). `make` turns {field: value}
    of a row into what the format `yields`; fields without a value are missing in it. `unique`: the field that must
    not come twice in a file. `safe_cells`: formulas were neutralised when it was written. `words` say what a source's
    words mean, over our own table; `fixed` are values for every row. `others`: whether `make` is shown the columns
    nobody asked for, never those about people.

    Many rows at once, which takes a third of the time: `check_many` says whether `make` would say nothing of any of
    them, and then has put into their columns whatever `make` would. `make_many` returns what `make` would of each, given
    their lines too; None where one of them has to be looked at by itself, and then it has changed nothing but the columns.
    """

    name: str
    title: str
    yields: Yields
    columns: tuple[Column, ...]
    required: tuple[tuple[str, ...], ...]
    make: Make
    telling: tuple[str, ...] = ()
    unique: str | None = None
    unit_separator: str = "/"
    safe_cells: bool = False
    date_order: Literal["day first", "month first"] | None = None
    sheet: str | None = None
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    others: bool = False
    check_many: CheckMany | None = None
    make_many: MakeMany | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A column of a format found in a header at `index`, there called `title`."""

    index: int
    title: str
    column: Column


@dataclass(frozen=True, slots=True)
class Binding:
    """A format laid over a header: what is read, what was dropped because it tells of people, what nobody asked for."""

    bound: tuple[Bound, ...]
    personal: tuple[int, ...]
    unread: tuple[str, ...]


def bind(columns: Sequence[Column], header: Sequence[str]) -> Binding:
    """Return which columns of the header are which fields.

    Case, spaces, underscores and punctuation are beside the point. A whole name is tried before what follows
    ` - ` in it (`Financial - Date of purchase`), and of two columns for one field the first spelling listed wins. What a
    format asks for by its whole name tells of no person: a contract has a title too.
    """
    whole: dict[str, int] = {}
    ends: dict[str, int] = {}
    asked = {header_key(alias) for column in columns for alias in column.aliases}
    of_people = [index for index, name in enumerate(header) if is_personal(name)]
    for index, name in enumerate(header):
        if index in of_people and header_key(name) not in asked:
            continue
        whole.setdefault(header_key(name), index)
        group, parted, rest = name.rpartition(" - ")
        if parted and header_key(group) not in _OTHER_GROUPS and index not in of_people:
            ends.setdefault(header_key(rest), index)
    bound: list[Bound] = []
    taken: set[int] = set()
    for places in (whole, ends):
        for column in columns:
            if any(one.column.field == column.field for one in bound):
                continue
            keys = (header_key(alias) for alias in column.aliases)
            place = next((places[key] for key in keys if key in places and places[key] not in taken), None)
            if place is not None:
                taken.add(place)
                bound.append(Bound(place, header[place], column))
    personal = tuple(index for index in of_people if index not in taken)
    unread = tuple(name for index, name in enumerate(header) if index not in taken and index not in personal)
    return Binding(tuple(sorted(bound, key=lambda one: one.index)), personal, unread)


def without_addresses(
    binding: Binding, head: Sequence[tuple[int, Sequence[Any]]]
) -> tuple[Binding, tuple[Bound, ...]]:
    """Return the binding without columns that turn out to hold e-mail addresses, and those columns."""
    hidden = []
    for one in binding.bound:
        cells = [cells[one.index] for _line, cells in head if one.index < len(cells)]
        texts = [cell for cell in cells if isinstance(cell, str) and cell]
        addresses = sum(
            "@" in text and " " not in text.strip() and not text.startswith("@") for text in texts
        )
        if one.column.kind == "text" and addresses * 2 > len(texts):
            hidden.append(one)
    if not hidden:
        return binding, ()
    kept = tuple(one for one in binding.bound if one not in hidden)
    indexes = tuple(one.index for one in hidden)
    return replace(binding, bound=kept, personal=(*binding.personal, *indexes)), tuple(hidden)


ANY_SEPARATOR = ""
SEPARATORS = (">", "\\", "|")


def unit_path(separator: str) -> Callable[[object], str | None]:
    """Return a reader of unit paths written with `separator`, giving `A / B`, outermost first.

    ANY_SEPARATOR: the first of SEPARATORS that stands in a cell, a slash where none does.
    """

    def read(cell: object) -> str | None:
        said = str(cell)
        parting = separator or next((sign for sign in SEPARATORS if sign in said), "/")
        parts = [" ".join(part.split()) for part in said.split(parting)]
        if parting != "/":
            parts = [part.replace("/", "-") for part in parts]  # a slash in a name would part it in two
        path = " / ".join(part for part in parts if part)
        if len(path) > 1_000:
            raise CellError("too_long", "is longer than any path of units")
        return path or None

    return read
