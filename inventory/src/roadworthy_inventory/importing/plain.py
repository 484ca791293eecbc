"""A plain spreadsheet of assets: usual header names are known without a mapping file, and it is told what was taken.

Only names that can mean one thing are taken. Where two columns could both be what a figure hangs on (the tag, the
serial, a date, the cost), nothing is guessed: the file is refused, and a mapping file says which is meant. `starter`
writes one for the headers of a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from roadworthy_inventory.importing.fields import (
    ANY_SEPARATOR,
    SEPARATORS,
    Binding,
    Column,
    Context,
    Format,
    bind,
    is_personal,
)
from roadworthy_inventory.importing.plan import reader
from roadworthy_inventory.importing.problems import CellError, UnknownFormatError, shortened
from roadworthy_inventory.importing.reading import Row, Table
from roadworthy_inventory.importing.register_rows import check_items, make_item
from roadworthy_inventory.importing.values import as_text
from roadworthy_inventory.importing.words import ALLOWED, word_key

COLUMNS = (
    Column(
        "tag",
        "key",
        ("Asset tag", "Asset No", "Asset number", "Asset ID", "Tag", "Tag number", "Tag No", "Asset tag number",
         "Asset tag no", "Inventory number", "Inventory No", "Inventory ID", "Asset ref", "Asset reference",
         "Asset code", "Asset label", "Barcode"),
    ),
    Column(
        "serial",
        "key",
        ("Serial number", "Serial", "S/N", "Serial No", "Serial num", "SN", "Service tag", "Device serial",
         "Device serial number", "Manufacturer serial number"),
    ),
    Column("uuid", "text", ("UUID", "System UUID", "SMBIOS UUID", "Hardware UUID", "SMBIOS GUID")),
    Column("macs", "macs", ("MAC addresses", "MAC address", "MAC", "MACs", "Ethernet MAC", "Wi-Fi MAC")),
    Column(
        "kind",
        "kind",
        ("Kind", "Asset type", "Device type", "Equipment type", "Item type", "Type", "Asset category",
         "Device category", "Category", "Asset class", "Class", "Form factor"),
    ),
    Column("manufacturer", "text", ("Manufacturer", "Make", "Vendor make", "Maker", "Brand", "OEM")),
    Column("model", "text", ("Model", "Model name", "Device model", "Product", "Product name", "Model description")),
    Column("model_number", "text", ("Model number", "Model No", "Part number", "Product number", "SKU")),
    Column(
        "lifecycle_state",
        "lifecycle_state",
        ("Lifecycle state", "Asset status", "Status", "State", "Asset state", "Lifecycle status", "Lifecycle",
         "Lifecycle stage", "Device status", "Install status"),
    ),
    Column("usage_profile", "usage_profile", ("Usage profile", "Usage", "Usage type")),
    Column(
        "unit",
        "unit",
        ("Unit", "Business unit", "Organisational unit", "Department", "Dept", "Division", "Directorate", "Team",
         "Section", "Group", "Department name", "Service area"),
    ),
    Column("cost_centre", "text", ("Cost centre", "Cost center", "Cost centre code", "Cost code")),
    Column("command", "text", ("Command",)),
    Column(
        "site",
        "text",
        ("Site", "Site name", "Location", "Building", "Location name", "Office", "Premises", "Base", "Station"),
    ),
    Column("legal_owner", "text", ("Legal owner", "Owning organisation")),
    Column("supplier", "text", ("Supplier", "Supplier name", "Vendor", "Purchased from", "Reseller")),
    Column(
        "order_number",
        "text",
        ("Order number", "Order No", "PO", "PO number", "PO No", "Purchase order", "Purchase order number",
         "Purchase order No", "Order ref", "Order reference", "Order"),
    ),
    Column("system", "text", ("System served", "Business system", "Business service", "Business application")),
    Column(
        "purchased",
        "date",
        ("Purchase date", "Purchased", "Purchased on", "Date purchased", "Date of purchase", "Bought", "Bought on",
         "Date bought", "Acquired", "Acquisition date", "Date acquired", "Invoice date"),
    ),
    Column(
        "purchase_cost_pence",
        "money",
        ("Purchase cost", "Purchase cost (GBP)", "Purchase price", "Price", "Price (GBP)", "Cost", "Cost (GBP)",
         "Cost GBP", "Price paid", "Unit cost", "Unit price", "Acquisition cost", "Purchase value"),
    ),
    Column("lease_end", "date", ("Lease end", "Lease end date", "Lease expiry", "Lease expires")),
    Column("warranty_start", "date", ("Warranty start", "Warranty start date", "Warranty from")),
    Column(
        "warranty_end",
        "date",
        ("Warranty end", "Warranty expires", "Warranty end date", "Warranty expiry", "Warranty expiry date",
         "Warranty expiration", "Warranty expiration date", "Warranty until", "Warranty to", "End of warranty",
         "Warranty expires on", "Warranty date"),
    ),
    Column(
        "warranty_months",
        "months",
        ("Warranty months", "Warranty (months)", "Warranty period (months)", "Months of warranty",
         "Warranty length (months)", "Warranty duration (months)"),
    ),
    Column(
        "warranty_years",
        "years_or_months",
        ("Warranty years", "Warranty (years)", "Warranty period (years)", "Years of warranty",
         "Warranty length (years)", "Warranty duration (years)"),
    ),
    Column("warranty_level", "text", ("Warranty level", "Warranty type", "Service level")),
    Column("planned_end", "date", ("Planned end", "Planned replacement", "Replacement date", "Planned replacement date",
                                   "End of life", "EOL date", "Replace by", "Refresh date")),
    Column("planned_months", "months", ("Planned life (months)", "Useful life (months)", "Expected life (months)")),
    Column("os_name", "text", ("Operating system", "OS", "OS name", "Operating system name")),
    Column("os_version", "text", ("Operating system version", "OS version", "OS build", "Version of OS")),
    Column("last_seen", "date", ("Last seen", "Last inventory", "Last contact", "Last audited", "Last audit date",
                                 "Last checked")),
    Column("notes", "notes", ("Notes", "Comments", "Comment", "Remarks", "Note")),
    Column("bios_date", "bios_date", ("Firmware date", "BIOS date")),
    Column("disposed_on", "date", ("Disposed on", "Disposal date", "Date disposed", "Date of disposal")),
)  # fmt: skip
# How people call the fields where one is named to them.
TITLES = {
    "tag": "asset tag", "serial": "serial number", "uuid": "UUID", "macs": "MAC addresses", "kind": "kind",
    "lifecycle_state": "lifecycle state", "purchased": "purchase date", "purchase_cost_pence": "purchase cost (pounds)",
    "warranty_end": "warranty end", "os_name": "operating system", "os_version": "operating system version",
    "warranty_months": "months of warranty", "warranty_years": "years of warranty",
    "planned_months": "planned life in months", "bios_date": "firmware date",
}  # fmt: skip
IDENTITY = ("tag", "serial", "uuid", "macs")
# What a figure hangs on: of two columns that could be one of these none is taken.
_NEVER_GUESSED = frozenset({"tag", "serial", "uuid", "purchased", "purchase_cost_pence", "warranty_end"})
# What is said to be missing, and what hangs on it.
_WANTED = (
    (("purchased",), "no purchase date: age and what to replace first go by it"),
    (("purchase_cost_pence",), "no purchase cost"),
    (("warranty_end", "warranty_months", "warranty_years"), "no end of warranty"),
    (("kind",), "no kind (laptop, desktop, monitor): a replacement plan is made per kind"),
    (("lifecycle_state",), "no lifecycle state: items stay 'unknown', and a plan takes the deployed ones"),
)
_LEAST = 2
_WORDS_SHOWN = 20
_ROWS_LOOKED_AT = 5_000
_REMEDY = "`roadworthy register mapping FILE` prints a mapping file for these headers: edit it and give it with --mapping"


def _make(found: dict[str, Any], context: Context) -> object:
    years = found.pop("warranty_years", None)
    if years is not None:
        found.setdefault("warranty_months", years)
    return make_item(found, context)


PLAIN = Format(
    name="spreadsheet",
    title="a plain spreadsheet",
    yields="item",
    columns=COLUMNS,
    required=(),
    make=_make,
    check_many=check_items,
    unique="tag",
    unit_separator=ANY_SEPARATOR,
)


@dataclass(frozen=True, slots=True)
class Laid:
    """The plain format over a header: what is taken, and {field: further columns that could be it}."""

    binding: Binding
    competing: dict[str, list[str]]

    @property
    def taken(self) -> dict[str, str]:
        """{field: header}."""
        return {one.column.field: one.title for one in self.binding.bound}

    @property
    def undecided(self) -> dict[str, list[str]]:
        """{field: headers} that nobody may guess between."""
        taken = self.taken
        return {
            name: [taken[name], *others] for name, others in self.competing.items() if name in _NEVER_GUESSED
        }

    @property
    def reads(self) -> int:
        """How many columns are taken."""
        return len(self.binding.bound)

    def fits(self) -> bool:
        """Whether it can be told which item a row is, and anything else of it."""
        return self.reads >= _LEAST and any(name in self.taken for name in IDENTITY)


def title_of(field: str) -> str:
    """Return a field's name for people."""
    return TITLES.get(field, field.replace("_", " "))


def lay(header: Sequence[str]) -> Laid:
    """Lay the plain format over a header."""
    plain = [_without_currency(name) for name in header]
    binding = bind(COLUMNS, plain)
    bound = tuple(replace(one, title=header[one.index]) for one in binding.bound)
    personal = tuple(index for index, name in enumerate(header) if is_personal(name))
    taken = {one.index for one in bound}
    unread = tuple(
        name for index, name in enumerate(header) if index not in taken and index not in binding.personal
    )
    fields = {word_key(alias): column.field for column in COLUMNS for alias in column.aliases}
    competing: dict[str, list[str]] = {}
    for index, name in enumerate(plain):
        field = fields.get(word_key(name))
        if field is not None and index not in taken and index not in personal:
            competing.setdefault(field, []).append(header[index])
    return Laid(Binding(bound, binding.personal, unread), competing)


def _without_currency(name: str) -> str:
    """Return a header without what says pounds: `Cost (pounds)` is `Cost`."""
    for sign in ("(\N{POUND SIGN})", "\N{POUND SIGN}", "(pounds)", "(GBP)"):
        if name.casefold().endswith(sign.casefold()):
            return name[: -len(sign)].strip() or name
    return name


def form_for(laid: Laid) -> Format:
    """Return the format of a header that fits, which tells what it took each column as."""
    taken = "; ".join(f"{shortened(one.title)} as {title_of(one.column.field)}" for one in laid.binding.bound)
    parts = [f"columns taken: {taken}"]
    for field, others in laid.competing.items():
        left = ", ".join(shortened(name) for name in others)
        parts.append(f"{left} left out, for {shortened(laid.taken[field])} is taken as {title_of(field)}")
    missing = [said for fields, said in _WANTED if not any(field in laid.taken for field in fields)]
    if missing:
        parts.append("; ".join(missing))
    columns = tuple(replace(one.column, aliases=(one.title,)) for one in laid.binding.bound)
    return replace(PLAIN, columns=columns, note=". ".join(parts))


def refusal(file: str, laid: Laid, line: int) -> UnknownFormatError | None:
    """Return why a header that reads like a plain spreadsheet cannot be taken as one; None where it can."""
    if not laid.undecided:
        return None
    said = "; ".join(
        f"{' and '.join(repr(shortened(name)) for name in names)} could both be the {title_of(field)}"
        for field, names in laid.undecided.items()
    )
    return UnknownFormatError(
        file, f"cannot be read without being told: {said}", f"say which is meant: {_REMEDY}", line=line
    )


def starter(table: Table) -> str:
    """Return a mapping file to be edited, for the headers of a table, and the words of it that we do not know.

    Reads the first rows of the table. Columns about people are named as left out; no value of theirs is looked at.
    """
    laid = lay(table.header)
    rows = list(islice(table.rows, _ROWS_LOOKED_AT))
    by_index = {one.index: one.column.field for one in laid.binding.bound}
    lines = [
        f"# A mapping for {_comment(table.file)}: which column is which field of the register.",
        "# Edit it, then: roadworthy register import FILE --mapping THIS-FILE --dry-run",
        f'title = "{_escaped("a table like " + shortened(table.file))}"',
        '# date_order = "day first"          # or "month first"; found out where not said',
        _separator(rows, laid),
        *([f'sheet = "{_escaped(table.sheet)}"'] if table.sheet and len(table.sheets) > 1 else []),
        "",
        "[columns]",
    ]
    undecided = {name for names in laid.undecided.values() for name in names}
    for index, name in enumerate(table.header):
        field = by_index.get(index)
        other = next((one for one, names in laid.competing.items() if name in names), None)
        if index in laid.binding.personal:
            lines.append(
                f"# {_comment(name)}: reads like a column about people, which the register does not hold"
            )
        elif name in undecided:
            wanted = mapped_name(field or other or "")
            lines.append(f'# "{_escaped(name)}" = "{wanted}"    # one of several that could be it: keep one')
        elif field is not None:
            lines.append(f'"{_escaped(name)}" = "{mapped_name(field)}"')
        else:
            why = "" if other is None else f"    # {mapped_name(other)} is another column above"
            lines.append(f'# "{_escaped(name)}" = ""{why}')
    lines += ["", "# The fields there are:"]
    lines += _wrapped([mapped_name(column.field) for column in COLUMNS])
    lines += [
        "",
        "# For every row without a value of its own:",
        "[fixed]",
        '# kind = "laptop"',
        '# lifecycle_state = "deployed"',
    ]
    for kind, words in _unknown_words(rows, laid).items():
        lines += ["", f"# Words we do not know. Ours: {', '.join(ALLOWED[kind])}", f"[words.{kind}]"]
        lines += [f'# "{_escaped(word)}" = ""' for word in words]
    return "\n".join(lines) + "\n"


def mapped_name(field: str) -> str:
    """Return the name of a field in a mapping file: money is named by what people write, pounds."""
    return "purchase_cost" if field == "purchase_cost_pence" else field


def _unknown_words(rows: Sequence[Row], laid: Laid) -> dict[str, list[str]]:
    """Return {kind of word: words in the first rows that are none of ours}."""
    found: dict[str, dict[str, None]] = {}
    columns = [one for one in laid.binding.bound if one.column.field in ALLOWED]
    reads = {one.index: reader(one.column, PLAIN, "day first") for one in columns}
    for _line, cells in rows:
        for one in columns:
            cell = cells[one.index] if one.index < len(cells) else ""
            words = found.setdefault(one.column.field, {})
            if cell == "" or len(words) >= _WORDS_SHOWN:
                continue
            try:
                reads[one.index](cell)
            except CellError:
                words[shortened(as_text(cell))] = None
    return {kind: list(words) for kind, words in found.items() if words}


def _separator(rows: Sequence[Row], laid: Laid) -> str:
    """Return the line about what parts the units of a path, set where the rows show it."""
    places = [one.index for one in laid.binding.bound if one.column.field == "unit"]
    cells = [str(cells[place]) for _line, cells in rows for place in places if place < len(cells)]
    used = next((sign for sign in SEPARATORS if any(sign in cell for cell in cells)), None)
    return (
        '# unit_separator = ">"              # "/" where not said'
        if used is None
        else f'unit_separator = "{_escaped(used)}"'
    )


def _wrapped(names: Sequence[str]) -> Iterator[str]:
    line = "#"
    for name in names:
        if len(line) + len(name) > 100:
            yield line
            line = "#"
        line += f" {name}"
    yield line


def _escaped(text: str) -> str:
    return (
        "".join(letter if letter.isprintable() else " " for letter in text)
        .replace("\\", "\\\\")
        .replace('"', '\\"')
    )


def _comment(text: str) -> str:
    return shortened(text)
